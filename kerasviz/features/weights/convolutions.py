"""The weights of any convolution in one layout."""

from typing import NamedTuple

import keras
import numpy as np

from kerasviz.errors import LayerError, SettingError
from kerasviz.network import internals
from kerasviz.network.layers import Directory, walk
from kerasviz.network.twins import require_built

_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
_DENSE = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
# Their kernels may have as many axes, and slide over nothing.
_NO_CONVOLUTION = (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Embedding, keras.layers.PReLU)

#: The same as ops of a bare graph.
_TRANSPOSED_OPS = frozenset({"Conv2DBackpropInput", "Conv3DBackpropInputV2"})
_OPS = _TRANSPOSED_OPS | {"Conv2D", "Conv3D", "DepthwiseConv2dNative"}


class Kernel(NamedTuple):
    """The weights of a convolution.

    Attributes:
        path: of the layer.
        kind: the name of its class.
        part: which of its kernels.
        weights: float32 `(…, inputs of a filter, filters)`, one to three axes of space first.
        groups: how many groups the filters are in. Filter j looks at the inputs of group `j * groups // filters`.
        depthwise: whether each filter looks at one input.
        transposed: whether it is a transposed convolution, whose filters are painted and not looked for.
    """

    path: str
    kind: str
    part: str
    weights: np.ndarray
    groups: int
    depthwise: bool
    transposed: bool


def read_kernel(model, layer=None, part: str | None = None) -> Kernel:
    """The weights of a layer; they may share its memory.

    Args:
        model: a built Keras model.
        layer: as `kerasviz.network.layers.Directory.find` takes it; None for the model's first convolution.
        part: which kernel, of a layer that holds several; None for the first.

    Raises:
        ModelError: not a built Keras model.
        LayerError: no layer or several fit, or it holds no convolution's weights.
        SettingError: it has no such part.
    """
    require_built(model)
    layers = dict(walk(model))
    path = _first(model, layers) if layer is None else Directory(model).find(layer).path
    parts = _parts(layers[path])
    if not parts:
        raise _no_convolution(path, layers)
    if part is not None and part not in parts:
        raise SettingError(
            f"part={part!r}: the layer {path!r} has no such kernel",
            expected=f"one of {', '.join(map(repr, parts))}",
            mend="Choose one of these, or leave part out for the first",
        )
    part = part or next(iter(parts))
    weights, groups, depthwise = parts[part]
    weights = np.asarray(keras.ops.convert_to_numpy(weights), np.float32)
    transposed = isinstance(layers[path], _TRANSPOSED) or type(layers[path]).__name__ in _TRANSPOSED_OPS
    if transposed:
        weights = weights.swapaxes(-1, -2)
    if depthwise:
        # Keras numbers the outputs of a depthwise convolution so: all multiples of an input, then the next input's.
        weights = weights.reshape(*weights.shape[:-2], 1, -1)
    return Kernel(path, type(layers[path]).__name__, part, weights, groups, depthwise, transposed)


def _parts(layer) -> dict:
    """`(variable, groups, depthwise)` of each kernel of a layer, by name; empty if it is no convolution."""
    if not isinstance(layer, keras.layers.Layer) or not layer.built or isinstance(layer, _NO_CONVOLUTION):
        return {}
    if isinstance(layer, _SEPARABLE):
        depthwise = layer.depthwise_kernel
        return {
            "depthwise": (depthwise, depthwise.shape[-2], True),
            "pointwise": (layer.pointwise_kernel, 1, False),
        }
    if isinstance(layer, _DEPTHWISE):
        return {"kernel": (layer.kernel, layer.kernel.shape[-2], True)}
    if isinstance(layer, (*_DENSE, *_TRANSPOSED)):
        return {"kernel": (layer.kernel, getattr(layer, "groups", 1), False)}
    op = getattr(getattr(layer, "node", None), "op", None)  # of a bare graph
    if op is not None and op not in _OPS:
        return {}
    of_parts = {id(variable) for part in internals.sublayers(layer) for variable in part.variables}
    own = [variable for variable in layer.variables if id(variable) not in of_parts]
    depthwise = op == "DepthwiseConv2dNative"
    return {
        variable.name: (variable, variable.shape[-2] if depthwise else 1, depthwise)
        for variable in own
        if len(variable.shape) == 4 or (op is not None and len(variable.shape) in (3, 5))
    }


def _first(model, layers):
    path = next((path for path, layer in layers.items() if _parts(layer)), None)
    if path is None:
        raise LayerError(
            f"The model {model.name!r} has no convolution",
            expected="a layer with convolution weights",
            mend="Name a layer that holds weights of four axes, if there is one",
        )
    return path


def _no_convolution(path, layers):
    inside = [other for other, layer in layers.items() if other.startswith(f"{path}/") and _parts(layer)]
    others = inside or [other for other, layer in layers.items() if _parts(layer)]
    listed = ", ".join(map(repr, others[:12])) + (f" and {len(others) - 12} more" if len(others) > 12 else "")
    return LayerError(
        f"The layer {path!r} is a {type(layers[path]).__name__}, which holds no convolution weights itself",
        expected="a convolution, or a custom layer with a kernel of four axes",
        mend=f"{'Inside it are' if inside else 'The model has'} {listed}" if others else "The model has none",
    )
