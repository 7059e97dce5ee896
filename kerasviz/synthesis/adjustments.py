"""Changes of the pixels after a step, which keep an optimization from images that no one would recognize.

Four of them are section 3 of Yosinski et al. 2015, "Understanding Neural Networks Through Deep Visualization". The
paper subtracts the data's mean from images, and "zero" there is that mean; here it is `center`, in units of the
`ImageSpace`, by default the middle of a range. For images without a range, where units are the values themselves,
give the value that is neutral there, often 0.

Each has `every`: it acts on each `every`-th step, and costs nothing on the others.
"""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasviz.checks import checked_count, checked_number
from kerasviz.errors import SettingError
from kerasviz.synthesis.influences import Adjustment

#: Where a Gaussian is cut off, in standard deviations; as in SciPy.
_CUT = 4.0


class _Periodic(Adjustment):
    """An adjustment that acts on each `every`-th step."""

    every: int

    def adjust(self, images, gradients, step):
        if self.every == 1:
            return self._adjusted(images, gradients)
        return tf.cond(
            (step + 1) % self.every == 0,
            lambda: tf.ensure_shape(self._adjusted(images, gradients), images.shape),
            lambda: tf.identity(images),
        )

    @abstractmethod
    def _adjusted(self, images, gradients):
        """The changed images, on a step on which it acts."""


@dataclass(frozen=True)
class Decay(_Periodic):
    """L2 decay: brings every value nearer to the center by a share of its distance.

    Attributes:
        rate: the share, 0 to 1. 0.01 is the default of the authors' toolbox and of Nguyen et al. 2015 ("Deep Neural
            Networks are Easily Fooled").
        center: where to, in units.
        every: acts on each so many steps.

    Raises:
        SettingError: a setting is out of range.

    Example:
        >>> Decay(0.5).adjust(tf.ones((1, 1, 1, 1)), None, 0).numpy().item()
        0.75
    """

    rate: float = 0.01
    center: float = 0.5
    every: int = 1

    def __post_init__(self):
        object.__setattr__(self, "rate", checked_number("rate", self.rate, 0, 1))
        object.__setattr__(self, "center", checked_number("center", self.center))
        object.__setattr__(self, "every", checked_count("every", self.every))

    def _adjusted(self, images, gradients):
        return self.center + (1 - self.rate) * (images - self.center)


@dataclass(frozen=True)
class L2Ball(_Periodic):
    """Brings images that are further than a radius from the center back to it: the norm constraint of Erhan 2009.

    Erhan et al. 2009, "Visualizing Higher-Layer Features of a Deep Network", section 3, look for the strongest input of
    a bounded norm.

    Attributes:
        radius: the largest L2 norm of an image, all its values together, in units.
        center: from where it is measured, in units.
        every: acts on each so many steps.

    Raises:
        SettingError: a setting is out of range.

    Example:
        >>> found = L2Ball(1.0, center=0.0).adjust(tf.constant([[[[3.0, 4.0]]]]), None, 0)
        >>> np.round(found.numpy().ravel(), 3)
        array([0.6, 0.8], dtype=float32)
    """

    radius: float
    center: float = 0.5
    every: int = 1

    def __post_init__(self):
        object.__setattr__(self, "radius", checked_number("radius", self.radius, 0))
        object.__setattr__(self, "center", checked_number("center", self.center))
        object.__setattr__(self, "every", checked_count("every", self.every))

    def _adjusted(self, images, gradients):
        away = images - self.center
        norms = tf.sqrt(tf.reduce_sum(tf.square(away), axis=(1, 2, 3), keepdims=True))
        return self.center + away * tf.minimum(1.0, tf.math.divide_no_nan(self.radius, norms))


@dataclass(frozen=True)
class GaussianBlur(_Periodic):
    """Blurs the images, so that high frequencies cannot build up; equals `scipy.ndimage.gaussian_filter`.

    Beyond its border an image goes on as its mirror image.

    Attributes:
        sigma: the standard deviation in pixels, above 0. The authors looked among 0.3 to 1; below 0.3
            hardly anything changes.
        every: acts on each so many steps: a blur on each would undo the step.

    Raises:
        SettingError: a setting is out of range.

    Example:
        >>> spot = tf.one_hot([3], 7)[:, None, :, None]
        >>> GaussianBlur(1.0, every=1).adjust(spot, None, 0).numpy().ravel().round(2)
        array([0.  , 0.05, 0.24, 0.4 , 0.24, 0.05, 0.  ], dtype=float32)
    """

    sigma: float = 0.5
    every: int = 4

    def __post_init__(self):
        object.__setattr__(self, "sigma", checked_number("sigma", self.sigma, 1e-6))
        object.__setattr__(self, "every", checked_count("every", self.every))

    def _adjusted(self, images, gradients):
        radius = int(_CUT * self.sigma + 0.5)
        weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / self.sigma) ** 2)
        shape, channels = tf.shape(images), tf.shape(images)[3]
        for axis, step in ((1, shape[2] * channels), (2, channels)):
            # All beyond the axis as one axis: a shift is then a slice of long pieces of memory.
            wide = tf.reshape(_mirrored(images, axis, radius), tf.concat([shape[:axis], [-1]], 0))
            length = shape[axis] * step
            shifted = [wide[..., i * step : i * step + length] for i in range(2 * radius + 1)]
            blurred = tf.add_n([float(w) * part for w, part in zip(weights / weights.sum(), shifted, strict=True)])
            images = tf.reshape(blurred, shape)
        return images


