"""Where patches lie: grids that cover every pixel, and maps made of a value for each position."""

import itertools
from dataclasses import dataclass

import numpy as np

from kerasviz.errors import SettingError


@dataclass(frozen=True)
class Grid:
    """The positions of a patch that slides over an image.

    The last position along each axis is moved back to the edge, so that every pixel is covered.

    Attributes:
        space: the sizes of the image's axes of space.
        size: of the patch, along each axis.
        stride: the step, along each axis.

    Example:
        >>> grid = Grid((7, 5), (4, 3), (2, 2))
        >>> [axis.tolist() for axis in grid.axes]
        [[0, 2, 3], [0, 2]]
        >>> grid.shape, grid.starts[:3].tolist()
        ((3, 2), [[0, 0], [0, 2], [2, 0]])
    """

    space: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @classmethod
    def of(cls, space, size, stride, *, gaps: bool = False) -> "Grid":
        """The grid of a patch over an image.

        Args:
            space: the sizes of the image's axes of space.
            size: of the patch: a number, or one for each axis.
            stride: the same.
            gaps: allow strides larger than the patch, which leave pixels uncovered.

        Raises:
            SettingError: a number is not whole and positive, the patch is larger than the image, or the stride is
                larger than the patch.
        """
        size, stride = per_axis("size", size, len(space)), per_axis("stride", stride, len(space))
        if any(patch > whole for patch, whole in zip(size, space, strict=True)):
            raise SettingError(
                f"size={_short(size)} for an input of {' x '.join(map(str, space))}",
                expected="a patch that fits into the input",
                mend="Take a smaller patch; a quarter of the image shows large parts",
            )
        if not gaps and any(step > patch for step, patch in zip(stride, size, strict=True)):
            raise SettingError(
                f"stride={_short(stride)} with size={_short(size)}: pixels between the patches would never be hidden",
                expected="a stride up to the size of the patch",
                mend="Take a smaller stride, or interpolate=True for a map interpolated between the positions",
            )
        return cls(tuple(space), size, stride)

    @property
    def axes(self) -> list[np.ndarray]:
        """The starts along each axis."""
        return [
            np.append(np.arange(0, whole - patch, step), whole - patch)
            for whole, patch, step in zip(self.space, self.size, self.stride, strict=True)
        ]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many positions there are along each axis."""
        return tuple(map(len, self.axes))

    @property
    def starts(self) -> np.ndarray:
        """The first pixel of each position, `(P, axes)` int32, the last axis varying fastest."""
        return np.array(list(itertools.product(*self.axes)), np.int32)

    def mean(self, values) -> np.ndarray:
        """A map of the space: for each pixel the mean of the values `(P,)` of the positions that cover it."""
        total, count = np.zeros(self.space), np.zeros(self.space)
        for start, value in zip(self.starts, np.ravel(values), strict=True):
            covered = tuple(slice(at, at + length) for at, length in zip(start, self.size, strict=True))
            total[covered] += value
            count[covered] += 1
        return total / count

    def interpolated(self, values) -> np.ndarray:
        """A map of the space: linear between the centres of the positions, constant beyond the outermost."""
        found = np.reshape(values, self.shape).astype(float)
        for axis, (starts, patch, whole) in enumerate(zip(self.axes, self.size, self.space, strict=True)):
            centres, pixels = starts + (patch - 1) / 2, np.arange(whole)
            found = np.apply_along_axis(lambda row, at=centres, to=pixels: np.interp(to, at, row), axis, found)
        return found


def per_axis(name: str, given, axes: int) -> tuple[int, ...]:
    """Positive whole numbers, one for each axis; a single one stands for all.

    Raises:
        SettingError: they are something else.
    """
    numbers = tuple(given) if isinstance(given, list | tuple) else (given,) * axes
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) and n > 0 for n in numbers)
    if len(numbers) != axes or not whole:
        raise SettingError(
            f"{name}={given!r} for an input with {axes} axes of space",
            expected=f"a whole number of pixels from 1 up, or {axes} of them",
            mend="size=32, stride=8 suits photographs of 224 pixels",
        )
    return tuple(map(int, numbers))


def _short(numbers):
    return numbers[0] if len(set(numbers)) == 1 else numbers
