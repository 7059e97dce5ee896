"""Every way to spell a rectifier is found, counted, and changed in the gradient alone."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import KerasvizWarning, ModelError, RuleError

SPELLINGS = {
    "dense argument": lambda x: L.Dense(5, activation="relu")(x),
    "conv argument": lambda x: L.Flatten()(L.Conv1D(3, 1, activation="relu")(L.Reshape((6, 1))(x))),
    "einsum argument": lambda x: L.EinsumDense("ab,bc->ac", 5, activation="relu")(x),
    "activation by name": lambda x: L.Activation("relu")(x),
    "activation relu6": lambda x: L.Activation("relu6")(x),
    "activation function": lambda x: L.Activation(keras.activations.relu)(x),
    "activation op": lambda x: L.Activation(keras.ops.relu)(x),
    "activation of TensorFlow": lambda x: L.Activation(tf.nn.relu)(x),
    "activation partial": lambda x: L.Activation(functools.partial(keras.activations.relu, max_value=0.7))(x),
    "layer as argument": lambda x: L.Dense(5, activation=L.ReLU())(x),
    "ReLU layer": lambda x: L.ReLU()(x),
    "ReLU layer capped": lambda x: L.ReLU(max_value=0.7)(x),
    "ReLU layer with slope": lambda x: L.ReLU(negative_slope=0.2, threshold=0.1)(x),
    "LeakyReLU layer": lambda x: L.LeakyReLU(negative_slope=0.2)(x),
    "PReLU layer": lambda x: L.PReLU()(x),
    "ops.relu": lambda x: keras.ops.relu(x),
    "ops.relu6": lambda x: keras.ops.relu6(x),
    "ops.leaky_relu": lambda x: keras.ops.leaky_relu(x),
    "activations.relu capped": lambda x: keras.activations.relu(x, max_value=0.7),
    "Lambda of a function": lambda x: L.Lambda(tf.nn.relu)(x),
    "custom layer": lambda x: Holder()(x),
}


class Holder(L.Layer):
    """Holds its activation where a sloppy search would miss it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.parts = {"steps": [(keras.activations.relu,)]}

    def call(self, x):
        return self.parts["steps"][0][0](x)


def model_of(spelling):
    inputs = keras.Input((6,))
    x = L.Dense(6, name="before")(inputs)
    model = keras.Model(inputs, L.Dense(3, name="after")(SPELLINGS[spelling](x)))
    return zoo.randomize(model)


def gradient_with_override(model, x, op_gradients):
    """The gradient of the first output under a graph's own override of ops: another mechanism altogether."""
    graph_map = {}
    for op, function in op_gradients.items():
        name = f"Test{op}{id(function)}"
        tf.RegisterGradient(name)(function)
        graph_map[op] = name

    @tf.function
    def run(x):
        with tf.compat.v1.get_default_graph().gradient_override_map(graph_map):
            score = tf.reduce_sum(model(x, training=False)[:, 0])
        return tf.gradients(score, x)[0]

    return run(tf.constant(x)).numpy()


