"""Images through a network that makes images."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L
from reference import resizing

from kerasviz.errors import InputError, ModelError, SettingError
from kerasviz.synthesis.parametrizations import ThroughGenerator
from kerasviz.synthesis.spaces import ImageSpace

KERNEL = np.random.default_rng(0).normal(size=(3, 24)) * 0.7
SPACE = ImageSpace(4, 6, 1, 0.0, 255.0)


def generator(activation="tanh", codes=(3,), shape=(4, 6, 1)):
    dense = L.Dense(24, activation=activation, use_bias=False, name="dense")
    model = keras.Sequential([keras.Input(codes), dense, L.Reshape(shape)])
    dense.set_weights([KERNEL])
    return model


@pytest.fixture(scope="module")
def tanh():
    return generator()


def made(codes, squash=np.tanh):
    return squash(np.asarray(codes, np.float64) @ KERNEL).reshape(-1, 4, 6, 1)


def images_of(way, codes, space):
    """What codes mean, compiled, as a synthesis does it."""
    run = tf.function(lambda codes: way.images([codes], space), autograph=False)
    return run(tf.constant(codes, tf.float32)).numpy()


def test_images_have_the_range_of_the_space(tanh, rng):
    codes = rng.normal(size=(2, 3))
    images = images_of(ThroughGenerator(generator=tanh, value_range=(-1, 1)), codes, SPACE)
    np.testing.assert_allclose(images, 127.5 * (made(codes) + 1), atol=1e-3)


def test_a_sigmoid_and_a_space_around_zero(rng):
    codes = rng.normal(size=(2, 3))
    way = ThroughGenerator(generator=generator("sigmoid"), value_range=(0, 1))
    images = images_of(way, codes, ImageSpace(4, 6, 1, -2.0, 1.0))
    np.testing.assert_allclose(images, 3 / (1 + np.exp(-made(codes, lambda x: x))) - 2, atol=1e-5)


def test_linear_outputs_are_cut_off_at_the_range(rng):
    codes = 3 * rng.normal(size=(4, 3))
    model, linear = generator("linear"), made(codes, lambda x: x)
    way = ThroughGenerator(generator=model, value_range=(-2, 3))
    images = images_of(way, codes, SPACE)
    np.testing.assert_allclose(images, 51 * (linear.clip(-2, 3) + 2), atol=1e-3)
    assert (images.min(), images.max()) == (0.0, 255.0)

    as_it_is = ThroughGenerator(generator=model, value_range=(-np.inf, np.inf))
    images = images_of(as_it_is, codes, ImageSpace(4, 6, 1))
    np.testing.assert_allclose(images, linear, atol=1e-5)
    images = images_of(as_it_is, codes, ImageSpace(4, 6, 1, -1.0, 2.0))
    np.testing.assert_allclose(images, linear.clip(-1, 2), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(7, 9), (8, 6), (3, 12)])
def test_other_sizes_are_interpolated(tanh, rng, size):
    codes = rng.normal(size=(1, 3))
    way = ThroughGenerator(generator=tanh, value_range=(-1, 1))
    [image] = images_of(way, codes, ImageSpace(*size, 1, 0.0, 1.0))
    np.testing.assert_allclose(image, (resizing.linear(made(codes)[0], size) + 1) / 2, atol=1e-5)


def test_begins_with_noise(tanh):
    way = ThroughGenerator(generator=tanh, value_range=(-1, 1), deviation=2.0)
    [codes] = way.start(SPACE, 2000, seed=1)
    assert codes.std() == pytest.approx(2.0, rel=0.03)
    assert codes.mean() == pytest.approx(0.0, abs=0.1)
    np.testing.assert_array_equal(way.start(SPACE, 3, seed=1)[0], codes[:3])
    assert not np.array_equal(way.start(SPACE, 3, seed=2)[0], codes[:3])
    assert len(np.unique(codes)) == codes.size


def test_begins_with_given_codes(tanh, rng):
    given = rng.normal(size=(2, 3)).astype(np.float32)
    kept = given.copy()
    way = ThroughGenerator(generator=tanh, value_range=(-1, 1), codes=given)
    one = ThroughGenerator(generator=tanh, value_range=(-1, 1), codes=given[:1], low=[-9.0, 0.5, -9.0])
    given[:] = 0
    np.testing.assert_array_equal(way.start(SPACE, 2, seed=1)[0], kept)
    np.testing.assert_array_equal(
        one.start(SPACE, 3, seed=1)[0], np.repeat(np.maximum(kept[:1], [[-9, 0.5, -9]]), 3, 0)
    )
    with pytest.raises(InputError, match="2 codes to begin with, for 4 images"):
        way.start(SPACE, 4, seed=1)


def test_project_clips_and_then_decays(tanh):
    way = ThroughGenerator(generator=tanh, value_range=(-1, 1), low=0.0, high=[1.0, 2.0, 3.0], decay=0.9)
    [codes] = way.project([tf.constant([[-1.0, 1.5, 9.0], [1.05, 2.5, 0.5]])], SPACE)
    # The other order would leave 0.945 and 2 in the second row.
    np.testing.assert_allclose(codes, [[0, 1.35, 2.7], [0.9, 1.8, 0.45]], atol=1e-6)
    [begun] = way.start(SPACE, 200, seed=0)
    assert begun.min() == 0
    assert begun.max(axis=0)[0] == 1


@pytest.mark.parametrize(
    ("bounds", "then"), [({"low": -1.0}, [-0.5, 2.5]), ({"high": 3}, [-1.0, 1.5]), ({}, [-1, 2.5])]
)
def test_one_bound_or_none(tanh, bounds, then):
    way = ThroughGenerator(generator=tanh, value_range=(-1, 1), decay=0.5, **bounds)
    [codes] = way.project([tf.constant([[-2.0, 5.0, 0.0]])], SPACE)
    np.testing.assert_allclose(codes, [[*then, 0.0]], atol=1e-6)


def test_codes_that_are_maps_of_any_size(rng):
    convolution = L.Conv2D(1, 1, use_bias=False, name="convolution")
    model = keras.Sequential([keras.Input((None, None, 2)), convolution])
    convolution.set_weights([np.array([[[[1.0], [-2.0]]]])])
    given = rng.normal(size=(1, 4, 6, 2)).astype(np.float32)
    way = ThroughGenerator(generator=model, value_range=(-np.inf, np.inf), codes=given, high=[[[0.5, 9]]])
    space = ImageSpace(4, 6, 1)
    codes = way.start(space, 2, seed=0)
    np.testing.assert_allclose(
        images_of(way, codes[0], space)[1, ..., 0], np.minimum(given[0, ..., 0], 0.5) - 2 * given[0, ..., 1], atol=1e-5
    )
    with pytest.raises(SettingError, match="Give codes="):
        ThroughGenerator(generator=model, value_range=(0, 1)).start(space, 1, seed=0)


def test_gradients_reach_the_codes(tanh, rng):
    codes, pull = rng.normal(size=(1, 3)), rng.normal(size=(7, 5, 1))
    space = ImageSpace(7, 5, 1, 0.0, 1.0)
    way = ThroughGenerator(generator=tanh, value_range=(-1, 1))

    @tf.function(autograph=False)
    def gradient(codes):
        score = tf.reduce_sum(way.images([codes], space) * tf.constant(pull, tf.float32))
        return tf.gradients(score, codes)[0][0]

    def pulled(codes):
        return ((resizing.linear(made(codes)[0], (7, 5)) + 1) / 2 * pull).sum()

    slopes = [(pulled(codes + step) - pulled(codes - step)) / 2e-5 for step in 1e-5 * np.eye(3)]
    np.testing.assert_allclose(gradient(tf.constant(codes, tf.float32)), slopes, rtol=1e-4)


@pytest.mark.slow
def test_runs_in_inference_mode_and_shares_its_weights(rng):
    model = keras.Sequential(
        [keras.Input((3,)), L.Dense(24, use_bias=False, name="dense"), L.BatchNormalization(), L.Dropout(0.5)]
    )
    model.add(L.Reshape((4, 6, 1)))
    codes = rng.normal(size=(5, 3)).astype(np.float32)
    way = ThroughGenerator(generator=model, value_range=(-np.inf, np.inf))
    before = [weight.numpy() for weight in model.weights]
    np.testing.assert_allclose(images_of(way, codes, ImageSpace(4, 6, 1)), model.predict(codes, verbose=0), atol=1e-5)
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
    model.layers[0].set_weights([KERNEL])
    np.testing.assert_allclose(
        images_of(way, codes, ImageSpace(4, 6, 1)), made(codes, lambda x: x / np.sqrt(1 + 1e-3)), atol=1e-5
    )


def test_settings(tanh):
    way = ThroughGenerator(generator=tanh, value_range=(-1, 1), low=0, high=np.float32([1, 2, 3]), decay=0.75)
    assert json.loads(json.dumps(way.settings())) == {
        "parametrization": "generator",
        "generator": tanh.name,
        "value_range": [-1.0, 1.0],
        "low": 0.0,
        "high": [1.0, 2.0, 3.0],
        "decay": 0.75,
        "deviation": 1.0,
        "codes": None,
    }
    assert ThroughGenerator(generator=tanh, value_range=(-np.inf, np.inf)).settings()["value_range"] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [
        {"low": [1.0, 2.0]},
        {"high": np.nan},
        {"high": "3x"},
        {"low": [[0.0], [1.0, 2.0]]},
        {"decay": 0},
        {"decay": 1.01},
        {"deviation": -1},
        {"value_range": (1, -1)},
        {"value_range": (0, np.inf)},
        {"value_range": 3},
        {"value_range": (0, 0.5, 1)},
    ],
)
def test_refused_settings(tanh, setting):
    with pytest.raises(SettingError, match=f"{next(iter(setting))}="):
        ThroughGenerator(**{"generator": tanh, "value_range": (-1, 1), **setting})


def test_refused_combinations(tanh):
    with pytest.raises(SettingError, match="low is above high"):
        ThroughGenerator(generator=tanh, value_range=(-1, 1), low=[0, 0, 2], high=1)
    with pytest.raises(InputError, match=r"\(None, 3\)"):
        ThroughGenerator(generator=tanh, value_range=(-1, 1), codes=np.zeros((2, 4)))
    way = ThroughGenerator(generator=tanh, value_range=(-1, 1))
    with pytest.raises(SettingError, match=r"1 channels.* 3, as the network takes"):
        way.start(ImageSpace(4, 6, 3, 0.0, 1.0), 1, seed=0)
    with pytest.raises(SettingError, match="images have none"):
        way.start(ImageSpace(4, 6, 1), 1, seed=0)
    with pytest.raises(SettingError, match="cannot begin from an image"):
        way.parameters_of(np.zeros((1, 4, 6, 1)), SPACE)


def test_refused_models(tanh):
    with pytest.raises(ModelError, match="one input of floating-point codes"):
        ThroughGenerator(generator=keras.Sequential([keras.Input((3,)), L.Dense(4)]), value_range=(0, 1))
    two = keras.Input((3,)), keras.Input((3,))
    conditional = keras.Model(two, tanh(L.Add()(two)))
    with pytest.raises(ModelError, match=r"Make a keras.Model around it"):
        ThroughGenerator(generator=conditional, value_range=(0, 1))
    words = keras.Sequential([keras.Input((6,), dtype="int32"), L.Embedding(4, 4), L.Reshape((4, 6, 1))])
    with pytest.raises(ModelError, match="floating-point codes"):
        ThroughGenerator(generator=words, value_range=(0, 1))
