import csv
import json

import numpy as np
import pytest
from PIL import Image

from kerasviz.errors import InputError, LoadError, SaveError, SettingError
from kerasviz.generalization.critical_record import CriticalSamples


@pytest.fixture
def images():
    return np.full((3, 6, 8, 3), 100, "float32")


@pytest.fixture
def found(images):
    points = images.copy()
    points[0, :, :4] += 2
    points[2, :3] -= 1
    return CriticalSamples(
        points,
        np.array([4, -1, 1], np.int32),
        np.array([0, 1, 2], np.int32),
        np.array([1, 1, 0], np.int32),
        radius=2.0,
        settings={"search": "lass", "seed": 3},
    )


def test_what_it_says(found):
    assert found.critical.tolist() == [True, False, True]
    assert found.ratio == 2 / 3 and len(found) == 3
    assert str(found) == "2 of 3 samples are critical within 2 (in the units of the images): ratio 0.667"
    assert found.rows() == [
        {"sample": 0, "critical": True, "class": 0, "new_class": 1, "step": 4},
        {"sample": 1, "critical": False, "class": 1, "new_class": None, "step": None},
        {"sample": 2, "critical": True, "class": 2, "new_class": 0, "step": 1},
    ]


def test_the_picture(found, images):
    fig = found.plot(images, labels=["cat", "dog", "fox"])
    shown = [axes.images[0].get_array() for axes in fig.axes]
    assert len(shown) == 6
    # Image, found point, and the difference in parts of the radius: grey, white where it is the whole radius.
    assert [int(picture[0, 0, 0]) for picture in shown] == [100, 102, 255, 100, 99, 64]
    assert [int(picture[5, 7, 0]) for picture in shown] == [100, 100, 128, 100, 100, 128]
    texts = [text.get_text() for text in fig.texts]
    assert "cat → dog" in texts and "fox → cat" in texts and "difference, ±2" in texts


def test_images_of_0_to_1_share_their_range(found, images):
    unit = CriticalSamples(
        found.points / 255, found.steps, found.classes, found.new_classes, radius=2 / 255, settings={}
    )
    fig = unit.plot(images / 255)
    assert [int(axes.images[0].get_array()[0, 0, 0]) for axes in fig.axes[:3]] == [100, 102, 255]


def test_nothing_to_draw(found, images):
    none = CriticalSamples(images, np.full(3, -1), found.classes, found.classes, radius=2.0)
    with pytest.raises(InputError, match="larger radius"):
        none.plot(images)
    with pytest.raises(InputError, match=r"\(2, 6, 8, 3\)"):
        found.plot(images[:2])
    with pytest.raises(SettingError, match="class 1"):
        found.plot(images, labels={0: "cat"})


def test_saved_and_loaded(found, images, tmp_path):
    assert found.save(tmp_path / "a", images) == tmp_path / "a"
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        "arrays.npz",
        "samples.csv",
        "manifest.json",
        "found.png",
    }
    again = CriticalSamples.load(tmp_path / "a")
    for name in ("points", "steps", "classes", "new_classes"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert (again.radius, again.ratio, again.settings) == (2.0, 2 / 3, {"search": "lass", "seed": 3})
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert (manifest["radius"], manifest["samples"], manifest["ratio"]) == (2.0, 3, 2 / 3)
    with (tmp_path / "a" / "samples.csv").open() as file:
        assert [row["new_class"] for row in csv.DictReader(file)] == ["1", "", "0"]
    with Image.open(tmp_path / "a" / "found.png") as picture:
        assert picture.size[0] > 300
    with pytest.raises(SaveError, match="overwrite"):
        found.save(tmp_path / "a")
    found.save(tmp_path / "a", overwrite=True)


def test_a_damaged_folder(found, tmp_path):
    found.save(tmp_path / "a")
    (tmp_path / "a" / "arrays.npz").write_bytes(b"PK broken")
    with pytest.raises(LoadError, match="no critical samples that can be read"):
        CriticalSamples.load(tmp_path / "a")
    with pytest.raises(LoadError):
        CriticalSamples.load(tmp_path / "nowhere")
