"""What cannot be tested is refused before anything is trained, and the error says why."""

import keras
import numpy as np
import pytest
from learners import CLASSES, clusters, mlp

from kerasviz.errors import InputError, ModelError, SettingError, TargetError
from kerasviz.generalization.randomization.running import RandomizationTest
from kerasviz.generalization.randomization.settings import Regularization

IMAGES, LABELS = clusters(12, seed=1)


def layered(*layers, loss="sparse_categorical_crossentropy", shape=(4, 6, 1), dtype=None):
    model = keras.Sequential([keras.Input(shape, dtype=dtype), *layers])
    model.compile("sgd", loss)
    return model


def uncompiled():
    return keras.Sequential([keras.Input((4, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])


def never():
    raise AssertionError("It was built")


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"epochs": 0}, SettingError, "epochs=0"),
        ({"batch_size": 1.5}, SettingError, "batch_size=1.5"),
        ({"probes": 0}, SettingError, "probes=0"),
        ({"every": 0}, SettingError, "every=0"),
        ({"fitted": 1.2}, SettingError, "fitted=1.2"),
        ({"seed": -1}, SettingError, "seed=-1"),
        ({"radius": -1}, SettingError, "radius=-1"),
        ({"search": "random"}, SettingError, "search='random'"),
        ({"data": ("true", "noise")}, SettingError, "data='noise'.*'gaussian'"),
        ({"data": ()}, SettingError, "data is empty"),
        ({"data": ("true", "true")}, SettingError, "each data set once"),
        ({"corruption": (0.2, 1.2)}, SettingError, "share=1.2"),
        ({"corruption": ()}, None, None),
        ({"data": "corrupted", "corruption": ()}, SettingError, "each data set once"),
        ({"regularizations": {}}, SettingError, "regularizations={}"),
        ({"regularizations": ["dropout"]}, SettingError, r"regularizations=\['dropout'\]"),
        ({"regularizations": {"a": 3}}, SettingError, "build=3"),
        ({"regularizations": {"a": Regularization(early_stopping=2)}}, SettingError, "'a' stops early"),
        ({"validation": IMAGES}, InputError, "validation is a ndarray"),
        ({"validation": (IMAGES[:, :3], LABELS)}, InputError, "those of the training data"),
        ({"validation": (IMAGES, LABELS[:5])}, InputError, "Validation images have the shape"),
        ({"validation": (IMAGES, np.eye(4)[LABELS])}, InputError, "those of the training data"),
    ],
)
def test_settings_are_checked_before_a_model_is_built(settings, error, match):
    if error is None:
        with pytest.raises(AssertionError, match="It was built"):
            RandomizationTest(never, IMAGES, LABELS, **settings)
        return
    with pytest.raises(error, match=match):
        RandomizationTest(never, IMAGES, LABELS, **settings)


@pytest.mark.parametrize(
    ("images", "labels", "match"),
    [
        (IMAGES[0, :, 0, 0], LABELS, "Images have the shape"),
        (IMAGES, LABELS[:5], "Images have the shape"),
        (IMAGES, LABELS - 1, "runs from -1"),
        (IMAGES, np.full((12, 4), 0.25), "not one-hot"),
    ],
)
def test_data_are_checked_before_a_model_is_built(images, labels, match):
    with pytest.raises(InputError, match=match):
        RandomizationTest(never, images, labels)


def test_regularizations_are_checked():
    for wrong in ({"early_stopping": 0}, {"build": [1]}, {"critical": 0.1}, {"build": {3: 4}}):
        with pytest.raises(SettingError):
            Regularization(**wrong)


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        # A model can be called, but makes no models.
        (mlp(), SettingError, "build=<Sequential"),
        ("mlp", SettingError, "build='mlp'"),
        (lambda: 3, ModelError, "build returned a int and no Keras model"),
        (uncompiled, ModelError, "build returned a Sequential that is not compiled"),
        (lambda units: mlp(units), SettingError, "build cannot be called with {}: missing"),
        (lambda: layered(keras.layers.Dense(4)), TargetError, r"shape \(None, 4, 6, 4\)"),
        (lambda: layered(keras.layers.Flatten(), keras.layers.Dense(1), loss="mse"), TargetError, "no sigmoid"),
        (
            lambda: layered(keras.layers.Flatten(), keras.layers.Dense(3, "softmax")),
            InputError,
            "labels runs from 0 to 3",
        ),
        (
            lambda: layered(keras.layers.Flatten(), keras.layers.Dense(4, "softmax"), shape=(6, 6, 1)),
            InputError,
            r"has the shape \(\d+, 4, 6, 1\)",
        ),
        (lambda: mlp(loss="categorical_crossentropy"), InputError, r"The loss of .* labels of the shape \(2,\)"),
    ],
)
def test_models_are_checked_before_any_training(build, error, match, monkeypatch):
    monkeypatch.setattr(keras.Model, "fit", None)
    with pytest.raises(error, match=match):
        RandomizationTest(build, IMAGES, LABELS)


def test_build_must_return_new_models_that_the_seed_settles():
    model = mlp()
    with pytest.raises(ModelError, match="the same model twice"):
        RandomizationTest(lambda: model, IMAGES, LABELS)
    rng = np.random.default_rng(0)

    def unsettled():
        model = mlp()
        model.layers[-1].bias.assign(rng.normal(size=CLASSES))
        return model

    with pytest.raises(ModelError, match="two different models from the same seed"):
        RandomizationTest(unsettled, IMAGES, LABELS)


@pytest.mark.slow
def test_all_regularizations_are_checked():
    for given, match in (
        ({"dropuot": 0.5}, "build cannot be called with {'dropuot': 0.5}.*unexpected keyword"),
        (Regularization(critical={"radius": 0.1, "radus": 0.5}), "critical=.*unexpected keyword argument 'radus'"),
        (Regularization(critical={"radius": -1}), "radius=-1"),
    ):
        with pytest.raises(SettingError, match=match):
            RandomizationTest(mlp, IMAGES, LABELS, regularizations={"none": {}, "b": given})

    def build(width=CLASSES):
        return layered(keras.layers.Flatten(), keras.layers.Dense(width, "softmax"))

    with pytest.raises(ModelError, match="'wide', build returns a model of 5 classes, not 4"):
        RandomizationTest(build, IMAGES, LABELS, regularizations={"none": {}, "wide": {"width": 5}})


@pytest.mark.slow
def test_images_that_no_network_should_see_are_refused():
    spoilt = IMAGES.copy()
    spoilt[7, 0, 0] = np.nan
    with pytest.raises(InputError, match="NaN or infinite"):
        RandomizationTest(mlp, spoilt, LABELS)
    with pytest.raises(InputError, match="NaN or infinite"):
        RandomizationTest(mlp, IMAGES, LABELS, validation=(spoilt, LABELS))

    def build():
        return layered(
            keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(4, "softmax"), dtype="uint8"
        )

    whole = np.zeros(IMAGES.shape, np.uint8)
    with pytest.raises(InputError, match="leave out the data set 'gaussian'"):
        RandomizationTest(build, whole, LABELS)
    found = RandomizationTest(build, whole, LABELS, data=("true", "random pixels"), epochs=1).run()
    assert found["true"].final["train_loss"] == found["random pixels"].final["train_loss"]
