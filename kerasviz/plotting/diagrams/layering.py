"""A graph in rows: which row each node stands in, in which order, and how far across.

The steps of Sugiyama et al. 1981, "Methods for Visual Understanding of Hierarchical System Structures": each node
one row below the lowest that feeds it; a bend in every row that an edge passes; few crossings; short edges.
"""

import itertools
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import isotonic_regression

_SWEEPS = 12
#: How strongly each kind of cell keeps its place in a row: longest ways run straight, and the rest gives way.
_KEPT = {"bend": 1.0, "box": 1e5, "spine": 1e10}


@dataclass
class Cell:
    """A place in a row: a node's, or that of a bend of an edge that passes.

    Attributes:
        row: from 0 at the top.
        node: the node's id, None for a bend.
        kind: "bend"; "spine" for the nodes of a longest way through the graph; "box" for the others.
        above: the cells in the row above that lead here.
        below: the cells in the row below that it leads to.
        x: the distance of its middle from that of the diagram.
    """

    row: int
    node: str | None = None
    kind: str = "bend"
    above: list["Cell"] = field(default_factory=list, repr=False)
    below: list["Cell"] = field(default_factory=list, repr=False)
    x: float = 0.0


def rows_of(wiring, room: float, lane: float) -> list[list[Cell]]:
    """The rows of a wiring, from left to right.

    Args:
        wiring: a `Wiring`.
        room: of a box from side to side, with what is free beside it.
        lane: the same of a bend.
    """
    rows = _in_rows(wiring)
    _order(rows)
    _spread(rows, lambda cell: lane if cell.node is None else room)
    return rows


def ranks_of(wiring) -> dict[str, int]:
    """The row of each node: the length of the longest way to it."""
    feeding: dict[str, list[str]] = {}
    reading: dict[str, list[str]] = {}
    for edge in wiring.edges:
        feeding.setdefault(edge.target, []).append(edge.source)
        reading.setdefault(edge.source, []).append(edge.target)
    ranks: dict[str, int] = {}
    for node in wiring.nodes:  # those that feed a node stand before it
        ranks[node.id] = 1 + max((ranks[source] for source in feeding.get(node.id, ())), default=-1)
    for node in wiring.nodes:
        # What comes from weights alone is best seen where it is used.
        if node.role == "layer" and node.id not in feeding and node.id in reading:
            ranks[node.id] = max(0, min(ranks[target] for target in reading[node.id]) - 1)
    return ranks


def _in_rows(wiring):
    ranks = ranks_of(wiring)
    rows: list[list[Cell]] = [[] for _ in range(1 + max(ranks.values(), default=-1))]
    cells, below = {}, _rows_below(wiring)
    for node in wiring.nodes:
        spine = ranks[node.id] + below[node.id] == len(rows) - 1
        cells[node.id] = Cell(ranks[node.id], node.id, "spine" if spine else "box")
        rows[ranks[node.id]].append(cells[node.id])
    bends: dict[tuple[str, int], Cell] = {}
    for source, target in dict.fromkeys((edge.source, edge.target) for edge in wiring.edges):
        upper = cells[source]
        for row in range(upper.row + 1, ranks[target]):
            # Edges that leave one node share their way, as far as it is the same.
            lower = bends.get((source, row))
            if lower is None:
                lower = bends[source, row] = Cell(row)
                rows[row].append(lower)
                _join(upper, lower)
            upper = lower
        _join(upper, cells[target])
    return rows


def _rows_below(wiring):
    """The length of the longest way from each node."""
    below = dict.fromkeys((node.id for node in wiring.nodes), 0)
    for edge in reversed(wiring.edges):  # in the order of their targets, which stand behind their sources
        below[edge.source] = max(below[edge.source], below[edge.target] + 1)
    return below


def _join(upper, lower):
    upper.below.append(lower)
    lower.above.append(upper)


def _order(rows):
    """Sort each row by where its neighbours stand, down and up in turn, and keep the best order."""
    best, fewest = [list(row) for row in rows], _crossings(rows)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        downwards = sweep % 2 == 0
        places: dict[int, int] = {}
        for row in rows if downwards else rows[::-1]:
            middles = {}
            for place, cell in enumerate(row):
                others = [places[id(other)] for other in (cell.above if downwards else cell.below)]
                middles[id(cell)] = sum(others) / len(others) if others else place
            row.sort(key=lambda cell, middles=middles: middles[id(cell)])
            places = {id(cell): place for place, cell in enumerate(row)}
        crossings = _crossings(rows)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    for row, kept in zip(rows, best, strict=True):
        row[:] = kept


def _crossings(rows):
    """How many pairs of edges between neighbouring rows cross."""
    count = 0
    for upper, lower in itertools.pairwise(rows):
        places = {id(cell): place for place, cell in enumerate(lower)}
        ends = np.array([place for cell in upper for place in sorted(places[id(other)] for other in cell.below)])
        if len(upper) > 1:
            count += int(np.triu(ends[:, None] > ends[None, :], 1).sum())
    return count


def _spread(rows, width):
    """Move cells towards their neighbours, as far as the order and the widths allow."""
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            _settle(row, [_wanted(cell) for cell in row], width)
    for row in rows:
        # Lines that pass hang straight down.
        _settle(row, [cell.above[0].x if cell.kind == "bend" else cell.x for cell in row], width)


def _settle(row, wanted, width):
    """Place the cells of a row as near as may be to where they would stand."""
    rooms = [width(cell) for cell in row]
    starts = np.concatenate([[0.0], np.cumsum([(a + b) / 2 for a, b in itertools.pairwise(rooms)])])
    weights = np.array([_KEPT[cell.kind] for cell in row])
    places = isotonic_regression(np.array(wanted) - starts, weights=weights).x + starts
    for cell, place in zip(row, places, strict=True):
        cell.x = round(float(place), 3)


def _wanted(cell):
    """Where a cell would stand: amid its neighbours of its own kind, so that chains are straight."""
    around = [*cell.above, *cell.below]
    alike = [other.x for other in around if other.kind == cell.kind] or [other.x for other in around] or [cell.x]
    return sum(alike) / len(alike)
