"""What is found in a model; most of it is tested as `kerasviz inspect` shows it."""

import json

import keras
from keras import layers as L

from kerasviz.inspection import examine
from kerasviz.network import Network


def test_all_of_a_small_model():
    inputs = keras.Input((8, 6, 3), name="image")
    x = L.Conv2D(2, 3, activation="relu", name="conv")(inputs)
    model = keras.Model(inputs, L.Dense(4, name="classes")(L.GlobalAveragePooling2D(name="gap")(x)), name="small")
    found = examine(Network(model), model)
    layer = {"parameters": 0, "calls": 1, "map": False, "rectifier": False}
    rule = {"replaced": ["conv.activation"], "missed": [], "reason": None}
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
                "calls": 1,
                "map": True,
                "rectifier": True,
            },
            {**layer, "path": "gap", "class": "GlobalAveragePooling2D", "shape": [None, 2]},
            {**layer, "path": "classes", "class": "Dense", "shape": [None, 4], "parameters": 12},
        ],
    }
    assert json.loads(json.dumps(found)) == found
