"""A unit's top images side by side, lit where the unit is active."""

import base64
import io
from functools import lru_cache

import numpy as np

from kerasviz.data.concepts.base import ConceptData
from kerasviz.errors import InputError
from kerasviz.features.dissection.record import Dissection
from kerasviz.plotting import display_image
from kerasviz.plotting.images import fit

#: What becomes of the brightness outside of the mask (Bau et al. 2017, figure 1).
DARK = 0.2
OUTLINE = (255, 214, 10)
GAP = 3
#: Pixels of a tile.
TALLEST = 96
_GAP_GREY = 128
_QUALITY = 72
_REMEMBERED = 2048  # tiles; units share images, and one takes at most some 30 kB


class Strips:
    """Draws the top images of units, each read when it is first needed.

    Args:
        dissection: of a layer.
        data: the data set that was dissected; only the top images are read.

    Attributes:
        size: `(height, width)` of a tile: images are shrunk to a height of at most 96 pixels, never enlarged.

    Raises:
        InputError: `data` is another data set.
    """

    def __init__(self, dissection: Dissection, data: ConceptData):
        _check_same(dissection, data)
        self._dissection, self._data = dissection, data
        height, width = data.image_size
        scale = min(1, TALLEST / height)
        self.size = max(1, round(height * scale)), max(1, round(width * scale))
        self._tile = lru_cache(_REMEMBERED)(self._read)

    def names(self, unit: int) -> list[str]:
        """What a reader calls the images of a unit, strongest first."""
        by_number = self._dissection.top.by_number
        return [by_number[number] for number in self._dissection.top.numbers[unit].tolist() if number >= 0]

    def draw(self, unit: int) -> np.ndarray | None:
        """The images of a unit from left to right, 3 grey pixels between them.

        Outside of the mask the brightness is a fifth; the first pixels outside are yellow.

        Returns:
            `(height, n * width + 3 * (n - 1), 3)` uint8; None for a unit that is active in none of them.

        Raises:
            DataError: an image cannot be read.
        """
        if not self._dissection.top.masks[unit].any():
            return None
        numbers = self._dissection.top.numbers[unit].tolist()
        tiles = []
        for place, number in enumerate(numbers):
            if number >= 0:
                mask = self._dissection.top.mask(unit, place, self._dissection.map_size)
                tiles += [np.full((self.size[0], GAP, 3), _GAP_GREY, np.uint8), spotlight(self._tile(number), mask)]
        return np.concatenate(tiles[1:], axis=1)

    def uri(self, unit: int) -> str | None:
        """The same as a data URI of a JPEG picture."""
        from PIL import Image

        strip = self.draw(unit)
        if strip is None:
            return None
        file = io.BytesIO()
        # Full resolution of the colours: a thin outline would fade.
        Image.fromarray(strip).save(file, "JPEG", quality=_QUALITY, subsampling=0, optimize=True)
        return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")

    def _read(self, number):
        import cv2

        picture = display_image(self._data.read(number).image)
        return (
            picture
            if picture.shape[:2] == self.size
            else cv2.resize(picture, self.size[::-1], None, 0, 0, cv2.INTER_AREA)
        )


def spotlight(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Darken a picture outside of a mask, and draw a line around it.

    Args:
        picture: `(H, W, 3)` uint8.
        mask: `(h, w)` bool, brought to the picture's size.

    Returns:
        `(H, W, 3)` uint8; all dark where the mask is empty.
    """
    import cv2

    lit = fit(mask.astype(np.float32), picture.shape[:2]) >= 0.5
    around = cv2.dilate(lit.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~lit
    result = np.where(lit[..., None], picture, np.round(picture * DARK)).astype(np.uint8)
    result[around] = OUTLINE
    return result


def _check_same(dissection, data):
    if data.concepts != dissection.concepts or tuple(data.map_size) != tuple(dissection.map_size):
        raise _another("its concepts or the size of its label maps differ")
    for number, name in dissection.top.by_number.items():
        if number >= len(data):
            raise _another(f"it has {len(data)} images, and number {number} is wanted")
        if data.name_of(number) != name:
            raise _another(f"its image {number} is {data.name_of(number)!r} instead of {name!r}")


def _another(why):
    return InputError(
        f"The data set is not the one that was dissected: {why}",
        expected="the same data set",
        mend="Open it as for the dissection",
    )
