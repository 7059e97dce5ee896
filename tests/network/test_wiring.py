"""The edges between layers, against lists written by hand and against what Keras knows of its own graphs."""

import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import SettingError
from kerasviz.network.wiring import wiring


def edges(found):
    """`source > target` of each edge, in order."""
    return [f"{edge.source} > {edge.target}" for edge in found.edges]


def chain(*names):
    return [f"{a} > {b}" for a, b in itertools.pairwise(names)]


def opened(model, **settings):
    return wiring(kv.Network(model), **settings)


def of_zoo(name):
    """A model of the zoo, with an input of a known name."""
    return kv.Network(zoo.ZOO[name]().model)


def test_a_chain_with_ops_and_the_numbers_of_its_nodes():
    found = wiring(of_zoo("functional"))
    names = ["conv1", "pool1", "depthwise", "relu", "conv2", "re_lu", "separable", "out_relu", "gap", "predictions"]
    names = [found.nodes[i + 1].id if name in ("relu", "re_lu") else name for i, name in enumerate(names)]
    assert edges(found) == chain("input:image", *names, "output:predictions")
    node = {node.id: node for node in found.nodes}
    conv, relu, predictions = node["conv1"], found.nodes[4], node["predictions"]
    assert (conv.kind, conv.shape, conv.parameters, conv.map) == ("Conv2D", (None, 12, 10, 5), 140, True)
    assert (relu.kind, relu.shape, relu.parameters, relu.role) == ("Relu", (None, 6, 5, 5), 0, "layer")
    assert (predictions.shape, predictions.parameters, predictions.map) == ((None, 4), 28, False)
    first, last = found.nodes[0], found.nodes[-1]
    assert (first.role, first.kind, first.shape, first.map) == ("input", "float32", (None, 12, 10, 3), True)
    assert (last.role, last.kind, last.shape) == ("output", "float32", (None, 4))
    assert [edge.shape for edge in found.edges[:3]] == [(None, 12, 10, 3), (None, 12, 10, 5), (None, 6, 5, 5)]
    assert [edge.tensor for edge in found.edges] == list(range(11))
    assert found.depth == 1 and found.containers == ()


def test_dropout_stands_in_line():
    found = edges(wiring(of_zoo("sequential")))
    assert found[1:] == chain(
        "conv1", "conv2", "act", "dropout", "flatten", "hidden", "scores", "softmax", "output:softmax"
    )


def test_a_layer_that_hands_on_its_input_is_told_from_a_way_around_it():
    inputs = keras.Input((4,), name="x")
    x = L.Dense(4, name="dense")(inputs)
    model = keras.Model(inputs, [L.Add(name="sum")([L.Dropout(0.5, name="drop")(x), x]), L.ReLU(name="relu")(x)])
    assert sorted(edges(opened(model))) == [
        "dense > drop",
        "dense > relu",
        "dense > sum",
        "drop > sum",
        "input:x > dense",
        "relu > output:relu",
        "sum > output:sum",
    ]


def test_residual_and_inception_blocks():
    inputs = keras.Input((8, 8, 4), name="image")
    x = L.Conv2D(4, 3, padding="same", name="a")(inputs)
    x = L.Add(name="sum")([x, L.BatchNormalization(name="bn")(L.Conv2D(4, 1, name="b")(x))])
    towers = [
        L.Conv2D(2, 1, name="one")(x),
        L.Conv2D(2, 3, padding="same", name="three")(L.Conv2D(2, 1, name="reduce")(x)),
        L.MaxPooling2D(3, 1, "same", name="pool")(x),
    ]
    model = keras.Model(inputs, L.Concatenate(name="join")(towers))
    found = opened(model)
    # Keras runs a graph by depth, so that nodes may come in an order other than that of the source.
    assert sorted(edges(found)) == sorted(
        [
            *chain("input:image", "a", "b", "bn", "sum", "one", "join", "output:join"),
            "a > sum",
            *chain("sum", "reduce", "three", "join"),
            *chain("sum", "pool", "join"),
        ]
    )
    shapes = {f"{edge.source} > {edge.target}": edge.shape for edge in found.edges}
    assert shapes["three > join"] == (None, 8, 8, 2) and shapes["pool > join"] == (None, 8, 8, 4)
    numbers = {edge.source: set() for edge in found.edges}
    for edge in found.edges:
        numbers[edge.source].add(edge.tensor)
    assert all(len(each) == 1 for each in numbers.values()) and len(set.union(*numbers.values())) == len(numbers)


