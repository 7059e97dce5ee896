"""The bar: silent where nobody looks, drawn where work takes long, gone afterwards."""

import time

import pytest

from kerasviz import progress


@pytest.fixture
def terminal(monkeypatch):
    """Standard error counts as a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def clock(monkeypatch):
    """Time stands still unless it is moved: `clock[0] += seconds`."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def steps(clock, total, seconds, description="Grad-CAM"):
    with progress.bar(total, description) as advance:
        for _ in range(total):
            clock[0] += seconds
            advance()


def test_silent_without_a_terminal(capfd, clock):
    steps(clock, 10, 60.0)
    assert capfd.readouterr() == ("", "")


def test_silent_if_all_steps_together_are_quick(terminal, capfd, clock):
    steps(clock, 10, 0.19)
    assert capfd.readouterr() == ("", "")


def test_drawn_from_the_first_step_that_shows_it_will_be_long(terminal, capfd, clock):
    steps(clock, 10, 0.21)
    out, drawn = capfd.readouterr()
    assert out == ""
    assert "Grad-CAM" in drawn
    assert "/10" in drawn


def test_tells_the_speed_of_this_run_where_the_steps_have_a_name(terminal, capfd, clock):
    with progress.bar(1000, "dissecting", unit="images", before=400) as advance:
        for _ in range(6):
            clock[0] += 10
            advance(100)
    drawn = capfd.readouterr().err
    assert "/1000" in drawn
    assert "10 images a second" in drawn


def test_a_bar_inside_of_another_is_silent(terminal, capfd, clock):
    with progress.bar(3, "outside") as advance:
        for _ in range(3):
            steps(clock, 10, 1, "within")
            advance()
    drawn = capfd.readouterr().err
    assert "outside" in drawn and "within" not in drawn
    steps(clock, 10, 1, "afterwards")
    assert "afterwards" in capfd.readouterr().err


def test_a_single_step_needs_no_bar(terminal, capfd, clock):
    steps(clock, 1, 60.0)
    assert capfd.readouterr() == ("", "")


def test_the_terminal_is_left_as_it_was_when_something_raises(terminal, capfd, clock):
    with pytest.raises(RuntimeError, match="midway"), progress.bar(10, "Grad-CAM") as advance:
        clock[0] += 60
        advance()
        raise RuntimeError("midway")
    drawn = capfd.readouterr().err
    hidden, shown = drawn.rfind("\x1b[?25l"), drawn.rfind("\x1b[?25h")
    assert 0 <= hidden < shown
    steps(clock, 10, 60.0)  # and another bar can be drawn
    assert "10" in capfd.readouterr().err


def test_bars_may_nest(terminal, clock):
    with progress.bar(3, "outer") as outer:
        for _ in range(3):
            clock[0] += 60
            steps(clock, 3, 60.0, "inner")
            outer()


def test_cheap_where_it_is_silent():
    start = time.perf_counter()
    for _ in range(100):
        with progress.bar(1, "Grad-CAM") as advance:
            advance()
    assert time.perf_counter() - start < 0.1 * 10


@pytest.mark.slow
def test_explainers_count_their_runs(monkeypatch):
    """The total that is announced is the number of steps taken."""
    import contextlib

    import numpy as np
    import zoo

    import kerasviz as kv

    seen = []

    @contextlib.contextmanager
    def counted(total, description):
        taken = []
        yield lambda: taken.append(1)
        seen.append((total, len(taken), description))

    monkeypatch.setattr(progress, "bar", counted)
    model = zoo.ZOO["conv1d"]().model
    signals = zoo.images(20, 2, count=5)
    for explain, total in (
        (kv.GradCAM(model, batch_size=2), 3),
        (kv.SmoothGrad(model, samples=7, batch_size=2), 7 + 7 + 4),
        (kv.SmoothGrad(model, samples=7, batch_size=10), 4),
        (kv.IntegratedGradients(model, steps=7, rule="trapezoid", batch_size=3), 8 + 8),
    ):
        with pytest.warns(kv.errors.KerasvizWarning) if explain.name == "grad_cam" else contextlib.nullcontext():
            explain(signals, np.zeros(5, int))
        assert seen.pop() == (total, total, explain.title)
