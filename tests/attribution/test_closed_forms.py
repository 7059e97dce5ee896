"""Networks so simple that every map is known."""

import keras
import numpy as np
import pytest
import zoo
from keras import layers as L

import kerasviz as kv


@pytest.fixture(scope="module")
def linear():
    """A linear model of an image, its kernel as `(3, H, W, C)` and two images."""
    model = keras.Sequential([keras.Input((4, 5, 3)), L.Flatten(), L.Dense(3, activation="softmax")])
    zoo.randomize(model)
    kernel = model.get_weights()[0].reshape(4, 5, 3, 3).transpose(3, 0, 1, 2)
    return model, kernel, zoo.images(4, 5, 3, count=2)


def test_linear_saliency_is_the_weights(linear):
    model, kernel, images = linear
    np.testing.assert_allclose(kv.Saliency(model)(images, [0, 2]).values, kernel[[0, 2]], rtol=1e-6)


def test_linear_saliency_of_simonyan_is_the_largest_weight_over_channels(linear):
    model, kernel, images = linear
    explanation = kv.Saliency(model, reduce="max_abs")(images, [1, 2])
    np.testing.assert_allclose(explanation.values, np.abs(kernel[[1, 2]]).max(-1), rtol=1e-6)


def test_linear_input_x_gradient_is_each_pixels_share(linear):
    model, kernel, images = linear
    explanation = kv.InputXGradient(model)(images, 1)
    np.testing.assert_allclose(explanation.values, kernel[1] * images, rtol=1e-6)
    bias = model.get_weights()[1][1]
    np.testing.assert_allclose(explanation.values.sum((1, 2, 3)) + bias, explanation.score, rtol=1e-5)


@pytest.mark.parametrize("rule", ["gauss_legendre", "trapezoid", "left", "right", "middle"])
def test_linear_integrated_gradients_are_the_weights_times_the_way(linear, rule):
    model, kernel, images = linear
    baseline = zoo.images(4, 5, 3, count=2, seed=9)
    explanation = kv.IntegratedGradients(model, baseline=baseline, steps=3, rule=rule, gap=True)(images, 1)
    np.testing.assert_allclose(explanation.values, kernel[1] * (images - baseline), rtol=1e-5, atol=1e-6)
    assert np.abs(explanation.extras["completeness_gap"]).max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("samples", [1, 4])
def test_linear_smoothgrad_is_the_weights_whatever_the_noise(linear, samples):
    model, kernel, images = linear
    for statistic, expected in (("mean", kernel[2]), ("square", kernel[2] ** 2), ("variance", np.zeros((4, 5, 3)))):
        explain = kv.SmoothGrad(model, samples=samples, noise=0.5, statistic=statistic)
        if statistic == "variance":
            with pytest.warns(kv.errors.KerasvizWarning, match="zero everywhere"):
                explanation = explain(images, 2)
        else:
            explanation = explain(images, 2)
        np.testing.assert_allclose(explanation.values, np.stack([expected] * 2), rtol=1e-5)
        assert explanation.signed is (statistic == "mean")


@pytest.mark.parametrize("method", [kv.GuidedBackprop, kv.DeconvNet, kv.GuidedGradCAM])
def test_linear_models_have_no_rule_to_apply(linear, method):
    with pytest.raises(kv.errors.RuleError, match="no rectifier"):
        method(linear[0])


@pytest.fixture(scope="module")
def one_conv():
    """The one-convolution network of captum's tests, laid out channels last."""
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            L.Conv2D(2, 3, name="conv"),
            L.ReLU(name="relu"),
            L.Flatten(name="flatten"),
            L.Dense(1, name="score"),
        ]
    )
    head = np.array([1, 1, 1, -1, 1, -1, 1, -1.0])[:, None]
    model.set_weights([np.ones((3, 3, 1, 2)), np.array([-50.0, -75]), head, np.zeros(1)])
    return model, np.arange(16, dtype="float32").reshape(1, 4, 4, 1)


ONE_CONV = {
    "saliency": [[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]],
    "guided_backprop": [[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]],
    "deconvnet": [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]],
}


@pytest.mark.parametrize("method", ONE_CONV)
def test_captums_network_under_each_rule(one_conv, method):
    model, image = one_conv
    explanation = kv.explain(model, image, method)
    np.testing.assert_allclose(explanation.values[0, ..., 0], ONE_CONV[method], atol=1e-5)
    np.testing.assert_allclose(explanation.score, 54)


def test_captums_network_input_x_gradient(one_conv):
    model, image = one_conv
    expected = image[0, ..., 0] * np.array(ONE_CONV["saliency"])
    np.testing.assert_allclose(kv.InputXGradient(model)(image).values[0, ..., 0], expected, atol=1e-5)


def test_captums_network_grad_cam(one_conv):
    """Before the ReLU of the network, and behind it."""
    model, image = one_conv
    before = kv.GradCAM(model, "conv", resize=False)(image).values[0]
    np.testing.assert_allclose(before, [[11.25, 13.5], [20.25, 22.5]], rtol=1e-6)
    behind = kv.GradCAM(model, "relu", resize=False)(image).values[0]
    np.testing.assert_allclose(behind, [[0, 4], [28, 32.5]], rtol=1e-6)


def test_captums_network_integrated_gradients(one_conv):
    model, image = one_conv
    explanation = kv.IntegratedGradients(model, steps=2000, rule="trapezoid", gap=True, batch_size=500)(image)
    np.testing.assert_allclose(explanation.values.sum(), 54, rtol=2e-3)
    np.testing.assert_allclose(explanation.values[0, 3, :, 0], [3.705, 7.624, 8.211, 4.166], rtol=5e-3)
    np.testing.assert_allclose(
        explanation.extras["completeness_gap"], explanation.values.sum((1, 2, 3)) - 54, rtol=1e-3, atol=1e-4
    )


