"""Numbers about channels over a data set of any size: how they are distributed, and which never answer."""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from kerasviz.errors import InputError, LayerError, SaveError, SettingError
from kerasviz.features.maps.feature_maps import addresses_of, opened
from kerasviz.network.streaming import Stream
from kerasviz.writing import write_csv, write_files

_NUMBERS = ("mean", "std", "min", "max", "zeros", "active")
_FLAGS = ("dead", "constant")


def channel_statistics(
    model, layers, data, *, batch_size: int = 32, tolerance: float = 0.0, sample=None
) -> "ChannelStatistics":
    """Go through a data set once and tell how the channels of some layers are distributed, and which are dead.

    One compiled pass reduces all layers to a few numbers a channel inside the graph: sums about each image's mean, so
    that a large mean costs no digits of a small deviation. Images and batches are merged in float64 (Chan, Golub and
    LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances"). So results do not
    depend on `batch_size` beyond rounding, and memory does not grow with the data.

    A dead unit of a rectified layer is active nowhere in the whole set; it may wake on another. Where a layer also has
    negative values (before its rectifier, or with a smooth one) "dead" means nothing, and `constant` takes its place.

    Args:
        model: any built Keras model, the path of a saved one, or a `Network`. It is never modified.
        layers: as for `FeatureMaps`.
        data: arrays, or a data set of any size that can be gone through; see `Stream`.
        batch_size: how many samples run at once. The maps of the layers for these are in memory.
        tolerance: up to which value a unit counts as inactive, and up to which difference as constant; in units of
            the activation.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Returns:
        `ChannelStatistics`.

    Raises:
        ModelError: the model cannot be opened.
        LayerError: as for `FeatureMaps`.
        InputError: the data do not fit, are empty, can be gone through only once, or give NaN or infinity in a layer.
        SettingError: `batch_size` is no whole number from 1 up, `tolerance` negative, or `layers` empty.

    Example:
        >>> import keras
        >>> conv = keras.layers.Conv2D(4, 3, activation="relu", kernel_initializer="ones", name="conv")
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), conv])
        >>> _ = conv.bias.assign([0, 0, 0, -100])
        >>> images = np.random.default_rng(0).random((10, 8, 8, 3), "float32")
        >>> np.flatnonzero(channel_statistics(model, "conv", images)["conv"].dead).tolist()
        [3]
    """
    if not isinstance(tolerance, int | float | np.number) or not 0 <= tolerance < math.inf:
        raise SettingError(f"tolerance={tolerance!r}", expected="a number from 0 up", mend="Leave it out for 0")
    network = opened(model, sample)
    addresses = addresses_of(network, layers)
    stream = Stream(network.inputs, data, batch_size)

    def reduced(tensors):
        found = network.forward(tensors, addresses).activations
        return [_reduce(found[address], tolerance) for address in addresses]

    run = network.function(reduced)
    sums: list[_Sums] = []
    for start, part in stream.with_bar("channel statistics"):
        now = [_Sums(*(np.asarray(number) for number in numbers)) for numbers in run(part)]
        for address, each in zip(addresses, now, strict=True):
            each.check(address, start, len(part[0]))
        sums = [before.merged(each) for before, each in zip(sums, now, strict=True)] if sums else now
    found = {str(address): each.statistics(float(tolerance)) for address, each in zip(addresses, sums, strict=True)}
    return ChannelStatistics(found, stream.total)


@dataclass(frozen=True)
class _Sums:
    """What is kept of the values so far: counts, means, and squared distances from the means, `(C,)` each."""

    images: np.ndarray
    positions: np.ndarray
    mean: np.ndarray
    squares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    zeros: np.ndarray
    active: np.ndarray

    def check(self, address, start, count):
        bad = np.flatnonzero(~np.isfinite(self.mean + self.low + self.high))
        if bad.size:
            raise InputError(
                f"The layer {str(address)!r} gives NaN or infinity in channel {bad[0]}, for one of the samples "
                f"{start} to {start + count - 1}",
                expected="finite activations",
                mend="Look at the weights, and at the values of these samples",
            )

    def merged(self, other: "_Sums") -> "_Sums":
        total = self.positions + other.positions
        step = other.mean - self.mean
        return _Sums(
            self.images + other.images,
            total,
            self.mean + step * (other.positions / total),
            self.squares + other.squares + step**2 * (self.positions * (other.positions / total)),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.zeros + other.zeros,
            self.active + other.active,
        )

    def statistics(self, tolerance) -> "LayerStatistics":
        return LayerStatistics(
            self.mean,
            np.sqrt(self.squares / self.positions),
            self.low,
            self.high,
            self.zeros / self.positions,
            self.active / self.images,
            int(self.positions),
            tolerance,
        )


