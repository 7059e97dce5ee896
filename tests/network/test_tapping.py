"""Activations on the way through, and gradients with respect to them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import LayerError
from kerasviz.network import Address


def first_output(done):
    """A score made of the outputs as they are, so that a plain tape can follow."""
    output = next(iter(done.outputs.values()))
    rows = tf.reshape(tf.cast(output[..., 0], tf.float32), (tf.shape(output)[0], -1))
    return tf.reduce_sum(rows, axis=1)


def differentiated(network, samples, at=(), score=first_output, **options):
    addresses = [network.address(spec) for spec in at]

    def body(tensors):
        _, scores, at_inputs, at_layers = network.differentiate(tensors, score, at=addresses, **options)
        return scores, [g for g in at_inputs if g is not None], [at_layers[address] for address in addresses]

    return keras.tree.map_structure(np.asarray, network.function(body)(network.inputs.check(samples)))


@pytest.mark.slow
def test_input_gradients_are_those_of_a_plain_tape(specimen):
    network = kv.Network(specimen.model)
    scores, found, _ = differentiated(network, specimen.inputs, inputs=True)
    tensors = keras.tree.map_structure(tf.constant, specimen.inputs)
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = specimen.model(tensors, training=False)
        # The outputs of a dict by their names, in order.
        output = outputs["age"] if isinstance(outputs, dict) else keras.tree.flatten(outputs)[0]
        total = tf.reduce_sum(tf.cast(output, tf.float32)[..., 0])
    expected = keras.tree.flatten(tape.gradient(total, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO))
    half = any(layer.compute_dtype == "float16" for layer in specimen.model.layers)
    np.testing.assert_allclose(scores.sum(), total, rtol=1e-2 if half else 1e-5)
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=(2e-2 if half else 1e-6) * scale)


@pytest.mark.slow
def test_activations_of_every_layer_are_those_that_keras_returns(specimen):
    """By a model of Keras's own to every layer at the top, where Keras can make one."""
    model = specimen.model
    graph = getattr(model, "_functional", model)
    if isinstance(model, zoo.Subclassed | zoo.OwnCall) or not hasattr(graph, "inputs"):
        pytest.skip("Keras makes no model of an inner layer here")
    network = kv.Network(model)
    # A shared layer's output in the graph is that of its first call.
    once = [x for x in model.layers if len(x._inbound_nodes) == 1]
    layers = [x for x in once if not isinstance(x, L.InputLayer | keras.Model)]
    expected = keras.Model(graph._inputs_struct, [layer.output for layer in layers])
    wanted = expected(keras.tree.map_structure(tf.constant, specimen.inputs), training=False)
    found = network.activations(specimen.inputs, layers, batch_size=2)
    half = any(layer.compute_dtype == "float16" for layer in layers)
    wanted = wanted if isinstance(wanted, list) else [wanted]
    for layer, (path, mine), theirs in zip(layers, found.items(), wanted, strict=True):
        assert path.endswith(layer.name)
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=(1e-2 if half else 1e-5) * np.abs(theirs).max())


def test_gradients_at_a_nested_layer_are_those_of_the_head_alone():
    model, images = zoo.ZOO["nested_in_sequential"]().model, zoo.images(12, 10, 3)
    base, gap, dense = model.layers[-3:]
    features = base(model.layers[0](images))
    with tf.GradientTape() as tape:
        tape.watch(features)
        probability = dense(gap(features))[:, 0]
    expected = tape.gradient(probability, features)
    _, _, (found,) = differentiated(kv.Network(model), images, at=["base/relu"])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)
    # The model that is nested is a layer too, with the same map.
    _, _, (of_base,) = differentiated(kv.Network(model), images, at=["base"])
    np.testing.assert_array_equal(of_base, found)


def test_each_call_of_a_shared_layer_has_its_own_gradient():
    inputs = keras.Input((4,))
    dense = L.Dense(4, name="shared", activation="tanh")
    model = zoo.randomize(keras.Model(inputs, L.Dense(2)(dense(dense(inputs)))))
    x, kernel = zoo.images(4), model.layers[-1].kernel.numpy()[:, 0]
    _, _, (first, second, last) = differentiated(kv.Network(model), x, at=["shared@0", "shared@1", "shared"])
    np.testing.assert_allclose(second, np.tile(kernel, (3, 1)), rtol=1e-6)
    np.testing.assert_array_equal(last, second)
    once = dense(x)
    expected = (kernel * (1 - dense(once).numpy() ** 2)) @ dense.kernel.numpy().T
    np.testing.assert_allclose(first, expected, rtol=1e-5, atol=1e-6)


