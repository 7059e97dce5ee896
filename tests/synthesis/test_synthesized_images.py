"""`SynthesizedImages`: how images are drawn, told, saved and read again."""

import json

import numpy as np
import pytest
from PIL import Image

from kerasviz.errors import InputError, KerasvizWarning, LoadError, SaveError, SettingError
from kerasviz.plotting.animation import sheets, write_gif
from kerasviz.synthesis.record import SynthesizedImages

NAMES = ["channel 2 of base/conv", "class 5", "neuron 1 of conv at (0, 3)"]
FILES = [
    "0000-channel-2-of-base-conv.png",
    "0001-class-5.png",
    "0002-neuron-1-of-conv-at-0-3.png",
    "animation.gif",
    "arrays.npz",
    "history.png",
    "manifest.json",
    "sheet.png",
]


def record(**changes):
    """Three images 4 x 6 of -1..1, seen three times on the way."""
    rng = np.random.default_rng(0)
    snapshots = rng.uniform(-1, 1, (2, 3, 4, 6, 3)).astype("float32")
    images = rng.uniform(-1, 1, (3, 4, 6, 3)).astype("float32")
    images[0, 0, 0], images[0, 1, 0] = (-1, 0.5, 1), (0, 0.2, -0.6)
    score = np.float32([[1, -5, 0], [2, -3.12, 4], [3, -4, np.nan]])
    parts = {
        "images": images,
        "scores": np.float32([3, -3.12, 4]),
        "names": NAMES,
        "low": -1.0,
        "high": 1.0,
        "steps": np.array([20, 10, 10], np.int32),
        "history": {"step": np.array([0, 10, 20]), "score": score, "penalty": score / 10},
        "snapshots": snapshots,
        "snapshot_steps": np.array([0, 10]),
        "settings": {"seed": 7, "steps": 20},
    }
    return SynthesizedImages(**{**parts, **changes})


@pytest.fixture(scope="module")
def made():
    return record()


def texts(figure):
    return [text.get_text() for text in figure.texts]


def shown(figure):
    return [axes.images[0].get_array() for axes in figure.axes]


def test_it_behaves_as_its_images(made):
    np.testing.assert_array_equal(np.asarray(made), made.images)
    np.testing.assert_array_equal(made[1], made.images[1])
    assert len(made) == 3 and made.shape == (3, 4, 6, 3) and made.max() == made.images.max()
    copied = np.array(made, copy=True)
    copied[:] = 9
    assert made.images.max() <= 1 and np.asarray(made, dtype="float64").dtype == np.float64
    with pytest.raises(AttributeError):
        _ = made.lost


def test_what_it_says(made):
    assert made.rows()[1] == {"image": 1, "name": "class 5", "score": pytest.approx(-3.12), "step": 10}
    assert str(made).splitlines() == [
        "3 images of 4 x 6 x 3, values -1 to 1; scores:",
        "  3           channel 2 of base/conv",
        "  -3.12       class 5",
        "  4           neuron 1 of conv at (0, 3)",
    ]
    plain = SynthesizedImages(made.images[:1], made.scores[:1], ["class 0"])
    assert plain.rows() == [{"image": 0, "name": "class 0", "score": 3.0, "step": None}]
    assert str(plain).startswith("1 image of 4 x 6 x 3, values without a range; scores:")


# Pictures


def test_a_range_is_drawn_from_black_to_white(made):
    pictures = made.pictures()
    assert pictures.dtype == np.uint8
    # (v + 1) / 2 * 255
    assert pictures[0, 0, 0].tolist() == [0, 191, 255] and pictures[0, 1, 0].tolist() == [128, 153, 51]
    expected = np.round((made.images.astype("float64") + 1) * 127.5)
    np.testing.assert_array_equal(pictures, expected)
    # Also where the values are within 0..1, which look like a picture of that range.
    dark = record(images=np.full((3, 4, 6, 3), 0.5, "float32")).pictures()
    assert (dark == 191).all()


