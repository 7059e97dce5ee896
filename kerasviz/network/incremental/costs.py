"""What a unit costs, whole and on boxes, in multiplications with weights.

The weights of what is moved and of what is computed elementwise were measured on two cores of a CPU (see
benchmarks/occlusion.py); they only decide where boxes end.
"""

from typing import NamedTuple

import numpy as np

from kerasviz.network.incremental.steps import Convolution

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
    elements = float(np.prod(output.shape[1:]))
    if step is None or output.name not in spans:
        macs = _macs_of(unit.op)
        return Cost(macs + _ELEMENT * elements, macs + _ELEMENT * elements, macs, macs)
    rows, columns = spans[output.name]
    part = rows.sizes.mean() / rows.length * columns.sizes.mean() / columns.length
    macs = step.macs * rows.length * columns.length
    work = macs * (_DEPTHWISE if isinstance(step, Convolution) and step.depthwise else 1)
    moved = step.moved * rows.length * columns.length
    return Cost(work + _ELEMENT * elements, part * (work + _MOVED * moved), macs, macs * part)


def _macs_of(op):
    """Multiplications with weights of an op that is no step, for one sample."""
    if op.type in ("MatMul", "BatchMatMulV2"):
        inner = op.inputs[0].shape[-1]
        return int(np.prod(op.outputs[0].shape[1:]) * inner) if inner is not None else 0
    return 0
