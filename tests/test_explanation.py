"""The record that explainers return: as an array, and as a folder."""

import copy
import dataclasses
import json
import pickle
import warnings

import numpy as np
import pytest
import zoo
from matplotlib.text import Text
from PIL import Image

import kerasviz as kv
from kerasviz.errors import InputError, KerasvizWarning, LoadError, SaveError, SettingError
from kerasviz.explanation import Explanation


@pytest.fixture
def values(rng):
    return rng.normal(0, 1, (2, 6, 5, 3)).astype("float32")


@pytest.fixture
def explanation(values):
    return Explanation(
        values,
        method="integrated_gradients",
        signed=True,
        kind="pixels",
        layer="base/conv",
        target=np.array([3, 1], "int32"),
        score=np.array([0.25, -7.5], "float32"),
        settings={"steps": 50, "rule": "trapezoid", "baseline": 0.5, "reduce": None},
        extras={"completeness_gap": np.array([1e-3, 2e-3], "float32")},
    )


@pytest.fixture
def heat(rng):
    return Explanation(
        rng.uniform(0, 1, (3, 8, 6)).astype("float32"), method="grad_cam", signed=False, kind="heatmap", target="margin"
    )


@pytest.fixture
def several(values, rng):
    table = rng.normal(0, 1, (2, 4)).astype("float32")
    return Explanation({"image": values, "side/table": table}, method="saliency", target=np.array([0, 1], "int32"))


def test_behaves_as_its_array(explanation, values):
    assert np.asarray(explanation) is not None
    np.testing.assert_array_equal(np.asarray(explanation), values)
    assert np.asarray(explanation, dtype="float64").dtype == np.float64
    assert explanation.shape == values.shape
    assert explanation.dtype == np.float32
    assert explanation.ndim == 4
    assert explanation.max() == values.max()
    assert len(explanation) == 2
    np.testing.assert_array_equal(explanation[1, ..., 0], values[1, ..., 0])
    np.testing.assert_array_equal(explanation[:, ::2], values[:, ::2])
    np.testing.assert_array_equal(np.abs(explanation), np.abs(values))
    np.testing.assert_array_equal(np.add(explanation, 1), values + 1)
    np.testing.assert_array_equal(np.maximum(explanation, 0), np.maximum(values, 0))
    np.testing.assert_array_equal(np.stack(list(explanation)), values)
    np.testing.assert_allclose(np.mean(explanation, axis=(1, 2)), values.mean(axis=(1, 2)))
    copied = np.array(explanation)
    copied[:] = 0
    assert explanation.values.any()


def test_is_frozen(explanation):
    with pytest.raises(dataclasses.FrozenInstanceError):
        explanation.values = 0
    with pytest.raises(AttributeError):
        explanation.no_such_thing  # noqa: B018


def test_can_be_copied_and_pickled(explanation, values):
    for twin in (copy.copy(explanation), copy.deepcopy(explanation), pickle.loads(pickle.dumps(explanation))):
        np.testing.assert_array_equal(twin.values, values)
        assert twin.settings == explanation.settings


def test_several_inputs_are_taken_by_name(several, values):
    assert len(several) == 2
    image = several["image"]
    np.testing.assert_array_equal(np.asarray(image), values)
    assert (image.method, list(image.target)) == ("saliency", [0, 1])
    assert several["side/table"].shape == (2, 4)
    with pytest.raises(InputError, match="'image', 'side/table'"):
        several["table"]
    for use in (np.asarray, lambda e: e[0], lambda e: e.shape, lambda e: e.plot()):
        with pytest.raises(InputError, match=r"explanation\['image'\]"):
            use(several)


def test_explainers_give_several_inputs_by_name():
    specimen = zoo.ZOO["dicts"]()
    explanation = kv.Saliency(specimen.model)(specimen.inputs, specimen.target)
    assert list(explanation.values) == ["left", "right"]
    assert explanation["left"].shape == (3, 12, 10, 3)


def test_holds_no_copy_of_the_images_and_no_model(explanation):
    assert {field.name for field in dataclasses.fields(explanation)} == {
        "values",
        "method",
        "signed",
        "kind",
        "layer",
        "target",
        "score",
        "settings",
        "extras",
    }


