"""Figures of how the channels of layers are distributed over a data set."""

import math
from collections.abc import Mapping

import numpy as np

from kerasviz.plotting.canvas import FONT, LINE, NotebookFigure, add_axes, wrap, write

_WIDTH, _HEIGHT, _LEFT, _GAP = 3.0, 1.3, 0.5, 0.15  # inches


def draw_distributions(layers: Mapping, images: int):
    """A panel for each layer.

    Args:
        layers: `LayerStatistics` by path.
        images: how many the statistics are of.
    """
    columns = math.ceil(math.sqrt(len(layers) / 2))
    rows = math.ceil(len(layers) / columns)
    each = _HEIGHT + 4 * LINE
    foot = 2 * LINE + 0.1
    fig = NotebookFigure(figsize=(columns * (_LEFT + _WIDTH + _GAP), rows * each + foot), dpi=150)
    for number, (path, found) in enumerate(layers.items()):
        row, column = divmod(number, columns)
        left = column * (_LEFT + _WIDTH + _GAP) + _LEFT
        bottom = foot + (rows - 1 - row) * each + 1.5 * LINE
        axes = add_axes(fig, left, bottom, _WIDTH, _HEIGHT)
        _draw(axes, found)
        write(fig, wrap(_title(path, found), _WIDTH, lines=2), (left + _WIDTH / 2, bottom + _HEIGHT + 0.08))
    key = f"channels sorted by mean; line: mean, band: smallest to largest, of {images:,} image{'s' * (images != 1)}"
    write(fig, wrap(key, fig.get_size_inches()[0] - 0.2, lines=2), (fig.get_size_inches()[0] / 2, 0.08), color="0.4")
    return fig


def _draw(axes, found):
    order = np.argsort(found.mean, kind="stable")
    places = np.arange(len(order))
    edges = np.arange(len(order) + 1) - 0.5
    axes.stairs(found.max[order], edges, baseline=found.min[order], fill=True, color="0.8", linewidth=0)
    axes.stairs(found.mean[order], edges, baseline=None, color="black", linewidth=0.9)
    for which, color in ((found.dead, "tab:red"), (found.constant & ~found.dead, "tab:orange")):
        at = which[order]
        style = {"color": color, "markersize": 4, "markeredgewidth": 1.0, "zorder": 3, "clip_on": False}
        axes.plot(places[at], found.mean[order][at], "x", **style)
    axes.set_xlim(-0.5, len(order) - 0.5)
    axes.set_xticks([])  # places in the order, which are no numbers of channels
    axes.axhline(0, color="0.5", linewidth=0.4)
    axes.tick_params(labelsize=FONT - 2, length=2, width=0.4, pad=1.5)
    axes.spines[["top", "right"]].set_visible(False)


def _title(path, found):
    dead, constant = int(found.dead.sum()), int((found.constant & ~found.dead).sum())
    notes = [f"{len(found.mean)} channels"]
    notes += [f"{dead} dead"] * (dead > 0) + [f"{constant} constant"] * (constant > 0)
    return f"{path}: {', '.join(notes)}"
