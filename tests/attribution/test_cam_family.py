"""The weightings of the class activation map family: by hand, against the references, and in closed form."""

import keras
import numpy as np
import pytest
import zoo
from keras import layers as L
from reference import cam_family, keras_eager
from zoo_cases import case_of, zeros_allowed

import kerasviz as kv
from kerasviz.errors import KerasvizWarning, ModelError, SettingError, TargetError

A = np.array([[[1, 2], [0, 3]], [[2, 0], [1, 1.0]]]).transpose(1, 2, 0)
G = np.array([[[0.5, -0.5], [0, 1]], [[-1, 0.25], [0.5, -0.25]]]).transpose(1, 2, 0)
BY_GRADIENT = sorted(cam_family.BY_GRADIENT)
OTHERS = ("regression", "binary", "time_distributed")


def by_hand(gradient=G, bias=0.0):
    """The score Σ g·A + bias of a feature map A that is the input itself."""
    inputs = keras.Input((*gradient.shape,))
    x = L.Activation("linear", name="map")(inputs)
    model = keras.Model(inputs, L.Dense(1)(L.Flatten()(x)))
    model.set_weights([gradient.reshape(-1, 1), np.array([bias])])
    return model


#: The sums over channels before the rectification. Eigen-CAM: AᵀA = [[14, 5], [5, 6]], its larger eigenvalue
#: 10 + √41, its vector (5, √41 - 4). Score-CAM's weights are 19/12 and 1/8; Ablation-CAM's 10/3 and -7/3.
EIGEN = np.array([5, np.sqrt(41) - 4]) / np.hypot(5, np.sqrt(41) - 4)
BY_HAND = {
    "grad_cam": [[0, 0.5], [-0.125, 0.625]],
    "grad_cam_plus_plus": [[0.641667, 0.45], [0.208333, 0.883333]],
    "layer_cam": [[0.5, 0], [0.5, 3]],
    "hires_cam": [[-1.5, -1], [0.5, 2.75]],
    "xgrad_cam": [[0.416667 - 0.875, 0.833333], [-0.4375, 1.25 - 0.4375]],
    "eigen_cam": A @ EIGEN,
    "score_cam": [[19 / 12 + 0.25, 19 / 6], [0.125, 4.75 + 0.125]],
    "ablation_cam": [[10 / 3 - 14 / 3, 20 / 3], [-7 / 3, 10 - 7 / 3]],
}


@pytest.mark.parametrize("method", BY_HAND)
def test_the_vectors_by_hand(method):
    expected = np.array(BY_HAND[method])
    for rectify in (True, False):
        explain = kv.attribution.explainer(by_hand(), method, layer="map", rectify=rectify)
        explanation = explain(np.stack([A, A]))
        wanted = np.maximum(expected, 0) if rectify else expected
        np.testing.assert_allclose(explanation.values, [wanted, wanted], rtol=1e-5, atol=1e-6)
        assert explanation.signed is not rectify
        np.testing.assert_allclose(explanation.score, [0.75, 0.75], rtol=1e-6)


@pytest.mark.parametrize("method", [*BY_GRADIENT])
def test_the_references_give_the_vectors_too(method):
    weights = cam_family.BY_GRADIENT[method](A, G)
    found = cam_family.weighted_sum(A, weights, rectify=False)
    np.testing.assert_allclose(found, BY_HAND[method], atol=1e-6)


#: Rectified maps under the negated gradient. The weights of Grad-CAM++ are .2 · .5 and 1/6 · 1 + 1/3 · .25.
AGAINST = {
    "grad_cam": [[0, 0], [0.125, 0]],
    "grad_cam_plus_plus": [[0.1 + 2 * 0.25, 0.2], [0.25, 0.3 + 0.25]],
    "layer_cam": [[2, 1], [0, 0.25]],
    "hires_cam": [[1.5, 1], [0, 0]],
    "xgrad_cam": [[0.875 - 0.416667, 0], [0.4375, 0]],
    "score_cam": [[0, 0], [0, 0]],
    "ablation_cam": [[4 / 3, 0], [7 / 3, 0]],
}


