"""The folder of a test: what is finished is not trained again, and what was killed goes on to the same end."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from learners import CLASSES, clusters, mlp, same_runs

from kerasviz.errors import KerasvizWarning, SaveError, SettingError
from kerasviz.generalization.randomization import training
from kerasviz.generalization.randomization.record import RandomizationResult
from kerasviz.generalization.randomization.running import RandomizationTest
from kerasviz.generalization.randomization.settings import Regularization

TRAIN, VALIDATION = clusters(64, seed=1), clusters(60, seed=2)
SETTINGS = {"data": ("true", "random labels"), "epochs": 4, "batch_size": 24, "validation": VALIDATION}
REGULARIZED = {"all": Regularization({"dropout": 0.4, "decay": 1e-3}, early_stopping=2)}


class Stop(Exception):
    """The run ends here."""


def interrupted(monkeypatch, after, test):
    """Run until so many epochs are kept."""
    store, count = training.Folder.store, [0]

    def some(folder, *arguments):
        store(folder, *arguments)
        count[0] += 1
        if count[0] == after:
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(training.Folder, "store", some)
        with pytest.raises(Stop):
            test.run()


def trained_epochs(monkeypatch, test):
    """Run, and tell which epochs are trained."""
    seen, done = [], training._Course.on_epoch_end
    with monkeypatch.context() as patch:
        patch.setattr(
            training._Course,
            "on_epoch_end",
            lambda course, epoch, logs: (seen.append(epoch), done(course, epoch, logs)),
        )
        return test.run(), seen


@pytest.mark.slow
def test_an_interrupted_test_goes_on_as_if_nothing_had_been(tmp_path, monkeypatch):
    def test(folder=None):
        return RandomizationTest(mlp, *TRAIN, **SETTINGS, regularizations=REGULARIZED, folder=folder)

    whole = test().run()
    interrupted(monkeypatch, 2, test(tmp_path))
    found, seen = trained_epochs(monkeypatch, test(tmp_path))
    same_runs(whole, found)
    assert seen[0] == 2 and seen[len(range(2, whole["true"].epochs))] == 0
    # Nothing is left to do, and the seconds are those of the training.
    again, seen = trained_epochs(monkeypatch, test(tmp_path))
    same_runs(whole, again)
    assert not seen
    assert [run.seconds for run in again.runs.values()] == [run.seconds for run in found.runs.values()]
    assert not [path for path in tmp_path.iterdir() if "state" in path.name]


def stateful(dropout):
    """A compiled classifier with all that a training can keep: statistics, seeds, averages, a schedule."""
    model = keras.Sequential(
        [
            keras.Input((4, 6, 1)),
            keras.layers.Conv2D(6, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.GaussianNoise(0.1),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(CLASSES, "softmax"),
        ]
    )
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 15)
    optimizer = keras.optimizers.Adam(schedule, use_ema=True, ema_momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def stateful_test(folder=None):
    return RandomizationTest(
        stateful,
        *TRAIN,
        **{**SETTINGS, "data": ("corrupted", "gaussian"), "epochs": 3},
        regularizations={"a": {"dropout": 0.5}, "b": Regularization({"dropout": 0.1}, critical={"radius": 0.1})},
        radius=0.1,
        search="lass",
        probes=20,
        folder=folder,
    )


@pytest.fixture(scope="module")
def stateful_runs():
    return stateful_test().run()


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 3, 5])
def test_it_goes_on_from_any_epoch(tmp_path, monkeypatch, after, stateful_runs):
    interrupted(monkeypatch, after, stateful_test(tmp_path))
    same_runs(stateful_runs, stateful_test(tmp_path).run())


@pytest.mark.slow
def test_a_test_may_grow(tmp_path, monkeypatch):
    small = RandomizationTest(mlp, *TRAIN, data="true", epochs=2, folder=tmp_path).run()
    settings = {
        "data": ("random labels", "true"),
        "epochs": 2,
        "regularizations": {"none": {}, "drop": {"dropout": 0.5}},
    }
    found, seen = trained_epochs(monkeypatch, RandomizationTest(mlp, *TRAIN, **settings, folder=tmp_path))
    assert seen == 3 * [0, 1]
    same_runs(found, RandomizationTest(mlp, *TRAIN, **settings).run())
    assert found["true", "none"].seconds == small["true"].seconds
    # And the first one is still there.
    same_runs(small, RandomizationTest(mlp, *TRAIN, data="true", epochs=2, folder=tmp_path).run())


@pytest.mark.slow
def test_another_test_in_the_folder_is_refused(tmp_path):
    settings = {"data": "true", "epochs": 1, "folder": tmp_path}

    def base():
        return mlp(dropout=0.2)

    RandomizationTest(base, *TRAIN, **settings).run()
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    moved = TRAIN[0].copy()
    moved[3, 2, 2] += 1
    others = [
        (base, moved, TRAIN[1], {}, "data: "),
        (base, TRAIN[0], np.roll(TRAIN[1], 1), {}, "data: "),
        (base, *TRAIN, {"validation": VALIDATION}, "data: "),
        (base, *TRAIN, {"epochs": 2}, "epochs: 1, not 2"),
        (base, *TRAIN, {"batch_size": 8}, "batch_size: 128, not 8"),
        (base, *TRAIN, {"seed": 1}, "seed: 0, not 1"),
        (base, *TRAIN, {"radius": 0.1}, "radius: None, not 0.1"),
        (mlp, *TRAIN, {"regularizations": {"none": {"dropout": 0.2}}}, "none: "),
        (lambda: mlp(dropout=0.2, rate=0.5), *TRAIN, {}, "none: "),
        (lambda: mlp(dropout=0.5), *TRAIN, {}, "none: "),
    ]
    for build, images, labels, more, match in others:
        with pytest.raises(SettingError, match=f"keeps another test .*{match}"):
            RandomizationTest(build, images, labels, **{**settings, **more}).run()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept


@pytest.mark.slow
def test_a_damaged_state_is_named_and_passed_over(tmp_path, monkeypatch):
    settings = {"data": "true", "epochs": 2, "folder": tmp_path}
    interrupted(monkeypatch, 1, RandomizationTest(mlp, *TRAIN, **settings))
    (state,) = tmp_path.glob("*.state.npz")
    state.write_bytes(state.read_bytes()[:-200])
    with pytest.warns(KerasvizWarning, match="state.npz' cannot be read .*: the work starts anew"):
        found = RandomizationTest(mlp, *TRAIN, **settings).run()
    same_runs(found, RandomizationTest(mlp, *TRAIN, **{**settings, "folder": None}).run())


def test_folders_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "test.json").write_text("no JSON")
    for name in ("file", "other"):
        test = RandomizationTest(mlp, *TRAIN, data="true", epochs=1, folder=tmp_path / name)
        with pytest.raises(SaveError, match="cannot be used"):
            test.run()


#: TensorFlow is loaded once, and runs in forks of the process only. An alarm that nobody handles kills at once.
SCRIPT = """
import os, random, signal, sys, time
from learners import clusters, mlp
from kerasviz.generalization.randomization.keeping import Folder
from kerasviz.generalization.randomization.running import RandomizationTest
from kerasviz.generalization.randomization.settings import Regularization

