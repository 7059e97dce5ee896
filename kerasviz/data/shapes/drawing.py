"""Draws one scene: smooth pictures from polygons, and for every pixel the piece that it shows."""

import math
from typing import NamedTuple

import cv2
import numpy as np

from kerasviz.data.shapes.concepts import PALETTE
from kerasviz.data.shapes.outlines import DISTRACTORS, SUBJECTS, Piece
from kerasviz.data.shapes.patterns import texture

_FINER = 4  # polygons are filled this many times finer than the picture, for smooth edges
_SHIFT = 4  # binary digits of the fraction in OpenCV's coordinates
_SHADE = 0.42  # how much darker the second tone of a texture is; darkening keeps the hue

_CORNERS = {
    name: np.concatenate([polygon for piece in shape for polygon in piece.polygons])
    for name, shape in (SUBJECTS | DISTRACTORS).items()
}


class Sprite(NamedTuple):
    """An object before it is drawn.

    Attributes:
        shape: a key of `SUBJECTS` or `DISTRACTORS`.
        paints: colour names of "body", "accent" and "detail".
        texture: a texture name, or None for a plain body.
        period: period of the texture, in pixels.
        size: square root of its area, in pixels.
        rotation: clockwise, in degrees.
        mirrored: whether left and right are exchanged before the rotation.
        light: factor on all its colours.
    """

    shape: str
    paints: dict[str, str]
    texture: str | None
    period: float
    size: float
    rotation: float
    mirrored: bool
    light: float

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The pieces of its shape."""
        return SUBJECTS.get(self.shape) or DISTRACTORS[self.shape]

    def points(self) -> np.ndarray:
        """The corners of all its polygons, piece by piece, as `(P, 2)` pixels around the origin."""
        cos, sin = math.cos(math.radians(self.rotation)), math.sin(math.radians(self.rotation))
        flip = -1.0 if self.mirrored else 1.0
        return _CORNERS[self.shape] @ (self.size * np.array([[flip * cos, flip * sin], [-sin, cos]]))


def draw(image: np.ndarray, pieces: np.ndarray, sprite: Sprite, centre: np.ndarray, first: int) -> None:
    """Draw a sprite into `image` and number the pixels that it covers in `pieces`, both in place.

    A pixel belongs to a piece that covers at least half of it.

    Args:
        image: `(3, H, W)` float32, in 0..255. Numpy is far faster over rows than over triples of colours.
        pieces: `(H, W)` uint8; piece k of the sprite writes `first + k`.
        sprite: what to draw.
        centre: `(x, y)` in pixels, where the sprite's origin comes to lie.
        first: number of the sprite's first piece.
    """
    height, width = pieces.shape
    points = sprite.points() + centre
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    left, top = max(math.floor(left), 0), max(math.floor(top), 0)
    right, bottom = min(math.ceil(right) + 1, width), min(math.ceil(bottom) + 1, height)
    image, pieces = image[:, top:bottom, left:right], pieces[top:bottom, left:right]
    height, width = pieces.shape
    # OpenCV means the middle of a fine pixel by a whole number, hence the half.
    corners = np.rint(((points - (left, top)) * _FINER - 0.5) * 2**_SHIFT).astype(np.int32)
    body = _body_paint(sprite, centre - (left, top), height, width)
    start = 0
    for number, piece in enumerate(sprite.pieces, first):
        fine = np.zeros((height * _FINER, width * _FINER), np.uint8)
        for polygon in piece.polygons:
            cv2.fillPoly(fine, [corners[start : start + len(polygon)]], 255, shift=_SHIFT)
            start += len(polygon)
        cover = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
        paint = body if piece.textured else _colour(sprite, piece.paint)
        image += (paint - image) * (cover * np.float32(1 / 255))
        pieces[cover >= 128] = number


def _colour(sprite, paint):
    colour = [min(level * sprite.light, 255) for level in PALETTE[sprite.paints[paint]]]
    return np.array(colour, np.float32)[:, None, None]


def _body_paint(sprite, offset, height, width):
    colour = _colour(sprite, "body")
    if sprite.texture is None:
        return colour
    x = np.arange(width, dtype=np.float32)[None] + np.float32(0.5 - offset[0])
    y = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5 - offset[1])
    cos, sin = math.cos(math.radians(sprite.rotation)), math.sin(math.radians(sprite.rotation))
    second = texture(sprite.texture, cos * x + sin * y, cos * y - sin * x, sprite.period)
    return colour * (1 - np.float32(_SHADE) * second.astype(np.float32))
