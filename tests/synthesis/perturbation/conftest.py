"""A small network of images that several tests attack."""

import keras
import pytest
import zoo
from keras import layers as L


@pytest.fixture(scope="session")
def network():
    """A small network, and images it takes, -1 to 1."""
    inputs = keras.Input((7, 6, 2))
    x = L.Conv2D(4, 3, activation="relu")(inputs)
    x = L.Dropout(0.5)(L.BatchNormalization()(x))
    model = zoo.randomize(keras.Model(inputs, L.Dense(3, activation="softmax")(L.Flatten()(x))))
    return model, zoo.images(7, 6, 2, count=20)
