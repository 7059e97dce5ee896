"""Activation maximization as a user meets it: objectives, ranges, presets, records; and known optima."""

import json

import keras
import numpy as np
import pytest
import zoo

import kerasviz as kv
from kerasviz.errors import InputError, ModelError, SettingError, TargetError
from kerasviz.objectives import channel, class_score, diversity, neuron
from kerasviz.synthesis import Fourier, Pixels
from kerasviz.synthesis.adjustments import L2Ball
from kerasviz.synthesis.regularizers import Lp
from kerasviz.synthesis.transforms import Jitter


@pytest.fixture(scope="module")
def linear():
    model = keras.Sequential([keras.Input((7, 5, 2)), keras.layers.Flatten(), keras.layers.Dense(3, name="scores")])
    return zoo.randomize(model)


@pytest.fixture(scope="module")
def weights(linear):
    """The image that each class is a dot product with, `(3, 7, 5, 2)`."""
    return linear.get_layer("scores").kernel.numpy().T.reshape(3, 7, 5, 2)


@pytest.fixture(scope="module")
def classifier():
    return zoo.ZOO["functional"]().model


@pytest.fixture(scope="module")
def maximize(classifier):
    return kv.ActivationMaximization(classifier, preset="plain", value_range=(-1, 1))


def cosine(one, other):
    return np.vdot(one, other) / np.linalg.norm(one) / np.linalg.norm(other)


@pytest.mark.slow
@pytest.mark.parametrize("parametrization", [Pixels(), Fourier()], ids=lambda way: way.name)
def test_the_optimum_of_a_linear_model_with_a_penalty(linear, weights, parametrization):
    maximize = kv.ActivationMaximization(
        linear,
        preset="plain",
        value_range=(-np.inf, np.inf),
        parametrization=parametrization,
        regularizers=(Lp(70.0),),
        optimizer=keras.optimizers.SGD(0.1),
    )
    made = maximize([0, 1, 2], steps=400)
    for image, weight in zip(made, weights, strict=True):
        # The mean of 70 squares, 70 times, is their sum: at w/2 the gradients of score and penalty are equal.
        np.testing.assert_allclose(image, weight / 2, atol=1e-3 * np.abs(weight).max())
        assert cosine(image, weight) > 0.999


def test_the_optimum_of_a_linear_model_in_a_ball(linear, weights):
    maximize = kv.ActivationMaximization(
        linear,
        preset="plain",
        value_range=(-np.inf, np.inf),
        adjustments=(L2Ball(3.0, center=0.0),),
        optimizer=keras.optimizers.SGD(1.0),
    )
    made = maximize([0, 1, 2], steps=60)
    for image, weight in zip(made, weights, strict=True):
        assert cosine(image, weight) > 0.999 and np.linalg.norm(image) == pytest.approx(3)


@pytest.mark.slow
def test_the_optimum_of_a_linear_model_in_a_box(linear, weights):
    maximize = kv.ActivationMaximization(
        linear, preset="plain", value_range=(-2, 2), optimizer=keras.optimizers.SGD(10.0)
    )
    made = maximize(class_score(1), steps=50)
    np.testing.assert_allclose(made[0], 2 * np.sign(weights[1]), atol=1e-5)
    assert (made.low, made.high) == (-2, 2)


@pytest.mark.slow
def test_differences_are_differences(linear, weights):
    maximize = kv.ActivationMaximization(
        linear, preset="plain", value_range=(-2, 2), optimizer=keras.optimizers.SGD(10.0)
    )
    made = maximize([class_score(1) - class_score(2), class_score(1) + class_score(2)], steps=50)
    np.testing.assert_allclose(made[0], 2 * np.sign(weights[1] - weights[2]), atol=1e-5)
    np.testing.assert_allclose(made[1], 2 * np.sign(weights[1] + weights[2]), atol=1e-5)
    assert made.names == ("class 1 - class 2", "class 1 + class 2")


def test_objectives_of_all_kinds_in_one_run(maximize, classifier):
    made = maximize([channel("conv2", 3), neuron("conv1", 2), 1, lambda scores: scores[:, 0]], steps=20)
    assert (made.scores > made.history["score"][0]).all()
    maps = kv.Network(classifier).activations(made.images, ["conv1", "conv2"])
    assert made.scores[0] == pytest.approx(maps["conv2"][0, ..., 3].mean(), rel=1e-4)
    assert made.scores[1] == pytest.approx(maps["conv1"][1, 6, 5, 2], rel=1e-4)
    assert made.names[1] == "neuron 2 in the middle of conv1"


