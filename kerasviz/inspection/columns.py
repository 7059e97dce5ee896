"""The filters of a layer's weights, whatever their layout: one column each."""

from typing import NamedTuple

import keras
import numpy as np

_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
#: The same of bare graphs, whose layers are named as the ops.
_DEPTHWISE_OP, _TRANSPOSED_OPS = "DepthwiseConv2dNative", ("Conv2DBackpropInput", "Conv3DBackpropInputV2")


class Columns(NamedTuple):
    """The filters of a layer's weights.

    Attributes:
        values: `(weights of a filter, filters)`, float32 or float64. Column j makes output channel j.
        looks_at: `(filters,)`, which of the layer's inputs each filter looks at, as a number: those of different
            numbers look at different inputs, so that equal weights make no equal channels.
    """

    values: np.ndarray
    looks_at: np.ndarray


def columns(layer, name: str, array: np.ndarray) -> Columns:
    """The filters of a kernel.

    Args:
        layer: the layer or op that holds it.
        name: of the variable, such as "kernel" or "depthwise_kernel".
        array: its values, of two axes or more.
    """
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32)
    kind = type(layer).__name__
    if isinstance(layer, _DEPTHWISE) or kind == _DEPTHWISE_OP or name == "depthwise_kernel":
        return _depthwise(array)
    if isinstance(layer, _TRANSPOSED) or kind in _TRANSPOSED_OPS:
        return _alike(np.moveaxis(array, -2, -1))
    if kind == "MatMul" and getattr(layer, "node", None) is not None and layer.node.attributes["transpose_b"].b:
        return _alike(array.T)
    if isinstance(layer, keras.layers.EinsumDense):
        return _einsum(layer.equation, array)
    groups = getattr(layer, "groups", 1) if len(array.shape) > 2 and not isinstance(layer, _SEPARABLE) else 1
    return _alike(array, groups if isinstance(groups, int) else 1)


def _alike(array, groups=1):
    filters = array.shape[-1]
    return Columns(array.reshape(-1, filters), np.arange(filters) * groups // max(filters, 1))


def _depthwise(array):
    # Keras numbers the outputs so: all multiples of an input, then the next input's.
    inputs, multiples = array.shape[-2:]
    return Columns(array.reshape(-1, inputs * multiples), np.repeat(np.arange(inputs), multiples))


def _einsum(equation, array):
    """Axes that are summed over make the weights of a filter; the others number the filters."""
    before, after = equation.replace(" ", "").split("->")
    inputs, letters = (part.replace("...", "") for part in before.split(","))
    summed = [axis for axis, letter in enumerate(letters) if letter not in after]
    shared = [axis for axis, letter in enumerate(letters) if letter in after and letter in inputs]
    own = [axis for axis in range(len(letters)) if axis not in (*summed, *shared)]
    # Filters that differ along an axis of the input look at different parts of it.
    sizes = [int(np.prod([array.shape[axis] for axis in axes], dtype=int)) for axes in (summed, shared, own)]
    values = array.transpose(*summed, *shared, *own).reshape(sizes[0], -1)
    return Columns(values, np.repeat(np.arange(sizes[1]), sizes[2]))
