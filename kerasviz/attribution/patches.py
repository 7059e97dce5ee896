"""Patches: cut from an image at many positions, and pasted into copies of it, inside a `tf.function`."""

import tensorflow as tf


def cut(image: tf.Tensor, starts: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """The patches of an image.

    Args:
        image: `(1, *space, C)`.
        starts: `(P, axes)` int32, the first pixel of each.
        size: `(axes,)` int32, of all of them.

    Returns:
        `(P, *size, C)`.
    """
    return tf.gather_nd(image[0], _pixels(starts, size))


def paste(image: tf.Tensor, starts: tf.Tensor, patches: tf.Tensor) -> tf.Tensor:
    """Copies of an image, a patch pasted into each.

    Args:
        image: `(1, *space, C)`.
        starts: `(P, axes)` int32, where the first pixel of each goes.
        patches: `(P, *size, C)`.

    Returns:
        `(P, *space, C)`.
    """
    count, axes = tf.shape(starts)[0], starts.shape[-1]
    pixels = _pixels(starts, tf.shape(patches)[1:-1])
    rows = tf.reshape(tf.range(count), [-1, *[1] * (axes + 1)]) + tf.zeros_like(pixels[..., :1])
    return tf.tensor_scatter_nd_update(tf.repeat(image, count, 0), tf.concat([rows, pixels], -1), patches)


def _pixels(starts, size):
    """The places of all pixels of patches, `(P, *size, axes)`."""
    axes = starts.shape[-1]
    inside = tf.stack(tf.meshgrid(*[tf.range(size[axis]) for axis in range(axes)], indexing="ij"), -1)
    return tf.reshape(starts, [-1, *[1] * axes, axes]) + inside[None]
