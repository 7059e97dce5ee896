"""Detectors, counted in both ways."""

import numpy as np
import pytest
from planted_dissections import planted

from kerasviz.errors import InputError, SettingError
from kerasviz.features.dissection.counting import above_chance, count_detectors, headline


def test_both_conventions():
    """Units 1 and 3 detect something in two categories, unit 2 in part and object; unit 6 is at 0.04 exactly."""
    counts = count_detectors(planted())
    assert (counts.units, counts.detectors) == (6, 3)
    assert counts.best == {"part": (1, 2), "colour": (1, 1), "object": (0, 0)}
    assert counts.every == {"part": (2, 3), "colour": (1, 2), "object": (1, 1)}
    assert (counts.unique_best, counts.unique_every) == (2, 4)
    assert counts.rows()[-1] == {
        "category": "total",
        "unique_best": 2,
        "detectors_best": 3,
        "unique_every": 4,
        "detectors_every": 3,
    }


def test_the_table_in_words():
    assert str(count_detectors(planted())).splitlines() == [
        "3 of 6 units (50.0%) are detectors: IoU > 0.04",
        "                  each unit once   in every category",
        "category        unique     units    unique     units",
        "part                 1         2         2         3",
        "colour               1         1         1         2",
        "object               0         0         1         1",
        "total                2         3         4         3",
    ]


def test_the_threshold_is_strict():
    record = planted([[4, 0, 0, 0, 0], [0] * 5], [[4, 0, 0], [0, 0, 0]])
    assert record.best.iou.tolist() == [0.04, 0]
    assert count_detectors(record).detectors == 0
    assert count_detectors(record, 0.0399).every["part"] == (1, 1)
    # A dead unit has no concept, even where nothing is asked of it.
    assert count_detectors(record, 0).detectors == 1 and headline(record, 0).startswith("1/2 units covering 1 concepts")


def test_the_headline_counts_labels_from_the_threshold_on():
    assert headline(planted()) == "4/6 units covering 2 concepts with IoU ≥ 0.04"


def test_units_above_chance():
    chance = [[10, 0, 0, 0, 0], [0, 12, 0, 0, 1], [8, 0, 0, 0, 0], [9, 0, 0, 0, 0], [0] * 5, [2, 0, 0, 0, 0]]
    best = [10 / 190, 12 / 188, 8 / 192, 9 / 191, 0, 2 / 102]
    found = above_chance(planted(chance=chance), 100)
    assert found.limit == pytest.approx(12 / 188) and found.units.tolist() == [True, True, True, False, False, False]
    found = above_chance(planted(chance=chance), 50)
    assert found.limit == pytest.approx(np.median(best)) and not found.units[3]
    assert above_chance(planted(chance=chance), 30).units.tolist() == [True, True, True, True, False, True]


def test_misuse():
    with pytest.raises(InputError, match="Chance was not counted for the layer 'block/conv'"):
        above_chance(planted())
    with pytest.raises(SettingError, match="percentile=101"):
        above_chance(planted(chance=[[0] * 5] * 6), 101)
    for threshold in (-0.1, 4, float("nan")):
        with pytest.raises(SettingError, match="is no IoU"):
            count_detectors(planted(), threshold)
