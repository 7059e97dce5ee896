"""Montages: the channels of one image's feature map as tiles of one picture."""

import math
from collections.abc import Sequence

import numpy as np

from kerasviz.errors import SettingError
from kerasviz.plotting import grid
from kerasviz.plotting.colors import SIGNED, UNSIGNED, Palette
from kerasviz.plotting.ranges import Scale, check_range, normalize
from kerasviz.plotting.volumes import choose_slices

_TILE, _STRIP, _SLICE = 96, 256, 48  # pixels that a map, a signal's map and a slice are enlarged to, at least
_STRIP_HEIGHT = 16
_LINES = 32  # signals and volumes of one column
_FLAT = 1e-6  # of the largest magnitude: smaller differences are rounding errors
_FILL, _FILL_SIGNED = 255, 200  # around signed maps, whose zero is white, the page is grey


def montage(
    maps: np.ndarray,
    channels: Sequence[int],
    *,
    scale: Scale = "channel",
    percentile: float = 99,
    signed: bool | None = None,
    cmap=None,
    zoom: int | None = None,
    cols: int | None = None,
    numbers: bool = True,
) -> np.ndarray:
    """Tiles of the channels of one image's map; the arguments are those of `Activations.montage`.

    Args:
        maps: `(t, C)`, `(h, w, C)` or `(D, h, w, C)`, finite.
        channels: which, in the order of the tiles.
        scale: as there.
        percentile: as there.
        signed: as there.
        cmap: as there.
        zoom: as there.
        cols: as there.
        numbers: as there.

    Returns:
        `uint8`, `(H, W, 3)`.

    Raises:
        SettingError: an unknown scale or colour map, wrong zoom or cols.
    """
    if zoom is not None and (not isinstance(zoom, int | np.integer) or zoom < 1):
        raise SettingError(f"zoom={zoom!r} is no magnification", expected="whole pixels, 1 or more", mend="Use zoom=8")
    palette = palette_of(maps, signed, cmap)
    units, flat = unit_maps(maps, channels, signed=palette.signed, scale=scale, percentile=percentile)
    pictures = palette.paint(units)
    if pictures.ndim == 3:  # signals, (k, t, 3)
        wide = zoom or _zoom(pictures.shape[1:2], _STRIP)
        tiles = [each[None].repeat(_STRIP_HEIGHT, axis=0).repeat(wide, axis=1) for each in pictures]
    elif pictures.ndim == 4:
        tiles = _enlarged(pictures, zoom or _zoom(pictures.shape[1:3], _TILE))
    else:
        slices = choose_slices(np.abs(maps).sum(axis=(1, 2, 3)))
        shown = pictures[:, slices]
        shown = shown.repeat(zoom or _zoom(shown.shape[2:4], _SLICE), axis=2)
        shown = shown.repeat(shown.shape[2] // pictures.shape[2], axis=3)
        tiles = [grid(list(each), rows=1, pad=1) for each in shown]
    if cols is None and pictures.ndim != 4:
        cols = math.ceil(len(tiles) / _LINES)
    own = isinstance(scale, str) and scale == "channel"
    labels = [f"{number} flat" if same and own else str(number) for number, same in zip(channels, flat, strict=True)]
    fill = _FILL_SIGNED if palette.signed else _FILL
    return grid(list(tiles), cols=cols, fill=fill, labels=labels if numbers else None)


def palette_of(maps: np.ndarray, signed: bool | None, cmap, default: str = UNSIGNED) -> Palette:
    """The colours of one image's map: diverging where something in it is negative, unless that is given."""
    signed = bool(maps.min() < 0) if signed is None else signed
    return Palette.of((SIGNED if signed else default) if cmap is None else cmap, signed=signed)


def unit_maps(
    maps: np.ndarray, channels, *, signed: bool, scale: Scale, percentile: float
) -> tuple[np.ndarray, np.ndarray]:
    """Some channels of one image's map in units of their ranges.

    Args:
        maps: `(*space, C)`.
        channels: which.
        signed: whether zero is the middle of the ranges, or their lower end.
        scale: `"channel"`, `"shared"` among all channels of the map, or `(low, high)`.
        percentile: where the range of a channel, or of all, ends.

    Returns:
        `(k, *space)` in [-1, 1] if signed, else in [0, 1]; and `(k,)`, which are the same everywhere: these have
        no range of their own.
    """
    fixed = _check_scale(scale)
    _check_percentile(percentile)
    chosen = np.moveaxis(maps[..., list(channels)], -1, 0).astype(np.float64)
    lines = chosen.reshape(len(chosen), -1)
    flat = np.ptp(lines, axis=1) <= _FLAT * np.abs(lines).max(axis=1)
    if fixed is not None:
        high = np.full(len(chosen), max(map(abs, fixed)) if signed else fixed[1])
    elif scale == "shared":
        high = np.repeat(_ends(maps.reshape(1, -1), signed, percentile), len(chosen))
    else:
        high = np.where(flat, 0, _ends(lines, signed, percentile))
    low = -high if signed else np.full(len(chosen), fixed[0] if fixed else 0.0)
    return normalize(chosen, np.stack([low, high], axis=1), signed=signed), flat


def _ends(lines, signed, percentile):
    """Where the range of each line of values ends: at its largest value where the percentile is zero."""
    shown = np.abs(lines) if signed else np.maximum(lines, 0)
    high = np.percentile(shown, percentile, axis=1)
    return np.where(high > 0, high, shown.max(axis=1))


def _check_percentile(percentile):
    if not isinstance(percentile, int | float | np.number) or not 0 < percentile <= 100:
        raise SettingError(
            f"percentile={percentile!r} is out of range",
            expected="a number over 0 and at most 100",
            mend="Use 99 to clip outliers, 100 to clip nothing",
        )


def _check_scale(scale):
    """The fixed range that a scale names, None for the two others."""
    if isinstance(scale, str) and scale in ("channel", "shared"):
        return None
    return check_range(scale, "scale", '"channel", "shared" or two finite numbers (low, high) with low < high')


def _enlarged(pictures, zoom):
    return pictures.repeat(zoom, axis=1).repeat(zoom, axis=2)


def _zoom(shape, least):
    return max(1, math.ceil(least / max(shape)))
