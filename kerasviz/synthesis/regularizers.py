"""Penalties of images: how rough they are, how strong, how far out of a range.

All work on images in units of their `ImageSpace`, where a range of values is 0 to 1. Each is a mean over an image's
values, not the sum that papers write, so that a weight means the same at any size and number of channels: to follow
a paper, multiply its weight by height × width × channels. There is no default weight, because it is measured in the
units of the objective: begin where the penalty is about a tenth of the score.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasviz.checks import checked_number
from kerasviz.errors import SettingError
from kerasviz.synthesis.influences import Regularizer


@dataclass(frozen=True)
class TotalVariation(Regularizer):
    """How much neighbouring pixels differ: (dx² + dy²)^(β/2), where dx and dy are steps to the right and down.

    Channels are taken one by one. Past the last row and column the image goes on as it ends, so that there dy or dx
    is zero (Mahendran & Vedaldi 2015, "Understanding Deep Image Representations by Inverting Them", section 2).

    Attributes:
        weight: what the mean over all values is multiplied by; 0 or more.
        beta: 1 keeps sharp edges but leaves flat patches and spikes, 2 smooths all; at least 1, below which the
            gradient has no bound. 2, because 1 makes spikes where a strong response pays for one edge.

    Raises:
        SettingError: a setting is out of range.

    Example:
        >>> steps = tf.constant([[0.0, 1.0], [0.0, 1.0]])[None, :, :, None]
        >>> TotalVariation(2.0).penalty(steps).numpy().tolist()
        [1.0]
    """

    weight: float
    beta: float = 2.0

    def __post_init__(self):
        object.__setattr__(self, "weight", checked_number("weight", self.weight, 0))
        object.__setattr__(self, "beta", checked_number("beta", self.beta, 1))

    def penalty(self, images):  # noqa: D102
        return self.weight * _variation(tf.convert_to_tensor(images), self.beta)


@dataclass(frozen=True)
class Lp(Regularizer):
    """How strong an image is: |x − center|^p.

    p = 2 is the L2 decay of Simonyan et al. 2014 ("Deep Inside Convolutional Networks", section 2). p = 6 leaves
    middling values alone and holds back the largest (Mahendran & Vedaldi 2015, section 2).

    Attributes:
        weight: what the mean over all values is multiplied by; 0 or more.
        p: the power, at least 1.
        center: the value that costs nothing, in units; 0.5 is the middle of a range.

    Raises:
        SettingError: a setting is out of range.

    Example:
        >>> Lp(10.0, center=0.5).penalty(tf.ones((1, 4, 4, 3))).numpy().tolist()
        [2.5]
    """

    weight: float
    p: float = 2.0
    center: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "weight", checked_number("weight", self.weight, 0))
        object.__setattr__(self, "p", checked_number("p", self.p, 1))
        object.__setattr__(self, "center", checked_number("center", self.center))

    def penalty(self, images):  # noqa: D102
        return self.weight * _strength(images - self.center, self.p)


@dataclass(frozen=True)
class BoundedRange(Regularizer):
    """How far values are out of a range: the square of the distance to it, nothing inside.

    For images without a range of their own: it lets them be, where an `Lp` pulls on all of them. A soft form of the
    bounds of Mahendran & Vedaldi 2016 ("Visualizing Deep Convolutional Neural Networks Using Natural Pre-images"), who
    forbid what is outside.

    Attributes:
        weight: what the mean over all values is multiplied by; 0 or more.
        low: the smallest value that costs nothing, in units.
        high: the largest.

    Raises:
        SettingError: a setting is out of range.

    Example:
        >>> BoundedRange(2.0).penalty(tf.constant([-1.0, 0.0, 0.5, 3.0])[None, None, :, None]).numpy().tolist()
        [2.5]
    """

    weight: float
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self):
        object.__setattr__(self, "weight", checked_number("weight", self.weight, 0))
        object.__setattr__(self, "low", checked_number("low", self.low))
        object.__setattr__(self, "high", checked_number("high", self.high))
        if self.low >= self.high:
            raise SettingError(
                f"low={self.low:g}, high={self.high:g}", expected="low below high", mend="Give the smaller one first"
            )

    def penalty(self, images):  # noqa: D102
        outside = tf.square(tf.nn.relu(self.low - images)) + tf.square(tf.nn.relu(images - self.high))
        return self.weight * tf.reduce_mean(outside, axis=[1, 2, 3])


# The gradients are written out: those that TensorFlow derives from slices and powers cost ten times as much, and are
# not finite where a root is zero.


def _variation(images, beta):
    count, height, width, channels = tf.unstack(tf.shape(images))
    # Columns and channels as one axis: slices and frames along the innermost axis are slow while it is short.
    rows = tf.reshape(images, [count, height, width * channels])
    size = tf.cast(height * width * channels, images.dtype)

    @tf.custom_gradient
    def penalty(rows):
        down = tf.pad(rows[:, 1:] - rows[:, :-1], [[0, 0], [0, 1], [0, 0]])
        right = tf.pad(rows[:, :, channels:] - rows[:, :, :-channels], [[0, 0], [0, 0], [0, channels]])
        rough = tf.square(down) + tf.square(right)
        steep = _power(rough, beta / 2 - 1)

        def gradient(upstream):
            along, across = steep * down, steep * right
            arriving = tf.pad(along[:, :-1], [[0, 0], [1, 0], [0, 0]])
            arriving += tf.pad(across[:, :, :-channels], [[0, 0], [0, 0], [channels, 0]])
            return (upstream * beta / size)[:, None, None] * (arriving - along - across)

        return tf.reduce_mean(rough * steep, axis=[1, 2]), gradient

    return penalty(rows)


def _strength(values, p):
    size = tf.cast(tf.reduce_prod(tf.shape(values)[1:]), values.dtype)

    @tf.custom_gradient
    def penalty(values):
        strong = tf.abs(values)
        steep = _power(strong, p - 1)

        def gradient(upstream):
            return (upstream * p / size)[:, None, None, None] * steep * tf.sign(values)

        return tf.reduce_mean(strong * steep, axis=[1, 2, 3]), gradient

    return penalty(values)


def _power(values, exponent):
    """A power of numbers that are not negative; finite at zero, where it is multiplied by zero."""
    if exponent == 0:
        return tf.ones_like(values)
    if exponent == 1:
        return values
    smallest = np.finfo(values.dtype.as_numpy_dtype).tiny
    return tf.exp(exponent * tf.math.log(tf.maximum(values, smallest)))
