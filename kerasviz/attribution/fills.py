"""What stands where a part of an image is hidden."""

from collections.abc import Sequence
from numbers import Real

import cv2
import numpy as np

from kerasviz.attribution.baselines import baseline_like
from kerasviz.errors import InputError, SettingError

#: The width of the blur, a standard deviation as a share of an axis's length: a quarter of it is no longer seen.
_BLUR = 0.1


def fill_like(array: np.ndarray, fill, name: str, seed: int = 0) -> np.ndarray:
    """The image of which hidden parts are made, for each sample of an input.

    Args:
        array: the input, `(N, *space, C)`.
        fill: "grey" for the middle of each image's own range; "mean" for its mean colour; "blur" for a blurred copy;
            "noise" for Gaussian noise with the mean and deviation of each of its channels; a number; a colour of C
            numbers; an array of one sample's shape or of the batch's; or a callable that makes one from `array`.
            Numbers and arrays are in the units of the input as the model takes it.
        name: of the input, for errors.
        seed: of the noise. All images get the same draw, so that none depends on its batch mates.

    Returns:
        An array of the shape and dtype of `array`; do not write to it.

    Raises:
        InputError: an array does not fit, is not finite, or would have to be rounded for an input of integers.
        SettingError: the name of a fill is unknown.
    """
    if isinstance(fill, str):
        if fill not in NAMED:
            raise SettingError(
                f"fill={fill!r}",
                expected=f"{', '.join(map(repr, NAMED))}, a number, a colour, an array or a callable",
                mend='Leave it out for "grey"',
            )
        made = NAMED[fill](array.astype(np.float64), seed)
        made = made if array.dtype.kind == "f" else np.clip(np.rint(made), *_limits(array.dtype))
        return np.broadcast_to(made, array.shape).astype(array.dtype)
    given = fill(array) if callable(fill) else fill
    if _is_colour(given, array.shape[-1]):
        given = np.broadcast_to(np.asarray(given), array.shape[1:])
    if array.dtype.kind == "f":
        return baseline_like(array, given, name)
    made = baseline_like(array.astype(np.float64), given, name)
    if (made != np.clip(np.rint(made), *_limits(array.dtype))).any():
        raise InputError(
            f"The fill of the input {name!r} has fractions, or numbers that {array.dtype} does not hold",
            expected="whole numbers from {} to {}".format(*_limits(array.dtype)),
            mend="The model takes integers here: give the fill in their units, and round it",
        )
    return made.astype(array.dtype)


def described(fill):
    """A fill as a setting that can be written down."""
    if isinstance(fill, str):
        return fill
    if isinstance(fill, Real):
        return float(fill)
    if isinstance(fill, Sequence):
        return list(fill)
    return getattr(fill, "__name__", type(fill).__name__)


def _is_colour(fill, channels):
    if isinstance(fill, np.ndarray):
        return fill.shape == (channels,)
    return isinstance(fill, Sequence) and len(fill) == channels and all(isinstance(n, Real) for n in fill)


def _limits(dtype):
    info = np.iinfo(dtype)
    return info.min, info.max


def _grey(array, seed):
    axes = tuple(range(1, array.ndim))
    return (array.min(axes, keepdims=True) + array.max(axes, keepdims=True)) / 2


def _mean(array, seed):
    return array.mean(tuple(range(1, array.ndim - 1)), keepdims=True)


def _blur(array, seed):
    for axis in range(1, array.ndim - 1):
        moved = np.moveaxis(array, axis, 0)
        deviation = max(_BLUR * len(moved), 0.5)
        # Vertically alone, each axis in its turn: OpenCV knows pictures, and this knows any number of axes.
        rows = cv2.GaussianBlur(moved.reshape(len(moved), -1), (1, 0), sigmaX=deviation, sigmaY=deviation)
        array = np.moveaxis(rows.reshape(moved.shape), 0, axis)
    return array


def _noise(array, seed):
    axes = tuple(range(1, array.ndim - 1))
    unit = np.random.default_rng(seed).standard_normal(array.shape[1:])
    return array.mean(axes, keepdims=True) + unit * array.std(axes, keepdims=True)


NAMED = {"grey": _grey, "mean": _mean, "blur": _blur, "noise": _noise}
