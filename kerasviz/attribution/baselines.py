"""Baselines: what an image is compared with, where nothing is seen."""

import numpy as np

from kerasviz.errors import InputError


def baseline_like(array: np.ndarray, given, name: str) -> np.ndarray:
    """The baseline of each sample of an input.

    Args:
        array: the input, `(N, …)`.
        given: a number, an array of one sample's shape or of the batch's, or a callable that makes one from `array`.
        name: of the input, for errors.

    Returns:
        An array of the shape and dtype of `array`; do not write to it.

    Raises:
        InputError: it does not fit, or is not finite.
    """
    try:
        values = np.asarray(given(array) if callable(given) else given).astype(array.dtype)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The baseline of the input {name!r} is no array of numbers: {error}",
            expected="a number, an array, a dict of these, or a callable that returns one",
            mend="Make the baseline of an image as the image itself is made",
        ) from error
    if values.shape not in ((), array.shape[1:], array.shape) or not np.isfinite(values).all():
        raise InputError(
            f"The baseline of the input {name!r} has the shape {values.shape}, or values that are not finite",
            expected=f"a number, or the shape {array.shape[1:]} or {array.shape}",
            mend="Make the baseline of an image as the image itself is made",
        )
    return np.broadcast_to(values, array.shape)
