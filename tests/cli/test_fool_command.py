"""`kerasviz fool`: what stands in the files fools the model; the same again is the same; what it refuses."""

import csv
import json

import keras
import numpy as np
import pytest
from keras import layers as L
from PIL import Image

from kerasviz.cli.fooling import choose
from kerasviz.network import Network
from kerasviz.predictions import Classes
from kerasviz.synthesis.fooling.ascending import FoolingAscent
from kerasviz.synthesis.fooling.record import FoolingImages

SHAPE = (3, 4, 3)


def network(path, classes=3, rescale=True, head="softmax", shape=SHAPE):
    """A linear network of 0..255, or of 0..1."""
    parts = [keras.Input(shape), *([L.Rescaling(1 / 255)] if rescale else [])]
    pooled = L.GlobalAveragePooling2D() if None in shape else L.Flatten()
    model = keras.Sequential([*parts, pooled, L.Dense(classes, head)])
    kernel = np.random.default_rng(1).normal(size=model.layers[-1].kernel.shape)
    model.layers[-1].set_weights([kernel * (30 if None in shape else 3), np.zeros(classes)])
    model.save(path)
    return model


@pytest.fixture
def model(tmp_path):
    return network(tmp_path / "model.keras")


def document(result, code=0):
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def read(folder, names):
    pictures = []
    for name in names:
        with Image.open(folder / name) as picture:
            pictures.append(np.asarray(picture, "float32"))
    return np.stack(pictures)


@pytest.mark.slow
def test_the_files_fool_the_model(run, model, labels, tmp_path):
    out = tmp_path / "out"
    words = ("--labels", labels, "--class", "green tree", "-c", 0, "--confidence", 0.95, "--seed", 4, "-o", out)
    found = document(run("fool", tmp_path / "model.keras", *words, "--json"))
    assert found == json.loads((out / "manifest.json").read_text())
    rows = found["images"]
    assert [(row["class"], row["label"], row["file"]) for row in rows] == [
        (1, "Green_tree", "class-1.png"),
        (0, "Fire engine", "class-0.png"),
    ]
    seen = model.predict(read(out, ["class-1.png", "class-0.png"]), verbose=0)[[0, 1], [1, 0]]
    np.testing.assert_allclose([row["saved_confidence"] for row in rows], seen, atol=1e-6)
    assert seen.min() >= 0.95 and found["found"] == 2 and found["wanted"] == 0.95
    expected = FoolingAscent(model, confidence=0.95, preprocess="none")([1, 0], seed=4)
    np.testing.assert_array_equal(FoolingImages.load(out).images, expected.images)
    settings = found["settings"]
    assert (settings["seed"], settings["start"], settings["preprocess"]) == (4, "gaussian", "none")
    assert settings["model"]["given"] == str(tmp_path / "model.keras") and settings["classes"] == [1, 0]
    assert {"python", "keras", "tensorflow", "numpy"} == set(settings["versions"])


@pytest.mark.slow
def test_the_same_again_is_the_same_to_the_byte(run, model, tmp_path):
    out, words = tmp_path / "out", ("fool", tmp_path / "model.keras", "--start", "uniform", "-o", tmp_path / "out")
    assert run(*words).exit_code == 0
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    again = run(*words)
    assert again.exit_code == 2 and "exists already" in again.stderr and "--overwrite" in again.stderr
    assert run(*words, "--overwrite").exit_code == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    assert run(*words, "--overwrite", "--class", 1, "--seed", 7).exit_code == 0
    assert sorted(path.name for path in out.glob("class-*")) == ["class-1.png"]
    assert (out / "class-1.png").read_bytes() != first["class-1.png"]


