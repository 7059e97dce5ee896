"""A heat map over its image: opacity, resizing, batches."""

import numpy as np
import pytest

from kerasviz.errors import InputError, KerasvizWarning, SettingError
from kerasviz.plotting import heatmap, overlay, signed

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (24, 40, 3)).astype(np.uint8)
MAP = RNG.random((24, 40))


def half_up(values):
    return np.floor(values + 0.5)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_alpha_is_the_opacity_of_the_heat_map(dtype):
    values = MAP.astype(dtype)
    hot = heatmap(values, cmap="turbo", percentile=100)
    np.testing.assert_array_equal(overlay(PHOTO, values, alpha=0), PHOTO)
    np.testing.assert_array_equal(overlay(PHOTO, values, alpha=1), hot)
    half = half_up((PHOTO.astype(float) + hot) / 2)
    np.testing.assert_array_equal(overlay(PHOTO, values), half)
    quarter = half_up(PHOTO * 0.75 + hot * 0.25)
    np.testing.assert_array_equal(overlay(PHOTO, values, alpha=0.25), quarter)


def test_alpha_value_leaves_the_photograph_where_nothing_was_found():
    values = np.zeros((24, 40))
    values[3, 4], values[5, 6] = 2.0, 1.0
    hot = heatmap(values, cmap="turbo", percentile=100)
    shown = overlay(PHOTO, values, alpha="value")
    np.testing.assert_array_equal(shown[3, 4], half_up(PHOTO[3, 4] * 0.25 + hot[3, 4] * 0.75))
    np.testing.assert_array_equal(shown[5, 6], half_up(PHOTO[5, 6] * 0.625 + hot[5, 6] * 0.375))
    values[3, 4] = values[5, 6] = 0
    elsewhere = (np.arange(24)[:, None] != 3) & (np.arange(24)[:, None] != 5)
    np.testing.assert_array_equal(shown[elsewhere[:, 0]], PHOTO[elsewhere[:, 0]])


def test_signed_overlay_is_diverging_and_clear_at_zero():
    values = np.zeros((24, 40))
    values[0, 0], values[1, 1] = -3.0, 3.0
    np.testing.assert_array_equal(
        overlay(PHOTO, values, signed=True, alpha=1, percentile=100), signed(values, percentile=100)
    )
    shown = overlay(PHOTO, values, signed=True)
    np.testing.assert_array_equal(shown[2:], PHOTO[2:])
    black = overlay(np.zeros_like(PHOTO), values, signed=True)
    assert black[0, 0, 2] > black[0, 0, 0]
    assert black[1, 1, 0] > black[1, 1, 2]


def test_percentile_defaults_keep_the_peak_of_a_heat_map_but_clip_signed_outliers():
    np.testing.assert_array_equal(overlay(PHOTO, MAP, alpha=1), overlay(PHOTO, MAP, alpha=1, percentile=100))
    assert (overlay(PHOTO, MAP, alpha=1) != overlay(PHOTO, MAP, alpha=1, percentile=99)).any()
    np.testing.assert_array_equal(overlay(PHOTO, MAP, signed=True), overlay(PHOTO, MAP, signed=True, percentile=99))


@pytest.mark.parametrize("corner", [(0, 0), (0, 4), (2, 0), (2, 4)])
def test_a_small_map_of_a_wide_image_is_hot_in_the_right_corner(corner):
    small = np.zeros((3, 5))
    small[corner] = 1.0
    shown = overlay(np.zeros((24, 40, 3), np.uint8), small, cmap="gray", alpha=1)
    assert shown.shape == (24, 40, 3)
    y, x = np.unravel_index(shown[..., 0].argmax(), (24, 40))
    assert (y < 8, x < 8) == (corner[0] == 0, corner[1] == 0)
    assert shown[..., 0].max() == 255


def test_resizing_is_bilinear_with_half_pixel_centres():
    shown = overlay(np.zeros((1, 8, 3), np.uint8), [[0.0, 1.0]], cmap="gray", alpha=1)
    centres = np.clip((np.arange(8) + 0.5) / 4 - 0.5, 0, 1)
    np.testing.assert_array_equal(shown[0, :, 0], half_up(centres * 255))


def test_a_larger_map_is_averaged():
    values = np.zeros((96, 160))
    values[0, :4] = 1.0
    shown = overlay(np.zeros((24, 40, 3), np.uint8), values, cmap="gray", alpha=1)
    assert shown[0, 0, 0] == 64
    assert shown[1:].max() == 0


def test_batches_pair_up_and_do_not_influence_each_other():
    photos = np.stack([PHOTO, 255 - PHOTO])
    maps = np.stack([MAP[::8, ::8], 100 * MAP[1::8, 1::8]])
    shown = overlay(photos, maps)
    for index in range(2):
        np.testing.assert_array_equal(overlay(photos[index], maps[index]), shown[index])
    assert (overlay(photos, maps, scale="batch")[0] != shown[0]).any()
    grey = overlay(photos[..., 0], maps)
    np.testing.assert_array_equal(grey[1], overlay(photos[1, ..., 0], maps[1]))


@pytest.mark.parametrize(
    "image, values",
    [
        (PHOTO, np.ones((2, 24, 40))),
        (np.stack([PHOTO] * 2), MAP),
        (np.stack([PHOTO] * 2), np.stack([MAP] * 3)),
    ],
)
def test_images_and_maps_must_pair_up(image, values):
    with pytest.raises(InputError, match="one map for each image"):
        overlay(image, values)


def test_float_photographs_are_not_garbled():
    shown = overlay(PHOTO.astype(np.float32), MAP, alpha=0)
    np.testing.assert_array_equal(shown, PHOTO)
    np.testing.assert_array_equal(overlay(PHOTO / 255.0, MAP, alpha=0), PHOTO)


def test_a_multiple_of_the_map_draws_the_same_picture():
    photo, values = PHOTO // 2 * 2 + 1, np.arange(960.0).reshape(24, 40) / 960
    for alpha in (None, "value", 0.5):
        expected = overlay(photo, values, alpha=alpha)
        for factor in (1e-13, 1 / 3, 1e13):
            np.testing.assert_array_equal(overlay(photo, values * factor, alpha=alpha), expected)


def test_zero_map_warns_once():
    with pytest.warns(KerasvizWarning, match="zero or constant") as caught:
        shown = overlay(PHOTO, np.zeros((3, 5)), alpha="value")
    assert len(caught) == 1
    np.testing.assert_array_equal(shown, PHOTO)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, "values", np.nan])
def test_wrong_alpha_is_refused(alpha):
    with pytest.raises(SettingError, match="opacity"):
        overlay(PHOTO, MAP, alpha=alpha)


def test_not_finite_names_the_sample():
    photos, maps = np.stack([PHOTO] * 2).astype(float), np.stack([MAP] * 2)
    maps[1, 0, 0] = np.nan
    with pytest.raises(InputError, match="map of sample 1"):
        overlay(photos, maps)
    photos[0, 0, 0, 0] = np.inf
    with pytest.raises(InputError, match="image of sample 0"):
        overlay(photos, MAP[None])


def test_inputs_are_left_alone():
    photo, values = PHOTO.copy(), MAP.copy()
    overlay(photo, values)[:] = 0
    np.testing.assert_array_equal(photo, PHOTO)
    np.testing.assert_array_equal(values, MAP)
