"""Which values the two ends of a colour map stand for."""

import numpy as np

from kerasviz.errors import SettingError
from kerasviz.plotting.notices import warn

# Below these fractions of a map's largest magnitude, differences are rounding errors of float32, and negative
# values are overshoots of an interpolation.
_CONSTANT = 1e-6
_NEGATIVE = 0.01

Scale = str | tuple[float, float]


def limits(maps: np.ndarray, *, signed: bool, percentile: float, scale: Scale) -> np.ndarray:
    """The range of each map, by the rule *Range* of the package docstring.

    Args:
        maps: `(N, ...)` finite floats.
        signed: whether zero is the middle of the range, or its lower end.
        percentile: in (0, 100], over the pixels of a map or of the batch.
        scale: `"image"`, `"batch"` or `(low, high)`.

    Returns:
        `(N, 2)`: low and high; equal to each other for a map without a range.

    Raises:
        SettingError: a percentile or a scale that makes no sense.
    """
    _check_percentile(percentile)
    fixed = check_scale(scale)
    if fixed is not None:
        low, high = fixed
        if signed:
            low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
        return np.tile([low, high], (len(maps), 1)).astype(np.float64)

    groups = maps.reshape(len(maps) if scale == "image" else 1, -1)
    largest = np.abs(groups).max(axis=1)
    shown = np.abs(groups) if signed else np.maximum(groups, 0)
    high = np.percentile(shown, percentile, axis=1)
    high = np.where(high > 0, high, shown.max(axis=1))
    constant = groups.max(axis=1) - groups.min(axis=1) <= _CONSTANT * largest
    negative = ~constant & (groups.min(axis=1) < -_NEGATIVE * largest) & (not signed)
    _warn_of(constant, negative, scale)
    high = np.where(constant, 0.0, high)
    ranges = np.stack([-high if signed else np.zeros_like(high), high], axis=1)
    return ranges if scale == "image" else np.repeat(ranges, len(maps), axis=0)


def normalize(maps: np.ndarray, ranges: np.ndarray, *, signed: bool) -> np.ndarray:
    """Maps in units of their ranges: [-1, 1] if signed, else [0, 1]; 0 where there is no range."""
    shape = (len(maps),) + (1,) * (maps.ndim - 1)
    low, high = ranges[:, 0].reshape(shape), ranges[:, 1].reshape(shape)
    empty = high <= low
    if signed:
        unit = np.clip(maps, low, high) / np.where(empty, 1.0, high)
    else:
        unit = (np.clip(maps, low, high) - low) / np.where(empty, 1.0, high - low)
    return np.where(empty, 0.0, unit)


def to_level(values: np.ndarray) -> np.ndarray:
    """The nearest whole number of values from 0 up, a half upwards.

    The edge lies a hair below the half. There it is met by no value that people draw, so that the rounding error
    of a map and of its multiple, in single precision too, cannot put them on two sides of it.
    """
    return np.floor(values + 0.5001).astype(np.intp)


def check_scale(scale) -> tuple[float, float] | None:
    """The fixed range that a scale names, `None` for `"image"` and `"batch"`; refuses anything else."""
    if isinstance(scale, str) and scale in ("image", "batch"):
        return None
    return check_range(scale, "scale", '"image", "batch" or two finite numbers (low, high) with low < high')


def check_range(pair, name: str, expected="two finite numbers (low, high) with low < high") -> tuple[float, float]:
    """Two increasing numbers; refuses anything else."""
    try:
        low, high = (float(end) for end in pair)
    except (TypeError, ValueError):
        low = high = np.nan
    if not (np.isfinite([low, high]).all() and low < high):
        raise SettingError(f"{name}={pair!r} is no range", expected=expected, mend="Give both ends, or leave it out")
    return low, high


def _check_percentile(percentile) -> None:
    if not isinstance(percentile, (int, float, np.number)) or not 0 < percentile <= 100:
        raise SettingError(
            f"The percentile {percentile!r} is out of range",
            expected="a number over 0 and at most 100",
            mend="Use 99 to clip outliers, 100 to clip nothing",
        )


def _warn_of(constant: np.ndarray, negative: np.ndarray, scale: Scale) -> None:
    notes = []
    if constant.any():
        notes.append(f"{_which(constant, scale)} zero or constant: drawn in the neutral colour")
    if negative.any():
        notes.append(f"{_which(negative, scale)} partly negative, which is drawn as zero: a signed picture shows it")
    if notes:
        warn(". ".join(notes))


def _which(flags: np.ndarray, scale: Scale) -> str:
    if scale == "batch":
        return "Every map of the batch is" if len(flags) == 1 else "The maps are"
    if len(flags) == 1:
        return "The map is"
    samples = np.flatnonzero(flags)
    listed = ", ".join(map(str, samples[:8])) + (", ..." if samples.size > 8 else "")
    return f"The map of sample {listed} is" if samples.size == 1 else f"The maps of samples {listed} are"
