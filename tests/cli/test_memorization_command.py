"""`kerasviz memorization`: radii in pixel values, in closed form; what it writes, and what it refuses."""

import csv
import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers as L
from PIL import Image

from kerasviz import data
from kerasviz.cli.memorized import draw_shown
from kerasviz.cli.memorizing import Shown
from kerasviz.generalization.critical_search import CriticalSampleSearch
from kerasviz.generalization.curve import critical_sample_curve
from kerasviz.generalization.curve_record import CriticalSampleCurve
from kerasviz.generalization.searches import LASS

WRITTEN = ["arrays.npz", "curve.csv", "curve.png", "manifest.json", "samples.csv", "samples.png"]
COUNT, SHAPE = 7, (4, 6, 3)


def document(result):
    assert result.exit_code < 2, result.stderr
    return json.loads(result.stdout)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def smallest(found):
    return [image["smallest_radius"] for image in found["images"]]


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


def save(path, rescale):
    """A network of two linear scores, of 0..255 or of 0..1; gives the difference of its weights and its biases."""
    parts = [keras.Input(SHAPE), *([L.Rescaling(1 / 255)] if rescale else []), L.Flatten()]
    model = keras.Sequential([*parts, L.Dense(2, activation="softmax")])
    kernel, bias = np.random.default_rng(1).normal(size=(72, 2)).astype("float32"), np.float32([2, 0])
    model.layers[-1].set_weights([kernel, bias])
    model.save(path)
    return np.diff(kernel.astype("float64"))[:, 0], float(bias[1] - bias[0])


class Case:
    """Pictures, a network in two files, and the exact radii in pixel values of 0..255.

    Attributes:
        folder: with the pictures a.png to g.png.
        model: the path of the network, which scales by itself; `bare` does not.
        exact: the smallest radius at which each is critical.
        top: the class of each.
    """

    def __init__(self, folder):
        self.folder, self.model, self.bare = folder / "photos", folder / "model.keras", folder / "bare.keras"
        self.folder.mkdir()
        weights, bias = save(self.model, rescale=True)
        save(self.bare, rescale=False)
        pixels = np.random.default_rng(0).integers(0, 256, (COUNT, *SHAPE), np.uint8)
        self.files = [self.folder / f"{letter}.png" for letter in "abcdefg"]
        for path, picture in zip(self.files, pixels, strict=True):
            Image.fromarray(picture).save(path)
        lead = pixels.reshape(COUNT, -1) / 255 @ weights + bias
        self.exact, self.top = np.abs(lead) / np.abs(weights).sum() * 255, (lead > 0).astype(int)
        self.order = np.argsort(self.exact)

    def radii(self, *places):
        """Just below and just above the exact radii of the samples at these places of the order."""
        return [float(self.exact[self.order[place]] * (1 + side)) for place in places for side in (-1e-3, 1e-3)]


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path)


def listed(radii):
    return ",".join(map(repr, radii))


# What is found


@pytest.mark.slow
def test_radii_are_in_pixel_values_and_exact(run, case, tmp_path):
    radii = case.radii(0, 2, 5)
    words = ("-m", case.model, "--search", "fgsm", "--radius", radii[3], "--radius", listed(radii[4:] + radii[:3]))
    found = document(run("memorization", case.folder, *words, "-o", tmp_path / "out", "--json"))
    assert [row["radius"] for row in found["curve"]] == sorted(radii) and found["unit"] == "pixel values, 0 to 255"
    assert [row["critical"] for row in found["curve"]] == [0, 1, 2, 3, 5, 6]
    assert [row["ratio"] for row in found["curve"]] == [count / COUNT for count in (0, 1, 2, 3, 5, 6)]
    expected = [next((r for r in sorted(radii) if r >= exact), None) for exact in case.exact]
    assert smallest(found) == expected and expected.count(None) == 1
    assert [image["file"] for image in found["images"]] == list(map(str, case.files))
    assert [image["class"] for image in found["images"]] == case.top.tolist()
    news = [None if r is None else 1 - top for r, top in zip(expected, case.top.tolist(), strict=True)]
    assert [image["new_class"] for image in found["images"]] == news
    assert found["complete"] and found["settings"]["search"] == "fgsm" and found["settings"]["bounds"] is None
    assert found["model"]["input"]["preprocess"] == "none"


