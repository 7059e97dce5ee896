"""What the page of a report holds."""

import re
import warnings

import keras
import numpy as np
import pytest
from keras import layers
from reported import EVIL, decoded, page, photographs, small

import kerasviz as kv
from kerasviz import plotting
from kerasviz.errors import KerasvizWarning
from kerasviz.plotting.ranges import limits
from kerasviz.report import DEFAULT_METHODS, write_report
from kerasviz.report.pictures import LONGEST

pytestmark = pytest.mark.slow


def close(picture, expected, mean):
    """Whether compression explains the difference."""
    return picture.shape == expected.shape and np.abs(picture.astype(float) - expected).mean() < mean


@pytest.fixture(scope="module")
def model():
    return small()


@pytest.fixture(scope="module")
def found(model, tmp_path_factory):
    measures = {"IoU": {"grad-cam": [0.25, None, 0.75]}, "loss": [1.0, 2.0, 3.0]}
    return page(model, photographs(), tmp_path_factory.mktemp("page"), labels=["cat", "dog", "cow"],
                names=["a.jpg", "b.jpg", "c.jpg"], measures=measures, commands=["kerasviz report x"])  # fmt: skip


def test_bars_are_the_probabilities_in_order(model, found):
    expected = model.predict(photographs(), verbose=0)
    bars = [float(attrs["style"].removeprefix("width: ").removesuffix("%")) for attrs, _ in found.all("i")]
    np.testing.assert_allclose(np.reshape(bars, (3, 3)), 100 * np.sort(expected)[:, ::-1], rtol=1e-3)
    names = np.array(["cat", "dog", "cow"])[np.argsort(-expected)]
    rows = [text.split()[0] for attrs, text in found.all("th") if attrs.get("scope") == "row" and text]
    start = rows.index(names[0, 0])
    assert rows[start : start + 5] == [*names[0], *names[0, :2]]  # the bars, then the matrix
    bold = [text.split()[0] for _, text in found.all("tr", class_="explained")]
    assert bold == names[:, :2].ravel().tolist()


def test_maps_are_those_of_the_explainers(model, found):
    images = photographs()
    order = np.argsort(-model.predict(images, verbose=0))
    cells = found.cells()
    assert len(cells) == 3 * 2 * len(DEFAULT_METHODS)
    shared_differ = 0
    for column, method in enumerate(DEFAULT_METHODS):
        target = order[:, :2].ravel()
        expected = kv.explain(model, np.repeat(images, 2, axis=0), method, target=target)
        values = expected.values if expected.kind == "heatmap" else expected.values.sum(-1)
        draw = {"cmap": "turbo", "percentile": 100} if expected.kind == "heatmap" else {}
        paint = plotting.signed if expected.signed else plotting.heatmap
        end = limits(values, signed=expected.signed, percentile=draw.get("percentile", 99), scale="image")[:, 1].max()
        drawn = paint(values, **draw)
        for row, cell in enumerate(cells[column :: len(DEFAULT_METHODS)]):
            name = ["cat", "dog", "cow"][target[row]]
            assert cell["Class"] == f"{name} ({target[row]})" and cell["title"].endswith(f": {name}")
            assert cell["Image"] == f"{'abc'[row // 2]}.jpg"
            assert float(cell["Score explained"].replace("−", "-")) == pytest.approx(expected.score[row], rel=0.01)
            assert cell.get("Layer", "") == (expected.layer or "")
            own, shared = cell["maps"][0], cell["maps"][-1]
            # Compression blurs colours by up to 17 of 255; another class's or image's map is farther.
            away = [np.abs(own.astype(float) - one).mean() for one in drawn]
            assert np.argmin(away) == row and away[row] < 17
            assert close(shared, paint(values[row], **draw, scale=(0, end)), 17)
            shared_differ += len(cell["maps"]) == 2
    # The strongest map of each method has the shared range as its own.
    assert shared_differ == len(cells) - len(DEFAULT_METHODS)


def test_photographs_are_kept_once(found):
    for number, image in enumerate(photographs(), 1):
        assert close(found.photograph(number), image, 12)
    assert len(found.all("img")) == sum(len(cell["maps"]) for cell in found.cells()) + 1  # the filters
    assert [attrs["href"] for attrs, _ in found.all("a")] == [f"#image-{k}" for k in (1, 2, 3)]
    assert [attrs["id"] for attrs, _ in found.all("section")] == [f"image-{k}" for k in (1, 2, 3)]


def test_measures_and_their_means(found):
    rows = [text for _, text in found.all("tr")]
    assert "IoU 0.5 (2 of 3) – – –" in rows and "loss – – – 2" in rows
    assert [row for row in rows if row.startswith("IoU")][1:] == ["IoU 0.25 – –", "IoU 0.75 – –"]
    assert [text for _, text in found.all("dd")] == ["1", "2", "3"]


def test_the_model(model, found):
    rows = [text for _, text in found.all("tr")]
    assert "conv (default) Conv2D 22 × 30 × 6 168 yes 3 1" in rows
    assert f"all {model.count_params()} 1" in rows
    assert (
        "Rule guided changes 1 rectifier" in rows and "Output classes: 3, a softmax of scores; CAM weighs conv" in rows
    )
    (filters,) = [attrs for attrs, _ in found.all("img") if "filters" in attrs["alt"]]
    expected = plotting.filters(model.get_layer("conv").kernel, cols=6)
    np.testing.assert_array_equal(decoded(filters["src"]), expected)
    assert f"TensorFlow {__import__('tensorflow').__version__}" in found.text and "kerasviz report x" in found.text


