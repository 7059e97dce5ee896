"""Detectors: the units whose agreement with a concept is large enough to call them after it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.features.dissection.record import Dissection

#: The IoU above which a unit is a detector (Bau et al. 2017, section 2.4).
THRESHOLD = 0.04


class Count(NamedTuple):
    """How many concepts and units there are in a category.

    Attributes:
        unique: different concepts that have a detector.
        detectors: units that detect one of them.
    """

    unique: int
    detectors: int


@dataclass(frozen=True)
class Counts:
    """The detectors of a layer by category, counted in both ways that are in use.

    They agree on which units are detectors, and differ in what a unit may stand for:

    - *best*: a unit counts once, for its label. The HTML page of Network Dissection counts concepts like this.
    - *every*: a unit counts in each category in which its best IoU is above the threshold. The published counts of
      unique detectors are these; their total is the sum over the categories, to which a unit may add several times.

    Attributes:
        threshold: a detector's IoU is strictly above it.
        units: of the layer.
        detectors: units whose best IoU is above the threshold.
        best: by category.
        every: by category.
    """

    threshold: float
    units: int
    detectors: int
    best: dict[str, Count]
    every: dict[str, Count]

    @property
    def unique_best(self) -> int:
        """Unique detectors: different labels of detectors."""
        return sum(count.unique for count in self.best.values())

    @property
    def unique_every(self) -> int:
        """Unique detectors as published: the sum over the categories."""
        return sum(count.unique for count in self.every.values())

    def rows(self) -> list[dict]:
        """A dict for each category, then one for all; `pandas.DataFrame` takes them.

        The detectors of all categories together are units, each counted once.
        """
        rows = [
            {
                "category": category,
                "unique_best": self.best[category].unique,
                "detectors_best": self.best[category].detectors,
                "unique_every": self.every[category].unique,
                "detectors_every": self.every[category].detectors,
            }
            for category in self.best
        ]
        total = ("total", self.unique_best, self.detectors, self.unique_every, self.detectors)
        return [*rows, dict(zip(rows[0], total, strict=True))]

    def __str__(self):
        share = f"{self.detectors / self.units:.1%}" if self.units else "none"
        lines = [
            f"{self.detectors} of {self.units} units ({share}) are detectors: IoU > {self.threshold:g}",
            f"{'':<12}  {'each unit once':>18}  {'in every category':>18}",
            f"{'category':<12}  {'unique':>8}{'units':>10}  {'unique':>8}{'units':>10}",
        ]
        for name, *numbers in (row.values() for row in self.rows()):
            lines.append(f"{name:<12}  {numbers[0]:>8}{numbers[1]:>10}  {numbers[2]:>8}{numbers[3]:>10}")
        return "\n".join(lines)


class AboveChance(NamedTuple):
    """Which units agree with their concept better than chance does.

    Attributes:
        limit: the percentile of chance, an IoU.
        units: `(U,)` bool.
    """

    limit: float
    units: np.ndarray


def count_detectors(dissection: Dissection, threshold: float = THRESHOLD) -> Counts:
    """Count detectors and unique detectors by category.

    Args:
        dissection: of a layer.
        threshold: 0..1, what a detector's IoU must exceed; 0.04 is the papers'.

    Raises:
        SettingError: `threshold` is out of range.

    Example:
        >>> from kerasviz.data import shapes
        >>> from kerasviz.data.concepts import SceneConcepts
        >>> from kerasviz.features.dissection.running import dissect
        >>> data = SceneConcepts(16, map_size=(32, 32))
        >>> counts = count_detectors(dissect(shapes.shapes_model(), "relu5", data)["relu5"])
        >>> counts.units, list(counts.best), len(counts.rows())
        (64, ['shape', 'part', 'colour', 'texture', 'background'], 6)
    """
    check_threshold(threshold)
    labels, iou = dissection.best
    detects = iou > threshold
    within = dissection.best_by_category
    best, every = {}, {}
    for number, category in enumerate(dissection.categories):
        members = [k for k, concept in enumerate(dissection.concepts) if concept.category == category]
        ours = labels[detects & np.isin(labels, members)]
        best[category] = Count(len(np.unique(ours)), len(ours))
        theirs = within.concepts[within.iou[:, number] > threshold, number]
        every[category] = Count(len(np.unique(theirs)), len(theirs))
    return Counts(float(threshold), len(dissection), int(detects.sum()), best, every)


def headline(dissection: Dissection, threshold: float = THRESHOLD) -> str:
    """The sentence that heads Network Dissection's page: it counts labels, and an IoU equal to the threshold counts.

    Raises:
        SettingError: `threshold` is out of range.
    """
    check_threshold(threshold)
    labels, iou = dissection.best
    covering = labels[(iou >= threshold) & (labels >= 0)]
    concepts = len(np.unique(covering))
    return f"{len(covering)}/{len(dissection)} units covering {concepts} concepts with IoU ≥ {threshold:g}"


def above_chance(dissection: Dissection, percentile: float = 95) -> AboveChance:
    """Tell which units agree with a concept better than they would by chance.

    Each unit's best IoU over all concepts is taken against the label maps of other images, too: what a unit that
    knows nothing of concepts, active as often and in blobs of the same size, reaches by being free to choose among
    them. Above chance are the units whose best IoU is strictly above the given percentile (interpolated linearly)
    of these best IoUs of all units of the layer.

    Args:
        dissection: of a layer, with `chance` counted.
        percentile: 0..100; at 95, one unit in twenty passes that knows nothing.

    Raises:
        InputError: chance was not counted.
        SettingError: `percentile` is out of range.
    """
    if dissection.chance_iou is None:
        raise InputError(
            f"Chance was not counted for the layer {dissection.layer!r}",
            expected="a dissection with chance",
            mend="Dissect it with chance=True",
        )
    if not 0 <= percentile <= 100:
        raise SettingError(f"percentile={percentile!r}", expected="0 to 100", mend="95 is usual")
    limit = float(np.percentile(dissection.chance_iou.max(1), percentile))
    return AboveChance(limit, dissection.best.iou > limit)


def check_threshold(threshold: float):
    """Refuse what is no IoU.

    Raises:
        SettingError: `threshold` is not within 0..1.
    """
    if not 0 <= threshold <= 1:
        raise SettingError(f"threshold={threshold!r} is no IoU", expected="0 to 1", mend="0.04 is the papers'")
