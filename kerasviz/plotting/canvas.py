"""Sheets of pictures as matplotlib figures. Imports matplotlib: import it only where a figure is drawn.

Places are computed in inches and each picture gets a box of its own proportions, so that nothing is squeezed
and no layout engine is needed.
"""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from kerasviz.plotting.colors import Palette

FONT = 9  # points
LINE = FONT * 1.3 / 72  # inches a line of text
_CHARACTER = FONT * 0.52 / 72  # inches, on average
_DESCENT = 0.05
_MARGIN = 0.08
_GAP = 0.07
_BAR_GAP, _BAR, _BAR_TEXT = 0.06, 0.09, 0.45
_TALLEST, _FLATTEST = 2.0, 0.1  # height of a cell in units of its width
_SMALL = FONT - 2
LEGEND_LINE = _SMALL * 1.6 / 72  # inches
_LEGEND_MARGIN, _LEGEND_MOST = 0.6, 2.4  # what is no text, and how wide all may be
FRAME = {"color": "0.6", "linewidth": 0.4}


class NotebookFigure(Figure):
    """A figure that a notebook shows although pyplot has never been imported."""

    def _repr_png_(self) -> bytes:
        png = io.BytesIO()
        self.savefig(png, format="png")
        return png.getvalue()


@dataclass(frozen=True)
class Bar:
    """A colour bar: the palette, the values of its ends, and what the values are."""

    palette: Palette
    low: float
    high: float
    label: str = ""

    @property
    def width(self) -> float:
        """The inches that it takes beside its picture."""
        return _BAR_GAP + _BAR + _BAR_TEXT + (LINE if self.label else 0.0)


@dataclass(frozen=True)
class Legend:
    """Names with the colours, 0..255, that stand for them."""

    entries: Sequence[tuple[str, Sequence[int]]]

    @property
    def width(self) -> float:
        """The inches that it takes beside its picture."""
        longest = max(len(name) for name, _ in self.entries) * _CHARACTER * _SMALL / FONT
        return min(longest + _LEGEND_MARGIN, _LEGEND_MOST)


@dataclass(frozen=True)
class Tile:
    """A picture `(H, W, 3)` with what stands around it."""

    picture: np.ndarray
    title: str = ""
    bar: Bar | Legend | None = None


def draw_sheet(
    rows: Sequence[Sequence[Tile | None]],
    *,
    column_titles: Sequence[str] = (),
    row_titles: Sequence[str] = (),
    group: int = 1,
    tile: float = 2.2,
    dpi: float = 150,
) -> Figure:
    """Lays tiles out in rows.

    Args:
        rows: tiles, `None` for an empty place.
        column_titles: text above the columns.
        row_titles: text beside the rows, turned.
        group: columns that belong together; a wider gap follows them.
        tile: width of a column in inches.
        dpi: dots an inch.
    """
    count = max(len(row) for row in rows)
    bars = [[row[c].bar.width for row in rows if len(row) > c and row[c] and row[c].bar] for c in range(count)]
    side = LINE + 0.06 if any(row_titles) else 0.0
    lefts, x = [], _MARGIN + side
    for column in range(count):
        lefts.append(x)
        x += tile + max(bars[column], default=0.0)
        x += _GAP * (3 if group > 1 and (column + 1) % group == 0 else 1)
    width = x - _GAP * (3 if group > 1 and count % group == 0 else 1) + _MARGIN

    heads = [wrap(title, tile) for title in column_titles]
    head = max((text.count("\n") + 1 for text in heads if text), default=0) * LINE
    titles = [[wrap(each.title, tile) if each else "" for each in row] for row in rows]
    above = [max((text.count("\n") + 1 for text in row if text), default=0) * LINE + 0.02 for row in titles]
    cells = [tile * max(_shape_in_cell(each) for each in row if each) for row in rows]
    height = head + sum(above) + sum(cells) + _GAP * (len(rows) - 1) + 2 * _MARGIN

    fig = NotebookFigure(figsize=(width, height), dpi=dpi)
    for text, left in zip(heads, lefts, strict=False):
        write(fig, text, (left + tile / 2, height - _MARGIN - head + _DESCENT))
    top = height - _MARGIN - head
    for index, row in enumerate(rows):
        top -= above[index]
        for each, left, text in zip(row, lefts, titles[index], strict=False):
            if each is not None:
                _place(fig, each, left, top, tile, cells[index])
                write(fig, text, (left + tile / 2, top + _DESCENT))
        if index < len(row_titles):
            text = wrap(row_titles[index], cells[index], lines=1)
            write(fig, text, (_MARGIN + LINE / 2, top - cells[index] / 2), va="center", rotation=90)
        top -= cells[index] + _GAP
    return fig


