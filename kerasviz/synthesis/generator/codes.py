"""What the activations of a layer are like over a data set: the codes that a generator is trained on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasviz.errors import InputError, LayerError
from kerasviz.network import Network
from kerasviz.network.layers import Address
from kerasviz.network.streaming import Stream
from kerasviz.synthesis.spaces import ImageSpace


@dataclass(frozen=True)
class CodeStatistics:
    """Of the activations of a layer over a data set.

    Attributes:
        mean: of each unit, of the shape of a code, float32.
        deviation: its standard deviation.
        lowest: the lowest value of any unit.
        scale: the root mean square over all units.
        feature_variance: the variance over the data of another layer's features, as a mean over these.
        count: of samples.
    """

    mean: np.ndarray
    deviation: np.ndarray
    lowest: float
    scale: float
    feature_variance: float
    count: int


def code_statistics(
    network: Network,
    code: Address,
    comparator: Address,
    images,
    *,
    prepare: Callable,
    space: ImageSpace,
    batch_size: int = 32,
) -> CodeStatistics:
    """Go through a data set once.

    Args:
        network: of one input.
        code: the layer whose activations are the codes.
        comparator: the layer whose features are compared.
        images: as for `Stream`, before preparation.
        prepare: what happens to images before the network takes them, a function of tensors.
        space: which no image may leave.
        batch_size: how many samples run at once.

    Raises:
        InputError: as for `Stream`, or an image leaves the range.
        LayerError: a layer returns no tensor of numbers, or the same for all images.
    """
    stream = Stream(network.inputs, images, batch_size)
    run = network.function(lambda tensors: _sums(network, code, comparator, prepare, tensors))
    totals, lowest = None, np.inf
    for _, (part,) in stream.with_bar("Looking at the codes"):
        _check_values(part, space)
        *sums, least = (value.numpy() for value in run([part]))
        totals = sums if totals is None else [total + new for total, new in zip(totals, sums, strict=True)]
        lowest = min(lowest, float(least))
    means = [total / stream.total for total in totals]
    mean, squares, feature_mean, feature_squares = means
    # Rounding can leave a little less than nothing of a constant.
    variance = np.maximum(squares - mean**2, 0)
    feature_variance = float(np.maximum(feature_squares - feature_mean**2, 0).mean())
    for address, spread in ((code, variance.max()), (comparator, feature_variance)):
        if not spread > 0:
            raise LayerError(
                f"The layer {str(address)!r} answers to all {stream.total} images alike",
                expected="a layer and images that differ",
                mend="Give at least two images, as the network was trained on, or choose another layer",
            )
    return CodeStatistics(
        mean.astype(np.float32),
        np.sqrt(variance).astype(np.float32),
        lowest,
        float(np.sqrt(squares.mean())),
        feature_variance,
        stream.total,
    )


def _sums(network, code, comparator, prepare, tensors):
    activations = network.forward([prepare(tensors[0])], [code, comparator]).activations
    found = []
    for address in (code, comparator):
        values = activations[address]
        if not isinstance(values, tf.Tensor) or not values.dtype.is_floating:
            raise LayerError(
                f"The layer {str(address)!r} returns {type(values).__name__}",
                expected="a layer with one output of floating point numbers",
                mend="Take a layer inside it or behind it",
            )
        wide = tf.cast(values, tf.float64)
        found += [tf.reduce_sum(wide, axis=0), tf.reduce_sum(tf.square(wide), axis=0)]
    return [*found, tf.reduce_min(activations[code])]


def _check_values(images, space):
    if images.shape[1:] != space.shape:
        raise InputError(
            f"The images have the shape {images.shape}",
            expected=f"(N, {', '.join(map(str, space.shape))})",
            mend="Bring them to one size",
        )
    # What was interpolated can leave its range by rounding.
    slack = 1e-5 * (space.high - space.low) if space.bounded else 0
    if images.min() < space.low - slack or images.max() > space.high + slack:
        raise InputError(
            f"The images hold values from {images.min():g} to {images.max():g}",
            expected=f"{space.low:g} to {space.high:g}",
            mend="Give images before preprocessing, or another value_range",
        )
