"""What goes wrong in the middle of a training: it goes on, and what was seen is not lost."""

import gc
import json
import os
import resource
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers as L
from PIL import Image

import kerasviz as kv
from kerasviz.callbacks import Explain, Watch
from kerasviz.callbacks.shots import Picture, Shot
from kerasviz.errors import KerasvizWarning

accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

X = np.random.default_rng(0).uniform(size=(4, 24, 20, 1)).astype("float32")
LABELS = np.eye(2)[[0, 1, 1, 0]]


class Noise(Watch):
    """A picture that does not compress."""

    def open(self):
        pass

    def look(self):
        pixels = np.random.default_rng(1).integers(0, 256, (128, 96, 3), dtype=np.uint8)
        return Shot(None, (Picture("0", "noise", pixels),), {"one": 1})


def network():
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input(X.shape[1:]), L.Conv2D(3, 3, activation="relu"), L.Flatten(), L.Dense(2)])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def fit(watch, epochs=6, **at_ends):
    """A training in which things happen at the ends of epochs; gives its losses, and what Keras and we warned of."""

    def happen(epoch, logs):
        at_ends.get(f"after_{epoch + 1}", lambda: None)()

    callbacks = [*([watch] if watch else []), keras.callbacks.LambdaCallback(on_epoch_end=happen)]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        history = network().fit(X, LABELS, epochs=epochs, verbose=0, callbacks=callbacks)
    return history.history["loss"], [str(each.message) for each in told if each.category is KerasvizWarning]


def steps(log_dir, name, tag="one"):
    """The steps of a number, over all event files of a callback, each read to its end."""
    found = []
    for path in sorted((log_dir / "kerasviz" / name).iterdir()):
        board = accumulators.EventAccumulator(str(path))
        board.Reload()
        if f"{name}/{tag}" in board.Tags()["tensors"]:
            found += [event.step for event in board.Tensors(f"{name}/{tag}")]
    return found


def numbers(folder, name):
    return [int(path.stem[-4:]) for path in sorted(folder.glob(f"{name}-epoch-*.png"))]


@pytest.mark.slow
def test_deleted_folders_are_told_once_and_made_anew(tmp_path):
    album, logs = tmp_path / "album", tmp_path / "logs"
    watch = Explain("saliency", X, images=2, target=0, folder=album, log_dir=logs)
    losses, told = fit(watch, after_2=lambda: (shutil.rmtree(album), shutil.rmtree(logs)))
    assert losses == fit(None)[0]
    assert len(told) == 2
    assert "after 3 epochs cannot be written by its album, and training goes on" in told[0]
    assert "after 3 epochs cannot be written by its board, and training goes on" in told[1]
    assert [epoch for epoch, _ in watch.history] == list(range(6))
    assert numbers(album, "saliency") == [4, 5, 6]
    with Image.open(album / "saliency.png") as strip, Image.open(album / "saliency-epoch-0004.png") as one:
        assert strip.height == 3 * one.height
    assert steps(logs, "saliency", "score") == [3, 4, 5]


