"""The commands of the README, run one after the other in a folder with the files that they name."""

import csv
import json
import shlex
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers as L
from PIL import Image
from typer.testing import CliRunner

import kerasviz
from kerasviz.cli import app
from kerasviz.data import SceneConcepts
from kerasviz.data.concepts import write_concept_folder
from kerasviz.reading import read_json

ROOT = Path(__file__).resolve().parents[2]
PICTURES = Path(kerasviz.__file__).parent / "data" / "pictures"
CLASSES = 300
#: Fewer steps than by default, which take longer and prove no more here.
SHORTER = {"visualize": ["--steps", "24"], "dream": ["--steps", "2"]}


def cats():
    """A pretrained base inside another model, as far as its paths go; one class answers to each of its channels."""
    layers = [L.Rescaling(1 / 255), L.Conv2D(16, 5, 8, activation="relu", name="block5_conv3")]
    base = keras.Sequential([keras.Input((96, 96, 3)), *layers], name="base")
    model = keras.Sequential([keras.Input((96, 96, 3)), base, L.GlobalAveragePooling2D(), L.Dense(CLASSES, "softmax")])
    rng = np.random.default_rng(0)
    base.layers[-1].set_weights([rng.normal(size=(5, 5, 3, 16)) / 4, np.full(16, 0.1)])
    kernel = rng.normal(size=(16, CLASSES)) / 100
    kernel[0, 281], kernel[1, 3] = 30, 0.1
    model.layers[-1].set_weights([kernel, -3.0 * (np.arange(CLASSES) == 281)])
    return model


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with all that the commands name; they run in it."""
    monkeypatch.chdir(tmp_path)
    model = cats()
    model.save("cats.keras")
    model.export("exported", verbose=False)
    model.layers[-1].kernel.assign(model.layers[-1].kernel * 1.25)
    model.save("newer.keras")
    Path("labels.txt").write_text("\n".join("tabby" if k == 281 else f"thing {k}" for k in range(CLASSES)), "utf-8")
    Path("photos").mkdir()
    rows = []
    for name in ("bird", "house"):
        with Image.open(PICTURES / f"{name}.png") as picture:
            picture.convert("RGB").save(f"photos/{name}.jpg")
        rows.append([f"{name}.jpg", 281, 5, 5, 40, 40])
    for name in ("cat", "husky"):
        Path(f"{name}.jpg").write_bytes(Path("photos/bird.jpg").read_bytes())
    with Path("boxes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "label", "x0", "y0", "x1", "y1"], *rows])
    write_concept_folder(SceneConcepts(8, map_size=(24, 24)), "broden1_224")
    return tmp_path


def commands():
    """The lines of the README's section, as words."""
    section = (ROOT / "README.md").read_text("utf-8").partition("## On the command line")[2].partition("\n## ")[0]
    block = section.partition("```sh\n")[2].partition("```")[0]
    return [shlex.split(line, comments=True)[1:] for line in block.splitlines() if line]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::kerasviz.errors.KerasvizWarning")
def test_each_command_of_the_readme_does_what_it_says(place):
    for words in commands():
        before = {path for path in place.rglob("*") if path.is_file()}
        # The small network in the place of the large one, of which only the time differs here.
        given = ["cats.keras" if word == "imagenet" else word for word in words] + SHORTER.get(words[0], [])
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, given)
        assert result.exit_code == (words[0] == "diff"), (words, result.stderr, result.exception)
        made = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()} - {
            path.relative_to(place).as_posix() for path in before
        }
        name = words[0]
        if name == "inspect":
            assert "block5_conv3" in result.stdout and made == ({"model.svg"} if "--graph" in words else set())
            continue
        if name == "diff":
            assert "1 of 4 layers changed" in result.stdout, result.stdout
        if name == "report":
            assert made == {"report.html"} and "photos" not in result.stderr
            continue
        manifests = [path for path in made if path.endswith(".json")]
        assert made and manifests, words
        assert all(read_json(place / path) for path in manifests)
        _check(name, place, made, result)


def _check(name, place, made, result):
    """What a command promises beside its name in the README."""
    kinds = {Path(path).suffix for path in made}
    if name == "dissect":
        assert {".csv", ".json", ".html"} <= kinds
    elif name in ("visualize", "dream"):
        assert {".png", ".gif"} <= kinds
    elif name == "memorization":
        assert {".png", ".csv"} <= kinds
    elif name == "fool":
        (manifest,) = (read_json(place / path) for path in made if path.endswith("manifest.json"))
        assert json.dumps(manifest).count("281") and "99.9" in result.stdout
    else:
        assert ".png" in kinds
