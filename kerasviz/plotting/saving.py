"""Writing pictures."""

import io
import json
import uuid
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kerasviz.errors import InputError, SaveError, SettingError
from kerasviz.plotting.arrays import to_numbers
from kerasviz.plotting.images import display_image


def save_png(path, image, metadata: Mapping | None = None, *, compression: int = 6) -> Path:
    """Writes a picture with text that says what it shows; the file is there whole or not at all.

    The same picture and text give the same bytes. Read the text by `PIL.Image.open(path).text`.

    Args:
        path: where to write; must end in `.png`, in a folder that exists. A file that is there is replaced.
        image: `uint8` `(H, W)`, `(H, W, 1)`, `(H, W, 3)` or `(H, W, 4)` is written as it is; anything else as
            `display_image` shows it.
        metadata: keywords, Latin-1 and 1 to 79 characters long, with values; those that are no strings are
            written as JSON.
        compression: from 0 to 9; 3 takes half the time of 6, for a tenth more bytes.

    Returns:
        The path.

    Raises:
        InputError: an image that cannot be drawn.
        SettingError: a keyword that PNG does not allow.
        SaveError: the file cannot be written, or its name does not end in `.png`.

    Example:
        >>> save_png("cat.png", np.zeros((24, 40, 3), np.uint8), {"method": "GradCAM", "target": 281}).name
        'cat.png'
    """
    from PIL import Image

    path = Path(path)
    if path.suffix.lower() != ".png":
        raise SaveError(f"{path.name!r} is no PNG file", expected="a name that ends in .png", mend="Rename it")
    picture = Image.fromarray(_pixels(image))
    text = _text(metadata or {})
    # Beside the target, for a rename cannot move between file systems.
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        try:
            picture.save(draft, format="PNG", pnginfo=text, compress_level=compression)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise SaveError(
            f"{str(path)!r} cannot be written: {error.strerror or error}",
            expected="a folder that exists and can be written to",
            mend="Create the folder, or choose another one",
        ) from error
    return path


def rendered(figure) -> np.ndarray:
    """A matplotlib figure as `(H, W, 3)` uint8."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return np.asarray(Image.open(buffer).convert("RGB"))


def _pixels(image) -> np.ndarray:
    array = to_numbers(image, "The image")
    if array.dtype == np.uint8 and (array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in (1, 3, 4))):
        return array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array
    picture = display_image(array)
    if picture.ndim != 3:
        raise InputError(
            f"The image has the shape {array.shape}, which is a batch",
            expected="one image",
            mend="Join the pictures by kerasviz.plotting.grid, or save them one by one",
        )
    return picture


def _text(metadata: Mapping):
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    for key, value in metadata.items():
        try:
            fits = isinstance(key, str) and 1 <= len(key.encode("latin-1")) <= 79 and key == key.strip()
        except UnicodeEncodeError:
            fits = False
        if not fits or "\0" in key:
            raise SettingError(
                f"The keyword {key!r} cannot stand in a PNG file",
                expected="1 to 79 Latin-1 characters without spaces at the ends",
                mend="Choose another keyword",
            )
        shown = value if isinstance(value, str) else json.dumps(value, default=_plain, ensure_ascii=False)
        # File names may hold bytes that are no Unicode.
        text.add_itxt(key, shown.encode("utf-8", "replace").decode("utf-8"))
    return text


def _plain(value):
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
