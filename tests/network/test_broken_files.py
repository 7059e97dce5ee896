"""Broken files of every kind: one line from Python, one line and exit code 2 from the command, no code run."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L
from typer.testing import CliRunner

import kerasviz as kv
from kerasviz.cli import app
from kerasviz.errors import LoadError

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")

POINTS = 50
KINDS = (
    "model.keras",
    "model.h5",
    "folder/saved_model.pb",
    "folder/variables/variables.index",
    "folder/variables/data",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A tiny network in every format, by the name of the file that is going to be broken."""
    folder = tmp_path_factory.mktemp("whole")
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 3))
    x = L.Conv2D(3, 3, activation="relu", name="conv")(inputs)
    model = keras.Model(inputs, L.Dense(2, activation="softmax", name="out")(L.GlobalAveragePooling2D()(x)))
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    model.save_weights(folder / "model.weights.h5")
    model.export(folder / "folder", verbose=False)
    return folder


def broken(whole, kind, folder, change):
    """A copy of a file, its bytes changed; gives what a user would name."""
    if not kind.startswith("folder/"):
        (folder / kind).write_bytes(change((whole / kind).read_bytes()))
        return folder / kind
    shutil.copytree(whole / "folder", folder / "folder", dirs_exist_ok=True)
    file = kind.replace("variables/data", "variables/variables.data-00000-of-00001")
    (folder / file).write_bytes(change((whole / file).read_bytes()))
    return folder / "folder"


def cut_at(share):
    return lambda data: data[: int(share * len(data))]


def shares(kind):
    """Random points from the first byte to the last but one, other ones for each kind."""
    seed = int.from_bytes(hashlib.sha256(kind.encode()).digest()[:4], "little")
    return np.random.default_rng(seed).uniform(0, 1, POINTS)


def one_line(path, **options):
    """What a file is refused with."""
    with pytest.raises(LoadError) as error:
        kv.load(path, **options)
    text = str(error.value)
    assert "\n" not in text and "Traceback" not in text and 40 < len(text) < 700
    return text


