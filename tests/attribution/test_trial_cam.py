"""Score-CAM and Ablation-CAM: against the references, with channels that mask nothing, baselines and refusals."""

import functools
from contextlib import contextmanager

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L
from reference import cam_family, keras_eager
from zoo_cases import case_of, zeros_allowed

import kerasviz as kv
from kerasviz.errors import InputError, KerasvizWarning, LayerError, SettingError

#: A kind of model, a layer in it, and a class for each of its three samples.
PLACES = [
    ("functional", None, [1, 0, 2]),
    pytest.param("functional", "conv2", [3, 1, 2], marks=pytest.mark.slow),
    ("nested_in_sequential", "base/conv2", [0, 3, 1]),
    pytest.param("sequential", "conv1", [2, 0, 3], marks=pytest.mark.slow),
    ("subclassed", None, [2, 3, 0]),
    pytest.param("conv1d", None, [1, 0, 2], marks=pytest.mark.slow),
    pytest.param("conv3d", None, [0, 2, 1], marks=pytest.mark.slow),
    pytest.param("binary", None, [0, 1, 1], marks=pytest.mark.slow),
    pytest.param("regression", None, [0, 0, 0], marks=pytest.mark.slow),
    ("mixed_float16", None, [1, 0, 2]),
]


@contextmanager
def switched_off(layer, channel):
    """While entered, a channel of a layer's output is zero."""
    call = layer.call

    def ablated(*args, **kwargs):
        output = call(*args, **kwargs)
        return output * tf.constant([float(k != channel) for k in range(output.shape[-1])], output.dtype)

    layer.call = ablated
    try:
        yield
    finally:
        del layer.call


class Slow:
    """The references for one sample of a specimen."""

    def __init__(self, case, i, layer, number):
        self.model, self.sample, self.score = case.plain_model, case.samples[i], case.score(number)
        self.layer = keras_eager.layer_at(self.model, layer or case.specimen.layer)
        self.clean, _, self.activation, _ = keras_eager.gradients(
            self.model, self.sample, self.score, layer=layer or case.specimen.layer
        )

    def score_of(self, image):
        with keras_eager.running():
            return float(self.score(self.model(tf.constant(image[None], tf.float32), training=False)))

    def score_without(self, channel):
        with switched_off(self.layer, channel):
            return self.score_of(self.sample[0])

    def weights(self, method, **settings):
        if method == "ablation_cam":
            return cam_family.ablation_cam(self.activation, self.clean, self.score_without)
        return cam_family.score_cam(self.activation, self.sample[0], self.score_of, **settings)

    def map(self, method, rectify=True, **settings):
        weights = self.weights(method, **settings)
        return cam_family.weighted_sum(
            self.activation, weights, rectify=rectify, sizes=self.sample.shape[1 : self.activation.ndim]
        )


def assert_equals_the_reference(values, expected, tolerance=1e-5):
    """Relative to the largest value of the sample's map."""
    assert values.shape == expected.shape
    assert np.abs(values - expected).max() <= tolerance * np.abs(expected).max()


@functools.cache
def slow(name, layer, classes):
    return [Slow(case_of(name), i, layer, number) for i, number in enumerate(classes)]


@pytest.mark.parametrize("method", ["score_cam", "ablation_cam"])
@pytest.mark.parametrize(("name", "layer", "classes"), PLACES)
def test_equals_the_reference(name, layer, classes, method):
    case = case_of(name)
    explain = kv.attribution.explainer(case.model, method, layer=layer, rectify=False)
    explanation = explain(case.inputs, classes)
    for i, sample in enumerate(slow(name, layer, tuple(classes))):
        np.testing.assert_allclose(explanation.score[i], sample.clean, rtol=1e-5, atol=1e-6)
        # A weight is the difference of two scores of this size.
        assert_equals_the_reference(explanation.values[i], sample.map(method, rectify=False), 2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["score_cam", "ablation_cam"])