@pytest.mark.slow
def test_a_full_disk_is_told_once_and_hides_nothing(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def allow(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    def fill():
        # The next event still gets a part of its bytes in: half a record.
        allow(next((tmp_path / "kerasviz" / "noise").iterdir()).stat().st_size + 3000)

    watch = Noise("noise", folder=tmp_path, log_dir=tmp_path)
    try:
        losses, told = fit(watch, 7, after_2=fill, after_4=lambda: allow(1000), after_5=lambda: allow(before[0]))
    finally:
        allow(before[0])
    assert losses == fit(None, 7)[0]
    assert [each.split(", and training goes on")[0] for each in told] == [
        "Noise 'noise': what the model looks like after 3 epochs cannot be written by its board",
        "Noise 'noise': what the model looks like after 5 epochs cannot be written by its album",
    ]
    assert all("File too large" in each for each in told)
    assert steps(tmp_path, "noise") == [0, 1, 5, 6]
    assert numbers(tmp_path, "noise") == [1, 2, 3, 4, 6, 7]
    assert all(path.suffix in (".png", ".gif") for path in tmp_path.iterdir() if path.is_file())
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as picture:
            picture.load()


@pytest.mark.slow
def test_weights_that_become_nan_are_told_once(tmp_path):
    model = network()
    watch = Explain("grad_cam", X, images=2, target=0, folder=tmp_path, log_dir=tmp_path)

    def spoil(epoch, logs):
        if epoch == 1:
            model.layers[0].kernel.assign(model.layers[0].kernel * np.nan)

    def mend(epoch, logs):
        if epoch == 3:
            model.set_weights(network().get_weights())

    def trained(callbacks):
        model.set_weights(network().get_weights())
        callbacks = [keras.callbacks.LambdaCallback(on_epoch_begin=mend, on_epoch_end=spoil), *callbacks]
        return model.fit(X, LABELS, epochs=5, verbose=0, callbacks=callbacks).history["loss"]

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        losses = trained([watch])
    np.testing.assert_array_equal(losses, trained([]))
    assert np.isnan(losses).tolist() == [False, False, True, False, False]
    told = [str(each.message) for each in told if each.category is KerasvizWarning]
    assert len(told) == 2
    assert "the map is not finite for the samples [0, 1]" in told[0]
    assert "after 2 epochs cannot be looked at, and training goes on" in told[1]
    assert [epoch for epoch, _ in watch.history] == [0, 3, 4]
    assert numbers(tmp_path, "grad_cam") == [1, 4, 5]
    assert steps(tmp_path, "grad_cam", "score") == [0, 3, 4]


def open_below(folder):
    """Files below a folder that this process has open."""
    there = (path.resolve() for path in Path("/proc/self/fd").iterdir() if path.exists())
    return [path for path in there if path.is_relative_to(folder)]


@pytest.mark.slow
def test_an_exception_leaves_nothing_open_and_loses_nothing(tmp_path):
    watch = Noise("noise", folder=tmp_path, log_dir=tmp_path)

    def stop():
        assert open_below(tmp_path) == []
        raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        fit(watch, after_2=stop)
    assert open_below(tmp_path) == []
    assert steps(tmp_path, "noise") == [0, 1]
    assert numbers(tmp_path, "noise") == [1, 2]
    assert not (tmp_path / "noise.png").exists()
    watch.close()
    written = (tmp_path / "noise.png").stat().st_mtime_ns
    assert (tmp_path / "noise.gif").exists()
    watch.close()
    assert (tmp_path / "noise.png").stat().st_mtime_ns == written


@pytest.mark.slow
def test_the_next_fit_or_the_end_of_the_callback_closes(tmp_path):
    def stop():
        raise ValueError("stopped")

    watch = Noise("noise", folder=tmp_path)
    with pytest.raises(ValueError, match="stopped"):
        fit(watch, after_2=stop)
    fit(watch, epochs=1)
    assert (tmp_path / "noise.png").exists()
    (tmp_path / "noise.png").unlink()
    with pytest.raises(ValueError, match="stopped"):
        fit(watch, after_2=stop)
    assert not (tmp_path / "noise.png").exists()
    del watch
    gc.collect()
    assert (tmp_path / "noise.png").exists()


INTERRUPTED = """
import json, os, signal, sys
import keras, numpy as np
from kerasviz.callbacks import Explain
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
folder = sys.argv[1]
layers = [keras.Input((16, 12, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten(), keras.layers.Dense(2)]
model = keras.Sequential(layers)
model.compile("sgd", "mse")
x = np.random.default_rng(0).normal(size=(64, 16, 12, 1))
watch = Explain("saliency", x, images=2, target=0, folder=folder, log_dir=folder)

class Interrupt(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if len(watch.history) == 2 and batch == 1:
            os.kill(os.getpid(), signal.SIGINT)

try:
    model.fit(x, x[:, :2, 0, 0], batch_size=8, epochs=50, verbose=0, callbacks=[watch, Interrupt()])
finally:
    links = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            pass
    there = sorted(name for name in os.listdir(folder) if "." in name)
    print(json.dumps({"open": [link for link in links if link.startswith(folder)], "files": there}))
"""


@pytest.mark.slow
def test_ctrl_c_loses_nothing(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(kv.__file__).parents[1]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    run = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], env=environment, capture_output=True, text=True
    )
    assert "KeyboardInterrupt" in run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == {
        "open": [],
        "files": ["saliency-epoch-0001.png", "saliency-epoch-0002.png"],
    }
    assert steps(tmp_path, "saliency", "score") == [0, 1]
    # Python's end has put them together.
    with Image.open(tmp_path / "saliency.gif") as gif, Image.open(tmp_path / "saliency.png") as strip:
        assert gif.n_frames == 2
        assert strip.height == 2 * gif.height
