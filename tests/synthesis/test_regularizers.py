"""Penalties against closed forms, loops and finite differences."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import tensorflow as tf

from kerasviz.errors import SettingError
from kerasviz.synthesis import regularizers
from kerasviz.synthesis.influences import Regularizer
from kerasviz.synthesis.regularizers import BoundedRange, Lp, TotalVariation

CASES = [
    TotalVariation(0.7),
    TotalVariation(0.7, beta=1.0),
    TotalVariation(0.7, beta=1.5),
    TotalVariation(0.7, beta=3.0),
    Lp(0.3),
    Lp(0.3, p=1.0, center=0.5),
    Lp(0.3, p=1.5),
    Lp(0.3, p=6.0, center=-0.2),
    BoundedRange(2.0),
    BoundedRange(2.0, low=-0.3, high=0.2),
]


@pytest.fixture
def images(rng):
    return rng.uniform(-0.5, 1.5, (3, 4, 5, 2))


def gradient(regularizer, images):
    images = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(regularizer.penalty(images))
    return tape.gradient(total, images).numpy()


def test_all_regularizers_are_here():
    kinds = {kind for kind in vars(regularizers).values() if isinstance(kind, type) and issubclass(kind, Regularizer)}
    assert {type(case) for case in CASES} == kinds - {Regularizer}


@pytest.mark.slow
@pytest.mark.parametrize("regularizer", CASES, ids=str)
def test_gradients_are_finite_differences(regularizer, images):
    step, size = 1e-6, images[0].size
    for image, found in zip(images, gradient(regularizer, images), strict=True):
        moves = step * np.eye(size).reshape(size, *image.shape)
        slopes = (regularizer.penalty(image + moves) - regularizer.penalty(image - moves)) / (2 * step)
        assert np.abs(found).max() > 0.001
        np.testing.assert_allclose(found.ravel(), slopes, rtol=1e-6, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("regularizer", CASES, ids=str)
def test_an_image_is_penalized_alone_and_in_a_graph_of_unknown_sizes(regularizer, images):
    images = images.astype(np.float32)
    traced = tf.function(regularizer.penalty, input_signature=[tf.TensorSpec([None] * 4)], autograph=False)
    together = traced(images).numpy()
    assert together.dtype == np.float32 and np.ptp(together) > 0
    np.testing.assert_allclose(together, [traced(image[None]).numpy()[0] for image in images], rtol=1e-6)
    assert (gradient(regularizer, images)[:1] == gradient(regularizer, images[:1])).all()


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0])
def test_total_variation_is_that_of_the_paper(images, beta):
    expected = []
    for image in images:
        height, width, channels = image.shape
        total = 0.0
        for y, x, c in np.ndindex(height, width, channels):
            down = image[min(y + 1, height - 1), x, c] - image[y, x, c]
            right = image[y, min(x + 1, width - 1), c] - image[y, x, c]
            total += (down**2 + right**2) ** (beta / 2)
        expected.append(0.5 * total / image.size)
    np.testing.assert_allclose(TotalVariation(0.5, beta).penalty(images), expected, rtol=1e-12)


def test_total_variation_of_a_slope():
    """Steps of 3 down and 4 to the right: 5 inside, one of the two at the last column and row, none at the corner."""
    slope = (3 * np.arange(6.0)[:, None] + 4 * np.arange(9.0)).reshape(1, 6, 9, 1)
    inside, column, row = 5 * 8 * 5, 5 * 3, 8 * 4
    assert TotalVariation(2.0, beta=1.0).penalty(slope).numpy()[0] == pytest.approx(2 * (inside + column + row) / 54)


def test_weights_mean_the_same_at_any_size():
    values = np.array([0.0, 0.25, 1.5, -2.0])
    for shape, repeats in (((1, 2, 2, 1), 1), ((1, 8, 16, 3), 96)):
        images = np.repeat(values, repeats).reshape(shape)
        assert Lp(4.0, p=2, center=0.5).penalty(images).numpy()[0] == pytest.approx(0.25 + 0.0625 + 1 + 6.25)
        assert Lp(4.0, p=3).penalty(images).numpy()[0] == pytest.approx(0.25**3 + 1.5**3 + 8)
        assert BoundedRange(4.0).penalty(images).numpy()[0] == pytest.approx(0.5**2 + 2**2)
        assert BoundedRange(4.0, -1, 0.5).penalty(images).numpy()[0] == pytest.approx(1**2 + 1**2)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("regularizer", CASES, ids=str)
def test_flat_images_have_a_finite_gradient(regularizer, dtype):
    """Where |x|^p and the root of the differences have their kinks, the gradient is zero, not infinite."""
    flat = np.full((2, 4, 4, 3), getattr(regularizer, "center", 0.1), dtype)
    assert not gradient(regularizer, flat).any()
    flat[0, 1, 1] += 1e-30  # whose square is zero in float32
    assert np.isfinite(gradient(regularizer, flat)).all()


@pytest.mark.parametrize("regularizer", CASES, ids=str)
def test_settings_are_written_and_read(regularizer):
    assert type(regularizer)(**json.loads(json.dumps(asdict(regularizer)))) == regularizer
    with pytest.raises(AttributeError):
        regularizer.weight = 1.0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TotalVariation(-1), "weight=-1"),
        (lambda: TotalVariation(True), "weight=True"),
        (lambda: TotalVariation(1, beta=0.9), "beta=0.9"),
        (lambda: Lp("much"), "weight='much'"),
        (lambda: Lp(float("nan")), "weight=nan"),
        (lambda: Lp(1, p=0.5), "p=0.5"),
        (lambda: Lp(1, p=float("inf")), "p=inf"),
        (lambda: Lp(1, center=None), "center=None"),
        (lambda: BoundedRange(1, low=1, high=1), "low=1, high=1"),
    ],
)
def test_settings_are_checked(make, said):
    with pytest.raises(SettingError, match=said):
        make()
