"""Images moved, enlarged and turned."""

import math
from numbers import Real

import cv2
import numpy as np

from kerasviz.errors import SettingError

#: The amount of each transform that leaves an image as it is.
NEUTRAL = {"vertical_translation": 0.0, "horizontal_translation": 0.0, "scale": 1.0, "rotation": 0.0}
_BORDERS = {"edge": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT_101}


def leaves_alone(transform: str, amount: float) -> bool:
    """Whether an amount of a transform changes nothing."""
    return (amount % 360 if transform == "rotation" else amount) == NEUTRAL[transform]


def warp(images: np.ndarray, transform: str, amount: float, border="edge") -> np.ndarray:
    """Move, enlarge or turn images about their centre.

    Between pixels it interpolates linearly, at places rounded to 1/32 of a pixel (OpenCV's `warpAffine`). Whole
    pixels of translation and, in square images, quarter turns move values and change none. Shrinking does not smooth
    first: what has finer detail than its new pixels is sampled.

    Args:
        images: `(N, H, W, C)`.
        transform: "vertical_translation" or "horizontal_translation" by pixels, down and to the right if positive;
            "scale" by a factor, above 1 enlarges; "rotation" by degrees, counter-clockwise as seen.
        amount: how far.
        border: what comes in from outside: "edge" repeats the outermost pixels, "reflect" mirrors the image at them, a
            number is the value there.

    Returns:
        `(N, H, W, C)` float32.

    Raises:
        SettingError: an unknown transform or border, or an amount that is no number in its range.

    Example:
        >>> row = np.arange(4.0).reshape(1, 1, 4, 1)
        >>> warp(row, "horizontal_translation", 1)[0, 0, :, 0]
        array([0., 0., 1., 2.], dtype=float32)
    """
    check(transform, amount, border)
    height, width = images.shape[1:3]
    matrix = _source_of(transform, float(amount), (width - 1) / 2, (height - 1) / 2)
    mode = _BORDERS.get(border, cv2.BORDER_CONSTANT) if isinstance(border, str) else cv2.BORDER_CONSTANT
    value = (0.0 if isinstance(border, str) else float(border),) * 4
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = np.empty(images.shape, np.float32)
    for image, out in zip(images.astype(np.float32), warped, strict=True):
        for channel in range(image.shape[-1]):
            # One at a time, for OpenCV takes at most four.
            plane = np.ascontiguousarray(image[..., channel])
            out[..., channel] = cv2.warpAffine(
                plane, matrix, (width, height), flags=flags, borderMode=mode, borderValue=value
            )
    return warped


def check(transform: str, amount, border) -> None:
    """Refuse what `warp` cannot do.

    Raises:
        SettingError: as for `warp`.
    """
    if transform not in NEUTRAL:
        raise SettingError(
            f"There is no transform {transform!r}",
            expected=f"one of {', '.join(map(repr, NEUTRAL))}",
            mend="Choose among these",
        )
    number = isinstance(amount, Real) and not isinstance(amount, bool | np.bool_) and math.isfinite(amount)
    if not number or (transform == "scale" and amount <= 0):
        raise SettingError(
            f"The {transform} cannot be {amount!r}",
            expected={"scale": "a factor above 0", "rotation": "degrees"}.get(transform, "a number of pixels"),
            mend="Leave it out",
        )
    constant = isinstance(border, Real) and not isinstance(border, bool) and math.isfinite(border)
    if not constant and not (isinstance(border, str) and border in _BORDERS):
        raise SettingError(f"border={border!r}", expected='"edge", "reflect" or a number', mend="Leave it out")


def _source_of(transform, amount, x, y):
    """The matrix from a pixel `(x, y, 1)` of the warped image to where it comes from."""
    if transform == "vertical_translation":
        return np.array([[1, 0, 0], [0, 1, -amount]], np.float64)
    if transform == "horizontal_translation":
        return np.array([[1, 0, -amount], [0, 1, 0]], np.float64)
    if transform == "scale":
        a, b = 1 / amount, 0.0
    else:
        # Quarter turns exactly, which the cosine of pi / 2 is not.
        quarters, rest = divmod(amount % 360, 90)
        a, b = (math.cos(math.radians(rest)), math.sin(math.radians(rest))) if rest else (1.0, 0.0)
        for _ in range(int(quarters)):
            a, b = -b, a
    return np.array([[a, -b, x - a * x + b * y], [b, a, y - b * x - a * y]], np.float64)
