"""The record of a dissection: what it works out, and what it keeps on disk."""

import json

import numpy as np
import pytest
from planted_dissections import CATEGORIES, CONCEPTS, INTERSECTIONS, Pictures, planted

from kerasviz.data.concepts.base import Concept
from kerasviz.errors import InputError, LoadError, SaveError
from kerasviz.features.dissection.record import Dissection
from kerasviz.features.dissection.tallies import Tallies

RED = (Concept("red", "colour"),)


def counted(intersections, activations, labelled):
    """The IoU of one unit and one concept."""
    tallies = Tallies(np.array([[intersections]]), np.array([[activations]]), np.array([labelled]))
    return tallies.iou(RED, ("colour",))[0, 0]


# What follows from the counts


def test_iou_of_the_published_example():
    """Bau's 4 x 4 map at a threshold of 6: 3 active pixels, all on the 5 of the label."""
    activation = np.array([[0, 0, 1, 2], [0, 3, 4, 9], [0, 2, 8, 7], [0, 0, 1, 0]])
    label = np.array([[0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]], bool)
    mask = activation > 6
    assert (mask.sum(), (mask & label).sum(), (mask | label).sum()) == (3, 3, 5)
    assert counted((mask & label).sum(), mask.sum(), label.sum()) == pytest.approx(0.6)


def test_iou_is_of_the_sums_not_the_mean_over_images():
    """Images with I = 1, 0 and unions 2, 8: 1 / 10, and not the mean of 1/2 and 0."""
    assert counted(1 + 0, 1 + 4, 2 + 4) == pytest.approx(0.1)


def test_a_unit_is_judged_where_the_category_is_labelled():
    """1000 active pixels in images that have parts but no colours are no fault of a colour detector."""
    record = planted([[0, 0, 50, 0, 0]], [[1000, 100, 0]])
    assert record.iou[0].tolist() == pytest.approx([0, 0, 1 / 3, 0, 0])


def test_labels_and_runners_up():
    record = planted()
    thirds, ninths = 50 / 150, 20 / 180
    assert record.best.concepts.tolist() == [0, 0, 2, 0, -1, 0]
    assert record.best.iou.tolist() == pytest.approx([thirds, thirds, thirds, 7 / 193, 0, 0.04])
    assert record.ranked(4).tolist() == [
        [0, 2, -1, -1],
        [0, 1, 4, -1],
        [2, 1, -1, -1],
        [0, -1, -1, -1],
        [-1] * 4,
        [0, -1, -1, -1],
    ]
    assert record.best_by_category.concepts.tolist()[:3] == [[0, 2, -1], [0, -1, 4], [1, 2, -1]]
    assert record.best_by_category.iou[2].tolist() == pytest.approx([ninths, thirds, 0])
    assert record.label(2) == Concept("red", "colour") and record.label(4) is None


def test_of_equal_concepts_the_first():
    record = planted([[0, 30, 30, 0, 30]], [[100] * 3])
    assert record.best.concepts.tolist() == [1] and record.ranked(3).tolist() == [[1, 2, 4]]


def test_chance_is_counted_alike():
    chance = [[10, 0, 0, 0, 0]] * len(INTERSECTIONS)
    assert planted().chance_iou is None
    assert planted(chance=chance).chance_iou[:, 0] == pytest.approx([10 / 190] * 4 + [10 / 90] + [10 / 94])


def test_permuted_units_give_a_permuted_record():
    order = [3, 5, 0, 4, 2, 1]
    record, other = planted(), planted(order=order)
    np.testing.assert_array_equal(other.iou, record.iou[order])
    np.testing.assert_array_equal(other.best.concepts, record.best.concepts[order])
    np.testing.assert_array_equal(other.ranked(), record.ranked()[order])


def test_masks_and_names():
    record, data = planted(), Pictures()
    mask = record.top.mask(2, 1, (20, 30))
    np.testing.assert_array_equal(mask.ravel(), np.unpackbits(record.top.masks[2, 1])[:600])
    assert 0.2 < mask.mean() < 0.4
    number = int(record.top.numbers[2, 1])
    assert record.top.by_number[number] == data.name_of(number) == f"pictures/no {number}"


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"\(6, 5\) instead of \(6, 4\)"):
        planted(concepts=CONCEPTS[:4])
    with pytest.raises(InputError, match=r"75\) instead of \(6, 4, 78\)"):
        planted(map_size=(20, 31))
    with pytest.raises(InputError, match=r"\(4,\) instead of \(6,\)"):
        planted(thresholds=np.zeros(6, np.float32), top=planted(INTERSECTIONS[:4]).top)


# On disk


def same(one, other):
    for name in ("network", "layer", "concepts", "categories", "images", "skipped", "map_size", "settings"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.top.names == other.top.names
    for group in ("tallies", "chance", "top"):
        for name, array in vars(getattr(one, group)).items():
            if isinstance(array, np.ndarray):
                loaded = getattr(getattr(other, group), name)
                np.testing.assert_array_equal(loaded, array)
                assert loaded.dtype == array.dtype
    np.testing.assert_array_equal(one.thresholds, other.thresholds)


def test_saved_and_loaded(tmp_path):
    thresholds = np.array([-np.inf, 0, 0.1, 1e-30, np.inf, 5], np.float32)
    facts = {"skipped": ("ärger.png: <cut>",), "thresholds": thresholds, "settings": {"seed": 3, "preprocess": None}}
    record = planted(chance=INTERSECTIONS, **facts)
    assert record.save(tmp_path / "a" / "conv") == tmp_path / "a" / "conv"
    same(record, Dissection.load(tmp_path / "a" / "conv"))
    assert Dissection.load(planted().save(tmp_path / "b")).chance is None
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["conv"]


def test_saves_over_nothing_but_its_own(tmp_path):
    record = planted(chance=INTERSECTIONS)
    record.save(tmp_path / "out")
    with pytest.raises(SaveError, match="exists already"):
        record.save(tmp_path / "out")
    changed = planted(chance=INTERSECTIONS, order=[1, 0, 2, 3, 4, 5])
    same(changed, Dissection.load(changed.save(tmp_path / "out", overwrite=True)))
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(SaveError, match="exists already"):
        record.save(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_a_save_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    record = planted(chance=INTERSECTIONS)
    record.save(tmp_path / "out")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(SaveError, match="No space left"):
        planted().save(tmp_path / "out", overwrite=True)
    same(record, Dissection.load(tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("harm", ["none", "cut", "pickle", "shape", "json"])
def test_damaged_folders_are_refused(tmp_path, harm):
    folder = tmp_path / "out"
    if harm != "none":
        planted().save(folder)
    arrays, about = folder / "arrays.npz", folder / "dissection.json"
    if harm == "cut":
        arrays.write_bytes(arrays.read_bytes()[:500])
    elif harm == "pickle":
        with np.load(arrays) as archive:
            kept = dict(archive)
        np.savez(arrays, **{**kept, "thresholds": np.array([print] * 6, object)})
    elif harm == "shape":
        changed = json.loads(about.read_text()) | {"categories": CATEGORIES[:2]}
        about.write_text(json.dumps(changed))
    elif harm == "json":
        about.write_text("[]")
    with pytest.raises(LoadError, match="holds no dissection"):
        Dissection.load(folder)