def test_calls_of_a_shared_layer_are_nodes_of_their_own():
    found = wiring(of_zoo("shared_layer"))
    assert edges(found)[1:] == chain("shared@0", "copy", "shared@1", "gap", "predictions", "output:predictions")
    assert [node.parameters for node in found.nodes if node.kind == "Conv2D"] == [84, 84]


def test_two_inputs_meet():
    model = zoo.ZOO["image_and_table"]().model
    conv, gap, dense, join, head = (
        next(layer.name for layer in model.layers if isinstance(layer, kind) and layer.name != "predictions")
        for kind in (L.Conv2D, L.GlobalAveragePooling2D, L.Dense, L.Concatenate, L.Dense)
    )
    assert dense == head == "table_dense"
    assert sorted(edges(opened(model))) == sorted(
        [
            *chain("input:image", conv, gap, join, "predictions", "output:predictions"),
            *chain("input:table", dense, join),
        ]
    )


def test_a_tower_called_twice_lies_open_and_folds():
    found = wiring(of_zoo("dicts"))
    parts = ("conv1", "pool", "conv2", "bn", "relu")
    inside = [edge for edge in edges(found) if edge.count("tower/") == 2]
    both = [chain(*(f"tower/{part}@{k}" for part in parts)) for k in (0, 1)]
    assert inside == both[0] + both[1]
    assert {edge for edge in edges(found) if edge.startswith("input")} == {
        "input:left > tower/conv1@1",
        "input:right > tower/conv1@0",
    }
    assert {node.id: node.within for node in found.nodes if node.kind == "Conv2D"} == {
        "tower/conv1@0": "tower@0",
        "tower/conv2@0": "tower@0",
        "tower/conv1@1": "tower@1",
        "tower/conv2@1": "tower@1",
    }
    folded = found.folded(1)
    assert [node.id for node in folded.nodes[:4]] == ["input:left", "input:right", "tower@0", "tower@1"]
    assert {edge for edge in edges(folded) if "tower" in edge and "input" in edge} == {
        "input:left > tower@1",
        "input:right > tower@0",
    }
    assert [node.holds for node in folded.nodes if node.kind == "Functional"] == [5, 5]


def test_models_nested_twice_at_each_depth():
    network = of_zoo("nested_twice")
    gap = next(call.path for call in network.trace.calls if "pooling" in call.path)
    base = [f"middle/base/{name}" for name in ("conv1", "pool", "conv2", "bn", "relu")]
    classes = [call.path for call in network.trace.calls if call.path.startswith("classes/")]
    first = f"input:{network.inputs.specs[0].name}"
    whole = wiring(network)
    assert whole.depth == 3
    assert edges(whole) == chain(first, *base, "middle/after", gap, *classes, "output:classes")
    assert [(one.id, one.within) for one in whole.containers] == [
        ("middle/base", "middle"),
        ("middle", None),
        ("classes", None),
    ]
    assert [node.within for node in whole.nodes if node.id in base] == ["middle/base"] * 5
    two = wiring(network, depth=2)
    assert edges(two) == chain(first, "middle/base", "middle/after", gap, *classes, "output:classes")
    node = {node.id: node for node in two.nodes}["middle/base"]
    assert (node.kind, node.shape, node.parameters, node.holds, node.within) == (
        "Functional",
        (None, 6, 5, 6),
        434,
        5,
        "middle",
    )
    assert [one.id for one in two.containers] == ["middle", "classes"] and two.depth == 2
    one = wiring(network, depth=1)
    assert edges(one) == chain(first, "middle", gap, "classes", "output:classes")
    assert [node.holds for node in one.nodes] == [0, 6, 0, 2, 0] and one.containers == ()
    assert wiring(network, depth=3) == wiring(network, depth=9) == whole
    assert two.folded(1) == one