def _reduce(activation, tolerance):
    """The fields of `_Sums` for a batch of one layer, in the graph."""
    shape = tf.shape(activation, tf.int64)
    width = shape[-2] if activation.shape.rank >= 4 else tf.constant(1, tf.int64)
    values = tf.reshape(tf.cast(activation, tf.float32), [shape[0], -1, width, shape[-1]])
    low, high = tf.reduce_min(values, axis=[1, 2]), tf.reduce_max(values, axis=[1, 2])
    positions = tf.shape(values, tf.int64)[1] * width
    count = tf.cast(positions, tf.float64)
    # About each image's mean, differences are exact enough in float32, whose maps are five times as fast to reduce.
    centre = tf.reduce_mean(values, axis=[1, 2])
    offsets = values - centre[:, None, None]
    remainder = _sum(offsets)
    means = tf.cast(centre, tf.float64) + remainder / count
    squares = _sum(offsets * offsets) - remainder**2 / count
    mean = tf.reduce_mean(means, axis=0)
    return (
        shape[0],
        shape[0] * positions,
        mean,
        tf.reduce_sum(tf.maximum(squares, 0) + count * (means - mean) ** 2, axis=0),
        tf.cast(tf.reduce_min(low, axis=0), tf.float64),
        tf.cast(tf.reduce_max(high, axis=0), tf.float64),
        tf.reduce_sum(_sum(tf.cast(tf.equal(values, 0), tf.float32)), axis=0),
        tf.math.count_nonzero(high > tolerance, axis=0),
    )


def _sum(values):
    """`(n, rows, columns, C)` summed over the positions: `(n, C)` float64."""
    # Rows are short: float32 holds their sums, and the many of them are added in float64.
    return tf.reduce_sum(tf.cast(tf.reduce_sum(values, axis=2), tf.float64), axis=1)


@dataclass(frozen=True, eq=False)
class LayerStatistics:
    """What the channels of one layer did over a data set. `(C,)` each, over all positions of all images.

    Attributes:
        mean: float64.
        std: float64, of the values there are (divided by their number).
        min: the smallest value, as computed.
        max: the largest.
        zeros: the share of positions where the channel is exactly zero.
        active: the share of images in which it exceeds the tolerance anywhere.
        positions: how many values each channel had.
        tolerance: see `channel_statistics`.
    """

    mean: np.ndarray
    std: np.ndarray
    min: np.ndarray
    max: np.ndarray
    zeros: np.ndarray
    active: np.ndarray
    positions: int
    tolerance: float = 0.0

    @property
    def rectified(self) -> bool:
        """Whether no channel of the layer ever fell below zero."""
        return bool((self.min >= 0).all())

    @property
    def dead(self) -> np.ndarray:
        """`(C,)` bool: channels of a rectified layer that were never active. Nowhere in layers with negative values."""
        return (self.max <= self.tolerance) & self.rectified

    @property
    def constant(self) -> np.ndarray:
        """`(C,)` bool: channels whose values differ by no more than the tolerance; the dead are among them."""
        return self.max - self.min <= self.tolerance


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """What `channel_statistics` found.

    Attributes:
        layers: a `LayerStatistics` for each layer, by path.
        images: how many there were.
    """

    layers: dict[str, LayerStatistics]
    images: int

    def __getitem__(self, layer: str) -> LayerStatistics:
        if layer not in self.layers:
            raise LayerError(
                f"layer={layer!r} has no statistics",
                expected=f"one of {', '.join(map(repr, self.layers))}",
                mend="Name it by its path",
            )
        return self.layers[layer]

    def rows(self, layer: str | None = None) -> list[dict]:
        """A dict for each channel, as `pandas.DataFrame` takes them: layer, channel, and the numbers.

        Args:
            layer: whose; None for all.
        """
        chosen = self.layers if layer is None else {layer: self[layer]}
        return [
            {"layer": path, "channel": channel}
            | {name: float(getattr(found, name)[channel]) for name in _NUMBERS}
            | {name: bool(getattr(found, name)[channel]) for name in _FLAGS}
            for path, found in chosen.items()
            for channel in range(len(found.mean))
        ]

    def to_csv(self, path, layer: str | None = None, *, overwrite: bool = False) -> Path:
        """Write `rows` as a table with a header, in UTF-8; whole or not at all.

        Args:
            path: of the file.
            layer: whose; None for all.
            overwrite: replace the file if it is there.

        Returns:
            The path.

        Raises:
            SaveError: the file is there, or cannot be written.
        """
        path, rows = Path(path), self.rows(layer)
        if not path.name:
            raise SaveError(f"{str(path)!r} names no file", expected="the path of a .csv file", mend="Add a name")
        write_files(path.parent, {path.name: partial(write_csv, rows=rows)}, overwrite=overwrite)
        return path

    def plot(self, layer: str | None = None):
        """Draw how the channels of each layer are distributed: sorted by mean, with all that they range over.

        The band reaches from the smallest to the largest value of each channel, the line is its mean; dead channels are
        marked in red, other constant ones in orange.

        Args:
            layer: whose; None for all, a panel for each.

        Returns:
            A matplotlib `Figure`, unknown to pyplot.
        """
        from kerasviz.features.maps.channel_figures import draw_distributions

        return draw_distributions(self.layers if layer is None else {layer: self[layer]}, self.images)
