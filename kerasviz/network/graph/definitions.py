"""What TensorFlow's op definitions tell of an op's outputs before it is made."""

import tensorflow as tf

# Public only on an op that has been made.
from tensorflow.python.framework import op_def_registry


def first_of(node, output: str) -> int:
    """The place of the first tensor of a named output among all outputs of an op."""
    definition = op_def_registry.get(node.op)
    place = 0
    for one in definition.output_arg if definition else ():
        if one.name == output:
            return place
        place += _width(node, one)
    return 0


def output_dtype(node) -> tf.DType:
    """The dtype of an op's first output; that of a variant where it has none."""
    definition = op_def_registry.get(node.op)
    if definition is None:
        return tf.float32  # several ops in one: an activation
    if not definition.output_arg:
        return tf.variant
    output = definition.output_arg[0]
    if output.type:
        return tf.as_dtype(output.type)
    value = node.attributes[output.type_attr or output.type_list_attr]
    return tf.as_dtype(value.type or next(iter(value.list.type), tf.variant.as_datatype_enum))


def _width(node, output):
    if output.number_attr:
        return node.attributes[output.number_attr].i
    return len(node.attributes[output.type_list_attr].list.type) if output.type_list_attr else 1
