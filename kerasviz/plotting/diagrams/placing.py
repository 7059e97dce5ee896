"""Where the boxes, frames and lines of a diagram go, in inches, with y downwards.

A long network is broken into columns, as a newspaper is: nobody can read a page that is fifty times as high as wide.
"""

import math
from dataclasses import dataclass, field

from kerasviz.plotting.diagrams.layering import Cell, rows_of

BOX = 0.4  # height
TITLE = 0.2  # of a frame
_BETWEEN = 0.3  # boxes side by side
_LANE = 0.16  # of a line that passes boxes
_STRAIGHT, _SLANTED = 0.17, 0.32  # from one row to the next
_PAD = 0.09
_TALLEST = 17.0  # what stays one column
_PROPORTION = 1.4  # height of a page of several columns in units of its width
_GUTTER = 0.45
_TRACK = 0.1  # of a line on its way to the next column


@dataclass
class Page:
    """A layout.

    Attributes:
        width: of everything.
        height: of everything.
        boxes: left and top, by the ids of nodes.
        frames: the id of a container, left, top, width and height, outer ones first. There are several where it goes
            on in the next column, and none where other boxes stand between its own.
        curves: starts, two points that the line bends towards, ends.
        tracks: corners of lines from one column to the next.
        arrows: points of arrowheads, which look down.
    """

    width: float = 0.0
    height: float = 0.0
    boxes: dict[str, tuple] = field(default_factory=dict)
    frames: list[tuple] = field(default_factory=list)
    curves: list[tuple] = field(default_factory=list)
    tracks: list[list] = field(default_factory=list)
    arrows: list[tuple] = field(default_factory=list)


def place(wiring, width: float) -> Page:
    """Lay out a wiring.

    Args:
        wiring: a `Wiring`.
        width: of a box.
    """
    rows = rows_of(wiring, width + _BETWEEN, _LANE)
    around = {node.id: wiring.around(node.within) for node in wiring.nodes}
    page, left, lanes = Page(), 0.0, []
    for part in _columns(rows, around, width):
        column = _Column(part, around, width, lanes)
        shift = left - column.left
        column.add_to(page, shift)
        _lead_over(page, lanes, column, shift)
        lanes = [_Lane(cell, cell.x + shift, column, shift) for cell in part[-1] if cell.below]
        left += column.right - column.left + _GUTTER + _TRACK * len(lanes)
        page.width = max(page.width, column.right + shift)
        page.height = max(page.height, column.bottom + _TRACK * (len(lanes) + 1) * bool(lanes))
    page.frames.sort(key=lambda frame: len(wiring.around(frame[0])))
    return page


@dataclass(frozen=True)
class _Lane:
    """A line that leaves a column at its end: the last cell, where it is across, the column and its place."""

    cell: Cell
    x: float
    column: "_Column"
    shift: float


