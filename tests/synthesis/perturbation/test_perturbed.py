"""The record: what it tells, draws, saves and loads."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from kerasviz.errors import InputError, LoadError, SaveError, SettingError
from kerasviz.synthesis.perturbation.magnifying import magnified
from kerasviz.synthesis.perturbation.record import Perturbed


@pytest.fixture
def images():
    return np.full((3, 4, 6, 3), 100, np.uint8)


@pytest.fixture
def found(images):
    """Three images: of class 0, 0 and 2; the first becomes class 1, and loses it in a file."""
    points = images.astype("float32")
    points[0, 0, 0] += [0.25, -0.25, 0.125]
    points[1] -= 2
    outputs = np.float32([[0.7, 0.2, 0.1], [0.9, 0.1, 0], [0, 0.25, 0.75]])
    new = np.float32([[0.4, 0.5, 0.1], [0.8, 0.2, 0], [0.5, 0.125, 0.375]])
    return Perturbed(
        points,
        points - images,
        outputs,
        new,
        np.array([0.25, 2, 0]),
        norm="linf",
        rounded_outputs=np.roll(new, 1, axis=0) * np.float32([1, 0.5, 1]),
        radius=2.0,
        bounds=(0.0, 255.0),
        method="pgd",
        settings={"steps": 3},
    )


def test_classes_confidences_and_success(found):
    assert found.classes.tolist() == [0, 0, 2] and found.new_classes.tolist() == [1, 0, 0]
    assert found.success.tolist() == [True, False, True]
    assert found.survives.tolist() == [False, False, True]
    np.testing.assert_array_equal(found.confidences, np.float32([[0.7, 0.4], [0.9, 0.8], [0.75, 0.375]]))
    np.testing.assert_array_equal(found.new_confidences, np.float32([[0.2, 0.5], [0.9, 0.8], [0, 0.5]]))
    aimed = replace(found, target=np.array([1, 0, 1]))
    assert aimed.success.tolist() == [True, True, False] and aimed.survives.tolist() == [False, True, False]
    labelled = replace(found, true_classes=np.array([1, 1, 2]))
    assert labelled.success.tolist() == [False, True, True]
    assert str(found) == "2 of 3 images fool the network within 2 (linf), 1 still as 8-bit pictures"
    assert str(replace(found, radius=None, rounded_outputs=None)) == "2 of 3 images fool the network (linf)"


def test_rows(found):
    assert found.rows()[0] == {
        "sample": 0,
        "success": True,
        "class": 0,
        "confidence": float(np.float32(0.7)),
        "new_class": 1,
        "new_confidence": 0.5,
        "new_class_before": float(np.float32(0.2)),
        "class_after": float(np.float32(0.4)),
        "distance": 0.25,
        "survives": False,
    }
    row = replace(found, target=np.array([1, 0, 1]), rounded_outputs=None).rows(["cat", "dog", "owl"])[2]
    assert (row["label"], row["new_label"], row["target"], row["survives"]) == ("owl", "cat", 1, None)
    with pytest.raises(SettingError, match="no entry for the class 2"):
        found.rows(["cat", "dog"])


def test_a_part_of_the_record(found):
    last = found.select(slice(2, 3))
    assert len(last) == 1 and last.classes.tolist() == [2] and last.rows()[0]["new_confidence"] == 0.5
    assert found.select([2, 0]).distances.tolist() == [0, 0.25]


@pytest.mark.slow
def test_the_sum_that_is_drawn(found, images):
    figure = found.plot(images, labels=["cat", "$dog$", "owl"])
    pictures = [axes.images[0].get_array() for axes in figure.axes]
    assert len(pictures) == 9
    image, change, point = pictures[:3]
    assert (image == 100).all() and point[0, 0].tolist() == [100, 100, 100] and (pictures[5] == 98).all()
    # Twice as large a change is twice as far from grey.
    assert change[0, 0].tolist() == [255, 1, 192] and (change[1:] == 128).all()
    assert (pictures[4] == 1).all() and (pictures[7] == 128).all()
    texts = [text.get_text() for text in figure.texts]
    for said in ("cat", "$dog$", "70.00 % confidence", "50.00 % confidence", "+", "=", "perturbation × 510"):
        assert said in texts
    assert texts.count("+") == texts.count("=") == 3 and "perturbation × 64" in texts
    scores = replace(found, probable=False).plot(images)
    assert "score 0.75" in [text.get_text() for text in scores.texts]


def test_what_is_drawn_of_other_values(found, images):
    small = replace(found, points=found.points / 255, perturbations=found.perturbations / 255, bounds=None)
    figure = small.plot(images / 255)
    assert (figure.axes[0].images[0].get_array() == 100).all()
    assert "perturbation × 510" in [text.get_text() for text in figure.texts]
    with pytest.raises(InputError, match="no bounds"):
        small.pictures()
    assert found.pictures()[1, 0, 0, 0] == 98 and found.pictures().dtype == np.uint8


def test_magnified():
    change = np.zeros((10, 20, 1))
    change[0, 0], change[1:3] = 50, -1
    picture, factor = magnified(change, 0, 255)
    # One in a hundred may be clipped.
    assert picture[0, 0] == 255 and (picture[1:3] == 1).all() and (picture[3:] == 128).all() and factor == "128"
    assert magnified(0 * change, 0, 255)[0].max() == 128
    assert magnified(np.full((4, 4, 1), 60.0), 0, 255)[1] == "2.1"


@pytest.mark.slow
def test_saved_and_loaded(found, images, tmp_path):
    found = replace(found, target=np.array([1, 0, 1], np.int32))
    folder = found.save(tmp_path / "a", images, labels=["cat", "dog", "owl"])
    assert sorted(path.name for path in folder.iterdir()) == [
        "arrays.npz",
        "manifest.json",
        "perturbed.png",
        "samples.csv",
    ]
    again = Perturbed.load(folder)
    for name, array in found._arrays().items():
        np.testing.assert_array_equal(getattr(again, name), array)
    for name in ("norm", "radius", "bounds", "probable", "method", "settings"):
        assert getattr(again, name) == getattr(found, name)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["samples"][2]["new_label"] == "cat" and manifest["succeeded"] == 2
    with (folder / "samples.csv").open(newline="") as table:
        assert [row["distance"] for row in csv.DictReader(table)] == ["0.25", "2.0", "0.0"]
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SaveError, match="exists already"):
        found.save(folder)
    found.save(folder, images, labels=["cat", "dog", "owl"], overwrite=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    bare = replace(found, target=None, rounded_outputs=None, bounds=None, radius=None)
    loaded = Perturbed.load(bare.save(tmp_path / "b"))
    assert loaded.target is None and loaded.bounds is None and not (tmp_path / "b" / "perturbed.png").exists()


def test_what_cannot_be_loaded(found, tmp_path):
    with pytest.raises(LoadError, match=r"Perturbed\.save wrote"):
        Perturbed.load(tmp_path)
    folder = found.save(tmp_path / "a")
    (folder / "arrays.npz").write_bytes((folder / "arrays.npz").read_bytes()[:100])
    with pytest.raises(LoadError, match="can be read"):
        Perturbed.load(folder)


def test_parts_that_do_not_fit(found, images):
    for wrong in ({"distances": np.zeros(2)}, {"new_outputs": np.zeros((3, 2))}, {"perturbations": np.zeros((3, 4))}):
        with pytest.raises(InputError, match="a row for each image"):
            replace(found, **wrong)
    with pytest.raises(InputError, match=r"\(2, 4, 6, 3\)"):
        found.plot(images[:2])
    flat = replace(found, points=np.zeros((3, 5)), perturbations=np.zeros((3, 5)))
    with pytest.raises(InputError, match="batch of images"):
        flat.plot(np.zeros((3, 5)))
