"""What each kind of op does to receptive fields."""

import numpy as np
import tensorflow as tf

from kerasviz.network.field_reach import Field, Lost, regrouped, tells, united
from kerasviz.network.field_windows import (
    batched,
    constant,
    convolution,
    padded,
    pooled,
    resized,
    shuffled,
    sliced,
    transposed,
)

_ELEMENTWISE = """
    Abs Acos Acosh Add AddN AddV2 Asin Asinh Atan Atan2 Atanh BiasAdd BroadcastTo Cast Ceil CheckNumerics ClipByValue
    Cos Cosh Div DivNoNan Elu Equal Erf Erfc Exp Expm1 Floor FloorDiv FloorMod Greater GreaterEqual Identity Inv
    IsFinite IsInf IsNan LRN LeakyRelu Less LessEqual Log Log1p LogicalAnd LogicalNot LogicalOr Maximum Minimum Mod Mul
    MulNoNan Neg NotEqual Pow PreventGradient RealDiv Reciprocal Relu Relu6 Rint Round Rsqrt SelectV2 Selu Sigmoid Sign
    Sin Sinh Softplus Softsign Sqrt Square SquaredDifference StopGradient Sub Tan Tanh Xdivy Xlogy
"""


class Unknown(Exception):
    """What an op does is not known."""


def step(op: tf.Operation, given: list[Field | None]):
    """What the axes of an op's outputs tell, where its inputs alone do not tell that some place sees the whole image.

    Args:
        op: of a graph.
        given: the field of each of its inputs, None where it does not depend on the image.

    Returns:
        The factors of each axis, `()` for what tells nothing; or a `Field`, which also tells whether a place of the
        outputs sees the whole image.

    Raises:
        Lost: no place of the outputs has a field of its own, or shapes are known only when the op runs.
        Unknown: what the op does is not known.
    """
    known = _STEPS.get(op.type)
    if known is None:
        raise Unknown
    seen = [tensor for tensor, field in zip(op.inputs, given, strict=True) if field is not None]
    if not all(tensor.shape.is_fully_defined() for tensor in (*op.outputs, *seen)):
        raise Lost
    if known not in _OF_SEVERAL and given[1 if op.type == "Split" else 0] is None:
        raise Lost  # The image is in the settings, not in what they are applied to.
    return known(op, given)


def _elementwise(op, given):
    """Operands of fewer axes, or of single places, are spread over the others."""
    shape = op.outputs[0].shape
    axes = [field.axes for field in given if field is not None]
    aligned = zip(range(-shape.rank, 0), shape, strict=True)
    return [united([of[axis] for of in axes if len(of) >= -axis], size) for axis, size in aligned]


def _normalized(op, given):
    """A normalization over the batch, of which inference has stored the statistics."""
    return Field(given[0].axes, whole=op.get_attr("is_training") or any(given[1:]))


def _softmax(op, given):
    return Field(given[0].axes, whole=tells(given[0].axes[-1]))


def _reduced(op, given):
    over = {int(axis) % len(given[0].axes) for axis in np.ravel(constant(op.inputs[1]))}
    kept = op.type not in ("ArgMax", "ArgMin") and op.get_attr("keep_dims")
    return [() if axis in over else along for axis, along in enumerate(given[0].axes) if kept or axis not in over]


def _joined(op, given):
    rank = op.outputs[0].shape.rank
    here, parts = int(constant(op.inputs[-1])) % rank, given[:-1]
    fields = [field for field in parts if field is not None]
    made = [united([field.axes[axis] for field in fields]) if axis != here else () for axis in range(rank)]
    telling = [number for number, field in enumerate(parts) if field is not None and tells(field.axes[here])]
    if telling:
        if len(fields) > 1:
            raise Lost
        # Constants beside a map are padding.
        sizes = [tensor.shape[here] for tensor in op.inputs[:-1]]
        number = telling[0]
        made[here] = (fields[0].reach(here).padded(sum(sizes[:number]), sum(sizes[number + 1 :])),)
    return made


def _stacked(op, given):
    rank = op.outputs[0].shape.rank
    fields = [field for field in given if field is not None]
    made = [united([field.axes[axis] for field in fields]) for axis in range(rank - 1)]
    made.insert(op.get_attr("axis") % rank, ())
    return made


def _unstacked(op, given):
    axes = list(given[0].axes)
    axes.pop(op.get_attr("axis") % len(axes))
    return axes


def _split(op, given):
    value, axis = (1, 0) if op.type == "Split" else (0, 2)
    axes = list(given[value].axes)
    here = int(constant(op.inputs[axis])) % len(axes)
    if tells(axes[here]):
        raise Lost
    axes[here] = ()
    return axes


