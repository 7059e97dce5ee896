"""Files that would run code, and files that are whole outside and damaged inside."""

import json
import re
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest
import zoo
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import LoadError

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


def refused(path, **options):
    with pytest.raises(LoadError) as error:
        kv.load(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def with_code(tmp_path):
    model = keras.Sequential([keras.Input((4,)), L.Lambda(lambda x: x * 3), L.Dense(2)])
    model.save(tmp_path / "code.h5")
    return tmp_path / "code.h5", model


def test_code_in_an_hdf5_file_is_refused_before_keras_sees_it(with_code, monkeypatch):
    """Older versions of Keras run it, whatever their `safe_mode` says."""
    path, _ = with_code

    def run(*args, **kwargs):
        pytest.fail("Keras was asked to open the file")

    monkeypatch.setattr(keras.models, "load_model", run)
    assert "holds a Lambda layer with Python code" in refused(path)
    # The same word behind an escape sequence, and the spelling of Keras 2.
    for old, new in (("__lambda__", "\\u005f_lambda__"), ('"__lambda__"', '"x", "function_type": "lambda"')):
        shutil.copy(path, path.with_name("other.h5"))
        with h5py.File(path.with_name("other.h5"), "r+") as file:
            config = file.attrs["model_config"]
            assert old in config
            file.attrs["model_config"] = config.replace(old, new)
        assert "unsafe=True only if you trust" in refused(path.with_name("other.h5"))


def test_allowed_code_in_an_hdf5_file_runs(with_code):
    path, model = with_code
    x = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(kv.load(path, unsafe=True)(x), model(x))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_an_unknown_class_is_named(suffix, tmp_path):
    class Doubled(L.Layer):
        def call(self, x):
            return 2 * x

    path = tmp_path / f"own{suffix}"
    keras.Sequential([keras.Input((4,)), Doubled(), L.Dense(1)]).save(path)
    assert "does not know: 'Doubled'. Expected" in refused(path)
    np.testing.assert_array_equal(kv.load(path, custom_objects={"Doubled": Doubled}).layers[0](np.ones((1, 4))), 2)


def half(data):
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("member", "change", "words"),
    [
        ("model.weights.h5", half, "is truncated or damaged"),
        ("config.json", half, "has a damaged configuration: "),
        ("metadata.json", half, "is truncated or damaged"),
        ("metadata.json", lambda data: b"[]", "is truncated or damaged"),
        ("metadata.json", lambda data: b"{}", "is truncated or damaged"),
        ("config.json", lambda data: b"[]", "it is not that of a model"),
        ("config.json", lambda data: data.replace(b"Conv2D", b"Conv9D"), "Conv9D"),
        # The cause, of what Keras says about all layers around it.
        ("config.json", lambda data: re.sub(rb'"strides": \[1, 1\]', b'"strides": [0, 0]', data), "strides"),
    ],
)
def test_an_archive_damaged_inside_is_refused(member, change, words, tmp_path):
    zoo.ZOO["functional"]().model.save(tmp_path / "whole.keras")
    with zipfile.ZipFile(tmp_path / "whole.keras") as old, zipfile.ZipFile(tmp_path / "bad.keras", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if name == member else data)
    assert words in refused(tmp_path / "bad.keras")


def test_flipped_bits_never_pass(tmp_path):
    """An archive has checksums: wherever it is damaged, a LoadError comes out and nothing else."""
    model = keras.Sequential([keras.Input((6, 6, 3)), L.Conv2D(2, 3), L.Flatten(), L.Dense(2)])
    path = tmp_path / "model.keras"
    model.save(path)
    data, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(25):
        bad = bytearray(data)
        for place in rng.integers(0, len(data), 12):
            bad[place] ^= 255
        path.write_bytes(bad)
        refused(path)


