"""Where parameters begin: what is drawn for each image, and images that somebody gave."""

import numpy as np

from kerasviz.errors import InputError
from kerasviz.synthesis.spaces import ImageSpace


def drawn(shapes: list[tuple], count: int, seed: int, deviation: float) -> list[np.ndarray]:
    """Gaussian noise around 0, the same for image `i` whatever the number of images.

    Args:
        shapes: of the arrays of one image.
        count: how many images.
        seed: image `i` draws from `numpy.random.default_rng([seed, i])`, its arrays in their order.
        deviation: the standard deviation.

    Returns:
        For each shape a float32 array `(count, *shape)`.
    """
    arrays = [np.empty((count, *shape), np.float32) for shape in shapes]
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        for array in arrays:
            array[i] = deviation * rng.standard_normal(array.shape[1:])
    return arrays


def checked_images(images, space: ImageSpace) -> np.ndarray:
    """Images to begin with, in units as float64.

    Values may leave the range by a thousandth of it, as rounding does, and are cut off there.

    Args:
        images: `(count, *space.shape)`, in the values of the space.
        space: of the images.

    Raises:
        InputError: another shape, NaN or infinite values, or values out of the range of the space.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1:] != space.shape or len(images) == 0:
        raise InputError(
            f"The images to begin with have the shape {images.shape}",
            expected=f"(count, {', '.join(map(str, space.shape))})",
            mend="Resize them, and keep the batch axis",
        )
    if images.dtype.kind not in "fbui" or not np.isfinite(images).all():
        raise InputError(
            "The images to begin with hold values that are no finite numbers",
            expected="finite numbers",
            mend="Look at how they were made",
        )
    units = space.unit(images.astype(np.float64))
    if not space.bounded:
        return units
    if units.min() < -1e-3 or units.max() > 1 + 1e-3:
        raise InputError(
            f"The images to begin with have values from {images.min():g} to {images.max():g}",
            expected=f"values from {space.low:g} to {space.high:g}",
            mend="Give the images as they are before the network's preprocessing, in its range of values",
        )
    return units.clip(0, 1)
