"""What a file says of itself, and the way to convert what cannot be opened."""

import io
import json
import shutil
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import LoadError
from kerasviz.network.files import TensorFacts, describe

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


def small():
    return keras.Sequential([keras.Input((6, 5, 3), name="image"), L.Conv2D(4, 3), L.Flatten(), L.Dense(2)])


#: (3 * 3 * 3 * 4 + 4) + (48 * 2 + 2) floats.
WEIGHTS = 4 * (112 + 98)


def facts(path):
    """What is said, after a round through JSON."""
    found = describe(path)
    document = json.loads(json.dumps(found.as_dict()))
    assert document["bytes"] == found.bytes and document["format"] == found.format
    return document


def test_a_keras_file(tmp_path):
    path = tmp_path / "model.keras"
    small().save(path)
    found = facts(path)
    assert found["format"] == "Keras 3 archive (.keras)" and found["kind"] == "keras"
    assert found["keras_version"] == keras.__version__
    assert found["saved_on"][:2] == "20" and found["saved_on"][10] == "@"
    assert found["bytes"] == path.stat().st_size and found["weight_bytes"] == WEIGHTS
    assert found["weights_only"] is False and found["signatures"] == [] and found["maker"] is None


def test_an_hdf5_file(tmp_path):
    path = tmp_path / "model.h5"
    model = small()
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 6, 5, 3)), np.zeros((2, 2)), verbose=0)
    model.save(path)
    found = facts(path)
    assert found["format"] == f"HDF5 whole model of Keras {keras.__version__}" and found["kind"] == "hdf5"
    assert found["backend"] == "tensorflow"
    assert found["weight_bytes"] == WEIGHTS  # without Adam's, which are twice as many
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = b"2.0.5"
    assert describe(path).format == "HDF5 whole model of Keras 2.0.5"
    with h5py.File(path, "r+") as file:
        del file.attrs["keras_version"]
        del file["model_weights"].attrs["keras_version"]
    assert describe(path).format == "HDF5 whole model"


def test_weights_alone(tmp_path):
    small().save_weights(tmp_path / "x.weights.h5")
    found = facts(tmp_path / "x.weights.h5")
    assert found["format"] == "HDF5 weights only" and found["weights_only"] is True and found["weight_bytes"] == WEIGHTS
    small().save(tmp_path / "whole.h5")
    with h5py.File(tmp_path / "whole.h5") as whole, h5py.File(tmp_path / "old.h5", "w") as old:
        for name in whole["model_weights"]:
            whole.copy(f"model_weights/{name}", old)
        old.attrs.update(whole["model_weights"].attrs)
    found = facts(tmp_path / "old.h5")
    assert found["format"] == f"HDF5 weights only of Keras {keras.__version__}" and found["weight_bytes"] == WEIGHTS


def test_a_saved_model_of_keras_3(tmp_path):
    small().export(tmp_path / "folder", verbose=False)
    found = describe(tmp_path / "folder")
    assert found.format == "SavedModel" and found.kind == "saved_model" and found.maker == "Keras 3 export"
    assert found.tensorflow_version == tf.__version__ and found.keras_version is None
    assert found.bytes == sum(file.stat().st_size for file in (tmp_path / "folder").rglob("*") if file.is_file())
    assert "serving_default" in [signature.name for signature in found.signatures]
    for signature in found.signatures:
        (image,), (output,) = signature.inputs, signature.outputs
        assert (image.dtype, image.shape) == ("float32", (None, 6, 5, 3))
        assert output == TensorFacts("output_0", "float32", (None, 2))
    assert facts(tmp_path / "folder")["signatures"][0]["inputs"][0]["shape"] == [None, 6, 5, 3]
    tf.saved_model.save(small(), tmp_path / "other")
    assert describe(tmp_path / "other").maker == "Keras 3 model"
    (tmp_path / "other" / "keras_metadata.pb").write_bytes(b'\n\x01{"name": "m", "keras_version": "2.11.0"}')
    found = describe(tmp_path / "other")
    assert (found.maker, found.keras_version) == ("Keras 2 model", "2.11.0")


