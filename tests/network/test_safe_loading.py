"""Files that would run code, and files that are whole outside and damaged inside."""

import json
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
    """Older versions of Keras run it, whatever `safe_mode` says."""
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
        assert "safe_mode=False only if you trust" in refused(path.with_name("other.h5"))


def test_allowed_code_in_an_hdf5_file_runs(with_code):
    path, model = with_code
    x = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(kv.load(path, safe_mode=False)(x), model(x))


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
        ("config.json", half, "cannot be opened: JSONDecodeError"),
        ("metadata.json", half, "is truncated or damaged"),
        ("metadata.json", lambda data: b"[]", "is truncated or damaged"),
        ("metadata.json", lambda data: b"{}", "is truncated or damaged"),
        ("config.json", lambda data: b"[]", "cannot be opened: TypeError"),
        ("config.json", lambda data: data.replace(b"Conv2D", b"Conv9D"), "Conv9D"),
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
