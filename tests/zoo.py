"""One small model of every kind that Keras 3 knows, with seeded weights and inputs.

`ZOO[name]()` builds a fresh `Specimen`. Tests that must hold for every kind of model run over `ZOO`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers as L


@dataclass
class Specimen:
    """A model and what a test needs to know of it.

    Attributes:
        model: built, with random weights.
        inputs: a batch of three that fits it.
        target: a `target=` that fits it.
        layer: the path that `layer=None` should find.
        rectifiers: how many rectifiers the rules should replace.
    """

    model: keras.Model
    inputs: object
    target: object
    layer: str
    rectifiers: int


ZOO: dict[str, Callable[[], Specimen]] = {}


def kind(build):
    """Add a builder to the zoo under its name."""

    def seeded():
        specimen = build()
        randomize(specimen.model)
        return specimen

    ZOO[build.__name__] = seeded
    return build


def randomize(model, seed=7):
    """Give every weight a random value: biases too, so that no term of a formula is zero by chance."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if "float" not in variable.dtype or "optimizer" in variable.path:
            continue
        scale = 1.5 / np.sqrt(max(1, np.prod(variable.shape[:-1])))
        values = rng.normal(0, scale if len(variable.shape) > 1 else 0.2, variable.shape)
        if any(word in variable.path for word in ("variance", "gamma")):
            values = rng.uniform(0.5, 1.5, variable.shape)
        variable.assign(values)
    return model


def images(*shape, count=3, seed=3, low=-1.0, high=1.0):
    """A seeded batch of float32 inputs."""
    return np.random.default_rng(seed).uniform(low, high, (count, *shape)).astype("float32")


def head(x, classes=4):
    return L.Dense(classes, activation="softmax", name="predictions")(L.GlobalAveragePooling2D(name="gap")(x))


def small_base(name="base", shape=(12, 10, 3)):
    """A convolutional base with every rectifier spelling that a layer argument allows."""
    inputs = keras.Input(shape)
    x = L.Conv2D(5, 3, padding="same", activation="relu", name="conv1")(inputs)
    x = L.MaxPooling2D(2, name="pool")(x)
    x = L.Conv2D(6, 3, padding="same", use_bias=False, name="conv2")(x)
    x = L.BatchNormalization(name="bn")(x)
    x = L.ReLU(name="relu")(x)
    return keras.Model(inputs, x, name=name)


@kind
def functional():
    inputs = keras.Input((12, 10, 3), name="image")
    x = L.Conv2D(5, 3, padding="same", activation="relu", name="conv1")(inputs)
    x = L.MaxPooling2D(2, name="pool1")(x)
    x = L.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = keras.ops.relu(x)
    x = L.Conv2D(6, 3, strides=2, padding="same", name="conv2")(x)
    x = keras.activations.relu(x, max_value=6.0)
    x = L.SeparableConv2D(6, 3, padding="same", name="separable")(x)
    x = L.ReLU(max_value=6.0, name="out_relu")(x)
    return Specimen(keras.Model(inputs, head(x)), images(12, 10, 3), [1, 0, 3], "out_relu", 4)


@kind
def sequential():
    model = keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            L.Conv2D(5, 3, activation="relu", name="conv1"),
            L.Conv2D(6, 3, name="conv2"),
            L.Activation("relu", name="act"),
            L.Dropout(0.5, name="dropout"),
            L.Flatten(name="flatten"),
            L.Dense(7, activation="relu", name="hidden"),
            L.Dense(4, name="scores"),
            L.Softmax(name="softmax"),
        ]
    )
    return Specimen(model, images(12, 10, 3), 2, "act", 3)


@kind
def sequential_deferred():
    model = keras.Sequential(
        [
            L.Conv2D(5, 3, activation="relu", name="conv1"),
            L.GlobalMaxPooling2D(name="pool"),
            L.Dense(4, activation="softmax", name="predictions"),
        ]
    )
    model(np.zeros((2, 12, 10, 3), "float32"))
    return Specimen(model, images(12, 10, 3), 1, "conv1", 1)


@kind
def nested_in_sequential():
    model = keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            L.Rescaling(0.5, offset=0.1, name="rescale"),
            small_base(),
            L.GlobalAveragePooling2D(name="gap"),
            L.Dense(4, activation="softmax", name="predictions"),
        ]
    )
    return Specimen(model, images(12, 10, 3), 3, "base/relu", 2)


