"""`kerasviz activations`: what it finds, what it writes and refuses."""

import csv
import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

import kerasviz as kv
from kerasviz.features.maps.activations import Activations
from kerasviz.features.maps.channels import channel_statistics
from kerasviz.features.maps.feature_maps import FeatureMaps


def document(result, code=0):
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def dead(save_network, tmp_path):
    """A network of colours whose green channel never answers, 16 x 24."""
    model = keras.models.load_model(save_network())
    kernel, _ = model.get_layer("conv").get_weights()
    model.get_layer("conv").set_weights([kernel, np.float32([0, -100, 0])])
    model.save(tmp_path / "dead.keras")
    return tmp_path / "dead.keras"


def test_files_are_those_of_python(run, dead, pictures, tmp_path):
    out = tmp_path / "out"
    words = ("--layer", "conv", "--layer", "classes", "--channels", 2, "--statistics", "--json", "-o", out)
    found = document(run("activations", pictures, "-m", dead, *words, "--batch-size", 2))
    files = sorted(pictures.iterdir())
    images = kv.data.load_images(files, (16, 24))
    model = keras.models.load_model(dead)
    maps = FeatureMaps(model, ["conv", "classes"])(images)
    assert [image["file"] for image in found["images"]] == [str(file) for file in files]
    for i, image in enumerate(found["images"]):
        saved = Activations.load(out / image["arrays"])
        for layer in maps.layers:
            np.testing.assert_allclose(saved[layer][0], maps[layer][i], atol=1e-5)
        montage, bars = image["montages"]
        with Image.open(out / montage["file"]) as picture:
            assert (np.asarray(picture) == saved.montage(layer="conv", channels=2)).all()
            assert picture.text["layer"] == "conv" and picture.text["Source"] == str(files[i])
        peaks = maps["conv"][i].max((0, 1))
        assert [one["channel"] for one in montage["strongest"]] == maps.strongest(3, "conv")[i].tolist()
        assert [one["peak"] for one in montage["strongest"]] == pytest.approx(sorted(peaks, reverse=True), abs=1e-5)
        assert bars["layer"] == "classes" and (out / bars["file"]).exists()

    wanted = channel_statistics(model, ["conv", "classes"], images)
    conv = found["layers"][0]
    assert (conv["path"], conv["channels"], conv["images"], conv["dead"]) == ("conv", 3, 3, [1])
    for layer in found["layers"]:
        with (out / layer["statistics"]).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row, expected in zip(rows, wanted.rows(layer["path"]), strict=True):
            assert (row["layer"], row["channel"]) == (layer["path"], str(expected["channel"]))
            assert float(row["mean"]) == pytest.approx(expected["mean"], abs=1e-6)
            assert float(row["max"]) == pytest.approx(expected["max"], abs=1e-6)
            assert row["dead"] == str(expected["dead"])
    assert json.loads((out / "manifest.json").read_text(encoding="utf-8")) == found
    assert found["complete"] and sorted(found["files"]) == [name for name in names(out) if name.endswith(".png")]
    assert names(out) == sorted(
        [
            *found["files"],
            *(image["arrays"] for image in found["images"]),
            "manifest.json",
            "statistics-classes.csv",
            "statistics-conv.csv",
        ]
    )


def test_channels_by_number_and_one_range(run, dead, pictures, tmp_path):
    words = ("-m", dead, "--layer", "conv", "--json")
    found = document(
        run("activations", pictures / "sea.png", *words, "--channels", "2,0", "--shared", "-o", tmp_path / "a")
    )
    saved = Activations.load(tmp_path / "a" / found["images"][0]["arrays"])
    with Image.open(tmp_path / "a" / found["files"][0]) as picture:
        assert (np.asarray(picture) == saved.montage(channels=[2, 0], scale="shared")).all()
    assert found["layers"] == [{"path": "conv", "statistics": None}]
    found = document(
        run("activations", pictures / "sea.png", *words, "--channels", "1,", "--no-arrays", "-o", tmp_path / "b")
    )
    assert names(tmp_path / "b") == ["manifest.json", "sea-activations-conv.png"]
    assert found["images"][0]["arrays"] is None and found["drawing"]["channels"] == [1]


