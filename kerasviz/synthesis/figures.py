"""Figures of synthesized images. Imports matplotlib: import it only where a figure is drawn."""

from collections.abc import Sequence

from kerasviz import plotting
from kerasviz.plotting.canvas import FONT, NotebookFigure, Tile, add_axes, draw_sheet
from kerasviz.plotting.counts import drawable
from kerasviz.plotting.curves import look, name_lines, style_axes
from kerasviz.plotting.montage import layout

_WIDE, _HIGH = 3.8, 2.4  # of the axes, in inches
_LEFT, _BELOW, _ABOVE, _NAMES = 0.6, 0.48, 0.15, 2.6
_NAME = _NAMES - 0.5  # beside a piece of its line
_LINE = (FONT - 2) * 1.55 / 72  # inches that a name takes
_DENSITY = 13  # characters an inch, of a text in one line; of one that breaks between words two lines hold fewer


def draw_images(made, *, columns: int | None, titles: Sequence[str] | None, tile: float, dpi: float):
    """Images on one sheet, at most 64.

    Args:
        made: `SynthesizedImages`.
        columns: images side by side; None for as near to a square as holds all.
        titles: a text for each; None for names and scores.
        tile: width of an image in inches.
        dpi: dots an inch.
    """
    count = drawable(len(made))
    if titles is None:
        # Of a long name its middle is left out, for its end says which layer, and the score must be seen.
        names = [_shortened(name, int(1.6 * _DENSITY * tile)) for name in made.names]
        titles = [f"{name}: {score:.3g}" for name, score in zip(names, made.scores, strict=True)]
    pictures = plotting.display_image(made.pictures()[:count])
    columns = layout(count, None, columns)[1]
    tiles = [Tile(picture, title) for picture, title in zip(pictures, titles, strict=False)]
    rows = [tiles[first : first + columns] for first in range(0, count, columns)]
    return draw_sheet(rows, tile=tile, dpi=dpi)


def draw_history(made, *, dpi: float):
    """Scores over steps, a line for each image, at most 64.

    Args:
        made: `SynthesizedImages` with a history.
        dpi: dots an inch.
    """
    count = drawable(len(made))
    high = max(_HIGH, count * _LINE)
    fig = NotebookFigure(figsize=(_LEFT + _WIDE + _NAMES, _ABOVE + high + _BELOW), dpi=dpi)
    axes = add_axes(fig, _LEFT, _BELOW, _WIDE, high)
    steps, scores = made.history["step"], made.history["score"]
    lines = [axes.plot(steps, scores[:, i], linewidth=1.1, **look(i))[0] for i in range(count)]
    if made.steps is not None:
        for i in range(count):
            axes.plot(made.steps[i], made.scores[i], "o", markersize=3.5, color=look(i)["color"], clip_on=False)
    style_axes(axes, "step", "score")
    axes.margins(x=0.02)
    name_lines(axes, lines, [_shortened(name, int(_DENSITY * _NAME)) for name in made.names[:count]], 2 * _NAME)
    return fig


def _shortened(text, most):
    """A text of at most so many characters, its middle left out where it has more."""
    if len(text) <= most:
        return text
    tail = most // 2
    return f"{text[: most - tail - 1]}…{text[-tail:]}"