@dataclass(frozen=True)
class MedianFilter(_Periodic):
    """Replaces each value by the median of the square around it; equals `scipy.ndimage.median_filter`.

    Unlike a blur it takes single pixels out and leaves edges sharp. Channels are filtered one by one. Beyond its
    border an image goes on as its mirror image.

    Attributes:
        size: the side of the square in pixels, odd, at least 3.
        every: acts on each so many steps.

    Raises:
        SettingError: a setting is out of range.

    Example:
        >>> spot = tf.one_hot([3], 7)[:, None, :, None]
        >>> MedianFilter(every=1).adjust(spot, None, 0).numpy().any().item()
        False
    """

    size: int = 3
    every: int = 4

    def __post_init__(self):
        object.__setattr__(self, "size", checked_count("size", self.size, 3))
        object.__setattr__(self, "every", checked_count("every", self.every))
        if self.size % 2 == 0:
            raise SettingError(f"size={self.size}", expected="an odd number, so that there is a middle", mend="Use 3")

    def _adjusted(self, images, gradients):
        radius, (height, width) = self.size // 2, (tf.shape(images)[1], tf.shape(images)[2])
        wide = _mirrored(_mirrored(images, 1, radius), 2, radius)
        around = [wide[:, y : y + height, x : x + width] for y in range(self.size) for x in range(self.size)]
        for one, other in _comparisons(len(around)):
            around[one], around[other] = tf.minimum(around[one], around[other]), tf.maximum(around[one], around[other])
        return around[len(around) // 2]


@dataclass(frozen=True)
class ClipSmallNorm(_Periodic):
    """Sets the weakest pixels to the center, so that only what matters is left of an image.

    A pixel is weak if the L2 norm over its channels, of what differs from the center, is below the percentile of
    its own image.

    Attributes:
        percentile: the share of pixels to be cleared, 0 to 100; 0 clears none.
        center: what they are set to, in units.
        every: acts on each so many steps.

    Raises:
        SettingError: a setting is out of range.

    Example:
        >>> images = tf.constant([0.5, 0.625, 0.25, 1.0])[None, None, :, None]
        >>> ClipSmallNorm(60).adjust(images, None, 0).numpy().ravel().tolist()
        [0.5, 0.5, 0.25, 1.0]
    """

    percentile: float
    center: float = 0.5
    every: int = 1

    def __post_init__(self):
        object.__setattr__(self, "percentile", checked_number("percentile", self.percentile, 0, 100))
        object.__setattr__(self, "center", checked_number("center", self.center))
        object.__setattr__(self, "every", checked_count("every", self.every))

    def _adjusted(self, images, gradients):
        norm = tf.norm(images - self.center, axis=3, keepdims=True)
        return tf.where(norm < _percentile(norm, self.percentile), self.center, images)


@dataclass(frozen=True)
class ClipSmallContribution(_Periodic):
    """Sets the pixels that change the objective least to the center.

    How much a pixel's absence would change the objective is taken to first order: |Σ (x − center) · gradient| over
    its channels. It is little if it is below the percentile of the pixel's own image.

    Attributes:
        percentile: the share of pixels to be cleared, 0 to 100; 0 clears none.
        center: what they are set to, in units.
        every: acts on each so many steps.

    Raises:
        SettingError: a setting is out of range.

    Example:
        >>> images, gradients = tf.ones((1, 1, 4, 1)), tf.constant([3.0, -4.0, 0.1, 0.2])[None, None, :, None]
        >>> ClipSmallContribution(50).adjust(images, gradients, 0).numpy().ravel().tolist()
        [1.0, 1.0, 0.5, 0.5]
    """

    percentile: float
    center: float = 0.5
    every: int = 1

    def __post_init__(self):
        object.__setattr__(self, "percentile", checked_number("percentile", self.percentile, 0, 100))
        object.__setattr__(self, "center", checked_number("center", self.center))
        object.__setattr__(self, "every", checked_count("every", self.every))

    def _adjusted(self, images, gradients):
        change = tf.abs(tf.reduce_sum((images - self.center) * gradients, axis=3, keepdims=True))
        return tf.where(change < _percentile(change, self.percentile), self.center, images)


def _mirrored(images, axis, radius):
    """Images that go on for some pixels at both ends of an axis, edge included: c b a | a b c | c b a and so on.

    `tf.pad` refuses to mirror by more than an image's own size, which a wide blur of a small image needs.
    """
    size = tf.shape(images)[axis]
    position = tf.range(-radius, size + radius) % (2 * size)
    return tf.gather(images, tf.minimum(position, 2 * size - 1 - position), axis=axis)


def _comparisons(count):
    """Pairs of places, each to be put in order in turn, after which `count` things are sorted.

    Batcher's merge exchange (Knuth, "The Art of Computer Programming", volume 3, section 5.2.2, algorithm M). All
    pixels are sorted alike, so that this takes whole images at once, 15 times as fast as `tf.math.top_k`.
    """
    first = 1 << (count - 1).bit_length() - 1
    half = first
    while half:
        jump, distance, odd = first, half, 0
        while True:
            yield from ((place, place + distance) for place in range(count - distance) if place & half == odd)
            if jump == half:
                break
            jump, distance, odd = jump // 2, jump - half, half
        half //= 2


def _percentile(values, percentile):
    """The percentile of each image, between two values by their distance; as numpy's. `(N, 1, 1, 1)`."""
    values = tf.reshape(values, [tf.shape(values)[0], -1])
    last = tf.shape(values)[1] - 1
    place = tf.cast(last, tf.float64) * (percentile / 100)
    below = tf.cast(place, tf.int32)
    share = tf.cast(place - tf.cast(below, tf.float64), values.dtype)
    # Without sorting all of the image for the sake of two values.
    low = tf.raw_ops.NthElement(input=values, n=below)
    high = tf.raw_ops.NthElement(input=values, n=tf.minimum(below + 1, last))
    return tf.reshape(low + share * (high - low), [-1, 1, 1, 1])
