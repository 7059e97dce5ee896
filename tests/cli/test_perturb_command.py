"""`kerasviz perturb`: the same numbers as in Python; what it writes, and what it refuses."""

import json

import numpy as np
import pytest
from PIL import Image

from kerasviz import data, load
from kerasviz.synthesis.perturbation.deep_fool import DeepFool
from kerasviz.synthesis.perturbation.record import Perturbed
from kerasviz.synthesis.perturbation.stepping import FGSM, PGD

SIZE = (16, 24)


def document(result):
    assert result.exit_code < 2, result.stderr
    return json.loads(result.stdout)


def tree(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def files(pictures):
    return sorted(pictures.iterdir())


@pytest.mark.slow
def test_numbers_and_pictures_are_those_of_python(run, colors, pictures, files, labels, tmp_path):
    words = ("-m", colors, "--labels", labels, "--class", "sky", "-r", 60, "--steps", 5, "--seed", 3, "--batch-size", 2)
    found = document(run("perturb", pictures, *words, "-o", tmp_path / "out", "--json"))
    images = data.load_images(files, SIZE)
    names = ["Fire engine", "Green_tree", "Sky"]
    expected = PGD(str(colors), steps=5, bounds=(0, 255), batch_size=2)(images, 60, target=2, seed=3)
    assert expected.success.tolist() == [True, True, True] and expected.classes.tolist() == [1, 0, 2]
    assert (found["method"], found["radius"], found["target"]) == ("pgd", 60, 2)
    assert found["settings"] == {**expected.settings, "bounds": [0, 255], "preprocess": "none"}
    assert found["unit"] == "pixel values, 0 to 255" and found["complete"]
    for i, (image, row) in enumerate(zip(found["images"], expected.rows(names), strict=True)):
        stem, label = files[i].stem, "Sky"
        assert image == {
            "file": str(files[i]),
            **{key: value for key, value in row.items() if key not in ("sample", "target")},
            "sheet": f"{stem}.png",
            "picture": f"{stem}-perturbed-{label}.png",
            "arrays": f"{stem}-perturbed",
        }
        record = Perturbed.load(tmp_path / "out" / image["arrays"])
        np.testing.assert_array_equal(record.points, expected.points[i : i + 1])
        written = data.load_image(tmp_path / "out" / image["picture"])
        np.testing.assert_array_equal(written, expected.pictures()[i])
        # What is said of the file is what the network says of it.
        again = load(colors).predict(written[None].astype("float32"), verbose=0)
        assert (again.argmax() == 2) == image["survives"]
    assert found["files"] == [name for image in found["images"] for name in (image["sheet"], image["picture"])]


@pytest.mark.slow
def test_methods_norms_and_their_defaults(run, colors, files, tmp_path):
    images = data.load_images(files[:1], SIZE)
    for number, (words, attack, arguments) in enumerate(
        (
            ([], PGD(str(colors), bounds=(0, 255)), (4,)),
            (["--method", "fgsm", "--unbounded", "-r", 200], FGSM(str(colors)), (200,)),
            (["--method", "deepfool"], DeepFool(str(colors), bounds=(0, 255)), ()),
            (["--norm", "l2", "-r", 3000], PGD(str(colors), norm="l2", bounds=(0, 255)), (3000,)),
            (["--method", "deepfool", "--norm", "linf", "--steps", 1], DeepFool(str(colors), norm="linf", steps=1), ()),
        )
    ):
        out = tmp_path / str(number)
        (image,) = document(run("perturb", files[0], "-m", colors, *words, "-o", out, "--json"))["images"]
        expected = attack(images, *arguments)
        assert image["distance"] == pytest.approx(expected.distances[0], rel=1e-4) and image["distance"] > 1
        assert image["new_class"] == expected.new_classes[0]
        assert (image["picture"] is None) == ("--unbounded" in words) and (out / image["sheet"]).exists()


@pytest.mark.slow
def test_preprocessing_leaves_the_radius_in_pixel_values(run, save_network, pictures, tmp_path):
    scaled, bare = save_network(name="a"), save_network(rescale=False, name="b")
    words = ("--method", "fgsm", "-r", 20, "--json")
    inside = document(run("perturb", pictures, "-m", scaled, *words, "-o", tmp_path / "out"))
    before = document(run("perturb", pictures, "-m", bare, "--preprocess", "scale", *words, "-o", tmp_path / "out2"))
    for one, other in zip(inside["images"], before["images"], strict=True):
        assert one["distance"] == other["distance"] == 20
        assert one["new_confidence"] == pytest.approx(other["new_confidence"], abs=1e-5)


@pytest.mark.slow
def test_the_same_again_is_the_same_to_the_bit(run, colors, pictures, tmp_path):
    out = tmp_path / "out"
    words = ("perturb", pictures, "-m", colors, "--steps", 3, "-r", 30, "-o", out)
    assert run(*words).exit_code == 0
    first = tree(out)
    assert len(first) == 1 + 3 * (2 + 3)
    again = run(*words)
    assert again.exit_code == 2 and "exists already" in again.stderr and "--overwrite" in again.stderr
    assert run(*words, "--overwrite").exit_code == 0
    assert tree(out) == first
    assert run(*words, "--overwrite", "--seed", 1).exit_code == 0
    assert tree(out).keys() == first.keys() and tree(out) != first


@pytest.mark.slow
def test_a_free_network_takes_pictures_of_any_size(run, save_network, pictures, tmp_path):
    with Image.open(pictures / "red.png") as picture:
        picture.resize((96, 64)).save(pictures / "red.png")
    words = ("-m", save_network((None, None, 3)), "--method", "fgsm", "-r", 5, "-o", tmp_path / "out", "--json")
    found = document(run("perturb", pictures, *words))
    shapes = {data.load_image(tmp_path / "out" / image["picture"]).shape for image in found["images"]}
    assert shapes == {(64, 96, 3), (32, 64, 3)}


@pytest.mark.slow
def test_pictures_that_cannot_be_read_are_skipped(run, colors, pictures, bad, tmp_path):
    words = ("-m", colors, "--method", "fgsm", "-o", tmp_path / "out", "--json")
    result = run("perturb", pictures, *words)
    found = document(result)
    assert result.exit_code == 1 and [name for name in bad if name not in result.stderr] == []
    assert len(found["images"]) == 3 and len(found["skipped"]) == 4
    alone = run("perturb", pictures / bad[0], "-m", colors, "-o", tmp_path / "b")
    assert alone.exit_code == 2 and "None of the 1 images could be read" in alone.stderr
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_what_an_interrupted_run_found_stays(run, colors, pictures, files, tmp_path, monkeypatch):
    read = data.load_image

    def interrupted(file, *args, **settings):
        if file == files[2]:
            raise KeyboardInterrupt
        return read(file, *args, **settings)

    monkeypatch.setattr(data, "load_image", interrupted)
    words = ("-m", colors, "--method", "fgsm", "--batch-size", 1, "-o", tmp_path / "out")
    assert run("perturb", pictures, *words).exit_code == 130
    found = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert not found["complete"] and [image["file"] for image in found["images"]] == list(map(str, files[:2]))


@pytest.mark.slow
def test_the_table_says_the_same(run, colors, labels, pictures, tmp_path):
    words = ("-m", colors, "--labels", labels, "--method", "fgsm", "-r", 60, "--class", "sky", "-o", tmp_path / "out")
    result = run("perturb", pictures, *words)
    found = json.loads((tmp_path / "out" / "manifest.json").read_text())
    lines = [line.split("  ") for line in result.stdout.splitlines()]
    for line, image in zip(lines[1:4], found["images"], strict=True):
        said = [word.strip() for word in line if word.strip()]
        assert said[1] == image["label"] and said[3] == image["new_label"] and said[5] == "60"
        assert said[6] == ("yes" if image["success"] else "no") and said[-1] == image["sheet"]
    fooled = sum(image["success"] for image in found["images"])
    assert f"{fooled} of 3 images fool the network" in result.stdout and "fgsm, linf within 60" in result.stdout


@pytest.mark.slow
def test_what_cannot_be_done_exits_2_in_one_line(run, colors, labels, pictures, tmp_path):
    for words, said in (
        (["--radius", "-1"], "--radius -1"),
        (["--radius", "nan"], "--radius nan"),
        (["--norm", "l2"], "--norm l2 without --radius"),
        (["--method", "deepfool", "--radius", "4"], "--radius 4 with --method deepfool"),
        (["--method", "fgsm", "--steps", "3"], "--steps 3 with --method fgsm"),
        (["--class", "3"], "0 to 2"),
        (["--class", "ski", "--labels", labels], "Sky"),
        (["--output", "lost"], "lost"),
        (["--input-size", "20x24"], "16x24"),
        (["--preprocess", "lost"], "lost"),
        (["--model", "lost"], "There is no model 'lost'"),
    ):
        result = run("perturb", pictures, "-m", colors, *words, "-o", tmp_path / "out")
        assert result.exit_code == 2 and said in result.stderr and result.stdout == "", (words, result.stderr)
        assert len([line for line in result.stderr.splitlines() if "error" in line]) == 1
        assert not (tmp_path / "out").exists()
