"""What lies near images: boxes and balls around them, and steps inside these. TensorFlow ops, for compiled functions.

Tensors have a row per sample. A norm is "linf", the largest change of a value, whose neighbourhood is a box, or "l2",
the Euclidean length of all changes together, whose neighbourhood is a ball.
"""

from numbers import Real

import numpy as np
import tensorflow as tf

from kerasviz.errors import SettingError

NORMS = ("linf", "l2")
#: Rounding to single precision moves a number by less than this part of it.
_ROUNDING = 2.0**-23
#: Far more than the rounding of sums in double precision, and far less than single precision can tell.
_MARGIN = 1 - 2.0**-30


def checked_radius(radius) -> float:
    """How far a point may be from an image: a number from 0 up.

    Raises:
        SettingError: it is something else.
    """
    if isinstance(radius, bool) or not isinstance(radius, Real) or not 0 <= radius < np.inf:
        raise SettingError(
            f"radius={radius!r}",
            expected="a number from 0 up, in the units of the images that you give",
            mend="8 pixel values of 0 to 255 are 8 / 255 for images of 0 to 1",
        )
    return float(radius)


def checked_bounds(bounds) -> tuple[float, float] | None:
    """The smallest and the largest value that images can have, or None for no such limit.

    Raises:
        SettingError: it is something else.
    """
    if bounds is None:
        return None
    try:
        low, high = map(float, bounds)
    except (TypeError, ValueError):
        low = high = np.nan
    if not -np.inf < low < high < np.inf:
        raise SettingError(
            f"bounds={bounds!r}",
            expected="the smallest and the largest value of images, such as (0, 255)",
            mend="None sets no bounds",
        )
    return low, high


def box(images: tf.Tensor, radius: tf.Tensor, bounds: tuple[float, float] | None = None) -> tuple[tf.Tensor, tf.Tensor]:
    """The sides of the boxes around images: the outermost numbers of their precision no further than the radius.

    Args:
        images: the middles.
        radius: float64, a scalar.
        bounds: the boxes end there, too; the images must lie within.

    Returns:
        The lowest and the highest values, each like `images`.
    """
    exact = tf.cast(images, tf.float64)
    low, high = (tf.cast(side, images.dtype) for side in (exact - radius, exact + radius))
    low = tf.where(tf.cast(low, tf.float64) < exact - radius, low + tf.abs(low) * _ROUNDING, low)
    high = tf.where(tf.cast(high, tf.float64) > exact + radius, high - tf.abs(high) * _ROUNDING, high)
    # Where images are far larger than the radius, a side may lie beyond the image itself.
    low, high = tf.minimum(low, images), tf.maximum(high, images)
    if bounds is None:
        return low, high
    return tf.maximum(low, bounds[0]), tf.minimum(high, bounds[1])


def into_ball(points: tf.Tensor, images: tf.Tensor, radius: tf.Tensor) -> tf.Tensor:
    """The nearest points of the balls around images: none is further than the radius, to the last bit.

    Args:
        points: moved straight towards their image if they lie outside, and left alone if not.
        images: the middles.
        radius: float64, a scalar.
    """
    exact = tf.cast(images, tf.float64)
    change = tf.cast(points, tf.float64) - exact
    distance = tf.sqrt(tf.reduce_sum(tf.square(change), _axes(change), keepdims=True))
    outside = distance > radius * _MARGIN
    pulled = exact + change * tf.math.divide_no_nan(radius * _MARGIN, distance)
    near = tf.cast(pulled, images.dtype)
    # What was rounded away from the image goes a step back, which may lead past it where the change is small.
    back = near + tf.sign(images - near) * tf.abs(near) * _ROUNDING
    back = tf.clip_by_value(back, tf.minimum(images, near), tf.maximum(images, near))
    near = tf.where(tf.abs(tf.cast(near, tf.float64) - exact) > tf.abs(pulled - exact), back, near)
    return tf.where(outside, near, points)


