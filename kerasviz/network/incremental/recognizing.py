"""Which ops of a traced network are steps that boxes suffice for, and why the others are not."""

import inspect
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kerasviz.network.incremental.steps import (
    AveragePool,
    Convolution,
    Cropped,
    MaxPool,
    Padded,
    Passed,
    Pointwise,
    Step,
)

_PASSING = ("BiasAdd", "Identity", "IdentityN", "PreventGradient", "StopGradient")
_OF_ONE = frozenset(
    """
    Abs Cast Ceil Cos Elu Erf Erfc Exp Expm1 Floor Inv LeakyRelu Log Log1p LogSoftmax Neg Reciprocal Relu Relu6 Rint
    Round Rsqrt Selu Sigmoid Sign Sin Softmax Softplus Softsign Sqrt Square Tanh
    """.split()  # noqa: SIM905
)
_OF_SEVERAL = frozenset(
    """
    Add AddV2 ClipByValue Div DivNoNan Maximum Minimum Mul Pow RealDiv SquaredDifference Sub
    """.split()  # noqa: SIM905
)
_OVER_CHANNELS = frozenset(("Max", "Mean", "Min", "Prod", "Sum"))
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


class Refused(Exception):
    """An op that boxes do not suffice for; carries why."""


class Recognizer:
    """Tells the steps of a traced network.

    Args:
        graph: of the trace.
        changing: names of the tensors that depend on the image.
        variables: `placeholder name -> resource`, the variables that the graph reads.
    """

    def __init__(self, graph, changing, variables):
        self._changing, self._variables = changing, variables
        self._functions = {function.signature.name: function for function in graph.as_graph_def().library.function}

    def step(self, op: tf.Operation) -> Step:
        """The step that an op is, or that it ends.

        Raises:
            Refused: it is none, and why.
        """
        step = self._step(op)
        if any(tensor.name in self._changing for tensor in step.fixed):
            raise Refused("its kernel depends on the image")
        return step

    def _step(self, op):
        inputs = [tensor for tensor in op.inputs if tensor.name in self._changing]
        dilated = absorbed(op)
        if dilated:
            inputs = [dilated[0].inputs[0]]
        if op.type == "IdentityN":
            # So TensorFlow writes an activation with a gradient of its own; the rest is for that.
            inputs = [op.inputs[0]]
        for tensor in (op.outputs[0], *inputs):
            _require_map(tensor)
        if any(tensor.consumers() for tensor in op.outputs[1:]):
            raise Refused(f"{op.type} returns several tensors")
        if dilated:
            return _dilated(op, inputs)
        if op.type in _PASSING:
            return Passed(op, inputs)
        if op.type in _CONVOLUTIONS:
            return _convolution(op, inputs, op.inputs[1], op.inputs[1].shape, op.type, op.get_attr)
        if op.type in _CALLS:
            return self._grouped(op, inputs)
        known = {"AvgPool": _pool, "MaxPool": _pool, "Pad": _padded, "PadV2": _padded, "StridedSlice": _cropped}
        return known.get(op.type, _pointwise)(op, inputs)

    def _grouped(self, op, inputs):
        """Keras puts a convolution in groups into a function of its own."""
        body = self._functions[op.get_attr("f").name].node_def
        work = [node for node in body if node.op not in ("Identity", "NoOp", "ReadVariableOp")]
        held = [tensor for tensor in op.inputs if tensor.name in self._variables]
        if len(work) != 1 or work[0].op != "Conv2D" or len(op.inputs) != 2 or len(held) != 1:
            raise Refused("it calls a function that is no convolution")
        shape = tf.raw_ops.ReadVariableOp(resource=self._variables[held[0].name], dtype=inputs[0].dtype).shape

        def attribute(name):
            value = work[0].attr[name]
            return value.s if name in ("padding", "data_format") else list(value.list.i)

        return _convolution(op, inputs, held[0], shape, "Conv2D", attribute)