@pytest.mark.parametrize("name, end", [("subclassed", ["predictions", "output:output"]), ("custom_layers", ["gap"])])
def test_what_a_layer_computes_beside_its_parts_is_a_node_within_it(name, end):
    network = of_zoo(name)
    found = wiring(network)
    expected = [
        *chain(f"input:{network.inputs.specs[0].name}", "stem", "block/conv0", "block/conv1"),
        "stem > block",
        "block/conv1 > block",
        *chain("block", *end),
    ]
    assert edges(found)[: len(expected)] == expected
    block = next(node for node in found.nodes if node.id == "block")
    # The convolutions inside have all the parameters.
    assert (block.within, block.parameters, block.holds) == ("block", 0, 0)
    assert [(one.id, one.parameters) for one in found.containers] == [("block", 460)]
    folded = found.folded(1)
    assert edges(folded)[:2] == chain(f"input:{network.inputs.specs[0].name}", "stem", "block")
    block = next(node for node in folded.nodes if node.id == "block")
    assert (block.within, block.parameters, block.holds) == (None, 460, 2)


def test_own_parameters_of_a_layer_with_parts():
    class Scaled(L.Layer):
        def __init__(self, **settings):
            super().__init__(**settings)
            self.dense = L.Dense(4, name="dense")

        def build(self, shape):
            self.dense.build(shape)
            self.scale = self.add_weight(shape=(4,), initializer="ones")

        def call(self, x):
            return self.dense(x) * self.scale

    inputs = keras.Input((4,), name="x")
    found = opened(keras.Model(inputs, Scaled(name="scaled")(inputs)))
    assert {node.id: node.parameters for node in found.nodes} == {
        "input:x": 0,
        "scaled/dense": 20,
        "scaled": 4,
        "output:scaled": 0,
    }
    assert found.folded(1).nodes[1].parameters == 24


def test_a_layer_shared_by_two_containers_lies_in_the_one_that_calls_it():
    act = L.ReLU(name="act")

    class Block(L.Layer):
        def __init__(self, **settings):
            super().__init__(**settings)
            self.act = act
            self.dense = L.Dense(3, name="dense")

        def call(self, x):
            return self.act(self.dense(self.act(x)))

    a, b = Block(name="a"), Block(name="b")
    inputs = keras.Input((3,), name="x")
    model = keras.Model(inputs, b(act(a(inputs))))
    found = opened(model)
    path = next(node.id for node in found.nodes if node.kind == "ReLU").partition("@")[0]
    act = [f"{path}@{k}" for k in range(5)]
    assert edges(found) == chain(
        "input:x", act[0], "a/dense", act[1], act[2], act[3], "b/dense", act[4], f"output:{model.output_names[0]}"
    )
    assert [node.within for node in found.nodes[1:-1]] == ["a", "a", "a", None, "b", "b", "b"]
    assert edges(found.folded(1)) == chain("input:x", "a", act[2], "b", f"output:{model.output_names[0]}")


def test_parts_whose_call_is_called_directly_lie_in_the_layer_around():
    class Pair(L.Layer):
        def __init__(self, **settings):
            super().__init__(**settings)
            self.first = L.Dense(3, name="first")
            self.inner = keras.Sequential([keras.Input((3,)), L.Dense(3, name="dense")], name="inner")

        def build(self, shape):
            self.first.build(shape)

        def call(self, x):
            return self.inner.call(self.first(x)) + 1.0

    inputs = keras.Input((3,), name="x")
    found = opened(keras.Model(inputs, Pair(name="pair")(inputs)))
    assert edges(found) == chain("input:x", "pair/first", "pair/inner/dense", "pair", "output:pair")
    assert [node.within for node in found.nodes[1:-1]] == ["pair", "pair/inner", "pair"]
    assert [(one.id, one.within) for one in found.containers] == [("pair/inner", "pair"), ("pair", None)]


