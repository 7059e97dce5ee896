"""Fingerprints: the same for the same computation, another for another."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers as L

from kerasviz.network import Network
from kerasviz.network.fingerprints import fingerprint


def network(activation="relu", units=4, **settings):
    keras.utils.set_random_seed(0)
    grouped = L.Conv2D(units, 3, groups=2, activation=activation, **settings)
    return keras.Sequential([keras.Input((8, 8, 4)), grouped, L.BatchNormalization(), L.GlobalAveragePooling2D()])


def of(model):
    return fingerprint(Network(model))


def test_names_do_not_count():
    keras.utils.set_random_seed(0)
    named = keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            L.Conv2D(4, 3, groups=2, activation="relu", name="first"),
            L.BatchNormalization(name="second"),
            L.GlobalAveragePooling2D(),
        ],
        name="another",
    )
    assert of(named) == of(network())


def test_a_saved_and_loaded_model_has_the_same(tmp_path):
    model = network()
    model.save(tmp_path / "model.keras")
    assert fingerprint(Network(str(tmp_path / "model.keras"))) == of(model)


@pytest.mark.parametrize(
    "other",
    [
        {"activation": "gelu"},
        {"activation": lambda x: keras.activations.relu(x, negative_slope=0.1)},
        {"padding": "same"},
        {"strides": 2},
        {"use_bias": False},
    ],
)
def test_another_computation_has_another(other):
    assert of(network(**other)) != of(network())


@pytest.mark.parametrize("number", range(6))
def test_any_weight_counts(number):
    model = network()
    before = of(model)
    weights = model.get_weights()
    weights[number] = weights[number] + np.float32(1e-6)
    weights[number].flat[0] += 1
    model.set_weights(weights)
    assert of(model) != before


def test_weights_that_change_places_count():
    model = keras.Sequential([keras.Input((3,)), L.Dense(3, use_bias=False), L.Dense(3, use_bias=False)])
    before = of(model)
    model.set_weights(model.get_weights()[::-1])
    assert of(model) != before


SCRIPT = """
import keras
from kerasviz.data import shapes
from kerasviz.network import Network
from kerasviz.network.fingerprints import fingerprint
print(fingerprint(Network(shapes.shapes_model())))
"""


@pytest.mark.slow
def test_other_processes_find_the_same():
    from kerasviz.data import shapes

    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    assert found.strip() == of(shapes.shapes_model())
