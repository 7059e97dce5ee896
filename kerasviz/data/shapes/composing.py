"""Decides what a scene shows and where, before anything is drawn."""

import colorsys
from typing import NamedTuple

import numpy as np

from kerasviz.data.shapes.concepts import BACKGROUNDS, PALETTE, TEXTURES
from kerasviz.data.shapes.drawing import Sprite
from kerasviz.data.shapes.outlines import DISTRACTORS
from kerasviz.data.shapes.patterns import background

# In pixels of a scene whose shorter side is 64.
_SUBJECT_SIZE = (16, 23)
_DISTRACTOR_SIZE = (9, 14)
_TEXTURE_PERIOD = (5, 7)

_GREATEST_TURN = 40  # degrees, either way: a house on its roof would be no house
_PLAIN = 0.25  # share of objects without a texture
_DISTRACTORS = 4
_TRIES = 8  # places looked at for a distractor
_MOST_SHARED = 0.5  # what two objects' boxes may have in common, as a share of the smaller one

_COLOURS = tuple(PALETTE)
# A black body would hide its texture.
_BODY_COLOURS = tuple(name for name in _COLOURS if name not in ("white", "black"))
_SHAPES = tuple(DISTRACTORS)


class Placed(NamedTuple):
    """A sprite, and the `(x, y)` in pixels where its origin comes to lie."""

    sprite: Sprite
    centre: np.ndarray


class Composition(NamedTuple):
    """A scene before it is drawn.

    Attributes:
        background: `(3, H, W)` float32 in 0..255.
        pattern: name of the background.
        placed: the objects, the subject first.
        order: indices into `placed`, from the back to the front.
    """

    background: np.ndarray
    pattern: str
    placed: list[Placed]
    order: list[int]


def compose(rng: np.random.Generator, size: tuple[int, int], classes: tuple[str, ...]) -> Composition:
    """Draw the contents of one scene."""
    unit = min(size) / 64
    label = classes[rng.integers(len(classes))]
    pattern = BACKGROUNDS[rng.integers(len(BACKGROUNDS))]
    backdrop = _backdrop(rng, pattern, size)
    placed, boxes = [], []
    for number in range(1 + rng.integers(1, _DISTRACTORS + 1)):
        shape = _SHAPES[rng.integers(len(_SHAPES))] if number else label
        sprite = _sprite(rng, shape, _DISTRACTOR_SIZE if number else _SUBJECT_SIZE, unit)
        points = sprite.points()
        low = points.min(axis=0)
        extent = points.max(axis=0) - low
        corner = _place(rng, size, extent, boxes)
        boxes.append((*corner, *(corner + extent)))
        placed.append(Placed(sprite, corner - low))
    front = rng.random(len(placed)) < 0.5
    others = range(1, len(placed))
    order = [k for k in others if not front[k]] + [0] + [k for k in others if front[k]]
    return Composition(backdrop, pattern, placed, order)


def _sprite(rng, shape, sizes, unit):
    body = _BODY_COLOURS[rng.integers(len(_BODY_COLOURS))]
    first, second = rng.integers(len(_COLOURS) - 1), rng.integers(len(_COLOURS) - 2)
    rest = [name for name in _COLOURS if name != body]
    accent = rest.pop(first)
    chance = rng.random(6)
    name = None if chance[0] < _PLAIN else TEXTURES[rng.integers(len(TEXTURES))]
    return Sprite(
        shape=shape,
        paints={"body": body, "accent": accent, "detail": rest[second]},
        texture=name,
        period=_between(chance[1], *_TEXTURE_PERIOD) * unit,
        size=_between(chance[2], *sizes) * unit,
        rotation=_between(chance[3], -_GREATEST_TURN, _GREATEST_TURN),
        mirrored=bool(chance[4] < 0.5),
        light=_between(chance[5], 0.9, 1.06),
    )


def _place(rng, size, extent, boxes):
    """The upper left corner of an object that lies in the frame and leaves the earlier ones visible."""
    corners = rng.random((_TRIES, 2)) * (np.array(size[::-1]) - extent)
    if not boxes:
        return corners[0]
    taken = np.array(boxes)
    upper = np.maximum(corners[:, None], taken[:, :2])
    lower = np.minimum(corners[:, None] + extent, taken[:, 2:])
    common = np.maximum(lower - upper, 0).prod(axis=2)
    smaller = np.minimum((taken[:, 2:] - taken[:, :2]).prod(axis=1), extent.prod())
    shared = (common / smaller).max(axis=1)
    return corners[shared.argmin() if shared.min() > _MOST_SHARED else (shared <= _MOST_SHARED).argmax()]


def _backdrop(rng, pattern, size):
    """A background of two pale or two dark tones, paler than any colour concept."""
    hue, aside, dull, bright, dark, step = rng.random(6)
    value = _between(bright, 0.8, 0.95) if dark < 0.75 else _between(bright, 0.3, 0.45)
    dullness = _between(dull, 0.08, 0.24)
    other = value + (1 if value < 0.5 else -1) * _between(step, 0.08, 0.15)
    first = colorsys.hsv_to_rgb(hue, dullness, value)
    second = colorsys.hsv_to_rgb((hue + _between(aside, -0.1, 0.1)) % 1, dullness, other)
    first, second = 255 * np.array([first, second], np.float32)[..., None, None]
    return first + (second - first) * background(pattern, *size, rng).astype(np.float32)


def _between(share, low, high):
    return low + (high - low) * float(share)
