"""The table of receptive fields, and their boxes on images."""

import csv
import io
import json

import keras
import numpy as np
import pytest
from keras import layers as L

from kerasviz.errors import InputError, LayerError, SettingError
from kerasviz.features.fields import receptive_fields
from kerasviz.network import Network


@pytest.fixture(scope="module")
def model():
    image = keras.Input((40, 30, 3))
    x = L.Conv2D(4, (5, 3), 2, name="conv")(image)
    x = L.UpSampling2D((1, 2), name="up")(L.MaxPooling2D(2, name="pool")(x))
    gate = L.GlobalAveragePooling2D(keepdims=True, name="gap")(x)
    return keras.Model(image, L.Dense(3, name="scores")(L.Flatten(name="flat")(L.Multiply(name="gated")([x, gate]))))


def test_rows(model):
    table = receptive_fields(model)
    assert [row["layer"] for row in table.rows()] == ["conv", "pool", "up", "gated"]
    assert table.rows()[1] == {
        "layer": "pool",
        "size": (7.0, 5.0),
        "stride": (4.0, 4.0),
        "start": (0.0, 0.0),
        "centre": (3.0, 2.0),
        "units": (9, 7),
        "whole": False,
    }
    assert table.rows()[3]["whole"]
    assert json.loads(json.dumps(table.rows(), allow_nan=False))[2]["start"] == [0, -2]
    file = io.StringIO(newline="")
    csv.DictWriter(file, table.rows()[0]).writerows(table.rows())
    assert 'pool,"(7.0, 5.0)"' in file.getvalue()


def test_text(model):
    assert str(receptive_fields(model, ["up", "gated", "scores"])).splitlines() == [
        "layer  units   size   stride  start   centre",
        "up     9 x 14  7 x 7  4 x 2   0 x -2  3 x 1",
        "gated  9 x 14  7 x 7  4 x 2   0 x -2  3 x 1   whole image by other paths",
    ]
    assert str(receptive_fields(model, ["scores"])) == "layer  units  size  stride  start  centre"


def test_takes_networks_and_sizes():
    free = Network(keras.Sequential([keras.Input((None, None, 1)), L.Conv2D(1, 3, name="conv")]))
    assert receptive_fields(free, size=(20, 9)).rows()[0]["units"] == (18, 7)
    with pytest.raises(LayerError, match="No layer"):
        receptive_fields(free, ["pool"])


def test_draws_the_box(model):
    image = np.full((40, 30, 3), 128, np.uint8)
    drawn = receptive_fields(model).draw("pool", (4, 1), image)
    # Rows 16 to 22 and columns 4 to 8, with a line of one pixel.
    pink = (drawn == (255, 40, 200)).all(-1)
    expected = np.zeros((40, 30), bool)
    expected[16:23, 4:9] = True
    expected[17:22, 5:8] = False
    np.testing.assert_array_equal(pink, expected)
    assert (image == 128).all()


def test_refuses_to_draw(model):
    table, image = receptive_fields(model), np.zeros((40, 30, 3), np.uint8)
    with pytest.raises(LayerError, match="'flat' is not in the table"):
        table.draw("flat", (0, 0), image)
    with pytest.raises(SettingError, match="no unit of 'pool'"):
        table.draw("pool", (9, 0), image)
    with pytest.raises(InputError, match="30 x 40 pixels"):
        table.draw("pool", (0, 0), image.transpose(1, 0, 2))
    sound = receptive_fields(keras.Sequential([keras.Input((20, 1)), L.Conv1D(1, 3, name="conv")]))
    with pytest.raises(InputError, match="1 spatial axes"):
        sound.draw("conv", 0, image)
