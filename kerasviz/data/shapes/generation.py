"""Scenes with known contents: pictures, labels, masks of every concept, and boxes."""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from kerasviz.data.shapes.composing import compose
from kerasviz.data.shapes.concepts import CATEGORIES, CLASSES, CODES, Concept, find_concept
from kerasviz.data.shapes.drawing import Sprite, draw
from kerasviz.errors import SettingError

LEAST_SIDE = 32


@dataclass(frozen=True)
class SceneObject:
    """One object of a scene, as far as it can be seen.

    Attributes:
        shape: name of its shape concept.
        colour: colour concept of its body.
        accent: colour concept of its accented pieces, such as a roof.
        detail: colour concept of its details, such as an eye.
        texture: texture concept of its body, or None for a plain one.
        size: square root of its whole area in pixels, to 3 %, drawn independently of the shape.
        rotation: clockwise, in degrees.
        mirrored: whether left and right were exchanged before the rotation.
        number: its value in `Scenes.instances`; 1 is the subject.
        box: `(x0, y0, x1, y1)` around its visible pixels, as in `Scenes.boxes`.
    """

    shape: str
    colour: str
    accent: str
    detail: str
    texture: str | None
    size: float
    rotation: float
    mirrored: bool
    number: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Scenes:
    """A batch of scenes.

    Attributes:
        images: `(N, H, W, 3)` uint8, red, green, blue.
        labels: `(N,)` int64, an index into `CLASSES`.
        boxes: `(N, 4)` int64, the subject's visible pixels as `(x0, y0, x1, y1)` in pixels, half open:
            `image[y0:y1, x0:x1]`. All zero where the subject is left out.
        maps: `(N, 5, H, W)` uint8, one map per category in the order of `CATEGORIES`. 0 is none of its
            concepts, `k + 1` is `CONCEPTS[k]`. A pixel belongs to the object that covers at least half of it.
        instances: `(N, H, W)` uint8. 0 is the background, 1 the subject, 2 and more the distractors.
        objects: for each scene its visible objects, in the order of their numbers.
    """

    images: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    maps: np.ndarray
    instances: np.ndarray
    objects: tuple[tuple[SceneObject, ...], ...]

    def __len__(self):
        return len(self.images)

    def mask(self, concept: Concept | str) -> np.ndarray:
        """Return where a concept shows, as `(N, H, W)` bool.

        Args:
            concept: an entry of `CONCEPTS`, or its name.

        Raises:
            SettingError: there is no such concept.

        Example:
            >>> from kerasviz.data.shapes import scenes
            >>> scenes(4, seed=1).mask("red").shape
            (4, 64, 64)
        """
        category, code = find_concept(concept)
        return self.maps[:, category] == code

    def subject_mask(self) -> np.ndarray:
        """Return where the subject shows, as `(N, H, W)` bool."""
        return self.instances == 1


def scenes(
    count: int,
    *,
    size: tuple[int, int] = (64, 64),
    seed: int = 0,
    start: int = 0,
    classes: Sequence[str] | None = None,
    subject: bool = True,
) -> Scenes:
    """Draw scenes: one subject of a class, some distractors, over a patterned background.

    The subject's form alone tells its class. Its colours, texture, place, size and rotation, the background
    and the other objects are drawn without regard to it. The distractors (one to four) have shapes of no
    class, carry the same colours, textures and some of the same parts, and hide over 5 % of every eighth
    subject, rarely more than a third.

    Scene i depends on `seed`, `start + i`, `size`, `classes` and nothing else, so a long row can be drawn in
    pieces.

    Args:
        count: how many, at least 1.
        size: `(height, width)` in pixels, each at least 32. Objects scale with the shorter side.
        seed: at least 0. Other seeds give other scenes, so that a seed of its own is a held-out set.
        start: number of the first scene, at least 0.
        classes: names of the classes to draw subjects from, each as often as another; None means all.
            Labels index `CLASSES` in any case.
        subject: False leaves the subjects out and draws all else as before. Labels are those of the missing
            subjects.

    Returns:
        The scenes.

    Raises:
        SettingError: an argument is out of range.

    Example:
        >>> from kerasviz.data.shapes import CLASSES, scenes
        >>> batch = scenes(8, seed=7)
        >>> batch.images.shape, CLASSES[batch.labels[0]] == batch.objects[0][0].shape
        ((8, 64, 64, 3), True)
    """
    count, size, seed, start, classes = _check(count, size, seed, start, classes)
    return _draw_all(range(start, start + count), size, seed, classes, bool(subject))