def absorbed(op: tf.Operation) -> list[tf.Operation]:
    """The ops in front of one that belong to its step: TensorFlow writes a dilated convolution as three."""
    if op.type == "BatchToSpaceND" and op.inputs[0].op.type in _CONVOLUTIONS:
        middle = op.inputs[0].op
        if middle.inputs[0].op.type == "SpaceToBatchND":
            return [middle.inputs[0].op, middle]
    return []


def _require_map(tensor):
    shape = tuple(tensor.shape) if tensor.shape.rank is not None else None
    if shape is None or len(shape) != 4 or None in shape[1:] or shape[1] * shape[2] < 2:
        raise Refused(f"{tensor.op.type} makes {shape}, no map with rows, columns and channels")


def _dilated(op, inputs):
    split, middle = absorbed(op)
    block, padding, crops = (_constant(t) for t in (split.inputs[1], split.inputs[2], op.inputs[2]))
    if block.shape != (2,) or crops[:, 0].any() or middle.get_attr("padding") != b"VALID":
        raise Refused("it is a dilated convolution of an unknown form")
    attributes = {
        "strides": middle.get_attr("strides"),
        "dilations": [1, *block.tolist(), 1],
        "padding": b"EXPLICIT",
        "explicit_paddings": [0, 0, *padding.ravel().tolist(), 0, 0],
        "data_format": middle.get_attr("data_format"),
    }
    return _convolution(op, inputs, middle.inputs[1], middle.inputs[1].shape, middle.type, attributes.get)


def _convolution(op, inputs, weights, shape, kind, attribute):
    _require_channels_last(attribute)
    if len(inputs) != 1 or None in tuple(shape):
        raise Refused("its kernel depends on the image")
    dilation, stride = (attribute(name)[1:3] for name in ("dilations", "strides"))
    kernel = [(size - 1) * step + 1 for size, step in zip(shape[:2], dilation, strict=True)]
    before = _before(op, inputs[0], kernel, stride, attribute)
    depthwise = kind == "DepthwiseConv2dNative"
    return Convolution(op, inputs, weights, kernel, stride, before, dilation, tuple(shape), depthwise)


def _pool(op, inputs):
    _require_channels_last(op.get_attr)
    kernel, stride = op.get_attr("ksize"), op.get_attr("strides")
    if kernel[0] != 1 or kernel[3] != 1:
        raise Refused("it pools over channels")
    kind = MaxPool if op.type == "MaxPool" else AveragePool
    return kind(op, inputs, kernel[1:3], stride[1:3], _before(op, inputs[0], kernel[1:3], stride[1:3], op.get_attr))


