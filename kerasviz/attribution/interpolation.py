"""Linear upsampling of maps with any number of axes of space."""

import tensorflow as tf


def upsample(maps: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """Linear interpolation along every axis of space, with half-pixel centres; bilinear for pictures.

    The result stays between the smallest and the largest value, so that a rectified map stays non-negative.

    Args:
        maps: `(N, *space)`.
        sizes: 1-D int32, the wanted size of each axis of space.

    Returns:
        `(N, *sizes)`.
    """
    if maps.shape.rank == 3:
        return tf.image.resize(maps[..., None], sizes)[..., 0]
    for axis in range(1, maps.shape.rank):
        maps = _along(maps, axis, sizes[axis - 1])
    return maps


def _along(maps, axis, size):
    shape = tf.shape(maps)
    before, after = tf.reduce_prod(shape[:axis]), tf.reduce_prod(shape[axis + 1 :])
    planes = tf.reshape(maps, [before, shape[axis], after, 1])
    resized = tf.image.resize(planes, [size, after])
    result = tf.reshape(resized, tf.concat([shape[:axis], [size], shape[axis + 1 :]], 0))
    result.set_shape([*maps.shape[:axis], None, *maps.shape[axis + 1 :]])
    return result