def test_values_beyond_the_range_are_clipped():
    pictures = record(images=np.stack([np.full((4, 6, 3), v, "float32") for v in (-1.5, 1.5, 0)])).pictures()
    assert [int(picture.max()) for picture in pictures] == [0, 255, 128]


def test_without_a_range_each_image_has_its_own():
    images = np.zeros((3, 4, 6, 3), "float32")
    images[0, 0, 0], images[1, 0, 0] = (-2, 0, 6), (-20, 0, 60)
    images[2] = 0.5
    pictures = record(images=images, low=-np.inf, high=np.inf).pictures()
    assert pictures[0, 0, 0].tolist() == pictures[1, 0, 0].tolist() == [0, 64, 255]
    assert (pictures[2] == 128).all()


def test_grey_images_stay_grey(made):
    pictures = record(images=made.images[..., :1], snapshots=None, snapshot_steps=None).pictures()
    assert pictures.shape == (3, 4, 6, 1)
    np.testing.assert_array_equal(pictures, made.pictures()[..., :1])


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_other_channels_are_drawn_as_their_mean(channels):
    images = np.zeros((3, 4, 6, channels), "float32")
    images[..., 0] = np.linspace(-1, 1, 3)[:, None, None]
    made = record(images=images, snapshots=None, snapshot_steps=None)
    with pytest.warns(KerasvizWarning, match=f"{channels} channels are drawn as their mean") as said:
        pictures = made.pictures()
    assert len(said) == 1 and pictures.shape == (3, 4, 6, 1)
    assert pictures[:, 0, 0, 0].tolist() == [int(np.round((v / channels + 1) * 127.5)) for v in (-1, 0, 1)]


# Figures


def test_the_sheet_has_names_and_scores(made):
    figure = made.plot(columns=2)
    assert sorted(texts(figure)) == ["4", "channel 2 of base/conv: 3", "class 5: -3.12", "neuron 1 of conv at (0, 3):"]
    for picture, drawn in zip(made.pictures(), shown(figure), strict=True):
        np.testing.assert_array_equal(picture, drawn)
    tops = [axes.get_position().y1 for axes in figure.axes]
    assert tops[0] == tops[1] > tops[2]
    assert texts(made.plot(titles=["a", "", "$b$"])) == ["a", "$b$"]


def test_of_a_long_name_the_layer_and_the_score_stay():
    name = "channel 130 of efficientnet_lite0/block_with_a_very_long_name/expand_activation"
    said = "".join(reversed(texts(record(names=[name, "b", "c"]).plot())[:3]))
    assert "channel 130" in said and "activation: 3" in said and "…" in said


@pytest.mark.slow
def test_many_images_are_drawn_in_part():
    many = SynthesizedImages(np.zeros((65, 2, 2, 1), "float32"), np.zeros(65), ["a"] * 65, 0, 1)
    with pytest.warns(KerasvizWarning, match="Of 65 samples the first 64 are drawn"):
        figure = many.plot(tile=0.5)
    assert len(figure.axes) == 64


def test_the_history(made):
    axes = made.plot_history().axes[0]
    lines, dots = axes.lines[:3], axes.lines[3:]
    for i, line in enumerate(lines):
        np.testing.assert_array_equal(line.get_ydata(), made.history["score"][:, i])
        assert line.get_xdata().tolist() == [0, 10, 20]
    assert [(float(dot.get_xdata()[0]), float(dot.get_ydata()[0])) for dot in dots] == [
        (20, 3),
        (10, pytest.approx(-3.12)),
        (10, 4),
    ]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [*NAMES[:2], "neuron 1 of conv at (0, 3)"]
    with pytest.raises(InputError, match="no history"):
        record(history={}).plot_history()


# Animations


def frames_of(path):
    """The frames as arrays, with how many milliseconds each stands."""
    with Image.open(path) as gif:
        found = []
        for number in range(gif.n_frames):
            gif.seek(number)
            found.append((np.asarray(gif.convert("RGB")).astype(int), gif.info["duration"]))
        return found