def test_several_tensors_between_two_layers():
    inputs = keras.Input((5, 4), name="x")
    outputs = L.LSTM(3, return_sequences=True, return_state=True, name="lstm")(inputs)
    model = keras.Model(inputs, L.LSTM(3, name="second")(outputs[0], initial_state=outputs[1:]))
    found = opened(model)
    between = [edge for edge in found.edges if edge.target == "second"]
    assert sorted(edge.shape for edge in between) == [(None, 3), (None, 3), (None, 5, 3)]
    assert len({edge.tensor for edge in between}) == 3
    assert next(node for node in found.nodes if node.id == "lstm").shape is None


def test_an_output_of_a_nested_model_that_is_its_input_passes_through_the_model():
    inside = keras.Input((3,))
    nested = keras.Model(inside, [inside, L.Dense(2, name="dense")(inside)], name="nested")
    inputs = keras.Input((3,), name="x")
    same, dense = nested(inputs)
    model = keras.Model(inputs, L.Concatenate(name="join")([same, dense]))
    found = opened(model)
    assert edges(found) == [
        "input:x > nested/dense",
        "input:x > nested",
        "nested/dense > join",
        "nested > join",
        "join > output:join",
    ]
    folded = found.folded(1)
    assert sorted(edge.shape for edge in folded.edges) == [(None, 2), (None, 3), (None, 3), (None, 5)]
    assert edges(folded) == ["input:x > nested", "nested > join", "nested > join", "join > output:join"]


def test_an_outer_tensor_that_two_parts_take_is_one_edge_when_folded():
    class Both(L.Layer):
        def __init__(self, **settings):
            super().__init__(**settings)
            self.a, self.b = L.Dense(2, name="a"), L.Dense(2, name="b")

        def call(self, x):
            return self.a(x) + self.b(x)

    inputs = keras.Input((3,), name="x")
    found = opened(keras.Model(inputs, Both(name="both")(inputs)))
    assert edges(found)[:2] == ["input:x > both/a", "input:x > both/b"]
    assert edges(found.folded(1)) == chain("input:x", "both", "output:both")


def test_what_is_inside_a_loop_belongs_to_the_layer_around():
    inputs = keras.Input((5, 4), name="x")
    model = keras.Model(inputs, L.Dense(2, name="dense")(L.RNN(L.GRUCell(3, name="cell"), name="rnn")(inputs)))
    network = kv.Network(model)
    assert network.trace.in_loop("rnn/cell")
    found = wiring(network)
    assert edges(found) == chain("input:x", "rnn", "dense", "output:dense") and found.containers == ()
    assert found.nodes[1].parameters == network.entry("rnn").parameters > 0


def test_models_that_end_in_models_hand_on_what_the_innermost_returned():
    middle = keras.Sequential([keras.Input((12, 10, 3)), zoo.small_base()], name="middle")
    inputs = keras.Input((12, 10, 3), name="x")
    found = opened(keras.Model(inputs, L.ReLU(name="last")(keras.Sequential([middle], name="outer")(inputs))))
    base = [f"outer/middle/base/{name}" for name in ("conv1", "pool", "conv2", "bn", "relu")]
    assert edges(found) == chain("input:x", *base, "last", "output:last")
    assert [edge.tensor for edge in found.edges] == list(range(7))


def test_layers_without_inputs_without_readers_and_without_tensors():
    class Learned(L.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(1, 4), initializer="ones")

        def call(self, x):
            return self.w * 2.0

    class Silent(L.Layer):
        def call(self, x):
            return None

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.learned, self.silent = Learned(name="learned"), Silent(name="silent")
            self.unread, self.dense = L.Dense(2, name="unread"), L.Dense(2, name="dense")

        def call(self, x):
            self.silent(x)
            self.unread(x)
            return tf.nn.softmax(self.dense(x + self.learned(x)))

    model = Model()
    model(np.zeros((1, 4), "float32"))
    found = wiring(kv.Network(model, sample=np.zeros((1, 4), "float32")))
    assert edges(found) == [
        "input:input_0 > unread",
        "input:input_0 > dense",
        "learned > dense",
        "dense > output:output",
    ]
    assert [node.id for node in found.nodes if node.role == "layer"] == ["unread", "learned", "dense"]


