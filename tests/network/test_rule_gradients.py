"""The three backward rules, value by value."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasviz.errors import RuleError
from kerasviz.network import rules

F = [[1.0, -1, 5], [2, -5, -7], [-3, 2, 4]]
G = [[-2.0, 3, -1], [6, -3, 1], [2, -1, 3]]
LECTURE = {
    "backprop": [[-2, 0, -1], [6, 0, 0], [0, -1, 3]],
    "deconvnet": [[0, 3, 0], [6, 0, 1], [2, 0, 3]],
    "guided": [[0, 0, 0], [6, 0, 0], [0, 0, 3]],
}


def below(function, x, g):
    """What the gradient `g` at the output of a function becomes at its input `x`."""
    x = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x, tf.constant(g, tf.float32)).numpy()


@pytest.mark.parametrize("rule", LECTURE)
@pytest.mark.parametrize("relu", [tf.nn.relu, keras.activations.relu, keras.ops.relu], ids=["tf", "keras", "ops"])
def test_the_lecture_matrices(rule, relu):
    np.testing.assert_array_equal(below(rules.get(rule)(relu), F, G), LECTURE[rule])


# Inputs below, at and above each corner, with a positive and a negative gradient each.
POINTS = [-2.0, 0.0, 0.5, 3.0, 6.0, 7.0]
KIN = {
    "relu6": (keras.activations.relu6, [0, 0, 1, 1, 0, 0]),
    "capped": (lambda x: keras.activations.relu(x, max_value=3.5), [0, 0, 1, 1, 0, 0]),
    "threshold": (lambda x: keras.activations.relu(x, threshold=1.0), [0, 0, 0, 1, 1, 1]),
    "slope": (lambda x: keras.activations.relu(x, negative_slope=0.25), [0.25, 0.25, 1, 1, 1, 1]),
    "leaky_relu": (lambda x: keras.activations.leaky_relu(x, negative_slope=0.1), [0.1, 0.1, 1, 1, 1, 1]),
}


@pytest.mark.parametrize("name", KIN)
def test_kin_of_the_relu_keep_their_own_derivative(name):
    function, slopes = KIN[name]
    x = np.array(POINTS)
    for g in (2.0, -2.0):
        gate = float(g > 0)
        np.testing.assert_allclose(below(rules.guided(function), x, np.full(6, g)), g * gate * np.array(slopes))
        np.testing.assert_array_equal(below(rules.deconvnet(function), x, np.full(6, g)), np.full(6, g * gate))
        np.testing.assert_array_equal(rules.guided(function)(tf.constant(x)), function(tf.constant(x)))
        np.testing.assert_array_equal(rules.deconvnet(function)(tf.constant(x)), function(tf.constant(x)))


@pytest.mark.parametrize("name", ["elu", "selu", "silu", "gelu", "hard_silu", "mish", "celu"])
def test_smooth_activations_are_gated_alike(name, rng):
    function = getattr(keras.activations, name)
    x, g = rng.normal(size=50) * 3, rng.normal(size=50)
    own = below(function, x, np.ones(50))
    np.testing.assert_allclose(below(rules.guided(function), x, g), np.maximum(g, 0) * own, rtol=1e-6)
    np.testing.assert_allclose(below(rules.deconvnet(function), x, g), np.maximum(g, 0), rtol=1e-6)


def test_a_prelu_has_a_slope_per_channel_under_the_guided_rule():
    layer = keras.layers.PReLU(shared_axes=[1])
    layer.build((None, 2, 2))
    layer.alpha.assign([[0.5, 0.1]])
    x, g = [[[-1.0, -1.0], [2.0, -3.0]]], [[[2.0, -2.0], [3.0, 4.0]]]
    np.testing.assert_allclose(below(rules.guided(layer.call), x, g), [[[1.0, 0], [3, 0.4]]], rtol=1e-6)
    np.testing.assert_allclose(below(rules.deconvnet(layer.call), x, g), [[[2.0, 0], [3, 4]]])


def test_an_unknown_rule_is_named_with_the_known_ones():
    with pytest.raises(RuleError, match=r"'guide'.*'backprop', 'deconvnet', 'guided'"):
        rules.get("guide")


# A row each: inputs, the gradient that arrives (of a loss), what goes on.
REDIRECTED = [
    ("off everywhere: what would switch units on goes on", [-1, -2, -3], [1, -1, -2], [0, -1, -2]),
    ("on somewhere: the gradient is its own", [-1, -2, 3], [1, -1, -2], [0, 0, -2]),
    ("on, but without a gradient there", [-1, -2, 3], [1, -1, 0], [0, -1, 0]),
    ("on everywhere", [1, 2, 3], [1, -1, -2], [1, -1, -2]),
]


@pytest.mark.parametrize("case", REDIRECTED, ids=lambda case: case[0])
def test_the_redirected_gradient_of_a_relu(case):
    _, x, g, expected = case
    np.testing.assert_array_equal(below(rules.redirected(tf.nn.relu), [x], [g]), [expected])
    np.testing.assert_array_equal(rules.redirected(tf.nn.relu)(tf.constant([x], tf.float32)), [np.maximum(x, 0)])


def test_the_redirected_gradient_below_and_above_a_cap():
    x, g = [[-1.0, -1, 7, 7]], [[2.0, -2, 2, -2]]
    np.testing.assert_array_equal(below(rules.redirected(tf.nn.relu6), x, g), [[0, -2, 2, 0]])


def test_each_sample_is_redirected_alone():
    x, g = [[-1.0, -1], [-1, 1]], [[-2.0, 2], [-2, 2]]
    np.testing.assert_array_equal(below(rules.redirected(tf.nn.relu), x, g), [[-2, 0], [0, 2]])


def test_the_redirected_rule_is_none_that_explains():
    assert rules.get("redirected") is rules.redirected and "redirected" not in rules.RULES


def test_a_gather_above_a_redirected_relu():
    """Inside a graph the gradient of a gather comes in slices."""
    found = tf.function(_below_a_gather, autograph=False)()
    np.testing.assert_array_equal(found, [[0, 0], [-2, 0]])


def _below_a_gather():
    x = tf.constant([[1.0, 1], [-1, -1]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.gather(rules.redirected(tf.nn.relu)(x), [1])
    return tape.gradient(y, x, tf.constant([[-2.0, 2]]))
