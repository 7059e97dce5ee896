"""Whether a network ends in global average pooling and one linear layer, as class activation mapping asks."""

from dataclasses import dataclass, replace

import tensorflow as tf

from kerasviz.errors import TargetError
from kerasviz.network.layers import Address
from kerasviz.network.network import Network
from kerasviz.network.spatial import is_spatial

#: Ops that only move values to other places or types.
_MOVING = frozenset({"Cast", "ExpandDims", "Identity", "Reshape", "Squeeze"})


@dataclass(frozen=True)
class GapHead:
    """The head `scores = mean over positions of the feature map · weights (+ bias)`.

    Attributes:
        features: the layer whose feature map is pooled.
        channels: of that map.
        classes: scores that come out.
    """

    features: Address
    channels: int
    classes: int


def gap_head(network: Network, output: str | None = None) -> GapHead | None:
    """The pooled linear head of an output, or None if the network ends otherwise.

    Zhou et al. 2016, "Learning Deep Features for Discriminative Localization", section 2, define class activation
    maps for such networks only. It is found in the traced forward pass, so that the layers' classes, nesting and
    names do not matter: whatever does nothing at inference (Dropout), or only moves values (a Flatten of one
    position), may stand between; a 1 x 1 convolution of the pooled map counts as linear, and an average pooling
    over the whole map as global.

    Args:
        network: the network.
        output: the name of the output; may be left out if there is only one.

    Raises:
        TargetError: there are several outputs and none was named, or there is no output of that name.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv"),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5, "softmax")])
        >>> gap_head(Network(model))
        GapHead(features=Address(path='conv', call=-1), channels=4, classes=5)
    """
    outputs = network.trace.outputs
    if output not in outputs and (output is not None or len(outputs) > 1):
        raise TargetError(
            f"output={output!r} of the model {network.name!r}",
            expected=f"one of {', '.join(map(repr, outputs))}",
            mend="Name the output that is explained",
        )
    name = next(iter(outputs)) if output is None else output
    taps = [Address(call.path, call.index) for call in network.trace.calls if is_spatial(call.shape, network.inputs)]
    found = []

    def look(tensors):
        done = network.forward(tensors, taps)
        owners = {id(tensor): address for address, tensor in done.activations.items()}
        found.append(_match(done.scores[name], owners))
        return done.scores[name]

    network.function(look)
    head = found[0]
    if head is not None and network.trace.calls_of(head.features.path) == 1:
        return replace(head, features=Address(head.features.path))
    return head


def _match(scores, owners):
    linear = _linear_input(_through(scores))
    if linear is None:
        return None
    features = _pooled(_through(linear))
    address = None if features is None else _owner(features, owners)
    if address is None or features.shape[-1] != linear.shape[-1]:
        return None
    return GapHead(address, features.shape[-1], scores.shape[-1])


def _through(tensor):
    """The tensor that was moved about."""
    while tensor.op.type in _MOVING:
        tensor = tensor.op.inputs[0]
    return tensor


def _linear_input(scores):
    """What the last linear layer works on, if that is a vector for each sample."""
    if scores.op.type in ("Add", "AddV2", "BiasAdd"):
        scores = _through(scores.op.inputs[0])
    if scores.op.type == "MatMul":
        return scores.op.inputs[0]
    if scores.op.type == "Conv2D" and set(scores.op.inputs[0].shape[1:-1]) == {1}:
        return scores.op.inputs[0]
    return None


def _pooled(vector):
    """The feature map whose mean over all positions a tensor is."""
    op = vector.op
    rank = None if not op.inputs else op.inputs[0].shape.rank
    if op.type == "Mean" and rank and rank > 2:
        axes = tf.get_static_value(op.inputs[1])
        if axes is not None and {int(axis) % rank for axis in axes.reshape(-1)} == set(range(1, rank - 1)):
            return op.inputs[0]
    if op.type.startswith("AvgPool") and set(vector.shape[1:-1]) == {1}:
        windows = op.get_attr("ksize")[1:-1]
        if list(windows) == op.inputs[0].shape.as_list()[1:-1]:
            return op.inputs[0]
    return None


def _owner(tensor, owners):
    """The layer that made a tensor: the first of those that returned it."""
    address = None
    while True:
        address = owners.get(id(tensor), address)
        if tensor.op.type != "Identity":
            return address
        tensor = tensor.op.inputs[0]