def test_names_of_inputs_and_outputs_are_never_those_of_layers():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            # The second layer of a name has the path "input:2".
            self.first, self.second = L.Dense(2, name="input"), L.Dense(2, name="input")

        def call(self, x):
            return self.second(self.first(x["2"]))

    model, sample = Model(), {"2": np.zeros((1, 3), "float32")}
    model(sample)
    found = wiring(kv.Network(model, sample=sample))
    assert edges(found) == chain("input:2'", "input", "input:2", "output:output")


def test_it_is_json_and_writes_none_for_free_axes():
    document = json.loads(json.dumps(wiring(of_zoo("subclassed")).as_dict()))
    assert document["name"] == "subclassed" or document["name"].startswith("subclassed_")
    assert document["nodes"][1] == {
        "id": "stem",
        "role": "layer",
        "class": "Conv2D",
        "shape": [None, 10, 8, 5],
        "parameters": 140,
        "map": True,
        "within": None,
        "holds": 0,
    }
    assert document["edges"][0] == {
        "source": "input:input_0",
        "target": "stem",
        "shape": [None, 12, 10, 3],
        "tensor": 0,
    }
    assert document["containers"][0]["id"] == "block" and document["containers"][0]["class"] == "Residual"


@pytest.mark.parametrize("depth", [0, -1, 1.5, True, "all"])
def test_wrong_depths(depth):
    network = of_zoo("binary")
    with pytest.raises(SettingError, match="depth="):
        wiring(network, depth=depth)


def known_edges(model):
    """The edges of a flat graph of layers that are called once, as its configuration lists them."""

    def histories(part):
        if isinstance(part, dict):
            history = part.get("config", {}).get("keras_history") if isinstance(part.get("config"), dict) else None
            if history:
                yield history[0]
            else:
                for value in part.values():
                    yield from histories(value)
        elif isinstance(part, list | tuple):
            for value in part:
                yield from histories(value)

    layers = model.get_config()["layers"]
    inputs = {each["name"] for each in layers if each["class_name"] == "InputLayer"}
    found = {
        (f"input:{source}" if source in inputs else source, each["name"])
        for each in layers
        for source in histories(each["inbound_nodes"])
    }
    return found | {(name, f"output:{name}") for name in model.output_names}


def test_random_graphs_have_the_edges_that_keras_lists():
    rng = np.random.default_rng(5)
    for _ in range(3):
        inputs = [keras.Input((6, 6, 2), name=f"in{i}") for i in range(2)]
        tensors = [L.Conv2D(2, 1)(each) for each in inputs]
        for _ in range(12):
            kind, picked = rng.integers(4), [tensors[i] for i in rng.integers(len(tensors), size=2)]
            tensors.append(
                [
                    lambda t: L.Conv2D(2, 1)(t[0]),
                    lambda t: L.Add()(t),
                    lambda t: L.Dropout(0.5)(t[1]),
                    lambda t: keras.ops.multiply(*t),
                ][kind](picked)
            )
        model = keras.Model(inputs, tensors[-3:])
        found = opened(model)
        known = known_edges(model)
        assert {(edge.source, edge.target) for edge in found.edges} == known and len(found.edges) == len(known)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, count",
    # One for each layer behind the input, one more for each of the 16, 10 or 58 that merge two, one for the output.
    [("ResNet50", 176 + 16 + 1), ("MobileNetV2", 155 + 10 + 1), ("DenseNet121", 428 + 58 + 1)],
)
def test_published_architectures_have_the_edges_that_keras_lists(name, count):
    model = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=10)
    network = kv.Network(model)
    found, image = wiring(network), f"input:{network.inputs.specs[0].name}"
    known = {(image if source.startswith("input:") else source, target) for source, target in known_edges(model)}
    assert {(edge.source, edge.target) for edge in found.edges} == known
    assert len(found.edges) == count and len(found.nodes) == len(model.layers) + 1
