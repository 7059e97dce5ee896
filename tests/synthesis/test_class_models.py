"""Class models: the known optimum of linear networks, and what is done to the mean, the range and the settings."""

import keras
import numpy as np
import pytest
from keras import layers as L

from kerasviz.data import preprocess
from kerasviz.data.preprocessing import as_function
from kerasviz.errors import KerasvizWarning, SettingError, TargetError
from kerasviz.synthesis.class_models import ClassModel, unprepared


def linear(shape=(4, 6, 3), classes=5, activation=None, seed=0):
    """`S = w · x + b`, and `w` as an image for each class."""
    rng = np.random.default_rng(seed)
    model = keras.Sequential([keras.Input(shape), L.Flatten(), L.Dense(classes, activation=activation)])
    model.set_weights([rng.normal(0, 1, (int(np.prod(shape)), classes)), rng.normal(0, 1, classes)])
    return model, model.get_weights()[0].T.reshape(classes, *shape)


@pytest.fixture(scope="module")
def softmax():
    return linear(activation="softmax")


@pytest.fixture(scope="module")
def make(softmax):
    """Compiled once for two images, and once for one."""
    return ClassModel(softmax[0], weight=0.05, batch_size=2)


def test_optimum_of_a_linear_network(softmax, make):
    model, w = softmax
    seen = []
    made = make([1, 4, 0], keep="last", callbacks=[lambda look: seen.append(look)])
    wanted = w[[1, 4, 0]] / (2 * 0.05)
    assert np.abs(made.images - wanted).max() < 1e-3 * np.abs(wanted).max()
    # The score before the softmax, without the penalty.
    bias = model.get_weights()[1][[1, 4, 0]]
    np.testing.assert_allclose(made.scores, (w[[1, 4, 0]] * made.images).sum((1, 2, 3)) + bias, rtol=1e-4)
    np.testing.assert_allclose(made.history["penalty"][-1], 0.05 * (made.images**2).sum((1, 2, 3)), rtol=1e-4)
    assert not seen[0].images.any()
    assert made.names == ("class 1", "class 4", "class 0")
    assert not made.bounded


@pytest.mark.slow
def test_other_optimizers_reach_the_optimum(softmax):
    model, w = softmax
    made = ClassModel(model, weight=0.5, optimizer=keras.optimizers.Adam(0.05))(2, steps=400)
    np.testing.assert_allclose(made.images[0], w[2], atol=1e-3)


@pytest.mark.slow
def test_an_image_does_not_depend_on_its_batch_mates(make):
    alone, among = make(1, steps=20), make([0, 1], steps=20)
    np.testing.assert_allclose(alone.images[0], among.images[1], rtol=1e-4)
    assert np.abs(alone.images[0] - among.images[0]).max() > 1


def test_the_model_stays_as_it_is(softmax, make):
    model, _ = softmax
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype("float32")
    before, weights = model(x).numpy(), model.get_weights()
    make(1, steps=5)
    assert np.array_equal(model(x).numpy(), before)
    assert all(np.array_equal(new, old) for new, old in zip(model.get_weights(), weights, strict=True))


@pytest.mark.slow
def test_the_mean_costs_nothing_and_is_added(softmax):
    model, w = softmax
    mean = np.random.default_rng(1).normal(size=(4, 6, 3)).astype("float32")
    make = ClassModel(model, weight=0.5, mean=mean)
    made = make(2, steps=200)
    np.testing.assert_allclose(made.images[0], w[2] + mean, atol=2e-3)
    # The network saw the mean too.
    np.testing.assert_allclose(made.scores[0], (w[2] * made.images[0]).sum() + model.get_weights()[1][2], rtol=1e-4)
    assert make(2, steps=1).settings["mean"] == mean.tolist()


@pytest.mark.slow
def test_warns_where_steps_are_too_large_to_find_anything():
    image = keras.Input((2, 2, 1))
    model = keras.Model(image, L.Dense(2, kernel_initializer="ones")(keras.ops.sin(5 * L.Flatten()(image))))
    with pytest.warns(KerasvizWarning, match=r"for the images \[0\]: the steps were too large"):
        made = ClassModel(model, weight=1e-3)(0, steps=4, look=1)
    assert not made.images.any()
    found = ClassModel(model, weight=1e-3, optimizer=keras.optimizers.Adam(0.01))(0, steps=60)
    np.testing.assert_allclose(np.sin(5 * found.images), 1, atol=1e-2)


@pytest.mark.parametrize("mode", ["none", "scale", "tf", "torch", "caffe", "lite"])
def test_a_mode_is_undone(mode):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 3))
    np.testing.assert_allclose(unprepared(preprocess(pixels, mode), mode), pixels, atol=1e-3)


@pytest.mark.parametrize(("mode", "grey"), [("caffe", 0.0), pytest.param("scale", 0.5, marks=pytest.mark.slow)])
def test_pictures_become_the_optimum_by_their_mode(softmax, mode, grey):
    model, w = softmax
    made = ClassModel(model, weight=0.1, preprocess=mode)(3, steps=200, snapshots=[0])
    assert (made.low, made.high) == (0, 255)
    np.testing.assert_allclose(as_function(mode)(made.images[0]), w[3] / 0.2 + grey, atol=0.01)
    np.testing.assert_allclose(as_function(mode)(made.snapshots[0, 0]), np.full((4, 6, 3), grey), atol=1e-4)
    assert made.settings["preprocess"] == mode


def test_settings_that_make_it_again(make):
    kept = make(1, steps=7).settings
    assert (kept["method"], kept["weight"], kept["mean"], kept["steps"]) == ("class_model", 0.05, 0.0, 7)
    assert (kept["optimizer"]["momentum"], kept["optimizer"]["learning_rate"]) == pytest.approx((0.9, 0.2))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"weight": 0}, "grow without end"),
        ({"weight": -1.0}, "weight=-1"),
        ({"weight": 1.0, "preprocess": lambda x: x}, "inverse is not known"),
        ({"weight": 1.0, "preprocess": "tff"}, "Did you mean 'tf'"),
        ({"weight": 1.0, "mean": [1.0, 2.0]}, "mean="),
        ({"weight": 1.0, "mean": float("nan")}, "mean="),
        ({"weight": 1.0, "preprocess": "tf", "value_range": (0, 1)}, "Leave value_range out"),
        ({"weight": 1.0, "value_range": (1, 0)}, "value_range=(1, 0)"),
    ],
)
def test_wrong_settings(softmax, settings, said):
    with pytest.raises(SettingError) as error:
        ClassModel(softmax[0], **settings)
    assert said in str(error.value)


def test_colour_modes_want_colours():
    with pytest.raises(SettingError, match="of 1 channels"):
        ClassModel(linear((4, 4, 1))[0], weight=1.0, preprocess="caffe")


def test_no_such_class(softmax):
    with pytest.raises(TargetError, match="from 0 to 4"):
        ClassModel(softmax[0], weight=1.0)(5)
