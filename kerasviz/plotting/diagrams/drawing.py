"""Diagrams by matplotlib. Imports it: import this only where one is drawn."""

import matplotlib
from matplotlib.collections import PatchCollection, PathCollection, PolyCollection
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch
from matplotlib.path import Path
from matplotlib.textpath import TextToPath

from kerasviz.plotting.canvas import FONT, NotebookFigure
from kerasviz.plotting.diagrams.labels import (
    INK,
    NEUTRAL,
    clean,
    details_text,
    kind_of,
    kinds_in,
    name_text,
    shortened,
)
from kerasviz.plotting.diagrams.placing import BOX, TITLE, place

_MARGIN = 0.15
_INSIDE = 0.12  # between a frame and its text
_NARROWEST, _WIDEST = 1.2, 3.6
_SMALL = FONT - 1
_SWATCH = 0.24  # height
_HEAD = 0.36  # of the name of the model
_ARROW = 0.035, 0.08  # half the width, length
_LINE = 0.9  # points
_ROUND = "round,pad=0,rounding_size=0.07"
_FRAME = {"facecolor": NEUTRAL + "14", "edgecolor": NEUTRAL, "linewidth": 0.7, "linestyle": (0, (4, 3))}


def draw(wiring):
    """A wiring as a matplotlib `Figure`, without a ground, of its natural size.

    Args:
        wiring: a `Wiring`.
    """
    leaving: dict[str, list] = {}
    for edge in wiring.edges:
        leaving.setdefault(edge.source, []).append(edge)
    details = {node.id: details_text(node, leaving.get(node.id, ())) for node in wiring.nodes}
    width = _box_width(wiring, details)
    page, title = place(wiring, width), shortened(clean(wiring.name), 60)
    legend, legend_width, legend_height = _legend(wiring, page.width)
    wide = max(page.width, legend_width, _text_width(title, FONT + 3, bold=True)) + 2 * _MARGIN
    high = page.height + _HEAD + legend_height + 3 * _MARGIN
    fig = NotebookFigure(figsize=(wide, high), dpi=120, facecolor="none")
    axes = fig.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, wide), ylim=(high, 0))
    axes.set_axis_off()
    _write(axes, wide / 2, _MARGIN + _HEAD / 2, title, FONT + 3, NEUTRAL, bold=True)
    for kind, left, top, size in legend:
        x, y = (wide - legend_width) / 2 + left, _MARGIN + _HEAD + top
        axes.add_collection(_boxes([(x, y, size, _SWATCH, kind)]))
        _write(axes, x + size / 2, y + _SWATCH / 2, kind.name, _SMALL, INK)
    _draw_page(axes, wiring, page, details, width, (wide - page.width) / 2, high - page.height - _MARGIN)
    return fig


def _draw_page(axes, wiring, page, details, width, left, top):
    containers = {one.id: one for one in wiring.containers}
    framed = {frame[0] for frame in page.frames}
    for name, x, y, wide, high in page.frames:
        axes.add_patch(FancyBboxPatch((x + left, y + top), wide, high, _ROUND, **_FRAME))
        container = containers[name]
        text = f"{name_text(container, container.within if container.within in framed else None)}  {container.kind}"
        text = _fitted(text, wide - 2 * _INSIDE, _SMALL)
        _write(axes, x + left + _INSIDE, y + top + TITLE / 2, text, _SMALL, NEUTRAL, ha="left")
    paths = [Path(curve, [Path.MOVETO, *[Path.CURVE4] * 3]) for curve in page.curves]
    paths += [Path(track) for track in page.tracks]
    move = matplotlib.transforms.Affine2D().translate(left, top)
    lines = PathCollection([path.transformed(move) for path in paths], fc="none", ec=NEUTRAL, lw=_LINE)
    axes.add_collection(lines)
    half, length = _ARROW
    heads = [[(x, y), (x - half, y - length), (x + half, y - length)] for x, y in page.arrows]
    heads = [[(x + left, y + top) for x, y in head] for head in heads]
    axes.add_collection(PolyCollection(heads, fc=NEUTRAL, ec="none"))
    nodes = {node.id: node for node in wiring.nodes}
    axes.add_collection(
        _boxes([(x + left, y + top, width, BOX, kind_of(nodes[name])) for name, (x, y) in page.boxes.items()])
    )
    for name, (x, y) in page.boxes.items():
        node = nodes[name]
        lines = (name_text(node, node.within if node.within in framed else None), details[name])
        for text, share, size, bold in zip(lines, (0.32, 0.7), (FONT, _SMALL), (True, False), strict=True):
            place_ = (x + left + width / 2, y + top + share * BOX)
            _write(axes, *place_, _fitted(text, width - _INSIDE, size, bold=bold), size, INK, bold=bold)


def _boxes(boxes):
    patches = [FancyBboxPatch((x, y), wide, high, _ROUND) for x, y, wide, high, _ in boxes]
    kinds = [box[4] for box in boxes]
    return PatchCollection(patches, fc=[kind.fill for kind in kinds], ec=[kind.frame for kind in kinds], lw=_LINE)


def _legend(wiring, most):
    """Kinds with their places, and the width and the height of all of them; as many in a line as fit."""
    placed, x, y, widest = [], 0.0, 0.0, 0.0
    for kind in kinds_in(wiring.nodes):
        size = _text_width(kind.name, _SMALL) + 2 * _INSIDE
        if x and x + size > max(most, 4.0):
            x, y = 0.0, y + _SWATCH + 0.08
        placed.append((kind, x, y, size))
        widest = max(widest, x + size)
        x += size + 0.08
    return placed, widest, y + _SWATCH


def _box_width(wiring, details):
    texts = [_text_width(name_text(node, node.within), FONT, bold=True) for node in wiring.nodes]
    texts += [_text_width(text, _SMALL) for text in details.values()]
    return min(max([_NARROWEST, *(text + 2 * _INSIDE for text in texts)]), _WIDEST)


def _fitted(text, inches, size, *, bold=False):
    """A text, its middle left out until it fits."""
    shown, most = text, len(text)
    while most > 3 and _text_width(shown, size, bold=bold) > inches:
        most -= 1
        shown = shortened(text, most)
    return shown


def _text_width(text, size, *, bold=False):
    font = FontProperties(size=size, weight="bold" if bold else "normal")
    return TextToPath().get_text_width_height_descent(text, font, ismath=False)[0] / 72


def _write(axes, x, y, text, size, color, *, ha="center", bold=False):
    # A dollar sign in a name is no mathematics.
    axes.text(
        x, y, text, size=size, color=color, ha=ha, va="center", weight="bold" if bold else "normal", parse_math=False
    )