@pytest.mark.parametrize("method", AGAINST)
def test_counterfactuals_by_hand(method):
    expected = np.array(AGAINST[method])
    explain = kv.attribution.explainer(by_hand(), method, layer="map", counterfactual=True)
    with zeros_allowed():
        explanation = explain(A[None])
    np.testing.assert_allclose(explanation.values[0], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(explanation.score, [0.75], rtol=1e-6)


def test_eigen_cam_has_no_counterfactual():
    with pytest.raises(SettingError, match="counterfactual"):
        kv.EigenCAM(by_hand(), "map", counterfactual=True)


def test_eigen_cam_looks_at_no_class_and_its_sum_is_positive():
    model, images = by_hand(), np.stack([A, -A])
    explain = kv.EigenCAM(model, "map", rectify=False)
    first = explain(images).values
    np.testing.assert_array_equal(explain(images, lambda scores: -3 * scores[:, 0]).values, first)
    np.testing.assert_allclose(first[0], first[1], rtol=1e-5)
    assert (first.sum((1, 2)) > 0).all()


@pytest.mark.parametrize("method", ["grad_cam_plus_plus", "xgrad_cam"])
def test_denominators_of_zero_give_no_weight(method):
    """Grad-CAM++: 2g² + g³ΣA is 0 for g = 1 and ΣA = -2. XGrad-CAM: ΣA is 0 in the second channel."""
    activation = np.array([[[-3, 1], [1, -1]], [[0, 2], [0, -2.0]]])
    gradient = np.ones_like(activation)
    if method == "xgrad_cam":
        gradient[0, 0, 1] = 4.0
    weights = cam_family.BY_GRADIENT[method](activation, gradient)
    assert np.isfinite(weights).all()
    assert (weights == 0).any()
    assert weights.any()
    explanation = kv.attribution.explainer(by_hand(gradient), method, layer="map", rectify=False)(activation[None])
    np.testing.assert_allclose(explanation.values[0], cam_family.weighted_sum(activation, weights, rectify=False))


@pytest.mark.parametrize(("bias", "weights"), [(-0.75, [2.5, -1.75]), (-2.0, [2, -1.4])])
def test_ablation_cam_of_a_score_that_is_not_positive(bias, weights):
    """y = 0: the plain differences; y = -1.25: divided by |y|, so that the sign stays."""
    explanation = kv.AblationCAM(by_hand(bias=bias), "map", rectify=False)(A[None])
    np.testing.assert_allclose(explanation.values[0], A @ np.array(weights), rtol=1e-5, atol=1e-6)


#: A kind of model, a layer in it whose values may be negative or not, and a class for each of its three samples.
PLACES = [
    pytest.param("functional", None, [1, 0, 2], marks=pytest.mark.slow),
    pytest.param("functional", "conv2", [3, 1, 2], marks=pytest.mark.slow),
    ("nested_in_sequential", "base/conv2", [0, 3, 1]),
    pytest.param("nested_in_sequential", None, [1, 1, 2], marks=pytest.mark.slow),
    pytest.param("sequential", "conv1", [2, 0, 3], marks=pytest.mark.slow),
    ("subclassed", None, [2, 3, 0]),
]


def slow_parts(case, layer, classes):
    """For each sample the activation and the gradient there, from the reference."""
    for i, number in enumerate(classes):
        _, _, activation, gradient = keras_eager.gradients(
            case.plain_model, case.samples[i], lambda out, k=number: out[0, k], layer=layer or case.specimen.layer
        )
        yield activation, gradient


@pytest.mark.slow
@pytest.mark.parametrize("method", BY_GRADIENT)
@pytest.mark.parametrize(("name", "layer", "classes"), PLACES)
def test_equals_the_reference(name, layer, classes, method):
    case = case_of(name)
    for rectify in (True, False):
        explain = kv.attribution.explainer(case.model, method, layer=layer, rectify=rectify)
        with zeros_allowed():
            values = explain(case.inputs, classes).values
        for i, (activation, gradient) in enumerate(slow_parts(case, layer, classes)):
            weights = cam_family.BY_GRADIENT[method](activation, gradient)
            signed = cam_family.weighted_sum(activation, weights, rectify=False)
            expected = cam_family.weighted_sum(activation, weights, rectify=rectify, sizes=(12, 10))
            assert np.abs(values[i] - expected).max() <= 1e-5 * np.abs(signed).max()


@pytest.mark.parametrize("method", BY_GRADIENT)
@pytest.mark.slow
def test_half_precision_is_computed_in_single(method):
    case = case_of("mixed_float16")
    values = kv.attribution.explainer(case.model, method)(case.inputs, [1, 0, 2]).values
    assert values.dtype == np.float32
    for i, (activation, gradient) in enumerate(slow_parts(case, None, [1, 0, 2])):
        weights = cam_family.BY_GRADIENT[method](activation, gradient)
        expected = cam_family.weighted_sum(activation, weights, sizes=(12, 10))
        assert np.abs(values[i] - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.fixture(scope="module")
def pooled():
    """A network that ends in average pooling and one linear layer; its features, the images, kernel and bias."""
    inputs = keras.Input((9, 7, 3))
    x = L.Conv2D(6, 3, activation="relu", name="conv")(inputs)
    model = zoo.randomize(keras.Model(inputs, zoo.head(x)))
    images = zoo.images(9, 7, 3)
    head = model.get_layer("predictions")
    return model, keras.Model(inputs, x)(images).numpy(), images, head.kernel.numpy(), head.bias.numpy()


def test_cam_by_hand():
    inputs = keras.Input((2, 2, 2))
    x = L.GlobalAveragePooling2D()(L.Activation("linear", name="map")(inputs))
    model = keras.Model(inputs, L.Dense(1)(x))
    model.set_weights([np.array([[0.6], [-0.2]]), np.array([0.1])])
    expected = np.array([[0.2, 1.2], [-0.2, 1.6]])
    for settings, wanted in (
        ({}, expected),
        ({"rectify": True}, np.maximum(expected, 0)),
        ({"counterfactual": True}, -expected),
    ):
        explanation = kv.CAM(model, **settings)(A[None])
        np.testing.assert_allclose(explanation.values[0], wanted, rtol=1e-5, atol=1e-7)
        assert explanation.signed is not settings.get("rectify", False)
    np.testing.assert_allclose(explanation.score, [0.8], rtol=1e-6)


def test_cam_is_the_kernels_sum_and_its_mean_with_the_bias_the_score(pooled):
    model, features, images, kernel, bias = pooled
    classes = [2, 0, 3]
    explanation = kv.CAM(model, resize=False)(images, classes)
    for i, k in enumerate(classes):
        expected = cam_family.weighted_sum(features[i], cam_family.cam(features[i], kernel[:, k]), rectify=False)
        assert np.abs(explanation.values[i] - expected).max() <= 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(explanation.values.mean((1, 2)) + bias[classes], explanation.score, rtol=1e-5)
    resized = kv.CAM(model)(images, classes).values
    for i in range(3):
        weights = cam_family.cam(features[i], kernel[:, classes[i]])
        expected = cam_family.weighted_sum(features[i], weights, rectify=False, sizes=(9, 7))
        assert np.abs(resized[i] - expected).max() <= 1e-5 * np.abs(expected).max()


def test_cam_is_grad_cam_times_the_number_of_positions(pooled):
    model, _, images, *_ = pooled
    cam = kv.CAM(model, resize=False, rectify=True)(images).values
    np.testing.assert_allclose(cam, 35 * kv.GradCAM(model, resize=False)(images).values, rtol=1e-4, atol=1e-6)
    for method in (kv.HiResCAM, kv.XGradCAM):
        same = method(model, resize=False)(images).values
        np.testing.assert_allclose(cam, 35 * same, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["nested_in_sequential", "subclassed", "sequential_deferred", "sequential", "functional"]
)
def test_cam_of_networks_that_end_in_pooling_and_of_others(name):
    case = case_of(name)
    if name in ("sequential_deferred", "sequential"):
        with pytest.raises(ModelError, match="to_gap"):
            kv.CAM(case.model)
        return
    kernel, bias = (np.asarray(weight) for weight in case.model.layers[-1].get_weights())
    classes = [2, 1, 3]
    explanation = kv.CAM(case.model, resize=False)(case.inputs, classes)
    for i, (activation, _) in enumerate(slow_parts(case, None, classes)):
        expected = activation @ kernel[:, classes[i]]
        assert np.abs(explanation.values[i] - expected).max() <= 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(explanation.values.mean((1, 2)) + bias[classes], explanation.score, rtol=1e-4, atol=1e-5)


def test_cam_of_one_output_of_several():
    case = case_of("two_outputs")
    with pytest.raises(TargetError, match="first"):
        kv.CAM(case.model)
    kernel = case.model.get_layer("second").kernel.numpy()
    explanation = kv.CAM(case.model, output="second", resize=False)(case.inputs, ("second", [2, 1, 0]))
    for i, k in enumerate([2, 1, 0]):
        _, _, activation, _ = keras_eager.gradients(
            case.model, case.samples[i], lambda out, k=k: out[1][0, k], layer="conv1"
        )
        expected = activation @ kernel[:, k]
        assert np.abs(explanation.values[i] - expected).max() <= 1e-5 * np.abs(expected).max()


def test_cam_takes_no_layer(pooled):
    with pytest.raises(TypeError, match="layer"):
        kv.CAM(pooled[0], layer="conv")


@pytest.fixture(scope="module")
def one_dense():
    """A convolution and one linear layer over its positions."""
    inputs = keras.Input((7, 6, 2))
    x = L.Conv2D(5, 3, activation="relu", name="conv")(inputs)
    return zoo.randomize(keras.Model(inputs, L.Dense(3, name="scores")(L.Flatten()(x)))), zoo.images(7, 6, 2)


@pytest.mark.parametrize("classes", [[2, 0, 1], None])
def test_hires_cam_sums_to_the_score(one_dense, classes):
    model, images = one_dense
    explanation = kv.HiResCAM(model, rectify=False, resize=False)(images, classes)
    bias = model.get_layer("scores").bias.numpy()[explanation.target]
    np.testing.assert_allclose(explanation.values.sum((1, 2)) + bias, explanation.score, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("logit", [96.0, 300.0, -300.0])
def test_grad_cam_plus_plus_has_no_factor_that_overflows(one_dense, logit):
    """A bias moves the logit, but no gradient: exp(S), which is infinite over 88, would not cancel."""
    model, images = one_dense
    moved = keras.models.clone_model(model)
    moved.set_weights([*model.get_weights()[:-1], np.full(3, logit)])
    with zeros_allowed():
        given = kv.GradCAMPlusPlus(moved)(images, 1)
        expected = kv.GradCAMPlusPlus(model)(images, 1).values
    assert np.abs(given.score - logit).max() < 20
    assert expected.any()
    np.testing.assert_allclose(given.values, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("logit", [96.0, 300.0, 3000.0])
def test_grad_cam_plus_plus_of_a_steep_head(pooled, logit):
    """Behind pooling the weight of a channel is Z g / (2 + g ΣA), which ends at Z / ΣA for a steep head."""
    model, features, images, kernel, bias = pooled
    steep = keras.models.clone_model(model)
    for i, k in enumerate([2, 0, 3]):
        score = kv.GradCAM(model)(images[i : i + 1], k).score[0]
        factor = logit / abs(float(score))
        steep.set_weights([*model.get_weights()[:-2], kernel * factor, bias * factor])
        explanation = kv.GradCAMPlusPlus(steep, resize=False)(images[i : i + 1], k)
        np.testing.assert_allclose(np.abs(explanation.score), [logit], rtol=1e-4)
        g = np.maximum(kernel[:, k] * factor, 0).astype(np.float64) / 35
        weights = 35 * g / (2 + g * features[i].sum((0, 1)))
        expected = features[i] @ weights
        assert np.isfinite(explanation.values).all()
        assert np.abs(explanation.values[0] - expected).max() <= 1e-5 * expected.max()


@pytest.mark.parametrize("name", ["conv1d", "conv3d", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
@pytest.mark.parametrize("method", BY_GRADIENT)
def test_other_axes_of_space_and_other_heads(name, method):
    case = case_of(name)
    with zeros_allowed():
        values = kv.attribution.explainer(case.model, method)(case.inputs, case.target).values
    sizes = case.inputs.shape[1:-1]
    assert values.shape == (3, *sizes)
    for i in range(3):
        _, _, activation, gradient = keras_eager.gradients(
            case.model, case.samples[i], case.score(case.numbers[i]), layer=case.specimen.layer
        )
        weights = cam_family.BY_GRADIENT[method](activation, gradient)
        signed = cam_family.weighted_sum(activation, weights, rectify=False)
        expected = cam_family.weighted_sum(activation, weights, sizes=sizes)
        assert np.abs(values[i] - expected).max() <= 1e-5 * np.abs(signed).max()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["hires_cam", "ablation_cam", "score_cam"])
def test_a_custom_target_of_two_classes(one_dense, method):
    """The margin between two classes is itself a class of a network with the difference of their weights."""
    model, images = one_dense
    twin = keras.models.clone_model(model)
    *below, kernel, bias = model.get_weights()
    difference, offset = kernel[:, [1]] - kernel[:, [0]], bias[1] - bias[0]
    twin.set_weights([*below, np.repeat(difference, 3, axis=1), np.full(3, offset)])
    margin = kv.targets.Custom(lambda scores: scores[:, 1] - scores[:, 0])
    for rectify in (True, False):
        given = kv.attribution.explainer(model, method, rectify=rectify)(images, margin)
        same = kv.attribution.explainer(twin, method, rectify=rectify)(images, 1)
        np.testing.assert_allclose(given.score, same.score, rtol=1e-4, atol=1e-5)
        assert np.abs(given.values - same.values).max() <= 1e-4 * np.abs(same.values).max()


@pytest.mark.parametrize("method", [*BY_GRADIENT, "score_cam", "ablation_cam"])
def test_a_feature_map_of_zeros_is_a_map_of_zeros(method):
    with pytest.warns(KerasvizWarning, match="zero everywhere"):
        values = kv.attribution.explainer(by_hand(), method, layer="map")(np.zeros((2, 2, 2, 2))).values
    np.testing.assert_array_equal(values, np.zeros((2, 2, 2)))


def test_names_and_settings():
    methods = kv.attribution.methods()
    for name, kind in {
        "cam": kv.CAM,
        "grad_cam": kv.GradCAM,
        "grad_cam_plus_plus": kv.GradCAMPlusPlus,
        "layer_cam": kv.LayerCAM,
        "hires_cam": kv.HiResCAM,
        "xgrad_cam": kv.XGradCAM,
        "eigen_cam": kv.EigenCAM,
        "score_cam": kv.ScoreCAM,
        "ablation_cam": kv.AblationCAM,
    }.items():
        assert methods[name] is kind
        assert getattr(kv.attribution, kind.__name__) is kind
