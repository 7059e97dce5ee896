"""Which networks end in global average pooling and one linear layer."""

import keras
import numpy as np
import pytest
import zoo
from keras import layers as L

from kerasviz.errors import TargetError
from kerasviz.network import Network
from kerasviz.network.gap_head import gap_head


# The feature map is 5 x 8 x 5: a mean over the wrong axes has as many values as the right one.
def head_of(*layers, shape=(7, 10, 3)):
    model = keras.Sequential([keras.Input(shape), L.Conv2D(5, 3, activation="relu", name="conv"), *layers])
    return gap_head(Network(zoo.randomize(model)))


EXPECTED = {
    "functional": "out_relu",
    "sequential": None,
    "sequential_deferred": None,
    "nested_in_sequential": "base/relu",
    "nested_twice": "middle/after",
    "subclassed": "block",
    "functional_with_own_call": "relu",
    "mixed_float16": "relu",
    "with_preprocessing": "conv1",
    "binary": "conv1",
    "conv1d": "conv2",
    "conv3d": None,
    "regression": None,
    "segmentation": None,
    "softmax_then_reshape": "conv1",
    "image_and_table": None,
    "shared_layer": "shared",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_found_in_every_kind_of_model(name):
    found = gap_head(Network(zoo.ZOO[name]().model))
    assert (None if found is None else found.features.path) == EXPECTED[name]


def test_a_shared_layer_is_found_at_its_last_call():
    assert gap_head(Network(zoo.ZOO["shared_layer"]().model)).features.call == 1


@pytest.mark.parametrize(
    "layers",
    [
        [L.GlobalAveragePooling2D(keepdims=True), L.Flatten(), L.Dropout(0.5), L.Dense(4, "softmax")],
        [L.Dropout(0.3), L.GlobalAveragePooling2D(), L.Dropout(0.5), L.Dense(4), L.Softmax()],
        [L.GlobalAveragePooling2D(keepdims=True), L.Conv2D(4, 1), L.Reshape((4,)), L.Activation("softmax")],
        [L.AveragePooling2D((5, 8)), L.Flatten(), L.Dense(4, use_bias=False)],
        [L.Lambda(lambda x: keras.ops.mean(x, axis=(1, 2))), L.Dense(4)],
    ],
    ids=["flattened", "dropouts", "convolution", "average pooling", "mean"],
)
def test_heads_that_are_linear_in_the_pooled_map(layers):
    found = head_of(*layers)
    assert (found.features.path, found.channels, found.classes) == ("conv", 5, 4)


@pytest.mark.parametrize(
    "layers",
    [
        [L.GlobalMaxPooling2D(), L.Dense(4)],
        [L.Flatten(), L.Dense(4)],
        [L.GlobalAveragePooling2D(), L.Dense(6, activation="relu"), L.Dense(4)],
        [L.GlobalAveragePooling2D(), L.BatchNormalization(), L.Dense(4)],
        [L.AveragePooling2D(2), L.Flatten(), L.Dense(4)],
        [L.AveragePooling2D((4, 8), strides=20), L.Flatten(), L.Dense(4)],
        [L.Lambda(lambda x: keras.ops.mean(x, axis=(2, 3))), L.Dense(4)],
        [
            L.GlobalAveragePooling2D(),
            L.Lambda(lambda x: keras.ops.reshape(x, (-1, 1)), output_shape=(1,)),
            L.Dense(4),
            L.Lambda(lambda x: keras.ops.reshape(x, (-1, 20)), output_shape=(20,)),
        ],
        [L.GlobalAveragePooling2D()],
    ],
    ids=[
        "maximum",
        "flatten",
        "hidden layer",
        "normalized",
        "2 x 2",
        "not all",
        "wrong axes",
        "channel by channel",
        "no dense layer",
    ],
)
def test_other_heads_are_refused(layers):
    assert head_of(*layers) is None


def test_the_named_feature_map_gives_the_scores():
    """What the finding means: pooling that map, times the dense kernel, is the score."""
    specimen = zoo.ZOO["nested_in_sequential"]()
    network = Network(specimen.model)
    found = gap_head(network)
    (features,) = network.activations(specimen.inputs, str(found.features)).values()
    kernel, bias = specimen.model.layers[-1].get_weights()
    scores = features.mean(axis=(1, 2)) @ kernel + bias
    expected = network.function(lambda tensors: network.forward(tensors).scores)([specimen.inputs])
    np.testing.assert_allclose(scores, next(iter(expected.values())), rtol=1e-5, atol=1e-5)


def test_several_outputs_need_a_name():
    network = Network(zoo.ZOO["two_outputs"]().model)
    assert gap_head(network, "second").classes == 3
    with pytest.raises(TargetError, match="one of 'first', 'second'"):
        gap_head(network)
    with pytest.raises(TargetError, match="third"):
        gap_head(network, "third")