@pytest.mark.slow
def test_every_map_and_pictures_of_any_size(run, save_network, pictures, tmp_path):
    model = save_network((None, None, 3))
    Image.open(pictures / "red.png").resize((96, 64)).save(pictures / "red.png")
    words = ("-m", model, "--layer", "all", "--statistics", "--json")
    found = document(run("activations", pictures, *words, "-o", tmp_path / "a"))
    assert [layer["path"] for layer in found["layers"]] == ["rescale", "conv", "pool"]
    shapes = [Activations.load(tmp_path / "a" / image["arrays"])["conv"].shape[1:3] for image in found["images"]]
    assert shapes == [(32, 64), (64, 96), (32, 64)]
    with (tmp_path / "a" / "statistics-conv.csv").open(encoding="utf-8", newline="") as file:
        red = float(next(csv.DictReader(file))["mean"])
    values = [Activations.load(tmp_path / "a" / image["arrays"])["conv"][..., 0].ravel() for image in found["images"]]
    assert red == pytest.approx(np.concatenate(values).mean(), abs=1e-6)


@pytest.mark.slow
def test_bad_pictures_are_skipped_and_not_counted(run, dead, pictures, bad, tmp_path):
    result = run("activations", pictures, "-m", dead, "--layer", "conv", "--statistics", "--json", "-o", tmp_path / "o")
    found = document(result, code=1)
    assert len(found["images"]) == 3 and found["layers"][0]["images"] == 3
    assert sorted(entry["file"].rsplit("/", 1)[1] for entry in found["skipped"]) == bad
    for name in bad:
        assert name in result.stderr


@pytest.mark.slow
def test_the_table_says_what_the_manifest_says(run, dead, pictures, tmp_path):
    result = run("activations", pictures, "-m", dead, "--layer", "conv", "--statistics", "-o", tmp_path / "out")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[:2] == ["Image, layer Strongest channels (peak)", "green.png"]
    assert "red.png" in lines and lines[lines.index("red.png") + 1].startswith("conv 0 (1), ")
    assert lines[-4].startswith("Layer, over 3 images Channels Zeros Dead Constant")
    assert lines[-3].split()[:2] == ["conv", "3"] and lines[-3].split()[-3:] == ["1", "0", "1"]
    assert lines[-1].startswith("3 images, 3 pictures in")


@pytest.mark.slow
def test_earlier_results_are_replaced_only_when_asked(run, dead, pictures, tmp_path):
    out = tmp_path / "out"
    words = ("activations", pictures / "red.png", "-m", dead, "--layer", "conv", "--statistics", "-o", out)
    assert run(*words).exit_code == 0
    again = run(*words)
    assert again.exit_code == 2 and "--overwrite" in again.stderr
    (out / "manifest.json").unlink()
    (out / "red-activations-conv.png").unlink()
    shutil.rmtree(out / "red-activations")
    tables = run(*words)
    assert tables.exit_code == 2 and "statistics-conv.csv" in tables.stderr
    assert run(*words, "--overwrite").exit_code == run(*words, "--overwrite").exit_code == 0


@pytest.mark.slow
def test_what_cannot_be_done_exits_2_in_one_line(run, dead, pictures, tmp_path):
    for words, said in (
        (["--channels", "a"], "--channels 'a'"),
        (["--channels", "0"], "--channels '0'"),
        (["--channels", "1,,2"], "--channels '1,,2'"),
        (["--channels", "1,3", "--layer", "conv"], "--channels 3"),
        (["--layer", "lost"], "lost"),
        (["--layer", "conv@1"], "called 1 times"),
        (["--size", "20x24"], "16x24"),
        (["--preprocess", "magic"], "magic"),
    ):
        result = run("activations", pictures, "-m", dead, *words, "-o", tmp_path / "out")
        assert result.exit_code == 2 and said in result.stderr and result.stdout == "", words
        assert len([line for line in result.stderr.splitlines() if "error" in line]) == 1
        assert not (tmp_path / "out").exists()
    result = run("activations", tmp_path / "none.png", "-m", dead)
    assert result.exit_code == 2 and "none.png" in result.stderr
