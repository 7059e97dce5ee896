"""Each weight with its role, its place and its health."""

import keras
import numpy as np
from keras import layers as L

from kerasviz.inspection import weights
from kerasviz.inspection.health import look_trained


def by_path(model):
    return {weight.path: weight for weight in weights(model)}


def test_roles_and_places_in_any_nesting():
    inner = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(4, 3, name="conv"), L.BatchNormalization(name="bn")])
    inner.name = "inner"
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            inner,
            L.PReLU(name="act"),
            L.Dropout(0.5, name="drop"),
            L.Flatten(),
            L.Dense(2, name="dense"),
        ]
    )
    found = by_path(model)
    assert {path: weight.role for path, weight in found.items()} == {
        "inner/conv/kernel": "kernel",
        "inner/conv/bias": "bias",
        "inner/bn/gamma": "gamma",
        "inner/bn/beta": "beta",
        "inner/bn/moving_mean": "moving_mean",
        "inner/bn/moving_variance": "moving_variance",
        "act/alpha": "slope",
        "drop/seed_generator_state": "state",
        "dense/kernel": "kernel",
        "dense/bias": "bias",
    }
    assert found["inner/conv/kernel"].layer == "inner/conv" and found["inner/conv/kernel"].trainable
    assert found["inner/conv/kernel"].bytes == 3 * 3 * 3 * 4 * 4
    assert not found["inner/bn/moving_mean"].trainable


def test_what_is_shared_is_listed_once():
    def tower(name, layer):
        inputs = keras.Input((6, 6, 3))
        return keras.Model(inputs, layer(inputs), name=name)

    conv = L.Conv2D(3, 3, padding="same", name="conv")
    first, second = tower("first", conv), tower("second", conv)
    inputs = keras.Input((6, 6, 3))
    model = keras.Model(inputs, second(first(inputs)))
    found = weights(model)
    assert [(weight.path, weight.also) for weight in found] == [
        ("first/conv/kernel", ("second/conv",)),
        ("first/conv/bias", ("second/conv",)),
    ]
    assert sum(weight.size for weight in found) == model.count_params()


class Own(keras.Model):
    """Weights of the model itself, two of one name, beside those of its layers."""

    def __init__(self):
        super().__init__(name="own")
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")
        self.first = self.add_weight(shape=(4, 3), name="w")
        self.second = self.add_weight(shape=(3, 3), name="w")
        self.dense = L.Dense(3, name="dense")

    def call(self, x):
        """Three products."""
        return self.scale * self.dense(x @ self.first @ self.second)


def test_weights_without_a_layer():
    model = Own()
    model(np.zeros((1, 4), "float32"))
    model.first.assign(np.array([[1, 1, 0]] * 4) * np.arange(1.0, 5)[:, None])
    found = by_path(model)
    assert set(found) == {"scale", "w", "w:2", "dense/kernel", "dense/bias"}
    assert found["w"].layer == "" and found["dense/bias"].layer == "dense"
    assert (found["w"].role, found["w"].equal, found["w"].dead) == ("kernel", ((0, 1),), (2,))
    assert found["scale"].constant is False and found["scale"].shape == ()


def test_an_optimizer_is_no_part_of_a_model():
    model = keras.Sequential([keras.Input((4,)), L.Dense(2, name="dense")])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    assert set(by_path(model)) == {"dense/kernel", "dense/bias"}


def test_initial_constant_and_zero():
    model = keras.Sequential([keras.Input((6, 6, 2)), L.Conv2D(3, 1, name="conv"), L.BatchNormalization(name="bn")])
    found = by_path(model)
    initial = {path for path, weight in found.items() if weight.initial}
    assert initial == {"conv/bias", "bn/gamma", "bn/beta", "bn/moving_mean", "bn/moving_variance"}
    assert not look_trained(list(found.values()))
    model.get_layer("conv").set_weights([np.full((1, 1, 2, 3), 0.25), np.full(3, 0.5)])
    model.get_layer("bn").gamma.assign(np.zeros(3))
    found = by_path(model)
    assert found["conv/kernel"].constant and not found["conv/kernel"].zero and found["conv/kernel"].equal == ()
    assert found["conv/bias"].constant and not found["conv/bias"].initial
    assert found["bn/gamma"].zero and not found["bn/gamma"].initial and found["bn/beta"].initial
    assert look_trained(list(found.values()))


def test_dead_channels_of_a_normalization():
    model = keras.Sequential([keras.Input((6, 6, 5)), L.BatchNormalization(epsilon=0.001, name="bn")])
    model.get_layer("bn").set_weights(
        [
            np.array([1, 1e-6, 2, 0.01, -1]),
            np.zeros(5),
            np.zeros(5),
            np.array([1, 1, 0, 1e-4, -0.5]),
        ]
    )
    found = by_path(model)
    assert found["bn/gamma"].dead == (1,)
    variance = found["bn/moving_variance"]
    assert (variance.dead, variance.negative) == ((2,), 1)
    # A variance that rounding brought below zero does no harm: epsilon is added.
    model.get_layer("bn").moving_variance.assign(np.array([1, 1, -1e-5, 1, 1]))
    variance = by_path(model)["bn/moving_variance"]
    assert (variance.dead, variance.negative) == ((2,), 0)


def test_as_json():
    model = keras.Sequential([keras.Input((2,)), L.Dense(3, name="hidden")])
    model.layers[0].set_weights([np.array([[1.0, 0, 1], [2, 0, np.nan]]), np.zeros(3)])
    kernel, bias = (weight.as_dict() for weight in weights(model))
    assert kernel == {
        "path": "hidden/kernel",
        "layer": "hidden",
        "role": "kernel",
        "home": "hidden",
        "shape": [2, 3],
        "dtype": "float32",
        "bytes": 24,
        "trainable": True,
        "also": [],
        "zero": False,
        "constant": False,
        "initial": False,
        "filters": 3,
        "dead": [1],
        "equal": [],
        "negative": 0,
        "minimum": 0.0,
        "maximum": 2.0,
        "mean": 0.8,
        "deviation": np.sqrt(0.56),
        "zeros": 2 / 6,
        "nan": 1,
        "infinite": 0,
    }
    assert bias["initial"] and bias["zeros"] == 1.0
