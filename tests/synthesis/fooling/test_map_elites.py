"""MAP-Elites: the archive against a loop, whole runs against a replay of it, and what interrupts a run."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

import keras
import numpy as np
import pytest
from keras import layers as L
from reference import evolution

from kerasviz.errors import KerasvizWarning, SettingError, TargetError
from kerasviz.synthesis.fooling.archive import Archive
from kerasviz.synthesis.fooling.direct import Direct
from kerasviz.synthesis.fooling.map_elites import MapElites

RANGE = {"value_range": (0, 16)}


def linear(classes=4, seed=2, scale=3.0):
    """A quick network of random weights, for images of 3 x 4 with one channel."""
    model = keras.Sequential([keras.Input((3, 4, 1)), L.Flatten(), L.Dense(classes, "softmax")], name="linear")
    rng = np.random.default_rng(seed)
    model.layers[-1].set_weights([rng.normal(size=(12, classes)) * scale / 16, rng.normal(size=classes)])
    return model


@pytest.fixture(scope="module")
def evolve():
    """MAP-Elites of the quick network; do not change it."""
    return MapElites(linear(), population=12, batch_size=5, **RANGE)


@dataclass(frozen=True)
class Spying(Direct):
    """The direct encoding, which keeps who was whose child."""

    seen: list = field(default_factory=list, compare=False)

    def first(self, count, space, rng):
        made = super().first(count, space, rng)
        self.seen.append((None, None, made["values"].copy()))
        return made

    def children(self, mothers, fathers, rng, rate):
        made = super().children(mothers, fathers, rng, rate)
        self.seen.append((mothers["values"].copy(), fathers["values"].copy(), made["values"].copy(), rate))
        return made


def filled(confidences, genes):
    archive = Archive.empty(len(confidences), np.random.default_rng(0))
    archive.confidences[:] = confidences
    archive.genes = {"values": np.array(genes, np.float32)}
    archive.history = [archive.confidences.copy()]
    return archive


def test_a_child_takes_only_cells_where_it_is_better():
    archive = filled([0.2, 0.9], [[1.0], [2.0]])
    archive.take({"values": np.array([[7.0]], np.float32)}, np.array([[0.5, 0.5]]))
    assert archive.confidences.tolist() == [0.5, np.float32(0.9)]
    assert archive.genes["values"].tolist() == [[7.0], [2.0]]
    assert archive.found.tolist() == [1, -1]


def test_equals_do_not_replace_and_one_child_may_take_all_cells():
    archive = filled([0.5, 0.1, 0.1], [[1.0], [2.0], [3.0]])
    children = {"values": np.array([[7.0], [8.0], [9.0]], np.float32)}
    archive.take(children, np.float32([[0.5, 0.3, 0.4], [0.5, 0.3, 0.4], [0.2, 0.2, 0.4]]))
    assert archive.genes["values"].tolist() == [[1.0], [7.0], [7.0]]


def test_nan_is_never_better():
    archive = filled([0.2, 0.2], [[1.0], [2.0]])
    archive.take({"values": np.array([[7.0], [8.0]], np.float32)}, np.array([[np.nan, 0.1], [0.3, np.nan]]))
    assert archive.genes["values"].tolist() == [[8.0], [2.0]]


@pytest.mark.parametrize("seed", range(5))
def test_the_archive_is_that_of_a_loop(seed):
    rng = np.random.default_rng(seed)
    archive, cells = Archive.empty(5, rng), [[None, None, None] for _ in range(5)]
    for generation in range(6):
        children = {"values": rng.random((9, 3), np.float32)}
        # Few values, so that there are equals.
        probabilities = (rng.integers(0, 4 + 2 * generation, (9, 5)) / 20).astype(np.float32)
        archive.take(children, probabilities)
        archive.close()
        evolution.compete(cells, zip(children["values"], probabilities, strict=True), generation)
        assert archive.confidences.tolist() == [cell[0] for cell in cells]
        assert archive.found.tolist() == [cell[2] for cell in cells]
        np.testing.assert_array_equal(archive.genes["values"], [cell[1] for cell in cells])


def test_parents_are_drawn_from_occupied_cells_all_alike():
    archive = filled([0.2, -1.0, 0.9, 0.1], np.zeros((4, 1)))
    parents = archive.parents(3000)
    assert parents.shape == (2, 3000)
    counts = np.bincount(parents.ravel(), minlength=4)
    assert counts[1] == 0
    assert np.abs(counts[[0, 2, 3]] - 2000).max() < 5 * np.sqrt(6000 * 2 / 9)
    assert abs((parents[0] == parents[1]).mean() - 1 / 3) < 0.05


@pytest.mark.slow
def test_a_run_is_what_a_replay_of_its_children_gives():
    model, spy = linear(), Spying()
    evolve = MapElites(model, encoding=spy, population=12, batch_size=5, **RANGE)
    spy.seen.clear()
    made = evolve(8, seed=3)
    assert [len(children) for *_, children, _ in spy.seen[1:]] == [12] * 8
    assert len(spy.seen[0][2]) == 12
    cells = [[None, None, None] for _ in range(4)]
    for generation, (mothers, fathers, children, *_) in enumerate(spy.seen):
        if generation:
            elites = [cell[1].tobytes() for cell in cells]
            assert all(parent.tobytes() in elites for parent in (*mothers, *fathers))
        images = np.floor(255 * children) * (16 / 255)
        probabilities = model.predict(images.astype("float32"), verbose=0)
        evolution.compete(cells, zip(children, probabilities, strict=True), generation)
        np.testing.assert_allclose(made.history["confidence"][generation], [cell[0] for cell in cells], atol=1e-6)
    elites = np.array([cell[1] for cell in cells])
    np.testing.assert_allclose(made.images, np.floor(255 * elites) * (16 / 255), atol=1e-5)
    assert made.history["generation"].tolist() == list(range(9))


@pytest.mark.slow
def test_the_record_tells_of_the_model_itself(evolve):
    made = evolve(10)
    seen = linear().predict(made.images, verbose=0)
    np.testing.assert_allclose(made.confidences, np.diag(seen), atol=1e-6)
    np.testing.assert_allclose(made.confidences, made.history["confidence"][-1], atol=1e-5)
    assert made.classes.tolist() == [0, 1, 2, 3]
    assert made.images.shape == (4, 3, 4, 1)
    assert (np.diff(made.history["confidence"], axis=0) >= 0).all()
    changed = np.diff(made.history["confidence"], axis=0) > 0
    last = [max([0, *(np.flatnonzero(column) + 1).tolist()]) for column in changed.T]
    steps = np.where(made.found, last, -1)
    assert made.steps.tolist() == steps.tolist()
    np.testing.assert_array_equal(made.saved_confidences, made.confidences)
    assert made.method == "map_elites"
    assert made.settings["encoding"]["kind"] == "Direct"
    assert made.settings["generations"] == 10


@pytest.mark.slow
def test_only_some_classes():
    made = MapElites(linear(), classes=[3, 1], population=8, **RANGE)(4)
    assert made.classes.tolist() == [3, 1]
    expected = linear().predict(made.images, verbose=0)
    np.testing.assert_allclose(made.history["confidence"][-1], [expected[0, 3], expected[1, 1]], atol=1e-6)


@pytest.mark.slow
def test_the_mutation_rate_is_halved():
    spy = Spying()
    evolve = MapElites(linear(), encoding=spy, population=4, mutation_rate=0.2, halve_every=2, **RANGE)
    spy.seen.clear()
    evolve(5)
    assert [rate for *_, rate in spy.seen[1:]] == [0.2, 0.2, 0.1, 0.1, 0.05]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("goal", "of", "classes", "confidence"), [("every", np.min, [0, 1, 2], 0.85), ("median", np.median, None, 0.95)]
)
def test_stops_at_the_goal(goal, of, classes, confidence):
    evolve = MapElites(linear(), population=12, classes=classes, confidence=confidence, **RANGE)
    whole, made = evolve(60), evolve(60, goal=goal)
    reached = [of(row) >= confidence for row in whole.history["confidence"]]
    assert 5 < len(made.history["confidence"]) - 1 == reached.index(True) < 60
    assert made.found.all() == (goal == "every")


@pytest.mark.slow
def test_repeats_bit_for_bit_and_differs_for_another_seed(evolve):
    one, same, other = evolve(6, seed=4), evolve(6, seed=4), evolve(6, seed=5)
    for name in ("images", "confidences", "steps"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    np.testing.assert_array_equal(one.history["confidence"], same.history["confidence"])
    assert (one.images != other.images).any()


@pytest.mark.slow
def test_the_batch_size_changes_no_draw(evolve):
    other = MapElites(linear(), population=12, batch_size=12, **RANGE)
    np.testing.assert_array_equal(evolve(6, seed=4).images, other(6, seed=4).images)


@pytest.mark.slow
def test_groups_of_pairs_are_put_together_to_whole_generations(monkeypatch):
    monkeypatch.setattr("kerasviz.synthesis.fooling.map_elites._GROUP", 24)
    spy = Spying()
    evolve = MapElites(linear(), encoding=spy, population=10, batch_size=3, **RANGE)
    spy.seen.clear()
    evolve(2)
    assert [len(children) for _, _, children, *_ in spy.seen] == [10, 4, 4, 2, 4, 4, 2]


@pytest.mark.parametrize("encoding", ["direct", pytest.param("cppn", marks=pytest.mark.slow)])
def test_goes_on_from_a_checkpoint_as_if_it_had_never_stopped(encoding, tmp_path):
    evolve = MapElites(linear(), encoding=encoding, population=12, batch_size=5, **RANGE)
    whole = evolve(9, seed=1)
    evolve(4, seed=1, checkpoint=tmp_path / "state.npz", every=3)
    resumed = evolve(9, seed=1, checkpoint=tmp_path / "state.npz")
    np.testing.assert_array_equal(resumed.images, whole.images)
    np.testing.assert_array_equal(resumed.history["confidence"], whole.history["confidence"])
    np.testing.assert_array_equal(resumed.steps, whole.steps)


@pytest.mark.slow
def test_an_interrupted_run_goes_on_from_the_last_state(tmp_path, monkeypatch):
    evolve, path = MapElites(linear(), population=12, **RANGE), tmp_path / "state.npz"
    whole = evolve(9, seed=1)
    judged, calls = evolve._judge.probabilities, []

    def interrupted(genes):
        calls.append(genes)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return judged(genes)

    monkeypatch.setattr(evolve._judge, "probabilities", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evolve(9, seed=1, checkpoint=path, every=2)
    monkeypatch.undo()
    resumed = evolve(9, seed=1, checkpoint=path)
    np.testing.assert_array_equal(resumed.images, whole.images)
    np.testing.assert_array_equal(resumed.history["confidence"], whole.history["confidence"])


@pytest.mark.slow
def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    path = tmp_path / "state.npz"
    MapElites(linear(), population=12, **RANGE)(2, seed=1, checkpoint=path)
    with pytest.raises(SettingError, match="another seed"):
        MapElites(linear(), population=12, **RANGE)(4, seed=2, checkpoint=path)
    with pytest.raises(SettingError, match="another population"):
        MapElites(linear(), population=14, batch_size=12, **RANGE)(4, seed=1, checkpoint=path)
    with pytest.raises(SettingError, match="another network"):
        MapElites(linear(seed=3), population=12, **RANGE)(4, seed=1, checkpoint=path)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(evolve, tmp_path):
    path = tmp_path / "state.npz"
    path.write_bytes(b"no state")
    with pytest.warns(KerasvizWarning, match="cannot be read"):
        made = evolve(3, seed=1, checkpoint=path)
    np.testing.assert_array_equal(made.images, evolve(3, seed=1).images)


_CHILD = """
import sys
from synthesis.fooling.test_map_elites import linear, RANGE
from kerasviz.synthesis.fooling.map_elites import MapElites
MapElites(linear(), population=12, **RANGE)(100_000, seed=1, checkpoint=sys.argv[1], every=1)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_from_the_last_state(tmp_path):
    path = tmp_path / "state.npz"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(["tests", ".", os.environ.get("PYTHONPATH", "")])}
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(path)], env=environment)
    try:
        for _ in range(1200):
            if path.exists() or child.poll() is not None:
                break
            time.sleep(0.1)
        time.sleep(0.3)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    with np.load(path) as state:
        done = len(state["history"]) - 1
    evolve = MapElites(linear(), population=12, **RANGE)
    resumed, whole = evolve(done + 5, seed=1, checkpoint=path), evolve(done + 5, seed=1)
    np.testing.assert_array_equal(resumed.images, whole.images)
    np.testing.assert_array_equal(resumed.history["confidence"], whole.history["confidence"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"population": 7}, SettingError, "even"),
        ({"population": 0}, SettingError, "population"),
        ({"mutation_rate": 2}, SettingError, "mutation_rate"),
        ({"halve_every": 0}, SettingError, "halve_every"),
        ({"confidence": 1}, SettingError, "confidence"),
        ({"encoding": "fourier"}, SettingError, "encoding"),
        ({"batch_size": 0}, SettingError, "batch_size"),
        ({"value_range": None}, SettingError, "value_range"),
        ({"classes": [1, 4]}, TargetError, "0 to 3"),
        ({"classes": [1, 1]}, TargetError, "once"),
    ],
)
def test_refuses_wrong_settings(settings, error, said):
    with pytest.raises(error, match=said):
        MapElites(linear(), **{**RANGE, **settings})


@pytest.mark.parametrize(
    "call", [{"generations": -1}, {"generations": 2, "goal": "all"}, {"generations": 2, "seed": -1}]
)
def test_refuses_wrong_calls(evolve, call):
    with pytest.raises(SettingError):
        evolve(**call)


def test_refuses_a_network_that_returns_nan():
    model = linear()
    model.layers[-1].set_weights([np.full((12, 4), np.nan), np.zeros(4)])
    with pytest.raises(SettingError, match="NaN"):
        MapElites(model, population=4, **RANGE)(2)


def test_generation_0_alone_fills_all_cells(evolve):
    made = evolve(0)
    assert made.history["confidence"].shape == (1, 4)
    assert (made.confidences > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["direct", "cppn"])
def test_fools_a_reader_of_digits_with_all_classes(digits_model, encoding):
    made = MapElites(digits_model, encoding=encoding, **RANGE)(100)
    seen = digits_model.predict(made.images, verbose=0)
    np.testing.assert_allclose(made.confidences, np.diag(seen), atol=1e-6)
    assert np.median(np.diag(seen)) >= 0.999
    assert np.diag(seen).min() >= 0.9
