"""Adjustments against SciPy and numpy."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from kerasviz.errors import SettingError
from kerasviz.synthesis import adjustments
from kerasviz.synthesis.adjustments import (
    ClipSmallContribution,
    ClipSmallNorm,
    Decay,
    GaussianBlur,
    L2Ball,
    MedianFilter,
)
from kerasviz.synthesis.influences import Adjustment

CASES = [
    Decay(0.1, every=2),
    GaussianBlur(0.8, every=2),
    MedianFilter(3, every=2),
    ClipSmallNorm(40, every=2),
    ClipSmallContribution(40, every=2),
    L2Ball(1.5, every=2),
]


@pytest.fixture
def images(rng):
    return rng.uniform(0, 1, (3, 8, 9, 3)).astype(np.float32)


@pytest.fixture
def gradients(rng):
    return rng.standard_normal((3, 8, 9, 3)).astype(np.float32)


def cleared(images, strength, percentile, center):
    """Pixels below their own image's percentile of some strength, set to the center, by loops."""
    images = images.copy()
    for image, strong in zip(images, strength, strict=True):
        limit = np.percentile(strong, percentile)
        for y, x in np.ndindex(strong.shape):
            if strong[y, x] < limit:
                image[y, x] = center
    return images


def test_all_adjustments_are_here():
    kinds = {kind for kind in vars(adjustments).values() if isinstance(kind, type) and issubclass(kind, Adjustment)}
    assert {type(case) for case in CASES} == {kind for kind in kinds if not kind.__abstractmethods__}


def test_decay_brings_values_nearer_to_the_center(images):
    np.testing.assert_allclose(Decay(0.25).adjust(images, None, 0), 0.75 * images + 0.125, rtol=1e-6)
    np.testing.assert_allclose(Decay(0.01, center=0).adjust(images, None, 0), 0.99 * images, rtol=1e-6)
    assert Decay().rate == 0.01


@pytest.mark.parametrize("sigma", [0.3, 0.5, 0.9, 5.0])
def test_blur_is_scipys(images, sigma):
    """The last one reaches over more than twice the image."""
    expected = ndimage.gaussian_filter(images.astype(np.float64), (0, sigma, sigma, 0))
    np.testing.assert_allclose(GaussianBlur(sigma, every=1).adjust(images, None, 0), expected, atol=1e-6)


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("rows", [8, 1])
def test_median_is_scipys(images, size, rows):
    images = images[:, :rows]
    expected = ndimage.median_filter(images, (1, size, size, 1))
    assert (MedianFilter(size, every=1).adjust(images, None, 0).numpy() == expected).all()


@pytest.mark.parametrize("percentile", [0, 33.3, 95, 100])
@pytest.mark.parametrize("center", [0.5, 0.0])
def test_pixels_of_small_norm_are_cleared(images, percentile, center):
    images[1] *= 0.01  # each image by its own percentile
    strength = np.sqrt(((images - center) ** 2).sum(3))
    expected = cleared(images, strength, percentile, center)
    left = (expected != images).any(3).mean((1, 2))
    assert np.abs(left - percentile / 100).max() < 0.02
    assert (ClipSmallNorm(percentile, center).adjust(images, None, 0).numpy() == expected).all()


@pytest.mark.parametrize("percentile", [0, 33.3, 95, 100])
@pytest.mark.parametrize("center", [0.5, 0.0])
def test_pixels_of_small_contribution_are_cleared(images, gradients, percentile, center):
    strength = np.abs(((images - center) * gradients).sum(3))
    expected = cleared(images, strength, percentile, center)
    left = (expected != images).any(3).mean((1, 2))
    assert np.abs(left - percentile / 100).max() < 0.02
    adjusted = ClipSmallContribution(percentile, center).adjust(images, gradients, 0).numpy()
    assert (adjusted == expected).all()


@pytest.mark.parametrize("every", [1, 3])
def test_adjustments_act_on_each_so_many_steps(every):
    decay = Decay(0.5, center=0, every=every)

    @tf.function(autograph=False)
    def steps(count):
        def body(step, images):
            return step + 1, decay.adjust(images, images, step)

        return tf.while_loop(lambda step, _: step < count, body, (0, tf.ones((1, 2, 2, 1))))[1]

    for count in range(8):
        assert steps(tf.constant(count)).numpy().max() == 0.5 ** (count // every)


@pytest.mark.slow
@pytest.mark.parametrize("adjustment", CASES, ids=str)
def test_steps_between_cost_nothing_and_images_are_alone(adjustment, images, gradients):
    traced = tf.function(
        adjustment.adjust,
        input_signature=[*[tf.TensorSpec([None, None, None, 3])] * 2, tf.TensorSpec([], tf.int32)],
        autograph=False,
    )
    # All work is in a branch: beside it only its condition and the step's number.
    work = {op.type for op in traced.get_concrete_function().graph.get_operations()}
    assert "StatelessIf" in work or "If" in work
    assert work <= {"Placeholder", "Const", "AddV2", "FloorMod", "Equal", "If", "StatelessIf", "Identity", "NoOp"}
    assert (traced(images, gradients, 0).numpy() == images).all()
    together = traced(images, gradients, 1).numpy()
    assert together.shape == images.shape and (together != images).any((1, 2, 3)).all()
    for row in range(len(images)):
        alone = traced(images[row : row + 1], gradients[row : row + 1], 1).numpy()
        assert (alone == together[row : row + 1]).all()


@pytest.mark.parametrize("adjustment", CASES, ids=str)
def test_settings_are_written_and_read(adjustment):
    assert type(adjustment)(**json.loads(json.dumps(asdict(adjustment)))) == adjustment
    with pytest.raises(AttributeError):
        adjustment.every = 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Decay(1.1), "rate=1.1"),
        (lambda: Decay(-0.1), "rate=-0.1"),
        (lambda: Decay(center=float("inf")), "center=inf"),
        (lambda: Decay(every=0), "every=0"),
        (lambda: GaussianBlur(0), "sigma=0"),
        (lambda: GaussianBlur(every=1.5), "every=1.5"),
        (lambda: MedianFilter(4), "size=4"),
        (lambda: MedianFilter(1), "size=1"),
        (lambda: ClipSmallNorm(101), "percentile=101"),
        (lambda: ClipSmallContribution("half"), "percentile='half'"),
    ],
)
def test_settings_are_checked(make, said):
    with pytest.raises(SettingError, match=said):
        make()


def test_the_ball(images):
    units = np.concatenate([images, np.full_like(images[:1], 0.5)])
    units[1] = 0.5 + (units[1] - 0.5) * 0.01
    found = L2Ball(1.5).adjust(tf.constant(units), None, 0).numpy()
    for before, after in zip(units, found, strict=True):
        away = np.linalg.norm(before - 0.5)
        np.testing.assert_allclose(after, 0.5 + (before - 0.5) * min(1, 1.5 / max(away, 1e-9)), atol=1e-6)
