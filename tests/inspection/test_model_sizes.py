"""What takes the memory."""

import keras
import pytest
from keras import layers as L

from kerasviz.inspection import weights
from kerasviz.inspection.sizes import sizes
from kerasviz.texts import bytes_text


def test_by_dtype_and_layer():
    inner = keras.Sequential([keras.Input((4,)), L.Dense(10, name="wide", dtype="bfloat16")], name="inner")
    model = keras.Sequential([keras.Input((4,)), inner, L.Dense(2, use_bias=False, name="narrow"), L.ReLU()])
    found = sizes(weights(model))
    assert found == {
        "bytes": 180,
        "values": 70,
        "dtypes": {
            "bfloat16": {"bytes": 100, "share": 100 / 180, "values": 50},
            "float32": {"bytes": 80, "share": 80 / 180, "values": 20},
        },
        "heaviest": [
            {"layer": "inner/wide", "bytes": 100, "share": 100 / 180, "values": 50},
            {"layer": "narrow", "bytes": 80, "share": 80 / 180, "values": 20},
        ],
    }
    assert [row["layer"] for row in sizes(weights(model), most=1)["heaviest"]] == ["inner/wide"]


def test_a_model_without_weights():
    model = keras.Sequential([keras.Input((4,)), L.ReLU()])
    assert sizes(weights(model)) == {"bytes": 0, "values": 0, "dtypes": {}, "heaviest": []}


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (553_430_176, "553 MB"),
    ],
)
def test_bytes_for_readers(count, text):
    assert bytes_text(count) == text
