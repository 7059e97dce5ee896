"""`kerasviz explain`: what it finds, refuses and writes."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import kerasviz as kv
from kerasviz.cli.folder import safe


def document(result):
    assert result.stderr.count("error:") == 0, result.stderr
    return json.loads(result.stdout)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def pixels(path):
    with Image.open(path) as picture:
        assert picture.mode == "RGB"
        return np.asarray(picture)


def size_of(path):
    return pixels(path).shape[1::-1]


# What is found


def test_probabilities_are_those_of_the_model(run, colors, pictures, tmp_path):
    found = document(run("explain", pictures, "-m", colors, "-o", tmp_path / "out", "--json"))
    model = keras.models.load_model(colors)
    files = [pictures / name for name in ("green.png", "red.png", "sea.png")]
    expected = model.predict(kv.data.load_images(files, (16, 24)), verbose=0)
    assert [Path(image["file"]) for image in found["images"]] == files
    for image, row in zip(found["images"], expected, strict=True):
        assert {one["class"]: one["probability"] for one in image["predictions"]} == pytest.approx(
            dict(enumerate(row)), abs=1e-5
        )
        assert [one["class"] for one in image["predictions"]] == list(np.argsort(-row))
        assert image["explanations"][0]["class"] == row.argmax()
        np.testing.assert_allclose(
            [one["score"] - image["predictions"][0]["score"] for one in image["predictions"]],
            np.log(-np.sort(-row)) - np.log(row.max()),
            atol=1e-4,
        )


def test_the_overlay_is_the_library_s_at_a_higher_resolution(run, colors, pictures, tmp_path):
    out = tmp_path / "out"
    found = document(run("explain", pictures / "red.png", "-m", colors, "-o", out, "--json"))
    drawn = pixels(out / found["images"][0]["explanations"][0]["file"])
    inputs = kv.data.load_images(pictures / "red.png", (16, 24))
    heat = kv.GradCAM(keras.models.load_model(colors))(inputs, target=0).values[0]
    photo = kv.data.load_image(pictures / "red.png", (341, 512))
    np.testing.assert_array_equal(drawn, kv.plotting.overlay(photo, heat))
    change = np.abs(drawn.astype(int) - photo).sum(axis=-1)
    hot, cold = drawn[20:100, 20:100].reshape(-1, 3), drawn[250:, 300:].reshape(-1, 3)
    assert hot[:, 0].mean() > 150 > 100 > cold[:, 0].mean()
    assert change[20:100, 20:100].min() > 50


def test_pixel_methods_are_drawn_alone(run, colors, pictures, tmp_path):
    out = tmp_path / "out"
    run("explain", pictures / "red.png", "-m", colors, "-o", out, "--method", "Input-x-Gradient")
    drawn = pixels(out / "red-input-x-gradient-class-0.png").astype(int)
    # Red speaks for class 0, the more so the redder it is: red on white, no photograph beneath.
    assert drawn.shape == (341, 512, 3)
    assert drawn[30:120, 30:120].reshape(-1, 3).max(axis=0).tolist() == [103, 0, 31]  # the end of RdBu_r
    assert (drawn[200:, :, 0] > drawn[200:, :, 2] + 30).all()


@pytest.mark.slow
def test_every_class_asked_for_is_explained(run, colors, pictures, labels, tmp_path):
    words = ("explain", pictures / "red.png", "-m", colors, "--labels", labels, "--json")
    found = document(run(*words, "-o", tmp_path / "a", "--target", "SKY", "--target", "green tree"))
    assert [one["class"] for one in found["images"][0]["explanations"]] == [2, 1]
    assert [one["label"] for one in found["images"][0]["explanations"]] == ["Sky", "Green_tree"]
    found = document(run(*words, "-o", tmp_path / "b", "--top", "2", "--target", "0", "--target", "2"))
    ranked = [one["class"] for one in found["images"][0]["predictions"]]
    assert [one["class"] for one in found["images"][0]["explanations"]] == list(dict.fromkeys([*ranked[:2], 0, 2]))
    found = document(run(*words, "-o", tmp_path / "c", "--top", "50"))
    assert [one["class"] for one in found["images"][0]["explanations"]] == ranked


@pytest.mark.slow
def test_scores_of_maps_belong_to_their_class(run, colors, pictures, tmp_path):
    """Rows of a batch with several classes each must not be mixed up."""
    out = tmp_path / "out"
    words = ("--method", "saliency,grad-cam", "--batch-size", "2", "--json")
    found = document(run("explain", pictures, "-m", colors, "-o", out, *words, "--target", "2", "--top", "1"))
    model = keras.models.load_model(colors)
    for image in found["images"]:
        inputs = kv.data.load_images(image["file"], (16, 24))
        photo = kv.data.load_image(image["file"], (341, 512))
        for one in image["explanations"]:
            if one["method"] == "grad_cam":
                heat = kv.GradCAM(model)(inputs, target=one["class"]).values[0]
                drawn = pixels(out / one["file"])
                np.testing.assert_array_equal(drawn, kv.plotting.overlay(photo, heat))


@pytest.mark.slow
def test_settings_reach_the_methods(run, colors, pictures, tmp_path):
    words = ("explain", pictures / "red.png", "-m", colors, "--json", "-o", tmp_path / "out")
    words += ("--method", "smooth-grad,integrated-gradients", "--seed", "5")
    found = document(run(*words, "--set", "samples=3", "--set", "rule=trapezoid", "--set", "steps=4"))
    assert found["methods"]["smooth_grad"]["settings"]["samples"] == 3
    assert found["methods"]["smooth_grad"]["settings"]["seed"] == 5
    assert found["methods"]["integrated_gradients"]["settings"]["rule"] == "trapezoid"
    result = run(*words, "--overwrite", "--set", "sampels=3")
    assert result.exit_code == 2 and "no setting 'sampels'" in result.stderr and "samples" in result.stderr


@pytest.mark.slow
def test_a_layer_is_taken_and_a_wrong_one_lists_the_nearest(run, colors, pictures, tmp_path):
    words = ("explain", pictures, "-m", colors, "-o", tmp_path / "out", "--json", "--layer")
    assert document(run(*words, "conv"))["methods"]["grad_cam"]["layer"] == "conv"
    fused = run(*words, "conv", "--layer", "pool", "--overwrite", "--method", "grad-cam++,cam")
    assert document(fused)["methods"]["grad_cam_plus_plus"]["layer"] == "conv, pool"
    assert document(fused)["methods"]["cam"]["layer"] == "pool"
    result = run(*words, "convv", "--overwrite")
    assert result.exit_code == 2 and "'conv'" in result.stderr and not result.stdout
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
def test_all_methods_and_a_contact_sheet(run, colors, pictures, tmp_path):
    out = tmp_path / "out"
    found = document(run("explain", pictures / "sea.png", "-m", colors, "-o", out, "--method", "all", "--json"))
    quick = {name for name, kind in kv.attribution.methods().items() if not kind.slow}
    assert set(found["methods"]) | set(found["left_out"]) == quick
    assert len(found["images"][0]["explanations"]) == len(found["methods"])
    assert names(out) == sorted(
        ["manifest.json", "sea.png", *(one["file"] for one in found["images"][0]["explanations"])]
    )


@pytest.mark.slow
def test_methods_that_do_not_fit_are_left_out_of_all_only(run, pictures, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((16, 24, 3)),
            keras.layers.Conv2D(2, 3, activation="gelu"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    model.save(tmp_path / "smooth.keras")
    words = ("explain", pictures / "red.png", "-m", tmp_path / "smooth.keras", "--preprocess", "none", "--json")
    found = document(run(*words, "-o", tmp_path / "a", "--method", "all"))
    assert "no rectifier" in found["left_out"]["guided_backprop"]
    assert "grad_cam" in found["methods"]
    assert any("guided_backprop is left out" in text for text in found["warnings"])
    result = run(*words, "-o", tmp_path / "b", "--method", "guided-backprop")
    assert result.exit_code == 2 and "no rectifier" in result.stderr
    assert not (tmp_path / "b").exists()


def test_an_output_of_several(run, pictures, tmp_path):
    inputs = keras.Input((16, 24, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(3, 3, activation="relu")(inputs))
    heads = {name: keras.layers.Dense(n, "softmax", name=name)(x) for name, n in (("age", 2), ("kind", 4))}
    keras.Model(inputs, heads).save(tmp_path / "two.keras")
    words = (
        "explain",
        pictures / "red.png",
        "-m",
        tmp_path / "two.keras",
        "--preprocess",
        "tf",
        "-o",
        tmp_path / "out",
    )
    result = run(*words)
    assert result.exit_code == 2 and "--output age" in result.stderr
    assert "no output 'sort'" in run(*words, "--output", "sort").stderr
    found = document(run(*words, "--output", "kind", "--json"))
    assert len(found["images"][0]["predictions"]) == 4 and found["model"]["output"] == "kind"
    expected = keras.models.load_model(tmp_path / "two.keras").predict(
        kv.data.load_images(pictures / "red.png", (16, 24), "tf"), verbose=0
    )["kind"][0]
    assert found["images"][0]["predictions"][0]["probability"] == pytest.approx(expected.max(), abs=1e-5)


def test_a_flat_map_is_named(run, save_network, tmp_path, pictures):
    save_network(head=None, name="m")
    Image.new("RGB", (24, 16)).save(tmp_path / "black.png")
    found = document(
        run(
            "explain",
            tmp_path / "black.png",
            pictures / "red.png",
            "-m",
            tmp_path / "m.keras",
            "-o",
            tmp_path / "out",
            "--json",
        )
    )
    assert [image["explanations"][0]["flat"] for image in found["images"]] == [True, False]
    assert len(found["warnings"]) == 1 and found["warnings"][0].startswith("black.png: the map of Grad-CAM")
    assert found["images"][0]["predictions"][0]["probability"] is None  # scores, not probabilities


# What is refused


@pytest.mark.slow
def test_unknown_labels_name_the_nearest(run, colors, pictures, labels, tmp_path):
    words = ("explain", pictures, "-m", colors, "-o", tmp_path / "out", "--target")
    result = run(*words, "fire engin", "--labels", labels)
    assert result.exit_code == 2 and "Did you mean Fire engine (0)" in result.stderr
    result = run(*words, "engine", "--labels", labels)
    assert "Did you mean Fire engine (0)" in result.stderr
    assert "--labels" in run(*words, "sky").stderr
    assert "0 to 2" in run(*words, "3").stderr
    assert not (tmp_path / "out").exists()


def test_a_label_of_two_classes_is_refused(run, colors, pictures, tmp_path):
    (tmp_path / "twice.txt").write_text("crane\ncat\nCrane\n")
    result = run("explain", pictures, "-m", colors, "--labels", tmp_path / "twice.txt", "--target", "crane")
    assert result.exit_code == 2 and "0 or 2" in result.stderr


def test_labels_must_be_as_many_as_classes(run, colors, pictures, tmp_path):
    (tmp_path / "few.txt").write_text("a\nb\n")
    result = run("explain", pictures, "-m", colors, "--labels", tmp_path / "few.txt")
    assert result.exit_code == 2 and "2 labels" in result.stderr and "3 classes" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "grad-kam"], "Did you mean 'grad_cam'"),
        (["--preprocess", "torhc"], "Did you mean 'torch'"),
        (["--cmap", "viridiss"], "viridis"),
        (["--size", "12by4"], "--size"),
        (["--size", "20x24"], "16x24"),
        (["--set", "samples"], "NAME=VALUE"),
        (["--alpha", "2"], "--alpha"),
        (["--top", "0"], "--top"),
        (["--out", "{colors}"], "is a file"),
        (["--custom", "no_such_module:Gate"], "no_such_module"),
        (["--labels", "{pictures}"], "cannot be read"),
    ],
)
def test_wrong_options_exit_2_and_name_the_mend(run, colors, pictures, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [word.format(colors=colors, pictures=pictures) for word in words]
    result = run("explain", pictures, "-m", colors, *words)
    assert result.exit_code == 2 and said in result.stderr and not result.stdout
    assert names(tmp_path) == ["colours.keras", "pictures"]


def test_models_of_something_else_are_refused(run, pictures, tmp_path):
    keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)]).save(tmp_path / "table.keras")
    result = run("explain", pictures, "-m", tmp_path / "table.keras")
    assert result.exit_code == 2 and "(None, 5)" in result.stderr and "images" in result.stderr
    sides = [keras.Input((4, 4, 3), name=name) for name in ("left", "right")]
    keras.Model(sides, keras.layers.Add()(sides)).save(tmp_path / "two.keras")
    result = run("explain", pictures, "-m", tmp_path / "two.keras")
    assert result.exit_code == 2 and "2 inputs: 'left' (None, 4, 4, 3), 'right'" in result.stderr


# Bad images


def test_bad_images_are_skipped_and_named(run, colors, pictures, bad, tmp_path):
    out = tmp_path / "out"
    result = run("explain", pictures, "-m", colors, "-o", out, "--json", "--batch-size", "2")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [Path(one["file"]).name for one in found["skipped"]] == bad
    assert [Path(one["file"]).name for one in found["images"]] == ["green.png", "red.png", "sea.png"]
    lines = result.stderr.splitlines()
    assert len(lines) == 4 and all(line.startswith("skipped: ") for line in lines)
    assert all(any(name in line for line in lines) for name in bad)
    assert all((out / name).exists() for name in found["files"])


def test_bad_images_change_nothing_of_the_good(run, colors, pictures, bad, tmp_path):
    run("explain", pictures, "-m", colors, "-o", tmp_path / "among")
    run("explain", pictures / "sea.png", "-m", colors, "-o", tmp_path / "alone")
    name = "sea-grad-cam-class-2.png"
    assert (tmp_path / "among" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


def test_only_bad_images_exit_2_and_leave_nothing(run, colors, pictures, bad, tmp_path):
    result = run("explain", *(pictures / name for name in bad), "-m", colors, "-o", tmp_path / "out")
    assert result.exit_code == 2 and "None of the 4 images" in result.stderr
    assert not (tmp_path / "out").exists()
    result = run("explain", tmp_path / "nowhere.png", "-m", colors)
    assert result.exit_code == 2 and "nowhere.png" in result.stderr


def test_cmyk_and_turned_pictures_are_read_as_meant(run, colors, tmp_path):
    Image.new("CMYK", (24, 16), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    turned = np.zeros((24, 16, 3), np.uint8)
    turned[:8] = (0, 0, 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(turned).save(tmp_path / "phone.jpg", exif=exif, quality=95)
    words = (tmp_path / "print.jpg", tmp_path / "phone.jpg", "-m", colors, "-o", tmp_path / "out", "--json")
    found = document(run("explain", *words))
    assert [image["explanations"][0]["class"] for image in found["images"]] == [0, 2]
    drawn = pixels(tmp_path / "out" / found["images"][1]["explanations"][0]["file"])
    # Turned upright, the blue edge is at the right: hot there.
    assert drawn[:, -60:, 0].mean() > drawn[:, :60, 0].mean() + 30


# What is written


def test_the_manifest_is_complete(run, colors, pictures, bad, labels, tmp_path):
    out = tmp_path / "out"
    result = run("explain", pictures, "-m", colors, "-o", out, "--labels", labels, "--json", "--top", "2")
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest == json.loads(result.stdout)
    assert manifest["complete"] is True and manifest["kerasviz"] == kv.__version__
    assert manifest["versions"]["keras"] == keras.__version__
    assert manifest["model"] == {
        "given": str(colors),
        "name": "colours",
        "input": {"height": 16, "width": 24, "channels": 3, "fit": "crop", "preprocess": "none"},
        "output": None,
        "classes": 3,
        "labelled": True,
        "parameters": 24,
    }
    assert manifest["methods"]["grad_cam"] == {
        "title": "Grad-CAM",
        "kind": "heatmap",
        "signed": False,
        "layer": "pool",
        "settings": {"counterfactual": False, "rectify": True, "resize": True},
    }
    assert sorted([*manifest["files"], "manifest.json"]) == names(out)
    assert len(manifest["skipped"]) == 4 and all(one["reason"] for one in manifest["skipped"])
    assert manifest["images"][1]["sheet"] == "red.png"
    assert manifest["images"][1]["explanations"][0]["file"] == "red-grad-cam-Fire-engine.png"
    with Image.open(out / "red-grad-cam-Fire-engine.png") as picture:
        text = picture.text
    assert text["Title"].startswith("Grad-CAM: Fire engine, ") and text["Source"] == str(pictures / "red.png")


@pytest.mark.slow
def test_earlier_results_are_not_overwritten(run, colors, pictures, tmp_path):
    out = tmp_path / "out"
    words = ("explain", pictures, "-m", colors, "-o", out)
    assert run(*words, "--top", "2").exit_code == 0
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()}
    result = run(*words)
    assert result.exit_code == 2 and "--overwrite" in result.stderr
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()} == before
    (out / "notes.png").write_text("mine")
    assert run(*words, "--overwrite").exit_code == 0
    # What the earlier run made and this one does not is gone; what is not ours stays.
    assert "red-grad-cam-class-1.png" in before and "red.png" in before
    assert names(out) == sorted(
        [
            "manifest.json",
            "notes.png",
            *(f"{name}-grad-cam-class-{k}.png" for k, name in enumerate(("red", "green", "sea"))),
        ]
    )


@pytest.mark.slow
def test_photographs_beside_the_results_are_never_touched(run, colors, pictures):
    before = {path.name: path.read_bytes() for path in pictures.iterdir()}
    words = ("explain", *(pictures / name for name in before), "-m", colors, "-o", pictures, "--top", "2")
    assert run(*words).exit_code == 0
    assert run(*words, "--overwrite").exit_code == 0
    assert {name: (pictures / name).read_bytes() for name in before} == before
    assert (pictures / "red-2.png").exists()


def test_names_are_safe_and_unique(run, colors, tmp_path, pictures):
    for folder, name in (("a", "my cat: 1.png"), ("b", "my cat: 1.png"), ("b", "MY CAT- 1.png")):
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.new("RGB", (24, 16), "red").save(tmp_path / folder / name)
    (tmp_path / "slashes.txt").write_text("a/b\n../c\nd\n")
    out = tmp_path / "out"
    words = ("-m", colors, "-o", out, "--labels", tmp_path / "slashes.txt", "--json")
    found = document(run("explain", tmp_path / "a", tmp_path / "b", *words))
    assert sorted(name.lower() for name in found["files"]) == [
        "my-cat-1-2-grad-cam-a-b.png",
        "my-cat-1-3-grad-cam-a-b.png",
        "my-cat-1-grad-cam-a-b.png",
    ]
    assert sorted([*found["files"], "manifest.json"]) == names(out)


def test_safe_names():
    assert safe("../..//etc/passwd") == "etc-passwd"
    assert safe(" .hidden ") == "hidden" and safe("///") == "image"
    assert len(safe("ü" * 300).encode()) <= 100
    assert safe("bad\udcffbyte") == "bad-byte"


# Heads


def test_one_unit_of_a_sigmoid_is_two_classes(run, save_network, pictures, tmp_path):
    path = save_network(classes=1, head="sigmoid", name="redness")
    (tmp_path / "two.txt").write_text("other\nred\n")
    words = ("explain", pictures, "-m", path, "--labels", tmp_path / "two.txt", "--json", "-o", tmp_path / "out")
    found = document(run(*words, "--target", "other"))
    files = [image["file"] for image in found["images"]]
    red = keras.models.load_model(path).predict(kv.data.load_images(files, (16, 24)), verbose=0)[:, 0]
    for image, probability in zip(found["images"], red, strict=True):
        given = {one["label"]: one["probability"] for one in image["predictions"]}
        assert given == pytest.approx({"red": probability, "other": 1 - probability}, abs=1e-5)
        assert image["explanations"][0]["label"] == "other"


def test_positions_of_a_map_are_taken_together(run, pictures, tmp_path):
    inputs = keras.Input((16, 24, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, keras.layers.Conv2D(3, 1, activation="softmax")(x))
    model.save(tmp_path / "map.keras")
    words = ("explain", pictures / "red.png", "-m", tmp_path / "map.keras", "--json", "-o", tmp_path / "out")
    (image,) = document(run(*words))["images"]
    expected = model.predict(kv.data.load_images(pictures / "red.png", (16, 24)), verbose=0).mean(axis=(0, 1, 2))
    given = {one["class"]: one["probability"] for one in image["predictions"]}
    assert given == pytest.approx(dict(enumerate(expected)), abs=1e-5)


# Sizes


def test_a_grey_network(run, save_network, pictures, tmp_path):
    save_network((16, 24, 1), classes=2, name="grey")
    Image.new("RGB", (24, 16), "white").save(tmp_path / "white.png")
    found = document(
        run("explain", tmp_path / "white.png", "-m", tmp_path / "grey.keras", "-o", tmp_path / "out", "--json")
    )
    assert found["model"]["input"]["channels"] == 1
    assert found["images"][0]["predictions"][0]["probability"] == pytest.approx(1 / (1 + np.exp(-8)), abs=1e-5)
    assert size_of(tmp_path / "out" / found["files"][0]) == (512, 341)
    result = run("explain", pictures, "-m", tmp_path / "grey.keras", "--preprocess", "torch", "-o", tmp_path / "b")
    assert result.exit_code == 2 and "1 channels" in result.stderr


def test_a_network_of_any_size_sees_each_picture_at_its_own(run, save_network, tmp_path):
    save_network((None, None, 3), name="free")
    Image.new("RGB", (100, 64), "red").save(tmp_path / "small.png")
    Image.new("RGB", (300, 1500), "blue").save(tmp_path / "tall.png")
    words = ("explain", tmp_path / "small.png", tmp_path / "tall.png", "-m", tmp_path / "free.keras", "--json")
    found = document(run(*words, "-o", tmp_path / "a"))
    sizes = [size_of(tmp_path / "a" / name) for name in found["files"]]
    assert sizes == [(512, 341), (96, 512)]  # 96 x 64 enlarged for the eye; 102.4 x 512, to multiples of 32
    assert [image["explanations"][0]["class"] for image in found["images"]] == [0, 2]
    found = document(run(*words, "-o", tmp_path / "b", "--size", "32x64"))
    assert {size_of(tmp_path / "b" / name) for name in found["files"]} == {(512, 256)}
    assert found["model"]["input"]["height"] == 32
