"""The strongest units of each channel over a stream of samples: the `k` best so far, merged with each batch's."""

import numpy as np
import tensorflow as tf

from kerasviz.errors import InputError
from kerasviz.network import Network
from kerasviz.network.layers import Address
from kerasviz.network.streaming import Stream
from kerasviz.targets import Channel


def rank(network: Network, address: Address, stream: Stream, source: int, *, k: int, per_image: bool, channels=None):
    """Go through a stream once; memory does not grow with it.

    Args:
        network: the network.
        address: the layer.
        stream: the samples.
        source: the number of the input whose size is recorded.
        k: how many a channel.
        per_image: whether a channel takes each sample once, at its strongest unit.
        channels: their numbers; None for all.

    Returns:
        The numbers of the channels, and a dict of arrays `(C, found, …)`, the strongest first, `found` at most `k`:
        "values", "images", "positions" in the map, "sizes" of the image.

    Raises:
        InputError: the samples are none or do not fit, or an activation is NaN or infinite.
        TargetError: the layer has no such channel, or returns several tensors.
    """
    chosen = None if channels is None else np.atleast_1d(np.asarray(channels))
    # Refuses layers of several tensors, and channels that there are not.
    asked = 0 if chosen is None else chosen
    (numbers,) = Channel(address, asked).arguments(network, 1 if chosen is None else len(chosen))

    def body(tensors, numbers):
        activation = network.forward(tensors, [address]).activations[address]
        return [*_strongest(activation, numbers, 1 if per_image else k), tf.shape(activation)[1:-1]]

    run = network.function(body, [tf.TensorSpec((None,), tf.int32)])
    best = None
    for start, part in stream.with_bar("Top activations"):
        if chosen is None and best is None:
            numbers = np.arange(_width(network, address, part), dtype=np.int32)
        values, places, finite, space = (found.numpy() for found in run(part, numbers))
        _check_finite(finite, start, address)
        new = _candidates(values, places, start, tuple(space.tolist()), part[source].shape[1:-1])
        best = merged(best, new, k)
    return numbers.astype(int), best


def _strongest(activation, numbers, count):
    """The `count` strongest units of some channels, `(N, C, count)`, and their places in the flattened map.

    Also whether all of a sample's activations are finite. top_k gives the lower of equal places first.
    """
    chosen = tf.gather(tf.cast(activation, tf.float32), numbers, axis=-1)
    shape = tf.shape(chosen)
    flat = tf.transpose(tf.reshape(chosen, [shape[0], -1, shape[-1]]), [0, 2, 1])
    values, places = tf.math.top_k(flat, tf.minimum(count, tf.shape(flat)[2]))
    return values, places, tf.reduce_all(tf.math.is_finite(flat), axis=[1, 2])


def _width(network, address, part):
    """How many channels a layer has."""
    first = network.inputs.pack([array[:1] for array in part])
    width = network.trace.shape_of(address.path)[-1]
    return width or network.activations(first, address)[str(address)].shape[-1]


def _candidates(values, places, start, space, size):
    """What a batch offers each channel, `(C, N * count, …)`, in the order of images and of rank within them."""
    count = values.shape[2]
    positions = np.stack(np.unravel_index(places, space), axis=-1) if space else np.zeros((*places.shape, 0), int)
    images = np.broadcast_to(np.arange(start, start + len(values))[:, None, None], values.shape)
    sizes = np.broadcast_to(np.array(size, int), (*values.shape, len(size)))
    arrays = {"values": values, "images": images, "positions": positions, "sizes": sizes}
    by_channel = {name: np.moveaxis(array, 1, 0) for name, array in arrays.items()}
    return {name: a.reshape(len(a), len(values) * count, *a.shape[3:]) for name, a in by_channel.items()}


def merged(best: dict | None, new: dict, k: int) -> dict:
    """The `k` best of each channel, those found before first among equals.

    Args:
        best: found before, arrays `(C, found, …)` by name, "values" among them; None for nothing.
        new: the same of what came since, in its order.
        k: how many a channel.
    """
    joined = new if best is None else {name: np.concatenate([best[name], new[name]], axis=1) for name in new}
    order = np.argsort(-joined["values"], axis=1, kind="stable")[:, :k]
    return {
        name: np.take_along_axis(array, order.reshape(order.shape + (1,) * (array.ndim - 2)), axis=1)
        for name, array in joined.items()
    }


def _check_finite(finite, start, address):
    if not finite.all():
        bad = (start + np.flatnonzero(~finite)[:10]).tolist()
        raise InputError(
            f"The layer {str(address)!r} has NaN or infinite activations on the samples {bad}",
            expected="finite numbers, which can be ordered",
            mend="Look at these samples, and for NaN in the weights of the model",
        )
