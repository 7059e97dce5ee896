"""Gabor fits as figures. Imports matplotlib: import it only where a figure is drawn."""

import math
from itertools import chain

import numpy as np
from matplotlib.figure import Figure

from kerasviz.plotting.canvas import NotebookFigure, Tile, draw_sheet
from kerasviz.plotting.kernels import check_limit
from kerasviz.plotting.notices import warn
from kerasviz.plotting.ranges import to_level

_SIDE = 4  # filters in a row at most
_COLUMNS = ("filter", "fit", "left")


def draw_fits(fits, limit: int | None, dpi: float) -> Figure:
    """Filter, fit and residual of each, up to four filters in a row; the plane's mean is mid-grey.

    Args:
        fits: `GaborFits`.
        limit: filters at most.
        dpi: dots an inch.
    """
    check_limit(limit)
    count = len(fits) if limit is None else min(limit, len(fits))
    if count < len(fits):
        warn(f"Of {len(fits)} filters the first {count} are drawn: limit draws more")
    triples = [_triple(fits, i) for i in range(count)]
    side = min(_SIDE, math.ceil(math.sqrt(count)))
    rows = [list(chain(*triples[first : first + side])) for first in range(0, count, side)]
    return draw_sheet(rows, column_titles=_COLUMNS * side, group=3, tile=0.9, dpi=dpi)


def draw_orientations(fits, dpi: float) -> Figure:
    """Frequency over orientation, on half a circle.

    Args:
        fits: `GaborFits`.
        dpi: dots an inch.
    """
    fig = NotebookFigure(figsize=(5.6, 3.2), dpi=dpi)
    axes = fig.add_axes((0.04, 0.02, 0.78, 1.0), projection="polar")
    dots = axes.scatter(
        np.radians(fits.orientation), fits.frequency, c=fits.residual, cmap="viridis", vmin=0, vmax=1, s=26, zorder=3
    )
    # A white rim keeps dots apart; those at 0 and 180 degrees are drawn whole.
    dots.set(edgecolor="white", linewidth=0.4, clip_on=False)
    known = fits.frequency[~np.isnan(fits.frequency)]
    axes.set(thetamin=0, thetamax=180, rmin=0, rmax=max(0.5, *(known * 1.05)) if known.size else 0.5)
    axes.set_rticks([0.1, 0.2, 0.3, 0.4, 0.5])
    axes.tick_params(labelsize=7)
    axes.grid(color="0.85", linewidth=0.6)
    axes.set_xlabel("cycles a pixel; angle: the direction of the wave, 0° along x", fontsize=8, labelpad=-14)
    bar = fig.colorbar(dots, cax=fig.add_axes((0.87, 0.25, 0.025, 0.55)))
    bar.set_label("share of variance left", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_linewidth(0.4)
    return fig


def _triple(fits, i):
    plane, fitted = fits.planes[i], fits.fitted[i]
    mean = plane.mean()
    largest = np.abs(plane - mean).max()
    number = str(fits.order[i])
    if np.isnan(fits.residual[i]):
        return [Tile(_grey(np.zeros_like(plane), 1.0), number), None, None]
    about = f"{round(float(fits.orientation[i])) % 180}°, {fits.frequency[i]:.2f}"
    left = f"{fits.residual[i]:.0%}"
    return [
        Tile(_grey(plane - mean, largest), number),
        Tile(_grey(fitted - mean, largest), about),
        Tile(_grey(plane - fitted, largest), left),
    ]


def _grey(values, largest):
    level = to_level(127.5 + 127.5 * np.clip(values / largest, -1, 1)).astype(np.uint8)
    return np.broadcast_to(level[..., None], (*level.shape, 3))
