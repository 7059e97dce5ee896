"""Images and label masks from files, brought to the sizes of a data set."""

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from kerasviz.data.images import MAX_PIXELS, load_image
from kerasviz.errors import DataError, ImageError

FITS = ("crop", "stretch")

# Pillow spreads grey values of 2 and 4 bits over 0..255.
_SPREAD = {"L;2": 85, "L;4": 17}


def read_image(path: str, channels: int) -> np.ndarray:
    """An image at its own size, as `kerasviz.data.load_image` reads it.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return load_image(path, channels=channels)
    except ImageError as error:
        raise DataError(error.given, expected=error.expected, mend=error.mend) from error


def read_red_green(path: str, name: str, size: tuple[int, int]) -> np.ndarray:
    """Label numbers from a colour PNG: red + 256 * green, `(h, w)` int32.

    Args:
        path: the file.
        name: what errors call it.
        size: (height, width) that it must have.

    Raises:
        DataError: it is no such file.
    """

    def check(picture):
        width, height = picture.size
        if (height, width) != size:
            raise _wrong(name, f"is {height} x {width} pixels (height x width)", f"{size[0]} x {size[1]}")
        if picture.mode not in ("RGB", "RGBA", "P") or _raw_mode(picture).endswith("16B"):
            raise _wrong(name, f"has pixels of the kind {_raw_mode(picture)}", "red, green and blue of 8 bits each")

    # Not to RGB: for palettes with transparency that makes Pillow warn.
    pixels = np.asarray(_read_png(path, name, check).convert("RGBA"), np.int32)
    return pixels[..., 0] + 256 * pixels[..., 1]


def read_numbers(path: str, name: str) -> np.ndarray:
    """Label numbers from a PNG with one channel: its values, or a palette's indices, `(h, w)` int32.

    Args:
        path: the file.
        name: what errors call it.

    Raises:
        DataError: it is no such file.
    """

    def check(picture):
        height, width = picture.size[::-1]
        if height * width > MAX_PIXELS:
            raise _wrong(name, f"announces {height} x {width} pixels", f"at most {MAX_PIXELS}")
        if picture.mode not in ("1", "L", "P") and not picture.mode.startswith("I"):
            raise _wrong(
                name,
                f"has pixels of the kind {_raw_mode(picture)}",
                "one channel of at most 16 bits, or a palette",
            )
        nonlocal spread
        spread = _SPREAD.get(_raw_mode(picture), 1)

    spread = 1
    values = np.asarray(_read_png(path, name, check))
    return values.astype(np.int32) // spread


def fitted_image(image: np.ndarray, size: tuple[int, int], fit: str) -> np.ndarray:
    """An image at the data set's size, as `kerasviz.data.load_image` makes it.

    Args:
        image: `(H, W, C)` uint8.
        size: (height, width) of the result.
        fit: "crop" or "stretch".
    """
    if image.shape[:2] == size:
        return image
    picture = Image.fromarray(image if image.shape[2] == 3 else image[..., 0])
    pixels = np.array(_resized(picture, size, _window(image.shape[:2], size, fit), Image.Resampling.BICUBIC))
    return pixels.reshape(*size, -1)


def fitted_labels(labels: np.ndarray, size: tuple[int, int], fit: str, image_size: tuple[int, int]) -> np.ndarray:
    """Labels at the data set's size: of the pixel that lies nearest to the centre of each.

    Args:
        labels: `(h, w)` int32, over the same scene as the image.
        size: (height, width) of the result.
        fit: how the image was fitted.
        image_size: what it was fitted to: the labels are cut as the image was, whatever the shape of `size`.
    """
    if labels.shape == size and fit == "stretch":
        return labels
    window = _window(labels.shape, image_size, fit)
    return np.array(_resized(Image.fromarray(labels), size, window, Image.Resampling.NEAREST))


def same_shape(labels: np.ndarray, image: np.ndarray) -> bool:
    """Whether a mask has the aspect ratio of its image, to one pixel of the mask."""
    (h, w), (height, width) = labels.shape, image.shape[:2]
    return abs(w * height - h * width) <= max(height, width)


def _window(shape, size, fit):
    """The part of a picture that is kept: left, top, right, bottom, in pixels and fractions of them."""
    height, width = shape
    if fit == "stretch":
        return 0, 0, width, height
    kept_width = min(width, height * size[1] / size[0])
    kept_height = min(height, width * size[0] / size[1])
    left, top = (width - kept_width) / 2, (height - kept_height) / 2
    return left, top, left + kept_width, top + kept_height


def _resized(picture, size, window, resampling):
    return picture.resize(size[::-1], resampling, box=window)


def _read_png(path, name, check):
    """Read a PNG file; `check` sees its header before anything is decoded."""
    try:
        # Pillow's own `open` would warn by a process-wide limit.
        with open(path, "rb") as stream:  # noqa: PTH123
            picture = PngImageFile(stream)
            check(picture)
            picture.load()
    except DataError:
        raise
    except Exception as error:  # damaged files make Pillow's readers raise nearly anything
        raise _wrong(name, f"cannot be read as PNG: {error or type(error).__name__}", "a whole PNG file") from error
    return picture


def _raw_mode(picture):
    return str(picture.tile[0][3])


def _wrong(name, fault, expected):
    return DataError(f"{name} {fault}", expected=expected, mend="Make the mask again")
