"""`kerasviz reconstruct`: what it finds, writes and refuses."""

import json

import numpy as np
import pytest
from PIL import Image

import kerasviz as kv
from kerasviz.features.units.reconstruction import Reconstruction
from kerasviz.features.units.reconstructions import Reconstructions


def document(result):
    assert result.exit_code < 2, result.stderr
    return json.loads(result.stdout)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def by_image(found):
    return {picture["units"][0]["image"].rpartition("/")[2]: picture for picture in found["pictures"]}


def test_the_strongest_channels_of_each_image(run, colors, pictures, tmp_path):
    """The network's units are pixels' colours: a red pixel is 1 in channel 0 and 60/255 in none."""
    out = tmp_path / "out"
    result = run("reconstruct", pictures, "-m", colors, "--layer", "conv", "--strongest", 2, "-o", out, "--json")
    found = document(result)
    assert (found["layer"], found["rule"], found["keep"], found["complete"]) == ("conv", "deconvnet", "strongest", True)
    for number, name in enumerate(["red.png", "green.png", "sea.png"]):
        picture = by_image(found)[name]
        assert [unit["channel"] for unit in picture["units"]] == [number, 0 if number else 1]
        first, second = picture["units"]
        assert first["activation"] == pytest.approx(1.0) and second["activation"] == pytest.approx(60 / 255, abs=0.01)
        (y, x), (x0, y0, x1, y1) = first["position"], first["box"]
        assert (x0, y0, x1, y1) == (x, y, x + 1, y + 1)
        saved = Reconstructions.load(out / picture["arrays"])
        assert saved.images.tolist() == [0, 0] and saved.rule == "deconvnet"
        expected = np.zeros((16, 24, 3))
        expected[y, x, number] = 1 / 255
        np.testing.assert_allclose(saved.values[0], expected, atol=1e-7)
    files = [picture["file"] for picture in found["pictures"]]
    assert files == found["files"] == [f"{name}-reconstruction-conv.png" for name in ("green", "red", "sea")]
    arrays = [f"{name}-reconstruction" for name in ("green", "red", "sea")]
    assert names(out) == sorted([*files, *arrays, "manifest.json"])
    assert json.loads((out / "manifest.json").read_text()) == found
    with Image.open(out / files[0]) as drawn:
        assert json.loads(drawn.text["Source"])[0].endswith("green.png") and drawn.text["layer"] == "conv"
        green = (np.asarray(drawn.convert("RGB")) == (0, 255, 0)).all(-1).sum()
        assert green > 10_000  # the patch, one pixel of the image, enlarged


def test_chosen_channels_rule_and_place(run, colors, pictures, tmp_path):
    words = ("-m", colors, "--layer", "conv", "--channel", 2, "--channel", 0, "--rule", "guided", "--keep", "9,3")
    (picture,) = document(run("reconstruct", pictures / "red.png", *words, "-o", tmp_path / "a", "--json"))["pictures"]
    assert [(unit["channel"], unit["position"], unit["box"]) for unit in picture["units"]] == [
        (2, [9, 3], [3, 9, 4, 10]),
        (0, [9, 3], [3, 9, 4, 10]),
    ]
    inputs = kv.data.load_images(pictures / "red.png", (16, 24))
    expected = Reconstruction(str(colors), "conv", rule="guided", keep=(9, 3))(inputs, [2, 0])
    np.testing.assert_array_equal(Reconstructions.load(tmp_path / "a" / picture["arrays"]).values, expected.values)
    words = ("-m", colors, "--layer", "conv", "--channel", 0, "--keep", "map", "-o", tmp_path / "b", "--json")
    (picture,) = document(run("reconstruct", pictures / "red.png", *words))["pictures"]
    saved = Reconstructions.load(tmp_path / "b" / picture["arrays"]).values[0]
    np.testing.assert_allclose(saved[..., 0], inputs[0, ..., 0] / 255**2, rtol=1e-5)