class _Column:
    """Rows below each other, and the frames around their boxes; x as in the rows, y from the top of the page."""

    def __init__(self, rows, around, width, lanes):
        self.rows, self.width = rows, width
        self.boxes, self.tops = {}, {}
        nodes = [(cell.row, cell.node) for row in rows for cell in row if cell.node is not None]
        firsts, lasts = {}, {}
        for row, node in nodes:
            for container in around[node]:
                firsts.setdefault(container, row)
                lasts[container] = row
        self.bottom = _TRACK * (len(lanes) + 1) * bool(lanes)
        for number, row in enumerate(rows):
            here = [around[cell.node] for cell in row if cell.node is not None]
            begun, ended = (
                max((sum(ends[one] == row[0].row for one in path) for path in here), default=0)
                for ends in (firsts, lasts)
            )
            self.bottom += (_gap(rows[number - 1]) if number else 0.0) + begun * TITLE
            self.tops[row[0].row] = self.bottom
            self.bottom += BOX + ended * _PAD
        for row in rows:
            for cell in row:
                if cell.node is not None:
                    self.boxes[cell.node] = (cell.x - width / 2, self.tops[cell.row], width, BOX)
        self.frames = self._framed(around)
        extents = [*self.boxes.values(), *self.frames.values()]
        bends = [cell.x for row in rows for cell in row]
        self.left = min([*bends, *(x for x, _, _, _ in extents)], default=0.0)
        self.right = max([*bends, *(x + wide for x, _, wide, _ in extents)], default=0.0)

    def add_to(self, page, shift):
        """Draw it on a page."""
        page.boxes.update({node: (x + shift, y) for node, (x, y, _, _) in self.boxes.items()})
        page.frames.extend((name, x + shift, *rest) for name, (x, *rest) in self.frames.items())
        for row in self.rows:
            top = self.tops[row[0].row]
            for cell in row:
                x = cell.x + shift
                if cell.node is None:
                    page.curves.append(((x, top), (x, top), (x, top + BOX), (x, top + BOX)))
                for lower in cell.below if row is not self.rows[-1] else ():
                    end, there = self.tops[lower.row], lower.x + shift
                    middle = (top + BOX + end) / 2
                    page.curves.append(((x, top + BOX), (x, middle), (there, middle), (there, end)))
                    if lower.node is not None:
                        page.arrows.append((there, end))

    def _framed(self, around):
        """The frames of containers whose boxes stand together, inner ones first."""
        inside: dict[str, list[str]] = {}
        for node in self.boxes:
            for container in around[node]:
                inside.setdefault(container, []).append(node)
        depth = {one: path.index(one) for node in self.boxes for path in [around[node]] for one in path}
        frames: dict[str, tuple] = {}
        for container in sorted(inside, key=lambda one: -depth[one]):
            parts = [frames[one] for one in frames if set(inside[one]) <= set(inside[container])]
            frame = _around_boxes([*parts, *(self.boxes[node] for node in inside[container])])
            others = [box for node, box in self.boxes.items() if container not in around[node]]
            others += [frame for one, frame in frames.items() if not set(inside[one]) <= set(inside[container])]
            if not any(_overlap(frame, other) for other in others):
                frames[container] = frame
        return frames


def _lead_over(page, lanes, column, shift):
    """Lines from the end of one column to the top of the next, around each other."""
    for number, lane in enumerate(lanes):
        track = _TRACK * (len(lanes) - number)
        down, up = lane.column.bottom + track, track - _TRACK / 2
        across = lane.column.right + lane.shift + _GUTTER / 3 + track
        start = lane.column.tops[lane.cell.row] + BOX
        for lower in lane.cell.below:
            end, there = column.tops[lower.row], lower.x + shift
            page.tracks.append(
                [(lane.x, start), (lane.x, down), (across, down), (across, up), (there, up), (there, end)]
            )
            if lower.node is not None:
                page.arrows.append((there, end))


def _columns(rows, around, width):
    """The rows, broken where few lines and containers go on."""
    height = sum(BOX + _gap(row) for row in rows)
    places = [cell.x for row in rows for cell in row]
    wide = max(places, default=0.0) - min(places, default=0.0) + width + _GUTTER
    count = 1 if height <= _TALLEST else max(2, round(math.sqrt(height / (_PROPORTION * wide))))
    opened, breaks = _open_containers(rows, around), [0]
    for number in range(1, count):
        ideal, slack = number * len(rows) / count, 0.1 * len(rows) / count
        choices = range(max(breaks[-1] + 1, math.ceil(ideal - slack)), min(len(rows) - 1, int(ideal + slack)) + 1)
        if choices:
            breaks.append(
                min(choices, key=lambda r: (sum(bool(c.below) for c in rows[r - 1]) + opened[r], abs(r - ideal)))
            )
    return [rows[first:last] for first, last in zip(breaks, [*breaks[1:], len(rows)], strict=True)]


def _open_containers(rows, around):
    """How many containers have boxes both above each row, and in it or below."""
    firsts, lasts = {}, {}
    for number, row in enumerate(rows):
        for cell in row:
            for container in around.get(cell.node, ()):
                firsts.setdefault(container, number)
                lasts[container] = number
    return [sum(firsts[one] < number <= lasts[one] for one in firsts) for number in range(len(rows))]


def _gap(row):
    slanted = any(abs(lower.x - cell.x) > 0.02 for cell in row for lower in cell.below)
    return _SLANTED if slanted else _STRAIGHT


def _around_boxes(boxes):
    left, right = min(box[0] for box in boxes) - _PAD, max(box[0] + box[2] for box in boxes) + _PAD
    top, bottom = min(box[1] for box in boxes) - TITLE, max(box[1] + box[3] for box in boxes) + _PAD
    return left, top, right - left, bottom - top


def _overlap(one, other):
    return all(one[axis] < other[axis] + other[axis + 2] and other[axis] < one[axis] + one[axis + 2] for axis in (0, 1))
