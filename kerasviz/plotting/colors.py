"""Values to colours."""

import difflib
from dataclasses import dataclass

import numpy as np

from kerasviz.errors import SettingError
from kerasviz.plotting.arrays import to_maps
from kerasviz.plotting.ranges import Scale, limits, normalize, to_level

# Why these: inferno is uniform to the eye, readable in grey print, and black where nothing is. RdBu_r keeps
# red for evidence in favour and can be told apart by the colour-blind.
UNSIGNED = "inferno"
SIGNED = "RdBu_r"

_STEPS = 256  # colours on each side of zero, and of an unsigned map
_ALMOST_WHITE = 0.9


def heatmap(
    values,
    *,
    cmap=UNSIGNED,
    percentile: float = 99,
    scale: Scale = "image",
    channels: str | bool | None = None,
) -> np.ndarray:
    """Colours maps whose values start at zero: saliency, Grad-CAM.

    The lowest colour is zero, the highest the top of the range; see *Range* in `kerasviz.plotting`. Negative
    values are drawn as zero, with a warning if they are more than interpolation noise.

    Args:
        values: `(H, W)` or `(N, H, W)`, either with a channel axis; see *Shapes* in `kerasviz.plotting`.
        cmap: colour map. The default is uniform to the eye; `"turbo"` and `"jet"` are the rainbows of
            Grad-CAM.
        percentile: where the range ends, in percent of the pixels. 99 keeps a few outliers from turning the
            rest black; 100 clips nothing.
        scale: `"image"`, `"batch"` or `(low, high)`.
        channels: how channels are reduced; `"max_abs"` unless said.

    Returns:
        `uint8`, `(H, W, 3)` or `(N, H, W, 3)`.

    Raises:
        InputError: wrong shape or type, NaN or infinity (the sample is named).
        SettingError: unknown colour map (the nearest names are given), reduction, percentile or scale.

    Example:
        >>> heatmap([[0.0, 1.0]], cmap="gray", percentile=100)[0, :, 0]
        array([  0, 255], dtype=uint8)
    """
    return _paint_any(values, Palette.of(cmap, signed=False), percentile, scale, channels, "max_abs")


def signed(
    values,
    *,
    cmap=SIGNED,
    percentile: float = 99,
    scale: Scale = "image",
    channels: str | bool | None = None,
) -> np.ndarray:
    """Colours maps whose sign means something: red raises the target, blue lowers it, white does neither.

    The range is symmetric, so that equal strengths have equal colours and zero is exactly the middle of the
    colour map. Arguments, result and errors are those of `heatmap`, but channels are reduced by `"sum"`.

    Example:
        >>> signed([[-2.0, 0.0, 2.0]])[0, 1]
        array([255, 255, 255], dtype=uint8)
    """
    return _paint_any(values, Palette.of(cmap, signed=True), percentile, scale, channels, "sum")


def _paint_any(values, palette, percentile, scale, channels, reduction) -> np.ndarray:
    maps, single = to_maps(values, channels, reduction)
    ranges = limits(maps, signed=palette.signed, percentile=percentile, scale=scale)
    pictures = palette.paint(normalize(maps, ranges, signed=palette.signed))
    return pictures[0] if single else pictures


@dataclass(frozen=True)
class Palette:
    """The colours of a normalized map: `table[0]` is its lowest value, `table[-1]` its highest."""

    table: np.ndarray
    signed: bool

    @classmethod
    def of(cls, cmap, *, signed: bool) -> "Palette":
        """Reads a matplotlib colour map; a signed palette has an entry for zero exactly in the middle."""
        colormap = _find(cmap)
        if not signed:
            return cls(_bytes(colormap(np.linspace(0, 1, _STEPS))), signed=False)
        # An even number of colours has none in the middle: take the mean of the two beside it.
        sides = colormap(np.linspace(0, 1, 2 * _STEPS))[:, :3]
        middle = sides[_STEPS - 1 : _STEPS + 1].mean(axis=0)
        colors = np.concatenate([sides[:_STEPS], middle[None], sides[_STEPS:]])
        if middle.min() >= _ALMOST_WHITE:
            closeness = 1 - np.abs(np.linspace(-1, 1, len(colors)))[:, None]
            colors = np.minimum(colors + (1 - middle) * closeness, 1)
        return cls(_bytes(colors), signed=True)

    def paint(self, unit: np.ndarray) -> np.ndarray:
        """Normalized values `(...)` to `uint8` colours `(..., 3)`."""
        if self.signed:
            steps = to_level(np.abs(unit) * _STEPS)
            return self.table[_STEPS + np.where(unit < 0, -steps, steps)]
        return self.table[to_level(unit * (_STEPS - 1))]


def _bytes(colors: np.ndarray) -> np.ndarray:
    return np.round(colors[:, :3] * 255).astype(np.uint8)


def _find(cmap):
    import matplotlib
    from matplotlib.colors import Colormap

    if isinstance(cmap, Colormap):
        return cmap
    if isinstance(cmap, str) and cmap in matplotlib.colormaps:
        return matplotlib.colormaps[cmap]
    names = {name.lower(): name for name in matplotlib.colormaps}
    near = [names[key] for key in difflib.get_close_matches(str(cmap).lower(), names, n=3, cutoff=0.5)]
    raise SettingError(
        f"There is no colour map {cmap!r}",
        expected="a name that matplotlib knows, or a matplotlib Colormap",
        mend=f"Did you mean {' or '.join(map(repr, near))}?" if near else "matplotlib.colormaps lists the names",
    )
