"""Dissections whose every count is known, and the pictures that go with them."""

import numpy as np

from kerasviz.data.concepts.base import Concept, ConceptData, Labelled
from kerasviz.features.dissection.record import Dissection, TopImages
from kerasviz.features.dissection.tallies import Tallies

CONCEPTS = tuple(
    Concept(*pair)
    for pair in (("wheel", "part"), ("wing", "part"), ("red", "colour"), ("blue", "colour"), ("car", "object"))
)
CATEGORIES = ("part", "colour", "object")

# With 100 labelled and 100 active pixels the IoU of an intersection I is I / (200 - I).
INTERSECTIONS = (
    (50, 0, 20, 0, 0),  # wheel 1/3, and red 1/9 in another category
    (50, 20, 0, 0, 8),  # wheel 1/3, and car 1/24, just above 0.04
    (0, 20, 50, 0, 0),  # red 1/3, and wing 1/9
    (7, 0, 0, 0, 0),  # wheel 7/193, just below 0.04
    (0, 0, 0, 0, 0),  # dead
    (4, 0, 0, 0, 0),  # wheel exactly 0.04: four active pixels
)
ACTIVATIONS = ((100,) * 3,) * 4 + ((0,) * 3, (4, 100, 100))


class Pictures(ConceptData):
    """Random pictures of 40 x 60 with label maps of 20 x 30; remembers which were read."""

    concepts, image_size, map_size = CONCEPTS, (40, 60), (20, 30)

    def __init__(self, count=12, prefix="pictures/no"):
        self.reads, self._prefix = [], prefix
        self._images = np.random.default_rng(5).integers(60, 256, (count, 40, 60, 3), np.uint8)

    fingerprint = "pictures"

    def __len__(self):
        return len(self._images)

    def read(self, number):
        self.reads.append(number)
        return Labelled(self._images[number], np.zeros((1, 20, 30), np.int32))

    def name_of(self, number):
        return f"{self._prefix} {number}"


def planted(
    intersections=INTERSECTIONS,
    activations=ACTIVATIONS,
    *,
    labelled=100,
    chance=None,
    order=None,
    data=None,
    concepts=CONCEPTS,
    categories=CATEGORIES,
    **changes,
):
    """A dissection with these counts.

    Args:
        intersections: `(U, K)`.
        activations: `(U, G)`.
        labelled: of every concept.
        chance: the intersections with the labels of other images.
        order: of the units, in the place of their own.
        data: what the top images are from.
        concepts: `K` of them.
        categories: `G` of them.
        **changes: of the record.
    """
    units = np.arange(len(intersections)) if order is None else np.asarray(order)
    activations = np.asarray(activations)[units]
    labelled = np.full(len(concepts), labelled)

    def tallies(counts):
        return None if counts is None else Tallies(np.asarray(counts)[units], activations, labelled)

    data, rng = data or Pictures(), np.random.default_rng(3)
    numbers = np.stack([rng.permutation(len(data))[:4] for _ in units])
    masks = rng.random((len(units), 4, 600)) < 0.3
    top = TopImages.of(
        data,
        numbers[units],
        np.sort(rng.random(numbers.shape, np.float32), axis=1)[units, ::-1],
        np.packbits(masks, axis=2)[units],
    )
    facts = {
        "network": "planted",
        "layer": "block/conv",
        "concepts": concepts,
        "categories": categories,
        "thresholds": np.linspace(0, 1, len(units), dtype=np.float32)[units],
        "tallies": tallies(intersections),
        "chance": tallies(chance),
        "images": 12,
        "skipped": (),
        "map_size": (20, 30),
        "top": top,
        "settings": {"fraction": 0.005},
    }
    return Dissection(**{**facts, **changes})
