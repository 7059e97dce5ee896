"""`kv.explain`: methods by name, and the explainers that it keeps."""

import gc
import weakref

import keras
import numpy as np
import pytest
import zoo
from zoo_cases import EACH_METHOD, case_of, zeros_allowed

import kerasviz as kv
from kerasviz.attribution import one_call
from kerasviz.errors import LoadError, ModelError, SettingError


class Executed(keras.layers.Layer):
    """Counts how often Python runs it: once per trace."""

    count = 0

    def call(self, x):
        Executed.count += 1
        return x


@pytest.fixture
def model():
    inputs = keras.Input((6, 5, 2))
    x = keras.layers.Conv2D(3, 3, activation="relu", name="conv")(inputs)
    x = Executed()(keras.layers.Conv2D(3, 1, activation="relu", name="mixing")(x))
    return zoo.randomize(keras.Model(inputs, zoo.head(x)), seed=2)


@pytest.fixture
def images():
    return zoo.images(6, 5, 2)


@pytest.mark.slow
@pytest.mark.parametrize("method", EACH_METHOD)
def test_equals_the_class_of_that_name(method):
    case = case_of("conv1d")
    kind = kv.attribution.methods()[method]
    by_name = kv.explain(case.model, case.inputs, method, 1)
    np.testing.assert_array_equal(by_name.values, kind(case.model)(case.inputs, 1).values)
    assert by_name.method == method


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("grad_cam", "grad_cam"),
        ("Grad-CAM", "grad_cam"),
        ("GradCAM", "grad_cam"),
        ("grad cam", "grad_cam"),
        ("grad-cam++", "grad_cam_plus_plus"),
        ("GradCAMPlusPlus", "grad_cam_plus_plus"),
        ("XGrad-CAM", "xgrad_cam"),
        ("cam", "cam"),
    ],
)
def test_spellings(spelling, name):
    assert one_call.method_name(spelling) == name


def test_unknown_methods_and_settings(model, images):
    with pytest.raises(SettingError, match="Did you mean 'grad_cam'"):
        kv.explain(model, images, "grdcam")
    with pytest.raises(SettingError, match="Choose one of these"):
        kv.explain(model, images, "xyz")
    with pytest.raises(SettingError, match="no setting 'lyer'"):
        kv.explain(model, images, "grad_cam", lyer="conv")
    with pytest.raises(SettingError, match="no setting 'explainer'"):
        kv.explain(model, images, "smooth_grad", explainer=1)


def test_the_same_call_is_traced_once(model, images):
    with zeros_allowed():
        kv.explain(model, images, target=1, layer="conv")
        before = Executed.count
        for number in range(1, 4):
            kv.explain(model, images[:number], "Grad-CAM", number, layer="conv")
        assert Executed.count == before
        kv.explain(model, images, target=1, layer="conv", resize=False)
        assert Executed.count > before
        kv.explain(model, images, target=1, layer=["conv", "conv"])
        before = Executed.count
        kv.explain(model, images, target=1, layer=["conv", "conv"])
        assert Executed.count == before


def test_settings_that_are_equal_but_of_another_type_are_another_call(model, images):
    kv.explain(model, images, "smooth_grad", 1, samples=1)
    with pytest.raises(SettingError, match="samples=True"):
        kv.explain(model, images, "smooth_grad", 1, samples=True)


def test_settings_that_cannot_be_hashed(model, images):
    baseline = np.ones((6, 5, 2))
    found = kv.explain(model, images, "integrated_gradients", 1, baseline=baseline)
    np.testing.assert_array_equal(found.values, kv.IntegratedGradients(model, baseline=baseline)(images, 1).values)


@pytest.mark.slow
@pytest.mark.parametrize("change", ["activation", "held function"])
def test_a_replaced_activation_is_seen(change):
    inputs = keras.Input((6, 5, 2))
    block = zoo.Residual(2, name="block")
    x = block(keras.layers.Conv2D(2, 3, activation="relu", name="conv")(inputs))
    model = zoo.randomize(keras.Model(inputs, zoo.head(x)))
    images = zoo.images(6, 5, 2)
    before = kv.explain(model, images, "saliency", 1).values
    if change == "activation":
        model.get_layer("conv").activation = keras.activations.tanh
    else:
        block.act = keras.activations.tanh
    after = kv.explain(model, images, "saliency", 1).values
    np.testing.assert_array_equal(after, kv.Saliency(model)(images, 1).values)
    assert np.abs(after - before).max() > 0.01 * np.abs(before).max()


def test_a_removed_softmax_is_seen(model, images):
    """The usual idiom; the scores stay what they were, as the softmax was never in them."""
    before = kv.explain(model, images, "saliency", kv.targets.ClassScore(1, probability=True)).values
    model.get_layer("predictions").activation = keras.activations.linear
    after = kv.explain(model, images, "saliency", kv.targets.ClassScore(1, probability=True)).values
    np.testing.assert_allclose(after, kv.explain(model, images, "saliency", 1).values, rtol=1e-6)
    assert np.abs(after - before).max() > 0.1 * np.abs(after).max()


@pytest.mark.parametrize("name", sorted(zoo.ZOO))
def test_running_and_training_a_model_makes_no_new_explainer(name):
    specimen = zoo.ZOO[name]()
    before = one_call._fingerprint(specimen.model)
    specimen.model(specimen.inputs, training=False)
    specimen.model.compile("sgd", "mse")
    specimen.model.predict(specimen.inputs, verbose=0) if name in ("functional", "subclassed", "shared_layer") else None
    assert one_call._fingerprint(specimen.model) == before


def test_explainers_go_with_their_model(images):
    model = zoo.ZOO["nested_in_sequential"]().model
    pictures = zoo.images(12, 10, 3)
    kept = len(one_call._made)
    for method in ("saliency", "guided_backprop"):
        kv.explain(model, pictures, method, 3)
    kv.explain(model, pictures, "saliency", kv.targets.Channel(model.get_layer("base").get_layer("conv1"), 1))
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert len(one_call._made) <= kept


@pytest.mark.slow
def test_only_the_last_used_are_kept(model, images, monkeypatch):
    monkeypatch.setattr(one_call, "_KEPT", 3)
    for seed in range(one_call._KEPT + 3):
        kv.explain(model, images, "smooth_grad", 1, samples=1, seed=seed)
        kv.explain(model, images, "saliency", 1)
    made = one_call._made[model]
    assert len(made) == one_call._KEPT
    assert any(key[0] == "saliency" for key in made)


def test_a_saved_model_by_its_path(tmp_path, images, model):
    bare = zoo.ZOO["functional"]().model
    bare.save(tmp_path / "model.keras")
    pictures = zoo.images(12, 10, 3)
    found = kv.explain(tmp_path / "model.keras", pictures, "saliency", 1)
    np.testing.assert_allclose(found.values, kv.Saliency(bare)(pictures, 1).values, rtol=1e-6)
    np.testing.assert_allclose(kv.Saliency(str(tmp_path / "model.keras"))(pictures, 1).values, found.values)
    with pytest.raises(LoadError, match="no file"):
        kv.explain(tmp_path / "other.keras", pictures)


def test_what_is_no_model(images):
    with pytest.raises(ModelError, match="function"):
        kv.explain(lambda x: x, images)
    with pytest.raises(ModelError, match="not built"):
        kv.explain(keras.Sequential([keras.layers.Dense(3)]), images)