@kind
def nested_twice():
    inputs = keras.Input((12, 10, 3))
    middle_in = keras.Input((12, 10, 3))
    middle = keras.Model(middle_in, L.Conv2D(4, 1, name="after")(small_base()(middle_in)), name="middle")
    classes = keras.Sequential([keras.Input((4,)), L.Dense(4), L.Softmax()], name="classes")
    x = L.GlobalAveragePooling2D()(middle(inputs))
    return Specimen(keras.Model(inputs, classes(x)), images(12, 10, 3), [0, 1, 2], "middle/after", 2)


@keras.saving.register_keras_serializable("zoo")
class Residual(L.Layer):
    """A custom layer with sublayers in a list and an activation as an attribute."""

    def __init__(self, filters, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.act = keras.activations.get(activation)
        self.convs = [L.Conv2D(filters, 3, padding="same", name=f"conv{i}") for i in range(2)]

    def build(self, shape):
        self.convs[0].build(shape)
        self.convs[1].build((*shape[:-1], self.filters))

    def call(self, x):
        return self.act(x + self.convs[1](self.act(self.convs[0](x))))

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "activation": keras.activations.serialize(self.act),
        }


@keras.saving.register_keras_serializable("zoo")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem = L.Conv2D(5, 3, name="stem")
        self.block = Residual(5, name="block")
        self.dense = L.Dense(4, activation="softmax", name="predictions")

    def call(self, x, training=None):
        return self.dense(keras.ops.mean(self.block(self.stem(x)), axis=(1, 2)))

    def get_config(self):
        return {}


@kind
def subclassed():
    model = Subclassed()
    model(np.zeros((1, 12, 10, 3), "float32"))
    return Specimen(model, images(12, 10, 3), 2, "block", 1)


@keras.saving.register_keras_serializable("zoo")
class OwnCall(keras.Model):
    """A graph of layers whose `call` does more than run the graph."""

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs * 2.0, training=training)


@kind
def functional_with_own_call():
    inputs = keras.Input((12, 10, 3))
    x = L.Conv2D(5, 3, activation="relu", name="conv1")(inputs)
    return Specimen(OwnCall(inputs, head(L.ReLU(name="relu")(x))), images(12, 10, 3), 0, "relu", 2)


@kind
def shared_layer():
    inputs = keras.Input((12, 10, 3))
    conv = L.Conv2D(3, 3, padding="same", activation="relu", name="shared")
    x = conv(L.AveragePooling2D(1, name="copy")(conv(inputs)))
    return Specimen(keras.Model(inputs, head(x)), images(12, 10, 3), 1, "shared", 1)


@kind
def image_and_table():
    image, table = keras.Input((12, 10, 3), name="image"), keras.Input((6,), name="table")
    x = L.GlobalAveragePooling2D()(L.Conv2D(5, 3, activation="relu", name="conv1")(image))
    x = L.Concatenate()([x, L.Dense(5, activation="relu", name="table_dense")(table)])
    model = keras.Model([image, table], L.Dense(4, activation="softmax", name="predictions")(x))
    return Specimen(model, [images(12, 10, 3), images(6)], 1, "conv1", 2)


@kind
def dicts():
    left, right = keras.Input((12, 10, 3), name="left"), keras.Input((12, 10, 3), name="right")
    tower = small_base("tower")
    x = L.Concatenate()([L.GlobalAveragePooling2D()(tower(side)) for side in (left, right)])
    outputs = {
        "species": L.Dense(4, activation="softmax", name="species")(x),
        "age": L.Dense(1, name="age")(x),
    }
    inputs = {"left": images(12, 10, 3), "right": images(12, 10, 3, seed=4)}
    return Specimen(keras.Model({"left": left, "right": right}, outputs), inputs, ("species", 2), "tower/relu", 2)


@kind
def two_outputs():
    inputs = keras.Input((12, 10, 3))
    x = L.GlobalAveragePooling2D()(L.Conv2D(5, 3, activation="relu", name="conv1")(inputs))
    outputs = [
        L.Dense(4, activation="softmax", name="first")(x),
        L.Dense(3, activation="sigmoid", name="second")(x),
    ]
    return Specimen(keras.Model(inputs, outputs), images(12, 10, 3), ("second", [2, 1, 0]), "conv1", 1)


