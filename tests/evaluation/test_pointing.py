"""The pointing games."""

import numpy as np
import pytest

from kerasviz.data import shapes
from kerasviz.errors import InputError, SettingError
from kerasviz.evaluation import energy, pointing_game
from kerasviz.explanation import Explanation

SIZE = (40, 70)


def peak_at(*places, value=1.0):
    """A heat map with a bump of low values and peaks at (x, y)."""
    heat = np.zeros(SIZE, np.float32)
    heat[20, 20] = value / 2
    for x, y in places:
        heat[y, x] = value
    return heat


BOX = [30, 10, 40, 20]  # its pixels end at x = 39, y = 19
MASK = np.zeros(SIZE, bool)
MASK[10:20, 30:40] = True


@pytest.mark.parametrize("region", [BOX, [BOX], np.array([BOX, BOX]), MASK], ids=["box", "list", "array", "mask"])
@pytest.mark.parametrize(
    ("place", "tolerance", "hit"),
    [
        ((30, 10), 0, True),
        ((39, 19), 0, True),
        ((40, 19), 0, False),
        ((29, 15), 0, False),
        ((40, 15), 1, True),
        ((54, 15), 15, True),
        ((55, 15), 15, False),
        ((15, 15), 15, True),
        ((14, 15), 15, False),
        ((42, 23), 5, True),  # 3 aside and 4 below the corner
        ((42, 23), 4.99, False),
        ((43, 23), 5, False),
        ((69, 39), 15, False),
    ],
)
def test_the_maximum_must_lie_within_the_tolerance(region, place, tolerance, hit):
    result = pointing_game(peak_at(place)[None], [region], tolerance=tolerance)
    assert result.hits.tolist() == [hit]
    assert result.accuracy == hit


def test_the_default_tolerance_is_15_pixels():
    result = pointing_game(np.stack([peak_at((54, 15)), peak_at((55, 15))]), [BOX, MASK])
    assert result.hits.tolist() == [True, False]
    assert result.accuracy == 0.5


def test_of_several_maxima_all_must_hit():
    maps = np.stack([peak_at((31, 11), (38, 18)), peak_at((31, 11), (2, 2)), peak_at((68, 38), (31, 11))])
    assert pointing_game(maps, [BOX] * 3, tolerance=2).hits.tolist() == [True, False, False]
    spread = [[BOX, [0, 0, 4, 4]]]
    assert pointing_game(maps[1:2], spread, tolerance=0).hits.tolist() == [True]


def test_maps_that_point_nowhere_miss():
    falling = -np.arange(np.prod(SIZE), dtype=float).reshape(SIZE)
    maps = np.stack([np.zeros(SIZE), np.ones(SIZE), np.full(SIZE, -2.0), falling])
    everything = np.ones(SIZE, bool)
    assert pointing_game(maps, [everything] * 4).hits.tolist() == [False] * 4
    assert pointing_game(peak_at((3, 3))[None], [everything]).hits.tolist() == [True]


def test_boxes_reach_beyond_the_image_and_hold_the_pixels_whose_centre_they_hold():
    maps = np.stack([peak_at((0, 0)), peak_at((3, 0))])
    assert pointing_game(maps, [[-9, -9, 1, 1], [3.4, -1, 9, 1]], tolerance=0).hits.tolist() == [True, True]
    assert pointing_game(maps, [[0, 0.5, 0.6, 1], [3.5, 0, 4, 1]], tolerance=0).hits.tolist() == [True, True]
    assert pointing_game(maps, [[1, 0, 9, 1], [0, 0, 3.5, 1]], tolerance=0).hits.tolist() == [False, False]
    assert pointing_game(maps, [[0.6, 0, 2, 1], [3.6, -1, 9, 1]], tolerance=0).hits.tolist() == [False, False]


def test_explanations_and_scenes_are_read():
    scenes = shapes.scenes(4, size=SIZE, seed=4)
    maps = np.stack([peak_at(*np.argwhere(mask)[:1, ::-1]) for mask in scenes.subject_mask()])
    found = Explanation(maps, method="grad_cam", signed=False, kind="heatmap")
    assert pointing_game(found, scenes.boxes, tolerance=0).hits.all()
    assert pointing_game(found, scenes.subject_mask(), tolerance=0).hits.all()
    assert not pointing_game(found, [BOX] * 3 + [[0, 0, 1, 1]], tolerance=0).hits[3]


