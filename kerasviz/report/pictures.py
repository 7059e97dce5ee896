"""Pictures inside a page: as data addresses, no larger than eyes need."""

import base64
import io

import numpy as np

from kerasviz.plotting.colors import Palette
from kerasviz.plotting.images import fit

#: Pixels of the longer side of a picture; larger ones are shrunk.
LONGEST = 288
#: Of WebP: noise of pixel maps is what takes room, and at 75 it still has the contrast of the original.
QUALITY = 75
_STOPS = 33


def bounded(size: tuple[int, int]) -> tuple[int, int]:
    """The height and width at which a picture is kept: its own, or smaller in the same proportions."""
    share = min(1.0, LONGEST / max(size))
    return tuple(max(1, round(side * share)) for side in size)


def shrunk(picture: np.ndarray) -> np.ndarray:
    """A picture `(H, W, 3)` or a map `(H, W)` in that size."""
    size = bounded(picture.shape[:2])
    return picture if size == picture.shape[:2] else fit(picture, size)


def webp(picture: np.ndarray) -> str:
    """A `uint8` picture `(H, W, 3)`, or `(H, W, 4)` with opacity, as the address of a WebP picture, not exact."""
    return _address(picture, "webp", quality=QUALITY, method=4)


def png(picture: np.ndarray) -> str:
    """The same as the address of a PNG picture, exact: for flat squares."""
    return _address(picture, "png", optimize=True)


def gradient(palette: Palette) -> str:
    """The colours of a palette as a CSS gradient from left to right."""
    places = np.linspace(0, len(palette.table) - 1, _STOPS).round().astype(int)
    colors = ["#" + palette.table[k].tobytes().hex() for k in places]
    return f"linear-gradient(to right, {', '.join(colors)})"


def _address(picture, kind, **settings):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, kind, **settings)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
