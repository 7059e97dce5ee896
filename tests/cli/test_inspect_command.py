"""`kerasviz inspect`, `methods` and `demo`."""

import json

import keras
import pytest
import zoo
from keras import layers as L

import kerasviz as kv


def inspect(run, path, *words):
    result = run("inspect", path, "--json", *words)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def saved(tmp_path):
    def save(name):
        path = tmp_path / f"{name}.keras"
        zoo.ZOO[name]().model.save(path)
        return path

    return save


def test_a_nested_model(run, saved):
    found = inspect(run, saved("nested_twice"))
    layers = {layer["path"]: layer for layer in found["layers"]}
    assert found["default_layer"]["path"] == "middle/after"
    assert found["parameters"] == 482
    assert layers["middle/base/conv2"] == {
        "path": "middle/base/conv2",
        "class": "Conv2D",
        "shape": [None, 6, 5, 6],
        "parameters": 270,
        "calls": 1,
        "map": True,
        "rectifier": False,
    }
    assert [path for path, layer in layers.items() if layer["rectifier"]] == [
        "middle/base/conv1",
        "middle/base/relu",
    ]
    assert [layer["map"] for layer in layers.values() if layer["class"] in ("Dense", "Softmax")] == [False] * 2
    assert found["rules"]["guided"]["replaced"] == ["middle/base/conv1.activation", "middle/base/relu"]
    assert found["outputs"] == [{"name": "classes", "shape": [None, 4], "head": "softmax", "cam": "middle/after"}]
    assert found["inputs"][0]["shape"] == [None, 12, 10, 3] and found["inputs"][0]["dtype"] == "float32"


def test_what_cannot_be_done_is_said(run, tmp_path):
    model = keras.Sequential(
        [keras.Input((5,)), L.Dense(4, activation="gelu", name="hidden"), L.Dense(2, activation="sigmoid")]
    )
    model.save(tmp_path / "table.keras")
    found = inspect(run, tmp_path / "table.keras")
    assert found["default_layer"]["path"] is None and "spatial" in found["default_layer"]["reason"]
    assert found["rules"]["guided"]["replaced"] == [] and "no rectifier" in found["rules"]["guided"]["reason"]
    assert (found["outputs"][0]["head"], found["outputs"][0]["cam"]) == ("sigmoid", None)
    text = run("inspect", tmp_path / "table.keras").stdout
    assert "not possible" in text and "no rectifier" in text and "spatial" in text


def test_every_output_of_several(run, saved):
    found = inspect(run, saved("two_outputs"))
    assert [(o["name"], o["head"], o["cam"]) for o in found["outputs"]] == [
        ("first", "softmax", "conv1"),
        ("second", "sigmoid", "conv1"),
    ]


def test_the_list_can_be_shortened(run, saved):
    path = saved("nested_twice")
    everything = [layer["path"] for layer in inspect(run, path)["layers"]]
    assert [layer["path"] for layer in inspect(run, path, "--layers", "2")["layers"]] == everything[-2:]
    assert [layer["path"] for layer in inspect(run, path, "--maps")["layers"]] == everything[:-4]
    text = run("inspect", path, "--maps").stdout
    assert "middle/base/conv1" in text and "Softmax" not in text and "482 parameters" in text


def test_paths_are_never_broken(run, tmp_path):
    name = "a_very_long_name_of_a_layer_that_somebody_has_chosen"
    keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(2, 3, name=name), L.Flatten(), L.Dense(2)]).save(
        tmp_path / "m.keras"
    )
    from typer.testing import CliRunner

    from kerasviz.cli import app

    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["inspect", str(tmp_path / "m.keras")])
    assert name in result.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no file"), (b"", "is empty"), (b"hello", "damaged"), (b"PK\x03\x04 cut", "damaged")],
)
def test_bad_model_files_are_one_line(run, tmp_path, content, said):
    path = tmp_path / "model.keras"
    if content is not None:
        path.write_bytes(content)
    result = run("inspect", path)
    assert result.exit_code == 2 and said in result.stderr and len(result.stderr.splitlines()) == 1


def test_the_traceback_is_shown_when_asked_for(run, tmp_path):
    result = run("inspect", tmp_path / "no.keras", "--traceback")
    assert isinstance(result.exception, kv.errors.LoadError)


@pytest.mark.slow
def test_methods_lists_every_registered_one(run):
    found = {row["name"]: row for row in json.loads(run("methods", "--json").stdout)["methods"]}
    assert {name.replace("-", "_") for name in found} == set(kv.attribution.methods())
    # Those of an explainer as it is used, not of its class.
    assert found["smooth-grad"]["passes"] == 50
    assert found["grad-cam"] == {
        "name": "grad-cam",
        "title": "Grad-CAM",
        "kind": "heatmap",
        "needs_layer": True,
        "takes_layer": True,
        "signed": False,
        "slow": False,
        "passes": 1,
        "passes_per": "image",
    }
    assert {name for name, row in found.items() if row["slow"]} == {"prediction-difference", "rise"}
    assert found["cam"]["needs_layer"] and not found["cam"]["takes_layer"]
    assert found["score-cam"]["passes_per"] == "channel"
    assert found["occlusion"]["passes_per"] == "position"
    text = run("methods").stdout
    assert all(name in text for name in found)


@pytest.mark.slow
def test_the_demo_explains_every_packaged_picture_by_all_methods_but_the_slowest(run, tmp_path):
    result = run("demo", "--out", tmp_path / "demo", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    pictures = kv.data.shapes.example_pictures()
    assert len(found["images"]) == len(pictures) >= 4
    for (name, path), image in zip(pictures.items(), found["images"], strict=True):
        assert image["file"] == str(path) and image["explanations"][0]["label"] == name
        assert len(image["explanations"]) == len(found["methods"])
        assert image["sheet"] == f"{name}.png"
    assert set(found["methods"]) == set(kv.attribution.methods()) - {"prediction_difference", "rise"}
    assert all((tmp_path / "demo" / file).stat().st_size > 1000 for file in found["files"])
    result = run("demo", "--out", tmp_path / "demo")
    assert result.exit_code == 2 and "--overwrite" in result.stderr
