"""`kerasviz visualize`: images whose optimum is known; what it writes, and what it refuses."""

import inspect
import json
import re
import typing

import numpy as np
import pytest
from PIL import Image

from kerasviz import objectives
from kerasviz.cli.asking import Units, parse_channels, parse_layers, parse_neurons, parse_numbers, parse_range
from kerasviz.cli.visualize import visualize
from kerasviz.errors import SettingError
from kerasviz.synthesis.maximization import ActivationMaximization
from kerasviz.synthesis.presets import PRESETS
from kerasviz.synthesis.record import SynthesizedImages

SHORT = ("--preset", "plain", "--steps", 4)


def document(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def contents(folder):
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    # Keras numbers the optimizers of a process.
    found["manifest.json"] = re.sub(rb'"name": "adam\w*"', b"", found["manifest.json"])
    return found


# What options mean


def test_numbers_and_ranges():
    assert parse_numbers("3") == (3,) and parse_numbers("3,8-10, 0") == (3, 8, 9, 10, 0)
    assert parse_numbers("2,0-3") == (2, 0, 1, 3)
    assert [parse_numbers(text) for text in ("", "a", "1,,2", "-1", "3-1", "1-", "1.5", "all")] == [None] * 8


def test_units():
    assert parse_channels(["base/conv:3-4", "conv:2:all", "tower/conv@0:1"]) == [
        Units("--channel base/conv:3-4", "base/conv", (3, 4)),
        Units("--channel conv:2:all", "conv:2", None),  # the second of two layers of one name
        Units("--channel tower/conv@0:1", "tower/conv@0", (1,)),
    ]
    assert parse_neurons(["tower/conv@0:1,2@3,4", "conv:5"]) == [
        Units("--neuron tower/conv@0:1,2@3,4", "tower/conv@0", (1, 2), (3, 4)),
        Units("--neuron conv:5", "conv", (5,), None),
    ]
    for entry in ("conv", ":3", "conv:", "conv:a", "conv:3@1,2", "conv:-1"):
        with pytest.raises(SettingError, match=r"--channel '.*LAYER:NUMBERS, where"):
            parse_channels([entry])
    for entry in ("conv:3@", "conv:3@a", "conv:3@1,", "conv@1,2"):
        with pytest.raises(SettingError, match=r"--neuron '.*@ROW,COLUMN"):
            parse_neurons([entry])


def test_ranges_of_values():
    assert parse_range(None) is None and parse_range("-1,1") == (-1, 1) and parse_range("0, 16") == (0, 16)
    assert parse_range("-inf,inf") == (-np.inf, np.inf)
    for given in ("", "1", "1,1", "2,1", "0,inf", "-inf,1", "nan,1", "0,1,2", "a,b"):
        with pytest.raises(SettingError, match="--value-range"):
            parse_range(given)


def test_layers_and_their_weights():
    assert parse_layers([]) is None
    assert parse_layers(["mixed3", "mixed5=0.5", "base/conv=-2"]) == {"mixed3": 1, "mixed5": 0.5, "base/conv": -2}
    for given in (["a="], ["a=b"], ["=1"], ["a=0"], ["a=nan"], [""]):
        with pytest.raises(SettingError, match="PATH=WEIGHT"):
            parse_layers(given)
    with pytest.raises(SettingError, match="twice"):
        parse_layers(["a", "a=2"])


def test_all_presets_can_be_chosen():
    choices = typing.get_args(inspect.signature(visualize).parameters["preset"].annotation)[0]
    assert set(typing.get_args(choices)) == {"auto", *(name.replace("_", "-") for name in PRESETS)}


# What is made


@pytest.mark.slow
def test_images_are_what_was_asked_for(run, colors, labels, tmp_path):
    """A class of this network is six times the mean of a colour, a channel of conv that mean."""
    words = ("--class", "fire engine", "--channel", "conv:1", "--neuron", "conv:2@3,5", "--neuron", "conv:0")
    more = ("--labels", labels, "--preset", "plain", "--steps", 120, "--out", tmp_path / "out", "--json")
    found = document(run("visualize", colors, *words, *more))
    made = SynthesizedImages.load(tmp_path / "out")
    assert made.names == (
        "channel 1 of conv",
        "neuron 2 at (3, 5) of conv",
        "neuron 0 in the middle of conv",
        "class 0 (Fire engine)",
    )
    assert made.shape == (4, 16, 24, 3) and (made.low, made.high) == (0, 255)
    np.testing.assert_allclose(made.scores, [1, 1, 1, 6], rtol=1e-4)
    assert made[0, ..., 1].min() > 254.9 and made[3, ..., 0].min() > 254.9
    assert made[1, 3, 5, 2] > 254.9 and made[2, 8, 12, 0] > 254.9
    # Nothing raises the others: they are as they began, near the middle of the range.
    assert np.abs(np.delete(made[1, ..., 2].ravel(), 3 * 24 + 5) - 127.5).max() < 60
    for row, picture in zip(found["images"], made.pictures(), strict=True):
        with Image.open(tmp_path / "out" / row["file"]) as file:
            np.testing.assert_array_equal(np.asarray(file), picture)
    assert [row["score"] for row in found["images"]] == made.scores.tolist()
    assert found.pop("folder") == str(tmp_path / "out") and found.pop("warnings") == []
    assert found == json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert found["settings"]["command"]["class"] == ["fire engine"] and found["settings"]["preprocess"] == "none"


@pytest.mark.slow
def test_numbers_are_those_of_python(run, colors, tmp_path):
    words = ("--channel", "conv:0-1", "--class", "1,2", "--preset", "small", "--steps", 6, "--seed", 3, "--count", 2)
    found = document(
        run("visualize", colors, *words, "--snapshots", 3, "--size", "8x12", "-o", tmp_path / "out", "--json")
    )
    maximize = ActivationMaximization(
        str(colors), preset="small", size=(8, 12), preprocess="none", value_range=(0, 255)
    )
    asked = [objectives.channel("conv", n) for n in (0, 1)] + [objectives.class_score(k) for k in (1, 2)]
    expected = maximize([one for one in asked for _ in range(2)], steps=6, seed=3, snapshots=[0, 3, 6])
    made = SynthesizedImages.load(tmp_path / "out")
    for name in ("images", "scores", "steps", "snapshots", "snapshot_steps"):
        np.testing.assert_array_equal(getattr(made, name), getattr(expected, name))
    assert made.names == expected.names and made.shape == (8, 8, 12, 3)
    assert made.snapshot_steps.tolist() == [0, 3, 6] and (made.snapshots[0, 0] != made.snapshots[0, 1]).any()
    assert (found["settings"]["seed"], found["settings"]["steps"], found["settings"]["preset"]) == (3, 6, "small")
    with Image.open(tmp_path / "out" / "animation.gif") as gif:
        assert gif.n_frames >= 3


@pytest.mark.slow
def test_values_are_those_before_preprocessing(run, save_network, tmp_path):
    """A network of 0..1: as it is with a range, of pictures with its preprocessing; the pictures are the same."""
    bare = save_network(rescale=False)
    words = ("visualize", bare, "--class", 0, *SHORT, "--json")
    ranged = document(run(*words, "--value-range", "0,1", "-o", tmp_path / "a"))
    scaled = document(run(*words, "--preprocess", "scale", "-o", tmp_path / "b"))
    assert (ranged["value_range"], scaled["value_range"]) == ([0, 1], [0, 255])
    assert (ranged["settings"]["preprocess"], scaled["settings"]["preprocess"]) == ("none", "scale")
    first, second = SynthesizedImages.load(tmp_path / "a"), SynthesizedImages.load(tmp_path / "b")
    np.testing.assert_allclose(first.images * 255, second.images, atol=1e-2)
    np.testing.assert_allclose(first.scores, second.scores, rtol=1e-4)
    free = document(run(*words, "--value-range=-inf,inf", "-o", tmp_path / "c"))
    assert free["value_range"] is None and not SynthesizedImages.load(tmp_path / "c").bounded
    guessed = run(*words, "-o", tmp_path / "d")
    assert "--preprocess" in guessed.stderr and json.loads(guessed.stdout)["settings"]["preprocess"] == "scale"


@pytest.mark.slow
def test_grey_and_free_networks(run, save_network, tmp_path):
    grey = save_network((16, 24, 1), name="grey")
    found = document(run("visualize", grey, "--class", "all", *SHORT, "-o", tmp_path / "a", "--json"))
    with Image.open(tmp_path / "a" / found["images"][0]["file"]) as picture:
        assert (picture.mode, picture.size) == ("L", (24, 16))
    assert [row["name"] for row in found["images"]] == ["class 0", "class 1", "class 2"]
    free = save_network((None, None, 3), name="free")
    refused = run("visualize", free, "--class", 0, "-o", tmp_path / "b")
    assert refused.exit_code == 2 and "--size 224" in refused.stderr
    document(run("visualize", free, "--channel", "conv:all", "--size", "8x16", *SHORT, "-o", tmp_path / "b", "--json"))
    assert SynthesizedImages.load(tmp_path / "b").shape == (3, 8, 16, 3)


# What is written


@pytest.mark.slow
def test_the_same_again_is_the_same_to_the_bit(run, colors, tmp_path):
    words = ("visualize", colors, "--class", "0-2", "--preset", "small", "--steps", 5, "--snapshots", 2)
    out = tmp_path / "out"
    assert run(*words, "-o", out).exit_code == 0
    first = contents(out)
    assert sorted(first)[3:] == ["animation.gif", "arrays.npz", "history.png", "manifest.json", "sheet.png"]
    again = run(*words, "-o", out)
    assert again.exit_code == 2 and "exists already" in again.stderr and "--overwrite" in again.stderr
    assert run(*words, "-o", tmp_path / "other").exit_code == 0
    assert contents(tmp_path / "other") == first
    assert run(*words, "-o", out, "--overwrite").exit_code == 0 and contents(out) == first
    assert run(*words, "--seed", 1, "-o", out, "--overwrite").exit_code == 0
    assert contents(out)["0000-class-0.png"] != first["0000-class-0.png"]
    # Nothing of the earlier run is left.
    assert run("visualize", colors, "--class", 1, *SHORT, "-o", out, "--overwrite").exit_code == 0
    assert sorted(contents(out)) == ["0000-class-1.png", "arrays.npz", "history.png", "manifest.json", "sheet.png"]


@pytest.mark.slow
def test_the_table_says_the_same(run, colors, tmp_path):
    result = run("visualize", colors, "--class", "2,0", *SHORT, "-o", tmp_path / "out")
    lines = [line.split() for line in result.stdout.splitlines()]
    scores = SynthesizedImages.load(tmp_path / "out").scores
    assert lines[0] == ["Shows", "Score", "Step", "File"]
    assert lines[1] == ["class", "2", f"{scores[0]:.4g}", "4", "0000-class-2.png"]
    assert lines[2] == ["class", "0", f"{scores[1]:.4g}", "4", "0001-class-0.png"]
    assert f"2 images; results in {tmp_path / 'out'}" in result.stdout
    assert result.stderr.strip() == "8 passes forward and back: 2 images x 4 steps"


# What is refused


@pytest.mark.slow
def test_what_cannot_be_done_exits_2_in_one_line(run, colors, labels, tmp_path):
    for words, said in (
        ([], "Nothing is asked for"),
        (["--class", "3"], "--class 3 is not among the 3 classes"),
        (["--class", "0-3"], "--class 3 is not among"),
        (["--class", "sky"], "--class 'sky' is a label"),
        (["--class", "skye", "--labels", labels], "Did you mean Sky (2)"),
        (["--class", "0", "--output", "lost"], "lost"),
        (["--channel", "conv"], "--channel 'conv'"),
        (["--channel", "lost:0"], "lost"),
        (["--channel", "conv:0-3"], "--channel conv:0-3: the layer has 3 channels"),
        (["--neuron", "conv:0@16,0"], "--neuron conv:0@16,0: the map is 16 x 24"),
        (["--neuron", "conv:0@1"], "the map is 16 x 24"),
        (["--neuron", "classes:0"], "the layer has no positions"),
        (["--class", "0", "--value-range", "1,0"], "--value-range '1,0'"),
        (["--class", "0", "--size", "a"], "--size 'a'"),
        (["--class", "0", "--preprocess", "lost"], "lost"),
    ):
        result = run("visualize", colors, *words, "-o", tmp_path / "out")
        assert result.exit_code == 2 and said in result.stderr and result.stdout == "", words
        assert len(result.stderr.splitlines()) == 1 and not (tmp_path / "out").exists(), words
    missing = run("visualize", "lost", "--class", "0")
    assert missing.exit_code == 2 and "There is no model 'lost'" in missing.stderr


@pytest.mark.slow
def test_folders_of_others_are_left_alone(run, colors, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    words = ("visualize", colors, "--class", 0, "--overwrite")
    result = run(*words, "-o", tmp_path / "out")
    assert result.exit_code == 2 and "holds other files" in result.stderr
    result = run(*words, "-o", colors)
    assert result.exit_code == 2 and "is a file" in result.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