def test_rectified_maps(method):
    case, classes = case_of("functional"), (1, 0, 2)
    values = kv.attribution.explainer(case.model, method)(case.inputs, list(classes)).values
    assert (values >= 0).all()
    for i, sample in enumerate(slow("functional", None, classes)):
        assert_equals_the_reference(values[i], sample.map(method))
    against = kv.attribution.explainer(case.model, method, counterfactual=True, rectify=False)
    signed = kv.attribution.explainer(case.model, method, rectify=False)
    np.testing.assert_array_equal(against(case.inputs, 1).values, -signed(case.inputs, 1).values)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"softmax": True},
        {"max_channels": 2},
        {"max_channels": 1, "softmax": True},
        {"max_channels": 99},
        {"baseline": 0.4},
        {"baseline": zoo.images(12, 10, 3, count=1, seed=8)[0]},
    ],
    ids=["softmax", "two channels", "one channel", "more than there are", "number", "array"],
)
def test_score_cams_settings(settings):
    case, classes = case_of("functional"), (1, 0, 2)
    values = kv.ScoreCAM(case.model, rectify=False, **settings)(case.inputs, list(classes)).values
    for i, sample in enumerate(slow("functional", None, classes)):
        assert_equals_the_reference(values[i], sample.map("score_cam", rectify=False, **settings), 2e-5)


def test_a_baseline_that_is_made_of_the_images():
    case, classes = case_of("functional"), (1, 0, 2)
    explain = kv.ScoreCAM(
        case.model, rectify=False, baseline=lambda images: images.mean((1, 2), keepdims=True) + 0 * images
    )
    values = explain(case.inputs, list(classes)).values
    for i, sample in enumerate(slow("functional", None, classes)):
        baseline = case.inputs[i].mean((0, 1), keepdims=True)
        assert_equals_the_reference(values[i], sample.map("score_cam", rectify=False, baseline=baseline), 2e-5)


def test_the_class_of_no_target_is_that_of_the_clean_image():
    case = case_of("functional")
    top = case.model(case.inputs).numpy().argmax(-1)
    for method in ("score_cam", "ablation_cam"):
        explain = kv.attribution.explainer(case.model, method, rectify=False)
        explanation = explain(case.inputs)
        np.testing.assert_array_equal(explanation.target, top)
        np.testing.assert_array_equal(explanation.values, explain(case.inputs, list(top)).values)


@pytest.mark.parametrize("name", ["functional", "sequential", "binary"])
@pytest.mark.parametrize("method", ["score_cam", "ablation_cam"])
@pytest.mark.slow
def test_a_squashed_head_is_taken_off_once(name, method):
    """Not scores of the softmax, and no softmax of a softmax: the map is that of the network of the logits."""
    case = case_of(name)
    values = kv.attribution.explainer(case.model, method, rectify=False)(case.inputs, 1).values
    target = 0 if name == "binary" else 1
    logits = kv.attribution.explainer(kv.to_logits(case.model), method, rectify=False)
    np.testing.assert_allclose(values, logits(case.inputs, target).values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 5, 500])
@pytest.mark.parametrize("method", ["score_cam", "ablation_cam"])
@pytest.mark.slow
def test_the_batch_size_changes_nothing(method, size):
    """18 trials of three samples: chunks hold trials of several samples, and the last is not full."""
    case = case_of("functional")
    explain = functools.partial(kv.attribution.explainer, case.model, method, rectify=False)
    whole = explain(batch_size=18)(case.inputs, [1, 0, 2])
    parts = explain(batch_size=size)(case.inputs, [1, 0, 2])
    np.testing.assert_allclose(parts.values, whole.values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parts.score, whole.score, rtol=1e-6)


