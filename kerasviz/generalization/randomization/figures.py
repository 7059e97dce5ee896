"""The figure of a `RandomizationResult`. Imports matplotlib: import it only where a figure is drawn."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from kerasviz.plotting.canvas import LINE, NotebookFigure, add_axes, wrap, write
from kerasviz.plotting.curves import STYLES, name_lines, style_axes
from kerasviz.plotting.positions import CATEGORIES

_WIDE, _HIGH = 2.4, 1.7  # of a panel, in inches
_LEFT, _BELOW, _ABOVE, _RIGHT = 0.5, 0.48, 0.3, 0.1
_LEGEND = 1.7
# Black before yellow, which is faint as a line on white.
_COLORS = [tuple(color / 255) for color in CATEGORIES[[0, 1, 2, 3, 4, 5, 7, 6]]]
_LEAST_LOSS = 1e-8  # drawn, in parts of the largest
_PANELS = {
    "train_accuracy": "training accuracy",
    "validation_accuracy": "validation accuracy",
    "train_loss": "training loss",
    "train_csr": "critical sample ratio, training",
    "validation_csr": "critical sample ratio, validation",
}


def draw(result, *, dpi: float):
    """A row of panels for each regularization; a line for each data set.

    Args:
        result: a `RandomizationResult`.
        dpi: dots an inch.
    """
    data = list(dict.fromkeys(name for name, _ in result.runs))
    rows = list(dict.fromkeys(name for _, name in result.runs))
    panels = {name: title for name, title in _PANELS.items() if any(name in run.curves for run in result.runs.values())}
    side = LINE + 0.06 if len(rows) > 1 else 0.0
    width = side + len(panels) * (_LEFT + _WIDE + _RIGHT) + _LEGEND
    high = _ABOVE + _HIGH + _BELOW
    fig = NotebookFigure(figsize=(width, len(rows) * high), dpi=dpi)
    tops = {name: _top(name, result) for name in panels}
    longest = max(run.epochs for run in result.runs.values())
    for row, regularization in enumerate(rows):
        bottom = (len(rows) - row - 1) * high + _BELOW
        for column, (name, title) in enumerate(panels.items()):
            left = side + column * (_LEFT + _WIDE + _RIGHT) + _LEFT
            axes = add_axes(fig, left, bottom, _WIDE, _HIGH)
            _style(axes, longest, tops[name])
            if name == "train_loss":
                _make_logarithmic(axes, tops[name], result)
            for number, each in enumerate(data):
                run = result.runs.get((each, regularization))
                if run is not None and name in run.curves:
                    _draw_line(axes, run, name, _look(number, len(data)))
            if name == "validation_accuracy" and "classes" in result.settings:
                axes.axhline(1 / result.settings["classes"], color="0.5", linestyle=":", linewidth=0.8, zorder=1)
            write(fig, wrap(title, _WIDE, lines=1), (left + _WIDE / 2, bottom + _HIGH + 0.08))
        if len(rows) > 1:
            place = (0.04 + LINE / 2, bottom + _HIGH / 2)
            write(fig, wrap(regularization, _HIGH + 0.4, lines=1), place, va="center", rotation=90)
        if row == 0:
            lines = [Line2D([], [], **_look(number, len(data))) for number in range(len(data))]
            name_lines(axes, lines, data, _LEGEND - 0.5)
    return fig


def _draw_line(axes, run, name, look):
    curve = run.curves[name]
    epochs = np.arange(1, len(curve) + 1)
    measured = np.isfinite(curve)
    # A run of one epoch is a point, which no line shows.
    dots = {"marker": ".", "ms": 4} if measured.sum() == 1 else {}
    axes.plot(epochs[measured], curve[measured], clip_on=name == "train_loss", **look, **dots)
    if name == "train_accuracy" and run.fit_epoch is not None:
        axes.plot(run.fit_epoch, curve[run.fit_epoch - 1], "o", ms=3.5, color=look["color"], clip_on=False, zorder=3)


def _look(number, count):
    # Eight colours, then the same again in dashes. What is drawn first is wider, and seen below the others.
    style = STYLES[number // len(_COLORS) % len(STYLES)]
    return {"color": _COLORS[number % len(_COLORS)], "linestyle": style, "linewidth": 0.9 + 1.1 * (1 - number / count)}


def _top(name, result):
    """The upper end of a panel, the same in all rows, which then compare."""
    if name.endswith("accuracy"):
        return 1.0
    curves = [run.curves[name] for run in result.runs.values() if name in run.curves]
    highest = max((float(curve[np.isfinite(curve)].max()) for curve in curves if np.isfinite(curve).any()), default=0)
    return (1.05 * highest if name == "train_loss" else min(1.05 * highest, 1.0)) or 1.0


def _make_logarithmic(axes, top, result):
    losses = np.concatenate([run.curves["train_loss"] for run in result.runs.values()])
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(max(_LEAST_LOSS * top, 0.9 * min(losses[losses > 0], default=1.0)), top)


def _style(axes, longest, top):
    style_axes(axes, "epochs")
    axes.set_ylim(0, top)
    axes.set_xlim(0, longest * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
