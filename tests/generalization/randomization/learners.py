"""Clusters that a network can learn, and small networks."""

import keras
import numpy as np

CLASSES = 4


def clusters(count, seed):
    """`(count, 4, 6, 1)` float32 images around one centre for each class, and their classes."""
    centres = np.random.default_rng(0).normal(size=(CLASSES, 4, 6, 1))
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=count)
    return (centres[labels] + 0.5 * rng.normal(size=(count, 4, 6, 1))).astype(np.float32), labels


def mlp(units=32, dropout=0.0, decay=0.0, loss="sparse_categorical_crossentropy", rate=0.01):
    """A compiled classifier."""
    model = keras.Sequential(
        [
            keras.Input((4, 6, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(units, "relu", kernel_regularizer=keras.regularizers.L2(decay) if decay else None),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(CLASSES, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def same_runs(one, other):
    """Assert that two results have the same runs, to the last bit."""
    assert list(one.runs) == list(other.runs)
    for key, run in one.runs.items():
        assert run.curves.keys() == other.runs[key].curves.keys()
        for name, curve in run.curves.items():
            np.testing.assert_array_equal(curve, other.runs[key].curves[name], err_msg=f"{key} {name}")
        assert (run.epochs, run.kept_epoch) == (other.runs[key].epochs, other.runs[key].kept_epoch)