@pytest.fixture(scope="module")
def partly_constant():
    """The first channel is .3 everywhere, the second zero everywhere; the last alone sees blue."""
    inputs = keras.Input((8, 7, 3))
    x = L.Conv2D(4, 3, padding="same", activation="relu", name="conv")(inputs)
    model = zoo.randomize(keras.Model(inputs, zoo.head(x)))
    kernel, bias = model.get_layer("conv").get_weights()
    kernel[..., :2] = 0
    bias[:2] = 0.3, -0.3
    kernel[:, :, :2, 3] = 0
    bias[3] = 0
    model.get_layer("conv").set_weights([kernel, bias])
    images = zoo.images(8, 7, 3)
    images[1, :, :, 2] = 0
    return model, images


@pytest.mark.parametrize("settings", [{}, {"softmax": True}, {"max_channels": 3}, {"max_channels": 3, "softmax": True}])
def test_constant_channels_have_no_weight(partly_constant, settings):
    model, images = partly_constant
    values = kv.ScoreCAM(model, rectify=False, **settings)(images, 1).values
    logits = kv.to_logits(model)
    features = keras.Model(model.input, model.get_layer("conv").output)(images).numpy()
    assert [sorted(np.flatnonzero(f.std((0, 1)) > 1e-6)) for f in features] == [[2, 3], [2], [2, 3]]
    for i in range(3):
        weights = cam_family.score_cam(
            features[i], images[i], lambda image: float(logits(image[None].astype("float32"))[0, 1]), **settings
        )
        assert not weights[..., :2].any()
        expected = cam_family.weighted_sum(features[i], weights, rectify=False)
        assert_equals_the_reference(values[i], expected, 2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"softmax": True}, {"max_channels": 1}, {"max_channels": 1, "softmax": True}])
def test_nothing_but_constant_channels_is_a_map_of_zeros(partly_constant, settings):
    """Also for one image alone of the batch, whose mates keep their maps."""
    model, images = partly_constant
    still = keras.models.clone_model(model)
    still.set_weights(model.get_weights())
    kernel, bias = still.get_layer("conv").get_weights()
    still.get_layer("conv").set_weights([kernel, np.minimum(bias, 0)])
    batch = np.stack([images[0], np.zeros_like(images[0])])
    with pytest.warns(KerasvizWarning, match=r"zero everywhere for the samples \[1\]"):
        values = kv.ScoreCAM(still, **settings, rectify=False)(batch, 1).values
    assert not values[1].any()
    assert values[0].any()
    alone = kv.ScoreCAM(still, **settings, rectify=False)(batch[:1], 1).values
    np.testing.assert_allclose(values[:1], alone, rtol=1e-5, atol=1e-6)


def two_images():
    """Two images of different sizes, each through a convolution of its own."""
    left, right = keras.Input((12, 10, 3), name="left"), keras.Input((6, 9, 2), name="right")
    sides = [
        L.GlobalAveragePooling2D()(L.Conv2D(4, 3, strides=2, activation="relu", name=f"conv_{x.name}")(x))
        for x in (left, right)
    ]
    model = keras.Model([left, right], L.Dense(3, name="scores")(L.Concatenate()(sides)))
    return zoo.randomize(model), [zoo.images(12, 10, 3), zoo.images(6, 9, 2, seed=5)]


@pytest.mark.parametrize(("side", "layer"), [(0, "conv_left"), (1, "conv_right")])
def test_with_two_inputs_only_the_one_that_the_layer_sees_is_masked(side, layer):
    model, inputs = two_images()
    explanation = kv.ScoreCAM(model, layer, rectify=False, baseline=0.3)(inputs, [0, 2, 1])
    features = keras.Model(model.inputs, model.get_layer(layer).output)(inputs).numpy()
    assert explanation.shape == inputs[side].shape[:-1]
    for i, k in enumerate([0, 2, 1]):

        def score_of(image, i=i, k=k):
            both = [array[i : i + 1] for array in inputs]
            both[side] = image[None].astype("float32")
            return float(model(both)[0, k])

        weights = cam_family.score_cam(features[i], inputs[side][i], score_of, baseline=0.3)
        expected = cam_family.weighted_sum(features[i], weights, rectify=False, sizes=inputs[side].shape[1:3])
        assert_equals_the_reference(explanation.values[i], expected, 2e-5)


