"""Montages: many pictures in one."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.plotting.arrays import check_finite, ends_in_channels, to_numbers
from kerasviz.plotting.images import display_image


def grid(
    images,
    *,
    rows: int | None = None,
    cols: int | None = None,
    pad: int = 2,
    fill: int | Sequence[int] = 255,
    labels: Sequence[str] | None = None,
) -> np.ndarray:
    """Puts pictures side by side, row by row, in cells as large as the largest of them.

    Smaller pictures stand in the middle of their cell; cells left over hold `fill`.

    Args:
        images: a batch `(N, H, W, C)` or `(N, H, W)`, or a list of images of any sizes; drawn as
            `display_image` does.
        rows: number of rows. By default as near to a square as holds all.
        cols: number of columns.
        pad: pixels of `fill` between cells and around them.
        fill: grey level or RGB, 0 to 255.
        labels: one line above each picture, shortened to the width of its cell.

    Returns:
        `uint8`, `(H, W, 3)`.

    Raises:
        InputError: no images, an image that cannot be drawn, or another number of labels.
        SettingError: a grid too small for the images, a negative `pad`, a wrong `fill`.

    Example:
        >>> grid(np.zeros((3, 10, 20), np.uint8)).shape
        (26, 46, 3)
    """
    pictures = read_pictures(images)
    rows, cols = layout(len(pictures), rows, cols)
    color = _check_fill(fill)
    if not isinstance(pad, (int, np.integer)) or pad < 0:
        raise SettingError(f"pad={pad!r} is no width", expected="whole pixels, 0 or more", mend="Use pad=2")
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    strips = _label_strips(labels, len(pictures), width, height, color)
    head = strips.shape[1]

    sheet = np.empty((rows * (head + height + pad) + pad, cols * (width + pad) + pad, 3), np.uint8)
    sheet[:] = color
    for index, picture in enumerate(pictures):
        top = pad + index // cols * (head + height + pad)
        left = pad + index % cols * (width + pad)
        sheet[top : top + head, left : left + width] = strips[index]
        y = top + head + (height - picture.shape[0]) // 2
        x = left + (width - picture.shape[1]) // 2
        sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return sheet


def read_pictures(images, *, value_range=None) -> list[np.ndarray]:
    """A batch or a list of images as a list of pictures `(H, W, 3)`."""
    if isinstance(images, (list, tuple)):
        batch = [to_numbers(image, f"Image {index}") for index, image in enumerate(images)]
    else:
        batch = to_numbers(images, "The batch of images")
        if batch.ndim not in (3, 4) or (batch.ndim == 3 and ends_in_channels(batch.shape)):
            raise InputError(
                f"The images have the shape {batch.shape}, which is not a batch",
                expected="(N, H, W, C), (N, H, W) or a list of images",
                mend="Put a single image in a list",
            )
        batch = list(batch)
    if not batch:
        raise InputError("No image was given", expected="at least one", mend="Pass a list of images")
    pictures = []
    for index, image in enumerate(batch):
        if image.ndim not in (2, 3):
            raise InputError(
                f"Image {index} has the shape {image.shape}",
                expected="(H, W) or (H, W, C)",
                mend="Pass one list of images, without batches inside it",
            )
        if image.dtype.kind not in "biu":
            check_finite(image.astype(np.float64)[None], f"image at index {index}", single=True)
        pictures.append(display_image(image, value_range=value_range))
    return pictures


def layout(count: int, rows: int | None, cols: int | None) -> tuple[int, int]:
    """Rows and columns that hold `count` pictures; refuses numbers that do not."""
    for name, value in (("rows", rows), ("cols", cols)):
        if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
            raise SettingError(f"{name}={value!r} is no number of {name}", expected="1 or more", mend="Leave it out")
    if cols is None:
        cols = math.ceil(count / rows) if rows else math.ceil(math.sqrt(count))
    if rows is None:
        rows = math.ceil(count / cols)
    if rows * cols < count:
        raise SettingError(
            f"A grid of {rows} × {cols} has no room for {count} images",
            expected="rows × cols at least the number of images",
            mend="Leave rows or cols out",
        )
    return rows, cols


def _check_fill(fill) -> np.ndarray:
    color = np.asarray(fill)
    if color.dtype.kind not in "iu" or color.shape not in ((), (3,)) or color.min() < 0 or color.max() > 255:
        raise SettingError(
            f"fill={fill!r} is no colour",
            expected="a grey level from 0 to 255, or three of them for red, green and blue",
            mend="Use 255 for white",
        )
    return np.broadcast_to(color, 3).astype(np.uint8)


def _label_strips(labels, count: int, width: int, height: int, color: np.ndarray) -> np.ndarray:
    """`(count, strip height, width, 3)`; no height at all without labels."""
    if labels is None:
        return np.empty((count, 0, width, 3), np.uint8)
    if isinstance(labels, str) or len(labels) != count:
        raise InputError(
            f"{1 if isinstance(labels, str) else len(labels)} labels were given for {count} images",
            expected="one label for each image",
            mend="Use an empty string for an image without a label",
        )
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    # Pillow's own font has no accents.
    dejavu = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = ImageFont.truetype(dejavu, size=min(max(min(width, height) // 14, 10), 22))
    ascent_to_descent = font.getbbox("Ág")
    strip = Image.new("RGB", (width, math.ceil(ascent_to_descent[3]) + 4), tuple(color.tolist()))
    ink = (0, 0, 0) if color.mean() > 127 else (255, 255, 255)
    strips = []
    for label in labels:
        text = " ".join(str(label).split())
        shown = text
        while shown and font.getlength(shown) > width:
            text = text[:-1]
            shown = text.rstrip() + "…" if text else ""
        canvas = strip.copy()
        ImageDraw.Draw(canvas).text(((width - font.getlength(shown)) / 2, 1), shown, fill=ink, font=font)
        strips.append(np.asarray(canvas))
    return np.stack(strips)
