"""Occlusion by fewer and smaller computations, at the price of an error that can be measured."""

import itertools
from dataclasses import dataclass
from numbers import Real

import numpy as np

from kerasviz.attribution.positions import Grid
from kerasviz.checks import checked_count
from kerasviz.errors import SettingError


@dataclass(frozen=True)
class Approximation:
    """How an occlusion map is approximated; `Occlusion.approximation_error` measures what it costs on given images.

    Nakandala et al. 2019, "Incremental and Approximate Inference for Faster Occlusion-based Deep CNN Explanations"
    (SIGMOD), section 5.

    Attributes:
        field: the projective-field threshold: a patch is taken to reach at most this share of each axis of a feature
            map, around its middle. The paper tuned 0.5 for VGG16, 0.7 for ResNet18 and 0.9 for Inception3; 1 is
            exact. It has an effect where runs are incremental.
        keep: adaptive drill-down: only this share of the positions is computed one by one, those where the score
            drops most; 1 computes all. The paper's default is 0.25.
        coarse: the others are interpolated between every so many-th position along each axis.

    Raises:
        SettingError: a number is out of range.

    Example:
        >>> Approximation(field=0.7, keep=0.25)
        Approximation(field=0.7, keep=0.25, coarse=4)
    """

    field: float = 0.7
    keep: float = 0.25
    coarse: int = 4

    def __post_init__(self):
        for name in ("field", "keep"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value <= 1:
                raise SettingError(f"{name}={value!r}", expected="a share above 0, up to 1", mend="1 is exact")
        checked_count("coarse", self.coarse)

    def first(self, grid: Grid) -> np.ndarray:
        """The indices of the positions of a grid that are computed first."""
        return np.ravel_multi_index(tuple(np.array(list(itertools.product(*self._coarse(grid)))).T), grid.shape)

    def between(self, grid: Grid, values) -> np.ndarray:
        """Values for all positions `(P,)`, linear between those of the first ones."""
        chosen = self._coarse(grid)
        found = np.reshape(values, [len(numbers) for numbers in chosen]).astype(float)
        for axis, (numbers, starts) in enumerate(zip(chosen, grid.axes, strict=True)):
            at = starts[numbers]
            found = np.apply_along_axis(lambda row, at=at, to=starts: np.interp(to, at, row), axis, found)
        return found.ravel()

    def second(self, grid: Grid, estimates) -> np.ndarray:
        """The indices of the positions that are computed one by one: those of the lowest estimated scores."""
        count = int(np.ceil(self.keep * len(estimates)))
        lowest = np.argsort(estimates, kind="stable")[:count]
        return np.setdiff1d(lowest, self.first(grid))

    def _coarse(self, grid):
        return [np.unique(np.append(np.arange(0, count, self.coarse), count - 1)) for count in grid.shape]


def error(approximate: np.ndarray, exact: np.ndarray) -> dict[str, np.ndarray]:
    """How far approximate maps `(N, *space)` are from exact ones, each as a share of the exact map's range.

    Returns:
        "max" and "mean" of the absolute differences, and "correlation", Pearson's; `(N,)` each.
    """
    axes = tuple(range(1, exact.ndim))
    reach = np.maximum(np.ptp(exact, axis=axes), np.finfo(np.float32).tiny)
    apart = np.abs(approximate - exact)
    centred = [maps - maps.mean(axes, keepdims=True) for maps in (approximate, exact)]
    spread = np.sqrt((centred[0] ** 2).sum(axes) * (centred[1] ** 2).sum(axes))
    return {
        "max": apart.max(axes) / reach,
        "mean": apart.mean(axes) / reach,
        "correlation": (centred[0] * centred[1]).sum(axes) / np.maximum(spread, np.finfo(np.float32).tiny),
    }
