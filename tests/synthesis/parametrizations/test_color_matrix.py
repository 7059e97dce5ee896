"""Colours whose numbers are independent of one another."""

import numpy as np
import pytest

from kerasviz.errors import InputError, SettingError
from kerasviz.synthesis.parametrizations import IMAGENET_COLORS, Fourier, Pixels, color_matrix


def test_of_imagenet():
    root = np.array([[0.26, 0.09, 0.02], [0.27, 0, -0.05], [0.27, -0.09, 0.03]])
    np.testing.assert_allclose(IMAGENET_COLORS * 0.461952, root, atol=1e-6)
    np.testing.assert_allclose(IMAGENET_COLORS @ [1, 0, 0], [0.562829, 0.584476, 0.584476], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_squares_to_the_covariance_of_the_pixels(rng, channels):
    mix = rng.normal(size=(channels, channels))
    images = rng.normal(size=(5, 7, 6, channels)) @ mix + 3
    matrix = color_matrix(images)
    covariance = np.cov(images.reshape(-1, channels).T).reshape(channels, channels)
    square = matrix @ matrix.T
    np.testing.assert_allclose(square / np.trace(square), covariance / np.trace(covariance), atol=1e-12)
    lengths = np.linalg.norm(matrix, axis=0)
    assert lengths[0] == pytest.approx(1)
    assert (np.diff(lengths) <= 0).all()
    assert (matrix.sum(axis=0) > 0).all()


def test_numbers_of_the_images_are_uncorrelated(rng):
    images = rng.normal(size=(4, 9, 9, 3)) @ rng.normal(size=(3, 3))
    numbers = images.reshape(-1, 3) @ np.linalg.inv(color_matrix(images)).T
    covariance = np.cov(numbers.T)
    np.testing.assert_allclose(covariance / covariance[0, 0], np.eye(3), atol=1e-9)


def test_the_range_of_values_does_not_matter(rng):
    images = rng.integers(0, 256, (3, 5, 4, 3), np.uint8)
    np.testing.assert_allclose(color_matrix(images), color_matrix(images / 127.5 - 1.0), atol=1e-9)


def test_grey_photographs_with_three_channels_have_one_axis(rng):
    grey = rng.normal(size=(3, 6, 6, 1)).repeat(3, axis=-1).astype(np.float32)
    np.testing.assert_allclose(color_matrix(grey), np.outer(np.full(3, 3**-0.5), [1, 0, 0]), atol=1e-7)


def test_axes_that_sum_to_nothing_point_along_their_first_entry(rng):
    contrast = rng.normal(size=(3, 6, 6, 1)) * [-1.0, 1.0]
    np.testing.assert_allclose(color_matrix(contrast), [[0.5**0.5, 0], [-(0.5**0.5), 0]], atol=1e-9)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.full((2, 4, 4, 3), 7.0), "same colour"),
        (np.zeros((4, 4, 3)), r"shape \(4, 4, 3\)"),
        (np.full((1, 2, 2, 3), np.nan), "NaN"),
        (np.zeros((0, 2, 2, 3)), r"\(N, H, W, C\)"),
        (np.array([[[["a"]]]]), "dtype <U1"),
    ],
)
def test_refused_images(images, says):
    with pytest.raises(InputError, match=says):
        color_matrix(images)


@pytest.mark.parametrize(
    "decorrelate", [np.zeros((3, 3)), np.ones((2, 3)), [[np.nan]], "imagenet", None, 1.0, [[1, 2], [3]]]
)
def test_refused_settings(decorrelate):
    with pytest.raises(SettingError, match="decorrelate="):
        Fourier(decorrelate=decorrelate)


def test_a_setting_is_kept_apart_from_the_callers_array(rng):
    matrix = rng.normal(size=(2, 2))
    kept = matrix.copy()
    fourier = Fourier(decorrelate=matrix)
    matrix[:] = 0
    assert fourier.decorrelate == tuple(map(tuple, kept.tolist()))
    assert fourier == Fourier(decorrelate=kept)
    assert hash(fourier) == hash(Fourier(decorrelate=kept))


def test_clipped_pixels_have_no_other_colours():
    with pytest.raises(SettingError, match="squash='sigmoid'"):
        Pixels(decorrelate=True)
