"""The figure of critical sample curves. Imports matplotlib: import it only where a figure is drawn."""

from collections.abc import Mapping
from itertools import pairwise

from matplotlib.ticker import FixedLocator, FuncFormatter, MultipleLocator, NullFormatter, NullLocator

from kerasviz.plotting.canvas import NotebookFigure, add_axes, wrap, write
from kerasviz.plotting.curves import look, name_lines, style_axes

_WIDE, _HIGH = 3.6, 2.4  # of the axes, in inches
_LEFT, _BELOW, _ABOVE, _RIGHT, _NAMES = 0.55, 0.48, 0.3, 0.12, 1.7
_NAME = _NAMES - 0.5  # beside a piece of its line
_SPAN = 20  # radii that span more than this factor stand on a logarithmic axis
_MOST_TICKS, _APART = 8, 1.2  # ticks at the radii themselves, if so few and so far apart
_MARKERS = "osD^vP*X"


def draw_curves(curves: Mapping, *, unit: str, named: bool, dpi: float):
    """Critical sample ratios over the radius, a line for each curve.

    Args:
        curves: `CriticalSampleCurve`s by name, at least one.
        unit: what radii are measured in.
        named: whether names are drawn; without, the number of samples and the search stand above.
        dpi: dots an inch.
    """
    positive = sorted({float(radius) for curve in curves.values() for radius in curve.radii if radius > 0})
    logarithmic = len(positive) > 1 and positive[-1] / positive[0] > _SPAN
    width = _LEFT + _WIDE + (_NAMES if named else _RIGHT)
    fig = NotebookFigure(figsize=(width, _ABOVE + _HIGH + _BELOW), dpi=dpi)
    axes = add_axes(fig, _LEFT, _BELOW, _WIDE, _HIGH)
    for number, curve in enumerate(curves.values()):
        # There is no place for a radius of 0 on a logarithmic axis; the ratio there is 0 by definition.
        shown = curve.radii > 0 if logarithmic else slice(None)
        axes.plot(
            curve.radii[shown],
            curve.ratios[shown],
            **look(number),
            # Where curves cover each other, the marker below still shows its rim.
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=4 if number == 0 else 5,
            markerfacecolor=look(number)["color"] if number == 0 else "none",
            linewidth=1.1,
            clip_on=False,
        )
    if logarithmic:
        axes.set_xscale("log")
        _tick_radii(axes, positive)
    _style(axes, unit)
    if named:
        names = [f"{wrap(name, _NAME, lines=1)}\n({_count(curve)})" for name, curve in curves.items()]
        name_lines(axes, axes.lines, names, _NAME, handlelength=2, labelspacing=0.5)
    else:
        (curve,) = curves.values()
        title = f"{_count(curve)}, {curve.described()}"
        write(fig, wrap(title, _WIDE, lines=1), (_LEFT + _WIDE / 2, _BELOW + _HIGH + 0.1))
    return fig


def _count(curve):
    return f"{len(curve):,}\N{NO-BREAK SPACE}sample{'' if len(curve) == 1 else 's'}"


def _tick_radii(axes, radii):
    if len(radii) <= _MOST_TICKS and all(after / before >= _APART for before, after in pairwise(radii)):
        axes.xaxis.set_major_locator(FixedLocator(radii))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _style(axes, unit):
    style_axes(axes, f"radius (L∞, {unit})", "critical sample ratio")
    axes.set_ylim(0, 1)
    axes.margins(x=0.04)
    axes.yaxis.set_major_locator(MultipleLocator(0.2))
