"""What `--model` can name, and what pixel values a network is taken to expect."""

import functools
import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from kerasviz.cli.models import open_model
from kerasviz.cli.preparation import guess_preprocess
from kerasviz.errors import KerasvizWarning, LoadError, SettingError
from kerasviz.network import Network

MEAN, VARIANCE = [0.485, 0.456, 0.406], [0.0524, 0.0502, 0.0506]


def beginning(*layers, function=None):
    inputs = x = keras.Input((12, 10, 3))
    for layer in layers:
        x = layer(x)
    x = x if function is None else function(x)
    x = L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="relu")(x))
    return Network(keras.Model(inputs, L.Dense(2)(x)))


@pytest.mark.parametrize(
    ("layers", "mode"),
    [
        ([L.Rescaling(1 / 255)], "none"),
        ([L.Rescaling(1 / 127.5, offset=-1)], "none"),
        ([L.RandomFlip(), L.Rescaling(1 / 255), L.Normalization(mean=MEAN, variance=VARIANCE)], "none"),
        ([L.Normalization(mean=[124, 116, 104], variance=[3400, 3260, 3280])], "none"),
        ([L.Normalization(mean=[124, 116, 104], variance=[1, 1, 1])], "none"),
        ([keras.Sequential([L.Rescaling(1 / 255)], name="prepare")], "none"),
        ([L.Rescaling(2.0, offset=-1)], "scale"),
        ([L.Normalization(mean=MEAN, variance=VARIANCE)], "scale"),
    ],
    ids=["0..1", "-1..1", "nested steps", "statistics", "mean only", "nested", "from 0..1", "statistics of 0..1"],
)
def test_the_range_is_told_by_the_first_layers(layers, mode):
    assert guess_preprocess(beginning(*layers)) == mode


def test_arithmetic_on_the_input_counts():
    assert guess_preprocess(beginning(function=lambda x: x / 127.5 - 1)) == "none"


@pytest.mark.parametrize("layers", [[], [L.RandomFlip(), L.Dropout(0.5)]], ids=["nothing", "augmentation"])
def test_a_guess_is_told(layers):
    with pytest.warns(KerasvizWarning, match=r"0\.\.1 is assumed.*--preprocess"):
        assert guess_preprocess(beginning(*layers)) == "scale"


def test_integers_are_given_as_they_are():
    inputs = keras.Input((12, 10, 3), dtype="uint8")
    x = L.Flatten()(L.Rescaling(1.0)(inputs))
    assert guess_preprocess(Network(keras.Model(inputs, L.Dense(2)(x)))) == "none"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("imagnet", "Did you mean imagenet"),
        ("resnet50", "Did you mean keras:ResNet50"),
        ("keras:ResNet5", "keras:ResNet50"),
        ("no/such/file.keras", "no file"),
    ],
)
def test_unknown_models_name_the_nearest(given, said):
    with pytest.raises(LoadError, match=said):
        open_model(given)


@pytest.mark.slow
def test_a_network_of_keras_applications_brings_its_own_preprocessing(run, tmp_path, monkeypatch):
    """Without a connection the weights are random; everything else is as it would be."""
    build = functools.partial(keras.applications.MobileNetV2, alpha=0.35, input_shape=(96, 96, 3), classes=1000)
    monkeypatch.setattr(keras.applications, "MobileNetV2", lambda weights: build(weights=None))
    opened = open_model("keras:mobilenetv2")
    pixels = np.full((1, 2, 2, 3), 255, "float32")
    assert opened.given == "keras:MobileNetV2" and opened.preprocess_name == "MobileNetV2's own"
    np.testing.assert_array_equal(opened.preprocess(pixels), np.ones_like(pixels))
    assert opened.labels[282] == "tiger cat"


def test_weights_that_cannot_be_had_are_one_line(run, monkeypatch, pictures):
    def offline(weights):
        print("Downloading data")
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.applications, "VGG16", offline)
    result = run("explain", pictures, "-m", "keras:VGG16", "--json")
    assert result.exit_code == 2 and result.stdout == ""
    assert "error: The ImageNet weights of VGG16 cannot be had: URL fetch failure." in result.stderr
    assert "--model imagenet" in result.stderr


def test_code_in_a_file_needs_a_word(run, tmp_path, pictures):
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), L.Lambda(lambda x: x / 255), L.Conv2D(2, 3), L.Flatten(), L.Dense(2)]
    )
    model.save(tmp_path / "lambda.keras")
    result = run("inspect", tmp_path / "lambda.keras")
    assert result.exit_code == 2 and "--unsafe" in result.stderr and "unsafe=" not in result.stderr
    assert run("inspect", tmp_path / "lambda.keras", "--unsafe").exit_code == 0