def test_a_wrong_ending_says_which_is_right(tmp_path):
    model = zoo.ZOO["functional"]().model
    for ending, others in ((".keras", [".h5", ".zip", ".KERAS"]), (".h5", [".keras", ".H5", ".model"])):
        model.save(tmp_path / f"model{ending}")
        for other in others:
            named = tmp_path / f"other{ending[1]}{other}"
            shutil.copy(tmp_path / f"model{ending}", named)
            assert f"ends in {ending}." in refused(named)
            named.unlink()


def test_a_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    path.write_bytes(b"PK")

    def denied(self, *args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", denied)
    assert "cannot be read: Permission denied" in refused(path)


def test_the_version_of_the_file_is_compared_as_numbers(tmp_path):
    """3.9 is older than 3.15, and another patch of the same version is no reason to refuse."""
    zoo.ZOO["functional"]().model.save(tmp_path / "now.keras")
    major, minor = map(int, keras.__version__.split(".")[:2])

    def rewritten(version):
        with zipfile.ZipFile(tmp_path / "now.keras") as old, zipfile.ZipFile(tmp_path / "then.keras", "w") as new:
            for name in old.namelist():
                data = old.read(name)
                if name == "metadata.json":
                    data = json.dumps({**json.loads(data), "keras_version": version})
                new.writestr(name, data)
        return tmp_path / "then.keras"

    for version in ("3.0.0", "3.2.1", f"{major}.{minor}.99"):
        assert kv.load(rewritten(version)).count_params() > 0
    for version in (f"{major}.{minor + 1}.0", f"{major + 1}.0.0", f"{major}.{minor + 100}.0rc1"):
        assert f"was written by Keras {version}" in refused(rewritten(version))


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """A file that code from a model would write; its path is what the code finds in the environment."""
    path = tmp_path / "canary"
    monkeypatch.setenv("CANARY", str(path))
    yield path
    assert not path.exists(), "code of the file ran"


def plain():
    return keras.Sequential([keras.Input((4,)), L.Dense(2, name="dense"), L.ReLU(name="relu")])


def with_config(path, change):
    """Save `plain` with its configuration changed by a function of the parsed one."""
    plain().save(path)
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config)
            file.attrs["model_config"] = json.dumps(config)
        return path
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config)
    with zipfile.ZipFile(path, "w") as new:
        for name, data in members.items():
            new.writestr(name, data)
    return path


CODE = "import os; open(os.environ['CANARY'], 'w').close()"


def lambda_code():
    """Marshalled code that writes the canary, as Keras 2 and 3 put it into files."""
    function = keras.layers.Lambda(lambda x: exec("import os; open(os.environ['CANARY'], 'w').close()") or x)
    return keras.saving.serialize_keras_object(function)["config"]["function"]


def put(layer):
    def change(config):
        config["config"]["layers"][2] = {**config["config"]["layers"][2], **layer}

    return change


def lambda_of(function, **settings):
    return put({"class_name": "Lambda", "config": {"name": "code", "function": function, **settings}})


