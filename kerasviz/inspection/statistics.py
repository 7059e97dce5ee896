"""The numbers of one array, in one pass."""

import math
from dataclasses import dataclass

import numpy as np

#: Values that are looked at together: few enough that they stay in the processor's cache.
_BLOCK = 1 << 17


@dataclass(frozen=True)
class Statistics:
    """What an array holds. `minimum`, `maximum`, `mean` and `deviation` are those of its finite values, or None.

    Attributes:
        minimum: the smallest value.
        maximum: the largest value.
        mean: the mean, computed in float64.
        deviation: the standard deviation (divided by the number of values), computed in float64.
        zeros: how many values are zero.
        nan: how many are NaN.
        infinite: how many are infinite.
    """

    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    deviation: float | None = None
    zeros: int = 0
    nan: int = 0
    infinite: int = 0

    @property
    def largest(self) -> float:
        """The largest magnitude; 0 where nothing is finite."""
        return 0.0 if self.minimum is None else max(abs(self.minimum), abs(self.maximum))


def statistics(array: np.ndarray) -> Statistics:
    """The numbers of an array of any numeric dtype, half precision and float8 of `ml_dtypes` included.

    Example:
        >>> found = statistics(np.array([0.0, 2.0, 0.0, -2.0, np.nan]))
        >>> found.mean, round(found.deviation, 3), found.zeros, found.nan
        (0.0, 1.414, 2, 1)
    """
    flat = array.reshape(-1)
    count, mean, squares = 0, 0.0, 0.0
    low, high, zeros, nan, infinite = math.inf, -math.inf, 0, 0, 0
    for start in range(0, flat.size, _BLOCK):
        block = flat[start : start + _BLOCK].astype(np.float64)
        zeros += block.size - int(np.count_nonzero(block))
        with np.errstate(over="ignore", invalid="ignore"):
            finite = math.isfinite(block.sum())
        if not finite:
            is_nan = np.isnan(block)
            nan += int(np.count_nonzero(is_nan))
            infinite += int(np.count_nonzero(np.isinf(block)))
            block = block[np.isfinite(block)]
            if not block.size:
                continue
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        # Chan, Golub and LeVeque 1983: sums of squares about the means of parts, which lose no digits.
        with np.errstate(over="ignore", invalid="ignore"):
            own = block.mean()
            block -= own
            further, total = own - mean, count + block.size
            squares += float(block @ block) + further**2 * count * block.size / total
        mean, count = mean + further * block.size / total, total
    if not count:
        return Statistics(zeros=zeros, nan=nan, infinite=infinite)
    deviation = math.sqrt(squares / count) if math.isfinite(squares) else None
    return Statistics(low, high, float(mean), deviation, zeros, nan, infinite)