def wrap(text, inches: float, lines: int = 3) -> str:
    """Breaks a text into at most `lines` lines of about that many inches."""
    columns = max(int(inches / _CHARACTER), 4)
    wrapper = textwrap.TextWrapper(columns, max_lines=lines, placeholder="…", break_on_hyphens=False)
    return "\n".join(wrapper.wrap(str(text)))


def write(fig: Figure, text: str, place: tuple[float, float], **style) -> None:
    """Writes lines centred at a place in inches, the baseline of the last one there.

    A line at a time, for matplotlib aligns blocks by their ink, and titles with and without descenders would
    dance. A dollar sign in a file name is no mathematics.
    """
    wide, high = fig.get_size_inches()
    style = {"ha": "center", "va": "baseline", "fontsize": FONT, **style}
    for number, line in enumerate(reversed(text.split("\n"))):
        if line:
            fig.text(place[0] / wide, (place[1] + number * LINE) / high, line, parse_math=False, **style)


def add_axes(fig: Figure, left: float, bottom: float, width: float, height: float):
    """Axes at a place in inches."""
    wide, high = fig.get_size_inches()
    return fig.add_axes((left / wide, bottom / high, width / wide, height / high))


def show(axes, picture: np.ndarray, **extent) -> None:
    """Draws a picture that fills its axes, with a thin frame that keeps white maps apart from the page."""
    axes.imshow(picture, origin="upper", interpolation="antialiased", aspect="auto", **extent)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, **FRAME)


def add_bar(fig: Figure, bar: Bar, left: float, bottom: float, height: float) -> None:
    """A colour bar with its numbers on the right, and behind them what they are; places in inches."""
    axes = add_axes(fig, left, bottom, _BAR, height)
    colors = ScalarMappable(Normalize(bar.low, bar.high), ListedColormap(bar.palette.table / 255.0))
    ticks = [bar.low, 0.0, bar.high] if bar.palette.signed else [bar.low, bar.high]
    drawn = fig.colorbar(colors, cax=axes, ticks=ticks)
    numbers = drawn.ax.set_yticklabels([f"{tick:.3g}".replace("-", "−") for tick in ticks], fontsize=_SMALL)
    # Those at the ends stay beside the bar, clear of the rows above and below.
    numbers[0].set_va("bottom")
    numbers[-1].set_va("top")
    drawn.ax.tick_params(length=2, width=0.4, pad=1.5)
    drawn.outline.set(linewidth=FRAME["linewidth"], edgecolor=FRAME["color"])
    place = (left + _BAR + _BAR_TEXT + LINE / 2, bottom + height / 2)
    write(fig, wrap(bar.label, height, lines=1), place, va="center", rotation=90, fontsize=_SMALL)


def add_legend(axes, legend: Legend) -> None:
    """Names with their colours at the right of a picture, a line each."""
    most = (legend.width - _LEGEND_MARGIN) * FONT / _SMALL
    patches = [
        Patch(fc=np.array(color) / 255, label=wrap(name, most + 0.01, lines=1)) for name, color in legend.entries
    ]
    drawn = axes.legend(
        handles=patches, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=_SMALL, handlelength=1
    )
    for text in drawn.get_texts():
        text.set_parse_math(False)


def _shape_in_cell(tile: Tile) -> float:
    height, width = tile.picture.shape[:2]
    return min(max(height / width, _FLATTEST), _TALLEST)


def _place(fig: Figure, tile: Tile, left: float, top: float, cell_width: float, cell_height: float) -> None:
    height, width = tile.picture.shape[:2]
    size = min(cell_width / width, cell_height / height)
    wide, high = width * size, height * size
    x, y = left + (cell_width - wide) / 2, top - (cell_height + high) / 2
    axes = add_axes(fig, x, y, wide, high)
    show(axes, tile.picture)
    if isinstance(tile.bar, Legend):
        add_legend(axes, tile.bar)
    elif tile.bar is not None:
        add_bar(fig, tile.bar, x + wide + _BAR_GAP, y, high)
