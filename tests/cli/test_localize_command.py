"""`kerasviz localize`: figures that can be worked out, rows that make no sense, pictures."""

import json

import numpy as np
import pytest
from PIL import Image

#: The spots of the fixture `pictures`.
BOXES = [
    ("red.png", "Fire engine", 0, 0, 20, 20),
    ("green.png", "green tree", 0, 0, 20, 20),
    ("sea.png", "2", 0, 0, 20, 20),
]


def annotate(path, rows):
    """Write rows as CSV; gives the path."""
    lines = ["image,label,x0,y0,x1,y1", *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def boxed(pictures, tmp_path):
    """The three pictures, 40 x 60 with a spot at the top left, and the file of their boxes."""
    return annotate(tmp_path / "boxes.csv", BOXES)


def measure(run, colors, pictures, labels, boxed, *more):
    result = run("localize", colors, pictures, "-a", boxed, "--labels", labels, "--json", *more)
    return result, json.loads(result.stdout) if result.exit_code < 2 else None


def test_the_spots_are_found(run, colors, pictures, labels, boxed):
    """The network pools 4 x 4 pixels of its 16 x 24 input, so that 20 of 60 and of 40 pixels are 2 cells."""
    result, found = measure(run, colors, pictures, labels, boxed, "--top", 2, "--threshold", 0.6)
    assert result.exit_code == 0 and result.stderr == ""
    assert found["images"] == found["objects"] == 3
    assert list(found["methods"]) == ["cam"] and found["methods"]["cam"]["layer"] == "pool"
    figures = found["methods"]["cam"]
    assert figures["top1_error"] == figures["topk_error"] == figures["known_class_error"] == 0
    assert figures["pointing"] == 1 and figures["energy"] > 2 / 6  # twice its share of the picture
    assert found["classification"] == {"top1_error": 0, "topk_error": 0}
    for case in found["cases"]:
        assert case["boxes"] == [[0, 0, 20, 20]]
        x0, y0, x1, y1 = case["methods"]["cam"]["box"]
        assert x0 == y0 == 0 and abs(x1 - 20) <= 2.5 and abs(y1 - 20) <= 2.5
        inside = (min(x1, 20) * min(y1, 20)) / (400 + x1 * y1 - min(x1, 20) * min(y1, 20))
        assert case["methods"]["cam"]["iou"] == pytest.approx(inside, abs=0.03)


@pytest.mark.slow
def test_baselines_are_those_of_the_geometry(run, colors, pictures, labels, boxed):
    """The middle shares 5 x 10 pixels with the spot, the whole image holds six times it."""
    for iou, middle, whole in ((0.05, 0, 0), (0.1, 1, 0), (0.16, 1, 0), (0.17, 1, 1)):
        _, found = measure(run, colors, pictures, labels, boxed, "--iou", iou)
        assert found["baselines"]["the middle"]["known_class_error"] == middle
        assert found["baselines"]["the whole image"]["top1_error"] == whole


def test_a_wrong_first_guess_is_an_error_of_the_class_alone(run, colors, pictures, labels, tmp_path):
    boxes = annotate(tmp_path / "b.csv", [("red.png", "Green tree", 0, 0, 20, 20)])
    result, found = measure(run, colors, pictures, labels, boxes, "--method", "cam,grad-cam", "--threshold", 0.6)
    assert result.exit_code == 1  # two pictures have no annotation
    assert found["classification"] == {"top1_error": 1, "topk_error": 0}
    assert found["methods"]["cam"]["top1_error"] == 1
    assert len(found["skipped"]) == 2 and all("no annotation" in reason for reason in found["skipped"])


def test_classes_of_one_image_are_cases_of_their_own(run, colors, pictures, labels, tmp_path):
    rows = [("red.png", "Sky", 0, 0, 5, 5), ("red.png", "0", 0, 0, 20, 20), ("red.png", "Sky", 30, 0, 60, 9)]
    _, found = measure(run, colors, pictures / "red.png", labels, annotate(tmp_path / "b.csv", rows))
    assert [(case["label"], len(case["boxes"])) for case in found["cases"]] == [("Sky", 2), ("Fire engine", 1)]
    assert (found["images"], found["objects"]) == (1, 2)


def test_bad_rows_and_pictures_are_named(run, colors, pictures, labels, tmp_path):
    (pictures / "cut.png").write_bytes((pictures / "red.png").read_bytes()[:60])
    (pictures / "more").mkdir()
    Image.new("RGB", (40, 60)).save(pictures / "more" / "red.png")
    rows = [
        ("green.png", "Green tree", 0, 0, 20, 20),
        ("cut.png", "Sky", 0, 0, 5, 5),
        ("green.png", "Grass", 0, 0, 5, 5),
        ("red.png", "Sky", 0, 0, 5, 5),
        ("lost.png", "Sky", 0, 0, 5, 5),
        ("green.png", "Sky", 9, 0, 5, 5),
        ("more/red.png", "Sky", 0, 0, 5, 5),
    ]
    result, found = measure(run, colors, pictures, labels, annotate(tmp_path / "b.csv", rows))
    assert result.exit_code == 1
    assert {case["file"].rsplit("pictures/")[1] for case in found["cases"]} == {"green.png", "more/red.png"}
    for words in ("line 7: the box", "several files fit", "'lost.png': it is not", "called 'Grass'", "cut.png"):
        assert words in result.stderr
        assert sum(words in reason for reason in found["skipped"]) == 1


def test_what_cannot_be_done_exits_2_in_one_line(run, colors, pictures, labels, boxed, tmp_path):
    (tmp_path / "empty.csv").write_text("image,label,x0,y0,x1,y1\n")
    for words, said in (
        (["-a", tmp_path / "empty.csv"], "the file has no rows"),
        (["-a", tmp_path / "lost.csv"], "lost.csv cannot be read"),
        (["-a", boxed, "--threshold", 1.5], "threshold=1.5"),
        (["-a", boxed, "--iou", 0], "iou=0"),
        (["-a", boxed, "--method", "cam", "--layer", "pool"], "has no setting 'layer'"),
        (["-a", boxed, "--out", labels], "is a file"),
    ):
        result = run("localize", colors, pictures, "--labels", labels, *words)
        assert result.exit_code == 2 and said in result.stderr and result.stdout == ""
        assert result.stderr.count("\n") == 1


def test_cam_needs_its_head_and_grad_cam_is_taken_without(run, tmp_path, pictures, boxed, labels):
    import keras

    inputs = keras.Input((16, 24, 3))
    x = keras.layers.Conv2D(3, 3, activation="relu", name="conv")(keras.layers.Rescaling(1 / 255)(inputs))
    keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x))).save(tmp_path / "flat.keras")
    result, found = measure(run, tmp_path / "flat.keras", pictures, labels, boxed)
    assert list(found["methods"]) == ["grad_cam"] and found["methods"]["grad_cam"]["threshold"] == 0.15
    result, _ = measure(run, tmp_path / "flat.keras", pictures, labels, boxed, "--method", "cam")
    assert result.exit_code == 2 and "to_gap" in result.stderr


