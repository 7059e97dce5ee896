"""`kerasviz dissect`: what it writes, what it refuses, and how it goes on."""

import csv
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from kerasviz.data import shapes
from kerasviz.data.concepts import SceneConcepts, write_concept_folder
from kerasviz.features.dissection.counting import count_detectors
from kerasviz.features.dissection.record import Dissection
from kerasviz.features.dissection.rotation import random_rotation
from kerasviz.features.dissection.running import dissect

SMALL = ("--images", 24, "--map-size", 32)


@pytest.fixture
def folder(tmp_path):
    """24 scenes as a folder of images and masks."""
    return write_concept_folder(SceneConcepts(24, map_size=(32, 32)), tmp_path / "data")


def document(result):
    assert result.exit_code < 2, result.stderr
    return json.loads(result.stdout)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_results_are_those_of_python(run, tmp_path):
    out = tmp_path / "out"
    found = document(run("dissect", "shapes", "-l", "relu5", "-l", "relu3", *SMALL, "-o", out, "--json"))
    expected = dissect(shapes.shapes_model(), ["relu5", "relu3"], SceneConcepts(24, map_size=(32, 32)))
    assert found["complete"] and [one["layer"] for one in found["results"]] == ["relu5", "relu3"]
    names = [f"relu{k}{end}" for k in (3, 5) for end in ("", ".csv", ".html", ".json")]
    assert files(out) == sorted(["cache", "manifest.json", *names])
    for entry in found["results"]:
        record, counts = expected[entry["layer"]], count_detectors(expected[entry["layer"]])
        assert entry["units"] == len(record) and entry["detectors"] == counts.detectors > 0
        assert (entry["unique_best"], entry["unique_every"]) == (counts.unique_best, counts.unique_every)
        saved = Dissection.load(out / entry["arrays"])
        np.testing.assert_array_equal(saved.tallies.intersections, record.tallies.intersections)
        np.testing.assert_array_equal(saved.top.numbers, record.top.numbers)
        with (out / entry["csv"]).open(newline="") as table:
            rows = list(csv.DictReader(table))
        assert float(rows[0]["score"]) == record.best.iou.max() and len(rows) == len(record)
        assert json.loads((out / entry["json"]).read_text())["detectors"]["units"] == counts.detectors
        assert (out / entry["html"]).read_text().count('<li class="unit') == len(record)
    assert json.loads((out / "manifest.json").read_text()) == found


@pytest.mark.slow
def test_folders_and_skipped_images(run, folder, tmp_path):
    """The same scenes from files give the same counts; a damaged file is named, and costs no more than itself."""
    words = ("dissect", "shapes", "-l", "relu5", "--json", "--map-size", 32)
    drawn = document(run(*words, "--images", 24, "-o", tmp_path / "a"))["results"][0]
    read = document(run(*words, "--data", folder, "-o", tmp_path / "b"))["results"][0]
    assert read["by_category"] == drawn["by_category"] and read["images"] == 24
    (folder / "images" / "000007.png").write_bytes(b"no picture")
    result = run(*words, "--data", folder, "-o", tmp_path / "c")
    found = document(result)
    assert result.exit_code == 1 and found["results"][0]["images"] == 23
    assert "skipped: images/000007.png" in result.stderr and "000007.png" in found["skipped"][0]
    result = run("dissect", "shapes", "-l", "relu5", "--data", folder, "--images", 5, "-o", tmp_path / "d")
    assert result.stdout.startswith("relu5, 5 images; ") and "of 64 units" in result.stdout


@pytest.mark.slow
def test_rotation(run, tmp_path):
    words = ("dissect", "shapes", "-l", "relu5", *SMALL, "-o", tmp_path, "--seed", 3, "--json")
    plain, turned = document(run(*words))["results"] + document(run(*words, "--rotation", 0.5))["results"][1:]
    assert (plain["csv"], turned["csv"]) == ("relu5.csv", "relu5-rotated-0.5.csv")
    basis = random_rotation(64, seed=3, power=0.5)
    data = SceneConcepts(24, map_size=(32, 32))
    (expected,) = dissect(shapes.shapes_model(), "relu5", data, basis=basis, seed=3).values()
    saved = Dissection.load(tmp_path / turned["arrays"])
    np.testing.assert_array_equal(saved.tallies.intersections, expected.tallies.intersections)
    assert saved.settings["rotation"] == {"power": 0.5, "seed": 3}
    assert turned["by_category"] == count_detectors(expected).rows()[:-1] != plain["by_category"]