def _reshaped(op, given):
    return regrouped(given[0].axes, op.outputs[0].shape.as_list())


def _squeezed(op, given):
    gone = {axis % len(given[0].axes) for axis in op.get_attr("squeeze_dims")}
    gone = gone or {axis for axis, size in enumerate(op.inputs[0].shape) if size == 1}
    return [along for axis, along in enumerate(given[0].axes) if axis not in gone]


def _expanded(op, given):
    axes = list(given[0].axes)
    axes.insert(int(constant(op.inputs[1])) % (len(axes) + 1), ())
    return axes


def _permuted(op, given):
    return [given[0].axes[axis] for axis in constant(op.inputs[1])]


def _tiled(op, given):
    aligned = zip(op.inputs[0].shape, op.outputs[0].shape, given[0].axes, strict=True)
    return [along if old == new else (new // old, *along) if tells(along) else () for old, new, along in aligned]


def _gathered(op, given):
    table, places = given[0], given[1]
    if op.type == "ResourceGather":
        axis, rank = 0, op.outputs[0].shape.rank
    else:
        axis, rank = int(constant(op.inputs[2])), op.inputs[0].shape.rank
    if op.get_attr("batch_dims") or (table is not None and places is not None):
        raise Lost
    if table is None:
        return [*[()] * axis, *places.axes, *[()] * (op.outputs[0].shape.rank - axis - len(places.axes))]
    axis %= rank
    return [*table.axes[:axis], *[()] * op.inputs[1].shape.rank, *table.axes[axis + 1 :]]


def _multiplied(op, given):
    """Matrix products, as sums of products over the letters that the result lacks."""
    if op.type == "Einsum":
        left, result = op.get_attr("equation").decode().split("->")
        operands = left.split(",")
    else:
        names = ("transpose_a", "transpose_b") if op.type == "MatMul" else ("adj_x", "adj_y")
        matrices = [pair[::-1] if op.get_attr(name) else pair for name, pair in zip(names, ("yz", "zx"), strict=True)]
        operands = [f"...{pair}" for pair in matrices]
        result = "...yx"
    ranks = [tensor.shape.rank for tensor in op.inputs]
    rest = [rank - len(labels.replace("...", "")) for rank, labels in zip(ranks, operands, strict=True)]
    batch = [chr(0x100 + number) for number in range(max(rest), 0, -1)]
    operands = [
        labels.replace("...", "".join(batch[len(batch) - missing :]))
        for labels, missing in zip(operands, rest, strict=True)
    ]
    result = result.replace("...", "".join(batch))
    told = {}
    for labels, field in zip(operands, given, strict=True):
        for label, along in zip(labels, field.axes if field is not None else (), strict=field is not None):
            told.setdefault(label, []).append(along)
    summed = any(tells(along) for label, axes in told.items() if label not in result for along in axes)
    sizes = dict(zip(result, op.outputs[0].shape, strict=True))
    return Field(tuple(united(told.get(label, []), sizes[label]) for label in result), whole=summed)


_OF_SEVERAL = (_elementwise, _gathered, _joined, _multiplied, _stacked, convolution, transposed)
_STEPS = {
    **dict.fromkeys(_ELEMENTWISE.split(), _elementwise),
    **dict.fromkeys(("All", "Any", "ArgMax", "ArgMin", "EuclideanNorm", "Max", "Mean", "Min", "Prod", "Sum"), _reduced),
    **dict.fromkeys(("AvgPool", "AvgPool3D", "MaxPool", "MaxPool3D"), pooled),
    **dict.fromkeys(("BatchMatMulV2", "Einsum", "MatMul"), _multiplied),
    **dict.fromkeys(("BatchToSpaceND", "SpaceToBatchND"), batched),
    **dict.fromkeys(("Conv2D", "Conv3D", "DepthwiseConv2dNative"), convolution),
    **dict.fromkeys(("Conv2DBackpropInput", "Conv3DBackpropInputV2", "DepthwiseConv2dNativeBackpropInput"), transposed),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), shuffled),
    **dict.fromkeys(("GatherV2", "ResourceGather"), _gathered),
    **dict.fromkeys(("LogSoftmax", "Softmax"), _softmax),
    **dict.fromkeys(("MirrorPad", "Pad", "PadV2"), padded),
    **dict.fromkeys(("ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor"), resized),
    **dict.fromkeys(("Slice", "StridedSlice"), sliced),
    **dict.fromkeys(("Split", "SplitV"), _split),
    "ConcatV2": _joined,
    "ExpandDims": _expanded,
    "FusedBatchNormV3": _normalized,
    "Pack": _stacked,
    "Reshape": _reshaped,
    "Squeeze": _squeezed,
    "Tile": _tiled,
    "Transpose": _permuted,
    "Unpack": _unstacked,
}