def test_the_strongest_images_of_channels(run, colors, pictures, bad, tmp_path):
    """Numbers are told apart although files in between cannot be read."""
    out = tmp_path / "out"
    words = ("-m", colors, "--layer", "conv", "--top", "--channel", 2, "--channel", 0, "--batch-size", 2)
    result = run("reconstruct", pictures, *words, "-o", out, "--json")
    assert result.exit_code == 1
    found = document(result)
    assert sorted(one["file"].rpartition("/")[2] for one in found["skipped"]) == bad
    assert all(result.stderr.count(name) == 1 for name in bad)
    blue, red = found["pictures"]
    assert [unit["image"].rpartition("/")[2] for unit in blue["units"]] == ["sea.png", "green.png", "red.png"]
    assert [unit["image"].rpartition("/")[2] for unit in red["units"]] == ["red.png", "green.png", "sea.png"]
    assert {unit["channel"] for unit in blue["units"]} == {2}
    assert [unit["activation"] for unit in red["units"]] == pytest.approx([1, 60 / 255, 60 / 255], abs=0.01)
    assert blue["file"] == "channel-2-reconstruction-conv.png"
    with Image.open(out / blue["file"]) as drawn:
        shown = np.asarray(drawn.convert("RGB"))
    assert (shown == (0, 0, 255)).all(-1).sum() > 1000 and (abs(shown.astype(int) - 60) < 3).all(-1).sum() > 2000
    assert not (shown == (255, 0, 0)).all(-1).any()
    saved = Reconstructions.load(out / blue["arrays"])
    assert saved.images.tolist() == [2, 0, 1]  # among those that can be read, in the order of their names


def test_a_table_for_people(run, colors, pictures, tmp_path):
    words = ("-m", colors, "--layer", "conv", "--strongest", 1, "-o", tmp_path / "out")
    result = run("reconstruct", pictures, *words)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["red.png", "0:", "1", "red-reconstruction-conv.png"] in lines
    assert result.stdout.rstrip().splitlines()[-1].startswith("conv: 3 pictures in ")
    again = run("reconstruct", pictures, *words)
    assert again.exit_code == 2 and "--overwrite" in again.stderr
    assert run("reconstruct", pictures, *words, "--overwrite").exit_code == 0
    assert len(names(tmp_path / "out")) == 7


def test_what_answers_to_nothing_is_named(run, colors, tmp_path):
    Image.new("RGB", (24, 16), (200, 0, 0)).save(tmp_path / "plain.png")
    words = ("-m", colors, "--layer", "conv", "--channel", 1, "-o", tmp_path / "out", "--json")
    found = document(run("reconstruct", tmp_path / "plain.png", *words))
    (warning,) = found["warnings"]
    assert warning.startswith("plain.png: the reconstruction of channel 1 is zero")


@pytest.mark.slow
def test_networks_of_any_size(run, save_network, pictures, tmp_path):
    model = save_network((None, None, 3))
    Image.open(pictures / "red.png").resize((96, 64)).save(pictures / "red.png")
    words = ("-m", model, "--layer", "conv", "--channel", 0, "--json")
    found = by_image(document(run("reconstruct", pictures, *words, "-o", tmp_path / "a")))
    shapes = {name: Reconstructions.load(tmp_path / "a" / one["arrays"]).shape for name, one in found.items()}
    assert shapes == {"red.png": (1, 64, 96, 3), "green.png": (1, 32, 64, 3), "sea.png": (1, 32, 64, 3)}
    refused = run("reconstruct", pictures, *words, "--top", "-o", tmp_path / "b")
    assert refused.exit_code == 2 and "--input-size" in refused.stderr
    result = run("reconstruct", pictures, *words, "--top", "--input-size", "16x24", "-o", tmp_path / "b")
    assert len(document(result)["pictures"][0]["units"]) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--channel", 0, "--strongest", 2], "Leave one out"),
        (["--top"], "--channel 0"),
        (["--top", "--channel", 0, "--keep", "map"], "--top with --keep"),
        (["--keep", "best"], "--keep 6,7"),
        (["--keep", "1,2,3"], "--keep 6,7"),
        (["--rule", "deconv"], "deconv"),
    ],
)
def test_options_that_do_not_go_together(run, pictures, tmp_path, words, said):
    """Before the model is opened, which is none."""
    result = run("reconstruct", pictures, "-m", "no.keras", *words, "-o", tmp_path / "out")
    assert result.exit_code == 2 and said in result.stderr and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layer", "cnov"], "conv"),
        (["--layer", "conv", "--channel", 3], "channel"),
        (["--layer", "conv", "--channel", 0, "--keep", "16,0"], "outside the layer"),
    ],
)
def test_what_the_model_does_not_have(run, colors, pictures, tmp_path, words, said):
    result = run("reconstruct", pictures, "-m", colors, *words, "-o", tmp_path / "out")
    assert result.exit_code == 2 and said in result.stderr and not (tmp_path / "out").exists()


def test_no_picture_at_all(run, colors, pictures, bad, tmp_path):
    files = [pictures / name for name in bad]
    for more in ([], ["--top", "--channel", 0]):
        result = run("reconstruct", *files, "-m", colors, "--layer", "conv", *more, "-o", tmp_path / "out")
        assert result.exit_code == 2 and "None of the 4 images could be read" in result.stderr
    assert not (tmp_path / "out").exists()
