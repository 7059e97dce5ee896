"""`kerasviz occlude`: what it finds, what it costs, what it writes and refuses."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

import kerasviz as kv
from kerasviz.data import shapes
from kerasviz.plotting.positions import CATEGORIES


def document(result):
    assert result.exit_code < 2, result.stderr
    return json.loads(result.stdout)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def holds(path, color, least):
    with Image.open(path) as picture:
        return (np.asarray(picture.convert("RGB")) == color).all(-1).sum() >= least


@pytest.fixture
def scene(tmp_path):
    """A scene of the shapes data set whose subject the network knows, as a file; and the scene."""
    batch = shapes.scenes(2, seed=3)
    path = tmp_path / "scene.png"
    Image.fromarray(batch.images[1]).save(path)
    return path, batch


# What is found


@pytest.mark.slow
def test_the_drop_is_largest_on_the_object(run, scene, tmp_path):
    path, batch = scene
    words = ("-m", "shapes", "--size", "8,12,16", "--stride", 4, "--json", "-o", tmp_path / "out")
    found = document(run("occlude", path, *words))["images"][0]["occlusion"]
    assert [one["label"] for one in found] == [shapes.CLASSES[batch.labels[1]]]
    subject = batch.subject_mask()[1]
    for size in found[0]["sizes"]:
        x0, y0, x1, y1 = size["box"]
        assert (x1 - x0, y1 - y0) == tuple(size["size"][::-1])
        assert subject[y0:y1, x0:x1].mean() > 0.5 > subject.mean() * 2
        assert size["largest_drop"] > found[0]["score"]  # without it, the class is gone


@pytest.mark.slow
def test_numbers_are_those_of_python(run, colors, pictures, tmp_path):
    """The tags of these sizes are sorted the other way round, so that none may be taken for another."""
    out, sizes, strides = tmp_path / "out", [8, (4, 6)], [4, 2]
    words = ("--size", "8,4x6", "--stride", 4, "--stride", 2, "--three-maps", "--top", 2, "--fill", "12.5")
    found = document(run("occlude", pictures / "red.png", "-m", colors, *words, "-o", out, "--json"))
    explain = kv.Occlusion(str(colors), sizes, strides, 12.5, three_maps=True)
    inputs = kv.data.load_images(pictures / "red.png", (16, 24))
    ranked = np.argsort(-keras.models.load_model(colors).predict(inputs, verbose=0)[0])[:2]
    expected = explain(np.repeat(inputs, 2, 0), target=ranked)

    settings = found["methods"]["occlusion"]["settings"]
    assert settings["size"] == [8, [4, 6]] and settings["stride"] == strides and settings["fill"] == 12.5
    (image,) = found["images"]
    assert image["size"] == [16, 24] and [one["class"] for one in image["occlusion"]] == ranked.tolist()
    for row, one in enumerate(image["occlusion"]):
        assert one["score"] == pytest.approx(float(expected.score[row]), abs=1e-5)
        expected_sizes = zip((" 8/4", " 4x6/2"), ((8, 8), (4, 6)), strides, strict=True)
        for size, (tag, shape, step) in zip(one["sizes"], expected_sizes, strict=True):
            drop, top = expected.extras[f"drop{tag}"][row], expected.extras[f"top_class{tag}"][row]
            assert (size["size"], size["stride"]) == (list(shape), [step, step])
            assert size["positions"] == drop.size and size["largest_drop"] == pytest.approx(float(drop.max()), abs=1e-4)
            y, x = np.unravel_index(drop.argmax(), drop.shape)
            assert size["box"] == [x * step, y * step, x * step + shape[1], y * step + shape[0]]
            changed = top != ranked[0]
            assert (size["change"] or {"positions": 0})["positions"] == changed.sum()
    saved = kv.Explanation.load(out / image["arrays"])
    np.testing.assert_allclose(saved.values, expected.values, atol=1e-4)
    assert set(saved.extras) == set(expected.extras) and saved.target.tolist() == ranked.tolist()


@pytest.mark.slow
def test_where_the_top_class_changes(run, colors, labels, tmp_path):
    """A red spot on a blue ground: the sky wins where the spot is hidden, and nowhere else."""
    picture = np.zeros((16, 24, 3), np.uint8)
    picture[..., 2] = 8
    picture[4:8, 8:12] = (255, 0, 0)
    Image.fromarray(picture).save(tmp_path / "spot.png")
    words = ("--labels", labels, "--size", 4, "--stride", 4, "--fill", "0,0,0", "--three-maps", "--probability")
    found = document(run("occlude", tmp_path / "spot.png", "-m", colors, *words, "-o", tmp_path / "out", "--json"))
    one = found["images"][0]["occlusion"][0]
    (size,) = one["sizes"]
    # The means of the colours over the 384 pixels, times 6.
    red, blue = np.exp(6 * 16 / 384), np.exp(6 * (384 - 16) / 384 * 8 / 255)
    probability, hidden = red / (red + blue + 1), 1 / (1 + blue + 1)
    assert one["label"] == "Fire engine" and one["score"] == pytest.approx(probability, abs=1e-5)
    assert size["largest_drop"] == pytest.approx(probability - hidden, abs=1e-5)
    change = size["change"]
    assert (change["positions"], change["label"], change["box"]) == (1, "Sky", [8, 4, 12, 8])
    assert size["positions"] == 24 and size["box"] == change["box"] and change["drop"] == size["largest_drop"]


@pytest.mark.slow
def test_classes_by_name_and_the_cost(run, colors, pictures, labels, tmp_path):
    words = ("-m", colors, "--labels", labels, "--size", 8, "--stride", 4, "--json")
    result = run("occlude", pictures, *words, "--target", "sky", "--target", 1, "-o", tmp_path / "a")
    found = document(result)
    assert [[one["label"] for one in image["occlusion"]] for image in found["images"]] == [["Sky", "Green_tree"]] * 3
    assert result.stderr == "90 forward passes: 3 images x 2 classes x 15 positions of the patch\n"
    result = run("occlude", pictures / "red.png", *words, "--target", "sky", "--top", 2, "-o", tmp_path / "b")
    assert result.stderr.startswith("up to 45 forward passes: 1 image x up to 3 classes x 15 positions")
    document(result)


@pytest.mark.slow
def test_a_free_network_takes_pictures_as_they_are(run, save_network, pictures, tmp_path):
    model = save_network((None, None, 3))
    Image.open(pictures / "red.png").resize((96, 64)).save(pictures / "red.png")
    words = ("-m", model, "--size", 16, "--stride", 16, "--json")
    result = run("occlude", pictures, *words, "-o", tmp_path / "a")
    # 40 x 60 pixels become 32 x 64, so 2 x 4 positions; 64 x 96 are 4 x 6.
    assert result.stderr.startswith("40 forward passes: 3 images x 1 class x 8 to 24 positions")
    assert [image["size"] for image in document(result)["images"]] == [[32, 64], [64, 96], [32, 64]]
    found = document(run("occlude", pictures, *words, "--input-size", "16x48", "-o", tmp_path / "b"))
    assert {image["occlusion"][0]["sizes"][0]["positions"] for image in found["images"]} == {3}


# What is written


@pytest.mark.slow
def test_pictures_and_arrays(run, colors, pictures, labels, tmp_path):
    out = tmp_path / "out"
    words = ("-m", colors, "--labels", labels, "--size", "4,8", "--three-maps", "-o", out)
    (image,) = document(run("occlude", pictures / "red.png", *words, "--json"))["images"]
    assert image["sweep"] == "red-occlusion-sweep.png" and image["sheet"] == "red.png"
    assert image["three_maps"] == ["red-occlusion-three-maps-4-1.png", "red-occlusion-three-maps-8-2.png"]
    drawn = ["red-occlusion-Fire-engine.png", image["sweep"], *image["three_maps"], image["sheet"]]
    assert names(out) == sorted([*drawn, "manifest.json", "red-occlusion"])
    assert names(out / "red-occlusion") == ["0000.png", "arrays.npz", "manifest.json"]
    assert sorted(json.loads((out / "manifest.json").read_text())["files"]) == sorted(drawn)
    assert all(holds(out / name, CATEGORIES[0], 1000) for name in image["three_maps"])
    assert holds(out / image["sweep"], (0, 0, 0), 20)  # the outlines

    for more in ([], ["--size", 4]):
        again = run("occlude", pictures / "red.png", *words, *more)
        assert again.exit_code == 2 and "--overwrite" in again.stderr
    fewer = run("occlude", pictures / "red.png", "-m", colors, "--size", 4, "-o", out, "--overwrite")
    assert fewer.exit_code == 0
    assert names(out) == sorted(["red-occlusion-class-0.png", "red.png", "manifest.json", "red-occlusion"])
    assert kv.Explanation.load(out / "red-occlusion").settings["size"] == 4


def test_arrays_of_a_run_without_a_manifest_are_not_lost(run, colors, pictures, tmp_path):
    (tmp_path / "out" / "red-occlusion").mkdir(parents=True)
    result = run("occlude", pictures / "red.png", "-m", colors, "-o", tmp_path / "out")
    assert result.exit_code == 2 and "red-occlusion' exists already" in result.stderr
    assert names(tmp_path / "out") == ["red-occlusion"]


@pytest.mark.slow
def test_pictures_that_cannot_be_read_are_skipped(run, colors, pictures, bad, tmp_path):
    result = run("occlude", pictures, "-m", colors, "--size", 8, "-o", tmp_path / "out", "--json")
    found = document(result)
    assert result.exit_code == 1 and [name for name in bad if name not in result.stderr] == []
    assert len(found["images"]) == 3 and len(found["skipped"]) == 4 and found["complete"]


@pytest.mark.slow
def test_the_table_says_the_same(run, colors, pictures, labels, tmp_path):
    words = ("-m", colors, "--labels", labels, "--size", "4,8", "--three-maps", "--top", 2)
    lines = run("occlude", pictures / "red.png", *words, "-o", tmp_path / "a").stdout.splitlines()
    (image,) = document(run("occlude", pictures / "red.png", *words, "-o", tmp_path / "b", "--json"))["images"]
    assert lines[0].split()[:4] == ["Image,", "class", "Score", "Patch"]
    assert lines[1].strip() == "red.png"
    rows = [(one, size) for one in image["occlusion"] for size in one["sizes"]]
    for line, (one, size) in zip(lines[2:], rows, strict=False):
        x, y = (size["box"][0] + size["box"][2]) / 2, (size["box"][1] + size["box"][3]) / 2
        drop = f"{size['largest_drop']:.3g}"
        said = f"{size['size'][0]} px / {size['stride'][0]} px {drop} {x:g}, {y:g}"
        assert said in " ".join(line.split())
        change = size["change"]
        assert ("never" if change is None else f"(at {change['positions']} of {size['positions']})") in line
        assert (one["label"] in line) == (size is one["sizes"][0])
    assert lines[-1].startswith("1 image, 6 pictures in")


# What is refused


@pytest.mark.slow
def test_what_cannot_be_done_exits_2_in_one_line(run, colors, pictures, tmp_path):
    for words, said in (
        (["--size", "a"], "--size 'a'"),
        (["--size", "8,,4"], "--size ''"),
        (["--size", "17"], "size=17 for an input of 16 x 24"),
        (["--size", "4", "--stride", "5"], "stride=5 with size=4"),
        (["--size", "4,8", "--stride", "2,2,2"], "stride=[2, 2, 2]"),
        (["--stride", "0"], "--stride '0'"),
        (["--fill", "pink"], "--fill 'pink'"),
        (["--fill", "nan"], "--fill 'nan'"),
        (["--fill", "1,2"], "1"),
        (["--layer", "conv"], "--layer 'conv' without --three-maps"),
        (["--layer", "lost", "--three-maps"], "lost"),
        (["--layer", "classes", "--three-maps"], "classes"),
        (["--target", "7"], "--target 7"),
        (["--input-size", "20x24"], "16x24"),
        (["--input-size", "b"], "--input-size 'b'"),
    ):
        result = run("occlude", pictures, "-m", colors, *words, "-o", tmp_path / "out")
        assert result.exit_code == 2 and said in result.stderr and result.stdout == "", words
        assert len([line for line in result.stderr.splitlines() if "error" in line]) == 1
        assert not (tmp_path / "out").exists() or not names(tmp_path / "out")


@pytest.mark.slow
def test_what_need_not_be_computed_is_said(run, tmp_path):
    picture = next(iter(kv.data.shapes.example_pictures().values()))
    words = ("-m", "shapes", "--size", 8, "--stride", 8)
    said = run("occlude", picture, *words, "-o", tmp_path / "a").stderr
    saved = kv.Occlusion(kv.data.shapes.shapes_model(), size=8, stride=8).plan().saved
    assert saved > 0.2
    assert said.startswith("64 forward passes: 1 image x 1 class x 64 positions of the patch; ")
    assert f"; {saved:.0%} of the arithmetic is saved" in said
