"""The backward rules against a network in float64 numpy, and DeconvNet against the deconvnet of its paper."""

import keras
import numpy as np
import pytest
from keras import layers as L
from reference import numpy_net
from reference.grad_cam import grad_cam

import kerasviz as kv

SIZE = (7, 8, 2)


def conv(rng, channels, filters, stride, padding):
    kernel = rng.normal(0, 0.5, (3, 3, channels, filters)).astype("float32")
    bias = rng.uniform(0, 0.4, filters).astype("float32")
    return {"kind": "conv", "kernel": kernel, "bias": bias, "stride": stride, "padding": padding}


def dense(rng, inside, outside):
    kernel = rng.normal(0, 1 / np.sqrt(inside), (inside, outside)).astype("float32")
    return {"kind": "dense", "kernel": kernel, "bias": rng.normal(0, 0.2, outside).astype("float32")}


def pool(size, stride, padding):
    return {"kind": "pool", "size": size, "stride": stride, "padding": padding}


def rectified(seed):
    """`same` padding, overlapping pooling, a strided convolution; a ReLU behind everything but the scores."""
    rng = np.random.default_rng(seed)
    return [
        conv(rng, 2, 4, 1, "same"),
        {"kind": "relu"},
        pool(3, 2, "same"),
        conv(rng, 4, 5, 2, "same"),
        {"kind": "relu"},
        {"kind": "flatten"},
        dense(rng, 2 * 2 * 5, 16),
        {"kind": "relu"},
        dense(rng, 16, 3),
    ]


def half_rectified(seed):
    """`valid` padding, plain and overlapping pooling, a convolution without a ReLU."""
    rng = np.random.default_rng(seed)
    return [
        conv(rng, 2, 4, 1, "valid"),
        {"kind": "relu"},
        pool(2, 1, "valid"),
        conv(rng, 4, 5, 1, "same"),
        pool(3, 2, "valid"),
        {"kind": "flatten"},
        dense(rng, 1 * 2 * 5, 3),
    ]


NETS = {"rectified": rectified, "half_rectified": half_rectified}


def keras_twin(net):
    inputs = x = keras.Input(SIZE)
    weights = []
    for number, part in enumerate(net):
        name = f"layer{number}"
        if part["kind"] == "conv":
            filters = part["kernel"].shape[-1]
            x = L.Conv2D(filters, 3, strides=part["stride"], padding=part["padding"], name=name)(x)
        elif part["kind"] == "pool":
            x = L.MaxPooling2D(part["size"], part["stride"], padding=part["padding"], name=name)(x)
        elif part["kind"] == "relu":
            x = L.Activation("relu", name=name)(x)
        elif part["kind"] == "flatten":
            x = L.Flatten(name=name)(x)
        else:
            x = L.Dense(part["kernel"].shape[-1], name=name)(x)
        weights += [part["kernel"], part["bias"]] if "kernel" in part else []
    model = keras.Model(inputs, x)
    model.set_weights(weights)
    return model


@pytest.fixture(
    scope="module",
    params=[pytest.param((name, seed), marks=[pytest.mark.slow] * seed) for seed in (0, 1) for name in NETS],
    ids=str,
)
def net(request):
    name, seed = request.param
    parts = NETS[name](seed)
    image = np.random.default_rng(seed + 10).normal(0, 1, SIZE).astype("float32")
    return parts, keras_twin(parts), image


def close(fast, slow, tolerance=1e-5):
    return np.abs(np.asarray(fast) - slow).max() <= tolerance * np.abs(slow).max()


def test_the_unpooling_of_the_reference_is_the_papers():
    below = np.array([[1, 2, 0, 3], [4, 0, 1, 1], [0, 5, 2, 2], [1, 1, 7, 0]], float)[..., None]
    layer = pool(2, 2, "valid")
    np.testing.assert_array_equal(numpy_net.forward([layer], below)[-1][..., 0], [[4, 3], [5, 7]])
    up = numpy_net.unpool(layer, below, np.array([[10.0, 20], [30, 40]])[..., None])
    np.testing.assert_array_equal(up[..., 0], [[0, 0, 0, 20], [10, 0, 0, 0], [0, 30, 0, 0], [0, 0, 40, 0]])


def test_saliency_equals_finite_differences(net):
    parts, model, image = net
    number = 2
    slopes = numpy_net.differences(lambda x: numpy_net.forward(parts, x)[-1][number], image)
    explanation = kv.Saliency(model)(image[None], number)
    assert close(explanation.values[0], slopes)
    np.testing.assert_allclose(explanation.score, numpy_net.forward(parts, image)[-1][number], rtol=1e-5)
    assert close(numpy_net.backward(parts, image, np.eye(3)[number]), slopes, 1e-7)


@pytest.mark.parametrize(
    ("method", "rule"), [(kv.Saliency, "backprop"), (kv.GuidedBackprop, "guided"), (kv.DeconvNet, "deconvnet")]
)
def test_the_rule_equals_a_backward_pass_in_numpy(net, method, rule):
    parts, model, image = net
    explain = method(model)
    for number in range(3):
        assert close(
            explain(image[None], number).values[0], numpy_net.backward(parts, image, np.eye(3)[number], rule=rule)
        )


def test_deconvnet_is_the_deconvnet_of_zeiler_and_fergus():
    """Switches, rectification in front of every transposed filter: equal where every layer has its ReLU."""
    parts = rectified(2)
    image = np.random.default_rng(5).normal(0, 1, SIZE).astype("float32")
    down = numpy_net.backward(parts, image, np.eye(3)[1], rule="deconvnet", rectify_all=True)
    assert close(kv.DeconvNet(keras_twin(parts))(image[None], 1).values[0], down)