A = np.array([[[1, 2], [0, 3]], [[2, 0], [1, 1.0]]]).transpose(1, 2, 0)
G = np.array([[[0.5, -0.5], [0, 1]], [[-1, 0.25], [0.5, -0.25]]]).transpose(1, 2, 0)


@pytest.fixture(scope="module")
def by_hand():
    """The score Σ g·A of a feature map A that is the input itself."""
    inputs = keras.Input((2, 2, 2))
    x = L.Activation("linear", name="map")(inputs)
    model = keras.Model(inputs, L.Dense(1, use_bias=False)(L.Flatten()(x)))
    model.set_weights([G.reshape(-1, 1)])
    return model


def test_grad_cam_by_hand(by_hand):
    """Channel weights .25 and -.125."""
    explain = kv.GradCAM(by_hand, "map")
    np.testing.assert_allclose(explain(A[None]).values[0], [[0, 0.5], [0, 0.625]], rtol=1e-6)
    against = explain(A[None], lambda scores: -scores[:, 0])
    np.testing.assert_allclose(against.values[0], [[0, 0], [0.125, 0]], rtol=1e-6)


def test_grad_cam_by_hand_of_a_pooled_map():
    """CAM with the weights .6 and -.2 and the bias .1: map [[.2, 1.2], [-.2, 1.6]], score .8."""
    inputs = keras.Input((2, 2, 2))
    x = L.GlobalAveragePooling2D()(L.Activation("linear", name="map")(inputs))
    model = keras.Model(inputs, L.Dense(1)(x))
    model.set_weights([np.array([[0.6], [-0.2]]), np.array([0.1])])
    explanation = kv.GradCAM(model, "map")(A[None])
    np.testing.assert_allclose(explanation.values[0], np.array([[0.2, 1.2], [0, 1.6]]) / 4, rtol=1e-5)
    np.testing.assert_allclose(explanation.score, 0.8, rtol=1e-6)


def test_grad_cam_is_cam_over_the_number_of_positions():
    inputs = keras.Input((9, 7, 3))
    x = L.Conv2D(6, 3, activation="relu", name="conv")(inputs)
    model = zoo.randomize(keras.Model(inputs, zoo.head(x)))
    images = zoo.images(9, 7, 3)
    features = keras.Model(inputs, x)(images).numpy()
    cam = features @ model.get_layer("predictions").kernel.numpy()[:, 2]
    explanation = kv.GradCAM(model, resize=False)(images, 2)
    np.testing.assert_allclose(explanation.values, np.maximum(cam, 0) / (7 * 5), rtol=1e-5, atol=1e-7)
    bias = model.get_layer("predictions").bias.numpy()[2]
    np.testing.assert_allclose(cam.mean((1, 2)) + bias, explanation.score, rtol=1e-5)


class Formula(L.Layer):
    """The score 5x + y² + sin z of PAIR's tests."""

    def call(self, x):
        return (5 * x[:, 0] + x[:, 1] ** 2 + keras.ops.sin(x[:, 2]))[:, None]


def test_integrated_gradients_of_a_sum_of_functions_are_its_parts():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, Formula()(inputs))
    x, base = np.array([[1.0, 2, 3]]), np.array([[-1.0, 0.5, -2]])
    parts = np.array([[5 * 2, 4 - 0.25, np.sin(3) - np.sin(-2)]])
    explanation = kv.IntegratedGradients(model, baseline=base)(x, 0)
    np.testing.assert_allclose(explanation.values, parts, rtol=1e-5)
    np.testing.assert_allclose(kv.Saliency(model)(x, 0).values, [[5, 4, np.cos(3)]], rtol=1e-5)


class OneMinus(L.Layer):
    """The saturating function 1 - ReLU(1 - x)."""

    def call(self, x):
        return 1 - keras.ops.relu(1 - x)


@pytest.mark.parametrize(("rule", "expected"), [("trapezoid", 0.98), ("left", 1.0), ("middle", 1.0)])
def test_integrated_gradients_where_the_gradient_saturates(rule, expected):
    """At x = 2 the gradient is 0; the kink lies on the 25th of the points, where ReLU counts as inactive."""
    inputs = keras.Input((1,))
    model = keras.Model(inputs, OneMinus()(inputs))
    explain = kv.IntegratedGradients(model, steps=50, rule=rule, gap=True)
    explanation = explain(np.array([[2.0]]))
    np.testing.assert_allclose(explanation.values, [[expected]], rtol=1e-5)
    np.testing.assert_allclose(explanation.extras["completeness_gap"], [expected - 1], atol=1e-6)
    with pytest.warns(kv.errors.KerasvizWarning, match="zero everywhere"):
        assert not kv.Saliency(model)(np.array([[2.0]])).values.any()


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients"])
def test_networks_that_compute_the_same_get_the_same_map(method):
    """Implementation invariance, Sundararajan et al. 2017, section 2.2: the two networks of their figure 7."""

    def first(x):
        return keras.ops.relu(keras.ops.relu(x[:, :1]) - 1 - keras.ops.relu(x[:, 1:]))

    def second(x):
        z1, z2 = keras.ops.relu(x[:, :1] - 1), keras.ops.relu(x[:, 1:])
        return keras.ops.relu(z1 - z2)

    values = []
    for function in (first, second):
        inputs = keras.Input((2,))
        model = keras.Model(inputs, function(inputs))
        values.append(kv.explain(model, np.array([[3.0, 1.0]]), method).values)
    np.testing.assert_allclose(values[0], values[1], rtol=1e-6)
