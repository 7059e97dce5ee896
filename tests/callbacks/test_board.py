"""What TensorBoard shows: its own reader, its server, and its files beside those of Keras."""

import itertools
import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from keras import layers as L
from PIL import Image

import kerasviz as kv
from kerasviz.callbacks import Explain
from kerasviz.callbacks.board import Board
from kerasviz.callbacks.shots import Picture, Shot

accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

SIZE = (120, 100)


def read(run):
    board = accumulators.EventAccumulator(str(run), size_guidance={"tensors": 0})
    return board.Reload()


def decoded(png):
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def tile(path, i):
    """The picture of a sample on a sheet: pictures end two pixels above its lower edge."""
    with Image.open(path) as file:
        sheet = np.asarray(file)
    left = 2 + i * (SIZE[1] + 2)
    return sheet[-2 - SIZE[0] : -2, left : left + SIZE[1]]


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """Two callbacks and Keras's own in one folder."""
    folder = tmp_path_factory.mktemp("board")
    keras.utils.set_random_seed(0)
    # Only positive weights: no map is zero.
    up = keras.initializers.RandomUniform(0, 1, seed=1)
    layers = [
        L.Conv2D(3, 5, 4, activation="relu", kernel_initializer=up),
        L.Flatten(),
        L.Dense(2, kernel_initializer=up),
    ]
    model = keras.Sequential([keras.Input((*SIZE, 3)), *layers])
    model.compile(keras.optimizers.SGD(1e-8), "mse", run_eagerly=True)
    x = np.random.default_rng(0).uniform(size=(4, *SIZE, 3)).astype("float32")
    common = {"images": 2, "folder": folder / "album", "log_dir": folder / "logs", "initial": True}
    watches = [
        Explain("grad_cam", x, target=[0, 1], labels=["Katze", "Hündin"], **common),
        Explain("saliency", x, unit="batch", **common),
    ]
    board = keras.callbacks.TensorBoard(folder / "logs", write_graph=False)
    model.fit(x, np.eye(2)[[0, 1, 0, 1]], batch_size=2, epochs=2, verbose=0, callbacks=[*watches, board])
    return folder, watches


@pytest.mark.slow
def test_events_are_what_was_seen(training):
    folder, [cam, saliency] = training
    board = read(folder / "logs" / "kerasviz" / "grad_cam")
    tags = ["grad_cam/Katze/0", "grad_cam/Hündin/1", "grad_cam/score", "grad_cam/similarity"]
    assert sorted(board.Tags()["tensors"]) == sorted(tags)
    for i, tag in enumerate(tags[:2]):
        events = board.Tensors(tag)
        assert [event.step for event in events] == [-1, 0, 1]
        for event in events:
            width, height, png = event.tensor_proto.string_val
            assert (width, height) == (b"100", b"120")
            sheet = folder / "album" / f"grad_cam-epoch-{event.step + 1:04d}.png"
            np.testing.assert_array_equal(decoded(png), tile(sheet, i))
        assert board.SummaryMetadata(tag).plugin_data.plugin_name == "images"
    scores = [float(event.tensor_proto.float_val[0]) for event in board.Tensors("grad_cam/score")]
    assert scores == [np.float32(explanation.score.mean()) for _, explanation in cam.history]
    maps = [explanation.values.reshape(2, -1) for _, explanation in cam.history]
    alike = [
        np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(before, now, strict=True)])
        for before, now in itertools.pairwise(maps)
    ]
    found = [(event.step, float(event.tensor_proto.float_val[0])) for event in board.Tensors("grad_cam/similarity")]
    assert [step for step, _ in found] == [0, 1]
    np.testing.assert_allclose([value for _, value in found], alike, rtol=1e-5)
    # The other one counts batches, and names no class.
    board = read(folder / "logs" / "kerasviz" / "saliency")
    assert [event.step for event in board.Tensors("saliency/0")] == [0, 1, 2, 3, 4] == [n for n, _ in saliency.history]
    png = board.Tensors("saliency/1")[3].tensor_proto.string_val[2]
    np.testing.assert_array_equal(decoded(png), tile(folder / "album" / "saliency-batch-0003.png", 1))
    assert [event.step for event in read(folder / "logs" / "train").Tensors("epoch_loss")] == [0, 1]


@pytest.mark.slow
def test_a_real_tensorboard_shows_them(training):
    folder, [cam, _] = training
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder / "logs"), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"NO_PROXY": "*"}) as server:
        try:
            address = next(found[0] for line in server.stderr if (found := re.search(r"http://\S+", line)))

            def fetch(path, **query):
                url = f"{address}data/plugin/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                with opener.open(url, timeout=60) as answer:
                    return answer.read()

            def found(path, **query):
                return json.loads(fetch(path, **query))

            run = {"run": "kerasviz/grad_cam"}
            tags = found("images/tags")
            assert set(tags) == {"kerasviz/grad_cam", "kerasviz/saliency"}
            assert set(tags["kerasviz/grad_cam"]) == {"grad_cam/Katze/0", "grad_cam/Hündin/1"}
            for i, tag in enumerate(["grad_cam/Katze/0", "grad_cam/Hündin/1"]):
                images = found("images/images", tag=tag, sample=0, **run)
                assert [image["step"] for image in images] == [-1, 0, 1]
                for image in images:
                    pixels = decoded(fetch(f"images/individualImage?{image['query']}"))
                    sheet = folder / "album" / f"grad_cam-epoch-{image['step'] + 1:04d}.png"
                    np.testing.assert_array_equal(pixels, tile(sheet, i))
            assert set(found("scalars/tags")) == {"kerasviz/grad_cam", "kerasviz/saliency", "train"}
            scores = found("scalars/scalars", tag="grad_cam/score", **run)
            assert [step for _, step, _ in scores] == [-1, 0, 1]
            np.testing.assert_allclose(
                [value for _, _, value in scores], [each.score.mean() for _, each in cam.history], rtol=1e-6
            )
        finally:
            server.terminate()


def test_a_board_that_is_open_is_read_on_while_others_write(tmp_path):
    boards = [Board(tmp_path, name) for name in ("a", "b")]
    for board in boards:
        board.open()
    readers = [accumulators.EventAccumulator(str(tmp_path / "kerasviz" / name)) for name in ("a", "b")]
    for step in range(3):
        for board in boards:
            board.write(step + 1, step, Shot(None, (), {"one": step}))
        for reader, name in zip(readers, ("a", "b"), strict=True):
            assert [event.step for event in reader.Reload().Tensors(f"{name}/one")] == list(range(step + 1))


def test_titles_go_with_their_pictures(tmp_path):
    board = Board(tmp_path, "a")
    board.open()
    board.write(1, 0, Shot(None, (Picture("0", "cat, 3.1", np.zeros((2, 3, 3), np.uint8)),), {}))
    assert read(tmp_path / "kerasviz" / "a").SummaryMetadata("a/0").summary_description == "cat, 3.1"


WITHOUT = """
import sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] == "tensorboard" else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Without
import numpy as np
from kerasviz.callbacks import Explain
Explain("saliency", np.ones((2, 3)), folder="there")
print("without log_dir")
Explain("saliency", np.ones((2, 3)), log_dir="there")
"""


@pytest.mark.slow
def test_without_tensorboard_it_is_an_error_in_one_line(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(kv.__file__).parents[1])}
    run = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert run.stdout.strip() == "without log_dir"
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("kerasviz.errors.PackageError: log_dir= is given, and TensorBoard is not installed")
    assert 'pip install "kerasviz[tensorboard]"' in last
    assert not (tmp_path / "there").exists()
