"""Grids of positions: that they cover everything, and the maps made of values for each position."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import occlusion as slow

from kerasviz.attribution.positions import Grid
from kerasviz.errors import SettingError


@st.composite
def axes(draw, most=14):
    """The length of an axis, a patch that fits into it, and a stride up to the patch."""
    length = draw(st.integers(1, most))
    size = draw(st.integers(1, length))
    return length, size, draw(st.integers(1, size))


@st.composite
def grids(draw):
    """A grid over one to three axes."""
    return Grid.of(*zip(*draw(st.lists(axes(), min_size=1, max_size=3)), strict=True))


def seeded(count, seed=0):
    return np.random.default_rng(seed).normal(size=count)


@given(grids())
@settings(max_examples=60, deadline=None)
def test_positions_equal_a_loop_and_cover_every_pixel(grid):
    assert [tuple(start) for start in grid.starts.tolist()] == slow.positions(grid.space, grid.size, grid.stride)
    assert grid.starts.dtype == np.int32
    assert grid.shape == tuple(len(axis) for axis in grid.axes)
    for axis, size, stride, length in zip(grid.axes, grid.size, grid.stride, grid.space, strict=True):
        assert axis[0] == 0
        assert axis[-1] + size == length
        steps = np.diff(axis)
        assert (steps[:-1] == stride).all()
        assert ((steps > 0) & (steps <= stride)).all()
    covered = np.zeros(grid.space, int)
    for start in grid.starts:
        for pixel in slow.pixels(start, grid.size):
            covered[pixel] += 1
    assert covered.min() >= 1


@given(grids(), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_means_equal_a_loop(grid, seed):
    values = seeded(len(grid.starts), seed)
    expected = slow.covering_mean(grid.space, grid.size, grid.stride, values)
    np.testing.assert_allclose(grid.mean(values), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(grid.mean(values.reshape(grid.shape)), grid.mean(values))


@pytest.mark.parametrize(
    ("space", "size", "stride", "expected"),
    [
        # Two patches of three pixels on five share the middle one.
        ((5,), 3, 2, [10, 10, 15, 20, 20]),
        # The last one is moved back by a pixel: 0, 2, 3.
        ((6,), 3, 2, [10, 10, 15, 25, 25, 30]),
        ((3,), 3, 1, [10, 10, 10]),
        ((2, 4), (2, 2), (1, 2), [[10, 10, 20, 20], [10, 10, 20, 20]]),
        ((4, 2), (2, 2), (2, 1), [[10, 10], [10, 10], [20, 20], [20, 20]]),
    ],
)
def test_means_by_hand(space, size, stride, expected):
    grid = Grid.of(space, size, stride)
    np.testing.assert_allclose(grid.mean(10.0 * np.arange(1, len(grid.starts) + 1)), expected)


def test_the_last_axis_varies_fastest():
    grid = Grid.of((7, 5), (4, 3), (2, 2))
    assert [axis.tolist() for axis in grid.axes] == [[0, 2, 3], [0, 2]]
    assert grid.starts.tolist() == [[0, 0], [0, 2], [2, 0], [2, 2], [3, 0], [3, 2]]


def test_interpolation_on_one_axis_by_hand():
    """Starts 0, 4 and 7 of patches of two pixels: centres at .5, 4.5 and 7.5."""
    grid = Grid.of((9,), 2, 4, gaps=True)
    assert grid.axes[0].tolist() == [0, 4, 7]
    found = grid.interpolated([0.0, 8.0, 11.0])
    np.testing.assert_allclose(found, [0, 1, 3, 5, 7, 8.5, 9.5, 10.5, 11], rtol=1e-12)


@pytest.mark.parametrize(
    ("space", "size", "stride"), [((13,), (3,), (5,)), ((12, 17), (4, 3), (7, 2)), ((6, 9, 5), (2, 3, 1), (4, 4, 4))]
)
def test_interpolation_keeps_what_is_linear(space, size, stride):
    """Values that are linear in the centres give a linear map, constant beyond the outermost centres."""
    grid = Grid.of(space, size, stride, gaps=True)
    slopes = np.array([2.0, -3.0, 0.5])[: len(space)]
    values = (grid.starts + (np.array(size) - 1) / 2) @ slopes + 1
    outermost = [((n - 1) / 2, length - 1 - (n - 1) / 2) for n, length in zip(size, space, strict=True)]
    expected = np.zeros(space)
    for pixel in np.ndindex(*space):
        held = [min(max(at, low), high) for at, (low, high) in zip(pixel, outermost, strict=True)]
        expected[pixel] = np.dot(held, slopes) + 1
    np.testing.assert_allclose(grid.interpolated(values), expected, rtol=1e-12, atol=1e-12)


def test_interpolation_between_two_values_of_an_axis_goes_through_the_others():
    """Bilinear between four centres, at (0, 0), (0, 4), (3, 0) and (3, 4) of single pixels."""
    grid = Grid.of((4, 5), 1, (3, 4), gaps=True)
    found = grid.interpolated([[0.0, 4.0], [6.0, 22.0]])
    for i, j in np.ndindex(4, 5):
        above, below = 4 * j / 4, 6 + 16 * j / 4
        np.testing.assert_allclose(found[i, j], above + (below - above) * i / 3, rtol=1e-12)


@pytest.mark.parametrize(
    ("size", "stride"), [(np.int64(3), np.int32(2)), ([3, 3], [2, 2]), ((3, 3), 2), ((np.int16(3), 3), (2, 2))]
)
def test_numbers_lists_tuples_and_numpys_numbers(size, stride):
    grid = Grid.of((8, 6), size, stride)
    assert (grid.size, grid.stride) == ((3, 3), (2, 2))
    assert all(type(number) is int for number in (*grid.size, *grid.stride))


@pytest.mark.parametrize(
    ("size", "stride", "words"),
    [
        (0, 1, "size=0"),
        (-2, 1, "size=-2"),
        (2.0, 1, r"size=2\.0"),
        (True, 1, "size=True"),
        ("3", 1, "size='3'"),
        (None, 1, "size=None"),
        ((3,), 1, r"size=\(3,\).*2 axes"),
        ((3, 3, 3), 1, r"size=\(3, 3, 3\).*2 axes"),
        ((3, 0), 1, r"size=\(3, 0\)"),
        (3, 0, "stride=0"),
        (3, 1.5, r"stride=1\.5"),
        (3, (1, 2, 3), r"stride=\(1, 2, 3\)"),
        (7, 1, r"size=7 for an input of 8 x 6"),
        ((3, 7), 1, r"size=\(3, 7\) for an input of 8 x 6"),
        (3, 4, "stride=4 with size=3.*interpolate=True"),
        ((3, 4), (3, 5), r"stride=\(3, 5\) with size=\(3, 4\)"),
    ],
)
def test_what_is_refused(size, stride, words):
    with pytest.raises(SettingError, match=words):
        Grid.of((8, 6), size, stride)


def test_gaps_are_allowed_where_they_are_asked_for():
    assert [axis.tolist() for axis in Grid.of((8, 6), 3, (4, 50), gaps=True).axes] == [[0, 4, 5], [0, 3]]
    with pytest.raises(SettingError, match="size=9"):
        Grid.of((8, 6), 9, 1, gaps=True)