@pytest.mark.slow
def test_several_images_of_one_objective(maximize):
    made = maximize(class_score(1) - 0.1 * diversity("conv2"), 3, steps=4)
    assert made.shape == (3, 12, 10, 3)
    assert len({image.tobytes() for image in made}) == 3


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_a_window_alone_is_enough_of_a_transform(classifier, count):
    maximize = kv.ActivationMaximization(classifier, preset="plain", transforms=[Jitter(1)], value_range=(-1, 1))
    made = maximize([0, 1][:count], steps=8)
    before = maximize([0, 1][:count], steps=1)
    assert made.shape[0] == count and (made.scores > before.scores).all()


def test_preprocessing_is_part_of_the_way(classifier):
    made = kv.ActivationMaximization(classifier, preset="plain", preprocess="tf")(2, steps=8)
    assert (made.low, made.high) == (0, 255) and made.images.max() > 1
    scores = kv.to_logits(classifier).predict(made.images / 127.5 - 1, verbose=0)
    np.testing.assert_allclose(made.scores, scores[:, 2], rtol=1e-4)


@pytest.mark.slow
def test_another_size_than_the_network_takes(classifier):
    made = kv.ActivationMaximization(classifier, preset="plain", size=(30, 20), value_range=(0, 1))(2, steps=4)
    assert made.shape == (1, 30, 20, 3) and made.scores[0] > made.history["score"][0, 0]


@pytest.mark.slow
def test_free_sizes_need_one():
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 3, name="conv")])
    with pytest.raises(SettingError, match="images of any size"):
        kv.ActivationMaximization(model, value_range=(0, 1))
    made = kv.ActivationMaximization(model, value_range=(0, 1), size=9)(channel("conv", 1), steps=2)
    assert made.shape == (1, 9, 9, 3)


@pytest.mark.slow
def test_the_same_again(maximize):
    first, again, other = (maximize([0, 1], steps=6, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.images, again.images)
    assert not np.allclose(first.images, other.images)


def test_from_an_image(maximize, rng):
    images = rng.uniform(-1, 1, (2, 12, 10, 3))
    made = maximize([0, 1], steps=4, images=images, snapshots=(0, 4))
    np.testing.assert_allclose(made.snapshots[0], images, atol=1e-6)
    assert made.settings["from_images"] is True


@pytest.mark.slow
def test_the_settings_tell_how_to_make_it_again(maximize):
    settings = json.loads(json.dumps(maximize([0], steps=3, seed=9).settings))
    assert settings["seed"] == 9 and settings["steps"] == 3 and settings["preset"] == "plain"
    assert settings["parametrization"] == "pixels" and settings["optimizer"]["name"] == "Adam"
    assert settings["method"] == "activation_maximization" and settings["size"] == [12, 10]


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong, error",
    [
        ({"value_range": None}, "value_range is not given"),
        ({"value_range": (1, 0)}, "value_range="),
        ({"value_range": "all"}, "value_range="),
        ({"size": (0, 3)}, "size="),
        ({"size": 2.5}, "size="),
        ({"preset": "pretty"}, "preset="),
        ({"preprocess": "imagenet"}, "preprocessing 'imagenet'"),
        ({"preprocess": lambda images: np.asarray(images) / 2}, "preprocessing"),
        ({"regularizers": (3,)}, "regularizers holds 3"),
        ({"normalize": "l3"}, "normalize"),
    ],
)
def test_wrong_settings(classifier, wrong, error):
    with pytest.raises(SettingError, match=error):
        kv.ActivationMaximization(classifier, **{"value_range": (-1, 1), **wrong})


@pytest.mark.parametrize("objective", [None, [None], "conv", [], [1, "conv"], 9, [channel("conv2", 99)]])
def test_wrong_objectives(maximize, objective):
    with pytest.raises(TargetError):
        maximize(objective, steps=1)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 12, 10, 3)),
        np.zeros((12, 10, 3)),
        np.full((1, 12, 10, 3), 2.0),
        np.full((1, 12, 10, 3), np.nan),
        np.full((1, 12, 10, 3), "a"),
    ],
    ids=["two", "no batch", "out of range", "nan", "text"],
)
def test_wrong_starts(maximize, images):
    with pytest.raises(InputError):
        maximize([0], steps=1, images=images)


def test_no_images_to_make(classifier):
    with pytest.raises(SettingError, match="Expected images"):
        kv.ActivationMaximization(zoo.ZOO["conv1d"]().model, value_range=(0, 1))
    with pytest.raises(ModelError):
        kv.ActivationMaximization(keras.layers.Dense(3), value_range=(0, 1))
