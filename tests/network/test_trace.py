"""The record of a forward pass: calls in order, what they depend on, the outputs by name."""

from collections import OrderedDict

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L

import kerasviz as kv
from kerasviz.network import Address
from kerasviz.network.trace import named_outputs


def test_calls_are_listed_as_they_return_with_shapes_and_sources():
    network = kv.Network(zoo.ZOO["image_and_table"]().model)
    found = [(call.path.split("_")[0], call.shape, call.sources) for call in network.trace.calls]
    assert found == [
        ("conv1", (None, 10, 8, 5), {"image"}),
        ("global", (None, 5), {"image"}),
        ("table", (None, 5), {"table"}),
        ("concatenate", (None, 10), {"image", "table"}),
        ("predictions", (None, 4), {"image", "table"}),
    ]


def test_sources_of_a_shared_tower_are_those_of_the_call():
    network = kv.Network(zoo.ZOO["dicts"]().model)
    trace = network.trace
    assert trace.calls_of("tower/conv1") == 2 and trace.calls_of("nowhere") == 0
    first, second, last = (trace.sources_of(Address("tower/bn", k)) for k in (0, 1, -1))
    assert {*first, *second} == {"left", "right"} and len(first) == len(second) == 1 and last == second
    assert trace.sources_of(Address("age")) == {"left", "right"}
    assert trace.sources_of(Address("nowhere")) == frozenset()


def test_weights_are_no_sources():
    """Variables enter a graph as inputs do; a branch of weights alone depends on nothing."""

    class Learned(L.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(1, 4), initializer="ones")

        def call(self, x):
            return self.w * 2.0

    inputs = keras.Input((4,), name="x")
    model = keras.Model(inputs, L.Dense(2, name="dense")(inputs + Learned(name="learned")(inputs)))
    trace = kv.Network(model).trace
    assert trace.sources_of(Address("learned")) == frozenset()
    assert trace.sources_of(Address("dense")) == {"x"}


def test_layers_that_hand_on_what_they_got_are_marked():
    network = kv.Network(zoo.ZOO["nested_in_sequential"]().model)
    assert {call.path for call in network.trace.calls if call.passes_on} == {"base"}
    network = kv.Network(zoo.ZOO["sequential"]().model)
    assert {call.path for call in network.trace.calls if call.passes_on} == {"dropout"}


def test_a_layer_of_several_tensors_has_no_shape_and_no_axis_of_its_own():
    inputs = keras.Input((5, 4))
    x, *_ = L.LSTM(3, return_state=True, name="lstm")(inputs)
    trace = kv.Network(keras.Model(inputs, L.Dense(2, name="dense")(x))).trace
    assert trace.shape_of("lstm") is None and trace.calls_of("lstm") == 1
    assert trace.shape_of("dense") == (None, 2) and trace.shape_of("nowhere") is None


def test_free_axes_stay_free():
    inputs = keras.Input((None, None, 3))
    network = kv.Network(keras.Model(inputs, L.Conv2D(4, 3, name="conv")(inputs)))
    assert network.trace.shape_of("conv") == (None, None, None, 4)
    assert network.activations(zoo.images(9, 7, 3), "conv")["conv"].shape == (3, 7, 5, 4)


class Returns(keras.Model):
    """Returns three numbers, nested as it is told."""

    def __init__(self, nest):
        super().__init__()
        self.nest = nest

    def call(self, x):
        return self.nest(x + 1.0, x + 2.0, x + 3.0)


NESTED = {
    "dict": (lambda a, b, c: {"zeta": a, "alpha": b, "mid": c}, {"alpha": 2, "mid": 3, "zeta": 1}),
    "OrderedDict": (lambda a, b, c: OrderedDict(zeta=a, alpha=b, mid=c), {"alpha": 2, "mid": 3, "zeta": 1}),
    "dict of dicts": (lambda a, b, c: {"p": {"z": a, "q": b}, "o": c}, {"o": 3, "p/q": 2, "p/z": 1}),
    "dict of a list": (lambda a, b, c: {"p": [a, b], "o": c}, {"o": 3, "p/0": 1, "p/1": 2}),
    "list": (lambda a, b, c: [a, b, c], {"output_0": 1, "output_1": 2, "output_2": 3}),
    "tuple of lists": (lambda a, b, c: (a, [b, c]), {"output_0": 1, "output_1": 2, "output_2": 3}),
    "with None": (lambda a, b, c: (None, a, None), {"output": 1}),
    "one": (lambda a, b, c: c, {"output": 3}),
    "one twice": (lambda a, b, c: {"x": a, "y": a}, {"x": 1, "y": 1}),
}


@pytest.mark.parametrize("name", NESTED)
def test_outputs_have_their_own_names_in_every_structure(name):
    nest, expected = NESTED[name]
    model, x = Returns(nest), np.zeros((2, 3), "float32")
    model.build((None, 3))
    network = kv.Network(model)
    found = network.function(lambda tensors: network.forward(tensors).scores)([x])
    assert list(network.trace.outputs) == sorted(found) == sorted(expected)
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], np.full((2, 3), value))


def test_outputs_of_a_graph_are_named_by_their_layers():
    model = zoo.ZOO["two_outputs"]().model
    assert list(kv.Network(model).trace.outputs) == ["first", "second"]
    outputs = kv.Network(zoo.ZOO["dicts"]().model).trace.outputs
    assert {name: (output.shape, output.head) for name, output in outputs.items()} == {
        "age": ((None, 1), None),
        "species": ((None, 4), "softmax"),
    }
    inputs = keras.Input((3,))
    twice = L.Dense(2, name="twice")
    model = keras.Model(inputs, [twice(inputs), twice(inputs * 2)])
    assert len(kv.Network(model).trace.outputs) == 2


def test_names_that_are_not_unique_give_way_to_numbers():
    class Model:
        output_names = ("same", "same")

    a, b = tf.constant(1.0), tf.constant(2.0)
    assert named_outputs(Model(), [a, b]) == {"output_0": a, "output_1": b}
    Model.output_names = ["one", "other"]
    assert named_outputs(Model(), [a, b]) == {"one": a, "other": b}
    assert named_outputs(object(), a) == {"output": a}


def test_the_trace_holds_no_tensors_and_no_layers():
    trace = kv.Network(zoo.ZOO["functional"]().model).trace
    held = keras.tree.flatten([vars(call) | {"shape": str(call.shape)} for call in trace.calls])
    assert not any(isinstance(part, tf.Tensor | keras.layers.Layer) for part in held)
    assert hash(trace.calls[0]) == hash(trace.calls[0])
