"""`ActivationMaps`: what layers answer to the same images, watched over a training."""

import warnings

import numpy as np

from kerasviz.callbacks.probes import probe
from kerasviz.callbacks.shots import Picture, Shot
from kerasviz.callbacks.watching import Watch
from kerasviz.checks import checked_count
from kerasviz.errors import KerasvizWarning
from kerasviz.features.maps.choosing import choose
from kerasviz.features.maps.feature_maps import FeatureMaps
from kerasviz.plotting.arrays import check_finite
from kerasviz.plotting.ranges import check_range, limits

_OWN = ("channel", "shared")


class ActivationMaps(Watch):
    """Draws the channels of some layers for the same few images over and over while a model is trained.

    The channels are chosen at the first look and then stay, so that looks can be compared. Numbers of each layer are
    the share of "dead" channels, those that are zero at all positions of all these images, and the "mean" activation.
    Layers without positions, such as Dense, give numbers and no pictures.

    Args:
        data: as for `Explain`.
        layers: as for `kerasviz.FeatureMaps`: None for the last layer with a spatial map, `"all"`, a layer or a list.
        channels: as for `Activations.montage`: a number for at most that many of each image's strongest.
        images: how many samples are looked at, the first of the data.
        by: what makes a channel strong, "max" or "mean"; see `Activations.strongest`.
        scale: which range of values the colours stand for. "first" gives all images and looks that of the channels
            drawn at the first look where they are not constant, beyond which what grows in training is clipped;
            "channel" gives each channel its own at each look,
            "shared" one to all channels of an image; `(low, high)` fixes it.
        percentile: where a range ends; as for `Activations.montage`.
        cmap: colour map; as for `Activations.montage`.
        batch_size: how many samples run at once.
        name: as for `Watch`. Tags are "NAME/LAYER/0" for the first image, "NAME/LAYER/dead" and "NAME/LAYER/mean".
        **watching: the other settings of `Watch`: `every`, `unit`, `initial`, `folder`, `log_dir`, `keep`.

    Attributes:
        history: as for `Watch`; results are `kerasviz.features.Activations` of all channels.

    Raises:
        InputError: the data do not fit.
        LayerError: no such layer.
        SettingError: a setting is out of range, or there is no such channel.
        ModelError: as for `Watch`, and so are `PackageError` and `SaveError`.

    Example:
        >>> import keras
        >>> layers = [keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3, activation="relu", name="conv")]
        >>> model = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
        >>> model.compile("sgd", "sparse_categorical_crossentropy")
        >>> rng = np.random.default_rng(0)
        >>> images, labels = rng.normal(size=(20, 8, 8, 1)), rng.integers(3, size=20)
        >>> watch = ActivationMaps(images, "conv", channels=2, images=3)
        >>> history = model.fit(images, labels, epochs=2, verbose=0, callbacks=[watch])
        >>> [(epoch, maps["conv"].shape) for epoch, maps in watch.history]
        [(0, (3, 6, 6, 4)), (1, (3, 6, 6, 4))]
    """

    def __init__(
        self,
        data,
        layers=None,
        *,
        channels=9,
        images: int = 4,
        by: str = "max",
        scale="first",
        percentile: float = 99,
        cmap=None,
        batch_size: int = 32,
        name: str = "activation_maps",
        **watching,
    ):
        super().__init__(name, **watching)
        if not isinstance(scale, str) or scale not in ("first", *_OWN):
            check_range(
                scale, "scale", '"first", "channel", "shared" or two finite numbers (low, high) with low < high'
            )
        self._inputs, _ = probe(data, checked_count("images", images))
        self._layers, self._batch_size = layers, checked_count("batch_size", batch_size)
        self._channels, self._by, self._scale = channels, by, scale
        self._percentile, self._cmap = percentile, cmap
        self._maps, self._chosen, self._styles = None, {}, {}

    def open(self):
        """Compile, and look once, so that whatever does not fit is told before the first epoch."""
        self._maps = FeatureMaps(self.model, self._layers, batch_size=self._batch_size, sample=self._inputs)
        self._chosen, self._styles = {}, {}
        self.look()
        self._chosen, self._styles = {}, {}

    def look(self) -> Shot:
        """Run the images, and draw what is chosen."""
        activations, pictures, numbers = self._maps(self._inputs), [], {}
        for layer, values in activations.values.items():
            check_finite(values, f"map of {layer!r}")
            numbers[f"{layer}/dead"] = float(1 - values.any(axis=tuple(range(values.ndim - 1))).mean())
            numbers[f"{layer}/mean"] = float(values.mean(dtype=np.float64))
            if values.ndim > 2:
                pictures += self._drawn(activations, layer, values)
        return Shot(activations, tuple(pictures), numbers)

    def _drawn(self, activations, layer, values):
        if layer not in self._chosen:
            self._chosen[layer] = [choose(each, self._channels, self._by, layer) for each in values]
        chosen = self._chosen[layer]
        style = self._style(layer, np.stack([each[..., some] for each, some in zip(values, chosen, strict=True)]))
        for image, some in enumerate(chosen):
            pixels = activations.montage(image, layer, some, percentile=self._percentile, cmap=self._cmap, **style)
            yield Picture(f"{layer}/{image}", f"{layer}, image {image}", pixels)

    def _style(self, layer, shown):
        """Range and sign of what is drawn of a layer: those of the first look that has a range."""
        if layer in self._styles:
            return self._styles[layer]
        signed, scale = bool((shown < 0).any()), self._scale
        if scale == "first":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", KerasvizWarning)  # dead channels are among the numbers
                scale = tuple(
                    limits(shown[None], signed=signed, percentile=self._percentile, scale="batch")[0].tolist()
                )
            if not scale[0] < scale[1]:
                return {"scale": "shared", "signed": signed}
        self._styles[layer] = {"scale": scale, "signed": signed}
        return self._styles[layer]
