"""Filters as rows of tiles with numbers at the edges. Imports matplotlib: import it only where a figure is drawn."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from kerasviz.plotting.canvas import LINE, NotebookFigure, add_axes, show
from kerasviz.plotting.kernels import join

_MOST = 9.0  # inches that the tiles take at most, either way
_TILE = 0.45
_EDGE = 0.55  # inches for numbers and what they are


def draw_rows(tiles: np.ndarray, rows: Sequence[int], columns: Sequence[int], what: str, dpi: float) -> Figure:
    """One picture of all tiles, a row for each filter (or several, for each input channel of a volume).

    Args:
        tiles: as `kerasviz.plotting.kernels.kernel_tiles` gives them.
        rows: the numbers of the filters.
        columns: the numbers of the tiles in a row.
        what: these are.
        dpi: dots an inch.
    """
    count, down, across, kh, kw = tiles.shape[:5]
    pad, zoom = 1, max(1, 24 // max(kh, kw))
    picture = join(tiles, pad=pad, zoom=zoom)
    high, wide = picture.shape[:2]
    inches = min(_TILE / (max(kh, kw) * zoom), _MOST / max(high, wide))
    fig = NotebookFigure(figsize=(wide * inches + _EDGE + 0.1, high * inches + _EDGE + 0.1), dpi=dpi)
    axes = add_axes(fig, _EDGE, 0.1, wide * inches, high * inches)
    show(axes, picture)
    pitch = (kh * zoom + pad, kw * zoom + pad)
    size = min(7.0, 0.8 * min(pitch) * inches * 72)
    # A row of a volume has a label in the middle of all its input channels.
    places = (np.arange(count) + 0.5) * down * pitch[0]
    axes.set_yticks(places, [str(number) for number in rows[:count]], fontsize=size)
    axes.set_xticks((np.arange(across) + 0.5) * pitch[1], [str(number) for number in columns[:across]], fontsize=size)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=2)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel(what, fontsize=8)
    axes.set_ylabel("filter", fontsize=8, labelpad=LINE)
    return fig
