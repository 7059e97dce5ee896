"""Models that take encoded or whole-numbered images: where in the graph their floats begin.

No gradient reaches a string or an integer. What the graph makes of it first, a batch of float images, takes its place
as the input.
"""

from collections.abc import Mapping

import tensorflow as tf

from kerasviz.errors import ModelError
from kerasviz.network.graph.definitions import output_dtype
from kerasviz.network.graph.flattening import Flat, Ref
from kerasviz.network.inputs import InputSpec


def is_raw(spec: InputSpec) -> bool:
    """Whether an input is encoded, or an image of whole numbers."""
    return spec.dtype == "string" or (not spec.floating and len(spec.shape) == 4)


def first_floats(flat: Flat, argument: Ref, spec: InputSpec, shapes: Mapping[int, tf.TensorShape]):
    """The first batch of float images that is made of a raw input, through which all goes that is made of it.

    Args:
        flat: the graph.
        argument: the raw input.
        spec: what is known of it.
        shapes: of the first output of each node.

    Returns:
        The tensor, and its `InputSpec` under the name of the raw input; None for integers of which none is made.

    Raises:
        ModelError: none is made of a string.
    """
    for number in sorted(flat.dependent({argument.node}) & flat.needed()):
        shape = shapes.get(number)
        if number == argument.node or not output_dtype(flat.nodes[number]).is_floating or shape is None:
            continue
        if shape.rank == 4 and shape[3] in (1, 3, 4) and argument.node not in flat.needed(stop={number}):
            sides = shape.as_list()[1:]
            return Ref(number), InputSpec(spec.name, (None, *sides), "float32")
    if spec.dtype != "string":
        return None
    raise ModelError(
        f"The input {spec.name!r} takes strings, and the graph makes no batch of float images of them",
        expected="(batch, height, width, channels) somewhere behind it",
        mend="Choose another signature, or export the network without its decoding",
    )
