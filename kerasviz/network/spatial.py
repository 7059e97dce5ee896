"""The last layer with a spatial feature map, found by shape."""

import warnings

from kerasviz.errors import KerasvizWarning, LayerError
from kerasviz.network.inputs import Inputs
from kerasviz.network.layers import Address
from kerasviz.network.trace import Call, Trace


def last(trace: Trace, inputs: Inputs, kernels, aside=frozenset()) -> Address:
    """The address of the last spatial feature map before the head of a network.

    A spatial feature map has the rank of an image input `(N, *space, C)` and more than one position; whatever
    layer or op returned it first names it. Layers before the first one with a kernel only prepare the image.
    Where the output itself is a map (segmentation), everything from its last layer with a kernel on is the head. Of
    several heads none is chosen over the others: the map is one that all outputs depend on, if there is any.

    Args:
        trace: of the network.
        inputs: of the network.
        kernels: paths of the layers that hold kernels themselves.
        aside: paths of layers that are no feature maps, whatever their shape.

    Raises:
        LayerError: there is none.
    """
    candidates = [
        call for call in _body(trace, inputs, kernels) if is_spatial(call.shape, inputs) and call.path not in aside
    ]
    shared = [call for call in candidates if call.reaches == frozenset(trace.outputs)]
    named = [call for call in shared or candidates if not call.passes_on]
    if not named:
        raise LayerError(
            "The model has no layer with a spatial feature map",
            expected="a convolutional network, whose layers keep the image's axes",
            mend="Name the layer to look at with layer=, or use a gradient method such as Saliency",
        )
    chosen = named[-1]
    _warn_of_tokens(trace, chosen, kernels - aside)
    return Address(chosen.path)


def is_spatial(shape, inputs: Inputs) -> bool:
    """Whether a shape is that of a feature map over one of the inputs: its rank, and over one position.

    Token numbers, `(N, T)`, become a map `(N, T, C)` behind their embedding; beside an image they do not count. What a
    loop has with time in front of the batch, `(T, N, C)`, is none.
    """
    if shape is not None and len(shape) > 1 and shape[0] is not None and shape[1] is None:
        return False
    ranks = {len(spec.shape) for spec in inputs.specs if len(spec.shape) >= 3}
    if not ranks:
        ranks = {3 for spec in inputs.specs if len(spec.shape) == 2 and not spec.floating}
    return shape is not None and len(shape) in ranks and any(size is None or size > 1 for size in shape[1:-1])


def _body(trace: Trace, inputs: Inputs, kernels) -> list[Call]:
    calls = list(trace.calls)
    leaves = [i for i, call in enumerate(calls) if call.path in kernels]
    if not leaves:
        return []
    dense_output = any(is_spatial(output.shape, inputs) for output in trace.outputs.values())
    return calls[leaves[0] : leaves[-1]] if dense_output else calls[leaves[0] :]


def _warn_of_tokens(trace, chosen, kernels):
    # Layers that see another input too, such as the words of a caption, do not work on this map's tokens.
    behind = [call for call in trace.calls[trace.calls.index(chosen) + 1 :] if call.sources == chosen.sources]
    tokens = [
        call
        for call in behind
        if call.path in kernels and call.shape is not None and len(call.shape) == 3 < len(chosen.shape)
    ]
    if len(tokens) > 2:
        warnings.warn(
            f"The last spatial feature map, {chosen.path!r}, comes before {len(tokens)} layers that work on tokens: "
            "it shows what enters them, not what they look at",
            KerasvizWarning,
            stacklevel=2,
        )
