"""Dissections side by side."""

import pytest
from planted_dissections import CONCEPTS, INTERSECTIONS, planted

from kerasviz.data.concepts.base import Concept
from kerasviz.errors import InputError, SettingError
from kerasviz.features.dissection.comparing import compare

# Unit 2 turns from wheel to blue, unit 3 keeps red, unit 4 becomes a detector of wing; unit 6, that is none, has
# another label.
LATER = ((50, 0, 0, 0, 0), (0, 0, 0, 60, 0), (0, 0, 40, 0, 0), (0, 20, 0, 0, 0), (0,) * 5, (0, 0, 3, 0, 0))


@pytest.fixture
def tuned():
    return compare({"before": planted(), "after": planted(LATER)})


def test_what_became_of_each_unit(tuned):
    rows = tuned.units()
    assert [row["unit"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["label_before"] for row in rows] == ["wheel", "wheel", "red", "wheel", None, "wheel"]
    assert [row["label_after"] for row in rows] == ["wheel", "blue", "red", "wing", None, "red"]
    assert [row["category_after"] for row in rows] == ["part", "colour", "colour", "part", None, "colour"]
    assert [row["changed"] for row in rows] == [False, True, False, True, False, False]
    assert [row["detector_after"] for row in rows] == [True, True, True, True, False, False]
    assert (rows[2]["iou_before"], rows[2]["iou_after"]) == pytest.approx((50 / 150, 40 / 160))
    assert [row["changed"] for row in tuned.units(1, 1)] == [False] * 6


def test_concepts_gained_and_lost(tuned):
    assert tuned.gained() == (Concept("wing", "part"), Concept("blue", "colour")) and tuned.lost() == ()
    assert tuned.lost(1, 0) == tuned.gained() and tuned.gained(1, 0) == ()


def test_counts_side_by_side(tuned):
    figures = {row["figure"]: (row["before"], row["after"]) for row in tuned.rows()}
    assert figures["detectors"] == (3, 4) and figures["share of detectors"] == (3 / 6, 4 / 6)
    assert figures["unique, best"] == (2, 4) and figures["unique, every"] == (4, 4)
    assert figures["unique, best: part"] == (1, 2) and figures["unique, every: object"] == (1, 0)
    assert str(tuned).splitlines()[:4] == [
        "                       before  after",
        "units                       6      6",
        "detectors                   3      4",
        "share of detectors      0.500  0.667",
    ]


def test_layers_with_other_numbers_of_units():
    both = compare([planted(), planted(INTERSECTIONS[:4], layer="early"), planted()])
    assert both.names == ("planted block/conv", "planted early", "planted block/conv (2)")
    assert both.rows()[0] == {"figure": "units", **dict(zip(both.names, (6, 4, 6), strict=True))}
    with pytest.raises(InputError, match="'planted block/conv' has 6 units and 'planted early' has 4"):
        both.units(0, 1)
    assert both.units(0, 2)[1]["label_after"] == "wheel"


def test_other_concepts_are_refused():
    other = (*CONCEPTS[:4], Concept("boat", "object"))
    with pytest.raises(InputError, match=r"2 are in one only, such as car \(object\), boat \(object\)"):
        compare({"a": planted(), "b": planted(concepts=other)})
    turned = (*CONCEPTS[1::-1], *CONCEPTS[2:])
    with pytest.raises(InputError, match="'a' and 'b' know different concepts: the same ones in another order"):
        compare({"a": planted(), "b": planted(concepts=turned)})
    with pytest.raises(InputError, match="1 dissections"):
        compare([planted()])
    with pytest.raises(SettingError, match="is no IoU"):
        compare([planted(), planted()], threshold=4)
