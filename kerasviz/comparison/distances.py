"""How far two weights are from each other."""

import math
from dataclasses import dataclass

import numpy as np

from kerasviz.comparison.facts import Weight

#: Values that are compared together: few enough that they stay in the processor's cache.
_BLOCK = 1 << 17
#: The most values of a weight that counts as rounded to levels: those of 8 bits.
_LEVELS = 256
#: The coarser first: most of its values are values of the other, too.
_HALVES = ("bfloat16", "float16")


@dataclass(frozen=True)
class WeightChange:
    """A weight in two models. Distances are those over the values that are finite in both.

    Attributes:
        name: in the layer of the first model; None if only the second has it.
        name_b: in the second; None if only the first has it.
        shape: in the first model, None if it has none.
        shape_b: in the second.
        dtype: in the first model, None if it has none.
        dtype_b: in the second.
        identical: whether dtype, shape and all bits are the same.
        changed: how many values differ; NaN is equal to NaN, and 0 to −0. None, like all that follows, if the shapes
            differ or there is but one.
        distance: ‖a − b‖, the Euclidean norm over all values; None if no value is finite in both.
        norm: ‖a‖.
        largest: the largest |a − b|.
        cosine: of the angle between a and b; None if one of them is zero.
        zeros: how many values of a are zero.
        zeros_b: how many of b.
        zeroed: how many of the changed values are zero in b.
        nonfinite: how many values of a are NaN or infinite.
        nonfinite_b: how many of b.
        grid: the floating dtype that b was rounded to: the narrower of the two, or a half precision that holds all
            values of b and not those of a; None if there is none.
        rest: what is left of the distance once the wider one is rounded to that, too.
        levels: how many values b has where they are so few that it was quantized (at most 256, and at most a quarter
            of those of a); None where they are not.
    """

    name: str | None
    name_b: str | None
    shape: tuple | None
    shape_b: tuple | None
    dtype: str | None
    dtype_b: str | None
    identical: bool = False
    changed: int | None = None
    distance: float | None = None
    norm: float | None = None
    largest: float | None = None
    cosine: float | None = None
    zeros: int | None = None
    zeros_b: int | None = None
    zeroed: int | None = None
    nonfinite: int | None = None
    nonfinite_b: int | None = None
    grid: str | None = None
    rest: float | None = None
    levels: int | None = None

    @property
    def relative(self) -> float | None:
        """‖a − b‖ / ‖a‖: 0 for the same values, infinite where a is zero and b is not; None if there is no distance."""
        return None if self.distance is None else ratio(self.distance, self.norm)

    @property
    def size(self) -> int:
        """How many values there are, in the first model if it has the weight."""
        return math.prod(self.shape_b if self.shape is None else self.shape)

    @property
    def nature(self) -> str:
        """What was done to it, as far as the values tell, in a word or two; "same" if nothing."""
        if self.shape is None or self.shape_b is None:
            return "added" if self.shape is None else "removed"
        if self.shape != self.shape_b:
            return "reshaped"
        if self.identical:
            return "same"
        if self.changed == 0:
            return f"as {self.dtype_b}" if self.dtype != self.dtype_b else "same values"
        if self.rest == 0:
            return f"rounded to {self.grid}" if self.grid != self.dtype or self.dtype == self.dtype_b else "refined"
        if not _is_float(self.dtype_b) and _is_float(self.dtype):
            return f"quantized to {self.dtype_b}"
        if self.changed == self.zeroed:
            return "set to zero" if self.zeros_b == self.size else "pruned"
        return "changed" if self.levels is None else f"quantized to {self.levels} levels"


def ratio(distance: float, norm: float) -> float:
    """One length in units of another; 0 for zero, and infinite where only the unit is zero."""
    return distance / norm if norm else math.inf if distance else 0.0


def width(dtype: str) -> int:
    """The bits of a floating dtype by its name; of two of the same size the rougher is the narrower."""
    return {"bfloat16": 15}.get(dtype) or int("".join(filter(str.isdigit, dtype.partition("_")[0])) or 0)


def weight_change(a: Weight | None, b: Weight | None) -> WeightChange:
    """What became of a weight.

    Args:
        a: in the first model, or None.
        b: in the second, or None; not both.
    """
    names = [None if one is None else one.name for one in (a, b)]
    shapes = [None if one is None else one.shape for one in (a, b)]
    dtypes = [None if one is None else one.dtype for one in (a, b)]
    told = (*names, *shapes, *dtypes)
    if a is None or b is None or a.shape != b.shape:
        return WeightChange(*told)
    same_scale = (a.scale and a.scale.digest) == (b.scale and b.scale.digest)
    before = a.values()
    if a.digest == b.digest and same_scale:
        return WeightChange(*told, identical=True, **_of_one(before))
    after = b.values()
    return WeightChange(*told, **_apart(before, after, *_grid(before, after)))


