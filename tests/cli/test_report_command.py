"""`kerasviz report`: what goes into the page, figures that can be worked out, and what is refused."""

import html
import json
import re
import shlex
import sys

import numpy as np
import pytest
from PIL import Image

import kerasviz as kv
from kerasviz.cli.reporting import names_of

SPOT = "0,0,20,20"


@pytest.fixture
def report(run, colors, pictures, labels, tmp_path, monkeypatch):
    """Run it with labels; gives the result, the JSON document, and the text of the page without tags."""

    def call(*words, model=colors, out="page.html"):
        command = ["report", model, pictures, "--labels", labels, "-o", tmp_path / out, *words]
        monkeypatch.setattr(sys, "argv", ["/somewhere/bin/kerasviz", *map(str, command)])
        result = run(*command, "--json")
        if result.exit_code > 1:
            return result, None, None
        text = (tmp_path / out).read_text("utf-8")
        text = re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL)
        return result, json.loads(result.stdout), html.unescape(re.sub(r"<[^>]*>", " ", text))

    return call


def annotate(path, *rows):
    path.write_text("\n".join(["image,label,x0,y0,x1,y1", *rows]) + "\n", encoding="utf-8")
    return path


def test_the_page_holds_what_was_asked_for(report, pictures, bad, tmp_path):
    words = ("--method", "grad-cam,cam", "--target", "green tree", "--top", 1, "--title", "My <b> & I")
    result, found, text = report(*words)
    assert result.exit_code == 1 and result.stderr.count("skipped: ") == len(found["skipped"]) == len(bad)
    assert all(sum(name in reason for reason in found["skipped"]) == 1 for name in bad)
    assert [image["file"].rpartition("/")[2] for image in found["images"]] == ["green.png", "red.png", "sea.png"]
    assert list(found["methods"]) == ["grad_cam", "cam"] and found["methods"]["cam"]["layer"] == "pool"
    assert found["bytes"] == (tmp_path / "page.html").stat().st_size
    assert found["model"]["input"]["preprocess"] == "none" and found["model"]["input"]["fit"] == "crop"
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "<title>My &lt;b&gt; &amp; I</title>" in page and shlex.join(sys.argv[1:]) in text
    assert "kerasviz report" in text and "/somewhere/bin" not in text
    maps = re.findall(r'alt="(\S+) for ([^:]+): map over (\w+)\.png"', page)
    expected = {("green", "Green_tree"), ("red", "Fire engine"), ("red", "Green_tree"), ("sea", "Sky")}
    assert {(name, label) for _, label, name in maps} == expected | {("sea", "Green_tree")}
    assert {method for method, _, _ in maps} == {"Grad-CAM", "CAM"}


def test_true_boxes_are_measured(report, colors, pictures, tmp_path):
    """As `evaluation` measures the maps that Python gives; two classes of a picture share its figure."""
    green = Image.open(pictures / "green.png")
    green.resize((60, 80)).save(pictures / "green.png")  # of another shape than the input
    rows = f"red.png,0,{SPOT}", "red.png,2,30,20,60,40", "green.png,1,0,0,20,40"
    boxes = annotate(tmp_path / "b.csv", *rows)
    _, found, text = report("-a", boxes, "--method", "cam")
    explain = kv.CAM(kv.network.load(colors))
    figures = {"IoU of the box": [], "Pointing game": [], "Energy inside the boxes": []}
    for name, label, box in (("red", 0, [0, 0, 8, 8]), ("red", 2, [12, 8, 24, 16]), ("green", 1, [0, 0, 8, 8])):
        image = kv.data.load_image(pictures / f"{name}.png", (16, 24), fit="stretch")
        maps = explain(image[None].astype("float32"), target=label).values
        figures["IoU of the box"].append(kv.evaluation.iou(kv.evaluation.boxes(maps, 0.2)[0], [box]).max())
        figures["Pointing game"].append(kv.evaluation.pointing_game(maps, [[box]], 0.03 * 24).hits[0])
        figures["Energy inside the boxes"].append(kv.evaluation.energy(maps, [[box]])[0])
    green, red, sea = found["images"]
    for name, (first, second, alone) in figures.items():
        assert red["measures"][name]["cam"] == pytest.approx((float(first) + float(second)) / 2, abs=1e-6)
        assert green["measures"][name]["cam"] == pytest.approx(float(alone), abs=1e-6)
        assert sea["measures"][name]["cam"] is None
        mean = np.mean([red["measures"][name]["cam"], green["measures"][name]["cam"]])
        assert found["methods"]["cam"]["means"][name] == pytest.approx(mean)
        assert name in text
    assert found["model"]["input"]["fit"] == "stretch" and found["methods"]["cam"]["means"]["Pointing game"] == 0.75


