"""What is found in a model; most of it is tested as `kerasviz inspect` shows it."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from kerasviz.inspection import examine
from kerasviz.network import Network


def test_all_of_a_small_model():
    inputs = keras.Input((8, 6, 3), name="image")
    x = L.Conv2D(2, 3, activation="relu", name="conv")(inputs)
    model = keras.Model(inputs, L.Dense(4, name="classes")(L.GlobalAveragePooling2D(name="gap")(x)), name="small")
    found = examine(Network(model), model)
    layer = {
        "parameters": 0,
        "bytes": 0,
        "activations": [],
        "receptive_field": None,
        "calls": 1,
        "map": False,
        "rectifier": False,
        "rules": {},
    }
    rule = {"replaced": ["conv.activation"], "missed": [], "reason": None}
    assert found.pop("problems") == [
        {
            "severity": "note",
            "kind": "untrained",
            "path": "",
            "layer": "",
            "text": "every bias, scale and statistic is at its initial value",
            "channels": [],
        }
    ]
    assert [weight["path"] for weight in found.pop("weights")] == [
        "conv/kernel",
        "conv/bias",
        "classes/kernel",
        "classes/bias",
    ]
    assert found.pop("sizes")["bytes"] == 4 * 68
    assert found.pop("quantization")["policies"] == {"float32": ["conv", "classes"]}
    assert found == {
        "name": "small",
        "parameters": 56 + 12,
        "inputs": [{"name": "image", "shape": [None, 8, 6, 3], "dtype": "float32"}],
        "outputs": [{"name": "classes", "shape": [None, 4], "head": None, "cam": "conv"}],
        "default_layer": {"path": "conv", "reason": None},
        "rules": {"deconvnet": rule, "guided": rule},
        "layers": [
            {
                "path": "conv",
                "class": "Conv2D",
                "shape": [None, 6, 4, 2],
                "parameters": 56,
                "bytes": 224,
                "activations": ["relu"],
                "receptive_field": {"size": [3.0, 3.0], "stride": [1.0, 1.0], "whole": False},
                "calls": 1,
                "map": True,
                "rectifier": True,
                "rules": {"deconvnet": ["conv.activation"], "guided": ["conv.activation"]},
            },
            {**layer, "path": "gap", "class": "GlobalAveragePooling2D", "shape": [None, 2]},
            {**layer, "path": "classes", "class": "Dense", "shape": [None, 4], "parameters": 12, "bytes": 48},
        ],
    }


def test_json_holds_all_of_every_kind_of_model(specimen):
    found = examine(Network(specimen.model), specimen.model)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["problems"] == []
    assert found["sizes"]["bytes"] == sum(weight["bytes"] for weight in found["weights"])
    held = [layer["bytes"] for layer in found["layers"] if "/" not in layer["path"]]
    shared = any(weight["also"] for weight in found["weights"])
    assert shared or sum(held) == found["sizes"]["bytes"]


def test_receptive_fields_along_each_axis():
    inputs = keras.Input((32, 40, 3), name="image")
    x = L.Conv2D(2, (3, 5), strides=(2, 1), name="conv")(inputs)
    gate = L.GlobalAveragePooling2D(keepdims=True, name="gap")(x)
    x = L.Multiply(name="gated")([x, L.Conv2D(2, 1, name="gate")(gate)])
    model = keras.Model(inputs, L.Flatten(name="flat")(x))
    found = {layer["path"]: layer["receptive_field"] for layer in examine(Network(model), model)["layers"]}
    assert found["conv"] == {"size": [3.0, 5.0], "stride": [2.0, 1.0], "whole": False}
    assert found["gated"] == {"size": [3.0, 5.0], "stride": [2.0, 1.0], "whole": True}
    assert found["flat"] is None


def test_a_table_of_numbers_has_no_receptive_fields():
    model = keras.Sequential([keras.Input((5,)), L.Dense(3, name="hidden")])
    assert examine(Network(model), model)["layers"][0]["receptive_field"] is None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_network_of_nothing_but_nan_is_examined():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            L.Conv2D(4, 3, activation="relu", name="conv"),
            L.BatchNormalization(name="bn"),
            L.SeparableConv2D(4, 3, name="sep"),
            L.GlobalAveragePooling2D(),
            L.Dense(3, activation="softmax", name="classes"),
        ]
    )
    for variable in model.variables:
        variable.assign(np.full(variable.shape, np.nan))
    found = examine(Network(model), model)
    assert len(found["problems"]) == len(found["weights"]) == 11
    assert {problem["kind"] for problem in found["problems"]} == {"nan"}
    assert found["default_layer"]["path"] == "sep" and found["outputs"][0]["cam"] == "sep"
    assert found["weights"][0]["minimum"] is None and found["weights"][0]["nan"] == 108
    json.dumps(found, allow_nan=False)


def test_a_graph_has_the_same_health_as_the_model_it_was_made_of(tmp_path):
    from kerasviz.network.graph import open_saved_model

    inputs = keras.Input((12, 12, 3), name="image")
    x = L.Conv2D(6, 3, activation="relu6", name="conv")(inputs)
    x = L.BatchNormalization(name="bn")(x)
    x = L.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(x)
    x = L.Conv2DTranspose(5, 3, name="up")(x)
    x = L.GlobalAveragePooling2D(name="gap")(x)
    model = keras.Model(inputs, L.Dense(7, name="classes")(x))
    rng = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(rng.uniform(0.5 if variable.name in ("gamma", "moving_variance") else -1, 1, variable.shape))

    def change(layer, name, index, value):
        variable = getattr(model.get_layer(layer), name)
        array = variable.numpy()
        array[index] = array[value] if isinstance(value, tuple) else value
        variable.assign(array)

    change("conv", "kernel", (..., 4), (..., 1))
    change("conv", "kernel", (0, 0, 0, 0), np.nan)
    change("bn", "moving_variance", 2, 0)
    change("bn", "gamma", 3, 0)
    change("depthwise", "kernel", (..., 3, 1), (..., 3, 0))
    change("up", "kernel", (slice(None), slice(None), 4), (slice(None), slice(None), 2))
    change("classes", "kernel", (..., 5), 0)
    model.export(tmp_path, verbose=False)
    graph = open_saved_model(tmp_path)
    live, bare = (
        [
            (problem["severity"], problem["kind"], problem["path"].partition("/")[0], problem["text"])
            for problem in examine(Network(one), one)["problems"]
        ]
        for one in (model, graph)
    )
    assert bare == live and len(live) == 7
    assert sum(kind == "equal_filters" for _, kind, *_ in live) == 3
    layers = {layer["path"]: layer for layer in examine(Network(graph), graph)["layers"]}
    assert layers["conv/Relu6"]["activations"] == ["relu6"] and layers["conv/Relu6"]["rectifier"]
    assert layers["bn"]["receptive_field"]["size"] == [3.0, 3.0]


def test_variables_of_a_graph_that_no_training_has_updated(tmp_path):
    from kerasviz.network.graph import open_saved_model

    model = keras.Sequential([keras.Input((6, 6, 3)), L.Conv2D(4, 3, name="conv"), L.BatchNormalization(name="bn")])
    model.get_layer("conv").bias.assign(np.arange(4.0))
    model.export(tmp_path, verbose=False)
    graph = open_saved_model(tmp_path)
    found = [problem for problem in examine(Network(graph), graph)["problems"] if problem["kind"] == "never_updated"]
    assert len(found) == 1 and found[0]["path"].startswith("bn")


def test_a_rectifier_inside_custom_code_counts_as_explainers_find_it():
    inputs = keras.Input((5,))
    hidden = L.Lambda(lambda x: tf.nn.relu(x), name="cave")(L.Dense(4, activation="relu", name="seen")(inputs))
    model = keras.Model(inputs, L.Dense(2)(hidden))
    rules = examine(Network(model), model)["rules"]
    for name in ("guided", "deconvnet"):
        assert rules[name] == {"replaced": ["seen.activation", "cave/Relu.activation"], "missed": [], "reason": None}