def _before(op, image, kernel, stride, attribute):
    """The padding in front along both axes. Of an odd number of places in all, the smaller half."""
    padding = attribute("padding")
    if padding == b"EXPLICIT":
        return [attribute("explicit_paddings")[2], attribute("explicit_paddings")[4]]
    if padding == b"VALID":
        return [0, 0]
    sizes = zip(image.shape[1:3], op.outputs[0].shape[1:3], kernel, stride, strict=True)
    return [max((out - 1) * step + size - whole, 0) // 2 for whole, out, size, step in sizes]


def _require_channels_last(attribute):
    if attribute("data_format") != b"NHWC":
        raise Refused("its channels come first")


def _padded(op, inputs):
    padding = _constant(op.inputs[1])
    if padding[0].any() or padding[3].any():
        raise Refused("it pads the batch or the channels")
    return Padded(op, inputs, padding[1:3, 0].tolist())


def _cropped(op, inputs):
    begin, end, step = (_constant(tensor) for tensor in op.inputs[1:])
    masks = {name: op.get_attr(f"{name}_mask") for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    if masks["new_axis"] or masks["shrink_axis"] or (step != 1).any():
        raise Refused("it takes every second place, or changes the axes")
    parts = []
    for axis in range(len(begin)):
        bit = 1 << axis
        if masks["ellipsis"] & bit:
            parts += [slice(None)] * (5 - len(begin))
        else:
            first = None if masks["begin"] & bit else int(begin[axis])
            parts.append(slice(first, None if masks["end"] & bit else int(end[axis])))
    parts += [slice(None)] * (4 - len(parts))
    if parts[0] != slice(None):
        raise Refused("it slices the batch")
    starts = [part.indices(size)[0] for part, size in zip(parts[1:3], inputs[0].shape[1:3], strict=True)]
    return Cropped(op, inputs, starts, parts[3])


def _pointwise(op, inputs):
    again = _again(op)
    if op.type in _OF_ONE:
        return Pointwise(op, inputs, again, again if op.type == "Neg" else None)
    if op.type in _OVER_CHANNELS:
        if np.ravel(_constant(op.inputs[1])).tolist() not in ([3], [-1]) or not op.get_attr("keep_dims"):
            raise Refused(f"{op.type} over rows and columns needs the whole map")
        return Pointwise(op, inputs, again, again if op.type in ("Mean", "Sum") else None)
    if op.type == "ConcatV2":
        if _constant(op.inputs[-1]) not in (3, -1) or len(inputs) != len(op.inputs) - 1:
            raise Refused("it joins maps along rows or columns, or with what does not change")
        return Pointwise(op, inputs, *[lambda operands: tf.concat(operands[:-1], 3)] * 2)
    if op.type == "AddN" and len(inputs) == len(op.inputs):
        return Pointwise(op, inputs, tf.add_n, tf.add_n)
    if op.type not in _OF_SEVERAL:
        raise Refused(f"{op.type} is not computed on boxes")
    for tensor in op.inputs:
        _require_fit(tensor, op.outputs[0], tensor.name in {one.name for one in inputs})
    return Pointwise(op, inputs, again, _linear(op, inputs, again))


def _linear(op, inputs, again):
    """How the change of an op of several operands follows from theirs, where it is linear; or None."""
    names = {tensor.name for tensor in inputs}
    changes = [tensor.name in names for tensor in op.inputs]
    adds = op.type in ("Add", "AddV2", "Sub")
    if adds and all(changes):
        return again
    if adds and inputs[0].shape[-1] == op.outputs[0].shape[-1]:
        if changes[0]:
            return lambda operands: operands[0]
        return lambda operands: -operands[1] if op.type == "Sub" else operands[1]
    if changes == [True, False] and op.type in ("Div", "DivNoNan", "Mul", "RealDiv"):
        return again
    return again if changes == [False, True] and op.type == "Mul" else None


def _require_fit(tensor, output, changes):
    """Refuse operands that are spread over rows or columns."""
    shape = tensor.shape
    space = tuple(output.shape[1:3])
    if shape.rank is None or None in shape[1:].as_list():
        raise Refused(f"{tensor.op.type} makes an operand of an unknown shape")
    along = (1, 1) if shape.rank < 2 else (1, shape[-2]) if shape.rank == 2 else tuple(shape[-3:-1])
    by_row = shape.rank == 4 and not changes and shape[0] not in (None, 1)
    if by_row or (along != space if changes else along not in ((1, 1), space)):
        raise Refused(f"{tensor.op.type} makes an operand that is spread over the map")


def _again(op) -> Callable:
    """The op anew, on other operands."""
    make = getattr(tf.raw_ops, op.type, None)
    if make is None:
        raise Refused(f"{op.type} is not computed on boxes")
    names = [name for name in inspect.signature(make).parameters if name != "name"]
    settings = {name: op.get_attr(name) for name in names[len(op.inputs) :]}
    return lambda operands: make(**dict(zip(names, operands, strict=False)), **settings)


def _constant(tensor):
    value = tf.get_static_value(tensor)
    if value is None:
        raise Refused(f"{tensor.op.type} makes an operand that is known only when it runs")
    return value
