"""A small training, with and without callbacks, and all that it leaves behind."""

import random
from dataclasses import dataclass
from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

SHAPE = (32, 32, 3)
EPOCHS = 3


class Counted(L.Layer):
    """Passes on what it gets, and notes each time that its Python code runs: whenever something is traced."""

    calls: list[int] = []  # noqa: RUF012

    def call(self, x):
        self.calls.append(1)
        return x


@dataclass(frozen=True)
class Training:
    """What a training leaves.

    Attributes:
        model: the model.
        history: that of Keras.
        state: all variables of model and optimizer.
        draws: what the global random number generators give next.
        kept: the weights before the first epoch and after each.
        traces: how often the model's Python code had run after each epoch.
    """

    model: keras.Model
    history: dict
    state: list
    draws: tuple
    kept: list
    traces: list


def network():
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            L.Rescaling(1 / 255),
            L.Conv2D(6, 3, strides=2, use_bias=False, name="conv1"),
            L.BatchNormalization(),
            L.ReLU(name="relu1"),
            Counted(),
            L.Conv2D(8, 3, activation="relu", name="conv2"),
            L.GlobalAveragePooling2D(),
            L.Dropout(0.3),
            L.Dense(4, "softmax", name="scores"),
        ]
    )


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *SHAPE)).astype("float32")


def trained(callbacks) -> Training:
    """Three epochs, from the same start each time."""
    keras.utils.set_random_seed(0)
    model, kept, traces = network(), [], []
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    keep = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: kept.append(model.get_weights()),
        on_epoch_end=lambda epoch, logs: (kept.append(model.get_weights()), traces.append(len(Counted.calls))),
    )
    labels = np.arange(16) % 4
    history = model.fit(pictures(16), labels, batch_size=8, epochs=EPOCHS, verbose=0, callbacks=[*callbacks, keep])
    state = [np.array(variable) for variable in (*model.variables, *model.optimizer.variables)]
    draws = random.random(), np.random.random(), float(tf.random.uniform(()))  # noqa: NPY002
    return Training(model, history.history, state, draws, kept, traces)


@cache
def plain() -> Training:
    """Without callbacks."""
    return trained([])


def assert_same_training(watched: Training):
    """Weights, optimizer, history and random numbers are those without callbacks, to the bit."""
    assert watched.history == plain().history
    assert watched.draws == plain().draws
    for mine, other in zip(watched.state, plain().state, strict=True):
        np.testing.assert_array_equal(mine, other)
    assert any((before != after).any() for before, after in zip(watched.kept[0], watched.kept[-1], strict=True))


def assert_traced_before_the_second_epoch(watched: Training):
    """Nothing was traced after the first epoch, and more before than the training itself traces."""
    assert watched.traces == watched.traces[:1] * EPOCHS


def at_each_look(training: Training, look):
    """What a function of the model gives with the weights of before the first epoch and after each."""
    found = []
    for weights in training.kept:
        training.model.set_weights(weights)
        found.append(look(training.model))
    return found


def assert_refused(watch, error, words):
    """A mistake is an error before any batch."""
    model, batches = _victim(), []
    count = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: batches.append(batch))
    with pytest.raises(error, match=words):
        model.fit(pictures(4), np.zeros(4), verbose=0, callbacks=[count, watch])
    assert batches == []


@cache
def _victim():
    model = network()
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def opened(watch, model):
    """The callback, open at a model, as at the beginning of `fit`."""
    watch.set_model(model)
    watch.open()
    return watch
