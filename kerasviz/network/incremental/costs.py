"""What a unit costs, whole and on boxes, in multiplications with weights.

The weights of what is moved and of what is computed elementwise were measured on two cores of a CPU (see
benchmarks/occlusion.py); they only decide where boxes end.
"""

from typing import NamedTuple

import numpy as np

#: What one value costs that is read, computed with and written: so many multiplications of a convolution.
_MOVED = 25
#: The same where TensorFlow computes whole maps, partly in one go with the convolution before.
_ELEMENT = 12
#: A multiplication of a depthwise convolution, which computes little with what it reads.
_DEPTHWISE = 10


class Cost(NamedTuple):
    """What a unit costs for one variant.

    Attributes:
        whole: in all, computed whole.
        boxed: in all, on boxes, as the mean over the positions.
        macs: multiplications with weights, computed whole.
        run: the same on boxes.
    """

    whole: float
    boxed: float
    macs: int
    run: float

    @staticmethod
    def entry(shape) -> float:
        """What it costs to lay a box into a whole map."""
        return 2 * _MOVED * float(np.prod(shape[1:]))


def cost_of(unit, spans) -> Cost:
    """What a unit costs.

    Args:
        unit: a `Unit`.
        spans: of the maps that boxes suffice for, by name.
    """
    step, output = unit.step, unit.op.outputs[0]
    if output.shape.rank is None or None in output.shape[1:].as_list():
        return Cost(0.0, 0.0, 0, 0.0)
    elements, macs = float(np.prod(output.shape[1:])), _macs_of(unit)
    work = macs * (_DEPTHWISE if getattr(step, "depthwise", False) else 1)
    whole = work + _ELEMENT * elements
    if step is None or output.name not in spans:
        return Cost(whole, whole, macs, macs)
    rows, columns = spans[output.name]
    part = rows.sizes.mean() / rows.length * columns.sizes.mean() / columns.length
    moved = step.moved * rows.length * columns.length
    return Cost(whole, part * (work + _MOVED * moved), macs, macs * part)


def _macs_of(unit):
    """Multiplications with weights of a unit, computed whole for one sample."""
    op, output = unit.op, unit.op.outputs[0]
    if unit.step is not None:
        return unit.step.macs * output.shape[1] * output.shape[2]
    if op.type == "MatMul":
        weights = op.inputs[1].shape
        return (
            0 if None in weights else int(np.prod(weights)) * _rows(op.inputs[0], np.prod(weights) // output.shape[-1])
        )
    if op.type == "BatchMatMulV2" and op.inputs[1].shape.rank == 2:  # so older versions of Keras write a dense layer
        return int(np.prod(op.inputs[1].shape) * np.prod(output.shape[1:-1]))
    if op.type == "Conv2DBackpropInput":  # A transposed convolution: each place of its input meets the whole kernel.
        kernel, places = op.inputs[1].shape, op.inputs[2].shape[1:3]
        return int(np.prod(kernel) * np.prod(places)) if None not in (*kernel, *places) else 0
    return 0


def _rows(tensor, length):
    """How many rows of a length a sample has in a product: a dense layer over a map treats its places as samples."""
    source = tensor.op.inputs[0].shape if tensor.op.type == "Reshape" else tensor.shape
    return 1 if source.rank is None or None in source[1:] else max(1, int(np.prod(source[1:])) // int(length))
