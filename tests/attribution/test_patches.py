"""Patches that are cut and pasted, against loops over pixels."""

import numpy as np
import pytest
import tensorflow as tf
from reference import occlusion as slow

from kerasviz.attribution.patches import cut, paste

PLACES = [
    ((9,), (4,), [[0], [5], [2], [5]]),
    ((7, 5), (3, 2), [[0, 0], [4, 3], [1, 2]]),
    ((7, 5), (7, 5), [[0, 0]]),
    ((4, 6, 3), (2, 1, 3), [[0, 5, 0], [2, 0, 0]]),
]


def numbers(*shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


@pytest.mark.parametrize(("space", "size", "starts"), PLACES)
@pytest.mark.parametrize("dtype", ["float32", "uint8", "float64"])
def test_cut(space, size, starts, dtype):
    image = numbers(1, *space, 2, dtype=dtype)
    found = tf.function(cut)(tf.constant(image), tf.constant(starts), tf.constant(size)).numpy()
    for patch, start in zip(found, starts, strict=True):
        np.testing.assert_array_equal(patch.reshape(-1, 2), [image[0][pixel] for pixel in slow.pixels(start, size)])
    assert found.dtype == dtype
    assert found.shape == (len(starts), *size, 2)


@pytest.mark.parametrize(("space", "size", "starts"), PLACES)
@pytest.mark.parametrize("dtype", ["float32", "uint8", "float64"])
def test_paste(space, size, starts, dtype):
    """Each patch into a copy of its own; the copies do not see each other, and the image stays as it was."""
    image = tf.constant(numbers(1, *space, 2, dtype=dtype))
    before = image.numpy()
    patches = numbers(len(starts), *size, 2, dtype=dtype, seed=1)
    found = tf.function(paste)(image, tf.constant(starts), tf.constant(patches)).numpy()
    for copy, start, patch in zip(found, starts, patches, strict=True):
        expected = before[0].copy()
        for pixel, value in zip(slow.pixels(start, size), patch.reshape(-1, 2), strict=True):
            expected[pixel] = value
        np.testing.assert_array_equal(copy, expected)
    assert found.dtype == dtype
    np.testing.assert_array_equal(image.numpy(), before)


def test_what_is_cut_and_pasted_back_is_the_image():
    image, starts = tf.constant(numbers(1, 6, 8, 3)), tf.constant([[0, 0], [3, 5], [2, 1]])
    patches = cut(image, starts, tf.constant([3, 3]))
    np.testing.assert_array_equal(paste(image, starts, patches), np.repeat(image, 3, 0))
