"""Channels and neurons of feature maps."""

import numpy as np
import tensorflow as tf

from kerasviz.errors import TargetError
from kerasviz.targets.base import Target, as_array

#: The position that stands for the middle until the size of the map is known.
MIDDLE = -1


class Channel(Target):
    """The mean of a channel of a feature map over its positions.

    Args:
        layer: the layer, as `Network.address` takes it.
        channel: its number along the last axis, or one per sample.

    Example:
        >>> import kerasviz as kv
        >>> kv.targets.Channel("base/block5_conv3", 12).describe()
        'channel 12 of base/block5_conv3'
    """

    argument_count = 1

    def __init__(self, layer, channel):
        self.layer, self.channel = layer, channel

    def addresses(self, network):  # noqa: D102
        return (network.address(self.layer),)

    def arguments(self, network, count):  # noqa: D102
        return [_numbers(self.channel, map_shape(network, self.layer)[-1:], count, "channel")]

    def score(self, network, done, arguments):  # noqa: D102
        chosen = _channel(done.activations[network.address(self.layer)], arguments[0])
        return tf.reduce_mean(chosen, axis=list(range(1, chosen.shape.rank))) if chosen.shape.rank > 1 else chosen

    def key(self):  # noqa: D102
        return (type(self), self.layer)

    def describe(self):  # noqa: D102
        return f"channel {self.channel} of {layer_name(self.layer)}"


class Neuron(Target):
    """One unit of a feature map: a channel at a position.

    Args:
        layer: the layer, as `Network.address` takes it.
        position: its place along the axes between batch and channels, such as `(row, column)`; or one per sample.
            None for the middle, `size // 2` along each axis.
        channel: its number along the last axis, or one per sample.
    """

    argument_count = 2

    def __init__(self, layer, position, channel):
        self.layer, self.position, self.channel = layer, position, channel

    def addresses(self, network):  # noqa: D102
        return (network.address(self.layer),)

    def arguments(self, network, count):  # noqa: D102
        shape = map_shape(network, self.layer)
        if len(shape) == 2:
            raise TargetError(
                f"The layer {layer_name(self.layer)!r} has the output {shape}, without positions",
                expected="a feature map",
                mend="A unit of a dense layer is a kerasviz.targets.Channel",
            )
        return [
            np.full((count, len(shape) - 2), MIDDLE, np.int32)
            if self.position is None
            else _numbers(self.position, shape[1:-1], count, "position", row=True),
            _numbers(self.channel, shape[-1:], count, "channel"),
        ]

    def score(self, network, done, arguments):  # noqa: D102
        position, channel = arguments
        chosen = _channel(done.activations[network.address(self.layer)], channel)
        position = tf.where(position == MIDDLE, tf.shape(chosen)[1:] // 2, position)
        return tf.gather_nd(chosen, position, batch_dims=1)

    def key(self):  # noqa: D102
        return (type(self), self.layer)

    def describe(self):  # noqa: D102
        position = "in the middle" if self.position is None else f"at {self.position}"
        return f"neuron {self.channel} {position} of {layer_name(self.layer)}"


def map_shape(network, layer) -> tuple:
    """The shape of a layer's output, None for free axes.

    Raises:
        TargetError: the layer has no one output.
    """
    address = network.address(layer)
    shape = network.trace.shape_of(address.path)
    if shape is None:
        raise TargetError(
            f"The layer {str(address)!r} returns several tensors, or runs in a loop",
            expected="a layer with one activation",
            mend="Take a layer inside it, or the one around it",
        )
    return shape


def _numbers(given, limits, count, what, row=False):
    """Indices along some axes, one (or one row) per sample."""
    numbers = as_array(given, what)
    wanted = (count, len(limits)) if row else (count,)
    if numbers.dtype.kind not in "ui" or numbers.shape not in (wanted, wanted[1:]):
        raise TargetError(
            f"{what}={given!r} has the shape {numbers.shape} and the type {numbers.dtype}",
            expected=f"whole numbers of the shape {wanted[1:]}, or {wanted} for one per sample",
            mend="Count along the axes of the layer's output",
        )
    if any(
        size is not None and ((column < 0) | (column >= size)).any()
        for column, size in zip(np.moveaxis(numbers.reshape(-1, len(limits)), 1, 0), limits, strict=True)
    ):
        raise TargetError(
            f"{what}={given!r} is outside the layer's output",
            expected=f"numbers from 0 up to, but not including, {limits}",
            mend="Count along the axes of the layer's output",
        )
    return np.broadcast_to(numbers, wanted).astype(np.int32)


def _channel(activation, channel):
    """One channel per sample of a feature map, `(N, *space)`."""
    moved = tf.transpose(activation, [0, activation.shape.rank - 1, *range(1, activation.shape.rank - 1)])
    return tf.cast(tf.gather(moved, channel, axis=1, batch_dims=1), tf.float32)


def layer_name(layer) -> str:
    """What a user calls a layer, for titles."""
    return getattr(layer, "name", str(layer))
