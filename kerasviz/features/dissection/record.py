"""`Dissection`: what network dissection finds out about the units of a layer."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

import kerasviz
from kerasviz.data.concepts.base import Concept, ConceptData
from kerasviz.errors import InputError
from kerasviz.features.dissection.tallies import Tallies
from kerasviz.reading import read_arrays, read_json, reading
from kerasviz.writing import write_folder, write_json

_ARRAYS, _ABOUT = "arrays.npz", "dissection.json"
_PLAIN = ("network", "layer", "categories", "images", "skipped", "map_size", "settings")
_COUNTS = tuple(part.name for part in dataclasses.fields(Tallies))


class Match(NamedTuple):
    """The concept that suits a unit best, for each unit or for each unit and category.

    Attributes:
        concepts: int64, numbers of concepts; -1 where every IoU is 0. Of equal ones the first.
        iou: float64, the intersection over union; 0 there.
    """

    concepts: np.ndarray
    iou: np.ndarray


@dataclass(frozen=True, eq=False)
class TopImages:
    """The images in which each unit is the most active, strongest first.

    Attributes:
        numbers: `(U, T)` int64, in the data set; -1 for none.
        values: `(U, T)` float32, the unit's largest activation in the image.
        masks: `(U, T, ceil(h * w / 8))` uint8, where it is above its threshold at the resolution of the label maps:
            `np.packbits` of the flattened mask.
        names: what a reader calls the images: one for each different number there, by ascending number.
    """

    numbers: np.ndarray
    values: np.ndarray
    masks: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, data: ConceptData, numbers: np.ndarray, values: np.ndarray, masks: np.ndarray) -> "TopImages":
        """Those of a data set, which knows their names."""
        return cls(numbers, values, masks, tuple(data.name_of(int(number)) for number in _used(numbers)))

    @cached_property
    def by_number(self) -> dict[int, str]:
        """The names by the images' numbers."""
        return dict(zip(_used(self.numbers).tolist(), self.names, strict=True))

    def mask(self, unit: int, place: int, size: tuple[int, int]) -> np.ndarray:
        """Where a unit is active in one of its images: `size` bool.

        Args:
            unit: from 0.
            place: from 0, the strongest.
            size: `Dissection.map_size`.
        """
        return np.unpackbits(self.masks[unit, place], count=size[0] * size[1]).reshape(size).astype(bool)


