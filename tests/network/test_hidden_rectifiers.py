"""Rectifiers inside custom code follow the rules too: explainers go through the graph of such a model."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import KerasvizWarning


class Hidden(L.Layer):
    """A convolution that a function rectifies inside `call`, out of reach of a clone."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.conv = L.Conv2D(6, 3, name="inner")
        self.run = lambda x: function(x)

    def call(self, x):
        return self.run(self.conv(x))


def in_the_open(function, name):
    return keras.Sequential([L.Conv2D(6, 3, name="inner"), L.Activation(function)], name=name)


@tf.function
def traced_relu(x):
    return tf.nn.relu(x)


@tf.function
def twice_traced_relu(x):
    return traced_relu(x) * 1.0


@tf.function(jit_compile=True)
def compiled_relu(x):
    return tf.nn.relu(x)


def looped_relu(x):
    return tf.while_loop(lambda i, _: i < 1, lambda i, x: (i + 1, tf.nn.relu(x)), (0, x))[1]


HIDDEN = {
    "relu": (tf.nn.relu, "relu"),
    "keras": (keras.ops.relu, "relu"),
    "relu6": (tf.nn.relu6, "relu6"),
    "leaky": (lambda x: tf.nn.leaky_relu(x, alpha=0.3), lambda x: keras.ops.leaky_relu(x, 0.3)),
    "traced": (traced_relu, "relu"),
    "twice traced": (twice_traced_relu, "relu"),
    "compiled": (compiled_relu, "relu"),
    "in a loop": (looped_relu, "relu"),
}


def network(block):
    """Rectifiers of every kind around a block: one that a clone reaches, a PReLU, a swish, and a hard-swish."""
    inputs = keras.Input((12, 10, 3))
    x = L.Conv2D(5, 3, activation="relu", name="seen")(inputs)
    x = L.Dropout(0.3, name="drop")(block(x))
    x = L.PReLU(alpha_initializer="uniform", name="slopes")(x)
    x = L.Conv2D(4, 3, activation="swish", name="smooth")(x)
    x = L.Dense(4, activation="hard_swish", name="hard")(x)
    x = L.Dense(4, activation="softmax", name="scores")(L.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, x)


@pytest.fixture
def pair(request):
    """The same network twice, with one rectifier hidden and in the open."""
    keras.utils.set_random_seed(4)
    hidden, plain = HIDDEN[request.param]
    models = network(Hidden(hidden, name="block")), network(in_the_open(plain, name="block"))
    models[1].set_weights(models[0].get_weights())
    return models


@pytest.fixture
def images():
    return np.random.default_rng(3).normal(size=(3, 12, 10, 3)).astype("float32")


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
@pytest.mark.parametrize(
    "pair", [one if one == "traced" else pytest.param(one, marks=pytest.mark.slow) for one in HIDDEN], indirect=True
)
def test_a_hidden_rectifier_follows_the_rule(pair, images, method):
    hidden, plain = pair
    with warnings.catch_warnings():
        warnings.simplefilter("error", KerasvizWarning)
        found = kv.explain(hidden, images, method=method).values
    expected = kv.explain(plain, images, method=method).values
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
    plainly = kv.explain(plain, images, method="saliency").values
    assert np.abs(plainly - expected).max() > 0.1 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("pair", ["relu"], indirect=True)
def test_what_a_clone_reaches_keeps_its_rule_beyond_the_paper_too(pair, images):
    for method in ("guided_backprop", "deconvnet"):
        found, expected = (kv.explain(one, images, method=method, smooth=True).values for one in pair)
        np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("pair", ["relu"], indirect=True)
def test_layers_keep_their_paths_activations_and_gradients(pair, images):
    hidden, plain = (kv.Network(one, rule="guided") for one in pair)
    assert hidden.replaced[:2] == ("seen.activation", "slopes") and len(hidden.replaced) == 3
    assert str(hidden.address()) == str(plain.address()) and hidden.address("inner") == hidden.address("block/inner")
    paths = ["seen", "block/inner", "block", "drop", "slopes"]
    found, expected = hidden.activations(images, paths), plain.activations(images, paths)
    for path in paths:
        np.testing.assert_array_equal(found[path], expected[path])
    found, expected = (kv.GuidedGradCAM(one, layer="block")(images).values for one in pair)
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("pair", ["relu"], indirect=True)
def test_training_is_seen_and_the_model_stays_as_it_was(pair, images):
    hidden, plain = pair
    explain = kv.GuidedBackprop(hidden)
    before = explain(images).values
    nodes = [len(layer._inbound_nodes) for layer in hidden.layers]
    for model in pair:
        model.get_layer("seen").kernel.assign(model.get_layer("seen").kernel * -1.5)
    found, expected = explain(images).values, kv.explain(plain, images, method="guided_backprop").values
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
    assert np.abs(found - before).max() > 0.1 * np.abs(before).max()
    assert nodes == [len(layer._inbound_nodes) for layer in hidden.layers]


def test_a_model_of_hidden_rectifiers_alone_is_explained():
    keras.utils.set_random_seed(2)
    inputs = keras.Input((6,))
    hidden = L.Lambda(tf.nn.relu)(L.Dense(30, name="dense")(inputs))
    model = keras.Model(inputs, L.Dense(2, use_bias=False, name="out")(hidden))
    x = np.random.default_rng(1).normal(size=(4, 6)).astype("float32")
    kernel, bias = model.get_layer("dense").get_weights()
    (out,) = model.get_layer("out").get_weights()
    passed = (x @ kernel + bias > 0) & (out[:, 1] > 0)
    np.testing.assert_allclose(
        kv.GuidedBackprop(model)(x, target=1).values, (passed * out[:, 1]) @ kernel.T, rtol=1e-5, atol=1e-6
    )
