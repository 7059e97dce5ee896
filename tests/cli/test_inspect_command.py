"""`kerasviz inspect`, `methods` and `demo`."""

import json
import re

import keras
import numpy as np
import pytest
import zoo
from keras import layers as L
from typer.testing import CliRunner

import kerasviz as kv
from kerasviz.cli import app


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
        "bytes": 1080,
        "activations": [],
        "receptive_field": {"size": [8.0, 8.0], "stride": [2.0, 2.0], "whole": False},
        "calls": 1,
        "map": True,
        "rectifier": False,
        "rules": {},
        "inside": 0,
    }
    assert layers["middle/base/conv1"]["activations"] == ["relu"]
    assert layers["middle/base/conv1"]["rules"] == {
        "deconvnet": ["middle/base/conv1.activation"],
        "guided": ["middle/base/conv1.activation"],
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


@pytest.mark.slow
def test_the_list_can_be_shortened(run, saved):
    path = saved("nested_twice")
    everything = [layer["path"] for layer in inspect(run, path)["layers"]]
    assert [layer["path"] for layer in inspect(run, path, "--layers", "2")["layers"]] == everything[-2:]
    assert [layer["path"] for layer in inspect(run, path, "--maps")["layers"]] == everything[:-4]
    text = run("inspect", path, "--maps").stdout
    assert "middle/base/conv1" in text and "Softmax" not in text and "482 parameters" in text


def in_window(width, *words):
    """What is printed in a window of some columns."""
    result = CliRunner(env={"COLUMNS": str(width)}).invoke(app, ["inspect", *map(str, words)])
    assert result.exit_code == 0, result.stderr
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert max(map(len, lines)) <= width
    return lines


@pytest.mark.parametrize("width", [60, 80, 120])
def test_paths_are_never_broken(tmp_path, width):
    name = "a_very_long_name_of_a_layer_that_somebody_has_chosen"
    keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(2, 3, name=name), L.Flatten(), L.Dense(2)]).save(
        tmp_path / "m.keras"
    )
    for option in ((), ("--maps",)):
        assert any(line.startswith(name) for line in in_window(width, tmp_path / "m.keras", *option))
    lines = in_window(width, tmp_path / "m.keras", "--weights")
    assert any(line.startswith(f"{name}/kernel") for line in lines)


def test_the_tree_shows_names_that_layer_takes(run, saved):
    path = saved("nested_twice")
    lines = in_window(100, path)
    start = next(i for i, line in enumerate(lines) if line.startswith("Layer "))
    assert [re.split(r"  +(?=\d)", line)[0] for line in lines[start + 1 : start + 9]] == [
        "middle",
        "├─ base",
        "│  ├─ conv1",
        "│  ├─ pool",
        "│  ├─ conv2",
        "│  ├─ bn",
        "│  └─ relu",
        "└─ after ◂ default",
    ]
    row = next(line for line in lines if "─ relu" in line)
    assert row.split() == ["│", "└─", "relu", "6", "×", "5", "×", "6", "ReLU", "relu", "✓", "8", "/", "2", "●"]
    assert any("1.93 kB in memory, float32" in line for line in lines)
    assert next(line for line in lines if "█" in line).split()[0] == "middle/base/conv2"


def test_the_tree_is_folded(run, saved):
    path = saved("nested_twice")
    lines = in_window(100, path, "--depth", 1)
    start = next(i for i, line in enumerate(lines) if line.startswith("Layer "))
    first, _, third, after = (line.split("  ")[0] for line in lines[start + 1 : start + 5])
    assert (first, third) == ("middle … 7 inside", "classes … 2 inside") and after.startswith("Sees")
    found = inspect(run, path, "--depth", "2")
    assert {layer["path"]: layer["inside"] for layer in found["layers"]}["middle/base"] == 5
    assert max(layer["path"].count("/") for layer in found["layers"]) == 1


@pytest.mark.slow
def test_columns_are_left_out_of_a_narrow_window_and_named(saved):
    path = saved("nested_twice")
    wide, middle, narrow = (in_window(width, path, "--maps") for width in (140, 70, 60))
    titles = [next(line for line in lines if line.startswith("Layer ")).split() for lines in (wide, middle, narrow)]
    assert titles[0] == ["Layer", "Output", "Parameters", "Class", "Activation", "Sees", "Size", "Map"]
    assert titles[1] == ["Layer", "Output", "Parameters", "Class", "Activation"]
    assert titles[2] == ["Layer", "Output", "Parameters", "Activation"]
    assert any(line.startswith("left out: Class, Sees, Size, Map") for line in narrow)
    assert not any(line.startswith("left out") for line in wide)


