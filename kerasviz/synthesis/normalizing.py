"""What an image's gradient can be divided by before a step, so that steps are of one size."""

import tensorflow as tf


def _over_image(measure):
    def scaled(gradient):
        axes = list(range(1, gradient.shape.rank))
        return tf.math.divide_no_nan(gradient, measure(gradient, axes))

    return scaled


#: By name, functions of gradients with a row per image.
NORMALIZATIONS = {
    "mean_abs": _over_image(lambda g, axes: tf.reduce_mean(tf.abs(g), axes, keepdims=True)),
    "rms": _over_image(lambda g, axes: tf.sqrt(tf.reduce_mean(tf.square(g), axes, keepdims=True))),
    "l2": _over_image(lambda g, axes: tf.sqrt(tf.reduce_sum(tf.square(g), axes, keepdims=True))),
}
