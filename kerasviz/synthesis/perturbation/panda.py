"""The figure of Goodfellow et al. 2015: image + perturbation = another class. Imports matplotlib."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasviz.plotting.canvas import FONT, LINE, NotebookFigure, add_axes, show, wrap, write

_SIGN, _GAP, _MARGIN, _ABOVE = 0.32, 0.12, 0.1, 0.05  # inches: between pictures, between rows, around, over a caption
_SIGN_FONT = 2 * FONT


@dataclass(frozen=True)
class Sum:
    """A row of the figure.

    Attributes:
        pictures: image, perturbation and point, each `(H, W, 3)` uint8.
        captions: a text below each, of at most a few lines.
    """

    pictures: tuple[np.ndarray, np.ndarray, np.ndarray]
    captions: tuple[str, str, str]


def draw_sums(sums: Sequence[Sum], *, tile: float = 1.9, dpi: float = 150) -> NotebookFigure:
    """Draw sums, one below the other.

    Args:
        sums: at least one.
        tile: width of a picture in inches.
        dpi: dots an inch.
    """
    captions = [[_lines(text, tile + _SIGN) for text in each.captions] for each in sums]
    below = [_ABOVE + LINE * max(text.count("\n") + 1 for text in row) for row in captions]
    highs = [tile * max(picture.shape[0] / picture.shape[1] for picture in each.pictures) for each in sums]
    width = 2 * _MARGIN + 3 * tile + 2 * _SIGN
    height = 2 * _MARGIN + sum(highs) + sum(below) + _GAP * (len(sums) - 1)
    fig = NotebookFigure(figsize=(width, height), dpi=dpi)
    top = height - _MARGIN
    for each, texts, high, under in zip(sums, captions, highs, below, strict=True):
        for column, (picture, text) in enumerate(zip(each.pictures, texts, strict=True)):
            left = _MARGIN + column * (tile + _SIGN)
            show(add_axes(fig, left, top - high, tile, high), picture)
            # A block of lines is placed by its last baseline.
            last = top - high - _ABOVE - LINE * (text.count("\n") + 0.75)
            write(fig, text, (left + tile / 2, last))
            if column:
                place = left - _SIGN / 2, top - high / 2
                write(fig, "+="[column - 1], place, va="center", fontsize=_SIGN_FONT)
        top -= high + under + _GAP
    return fig


def _lines(text, inches):
    """The lines of a text, each broken where it is too long."""
    return "\n".join(wrap(line, inches, lines=2) for line in text.split("\n"))
