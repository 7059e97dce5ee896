"""Reading what the user gave: numbers, axes, channels. Nothing here knows about colours."""

import numpy as np

from kerasviz.errors import InputError, SettingError

REDUCTIONS = {
    "sum": lambda values: values.sum(axis=-1),
    "mean": lambda values: values.mean(axis=-1),
    "abs_sum": lambda values: np.abs(values).sum(axis=-1),
    "max_abs": lambda values: np.abs(values).max(axis=-1),
}


def reduce_channels(values, how: str = "sum") -> np.ndarray:
    """Reduces the last axis to one value a pixel.

    Args:
        values: `(..., C)`, numbers of any type.
        how: `"sum"` keeps the sign and the completeness of an attribution (default); `"mean"` keeps the sign;
            `"max_abs"` is the largest magnitude (Simonyan et al. 2014, section 3.1); `"abs_sum"` adds the
            magnitudes, so that channels never cancel.

    Returns:
        `(...)`: `float64` for `float64` and integers, else `float32`, in which half precision cannot
        overflow.

    Raises:
        InputError: values without an axis, or that are not numbers.
        SettingError: an unknown reduction.

    Example:
        >>> reduce_channels([[3.0, -4.0]], "max_abs")
        array([4.])
    """
    check_reduction(how)
    array = to_numbers(values, "The values")
    if array.ndim < 1 or array.shape[-1] == 0:
        raise InputError(
            f"The values have the shape {array.shape}, without a channel to reduce",
            expected="an array whose last axis holds the channels",
            mend="Add the channel axis, or leave the reduction out",
        )
    wide = array.dtype == np.float64 or array.dtype.kind in "biu"
    return REDUCTIONS[how](array.astype(np.float64 if wide else np.float32))


def check_reduction(how) -> None:
    """Refuses a reduction that does not exist."""
    if not isinstance(how, str) or how not in REDUCTIONS:
        raise SettingError(
            f"The channels cannot be reduced by {how!r}",
            expected=f"one of {', '.join(map(repr, REDUCTIONS))}",
            mend="Choose one of these",
        )


def to_numbers(values, what: str) -> np.ndarray:
    """The argument as an array of real numbers, not copied where it is one already."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(
            f"{what} cannot be read as one array: {error}",
            expected="numbers in an array, all rows of one length",
            mend="Stack pictures of one size, or pass them one at a time",
        ) from error
    # TensorFlow's bfloat16 is of kind "V" with a cast to float; a record is "V" too, with field names.
    if array.dtype.kind not in "biufV" or array.dtype.names or array.dtype.name.startswith("void"):
        raise InputError(
            f"{what} holds values of type {array.dtype}",
            expected="real numbers",
            mend="Convert it to a numeric array, for example by np.asarray(x, dtype='float32')",
        )
    if array.size == 0:
        raise InputError(
            f"{what} is empty: its shape is {array.shape}",
            expected="at least one pixel",
            mend="Check how the array was made",
        )
    return array


def check_finite(batch: np.ndarray, what: str, *, single: bool = False) -> None:
    """Refuses NaN and infinity, and says in which sample they are.

    Args:
        batch: `(N, ...)` floats.
        what: what the array is, for the message: `"map"`.
        single: whether the user gave one sample, which then has no number.
    """
    finite = np.isfinite(batch).reshape(len(batch), -1)
    bad = np.flatnonzero(~finite.all(axis=1))
    if bad.size:
        first = bad[0]
        name = f"The {what}" if single else f"The {what} of sample {first}"
        others = f" (and those of {bad.size - 1} other samples)" if bad.size > 1 else ""
        kind = "NaN" if np.isnan(batch[first]).any() else "infinity"
        raise InputError(
            f"{name}{others} contains {kind}: {(~finite[first]).sum()} of {finite.shape[1]} values",
            expected="finite values only",
            mend="Look for a division by zero or an overflow where it was computed",
        )


def ends_in_channels(shape: tuple[int, ...]) -> bool:
    """Whether a shape of three axes is read as `(H, W, C)`; the rule of the package docstring."""
    return shape[-1] == 1 or (shape[-1] in (3, 4) and shape[-1] < min(shape[:-1]))


def to_maps(values, channels: str | bool | None, default: str) -> tuple[np.ndarray, bool]:
    """Maps as `(N, H, W)` finite `float64`, and whether the user gave a single one.

    Args:
        values: as *Shapes* in the package docstring allows.
        channels: the user's word about the last axis.
        default: the reduction where the user named none.
    """
    if channels not in (None, False):
        check_reduction(channels)
    array = to_numbers(values, "The map")
    if channels is None:
        reduces = array.ndim == 4 or (array.ndim == 3 and ends_in_channels(array.shape))
    else:
        reduces = channels is not False
    if array.ndim - reduces not in (2, 3):
        raise InputError(
            f"The map has the shape {array.shape}" + (f" with channels={channels!r}" if channels is not None else ""),
            expected="(H, W) or (N, H, W), either with a channel axis at the end",
            mend="For signals and volumes use kerasviz.plotting.plot",
        )
    single = array.ndim - reduces == 2
    array = array.astype(np.float64)
    if single:
        array = array[None]
    check_finite(array, "map", single=single)
    return (REDUCTIONS[channels or default](array) if reduces else array), single