@pytest.mark.slow
def test_the_same_again_adds_another_replaces_only_when_told(run, tmp_path):
    words = ("dissect", "shapes", *SMALL, "-o", tmp_path)
    first = document(run(*words, "-l", "relu5", "--json"))
    cached = files(tmp_path / "cache")
    both = document(run(*words, "-l", "relu3", "--json"))
    assert both["results"][0] == first["results"][0] and both["results"][1]["layer"] == "relu3"
    again = document(run(*words, "-l", "relu5", "--json"))
    assert again == both and set(cached) < set(files(tmp_path / "cache"))
    result = run(*words, "-l", "relu5", "--fraction", 0.01)
    assert result.exit_code == 2 and "holds the results of another run: fraction 0.005 instead of 0.01" in result.stderr
    assert json.loads((tmp_path / "manifest.json").read_text()) == both
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "relu3" / "mine.txt").write_text("mine")
    anew = document(run(*words, "-l", "relu5", "--fraction", 0.01, "--overwrite", "--json"))
    assert anew["request"]["fraction"] == 0.01 and [one["layer"] for one in anew["results"]] == ["relu5"]
    assert len(files(tmp_path / "cache")) == 1 and not set(files(tmp_path / "cache")) & set(cached)
    assert (tmp_path / "notes.txt").exists() and files(tmp_path / "relu3") == ["mine.txt"]
    assert not (tmp_path / "relu3.csv").exists()


@pytest.mark.slow
def test_a_killed_run_goes_on(run, tmp_path):
    """Killed while it dissects, the same command ends with the result of a run that was not."""
    words = ["dissect", "shapes", "-l", "relu5", "--images", "500", "--map-size", "16", "--json", "-o"]
    program = (
        "import kerasviz.features.dissection.checkpoints as checkpoints, sys\n"
        "begin = checkpoints.Checkpoint.__init__\n"
        "checkpoints.Checkpoint.__init__ = lambda self, path, seconds: begin(self, path, 0.2)\n"
        "from kerasviz.cli import main; main()"
    )
    out = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words, out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list((out / "cache").glob("*.checkpoint")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [path.suffix for path in (out / "cache").iterdir() if not path.name.startswith(".")] == [".checkpoint"]
    assert json.loads((out / "manifest.json").read_text())["complete"] is False
    found, whole = (document(run(*words, where)) for where in (out, tmp_path / "whole"))
    assert found["complete"] and found["results"] == whole["results"]
    assert not list((out / "cache").glob("*.checkpoint"))
    for name in ("relu5.csv", "relu5.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


# What is refused


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--data", "nowhere"), "--data 'nowhere' is no folder"),
        (("--data", "."), "holds neither index.csv nor labels.csv"),
        (("--fraction", 0), "--fraction 0. Expected a share between 0 and 1"),
        (("--fraction", 1), "--fraction 1."),
        (("--rotation", "nan"), "--rotation nan"),
        (("--map-size", "big"), "--map-size 'big'"),
        (("--preprocess", "lit"), "Did you mean 'lite'?"),
    ],
)
def test_mistakes_are_found_before_the_model_is_opened(run, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    result = run("dissect", "no such model.keras", "-l", "relu5", *words)
    assert result.exit_code == 2 and said in result.stderr and not list(tmp_path.iterdir())


def test_nothing_is_written_for_a_wrong_layer_or_over_a_file(run, colors, tmp_path):
    out = tmp_path / "out"
    result = run("dissect", colors, "-l", "cnov", "--images", 4, "-o", out)
    assert result.exit_code == 2 and "'conv'" in result.stderr and not out.exists()
    out.mkdir()
    (out / "conv.csv").write_text("my own")
    result = run("dissect", colors, "-l", "conv", "--images", 4, "-o", out, "--overwrite")
    assert result.exit_code == 2 and "is not of an earlier run" in result.stderr
    assert files(out) == ["conv.csv"] and (out / "conv.csv").read_text() == "my own"
    result = run("dissect", colors, "-l", "conv", "-o", out / "conv.csv")
    assert result.exit_code == 2 and "is a file" in result.stderr


def test_grey_networks_have_no_scenes(run, save_network, tmp_path):
    result = run("dissect", save_network((16, 24, 1)), "-l", "conv", "-o", tmp_path / "out")
    assert result.exit_code == 2 and "the network takes grey images" in result.stderr


def test_a_free_network_needs_a_size_for_a_folder(run, save_network, folder, tmp_path):
    network = save_network((None, None, 3))
    result = run("dissect", network, "-l", "conv", "--data", folder, "-o", tmp_path / "out")
    assert result.exit_code == 2 and "--input-size" in result.stderr
    words = ("--data", folder, "--input-size", "32x48", "--json", "-o", tmp_path / "out")
    found = document(run("dissect", network, "-l", "conv", *words))
    assert found["request"]["input_size"] == [32, 48] and found["results"][0]["units"] == 3


def test_names_of_layers_are_made_safe(run, tmp_path):
    import keras

    inner = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(2, 3, name="conv")], name="base")
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 3, name="base-conv")(inner(inputs)))
    model.save(tmp_path / "nested.keras")
    words = ("-l", "base/conv", "-l", "base-conv", "--images", 4, "--preprocess", "scale", "-o", tmp_path / "out")
    found = document(run("dissect", tmp_path / "nested.keras", *words, "--json"))["results"]
    assert {one["layer"]: one["csv"] for one in found} == {"base/conv": "base-conv.csv", "base-conv": "base-conv-2.csv"}
