"""Scores before the softmax: found by walking back from an output of a traced graph.

Softmax hides why a class won: its gradient vanishes where it is sure, and raising one class by lowering the
others raises it. So scores are taken in front of it, whatever put it there: an `activation=` argument, a layer,
`keras.ops.softmax`, `tf.nn.softmax`, inside a nested head, or followed by reshapes.
"""

import tensorflow as tf

#: What squashes scores into probabilities.
SQUASHING = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}
#: The functions that do so, by these names.
SQUASH = {"softmax": tf.nn.softmax, "log_softmax": tf.nn.log_softmax, "sigmoid": tf.nn.sigmoid}
#: Ops that only move values to other places or types.
_MOVING = frozenset({"Identity", "IdentityN", "Cast", "Reshape", "Squeeze", "ExpandDims", "Transpose", "StopGradient"})
#: Ops behind which a softmax still makes the output probabilities, but cannot be taken off.
_MIXING = _MOVING | {
    "Add",
    "AddN",
    "AddV2",
    "ClipByValue",
    "ConcatV2",
    "Log",
    "Maximum",
    "Mean",
    "Minimum",
    "Mul",
    "Pack",
    "Prod",
    "RealDiv",
    "ResizeBilinear",
    "ResizeNearestNeighbor",
    "StridedSlice",
    "Sub",
    "Sum",
}
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
#: The squashing of an output is there but cannot be taken off, or hides inside a function call.
STUCK = "stuck"


def strip(output: tf.Tensor) -> tuple[tf.Tensor, str | None]:
    """The scores of an output before its softmax or sigmoid.

    Args:
        output: an output of a model inside the graph being traced.

    Returns:
        The scores, shaped like `output`, and what was taken off: "softmax", "log_softmax", "sigmoid", None if
        there was nothing, or `STUCK` if the output is made of probabilities that cannot be undone.
    """
    tensor, moves = output, []
    while tensor.op.type in _MOVING:
        moves.append(tensor.op)
        # IdentityN, alone of these, has as many outputs as inputs.
        tensor = tensor.op.inputs[tensor.value_index if tensor.op.type == "IdentityN" else 0]
    if tensor.op.type in SQUASHING:
        head = SQUASHING[tensor.op.type]
        scores = _repeat(moves, tensor.op.inputs[0])
        scores.set_shape(output.shape)
        return scores, head
    return output, STUCK if tensor.op.type in _CALLS or _is_mixture(tensor) else None


def _repeat(moves, scores):
    for op in reversed(moves):
        if op.type == "Reshape":
            scores = tf.reshape(scores, op.inputs[1])
        elif op.type in ("Squeeze", "ExpandDims"):
            scores = tf.reshape(scores, tf.shape(op.outputs[0]))
        elif op.type == "Transpose":
            scores = tf.transpose(scores, op.inputs[1])
    return scores


def _is_mixture(tensor, known=None):
    """Whether probabilities, not weighted sums, are what the tensor is made of."""
    known = {} if known is None else known
    op = tensor.op
    if op.name not in known:
        known[op.name] = op.type in SQUASHING or (op.type in _MIXING and _mixes(op, known))
    return known[op.name]


def _mixes(op, known):
    mixtures = [_is_mixture(tensor, known) for tensor in op.inputs]
    # Features that a softmax or sigmoid gates (swish, attention) stay features; weights have no batch axis.
    gated = op.type == "Mul" and any(
        tensor.shape.rank and tensor.shape[0] is None and not mixture
        for tensor, mixture in zip(op.inputs, mixtures, strict=True)
    )
    return any(mixtures) and not gated