def test_token_numbers_have_gradients_at_their_embedding():
    tokens = keras.Input((9,), dtype="int32", name="tokens")
    x = L.Conv1D(5, 3, activation="relu", name="conv")(L.Embedding(11, 4, name="embedding")(tokens))
    model = zoo.randomize(keras.Model(tokens, L.Dense(3)(L.GlobalAveragePooling1D(name="gap")(x))))
    numbers = np.random.default_rng(0).integers(0, 11, (2, 9))
    network = kv.Network(model)
    assert str(network.address()) == "conv"
    _, at_inputs, (at_conv, at_embedding) = differentiated(network, numbers, at=["conv", "embedding"], inputs=True)
    assert at_inputs == []  # Integers have none.
    kernel = model.layers[-1].kernel.numpy()[:, 0]
    np.testing.assert_allclose(at_conv, np.broadcast_to(kernel / 7, (2, 7, 5)), rtol=1e-6)
    embedded = model.get_layer("embedding")(numbers)
    with tf.GradientTape() as tape:
        tape.watch(embedded)
        score = model.layers[-1](model.get_layer("gap")(model.get_layer("conv")(embedded)))[:, 0]
    np.testing.assert_allclose(at_embedding, tape.gradient(score, embedded), rtol=0, atol=1e-7)
    # The same for numbers given as floats, as Keras allows.
    np.testing.assert_array_equal(differentiated(network, numbers.astype("float32"), at=["conv"])[2][0], at_conv)


def test_what_a_score_does_not_depend_on_has_zero_gradient():
    specimen = zoo.ZOO["two_outputs"]()
    _, _, (at_other, at_shared) = differentiated(kv.Network(specimen.model), specimen.inputs, at=["second", "conv1"])
    np.testing.assert_array_equal(at_other, np.zeros((3, 3)))
    assert np.abs(at_shared).max() > 0
    table = zoo.ZOO["image_and_table"]()

    def of_table_only(done):
        return tf.reduce_sum(done.activations[Address("table_dense")], axis=1)

    _, (at_image, at_table), _ = differentiated(
        kv.Network(table.model), table.inputs, score=of_table_only, inputs=True, taps=[Address("table_dense")]
    )
    np.testing.assert_array_equal(at_image, np.zeros_like(table.inputs[0]))
    assert np.abs(at_table).max() > 0


def test_without_input_gradients_the_pass_ends_at_the_layer():
    specimen = zoo.ZOO["functional"]()
    network = kv.Network(specimen.model)
    kinds = {}
    for inputs in (False, True):

        def body(tensors, inputs=inputs):
            _, _, _, at_layers = network.differentiate(
                tensors, first_output, at=[network.address("out_relu")], inputs=inputs
            )
            ops = tf.compat.v1.get_default_graph().get_operations()
            kinds[inputs] = sum(op.type == "Conv2DBackpropInput" for op in ops)
            return list(at_layers.values())

        network.function(body)
    assert kinds == {False: 0, True: 3}


