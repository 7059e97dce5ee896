"""The scenes as a labelled data set, and what all such sets share."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import kerasviz
from kerasviz.data import SceneConcepts, concepts, shapes
from kerasviz.data.concepts import base
from kerasviz.errors import SettingError


def test_scenes_are_those_drawn_directly():
    data = SceneConcepts(20, seed=4)
    drawn = shapes.scenes(20, seed=4)
    assert (len(data), data.image_size, data.map_size, data.faults) == (20, (64, 64), (64, 64), ())
    assert data.concepts == shapes.CONCEPTS
    assert data.categories == shapes.CATEGORIES
    for i in (0, 7, 19):
        sample = data.read(i)
        np.testing.assert_array_equal(sample.image, drawn.images[i])
        np.testing.assert_array_equal(sample.maps, drawn.maps[i])
        assert sample.tags == ()
        code = data.concepts.index(("wheel", "part")) + 1
        np.testing.assert_array_equal((sample.maps == code).any(0), drawn.mask("wheel")[i])
    assert data.name_of(7) == "scene 7"


def test_defaults_are_scenes_that_the_network_has_not_seen():
    data = SceneConcepts()
    assert len(data) == 1000
    np.testing.assert_array_equal(data.read(3).image, shapes.scenes(1, seed=1, start=3).images[0])


def test_maps_are_resized_by_nearest_neighbour():
    size = (40, 60)
    full, half = (SceneConcepts(3, size=size, map_size=given) for given in (None, (20, 20)))
    assert (half.image_size, half.map_size) == (size, (20, 20))
    for i in range(3):
        np.testing.assert_array_equal(half.read(i).maps, full.read(i).maps[:, 1::2, 1::3])
        np.testing.assert_array_equal(half.read(i).image, full.read(i).image)


def test_reading_on_many_threads_is_as_reading_one_by_one():
    data, drawn = SceneConcepts(16, seed=2), shapes.scenes(16, seed=2)
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(16), 3))
    with ThreadPoolExecutor(8) as pool:
        for number, sample in zip(order, pool.map(data.read, order), strict=True):
            np.testing.assert_array_equal(sample.image, drawn.images[number])
            np.testing.assert_array_equal(sample.maps, drawn.maps[number])


def test_the_fingerprint_depends_on_the_arguments_and_the_version(monkeypatch):
    def fingerprints():
        settings = ({}, {"count": 999}, {"seed": 2}, {"size": (64, 65)}, {"map_size": 32})
        return [SceneConcepts(**each).fingerprint for each in settings]

    first = fingerprints()
    assert len(set(first)) == 5
    assert fingerprints() == first
    assert SceneConcepts(np.int64(1000), size=[64, 64], map_size=64).fingerprint == first[0]
    monkeypatch.setattr(kerasviz, "__version__", "99")
    assert not set(fingerprints()) & set(first)


@pytest.mark.parametrize(
    "settings", [{"count": 0}, {"count": 2.0}, {"seed": -1}, {"size": (64, 31)}, {"size": 64}, {"map_size": 0}]
)
def test_bad_settings(settings):
    with pytest.raises(SettingError):
        SceneConcepts(**settings)


@pytest.mark.parametrize("number", [-1, 5, 0.0, None])
def test_numbers_beyond_the_set(number):
    data = SceneConcepts(5)
    for call in (data.read, data.name_of):
        with pytest.raises(SettingError, match="from 0 to 4"):
            call(number)


def test_there_is_one_class_of_concepts():
    assert shapes.Concept is base.Concept is concepts.Concept is kerasviz.data.Concept
    assert all(type(concept) is base.Concept for concept in shapes.CONCEPTS)


@pytest.mark.parametrize("first", ["data.concepts", "data.concepts.base", "data.concepts.scenes", "data.shapes"])
def test_imports_in_any_order_and_without_tensorflow(first):
    code = (
        f"import sys, kerasviz.{first}; eager = 'kerasviz.data.shapes' in sys.modules;"
        "from kerasviz.data import *; from kerasviz.data.concepts import *; SceneConcepts(1).read(0);"
        "sys.exit('tensorflow' in sys.modules or 'matplotlib' in sys.modules"
        f" or eager != {first in ('data.concepts.scenes', 'data.shapes')})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names():
    with pytest.raises(AttributeError, match="no attribute 'Brodn'"):
        concepts.Brodn  # noqa: B018
    assert "Broden" in dir(concepts)