@pytest.mark.slow
def test_rows_that_make_no_sense_are_named_and_the_table_says_the_means(run, colors, pictures, labels, tmp_path):
    boxes = annotate(tmp_path / "b.csv", f"red.png,0,{SPOT}", f"red.png,Grass,{SPOT}")
    words = ("report", colors, pictures, "--labels", labels, "-a", boxes, "--method", "cam", "-o", tmp_path / "p.html")
    result = run(*words)
    assert result.exit_code == 1 and "No class is called 'Grass'" in result.stderr
    found = json.loads(run(*words, "--json", "--overwrite").stdout)
    table = [line.split() for line in result.stdout.splitlines()]
    means = [f"{mean:.3f}" for mean in found["methods"]["cam"]["means"].values()]
    assert table[1] == ["CAM", *means] and "3 images by CAM" in result.stdout and "kB" in result.stdout


def test_methods_that_do_not_fit(report, save_network, tmp_path):
    import keras

    inputs = keras.Input((16, 24, 3))
    x = keras.layers.Conv2D(3, 3, activation="gelu")(keras.layers.Rescaling(1 / 255)(inputs))
    keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x))).save(tmp_path / "gelu.keras")
    result, found, text = report("--top", 1, model=tmp_path / "gelu.keras")
    assert result.exit_code == 0 and list(found["methods"]) == ["grad_cam", "saliency"]
    assert "no rectifier" in found["left_out"]["guided_grad_cam"] and "Guided Grad-CAM" in text
    assert sum("is left out" in warning for warning in found["warnings"]) == 1
    result, _, _ = report("--method", "guided-grad-cam", model=tmp_path / "gelu.keras", out="other.html")
    assert result.exit_code == 2 and "no rectifier" in result.stderr and not (tmp_path / "other.html").exists()


def test_what_cannot_be_done_exits_2_in_one_line(report, save_network, labels, tmp_path):
    (tmp_path / "there.html").write_text("mine")
    (tmp_path / "b.csv").write_text("image,label,x0,y0,x1,y1\n")
    free = save_network((None, None, 3), name="free")
    for words, given, said in (
        ((), {"out": "there.html"}, "exists already"),
        (("--overwrite",), {"out": "pictures/red.png"}, "is no name of a page"),
        (("--overwrite",), {"out": "pictures"}, "is a folder"),
        ((), {"out": "labels.txt/page.html", "model": tmp_path / "lost.keras"}, "is a file"),
        (("--top", 0), {}, "--top 0 without --target"),
        (("-a", tmp_path / "b.csv", "--fit", "pad"), {}, "--fit pad with --annotations"),
        (("-a", tmp_path / "b.csv"), {}, "the file has no rows"),
        (("--target", "Grass"), {}, "No class is called 'Grass'"),
        (("--set", "samples=3", "--method", "cam"), {}, "no setting 'samples'"),
        ((), {"model": free}, "--size 224"),
    ):
        result, _, _ = report(*words, **given)
        assert result.exit_code == 2 and said in result.stderr and result.stdout == "", words
        assert result.stderr.count("\n") == 1
    assert (tmp_path / "there.html").read_text() == "mine" and not (tmp_path / "page.html").exists()
    Image.open(tmp_path / "pictures" / "red.png").verify()


@pytest.mark.slow
def test_settings_sizes_and_an_earlier_page(report, save_network, tmp_path):
    (tmp_path / "page.html").write_text("mine")
    free = save_network((None, None, 3), name="free")
    words = ("--method", "grad-cam", "--layer", "conv", "--top", 0, "--target", 2, "--size", "8x12", "--overwrite")
    result, found, _ = report(*words, model=free)
    assert result.exit_code == 0 and found["methods"]["grad_cam"]["layer"] == "conv"
    assert (found["model"]["input"]["height"], found["model"]["input"]["width"]) == (8, 12)
    maps = re.findall(r'alt="\S+ for ([^:]+): map over', (tmp_path / "page.html").read_text("utf-8"))
    assert set(maps) == {"Sky"}


def test_pictures_of_one_name_go_by_their_paths(tmp_path):
    files = [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png", tmp_path / "b" / "y.png"]
    assert names_of(files) == [str(files[0]), str(files[1]), "y.png"]
