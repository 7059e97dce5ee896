"""Running one op of a graph anew, inside the graph that is being traced."""

import tensorflow as tf

# TensorFlow's public functions take Python arguments under names of their own, and there is no public way from an op's
# serialized attributes to them. A tape only sees what these functions record.
from tensorflow.python.eager import execute

from kerasviz.network.graph.flattening import Node

#: The dtypes in whose place a precision comes, as op attributes have them.
_REPLACED = {
    "float32": frozenset(kind.as_datatype_enum for kind in (tf.float16, tf.bfloat16)),
    "bfloat16": frozenset(kind.as_datatype_enum for kind in (tf.float32, tf.float16)),
    None: frozenset(),
}
#: Ops that make a value of the dtype in which it is stored.
_SOURCES = frozenset({"Const", "ReadVariableOp", "VariableV2"})


def run_op(node: Node, inputs: list[tf.Tensor], precision: str | None = None) -> list[tf.Tensor]:
    """Add an op to the graph being traced, so that tapes see it.

    The op's own gradient is used, whatever the graph it comes from had put in its place: that refers to a graph that
    is gone.

    Args:
        node: the op.
        inputs: its inputs.
        precision: the dtype in the place of half precision ("float32"), or of float32 and it ("bfloat16"); None
            leaves all as it is.

    Returns:
        All its outputs.
    """
    graph = tf.compat.v1.get_default_graph()
    stored = node.op in _SOURCES
    attributes = {
        name: value if stored else _in_precision(value, precision)
        for name, value in node.attributes.items()
        if not name.startswith("_")
    }
    op = graph.create_op(node.op, [_cast(tensor, precision) for tensor in inputs], name=node.name, attrs=attributes)
    if execute.must_record_gradient():
        listed = [part for spec in op.op_def.attr for part in (spec.name, op.get_attr(spec.name))]
        execute.record_gradient(node.op, op.inputs, tuple(listed), op.outputs)
    return [_cast(tensor, precision) for tensor in op.outputs] if stored else list(op.outputs)


def _cast(tensor, precision):
    return tf.cast(tensor, precision) if tensor.dtype.as_datatype_enum in _REPLACED[precision] else tensor


def _in_precision(value, precision):
    replaced = _REPLACED[precision]
    if not replaced.intersection([value.type, *value.list.type]):
        return value
    wanted = tf.as_dtype(precision).as_datatype_enum
    changed = type(value)()
    if value.WhichOneof("value") == "type":
        changed.type = wanted
    else:
        changed.list.type[:] = [wanted if one in replaced else one for one in value.list.type]
    return changed