@pytest.mark.slow
def test_preprocessing_leaves_radii_in_pixel_values(run, case, tmp_path):
    """The same network, once with its own scaling and once without; and the batch size changes nothing."""
    words = ("--search", "pgd", "--steps", 4, "--radius", listed(case.radii(1, 4)), "--json")
    scaled = document(run("memorization", case.folder, "-m", case.model, *words, "-o", tmp_path / "a"))
    words += ("--preprocess", "scale", "--batch-size", 2)
    bare = document(run("memorization", case.folder, "-m", case.bare, *words, "-o", tmp_path / "b"))
    assert bare["settings"]["preprocess"] == "scale" and smallest(scaled) == smallest(bare)
    assert [row["critical"] for row in scaled["curve"]] == [1, 2, 4, 5]


@pytest.mark.slow
def test_numbers_are_those_of_python(run, case, labels, tmp_path):
    labels.write_text("cat\ndog\n", encoding="utf-8")
    words = ("--labels", labels, "--steps", 7, "--seed", 3, "--radius", "4,8,12", "--bounded", "-o", tmp_path / "out")
    found = document(run("memorization", case.folder, "-m", case.model, *words, "--batch-size", 3, "--json"))
    search = CriticalSampleSearch(str(case.model), search=LASS(7), bounds=(0, 255))
    images = data.load_images(case.files, SHAPE[:2])
    expected = critical_sample_curve(search, images, [4, 8, 12], seed=3)
    loaded = CriticalSampleCurve.load(tmp_path / "out")
    for name in ("radii", "smallest", "classes", "new_classes"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(expected, name))
    assert loaded.points is None and 0 < expected.ratios[0] < expected.ratios[-1]
    assert found["curve"] == expected.rows() and found["settings"]["bounds"] == [0, 255]
    assert (found["settings"]["steps"], found["settings"]["seed"]) == (7, 3)
    classes = ["cat", "dog"]
    assert [image["label"] for image in found["images"]] == [classes[k] for k in expected.classes]
    assert rows_of(tmp_path / "out" / "samples.csv") == [
        {
            "sample": image["file"],
            "class": str(image["class"]),
            "label": image["label"],
            "smallest_radius": "" if image["smallest_radius"] is None else str(image["smallest_radius"]),
            "new_class": "" if image["new_class"] is None else str(image["new_class"]),
            "new_label": image["new_label"] or "",
        }
        for image in found["images"]
    ]
    assert [float(row["ratio"]) for row in rows_of(tmp_path / "out" / "curve.csv")] == expected.ratios.tolist()


@pytest.mark.slow
def test_found_points_keep_within_pictures_where_asked(run, tmp_path):
    """Only values below 0 would change the class of a black picture."""
    model = keras.Sequential([keras.Input(SHAPE), L.Rescaling(1 / 255), L.Flatten(), L.Dense(2, activation="softmax")])
    model.layers[-1].set_weights([np.stack([np.ones(72), -np.ones(72)], 1), np.float32([1, 0])])
    model.save(tmp_path / "model.keras")
    Image.fromarray(np.zeros(SHAPE, np.uint8)).save(tmp_path / "black.png")
    words = (tmp_path / "black.png", "-m", tmp_path / "model.keras", "--search", "fgsm", "-r", "10", "--json")
    free = document(run("memorization", *words, "-o", tmp_path / "a"))
    bounded = document(run("memorization", *words, "-o", tmp_path / "b", "--bounded"))
    assert (smallest(free), smallest(bounded)) == ([10], [None])
    assert not (tmp_path / "b" / "samples.png").exists()


@pytest.mark.slow
def test_a_free_network_takes_pictures_of_any_size(run, save_network, pictures, tmp_path):
    Image.open(pictures / "red.png").resize((96, 64)).save(pictures / "red.png")
    words = ("-m", save_network((None, None, 3)), "--search", "fgsm", "-r", "0.1,250", "--json")
    found = document(run("memorization", pictures, *words, "-o", tmp_path / "out"))
    assert [row["critical"] for row in found["curve"]] == [0, 3]