def stream(
    count: int,
    *,
    batch_size: int = 256,
    size: tuple[int, int] = (64, 64),
    seed: int = 0,
    start: int = 0,
    classes: Sequence[str] | None = None,
    subject: bool = True,
) -> Iterator[Scenes]:
    """Draw the scenes of `scenes(count, ...)` in batches, so that memory stays bounded.

    Args:
        count: how many in all, at least 1.
        batch_size: how many at a time, at least 1. The last batch may be smaller.
        size: as in `scenes`.
        seed: as in `scenes`.
        start: as in `scenes`.
        classes: as in `scenes`.
        subject: as in `scenes`.

    Returns:
        An iterator over the batches.

    Raises:
        SettingError: an argument is out of range.

    Example:
        >>> from kerasviz.data.shapes import stream
        >>> [len(batch) for batch in stream(10, batch_size=4)]
        [4, 4, 2]
    """
    count, size, seed, start, classes = _check(count, size, seed, start, classes)
    batch_size = _whole("batch_size", batch_size, 1)
    stop = start + count
    return (
        _draw_all(range(first, min(first + batch_size, stop)), size, seed, classes, bool(subject))
        for first in range(start, stop, batch_size)
    )


def _draw_all(numbers, size, seed, classes, subject):
    count = len(numbers)
    images = np.empty((count, *size, 3), np.uint8)
    labels = np.empty(count, np.int64)
    boxes = np.zeros((count, 4), np.int64)
    maps = np.empty((count, len(CATEGORIES), *size), np.uint8)
    instances = np.empty((count, *size), np.uint8)
    objects = []
    for i, number in enumerate(numbers):
        scene = compose(np.random.default_rng((seed, number)), size, classes)
        labels[i] = CLASSES.index(scene.placed[0].sprite.shape)
        seen = _draw_one(scene, subject, images[i], maps[i], instances[i])
        if subject:
            boxes[i] = seen[0].box
        objects.append(seen)
    return Scenes(images, labels, boxes, maps, instances, tuple(objects))


def _draw_one(scene, subject, image, maps, instances):
    """Draw a scene into the three arrays and return its visible objects."""
    canvas = scene.background
    pieces = np.zeros(canvas.shape[1:], np.uint8)
    codes = [(0, 0, 0, 0, CODES[scene.pattern], 0)]
    for owner in scene.order:
        if owner == 0 and not subject:
            continue
        sprite, centre = scene.placed[owner]
        draw(canvas, pieces, sprite, centre, len(codes))
        codes += _codes(sprite, owner + 1)
    image[:] = np.rint(canvas).astype(np.uint8).transpose(1, 2, 0)
    tables = np.zeros((len(codes[0]), 256), np.uint8)
    tables[:, : len(codes)] = np.transpose(codes)
    for target, table in zip((*maps, instances), tables, strict=True):
        cv2.LUT(pieces, table, dst=target)
    seen = []
    for owner, placed in enumerate(scene.placed):
        left, top, width, height = cv2.boundingRect((instances == owner + 1).view(np.uint8))
        if width:
            seen.append(_describe(placed.sprite, owner + 1, (left, top, left + width, top + height)))
    return tuple(seen)


def _codes(sprite: Sprite, number):
    """For each piece of a sprite, its concept of every category, and the sprite's number."""
    shape = CODES[sprite.shape]
    surface = CODES[sprite.texture] if sprite.texture else 0
    return [
        (
            shape,
            CODES.get(piece.part, 0),
            CODES[sprite.paints[piece.paint]],
            surface * piece.textured,
            0,
            number,
        )
        for piece in sprite.pieces
    ]


def _describe(sprite, number, box):
    return SceneObject(
        shape=sprite.shape,
        colour=sprite.paints["body"],
        accent=sprite.paints["accent"],
        detail=sprite.paints["detail"],
        texture=sprite.texture,
        size=sprite.size,
        rotation=sprite.rotation,
        mirrored=sprite.mirrored,
        number=number,
        box=box,
    )


def _check(count, size, seed, start, classes):
    count = _whole("count", count, 1)
    seed, start = _whole("seed", seed, 0), _whole("start", start, 0)
    if not isinstance(size, Sequence | np.ndarray) or isinstance(size, str) or len(size) != 2:
        raise SettingError(f"size is {size!r}", expected="(height, width)", mend="Pass two whole numbers")
    size = (_whole("height", size[0], LEAST_SIDE), _whole("width", size[1], LEAST_SIDE))
    return count, size, seed, start, _check_classes(classes)


def _check_classes(classes):
    if classes is None:
        return CLASSES
    listed = isinstance(classes, Sequence | np.ndarray) and not isinstance(classes, str) and len(classes)
    if not listed or any(name not in CLASSES for name in classes) or len(set(classes)) < len(classes):
        raise SettingError(
            f"classes is {classes!r}",
            expected=f"different names among {', '.join(CLASSES)}",
            mend="Pass a list of such names, or None for all of them",
        )
    return tuple(classes)


def _whole(name, value, least):
    try:
        whole = operator.index(value)
    except TypeError:
        whole = None
    if whole is None or isinstance(value, bool) or whole < least:
        raise SettingError(
            f"{name} is {value!r}", expected=f"a whole number of at least {least}", mend=f"Change {name}"
        )
    return whole
