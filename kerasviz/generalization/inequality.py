"""The Gini coefficient: how unevenly something is shared out."""

import numpy as np

from kerasviz.errors import InputError


def gini(values) -> float:
    """The Gini coefficient of non-negative numbers: 0 if all are equal, (N − 1) / N if one of them has everything.

    The mean absolute difference of all pairs, N² of them, over twice the mean: Σᵢⱼ |xᵢ − xⱼ| / (2 N² x̄). It is
    computed from the sorted values, in O(N log N), and does not depend on their order or unit. Where the values are a
    sample of something larger it comes out too small, by about (N − 1) / N; it is not corrected for that, so compare
    coefficients of the same N.

    Args:
        values: (N,) numbers from 0 up. If all are 0 they are equal: the coefficient is 0.

    Raises:
        InputError: they are not one row of numbers, there are none, or one is negative, NaN or infinite.

    Example:
        >>> gini([1, 1, 1, 1]), gini([0, 0, 0, 8]), gini([1, 3])
        (0.0, 0.75, 0.25)
    """
    ordered = np.sort(checked_shares(values))
    count, most = len(ordered), ordered[-1]
    if most == 0:
        return 0.0
    # By a power of two, which changes no digit: so that no sum overflows.
    ordered = np.ldexp(ordered, -np.frexp(most)[1])
    # The smallest against the largest, and so on inwards: no term is negative, and those of equal values are 0.
    half = count // 2
    spread = (count - 1 - 2 * np.arange(half)) @ (ordered[::-1][:half] - ordered[:half])
    return float(spread / (count * ordered.sum()))


def checked_shares(values) -> np.ndarray:
    """A float64 copy of a row of non-negative numbers.

    Raises:
        InputError: as for `gini`.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty((), object)
    if array.dtype.kind not in "biuf" or array.ndim != 1 or not len(array):
        raise InputError(
            f"The values have the shape {array.shape} and the type {array.dtype}",
            expected="a row of numbers (N,), at least one",
            mend="Flatten them with np.ravel, or take one number for each sample",
        )
    array = array.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(array) | (array < 0))
    if len(wrong):
        raise InputError(
            f"The values at {wrong[:10].tolist()} are negative or not finite: {array[wrong[:10]].tolist()}",
            expected="finite numbers from 0 up",
            mend="Shares of a whole cannot be negative: take absolute values or norms",
        )
    return array