def test_a_module_with_several_signatures(tmp_path):
    module = tf.Module()
    module.kernel = tf.Variable(tf.ones((3, 2)))
    one = tf.function(lambda x, names: {"scores": x @ module.kernel, "names": names})
    any_rank = tf.function(lambda x: tf.shape(x))
    signatures = {
        "score": one.get_concrete_function(
            tf.TensorSpec((None, 3), tf.float32, name="x"), tf.TensorSpec((None,), tf.string, name="names")
        ),
        "rank": any_rank.get_concrete_function(tf.TensorSpec(None, tf.uint8, name="x")),
    }
    tf.saved_model.save(module, tmp_path / "folder", signatures)
    found = describe(tmp_path / "folder")
    assert found.maker == "tf.Module" and found.weight_bytes == 24
    rank, score = found.signatures
    assert rank.inputs == (TensorFacts("x", "uint8", None),)
    assert score.inputs == (TensorFacts("names", "string", (None,)), TensorFacts("x", "float32", (None, 3)))
    assert score.outputs == (TensorFacts("names", "string", (None,)), TensorFacts("scores", "float32", (None, 2)))


def test_an_export_of_tensorflow_1(tmp_path):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, (None, 3), name="x")
        y = x @ v1.get_variable("w", initializer=tf.ones((3, 2)))
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(tmp_path / "folder"))
        infos = [{name: v1.saved_model.build_tensor_info(t)} for name, t in (("x", x), ("y", y))]
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": v1.saved_model.build_signature_def(*infos, "predict")}
        )
        builder.save()
    found = describe(tmp_path / "folder")
    assert found.maker == "TensorFlow 1 export" and found.weight_bytes == 24
    assert found.signatures[0].outputs == (TensorFacts("y", "float32", (None, 2)),)


@pytest.mark.parametrize("named", ["model", "model.index", "model.data-00000-of-00001"])
def test_a_checkpoint_goes_by_any_of_its_names(named, tmp_path):
    tf.train.Checkpoint(model=small()).write(str(tmp_path / "model"))
    found = facts(tmp_path / named)
    assert found["format"] == "TensorFlow checkpoint" and found["kind"] == "checkpoint" and found["weights_only"]
    assert found["path"] == str(tmp_path / "model") and found["weight_bytes"] == WEIGHTS
    assert found["bytes"] == sum(file.stat().st_size for file in tmp_path.iterdir())


def said_of(path):
    with pytest.raises(LoadError) as by_describe:
        describe(path)
    with pytest.raises(LoadError) as by_load:
        kv.load(path)
    assert str(by_load.value) == str(by_describe.value) and "\n" not in str(by_load.value)
    return str(by_load.value)


FILES = {
    "a.tflite": (b"\x1c\0\0\0TFL3", "is a TensorFlow Lite file", "tflite2onnx"),
    "renamed.keras": (b"\x1c\0\0\0TFL3", "is a TensorFlow Lite file", "tflite2onnx"),
    "a.onnx": (b"\x08\x08", "is an ONNX file", "onnx2tf -i model.onnx -osd"),
    "a.pt": (b"PK\x03\x04", "is a PyTorch file", "ONNX"),
    "A.PTH": (b"\x80\x02", "is a PyTorch file", "ONNX"),
    "a.safetensors": (b"\x08", "PyTorch or JAX", "Build the model in Keras"),
    "saved_model.pb": (b"\x08\x01", "is the graph of a SavedModel", "Name its folder"),
    "frozen.pb": (b"\n\x01", "is a frozen graph of TensorFlow 1", "wrap_function"),
    "saved_model.pbtxt": (b"saved", "is a graph written as text", "tf.saved_model.save"),
    "a.meta": (b"\n", "TensorFlow 1 checkpoint", "import_meta_graph"),
    "a.mlmodel": (b"\x08", "is a Core ML file", "converted from"),
    "model.json": (b"{}", "is an architecture without weights", "architecture="),
    "a.weights.json": (b"{}", "in several files", "load_weights"),
    "a.npz": (b"PK\x03\x04", "is a file of NumPy", "set_weights"),
    "a.pkl": (b"\x80", "is a Python pickle", "model.save"),
    "a.ckpt": (b"PK\x05\x06" + bytes(18), "archive of something else", "model.save"),
    "x.data-00000-of-00001": (b"", "is half of a checkpoint", ".index"),
}


