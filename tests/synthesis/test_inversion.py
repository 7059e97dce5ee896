"""Feature inversion and caricatures: closed forms on linear layers, and what they compare with."""

import keras
import numpy as np
import pytest
import zoo
from keras import layers as L

from kerasviz.errors import InputError, LayerError, SettingError
from kerasviz.synthesis.inversion import Caricature, FeatureInversion
from kerasviz.synthesis.parametrizations.pixels import Pixels

ANY = (-np.inf, np.inf)


@pytest.fixture(scope="module")
def linear():
    """A layer `Wx` that loses nothing, and `W`."""
    w, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(24, 24)))
    w = (w * np.linspace(0.7, 1.3, 24)).astype("float32")
    model = keras.Sequential(
        [keras.Input((4, 2, 3)), L.Flatten(), L.Dense(24, use_bias=False, name="linear"), L.Dense(3)]
    )
    model.layers[1].set_weights([w])
    return model, w


@pytest.fixture
def photographs():
    return zoo.images(4, 2, 3)


@pytest.mark.slow
def test_an_invertible_layer_gives_the_image_back(linear, photographs):
    invert = FeatureInversion(
        linear[0],
        "linear",
        value_range=ANY,
        parametrization=Pixels(),
        regularizers=(),
        optimizer=keras.optimizers.SGD(2.0, momentum=0.8),
        batch_size=2,
    )
    made = invert(photographs, steps=120)
    np.testing.assert_allclose(made.images, photographs, atol=1e-3)
    assert (np.abs(made.scores) < 1e-5).all()
    np.testing.assert_allclose(made.history["score"][0], -1, atol=0.05)
    assert made.names == ("match at linear",) * 3
    # Each after its own photograph, whatever else is in its batch.
    alone = invert(photographs[2:], steps=120)
    np.testing.assert_allclose(alone.images[0], photographs[2], atol=1e-3)


@pytest.mark.slow
def test_a_caricature_of_a_linear_layer_goes_along_its_transpose(linear, photographs):
    model, w = linear
    exaggerate = Caricature(
        model,
        "linear",
        cosine=0,
        value_range=ANY,
        parametrization=Pixels(deviation=0.0),
        transforms=(),
        regularizers=(),
        optimizer=keras.optimizers.SGD(1.0),
    )
    made = exaggerate(photographs, steps=3)
    found = photographs.reshape(3, 24) @ w
    wanted = 3 * found @ w.T / (found**2).sum(1, keepdims=True)
    np.testing.assert_allclose(made.images.reshape(3, 24), wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(made.scores, ((wanted @ w) * found).sum(1) / (found**2).sum(1), rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "same"), [(FeatureInversion, 0.0), pytest.param(Caricature, 1.0, marks=pytest.mark.slow)]
)
def test_a_photograph_has_its_own_activation(kind, same):
    """Through preprocessing and resizing alike, in networks of several inputs."""
    specimen = zoo.ZOO["image_and_table"]()
    image, table = specimen.model.inputs
    seen = []
    make = kind(
        specimen.model,
        "conv1",
        size=(15, 11),
        preprocess="tf",
        others={table.name: np.ones(table.shape[1:])},
        parametrization=Pixels(),
        input=image.name,
    )
    photographs = np.random.default_rng(0).uniform(0, 255, (2, 15, 11, 3))
    make(photographs, start=photographs, steps=1, callbacks=[lambda look: seen.append(look.scores)])
    np.testing.assert_allclose(seen[0], same, atol=1e-5)
    assert np.abs(seen[1] - same).max() > 1e-5


@pytest.mark.slow
def test_the_start_follows_the_seed_and_the_model_stays(linear, photographs):
    model, _ = linear
    before = model(photographs).numpy()
    invert = FeatureInversion(model, "linear", value_range=(-1, 1))
    first, again, other = (invert(photographs, steps=3, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)
    assert np.array_equal(model(photographs).numpy(), before)
    kept = first.settings
    assert (kept["method"], kept["layer"], kept["steps"], kept["seed"]) == ("feature_inversion", "linear", 3, 0)
    assert kept["regularizers"] == [{"kind": "TotalVariation", "weight": 3.0, "beta": 2.0}]


@pytest.mark.slow
def test_a_caricature_rolls_and_keeps_its_power(linear, photographs):
    made = Caricature(linear[0], "linear", cosine=3, value_range=(-1, 1))(photographs[:1], steps=1)
    assert made.settings["cosine"] == 3
    assert made.settings["transforms"] == [{"kind": "Roll", "pixels": 1}]


def test_wrong_arguments(linear, photographs):
    model, _ = linear
    with pytest.raises(LayerError):
        FeatureInversion(model, "nowhere", value_range=ANY)
    with pytest.raises(SettingError, match="cosine=-1"):
        Caricature(model, "linear", cosine=-1, value_range=ANY)
    with pytest.raises(SettingError, match="value_range"):
        FeatureInversion(model, "linear")
    invert = FeatureInversion(model, "linear", value_range=(-1, 1))
    with pytest.raises(InputError, match=r"\(4, 2, 3\)"):
        invert(photographs[0])
    with pytest.raises(InputError, match="outside of the range"):
        invert(photographs * 300)
    with pytest.raises(InputError, match=r"\(3, 4, 2, 3\)"):
        invert(photographs, start=photographs[:2])
