"""What the walk back from an output takes off, and what it calls stuck."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasviz as kv
from kerasviz.network import heads

LOGITS = np.random.default_rng(0).normal(size=(5, 4)).astype("float32") * 3
OTHER = np.random.default_rng(1).normal(size=(5, 4)).astype("float32") * 3


def stripped(build, *inputs):
    """The scores and the head of `build(*inputs)` in a graph of its own."""
    found = []

    @tf.function(input_signature=[tf.TensorSpec((None, *x.shape[1:])) for x in inputs], autograph=False)
    def run(*tensors):
        scores, head = heads.strip(build(*tensors))
        found.append(head)
        return scores

    return run(*map(tf.constant, inputs)).numpy(), found[0]


ON_TOP = {
    "softmax": (tf.nn.softmax, "softmax", (5, 4)),
    "keras softmax": (keras.ops.softmax, "softmax", (5, 4)),
    "log_softmax": (tf.nn.log_softmax, "log_softmax", (5, 4)),
    "sigmoid": (tf.sigmoid, "sigmoid", (5, 4)),
    "cast": (lambda x: tf.cast(tf.nn.softmax(x), tf.float64), "softmax", (5, 4)),
    "identity": (lambda x: tf.identity(tf.nn.softmax(x)), "softmax", (5, 4)),
    "reshape": (lambda x: tf.reshape(tf.nn.softmax(x), (-1, 2, 2)), "softmax", (5, 2, 2)),
    "expand": (lambda x: tf.nn.softmax(x)[:, None], None, None),
    "expand_dims": (lambda x: tf.expand_dims(tf.nn.softmax(x), 1), "softmax", (5, 1, 4)),
    "squeeze": (lambda x: tf.squeeze(tf.nn.softmax(tf.expand_dims(x, 1)), 1), "softmax", (5, 4)),
    "several": (lambda x: tf.reshape(tf.expand_dims(tf.sigmoid(x), 2), (-1, 4, 1, 1)), "sigmoid", (5, 4, 1, 1)),
}


@pytest.mark.parametrize("name", ON_TOP)
def test_scores_come_out_in_the_shape_of_the_output(name):
    build, head, shape = ON_TOP[name]
    scores, found = stripped(build, LOGITS)
    if head is None:
        # A slice may leave values out: taking the softmax off would need to slice alike.
        assert found == heads.STUCK
        return
    assert found == head
    np.testing.assert_array_equal(scores, LOGITS.reshape(shape))


def test_a_transposed_head_gives_transposed_scores():
    images = np.arange(5 * 3 * 4 * 2, dtype="float32").reshape(5, 3, 4, 2)
    scores, head = stripped(lambda x: tf.transpose(tf.nn.softmax(x), (0, 3, 1, 2)), images)
    assert head == "softmax"
    np.testing.assert_array_equal(scores, images.transpose(0, 3, 1, 2))


def test_a_custom_gradient_of_several_values_is_followed_at_the_right_one():
    @tf.custom_gradient
    def pair(a, b):
        return (tf.identity(a), tf.identity(b)), lambda da, db: (da, db)

    scores, head = stripped(lambda x, y: pair(tf.nn.softmax(x), tf.nn.softmax(y))[1], LOGITS, OTHER)
    assert head == "softmax"
    np.testing.assert_array_equal(scores, OTHER)


STUCK = {
    "mean of two": lambda x, y: (tf.nn.softmax(x) + tf.nn.softmax(y)) / 2.0,
    "weighted sum": lambda x, y: 0.3 * tf.nn.softmax(x) + 0.7 * tf.nn.softmax(y),
    "product, normalized": lambda x, y: (
        tf.nn.softmax(x) * tf.nn.softmax(y) / tf.reduce_sum(tf.nn.softmax(x) * tf.nn.softmax(y), 1, keepdims=True)
    ),
    "mixture of experts": lambda x, y: tf.nn.softmax(x)[:, :1] * tf.nn.softmax(y),
    "joined": lambda x, y: tf.concat([tf.nn.softmax(x), tf.sigmoid(y)], 1),
    "smoothed": lambda x, y: tf.nn.softmax(x) * 0.9 + 0.025,
    "clipped": lambda x, y: tf.clip_by_value(tf.nn.softmax(x), 1e-6, 1.0),
    "floored": lambda x, y: tf.minimum(tf.maximum(tf.nn.softmax(x), 1e-6), 1.0),
    "logarithm": lambda x, y: tf.math.log(tf.nn.softmax(x)),
    "percent": lambda x, y: 100.0 * tf.nn.softmax(x),
    "inside a function": lambda x, y: tf.function(tf.nn.softmax)(x),
}


@pytest.mark.parametrize("name", STUCK)
def test_mixtures_of_probabilities_are_stuck_and_left_alone(name):
    scores, head = stripped(STUCK[name], LOGITS, OTHER)
    assert head == heads.STUCK
    np.testing.assert_allclose(scores, STUCK[name](tf.constant(LOGITS), tf.constant(OTHER)), rtol=1e-6)


WEIGHTS = np.random.default_rng(2).normal(size=(4, 3)).astype("float32")
FEATURES = {
    "nothing": lambda x, y: x + y,
    "dense layer on probabilities": lambda x, y: tf.nn.softmax(x) @ WEIGHTS,
    "swish": lambda x, y: tf.nn.silu(x),
    "keras swish": lambda x, y: keras.ops.silu(x),
    "squeeze and excite, pooled": lambda x, y: tf.reduce_mean(tf.sigmoid(x)[:, None] * tf.stack([y, y + 1], 1), 1),
    "attention pooling": lambda x, y: tf.reduce_sum(tf.nn.softmax(x) * y, 1, keepdims=True),
    "gated residual": lambda x, y: y + tf.sigmoid(x) * y,
    "tanh": lambda x, y: tf.tanh(x),
}


@pytest.mark.parametrize("name", FEATURES)
def test_gated_features_are_no_probabilities(name):
    scores, head = stripped(FEATURES[name], LOGITS, OTHER)
    assert head is None
    np.testing.assert_allclose(scores, FEATURES[name](tf.constant(LOGITS), tf.constant(OTHER)), rtol=1e-6)


def test_the_gradient_of_a_saturated_class_survives():
    """Why scores are taken off: a class that is sure has no gradient behind its softmax."""

    def gradient(strip):
        @tf.function(autograph=False)
        def run(x):
            y = tf.nn.softmax(x)
            return tf.gradients((heads.strip(y)[0] if strip else y)[:, 0], x)[0]

        return run(tf.constant([[400.0, -400.0, 0.0]])).numpy()

    np.testing.assert_array_equal(gradient(strip=False), [[0, 0, 0]])
    np.testing.assert_array_equal(gradient(strip=True), [[1, 0, 0]])


SQUASH = {"softmax": tf.nn.softmax, "sigmoid": tf.sigmoid, None: tf.identity}


@pytest.mark.slow
def test_squashing_the_scores_of_any_model_gives_its_outputs(specimen):
    """The scores of a network and of `to_logits`, live and under `predict`."""
    network, model = kv.Network(specimen.model), kv.to_logits(specimen.model)
    tensors = keras.tree.map_structure(tf.constant, specimen.inputs)
    outputs = keras.tree.flatten(specimen.model(tensors, training=False))
    scores = network.function(lambda flat: network.forward(flat).scores)(network.inputs.check(specimen.inputs))
    cut = keras.tree.flatten(model(tensors, training=False))
    predicted = keras.tree.flatten(model.predict(specimen.inputs, verbose=0))
    half = any(layer.compute_dtype == "float16" for layer in specimen.model.layers)
    close = {"rtol": 0, "atol": 2e-2 if half else 1e-5}
    for name, output, logits, again in zip(network.trace.outputs, outputs, cut, predicted, strict=True):
        head = network.trace.outputs[name].head
        assert (np.abs(scores[name] - output).max() > 0.05) == (head is not None)
        np.testing.assert_allclose(logits, scores[name], **close)
        np.testing.assert_allclose(again, logits, rtol=1e-4, atol=1e-5)
        shape = (-1, 4) if head == "softmax" else output.shape
        np.testing.assert_allclose(
            tf.reshape(SQUASH[head](tf.reshape(logits, shape)), output.shape), output, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("behind", [[], [keras.layers.Reshape((3, 1))], [keras.layers.Dropout(0.5)]])
def test_a_graph_without_its_softmax_is_a_graph(behind):
    """Keras can build on it: nothing is traced and cut."""
    layers = [keras.layers.Dense(3, activation="softmax"), *behind]
    model = keras.Sequential([keras.Input((4,)), *layers])
    clone = kv.to_logits(model)
    on_top = keras.Model(clone.inputs[0], keras.layers.Flatten()(clone.outputs[0]))
    x = LOGITS
    np.testing.assert_allclose(on_top(x), x @ layers[0].kernel + layers[0].bias, rtol=1e-5, atol=1e-6)