class Neighborhood:
    """The points around images that are no further than a radius, in a norm, and within bounds.

    Args:
        images: the middles, within the bounds.
        radius: float64, a scalar, in the units of the images.
        norm: "linf" or "l2".
        bounds: the smallest and the largest value of images, or None.
    """

    def __init__(self, images: tf.Tensor, radius: tf.Tensor, norm: str, bounds: tuple[float, float] | None):
        self._images, self._radius, self._norm, self._bounds = images, radius, norm, bounds
        if norm == "linf":
            self._low, self._high = box(images, radius, bounds)

    def project(self, points: tf.Tensor, *, exact: bool = True) -> tf.Tensor:
        """Points brought inside: to the nearest of the box, or of the ball and then within the bounds.

        Args:
            points: anywhere.
            exact: to the last bit. False leaves the rounding of single precision in the ball, and costs less: enough
                for points on the way to others.
        """
        if self._norm == "linf":
            return tf.clip_by_value(points, self._low, self._high)
        if exact:
            points = into_ball(points, self._images, self._radius)
        else:
            change = points - self._images
            share = tf.math.divide_no_nan(tf.cast(self._radius, change.dtype), _euclidean(change))
            points = self._images + change * tf.minimum(share, 1)
        # A value that is set back to a bound comes nearer to the image's own: the ball is not left.
        return within(points, self._bounds)

    def drawn(self, seed: tf.Tensor) -> tf.Tensor:
        """A point drawn evenly from each neighbourhood; in the ball, before the bounds cut it.

        The numbers drawn are the same for all samples, so that a sample's point does not depend on its batch mates.

        Args:
            seed: int32, two numbers.
        """
        shape, kind = tf.shape(self._images)[1:], self._images.dtype
        if self._norm == "linf":
            part = tf.random.stateless_uniform(shape, seed, dtype=kind, alg="philox")
            return self.project(self._low + (self._high - self._low) * part)
        normal = tf.random.stateless_normal(shape, seed, dtype=kind, alg="philox")
        way = steepest(normal[None], "l2")
        # The volume of a ball grows with this power of its radius.
        power = 1 / tf.cast(tf.reduce_prod(shape), tf.float64)
        part = tf.random.stateless_uniform((), seed, dtype=tf.float64, alg="philox") ** power
        return self.project(self._images + way * tf.cast(self._radius * part, kind))


def within(points: tf.Tensor, bounds: tuple[float, float] | None) -> tf.Tensor:
    """Points with every value within the bounds."""
    return points if bounds is None else tf.clip_by_value(points, *bounds)


def steepest(gradients: tf.Tensor, norm: str) -> tf.Tensor:
    """The change of length 1 in a norm along which a function with these gradients grows most; 0 where they are 0.

    Signs for "linf", where single gradients that are not finite count as 0; the normalized gradient for "l2", 0 for a
    sample that has one which is not finite.
    """
    if norm == "linf":
        return tf.sign(_finite(gradients))
    scaled, _, length = _measured(gradients)
    return tf.math.multiply_no_nan(scaled, tf.math.divide_no_nan(1.0, length))


def slope(gradients: tf.Tensor, norm: str) -> tf.Tensor:
    """How fast a function with these gradients grows along `steepest`, `(N,)`: their dual norm.

    The sum of magnitudes for "linf", the Euclidean length for "l2".
    """
    if norm == "linf":
        return tf.reduce_sum(tf.abs(_finite(gradients)), _axes(gradients))
    _, largest, length = _measured(gradients)
    return tf.reshape(tf.math.multiply_no_nan(largest, length), [-1])


def per_sample(values: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """A value for each sample, `(N,)`, in the shape that goes with samples such as these."""
    return tf.reshape(values, tf.concat([tf.shape(values), tf.ones(like.shape.rank - 1, tf.int32)], 0))


def _finite(gradients):
    return tf.where(tf.math.is_finite(gradients), gradients, 0)


def _measured(gradients):
    """Gradients over their largest, for the squares of small ones would vanish; that largest; and the length left.

    The length is 0 where a gradient is not finite.
    """
    largest = tf.reduce_max(tf.abs(gradients), _axes(gradients), keepdims=True)
    scaled = tf.math.divide_no_nan(gradients, largest)
    length = _euclidean(scaled)
    return scaled, largest, tf.where(tf.math.is_finite(length), length, 0)


def _euclidean(values):
    """The lengths, in the shape that goes with the samples."""
    flat = tf.reshape(values, [tf.shape(values)[0], -1])
    # A product leaves no squares in memory.
    return tf.sqrt(per_sample(tf.einsum("nf,nf->n", flat, flat), values))


def _axes(values):
    return list(range(1, values.shape.rank))
