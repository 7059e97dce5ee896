"""What is shown for an image array, whatever its type and range."""

import numpy as np
import pytest

from kerasviz.errors import InputError, KerasvizWarning, SettingError
from kerasviz.plotting import display_image

PHOTO = np.random.default_rng(0).integers(0, 256, (24, 40, 3)).astype(np.uint8)
PHOTO[0, 0], PHOTO[0, 1] = 0, 255


def test_uint8_passes_unchanged_and_is_a_copy():
    shown = display_image(PHOTO)
    np.testing.assert_array_equal(shown, PHOTO)
    assert not np.shares_memory(shown, PHOTO)
    dark = PHOTO // 200
    np.testing.assert_array_equal(display_image(dark), dark)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_float_photographs_of_both_ranges_look_like_the_photograph(dtype):
    unit = (PHOTO / 255).astype(dtype)
    assert np.abs(display_image(unit).astype(int) - PHOTO).max() <= (0 if dtype != "float16" else 1)
    np.testing.assert_array_equal(display_image(PHOTO.astype(dtype)), PHOTO)
    np.testing.assert_array_equal(display_image(PHOTO.astype("int64")), PHOTO)


def test_an_overshoot_of_the_unit_range_does_not_turn_the_photograph_black():
    unit = PHOTO / 255.0
    for over in (1.0000001, 1.05):
        shown = display_image(unit * over).astype(int)
        assert np.abs(shown - PHOTO).max() <= 1


def test_anything_else_is_stretched_from_black_to_white_over_all_channels():
    shown = display_image(np.array([[[-1.0, 0.0, 1.0]], [[3.0, -1.0, 0.0]]]))
    assert shown.tolist() == [[[0, 64, 128]], [[255, 0, 64]]]
    standardized = (PHOTO - 117.0) / 58.0
    assert np.abs(display_image(standardized).astype(int) - PHOTO).max() <= 1


def test_value_range_maps_its_ends_to_black_and_white():
    image = np.array([[-1.0, 0.0, 0.5, 1.0, 2.0]])
    assert display_image(image, value_range=(-1, 1))[0, :, 0].tolist() == [0, 128, 191, 255, 255]
    with pytest.raises(SettingError):
        display_image(image, value_range=(1, -1))
    with pytest.raises(SettingError):
        display_image(image, value_range="image")


def test_channels():
    grey = np.array([[0, 128, 255]], np.uint8)
    expected = grey[..., None].repeat(3, -1)
    np.testing.assert_array_equal(display_image(grey), expected)
    np.testing.assert_array_equal(display_image(grey[..., None]), expected)
    many = np.stack([grey * 0 + 10] * 4 + [grey * 0 + 20] * 4, axis=-1)
    with pytest.warns(KerasvizWarning, match="8 channels"):
        assert (display_image(many) == 15).all()
    assert (display_image(np.array([[True, False]])) == [[[255] * 3, [0] * 3]]).all()


@pytest.mark.parametrize("convert", [np.asarray, lambda x: x / 255, lambda x: x.astype(np.float32)])
def test_opacity_is_laid_over_white(convert):
    image = np.array([[[200, 0, 0, 255], [200, 0, 0, 0], [200, 0, 0, 51]]], np.uint8)
    assert display_image(convert(image)).tolist() == [[[200, 0, 0], [255, 255, 255], [244, 204, 204]]]


def test_a_batch_is_judged_image_by_image():
    batch = np.stack([PHOTO / 255.0, PHOTO.astype(float)])
    np.testing.assert_array_equal(display_image(batch), [PHOTO, PHOTO])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_names_the_sample(bad):
    batch = np.zeros((3, 4, 5, 3))
    batch[2, 0, 0, 0] = bad
    with pytest.raises(InputError, match="image of sample 2"):
        display_image(batch)
    with pytest.raises(InputError, match=r"^The image contains"):
        display_image(batch[2])


@pytest.mark.parametrize("shape", [(5,), (1, 2, 3, 4, 3), (0, 4, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError):
        display_image(np.zeros(shape))


def test_constant_outside_the_ranges_is_grey_and_said_so():
    with pytest.warns(KerasvizWarning, match="constant"):
        assert (display_image(np.full((3, 4), -7.0)) == 128).all()
    assert (display_image(np.full((3, 4), 0.5)) == 128).all()
    assert (display_image(np.zeros((3, 4))) == 0).all()
