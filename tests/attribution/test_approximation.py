"""Approximate occlusion: which positions are computed, what stands in for the others, and what it costs."""

import itertools

import numpy as np
import pytest
import zoo
from occlusion_cases import (
    Kept,
    watched,
    wide,
)
from reference import occlusion as slow
from zoo_cases import case_of

import kerasviz as kv
from kerasviz.attribution.approximation import Approximation, error
from kerasviz.attribution.positions import Grid
from kerasviz.errors import SettingError


def coarse_numbers(count, step):
    """Every so many-th number, and the last."""
    return sorted({*range(0, count, step), count - 1})


@pytest.mark.parametrize(
    ("space", "size", "stride", "coarse"),
    [((15, 11), 3, 2, 3), ((15, 11), (4, 2), (1, 2), 4), ((20,), 2, 2, 5), ((7, 6, 8), 2, 1, 2), ((9, 9), 9, 1, 4)],
)
def test_the_first_positions_are_every_so_many_th_and_the_last_along_each_axis(space, size, stride, coarse):
    grid = Grid.of(space, size, stride)
    chosen = itertools.product(*(coarse_numbers(count, coarse) for count in grid.shape))
    expected = [np.ravel_multi_index(numbers, grid.shape) for numbers in chosen]
    assert Approximation(coarse=coarse).first(grid).tolist() == expected


@pytest.mark.parametrize("coarse", [1, 2, 3, 50])
def test_between_the_first_positions_it_is_linear_in_the_pixels(coarse):
    """The last start is nearer to its neighbour than the others: 0, 3, 6, 9, 10 and 0, 3, 6, 7."""
    grid = Grid.of((14, 11), 4, 3)
    assert [axis.tolist() for axis in grid.axes] == [[0, 3, 6, 9, 10], [0, 3, 6, 7]]
    approximation = Approximation(coarse=coarse)
    linear = grid.starts @ [2.0, -3] + 5
    np.testing.assert_allclose(approximation.between(grid, linear[approximation.first(grid)]), linear, rtol=1e-12)


def test_between_by_hand():
    """Starts 0 to 4; every fourth is first: the middle of 8 and 0 is 4, and what was computed stays as it is."""
    grid = Grid.of((5, 1), 1, 1)
    approximation = Approximation(coarse=4)
    assert approximation.first(grid).tolist() == [0, 4]
    np.testing.assert_allclose(approximation.between(grid, np.float32([8, 0])), [8, 6, 4, 2, 0])


@pytest.mark.parametrize(("keep", "expected"), [(0.01, []), (0.25, [3, 6]), (0.5, [3, 5, 6]), (1, [1, 2, 3, 5, 6, 7])])
def test_the_lowest_estimates_are_computed_one_by_one(keep, expected):
    """Of nine positions 0, 4 and 8 are computed already; they count among those that are kept."""
    grid = Grid.of((9,), 1, 1)
    approximation = Approximation(keep=keep, coarse=4)
    assert approximation.first(grid).tolist() == [0, 4, 8]
    estimates = np.array([0.0, 7, 8, 1, 9, 3, 2, 6, 5])
    assert approximation.second(grid, estimates).tolist() == expected