@dataclass(frozen=True, eq=False)
class Dissection:
    """How well the units of a layer agree with concepts (Bau et al. 2017). Units count from 0 in all arrays.

    The score of a unit for a concept is the intersection over union (IoU) of where the unit is active, above its
    threshold, and where the concept shows, over the whole data set; see `Tallies.iou`. Its label is the concept with
    the largest IoU. A unit whose every IoU is 0, such as one that is never active, has none.

    Attributes:
        network: the model's name.
        layer: the layer's path.
        concepts: `K` of them.
        categories: `G` of them.
        thresholds: `(U,)` float32; a unit is active where it is strictly above.
        tallies: pixels where units are active and concepts show.
        chance: the same for the label maps of other images, what a unit reaches that knows nothing; None if it was
            not counted.
        images: how many were dissected.
        skipped: what was left out, each with the reason.
        map_size: `(h, w)` of the label maps.
        top: the images in which each unit is the most active.
        settings: of the dissection.
    """

    network: str
    layer: str
    concepts: tuple[Concept, ...]
    categories: tuple[str, ...]
    thresholds: np.ndarray
    tallies: Tallies
    chance: Tallies | None
    images: int
    skipped: tuple[str, ...]
    map_size: tuple[int, int]
    top: TopImages
    settings: Mapping = field(default_factory=dict)

    def __post_init__(self):
        units, concepts = len(self.thresholds), len(self.concepts)
        counts = {"intersections": (units, concepts), "activations": (units, len(self.categories))}
        shapes = {(self.thresholds.shape, (units,)), (self.top.numbers.shape[:1], (units,))}
        for tallies in filter(None, (self.tallies, self.chance)):
            shapes |= {(getattr(tallies, name).shape, shape) for name, shape in counts.items()}
            shapes.add((tallies.labelled.shape, (concepts,)))
        shown = self.top.numbers.shape
        packed = -(-self.map_size[0] * self.map_size[1] // 8)
        shapes |= {(self.top.values.shape, shown), (self.top.masks.shape, (*shown, packed))}
        wrong = [f"{given} instead of {right}" for given, right in sorted(shapes) if given != right]
        used = len(_used(self.top.numbers))
        if used != len(self.top.names):
            wrong.append(f"{len(self.top.names)} names for {used} images")
        if wrong:
            raise InputError(
                f"The arrays of a dissection do not fit together: {', '.join(wrong)}",
                expected=f"those of {units} units, {concepts} concepts and {len(self.categories)} categories",
                mend="Pass arrays of one and the same run",
            )

    def __len__(self):
        return len(self.thresholds)

    @cached_property
    def iou(self) -> np.ndarray:
        """`(U, K)` float64, 0..1: of every unit and concept."""
        return self.tallies.iou(self.concepts, self.categories)

    @cached_property
    def chance_iou(self) -> np.ndarray | None:
        """`(U, K)` float64: the same against the label maps of other images; None if it was not counted."""
        return None if self.chance is None else self.chance.iou(self.concepts, self.categories)

    @cached_property
    def best(self) -> Match:
        """The label of each unit: `(U,)` each."""
        return _best(self.iou)

    @cached_property
    def best_by_category(self) -> Match:
        """The label of each unit within each category: `(U, G)` each."""
        of = np.array([self.categories.index(concept.category) for concept in self.concepts])
        found = [_best(np.where(of == number, self.iou, 0)) for number in range(len(self.categories))]
        return Match(*(np.stack(parts, axis=1) for parts in zip(*found, strict=True)))

    def label(self, unit: int) -> Concept | None:
        """The concept that suits a unit best, or None."""
        number = self.best.concepts[unit]
        return None if number < 0 else self.concepts[number]

    def ranked(self, count: int = 5) -> np.ndarray:
        """The concepts that suit each unit best: the label, then the runners-up.

        Args:
            count: how many.

        Returns:
            `(U, min(count, K))` int64, numbers of concepts; -1 where the IoU is 0. Of equal ones the first leads.
        """
        order = np.argsort(-self.iou, axis=1, kind="stable")[:, :count]
        return np.where(np.take_along_axis(self.iou, order, 1) > 0, order, -1)

    def save(self, folder, *, overwrite: bool = False) -> Path:
        """Save all of it; whole or not at all.

        Args:
            folder: a folder that does not exist yet, or is empty.
            overwrite: replace a folder that a `save` made before, and that holds nothing else.

        Returns:
            The folder.

        Raises:
            SaveError: the folder holds something, or cannot be written.
        """
        arrays = {"thresholds": self.thresholds}
        arrays |= {f"top/{name}": getattr(self.top, name) for name in ("numbers", "values", "masks")}
        arrays |= {f"tallies/{name}": getattr(self.tallies, name) for name in _COUNTS}
        if self.chance is not None:
            arrays |= {f"chance/{name}": getattr(self.chance, name) for name in _COUNTS}
        about = {name: getattr(self, name) for name in _PLAIN}
        about |= {"concepts": self.concepts, "names": self.top.names, "kerasviz": kerasviz.__version__}

        def fill(made):
            np.savez_compressed(made / _ARRAYS, **arrays)
            write_json(made / _ABOUT, about)

        return write_folder(
            folder,
            fill,
            ours=_is_saved if overwrite else None,
            mend="Choose another, or pass overwrite=True to replace a dissection saved there",
        )

    @classmethod
    def load(cls, folder) -> "Dissection":
        """Read what `save` wrote.

        Raises:
            LoadError: the folder holds no saved dissection, or a damaged one.
        """
        folder = Path(folder)
        with reading(folder, "dissection", "a folder that Dissection.save wrote"):
            about, arrays = read_json(folder / _ABOUT), read_arrays(folder / _ARRAYS)
            counted = {group: [arrays.get(f"{group}/{name}") for name in _COUNTS] for group in ("tallies", "chance")}
            top = TopImages(*(arrays[f"top/{name}"] for name in ("numbers", "values", "masks")), tuple(about["names"]))
            return cls(
                concepts=tuple(Concept(*pair) for pair in about["concepts"]),
                thresholds=arrays["thresholds"],
                tallies=Tallies(*counted["tallies"]),
                chance=None if counted["chance"][0] is None else Tallies(*counted["chance"]),
                top=top,
                **{name: _hard(about[name]) for name in _PLAIN},
            )


def _best(iou):
    concepts = iou.argmax(1)
    found = np.take_along_axis(iou, concepts[:, None], 1)[:, 0]
    return Match(np.where(found > 0, concepts, -1), found)


def _used(numbers):
    return np.unique(numbers[numbers >= 0])


def _hard(value):
    return tuple(value) if isinstance(value, list) else value


def _is_saved(folder):
    return folder.is_dir() and {part.name for part in folder.iterdir()} == {_ARRAYS, _ABOUT}