def test_own_classes_are_imported_by_name(run, tmp_path, monkeypatch):
    (tmp_path / "gates_of_mine.py").write_text(
        "import keras\n\nclass Gate(keras.layers.Layer):\n    def call(self, x):\n        return x * 0.5\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from gates_of_mine import Gate

    keras.Sequential([keras.Input((8, 8, 3)), Gate(name="gate"), L.Conv2D(2, 3), L.Flatten(), L.Dense(2)]).save(
        tmp_path / "own.keras"
    )
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    # Older versions of Keras look for classes in the modules that are loaded.
    monkeypatch.delitem(sys.modules, "gates_of_mine")
    result = run("inspect", tmp_path / "own.keras")
    assert result.exit_code == 2 and "--custom module:Name" in result.stderr
    found = json.loads(run("inspect", "own.keras", "--custom", "gates_of_mine:Gate", "--json").stdout)
    assert found["layers"][0]["class"] == "Gate"
    with pytest.raises(SettingError, match="gates_of_mine:Door"):
        open_model("own.keras", custom=["gates_of_mine:Door"])


def test_a_saved_model_is_a_model_like_others(run, colors, tmp_path, pictures):
    keras.models.load_model(colors).export(tmp_path / "folder", verbose=False)
    words = ("explain", pictures, "--json", "--preprocess", "none", "--method", "grad-cam", "--overwrite")
    found = [
        json.loads(run(*words, "-m", model, "-o", tmp_path / "out").stdout)["images"]
        for model in (colors, tmp_path / "folder")
    ]
    for live, exported in zip(*found, strict=True):
        assert [each["class"] for each in live["predictions"]] == [each["class"] for each in exported["predictions"]]
    result = run("inspect", tmp_path / "folder", "--signature", "other")
    assert result.exit_code == 2 and "'serving_default'" in result.stderr
    assert run("inspect", tmp_path / "folder", "--signature", "serving_default").exit_code == 0
    result = run("inspect", colors, "--signature", "serve")
    assert result.exit_code == 2 and "which has no signatures" in result.stderr


def test_weights_and_what_they_belong_to(run, colors, tmp_path, monkeypatch):
    model = keras.models.load_model(colors)
    weights = tmp_path / "colours.weights.h5"
    model.save_weights(weights)
    result = run("inspect", weights)
    assert result.exit_code == 2 and "Pass --architecture with what they belong to" in result.stderr
    (tmp_path / "colours.json").write_text(model.to_json())
    (tmp_path / "colours_of_mine.py").write_text(
        f"import keras\n\ndef build():\n    return keras.models.load_model({str(colors)!r})\n"
    )
    monkeypatch.chdir(tmp_path)
    for architecture in (tmp_path / "colours.json", colors, "colours_of_mine:build"):
        found = json.loads(run("inspect", weights, "--architecture", architecture, "--json").stdout)
        assert found["parameters"] == model.count_params(), architecture
    # A checkpoint goes by what its files begin with.
    tf.train.Checkpoint(model=model).write(str(tmp_path / "checkpoint"))
    assert run("inspect", tmp_path / "checkpoint", "--architecture", colors).exit_code == 0


@pytest.mark.parametrize(
    ("architecture", "said"),
    [
        ("keras:ResNet5", "Did you mean keras:ResNet50"),
        ("colours", "Expected keras:ResNet50, a .json, .keras or .h5 file, or module:function"),
        ("no_such_module:build", "--architecture no_such_module:build cannot be imported"),
        ("math:pi", "The architecture is a float"),
        ("keras:VGG16", "do not fit the architecture"),
        ("missing.json", "cannot be read"),
    ],
)
@pytest.mark.slow
def test_what_is_no_architecture(architecture, said, run, colors, tmp_path):
    keras.models.load_model(colors).save_weights(tmp_path / "colours.weights.h5")
    result = run("inspect", tmp_path / "colours.weights.h5", "--architecture", architecture)
    assert result.exit_code == 2 and said in result.stderr and len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("option", ["architecture", "signature"])
def test_packaged_networks_need_nothing_else(option, run):
    result = run("inspect", "shapes", f"--{option}", "keras:VGG16")
    assert result.exit_code == 2 and f"--{option} with the model shapes" in result.stderr


@pytest.mark.slow
def test_the_embedded_network_names_the_packaged_pictures(run, tmp_path):
    from kerasviz.data import shapes

    pictures = shapes.example_pictures()
    result = run("explain", *pictures.values(), "-m", "shapes", "-o", tmp_path / "out", "--json")
    found = json.loads(result.stdout)
    assert [image["predictions"][0]["label"] for image in found["images"]] == list(pictures)
