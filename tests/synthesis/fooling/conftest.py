"""A small network that reads digits: what the tests of fooling images fool."""

import keras
import numpy as np
import pytest
from keras import layers as L


def _drawn(seed):
    return keras.initializers.GlorotUniform(seed=seed)


@pytest.fixture(scope="session")
def digits():
    """Scikit-learn's digits: images `(1797, 8, 8, 1)` float32 of 0..16, and their classes."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return data.images[..., None].astype("float32"), data.target.astype("int32")


@pytest.fixture(scope="session")
def digits_model(digits):
    """A network for values of 0..16, 8 x 8, with ten classes under a softmax; trained alike on every run.

    Do not change it: all tests share it.
    """
    images, classes = digits
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            L.Rescaling(1 / 16),
            L.Conv2D(16, 3, padding="same", activation="relu", kernel_initializer=_drawn(1), name="conv1"),
            L.Conv2D(32, 3, padding="same", strides=2, activation="relu", kernel_initializer=_drawn(2), name="conv2"),
            L.Flatten(),
            L.Dense(10, activation="softmax", kernel_initializer=_drawn(3), name="digits"),
        ],
        name="digits_reader",
    )
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
    order = np.random.default_rng(0).permutation(len(images))
    model.fit(images[order], classes[order], batch_size=64, epochs=6, shuffle=False, verbose=0)
    return model
