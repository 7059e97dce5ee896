"""Scores before the softmax: wherever it stands, softmax of the scores is the model's output again."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import KerasvizWarning
from kerasviz.network import heads


def body(inputs):
    return L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="relu")(inputs))


def nested_head(x):
    inside = keras.Input((4,))
    return keras.Model(inside, L.Activation("softmax")(L.Dense(3)(inside)), name="head")(x)


HEADS = {
    "argument": lambda x: L.Dense(3, activation="softmax")(x),
    "function argument": lambda x: L.Dense(3, activation=tf.nn.softmax)(x),
    "Activation": lambda x: L.Activation("softmax")(L.Dense(3)(x)),
    "Softmax layer": lambda x: L.Softmax()(L.Dense(3)(x)),
    "Softmax over another axis": lambda x: L.Softmax(axis=1)(L.Reshape((3, 1))(L.Dense(3)(x))),
    "ops.softmax": lambda x: keras.ops.softmax(L.Dense(3)(x)),
    "activations.softmax": lambda x: keras.activations.softmax(L.Dense(3)(x)),
    "log_softmax": lambda x: keras.ops.log_softmax(L.Dense(3)(x)),
    "sigmoid": lambda x: L.Dense(3, activation="sigmoid")(x),
    "nested head": nested_head,
    "Sequential head": lambda x: keras.Sequential([keras.Input((4,)), L.Dense(3), L.Softmax()])(x),
    "reshaped": lambda x: L.Reshape((3, 1))(L.Softmax()(L.Dense(3)(x))),
    "reshaped, op": lambda x: keras.ops.expand_dims(keras.ops.softmax(L.Dense(3)(x)), 1),
    "permuted": lambda x: L.Permute((2, 1))(L.Softmax()(L.Reshape((1, 3))(L.Dense(3)(x)))),
    "dropout behind": lambda x: L.Dropout(0.5)(L.Dense(3, activation="softmax")(x)),
    "none": lambda x: L.Dense(3)(x),
}


def again(name, scores):
    """What the head makes of its scores."""
    if name == "none":
        return scores
    if name == "sigmoid":
        return tf.sigmoid(scores)
    if name == "log_softmax":
        return tf.nn.log_softmax(scores)
    flat = tf.nn.softmax(tf.reshape(scores, (len(scores), 3)))
    return tf.reshape(flat, scores.shape)


@pytest.mark.parametrize("name", HEADS)
def test_every_head_comes_off(name):
    inputs = keras.Input((8, 6, 3))
    model = zoo.randomize(keras.Model(inputs, HEADS[name](body(inputs))))
    images = zoo.images(8, 6, 3)
    outputs, weights = model.predict(images, verbose=0), model.get_weights()
    clone = kv.to_logits(model)
    scores = clone(images)
    np.testing.assert_allclose(again(name, scores), outputs, atol=1e-6)
    np.testing.assert_array_equal(clone.predict(images, verbose=0), scores)
    assert {id(v) for v in clone.variables} == {id(v) for v in model.variables}
    if name != "none":
        assert np.abs(scores - outputs).max() > 0.05
    np.testing.assert_array_equal(model.predict(images, verbose=0), outputs)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    # The same scores are what a network explains.
    network = kv.Network(model)
    run = network.function(lambda tensors: next(iter(network.forward(tensors).scores.values())))
    np.testing.assert_allclose(run([images]), scores, atol=1e-6)


class KerasSoftmax(keras.Model):
    def __init__(self, softmax):
        super().__init__()
        self.conv, self.dense, self.softmax = L.Conv2D(4, 3), L.Dense(3), softmax

    def call(self, x):
        return self.softmax(self.dense(keras.ops.mean(self.conv(x), axis=(1, 2))))


@pytest.mark.parametrize("softmax", [keras.ops.softmax, tf.nn.softmax, keras.activations.softmax])
def test_subclassed_models_are_cut_in_front_of_it(softmax):
    model = KerasSoftmax(softmax)
    images = zoo.images(8, 6, 3)
    outputs = model(images)
    scores = kv.to_logits(model)(images)
    np.testing.assert_allclose(tf.nn.softmax(scores), outputs, atol=1e-6)
    assert np.abs(scores - outputs).max() > 0.05


def ensemble():
    inputs = keras.Input((8, 6, 3))
    x = body(inputs)
    mean = L.Average()([L.Dense(3, activation="softmax")(x), L.Dense(3, activation="softmax")(x)])
    return zoo.randomize(keras.Model(inputs, mean))


def test_a_mixture_of_probabilities_is_explained_as_it_is_with_one_warning():
    model, images = ensemble(), zoo.images(8, 6, 3)
    explain = kv.Saliency(model)
    assert next(iter(explain.network.trace.outputs.values())).head == heads.STUCK
    with pytest.warns(KerasvizWarning, match="cannot be taken off"):
        explanation = explain(images, target=1)
    np.testing.assert_allclose(explanation.score, model(images)[:, 1], rtol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explain(images, target=1)
    with pytest.warns(KerasvizWarning, match="stay as they are"):
        np.testing.assert_allclose(kv.to_logits(model)(images), model(images), rtol=1e-6)


def test_a_softmax_in_the_middle_is_no_head():
    inputs = keras.Input((5, 4))
    x = L.MultiHeadAttention(2, 3, flash_attention=False)(inputs, inputs)
    gate = L.Dense(4, activation="sigmoid")(x)
    model = keras.Model(inputs, L.Dense(3)(L.Flatten()(L.Multiply()([x, gate]))))
    assert next(iter(kv.Network(model).trace.outputs.values())).head is None
