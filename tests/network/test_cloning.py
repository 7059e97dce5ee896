"""Clones: gradients against an independent reference, and a model that is left exactly as it was."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import KerasvizWarning, ModelError, RuleError


class Holder(L.Layer):
    """Runs the function it was given, stored in one of the ways in which user code stores functions."""

    def __init__(self, store, **kwargs):
        super().__init__(**kwargs)
        self.held = store

    def call(self, x):
        held = self.held
        while isinstance(held, dict | list | tuple):
            held = held["f"] if isinstance(held, dict) else held[0]
        return held(x)


class Method(L.Layer):
    """Calls a bound method of a layer inside a layer."""

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.inner = L.Activation(activation)
        self.run = self.inner.call

    def call(self, x):
        return self.run(x)


def flat(x):
    return L.Flatten()(x)


def deep(function):
    """An activation two models down."""
    inside, outside = keras.Input((6,)), keras.Input((6,))
    return keras.Model(outside, keras.Model(inside, function(inside))(outside))


relu, relu6, leaky = keras.activations.relu, keras.activations.relu6, keras.activations.leaky_relu
capped = functools.partial(relu, max_value=0.7)

# Each spelling with the same network without the rectifier.
SPELLINGS = {
    "Dense": (lambda x: L.Dense(5, activation="relu")(x), lambda x: L.Dense(5)(x)),
    "Dense, relu6": (lambda x: L.Dense(5, activation=relu6)(x), lambda x: L.Dense(5)(x)),
    "Dense, leaky": (lambda x: L.Dense(5, activation="leaky_relu")(x), lambda x: L.Dense(5)(x)),
    "Dense, partial": (lambda x: L.Dense(5, activation=capped)(x), lambda x: L.Dense(5)(x)),
    "Dense, layer": (lambda x: L.Dense(5, activation=L.LeakyReLU())(x), lambda x: L.Dense(5)(x)),
    "EinsumDense": (
        lambda x: L.EinsumDense("ab,bc->ac", 5, activation="relu")(x),
        lambda x: L.Dense(5, use_bias=False)(x),
    ),
    "Conv": (
        lambda x: flat(L.Conv1D(3, 2, activation="relu")(L.Reshape((6, 1))(x))),
        lambda x: flat(L.Conv1D(3, 2)(L.Reshape((6, 1))(x))),
    ),
    "Separable": (
        lambda x: flat(L.SeparableConv1D(3, 2, activation="relu")(L.Reshape((3, 2))(x))),
        lambda x: flat(L.SeparableConv1D(3, 2)(L.Reshape((3, 2))(x))),
    ),
    "Depthwise": (
        lambda x: flat(L.DepthwiseConv1D(2, activation="relu")(L.Reshape((3, 2))(x))),
        lambda x: flat(L.DepthwiseConv1D(2)(L.Reshape((3, 2))(x))),
    ),
    "wrapped": (
        lambda x: flat(L.TimeDistributed(L.Dense(3, activation="relu"))(L.Reshape((3, 2))(x))),
        lambda x: flat(L.TimeDistributed(L.Dense(3))(L.Reshape((3, 2))(x))),
    ),
    "normalized": (
        lambda x: L.SpectralNormalization(L.Dense(5, activation="relu"))(x),
        lambda x: L.SpectralNormalization(L.Dense(5))(x),
    ),
}
FUNCTIONS = {
    "Activation, name": L.Activation("relu"),
    "Activation, relu6": L.Activation("relu6"),
    "Activation, op": L.Activation(keras.ops.relu6),
    "Activation, TensorFlow": L.Activation(tf.nn.relu),
    "Activation, partial of leaky": L.Activation(functools.partial(tf.nn.leaky_relu, alpha=0.3)),
    "Activation, partial of partial": L.Activation(
        functools.partial(functools.partial(relu, max_value=2), threshold=0.3)
    ),
    "ReLU": L.ReLU(),
    "ReLU, all": L.ReLU(max_value=1.5, negative_slope=0.2, threshold=0.4),
    "LeakyReLU": L.LeakyReLU(negative_slope=0.4),
    "op": keras.ops.relu,
    "op, relu6": keras.ops.relu6,
    "op, leaky": lambda x: keras.ops.leaky_relu(x, negative_slope=0.4),
    "op, capped": lambda x: relu(x, max_value=1.5, negative_slope=0.2, threshold=0.4),
    "Lambda": L.Lambda(tf.nn.relu),
    "attribute": Holder(relu),
    "attribute, list": Holder([relu]),
    "attribute, nested": Holder({"f": [({"f": tf.nn.relu6},)]}),
    "attribute, partial": Holder([functools.partial(leaky, negative_slope=0.3)]),
    "attribute, layer": Holder({"f": L.ReLU(max_value=1)}),
    "attribute, method of a layer": Holder({"f": L.ReLU(negative_slope=0.1).call}),
    "method": Method("relu"),
    "nested": lambda x: deep(keras.ops.relu)(x),
    "nested, layer": lambda x: deep(L.ReLU(negative_slope=0.3))(x),
}
SPELLINGS |= {name: (function, lambda x: x) for name, function in FUNCTIONS.items()}


def pair(name):
    """A model with a rectifier in the middle, and the same with the same weights without it."""
    models = []
    for middle in SPELLINGS[name]:
        inputs = keras.Input((6,))
        x = L.Dense(3, name="after")(middle(L.Dense(6, name="before")(inputs)))
        models.append(keras.Model(inputs, x))
    model, linear = models
    zoo.randomize(model)
    weights = model.get_weights()
    if name == "EinsumDense":
        weights = [w for w in weights if w.shape != (5,)] if len(weights) > len(linear.weights) else weights
    linear.set_weights(weights)
    return model, linear


def below(model, x, cotangent):
    """What arrives at the input when `cotangent` arrives at what goes into the last layer; Keras and tape only."""
    part, x = keras.Model(model.input, model.get_layer("after").input), tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = part(x, training=False)
    return tape.gradient(y, x, tf.constant(cotangent)).numpy()


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_has_the_gradient_of_its_rule(name, rng):
    model, linear = pair(name)
    x = rng.normal(size=(5, 6)).astype("float32")
    arrives = np.repeat(model.get_layer("after").get_weights()[0][None, :, 0], 5, axis=0)
    assert (arrives > 0).any() and (arrives < 0).any()
    gated = np.maximum(arrives, 0)
    expected = {"guided": below(model, x, gated), "deconvnet": below(linear, x, gated)}
    plain = input_gradient(model, x)
    for rule in ("guided", "deconvnet"):
        clone, replaced, missed = kv.clone_with_rule(model, rule)
        assert (len(replaced), missed) == (1, ())
        np.testing.assert_array_equal(clone(x), model(x))
        np.testing.assert_allclose(
            input_gradient(clone, x), expected[rule], rtol=0, atol=1e-6 * np.abs(expected[rule]).max()
        )
        assert np.abs(expected[rule] - plain).max() > 1e-3
    assert np.abs(expected["guided"] - expected["deconvnet"]).max() > 1e-3
    np.testing.assert_array_equal(input_gradient(model, x), plain)


def score(outputs):
    first = keras.tree.flatten(outputs)[0]
    return tf.reduce_sum(tf.cast(first, tf.float32)[..., 0])


def input_gradient(model, inputs):
    """The gradients of the first unit at the inputs, flat."""
    inputs = keras.tree.map_structure(tf.constant, inputs)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = score(model(inputs, training=False))
    found = keras.tree.flatten(tape.gradient(value, inputs))
    return (
        np.concatenate([np.ravel(g) for g in found if g is not None]).reshape(-1)
        if len(found) > 1
        else found[0].numpy()
    )


def _inside(op):
    return (op.outputs[0] > 0) & ((op.outputs[0] < 6) | (op.type == "Relu"))


@tf.RegisterGradient("test_guided")
def _guided(op, g):
    return tf.where((g > 0) & _inside(op), g, tf.zeros_like(g))


@tf.RegisterGradient("test_deconvnet")
def _deconvnet(op, g):
    return tf.where(g > 0, g, tf.zeros_like(g))


def gradient_under_override(model, inputs, rule):
    """The same on the user's own model, its graph's ReLU ops overridden: nothing of kerasviz takes part."""
    names = {"Relu": f"test_{rule}", "Relu6": f"test_{rule}"}

    @tf.function(autograph=False)
    def run(inputs):
        with tf.compat.v1.get_default_graph().gradient_override_map(names):
            value = score(model(inputs, training=False))
        return [g for g in tf.gradients(value, keras.tree.flatten(inputs)) if g is not None]

    found = run(keras.tree.map_structure(tf.constant, inputs))
    return np.concatenate([np.ravel(g) for g in found]) if len(found) > 1 else found[0].numpy()


@pytest.mark.parametrize("rule", ["guided", pytest.param("deconvnet", marks=pytest.mark.slow)])
def test_clones_of_every_kind_of_model_agree_with_overridden_graph_ops(specimen, rule):
    expected = gradient_under_override(specimen.model, specimen.inputs, rule)
    found = input_gradient(kv.clone_with_rule(specimen.model, rule).model, specimen.inputs)
    half = any(layer.compute_dtype == "float16" for layer in specimen.model.layers)
    scale = np.abs(expected).max()
    assert scale > 0
    np.testing.assert_allclose(np.ravel(found), np.ravel(expected), rtol=0, atol=(2e-3 if half else 1e-6) * scale)


def everything(model):
    """All that a model and its layers hold, as far as it can be told apart."""
    optimizer = model.optimizer.variables if model.compiled else []
    return {
        "weights": [v.numpy().tobytes() for v in model.variables],
        "optimizer": [(v.path, v.numpy().tobytes()) for v in optimizer],
        "compiled": (model.compiled, model.loss if model.compiled else None, id(getattr(model, "optimizer", None))),
        "config": None if isinstance(model, zoo.Subclassed) else model.to_json(),
        "trainable": [(layer.trainable, [v.trainable for v in layer.variables]) for layer in model._flatten_layers()],
        "nodes": [(len(x._inbound_nodes), len(x._outbound_nodes)) for x in operations(model)],
        "attributes": [{name: held(value) for name, value in vars(x).items()} for x in operations(model)],
        "losses": [len(layer.losses) for layer in model._flatten_layers()],
    }


def operations(model):
    found = list(model._flatten_layers())
    for layer in list(found):
        found += [op for op in getattr(layer, "_operations", []) if not any(op is known for known in found)]
    return found


def held(value):
    if isinstance(value, list | tuple):
        return [held(part) for part in value]
    if isinstance(value, dict):
        return {key: held(part) for key, part in value.items()}
    return (id(value), set(value)) if isinstance(value, set) else id(value)


def fitted(model, inputs, **options):
    """Compile and fit a model, and give a function that fits it once more."""
    outputs = model(keras.tree.map_structure(tf.constant, inputs), training=False)
    targets = keras.tree.map_structure(lambda y: np.zeros(y.shape, "float32"), outputs)
    model.compile("adam", keras.tree.map_structure(lambda y: "mse", outputs), **options)
    model.fit(inputs, targets, verbose=0)
    return lambda: model.fit(inputs, targets, verbose=0).history["loss"][0]


def open_in_every_way(model, inputs):
    tensors = keras.tree.map_structure(tf.constant, inputs)
    for rule in ("guided", "deconvnet"):
        clone = kv.clone_with_rule(model, rule).model
        outputs = [keras.tree.flatten(each(tensors, training=False)) for each in (clone, model)]
        for mine, theirs in zip(*outputs, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    for clone in (
        kv.clone_with_rule(model, "guided").model,
        kv.clone_with_rule(model, "deconvnet", smooth=True).model,
        kv.swap_activations(model, {"relu": "softplus"}).model,
        kv.to_logits(model),
    ):
        assert sorted(map(id, clone.variables)) == sorted(map(id, model.variables))
        input_gradient(clone, inputs)
    network = kv.Network(model, rule="guided")
    network.activations(inputs, network.layers[-1])


@pytest.mark.slow
def test_nothing_in_a_fitted_model_changes(specimen):
    model, inputs = specimen.model, specimen.inputs
    fit = fitted(model, inputs, run_eagerly=True)
    outputs, before = model.predict(inputs, verbose=0), everything(model)
    open_in_every_way(model, inputs)
    assert everything(model) == before
    for mine, theirs in zip(*map(keras.tree.flatten, (model.predict(inputs, verbose=0), outputs)), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert np.isfinite(fit())  # It trains on as if nothing had been.


@pytest.mark.slow
def test_compiled_training_and_prediction_stay_as_they_were_traced():
    specimen = zoo.ZOO["nested_in_sequential"]()
    model, inputs = specimen.model, specimen.inputs
    fit = fitted(model, inputs)
    outputs, before = model.predict(inputs, verbose=0), everything(model)
    functions = model.train_function, model.predict_function
    # A clone that Keras compiles again has an optimizer of its own, as large as the weights twice over.
    assert not kv.clone_with_rule(model, "guided").model.compiled
    open_in_every_way(model, inputs)
    assert everything(model) == before
    np.testing.assert_array_equal(model.predict(inputs, verbose=0), outputs)
    assert (model.train_function, model.predict_function) == functions
    assert np.isfinite(fit())


class Penalized(L.Layer):
    def call(self, x):
        self.add_loss(keras.ops.mean(x))
        return x


def test_losses_of_a_clone_are_its_own():
    inputs = keras.Input((4,))
    x = L.Dense(3, activation="relu", activity_regularizer="l2", kernel_regularizer="l1", name="dense")(inputs)
    model = keras.Model(inputs, Penalized()(x))
    model(np.ones((2, 4), "float32"))
    before, losses = everything(model), [float(loss) for loss in model.losses]
    clone = kv.clone_with_rule(model, "guided").model
    clone(np.full((2, 4), 3.0, "float32"))
    assert everything(model) == before
    assert [float(loss) for loss in model.losses] == losses and len(losses) == 3


def test_a_clone_follows_the_weights_in_both_rules_and_modes():
    specimen = zoo.ZOO["nested_in_sequential"]()
    clone = kv.clone_with_rule(specimen.model, "guided").model
    before = clone(specimen.inputs).numpy()
    zoo.randomize(specimen.model, seed=11)
    np.testing.assert_array_equal(clone(specimen.inputs), specimen.model(specimen.inputs))
    assert np.abs(clone(specimen.inputs) - before).max() > 1e-3
    np.testing.assert_array_equal(
        clone.predict(specimen.inputs, verbose=0), specimen.model.predict(specimen.inputs, verbose=0)
    )


class Hidden(L.Layer):
    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.run = lambda x: function(x)

    def call(self, x):
        return self.run(x)


@pytest.mark.parametrize("function", [tf.nn.relu, keras.ops.relu6, keras.ops.leaky_relu, tf.function(tf.nn.relu)])
def test_every_kind_of_hidden_rectifier_is_missed_aloud(function):
    inputs = keras.Input((6,))
    model = keras.Model(inputs, Hidden(function, name="cave")(L.Dense(5, activation="relu", name="seen")(inputs)))
    with pytest.warns(KerasvizWarning, match=r"replaced 1 rectifiers of .* missed 1 inside custom code") as caught:
        _, replaced, missed = kv.clone_with_rule(model, "deconvnet")
    assert replaced == ("seen.activation",) and len(missed) == 1 and missed[0] in str(caught[0].message)
    # What opens the model to look at it goes through its graph, in which nothing is hidden.
    assert len(kv.Network(model, rule="guided").replaced) == 2


def test_a_kept_activation_hides_no_rectifier_outside_itself():
    """Beside a hard-swish, whose ReLU6 is known, a ReLU6 of custom code is still named."""
    inputs = keras.Input((6,))
    x = L.Dense(5, activation="hard_sigmoid")(L.Dense(5, activation="hard_swish")(L.ReLU()(inputs)))
    assert kv.clone_with_rule(keras.Model(inputs, x), "guided").missed == ()
    model = keras.Model(inputs, Hidden(tf.nn.relu6, name="cave")(x))
    with pytest.warns(KerasvizWarning, match=r"missed 1 .*cave"):
        kv.clone_with_rule(model, "guided")


def test_only_hidden_rectifiers_are_an_error_that_names_them():
    inputs = keras.Input((6,))
    model = keras.Model(inputs, Hidden(tf.nn.relu, name="cave")(L.Dense(5)(inputs)))
    with pytest.raises(RuleError, match=r"no rectifier that can be reached; .*cave.*Relu run inside custom code"):
        kv.clone_with_rule(model, "guided")
    smooth = keras.Model(inputs, L.Dense(5, activation="swish")(inputs))
    with pytest.raises(RuleError, match=r"has no rectifier\. Expected ReLU.*smooth=True"):
        kv.clone_with_rule(smooth, "guided")
    (replaced,) = kv.clone_with_rule(smooth, "guided", smooth=True).replaced
    assert replaced.endswith(".activation")


def test_backprop_replaces_nothing_and_complains_of_nothing():
    specimen = zoo.ZOO["functional"]()
    clone, replaced, missed = kv.clone_with_rule(specimen.model, "backprop")
    assert (replaced, len(missed)) == ((), specimen.rectifiers)
    np.testing.assert_array_equal(
        input_gradient(clone, specimen.inputs), input_gradient(specimen.model, specimen.inputs)
    )
    with pytest.raises(RuleError, match="No backward rule is called 'grad'"):
        kv.clone_with_rule(specimen.model, "grad")


def test_replaced_activations_are_listed_by_path():
    specimen = zoo.ZOO["nested_in_sequential"]()
    assert kv.clone_with_rule(specimen.model, "guided").replaced == ("base/conv1.activation", "base/relu")
    assert kv.clone_with_rule(zoo.ZOO["custom_layers"]().model, "guided").replaced == ("block.act",)


def test_a_sample_opens_a_model_that_declares_no_inputs():
    class Open(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(3, activation="relu")
            self.dense.build((None, 4))
            self.built = True

        def call(self, x):
            return self.dense(x["a"]) + x["b"]

    model, sample = Open(), {"a": zoo.images(4), "b": zoo.images(3)}
    with pytest.raises(ModelError, match="a sample of its inputs"):
        kv.clone_with_rule(model, "guided")
    clone = kv.clone_with_rule(model, "guided", sample=sample)
    assert len(clone.replaced) == 1
    np.testing.assert_array_equal(clone.model(sample), model(sample))


def test_a_clone_takes_its_inputs_by_name_as_the_model_does():
    specimen = zoo.ZOO["image_and_table"]()
    clone = kv.clone_with_rule(specimen.model, "guided").model
    by_name = dict(zip(("table", "image"), reversed(specimen.inputs), strict=True))
    np.testing.assert_array_equal(clone.predict(by_name, verbose=0), specimen.model.predict(specimen.inputs, verbose=0))
    layers = [layer["config"]["name"] for layer in json.loads(clone.to_json())["config"]["layers"]]
    assert layers == [layer.name for layer in specimen.model.layers]


def test_only_the_activation_that_was_named_is_swapped():
    """ "relu" is no leaky, capped or shifted one."""
    inputs = keras.Input((6,))
    model = keras.Model(inputs, inputs)
    for options in ({}, {"negative_slope": 0.2}, {"threshold": 0.1}, {"max_value": 6}, {"max_value": 2}):
        x = L.ReLU(**options)(model.output)
        model = keras.Model(inputs, relu(x, **options) if options else keras.ops.relu(x))
    assert len(kv.swap_activations(model, {"relu": "tanh"}).replaced) == 2
    assert len(kv.swap_activations(model, {"relu6": "tanh"}).replaced) == 2
    assert len(kv.swap_activations(model, {L.ReLU: "tanh"}).replaced) == 5
