"""Values to colours, on arrays small enough to know every pixel."""

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasviz.errors import InputError, KerasvizWarning, SettingError
from kerasviz.plotting import heatmap, reduce_channels, signed

WHITE = [255, 255, 255]


def end(cmap, value):
    return np.round(np.array(matplotlib.colormaps[cmap](value)[:3]) * 255).astype(int).tolist()


def spread(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "bfloat16"])
def test_unsigned_pixels(dtype):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    values = np.array([[0, 1], [2, 4]]).astype(dtype)
    picture = heatmap(values, cmap="gray", percentile=100)
    assert picture.dtype == np.uint8
    assert picture[..., 0].tolist() == [[0, 64], [128, 255]]
    assert (picture == picture[..., :1]).all()
    assert heatmap(values, percentile=100)[1, 1].tolist() == end("inferno", 1.0)
    assert heatmap(values, percentile=100)[0, 0].tolist() == end("inferno", 0.0)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8"])
@pytest.mark.parametrize("cmap", ["RdBu_r", "seismic", "bwr", "PiYG", "PuOr"])
def test_signed_zero_is_white_and_the_ends_are_the_ends(dtype, cmap):
    picture = signed(np.array([[-2, 0, 1, 2]], dtype), cmap=cmap, percentile=100)
    assert picture[0, 1].tolist() == WHITE
    assert picture[0, 0].tolist() == end(cmap, 0.0)
    assert picture[0, 3].tolist() == end(cmap, 1.0)
    half, middle = (np.array(matplotlib.colormaps[cmap](place)[:3]) * 255 for place in (0.75, 0.5))
    np.testing.assert_allclose(picture[0, 2], half + (255 - middle) / 2, atol=3.5)


def test_signed_range_is_symmetric_about_zero():
    picture = signed([[-1.0, 0.0, 4.0]], cmap="gray", percentile=100)
    # gray is no diverging map: its middle is left alone, and -1/4 is as far below it as 1/4 would be above.
    assert picture[0, 1, 0] in (127, 128)
    assert picture[0, 0, 0] == pytest.approx(127.5 * 0.75, abs=1)
    assert picture[0, 2, 0] == 255
    mirrored = signed([[1.0, 0.0, -4.0]], cmap="gray", percentile=100)
    np.testing.assert_array_equal(mirrored, 255 - picture + (picture == 128) * (2 * 128 - 255))


@pytest.mark.parametrize("draw", [heatmap, signed])
@pytest.mark.parametrize("factor", [1e-300, 1e-13, 1e-7, 3.0, 1e13, 1e300])
def test_positive_multiples_draw_the_same_picture(draw, factor):
    values = np.abs(spread(3, 9, 13)) if draw is heatmap else spread(3, 9, 13)
    np.testing.assert_array_equal(draw(values * factor), draw(values))


@pytest.mark.parametrize("factor", [1e-13, 1 / 3, 0.7, 1e13])
def test_values_on_the_edge_between_two_colours_do_not_flip(factor):
    edges = np.arange(511.0)[None]
    np.testing.assert_array_equal(heatmap(edges * factor, percentile=100), heatmap(edges, percentile=100))
    single = (edges * factor).astype(np.float32)
    np.testing.assert_array_equal(heatmap(single, percentile=100), heatmap(edges, percentile=100))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-40, 40), min_size=2, max_size=30), st.floats(1e-20, 1e20))
def test_multiples_of_round_numbers_stay_on_their_side_of_a_colour_edge(levels, factor):
    values = np.array([[0, 41, *levels]]) / 8
    np.testing.assert_array_equal(signed(values * factor), signed(values))


def test_values_below_float16_normal_keep_their_colours():
    tiny = np.array([[0, 1, 2, 4]], np.float16) * np.float16(6e-8)
    assert heatmap(tiny, cmap="gray", percentile=100)[0, :, 0].tolist() == [0, 64, 128, 255]