@pytest.mark.slow
def test_the_table_says_what_was_not_reached(run, model, labels, tmp_path):
    words = ("fool", tmp_path / "model.keras", "--labels", labels, "--steps", 1, "--confidence", 0.999)
    result = run(*words, "-o", tmp_path / "out")
    assert result.exit_code == 1
    with (tmp_path / "out" / "images.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    names = ["Fire engine", "Green_tree", "Sky"]
    lines = [line.split("  ") for line in result.stdout.splitlines()]
    for line, row in zip(lines[1:4], rows, strict=True):
        parts = [part.strip() for part in line if part.strip()]
        percents = int(1e4 * float(row["confidence"])) / 100
        shown = f"{percents:.2f} %" if percents else "<0.01 %"
        seen = f"not reached; it is taken for {names[int(row['predicted'])]}"
        assert parts == [names[int(row["class"])], shown, shown, row["file"], seen]
    assert "0 of 3 images fool the network at 99.90 %" in result.stdout


@pytest.mark.slow
def test_values_of_another_range_and_preprocessing(run, tmp_path):
    model = network(tmp_path / "bare.keras", rescale=False)
    words = ("fool", tmp_path / "bare.keras", "--class", 2, "--json", "-o")
    ranged = document(run(*words, tmp_path / "a", "--value-range=-2,2"))
    assert ranged["value_range"] == [-2, 2] and ranged["settings"]["preprocess"] == "none"
    seen = model.predict(read(tmp_path / "a", ["class-2.png"]) * np.float32(4 / 255) - 2, verbose=0)
    assert seen[0, 2] >= 0.99 and ranged["images"][0]["saved_confidence"] == pytest.approx(seen[0, 2], abs=1e-5)
    scaled = document(run(*words, tmp_path / "b", "--preprocess", "scale"))
    assert scaled["value_range"] == [0, 255] and scaled["settings"]["preprocess"] == "scale"
    seen = model.predict(read(tmp_path / "b", ["class-2.png"]) / 255, verbose=0)
    assert scaled["images"][0]["saved_confidence"] == pytest.approx(seen[0, 2], abs=1e-5)


@pytest.mark.slow
def test_evolution_by_its_name(run, model, tmp_path):
    words = ("fool", tmp_path / "model.keras", "--confidence", 0.5, "--generations", 30, "--json", "-o")
    for method, encoding in (("map-elites", "Direct"), ("cppn", "CPPN")):
        result = run(*words, tmp_path / method, "--method", method)
        found = document(result, result.exit_code)
        assert found["method"] == "map_elites" and found["settings"]["encoding"]["kind"] == encoding
        seen = model.predict(read(tmp_path / method, [f"class-{k}.png" for k in range(3)]), verbose=0).diagonal()
        np.testing.assert_allclose([row["saved_confidence"] for row in found["images"]], seen, atol=1e-6)
        assert result.exit_code == int(seen.min() < 0.5)


@pytest.mark.slow
def test_a_network_of_any_size_is_told_one(run, tmp_path):
    network(tmp_path / "free.keras", shape=(None, None, 3))
    words = ("fool", tmp_path / "free.keras", "--class", 0, "-o", tmp_path / "out")
    refused = run(*words)
    assert refused.exit_code == 2 and "--size" in refused.stderr and not (tmp_path / "out").exists()
    run(*words, "--size", "5x7")
    assert read(tmp_path / "out", ["class-0.png"]).shape == (1, 5, 7, 3)


@pytest.mark.slow
def test_which_classes_are_asked(tmp_path):
    few, many = (Classes(Network(network(tmp_path / f"{k}.keras", k)), None) for k in (20, 21))
    assert choose(few, [], every=False) == ([*range(20)], False)
    assert choose(many, [], every=False) == ([0, 2, 4, 6, 8, 11, 13, 15, 17, 20], True)
    assert choose(many, [], every=True) == ([*range(21)], False)
    assert choose(many, ["7", "3"], every=False) == ([7, 3], False)


@pytest.mark.slow
def test_what_cannot_be_done_exits_2_in_one_line(run, model, tmp_path):
    network(tmp_path / "scores.keras", head=None)
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("keep")
    for words, said in (
        (["--class", "3"], "--class 3 is not among the 3 classes"),
        (["--class", "cat"], "--class 'cat' is a label"),
        (["--class", "1", "-c", "1"], "--class 1 is there twice"),
        (["--class", "1", "--all-classes"], "--class with --all-classes"),
        (["--confidence", "1"], "confidence=1.0"),
        (["--value-range", "3,1"], "--value-range '3,1'"),
        (["--value-range", "3"], "--value-range '3'"),
        (["--generations", "3"], "--generations 3 with --method gradient"),
        (["--method", "cppn", "--steps", "3"], "--steps 3 with --method cppn"),
        (["--method", "map-elites", "--start", "zero"], "--start zero with --method map-elites"),
        (["--size", "5x7"], "3x4"),
        (["--preprocess", "lost"], "lost"),
        (["--output", "lost"], "lost"),
        (["-o", full, "--overwrite"], "holds other files"),
        (["-o", tmp_path / "model.keras"], "is a file"),
    ):
        result = run("fool", tmp_path / "model.keras", "-o", tmp_path / "out", *words)
        assert result.exit_code == 2 and said in result.stderr and result.stdout == "", (words, result.stderr)
        assert len([line for line in result.stderr.splitlines() if "error" in line]) == 1
        assert not (tmp_path / "out").exists()
    result = run("fool", tmp_path / "scores.keras", "-o", tmp_path / "out")
    assert result.exit_code == 2 and "gives no probabilities" in result.stderr
    assert (full / "mine.txt").read_text() == "keep"
