"""Presets: which is taken, what replaces what, and that their pictures are of what was asked for."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasviz as kv
from kerasviz.data import shapes
from kerasviz.errors import SettingError
from kerasviz.synthesis.ascent import Setting
from kerasviz.synthesis.maximization import ActivationMaximization
from kerasviz.synthesis.parametrizations.pixels import Pixels
from kerasviz.synthesis.presets import PRESETS, Preset, preset_for
from kerasviz.synthesis.regularizers import Lp, TotalVariation
from kerasviz.synthesis.spaces import ImageSpace
from kerasviz.synthesis.transforms import Jitter, Pad, Rotate, Scale, standard

LARGE, LITTLE = ImageSpace(64, 48, 3, 0.0, 255.0), ImageSpace(8, 8, 1, 0.0, 16.0)


@pytest.mark.parametrize(
    ("space", "name"),
    [
        (LARGE, "natural"),
        (LITTLE, "small"),
        (ImageSpace(32, 32, 3), "natural"),
        (ImageSpace(31, 200, 3), "small"),
    ],
)
def test_auto_goes_by_the_shorter_side(space, name):
    assert preset_for("auto", space).name == name


def test_natural_moves_images_by_their_size():
    natural = preset_for("natural", LARGE)
    assert natural.transforms == standard(64, 48)
    assert natural.parametrization.name == "fourier"
    assert natural.parametrization.decorrelate is True
    assert (natural.steps, float(natural.optimizer.learning_rate)) == (512, pytest.approx(0.05))


def test_plain_is_the_objective_as_it_is():
    plain = preset_for("plain", LITTLE)
    assert (plain.transforms, plain.regularizers, plain.adjustments, plain.normalize) == ((), (), (), None)
    assert plain.parametrization == Pixels()


def test_penalties_of_keras_vis_are_about_the_middle():
    for space, center in ((LITTLE, 0.5), (ImageSpace(8, 8, 1), 0.0)):
        _, strength = preset_for("keras_vis", space).regularizers
        assert (strength.p, strength.center) == (6, center)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_setting_that_json_holds(name):
    preset = preset_for(name, LITTLE)
    assert preset.name == name
    made = Setting(space=LITTLE, **preset.setting())
    assert (made.parametrization, made.transforms, made.regularizers, made.optimizer) == (
        preset.parametrization,
        preset.transforms,
        preset.regularizers,
        preset.optimizer,
    )
    kept = json.loads(json.dumps(preset.settings()))
    assert (kept["preset"], kept["parametrization"]) == (name, preset.parametrization.name)
    assert [each["kind"] for each in kept["transforms"]] == [type(each).__name__ for each in preset.transforms]
    assert kept["optimizer"]["name"] == type(preset.optimizer).__name__


def test_what_is_given_replaces_what_is_not_stays():
    own = Preset(Pixels(), regularizers=[Lp(2.0)], normalize="rms", steps=7)
    assert preset_for(own, LARGE) is own
    changed = own.replaced(regularizers=[TotalVariation(1.0)], transforms=(), optimizer=None, normalize=None)
    assert changed.regularizers == (TotalVariation(1.0),)
    assert (changed.parametrization, changed.normalize, changed.steps) == (Pixels(), "rms", 7)
    assert changed.optimizer is own.optimizer
    assert own.regularizers == (Lp(2.0),)
    assert own.replaced(regularizers=()).regularizers == ()


@pytest.mark.parametrize("given", ["photo", 3, None])
def test_no_such_preset(given):
    with pytest.raises(SettingError, match="preset="):
        preset_for(given, LARGE)


def test_no_number_of_steps():
    with pytest.raises(SettingError, match="steps=0"):
        Preset(Pixels(), steps=0)


def shown_otherwise(model, images, times=8):
    """Which classes a model names for images, `(times, N)`, after moves that no preset makes."""
    moves = (Pad(6), Jitter(6), Scale(0.85, 1.15), Rotate(15))
    named = []
    for seed in range(times):
        seen = tf.constant(images / 255)
        for number, move in enumerate(moves):
            seen = move.transform(seen, tf.constant([1000 + seed, number]))
        named.append(model.predict(tf.image.resize(seen, images.shape[1:3]) * 255, verbose=0).argmax(1))
    return np.array(named)


@pytest.mark.slow
def test_natural_pictures_are_of_their_class_also_when_moved():
    model = shapes.shapes_model()
    made = ActivationMaximization(model, value_range=(0, 255))(list(range(10)), steps=192)
    assert model.predict(made.images, verbose=0).argmax(1).tolist() == list(range(10))
    assert (shown_otherwise(model, made.images) == np.arange(10)).mean() > 0.95
    # Not noise of high frequency, which plain pixels give: neighbours are alike.
    plain = ActivationMaximization(model, preset="plain", value_range=(0, 255))(list(range(10)), steps=192)
    assert likeness(made.images) > 0.35 > 0.25 > likeness(plain.images)


def likeness(images):
    """The mean correlation of neighbouring pixels."""
    left, right = images[:, :, :-1].reshape(len(images), -1), images[:, :, 1:].reshape(len(images), -1)
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(left, right, strict=True)])


@pytest.mark.slow
def test_small_pictures_are_nearest_to_digits_of_their_class():
    from sklearn.datasets import load_digits
    from sklearn.neighbors import KNeighborsClassifier

    digits = load_digits()
    keras.utils.set_random_seed(0)
    L = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            L.Rescaling(1 / 16),
            L.Conv2D(16, 3, padding="same"),
            L.BatchNormalization(),
            L.ReLU(max_value=6.0),
            L.Conv2D(32, 3, padding="same", activation="relu"),
            L.MaxPooling2D(),
            L.Flatten(),
            L.Dense(64, activation="relu"),
            L.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(digits.images[..., None], digits.target, epochs=20, batch_size=64, verbose=0)
    made = ActivationMaximization(model, value_range=(0, 16))(list(range(10)))
    assert made.settings["preset"] == "small"
    assert model.predict(made.images, verbose=0).max(1).min() > 0.99
    judge = KNeighborsClassifier(5).fit(digits.data, digits.target)
    assert (judge.predict(made.images.reshape(10, 64)) == np.arange(10)).sum() >= 9


@pytest.mark.slow
def test_natural_pictures_of_an_imagenet_network():
    model = kv.data.imagenet_model()
    made = ActivationMaximization(model, value_range=(0, 255))([130, 945], steps=64, look=32)
    assert model.predict(made.images, verbose=0).argmax(1).tolist() == [130, 945]
    assert (shown_otherwise(model, made.images, times=3) == [130, 945]).mean() > 0.8