# What is written


@pytest.mark.slow
def test_the_same_again_is_the_same_to_the_bit(run, case, tmp_path):
    out = tmp_path / "out"
    words = ("memorization", case.folder, "-m", case.model, "--steps", 5, "-r", "5,10", "-o", out)
    assert run(*words).exit_code == 0 and names(out) == WRITTEN
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    again = run(*words)
    assert again.exit_code == 2 and "exists already" in again.stderr and "--overwrite" in again.stderr
    assert run(*words, "--overwrite").exit_code == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    assert run(*words, "--overwrite", "--seed", 1, "--pictures", 0).exit_code == 0
    assert names(out) == [name for name in WRITTEN if name != "samples.png"]
    assert json.loads((out / "manifest.json").read_text())["files"] == ["manifest.json", *names(out)[:3], "samples.csv"]


@pytest.mark.slow
def test_the_sheet_holds_the_most_critical_first(run, case, tmp_path):
    radii = case.radii(0, 2, 4)
    words = ("-m", case.model, "--search", "fgsm", "-r", listed(radii), "--pictures", 3, "--batch-size", 2, "--json")
    found = document(run("memorization", case.folder, *words, "-o", tmp_path / "out"))
    first, second, third = case.order[:3]
    assert found["shown"] == [str(case.files[i]) for i in (first, second, third)]
    drawn = [Shown(Path("a.png"), np.zeros(SHAPE, np.uint8), np.ones(SHAPE), 1.0, ("a", "b"))] * 3
    with Image.open(tmp_path / "out" / "samples.png") as sheet:
        assert sheet.size == tuple(int(side * 150) for side in draw_shown(drawn).get_size_inches())


def test_how_found_points_are_drawn():
    before = np.full((4, 6, 3), 100, np.uint8)
    after = before.astype("float32")
    after[0, 0] += 0.5
    after[1, 1] -= 0.5
    after[2, 2] += 0.25
    shown = [
        Shown(path, before, after, 0.5, ("cat", "$dog$")) for path in map(Path, ("a.png", "b.png", "c.png", "d.png"))
    ]
    figure = draw_shown(shown)
    assert len(figure.axes) == 12 and len(draw_shown(shown[:3]).axes) == 9
    picture, found, change = (axes.images[0].get_array() for axes in figure.axes[:3])
    assert (picture == 100).all()
    assert found[0, 0, 0] in (100, 101) and found[3, 3, 0] == 100
    assert [change[i, i, 0] for i in range(4)] == [255, 1, 192, 128]
    texts = [text.get_text() for text in figure.texts]
    assert texts[:3] == ["a.png: cat", "$dog$, within 0.5", "difference × 254"]
    wide = Shown(Path("e.png"), before, before - np.float32(40), 40.0, ("a", "b"))
    assert [text.get_text() for text in draw_shown([wide]).texts][-1] == "difference × 3.17"


@pytest.mark.slow
def test_pictures_that_cannot_be_read_are_skipped(run, case, pictures, bad, tmp_path):
    words = ("-m", case.model, "--search", "fgsm", "-r", 1, "-o", tmp_path / "out", "--json")
    result = run("memorization", *case.files, *[pictures / name for name in bad], *words)
    found = document(result)
    assert result.exit_code == 1 and [name for name in bad if name not in result.stderr] == []
    assert len(found["images"]) == COUNT and len(found["skipped"]) == 4 and found["complete"]
    alone = run("memorization", pictures / bad[0], "-m", case.model, "-o", tmp_path / "b")
    assert alone.exit_code == 2 and "None of the 1 images could be read" in alone.stderr
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_what_an_interrupted_run_found_stays(run, case, tmp_path, monkeypatch):
    read = data.load_image

    def interrupted(file, *args, **settings):
        if file == case.files[5]:
            raise KeyboardInterrupt
        return read(file, *args, **settings)

    monkeypatch.setattr(data, "load_image", interrupted)
    words = ("-m", case.model, "--search", "fgsm", "-r", 8, "--batch-size", 2, "-o", tmp_path / "out")
    result = run("memorization", case.folder, *words)
    assert result.exit_code == 130 and result.stdout == ""
    found = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert not found["complete"] and [image["file"] for image in found["images"]] == list(map(str, case.files[:4]))
    np.testing.assert_array_equal(
        CriticalSampleCurve.load(tmp_path / "out").smallest, np.where(case.exact[:4] <= 8, 8, np.inf)
    )


