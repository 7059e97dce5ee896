"""Scores of an activation against a given one: how nearly it is the same, and how far it goes the same way."""

import numpy as np
import tensorflow as tf

from kerasviz.errors import TargetError
from kerasviz.targets.base import Target, as_array
from kerasviz.targets.layers import rows_of, sharpened
from kerasviz.targets.units import layer_name, map_shape


class Reference(Target):
    """A target that holds an activation to compare with.

    Args:
        layer: the layer, as `Network.address` takes it.
        values: an activation of that layer, `(*shape)`, or `(N, *shape)` for one per sample; not zero.
    """

    argument_count = 1

    def __init__(self, layer, values):
        self.layer, self.values = layer, values

    def addresses(self, network):  # noqa: D102
        return (network.address(self.layer),)

    def arguments(self, network, count):  # noqa: D102
        shape = map_shape(network, self.layer)[1:]
        values = as_array(self.values, "values")
        whole = values.shape if values.ndim == len(shape) + 1 else (count, *values.shape)
        fits = len(whole) == len(shape) + 1 and all(
            size in (None, given) for size, given in zip((count, *shape), whole, strict=True)
        )
        if not fits or values.dtype.kind not in "buif":
            raise TargetError(
                f"values has the shape {values.shape} and the type {values.dtype}",
                expected=f"numbers of the shape {shape}, or {(count, *shape)} for one per sample",
                mend=f"Take it from network.activations(images, {layer_name(self.layer)!r})",
            )
        values = np.broadcast_to(values, whole).astype(np.float32)
        if not np.isfinite(values).all() or not values.reshape(count, -1).any(axis=1).all():
            raise TargetError(
                f"values is zero or not finite, at the layer {layer_name(self.layer)!r}",
                expected="an activation that is not zero everywhere",
                mend="Look at the image that it is of, or take another layer",
            )
        return [values]

    def key(self):  # noqa: D102
        return (type(self), self.layer)

    def _pair(self, network, done, arguments):
        """The activation and the given one, both `(N, positions, channels)` float32."""
        (wanted,) = arguments
        return rows_of(done.activations[network.address(self.layer)]), rows_of(wanted)


class MatchActivation(Reference):
    """Minus the squared distance to a given activation, as a share of that one's own square: 0 where both are equal.

    `-‖Φ(x) - Φ₀‖² / ‖Φ₀‖²`, the loss of Mahendran and Vedaldi 2015, "Understanding Deep Image Representations by
    Inverting Them", equations 1 and 3; an activation of zero scores -1.

    Args:
        layer: as for `Reference`.
        values: as for `Reference`.

    Example:
        >>> import numpy as np, kerasviz as kv
        >>> kv.targets.MatchActivation("conv5", np.ones((8, 8, 4))).describe()
        'match at conv5'
    """

    def score(self, network, done, arguments):  # noqa: D102
        found, wanted = self._pair(network, done, arguments)
        return -_total(tf.square(found - wanted)) / _total(tf.square(wanted))

    def describe(self):  # noqa: D102
        return f"match at {layer_name(self.layer)}"


class AlongActivation(Reference):
    """The dot product with a given activation, as a share of that one's square: how far an image goes the same way.

    1 where both are equal. With a power of the cosine, each position's dot product is multiplied by the cosine
    between its two vectors of channels, to that power: `Σₚ ⟨Φₚ, Φ₀ₚ⟩ max(cosₚ, 0.1)ᵏ / ‖Φ₀‖²`. What caricatures
    raise: Olah, Mordvintsev and Schubert 2017, "Feature Visualization" (lucid, `dot_compare`, whose cosine is of
    the whole activation).

    Args:
        layer: as for `Reference`.
        values: as for `Reference`.
        cosine: the power. 0 leaves dot products as they are; higher ones ask for activations that are all of the
            given direction.

    Example:
        >>> import numpy as np, kerasviz as kv
        >>> kv.targets.AlongActivation("conv5", np.ones((8, 8, 4)), cosine=1).describe()
        'along an activation of conv5'
    """

    def __init__(self, layer, values, *, cosine: float = 0.0):
        super().__init__(layer, values)
        self.cosine = cosine

    def score(self, network, done, arguments):  # noqa: D102
        found, wanted = self._pair(network, done, arguments)
        dots = tf.reduce_sum(found * wanted, axis=2)
        squares = tf.reduce_sum(tf.square(found), axis=2) * tf.reduce_sum(tf.square(wanted), axis=2)
        return tf.reduce_sum(sharpened(dots, squares, self.cosine), axis=1) / _total(tf.square(wanted))

    def key(self):  # noqa: D102
        return (type(self), self.layer, self.cosine)

    def describe(self):  # noqa: D102
        return f"along an activation of {layer_name(self.layer)}"


def _total(rows):
    return tf.reduce_sum(rows, axis=(1, 2))
