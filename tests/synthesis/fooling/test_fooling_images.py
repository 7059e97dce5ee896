"""`fooling_images`: the methods by name give what their classes give."""

import keras
import numpy as np
import pytest
from keras import layers as L

from kerasviz.errors import SettingError, TargetError
from kerasviz.synthesis.fooling.ascending import FoolingAscent
from kerasviz.synthesis.fooling.map_elites import MapElites
from kerasviz.synthesis.fooling.one_call import fooling_images

SHAPE = (2, 3, 1)


@pytest.fixture(scope="module")
def model():
    model = keras.Sequential([keras.Input(SHAPE), L.Flatten(), L.Dense(3, "softmax")])
    model.layers[-1].set_weights([10 * np.random.default_rng(1).normal(size=(6, 3)), np.zeros(3)])
    return model


def same(one, other):
    for name in ("images", "classes", "confidences", "predicted", "steps", "saved_confidences"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.method, one.wanted, one.settings) == (other.method, other.wanted, other.settings)


@pytest.mark.slow
def test_the_gradient_by_name(model):
    given = fooling_images(model, [2, 0], confidence=0.9, steps=30, seed=3, value_range=(0, 1), start="uniform")
    fool = FoolingAscent(model, confidence=0.9, value_range=(0, 1))
    same(given, fool([2, 0], steps=30, seed=3, start="uniform"))
    assert given.method == "gradient" and given.settings["start"] == "uniform"
    assert fooling_images(model, 1, value_range=(0, 1)).settings["steps"] == 500


@pytest.mark.slow
def test_map_elites_by_name(model):
    settings = {"value_range": (0, 1), "population": 8, "encoding": "direct"}
    given = fooling_images(model, [0, 2], method="map_elites", confidence=0.6, generations=60, seed=3, **settings)
    evolve = MapElites(model, classes=[0, 2], confidence=0.6, **settings)
    same(given, evolve(60, seed=3, goal="every"))
    assert given.method == "map_elites" and len(given.history["generation"]) < 61


@pytest.mark.slow
def test_the_genetic_algorithm_by_name(model):
    settings = {"value_range": (0, 1), "population": 20, "crossover": "uniform"}
    given = fooling_images(model, method="genetic", confidence=0.8, generations=40, **settings)
    assert given.classes.tolist() == [0, 1, 2] and given.found.all() and given.method == "genetic"
    seen = model.predict(given.images, verbose=0)
    np.testing.assert_allclose(given.confidences, seen.diagonal(), atol=1e-6)
    one = fooling_images(model, 2, method="genetic", confidence=0.8, generations=40, **settings)
    np.testing.assert_array_equal(one.images[0], given.images[2])


def test_what_belongs_to_another_method_is_refused(model):
    with pytest.raises(SettingError, match="generations=3 with method='gradient'"):
        fooling_images(model, generations=3, value_range=(0, 1))
    with pytest.raises(SettingError, match="steps=3 with method='map_elites'"):
        fooling_images(model, steps=3, method="map_elites", value_range=(0, 1))
    with pytest.raises(SettingError, match="method='luck'"):
        fooling_images(model, method="luck", value_range=(0, 1))
    with pytest.raises(TargetError, match="0 to 2"):
        fooling_images(model, 3, method="genetic", value_range=(0, 1))
    with pytest.raises(SettingError, match="confidence=2"):
        fooling_images(model, 2, method="genetic", confidence=2, value_range=(0, 1))
