"""Convolution weights as tiles."""

import numpy as np
import pytest

from kerasviz.errors import InputError, KerasvizWarning, SettingError
from kerasviz.plotting import filters

BARE = {"zoom": 1, "pad": 0}


def weights(*shape):
    return np.random.default_rng(0).normal(size=shape)


def grey(tile):
    return np.round(127.5 + 127.5 * tile / np.abs(tile).max()).astype(int)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_colour_tiles(dtype):
    kernel = weights(2, 4, 3, 3).astype(dtype)
    sheet = filters(kernel, **BARE)
    assert sheet.shape == (4, 8, 3)
    exact = kernel.astype(np.float64)
    np.testing.assert_allclose(sheet[:2, :4], grey(exact[..., 0]), atol=1)
    np.testing.assert_allclose(sheet[:2, 4:], grey(exact[..., 1]), atol=1)
    np.testing.assert_allclose(sheet[2:, :4], grey(exact[..., 2]), atol=1)
    assert (sheet[2:, 4:] == 255).all()


def test_zero_is_mid_grey_and_signs_go_their_ways():
    kernel = np.zeros((1, 3, 1, 1))
    kernel[0, :, 0, 0] = [-2, 0, 1]
    assert filters(kernel, **BARE)[0, :, 0].tolist() == [0, 128, 191]


def test_a_row_for_each_filter_and_a_column_for_each_input():
    kernel = weights(2, 3, 5, 4)
    sheet = filters(kernel, **BARE)
    assert sheet.shape == (4 * 2, 5 * 3, 3)
    for cout in range(4):
        scaled = grey(kernel[..., cout])
        for cin in range(5):
            tile = sheet[2 * cout : 2 * cout + 2, 3 * cin : 3 * cin + 3, 0]
            np.testing.assert_array_equal(tile, scaled[..., cin])
    assert filters(weights(2, 3, 3, 4), channels=False, **BARE).shape == (8, 9, 3)


def test_reduced_channels_give_one_tile_a_filter():
    kernel = weights(2, 3, 5, 4)
    sheet = filters(kernel, channels="sum", **BARE)
    assert sheet.shape == (4, 6, 3)
    np.testing.assert_array_equal(sheet[2:, :3, 0], grey(kernel.sum(2)[..., 2]))


def test_shared_range():
    kernel = np.zeros((1, 2, 1, 2))
    kernel[0, 0, 0] = [1.0, 4.0]
    assert filters(kernel, **BARE)[0, :, 0].tolist() == [255, 128, 255, 128]
    assert filters(kernel, scale="batch", **BARE)[0, :, 0].tolist() == [159, 128, 255, 128]
    assert filters(kernel, scale=(-8, 8), **BARE)[0, :, 0].tolist() == [143, 128, 191, 128]
    np.testing.assert_array_equal(filters(kernel * 1e-13), filters(kernel))


def test_depthwise_signal_and_volume_kernels():
    depthwise = weights(2, 3, 3, 2)
    sheet = filters(depthwise, depthwise=True, cols=6, **BARE)
    assert sheet.shape == (2, 18, 3)
    np.testing.assert_array_equal(sheet[:, 9:12, 0], grey(depthwise[:, :, 1, 1]))

    signal = weights(5, 2, 3)
    sheet = filters(signal, cols=3, **BARE)
    assert sheet.shape == (2, 15, 3)
    np.testing.assert_array_equal(sheet[:, 5:10, 0], grey(signal[:, :, 1].T))

    volume = weights(4, 2, 3, 2, 2)
    sheet = filters(volume, **BARE)
    assert sheet.shape == (2 * 2 * 2, 4 * 3, 3)
    # One range for all rows of a filter.
    np.testing.assert_array_equal(sheet[2:4, 3:6, 0], grey(volume[..., 0])[1, ..., 1])
    color = weights(4, 2, 3, 3, 2)
    sheet = filters(color, **BARE)
    assert sheet.shape == (4, 12, 3)
    np.testing.assert_array_equal(sheet[2:, :3], grey(color[..., 1])[0])


def test_zoom_repeats_pixels_and_is_chosen_sensibly():
    kernel = weights(3, 3, 3, 4)
    np.testing.assert_array_equal(
        filters(kernel, zoom=5, pad=0), filters(kernel, **BARE).repeat(5, axis=0).repeat(5, axis=1)
    )
    assert filters(kernel, pad=0).shape[0] == 96
    assert filters(weights(3, 3, 64, 2)).shape[1] <= 1001


def test_many_filters_are_cut_with_a_warning():
    kernel = weights(1, 1, 70, 66)
    with pytest.warns(KerasvizWarning, match="Of 70 input channels and 66 filters"):
        sheet = filters(kernel, **BARE)
    np.testing.assert_array_equal(sheet, filters(kernel[..., :64, :64], **BARE))
    assert filters(kernel, limit=None, **BARE).shape == (66, 70, 3)
    with pytest.warns(KerasvizWarning, match="the first 5 and 5 are drawn"):
        sheet = filters(kernel, limit=5, **BARE)
    np.testing.assert_array_equal(sheet, filters(kernel[..., :5, :5], **BARE))


def test_a_constant_filter_has_a_colour():
    kernel = np.full((2, 2, 1, 2), 0.25)
    kernel[..., 1] = -4
    assert filters(kernel, cols=2, **BARE)[..., 0].tolist() == [[255, 255, 0, 0]] * 2
    assert filters(kernel, cols=2, scale="batch", **BARE)[..., 0].tolist() == [[135, 135, 0, 0]] * 2


def test_reduced_channels_of_signals_and_volumes():
    signal, volume = weights(5, 2, 3), weights(4, 2, 3, 2, 2)
    sheet = filters(signal, channels="sum", cols=3, **BARE)
    np.testing.assert_array_equal(
        sheet[..., 0], np.concatenate([grey(signal[..., i].sum(1))[None] for i in range(3)], 1)
    )
    sheet = filters(volume, channels="abs_sum", **BARE)
    assert sheet.shape == (4, 12, 3)
    np.testing.assert_array_equal(sheet[2:, 9:, 0], grey(np.abs(volume[..., 1]).sum(-1))[3])


def test_a_dead_filter_is_grey_and_said_so():
    kernel = weights(3, 3, 3, 4)
    kernel[..., 1] = 0
    with pytest.warns(KerasvizWarning, match="Filter 1 is zero"):
        sheet = filters(kernel, **BARE)
    assert (sheet[:3, 3:] == 128).all()


@pytest.mark.parametrize(
    "kernel, more, error",
    [
        (np.ones((4, 5)), {}, InputError),
        (np.full((3, 3, 3, 2), np.nan), {}, InputError),
        (np.ones((3, 3, 2)), {"channels": "max"}, SettingError),
        (weights(3, 3, 3, 2), {"zoom": 0}, SettingError),
        (weights(3, 3, 3, 2), {"limit": 0}, SettingError),
        (weights(3, 3, 3, 2), {"limit": True}, SettingError),
        (weights(3, 3, 3, 3, 2), {"depthwise": True}, InputError),
    ],
)
def test_misuse(kernel, more, error):
    with pytest.raises(error):
        filters(kernel, **more)