def test_percentile_clips_outliers_of_the_magnitude():
    values = np.ones((10, 10))
    values[0, 0], values[0, 1] = -1000.0, 0.5
    assert signed(values)[5, 5].tolist() != end("RdBu_r", 1.0)
    assert signed(values, percentile=95)[5, 5].tolist() == end("RdBu_r", 1.0)
    assert signed(values, percentile=95)[0, 0].tolist() == end("RdBu_r", 0.0)


def test_a_sparse_map_is_not_mistaken_for_an_empty_one():
    values = np.zeros((20, 20))
    values[3, 4] = 2.0
    values[5, 6] = 1.0
    picture = heatmap(values, cmap="gray")
    assert picture[3, 4, 0] == 255
    assert picture[5, 6, 0] == 128
    assert picture[0, 0, 0] == 0


@pytest.mark.parametrize("draw", [heatmap, signed])
def test_batch_mates_do_not_matter_unless_asked_for(draw):
    maps = np.abs(spread(4, 8, 6)) * np.array([1, 10, 100, 1e-5])[:, None, None]
    batch = draw(maps)
    assert batch.shape == (4, 8, 6, 3)
    for alone, together in zip(maps, batch, strict=True):
        np.testing.assert_array_equal(draw(alone), together)
    shared = draw(maps, scale="batch")
    assert (shared[0] != batch[0]).any()
    np.testing.assert_array_equal(shared[3], np.broadcast_to(draw([[0.0, 1.0]])[0, 0], (8, 6, 3)))


def test_shared_and_fixed_ranges():
    maps = np.array([[[0.0, 1.0]], [[0.0, 4.0]]])
    assert heatmap(maps, cmap="gray", scale="batch", percentile=100)[..., 0].tolist() == [
        [[0, 64]],
        [[0, 255]],
    ]
    assert heatmap(maps, cmap="gray", scale=(1, 3))[..., 0].tolist() == [[[0, 0]], [[0, 255]]]
    # A signed picture widens a lopsided range: zero stays in the middle.
    wide = signed([[-1.0, 0.0, 4.0]], scale=(-1, 4))
    np.testing.assert_array_equal(wide, signed([[-1.0, 0.0, 4.0]], percentile=100))


@pytest.mark.parametrize("value", [0.0, 0.3, -7.0])
@pytest.mark.parametrize("draw", [heatmap, signed])
def test_constant_map_is_neutral_with_one_warning(draw, value):
    maps = np.stack([np.full((4, 5), value), np.arange(20.0).reshape(4, 5), np.full((4, 5), value)])
    with pytest.warns(KerasvizWarning, match=r"samples 0, 2 are zero or constant") as caught:
        picture = draw(maps)
    assert len(caught) == 1
    neutral = WHITE if draw is signed else end("inferno", 0.0)
    assert (picture[[0, 2]] == neutral).all()
    np.testing.assert_array_equal(picture[1], draw(maps[1]))


def test_constant_up_to_rounding_is_constant():
    values = np.full((8, 8), 0.3, np.float32)
    values[::2] = np.nextafter(values[::2], np.float32(1))
    with pytest.warns(KerasvizWarning, match="constant"):
        assert (signed(values) == 255).all()


def test_warning_points_at_the_line_that_drew():
    with pytest.warns(KerasvizWarning) as caught:
        heatmap(np.zeros((3, 3)))
    assert caught[0].filename == __file__