def test_the_whole_ones_open(whole):
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    expected = np.asarray(kv.load(whole / "model.keras")(x))
    for name in ("model.h5", "folder"):
        np.testing.assert_allclose(kv.load(whole / name)(x), expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_anywhere_is_refused(kind, whole, tmp_path):
    for share in shares(kind):
        path = broken(whole, kind, tmp_path, cut_at(share))
        said = one_line(path)
        assert str(path) in said and "Copy or save" in said, (share, said)


@pytest.mark.parametrize("kind", [*KINDS[:2], "model.weights.h5"])
def test_weights_cut_anywhere_fit_no_architecture(kind, whole, tmp_path):
    architecture = kv.load(whole / "model.keras")
    for share in shares(kind)[:10]:
        assert "Copy or save" in one_line(broken(whole, kind, tmp_path, cut_at(share)), architecture=architecture)


def test_a_byte_less_is_noticed(whole, tmp_path):
    """Where the values of the variables end: TensorFlow reads those it needs, and would miss no others."""
    for kind in KINDS:
        for less in (1, 2, 7):
            one_line(broken(whole, kind, tmp_path, lambda data, less=less: data[:-less]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_says_one_line(kind, whole, tmp_path):
    for share in shares(kind)[:20]:
        path = broken(whole, kind, tmp_path, cut_at(share))
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["inspect", str(path)])
        assert result.exit_code == 2 and result.stdout == "", (share, result.output)
        (line,) = result.stderr.splitlines()
        assert line.startswith("error: ") and "Traceback" not in line


FOREIGN = {
    "empty": b"",
    "text": b"this is no model\n" * 50,
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "another zip": None,
    "magic alone": b"\x89HDF\r\n\x1a\n",
    "zip magic alone": b"PK\x03\x04",
    "zeros": bytes(5000),
    "random": np.random.default_rng(1).bytes(5000),
}


@pytest.mark.parametrize("content", FOREIGN)
@pytest.mark.parametrize("kind", KINDS)
def test_foreign_contents_under_any_name(kind, content, whole, tmp_path):
    data = FOREIGN[content]
    if data is None:
        with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
            archive.writestr("word/document.xml", "<w/>")
        data = (tmp_path / "other.zip").read_bytes()
    said = one_line(broken(whole, kind, tmp_path, lambda _: data))
    assert "cannot be opened" not in said or kind.startswith("folder"), said


@pytest.mark.parametrize("kind", ["model.keras", "model.h5"])
def test_bytes_overwritten_anywhere_give_the_model_or_one_line(kind, whole, tmp_path):
    """HDF5 has no checksums, so that a changed value may pass; nothing else may come of it."""
    rng = np.random.default_rng(2)
    for _ in range(30):

        def change(data):
            data = bytearray(data)
            for place in rng.integers(0, len(data), 6):
                data[place] = rng.integers(256)
            return bytes(data)

        path = broken(whole, kind, tmp_path, change)
        try:
            assert isinstance(kv.load(path), keras.Model)
        except LoadError as error:
            assert "\n" not in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder/saved_model.pb", "folder/variables/variables.index", "folder/variables/data"])
def test_overwritten_bytes_of_a_saved_model(kind, whole, tmp_path):
    """In a process of its own: TensorFlow ends the process on some damage that protocol buffers let through."""
    rng = np.random.default_rng(3)
    paths = []
    for n in range(25):

        def change(data):
            data = bytearray(data)
            for place in rng.integers(0, len(data), 3):
                data[place] = rng.integers(256)
            return bytes(data)

        (tmp_path / str(n)).mkdir()
        paths.append(str(broken(whole, kind, tmp_path / str(n), change)))
    script = f"""
        import kerasviz as kv
        for path in {paths!r}:
            try:
                kv.load(path)
            except kv.errors.KerasvizError as error:
                assert "\\n" not in str(error)
            print(path)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.split() == paths, done.stderr[-2000:]


#: Runs the command, and says on the last line of stderr how many kilobytes it took. Not what `resource` says: that
#: counts the process that started it, too.
COMMAND = """
import pathlib, re, sys
from kerasviz.cli import main
try:
    main()
finally:
    print("peak", re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1], file=sys.stderr)
"""


def command(*words, **environment):
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
    )
    *lines, last = done.stderr.splitlines()
    # TensorFlow's own lines, from before its logging starts.
    ours = [line for line in lines if not re.match(r"WARNING: All log messages before|[IWE]\d{4} ", line)]
    return done, ours, int(last.removeprefix("peak "))


def hostile(folder, canary):
    """A file of each kind whose code would write the canary, and files that claim ten gigabytes or never end."""
    writes = f"open({str(canary)!r}, 'w').close()"
    keras.Sequential([keras.Input((4,)), L.Lambda(eval(f"lambda x: exec({writes!r}) or x")), L.Dense(2)]).save(
        folder / "code.keras"
    )
    shutil.copy(folder / "code.keras", folder / "x.keras")
    keras.models.load_model(folder / "x.keras", safe_mode=False).save(folder / "code.h5")
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32)])
    def call(x):
        with tf.control_dependencies([tf.io.write_file(str(canary), "ran")]):
            return tf.nn.relu(x)

    module.call = call
    tf.saved_model.save(module, folder / "code", {"serving_default": call})
    plain = keras.Input((4,), name="in")
    keras.Model(plain, L.Dense(2, name="b")(L.Dense(3, name="a")(plain))).save(folder / "plain.keras")
    with zipfile.ZipFile(folder / "plain.keras") as old:
        members = {name: old.read(name) for name in old.namelist()}
    config = json.loads(members["config.json"])
    claim, loop = json.loads(json.dumps(config)), config
    claim["config"]["layers"][1]["config"]["units"] = 650_000_000
    loop["config"]["layers"][1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = "b"
    for name, changed in (("claim.keras", claim), ("loop.keras", loop)):
        with zipfile.ZipFile(folder / name, "w") as new:
            for member, data in members.items():
                new.writestr(member, json.dumps(changed) if member == "config.json" else data)
    canary.unlink(missing_ok=True)
    return ["code.keras", "code.h5", "code", "claim.keras", "loop.keras"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much memory a process took")
def test_the_installed_command_on_hostile_files(whole, tmp_path):
    canary = tmp_path / "canary"
    paths = [tmp_path / name for name in hostile(tmp_path, canary) if name != "code.h5"]
    paths.append(broken(whole, KINDS[4], tmp_path, cut_at(0.7)))
    for path in paths:
        done, lines, kilobytes = command("inspect", path)
        assert done.returncode == 2 and done.stdout == "", (path, done.stderr)
        assert len(lines) == 1 and lines[0].startswith("error: ") and path.name in lines[0], (path, done.stderr)
        assert kilobytes < 1_000_000, path
        assert not canary.exists(), path
    # So that the canary means something:
    done, _, _ = command("inspect", tmp_path / "code.keras", "--unsafe")
    assert canary.exists(), done.stderr


def test_the_hostile_files_are_hostile(tmp_path):
    """In this process, where what is refused can be told from what fails."""
    canary = tmp_path / "canary"
    hostile(tmp_path, canary)
    for name in ("code.keras", "code.h5", "code"):
        assert "unsafe=True only if you trust" in one_line(tmp_path / name)
    assert not canary.exists()
    kv.load(tmp_path / "code.h5", unsafe=True)
    assert canary.exists()
    canary.unlink()
    tf.saved_model.load(str(tmp_path / "code")).signatures["serving_default"](tf.ones((1, 3)))
    assert Path(canary).read_text() == "ran"