def named(module, name):
    """A function as Keras 3 names it."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


HOSTILE = {
    "lambda": (lambda: lambda_of(lambda_code()), "a Lambda layer with Python code"),
    "lambda of Keras 2": (
        lambda: lambda_of([lambda_code()["config"]["code"], None, None], function_type="lambda"),
        "a Lambda layer with Python code",
    ),
    "its output shape": (
        lambda: lambda_of(named("keras.activations", "relu"), output_shape=lambda_code()),
        "a Lambda layer with Python code",
    ),
    "builtin": (lambda: lambda_of(named("builtins", "exec")), "does not know: 'exec'"),
    "module": (lambda: lambda_of(named("os", "system")), "does not know: 'system'"),
    "function of Keras": (lambda: lambda_of(named("keras.utils", "get_file")), "does not know: 'get_file'"),
    "function as a class": (
        lambda: lambda_of({"module": "keras.src.utils.file_utils", "class_name": "get_file", "config": {}}),
        "does not know: 'get_file'",
    ),
    "class": (
        lambda: put(
            {"module": "subprocess", "class_name": "Popen", "registered_name": "Popen", "config": {"args": "ls"}}
        ),
        "does not know: 'Popen'",
    ),
    "SavedModel": (
        lambda: put(
            {"class_name": "TFSMLayer", "config": {"name": "t", "filepath": "/tmp/x", "call_endpoint": "serve"}}
        ),
        "a TFSMLayer, which runs a SavedModel",
    ),
    "PyTorch": (
        lambda: put({"class_name": "TorchModuleWrapper", "config": {"name": "t", "module": {}}}),
        "a PyTorch module as Python pickle",
    ),
    "vocabulary": (
        lambda: put({"class_name": "StringLookup", "config": {"name": "s", "vocabulary": "/etc/passwd"}}),
        "reads the file '/etc/passwd'",
    ),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("how", HOSTILE)
def test_what_a_configuration_would_run_is_refused_before_keras_sees_it(how, suffix, tmp_path, canary, monkeypatch):
    change, words = HOSTILE[how]
    path = with_config(tmp_path / f"model{suffix}", change())

    def run(*args, **kwargs):
        pytest.fail("Keras was asked to open the file")

    with monkeypatch.context() as patch:
        patch.setattr(keras.saving, "deserialize_keras_object", run)
        patch.setattr(keras.models, "load_model", run)
        assert words in refused(path)
    # The architecture of other weights is looked at with the same eyes.
    config = h5py.File(path).attrs["model_config"] if suffix == ".h5" else zipfile.ZipFile(path).read("config.json")
    (tmp_path / "model.json").write_bytes(config if isinstance(config, bytes) else config.encode())
    plain().save_weights(tmp_path / "w.weights.h5")
    assert words in refused(tmp_path / "w.weights.h5", architecture=tmp_path / "model.json")


def test_functions_of_keras_and_of_ones_own_are_no_code(tmp_path):
    def relu(config):
        config["config"]["layers"][2] = {
            **config["config"]["layers"][2],
            "class_name": "Lambda",
            "config": {"name": "code", "function": named("keras.ops", "relu"), "arguments": {}},
        }

    model = kv.load(with_config(tmp_path / "model.keras", relu))
    assert model(np.full((1, 4), -1.0, "float32")).numpy().min() >= 0

    @keras.saving.register_keras_serializable(package="kerasviz_test")
    def threefold(x):
        return 3 * x

    inputs = keras.Input((4,))
    keras.Model(inputs, L.Lambda(threefold)(inputs)).save(tmp_path / "own.keras")
    np.testing.assert_array_equal(kv.load(tmp_path / "own.keras")(np.ones((1, 4), "float32")), 3)


def test_pickled_weights_are_refused(tmp_path, canary):
    """Old versions of Keras unpickle them."""
    plain().save(tmp_path / "a.keras")

    class Runs:
        def __reduce__(self):
            return exec, (CODE,)

    np.savez(tmp_path / "w.npz", a=np.array([Runs()], dtype=object))
    with zipfile.ZipFile(tmp_path / "a.keras") as old, zipfile.ZipFile(tmp_path / "b.keras", "w") as new:
        for name in ("config.json", "metadata.json"):
            new.writestr(name, old.read(name))
        new.write(tmp_path / "w.npz", "model.weights.npz")
    assert "weights as Python pickles" in refused(tmp_path / "b.keras")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/tmp/kerasviz_evil", "a path that leads out"),
        ("assets/../../evil", "a path that leads out"),
        ("assets\\..\\evil", "a path that leads out"),
        ("C:/evil", "a path that leads out"),
        ("config.json", "holds 'config.json' twice"),
        ("link", "a link to another file"),
        ("secret", "Unpack it with its password"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_with_tricks_are_refused(name, words, tmp_path):
    path = tmp_path / "model.keras"
    plain().save(path)
    with zipfile.ZipFile(path, "a") as archive:
        member = zipfile.ZipInfo(name)
        if name == "link":
            member.external_attr = 0o120777 << 16
        archive.writestr(member, "{}")
        member.flag_bits |= name == "secret"
    assert words in refused(path)


def nested(levels):
    deep = {}
    for _ in range(levels):
        deep = {"a": deep}
    return deep


@pytest.mark.parametrize("levels", [300, 100_000])
def test_absurd_nesting_is_an_error_of_one_line(levels, tmp_path):
    path = tmp_path / "model.keras"
    plain().save(path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "deep.keras", "w") as new:
        for name in old.namelist():
            data = old.read(name).decode("latin1")
            if name == "config.json":
                data = data.replace(
                    '"config": {', '"config": {"a": ' + '{"a": ' * levels + "1" + "}" * levels + ", ", 1
                )
            new.writestr(name, data.encode("latin1"))
    assert "nests its configuration deeper than 200 levels" in refused(tmp_path / "deep.keras")


def functional(tmp_path, change, suffix=".keras"):
    inputs = keras.Input((4,), name="in")
    x = L.Dense(3, name="a")(inputs)
    model = keras.Model(inputs, L.Dense(2, name="c")(L.Dense(3, name="b")(x)))
    path = tmp_path / f"graph{suffix}"
    model.save(path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "changed.keras", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                config = json.loads(data)
                change({layer["name"]: layer for layer in config["config"]["layers"]}, config["config"]["layers"])
                data = json.dumps(config)
            new.writestr(name, data)
    return tmp_path / "changed.keras"


def source(layer):
    return layer["inbound_nodes"][0]["args"][0]["config"]["keras_history"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda named, layers: source(named["a"]).__setitem__(0, "b"), "takes the output of call 0 of"),
        (
            lambda named, layers: source(named["a"]).__setitem__(0, "a"),
            "'a' takes the output of call 0 of 'a', which never",
        ),
        (
            lambda named, layers: source(named["b"]).__setitem__(0, "z"),
            "'b' takes the output of 'z', which is no layer",
        ),
        (
            lambda named, layers: source(named["b"]).__setitem__(1, 1),
            "'b' takes the output of call 1 of 'a', which never",
        ),
        (lambda named, layers: source(named["b"]).__setitem__(1, -1), "'b' takes the output of call -1 of 'a'"),
        (lambda named, layers: layers.append(named["a"]), "two of its layers have the same name"),
        (lambda named, layers: named["a"].pop("inbound_nodes"), "its layers are not as Keras writes them"),
        (lambda named, layers: layers.append(7), "its layers are not as Keras writes them"),
    ],
)
def test_a_configuration_with_a_loop_is_refused(change, words, tmp_path):
    """Some versions of Keras follow it for ever."""
    assert words in refused(functional(tmp_path, change))


def test_layers_in_any_order_are_no_loop(tmp_path):
    assert kv.load(functional(tmp_path, lambda named, layers: layers.reverse())).count_params() == 15 + 12 + 8


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", sorted(zoo.ZOO))
def test_no_model_of_any_kind_is_refused(name, suffix, tmp_path):
    model = zoo.ZOO[name]().model
    own = {type(layer).__name__: type(layer) for layer in [model, *model._flatten_layers()]}
    own = {name: kind for name, kind in own.items() if not kind.__module__.startswith("keras.")}
    try:
        model.save(tmp_path / f"model{suffix}")
    except (NotImplementedError, TypeError):
        pytest.skip("Keras cannot save it so")
    try:
        expected = keras.models.load_model(tmp_path / f"model{suffix}", compile=False, custom_objects=own)
    except Exception as error:
        pytest.skip(f"Keras itself cannot load it: {error}")
    loaded = kv.load(tmp_path / f"model{suffix}", custom_objects=own)
    for got, wanted in zip(loaded.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(got, wanted)