@pytest.mark.parametrize("name", FILES)
def test_other_files_are_named_with_the_way_to_convert_them(name, tmp_path):
    data, state, mend = FILES[name]
    (tmp_path / name).write_bytes(data)
    said = said_of(tmp_path / name)
    assert state in said and mend in said


def test_a_pytorch_file_under_another_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02")
    assert "is a PyTorch file" in said_of(tmp_path / "model.keras")


FOLDERS = {
    ("config.json", "metadata.json", "model.weights.h5"): ("is a .keras file, unpacked", "Pack it again"),
    ("model.json", "group1-shard1of1.bin"): ("TensorFlow.js", "tensorflowjs_converter"),
    ("saved_model.pbtxt",): ("written as text", "Write it as binary"),
    ("checkpoint", "ckpt-1.index", "ckpt-2.index"): ("with checkpoints", "ckpt-2'"),
    ("readme.txt",): ("without saved_model.pb", "Name the folder of the SavedModel"),
}


@pytest.mark.parametrize("files", FOLDERS)
def test_other_folders_are_named_with_the_way_out(files, tmp_path):
    for name in files:
        (tmp_path / name).write_bytes(b"")
    state, mend = FOLDERS[files]
    said = said_of(tmp_path)
    assert state in said and mend in said
    if "model.json" in files:
        packed = tmp_path.with_suffix(".mlpackage")
        packed.mkdir()
        assert "is a Core ML package" in said_of(packed)


def test_an_hdf5_file_of_data_is_no_model(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["images"] = np.zeros((2, 3))
    assert "is an HDF5 file of something else" in said_of(tmp_path / "data.h5")


def test_what_is_described_is_not_opened(tmp_path, monkeypatch):
    """A file with code in it is described: nothing runs."""
    inputs = keras.Input((4,))
    keras.Model(inputs, L.Lambda(lambda x: x)(inputs)).save(tmp_path / "code.keras")
    monkeypatch.setattr(keras.models, "load_model", lambda *args, **kwargs: pytest.fail("opened"))
    assert describe(tmp_path / "code.keras").format == "Keras 3 archive (.keras)"


def test_names_with_odd_characters(tmp_path):
    folder = tmp_path / "a [1]* b"
    folder.mkdir()
    small().save(folder / "m.keras")
    small().export(folder / "export", verbose=False)
    assert describe(folder / "m.keras").weight_bytes == WEIGHTS
    assert "a character of [ ] * ? in its path" in said_of(folder / "export")
    shutil.copytree(folder / "export", tmp_path / "a (1) ü")
    assert describe(str(tmp_path / "a (1) ü")).maker == "Keras 3 export"
    assert kv.load(tmp_path / "a (1) ü")(np.zeros((1, 6, 5, 3), "float32")).shape == (1, 2)


def test_a_description_of_a_large_file_reads_little(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    model = keras.Sequential([keras.Input((1000,)), L.Dense(2000)])  # 8 MB
    model.save(path)
    read = []
    opened = io.open

    def counting(*args, **kwargs):
        file = opened(*args, **kwargs)
        if args[0] == path or args[0] == str(path):
            original = file.read
            file.read = lambda *a: read.append(data := original(*a)) or data
        return file

    monkeypatch.setattr(io, "open", counting)
    if sys.version_info >= (3, 14):
        pytest.skip("pathlib opens files otherwise")
    describe(path)
    assert 0 < sum(map(len, read)) < 1_000_000
