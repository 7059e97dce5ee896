"""A dissection as a table in the field's columns, and as one JSON document."""

import csv
import io
from pathlib import Path

import numpy as np

import kerasviz
from kerasviz.errors import SettingError
from kerasviz.features.dissection.counting import THRESHOLD, above_chance, count_detectors
from kerasviz.features.dissection.record import Dissection
from kerasviz.writing import as_json, plain, write_whole

_OF_A_CATEGORY = ("label", "truth", "activation", "intersect", "iou")


def order(dissection: Dissection) -> np.ndarray:
    """The units by descending score; of equal ones the lower first. `(U,)` int64."""
    return np.argsort(-dissection.best.iou, kind="stable")


def rows(dissection: Dissection) -> list[dict]:
    """A dict for each unit, by descending score, in the columns of Network Dissection's `result.csv`.

    | column | holds |
    |---|---|
    | `unit` | from 1 |
    | `category`, `label`, `score` | of the best concept, and its IoU; empty, empty and 0 for a unit without a label |
    | `X-label` | for each category X: its concept that suits the unit best, empty if every IoU is 0 |
    | `X-truth` | pixels that show this concept |
    | `X-activation` | pixels where the unit is active, in images with a label of the category |
    | `X-intersect` | pixels where both is so |
    | `X-iou` | intersect / (truth + activation - intersect) |

    Returns:
        What `pandas.DataFrame` takes.
    """
    return [_row(dissection, unit) for unit in order(dissection).tolist()]


def write_csv(dissection: Dissection, path) -> Path:
    """Write `rows` as CSV: UTF-8, commas, one line of column names; whole or not at all.

    Raises:
        SaveError: it cannot be written.
    """
    text = io.StringIO(newline="")
    columns = ["unit", "category", "label", "score"]
    columns += [f"{category}-{part}" for category in dissection.categories for part in _OF_A_CATEGORY]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(dissection))
    return write_whole(path, text.getvalue())


def document(
    dissection: Dissection, *, threshold: float = THRESHOLD, percentile: float = 95, runners_up: int = 4
) -> dict:
    """All about a dissection, as strict JSON can hold it. Units count from 1, best first.

    Infinite thresholds are the texts "inf" and "-inf".

    Args:
        dissection: of a layer.
        threshold: what a detector's IoU must exceed.
        percentile: of chance; see `above_chance`.
        runners_up: how many concepts are listed for a unit after its label, at most.

    Raises:
        SettingError: one of them is out of range.
    """
    if runners_up < 0:
        raise SettingError(f"runners_up={runners_up!r}", expected="0 or more", mend="4 shows what competes")
    counts = count_detectors(dissection, threshold)
    chance = None if dissection.chance is None else above_chance(dissection, percentile)
    ranked = dissection.ranked(runners_up + 1)
    return plain(
        {
            "kerasviz": kerasviz.__version__,
            "network": dissection.network,
            "layer": dissection.layer,
            "units": len(dissection),
            "images": dissection.images,
            "skipped": dissection.skipped,
            "map_size": dissection.map_size,
            "settings": dict(dissection.settings),
            "categories": dissection.categories,
            "concepts": [
                {**concept._asdict(), "pixels": pixels}
                for concept, pixels in zip(dissection.concepts, dissection.tallies.labelled, strict=True)
            ],
            "detectors": {
                "threshold": counts.threshold,
                "units": counts.detectors,
                "unique_best": counts.unique_best,
                "unique_every": counts.unique_every,
                "by_category": counts.rows()[:-1],
            },
            "chance": chance and {"percentile": percentile, "iou": chance.limit, "units_above": chance.units.sum()},
            "results": [_result(dissection, unit, ranked[unit], chance) for unit in order(dissection).tolist()],
        }
    )


def write_json(dissection: Dissection, path, **settings) -> Path:
    """Write `document` as JSON; whole or not at all.

    Args:
        dissection: of a layer.
        path: where to.
        **settings: of `document`.

    Raises:
        SettingError: as for `document`.
        SaveError: it cannot be written.
    """
    return write_whole(path, as_json(document(dissection, **settings)))


def _row(dissection, unit):
    label = dissection.label(unit)
    row = {
        "unit": unit + 1,
        "category": "" if label is None else label.category,
        "label": "" if label is None else label.name,
        "score": float(dissection.best.iou[unit]),
    }
    for category in dissection.categories:
        found = _of_category(dissection, unit, category)
        row |= {f"{category}-{part}": "" if found[part] is None else found[part] for part in _OF_A_CATEGORY}
    return row


def _of_category(dissection, unit, category):
    column, tallies = dissection.categories.index(category), dissection.tallies
    number = int(dissection.best_by_category.concepts[unit, column])
    named = number >= 0
    return {
        "label": dissection.concepts[number].name if named else None,
        "truth": int(tallies.labelled[number]) if named else 0,
        "activation": int(tallies.activations[unit, column]),
        "intersect": int(tallies.intersections[unit, number]) if named else 0,
        "iou": float(dissection.best_by_category.iou[unit, column]),
    }


def _result(dissection, unit, ranked, chance):
    label, top = dissection.label(unit), dissection.top
    result = {
        "unit": unit + 1,
        "label": label and label.name,
        "category": label and label.category,
        "iou": dissection.best.iou[unit],
        "threshold": dissection.thresholds[unit],
        "runners_up": [
            {**dissection.concepts[number]._asdict(), "iou": dissection.iou[unit, number]}
            for number in ranked[1:].tolist()
            if number >= 0
        ],
        "categories": {category: _of_category(dissection, unit, category) for category in dissection.categories},
        "top_images": [
            {"number": number, "name": top.by_number[number], "activation": value}
            for number, value in zip(top.numbers[unit].tolist(), top.values[unit].tolist(), strict=True)
            if number >= 0
        ],
    }
    if chance is not None:
        result |= {"chance_iou": dissection.chance_iou[unit].max(), "above_chance": chance.units[unit]}
    return result
