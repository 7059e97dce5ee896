"""Picture files as arrays."""

import difflib
import io
import operator
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps

from kerasviz.data import preprocessing
from kerasviz.data.decoding import decode
from kerasviz.errors import ImageError, SettingError

FITS = ("crop", "pad", "stretch")
MAX_PIXELS = 178_956_970  # 512 MiB of RGB: where Pillow, too, refuses by default


def load_image(
    file: str | Path | BinaryIO,
    size: int | tuple[int, int] | None = None,
    *,
    fit: str = "crop",
    channels: int = 3,
    central_fraction: float = 1.0,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Read one picture file as it is meant to be seen.

    The picture is turned upright by its EXIF orientation. Palettes are looked up and CMYK becomes RGB; colour
    profiles are ignored, as they are when networks are trained. Transparent pixels are laid over white, the
    page that such pictures are drawn for. 16-bit values are divided by 257, so that 65535 is white. Other
    integers and floating-point numbers count as 0..255 where all lie there (floating point as 0..1 where all
    lie there, integers beyond 255 as 0..65535). Of an animation or a multi-page file the first frame is read.

    Resizing is Pillow's bicubic filter, widened when it shrinks a picture so that it averages every pixel it
    covers. The default resizing of OpenCV and of `tf.image` instead skips pixels: it makes patterns that
    were not in the scene, and a gradient shows them. Bicubic is what EfficientNet was trained with.

    Args:
        file: a path, or a seekable binary file, which stays open.
        size: (height, width) of the result, or one int for both; None keeps the picture's own.
        fit: how the picture meets another aspect ratio. `"crop"` scales it until it covers `size` and keeps
            the centre: nothing is distorted, so it is the default. `"pad"` scales it to lie within `size`, on
            black. `"stretch"` scales the two sides independently.
        channels: 3 for RGB, 1 for grey (ITU-R 601 luma).
        central_fraction: with `fit="crop"`, the part of the covering crop that is kept, from over 0 to 1. The
            default 1 keeps as much of the picture as fits. ImageNet networks are commonly tested with 0.875
            (224 of 256 pixels): give that to repeat published figures.
        max_pixels: the most pixels a file's header may announce; beyond, nothing is decoded.

    Returns:
        (height, width, channels) uint8, a new array.

    Raises:
        ImageError: the file is missing, a folder, empty, not a picture, damaged, or larger than `max_pixels`;
            the message names it.
        SettingError: a setting is out of range.

    Example:
        >>> import io, kerasviz as kv
        >>> pgm = io.BytesIO(b"P2 2 1 255 0 255")
        >>> kv.data.load_image(pgm).tolist()
        [[[0, 0, 0], [255, 255, 255]]]
    """
    return _reader(size, fit, channels, central_fraction, max_pixels)(file)


def load_images(
    files: str | Path | BinaryIO | Iterable[str | Path | BinaryIO],
    size: int | tuple[int, int] | None = (224, 224),
    preprocess: str | Callable[[np.ndarray], Any] | None = None,
    *,
    fit: str = "crop",
    channels: int = 3,
    central_fraction: float = 1.0,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Read picture files into one batch for a network.

    Args:
        files: the files in the order wanted, or a single one. `find_images` lists a folder's.
        size: as for `load_image`. With None all pictures must have the same size.
        preprocess: a mode of `kerasviz.data.preprocess`; None keeps 0..255.
        fit: as for `load_image`.
        channels: as for `load_image`.
        central_fraction: as for `load_image`.
        max_pixels: as for `load_image`, for each file.

    Returns:
        (N, height, width, channels) float32.

    Raises:
        ImageError: as for `load_image`, at the first bad file; or there are no files; or `size` is None and
            the pictures differ in size.
        SettingError: a setting is out of range.
        InputError: as for `preprocess`.

    Example:
        >>> import io, kerasviz as kv
        >>> dot = io.BytesIO(b"P2 1 1 255 255")
        >>> kv.data.load_images([dot, dot], size=(4, 6), preprocess="tf").mean(axis=(1, 2, 3)).tolist()
        [1.0, 1.0]
    """
    read = _reader(size, fit, channels, central_fraction, max_pixels)
    preprocessing.check_mode(preprocess)
    files = _as_list(files)
    if not files:
        raise ImageError("No picture files were given", expected="at least one", mend="List the files to read")
    images = []
    for file in files:
        images.append(read(file))
        if images[-1].shape != images[0].shape:
            raise ImageError(
                f"{_name(file)} is {images[-1].shape[0]} x {images[-1].shape[1]} pixels (height x width) "
                f"and {_name(files[0])} is {images[0].shape[0]} x {images[0].shape[1]}",
                expected="pictures of one size, since size=None keeps each picture's own",
                mend="Give size=(height, width)",
            )
    return preprocessing.preprocess(np.stack(images), preprocess)


def read_images(
    files: str | Path | BinaryIO | Iterable[str | Path | BinaryIO],
    size: int | tuple[int, int] | None = None,
    *,
    fit: str = "crop",
    channels: int = 3,
    central_fraction: float = 1.0,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[tuple[str | Path | BinaryIO, np.ndarray | ImageError]]:
    """Read picture files one after another, bad ones among them.

    One picture is in memory at a time. Settings are checked at the call, not at the first picture.

    Args:
        files: as for `load_images`.
        size: as for `load_image`.
        fit: as for `load_image`.
        channels: as for `load_image`.
        central_fraction: as for `load_image`.
        max_pixels: as for `load_image`.

    Returns:
        An iterator of (file, image) in the order given, where image is what `load_image` returns, or, for a
        bad file, the `ImageError` that it raises.

    Raises:
        SettingError: a setting is out of range.

    Example:
        >>> import kerasviz as kv
        >>> for path, image in kv.data.read_images(["missing.png"], size=224):
        ...     print(path, "skipped" if isinstance(image, kv.errors.ImageError) else image.mean())
        missing.png skipped
    """
    read = _reader(size, fit, channels, central_fraction, max_pixels)
    files = _as_list(files)

    def pairs():
        for file in files:
            try:
                image = read(file)
            except ImageError as error:
                image = error
            yield file, image

    return pairs()


def _reader(size, fit, channels, central_fraction, max_pixels):
    """Check the settings, and return the function that reads one file with them."""
    size = _check_size(size)
    if fit not in FITS:
        near = difflib.get_close_matches(str(fit), FITS, n=1)
        raise SettingError(
            f"fit={fit!r} is unknown",
            expected=f"one of {', '.join(map(repr, FITS))}",
            mend=f"Did you mean {near[0]!r}?" if near else "Choose one of these",
        )
    if channels not in (1, 3):
        raise SettingError(
            f"channels={channels!r}", expected="3 (RGB) or 1 (grey)", mend="Take what the network's input has"
        )
    if not 0 < central_fraction <= 1:
        raise SettingError(
            f"central_fraction={central_fraction!r}",
            expected="over 0, at most 1",
            mend="Give 1 to cut nothing",
        )
    if central_fraction != 1 and (fit != "crop" or size is None):
        raise SettingError(
            f"central_fraction={central_fraction!r} together with fit={fit!r} and size={size!r}",
            expected="a crop to a size, which is all that it changes",
            mend="Leave it out, or give fit='crop' and a size",
        )
    if not max_pixels > 0:
        raise SettingError(
            f"max_pixels={max_pixels!r}",
            expected="a positive number",
            mend="Leave it out for the usual limit",
        )

    def read(file):
        name = _name(file)
        stream = _open(file, name)
        try:
            picture = decode(stream, name, channels=channels, max_pixels=max_pixels)
        finally:
            if stream is not file:
                stream.close()
        pixels = np.array(picture if size is None else _fit(picture, size, fit, central_fraction))
        return pixels if channels == 3 else pixels[..., None]

    return read


def _check_size(size):
    if size is None:
        return None
    try:
        height, width = (size, size) if np.ndim(size) == 0 else size
        height, width = operator.index(height), operator.index(width)
    except (TypeError, ValueError):
        height = width = 0
    if height < 1 or width < 1:
        raise SettingError(
            f"size={size!r}",
            expected="(height, width), or one number for both",
            mend="Give whole numbers over 0",
        )
    return height, width


def _fit(picture, size, fit, central_fraction):
    height, width = size
    bicubic = Image.Resampling.BICUBIC
    if fit == "stretch":
        return picture.resize((width, height), bicubic)
    if fit == "crop":
        return ImageOps.fit(picture, (width, height), bicubic, bleed=(1 - central_fraction) / 2)
    # Not ImageOps.pad, which rounds the short side of a very long picture to 0 and fails.
    scale = min(width / picture.width, height / picture.height)
    inner = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    canvas = Image.new(picture.mode, (width, height))
    canvas.paste(picture.resize(inner, bicubic), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def _is_path(file):
    return isinstance(file, str | os.PathLike)


def _as_list(files):
    return [files] if _is_path(files) or hasattr(files, "read") else list(files)


def _name(file):
    return str(file) if _is_path(file) else str(getattr(file, "name", "the given file object"))


def _open(file, name):
    if not _is_path(file):
        if not hasattr(file, "read") or isinstance(file, io.TextIOBase):
            raise ImageError(
                f"A {type(file).__name__} cannot be read as a picture file",
                expected="a path, or a file opened in binary mode",
                mend="Give the path, or open the file with mode 'rb'",
            )
        return file if file.seekable() else io.BytesIO(file.read())
    path = Path(file)
    if path.is_dir():
        raise ImageError(
            f"{name} is a folder",
            expected="a picture file",
            mend="List its pictures with kerasviz.data.find_images",
        )
    if path.exists() and not path.is_file():  # a pipe or a device, which may never end
        raise ImageError(f"{name} is not a regular file", expected="a picture file", mend="Save it to a file")
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise ImageError(
            f"{name} does not exist (looked from {Path.cwd()})",
            expected="a picture file",
            mend="Check the spelling and the folder",
        ) from None
    except (OSError, ValueError) as error:
        raise ImageError(
            f"{name} cannot be opened: {error}",
            expected="a readable file",
            mend="Check its name and permissions",
        ) from error
