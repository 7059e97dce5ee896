"""The layers of a bare graph: one for each op that the input reaches, in scopes named as the ops were."""

import functools

import keras
import tensorflow as tf

from kerasviz.network import internals, rules
from kerasviz.network.graph.flattening import Node
from kerasviz.network.graph.fusing import FUSED
from kerasviz.network.graph.ops import run_op

#: Ops that a backward rule can replace, by the function that computes the same.
ACTIVATIONS = {
    "Relu": lambda node: tf.nn.relu,
    "Relu6": lambda node: tf.nn.relu6,
    "LeakyRelu": lambda node: functools.partial(tf.nn.leaky_relu, alpha=node.attributes["alpha"].f),
    "Elu": lambda node: tf.nn.elu,
    "Selu": lambda node: tf.nn.selu,
    **{op: lambda node, function=function: function for op, function in FUSED.items()},
}


class GraphPart(keras.layers.Layer):
    """Anything inside a `GraphModel`: its class is named as the op, "Conv2D" or "Relu"."""

    def __init__(self, name):
        super().__init__(name=_layer_name(name))
        self.built = True
        self.graph_precision = None


class Scope(GraphPart):
    """Ops under one name; it hands on the tensor that leaves them."""

    def __init__(self, name):
        super().__init__(name)
        self.parts = []

    def call(self, output):
        """What left the scope, as it is."""
        return output


class OpPart(GraphPart):
    """One op of a graph.

    Args:
        name: its layer name.
        node: the op.
        weights: the variables that reach it without passing an op that the input reaches.
    """

    def __init__(self, name, node: Node, weights=()):
        super().__init__(name)
        self.node = node
        for weight in weights:
            internals.track(self, weight)

    def call(self, *inputs):
        """All outputs of the op: a tensor if it is one, else a list."""
        if self.node.op == "Conv2D" and _grouped(self.node, *inputs):
            # TensorFlow computes convolutions in groups on processors only where it compiles them.
            compiled = tf.function(
                lambda *tensors: run_op(self.node, tensors, self.graph_precision), jit_compile=True, autograph=False
            )
            return one_or_all(compiled(*inputs))
        return one_or_all(run_op(self.node, inputs, self.graph_precision))


class ActivationPart(OpPart):
    """An op that rectifies, behind an attribute that backward rules replace as they do that of a Keras layer."""

    def __init__(self, name, node, weights=()):
        super().__init__(name, node, weights)
        self.activation = ACTIVATIONS[node.op](node)

    def call(self, *inputs):
        """The activation of a tensor."""
        return self.activation(*inputs)


class GatePart(OpPart):
    """The ReLU6 inside a hard sigmoid: a gate between 0 and 1, to which no backward rule applies."""

    def call(self, x):
        """The activation of a tensor."""
        return rules.kept(tf.nn.relu6)(x)


class RulePart(OpPart):
    """Where a backward rule sets its gradient, in the graph of a model that was traced with it."""

    def __init__(self, name, node, rule: str):
        super().__init__(name, node)
        self.rule = rule

    def call(self, result, *arguments):
        """The result of the rule's function, with its gradient."""
        return [rules.set_gradient(self.rule, *arguments), *arguments]


def one_or_all(outputs: list):
    """The tensor of a list of one, else the list."""
    return outputs[0] if len(outputs) == 1 else outputs


@functools.cache
def named_after(kind: type, op: str) -> type:
    """A subclass of a part that goes by the name of an op."""
    return type(op, (kind,), {"__doc__": f"The op {op}.", "__module__": __name__})


def _grouped(node, images, kernel):
    """Whether each filter of a convolution looks at some of the channels only."""
    channels = images.shape[1 if node.attributes["data_format"].s == b"NCHW" else -1]
    return channels != kernel.shape[2]


def _layer_name(name):
    return name.replace("/", "_") or "scope"
