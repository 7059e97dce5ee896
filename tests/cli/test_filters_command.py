"""`kerasviz filters`."""

import csv
import json

import keras
import numpy as np
import pytest
from keras import layers as L
from PIL import Image

from kerasviz.features.weights.filters import filters

GABOR = ["gabor-orientations.png", "gabor.csv", "gabor.json", "gabor.png"]
FILTERS = ["filters-numbered.png", "filters.csv", "filters.json", "filters.npz", "filters.png"]


@pytest.fixture
def network(tmp_path):
    """A file of a network whose stem holds gratings of four orientations, of falling strength, and a dead filter."""
    base = keras.Sequential([keras.Input((16, 16, 3)), L.Conv2D(5, 7, name="stem")], name="base")
    y, x = np.mgrid[3:-4:-1, -3:4]
    kernel = np.zeros((7, 7, 3, 5))
    for i, angle in enumerate(np.radians([0, 45, 90, 135])):
        along = x * np.cos(angle) + y * np.sin(angle)
        wave = np.exp(-(x**2 + y**2) / 6) * np.cos(2 * np.pi * 0.2 * along + 0.5)
        kernel[..., i] = wave[..., None] * np.array([0.6, 0.64, 0.48]) * (i + 1)
    model = keras.Sequential(
        [base, L.SeparableConv2D(3, 3, name="sep"), L.GlobalAveragePooling2D(), L.Dense(2, name="classes")]
    )
    model.build((None, 16, 16, 3))
    base.get_layer("stem").set_weights([kernel, np.zeros(5)])
    model.save(tmp_path / "net.keras")
    return tmp_path / "net.keras"


def answer(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_all_that_it_says_and_writes(run, network, tmp_path):
    out = tmp_path / "out"
    result = run("filters", network, "--sort", "norm", "--scale", "shared", "--gabor", "--out", out, "--json")
    found = answer(result)
    assert sorted(path.name for path in out.iterdir()) == sorted(found["files"]) == sorted(FILTERS + GABOR)
    assert (found["layer"], found["class"], found["shape"], found["total"]) == ("base/stem", "Conv2D", [7, 7, 3, 5], 5)
    assert (found["sort"], found["scale"], found["folder"]) == ("norm", "shared", str(out))
    assert found["model"]["given"] == str(network)
    record = filters(network, sort="norm")
    assert found["filters"] == record.statistics()
    assert [row["filter"] for row in found["filters"]] == [3, 2, 1, 0, 4] and found["filters"][4]["zero"]
    assert [row["filter"] for row in found["gabor"]] == [3, 2, 1, 0, 4]
    np.testing.assert_allclose([row["orientation"] for row in found["gabor"][:3]], [135, 90, 45], atol=0.01)
    np.testing.assert_allclose([row["frequency"] for row in found["gabor"][:4]], 0.2, rtol=1e-3)
    assert found["gabor"][4]["residual"] is None
    assert set(found["warnings"]) == {"Filter 4 is zero", "Constant filters have no Gabor fit: 4"}
    with pytest.warns(UserWarning, match="Filter 4"):
        picture = record.picture(scale="shared")
    np.testing.assert_array_equal(np.asarray(Image.open(out / "filters.png")), picture)
    with (out / "gabor.csv").open(newline="") as file:
        assert [row["filter"] for row in csv.DictReader(file)] == ["3", "2", "1", "0", "4"]


def test_a_part_of_a_deep_layer(run, network, tmp_path):
    options = ("--layer", "sep", "--part", "pointwise", "--channels", "2,0", "--reduce", "abs_sum", "--json")
    found = answer(run("filters", network, *options, "--out", tmp_path / "out"))
    assert (found["layer"], found["part"], found["shape"]) == ("sep", "pointwise", [1, 1, 5, 2])
    assert [row["filter"] for row in found["filters"]] == [2, 0] and found["gabor"] is None
    kernel = keras.models.load_model(network).get_layer("sep").pointwise_kernel.numpy()
    assert found["filters"][0]["norm"] == pytest.approx(np.linalg.norm(kernel[..., 2]))
    assert np.asarray(Image.open(tmp_path / "out" / "filters.png")).shape[:2] == (50, 99)


def test_the_table(run, network, tmp_path):
    result = run("filters", network, "--gabor", "--channels", "0-2", "--channels", "4", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0][:3] == ["Filter", "Norm", "Orientation"]
    assert lines[2][0] == "1" and lines[2][2:5] == ["45°", "0.200", "29°"]
    assert lines[4][0] == "4" and lines[4][-1] == "zero"
    assert "base/stem (Conv2D): 4 of 5 filters of 7 × 7 × 3" in result.stdout
    result = run("filters", network, "--layer", "sep", "--out", tmp_path / "two")
    assert "sep (SeparableConv2D, depthwise): 5 filters of 3 × 3 × 1" in result.stdout


def test_results_are_not_replaced_unasked(run, network, tmp_path):
    out = tmp_path / "out"
    answer(run("filters", network, "--out", out, "--json"))
    before = (out / "filters.csv").read_bytes()
    result = run("filters", network, "--sort", "norm", "--out", out)
    assert result.exit_code == 2 and "--overwrite" in result.stderr
    assert (out / "filters.csv").read_bytes() == before
    # Before the model is looked at.
    assert "exists already" in run("filters", tmp_path / "no.keras", "--out", out).stderr
    answer(run("filters", network, "--sort", "norm", "--out", out, "--overwrite", "--json"))
    assert (out / "filters.csv").read_bytes() != before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--layer", "classes"), "holds no convolution"),
        (("--layer", "stemm"), "Did you mean 'base/stem'"),
        (("--channels", "3-1"), "--channels '3-1'"),
        (("--channels", "a"), "0,3,8-15"),
        (("--channels", "9"), "there is no 9"),
        (("--centred",), "Add --gabor"),
        (("--layer", "sep", "--gabor"), "--centred"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(run, network, tmp_path, words, said):
    result = run("filters", network, *words, "--out", tmp_path / "out")
    assert result.exit_code == 2 and said in result.stderr and len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
