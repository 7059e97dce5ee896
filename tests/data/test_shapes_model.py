"""The embedded network names subjects it never saw, and needs to see them."""

from importlib import resources

import numpy as np
import pytest
from PIL import Image

from kerasviz.data.shapes import CLASSES, example_pictures, scenes, shapes_model
from kerasviz.data.shapes import model as module
from kerasviz.errors import DataError


@pytest.fixture(scope="module")
def network():
    return shapes_model()


def guess(network, images):
    return network.predict(images, verbose=0).argmax(axis=1)


def test_it_names_subjects_it_never_saw(network):
    fresh = scenes(500, seed=1234)
    right = guess(network, fresh.images) == fresh.labels
    assert right.mean() > 0.93
    for label, name in enumerate(CLASSES):
        assert right[fresh.labels == label].mean() > 0.8, name


def test_it_guesses_when_the_subject_is_missing(network):
    erased = scenes(500, seed=1234, subject=False)
    # Guessing is right once in ten; 0.16 lies more than four deviations above.
    assert (guess(network, erased.images) == erased.labels).mean() < 0.16


def test_the_pictures_are_small_scenes_that_it_names_right(network):
    pictures = example_pictures()
    assert 4 <= len(pictures) <= 6
    images = np.stack([np.asarray(Image.open(path)) for path in pictures.values()])
    assert images.shape[1:] == (64, 64, 3)
    assert max(path.stat().st_size for path in pictures.values()) < 12_000
    scores = network.predict(images, verbose=0)
    assert [CLASSES[k] for k in scores.argmax(axis=1)] == list(pictures)
    assert scores.max(axis=1).min() > 0.9


def test_its_layers_are_what_the_docstring_says(network):
    assert [tensor.name for tensor in network.inputs] == ["image"]
    assert network.input_shape == (None, 64, 64, 3)
    assert network.output_shape == (None, len(CLASSES))
    assert network.get_layer("relu5").output.shape == (None, 8, 8, 64)
    for kind in ("conv", "bn", "relu"):
        assert [network.get_layer(f"{kind}{k}").name for k in range(1, 6)]
    assert network.get_layer("gap") and network.layers[-1].name == "predictions"
    assert network.layers[-1].activation.__name__ == "softmax"
    assert not network.compiled
    assert 20_000 < network.count_params() < 100_000


def test_each_call_gives_a_model_of_its_own(network):
    other = shapes_model()
    assert other is not network
    other.get_layer("predictions").set_weights([np.zeros((64, 10)), np.zeros(10)])
    assert np.abs(network.get_layer("predictions").get_weights()[0]).max() > 0


def test_the_file_is_small_and_holds_the_weights_alone(network):
    path = resources.files("kerasviz.data.shapes") / "shapes_cnn.npz"
    assert path.stat().st_size < 400_000
    with np.load(path) as kept:
        assert [kept[name].shape for name in kept.files] == [weight.shape for weight in network.weights]


def test_a_missing_file_is_an_error_that_names_it(monkeypatch, tmp_path):
    monkeypatch.setattr(module.resources, "files", lambda package: tmp_path)
    with pytest.raises(DataError, match=r"shapes_cnn\.npz is missing"):
        shapes_model()
    with pytest.raises(DataError, match="pictures is missing"):
        example_pictures()


def test_a_damaged_file_is_an_error_that_names_it(monkeypatch, tmp_path):
    monkeypatch.setattr(module.resources, "files", lambda package: tmp_path)
    (tmp_path / "shapes_cnn.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match=r"shapes_cnn\.npz cannot be read"):
        shapes_model()
