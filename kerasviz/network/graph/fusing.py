"""Several ops that are one rectifier, as Keras writes PReLU, and ReLU with a cap or a threshold."""

from dataclasses import replace

import tensorflow as tf

from kerasviz.network import rules
from kerasviz.network.graph.flattening import Flat, Node

#: What stands in the place of the last of the ops, by the function that computes all of them. No ops of TensorFlow's.
FUSED = {"PReLU": rules.prelu, "CappedReLU": rules.capped_relu, "ThresholdedReLU": rules.thresholded_relu}


def fused(flat: Flat, *, aside: str | None = None) -> Flat:
    """A graph with each such rectifier as one op, but for those in a name scope."""
    nodes = flat.nodes
    return replace(
        flat,
        nodes=tuple((not (aside and aside in node.name) and _rectifier(nodes, node)) or node for node in nodes),
    )


def _rectifier(nodes, node):
    find = {"Add": _prelu, "AddV2": _prelu, "Maximum": _capped, "SelectV2": _thresholded}.get(node.op)
    if find is None:
        return None
    for inputs in (node.inputs, node.inputs[::-1]):
        found = find(nodes, inputs)
        if found is not None:
            return Node(node.name, found[0], {}, found[1:], node.origin)
    return None


def _prelu(nodes, inputs):
    """relu(x) + (-slopes) · relu(-x)."""
    relu, product = (nodes[ref.node] for ref in inputs)
    if relu.op == "Relu" and product.op == "Mul":
        for slopes, below in (product.inputs, product.inputs[::-1]):
            other = nodes[below.node]
            if other.op == "Relu":
                negative = nodes[other.inputs[0].node]
                if negative.op == "Neg" and negative.inputs == relu.inputs:
                    return "PReLU", relu.inputs[0], slopes
    return None


def _capped(nodes, inputs):
    """max(min(relu(x), cap), 0)."""
    minimum = nodes[inputs[0].node]
    if minimum.op == "Minimum" and constant(nodes, inputs[1]) == 0:
        relu = nodes[minimum.inputs[0].node]
        if relu.op == "Relu":
            return "CappedReLU", relu.inputs[0], minimum.inputs[1]
    return None


def _thresholded(nodes, inputs):
    """Of x what is above a threshold."""
    greater = nodes[inputs[0].node]
    if greater.op == "Greater" and greater.inputs[0] == inputs[1] and constant(nodes, inputs[2]) == 0:
        return "ThresholdedReLU", inputs[1], greater.inputs[1]
    return None


def constant(nodes, ref) -> float | None:
    """The value of a tensor that is one constant number, None for any other."""
    node = nodes[ref.node]
    if node.op != "Const":
        return None
    value = tf.make_ndarray(node.attributes["value"].tensor)
    return value.item() if value.size == 1 else None