def run(folder):
    test = RandomizationTest(
        lambda **given: mlp(128, **given), *clusters(128, seed=1), validation=clusters(64, seed=2),
        data=("random labels", "gaussian"), epochs=20, batch_size=24, radius=0.2, search="fgsm", probes=32,
        regularizations={"a": Regularization({"dropout": 0.5}, early_stopping=12), "b": {"decay": 0.01}},
        folder=folder + "/test",
    )
    test.run().save(folder + "/result", overwrite=True)

def alarmed(store, seconds):
    def stored(*arguments):
        store(*arguments)
        Folder.store = store
        signal.setitimer(signal.ITIMER_REAL, seconds)

    return stored

def forked(folder, seconds=None):
    child = os.fork()
    if child == 0:
        if seconds is not None:
            Folder.store = alarmed(Folder.store, seconds)
        run(folder)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

whole, killed = sys.argv[1:]
began = time.monotonic()
assert forked(whole) == 0
length = time.monotonic() - began
# From the first epoch on: earlier there is nothing to go on from.
ends = [forked(killed, random.uniform(0.001, 0.05) * length) for _ in range(3)]
assert forked(killed) == 0
print(ends.count(-signal.SIGALRM))
"""


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_curves(tmp_path):
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": path}
    folders = [tmp_path / "whole", tmp_path / "killed"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, folders)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) >= 2
    same_runs(*(RandomizationResult.load(folder / "result") for folder in folders))