@pytest.mark.slow
def test_the_tables_say_the_same(run, case, tmp_path):
    radii = case.radii(3)
    words = ("-m", case.model, "--search", "fgsm", "-r", listed(radii), "-o", tmp_path / "out")
    result = run("memorization", case.folder, *words)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["Radius", "Critical", "Ratio"]
    for line, radius, count in zip(lines[1:3], radii, (3, 4), strict=True):
        filled = round(20 * count / 7)
        bar = "━" * filled + "╌" * (20 - filled)
        assert line == [f"{radius:g}", str(count), "of", "7", f"{count / 7:.3f}", bar]
    for i, line in enumerate(lines[5:12]):
        said = ["none", "found"] if case.exact[i] > radii[1] else [f"{next(r for r in radii if r >= case.exact[i]):g}"]
        new = [] if said[0] == "none" else ["class", str(1 - case.top[i])]
        assert line == [case.files[i].name, "class", str(case.top[i]), *said, *new]
    assert "pixel values, 0 to 255" in result.stdout and "lower bounds" in result.stdout
    assert result.stderr.startswith("up to 14 passes forward and back: 7 images x 2 radii x 1 step;")


@pytest.mark.slow
def test_the_default_radii(run, case, tmp_path):
    """The paper's first."""
    found = document(run("memorization", case.files[0], "-m", case.model, "--steps", 1, "-o", tmp_path / "o", "--json"))
    assert [row["radius"] for row in found["curve"]] == [0.3, 1, 2, 4, 8] and found["settings"]["search"] == "lass"


# What is refused


@pytest.mark.slow
def test_what_cannot_be_done_exits_2_in_one_line(run, case, tmp_path):
    for words, said in (
        (["--radius", "a"], "--radius 'a'"),
        (["--radius", "1,,2"], "--radius ''"),
        (["--radius", "-1"], "--radius '-1'"),
        (["--radius", "nan"], "--radius 'nan'"),
        (["--radius", "inf"], "--radius 'inf'"),
        (["--radius", "1", "--radius", "2,1.0"], "--radius 1.0 is there twice"),
        (["--search", "fgsm", "--steps", "3"], "--steps 3 with --search fgsm"),
        (["--output", "lost"], "lost"),
        (["--input-size", "20x24"], "4x6"),
        (["--preprocess", "lost"], "lost"),
        (["--preprocess", "scale", "--model", "lost"], "There is no model 'lost'"),
    ):
        result = run("memorization", case.folder, "-m", case.model, *words, "-o", tmp_path / "out")
        assert result.exit_code == 2 and said in result.stderr and result.stdout == "", words
        assert len([line for line in result.stderr.splitlines() if "error" in line]) == 1
        assert not (tmp_path / "out").exists()


def test_pictures_are_never_written_over(run, case, tmp_path):
    case.files[0].rename(case.folder / "curve.png")
    before = (case.folder / "curve.png").read_bytes()
    words = ("memorization", case.folder, "-m", case.model, "--overwrite")
    result = run(*words, "-o", case.folder)
    assert result.exit_code == 2 and "is one of the pictures" in result.stderr
    assert (case.folder / "curve.png").read_bytes() == before and len(names(case.folder)) == COUNT
    result = run(*words, "-o", case.model)
    assert result.exit_code == 2 and "is a file" in result.stderr


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_that_may_not_be_written_to(run, case, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    result = run("memorization", case.folder, "-m", case.model, "-o", locked / "out")
    assert result.exit_code == 2 and "you may not write" in result.stderr