def input_gradient(model, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = tf.reduce_sum(model(x, training=False)[:, 0])
    return tape.gradient(score, x).numpy()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_is_found_and_gated(spelling, rng):
    model = model_of(spelling)
    x = rng.normal(size=(4, 6)).astype("float32")
    clone, replaced, missed = kv.clone_with_rule(model, "guided")
    assert (len(replaced), missed) == (1, ())
    np.testing.assert_array_equal(clone(x), model(x))
    # Backward by hand: the gradient at the rectifier's output, gated, through the model's own rectifier.
    for before in model.variables:
        assert any(before is after for after in clone.variables)
    assert np.abs(input_gradient(clone, x) - input_gradient(model, x)).max() > 1e-3


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_rules_agree_with_overridden_graph_ops(rule, rng):
    relu_gradients = {
        "guided": lambda op, g: tf.where((g > 0) & (op.outputs[0] > 0), g, 0.0),
        "deconvnet": lambda op, g: tf.where(g > 0, g, 0.0),
    }
    inputs = keras.Input((9, 7, 3))
    x = L.Conv2D(4, 3, activation="relu", padding="same")(inputs)
    x = L.MaxPooling2D(2)(keras.ops.relu(L.BatchNormalization()(x)))
    x = L.Dense(6, activation="relu")(L.Flatten()(x))
    model = zoo.randomize(keras.Model(inputs, L.Dense(3)(x)))
    images = rng.normal(size=(2, 9, 7, 3)).astype("float32")
    expected = gradient_with_override(model, images, {"Relu": relu_gradients[rule]})
    found = input_gradient(kv.clone_with_rule(model, rule).model, images)
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


def test_as_many_are_replaced_as_there_are(specimen):
    _, replaced, missed = kv.clone_with_rule(specimen.model, "guided")
    assert (len(replaced), missed) == (specimen.rectifiers, ())


class Hidden(L.Layer):
    def call(self, x):
        return tf.nn.relu(x)


def test_rectifiers_in_custom_code_are_named():
    inputs = keras.Input((6,))
    x = L.Dense(5, activation="relu", name="seen")(inputs)
    model = keras.Model(inputs, L.Dense(3)(Hidden(name="cave")(L.Dense(5)(x))))
    with pytest.warns(KerasvizWarning, match="replaced 1 rectifiers.*missed 1 .*cave.*Relu"):
        clone = kv.clone_with_rule(model, "guided")
    assert clone.replaced == ("seen.activation",)
    only_hidden = keras.Model(inputs, L.Dense(3)(L.Lambda(lambda x: tf.nn.relu(x), name="burrow")(L.Dense(5)(inputs))))
    with pytest.raises(RuleError, match="burrow"):
        kv.clone_with_rule(only_hidden, "guided")


def test_hard_swish_is_no_missed_rectifier_and_is_gated_when_asked(rng):
    inputs = keras.Input((6,))
    x = L.Dense(5, activation="relu")(inputs)
    model = zoo.randomize(keras.Model(inputs, L.Dense(3)(L.Activation("hard_swish")(L.Dense(5)(x)))))
    assert [len(kv.clone_with_rule(model, "guided", smooth=smooth).replaced) for smooth in (False, True)] == [1, 2]
    data = rng.normal(size=(4, 6)).astype("float32")
    gradients = [input_gradient(kv.clone_with_rule(model, "guided", smooth=s).model, data) for s in (False, True)]
    assert np.abs(gradients[0] - gradients[1]).max() > 1e-3


def test_swap_activations_puts_another_function_in_its_place(rng):
    inputs = keras.Input((6,))
    x = L.ReLU()(L.Dense(5, activation="relu")(inputs))
    x = keras.ops.relu(L.Dense(5, activation="tanh")(x))
    model = zoo.randomize(keras.Model(inputs, L.Dense(3)(L.ReLU(max_value=6)(x))))
    data = rng.normal(size=(4, 6)).astype("float32")
    clone = kv.swap_activations(model, {"relu": "softplus"})
    first, second, last = (layer for layer in model.layers if isinstance(layer, L.Dense))
    softplus = keras.activations.softplus
    x = softplus(softplus(data @ first.kernel + first.bias))
    x = softplus(keras.ops.tanh(x @ second.kernel + second.bias))
    np.testing.assert_allclose(clone.model(data), keras.ops.minimum(x, 6) @ last.kernel + last.bias, rtol=1e-5)
    assert len(clone.replaced) == 3
    assert len(kv.swap_activations(model, {"relu6": "linear", "tanh": "linear"}).replaced) == 2
    assert len(kv.swap_activations(model, {L.ReLU: "linear"}).replaced) == 2
    with pytest.raises(RuleError, match="gelu"):
        kv.swap_activations(model, {"gelu": "relu"})


def test_an_unbuilt_model_is_refused_with_the_way_to_build_it():
    with pytest.raises(ModelError, match=r"not built.*model\.build"):
        kv.clone_with_rule(keras.Sequential([L.Dense(3, "relu")]), "guided")
    with pytest.raises(ModelError, match="a Keras 3 model"):
        kv.clone_with_rule(lambda x: x, "guided")
