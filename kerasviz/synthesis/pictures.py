"""Images as the 8-bit pictures that a file holds, and back."""

import numpy as np

_TOP = 255


def to_picture(images: np.ndarray, low: float, high: float) -> np.ndarray:
    """The nearest of the 256 levels from `low` to `high`, uint8 of the same shape.

    Args:
        images: values from `low` to `high`.
        low: black.
        high: white.
    """
    unit = (np.asarray(images, np.float64) - low) / (high - low)
    return np.rint(unit * _TOP).clip(0, _TOP).astype(np.uint8)


def from_picture(pictures: np.ndarray, low: float, high: float) -> np.ndarray:
    """The values that the levels of a picture stand for, float32 of the same shape.

    Args:
        pictures: uint8.
        low: black.
        high: white.
    """
    # In this order 0..255 comes back exactly, and no value leaves the range.
    return (low + pictures.astype(np.float64) * ((high - low) / _TOP)).clip(low, high).astype(np.float32)


def rounded(images: np.ndarray, low: float, high: float) -> np.ndarray:
    """Images after they were written to a picture file and read again, float32 of the same shape."""
    return from_picture(to_picture(images, low, high), low, high)
