"""Axes of curves, and the names beside them. Imports matplotlib: import it only where a figure is drawn."""

from collections.abc import Sequence

from matplotlib.ticker import MaxNLocator

from kerasviz.plotting.canvas import FONT, FRAME, wrap
from kerasviz.plotting.positions import CATEGORIES

STYLES = ("-", "--", ":", "-.")


def look(number: int) -> dict:
    """The colour and the style of a line by its number: eight colours, then the same again in dashes."""
    return {
        "color": tuple(CATEGORIES[number % len(CATEGORIES)] / 255),
        "linestyle": STYLES[number // len(CATEGORIES) % len(STYLES)],
    }


def style_axes(axes, across: str, up: str = "") -> None:
    """A light grid below the lines, small numbers, a thin frame, and what the axes are.

    Args:
        axes: with or without lines yet.
        across: the label of the horizontal axis.
        up: that of the vertical axis; "" for none.
    """
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(which="both", labelsize=FONT - 2, length=2, width=0.4, pad=1.5)
    axes.set_xlabel(across, fontsize=FONT - 1, labelpad=2)
    if up:
        axes.set_ylabel(up, fontsize=FONT - 1, labelpad=3)
    axes.grid(visible=True, color="0.9", linewidth=0.4)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set(visible=True, **FRAME)


def name_lines(axes, lines, names: Sequence[str], inches: float, **style) -> None:
    """Names at the right of axes, beside a piece of each line.

    Args:
        axes: whose right side they stand at.
        lines: as many as names.
        names: a dollar sign in one is no mathematics.
        inches: how wide a name may be; those that are longer are cut.
        **style: of matplotlib's legend.
    """
    drawn = axes.legend(
        lines,
        # A name may have lines of its own.
        ["\n".join(wrap(line, inches, lines=1) for line in name.split("\n")) for name in names],
        **{
            "loc": "upper left",
            "bbox_to_anchor": (1.02, 1.02),
            "frameon": False,
            "fontsize": FONT - 2,
            "handlelength": 1.5,
            "labelspacing": 0.3,
            **style,
        },
    )
    for text in drawn.get_texts():
        text.set_parse_math(False)
