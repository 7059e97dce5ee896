"""`Activations`: feature maps of some layers for a batch of images; what they hold, and pictures of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasviz.errors import InputError, LayerError, SettingError
from kerasviz.features.maps import figures
from kerasviz.features.maps import folder as saved
from kerasviz.features.maps import pictures as drawn
from kerasviz.features.maps.choosing import choose, ranked
from kerasviz.plotting.arrays import check_finite
from kerasviz.plotting.ranges import Scale


@dataclass(frozen=True, eq=False)
class Activations:
    """What layers answered to a batch of images. It holds no model and no images.

    Wherever a method takes `layer`, it is a path of `values` or the end of one that only one has; None means the
    only layer there is.

    Attributes:
        values: raw float32 activations `(N, *space, C)` by the path of the layer: `(N, h, w, C)` for images,
            `(N, t, C)` for signals, `(N, D, h, w, C)` for volumes, `(N, C)` where there are no positions.

    Example:
        >>> maps = Activations({"conv": np.arange(24, dtype="float32").reshape(1, 2, 3, 4)})
        >>> maps["conv"].shape, maps.strongest(2).tolist()
        ((1, 2, 3, 4), [[3, 2]])
    """

    values: dict[str, np.ndarray]

    def __len__(self):
        return len(next(iter(self.values.values())))

    def __getitem__(self, layer: str) -> np.ndarray:
        return self.values[self._path(layer)]

    @property
    def layers(self) -> list[str]:
        """The paths of the layers."""
        return list(self.values)

    def strongest(self, k: int, layer: str | None = None, by: str = "max") -> np.ndarray:
        """The channels that answer most to each image.

        Args:
            k: how many.
            layer: which.
            by: `"max"` ranks by the largest value over the positions, `"mean"` by their mean.

        Returns:
            `(N, k)` channel numbers, the strongest first; of equals (under a ReLU6 many are) first the one that is
            stronger by the other measure, then the lower number.

        Raises:
            LayerError: there is no such layer.
            SettingError: there are fewer channels, or `by` is something else.
        """
        values = self[layer]
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= values.shape[-1]:
            raise SettingError(
                f"k={k!r} of the layer {self._path(layer)!r}",
                expected=f"a whole number from 1 to its {values.shape[-1]} channels",
                mend="Ask for fewer",
            )
        return ranked(values, by)[:, :k]

    def distribution(self, layer: str | None = None) -> dict[str, np.ndarray]:
        """How each channel's values are distributed over the positions of each image.

        Args:
            layer: which.

        Returns:
            "mean", "std" (of the values there are, not an estimate), "min", "max", and "zeros": the share of positions
            that are exactly zero. `(N, C)` float64 each.
        """
        values = self[layer]
        space = tuple(range(1, values.ndim - 1))
        wide = values.astype(np.float64)
        return {
            "mean": wide.mean(axis=space),
            "std": wide.std(axis=space),
            "min": wide.min(axis=space),
            "max": wide.max(axis=space),
            "zeros": (wide == 0).mean(axis=space),
        }

    def montage(
        self,
        image: int = 0,
        layer: str | None = None,
        channels=None,
        *,
        by: str = "max",
        scale: Scale = "channel",
        percentile: float = 99,
        signed: bool | None = None,
        cmap=None,
        zoom: int | None = None,
        cols: int | None = None,
        numbers: bool = True,
    ) -> np.ndarray:
        """One image's channels side by side, each under its number.

        Maps of signals are strips with time to the right; those of volumes are rows of at most 8 slices, the same for
        all channels. "flat" marks channels that are the same everywhere and so have no range of their own: they are
        drawn in the colour of zero.

        Args:
            image: its number in the batch.
            layer: which.
            channels: None for all, but of more than 64 the 64 strongest, the strongest first; `"all"`; a number for at
                most that many of the strongest; or a list of channels, in this order.
            by: what makes a channel strong; see `strongest`.
            scale: `"channel"` gives each channel its own range; `"shared"` one to all channels of the layer, whichever
                are drawn; `(low, high)` fixes it.
            percentile: where a range ends, in percent of the positions: 99 keeps the rims that padding makes from
                fading all else; 100 clips nothing.
            signed: whether the sign is shown, by a diverging colour map about zero, as it is where the image's map
                holds negative values; else colours begin at zero.
            cmap: colour map; `"inferno"`, or `"RdBu_r"` if signed.
            zoom: pixels a position, never smoothed. By default tiles of at least 96 pixels.
            cols: tiles in a row; by default about as many as make the sheet square.
            numbers: whether the tiles are numbered.

        Returns:
            `uint8`, `(H, W, 3)`.

        Raises:
            LayerError: there is no such layer, or it has no positions.
            InputError: there is no such image, or its map holds NaN or infinity.
            SettingError: a channel that is not there, an unknown scale or colour map, wrong zoom or cols.
        """
        path, values = self._path(layer), self[layer]
        if values.ndim not in (3, 4, 5):
            raise self._undrawable(path)
        self._check_image(image)
        check_finite(values[image][None], f"map of {path!r}", single=True)
        chosen = choose(values[image], channels, by, path)
        style = {
            "scale": scale,
            "percentile": percentile,
            "signed": signed,
            "cmap": cmap,
            "zoom": zoom,
            "cols": cols,
            "numbers": numbers,
        }
        return drawn.montage(values[image], chosen, **style)

    def plot(
        self,
        images=None,
        layer: str | None = None,
        channels=6,
        *,
        by: str = "max",
        overlay: bool = False,
        scale: Scale = "channel",
        percentile: float = 99,
        signed: bool | None = None,
        cmap=None,
        value_range: tuple[float, float] | None = None,
        tile: float = 1.5,
        dpi: float = 150,
    ):
        """Draw each image, and beside it its strongest channels, a row for each layer.

        Signals are drawn as curves over bands of their channels, volumes as slices of each channel, layers without
        positions as bars with the strongest marked. At most 64 rows are drawn, with a warning if there are more.

        Args:
            images: N images (or signals), drawn as `kerasviz.plotting.display_image` does; None for maps alone.
            layer: which; None for all, if all are maps of pictures.
            channels: as for `montage`.
            by: as for `strongest`.
            overlay: lay the maps over the image, half transparent, in the place of maps alone.
            scale: as for `montage`.
            percentile: as for `montage`.
            signed: as for `montage`.
            cmap: as for `montage`; `"turbo"` for overlays.
            value_range: the values of the images drawn black and white.
            tile: width of a picture in inches.
            dpi: dots an inch, on the screen and in a file.

        Returns:
            A matplotlib `Figure`, unknown to pyplot.

        Raises:
            LayerError: there is no such layer, or several of which not all are maps of pictures.
            InputError: the images do not fit, or a map holds NaN or infinity.
            SettingError: as for `montage`, or `overlay` without images.
        """
        if layer is None and len(self.values) > 1 and all(values.ndim == 4 for values in self.values.values()):
            paths = self.layers
        else:
            paths = [self._path(layer)]
        for path in paths:
            check_finite(self.values[path], f"map of {path!r}")
        if images is not None and len(images) != len(self):
            raise InputError(
                f"{len(images)} images were given with {len(self)} maps",
                expected="one image a map",
                mend="Pass the batch that ran",
            )
        chosen = {path: [choose(one, channels, by, path) for one in self.values[path]] for path in paths}
        draw = figures.BY_AXES.get(self.values[paths[0]].ndim)
        if draw is None:
            raise self._undrawable(paths[0])
        style = {
            "scale": scale,
            "percentile": percentile,
            "signed": signed,
            "cmap": cmap,
            "overlay": overlay,
            "value_range": value_range,
        }
        return draw({path: self.values[path] for path in paths}, images, chosen, tile=tile, dpi=dpi, **style)

    def save(self, folder, *, pictures: bool = True, overwrite: bool = False) -> Path:
        """Save the arrays of each layer, a montage of each image and layer, and a manifest; all of them or none.

        Args:
            folder: made if it does not exist; other files in it stay.
            pictures: whether to draw the montages (bars for layers without positions).
            overwrite: replace files of the same names.

        Returns:
            The folder.

        Raises:
            SaveError: a file of such a name is there, or the folder cannot be written.
            InputError: there are pictures to draw, and a map holds NaN or infinity.
        """
        return saved.save(self, folder, pictures=pictures, overwrite=overwrite)

    @classmethod
    def load(cls, folder) -> "Activations":
        """Read what `save` wrote.

        Raises:
            LoadError: the folder holds no saved activations, or damaged ones.
        """
        return cls(saved.load(folder))

    def _path(self, layer):
        if layer is None and len(self.values) == 1:
            return next(iter(self.values))
        ends = [path for path in self.values if path == layer] or [
            path for path in self.values if path.endswith(f"/{layer}")
        ]
        if len(ends) != 1:
            raise LayerError(
                f"There are activations of {len(self.values)} layers"
                if layer is None
                else f"layer={layer!r} fits {len(ends)} of the layers that ran",
                expected=f"one of {', '.join(map(repr, self.values))}",
                mend="Name it by its path",
            )
        return ends[0]

    def _check_image(self, image):
        if isinstance(image, bool) or not isinstance(image, int | np.integer) or not 0 <= image < len(self):
            raise InputError(
                f"image={image!r}", expected=f"a number from 0 to {len(self) - 1}", mend="Images count from 0"
            )

    def _undrawable(self, path):
        shape = self.values[path].shape
        return LayerError(
            f"The layer {path!r} has the shape {shape}, which cannot be drawn so",
            expected="a map (N, t, C), (N, h, w, C) or (N, D, h, w, C)",
            mend="plot() draws layers without positions as bars" if len(shape) == 2 else "Draw parts of its values",
        )