@pytest.mark.parametrize("tolerance", [-1, np.nan, np.inf, "15", None])
def test_tolerances_out_of_range_are_refused(tolerance):
    with pytest.raises(SettingError, match="tolerance"):
        pointing_game(peak_at((1, 1))[None], [BOX], tolerance=tolerance)


def test_energy_is_the_share_of_positive_values_inside():
    heat = np.zeros((2, 4, 6))
    heat[0, 1, 1:5] = [1, 2, 4, 1]
    heat[0, 0, 0] = -100
    heat[0, 1, 0] = -3
    heat[1, 3, 5] = 0.25
    regions = [[[1, 1, 3, 2], [2, 0, 4, 3]], np.arange(24).reshape(4, 6) < 23]
    np.testing.assert_allclose(energy(heat, regions), [7 / 8, 0], atol=1e-12)
    np.testing.assert_allclose(energy(heat * 1e-300, regions), [7 / 8, 0], atol=1e-12)
    np.testing.assert_allclose(energy(np.full((1, 4, 6), 1e308), [[0, 0, 3, 4]]), [0.5])


def test_overlapping_boxes_count_once():
    heat = np.ones((1, 4, 8))
    np.testing.assert_allclose(energy(heat, [[[0, 0, 4, 4], [0, 0, 4, 4], [2, 0, 6, 4]]]), [0.75])


def test_energy_of_an_even_map_is_the_share_of_the_region():
    heat = np.ones((1, *SIZE))
    np.testing.assert_allclose(energy(heat, [BOX]), [100 / 2800])
    np.testing.assert_allclose(energy(heat, [MASK]), [100 / 2800])


def test_a_map_without_energy_scores_nothing():
    maps = np.stack([np.zeros(SIZE), np.full(SIZE, -1.0), MASK.astype(float)])
    assert energy(maps, [MASK] * 3).tolist() == [0, 0, 1]


def test_nothing_that_was_given_is_changed():
    heat, mask, box = -peak_at((31, 11))[None], MASK.copy(), np.array([BOX])
    for array in (heat, mask, box):
        array.flags.writeable = False
    energy(heat, [mask])
    pointing_game(heat, [box])
    assert heat.min() == -1
    np.testing.assert_array_equal(mask, MASK)


@pytest.mark.parametrize("game", [pointing_game, energy])
@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ([BOX], "1 regions were given with 2 heat maps"),
        ([BOX, MASK.T], r"mask of sample 1 has the shape \(70, 40\)"),
        ([BOX, MASK.astype("uint8")], "mask > 0"),
        ([BOX, []], "sample 1 holds no pixel"),
        ([np.zeros(SIZE, bool), BOX], "sample 0 holds no pixel"),
        ([BOX, [100, 100, 120, 120]], "sample 1 holds no pixel"),
        ([BOX, [9, 9, 3, 3]], "region of sample 1 holds .* ends before"),
        ([BOX, [9, 9, np.nan, 30]], "region of sample 1 contains NaN"),
        ([BOX, [1, 2, 3]], r"region of sample 1 has the shape \(3,\)"),
        ([BOX, [BOX, [1, 2]]], "region of sample 1 cannot be read"),
        ([BOX, 7], "region of sample 1"),
    ],
)
def test_wrong_regions_are_refused(game, regions, message):
    with pytest.raises(InputError, match=message):
        game(np.stack([peak_at((1, 1))] * 2), regions)


@pytest.mark.parametrize("game", [pointing_game, energy])
def test_wrong_maps_are_refused(game):
    with pytest.raises(InputError, match=r"heatmap\[None\]"):
        game(peak_at((1, 1)), [BOX])
    broken = np.stack([peak_at((1, 1))] * 2)
    broken[1, 0, 0] = np.nan
    with pytest.raises(InputError, match="heat map of sample 1"):
        game(broken, [BOX, BOX])
