"""`kerasviz dream`: what a dream is, in numbers; what it writes, and what it refuses."""

import json

import keras
import numpy as np
import pytest
from keras import layers as L
from PIL import Image

from kerasviz import data
from kerasviz.synthesis.dreaming import DeepDream

SHORT = ("--steps", 2, "--octaves", 2, "--jitter", 4)
#: What pictures of 40 x 60 become: both sides multiples of 32.
SIZE = (32, 64)


def document(result):
    assert result.exit_code < 2, result.stderr
    return json.loads(result.stdout)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def frames_of(path):
    with Image.open(path) as gif:
        found = []
        for number in range(gif.n_frames):
            gif.seek(number)
            found.append(np.asarray(gif.convert("RGB")).astype(int))
        return found


# What is dreamt


@pytest.mark.slow
def test_dreams_are_those_of_python(run, colors, pictures, tmp_path):
    words = ("--layer", "conv", "--layer", "pool=0.5", "--steps", 3, "--octaves", 3, "--octave-scale", 1.5)
    more = ("--step-size", 5, "--jitter", 6, "--seed", 2, "--gif", "--json")
    found = document(run("dream", pictures, "-m", colors, *words, *more, "-o", tmp_path / "out"))
    files = sorted(pictures.iterdir())
    images = data.load_images(files, SIZE)
    dream = DeepDream(
        str(colors), {"conv": 1.0, "pool": 0.5}, octaves=3, octave_scale=1.5, step_size=5 / 255, jitter=6,
        preprocess="none",
    )  # fmt: skip
    expected = dream(images.astype("float32"), steps=3, seed=2, snapshots=True)
    assert [row["file"] for row in found["images"]] == list(map(str, files))
    assert [row["score"] for row in found["images"]] == expected.scores.tolist()
    for i, row in enumerate(found["images"]):
        assert (row["size"], row["dream"]) == ([*SIZE], f"{i:04d}-{files[i].stem}.png")
        np.testing.assert_array_equal(read(tmp_path / "out" / row["dream"]), expected.pictures()[i])
        frames = frames_of(tmp_path / "out" / row["animation"])
        moments = [images[i], *expected.snapshots[:-1, i], expected.images[i]]
        assert len(frames) == 4
        assert max(np.abs(frame - moment).max() for frame, moment in zip(frames, moments, strict=True)) < 24
    assert found["settings"]["layers"] == {"conv": 1, "pool": 0.5} and found["settings"]["seed"] == 2
    assert found["command"]["step_size"] == 5 and found["complete"]


@pytest.mark.slow
def test_a_dream_raises_the_layer(run, colors, pictures, tmp_path):
    """The mean square of this layer is that of the pixels."""
    found = document(
        run("dream", pictures / "red.png", "-m", colors, "--layer", "conv", "-o", tmp_path / "out", "--json")
    )
    before = data.load_image(pictures / "red.png", SIZE) / 255
    (row,) = found["images"]
    after = read(tmp_path / "out" / row["dream"]) / 255
    assert row["score"] == pytest.approx((after**2).mean(), rel=1e-2)
    assert row["score"] > 1.1 * (before**2).mean()


@pytest.mark.slow
def test_a_dream_depends_on_no_other(run, colors, pictures, tmp_path):
    """Of pictures of two sizes, with two batch sizes."""
    Image.open(pictures / "sea.png").resize((64, 96)).save(pictures / "sea.png")
    words = ("dream", pictures, "-m", colors, *SHORT, "--json")
    found = document(run(*words, "-o", tmp_path / "a"))
    assert [row["size"] for row in found["images"]] == [[*SIZE], [*SIZE], [96, 64]]
    document(run(*words, "--batch-size", 1, "-o", tmp_path / "b"))
    for row in found["images"]:
        np.testing.assert_array_equal(read(tmp_path / "a" / row["dream"]), read(tmp_path / "b" / row["dream"]))
    sized = document(run(*words, "--size", "16x24", "-o", tmp_path / "c"))
    assert [row["size"] for row in sized["images"]] == [[16, 24]] * 3


# What is written


@pytest.mark.slow
def test_the_same_again_is_the_same_to_the_bit(run, colors, pictures, tmp_path):
    words, out = ("dream", pictures, "-m", colors, *SHORT), tmp_path / "out"
    assert run(*words, "--gif", "-o", out).exit_code == 0
    first = contents(out)
    stems = ["0000-green", "0001-red", "0002-sea"]
    pairs = [f"{stem}.{kind}" for stem in stems for kind in ("gif", "png")]
    assert sorted(first) == [*pairs, "manifest.json", "sheet.png"]
    assert run(*words, "--gif", "-o", tmp_path / "other").exit_code == 0 and contents(tmp_path / "other") == first
    again = run(*words, "-o", out)
    assert again.exit_code == 2 and "exists already" in again.stderr and "--overwrite" in again.stderr
    assert run(*words, "--seed", 1, "-o", out, "--overwrite").exit_code == 0
    assert sorted(contents(out)) == [*(f"{stem}.png" for stem in stems), "manifest.json", "sheet.png"]
    assert (out / "0001-red.png").read_bytes() != first["0001-red.png"]
    with Image.open(out / "0001-red.png") as picture:
        assert picture.text["Source"] == str(pictures / "red.png") and "deep_dream" in picture.text["settings"]


