"""What each corruption does, against loops written from the paper's definitions, and in the mean."""

import zlib

import numpy as np
import pytest

from kerasviz.errors import InputError, SettingError
from kerasviz.generalization.randomization.corruption import (
    corrupt_labels,
    gaussian_images,
    random_labels,
    random_pixels,
    shuffled_pixels,
)


def stream(purpose, seed):
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def test_labels_are_corrupted_one_by_one(rng):
    labels = rng.integers(5, size=200)
    before = labels.copy()
    draws = stream("labels", 3)
    chances, classes = draws.random(200), draws.integers(5, size=200)
    expected = [classes[n] if chances[n] < 0.4 else labels[n] for n in range(200)]
    found = corrupt_labels(labels, 0.4, 5, seed=3)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(labels, before)
    assert found is not labels and found.dtype == labels.dtype


def test_the_random_class_may_be_the_true_one(rng):
    labels = rng.integers(4, size=40000)
    for share in (0.2, 0.8):
        wrong = (corrupt_labels(labels, share, 4) != labels).mean()
        assert wrong == pytest.approx(share * 3 / 4, abs=0.01)
    drawn = corrupt_labels(labels, 0.5, 4)
    # Where a label became another one, all others are as likely.
    for given in range(4):
        counts = np.bincount(drawn[(labels == given) & (drawn != labels)], minlength=4)
        assert counts[given] == 0
        np.testing.assert_allclose(np.delete(counts, given) / counts.sum(), 1 / 3, atol=0.03)


def test_random_labels_know_nothing_of_the_true_ones(rng):
    labels = rng.integers(4, size=40000)
    found = random_labels(labels, 4, seed=1)
    assert (found == labels).mean() == pytest.approx(1 / 4, abs=0.01)
    np.testing.assert_allclose(np.bincount(found) / len(found), 1 / 4, atol=0.01)
    np.testing.assert_array_equal(found, corrupt_labels(labels, 1.0, 4, seed=1))
    # Labels that someone drew with the same seed are no exception.
    drawn = np.random.default_rng(1).integers(4, size=40000)
    assert (random_labels(drawn, 4, seed=1) == drawn).mean() == pytest.approx(1 / 4, abs=0.01)


def test_larger_shares_corrupt_more_of_the_same(rng):
    labels = rng.integers(10, size=1000)
    few, many = corrupt_labels(labels, 0.2, 10), corrupt_labels(labels, 0.6, 10)
    changed = few != labels
    assert 100 < changed.sum() < 250
    np.testing.assert_array_equal(many[changed], few[changed])


@pytest.mark.parametrize("seed", [0, 7])
def test_shares_of_none_and_seeds(seed, rng):
    labels = rng.integers(10, size=100)
    np.testing.assert_array_equal(corrupt_labels(labels, 0, 10, seed), labels)
    assert (corrupt_labels(labels, 1, 10, seed) != corrupt_labels(labels, 1, 10, seed + 1)).sum() > 60


def test_labels_keep_their_form(rng):
    numbers = rng.integers(6, size=50)
    found = random_labels(numbers, 6)
    column = random_labels(numbers[:, None].astype(np.uint8), 6)
    assert column.dtype == np.uint8
    np.testing.assert_array_equal(column, found[:, None])
    rows = random_labels(np.eye(6, dtype=np.float32)[numbers])
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, np.eye(6)[found])
    # Without a number of classes: up to the largest there is.
    np.testing.assert_array_equal(np.unique(random_labels(np.repeat([0, 2], 50))), [0, 1, 2])