def test_a_wrapped_layer_has_an_activation_for_each_step():
    specimen = zoo.ZOO["time_distributed"]()
    conv = specimen.model.get_layer("frames").layer
    network = kv.Network(specimen.model)
    steps = [f"frames/frame_conv@{t}" for t in range(4)]
    maps = network.activations(specimen.inputs, ["frames", *steps])
    for t, step in enumerate(steps):
        np.testing.assert_allclose(maps[step], conv(specimen.inputs[:, t]), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(maps["frames"][:, t], maps[step])
    with pytest.raises(LayerError, match=r"@4.*called 4 times.*@0 to @3"):
        network.activations(specimen.inputs, "frames/frame_conv@4")


def test_the_inside_of_a_recurrent_layer_is_refused():
    inputs = keras.Input((5, 4))
    network = kv.Network(keras.Model(inputs, L.RNN(L.SimpleRNNCell(3, name="cell"), name="rnn")(inputs)))
    assert network.trace.looped == {"rnn/cell"}
    with pytest.raises(LayerError, match=r"'rnn/cell' runs inside a loop.*Tap the layer around it"):
        network.activations(zoo.images(5, 4), "cell")
    x = zoo.images(5, 4)
    model = keras.Model(inputs, L.SimpleRNN(3, name="rnn", unroll=True)(inputs))
    found = kv.Network(model).activations(x, "rnn")["rnn"]
    np.testing.assert_allclose(found, model(x), rtol=1e-6)


def test_a_layer_that_is_not_called_is_refused():
    class Idle(keras.Model):
        def __init__(self):
            super().__init__()
            self.used, self.idle = L.Dense(2, name="used"), L.Dense(2, name="idle")

        def call(self, x):
            return self.used(x)

    model = Idle()
    model.used.build((None, 4))
    model.built = True
    network = kv.Network(model, sample=zoo.images(4))
    assert network.layers == ["used", "idle"]
    with pytest.raises(LayerError, match="'idle' is not reached"):
        network.activations(zoo.images(4), "idle")


def test_a_layer_of_several_tensors_is_refused_by_name():
    inputs = keras.Input((5, 4))
    model = keras.Model(inputs, L.Dense(2)(L.LSTM(3, return_state=True, name="lstm")(inputs)[0]))
    with pytest.raises(LayerError, match="'lstm' returns several tensors"):
        kv.Network(model).activations(zoo.images(5, 4), "lstm")


class Loose(keras.Model):
    """Its layers return what they like: a tensor beside None, a variable, a constant."""

    def __init__(self):
        super().__init__()
        self.pair, self.table, self.fixed = Paired(name="pair"), Table(name="table"), Fixed(name="fixed")
        self.dense = L.Dense(2, name="dense")

    def call(self, x):
        x, nothing = self.pair(x)
        return self.dense(x + self.table(x) + self.fixed(x)), nothing


class Paired(L.Layer):
    def call(self, x):
        return 2 * x, None


class Table(L.Layer):
    def build(self, shape):
        self.rows = self.add_weight(shape=(shape[-1],), initializer="ones", name="rows")

    def call(self, x):
        return self.rows


class Fixed(L.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.value = tf.constant([1.0, 2.0, 3.0, 4.0])

    def call(self, x):
        return self.value


@pytest.mark.filterwarnings("ignore:.*`build\\(\\)` was called")
def test_layers_may_return_none_variables_and_constants():
    model, x = Loose(), zoo.images(4)
    expected, _ = model(x)
    network = kv.Network(model, sample=x)
    assert list(network.trace.outputs) == ["output"]
    maps = network.activations(x, ["dense"])
    np.testing.assert_allclose(maps["dense"], expected, rtol=1e-5, atol=1e-6)
    for name, value in (("table", np.ones(4)), ("fixed", [1, 2, 3, 4])):
        address = [Address(name)]
        tapped = network.function(lambda tensors: network.forward(tensors, address).activations)([x])  # noqa: B023
        np.testing.assert_array_equal(tapped[Address(name)], value)
    np.testing.assert_allclose(kv.to_logits(model, sample=x)(x)[0], expected, rtol=1e-5, atol=1e-6)


def test_layers_may_be_asked_for_twice_and_in_any_order():
    specimen = zoo.ZOO["functional"]()
    network = kv.Network(specimen.model)
    found = network.activations(specimen.inputs, ["conv2", "conv1", "conv2", specimen.model.get_layer("pool1")])
    assert list(found) == ["conv2", "conv1", "pool1"]
    again = network.activations(specimen.inputs, "conv1", batch_size=1)
    np.testing.assert_allclose(again["conv1"], found["conv1"], rtol=1e-6, atol=1e-6)
    assert again["conv1"].shape == (3, 12, 10, 5)


def test_gradients_stay_with_their_inputs_where_some_have_none():
    tokens, image, table = keras.Input((5,), dtype="int32"), keras.Input((4, 4, 1)), keras.Input((3,))
    parts = [L.Flatten()(L.Embedding(7, 2)(tokens)), L.Flatten()(image), table]
    model = zoo.randomize(keras.Model([tokens, image, table], L.Dense(1)(L.Concatenate()(parts))))
    inputs = [np.ones((2, 5)), zoo.images(4, 4, 1, count=2), zoo.images(3, count=2)]
    network, seen = kv.Network(model), []

    def body(tensors):
        found = network.differentiate(tensors, first_output, inputs=True)[2]
        seen.extend(gradient is None for gradient in found)
        return found[1:]

    at_image, at_table = network.function(body)(network.inputs.check(inputs))
    assert seen == [True, False, False]
    kernel = model.layers[-1].kernel.numpy()[:, 0]
    np.testing.assert_allclose(np.reshape(at_image, (2, 16)), np.tile(kernel[10:26], (2, 1)), rtol=1e-6)
    np.testing.assert_allclose(at_table, np.tile(kernel[26:], (2, 1)), rtol=1e-6)


def test_layers_of_one_name_have_numbers():
    class Twice(keras.Model):
        def __init__(self):
            super().__init__()
            self.one, self.other = L.Dense(3, name="same"), L.Dense(3, name="same")

        def build(self, shape):
            self.one.build(shape)
            self.other.build((None, 3))
            self.built = True

        def call(self, x):
            return self.other(self.one(x))

    model, x = Twice(), zoo.images(4)
    model.build((None, 4))
    network = kv.Network(model, sample=x)
    assert network.layers == ["same", "same:2"]
    maps = network.activations(x, ["same", "same:2"])
    np.testing.assert_allclose(maps["same"], model.one(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(maps["same:2"], model(x), rtol=1e-5, atol=1e-6)
