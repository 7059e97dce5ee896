"""Reading pictures for a network and for the eye, and drawing what was found."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasviz import data, plotting
from kerasviz.errors import SettingError
from kerasviz.plotting.saving import rendered

#: Pixels of the longer side of saved pictures: networks see less than the eye.
_SHOWN = 512
#: For networks that take any size: pixels of the longer side, and what sides are a multiple of.
_BOUND, _MULTIPLE = 512, 32
_COLUMNS = 5  # maps side by side on a contact sheet


@dataclass(frozen=True)
class Frame:
    """How pictures are brought to the size of a network.

    Attributes:
        height: of its input, None for the picture's own, bounded by 512 pixels.
        width: as `height`.
        channels: 1 or 3.
        fit: as for `kerasviz.data.load_image`.
    """

    height: int | None
    width: int | None
    channels: int
    fit: str = "crop"

    @property
    def free(self) -> bool:
        """Whether pictures keep sizes of their own, so that they cannot share a batch."""
        return self.height is None or self.width is None

    def size_of(self, file: Path) -> tuple[int, int]:
        """Height and width that a picture has for the network.

        Raises:
            ImageError: as for `kerasviz.data.load_image`, for a frame that is free.
        """
        size = (self.height, self.width)
        if not self.free:
            return size
        own = data.load_image(file, channels=self.channels).shape[:2]
        return tuple(given or side for given, side in zip(size, _bounded(own), strict=True))

    def read(self, file: Path) -> tuple[np.ndarray, np.ndarray]:
        """Read a picture.

        Returns:
            Its pixels for the network, and the same part of it for the eye, `(H, W, C)` uint8 in 0..255.

        Raises:
            ImageError: as for `kerasviz.data.load_image`.
        """
        size = self.size_of(file)
        pixels = data.load_image(file, size, fit=self.fit, channels=self.channels)
        larger = _SHOWN / max(size)
        if larger <= 1:
            return pixels, pixels
        shown = tuple(max(1, round(side * larger)) for side in size)
        return pixels, data.load_image(file, shown, fit=self.fit, channels=self.channels)


def parse_size(given: str | None, option: str = "--size") -> tuple[int, int] | None:
    """Height and width from "224" or "224x320".

    Args:
        given: what the user wrote, or None.
        option: where.

    Raises:
        SettingError: it is something else.
    """
    if given is None:
        return None
    sides = given.lower().replace("×", "x").split("x")
    if len(sides) > 2 or not all(side.strip().isdecimal() and int(side) > 0 for side in sides):
        raise SettingError(
            f"{option} {given!r}",
            expected="pixels, as one number or as HEIGHTxWIDTH",
            mend=f"For example {option} 224, or {option} 224x320",
        )
    return int(sides[0]), int(sides[-1])


@dataclass(frozen=True)
class Style:
    """How maps are drawn.

    Attributes:
        alpha: opacity of heat maps over the picture, None for the plotting defaults.
        cmap: colour map of maps without a sign.
    """

    alpha: float | None = None
    cmap: str | None = None

    def check(self):
        """Refuse what cannot be drawn, before any work is done.

        Raises:
            SettingError: as for `kerasviz.plotting.overlay`.
        """
        plotting.overlay(np.zeros((2, 2, 3), np.uint8), np.eye(2), alpha=self.alpha, cmap=self.cmap)

    def draw(self, values: np.ndarray, shown: np.ndarray, *, kind: str, signed: bool) -> np.ndarray:
        """One map as a picture as large as `shown`: heat maps over it, maps of pixels alone."""
        channels = False if values.ndim == 2 else "sum" if signed else "max_abs"
        cmap = {} if signed or self.cmap is None else {"cmap": self.cmap}
        if kind == "heatmap":
            return plotting.overlay(shown, values, alpha=self.alpha, signed=signed, channels=channels, **cmap)
        paint = plotting.signed if signed else plotting.heatmap
        picture = paint(values, channels=channels, **cmap)
        return _enlarged(picture, shown.shape[:2])


def contact_sheet(
    shown: np.ndarray, rows: Sequence[tuple[str, Sequence[np.ndarray]]], titles: Sequence[str]
) -> np.ndarray:
    """The picture and its maps on one sheet, a line for each explained class (more if there are many methods).

    Args:
        shown: the picture.
        rows: for each class a title and its maps.
        titles: of the maps of a row.

    Returns:
        `(H, W, 3)` uint8.
    """
    from kerasviz.plotting.canvas import Tile, draw_sheet

    photo, lines = plotting.display_image(shown), []
    for title, maps in rows:
        tiles = [Tile(picture, name) for picture, name in zip(maps, titles, strict=True)]
        for first in range(0, len(tiles), _COLUMNS):
            head = Tile(photo, title) if first == 0 else None
            lines.append([head, *tiles[first : first + _COLUMNS]])
    return rendered(draw_sheet(lines, tile=2.0))


def _bounded(size):
    """A size with the longer side within the bound, both sides rounded to what downsampling networks take."""
    scale = min(1, _BOUND / max(size))
    return tuple(max(_MULTIPLE, round(side * scale / _MULTIPLE) * _MULTIPLE) for side in size)


def _enlarged(picture, size):
    from PIL import Image

    if picture.shape[:2] == tuple(size):
        return picture
    return np.asarray(Image.fromarray(picture).resize(size[::-1], Image.Resampling.BICUBIC))
