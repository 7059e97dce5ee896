"""Several ops that are one rectifier, as Keras writes PReLU, and ReLU with a cap or a threshold."""

from dataclasses import replace

import tensorflow as tf

from kerasviz.network import rules
from kerasviz.network.graph.flattening import Flat, Node

#: What stands in the place of the last of the ops, by the function that computes all of them. No ops of TensorFlow's.
FUSED = {
    "PReLU": rules.prelu,
    "CappedReLU": rules.capped_relu,
    "CappedPReLU": rules.capped_prelu,
    "ThresholdedReLU": rules.thresholded_relu,
}


_SYMMETRIC = frozenset({"Add", "AddV2", "Maximum"})


def fused(flat: Flat, *, aside: str | None = None) -> Flat:
    """A graph with each such rectifier as one op, but for those in a name scope."""
    nodes = flat.nodes
    return replace(
        flat,
        nodes=tuple((not (aside and aside in node.name) and _rectifier(nodes, node)) or node for node in nodes),
    )


def _rectifier(nodes, node):
    find = {"Add": _prelu, "AddV2": _prelu, "Maximum": _capped, "SelectV2": _thresholded, "Sub": _sloped}.get(node.op)
    if find is None:
        return None
    for inputs in (node.inputs, node.inputs[::-1])[: 2 if node.op in _SYMMETRIC else 1]:
        found = find(nodes, inputs)
        if found is not None:
            return Node(node.name, found[0], {}, found[1:], node.origin)
    return None


def _prelu(nodes, inputs):
    """relu(x) + (-slopes) · relu(-x)."""
    relu, slopes = nodes[inputs[0].node], _slopes(nodes, inputs[1], nodes[inputs[0].node].inputs[:1])
    return ("PReLU", relu.inputs[0], slopes) if relu.op == "Relu" and slopes else None


def _sloped(nodes, inputs):
    """max(min(relu(x), cap), 0) - slope · relu(-x)."""
    clipped = nodes[inputs[0].node]
    capped = _capped(nodes, clipped.inputs) if clipped.op == "Maximum" else None
    slopes = capped and _slopes(nodes, inputs[1], capped[1:2])
    return ("CappedPReLU", *capped[1:], slopes) if slopes else None


def _slopes(nodes, ref, x):
    """What relu(-x) is multiplied with in a product, None if it is another."""
    product = nodes[ref.node]
    for slopes, below in (product.inputs, product.inputs[::-1]) if product.op == "Mul" else ():
        relu = nodes[below.node]
        negative = nodes[relu.inputs[0].node] if relu.op == "Relu" else relu
        if negative.op == "Neg" and negative.inputs == tuple(x):
            return slopes
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
