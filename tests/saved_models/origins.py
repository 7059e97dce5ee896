"""What every origin shares: its `Original`, the list of them, and the network that most of them write."""

import atexit
import functools
import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import zoo
from keras import layers as L

#: A class for each of three images.
TARGET = [1, 0, 3]


class Original(NamedTuple):
    """A SavedModel and what a test needs to know of it.

    Attributes:
        twin: a live Keras model of the same weights that computes the same.
        inputs: a batch of three that the twin and the opened graph take.
        target: a `target=` that fits the twin.
        layer: the path, in the twin, of the last layer with a feature map.
        at: the path, in the opened graph, of the same feature map; None if it is the same.
        output: the name of the saved output that the target means, where there are several.
        signature: the name under which the network is saved; None for the only one.
        raw: what the signature takes, by name, if it is something else than `inputs`: pictures as bytes, integers.
    """

    twin: keras.Model
    inputs: object
    target: object = TARGET
    layer: str | None = None
    at: str | None = None
    output: str | None = None
    signature: str | None = None
    raw: dict | None = None

    @property
    def saved_target(self):
        """The target for the opened graph."""
        numbers = self.target[1] if isinstance(self.target, tuple) else self.target
        return numbers if self.output is None else (self.output, numbers)


ORIGINS: dict[str, Callable] = {}
#: Names of origins by who wrote them.
KERAS_3, TENSORFLOW, TENSORFLOW_1, KERAS_2 = [], [], [], []


def origin(kind):
    """Add a builder under its name, and to the names of its kind."""

    def add(build):
        ORIGINS[build.__name__] = build
        kind.append(build.__name__)
        return build

    return add


@functools.cache
def written(name):
    """Write an origin once, and return its folder and its `Original`: tests that use it must not change either."""
    folder = Path(tempfile.mkdtemp(prefix="kerasviz_saved_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / name, ORIGINS[name](folder / name)


def missing(name):
    """Why an origin cannot be written here; None if it can."""
    if name in KERAS_2 and importlib.util.find_spec("tf_keras") is None:
        return "Keras 2 (the package tf-keras) is not installed"
    return None


def plain(size=(12, 10)):
    """The network that the other origins write in their own ways."""
    inputs = keras.Input((*size, 3), name="image")
    x = L.Conv2D(5, 3, padding="same", name="conv1")(inputs)
    x = L.BatchNormalization(name="bn1")(x)
    x = L.ReLU(name="relu1")(x)
    x = L.MaxPooling2D(2, name="pool")(x)
    x = L.Conv2D(6, 3, activation="relu", name="conv2")(x)
    x = L.GlobalAveragePooling2D(name="gap")(x)
    x = L.Dense(4, activation="softmax", name="predictions")(x)
    # With these weights no class activation map of `TARGET` is zero.
    return zoo.randomize(keras.Model(inputs, x, name="plain"), seed=31)


def pictures(*shape, count=3, seed=3):
    """Whole numbers from 0 to 255 as uint8."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


@functools.cache
def shared_plain():
    """`plain` once: tests must not change it."""
    return plain()


def arrays_of(model):
    """The weights of a model as arrays, by "layer/weight"."""
    return {
        f"{layer.name}/{weight.name}": keras.ops.convert_to_numpy(weight)
        for layer in model.layers
        for weight in layer.weights
    }


def beside_plain(**more):
    """The weights of the live model, which these origins share, and the original around it."""
    model = shared_plain()
    return arrays_of(model), Original(model, zoo.images(12, 10, 3), layer="conv2", **more)
