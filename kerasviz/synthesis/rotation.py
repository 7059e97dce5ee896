"""Images turned about their middle, with the exact gradient.

TensorFlow's own op, ImageProjectiveTransformV3, turns the gradient back with an interpolation of its own, which is not
the gradient of what it did to the images.
"""

import tensorflow as tf


def rotated(images: tf.Tensor, angle: tf.Tensor, fill: float | str) -> tf.Tensor:
    """Images turned about their middle, bilinear; their size stays.

    Args:
        images: `(N, H, W, C)`, of any size.
        angle: in radians, counterclockwise, one for all.
        fill: the value beyond the border, or "reflect" for the image's mirror image.
    """
    count, height, width, channels = tf.unstack(tf.shape(images))
    down, right = (tf.range(size) for size in (height, width))
    middle, center = (tf.cast(size - 1, images.dtype) / 2 for size in (height, width))
    y, x = (tf.reshape(grid, [-1]) for grid in tf.meshgrid(down, right, indexing="ij"))
    y, x = tf.cast(y, images.dtype) - middle, tf.cast(x, images.dtype) - center
    cos, sin = tf.cast(tf.cos(angle), images.dtype), tf.cast(tf.sin(angle), images.dtype)
    y, x = cos * y + sin * x + middle, cos * x - sin * y + center
    corners, weights = [], []
    for row in (tf.floor(y), tf.floor(y) + 1):
        for column in (tf.floor(x), tf.floor(x) + 1):
            at, inside = _places(row, column, height, width, fill == "reflect")
            corners.append(at)
            weights.append(tf.where(inside, (1 - tf.abs(y - row)) * (1 - tf.abs(x - column)), 0))
    # Pixels as rows, so that whole rows of memory are mixed.
    pixels = tf.reshape(tf.transpose(images, [1, 2, 0, 3]), [height * width, count * channels])
    turned = _mixed(pixels, tf.stack(corners, 1), tf.stack(weights, 1))
    if fill != "reflect":
        turned += fill * (1 - tf.add_n(weights))[:, None]
    return tf.transpose(tf.reshape(turned, [height, width, count, channels]), [2, 0, 1, 3])


def _mixed(pixels, corners, weights):
    """Sums of four rows each, `(M, K)`, by the numbers of the rows and their weights, `(M, 4)`."""
    if tf.config.list_logical_devices("GPU"):
        # On a GPU a product with a sparse matrix is refused where runs must repeat; on a CPU it is twice as fast.
        return tf.reduce_sum(tf.gather(pixels, corners) * weights[:, :, None], axis=1)
    rows = tf.repeat(tf.range(tf.shape(corners)[0]), 4)
    places = tf.cast(tf.stack([rows, tf.reshape(corners, [-1])], 1), tf.int64)
    size = tf.shape(pixels, tf.int64)[0]
    matrix = tf.SparseTensor(places, tf.reshape(weights, [-1]), [size, size])
    return tf.sparse.sparse_dense_matmul(matrix, pixels)


def _places(row, column, height, width, reflect):
    """The numbers of pixels at some places, and which places are inside of the image."""
    row, column = tf.cast(row, tf.int32), tf.cast(column, tf.int32)
    if reflect:
        row, column = _reflected(row, height), _reflected(column, width)
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return tf.where(inside, row * width + column, 0), inside


def _reflected(places, size):
    """Places in the endless mirror image of an axis: c b | a b c | b a, without the edge twice."""
    period = tf.maximum(2 * (size - 1), 1)
    places = places % period
    return tf.minimum(places, period - places) % tf.maximum(size, 1)
