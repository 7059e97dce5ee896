"""The outlines of every shape, as polygons: one table, from which concepts and drawings are both read.

A shape is a tuple of pieces, drawn in order. Its middle is the origin, its area 1; x runs right and y down.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np


class Piece(NamedTuple):
    """One separately painted piece of a shape.

    Attributes:
        part: name of the part concept it shows, or None for a mere body.
        paint: "body" (the object's colour and texture), "accent" or "detail" (its two plain colours).
        polygons: arrays of `(points, 2)` coordinates; the piece is their union.
    """

    part: str | None
    paint: str
    polygons: tuple[np.ndarray, ...]

    @property
    def textured(self) -> bool:
        """Whether it carries the object's texture."""
        return self.paint == "body"


def _polygon(*points):
    return np.array(points, np.float64)


def _rectangle(left, top, right, bottom):
    return _polygon((left, top), (right, top), (right, bottom), (left, bottom))


def _ellipse(x, y, across, down, *, turn=0.0, start=0.0, stop=360.0):
    # The pixels of even a large drawing do not show the corners of 40.
    angles = np.radians(np.linspace(start, stop, 40))
    points = np.stack([across * np.cos(angles), down * np.sin(angles)], axis=1)
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return points @ np.array([[cos, sin], [-sin, cos]]) + (x, y)


def _arc(x, y, radius, width, start, stop):
    outer = _ellipse(x, y, radius, radius, start=start, stop=stop)
    inner = _ellipse(x, y, radius - width, radius - width, start=start, stop=stop)
    return np.concatenate([outer, inner[::-1]])


def _spokes(count, outer, inner, *, turn=-90.0):
    angles = np.radians(turn + np.arange(2 * count) * 180 / count)
    radii = np.where(np.arange(2 * count) % 2 == 0, outer, inner)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _around(count, distance, across, down, *, y=0.0):
    angles = np.arange(count) * 360 / count
    return [
        _ellipse(
            distance * math.cos(math.radians(a)),
            y + distance * math.sin(math.radians(a)),
            across,
            down,
            turn=a,
        )
        for a in angles
    ]


def _heart():
    angles = np.linspace(0, 2 * np.pi, 40)
    x = 16 * np.sin(angles) ** 3
    y = -(13 * np.cos(angles) - 5 * np.cos(2 * angles) - 2 * np.cos(3 * angles) - np.cos(4 * angles))
    return np.stack([x, y - 2.5], axis=1) / 34


def _shape(*pieces):
    """Centre the shape and scale it to an area of 1, so that its size does not tell its class."""
    points = np.concatenate([polygon for piece in pieces for polygon in piece.polygons])
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    grid = np.zeros((400, 400), np.uint8)
    for piece in pieces:
        for polygon in piece.polygons:
            cv2.fillPoly(grid, [np.rint((polygon - middle) * 256 + 200).astype(np.int32)], 1)
    scale = 256 / math.sqrt(np.count_nonzero(grid))
    return tuple(
        piece._replace(polygons=tuple((polygon - middle) * scale for polygon in piece.polygons)) for piece in pieces
    )


def _body(*polygons, part=None):
    return Piece(part, "body", polygons)


def _accent(part, *polygons):
    return Piece(part, "accent", polygons)


def _detail(part, *polygons):
    return Piece(part, "detail", polygons)


SUBJECTS = {
    "house": _shape(
        _body(_rectangle(-0.36, -0.08, 0.36, 0.46)),
        _accent("roof", _polygon((-0.5, -0.06), (0.0, -0.5), (0.5, -0.06))),
        _detail("door", _rectangle(0.06, 0.12, 0.25, 0.46)),
        _detail("window", _rectangle(-0.26, 0.06, -0.06, 0.26)),
    ),
    "car": _shape(
        _body(
            _polygon(
                (-0.5, 0.2),
                (-0.5, 0.0),
                (-0.44, -0.06),
                (-0.3, -0.08),
                (-0.2, -0.3),
                (0.16, -0.3),
                (0.32, -0.07),
                (0.46, -0.02),
                (0.5, 0.06),
                (0.5, 0.2),
            )
        ),
        _accent(
            "window",
            _polygon((-0.22, -0.07), (-0.15, -0.24), (-0.03, -0.24), (-0.03, -0.07)),
            _polygon((0.03, -0.07), (0.03, -0.24), (0.13, -0.24), (0.24, -0.07)),
        ),
        _detail("wheel", _ellipse(-0.27, 0.19, 0.13, 0.13), _ellipse(0.27, 0.19, 0.13, 0.13)),
    ),
    "fish": _shape(
        _accent("tail", _polygon((0.18, 0.0), (0.5, -0.26), (0.43, 0.0), (0.5, 0.26))),
        _accent(
            "fin",
            _polygon((-0.16, -0.16), (0.1, -0.36), (0.14, -0.1)),
            _polygon((-0.06, 0.16), (0.12, 0.33), (0.14, 0.1)),
        ),
        _body(_ellipse(-0.12, 0.0, 0.38, 0.24)),
        _detail("eye", _ellipse(-0.31, -0.05, 0.065, 0.065)),
    ),
    "flower": _shape(
        _accent("stem", _rectangle(-0.035, 0.0, 0.035, 0.5)),
        _accent("leaf", _ellipse(0.15, 0.36, 0.15, 0.065, turn=-30), _ellipse(-0.15, 0.36, 0.15, 0.065, turn=30)),
        _body(*_around(6, 0.2, 0.15, 0.1, y=-0.16), part="petal"),
        _detail(None, _ellipse(0.0, -0.16, 0.11, 0.11)),
    ),
    "mug": _shape(
        _accent("handle", _arc(0.2, 0.03, 0.24, 0.08, -95, 95)),
        _body(_polygon((-0.36, -0.38), (0.24, -0.38), (0.22, 0.36), (0.16, 0.42), (-0.28, 0.42), (-0.34, 0.36))),
        _detail("rim", _ellipse(-0.06, -0.37, 0.31, 0.08)),
    ),
    "tree": _shape(
        _accent("trunk", _rectangle(-0.07, 0.15, 0.07, 0.5)),
        _body(
            _polygon((-0.36, 0.28), (0.0, -0.1), (0.36, 0.28)),
            _polygon((-0.3, 0.03), (0.0, -0.3), (0.3, 0.03)),
            _polygon((-0.23, -0.2), (0.0, -0.5), (0.23, -0.2)),
            part="crown",
        ),
    ),
    "boat": _shape(
        _detail("mast", _rectangle(-0.03, -0.5, 0.03, 0.2)),
        _accent(
            "sail",
            _polygon((0.07, -0.46), (0.42, 0.1), (0.07, 0.1)),
            _polygon((-0.07, -0.32), (-0.07, 0.1), (-0.33, 0.1)),
        ),
        _body(_polygon((-0.5, 0.16), (0.5, 0.16), (0.33, 0.42), (-0.33, 0.42))),
    ),
    "bird": _shape(
        _accent("tail", _polygon((0.2, 0.02), (0.52, -0.12), (0.5, 0.08), (0.24, 0.2))),
        _accent("beak", _polygon((-0.36, -0.28), (-0.54, -0.18), (-0.36, -0.12))),
        _body(_ellipse(0.02, 0.1, 0.32, 0.23, turn=-8), _ellipse(-0.25, -0.19, 0.17, 0.17)),
        _detail("eye", _ellipse(-0.29, -0.23, 0.055, 0.055)),
        _accent("wing", _ellipse(0.1, 0.06, 0.2, 0.11, turn=-22)),
    ),
    "rocket": _shape(
        _accent(
            "fin",
            _polygon((-0.15, 0.05), (-0.36, 0.46), (-0.12, 0.36)),
            _polygon((0.15, 0.05), (0.36, 0.46), (0.12, 0.36)),
        ),
        _body(_polygon((-0.17, -0.2), (0.17, -0.2), (0.19, 0.05), (0.13, 0.4), (-0.13, 0.4), (-0.19, 0.05))),
        _accent("nose", _polygon((-0.175, -0.17), (-0.12, -0.34), (0.0, -0.5), (0.12, -0.34), (0.175, -0.17))),
        _detail("window", _ellipse(0.0, 0.0, 0.1, 0.1)),
    ),
    "butterfly": _shape(
        _body(
            _ellipse(-0.25, -0.16, 0.27, 0.19, turn=32),
            _ellipse(0.25, -0.16, 0.27, 0.19, turn=-32),
            _ellipse(-0.19, 0.2, 0.2, 0.15, turn=-38),
            _ellipse(0.19, 0.2, 0.2, 0.15, turn=38),
            part="wing",
        ),
        _accent(None, _ellipse(-0.29, -0.18, 0.09, 0.09), _ellipse(0.29, -0.18, 0.09, 0.09)),
        _detail(None, _ellipse(0.0, 0.0, 0.055, 0.33)),
    ),
}
"""The shapes a scene can be named after, with their parts."""

DISTRACTORS = {
    "disc": _shape(_body(_ellipse(0, 0, 0.5, 0.5))),
    "star": _shape(_body(_spokes(5, 0.5, 0.22))),
    "ring": _shape(_body(_arc(0, 0, 0.5, 0.23, 0, 360))),
    "heart": _shape(_body(_heart())),
    "moon": _shape(
        _body(
            np.concatenate(
                [
                    _ellipse(0, 0, 0.5, 0.5, start=50, stop=310),
                    _ellipse(0.12, 0, 0.43, 0.38, start=-64, stop=-296),
                ]
            )
        )
    ),
    "block": _shape(
        _body(_rectangle(-0.42, -0.5, 0.42, 0.5)),
        _detail("window", _rectangle(-0.27, -0.35, -0.05, -0.1), _rectangle(0.06, -0.35, 0.28, -0.1)),
        _accent("door", _rectangle(-0.12, 0.12, 0.12, 0.5)),
    ),
    "cart": _shape(
        _body(_polygon((-0.5, -0.3), (0.5, -0.3), (0.4, 0.2), (-0.4, 0.2))),
        _detail("wheel", _ellipse(-0.22, 0.26, 0.15, 0.15), _ellipse(0.22, 0.26, 0.15, 0.15)),
    ),
    "face": _shape(
        _body(_ellipse(0, 0, 0.5, 0.46)),
        _detail("eye", _ellipse(-0.18, -0.1, 0.1, 0.1), _ellipse(0.18, -0.1, 0.1, 0.1)),
    ),
    "pan": _shape(
        _accent("handle", _rectangle(0.1, -0.07, 0.66, 0.07)),
        _body(_ellipse(-0.2, 0, 0.36, 0.36)),
    ),
    "fruit": _shape(
        _detail("stem", _polygon((-0.04, -0.2), (0.0, -0.52), (0.07, -0.52), (0.04, -0.2))),
        _body(_ellipse(-0.12, 0.12, 0.3, 0.34), _ellipse(0.12, 0.12, 0.3, 0.34)),
        _accent("leaf", _ellipse(0.2, -0.38, 0.18, 0.09, turn=-25)),
    ),
    "kite": _shape(
        _accent("tail", _polygon((-0.05, 0.1), (0.05, 0.1), (0.15, 0.5), (-0.15, 0.5))),
        _body(_polygon((0, -0.5), (0.32, -0.14), (0, 0.3), (-0.32, -0.14))),
    ),
}
"""The shapes that only stand around; most carry a part of some subject."""