def test_ablation_behind_pooling_is_each_channels_share():
    """Behind average pooling and a linear layer the score loses w_k times the channel's mean."""
    inputs = keras.Input((9, 7, 3))
    x = L.Conv2D(6, 3, activation="relu", name="conv")(inputs)
    model, images = zoo.randomize(keras.Model(inputs, zoo.head(x))), zoo.images(9, 7, 3)
    features = keras.Model(inputs, x)(images).numpy()
    explanation = kv.AblationCAM(model, rectify=False, resize=False)(images, 2)
    lost = features.mean((1, 2)) * model.get_layer("predictions").kernel.numpy()[:, 2]
    weights = lost / np.abs(explanation.score)[:, None]
    np.testing.assert_allclose(explanation.values, np.einsum("nhwc,nc->nhw", features, weights), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"max_channels": 0}, SettingError, "max_channels"),
        ({"max_channels": 2.0}, SettingError, "max_channels"),
        ({"max_channels": True}, SettingError, "max_channels"),
        ({"baseline": float("nan")}, SettingError, "finite"),
        ({"batch_size": 0}, SettingError, "batch_size"),
        ({"layer": "out_rulu"}, LayerError, "out_relu"),
        ({"layer": "gap"}, LayerError, "spatial feature map"),
    ],
)
def test_settings_that_are_refused_when_made(settings, error, words):
    with pytest.raises(error, match=words):
        kv.ScoreCAM(case_of("functional").model, **settings)


@pytest.mark.parametrize(
    "baseline", [np.zeros((10, 12, 3)), np.zeros(3), np.zeros((2, 12, 10, 3)), np.full((12, 10, 3), np.inf), "black"]
)
def test_baselines_that_do_not_fit(baseline):
    case = case_of("functional")
    with pytest.raises(InputError, match="baseline"):
        kv.ScoreCAM(case.model, baseline=baseline)(case.inputs, 1)


def test_an_integer_input_cannot_be_masked():
    words = keras.Input((9,), dtype="int32", name="words")
    x = L.Conv1D(5, 3, activation="relu", name="conv")(L.Embedding(20, 4)(words))
    model = zoo.randomize(keras.Model(words, L.Dense(3)(L.GlobalAveragePooling1D()(x))))
    with pytest.raises(InputError, match="integer"):
        kv.ScoreCAM(model, "conv")
    tokens = np.random.default_rng(0).integers(0, 20, (2, 9))
    features = keras.Model(words, x)(tokens).numpy()
    values = kv.AblationCAM(model, "conv", rectify=False, resize=False)(tokens, 1)
    lost = features.mean(1) * model.layers[-1].kernel.numpy()[:, 1] / np.abs(values.score)[:, None]
    np.testing.assert_allclose(values.values, np.einsum("ntc,nc->nt", features, lost), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["score_cam", "ablation_cam"])
def test_model_and_arrays_are_left_alone(method):
    specimen = zoo.ZOO["nested_in_sequential"]()
    model, images = specimen.model, specimen.inputs
    baseline = np.full(images.shape[1:], 0.2, "float32")
    images.flags.writeable = baseline.flags.writeable = False
    before, attributes = [w.tobytes() for w in model.get_weights()], [dict(vars(layer)) for layer in model.layers]
    copies, output = (images.copy(), baseline.copy()), model(images).numpy()
    settings = {"baseline": baseline} if method == "score_cam" else {}
    with zeros_allowed():
        kv.attribution.explainer(model, method, layer="base/conv2", **settings)(images, 1)
    assert [w.tobytes() for w in model.get_weights()] == before
    assert [list(map(id, vars(layer).values())) for layer in model.layers] == [
        list(map(id, known.values())) for known in attributes
    ]
    np.testing.assert_array_equal(images, copies[0])
    np.testing.assert_array_equal(baseline, copies[1])
    np.testing.assert_array_equal(model(images).numpy(), output)
