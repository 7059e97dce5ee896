"""The figure of an `Invariance`. Imports matplotlib: import it only where a figure is drawn."""

from matplotlib.ticker import MaxNLocator

from kerasviz.plotting.canvas import NotebookFigure, add_axes, wrap, write
from kerasviz.plotting.counts import check_count
from kerasviz.plotting.curves import look, name_lines, style_axes

_WIDE, _HIGH = 2.4, 1.7  # of a panel, in inches
_LEFT, _BELOW, _ABOVE, _RIGHT = 0.55, 0.48, 0.3, 0.1
_MOST = 24  # names that stand beside the first row
_NAME = 1.2  # inches of one
_UNITS = {
    "vertical_translation": "vertical translation (pixels)",
    "horizontal_translation": "horizontal translation (pixels)",
    "scale": "scale (factor)",
    "rotation": "rotation (degrees)",
}


def draw_curves(found, titles, *, relative: bool, dpi: float):
    """A row of panels for each transform: one for the distances at each layer, one for the scores.

    Args:
        found: an `Invariance`.
        titles: N names of the images, or None.
        relative: whether distances are drawn over the norm of the features.
        dpi: dots an inch.
    """
    count = len(next(iter(found.curves.values())).scores)
    check_count(titles, count, "titles", "images")
    panels, rows = len(found.layers) + 1, len(found.curves)
    legend = 1.5 if titles is not None else 0.0
    width = panels * (_LEFT + _WIDE + _RIGHT) + legend
    fig = NotebookFigure(figsize=(width, rows * (_ABOVE + _HIGH + _BELOW)), dpi=dpi)
    for row, (transform, curves) in enumerate(found.curves.items()):
        bottom = (rows - row - 1) * (_ABOVE + _HIGH + _BELOW) + _BELOW
        source = curves.relative if relative else curves.distances
        kind = "relative distance" if relative else "distance"
        drawn = [*((f"{kind}, {layer}", source[layer]) for layer in found.layers), (found.score, curves.scores)]
        for column, (title, values) in enumerate(drawn):
            left = column * (_LEFT + _WIDE + _RIGHT) + _LEFT
            axes = add_axes(fig, left, bottom, _WIDE, _HIGH)
            for n, line in enumerate(values):
                axes.plot(curves.amounts, line, **look(n), linewidth=1, marker=".", ms=2.5)
            _style(axes, _UNITS[transform], probability=title == "probability")
            write(fig, wrap(title, _WIDE, lines=1), (left + _WIDE / 2, bottom + _HIGH + 0.08))
        if row == 0 and titles is not None:
            name_lines(axes, axes.lines[: min(count, _MOST)], titles[:_MOST], _NAME)
    return fig


def _style(axes, label, *, probability):
    style_axes(axes, label)
    # Degrees are read in parts of a turn.
    steps = [1, 3, 4.5, 6, 9, 10] if "degrees" in label else [1, 2, 2.5, 5, 10]
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=steps))
    if probability:
        axes.set_ylim(-0.03, 1.03)
    else:
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
