"""Explanations of volumes: strips of slices."""

import numpy as np

from kerasviz.errors import InputError
from kerasviz.plotting.arrays import check_finite, to_numbers
from kerasviz.plotting.canvas import Tile, draw_sheet
from kerasviz.plotting.compose import blend
from kerasviz.plotting.images import display_image, fit

_SLICES = 8


def choose_slices(strength: np.ndarray, most: int = _SLICES) -> np.ndarray:
    """Indices of at most `most` slices: evenly spaced, the nearest to the strongest slice moved onto it.

    Args:
        strength: `(D,)`, the summed magnitude of each slice.
        most: how many.
    """
    chosen = np.round(np.linspace(0, len(strength) - 1, min(most, len(strength)))).astype(int)
    strongest = int(np.argmax(strength))
    chosen[np.abs(chosen - strongest).argmin()] = strongest
    return chosen


def draw_volumes(unit, volumes, titles, palette, opacity, bars, value_range, *, tile: float, dpi: float):
    """A figure with, for each sample, a row of image slices (if any) above a row of map slices.

    Args:
        unit: normalized maps `(N, D, H, W)`.
        volumes: `(N, D, H', W')` or `(N, D, H', W', C)`, or `None`.
        titles: N texts.
        palette: colours of the maps.
        opacity: of a map over its image; 1 draws the map alone.
        bars: N colour bars or `None`.
        value_range: of the images; see `display_image`.
        tile: width of a slice in inches.
        dpi: dots an inch.
    """
    if volumes is not None:
        volumes = _read(volumes, unit)
    rows, row_titles = [], []
    for index, values in enumerate(unit):
        chosen = choose_slices(np.abs(values).sum(axis=(1, 2)))
        numbers = [f"slice {number}" for number in chosen]
        slices = None if volumes is None else _display(volumes[index], value_range)
        if slices is not None:
            rows.append([Tile(slices[z], text) for z, text in zip(chosen, numbers, strict=True)])
            row_titles.append(titles[index])
        maps = []
        for z, text in zip(chosen, numbers, strict=True):
            if slices is None or opacity == 1:
                picture = palette.paint(values[z])
            else:
                picture = blend(slices[z], fit(values[z], slices.shape[1:3]), palette, opacity)
            bar = bars[index] if z == chosen[-1] else None
            maps.append(Tile(picture, text if slices is None else "", bar))
        rows.append(maps)
        row_titles.append("" if slices is not None else titles[index])
    return draw_sheet(rows, row_titles=row_titles, tile=tile, dpi=dpi)


def _read(volumes, unit: np.ndarray) -> np.ndarray:
    volumes = to_numbers(volumes, "The batch of volumes")
    if volumes.ndim == 4:
        volumes = volumes[..., None]
    if volumes.ndim != 5 or volumes.shape[1] != unit.shape[1]:
        raise InputError(
            f"The volumes have the shape {volumes.shape}, their maps {unit.shape}",
            expected="(N, D, H, W) or (N, D, H, W, C) with as many slices as the maps have",
            mend="Explain at the resolution of the input",
        )
    if volumes.dtype.kind not in "biu":
        check_finite(volumes.astype(np.float64), "image")
    return volumes


def _display(volume: np.ndarray, value_range) -> np.ndarray:
    """All slices by one rule, so that their brightness can be compared."""
    depth, height, width, channels = volume.shape
    picture = display_image(volume.reshape(depth * height, width, channels), value_range=value_range)
    return picture.reshape(depth, height, width, 3)
