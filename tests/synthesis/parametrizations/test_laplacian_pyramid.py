"""Images by coarse and fine layers."""

import json

import numpy as np
import pytest
import tensorflow as tf
from reference import parametrizations as reference

from kerasviz.errors import SettingError
from kerasviz.synthesis.parametrizations import LaplacianPyramid
from kerasviz.synthesis.spaces import ImageSpace


def test_sizes_are_halved_upwards():
    levels = LaplacianPyramid(levels=5).start(ImageSpace(9, 4, 2), 3, seed=0)
    assert [level.shape for level in levels] == [(3, h, w, 2) for h, w in [(9, 4), (5, 2), (3, 1), (2, 1), (1, 1)]]
    assert {level.dtype for level in levels} == {np.dtype(np.float32)}


@pytest.mark.parametrize("size", [(8, 8), (9, 6), (5, 11)])
def test_against_the_formula(rng, size):
    pyramid = LaplacianPyramid(levels=3)
    levels = [rng.normal(size=level.shape) for level in pyramid.start(ImageSpace(*size, 3), 2, seed=0)]
    tensors = [tf.constant(level, tf.float32) for level in levels]
    values = reference.pyramid(levels, *size)
    images = pyramid.images(tensors, ImageSpace(*size, 3, 0.0, 255.0))
    np.testing.assert_allclose(images, reference.stretched(values, 0.0, 255.0, reference.IMAGENET), atol=1e-3)
    images = LaplacianPyramid(levels=3, decorrelate=False).images(tensors, ImageSpace(*size, 3))
    np.testing.assert_allclose(images, values, atol=1e-5)


def test_one_level_is_pixels(rng):
    [numbers] = [rng.normal(size=(2, 5, 4, 1)).astype(np.float32)]
    images = LaplacianPyramid(levels=1).images([tf.constant(numbers)], ImageSpace(5, 4, 1))
    np.testing.assert_array_equal(images, numbers)


def test_begins_with_noise_at_every_level():
    levels = LaplacianPyramid(levels=3, deviation=0.5).start(ImageSpace(64, 48, 3), 2, seed=0)
    for level in levels:
        assert level.std() == pytest.approx(0.5, rel=0.05)
    assert not np.array_equal(levels[0][:, :16, :12], levels[2])


def test_coarse_levels_of_a_given_image_hold_its_large_shapes():
    half = np.zeros((1, 8, 8, 1), np.float32)
    half[:, :, 4:] = 1.0
    finest, *_, coarsest = LaplacianPyramid(levels=3).parameters_of(half, ImageSpace(8, 8, 1))
    np.testing.assert_allclose(coarsest[0, :, :, 0], [[0, 1], [0, 1]], atol=1e-6)
    assert np.abs(finest).mean() < 0.1


def test_settings():
    assert json.loads(json.dumps(LaplacianPyramid(2).settings())) == {
        "parametrization": "laplacian_pyramid",
        "levels": 2,
        "deviation": 0.01,
        "decorrelate": True,
    }


@pytest.mark.parametrize("setting", [{"levels": 0}, {"levels": 1.5}, {"deviation": -0.1}])
def test_refused(setting):
    with pytest.raises(SettingError, match=f"{next(iter(setting))}="):
        LaplacianPyramid(**setting)
