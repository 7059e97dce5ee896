"""`Reconstructions`: activations projected down to the pixels, cut and drawn."""

import math
from dataclasses import replace

import numpy as np

from kerasviz import plotting
from kerasviz.errors import InputError
from kerasviz.explanation import Explanation
from kerasviz.features.units.patches import alike, cut, stretched
from kerasviz.plotting.counts import drawable


class Reconstructions(Explanation):
    """Activations projected down to the pixels, one for each pair of an image and a channel.

    An `Explanation` over pixels: it behaves as its `values` `(N, H, W, C)`, and is saved and loaded alike. Signed:
    zero means that the pixel has no part in it.
    """

    @property
    def activations(self) -> np.ndarray:
        """`(N,)` float32, the kept activation, the strongest one where the whole map was kept."""
        return self.score

    @property
    def channels(self) -> np.ndarray:
        """`(N,)` int, the channel of each pair."""
        return self.extras["channels"]

    @property
    def images(self) -> np.ndarray:
        """`(N,)` int, the image of each pair: its number in the batch or the data."""
        return self.extras["images"]

    @property
    def positions(self) -> np.ndarray:
        """`(N, axes)` int, the place of the activation in the layer's map; without axes for a layer `(N, C)`."""
        return self.extras["positions"]

    @property
    def boxes(self) -> np.ndarray:
        """`(N, 2 * axes)` int, `y0, x0, y1, x1`: what the unit sees, as `TopActivations.boxes`.

        The whole image where the whole map was kept.
        """
        return self.extras["boxes"]

    @property
    def rule(self) -> str:
        """The backward rule."""
        return self.settings["rule"]

    def select(self, which) -> "Reconstructions":
        """Some of the pairs, by number or by a mask."""
        extras = {name: rows[which] for name, rows in self.extras.items()}
        return replace(self, values=self.values[which], score=self.score[which], extras=extras)

    def crops(self) -> list[np.ndarray]:
        """The reconstructions, each cut at its receptive field, `(h, w, C)`; views."""
        return [cut(values, box) for values, box in zip(self.values, self.boxes, strict=True)]

    def patches(self, images) -> list[np.ndarray]:
        """The images, each cut at the receptive field of its pair, `(h, w, C)`; views.

        Args:
            images: the batch that was given, or as it should be shown; of the network's input size.

        Raises:
            InputError: there are too few images, or they have another size.
        """
        return [cut(self._image(images, i), box) for i, box in enumerate(self.boxes)]

    def plot(self, images=None, *, labels=None, crop: bool = True, cols: int | None = None, tile: float = 1.6, **style):
        """Draw each reconstruction beside its image, as Zeiler and Fergus 2013, figure 2, do.

        Zero is mid-grey, and the contrast of each is stretched about it. Signals and volumes are drawn whole, by
        `kerasviz.plotting.plot`. At most 64 pairs are drawn, with a warning if there are more.

        Args:
            images: as for `patches`; None for reconstructions alone.
            labels: not used: channels have no names.
            crop: whether both are cut at the receptive field.
            cols: pairs side by side; by default about as many as make the figure square.
            tile: width of a picture in inches.
            **style: `titles`, one for each pair; `value_range` of the images, see
                `kerasviz.plotting.display_image`; `dpi`.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        from kerasviz.plotting.canvas import Tile, draw_sheet

        titles = style.pop("titles", None) or [self._title(i, None) for i in range(len(self))]
        if self.values.ndim != 4:
            beside = None if images is None else np.stack([self._image(images, i) for i in range(len(self))])
            return plotting.plot(self.values, beside, signed=True, titles=titles, **style)
        value_range, count = style.pop("value_range", None), drawable(len(self))
        pictures = []
        for i in range(count):
            box = self.boxes[i] if crop else (0, 0, *self.values.shape[1:3])
            pictures.append(stretched(cut(self.values[i], box)))
            if images is not None:
                patch = cut(self._image(images, i), box)
                pictures.append(plotting.display_image(patch, value_range=value_range))
        group = 1 if images is None else 2
        tiles = [Tile(picture, "" if n % group else titles[n // group]) for n, picture in enumerate(alike(pictures))]
        width = group * (cols or math.ceil(math.sqrt(count / group)))
        rows = [tiles[first : first + width] for first in range(0, len(tiles), width)]
        return draw_sheet(rows, group=group, tile=tile, **style)

    def _image(self, images, i):
        number = int(self.images[i])
        if number >= len(images):
            raise InputError(
                f"{len(images)} images were given, and pair {i} is of image {number}",
                expected="the batch that was given to the reconstruction",
                mend="Pass all images, not those of the pairs",
            )
        image = np.asarray(images[number])
        if image.shape[: self.values.ndim - 2] != self.values.shape[1:-1]:
            raise InputError(
                f"Image {number} has the shape {image.shape}",
                expected=f"the size of the network's input, {self.values.shape[1:-1]}",
                mend="Resize it as for the network",
            )
        return image

    def _title(self, i, labels):
        if self.settings["keep"] == "map" or not self.positions.shape[1]:
            place = ""
        else:
            place = " at " + ", ".join(map(str, self.positions[i].tolist()))
        return f"channel {self.channels[i]}{place}: {self.activations[i]:.3g}"

    def _write_pictures(self, folder, images, labels):
        names = [f"{i:04d}.png" for i in range(len(self))]
        for i, name in enumerate(names):
            self.select([i]).plot(images).savefig(folder / name, metadata={"Description": self._title(i, None)})
        return names