@kind
def mixed_float16():
    with keras_policy("mixed_float16"):
        inputs = keras.Input((12, 10, 3))
        x = L.Conv2D(5, 3, activation="relu", name="conv1")(inputs)
        x = L.GlobalAveragePooling2D()(L.ReLU(name="relu")(L.BatchNormalization()(x)))
        model = keras.Model(inputs, L.Dense(4, activation="softmax", dtype="float32")(x))
    return Specimen(model, images(12, 10, 3), 1, "relu", 2)


class keras_policy:
    """A dtype policy for the layers made in a `with` block."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self.before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.name)

    def __exit__(self, *_):
        keras.config.set_dtype_policy(self.before)


@kind
def with_preprocessing():
    normalization = L.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0], name="normalize")
    model = keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            L.Rescaling(1 / 127.5, offset=-1, name="rescale"),
            L.RandomFlip("horizontal", name="flip"),
            normalization,
            L.Conv2D(5, 3, activation="relu", name="conv1"),
            L.GlobalAveragePooling2D(),
            L.Dense(4, activation="softmax"),
        ]
    )
    return Specimen(model, images(12, 10, 3, low=0, high=255), 0, "conv1", 1)


@kind
def time_distributed():
    inputs = keras.Input((4, 8, 6, 3))
    x = L.TimeDistributed(L.Conv2D(4, 3, activation="relu", name="frame_conv"), name="frames")(inputs)
    x = L.GlobalAveragePooling3D()(x)
    return Specimen(keras.Model(inputs, L.Dense(4, activation="softmax")(x)), images(4, 8, 6, 3), 1, "frames", 1)


@kind
def custom_layers():
    inputs = keras.Input((12, 10, 3))
    x = Residual(5, name="block")(L.Conv2D(5, 3, name="stem")(inputs))
    return Specimen(keras.Model(inputs, head(x)), images(12, 10, 3), 2, "block", 1)


@kind
def conv1d():
    inputs = keras.Input((20, 2))
    x = L.Conv1D(5, 3, activation="relu", name="conv1")(inputs)
    x = L.Conv1D(6, 3, strides=2, padding="same", activation="relu", name="conv2")(x)
    model = keras.Model(inputs, L.Dense(4, activation="softmax")(L.GlobalAveragePooling1D()(x)))
    return Specimen(model, images(20, 2), 1, "conv2", 2)


@kind
def conv3d():
    inputs = keras.Input((6, 8, 7, 2))
    x = L.Conv3D(4, 3, padding="same", activation="relu", name="conv1")(inputs)
    x = L.MaxPooling3D(2, name="pool")(x)
    model = keras.Model(inputs, L.Dense(4, activation="softmax")(L.Flatten()(x)))
    return Specimen(model, images(6, 8, 7, 2), 1, "pool", 1)


@kind
def binary():
    inputs = keras.Input((12, 10, 3))
    x = L.GlobalAveragePooling2D()(L.Conv2D(5, 3, activation="relu", name="conv1")(inputs))
    return Specimen(keras.Model(inputs, L.Dense(1, activation="sigmoid")(x)), images(12, 10, 3), [0, 1, 1], "conv1", 1)


@kind
def regression():
    inputs = keras.Input((12, 10, 3))
    x = L.Flatten()(L.Conv2D(5, 3, activation="relu", name="conv1")(inputs))
    return Specimen(keras.Model(inputs, L.Dense(1)(x)), images(12, 10, 3), 0, "conv1", 1)


@kind
def segmentation():
    inputs = keras.Input((12, 8, 3))
    x = L.Conv2D(5, 3, padding="same", activation="relu", name="down")(inputs)
    x = L.UpSampling2D(2, name="up")(L.MaxPooling2D(2, name="pool")(x))
    x = L.Conv2D(6, 3, padding="same", activation="relu", name="last")(x)
    x = L.Conv2D(4, 1, activation="softmax", name="head")(x)
    return Specimen(keras.Model(inputs, x), images(12, 8, 3), 2, "last", 2)


@kind
def softmax_then_reshape():
    inputs = keras.Input((12, 10, 3))
    x = L.GlobalAveragePooling2D()(L.Conv2D(5, 3, activation="relu", name="conv1")(inputs))
    x = L.Reshape((4,))(keras.ops.softmax(L.Reshape((1, 4))(L.Dense(4)(x))))
    return Specimen(keras.Model(inputs, x), images(12, 10, 3), 3, "conv1", 1)
