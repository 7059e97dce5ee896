"""Scores of a whole layer: its energy, a direction among its channels, and how alike it is within a batch."""

import numpy as np
import tensorflow as tf

from kerasviz.errors import TargetError
from kerasviz.targets.base import Target, as_array
from kerasviz.targets.units import layer_name, map_shape

#: The least cosine that a dot product is multiplied by.
_LEAST_COSINE = 0.1


class Layer(Target):
    """The mean square of all activations of a layer: what DeepDream raises.

    Mordvintsev, Olah and Tyka 2015, "Inceptionism".

    Args:
        layer: the layer, as `Network.address` takes it.

    Example:
        >>> import kerasviz as kv
        >>> kv.targets.Layer("mixed4").describe()
        'layer mixed4'
    """

    def __init__(self, layer):
        self.layer = layer

    def addresses(self, network):  # noqa: D102
        map_shape(network, self.layer)
        return (network.address(self.layer),)

    def score(self, network, done, arguments):  # noqa: D102
        return tf.reduce_mean(tf.square(rows_of(done.activations[network.address(self.layer)])), axis=(1, 2))

    def key(self):  # noqa: D102
        return (type(self), self.layer)

    def describe(self):  # noqa: D102
        return f"layer {layer_name(self.layer)}"


class Direction(Target):
    """A direction among a layer's channels: the dot product with it, averaged over positions.

    Olah, Mordvintsev and Schubert 2017, "Feature Visualization".

    Args:
        layer: the layer, as `Network.address` takes it.
        vector: `(C,)`, or `(N, C)` for one per sample; not zero.
        cosine: the power of the cosine, at least 0.1, that the dot product is multiplied by. 0 leaves it as it is;
            higher powers ask for activations that are all of this direction.

    Example:
        >>> import numpy as np, kerasviz as kv
        >>> kv.targets.Direction("conv5", np.ones(8)).describe()
        'direction of conv5'
    """

    argument_count = 1

    def __init__(self, layer, vector, *, cosine: float = 0.0):
        self.layer, self.vector, self.cosine = layer, vector, cosine

    def addresses(self, network):  # noqa: D102
        return (network.address(self.layer),)

    def arguments(self, network, count):  # noqa: D102
        width = map_shape(network, self.layer)[-1]
        vector = as_array(self.vector, "vector")
        if vector.dtype.kind not in "buif" or vector.shape not in ((width,), (count, width)):
            raise TargetError(
                f"vector has the shape {vector.shape} and the type {vector.dtype}",
                expected=f"numbers of the shape {(width,)}, or {(count, width)} for one per sample",
                mend="Give one number for each channel of the layer",
            )
        vector = np.broadcast_to(vector, (count, width)).astype(np.float32)
        if not np.isfinite(vector).all() or not vector.any(axis=1).all():
            raise TargetError(
                "vector is zero or not finite", expected="a direction", mend="Look at how the vector was made"
            )
        return [vector]

    def score(self, network, done, arguments):  # noqa: D102
        (vector,) = arguments
        rows = rows_of(done.activations[network.address(self.layer)])
        dots = tf.einsum("npc,nc->np", rows, vector)
        squares = tf.reduce_sum(tf.square(rows), axis=2) * tf.reduce_sum(tf.square(vector), axis=1)[:, None]
        return tf.reduce_mean(sharpened(dots, squares, self.cosine), axis=1)

    def key(self):  # noqa: D102
        return (type(self), self.layer, self.cosine)

    def describe(self):  # noqa: D102
        return f"direction of {layer_name(self.layer)}"


class Diversity(Target):
    """How alike the textures of a layer are within a batch: subtract it, so that images differ.

    Each image's share of the cosines between the Gram matrices of all pairs, `Σ_j≠i ⟨G_i, G_j⟩ / N`; the shares of
    two identical images add up to 1. Depends on the whole batch: only synthesis takes it.
    Olah, Mordvintsev and Schubert 2017, "Feature Visualization", section "Diversity".

    Args:
        layer: the layer, as `Network.address` takes it.

    Example:
        >>> import kerasviz as kv
        >>> (kv.targets.Channel("conv5", 3) - 100 * kv.targets.Diversity("conv5")).alone
        False
    """

    alone = False

    def __init__(self, layer):
        self.layer = layer

    def addresses(self, network):  # noqa: D102
        map_shape(network, self.layer)
        return (network.address(self.layer),)

    def score(self, network, done, arguments):  # noqa: D102
        rows = rows_of(done.activations[network.address(self.layer)])
        grams = tf.reshape(tf.matmul(rows, rows, transpose_a=True), (tf.shape(rows)[0], rows.shape[-1] ** 2))
        grams = tf.math.l2_normalize(grams, axis=1)
        # All pairs, less each image with itself.
        alike = tf.einsum("ig,jg->i", grams, grams) - tf.einsum("ig,ig->i", grams, grams)
        return alike / tf.cast(tf.shape(rows)[0], tf.float32)

    def key(self):  # noqa: D102
        return (type(self), self.layer)

    def describe(self):  # noqa: D102
        return f"diversity of {layer_name(self.layer)}"


def rows_of(activation) -> tf.Tensor:
    """A feature map as `(N, positions, channels)` float32."""
    return tf.cast(tf.reshape(activation, (tf.shape(activation)[0], -1, activation.shape[-1])), tf.float32)


def sharpened(dots, squares, power: float) -> tf.Tensor:
    """Dot products, each times a power of the cosine between its two vectors.

    The cosine counts as at least 0.1, so that what points elsewhere can still turn.

    Args:
        dots: the dot products.
        squares: the product of the squared lengths of both vectors, of the same shape.
        power: 0 leaves the dot products as they are.
    """
    if not power:
        return dots
    # Where either length is zero so is the dot product; the root of zero has no finite gradient.
    cosines = dots * tf.math.rsqrt(tf.where(squares > 0, squares, 1.0))
    return dots * tf.maximum(cosines, _LEAST_COSINE) ** power
