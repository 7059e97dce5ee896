"""A trained generator as a record: bounds, images, and a folder that holds all of it."""

import json

import keras
import numpy as np
import pytest

from kerasviz.errors import InputError, LoadError, SaveError, SettingError
from kerasviz.synthesis.generator import TrainedGenerator, build_generator


def _made(**fields):
    known = {
        "model": build_generator((2,), (4, 5, 1), width=2, value_range=(-2, 3)),
        "layer": "block/code",
        "mean": np.float32([1, 2]),
        "deviation": np.float32([0.5, 0]),
        "value_range": (-2.0, 3.0),
        "settings": {"seed": 3},
        "history": {"loss": [2.0, 1.0]},
    }
    return TrainedGenerator(**{**known, **fields})


def test_bounds_begin_at_0_behind_a_rectifier_and_lie_around_the_mean_elsewhere():
    low, high = _made(lowest=0.0).bounds()
    assert (low.tolist(), high.tolist()) == ([0, 0], [2.5, 2])
    low, high = _made(lowest=-0.1).bounds(1)
    assert (low.tolist(), high.tolist()) == ([0.5, 2], [1.5, 2])
    with pytest.raises(SettingError, match="deviations"):
        _made().bounds(-1)


@pytest.mark.slow
def test_images_are_those_of_the_model_whatever_the_batches(rng):
    made = _made()
    codes = rng.normal(size=(5, 2))
    expected = made.model.predict(codes, verbose=0)
    np.testing.assert_allclose(made.images(codes, batch_size=2), expected, atol=1e-5)
    assert (made.code_shape, made.image_shape) == ((2,), (4, 5, 1))
    with pytest.raises(InputError, match="codes"):
        made.images(codes[:, :1])
    with pytest.raises(InputError, match="codes"):
        made.images(codes[:0])


@pytest.mark.parametrize("value_range", [pytest.param((-2.0, 3.0), marks=pytest.mark.slow), (-np.inf, np.inf)])
def test_what_is_saved_comes_back(tmp_path, rng, value_range):
    made = _made(lowest=-0.25, value_range=value_range, preprocess="tf")
    found = TrainedGenerator.load(made.save(tmp_path / "generator"))
    codes = rng.normal(size=(3, 2))
    np.testing.assert_array_equal(found.images(codes), made.images(codes))
    np.testing.assert_array_equal(found.bounds(), made.bounds())
    for name in ("layer", "lowest", "value_range", "preprocess", "settings", "history"):
        assert getattr(found, name) == getattr(made, name)
    # Strict JSON, for other readers.
    json.loads((tmp_path / "generator" / "manifest.json").read_text(), parse_constant=pytest.fail)
    with pytest.raises(SaveError, match="exists"):
        made.save(tmp_path / "generator")
    _made(layer="other").save(tmp_path / "generator", overwrite=True)
    assert TrainedGenerator.load(tmp_path / "generator").layer == "other"
    (tmp_path / "generator" / "mine.txt").write_text("mine")
    with pytest.raises(SaveError, match="exists"):
        made.save(tmp_path / "generator", overwrite=True)


def test_a_preprocessing_function_is_asked_for_again(tmp_path):
    def halved(images):
        return images / 2

    folder = _made(preprocess=halved).save(tmp_path / "generator")
    assert TrainedGenerator.load(folder, preprocess=halved).preprocess is halved
    with pytest.raises(LoadError, match=r"halved.*preprocess="):
        TrainedGenerator.load(folder)
    with pytest.raises(LoadError, match="no other preprocessing"):
        TrainedGenerator.load(_made().save(tmp_path / "other"), preprocess=halved)


@pytest.mark.parametrize("damage", ["manifest.json", "arrays.npz", "generator.keras"])
def test_damage_is_told(tmp_path, damage):
    folder = _made().save(tmp_path / "generator")
    (folder / damage).write_bytes((folder / damage).read_bytes()[:40])
    with pytest.raises(LoadError):
        TrainedGenerator.load(folder)
    (folder / damage).unlink()
    with pytest.raises(LoadError):
        TrainedGenerator.load(folder)


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="codes"):
        _made(mean=np.ones(3, "float32"))
    with pytest.raises(InputError, match="codes"):
        _made(deviation=np.ones((2, 1), "float32"))
    flat = keras.Sequential([keras.Input((2,)), keras.layers.Dense(5)])
    with pytest.raises(InputError, match="images"):
        _made(model=flat)