@pytest.mark.slow
def test_the_table_says_the_same(run, colors, pictures, tmp_path):
    result = run("dream", pictures / "red.png", pictures / "sea.png", "-m", colors, *SHORT, "-o", tmp_path / "out")
    rows = json.loads((tmp_path / "out" / "manifest.json").read_text())["images"]
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["Image", "Size", "Score", "Dream"]
    assert lines[1] == ["red.png", "32", "x", "64", f"{rows[0]['score']:.4g}", "0000-red.png"]
    assert lines[2] == ["sea.png", "32", "x", "64", f"{rows[1]['score']:.4g}", "0001-sea.png"]
    assert f"2 dreams; results in {tmp_path / 'out'}" in result.stdout
    assert result.stderr.strip() == "8 passes forward and back: 2 images x 2 octaves x 2 steps"


@pytest.mark.slow
def test_grey_pictures(run, save_network, pictures, tmp_path):
    grey = save_network((16, 24, 1), name="grey")
    found = document(run("dream", pictures / "sea.png", "-m", grey, *SHORT, "--gif", "-o", tmp_path / "out", "--json"))
    assert read(tmp_path / "out" / found["images"][0]["dream"]).shape == SIZE
    assert frames_of(tmp_path / "out" / "0000-sea.gif")[0].shape == (*SIZE, 3)


@pytest.mark.slow
def test_pictures_that_cannot_be_read_are_skipped(run, colors, pictures, bad, tmp_path):
    result = run("dream", pictures, "-m", colors, *SHORT, "-o", tmp_path / "out", "--json")
    found = document(result)
    assert result.exit_code == 1 and [name for name in bad if name not in result.stderr] == []
    assert len(found["images"]) == 3 and len(found["skipped"]) == 4
    alone = run("dream", pictures / bad[0], "-m", colors, "-o", tmp_path / "b")
    assert alone.exit_code == 2 and "None of the 1 images could be read" in alone.stderr
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_what_an_interrupted_run_dreamt_stays(run, colors, pictures, tmp_path, monkeypatch):
    load = data.load_image

    def interrupted(file, *args, **settings):
        if file.name == "sea.png":
            raise KeyboardInterrupt
        return load(file, *args, **settings)

    monkeypatch.setattr(data, "load_image", interrupted)
    result = run("dream", pictures, "-m", colors, *SHORT, "--batch-size", 1, "-o", tmp_path / "out")
    assert result.exit_code == 130 and result.stdout == ""
    found = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert not found["complete"] and [row["dream"] for row in found["images"]] == ["0000-green.png"]


# What is refused


@pytest.mark.slow
def test_what_cannot_be_done_exits_2_in_one_line(run, colors, pictures, tmp_path):
    for words, said in (
        (["--layer", "lost"], "lost"),
        (["--layer", "conv=a"], "--layer 'conv=a'"),
        (["--octave-scale", "1"], "--octave-scale 1"),
        (["--step-size", "0"], "--step-size 0"),
        (["--step-size", "inf"], "--step-size inf"),
        (["--size", "a"], "--size 'a'"),
        (["--preprocess", "lost"], "lost"),
        (["--octaves", "40"], "40 octaves"),
    ):
        result = run("dream", pictures, "-m", colors, *words, "-o", tmp_path / "out")
        assert result.exit_code == 2 and said in result.stderr and result.stdout == "", words
        assert len([line for line in result.stderr.splitlines() if "error" in line]) == 1, words
        assert not (tmp_path / "out").exists(), words


@pytest.mark.slow
def test_a_network_of_one_size_says_how_to_dream(run, pictures, tmp_path):
    """A dense layer before the feature map: no other size can go through it."""
    parts = [keras.Input((8, 8, 3)), L.Rescaling(1 / 255), L.Flatten(), L.Dense(48), L.Reshape((4, 4, 3))]
    model = keras.Sequential([*parts, L.Conv2D(3, 1, name="late"), L.GlobalAveragePooling2D()])
    model.save(tmp_path / "model.keras")
    words = ("dream", pictures / "red.png", "-m", tmp_path / "model.keras", "--layer", "late", "-o", tmp_path / "out")
    result = run(*words)
    assert result.exit_code == 2 and "--octaves 1 --size 8x8" in result.stderr
    found = document(run(*words, "--octaves", 1, "--size", "8x8", "--steps", 1, "--json"))
    assert found["images"][0]["size"] == [8, 8]


def test_pictures_are_never_written_over(run, colors, pictures):
    before = contents(pictures)
    result = run("dream", pictures, "-m", colors, "--overwrite", "-o", pictures)
    assert result.exit_code == 2 and "is one of the pictures" in result.stderr and contents(pictures) == before
    result = run("dream", pictures, "-m", colors, "--overwrite", "-o", pictures / "red.png")
    assert result.exit_code == 2 and "is a file" in result.stderr and contents(pictures) == before
