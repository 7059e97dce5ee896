"""What to show for an array that is an image, whatever a network wanted it to look like."""

import numpy as np

from kerasviz.errors import InputError
from kerasviz.plotting.arrays import check_finite, to_numbers
from kerasviz.plotting.notices import warn
from kerasviz.plotting.ranges import check_range

_GREY = 128
_SLACK = 1e-3  # by how much rounding and resizing may leave [0, 1] or [0, 255]


def display_image(image, *, value_range: tuple[float, float] | None = None) -> np.ndarray:
    """Makes a picture of an image array, decided for each image alone.

    `uint8` passes unchanged. Any other type is judged by its values:

    ========================================  =========================================================
    values                                    picture
    ========================================  =========================================================
    all within [0, 1]                         times 255
    all within [0, 255], the largest above 2  rounded
    anything else                             the smallest value black, the largest white; all channels
                                              together, so that colours keep their order
    ========================================  =========================================================

    So photographs that were standardized or scaled to [-1, 1] for a network are shown with their contrast
    stretched, not with their true brightness: give `value_range=(-1, 1)`, or the image before preprocessing.

    Args:
        image: `(H, W)`, `(H, W, 1)` grey; `(H, W, 3)` RGB; `(H, W, 4)` RGB with opacity, laid over white; any
            other number of channels is drawn as the grey mean of the channels, with a warning. Or a batch
            `(N, H, W, C)`.
        value_range: the values drawn black and white, instead of the rule above (also for `uint8`).

    Returns:
        `uint8`, `(H, W, 3)`, or `(N, H, W, 3)` for a batch.

    Raises:
        InputError: wrong shape or type, NaN or infinity (the sample is named).
        SettingError: `value_range` is not two increasing numbers.

    Example:
        >>> display_image([[0.0, 1.0]])[0, :, 0]
        array([  0, 255], dtype=uint8)
    """
    array = to_numbers(image, "The image")
    if array.ndim not in (2, 3, 4):
        raise InputError(
            f"The image has the shape {array.shape}",
            expected="(H, W), (H, W, C) or a batch (N, H, W, C)",
            mend="For signals and volumes use kerasviz.plotting.plot",
        )
    if value_range is not None:
        value_range = check_range(value_range, "value_range")
    batch = array if array.ndim == 4 else array.reshape(1, *array.shape[:2], -1)
    if batch.dtype != np.uint8:
        batch = batch.astype(np.float64)
        check_finite(batch, "image", single=array.ndim < 4)
    if batch.shape[-1] not in (1, 3, 4):
        warn(f"An image with {batch.shape[-1]} channels is drawn as their mean, in grey")
        batch = batch.mean(axis=-1, keepdims=True)
    pictures = np.stack([_draw(one, value_range) for one in batch])
    return pictures if array.ndim == 4 else pictures[0]


def fit(unit: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes a map `(h, w)` to (height, width): bilinear with half-pixel centres, averaged to shrink."""
    import cv2

    if unit.shape == tuple(size):
        return unit
    shrinks = size[0] < unit.shape[0] and size[1] < unit.shape[1]
    # OpenCV wants (width, height).
    return cv2.resize(
        np.ascontiguousarray(unit), size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )


def _draw(image: np.ndarray, value_range) -> np.ndarray:
    colors, opacity = image[..., :3], image[..., 3:]
    picture = _to_bytes(colors, value_range)
    if opacity.size:
        share = opacity / (1.0 if image.dtype != np.uint8 and opacity.max() <= 1 + _SLACK else 255.0)
        picture = np.round(255 + (picture - 255.0) * np.clip(share, 0, 1)).astype(np.uint8)
    return np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture


def _to_bytes(colors: np.ndarray, value_range) -> np.ndarray:
    if colors.dtype == np.uint8 and value_range is None:
        return colors
    low, high = value_range or _judge(colors)
    if low == high:
        warn("A constant image outside the usual ranges is drawn in grey")
        return np.full(colors.shape, _GREY, np.uint8)
    return np.round((np.clip(colors, low, high) - low) * (255 / (high - low))).astype(np.uint8)


def _judge(colors: np.ndarray) -> tuple[float, float]:
    low, high = float(colors.min()), float(colors.max())
    if low >= -_SLACK and high <= 1 + _SLACK:
        return 0.0, 1.0
    # A largest value between 1 and 2 is a [0, 1] image that overshot, not an almost black one of 0..255.
    if low >= -255 * _SLACK and 2 < high <= 255 * (1 + _SLACK):
        return 0.0, 255.0
    return low, high
