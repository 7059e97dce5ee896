"""Results and checkpoints in a folder: found again, never mixed up, and the same after a kill."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from kerasviz.data import shapes
from kerasviz.data.concepts.scenes import SceneConcepts
from kerasviz.errors import KerasvizWarning
from kerasviz.features.dissection import running
from kerasviz.features.dissection.running import dissect


@pytest.fixture(scope="module")
def model():
    return shapes.shapes_model()


def same(one, other):
    for name in ("intersections", "activations", "labelled"):
        np.testing.assert_array_equal(getattr(one.tallies, name), getattr(other.tallies, name))
        np.testing.assert_array_equal(getattr(one.chance, name), getattr(other.chance, name))
    np.testing.assert_array_equal(one.thresholds, other.thresholds)
    np.testing.assert_array_equal(one.top.numbers, other.top.numbers)
    np.testing.assert_array_equal(one.top.masks, other.top.masks)


class Stop(Exception):
    """The run ends here."""


def interrupted(monkeypatch, after, *arguments, **settings):
    """Run until some batches are done; every one leaves a checkpoint."""
    steps = running._Run._steps

    def some(run):
        for count, place in enumerate(steps(run)):
            if count == after:
                raise Stop
            yield place

    with monkeypatch.context() as patch:
        patch.setattr(running._Run, "_steps", some)
        patch.setattr(running.Checkpoint, "due", True)
        with pytest.raises(Stop):
            dissect(*arguments, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("after", [5, *(pytest.param(after, marks=pytest.mark.slow) for after in (1, 3, 4, 7))])
def test_a_run_that_ends_early_goes_on_to_the_same_result(model, tmp_path, monkeypatch, after):
    data = SceneConcepts(60)
    settings = {"batch_size": 16, "fraction": 0.02}
    interrupted(monkeypatch, after, model, "relu3", data, folder=tmp_path, **settings)
    assert len(list(tmp_path.glob("*.checkpoint"))) == 1
    read = []
    monkeypatch.setattr(
        SceneConcepts, "read", lambda self, n, _read=SceneConcepts.read: read.append(n) or _read(self, n)
    )
    resumed = dissect(model, "relu3", data, folder=tmp_path, **settings)["relu3"]
    # 8 batches of both passes, less those that were done; and the image before, once again.
    assert len(read) <= 2 * 60 - after * 16 + 4 * (after > 3) + 1
    monkeypatch.undo()
    same(resumed, dissect(model, "relu3", data, **settings)["relu3"])
    assert not list(tmp_path.glob("*.checkpoint"))


def test_a_finished_result_is_found_again_without_a_run(model, tmp_path, monkeypatch):
    data = SceneConcepts(40)
    first = dissect(model, ["relu3", "relu4"], data, folder=tmp_path)
    monkeypatch.setattr(running._Run, "_steps", None)
    again = dissect(model, ["relu4", "relu3"], data, folder=tmp_path)
    assert list(again) == ["relu4", "relu3"]
    for layer, found in again.items():
        same(found, first[layer])
        assert found.layer == layer


@pytest.mark.slow
def test_whatever_the_result_depends_on_has_a_place_of_its_own(model, tmp_path):
    data = SceneConcepts(20)
    base = {"layers": "relu3", "data": data}
    other = shapes.shapes_model()
    other.get_layer("conv3").kernel.assign_add(other.get_layer("conv3").kernel * 0.5)
    calls = [
        (model, {}),
        (model, {"layers": "relu4"}),
        (other, {}),
        (model, {"data": SceneConcepts(20, seed=99)}),
        (model, {"fraction": 0.01}),
        (model, {"images": 10}),
        (model, {"seed": 3}),
        (model, {"chance": False}),
        (model, {"preprocess": "scale"}),
        (model, {"basis": np.eye(48)}),
    ]
    for count, (network, settings) in enumerate(calls, 1):
        dissect(network, **{**base, **settings}, folder=tmp_path)
        assert len(list(tmp_path.iterdir())) == count
    # The batch size is no part of what is asked.
    dissect(model, **base, folder=tmp_path, batch_size=7)
    assert len(list(tmp_path.iterdir())) == len(calls)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named_and_passed_over(model, tmp_path, monkeypatch):
    data = SceneConcepts(30)
    interrupted(monkeypatch, 1, model, "relu3", data, folder=tmp_path)
    (checkpoint,) = tmp_path.glob("*.checkpoint")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-200])
    with pytest.warns(KerasvizWarning, match="cannot be read .*: the work starts anew"):
        found = dissect(model, "relu3", data, folder=tmp_path)["relu3"]
    same(found, dissect(model, "relu3", data)["relu3"])


SCRIPT = """
import sys
from kerasviz.data import shapes
from kerasviz.data.concepts.scenes import SceneConcepts
from kerasviz.features.dissection.running import dissect
from kerasviz.features.dissection.tables import write_csv
model, data = shapes.shapes_model(), SceneConcepts(2000)
print("begun", flush=True)
found = dissect(model, ["relu2", "relu5"], data, folder=sys.argv[1], checkpoint_seconds=0.1)
for layer, each in found.items():
    write_csv(each, f"{sys.argv[1]}/{layer}.csv")
"""


@pytest.mark.slow
def test_killed_at_random_points_it_ends_with_the_same_table(tmp_path):
    def start(folder):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(folder)], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert process.stdout.readline() == "begun\n"
        return process

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    began = time.monotonic()
    process = start(whole)
    assert process.wait() == 0
    process.stdout.close()
    length = time.monotonic() - began
    rng = np.random.default_rng()
    kills = 0
    for _ in range(4):
        process = start(killed)
        try:
            process.wait(timeout=rng.uniform(0.3, 0.6) * length)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        process.stdout.close()
    process = start(killed)
    assert process.wait() == 0
    process.stdout.close()
    assert kills
    for layer in ("relu2", "relu5"):
        assert (killed / f"{layer}.csv").read_bytes() == (whole / f"{layer}.csv").read_bytes()
        assert (whole / f"{layer}.csv").read_text().count("\n") > 30
