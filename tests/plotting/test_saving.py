"""PNG files: whole or not at all, with the text that belongs to them."""

import json

import numpy as np
import pytest
from PIL import Image

from kerasviz.errors import InputError, SaveError, SettingError
from kerasviz.plotting import save_png

PHOTO = np.random.default_rng(0).integers(0, 256, (24, 40, 3)).astype(np.uint8)


def test_pixels_and_text_come_back(tmp_path):
    text = {
        "method": "GradCAM",
        "target": np.int64(281),
        "file": "größe\udce9 日本",
        "settings": {"steps": [1, 2]},
    }
    path = save_png(tmp_path / "a.png", PHOTO, text)
    with Image.open(path) as file:
        np.testing.assert_array_equal(np.asarray(file), PHOTO)
        assert file.text["method"] == "GradCAM"
        assert file.text["target"] == "281"
        assert file.text["file"] == "größe? 日本"
        assert json.loads(file.text["settings"]) == {"steps": [1, 2]}


@pytest.mark.parametrize(
    "image, mode", [(PHOTO[..., 0], "L"), (PHOTO[..., :1], "L"), (PHOTO[..., [0, 1, 2, 0]], "RGBA")]
)
def test_grey_and_opacity_are_kept(tmp_path, image, mode):
    with Image.open(save_png(tmp_path / "a.png", image)) as file:
        assert file.mode == mode
        np.testing.assert_array_equal(np.asarray(file), image.squeeze())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_are_displayed(tmp_path, dtype):
    with Image.open(save_png(tmp_path / "a.png", PHOTO.astype(dtype))) as file:
        np.testing.assert_array_equal(np.asarray(file), PHOTO)


def test_the_same_picture_gives_the_same_bytes_and_replaces_the_old_file(tmp_path):
    first = save_png(tmp_path / "a.png", PHOTO, {"k": "v"}).read_bytes()
    save_png(tmp_path / "a.png", 255 - PHOTO)
    assert save_png(tmp_path / "a.png", PHOTO, {"k": "v"}).read_bytes() == first
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


def test_a_failure_keeps_the_old_file_and_leaves_no_draft(tmp_path, monkeypatch):
    path = save_png(tmp_path / "a.png", PHOTO)
    before = path.read_bytes()

    def full(self, draft, **_):
        draft.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(SaveError, match="No space left"):
        save_png(path, 255 - PHOTO)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(SaveError, match="Create the folder"):
        save_png(tmp_path / "missing" / "a.png", PHOTO)
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError):
        save_png(tmp_path / "file" / "a.png", PHOTO)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(SaveError):
        save_png(tmp_path / "folder.png", PHOTO)
    with pytest.raises(SaveError, match=r"\.png"):
        save_png(tmp_path / "a.jpg", PHOTO)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder.png"]


def test_files_are_as_readable_as_any_other(tmp_path):
    (tmp_path / "other").write_text("")
    path = save_png(tmp_path / "a.png", PHOTO)
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("key", ["", "k" * 80, "日本", " k", 3, "a\0b"])
def test_wrong_keywords(tmp_path, key):
    with pytest.raises(SettingError):
        save_png(tmp_path / "a.png", PHOTO, {key: "v"})
    assert not list(tmp_path.iterdir())


def test_a_batch_is_refused(tmp_path):
    with pytest.raises(InputError, match="one image"):
        save_png(tmp_path / "a.png", PHOTO[None])
