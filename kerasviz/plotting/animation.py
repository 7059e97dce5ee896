"""Moving pictures of how images came to be."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.plotting.images import display_image
from kerasviz.plotting.montage import grid, layout
from kerasviz.writing import write_files

#: How long the last frame stands, in seconds.
HOLD = 2.0
_TICK = 0.01  # seconds: GIF counts in hundredths
_SHORTEST = 0.02  # seconds: viewers slow down what is faster
_SMALLEST, _LARGEST = 128, 1200  # pixels of the longer side, of one image and of all
_PAD = 2


def sheets(pictures: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Frames that show all images side by side.

    Small images are enlarged by a whole factor, so that their pixels stay square and sharp; where all together would be
    wider or higher than 1200 pixels, they are made smaller.

    Args:
        pictures: `(S, N, H, W, C)` uint8 with 1 or 3 channels: N images at S moments.
        columns: images side by side; None for as near to a square as holds all.

    Returns:
        `(S, height, width, 3)` uint8.

    Raises:
        SettingError: `columns` is no number of columns.
    """
    height, width = pictures.shape[2:4]
    rows, columns = layout(pictures.shape[1], None, columns)
    larger = max(1, _SMALLEST // max(height, width))
    scale = min(1.0, _LARGEST / max(rows * height * larger, columns * width * larger)) * larger
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return np.stack([grid(_resized(display_image(frame), size), cols=columns, pad=_PAD) for frame in pictures])


def write_gif(path, frames: Sequence[np.ndarray], *, seconds: float = 4.0, hold: float = HOLD) -> Path:
    """Write frames as a GIF that repeats; the same frames give the same bytes.

    Each frame has 256 colours of its own. Frames equal to the one before make that one stand longer.

    Args:
        path: where to write; must end in `.gif`. A file that is there is replaced.
        frames: `(H, W, 3)` uint8 each, all of one size.
        seconds: how long all but the last frame take together; a frame stands for at least 0.02.
        hold: how long the last one stands.

    Returns:
        The path.

    Raises:
        InputError: there is no frame.
        SettingError: the name does not end in `.gif`, or a duration is no positive number.
        SaveError: it cannot be written.

    Example:
        >>> frames = np.zeros((3, 8, 8, 3), np.uint8)
        >>> frames[1:] = 255
        >>> write_gif("blink.gif", frames, seconds=0.2).name
        'blink.gif'
    """
    path = Path(path)
    if path.suffix.lower() != ".gif":
        raise SettingError(f"{path.name!r} is no GIF file", expected="a name that ends in .gif", mend="Rename it")
    for name, value in (("seconds", seconds), ("hold", hold)):
        if not (isinstance(value, int | float | np.number) and 0 < value < np.inf):
            raise SettingError(f"{name}={value!r}", expected="a positive number of seconds", mend=f"Use {name}=4")
    if not len(frames):
        raise InputError("There is no frame", expected="at least one", mend="Pass the frames")
    write_files(path.parent, {path.name: lambda draft: _save(draft, frames, seconds, hold)}, overwrite=True)
    return path


def _save(path, frames, seconds, hold):
    from PIL import Image

    each = max(seconds / max(1, len(frames) - 1), _SHORTEST)
    durations = [_milliseconds(each)] * (len(frames) - 1) + [_milliseconds(hold)]
    pictures = [_with_palette(Image.fromarray(np.ascontiguousarray(frame))) for frame in frames]
    first, *others = pictures
    first.save(path, format="GIF", save_all=True, append_images=others, duration=durations, loop=0, optimize=False)


def _milliseconds(seconds):
    return round(max(seconds, _SHORTEST) / _TICK) * round(1000 * _TICK)


def _with_palette(picture):
    from PIL import Image

    # No dithering: its grain would dance from frame to frame.
    return picture.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)


def _resized(pictures, size):
    import cv2

    if pictures.shape[1:3] == tuple(size):
        return pictures
    shrinks = size[0] < pictures.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    return np.stack([cv2.resize(picture, size[::-1], interpolation=how) for picture in pictures])
