"""The walk up VGG16 with its trained weights, which come inside a package: see `scripts/fetch_vgg16.py`."""

import importlib
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasviz as kv

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


@pytest.fixture(scope="module")
def scripts():
    """The two scripts as modules."""
    sys.path.insert(0, str(SCRIPTS))
    yield {name: importlib.import_module(name) for name in ("fetch_vgg16", "vgg16_walk")}
    sys.path.remove(str(SCRIPTS))


@pytest.fixture(scope="module")
def model(scripts):
    try:
        path = scripts["fetch_vgg16"].fetch()
    except SystemExit as problem:
        pytest.skip(str(problem))
    return keras.applications.VGG16(weights=path, include_top=False, input_shape=(224, 224, 3))


@pytest.mark.slow
def test_channels_of_the_fourth_block_are_reconstructed_as_the_cats_eyes(scripts, model):
    cat = scripts["vgg16_walk"].photographs()["chelsea"][None]
    inputs = kv.data.preprocess(cat, "caffe")
    found = kv.Reconstruction(model, "block4_conv2", keep="map")(inputs, [[92, 488]])
    energy = np.square(found.values).sum(axis=-1)
    eyes = np.zeros((224, 224), bool)
    for y, x in ((84, 80), (98, 192)):
        eyes[y - 32 : y + 32, x - 32 : x + 32] = True
    shares = (energy * eyes).sum(axis=(1, 2)) / energy.sum(axis=(1, 2))
    assert eyes.mean() < 0.17
    assert shares.min() > 0.75, shares


@pytest.mark.slow
def test_the_weights_are_those_of_keras(model):
    """The first weights of the file that Keras distributes."""
    stem = kv.filters(model, "block1_conv1").weights
    np.testing.assert_allclose(stem[0, :, 0, 0], [0.4294706, 0.3734671, -0.0613601], atol=1e-6)
