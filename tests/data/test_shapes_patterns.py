"""Every texture and background is the pattern that its name promises."""

import numpy as np
import pytest

from kerasviz.data.shapes.concepts import BACKGROUNDS, TEXTURES
from kerasviz.data.shapes.patterns import background, texture

Y, X = np.mgrid[0:40, 0:40] + 0.5


@pytest.mark.parametrize("name", TEXTURES)
def test_a_texture_has_two_tones_and_repeats(name):
    tone = texture(name, X, Y, 8.0)
    assert tone.min() == 0 and tone.max() == 1
    assert 0.15 < tone.mean() < 0.55
    # Checks are a quarter wider, so that squares are as large as stripes are wide.
    step = 10 if name == "checks" else 8
    assert np.allclose(tone[:, step:], tone[:, :-step]) and np.allclose(tone[step:], tone[:-step])


def test_stripes_run_down():
    tone = texture("stripes", X, Y, 8.0)
    assert np.ptp(tone, axis=0).max() == 0
    assert np.allclose(tone[:, 4:], 1 - tone[:, :-4])


def test_checks_change_tone_both_ways():
    tone = texture("checks", X, Y, 8.0)
    assert np.allclose(tone[:, 5:], 1 - tone[:, :-5]) and np.allclose(tone[5:], 1 - tone[:-5])


def test_dots_are_round_and_apart():
    tone = texture("dots", X, Y, 8.0)
    assert np.allclose(tone, tone.T)
    assert tone[8, 8] == 1 and tone[8, 12] == 0 and tone[12, 12] == 0 and tone[12, 8] == 0
    assert texture("dots", np.array([2.0]), np.array([0.0]), 8.0) == 1
    assert texture("dots", np.array([2.0]), np.array([2.0]), 8.0) == 0


def test_zigzag_turns_back_at_half_its_period():
    tone = texture("zigzag", X, Y, 8.0)
    assert np.ptp(tone, axis=0).min() > 0.4  # no column is of one tone
    assert np.allclose(tone[0:4], tone[7:3:-1])  # mirrored about the turn


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_a_background_fills_any_frame_with_both_tones(name):
    seen = [background(name, 48, 80, np.random.default_rng(seed)) for seed in range(30)]
    assert all(one.shape == (48, 80) for one in seen)
    assert min(one.min() for one in seen) >= 0 and max(one.max() for one in seen) <= 1
    assert np.mean([np.ptp(one) > 0.55 for one in seen]) == 1
    assert np.abs(seen[0] - seen[1]).mean() > 0.02


def test_the_lines_of_a_grid_and_of_bricks():
    grid = background("grid", 64, 64, np.random.default_rng(0))
    assert np.sort(grid.min(axis=0))[-1] == 1 and np.sort(grid.min(axis=1))[-1] == 1  # whole lines, both ways
    bricks = background("bricks", 64, 64, np.random.default_rng(0))
    assert bricks.min(axis=1).max() == 1 and bricks.min(axis=0).max() < 1  # courses are whole, joints are not


def test_hills_lie_below():
    hills = background("hills", 64, 64, np.random.default_rng(0))
    assert (np.diff(hills, axis=0) >= 0).all() and not hills[0].any() and hills[-1].min() > 0.5


def test_rays_meet_in_a_point():
    rays = background("rays", 64, 64, np.random.default_rng(3))
    edge = np.concatenate([rays[0], rays[1:, -1], rays[-1, -2::-1], rays[-2:0:-1, 0]]) > 0.5
    # Every ray leaves the frame once: its two edges cross the border.
    changes = (edge != np.roll(edge, 1)).sum()
    assert changes % 2 == 0 and 14 <= changes <= 22