def test_of_equal_estimates_the_first_are_computed():
    grid = Grid.of((9,), 1, 1)
    assert Approximation(keep=0.5, coarse=4).second(grid, np.ones(9)).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("keep", "incremental"), [(0.3, True), (0.05, False), pytest.param(0.05, True, marks=pytest.mark.slow)]
)
def test_drilling_down_runs_exactly_the_positions_it_says(keep, incremental):
    """Coarse ones first; then those of them all where the score is estimated to be lowest."""
    model, images = watched(15, 11)
    approximation = Approximation(field=1, keep=keep, coarse=3)
    exact = kv.Occlusion(model, 3, 2, fill=0.5, incremental=False)(images, 1)
    explain = kv.Occlusion(model, 3, 2, fill=0.5, approximate=approximation, batch_size=5, incremental=incremental)
    explain(images, 1)
    Kept.seen.clear()
    explanation = explain(images, 1)
    seen = [one for batch in Kept.seen for one in batch]
    assert max(map(len, Kept.seen)) <= 5
    grid = explain.grids((15, 11))[0]
    assert len(grid.starts) == 35
    np.testing.assert_array_equal(seen[:2], images)
    run = seen[2:]
    for i in range(2):
        scores = exact.score[i] - exact.extras["drop"][i].ravel()
        first = [grid.shape[1] * r + c for r in (0, 3, 6) for c in (0, 3, 4)]
        assert approximation.first(grid).tolist() == first
        estimates = approximation.between(grid, scores[first])
        second = sorted(set(np.argsort(estimates)[: int(np.ceil(keep * 35))].tolist()) - set(first))
        variants = slow.variants(images[i], 0.5, (3, 3), (2, 2))
        own, run = run[: len(first + second)], run[len(first + second) :]
        np.testing.assert_array_equal(own, variants[first + second])
        # What was computed is exact, and the rest lies between.
        found = (explanation.score[i] - explanation.extras["drop"][i]).ravel()
        np.testing.assert_allclose(found[first + second], scores[first + second], rtol=1e-5, atol=1e-5)
        rest = sorted(set(range(35)) - set(first) - set(second))
        np.testing.assert_allclose(found[rest], estimates[rest], rtol=1e-5, atol=1e-5)
        assert np.abs(found[rest] - scores[rest]).max() > 1e-2
        expected_map = slow.covering_mean((15, 11), (3, 3), (2, 2), explanation.extras["drop"][i])
        np.testing.assert_allclose(explanation.values[i], expected_map, rtol=1e-5, atol=1e-6)
    assert len(run) == 0