@pytest.mark.parametrize("which", ["explanation", "heat", "several"])
def test_saved_and_loaded_it_is_the_same(which, tmp_path, request):
    saved = request.getfixturevalue(which)
    assert saved.save(tmp_path / "out") == tmp_path / "out"
    loaded = Explanation.load(tmp_path / "out")
    for name in ("method", "signed", "kind", "layer"):
        assert getattr(loaded, name) == getattr(saved, name)
    assert dict(loaded.settings) == dict(saved.settings)
    same(loaded.values, saved.values)
    same(loaded.target, saved.target)
    same(loaded.score, saved.score)
    same(dict(loaded.extras), dict(saved.extras))


def same(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            same(one[name], other[name])
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


@pytest.mark.slow
@pytest.mark.parametrize("method", ["saliency", "smooth_grad", "integrated_gradients", "grad_cam"])
def test_what_explainers_return_survives_saving(method, tmp_path):
    specimen = zoo.ZOO["time_distributed"]()
    explain = kv.attribution.explainer(specimen.model, method)
    explanation = explain(specimen.inputs, lambda scores: scores[:, 0] ** 2)
    explanation.save(tmp_path / "out")
    loaded = Explanation.load(tmp_path / "out")
    same(loaded.values, explanation.values)
    same(loaded.score, explanation.score)
    assert loaded.target == "custom score"
    assert dict(loaded.settings) == dict(explanation.settings) == explain.settings


def test_what_is_in_the_folder(explanation, tmp_path):
    explanation.save(tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["method"] == "integrated_gradients"
    assert manifest["target"] == [3, 1]
    assert manifest["score"] == [0.25, -7.5]
    assert manifest["settings"]["steps"] == 50
    assert manifest["kerasviz"] == kv.__version__
    assert manifest["pictures"] == ["0000.png", "0001.png"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "arrays.npz",
        "manifest.json",
        "0000.png",
        "0001.png",
    }
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_with_several_inputs_only_arrays_are_saved(several, tmp_path):
    several.save(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"arrays.npz", "manifest.json"}
    several["image"].save(tmp_path / "image")
    assert (tmp_path / "image" / "0001.png").exists()


def test_parents_are_made(heat, tmp_path):
    heat.save(tmp_path / "a" / "b" / "out")
    assert Explanation.load(tmp_path / "a" / "b" / "out").shape == (3, 8, 6)
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["out"]


@pytest.mark.parametrize("folder", ["out", "a/b/out"])
@pytest.mark.parametrize("images", [np.zeros((4, 8, 6, 3)), np.zeros((1, 8, 6, 3)), np.full((3, 8, 6, 3), np.nan)])
def test_an_error_while_writing_leaves_nothing(heat, tmp_path, folder, images):
    with pytest.raises(InputError):
        heat.save(tmp_path / folder, images)
    assert not list(tmp_path.iterdir())


def test_an_error_while_overwriting_keeps_the_old_one(heat, explanation, tmp_path):
    explanation.save(tmp_path / "out")
    with pytest.raises(InputError):
        heat.save(tmp_path / "out", np.full((3, 8, 6, 3), np.nan), overwrite=True)
    assert Explanation.load(tmp_path / "out").method == "integrated_gradients"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_only_saved_explanations_are_overwritten_and_only_if_asked(heat, explanation, tmp_path):
    out = tmp_path / "out"
    explanation.save(out)
    with pytest.raises(SaveError, match="overwrite=True"):
        heat.save(out)
    heat.save(out, overwrite=True)
    assert Explanation.load(out).method == "grad_cam"
    assert {path.name for path in out.iterdir()} == {"arrays.npz", "manifest.json", *(f"000{i}.png" for i in range(3))}


@pytest.mark.parametrize(
    "files",
    [
        {"thesis.tex": "all I have"},
        {"manifest.json": '{"name": "my web page"}', "index.html": ""},
        {"manifest.json": '{"pictures": []}'},
        {"manifest.json": '["kerasviz"]'},
        {"manifest.json": "no json"},
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_foreign_folders_are_left_alone(heat, tmp_path, files, overwrite):
    (tmp_path / "out").mkdir()
    for name, text in files.items():
        (tmp_path / "out" / name).write_text(text)
    with pytest.raises(SaveError, match="exists already"):
        heat.save(tmp_path / "out", overwrite=overwrite)
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == files


def test_a_file_beside_a_saved_explanation_is_not_thrown_away(heat, tmp_path):
    heat.save(tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("my notes")
    with pytest.raises(SaveError):
        heat.save(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "notes.txt").read_text() == "my notes"


def test_empty_folders_and_files_in_the_way(heat, tmp_path):
    (tmp_path / "empty").mkdir()
    heat.save(tmp_path / "empty")
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(SaveError):
            heat.save(folder, overwrite=True)
    assert (tmp_path / "file").read_text() == "x"


def damage(folder, name, change):
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("arrays.npz", lambda data: data[: len(data) // 2]),
        ("arrays.npz", lambda data: b""),
        ("arrays.npz", lambda data: data[:100] + bytes(200) + data[300:]),
        ("arrays.npz", lambda data: b"no archive"),
        ("manifest.json", lambda data: data[:30]),
        ("manifest.json", lambda data: b"[]"),
        ("manifest.json", lambda data: b"\xff\xfe"),
        ("manifest.json", lambda data: data.replace(b'"method"', b'"way"')),
    ],
)
def test_damaged_folders_are_load_errors(heat, tmp_path, name, change):
    heat.save(tmp_path / "out")
    damage(tmp_path / "out", name, change)
    with pytest.raises(LoadError, match="holds no explanation"):
        Explanation.load(tmp_path / "out")


def test_folders_that_hold_no_explanation(tmp_path):
    with pytest.raises(LoadError):
        Explanation.load(tmp_path)
    with pytest.raises(LoadError):
        Explanation.load(tmp_path / "nothing")


def test_pictures_open_and_differ_from_sample_to_sample(heat, tmp_path, rng):
    images = rng.integers(0, 255, (3, 8, 6, 3)).astype("uint8")
    heat.save(tmp_path / "out", images)
    pictures = [np.asarray(Image.open(tmp_path / "out" / f"000{i}.png").convert("RGB")) for i in range(3)]
    assert all(picture.std() > 20 for picture in pictures)
    assert (pictures[0] != pictures[1]).any()
    assert Image.open(tmp_path / "out" / "0000.png").text["Description"].startswith("grad_cam: margin")


def texts_of(figure):
    return " ".join(text.get_text() for text in figure.findobj(Text))


def test_plots_carry_method_class_and_score(explanation):
    plain = texts_of(explanation.plot())
    for words in ("integrated_gradients", "class 3", "score 0.25", "class 1", "score -7.5"):
        assert words in plain
    for labels in (["goat", "cat", "dog", "hen"], {1: "cat", 3: "hen"}):
        named = texts_of(explanation.plot(labels=labels))
        assert "hen" in named
        assert "cat" in named
    assert "class 3" not in texts_of(explanation.plot(titles=["one", "two"]))


def test_labels_that_are_too_few(explanation, tmp_path):
    with pytest.raises(SettingError, match="class 3"):
        explanation.plot(labels=["goat", "cat"])
    with pytest.raises(SettingError, match="class 3"):
        explanation.save(tmp_path / "out", labels=["goat", "cat"])
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "method"),
    [("conv1d", "saliency"), ("conv1d", "grad_cam"), ("conv3d", "grad_cam"), ("functional", "saliency")],
)
def test_every_number_of_axes_can_be_drawn(name, method, tmp_path):
    specimen = zoo.ZOO[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasvizWarning)
        explanation = kv.explain(specimen.model, specimen.inputs, method, lambda scores: scores[:, 0] - scores[:, 1])
        assert explanation.plot(specimen.inputs).axes
        explanation.save(tmp_path / "out", specimen.inputs)
    assert len(list((tmp_path / "out").glob("*.png"))) == 3