def test_negative_values_of_an_unsigned_map_are_zero_and_said_so():
    with pytest.warns(KerasvizWarning, match="partly negative") as caught:
        picture = heatmap([[-1.0, 0.0, 1.0]], cmap="gray", percentile=100)
    assert len(caught) == 1
    assert picture[0, :, 0].tolist() == [0, 0, 255]
    # An overshoot of an interpolation is no evidence.
    assert heatmap([[-1e-4, 0.0, 1.0]], cmap="gray", percentile=100)[0, :, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize("bad, word", [(np.nan, "NaN"), (np.inf, "infinity")])
@pytest.mark.parametrize("draw", [heatmap, signed])
def test_not_finite_names_the_sample(draw, bad, word):
    maps = np.abs(spread(3, 4, 5))
    maps[1, 2, 3] = bad
    with pytest.raises(InputError, match=rf"map of sample 1 contains {word}: 1 of 20"):
        draw(maps)
    with pytest.raises(InputError, match=rf"^The map contains {word}"):
        draw(maps[1])


def test_channels_are_reduced_by_the_rule_of_the_picture():
    values = np.array([[[1.0, -3.0, 1.0], [2.0, 2.0, -4.0]]]).repeat(4, 0).repeat(2, 1)
    np.testing.assert_array_equal(heatmap(values), heatmap(np.abs(values).max(-1)))
    np.testing.assert_array_equal(signed(values), signed(values.sum(-1)))
    np.testing.assert_array_equal(heatmap(values, channels="abs_sum"), heatmap(np.abs(values).sum(-1)))


def test_three_axes_are_read_as_documented():
    assert heatmap(np.abs(spread(5, 6, 3))).shape == (5, 6, 3)
    assert heatmap(np.abs(spread(5, 6, 1))).shape == (5, 6, 3)
    assert heatmap(np.abs(spread(2, 5, 6))).shape == (2, 5, 6, 3)
    assert heatmap(np.abs(spread(32, 4, 4))).shape == (32, 4, 4, 3)
    assert heatmap(np.abs(spread(9, 8, 3)), channels=False).shape == (9, 8, 3, 3)
    assert heatmap(spread(5, 6, 10), channels="max_abs").shape == (5, 6, 3)
    assert heatmap(np.abs(spread(2, 5, 6, 10))).shape == (2, 5, 6, 3)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4, 5, 6), (0, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError):
        heatmap(np.zeros(shape))


@pytest.mark.parametrize("values", [[["a"]], [[1j, 2]], [[1, 2], [3]], np.array([[object()]])])
def test_other_types_are_refused(values):
    with pytest.raises(InputError):
        heatmap(values)


def test_colour_maps_by_name_and_object():
    values = np.abs(spread(5, 6))
    np.testing.assert_array_equal(heatmap(values, cmap="jet"), heatmap(values, cmap=matplotlib.colormaps["jet"]))
    two = matplotlib.colors.ListedColormap(["#102030", "#405060"])
    assert heatmap([[0.0, 1.0]], cmap=two).tolist() == [[[16, 32, 48], [64, 80, 96]]]
    with pytest.raises(SettingError, match="'viridis'"):
        heatmap(values, cmap="virdis")
    with pytest.raises(SettingError, match="'RdBu_r'"):
        signed(values, cmap="rdbu_r")
    with pytest.raises(SettingError):
        heatmap(values, cmap=3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"percentile": 0},
        {"percentile": 101},
        {"percentile": "99"},
        {"scale": "all"},
        {"scale": (1, 1)},
        {"scale": (0, np.inf)},
        {"scale": 3},
        {"scale": None},
        {"channels": "median"},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(SettingError):
        heatmap(np.abs(spread(2, 4, 5, 3)), **wrong)


def test_inputs_are_left_alone():
    values = spread(2, 4, 5, 3)
    values.flags.writeable = False
    before = values.copy()
    heatmap(values)
    signed(values)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("how, expected", [("sum", -1.0), ("mean", -0.5), ("abs_sum", 7.0), ("max_abs", 4.0)])
@pytest.mark.parametrize("dtype, kept", [("float16", "float32"), ("float32", "float32"), ("float64", "float64")])
def test_reduce_channels(how, expected, dtype, kept):
    reduced = reduce_channels(np.array([[3, -4]], dtype), how)
    assert reduced.tolist() == [expected]
    assert reduced.dtype == kept


def test_reduce_channels_of_half_precision_does_not_overflow():
    assert reduce_channels(np.full((1, 4), 60000, np.float16)).tolist() == [240000.0]


def test_reduce_channels_refuses():
    with pytest.raises(SettingError, match="'max_abs'"):
        reduce_channels(np.ones((2, 3)), "max")
    with pytest.raises(InputError):
        reduce_channels(3.0)
