"""Images as they are."""

import json

import numpy as np
import pytest
import tensorflow as tf
from reference import parametrizations as reference

from kerasviz.errors import SettingError
from kerasviz.synthesis.parametrizations import Pixels
from kerasviz.synthesis.spaces import ImageSpace

BOUNDED, FREE = ImageSpace(5, 7, 3, -2.0, 6.0), ImageSpace(5, 7, 3)


def test_of_pixels_depends_on_squash():
    assert Pixels().of_pixels is True
    assert Pixels(squash="sigmoid").of_pixels is False


@pytest.mark.parametrize(("space", "middle"), [(BOUNDED, 2.0), (FREE, 0.0)])
@pytest.mark.parametrize("squash", ["clip", "sigmoid"])
def test_without_deviation_begins_at_exactly_the_middle(space, middle, squash):
    pixels = Pixels(deviation=0, squash=squash)
    images = pixels.images(pixels.start(space, 2, seed=3), space)
    np.testing.assert_array_equal(images, np.full((2, 5, 7, 3), middle))


def test_begins_with_noise_in_units():
    [units] = Pixels(deviation=0.05).start(ImageSpace(40, 50, 3, 0.0, 255.0), 2, seed=0)
    assert units.dtype == np.float32
    assert units.mean() == pytest.approx(0.5, abs=0.002)
    assert units.std() == pytest.approx(0.05, rel=0.02)
    [values] = Pixels(deviation=0.05).start(ImageSpace(40, 50, 3), 2, seed=0)
    assert values.mean() == pytest.approx(0, abs=0.002)
    np.testing.assert_allclose(values + 0.5, units, atol=1e-6)


def test_begins_within_the_range():
    [units] = Pixels(deviation=2.0).start(BOUNDED, 2, seed=0)
    assert (units.min(), units.max()) == (0.0, 1.0)


def test_images_are_the_parameters_stretched():
    [images] = Pixels().images([tf.constant([[[[0.0, 0.25, 1.0]]]])], ImageSpace(1, 1, 3, -2.0, 6.0)).numpy()
    np.testing.assert_array_equal(images, [[[-2, 0, 6]]])


def test_project_clips_where_there_is_a_range():
    steps = tf.constant([-0.5, 0.0, 0.3, 1.0, 1.5])
    np.testing.assert_array_equal(Pixels().project([steps], BOUNDED)[0], np.float32([0, 0, 0.3, 1, 1]))
    np.testing.assert_array_equal(Pixels().project([steps], FREE)[0], steps)
    np.testing.assert_array_equal(Pixels(squash="sigmoid").project([steps], BOUNDED)[0], steps)


@pytest.mark.parametrize("decorrelate", [True, [[1.0, 0.5, 0.0], [0.0, 1.0, -2.0], [0.3, 0.0, 1.0]]])
def test_sigmoid_against_the_formula(rng, decorrelate):
    pixels = Pixels(squash="sigmoid", decorrelate=decorrelate)
    numbers = rng.normal(size=(2, 5, 7, 3))
    matrix = reference.IMAGENET if decorrelate is True else decorrelate
    images = pixels.images([tf.constant(numbers, tf.float32)], BOUNDED)
    np.testing.assert_allclose(images, reference.stretched(numbers, -2.0, 6.0, matrix), atol=1e-5)
    images = pixels.images([tf.constant(numbers, tf.float32)], FREE)
    np.testing.assert_allclose(images, reference.coloured(numbers, matrix), atol=1e-5)


def test_settings():
    pixels = Pixels(deviation=np.float32(0.5), squash="sigmoid", decorrelate=np.eye(2))
    assert json.loads(json.dumps(pixels.settings())) == {
        "parametrization": "pixels",
        "deviation": 0.5,
        "squash": "sigmoid",
        "decorrelate": [[1.0, 0.0], [0.0, 1.0]],
    }


@pytest.mark.parametrize(
    "setting", [{"deviation": -1}, {"deviation": np.nan}, {"deviation": "much"}, {"squash": "tanh"}]
)
def test_refused(setting):
    with pytest.raises(SettingError, match=f"{next(iter(setting))}="):
        Pixels(**setting)
