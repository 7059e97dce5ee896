"""`kerasviz diff`: what it finds, what it writes, refuses and returns."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

import kerasviz as kv


def changed(path, to, change, **save):
    """A saved network, changed and saved again."""
    model = keras.models.load_model(path)
    change(model)
    model.save(to, **save)
    return to


@pytest.fixture
def swapped(colors, tmp_path):
    """The network with red and green the other way round: the first layer alone differs."""

    def swap(model):
        layer = model.get_layer("conv")
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel[..., [1, 0, 2]], bias])

    return changed(colors, tmp_path / "swapped.keras", swap)


def document(result):
    assert result.exit_code < 2, result.stderr
    return json.loads(result.stdout)


def test_the_same_model_is_no_difference(run, colors):
    result = run("diff", colors, colors)
    assert result.exit_code == 0 and result.stderr == ""
    assert result.stdout.splitlines() == [
        f"A  {colors}  5 layers, 24 parameters",
        f"B  {colors}  5 layers, 24 parameters",
        "",
        "The same 5 layers and the same weights, bit for bit (24 parameters).",
    ]
    found = document(run("diff", colors, colors, "--json"))
    assert found["same"] is True and found["a"]["given"] == str(colors) and found["images"] == []
    assert found["folder"] is None and found["skipped"] == []


def test_changed_weights(run, colors, swapped):
    result = run("diff", colors, swapped)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert "1 of 5 layers changed." in lines
    # Two of three unit vectors are exchanged: 2 / √3 of the length.
    (row,) = [line for line in lines if line.startswith("~")]
    assert row.split() == ["~", "conv", "━━━━━━━━━━", "1.15", "kernel", "changed"]
    assert lines[-1] == "4 layers unchanged"
    layer = next(one for one in document(run("diff", colors, swapped, "--json"))["layers"] if one["path"] == "conv")
    assert layer["relative_distance"] == pytest.approx(2 / np.sqrt(3)) and layer["values_changed"] == 4


def test_bars_are_as_long_as_the_distance(run, colors, tmp_path):
    def scale(model):
        for name, factor in (("conv", 3.0), ("classes", 2.0)):
            layer = model.get_layer(name)
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel * factor, bias])

    other = changed(colors, tmp_path / "scaled.keras", scale)
    result = run("diff", colors, other)
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("~")]
    assert [row[1:4] for row in rows] == [["conv", "━" * 10, "2"], ["classes", "━━━━━╌╌╌╌╌", "1"]]
    result = run("diff", colors, other, "--top-changed", 1)
    assert "classes" not in result.stdout and "… and 1 more: --top-changed 2, or --json, lists them" in result.stdout


def test_nan_is_told_where_it_stands(run, colors, tmp_path):
    def spoil(model):
        model.get_layer("conv").bias.assign([np.nan, 0, 0])

    result = run("diff", colors, changed(colors, tmp_path / "nan.keras", spoil))
    (row,) = [line.split() for line in result.stdout.splitlines() if line.startswith("~")]
    assert row[1:4] == ["conv", "━" * 10, "NaN"] and "1 of the values NaN or infinite" in result.stdout
    assert "Values became NaN or infinite: 1 in conv." in result.stdout


def test_layers_that_came_and_went(run, save_network, colors):
    other = save_network((16, 24, 3), 2, name="two")
    result = run("diff", colors, other)
    rows = {line.split()[1]: line for line in result.stdout.splitlines() if line[:1] in "~−+" and line[:1]}
    assert result.exit_code == 1 and list(rows) == ["classes"]
    assert "units: 3 → 2" in rows["classes"] and "kernel 3 × 3 → 3 × 2" in result.stdout
    assert "The head was replaced: classes (Dense, 3) → classes (Dense, 2)." in result.stdout
    other = save_network(rescale=False, name="plain")
    result = run("diff", colors, other)
    (row,) = [line for line in result.stdout.splitlines() if line.startswith("−")]
    assert "rescale" in row and "removed: Rescaling, output 16 × 24 × 3" in row


def test_renamed_layers_of_one_container_are_one_line(run, colors, tmp_path):
    inner = keras.models.load_model(colors)
    paths = []
    for name in ("base", "backbone"):
        inner.name = name
        inputs = keras.Input((16, 24, 3))
        keras.Model(inputs, inner(inputs)).save(tmp_path / f"{name}.keras")
        paths.append(tmp_path / f"{name}.keras")
    result = run("diff", *paths)
    assert result.exit_code == 1 and "None of 5 layers changed, 5 renamed." in result.stdout
    assert "renamed: base → backbone, with 5 layers inside" in result.stdout.splitlines()


@pytest.mark.slow
def test_pictures(run, colors, swapped, pictures, labels, tmp_path):
    out = tmp_path / "out"
    words = ("--labels", labels, "--method", "grad-cam,saliency", "-o", out)
    found = document(run("diff", colors, swapped, pictures, *words, "--json"))
    names = [image["name"] for image in found["images"]]
    assert names == ["green.png", "red.png", "sea.png"] and found["files"] == names
    assert sorted(path.name for path in out.iterdir()) == sorted([*names, "manifest.json"])
    assert json.loads((out / "manifest.json").read_text("utf-8")) == found
    tops = [(image["top"]["label"], image["top_b"]["label"]) for image in found["images"]]
    assert tops == [("Green_tree", "Fire engine"), ("Fire engine", "Green_tree"), ("Sky", "Sky")]
    assert [image["agree"] for image in found["images"]] == [False, False, True]
    assert [move["method"] for move in found["maps"]] == ["grad_cam", "saliency"]
    with Image.open(out / "red.png") as picture:
        assert picture.text["Source"].endswith("red.png") and json.loads(picture.text["class"]) == 0
        assert picture.width > 3 * 300
    inputs = kv.data.load_images([pictures / name for name in names], (16, 24))
    direct = kv.comparison.compare(colors, swapped, inputs)
    np.testing.assert_allclose(found["maps"][0]["rank_correlation"], direct.maps[0].rank_correlation, atol=1e-6)
    result = run("diff", colors, swapped, pictures, *words)
    assert result.exit_code == 2 and "exists already" in result.stderr
    result = run("diff", colors, swapped, pictures, *words, "--overwrite", "--target", "sky")
    assert result.exit_code == 1 and "3 pictures in" in result.stdout and "explained: Sky" in result.stdout
    rows = [line.split() for line in result.stdout.splitlines() if ".png" in line and "Grad-CAM" in line]
    assert [row[0] for row in rows if row[0].endswith(".png")] == names


@pytest.mark.slow
def test_pictures_without_a_folder(run, colors, pictures, tmp_path):
    result = run("diff", colors, colors, pictures)
    assert result.exit_code == 0 and "Grad-CAM did not move." in result.stdout
    assert "The outputs are the same, but for rounding." in result.stdout
    assert not (tmp_path / "explanations").exists()


@pytest.mark.slow
def test_skipped_pictures_are_told(run, colors, pictures, bad):
    result = run("diff", colors, colors, pictures, "--json")
    found = document(result)
    assert result.exit_code == 1 and found["same"] is True
    assert len(found["skipped"]) == len(bad) == result.stderr.count("skipped: ")
    result = run("diff", colors, colors, pictures / "text.png")
    assert result.exit_code == 2 and "None of the 1 images could be read" in result.stderr


@pytest.mark.slow
def test_each_model_gets_pictures_as_it_takes_them(run, colors, save_network, pictures):
    """The second model is twice as large and scales nothing: its probabilities are the same."""
    other = save_network((32, 48, 3), rescale=False, name="large")
    found = document(run("diff", colors, other, pictures, "--preprocess", "none,scale", "--json"))
    assert [found[side]["images"]["preprocess"] for side in "ab"] == ["none", "scale"]
    assert [found[side]["images"]["height"] for side in "ab"] == [16, 32]
    assert all(image["largest_difference"] < 0.02 for image in found["images"]) and found["maps"][0]["resized"]
    free = save_network((None, None, 3), name="free")
    found = document(run("diff", free, colors, pictures, "--json"))
    assert found["a"]["images"]["height"] == 16 and all(image["same"] for image in found["images"])
    result = run("diff", free, free, pictures)
    assert result.exit_code == 2 and "--size" in result.stderr
    assert document(run("diff", free, free, pictures, "--size", "24x24", "--json"))["a"]["images"]["width"] == 24


@pytest.mark.slow
def test_models_of_other_classes(run, colors, save_network, pictures, labels):
    other = save_network((16, 24, 3), 2, name="two")
    result = run("diff", colors, other, pictures, "--labels", labels)
    assert result.exit_code == 1 and "explained is each model's own top class" in result.stdout
    assert "Fire engine" in result.stdout and "class 0" in result.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--out", "x"], "--out without images"),
        (["--method", "saliency"], "--method without images"),
        (["--target", "1"], "--target without images"),
        (["--preprocess", "tf,none,scale"], "--preprocess"),
        (["--preprocess", "nothing"], "nothing"),
        (["nowhere.png"], "leads to no picture"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(run, colors, words, expected):
    result = run("diff", colors, colors, *words)
    assert result.exit_code == 2 and expected in result.stderr and result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_models_that_cannot_be_opened(run, colors, tmp_path):
    result = run("diff", colors, tmp_path / "none.keras")
    assert result.exit_code == 2 and "none.keras" in result.stderr and "Traceback" not in result.stderr
    (tmp_path / "text.keras").write_text("no model")
    result = run("diff", tmp_path / "text.keras", colors)
    assert result.exit_code == 2 and "text.keras" in result.stderr


def test_a_model_that_takes_no_images(run, colors, pictures, tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save(tmp_path / "table.keras")
    result = run("diff", colors, tmp_path / "table.keras", pictures)
    assert result.exit_code == 2 and "takes" in result.stderr
    assert run("diff", colors, tmp_path / "table.keras").exit_code == 1


@pytest.mark.slow
def test_weights_of_one_architecture(run, colors, swapped, tmp_path):
    """Two files of weights alone, and such a one beside a whole model."""
    for path in (colors, swapped):
        keras.models.load_model(path).save_weights(tmp_path / f"{path.stem}.weights.h5")
    a, b = (tmp_path / f"{path.stem}.weights.h5" for path in (colors, swapped))
    assert run("diff", a, a, "--architecture", colors).exit_code == 0
    for words in ((a, b), (colors, b)):
        result = run("diff", *words, "--architecture", colors)
        assert result.exit_code == 1 and "1 of 5 layers changed." in result.stdout
    result = run("diff", a, b)
    assert result.exit_code == 2 and "--architecture" in result.stderr
    result = run("diff", colors, swapped, "--signature", "serve")
    assert result.exit_code == 2 and "signature" in result.stderr


@pytest.mark.slow
def test_a_savedmodel(run, colors, swapped, pictures, tmp_path):
    keras.models.load_model(colors).export(tmp_path / "exported", verbose=False)
    result = run("diff", colors, tmp_path / "exported", pictures, "--signature", "serve")
    assert result.exit_code == 0 and "The same weights, bit for bit (4 arrays, 24 parameters)." in result.stdout
    assert " ops, 24 parameters" in result.stdout and "Grad-CAM did not move." in result.stdout
    result = run("diff", swapped, tmp_path / "exported")
    assert result.exit_code == 1 and "1 of 4 weights changed." in result.stdout