def test_deconvnet_adds_where_pooling_windows_overlap():
    parts = rectified(2)
    image = np.random.default_rng(5).normal(0, 1, SIZE).astype("float32")
    overwritten = numpy_net.backward(parts, image, np.eye(3)[1], rule="deconvnet", overlap="overwrite")
    difference = np.abs(kv.DeconvNet(keras_twin(parts))(image[None], 1).values[0] - overwritten).max()
    assert difference > 0.05 * np.abs(overwritten).max()


def test_deconvnet_does_not_rectify_where_the_network_does_not():
    parts = half_rectified(2)
    image = np.random.default_rng(5).normal(0, 1, SIZE).astype("float32")
    everywhere = numpy_net.backward(parts, image, np.eye(3)[1], rule="deconvnet", rectify_all=True)
    difference = np.abs(kv.DeconvNet(keras_twin(parts))(image[None], 1).values[0] - everywhere).max()
    assert difference > 0.05 * np.abs(everywhere).max()


def test_deconvnet_does_not_rectify_the_score_itself():
    """A negative seed would be cut to nothing by a rectifier at the scores."""
    parts = rectified(2)
    image = np.random.default_rng(5).normal(0, 1, SIZE).astype("float32")
    values = kv.DeconvNet(keras_twin(parts))(image[None], lambda scores: -scores[:, 1]).values[0]
    assert close(values, numpy_net.backward(parts, image, -np.eye(3)[1], rule="deconvnet"))
    assert not numpy_net.backward(parts, image, -np.eye(3)[1], rule="deconvnet", rectify_all=True).any()


def test_deconvnet_goes_back_through_batch_normalization_with_its_scale():
    rng = np.random.default_rng(0)
    inputs = keras.Input(SIZE)
    x = L.Conv2D(4, 3, use_bias=False)(inputs)
    x = L.ReLU()(L.BatchNormalization(name="bn")(x))
    model = keras.Model(inputs, L.Dense(3)(L.Flatten()(x)))
    gamma, beta, mean = rng.normal(0, 1, (3, 4)).astype("float32")
    variance = rng.uniform(0.5, 2, 4).astype("float32")
    kernel, head = (
        rng.normal(0, 0.5, (3, 3, 2, 4)).astype("float32"),
        rng.normal(0, 0.1, (5 * 6 * 4, 3)).astype("float32"),
    )
    model.set_weights([kernel, gamma, beta, mean, variance, head, np.zeros(3, "float32")])
    scale = gamma / np.sqrt(variance + model.get_layer("bn").epsilon)
    folded = [
        {"kind": "conv", "kernel": kernel * scale, "bias": beta - mean * scale, "stride": 1, "padding": "valid"},
        {"kind": "relu"},
        {"kind": "flatten"},
        {"kind": "dense", "kernel": head, "bias": np.zeros(3)},
    ]
    image = rng.normal(0, 1, SIZE).astype("float32")
    down = numpy_net.backward(folded, image, np.eye(3)[0], rule="deconvnet")
    assert close(kv.DeconvNet(model)(image[None], 0).values[0], down)


@pytest.mark.parametrize("number", [0, 1])
def test_grad_cam_equals_finite_differences_at_the_layer(net, number):
    parts, model, image = net
    above = next(i for i, part in enumerate(parts) if part["kind"] == "pool") + 1  # the input of the layer behind
    activation = numpy_net.forward(parts, image)[above]
    slopes = numpy_net.differences(lambda a: numpy_net.forward(parts[above:], a)[-1][number], activation)
    # Evidence against the class where there is none for it: a map of zeros would prove little.
    sign = 1 if grad_cam(activation, slopes).any() else -1
    slopes = sign * slopes

    def score(scores):
        return sign * scores[:, number]

    resized = kv.GradCAM(model, f"layer{above - 1}")(image[None], score).values[0]
    assert close(resized, grad_cam(activation, slopes, SIZE[:2]))
    raw = kv.GradCAM(model, f"layer{above - 1}", resize=False)(image[None], score).values[0]
    assert close(raw, grad_cam(activation, slopes))


@pytest.mark.slow
def test_guided_grad_cam_is_the_product(net):
    _, model, image = net
    layer = "layer1"
    product = (
        kv.GuidedBackprop(model)(image[None], 1).values * kv.GradCAM(model, layer)(image[None], 1).values[..., None]
    )
    guided = kv.GuidedGradCAM(model, layer)(image[None], 1)
    assert close(guided.values, product)
    assert (guided.kind, guided.signed, guided.layer) == ("pixels", True, layer)


@pytest.mark.slow
def test_reductions_over_channels(net):
    _, model, image = net
    full = kv.GuidedBackprop(model)(image[None], 1).values.astype("float64")
    for reduce, expected, signed in (
        ("max_abs", np.abs(full).max(-1), False),
        ("sum", full.sum(-1), True),
        ("sum_abs", np.abs(full).sum(-1), False),
    ):
        explanation = kv.GuidedBackprop(model, reduce=reduce)(image[None], 1)
        np.testing.assert_allclose(explanation.values, expected, rtol=1e-5, atol=1e-6)
        assert explanation.signed is signed
        assert explanation.settings == {"smooth": False, "reduce": reduce}