@pytest.mark.slow
@pytest.mark.parametrize("incremental", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_all_of_the_field_and_all_positions_are_the_exact_map(incremental):
    model, images = wide()
    exact = kv.Occlusion(model, 5, 3, incremental=incremental)(images, 1)
    same = kv.Occlusion(model, 5, 3, incremental=incremental, approximate=Approximation(1, 1))(images, 1)
    np.testing.assert_array_equal(same.values, exact.values)
    np.testing.assert_array_equal(same.extras["drop"], exact.extras["drop"])
    np.testing.assert_array_equal(same.score, exact.score)
    assert same.values.dtype == exact.values.dtype
    assert same.extras["drop"].dtype == exact.extras["drop"].dtype


def test_every_position_is_coarse():
    """Nothing is left to interpolate."""
    model, images = watched(15, 11)
    exact = kv.Occlusion(model, 4, 2)(images, 1)
    drilled = kv.Occlusion(model, 4, 2, approximate=Approximation(1, 0.1, coarse=1))(images, 1)
    np.testing.assert_allclose(drilled.values, exact.values, atol=1e-5 * np.ptp(exact.values))
    assert drilled.extras["drop"].dtype == np.float32


@pytest.mark.slow
def test_a_smaller_field_changes_incremental_runs_alone():
    model, images = wide()
    exact = kv.Occlusion(model, 4, 4, fill=3.0)(images, 1)
    narrow = kv.Occlusion(model, 4, 4, fill=3.0, approximate=Approximation(field=0.25, keep=1))
    assert narrow.plan().units
    apart = np.abs(narrow(images, 1).values - exact.values).max() / np.ptp(exact.values)
    # What lies outside the field is left as it was: an error, but not another map.
    assert 1e-3 < apart < 0.5
    whole = kv.Occlusion(model, 4, 4, fill=3.0, incremental=False, approximate=Approximation(field=0.25, keep=1))
    np.testing.assert_allclose(whole(images, 1).values, exact.values, atol=1e-5 * np.ptp(exact.values))


def test_errors_by_hand():
    exact = np.zeros((2, 2, 3))
    exact[0, 0, 0], exact[0, 1, 2] = 8, -2
    exact[1] = [[0, 1, 2], [3, 4, 5]]
    approximate = exact.copy()
    approximate[0, 0, 0] = 3
    approximate[0, 0, 1] = 1
    approximate[1] = 10 - 2 * exact[1]
    found = error(approximate, exact)
    assert list(found) == ["max", "mean", "correlation"]
    np.testing.assert_allclose(found["max"], [5 / 10, 10 / 5])
    np.testing.assert_allclose(found["mean"], [6 / 6 / 10, np.abs(10 - 3 * np.arange(6)).mean() / 5])
    one, other = approximate[0].ravel(), exact[0].ravel()
    np.testing.assert_allclose(found["correlation"], [np.corrcoef(one, other)[0, 1], -1])


def test_errors_of_equal_and_of_constant_maps():
    maps = zoo.images(4, 3)
    same = error(maps, maps)
    assert (same["max"] == 0).all()
    assert (same["mean"] == 0).all()
    np.testing.assert_allclose(same["correlation"], 1, rtol=1e-6)
    flat = error(np.ones((1, 4, 3), "float32"), np.ones((1, 4, 3), "float32"))
    assert {name: float(values[0]) for name, values in flat.items()} == {"max": 0, "mean": 0, "correlation": 0}


@pytest.mark.slow
def test_the_error_on_given_images():
    model, images = watched(15, 11)
    explain = kv.Occlusion(model, 3, 2, fill=0.5, approximate=Approximation(1, 0.1, coarse=4))
    exact, fast = kv.Occlusion(model, 3, 2, fill=0.5)(images, 1).values, explain(images, 1).values
    found = explain.approximation_error(images, 1)
    for i in range(2):
        reach = exact[i].max() - exact[i].min()
        np.testing.assert_allclose(found["max"][i], np.abs(fast[i] - exact[i]).max() / reach, rtol=1e-4)
        np.testing.assert_allclose(found["mean"][i], np.abs(fast[i] - exact[i]).mean() / reach, rtol=1e-4)
        np.testing.assert_allclose(
            found["correlation"][i], np.corrcoef(fast[i].ravel(), exact[i].ravel())[0, 1], rtol=1e-5
        )
    assert (found["max"] > 0.01).all()
    # The explainer stays approximate.
    np.testing.assert_array_equal(explain(images, 1).values, fast)
    of_exact = kv.Occlusion(model, 3, 2).approximation_error(images, 1)
    assert (of_exact["max"] == 0).all()


@pytest.mark.slow
def test_the_error_for_each_of_several_inputs():
    case = case_of("dicts")
    explain = kv.Occlusion(case.model, 3, 2, approximate=Approximation(1, 0.1))
    found = explain.approximation_error(case.inputs, case.target)
    exact = kv.Occlusion(case.model, 3, 2)(case.inputs, case.target)
    fast = explain(case.inputs, case.target)
    assert list(found) == ["left", "right"]
    for name, errors in found.items():
        apart = np.abs(fast.values[name] - exact.values[name]).max((1, 2)) / np.ptp(exact.values[name], axis=(1, 2))
        np.testing.assert_allclose(errors["max"], apart, rtol=1e-4)


@pytest.mark.slow
def test_of_sweeps_signals_and_volumes():
    """Each grid is drilled down by itself."""
    for name, sizes in (("conv1d", [5, 3]), ("conv3d", [3, 2])):
        case, fine = case_of(name), Approximation(1, 0.2, coarse=2)
        both = kv.Occlusion(case.model, sizes, [2, 1], approximate=fine)(case.inputs, case.target)
        each = [
            kv.Occlusion(case.model, size, stride, approximate=fine)(case.inputs, case.target).values
            for size, stride in zip(sizes, [2, 1], strict=True)
        ]
        np.testing.assert_allclose(both.values, np.mean(each, axis=0), atol=1e-5 * np.ptp(both.values))


def test_settings_are_told():
    explain = kv.Occlusion(watched(15, 11)[0], 3, approximate=Approximation(0.5, coarse=3))
    assert explain.settings["approximate"] == {"field": 0.5, "keep": 0.25, "coarse": 3}
    assert "approximate" not in kv.Occlusion(watched(15, 11)[0], 3).settings
    assert (Approximation().field, Approximation().keep, Approximation().coarse) == (0.7, 0.25, 4)
    assert kv.attribution.Approximation is Approximation


@pytest.mark.parametrize(
    "settings",
    [
        {"field": 0},
        {"field": 1.01},
        {"field": float("nan")},
        {"field": True},
        {"field": "half"},
        {"keep": 0},
        {"keep": -0.5},
        {"keep": 25},
        {"keep": None},
        {"coarse": 0},
        {"coarse": 2.0},
        {"coarse": True},
    ],
    ids=str,
)
def test_settings_that_are_refused(settings):
    with pytest.raises(SettingError, match=next(iter(settings))):
        Approximation(**settings)


@pytest.mark.parametrize(
    "settings",
    [{"approximate": 0.5}, {"approximate": True}, {"approximate": Approximation(), "three_maps": True}],
    ids=str,
)
def test_what_takes_no_approximation(settings):
    with pytest.raises(SettingError, match="approximate="):
        kv.Occlusion(watched(15, 11)[0], 3, **settings)