def test_shuffled_pixels_move_alike_in_all_images(rng):
    images = rng.integers(256, size=(7, 3, 5, 2), dtype=np.uint8)
    before = images.copy()
    order = stream("shuffled pixels", 4).permutation(15)
    expected = np.empty_like(images)
    for n in range(7):
        for place, source in enumerate(order):
            expected[n, place // 5, place % 5] = images[n, source // 5, source % 5]
    found = shuffled_pixels(images, seed=4)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(shuffled_pixels(images[3:], seed=4), expected[3:])
    # Without channels, each number is a pixel.
    np.testing.assert_array_equal(shuffled_pixels(images[..., 0], seed=4), expected[..., 0])
    np.testing.assert_array_equal(shuffled_pixels(images[..., 0].reshape(7, 15), 4), expected[..., 0].reshape(7, 15))


def test_random_pixels_move_differently_in_each_image(rng):
    numbers = np.arange(5 * 6, dtype=np.int16).reshape(5, 6)
    images = np.broadcast_to(np.stack([numbers, 100 + numbers], -1), (600, 5, 6, 2))
    found = random_pixels(images, seed=2)
    assert found.dtype == np.int16 and found.shape == images.shape
    # All pixels are there once, each with its channels together.
    np.testing.assert_array_equal(found[..., 1], 100 + found[..., 0])
    np.testing.assert_array_equal(np.sort(found[..., 0].reshape(600, 30)), np.tile(np.arange(30), (600, 1)))
    assert len(np.unique(found.reshape(600, -1), axis=0)) == 600
    # Each pixel is at each place as often.
    np.testing.assert_allclose(found[..., 0].mean(0), 14.5, atol=1.5)
    np.testing.assert_array_equal(random_pixels(images[:9], seed=2), found[:9])


def test_gaussian_images_match_the_mean_and_variance_of_each_channel(rng):
    images = np.stack([rng.gamma(2, 3, (300, 8, 9)), rng.normal(-5, 0.5, (300, 8, 9))], -1).astype(np.float32)
    found = gaussian_images(images)
    assert found.dtype == np.float32 and found.shape == images.shape
    np.testing.assert_allclose(found.mean((0, 1, 2)), images.mean((0, 1, 2)), rtol=0.02)
    np.testing.assert_allclose(found.std((0, 1, 2)), images.std((0, 1, 2)), rtol=0.02)
    standard = (found - found.mean((0, 1, 2))) / found.std((0, 1, 2))
    assert abs((standard**3).mean()) < 0.05 and (standard**4).mean() == pytest.approx(3, abs=0.1)
    # Pixels and channels are independent.
    assert abs(np.corrcoef(found[..., 0].ravel(), found[..., 1].ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(found[:, :-1, :, 0].ravel(), found[:, 1:, :, 0].ravel())[0, 1]) < 0.03


def test_gaussian_images_are_not_clipped(rng):
    images = np.where(rng.random((50, 10, 10)) < 0.5, 0, 255).astype(np.uint8)
    found = gaussian_images(images, seed=5)
    assert found.dtype == np.float32
    assert found.min() < 0 and found.max() > 255
    assert found.std() == pytest.approx(images.std(), rel=0.03)
    assert gaussian_images(images.astype(np.float64)).dtype == np.float64
    few = gaussian_images(images[:5], seed=6, like=images * 0 + np.uint8(7))
    np.testing.assert_array_equal(few, 7)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: corrupt_labels([0, 1], 1.5, 2), SettingError),
        (lambda: corrupt_labels([0, 1], True, 2), SettingError),
        (lambda: corrupt_labels([0, 2], 0.5, 2), InputError),
        (lambda: corrupt_labels([0, -1], 0.5), InputError),
        (lambda: corrupt_labels([0.5, 1], 0.5), InputError),
        (lambda: corrupt_labels([[0.5, 0.5]], 0.5), InputError),
        (lambda: corrupt_labels([[1, 0, 0]], 0.5, 4), InputError),
        (lambda: corrupt_labels([], 0.5), InputError),
        (lambda: corrupt_labels(["cat"], 0.5), InputError),
        (lambda: corrupt_labels([0, 0], 0.5, 1), SettingError),
        (lambda: random_labels([0, 1], 2, seed=-1), SettingError),
        (lambda: shuffled_pixels(np.zeros(5)), InputError),
        (lambda: random_pixels(np.zeros((0, 4, 4))), InputError),
        (lambda: gaussian_images(np.array([["a"]])), InputError),
    ],
)
def test_misuse_is_refused(call, error):
    with pytest.raises(error):
        call()