def _of_one(array):
    sums = np.zeros(3)
    for block in _blocks(array):
        finite = np.isfinite(block)
        kept = block if finite.all() else block[finite]
        sums += kept @ kept, block.size - np.count_nonzero(block), block.size - kept.size
    zeros, nonfinite, norm = int(sums[1]), int(sums[2]), math.sqrt(sums[0])
    return {
        "changed": 0,
        "distance": 0.0,
        "norm": norm,
        "largest": 0.0,
        "cosine": 1.0 if norm else None,
        "zeros": zeros,
        "zeros_b": zeros,
        "zeroed": 0,
        "nonfinite": nonfinite,
        "nonfinite_b": nonfinite,
    }


def _apart(a, b, grid, first):
    """The figures of two arrays of one shape.

    Args:
        a: the first.
        b: the second.
        grid: the dtype that one of them is rounded to before `rest` is measured, None for no rounding.
        first: whether it is the first.
    """
    squares = np.zeros(4)  # of a, b, a − b, and of what rounding leaves of a − b
    counts = np.zeros(7, np.int64)
    dot = largest = 0.0
    for x, y in zip(_blocks(a), _blocks(b), strict=True):
        differs = (x != y) & ~(np.isnan(x) & np.isnan(y))
        finite = np.isfinite(x) & np.isfinite(y)
        counts += (
            np.count_nonzero(differs),
            np.count_nonzero(x == 0),
            np.count_nonzero(y == 0),
            np.count_nonzero(differs & (y == 0)),
            np.count_nonzero(~np.isfinite(x)),
            np.count_nonzero(~np.isfinite(y)),
            np.count_nonzero(finite),
        )
        if not finite.all():
            x, y = x[finite], y[finite]
        apart = x - y
        largest = max(largest, float(np.abs(apart).max(initial=0)))
        dot += float(x @ y)
        rest = apart if grid is None else (_rounded(x, grid) - y) if first else (x - _rounded(y, grid))
        squares += x @ x, y @ y, apart @ apart, rest @ rest
    norm, norm_b, distance, rest = map(float, np.sqrt(squares))
    changed, zeros, zeros_b, zeroed, nonfinite, nonfinite_b, compared = map(int, counts)
    known = compared > 0 or changed == 0
    return {
        "changed": changed,
        "distance": distance if known else None,
        "norm": norm,
        "largest": largest if known else None,
        "cosine": float(np.clip(dot / norm / norm_b, -1, 1)) if norm and norm_b else None,
        "zeros": zeros,
        "zeros_b": zeros_b,
        "zeroed": zeroed,
        "nonfinite": nonfinite,
        "nonfinite_b": nonfinite_b,
        "grid": grid,
        "rest": None if grid is None or not known else rest,
        "levels": _levels(a, b) if changed else None,
    }


def _blocks(array):
    flat = array.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        yield flat[start : start + _BLOCK].astype(np.float64)


def _grid(a, b):
    """The dtype that one of two arrays was rounded to, as far as can be told, and whether the other is the first."""
    names = a.dtype.name, b.dtype.name
    if not all(map(_is_float, names)):
        return None, True
    if width(names[0]) != width(names[1]):
        first = width(names[0]) > width(names[1])
        return names[first], first
    halves = (half for half in _HALVES if width(half) < width(names[0]))
    return next((half for half in halves if _is_held(b, half) and not _is_held(a, half)), None), True


def _is_held(array, dtype):
    """Whether all values of an array are values of a narrower dtype."""
    flat = array.reshape(-1)
    # Most arrays are found out at their beginning.
    parts = (flat[:1000], *(flat[start : start + _BLOCK] for start in range(1000, flat.size, _BLOCK)))
    return all(np.array_equal(_rounded(part, dtype), part.astype(np.float64), equal_nan=True) for part in parts)


def _rounded(values, dtype):
    import tensorflow as tf

    with np.errstate(over="ignore"):
        return values.astype(tf.as_dtype(dtype).as_numpy_dtype).astype(np.float64)


def _is_float(dtype):
    return dtype.startswith(("float", "bfloat"))


def _levels(a, b):
    few = _count_levels(b.reshape(-1))
    if few is None or few < 2:
        return None
    before = _count_levels(a.reshape(-1), 4 * few)
    return few if before is None else None


def _count_levels(flat, most=_LEVELS):
    """How many values there are; None for more than `most`. Looked at in parts, for most arrays have many."""
    found = np.unique(flat[: 4 * most])
    if found.size > most:
        return None
    for start in range(4 * most, flat.size, _BLOCK):
        found = np.union1d(found, flat[start : start + _BLOCK])
        if found.size > most:
            return None
    return int(found.size)
