"""From numbers without bounds to images within their range, and back: decorrelated colours, then a sigmoid."""

import numpy as np
import tensorflow as tf

from kerasviz.synthesis.parametrizations import colors
from kerasviz.synthesis.parametrizations.starting import checked_images
from kerasviz.synthesis.spaces import ImageSpace

#: How near to the ends of the range, in units, an image may be before its way back through the sigmoid: there it
#: is cut off. A quarter of a level of 8 bits, so that such pictures come back exactly, while the sigmoid keeps a
#: slope (of the same 0.001) by which black and white can be left.
EDGE = 1e-3


def squashed(values: tf.Tensor, space: ImageSpace, decorrelate: bool | tuple) -> tf.Tensor:
    """The images of unbounded numbers: 0 becomes the middle of the range, or stays 0 where there is none.

    Args:
        values: `(N, H, W, C)`.
        space: of the images.
        decorrelate: as `colors.checked_colors` returns it.

    Returns:
        Images in the values of the space.
    """
    matrix = colors.matrix_of(decorrelate, space.channels)
    if matrix is not None:
        values = tf.tensordot(values, tf.constant(matrix.T, tf.float32), 1)
    return space.of_unit(tf.sigmoid(values)) if space.bounded else values


def unsquashed(images, space: ImageSpace, decorrelate: bool | tuple) -> np.ndarray:
    """The numbers that `squashed` turns into given images.

    Args:
        images: `(N, H, W, C)` in the values of the space; where it has a range, cut off at `EDGE` from its ends.
        space: of the images.
        decorrelate: as `colors.checked_colors` returns it. A matrix without an inverse gives the nearest colours
            that it can make.

    Returns:
        float64.

    Raises:
        InputError: as for `starting.checked_images`.
    """
    matrix = colors.matrix_of(decorrelate, space.channels)
    values = checked_images(images, space)
    if space.bounded:
        values = values.clip(EDGE, 1 - EDGE)
        values = np.log(values / (1 - values))
    return values if matrix is None else values @ np.linalg.pinv(matrix, rcond=1e-6).T
