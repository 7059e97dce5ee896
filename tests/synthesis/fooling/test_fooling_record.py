"""`FoolingImages`: what counts as found, the pictures that are saved, and reading them again."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from kerasviz.errors import InputError, LoadError, SaveError, SettingError
from kerasviz.synthesis.fooling.record import FoolingImages
from kerasviz.synthesis.pictures import from_picture, rounded, to_picture


def made(channels=3, classes=(3, 5, 3), low=-1.0, high=3.0, **changes):
    images = np.random.default_rng(0).uniform(-1, 3, (3, 4, 6, channels)).astype("float32")
    given = {
        "images": images,
        "classes": classes,
        "confidences": [0.995, 0.4, 0.989],
        "predicted": [3, 8, 3],
        "steps": [12, -1, -1],
        "wanted": 0.99,
        "low": low,
        "high": high,
        "saved_confidences": [0.9, 0.991, 0.2],
        "saved_predicted": [3, 5, 3],
        "history": {"step": np.arange(2), "confidence": np.ones((2, 3), "float32")},
        "method": "gradient",
        "settings": {"seed": 4},
    }
    return FoolingImages(**{**given, **changes})


def test_found_needs_the_class_and_the_confidence():
    record = made()
    assert record.found.tolist() == [True, False, False] and record.saved_found.tolist() == [False, True, False]
    assert record.median == pytest.approx(0.989)
    other = made(predicted=[4, 5, 3], confidences=[0.995, 0.99, 0.989])
    assert other.found.tolist() == [False, True, False]
    assert str(record) == "1 of 3 images fool the network at 99.00 % or more: median 98.90 %, lowest 40.00 %"
    bare = made(saved_confidences=None, saved_predicted=None)
    assert bare.saved_found is None and bare.rows()[0]["saved_confidence"] is None


def test_rows_say_what_was_found():
    rows = made().rows(labels=[*"abcdefghi"])
    assert [(row["class"], row["label"], row["predicted"], row["found"], row["step"]) for row in rows] == [
        (3, "d", 3, True, 12),
        (5, "f", 8, False, None),
        (3, "d", 3, False, None),
    ]
    assert [row["confidence"] for row in rows] == pytest.approx([0.995, 0.4, 0.989])
    assert [row["saved_confidence"] for row in rows] == pytest.approx([0.9, 0.991, 0.2])
    assert "label" not in made().rows()[0]
    with pytest.raises(SettingError, match="no entry for the class 5"):
        made().rows(labels={3: "three"})


def test_levels_of_pictures_are_the_nearest_and_come_back():
    values = np.linspace(-1, 3, 1001, dtype="float32")
    levels = to_picture(values, -1, 3)
    np.testing.assert_array_equal(levels, np.rint((values.astype("float64") + 1) / 4 * 255))
    back = from_picture(levels, -1, 3)
    assert np.abs(back - values).max() <= 2 / 255 + 1e-6 and (back[0], back[-1]) == (-1, 3)
    np.testing.assert_array_equal(to_picture(back, -1, 3), levels)
    whole = np.arange(256, dtype="float32")
    np.testing.assert_array_equal(rounded(whole + np.float32(0.25), 0, 255), whole)


def test_pictures_without_a_range_are_stretched():
    images = np.float32([[[[2], [4]], [[3], [2]]], [[[7], [7]], [[7], [7]]]])
    pictures = FoolingImages(images, [0, 0], [1, 1], [0, 0], [0, 0], wanted=0.9).pictures()
    assert pictures[0, ..., 0].tolist() == [[0, 255], [128, 0]] and (pictures[1] == 0).all()


def test_the_sheet_names_classes_and_says_what_does_not_fool():
    figure = made().plot(labels=[*"abcdefghi"])
    shown = [axes.images[0].get_array() for axes in figure.axes]
    np.testing.assert_array_equal(np.stack(shown), made().pictures())
    texts = [text.get_text() for text in figure.texts]
    assert texts == ["d: 99.50 %", "f: 40.00 %, seen as i", "d: 98.90 %, not reached"]
    assert [text.get_text() for text in made().plot(columns=1).texts][:1] == ["class 3: 99.50 %"]


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_saved_is_what_was_predicted(tmp_path, channels):
    record = made(channels)
    folder = record.save(tmp_path / "out", labels=[*"abcdefghi"])
    files = ["class-3-2.png", "class-3.png", "class-5.png"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["arrays.npz", "images.csv", "manifest.json", "sheet.png", *files]
    )
    read = [np.asarray(Image.open(folder / name)).reshape(4, 6, channels) for name in (files[1], files[2], files[0])]
    np.testing.assert_array_equal(np.stack(read), to_picture(record.images, -1, 3))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["found"] == 1 and manifest["wanted"] == 0.99 and manifest["value_range"] == [-1, 3]
    assert manifest["settings"] == {"seed": 4} and manifest["images"][2]["file"] == "class-3-2.png"
    with (folder / "images.csv").open(newline="") as table:
        assert [row["saved_confidence"] for row in csv.DictReader(table)] == [
            str(row["saved_confidence"]) for row in record.rows()
        ]
    loaded = FoolingImages.load(folder)
    for name in ("images", "classes", "confidences", "predicted", "steps", "saved_confidences", "saved_predicted"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(record, name))
    assert (loaded.low, loaded.high, loaded.method, loaded.wanted) == (-1, 3, "gradient", 0.99)
    assert loaded.history["step"].tolist() == [0, 1] and loaded.history["confidence"].shape == (2, 3)


@pytest.mark.slow
def test_saving_again(tmp_path):
    folder = made().save(tmp_path / "out")
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SaveError, match="--overwrite"):
        made().save(folder)
    made().save(folder, overwrite=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    made(classes=(10, 5, 3)).save(folder, overwrite=True)
    assert sorted(path.name for path in folder.glob("class-*")) == ["class-03.png", "class-05.png", "class-10.png"]
    (folder / "mine.txt").write_text("keep")
    with pytest.raises(SaveError, match="exists already"):
        made().save(folder, overwrite=True)
    (folder / "mine.txt").unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "holds": "synthesized images"}))
    with pytest.raises(SaveError, match="exists already"):
        made().save(folder, overwrite=True)


def test_two_channels_are_no_picture_file(tmp_path):
    record = made(2, saved_confidences=None, saved_predicted=None)
    with pytest.warns(match="2 channels"):
        folder = record.save(tmp_path / "out")
    assert not list(folder.glob("class-*")) and FoolingImages.load(folder).saved_confidences is None


def test_records_join_and_a_short_history_ends_in_nothing():
    later = {"step": np.arange(3), "confidence": np.zeros((3, 3), "float32")}
    both = FoolingImages.joined([made(), made(classes=(1, 0, 8), history=later, settings={"seed": 9})])
    np.testing.assert_array_equal(both.images, np.concatenate([made().images, made().images]))
    assert both.classes.tolist() == [3, 5, 3, 1, 0, 8] and both.history["step"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(
        both.history["confidence"], [[1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0], [np.nan] * 3 + [0, 0, 0]]
    )
    assert both.settings == {"seed": 4, "classes": [3, 5, 3, 1, 0, 8]} and len(both.saved_predicted) == 6
    bare = made(saved_confidences=None, saved_predicted=None)
    assert FoolingImages.joined([made(), bare]).saved_confidences is None


def test_no_range_comes_back(tmp_path):
    record = made(low=-np.inf, high=np.inf, saved_confidences=None, saved_predicted=None)
    folder = record.save(tmp_path / "out")
    assert json.loads((folder / "manifest.json").read_text())["value_range"] is None
    loaded = FoolingImages.load(folder)
    assert not loaded.bounded and loaded.low == -np.inf and len(list(folder.glob("class-*"))) == 3


def test_what_is_no_record(tmp_path):
    with pytest.raises(InputError, match="do not fit together"):
        made(classes=(1, 2))
    with pytest.raises(InputError, match="do not fit together"):
        made(low=3.0)
    with pytest.raises(InputError, match="do not fit together"):
        made(saved_predicted=None)
    with pytest.raises(LoadError, match="no fooling images"):
        FoolingImages.load(tmp_path)
    folder = made().save(tmp_path / "out")
    (folder / "arrays.npz").write_bytes((folder / "arrays.npz").read_bytes()[:200])
    with pytest.raises(LoadError, match="no fooling images"):
        FoolingImages.load(folder)