def test_the_animation_ends_with_the_images_that_were_kept(made, tmp_path):
    assert made.save_gif(tmp_path / "a.gif", seconds=0.5) == tmp_path / "a.gif"
    frames = frames_of(tmp_path / "a.gif")
    assert [time for _, time in frames] == [250, 250, 2000]
    # Pixels are enlarged to squares of 128 // 6 = 21 pixels, with 2 pixels between images.
    assert frames[0][0].shape == (3 * 2 + 2 * 84, 3 * 2 + 2 * 126, 3)
    moments = [*((made.snapshots + 1) * 127.5), made.pictures()]
    for (frame, _), pictures in zip(frames, moments, strict=True):
        for i, picture in enumerate(pictures):
            top, left = 2 + i // 2 * 86 + 10, 2 + i % 2 * 128 + 10
            small = frame[top : top + 84 : 21, left : left + 126 : 21]
            assert small.shape == picture.shape and np.abs(small - picture).max() < 4
    assert made.save_gif(tmp_path / "b.gif", columns=3).stat().st_size > 0
    assert frames_of(tmp_path / "b.gif")[0][0].shape == (2 * 2 + 84, 4 * 2 + 3 * 126, 3)


def test_a_last_snapshot_that_was_kept_is_the_last_frame(made, tmp_path):
    last = record(snapshots=np.stack([made.snapshots[0], made.images]))
    last.save_gif(tmp_path / "a.gif", seconds=0.3)
    assert [time for _, time in frames_of(tmp_path / "a.gif")] == [300, 2000]


def test_without_a_range_an_animation_has_one_for_each_image(tmp_path):
    snapshots, images = np.zeros((1, 2, 4, 6, 1), "float32"), np.zeros((2, 4, 6, 1), "float32")
    snapshots[0, 0, 0] = 1
    images[0, 0], images[1, 0] = (-4), 8
    made = SynthesizedImages(images, np.zeros(2), ["a", "b"], snapshots=snapshots, snapshot_steps=np.array([0]))
    made.save_gif(tmp_path / "a.gif")
    first, last = (frame[12, [12, 140], 0].tolist() for frame, _ in frames_of(tmp_path / "a.gif"))
    assert first == [255, 0] and last == [0, 255]
    assert frames_of(tmp_path / "a.gif")[0][0][60, 12, 0] == 204  # 0 within -4..1


def test_what_stands_still_stands_longer(tmp_path):
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    frames[3] = 255
    write_gif(tmp_path / "a.gif", frames, seconds=0.6, hold=1)
    assert [(int(frame.max()), time) for frame, time in frames_of(tmp_path / "a.gif")] == [(0, 600), (255, 1000)]


def test_large_frames_are_made_smaller():
    assert sheets(np.zeros((1, 4, 300, 900, 3), np.uint8), 4).shape == (1, 4 + 100, 5 * 2 + 4 * 300, 3)
    assert sheets(np.zeros((1, 1, 300, 900, 1), np.uint8)).shape == (1, 304, 904, 3)


def test_the_same_animation_is_the_same_to_the_bit(made, tmp_path):
    first = made.save_gif(tmp_path / "a.gif").read_bytes()
    assert record().save_gif(tmp_path / "b.gif").read_bytes() == first


def test_animations_that_cannot_be_written(made, tmp_path):
    with pytest.raises(InputError, match="no snapshots"):
        record(snapshots=None, snapshot_steps=None).save_gif(tmp_path / "a.gif")
    with pytest.raises(SettingError, match="name that ends in"):
        made.save_gif(tmp_path / "a.png")
    for seconds in (0, -1, np.nan, "1"):
        with pytest.raises(SettingError, match="seconds="):
            made.save_gif(tmp_path / "a.gif", seconds=seconds)
    with pytest.raises(InputError, match="no frame"):
        write_gif(tmp_path / "a.gif", [])
    assert not list(tmp_path.iterdir())


# Files