def test_pictures_show_both_boxes(run, colors, pictures, labels, boxed, tmp_path):
    out = tmp_path / "out"
    _, found = measure(run, colors, pictures, labels, boxed, "-o", out, "--threshold", 0.6)
    assert found["files"] == ["green-cam-Green_tree.png", "red-cam-Fire-engine.png", "sea-cam-Sky.png"]
    assert json.loads((out / "manifest.json").read_text()) == found
    picture = np.asarray(Image.open(out / found["files"][0]).convert("RGB")).reshape(-1, 3)
    for color in ((110, 255, 90), (255, 40, 200)):
        assert (picture == color).all(1).sum() > 100
    again = run("localize", colors, pictures, "-a", boxed, "--labels", labels, "-o", out)
    assert again.exit_code == 2 and "--overwrite" in again.stderr
    assert run("localize", colors, pictures, "-a", boxed, "--labels", labels, "-o", out, "--overwrite").exit_code == 0


def test_saliency_is_cut_along_colours(run, colors, pictures, labels, tmp_path):
    """The strongest pixels are a few of the spot; the cut takes all of it, and its half stays outside."""
    picture = np.full((64, 96, 3), 60, np.uint8)
    picture[16:48, 24:56] = np.random.default_rng(0).integers((150, 0, 0), (255, 30, 30), (32, 32, 3))
    Image.fromarray(picture).save(pictures / "red.png")
    pictures, boxed = pictures / "red.png", annotate(tmp_path / "b.csv", [("red.png", "0", 24, 16, 56, 48)])
    _, found = measure(run, colors, pictures, labels, boxed, "--method", "input-x-gradient")
    assert found["methods"]["input_x_gradient"]["threshold"] is None
    assert found["cases"][0]["methods"]["input_x_gradient"]["iou"] > 0.8


@pytest.mark.slow
def test_the_table_says_the_same(run, colors, pictures, labels, boxed):
    result = run("localize", colors, pictures, "-a", boxed, "--labels", labels, "--method", "cam,grad-cam")
    lines = [line.split() for line in result.stdout.splitlines()]
    _, found = measure(run, colors, pictures, labels, boxed, "--method", "cam,grad-cam")
    assert lines[0] == ["Boxes", "Top-1", "Top-3", "Known", "Pointing", "Energy"]
    energy = found["methods"]["cam"]["energy"]
    assert lines[1][0] == "CAM" and lines[1][-2] == f"{int(1e4 * energy) / 100:.2f}"
    assert "3 objects in 3 images" in result.stdout
