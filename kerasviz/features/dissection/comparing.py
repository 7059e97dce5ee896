"""Dissections side by side: layers, networks, epochs, before and after fine-tuning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerasviz.errors import InputError
from kerasviz.features.dissection.counting import THRESHOLD, Counts, check_threshold, count_detectors
from kerasviz.features.dissection.record import Dissection


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two or more dissections for the same concepts.

    Attributes:
        names: of the dissections.
        dissections: in the order given.
        threshold: a detector's IoU is strictly above it.
    """

    names: tuple[str, ...]
    dissections: tuple[Dissection, ...]
    threshold: float

    @property
    def counts(self) -> tuple[Counts, ...]:
        """The detectors of each; see `Counts`."""
        return tuple(count_detectors(one, self.threshold) for one in self.dissections)

    def rows(self) -> list[dict]:
        """The counts side by side, a dict for each figure; `pandas.DataFrame` takes them.

        Units, detectors and their share, then unique detectors in total and by category, both as `Counts` counts
        them: "best" and "every".
        """
        counts = self.counts

        def row(figure, values):
            return {"figure": figure, **dict(zip(self.names, values, strict=True))}

        rows = [
            row("units", [one.units for one in counts]),
            row("detectors", [one.detectors for one in counts]),
            row("share of detectors", [one.detectors / one.units if one.units else 0.0 for one in counts]),
        ]
        for way in ("best", "every"):
            rows.append(row(f"unique, {way}", [getattr(one, f"unique_{way}") for one in counts]))
            for category in self.dissections[0].categories:
                found = [getattr(one, way)[category].unique for one in counts]
                rows.append(row(f"unique, {way}: {category}", found))
        return rows

    def units(self, before: int = 0, after: int = -1) -> list[dict]:
        """What became of each unit, a dict for each, in their order; `pandas.DataFrame` takes them.

        They mean something where unit k is the same unit in both: two epochs, before and after fine-tuning.

        Args:
            before: the number of one dissection.
            after: of another.

        Returns:
            `unit` (from 1), then `label_before`, `label_after` (None for a unit without), `iou_before`, `iou_after`,
            the same for `detector`, and `changed`: whether what it detects did. Two labels below the threshold are
            no change; a detector that is none any more is one.

        Raises:
            InputError: they have not the same number of units.
        """
        pair = self.dissections[before], self.dissections[after]
        if len(pair[0]) != len(pair[1]):
            raise InputError(
                f"{self.names[before]!r} has {len(pair[0])} units and {self.names[after]!r} has {len(pair[1])}",
                expected="the same units, before and after",
                mend="Compare their counts: rows()",
            )
        rows = []
        for unit in range(len(pair[0])):
            labels = [one.label(unit) for one in pair]
            scores = [float(one.best.iou[unit]) for one in pair]
            detects = [score > self.threshold for score in scores]
            detected = [label if is_one else None for label, is_one in zip(labels, detects, strict=True)]
            row = {"unit": unit + 1}
            for place, when in enumerate(("before", "after")):
                row[f"label_{when}"] = None if labels[place] is None else labels[place].name
                row[f"category_{when}"] = None if labels[place] is None else labels[place].category
                row[f"iou_{when}"] = scores[place]
                row[f"detector_{when}"] = detects[place]
            rows.append(row | {"changed": detected[0] != detected[1]})
        return rows

    def gained(self, before: int = 0, after: int = -1) -> tuple:
        """The concepts that label a detector after and none before, in the order of the data set.

        Args:
            before: the number of one dissection.
            after: of another.
        """
        had, has = (self._detected(place) for place in (before, after))
        return tuple(self.dissections[0].concepts[number] for number in np.setdiff1d(has, had))

    def lost(self, before: int = 0, after: int = -1) -> tuple:
        """The concepts that label a detector before and none after; see `gained`."""
        return self.gained(after, before)

    def _detected(self, place):
        labels, iou = self.dissections[place].best
        return labels[iou > self.threshold]

    def __str__(self):
        rows = [[_shown(value) for value in row.values()] for row in self.rows()]
        lines = [["", *self.names], *rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                text.rjust(width) if place else text.ljust(width)
                for place, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )


def compare(
    dissections: Mapping[str, Dissection] | Sequence[Dissection], *, threshold: float = THRESHOLD
) -> Comparison:
    """Put dissections side by side.

    Args:
        dissections: two or more, by name; or a sequence, whose names are those of their networks and layers.
        threshold: what a detector's IoU must exceed.

    Raises:
        InputError: fewer than two, or they know different concepts.
        SettingError: `threshold` is not within 0..1.

    Example:
        >>> from kerasviz.data import shapes
        >>> from kerasviz.data.concepts import SceneConcepts
        >>> from kerasviz.features.dissection.running import dissect
        >>> data = SceneConcepts(16, map_size=(32, 32))
        >>> found = dissect(shapes.shapes_model(), ["relu3", "relu5"], data)
        >>> compare(found).rows()[0]
        {'figure': 'units', 'relu3': 48, 'relu5': 64}
    """
    check_threshold(threshold)
    if not isinstance(dissections, Mapping):
        dissections = dict(zip(_names(dissections), dissections, strict=True))
    if len(dissections) < 2:
        raise InputError(f"{len(dissections)} dissections", expected="two or more", mend="Pass them in one list")
    (first, reference), *others = dissections.items()
    for name, one in others:
        if one.concepts != reference.concepts or one.categories != reference.categories:
            raise InputError(
                f"{first!r} and {name!r} know different concepts: {_difference(reference, one)}",
                expected="dissections on the same data set",
                mend="Dissect both on one of the data sets",
            )
    return Comparison(tuple(dissections), tuple(dissections.values()), float(threshold))


def _names(dissections):
    names = []
    for one in dissections:
        wanted = f"{one.network} {one.layer}"
        number, name = 1, wanted
        while name in names:
            number += 1
            name = f"{wanted} ({number})"
        names.append(name)
    return names


def _difference(one, other):
    odd = [
        concept
        for concept in (*one.concepts, *other.concepts)
        if (concept in one.concepts) ^ (concept in other.concepts)
    ]
    if not odd:
        return "the same ones in another order"
    listed = ", ".join(f"{concept.name} ({concept.category})" for concept in odd[:3])
    return f"{len(odd)} are in one only, such as {listed}"


def _shown(value):
    return f"{value:.3f}" if isinstance(value, float) else str(value)