@pytest.fixture
def sick(tmp_path):
    """A network with NaN in one weight, two equal filters in another, and a third that is zero."""
    layers = [
        L.Conv2D(4, 3, activation="relu", name="conv1"),
        L.Conv2D(4, 3, activation="relu", name="conv2"),
        L.GlobalAveragePooling2D(name="gap"),
        L.Dense(3, name="classes"),
    ]
    model = zoo.randomize(keras.Sequential([keras.Input((9, 9, 3)), *layers]))
    for name, index, value in (("conv1", (0, 0, 0, 0), np.nan), ("classes", ..., 0)):
        kernel = model.get_layer(name).kernel.numpy()
        kernel[index] = value
        model.get_layer(name).kernel.assign(kernel)
    kernel = model.get_layer("conv2").kernel.numpy()
    kernel[..., 3] = kernel[..., 1]
    model.get_layer("conv2").kernel.assign(kernel)
    model.save(tmp_path / "sick.keras")
    return tmp_path / "sick.keras"


def test_what_is_wrong_is_said_first(sick):
    lines = in_window(80, sick)
    assert lines[:7] == [
        "broken      NaN: the training diverged, or the file is damaged",
        "            conv1/kernel  1 of 108 values is NaN",
        "suspicious  nothing but zeros, which let nothing pass",
        "            classes/kernel  all 12 values are zero",
        "suspicious  equal filters, which do the same work twice: 1 channel",
        "            conv2/kernel  of 4 filters 1 = 3",
        "",
    ]


def test_strict_fails_on_what_is_broken_alone(run, sick, saved):
    assert run("inspect", sick).exit_code == 0
    result = run("inspect", sick, "--strict")
    assert result.exit_code == 1 and "conv1/kernel" in result.stdout
    assert run("inspect", sick, "--strict", "--json").exit_code == 1
    assert run("inspect", saved("nested_twice"), "--strict").exit_code == 0


@pytest.mark.slow
def test_many_places_are_counted(tmp_path):
    layers = [L.Dense(3, name=f"dense{i}") for i in range(8)]
    model = zoo.randomize(keras.Sequential([keras.Input((3,)), *layers]))
    for layer in model.layers[1:]:
        layer.bias.assign(np.zeros(3))
    model.save(tmp_path / "m.keras")
    lines = in_window(80, tmp_path / "m.keras")
    assert lines[0] == "note  initial values that no training has changed: 7 places"
    assert lines[1] == "      dense1/bias  all 0" and lines[4] == "      dense4/bias  all 0"
    assert lines[5] == "      and 3 more, which --weights lists"


@pytest.mark.slow
def test_all_weights(sick):
    lines = in_window(140, sick, "--weights")
    rows = {line.split()[0]: line.split() for line in lines if line.startswith(("conv", "classes"))}
    assert rows["conv1/kernel"][1:5] == ["3×3×3×4", "float32", "432", "bytes"] and rows["conv1/kernel"][-2:] == [
        "1",
        "NaN",
    ]
    assert rows["conv2/kernel"][-3:] == ["1", "=", "3"]
    assert rows["classes/kernel"][5:] == ["0", "0", "0", "0", "100%", "all", "zero"]
    assert len(rows) == 6 and not any(line.startswith("Layer") for line in lines)


@pytest.mark.slow
def test_what_the_file_says_of_itself(run, sick):
    file = inspect(run, sick)["file"]
    assert file["kind"] == "keras" and file["keras_version"] == keras.__version__
    assert file["bytes"] == sick.stat().st_size
    text = run("inspect", sick).stdout
    assert str(sick) in text and f"Keras {keras.__version__}" in text
    assert inspect(run, "shapes")["file"] is None


@pytest.mark.slow
def test_a_saved_model(run, saved, tmp_path):
    live = keras.saving.load_model(saved("nested_twice"))
    live.export(tmp_path / "exported", verbose=False)
    found = inspect(run, tmp_path / "exported")
    assert found["file"]["kind"] == "saved_model" and found["parameters"] == 482 and found["problems"] == []
    assert len(found["rules"]["guided"]["replaced"]) == 2 and found["outputs"][0]["head"] == "softmax"
    text = run("inspect", tmp_path / "exported").stdout
    assert "serve, serving_default: " in text and "Keras 3 export" in text


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Graphviz")
def test_the_network_is_drawn(run, saved, tmp_path):
    path = tmp_path / "network.dot"
    found = inspect(run, saved("nested_twice"), "--graph", path)
    assert found["graph"] == str(path) and "conv1" in path.read_text()
    assert inspect(run, saved("nested_twice"))["graph"] is None
    result = run("inspect", saved("nested_twice"), "--graph", path, "--depth", "1")
    assert "conv1" not in path.read_text() and "middle" in path.read_text()
    assert result.stderr.strip().endswith("network.dot") and "dot" not in result.stdout
    result = run("inspect", saved("nested_twice"), "--graph", tmp_path / "network.txt")
    assert result.exit_code == 2 and ".svg" in result.stderr and not result.stdout


@pytest.mark.slow
def test_weights_alone_with_an_architecture(run, saved, tmp_path):
    path = saved("nested_twice")
    keras.saving.load_model(path).save_weights(tmp_path / "m.weights.h5")
    found = inspect(run, tmp_path / "m.weights.h5", "--architecture", path)
    assert found["parameters"] == 482 and found["file"]["weights_only"]


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
