"""Gradients of the user's own model, run eagerly by Keras, one sample at a time.

The softmax is taken off, and the backward rules are put in, by replacing the functions that Keras calls for every
softmax, sigmoid and ReLU while the model runs: nothing is cloned or traced.
"""

from contextlib import ExitStack, contextmanager
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from keras.src import backend

LINEAR = {name: lambda x, *_, **__: x for name in ("softmax", "log_softmax", "sigmoid")}


def _rectifier(rule, function, slope):
    """A rectifier with a backward rule; `slope` is the derivative of `function`."""

    @tf.custom_gradient
    def rectify(x):
        passed = tf.cast(slope(x), x.dtype)

        def backward(g):
            positive = g * tf.cast(g > 0, g.dtype)
            return {"guided": positive * passed, "deconvnet": positive}[rule]

        return function(x), backward

    return rectify


def _rules(rule):
    if rule == "backprop":
        return {}
    relu = _rectifier(rule, lambda x: tf.maximum(x, 0), lambda x: x > 0)
    relu6 = _rectifier(rule, lambda x: tf.clip_by_value(x, 0, 6), lambda x: (x > 0) & (x < 6))

    def leaky_relu(x, negative_slope=0.2):
        return _rectifier(
            rule,
            lambda x: tf.where(x > 0, x, negative_slope * x),
            lambda x: tf.where(x > 0, 1.0, negative_slope),
        )(x)

    return {"relu": relu, "relu6": relu6, "leaky_relu": leaky_relu}


@contextmanager
def running(rule="backprop", *, probabilities=False):
    """While entered, Keras computes heads without softmax, and rectifiers with a backward rule."""
    with ExitStack() as stack:
        for name, function in {**({} if probabilities else LINEAR), **_rules(rule)}.items():
            stack.enter_context(mock.patch.object(backend.nn, name, function))
        yield


def layer_at(model, path):
    """The layer at a path such as "base/relu"."""
    for name in path.split("/"):
        (model,) = {id(layer): layer for layer in model.layers if layer.name == name}.values()
    return model


@contextmanager
def _outputs_of(layer):
    kept, call = [], layer.call

    def recorded(*args, **kwargs):
        kept.append(call(*args, **kwargs))
        return kept[-1]

    layer.call = recorded
    try:
        yield kept
    finally:
        del layer.call


def samples_of(inputs):
    """Each sample of a batch as a batch of one, nested as the model takes it."""
    count = len(keras.tree.flatten(inputs)[0])
    arrays = keras.tree.map_structure(np.asarray, inputs)
    return [keras.tree.map_structure(lambda array, i=i: array[i : i + 1], arrays) for i in range(count)]


def class_scores(outputs, target, names=None, *, binary=False):
    """The scores `(K,)` of the classes of one sample, as `kerasviz.targets` documents them.

    Args:
        outputs: what the model returned for one sample.
        target: the zoo's; a tuple names an output.
        names: of the outputs, if the model returns a list.
        binary: whether the output is one unit under a sigmoid.
    """
    if isinstance(target, tuple):
        outputs = outputs[target[0]] if isinstance(outputs, dict) else outputs[names.index(target[0])]
    scores = tf.cast(outputs[0], tf.float32)
    if binary:
        scores = tf.concat([-scores, scores], axis=0)
    return tf.reduce_sum(scores, axis=list(range(scores.shape.rank - 1)))


def numbers_of(target, count):
    """The class of each sample that a zoo target means."""
    number = target[1] if isinstance(target, tuple) else target
    return list(number) if isinstance(number, list) else [number] * count


def gradients(model, sample, score, *, rule="backprop", layer=None):
    """The score of one sample, its gradient at each float input, and the activation and gradient at a layer.

    Args:
        model: the user's own.
        sample: a batch of one.
        score: `outputs -> scalar`.
        rule: of the rectifiers.
        layer: a path, or None.
    """
    tensors = keras.tree.map_structure(tf.constant, sample)
    floats = [tensor for tensor in keras.tree.flatten(tensors) if tensor.dtype.is_floating]
    with running(rule), ExitStack() as stack:
        kept = [] if layer is None else stack.enter_context(_outputs_of(layer_at(model, layer)))
        with tf.GradientTape() as tape:
            tape.watch(floats)
            value = score(model(tensors, training=False))
        found = tape.gradient(value, floats + kept[-1:], unconnected_gradients="zero")
    at_layer = (kept[-1].numpy()[0], found[-1].numpy()[0]) if kept else (None, None)
    return float(value), [gradient.numpy()[0] for gradient in found[: len(floats)]], *at_layer
