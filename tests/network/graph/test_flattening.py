"""Functions inlined into one list of ops."""

import numpy as np
import pytest
import tensorflow as tf

from kerasviz.errors import ModelError
from kerasviz.network.graph import graph_model
from kerasviz.network.graph.flattening import ARGUMENT, flatten
from kerasviz.network.graph.switches import settled


def read(function, *specs):
    concrete = tf.function(function).get_concrete_function(*specs)
    library = {one.signature.name: one for one in concrete.graph.as_graph_def().library.function}
    return concrete, concrete.function_def, library


@tf.function
def inner(x):
    with tf.name_scope("inner"):
        return tf.nn.relu(x), tf.nn.top_k(x, 2)


def outer(x):
    with tf.name_scope("outer"):
        rectified, (values, places) = inner(x)
        parts = tf.split(rectified, 2, axis=1)
        return parts[1] * 2 + values, places


SPEC = tf.TensorSpec((None, 4))


def test_calls_are_inlined_under_the_scope_that_calls():
    _, definition, library = read(outer, SPEC)
    flat = flatten(definition, library)
    ops = {node.op: node.name for node in flat.nodes}
    assert ops["Relu"] == "outer/inner/Relu" and "PartitionedCall" not in ops
    assert [flat.nodes[ref.node].op for ref in flat.arguments] == [ARGUMENT]


def test_outputs_are_counted_over_all_outputs_of_an_op():
    """The second part of a split, the second output of a top_k."""
    _, definition, library = read(outer, SPEC)
    flat = flatten(definition, library)
    (product,) = [node for node in flat.nodes if node.op == "Mul"]
    split = product.inputs[0]
    assert flat.nodes[split.node].op == "Split" and split.index == 1
    places = flat.results[1]
    while flat.nodes[places.node].op == "Identity":
        places = flat.nodes[places.node].inputs[0]
    assert flat.nodes[places.node].op == "TopKV2" and places.index == 1


def test_it_computes_the_same():
    concrete, _, _ = read(outer, SPEC)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    np.testing.assert_array_equal(graph_model(concrete)(x), outer(x)[0])


def test_inputs_come_before_what_takes_them_whatever_the_order_of_the_file():
    _, definition, library = read(lambda x: tf.nn.relu(x + 1) * 2, SPEC)
    order = list(definition.node_def)
    del definition.node_def[:]
    definition.node_def.extend(reversed(order))
    flat = flatten(definition, library)
    assert all(ref.node < number for number, node in enumerate(flat.nodes) for ref in node.inputs)
    assert sorted(node.op for node in flat.nodes) == sorted(
        [ARGUMENT, *(node.op for node in order if node.op != "NoOp")]
    )


def calling_itself():
    _, definition, library = read(outer, SPEC)
    for function in library.values():
        (relu,) = [node for node in function.node_def if node.op == "Relu"]
        relu.op = function.signature.name
    return definition, library


def waiting_for_itself():
    _, definition, library = read(lambda x: tf.nn.relu(x + 1), SPEC)
    (add,) = [node for node in definition.node_def if node.op == "AddV2"]
    (relu,) = [node for node in definition.node_def if node.op == "Relu"]
    add.input[0] = f"{relu.name}:activations:0"
    return definition, library


@pytest.mark.parametrize("hostile", [calling_itself, waiting_for_itself])
def test_a_graph_without_end_is_refused(hostile):
    with pytest.raises(ModelError, match="Expected a graph that ends"):
        flatten(*hostile())


def branching(condition):
    """A graph of TensorFlow 1 that gives x + 1 or x * 2 by a condition of x."""
    graph = tf.Graph()
    with graph.as_default():
        tf.compat.v1.disable_control_flow_v2()
        try:
            x = tf.compat.v1.placeholder(tf.float32, (None, 4), name="x")
            tf.identity(tf.compat.v1.cond(condition(x), lambda: x + 1.0, lambda: x * 2.0), "y")
        finally:
            tf.compat.v1.enable_control_flow_v2()
    return tf.compat.v1.wrap_function(
        lambda x: tf.compat.v1.import_graph_def(graph.as_graph_def(), {"x": x}, ["y:0"])[0], [SPEC]
    )


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (lambda x: tf.compat.v1.placeholder_with_default(True, ()), lambda x: x + 1),
        (lambda x: tf.compat.v1.placeholder_with_default(False, ()), lambda x: x * 2),
        (lambda x: tf.logical_not(tf.compat.v1.placeholder_with_default(False, ())), lambda x: x + 1),
        (lambda x: tf.logical_and(tf.constant(True), tf.constant(False)), lambda x: x * 2),
    ],
)
def test_branches_of_tensorflow_1_are_settled_as_at_inference(condition, expected):
    wrapped = branching(condition)
    assert any(op.type == "Switch" for op in wrapped.graph.get_operations())
    x = np.random.default_rng(1).normal(size=(2, 4)).astype("float32")
    np.testing.assert_allclose(graph_model(wrapped)(x), expected(x), rtol=1e-6)


def test_a_branch_by_what_comes_in_is_refused():
    wrapped = branching(lambda x: tf.reduce_sum(x) > 0)
    with pytest.raises(ModelError, match=r"branches at .* by what comes in"):
        graph_model(wrapped)


def test_a_graph_without_branches_is_left_as_it_is():
    _, definition, library = read(outer, SPEC)
    flat = flatten(definition, library)
    assert settled(flat) is flat
