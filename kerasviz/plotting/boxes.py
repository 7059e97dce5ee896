"""Boxes on pictures."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.plotting.arrays import to_numbers
from kerasviz.plotting.images import display_image

# Two colours of unlike lightness, so that the colour-blind can tell them apart.
ROLES = {"predicted": (255, 40, 200), "true": (110, 255, 90)}
_EDGE = (0, 0, 0)  # a dark rim keeps a bright line visible on a bright picture
_SIDE_PER_WIDTH = 120


def draw_boxes(
    image,
    boxes,
    *,
    color: str | Sequence[int] = "predicted",
    labels: Sequence[str] | None = None,
    width: int | None = None,
) -> np.ndarray:
    """Draws boxes onto an image, as bright lines with a thin dark rim.

    The lines are the outermost pixels of the box, the rim is a pixel on either side. Draw onto an `overlay` to see
    what the boxes were found in, and give the results to `figure` for a sheet.

    Args:
        image: one image, drawn as `display_image` does; never modified.
        boxes: `(B, 4)` of `x0, y0, x1, y1` in pixels of the image, `x1` and `y1` exclusive; `(4,)` for a single
            one. Fractions are rounded, sides beyond the image are not seen. A box without area draws nothing.
        color: `"predicted"` (pink), `"true"` (green), or red, green and blue from 0 to 255.
        labels: a text for each box, in a field above its upper left corner, or inside where there is no room.
        width: of the lines, in pixels; by default a 120th of the image's shorter side.

    Returns:
        `uint8`, `(H, W, 3)`.

    Raises:
        InputError: an image that cannot be drawn or is a batch, wrong boxes (see `to_boxes`), or another number of
            labels.
        SettingError: an unknown colour, or a width under 1.

    Example:
        >>> photo = np.zeros((24, 40, 3), np.uint8)
        >>> both = draw_boxes(draw_boxes(photo, [2, 2, 30, 20], color="true"), [8, 8, 36, 22])
        >>> both[2, 2].tolist(), both[8, 8].tolist()
        ([110, 255, 90], [255, 40, 200])
    """
    from PIL import Image, ImageDraw

    color = _check_color(color)
    if width is not None and (not isinstance(width, (int, np.integer)) or width < 1):
        raise SettingError(f"width={width!r} is no width", expected="whole pixels, 1 or more", mend="Leave it out")
    picture = display_image(image)
    if picture.ndim != 3:
        raise InputError(
            f"The image has the shape {np.shape(image)}, which is a batch",
            expected="one image",
            mend="Pass the images one by one, each with its boxes",
        )
    corners = to_boxes(boxes, "The array of boxes")
    _check_labels(labels, len(corners))
    side = min(picture.shape[:2])
    width = max(1, round(side / _SIDE_PER_WIDTH)) if width is None else int(width)
    # Pillow takes no numbers of any size, and a line beyond the rim is not seen.
    far = np.array(picture.shape[1::-1] * 2) + width + 2
    corners = np.clip(np.rint(corners), -far, 2 * far).astype(int)
    seen = np.clip(corners, 0, picture.shape[1::-1] * 2)
    visible = np.flatnonzero((seen[:, 2:] > seen[:, :2]).all(axis=1))

    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    for x0, y0, x1, y1 in corners[visible].tolist():
        draw.rectangle((x0 - 1, y0 - 1, x1, y1), outline=_EDGE, width=width + 2)
    for x0, y0, x1, y1 in corners[visible].tolist():
        # Pillow's ends are inclusive.
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=color, width=width)
    if labels is not None:
        font = _font(side)
        for index in visible:
            _write(draw, str(labels[index]), corners[index].tolist(), picture.shape, color, font)
    return np.array(canvas)


def to_boxes(values, what: str) -> np.ndarray:
    """Boxes as finite `float64` `(B, 4)`; no boxes, given as an empty list, are `(0, 4)`.

    Args:
        values: rows of `x0, y0, x1, y1`, or a single one.
        what: what it is, for the message: `"The array of boxes"`.

    Raises:
        InputError: wrong shape or type, NaN or infinity, or a box that ends before it starts.
    """
    nothing = not values if isinstance(values, (list, tuple)) else np.shape(values) in ((0,), (0, 4))
    if nothing:
        return np.zeros((0, 4))
    array = np.atleast_2d(to_numbers(values, what))
    if array.ndim != 2 or array.shape[1] != 4 or array.dtype == bool:
        raise InputError(
            f"{what} has the shape {np.shape(values)} and the type {array.dtype}",
            expected="(B, 4) numbers, rows of x0, y0, x1, y1",
            mend="Give the boxes of one image",
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise InputError(f"{what} contains NaN or infinity", expected="finite numbers", mend="Leave the box out")
    wrong = np.flatnonzero((array[:, 2:] < array[:, :2]).any(axis=1))
    if wrong.size:
        raise InputError(
            f"{what} holds {array[wrong[0]].tolist()} at row {wrong[0]}, which ends before it starts",
            expected="x0 <= x1 and y0 <= y1",
            mend="Turn x, y, width, height into x, y, x + width, y + height",
        )
    return array


def _write(draw, label: str, box, shape, color, font) -> None:
    """A label in a field of the box's colour, kept within the picture where it fits there."""
    text = " ".join(label.split())
    if not text:
        return
    wide, high = math.ceil(font.getlength(text)) + 6, sum(font.getmetrics()) + 2
    x = max(0, min(box[0], shape[1] - wide))
    y = box[1] - high if box[1] >= high else max(0, min(box[1], shape[0] - high))
    draw.rectangle((x, y, x + wide - 1, y + high - 1), fill=color, outline=_EDGE)
    ink = (0, 0, 0) if sum(color) > 3 * 127 else (255, 255, 255)
    draw.text((x + 3, y + 1), text, fill=ink, font=font)


def _font(side: int):
    import matplotlib
    from PIL import ImageFont

    # Pillow's own font has no accents.
    dejavu = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(dejavu, size=min(max(side // 20, 10), 22))


def _check_color(color) -> tuple[int, int, int]:
    if isinstance(color, str) and color in ROLES:
        return ROLES[color]
    levels = np.asarray(color)
    if levels.dtype.kind not in "iu" or levels.shape != (3,) or levels.min() < 0 or levels.max() > 255:
        raise SettingError(
            f"color={color!r} is no colour",
            expected='"predicted", "true", or red, green and blue from 0 to 255',
            mend='Use "predicted"',
        )
    return tuple(levels.tolist())


def _check_labels(labels, count: int) -> None:
    if labels is not None and (isinstance(labels, str) or len(labels) != count):
        raise InputError(
            f"{1 if isinstance(labels, str) else len(labels)} labels were given for {count} boxes",
            expected="one label for each box",
            mend="Use an empty string for a box without a label",
        )