@pytest.mark.slow
def test_saved_and_loaded(made, tmp_path):
    assert made.save(tmp_path / "a") == tmp_path / "a"
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == FILES
    again = SynthesizedImages.load(tmp_path / "a")
    for name in ("images", "scores", "steps", "snapshots", "snapshot_steps"):
        np.testing.assert_array_equal(getattr(again, name), getattr(made, name))
        assert getattr(again, name).dtype == getattr(made, name).dtype
    for key in ("step", "score", "penalty"):
        np.testing.assert_array_equal(again.history[key], made.history[key])
    assert (again.names, again.low, again.high, again.settings) == (made.names, -1, 1, {"seed": 7, "steps": 20})
    for picture, name in zip(made.pictures(), FILES, strict=False):
        with Image.open(tmp_path / "a" / name) as file:
            np.testing.assert_array_equal(np.asarray(file), picture)
            assert file.text["shows"] in NAMES and file.text["score"] in ("3.0", "-3.119999885559082", "4.0")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["images"][2] == {"image": 2, "name": NAMES[2], "score": 4.0, "step": 10, "file": FILES[2]}
    assert manifest["value_range"] == [-1, 1] and manifest["files"] == FILES
    # The same again is the same to the bit.
    made.save(tmp_path / "b")
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_what_there_is_not_is_not_saved(made, tmp_path):
    plain = SynthesizedImages(made.images, np.float32([1, np.nan, 2]), NAMES, settings={"model": "shapes"})
    plain.save(tmp_path / "a")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [*FILES[:3], "arrays.npz", *FILES[-2:]]
    again = SynthesizedImages.load(tmp_path / "a")
    assert again.steps is None and again.snapshots is None and again.history == {} and not again.bounded
    assert again.settings == {"model": "shapes"} and np.isnan(again.scores[1])
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["value_range"] is None and manifest["images"][1]["score"] == "nan"


@pytest.mark.slow
def test_only_saved_images_are_replaced(made, tmp_path):
    made.save(tmp_path / "a")
    with pytest.raises(SaveError, match="overwrite"):
        made.save(tmp_path / "a")
    fewer = record(
        names=["one"],
        images=made.images[:1],
        scores=made.scores[:1],
        steps=None,
        history={},
        snapshots=None,
        snapshot_steps=None,
    )
    fewer.save(tmp_path / "a", overwrite=True)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["0000-one.png", "arrays.npz", *FILES[-2:]]
    (tmp_path / "a" / "mine.txt").write_text("keep")
    with pytest.raises(SaveError, match="exists already"):
        made.save(tmp_path / "a", overwrite=True)
    assert len(SynthesizedImages.load(tmp_path / "a")) == 1
    # Nor is the folder of another command, which has a manifest, too.
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "manifest.json").write_text('{"kerasviz": "1", "files": ["manifest.json"]}')
    with pytest.raises(SaveError, match="exists already"):
        made.save(tmp_path / "b", overwrite=True)


def test_a_damaged_folder(made, tmp_path):
    record(history={}, snapshots=None, snapshot_steps=None).save(tmp_path / "a")
    (tmp_path / "a" / "arrays.npz").write_bytes(b"PK broken")
    for folder in ("a", "nowhere"):
        with pytest.raises(LoadError, match="no synthesized images that can be read"):
            SynthesizedImages.load(tmp_path / folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"names": NAMES[:2]},
        {"scores": np.zeros(2)},
        {"steps": np.zeros(2)},
        {"images": np.zeros((3, 4, 6))},
        {"low": 1.0},
        {"low": -np.inf},
        {"snapshots": None},
        {"snapshots": np.zeros((1, 3, 4, 6, 3))},
        {"snapshots": np.zeros((2, 3, 4, 5, 3))},
        {"history": {"step": np.arange(2), "score": np.zeros((3, 3))}},
        {"history": {"step": np.arange(2)}},
    ],
)
def test_parts_that_do_not_fit(changes):
    with pytest.raises(InputError, match="do not fit together"):
        record(**changes)


def test_no_snapshots_are_none():
    empty = record(snapshots=np.zeros((0, 3, 4, 6, 3)), snapshot_steps=np.zeros(0))
    assert empty.snapshots is None and empty.snapshot_steps is None