def test_nothing_is_fetched_and_no_text_is_code(tmp_path):
    written = page(small(name="n", layer="conv>b"), photographs(1), tmp_path, labels=[EVIL, EVIL + "2", "<i>"],
                   names=[EVIL], commands=[EVIL], title=EVIL, measures={EVIL: [1.0]}, methods=["saliency"])  # fmt: skip
    for _, attrs, _ in written.elements:
        for name in ("src", "href", "srcset", "action"):
            assert attrs.get(name, "#").startswith(("data:", "#")), attrs
        assert not any(name.startswith("on") for name in attrs)
    assert len(written.all("script")) == 1 and "alert" not in written.all("script")[0][1]
    assert written.text.count("<script>alert(1)</script>") >= 7 and "conv>b" in written.text
    assert written.cells()[0]["Image"] == EVIL and written.all("title")[0][1] == EVIL
    assert "http:" not in written.source and "https:" not in written.source and "@import" not in written.source
    assert {match[:5] for match in re.findall(r"url\((.{5})", written.source)} == {"data:"}


def test_same_bytes_again(model, tmp_path):
    settings = {"methods": ["saliency", "smooth-grad"], "top": 1}
    first = write_report(model, photographs(2), tmp_path / "a.html", **settings).read_bytes()
    assert write_report(model, photographs(2), tmp_path / "b.html", batch_size=1, **settings).read_bytes() == (
        first.replace(b"batch_size=16", b"batch_size=1")
    )


def test_explainers_targets_and_display(model, tmp_path):
    explainers = [kv.GradCAM(model), kv.GradCAM(model, rectify=False), kv.Saliency(model, reduce="max_abs")]
    wide = [np.full((100, 700, 3), 90, np.uint8), np.full((40, 40), 200, np.uint8)]
    written = page(model, photographs(2), tmp_path, methods=explainers, targets=[2], top=0, display=wide)
    assert [cell["Method"] for cell in written.cells()[:3]] == ["Grad-CAM", "Grad-CAM (2)", "Saliency"]
    assert all(cell["Class"] == "class 2" for cell in written.cells()) and len(written.cells()) == 6
    assert written.photograph(1).shape == (round(100 * LONGEST / 700), LONGEST, 3)
    assert close(written.photograph(2), np.full((40, 40, 3), 200), 3)
    signed, values = written.cells()[1]["maps"][0], np.asarray(explainers[1](photographs(1), target=2))[0]
    strength = np.clip(np.abs(values) / np.percentile(np.abs(values), 99), 0, 1)
    assert signed.shape[-1] == 4 and np.abs(signed[..., 3] / 255 - strength).mean() < 0.01
    unsigned = np.abs(explainers[2](photographs(1), target=2).values[0])
    assert close(written.cells()[2]["maps"][0], plotting.heatmap(unsigned), 20)
    assert {attrs["name"] for attrs, _ in written.all("input") if attrs["type"] == "range" and "name" in attrs} == {
        "regions", "signed-regions", "pixels"}  # fmt: skip


@pytest.mark.parametrize(
    ("classes", "head", "names"),
    [(1, "sigmoid", {"class 0", "class 1"}), (1, None, {"output 0"}), (4, None, {"output 0", "output 3"})],
)
def test_other_heads_and_grey_images(classes, head, names, tmp_path):
    grey = small(classes, head, (20, 12, 1))
    images = photographs(1, (20, 12, 1)) / np.float32(255)
    written = page(grey, images, tmp_path, methods="saliency", targets=[0, classes - 1])
    assert names <= {cell["title"].removeprefix("Saliency: ") for cell in written.cells()}
    assert close(written.photograph(1), np.repeat(np.rint(images[0] * 255), 3, -1), 12)
    assert len(written.all("i")) == (2 if head else 0) and ("probability" in written.text.lower()) == bool(head)


def test_one_of_several_outputs(tmp_path):
    image = keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(image))
    heads = {"kind": layers.Dense(3, "softmax", name="kind")(x), "size": layers.Dense(2, name="size")(x)}
    two = keras.Model(image, heads)
    written = page(two, photographs(1, (16, 16, 3)), tmp_path, output="size", methods="input-x-gradient", top=5)
    scores = np.sort(two.predict(photographs(1, (16, 16, 3)), verbose=0)["size"][0])[::-1]
    found = [float(one["Score explained"].replace("−", "-")) for one in written.cells()]
    assert found == pytest.approx(scores, rel=0.01)


def test_what_does_not_fit_and_what_is_empty_is_named(tmp_path):
    dead = small(2)
    dead.layers[-1].set_weights([np.zeros((6, 2)), np.array([1.0, 0.0])])
    dead.get_layer("conv").activation = keras.activations.tanh
    with pytest.warns(KerasvizWarning) as caught:
        written = page(dead, photographs(2), tmp_path, top=1, names=["a", "b"])
    said = [str(one.message) for one in caught if one.category is KerasvizWarning]
    assert said[0].startswith("Guided Grad-CAM is left out.") and len(said) == 5
    assert "a: the map of Grad-CAM for class 0 is zero everywhere: nothing it looks at matters" in said
    lists = [text for _, text in written.all("li")]
    assert all(one in lists for one in said[1:]) and any(one.startswith("Guided Grad-CAM:") for one in lists)
    assert written.text.count("The map is zero everywhere") == 4
    assert all((cell["maps"][0].std(axis=(0, 1)) < 2).all() for cell in written.cells())
    assert not [attrs for attrs, _ in written.all("input") if attrs.get("name") == "range"]  # nothing to switch


def test_nothing_is_drawn_that_is_not_finite(tmp_path):
    broken = small(2, head=None)
    broken.layers[-1].set_weights([np.full((6, 2), np.nan), np.zeros(2)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasvizWarning)
        written = page(broken, photographs(1), tmp_path, top=1, methods="saliency")
    assert written.cells()[0]["maps"] == [] and "is not finite" in written.text
