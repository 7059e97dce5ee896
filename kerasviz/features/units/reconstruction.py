"""What in an image a unit answers to: its activation, projected back down to the pixels."""

import warnings

import numpy as np
import tensorflow as tf

from kerasviz import progress
from kerasviz.checks import checked_count
from kerasviz.errors import InputError, KerasvizWarning, SettingError, TargetError
from kerasviz.features.units.patches import boxes_in, field_of, source_of
from kerasviz.features.units.reconstructions import Reconstructions
from kerasviz.network import Network
from kerasviz.targets import Channel, Neuron
from kerasviz.targets.base import as_array

_KEPT = ("strongest", "map")


class Reconstruction:
    """Projects activations of a layer down to the pixels: the deconvnet of Zeiler and Fergus 2013, section 2.1.

    All other units of the layer are set to zero. The activation kept, with its own value, goes down through the
    switches of the max-pooling layers, is rectified wherever the network rectifies, and is spread by the transposed
    filters. It is computed as a gradient, of `sum(constant(kept) * activation)` with a rule for the rectifiers, so:

    - Biases, and the offsets of normalizations, have no part in it; a normalization's scale has.
    - The switches are TensorFlow's: the first of equal maxima. Where pooling windows overlap, what meets adds.
    - A layer that rectifies (`activation="relu"`, or a `ReLU`) also rectifies what starts at it. The unit of a layer
      that does not may be negative; it is then sent down with its sign.
    - A unit that is zero gives a reconstruction of zeros, with a warning. So does, but under "deconvnet", one that has
      reached the cap of its own rectifier (a ReLU6 at 6), whose slope is zero there: take the layer before it.

    Under "deconvnet" only the switches know the image: a network without max-pooling, such as MobileNet, answers to
    every image with the same pattern, up to its strength. Use "guided" there.

    Args:
        model: as for `kerasviz.network.Network`; never modified.
        layer: as `Network.address` takes it; None for the last spatial one. Also a layer `(N, C)`.
        rule: of the rectifiers, "deconvnet", "guided" (Springenberg et al. 2014, section 3.4), or "backprop", the
            plain gradient; see `kerasviz.network.rules`.
        keep: "strongest" for the strongest unit of a channel, the first of equals; "map" for all units of the
            channel; or the position of one unit, such as `(row, column)`.
        batch_size: how many pairs run at once; bounds the memory, changes no value.
        input: the name of the input to go down to, for a layer that looks at several.
        sample: as for `kerasviz.network.Network`.

    Raises:
        InputError: the input holds integers, or the layer looks at several and none is named.
        LayerError: there is no such layer.
        RuleError: the rule is unknown, or the model has no rectifier that it could change.
        SettingError: `keep` or `batch_size` is something else.
        TargetError: the layer has no such position, or returns several tensors.

    Attributes:
        network: the model, opened.
        layer: the layer's address.
        rule: as given.
        keep: as given.

    Example:
        >>> import numpy as np, keras
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv"),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5)])
        >>> images = np.random.default_rng(0).random((2, 8, 8, 3), "float32")
        >>> reconstruct = Reconstruction(model, "conv", rule="backprop")
        >>> reconstruct(images, [[0, 1]]).shape  # both channels on each image
        (4, 8, 8, 3)
    """

    def __init__(
        self,
        model,
        layer=None,
        *,
        rule: str = "deconvnet",
        keep="strongest",
        batch_size: int = 32,
        input: str | None = None,
        sample=None,
    ):
        self.batch_size = checked_count("batch_size", batch_size)
        self.network = Network(model, rule=rule, sample=sample)
        self._address = self.network.address(layer)
        self.layer, self.rule = str(self._address), rule
        # Refuses layers that return several tensors.
        Channel(self._address, 0).arguments(self.network, 1)
        self.keep = self._checked_keep(keep)
        self._source = source_of(self.network, self._address, input)
        spec = self.network.inputs.specs[self._source]
        if not spec.floating:
            raise InputError(
                f"The input {spec.name!r} holds integers ({spec.dtype}): nothing goes down to it",
                expected="a float input",
                mend="Take the part of the model behind its embedding",
            )
        self._axes = len(self.network.trace.shape_of(self._address.path)) - 2
        self._fields: dict[tuple, object] = {}
        self._run = self.network.function(
            self._project, [tf.TensorSpec((None,), tf.int32), tf.TensorSpec((None, self._axes), tf.int32)]
        )

    def __call__(self, images, channels, positions=None) -> Reconstructions:
        """Reconstruct what some channels answer to in some images.

        Args:
            images: what `model.predict` takes, with a batch axis.
            channels: a number, for every image; `(N,)`, one for each image; `(N, K)` or `(1, K)`, several for each
                image or the same several for all; for a single image also `(K,)`.
            positions: of the units, one or one for each pair, in the place of `keep`.

        Returns:
            `Reconstructions`, a row for each pair: the channels of the first image, then those of the second.

        Raises:
            InputError: the images do not fit the model.
            TargetError: the channels or positions do not fit the layer or the batch.
            SettingError: positions were given, and the whole map is kept.

        Warns:
            KerasvizWarning: a reconstruction is zero everywhere, or not finite.
        """
        arrays = self.network.inputs.check(images)
        rows, channels = _pairs(channels, len(arrays[0]))
        (channels,) = Channel(self._address, channels).arguments(self.network, len(rows))
        places = self._places(positions, channels)
        parts = []
        with progress.bar(len(rows), "Reconstructions") as advance:
            for start in range(0, len(rows), self.batch_size):
                now = slice(start, start + self.batch_size)
                done = self._run([array[rows[now]] for array in arrays], channels[now], places[now])
                parts.append([part.numpy() for part in done[:-1]])
                space = tuple(done[-1].numpy().tolist())
                self._check_places(places[now], space)
                advance(len(rows[now]))
        values, activations, flat = (np.concatenate(column) for column in zip(*parts, strict=True))
        found = np.stack(np.unravel_index(flat, space), axis=-1) if space else np.zeros((len(rows), 0), int)
        size = arrays[self._source].shape[1:-1]
        boxes = boxes_in(self._field(size), found, size)
        self._warn_of_nothing(values, rows, channels)
        return Reconstructions(
            values,
            method="reconstruction",
            layer=self.layer,
            target=f"channels of {self.layer}",
            score=activations,
            settings={"rule": self.rule, "keep": self.keep},
            extras={"channels": channels.astype(int), "images": rows, "positions": found, "boxes": boxes},
        )

    def _project(self, tensors, channels, positions):
        kept = []

        def score(done):
            activation = tf.cast(done.activations[self._address], tf.float32)
            shape = tf.shape(activation)
            flat = tf.transpose(tf.reshape(activation, [shape[0], -1, shape[-1]]), [0, 2, 1])
            units = tf.gather(flat, channels, axis=1, batch_dims=1)
            count, space = tf.shape(units)[1], shape[1:-1]
            given = tf.reduce_sum(positions * tf.math.cumprod(space, exclusive=True, reverse=True), axis=1)
            place = tf.where(
                tf.reduce_all(positions >= 0, axis=1),
                tf.minimum(given, count - 1),
                tf.math.top_k(units, 1).indices[:, 0],
            )
            mask = 1.0 if self.keep == "map" else tf.one_hot(place, count)
            kept.extend([tf.gather(units, place, batch_dims=1), place, space])
            return tf.reduce_sum(tf.stop_gradient(units * mask) * units, axis=1)

        _, _, gradients, _ = self.network.differentiate(tensors, score, inputs=True, taps=[self._address])
        return [tf.cast(gradients[self._source], tf.float32), *kept]

    def _field(self, size):
        """What a unit sees of images of a size; None for all of it, as where the whole map is kept."""
        if size not in self._fields:
            whole = self.keep == "map"
            self._fields[size] = None if whole else field_of(self.network, self._address, self._source, size)
        return self._fields[size]

    def _checked_keep(self, keep):
        if isinstance(keep, str):
            if keep not in _KEPT:
                raise SettingError(
                    f"keep={keep!r}",
                    expected='"strongest", "map", or a position such as (row, column)',
                    mend="Leave it out for the strongest unit",
                )
            return keep
        ((place,), _) = Neuron(self._address, keep, 0).arguments(self.network, 1)
        return tuple(place.tolist())

    def _places(self, positions, channels):
        """A position for each pair; -1 for the strongest."""
        if positions is not None and self.keep == "map":
            raise SettingError(
                'Positions were given with keep="map"',
                expected="one unit, or all of them",
                mend='Leave the positions out, or make the Reconstruction with keep="strongest"',
            )
        if positions is None and isinstance(self.keep, str):
            return np.full((len(channels), self._axes), -1, np.int32)
        given = self.keep if positions is None else positions
        return Neuron(self._address, given, channels).arguments(self.network, len(channels))[0]

    def _check_places(self, places, space):
        if (places >= np.array(space, int)).any():
            raise TargetError(
                f"A position is outside the map of {self.layer!r}, which has the size {space} here",
                expected=f"numbers from 0 up to, but not including, {space}",
                mend="Count along the axes of the layer's output",
            )

    def _warn_of_nothing(self, values, rows, channels):
        flat = values.reshape(len(values), -1)
        zero = "zero everywhere: the unit is not active, or at the cap of a ReLU6, or no rectifier below lets it pass"
        for which, state in (
            (~flat.any(axis=1), zero),
            (~np.isfinite(flat).all(axis=1), "not finite. Look for NaN in the weights of the model"),
        ):
            if which.any():
                pairs = ", ".join(f"{rows[i]}/{channels[i]}" for i in np.flatnonzero(which)[:10])
                warnings.warn(
                    f"The reconstructions from {self.layer!r} (image/channel) {pairs} are {state}",
                    KerasvizWarning,
                    stacklevel=3,
                )


def _pairs(channels, count):
    """The image and the channel of each pair, image by image; see `Reconstruction.__call__`."""
    given = as_array(channels, "channels")
    if given.ndim == 1 and (count == 1 or len(given) != 1):
        given = given[None] if count == 1 else given[:, None]
    if given.ndim > 2 or given.size == 0 or (given.ndim == 2 and len(given) not in (1, count)):
        raise TargetError(
            f"channels={channels!r} for {count} images",
            expected=f"a number, ({count},) for one an image, or ({count}, K) or (1, K) for several",
            mend="Put the same several channels for all images into a list of their own: [[3, 7]]",
        )
    table = np.broadcast_to(given, (count, given.shape[1] if given.ndim == 2 else 1))
    return np.repeat(np.arange(count), table.shape[1]), table.reshape(-1)
