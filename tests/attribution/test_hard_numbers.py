"""Scores and gradients that are very large or very small, and heads of every kind."""

import keras
import numpy as np
import pytest
import zoo
from keras import layers as L
from zoo_cases import METHODS, SETTINGS

import kerasviz as kv

QUICK = ("saliency", "guided_backprop", "grad_cam")


def net(scale=1.0, head="softmax", classes=4, dtype=None, policy=None):
    """A small classifier whose head is scaled, and the same one unscaled without a head's activation."""

    def build(factor, activation, policy):
        with zoo.keras_policy(policy or "float32"):
            inputs = keras.Input((8, 7, 3))
            x = L.Conv2D(5, 3, activation="relu", name="conv")(inputs)
            x = L.GlobalAveragePooling2D()(x)
            model = keras.Model(inputs, L.Dense(classes, activation=activation, dtype=dtype, name="scores")(x))
        zoo.randomize(model)
        top = model.get_layer("scores")
        top.kernel.assign(top.kernel * factor)
        top.bias.assign(top.bias * factor)
        return model

    return build(scale, head, policy), build(1.0, None, None)


@pytest.mark.parametrize(
    "method",
    [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in METHODS],
)
@pytest.mark.parametrize(
    ("scale", "policy"), [(3e3, None), (1e-13, None), (1e-3, "mixed_float16")], ids=["saturated", "tiny", "half"]
)
def test_a_scaled_head_scales_the_map_and_keeps_its_shape(method, scale, policy):
    """Saturated: the softmax is 1 to the last digit. Tiny: gradients of 1e-13. Half: float16 would round to zero."""
    scaled, plain = net(scale, policy=policy)
    images = zoo.images(8, 7, 3)
    values = kv.attribution.explainer(scaled, method, **SETTINGS.get(method, {}))(images, 2).values / scale
    expected = kv.attribution.explainer(plain, method, **SETTINGS.get(method, {}))(images, 2).values
    if method in ("ablation_cam", "eigen_cam"):
        values = values * scale  # shares of the score, and no score at all
    if method in ("grad_cam_plus_plus", "prediction_difference"):
        return  # not linear in the score; see test_grad_cam_plus_plus_of_a_steep_head
    if method == "guided_grad_cam":
        values = values / scale  # a product of two gradients
        if scale == 1e-13:
            return  # 1e-26 is still a float32, but the ReLU's zeros blur the comparison
    assert np.abs(values - expected).max() <= 1e-5 * np.abs(expected).max()


def test_the_probability_of_a_saturated_softmax_has_no_gradient():
    """Which is why scores are taken before it."""
    model, _ = net(3e3)
    images = zoo.images(8, 7, 3, count=1)
    explain = kv.Saliency(model)
    assert np.abs(explain(images).values).max() > 1
    with pytest.warns(kv.errors.KerasvizWarning, match="zero everywhere"):
        explain(images, kv.targets.ClassScore(probability=True))


@pytest.mark.parametrize("head", ["softmax", "log_softmax", "sigmoid", None])
def test_the_head_changes_no_map(head):
    model, plain = net(head=head)
    images = zoo.images(8, 7, 3)
    expected = kv.Saliency(plain)(images, 1)
    explanation = kv.Saliency(model)(images, 1)
    np.testing.assert_allclose(explanation.values, expected.values, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(explanation.score, expected.score, rtol=1e-5)


@pytest.mark.parametrize("method", ["saliency", "guided_backprop", "grad_cam", "integrated_gradients"])
def test_both_classes_of_a_single_sigmoid(method):
    model, plain = net(head="sigmoid", classes=1)
    images = zoo.images(8, 7, 3)
    explain = kv.attribution.explainer(model, method)
    reference = kv.attribution.explainer(plain, method)
    for number, sign in ((0, -1), (1, 1)):
        values = explain(images, number)
        expected = reference(images, lambda scores, sign=sign: sign * scores[:, 0])
        np.testing.assert_allclose(values.values, expected.values, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(values.score, expected.score, rtol=1e-5)
    np.testing.assert_array_equal(explain(images).target, (plain(images).numpy()[:, 0] > 0).astype(int))


def test_a_softmax_that_cannot_be_taken_off_is_told_once():
    inputs = keras.Input((8, 7, 3))
    x = L.GlobalAveragePooling2D()(L.Conv2D(5, 3, activation="relu")(inputs))
    heads = [L.Dense(4, activation="softmax")(x) for _ in range(2)]
    model = zoo.randomize(keras.Model(inputs, L.Average(name="mean")(heads)))
    explain = kv.Saliency(model)
    with pytest.warns(kv.errors.KerasvizWarning, match="cannot be taken off") as caught:
        first = explain(zoo.images(8, 7, 3), 1)
    assert len(caught) == 1
    np.testing.assert_array_equal(explain(zoo.images(8, 7, 3), 1).values, first.values)
    np.testing.assert_allclose(first.score, model(zoo.images(8, 7, 3)).numpy()[:, 1], rtol=1e-5)


def test_networks_of_smooth_activations_have_no_rule():
    """As EfficientNet's: swish rectifies nothing."""
    inputs = keras.Input((8, 7, 3))
    x = L.Conv2D(5, 3, activation="swish")(inputs)
    x = L.Multiply()([x, L.Conv2D(5, 1, activation="sigmoid")(x)])
    model = zoo.randomize(keras.Model(inputs, zoo.head(x)))
    for method in (kv.GuidedBackprop, kv.DeconvNet, kv.GuidedGradCAM):
        with pytest.raises(kv.errors.RuleError, match=r"Saliency, SmoothGrad or IntegratedGradients.*smooth=True"):
            method(model)
    plain = kv.Saliency(model)(zoo.images(8, 7, 3), 1).values
    gated = kv.GuidedBackprop(model, smooth=True)(zoo.images(8, 7, 3), 1)
    assert np.abs(gated.values - plain).max() > 0.01 * np.abs(plain).max()
    assert gated.settings["smooth"] is True
