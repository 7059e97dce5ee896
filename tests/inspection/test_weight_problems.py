"""What is told of weights, and what is not."""

import keras
import numpy as np
import pytest
from keras import layers as L

import kerasviz as kv
from kerasviz.data import shapes
from kerasviz.inspection import problems, weights


def network():
    """A network that looks trained, with nothing wrong."""
    inputs = keras.Input((12, 10, 3), name="image")
    x = L.Conv2D(8, 3, name="conv")(inputs)
    x = L.BatchNormalization(name="bn")(x)
    x = L.DepthwiseConv2D(3, name="depthwise")(x)
    x = L.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, L.Dense(4, name="classes")(x))
    rng = np.random.default_rng(1)
    for variable in model.variables:
        low = 0.5 if variable.name in ("gamma", "moving_variance") else -1
        variable.assign(rng.uniform(low, 1.5, variable.shape))
    return model


def told(model):
    return [(one.severity, one.kind, one.path, one.text, one.channels) for one in problems(weights(model))]


def change(model, path, index, value):
    layer, _, name = path.partition("/")
    variable = next(one for one in model.get_layer(layer).variables if one.name == name)
    array = variable.numpy()
    array[index] = value
    variable.assign(array)


def test_nothing_is_told_of_good_networks():
    assert told(network()) == []
    assert told(shapes.shapes_model()) == []


ALL = ...
CASES = {
    "nan": ("conv/kernel", (0, 0, 0, slice(2)), np.nan, ("broken", "2 of 216 values are NaN", ())),
    "infinite": ("classes/bias", 1, -np.inf, ("broken", "1 of 4 values is infinite", ())),
    "negative_variance": ("bn/moving_variance", 3, -2, ("broken", "1 of 8 values is negative, down to -2", ())),
    "huge": ("conv/kernel", (0, 0, 0, 0), 1e5, ("suspicious", "values from -0.", ())),
    "zero": ("classes/kernel", ALL, 0, ("suspicious", "all 32 values are zero", ())),
    "constant": ("classes/kernel", ALL, 0.5, ("suspicious", "all 32 values are 0.5", ())),
    "dead_filters": ("conv/kernel", (ALL, [1, 6]), 0, ("note", "2 of 8: 1, 6", (1, 6))),
    "dead_channels": ("bn/gamma", 5, 0, ("note", "1 of 8: 5", (5,))),
    "initial": ("classes/bias", ALL, 0, ("note", "all 0", ())),
}


@pytest.mark.parametrize("kind", CASES)
def test_one_thing_wrong_is_one_problem(kind):
    path, index, value, (severity, text, channels) = CASES[kind]
    model = network()
    change(model, path, index, value)
    (found,) = told(model)
    assert found[:3] == (severity, kind, path) and found[3].startswith(text) and found[4] == channels


def test_equal_filters():
    model = network()
    kernel = model.get_layer("conv").kernel.numpy()
    change(model, "conv/kernel", (ALL, [3, 5, 7]), kernel[..., [0, 0, 1]])
    assert told(model) == [("suspicious", "equal_filters", "conv/kernel", "of 8 filters 0 = 3 = 5, 1 = 7", (3, 5, 7))]


def test_dead_by_more_than_half_is_suspicious():
    model = network()
    change(model, "conv/kernel", (ALL, [0, 1, 2, 3]), 0)
    assert told(model)[0][:2] == ("note", "dead_filters")
    change(model, "conv/kernel", (ALL, [4]), 0)
    assert told(model)[0][:2] == ("suspicious", "dead_filters")


def test_statistics_that_no_training_has_updated():
    model = network()
    change(model, "bn/moving_mean", ALL, 0)
    assert told(model) == []
    change(model, "bn/moving_variance", ALL, 1)
    assert told(model) == [("suspicious", "never_updated", "bn", "mean 0 and variance 1 in all channels", ())]


def test_a_fresh_network_is_told_once():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), L.Conv2D(4, 3), L.BatchNormalization(), L.PReLU(), L.Flatten(), L.Dense(3)]
    )
    (found,) = told(model)
    assert found[:3] == ("note", "untrained", "")


def test_legitimate_constants_are_at_most_notes():
    model = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(4, 3, name="blur", trainable=False), L.Dense(2)])
    model.get_layer("blur").set_weights([np.full((3, 3, 3, 4), 1 / 9), np.full(4, 0.1)])
    assert [(severity, kind) for severity, kind, *_ in told(model)] == [
        ("note", "constant"),
        ("note", "constant"),
        ("note", "initial"),
    ]


def test_large_statistics_and_biases_are_ordinary():
    model = network()
    change(model, "bn/moving_variance", 0, 1e6)  # of raw pixels
    change(model, "bn/moving_mean", 0, 1e4)
    change(model, "classes/bias", 0, 2e5)  # of the price of a house
    assert told(model) == []


def test_the_worst_comes_first_in_the_order_of_the_model():
    model = network()
    change(model, "classes/bias", ALL, 0)
    change(model, "classes/kernel", (0, 0), np.nan)
    change(model, "conv/kernel", (ALL, [0]), 0)
    change(model, "conv/kernel", (0, 0, 0, 1), np.nan)
    change(model, "depthwise/kernel", ALL, 0)
    assert [found[1:3] for found in told(model)] == [
        ("nan", "conv/kernel"),
        ("nan", "classes/kernel"),
        ("zero", "depthwise/kernel"),
        ("dead_filters", "conv/kernel"),
        ("initial", "classes/bias"),
    ]


@pytest.mark.slow
def test_a_good_network_of_others_has_dead_filters_and_nothing_worse():
    found = problems(weights(kv.data.imagenet_model()))
    assert {(one.severity, one.kind) for one in found} == {("note", "dead_filters"), ("note", "dead_channels")}
    filters = {one.layer: one.channels for one in found if one.kind == "dead_filters"}
    channels = {one.layer: one.channels for one in found if one.kind == "dead_channels"}
    # Each normalization whose variance is zero stands behind a convolution whose filter is: neither is a false alarm.
    assert channels == {layer.replace("_conv", "_bn"): dead for layer, dead in filters.items()}
    assert filters["stem_conv"] == (11, 16, 28, 31)
    assert sum(map(len, filters.values())) == 130
