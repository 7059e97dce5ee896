"""The command in-process, small networks in files, and pictures good and bad."""

import struct
import zlib

import keras
import numpy as np
import pytest
from keras import layers as L
from PIL import Image
from typer.testing import CliRunner

from kerasviz.cli import app


@pytest.fixture
def run():
    """Run the command; gives the result with `exit_code`, `stdout` and `stderr`."""

    def invoke(*words):
        # Wide, so that no table folds.
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(word) for word in words])

    return invoke


def color_network(shape=(16, 24, 3), classes=3, head="softmax", rescale=True):
    """Its class k is the mean of colour k over a rectified map, so that every answer is known.

    With one channel, class 0 is brightness, and class 1 its opposite.
    """
    channels = shape[-1]
    inputs = keras.Input(shape, name="image")
    x = L.Rescaling(1 / 255, name="rescale")(inputs) if rescale else inputs
    conv = L.Conv2D(channels, 1, activation="relu", name="conv")
    x = L.GlobalAveragePooling2D(name="gap")(L.AveragePooling2D(4, name="pool")(conv(x)))
    dense = L.Dense(classes, activation=head, name="classes")
    model = keras.Model(inputs, dense(x), name="colours")
    conv.set_weights([np.eye(channels)[None, None], np.zeros(channels)])
    kernel = np.eye(channels, classes) * 6 if channels > 1 else np.array([[4.0, -4.0, 1.0]])[:, :classes]
    dense.set_weights([kernel, np.zeros(classes)])
    return model


@pytest.fixture
def save_network(tmp_path):
    """Save a `color_network`; gives its path."""

    def save(*args, name="colours", **kwargs):
        path = tmp_path / f"{name}.keras"
        color_network(*args, **kwargs).save(path)
        return path

    return save


@pytest.fixture
def colors(save_network):
    """The path of a network that names colours, 16 x 24, and scales 0..255 itself."""
    return save_network()


@pytest.fixture
def labels(tmp_path):
    """The names of its classes."""
    path = tmp_path / "labels.txt"
    path.write_text("Fire engine\nGreen_tree\nSky\n", encoding="utf-8")
    return path


def spot(color, size=(40, 60), where=(slice(0, 20), slice(0, 20))):
    """A grey picture with a spot of one colour at its top left."""
    picture = np.full((*size, 3), 60, np.uint8)
    picture[where] = color
    return Image.fromarray(picture)


@pytest.fixture
def pictures(tmp_path):
    """A folder with a red, a green and a blue picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, color in {"red": (255, 0, 0), "green": (0, 255, 0), "sea": (0, 0, 255)}.items():
        spot(color).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def bad(pictures):
    """Four files among them that are no pictures; gives their names."""
    whole = (pictures / "red.png").read_bytes()
    (pictures / "cut.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "empty.jpg").write_bytes(b"")
    (pictures / "text.png").write_text("no picture")
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    (pictures / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )
    return ["bomb.png", "cut.png", "empty.jpg", "text.png"]
