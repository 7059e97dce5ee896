"""From the bytes of a picture file to an upright 8-bit picture."""

import struct
import warnings
from typing import BinaryIO

import numpy as np
from PIL import Image

from kerasviz.errors import ImageError, KerasvizWarning

# Raster formats, each with a signature of its own. EPS and WMF are left out on purpose: Pillow hands them to
# other programs.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "ICO")

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(stream: BinaryIO, name: str, *, channels: int, max_pixels: int) -> Image.Image:
    """Decode the first frame of a picture.

    Args:
        stream: a seekable binary file.
        name: what errors call the file.
        channels: 3 for a picture of mode `RGB`, 1 for mode `L`.
        max_pixels: the most pixels the header may announce.

    Returns:
        The picture, turned upright. `kerasviz.data.load_image` states how each kind of pixel is read.

    Raises:
        ImageError: the file is empty, no picture, too large, damaged, or its values have no 8-bit meaning.
    """
    picture = _read_header(stream, name)
    width, height = picture.size
    if width * height > max_pixels:
        raise ImageError(
            f"{name} announces {width} x {height} = {width * height} pixels",
            expected=f"at most max_pixels={max_pixels}, since a small file can unpack to fill the memory",
            mend="Raise max_pixels if you trust the file, or make the picture smaller",
        )
    try:
        picture.load()
        # Only after load(): it turns TIFF files itself, and in PNG files EXIF may follow the pixels.
        turn = _UPRIGHT.get(_orientation(picture, name))
        flat = _flatten(picture, name)
    except (ImageError, KerasvizWarning):
        raise
    except Exception as error:  # damaged files make Pillow's readers raise nearly anything
        raise _damaged(name, error) from error
    upright = flat if turn is None else flat.transpose(turn)
    return upright if channels == 3 else upright.convert("L")


def _read_header(stream, name):
    # Image.open would compare the size with Pillow's process-wide limit, and warn, before we can.
    Image.init()
    stream.seek(0)
    prefix = stream.read(16)
    if not prefix:
        raise ImageError(
            f"{name} is empty (0 bytes)", expected="a picture file", mend="Copy or download the file again"
        )
    supported = {kind: Image.OPEN[kind] for kind in FORMATS if kind in Image.OPEN}
    for factory, accepts in supported.values():
        if accepts(prefix) is not True:  # a string says that Pillow was built without the format
            continue
        stream.seek(0)
        try:
            return factory(stream, name)
        except Exception as error:  # as in decode()
            raise _damaged(name, error) from error
    raise ImageError(
        f"{name} is not a picture: no known format begins with {prefix[:8]!r}",
        expected="one of " + ", ".join(supported),
        mend="Look at what the file really holds, whatever its name ends with, or save it as PNG or JPEG",
    )


def _damaged(name, error):
    return ImageError(
        f"{name} cannot be decoded: {error or type(error).__name__}",
        expected="a whole picture file in a common colour mode",
        mend="Copy or download the file again, or open it in a viewer and save it as PNG",
    )


def _orientation(picture, name):
    try:
        return picture.getexif().get(_ORIENTATION)
    except (SyntaxError, ValueError, TypeError, KeyError, EOFError, struct.error) as error:
        warnings.warn(
            f"The EXIF data of {name} are damaged ({error}): the picture is taken to be upright.",
            KerasvizWarning,
            stacklevel=5,
        )
        return None


def _flatten(picture, name):
    if picture.mode == "F" or picture.mode.startswith("I"):
        return Image.fromarray(_wide_to_8_bits(picture, name)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def _wide_to_8_bits(picture, name):
    values = np.asarray(picture)
    low, high = values.min(), values.max()
    # Pillow versions differ in whether a 16-bit PNG or PGM is "I;16" or "I".
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in ("PNG", "PPM")):
        white = 65535
    elif picture.mode == "F" and low >= 0 and high <= 1:
        white = 1
    elif low >= 0 and high <= 255:
        white = 255
    elif picture.mode == "I" and low >= 0 and high <= 65535:
        white = 65535
    else:
        raise ImageError(
            f"{name} holds numbers from {low:g} to {high:g}, of which no range is black to white",
            expected="0..1 or 0..255 in a floating-point file, 0..255 or 0..65535 in an integer one",
            mend="Scale the numbers to one of these ranges and save the picture again",
        )
    return np.rint(values * (255 / white)).astype(np.uint8)
