"""What may be explained, each score against the model's own outputs and activations."""

import warnings
from contextlib import contextmanager

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from reference import keras_eager

import kerasviz as kv
from kerasviz.errors import KerasvizWarning, LayerError, TargetError
from kerasviz.targets import Channel, ClassScore, Custom, Neuron, Target, as_target


@contextmanager
def zeros_allowed():
    """While entered, a random network may give a map of zeros."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasvizWarning)
        yield


@pytest.fixture(scope="module")
def model():
    return zoo.ZOO["functional"]().model


@pytest.fixture(scope="module")
def explain(model):
    return kv.Saliency(model)


@pytest.fixture(scope="module")
def images():
    return zoo.images(12, 10, 3)


@pytest.fixture(scope="module")
def logits(model, images):
    with keras_eager.running():
        return model(images, training=False).numpy()


@pytest.fixture(scope="module")
def features(model, images):
    return keras.Model(model.input, model.get_layer("conv2").output)(images).numpy()


@pytest.mark.parametrize(
    "target",
    [
        [2, 0, 1],
        (2, 0, 1),
        np.array([2, 0, 1], "uint8"),
        np.array([2, 0, 1], "int64"),
        tf.constant([2, 0, 1]),
        ClassScore([2, 0, 1]),
        ("predictions", [2, 0, 1]),
        ClassScore([2, 0, 1], output="predictions"),
    ],
    ids=repr,
)
def test_one_class_per_sample(explain, images, logits, target):
    explanation = explain(images, target)
    np.testing.assert_allclose(explanation.score, logits[np.arange(3), [2, 0, 1]], rtol=1e-5)
    np.testing.assert_array_equal(explanation.target, [2, 0, 1])
    assert explanation.target.dtype == np.int32


@pytest.mark.parametrize("target", [3, np.int64(3), np.uint8(3), np.array(3), tf.constant(3), ClassScore(3)], ids=repr)
def test_one_class_for_all(explain, images, logits, target):
    explanation = explain(images, target)
    np.testing.assert_allclose(explanation.score, logits[:, 3], rtol=1e-5)
    np.testing.assert_array_equal(explanation.target, [3, 3, 3])


def test_the_top_class_of_each(explain, images, logits):
    for target in (None, ClassScore(), ("predictions", None)):
        explanation = explain(images, target)
        np.testing.assert_array_equal(explanation.target, logits.argmax(1))
        np.testing.assert_allclose(explanation.score, logits.max(1), rtol=1e-5)


def test_probabilities(explain, images, model):
    """The gradient of the probability is p (∂s_k - Σ p_j ∂s_j)."""
    explanation = explain(images, ClassScore(1, probability=True))
    p = model(images).numpy()
    np.testing.assert_allclose(explanation.score, p[:, 1], rtol=1e-5)
    of = [explain(images, k).values for k in range(4)]
    mean = sum(p[:, k, None, None, None] * of[k] for k in range(4))
    np.testing.assert_allclose(explanation.values, p[:, 1, None, None, None] * (of[1] - mean), rtol=1e-3, atol=1e-7)


def test_probabilities_of_a_single_sigmoid(images):
    binary = zoo.ZOO["binary"]().model
    p = binary(images).numpy()[:, 0]
    explain = kv.Saliency(binary)
    np.testing.assert_allclose(explain(images, ClassScore(1, probability=True)).score, p, rtol=1e-5)
    np.testing.assert_allclose(explain(images, ClassScore(0, probability=True)).score, 1 - p, rtol=1e-5)
    np.testing.assert_array_equal(explain(images, ClassScore(probability=True)).target, (p > 0.5).astype(int))
    with pytest.raises(TargetError, match="0 to 1"):
        explain(images, 2)


def test_maps_of_scores_are_summed_over_positions():
    specimen = zoo.ZOO["segmentation"]()
    with keras_eager.running():
        logits = specimen.model(specimen.inputs, training=False).numpy()
    explanation = kv.Saliency(specimen.model)(specimen.inputs, [3, 0, 1])
    np.testing.assert_allclose(explanation.score, logits.sum((1, 2))[np.arange(3), [3, 0, 1]], rtol=1e-4)


def test_several_outputs_need_a_name(images):
    explain = kv.Saliency(zoo.ZOO["two_outputs"]().model)
    for target in (None, 1, [0, 1, 2], ClassScore(0)):
        with pytest.raises(TargetError, match=r"2 outputs: 'first', 'second'.*target=\('first'"):
            explain(images, target)
    with pytest.raises(TargetError, match="0 to 2"):
        explain(images, ("second", 3))
    explain(images, ("first", 3))
    with pytest.raises(TargetError, match="no output 'third'"):
        explain(images, ("third", 0))


@pytest.mark.parametrize("number", [4, [0, 1, 5]])
def test_channels(explain, images, features, number):
    explanation = explain(images, Channel("conv2", number))
    chosen = features[np.arange(3), :, :, number]
    np.testing.assert_allclose(explanation.score, chosen.mean((1, 2)), rtol=1e-4, atol=1e-6)
    assert explanation.target == f"channel {number} of conv2"


def test_a_channel_of_a_dense_layer_is_its_unit(explain, images, model):
    pooled = keras.Model(model.input, model.get_layer("gap").output)(images).numpy()
    np.testing.assert_allclose(explain(images, Channel("gap", 2)).score, pooled[:, 2], rtol=1e-5)


@pytest.mark.parametrize("position", [(1, 2), [(0, 0), (1, 2), (2, 1)]])
def test_neurons(explain, images, features, position):
    explanation = explain(images, Neuron("conv2", position, [0, 5, 1]))
    rows, columns = np.broadcast_to(position, (3, 2)).T
    np.testing.assert_allclose(
        explanation.score, features[np.arange(3), rows, columns, [0, 5, 1]], rtol=1e-4, atol=1e-6
    )


def test_a_neuron_sees_its_receptive_field_only(model, images):
    """The first position of the pooling: 2 x 2 positions of a padded 3 x 3 convolution."""
    with zeros_allowed():
        values = sum(np.abs(kv.Saliency(model)(images, Neuron("pool1", (0, 0), k)).values) for k in range(5))
    assert values[:, :3, :3].any()
    assert not values[:, 3:].any()
    assert not values[:, :, 3:].any()


def test_each_layer_of_a_target_is_a_score_of_its_own(explain, images):
    """Also when the layer is given as an address, an object that comes and goes."""
    by_name = {name: explain(images, Channel(name, 1)).score for name in ("conv1", "conv2", "depthwise")}
    for _ in range(3):
        for name, expected in by_name.items():
            np.testing.assert_array_equal(explain(images, Channel(kv.network.Address(name), 1)).score, expected)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Channel("conv2", 6), "outside"),
        (Channel("conv2", -1), "outside"),
        (Channel("conv2", 1.0), "float64"),
        (Channel("conv2", [1, 2]), r"\(2,\)"),
        (Channel("conv2", [[1], [2, 3]]), "different lengths"),
        (Neuron("conv2", (3, 0), 1), "outside"),
        (Neuron("conv2", (0, -1), 1), "outside"),
        (Neuron("conv2", 1, 1), r"\(2,\)"),
        (Neuron("conv2", (1, 1, 1), 1), r"\(2,\)"),
        (Neuron("conv2", (1, 1), 9), "outside"),
        (Neuron("gap", (), 1), "Channel"),
    ],
    ids=str,
)
def test_units_that_are_not_there(explain, images, target, words):
    with pytest.raises(TargetError, match=words):
        explain(images, target)


def test_layers_of_targets_that_are_not_there(explain, images):
    with pytest.raises(LayerError, match="conv2"):
        explain(images, Channel("conv3", 0))


def test_any_function_of_the_scores(explain, images, logits):
    explanation = explain(images, lambda scores: scores[:, 1] - scores[:, 0])
    np.testing.assert_allclose(explanation.score, logits[:, 1] - logits[:, 0], rtol=1e-4)
    expected = explain(images, 1).values - explain(images, 0).values
    np.testing.assert_allclose(explanation.values, expected, rtol=1e-4, atol=1e-6)
    assert explanation.target == "custom score"
    named = Custom(lambda p: p[:, 2], softmax=True, name="tabby")
    given = explain(images, named)
    np.testing.assert_allclose(given.score, explain(images, ClassScore(2, probability=True)).score, rtol=1e-6)
    assert given.target == "tabby"


def test_a_function_of_several_outputs_gets_a_dict(images):
    specimen = zoo.ZOO["dicts"]()
    explain = kv.Saliency(specimen.model)
    both = explain(specimen.inputs, lambda out: out["age"][:, 0] + out["species"][:, 1])
    parts = [explain(specimen.inputs, target).score for target in (("age", 0), ("species", 1))]
    np.testing.assert_allclose(both.score, sum(parts), rtol=1e-5)


class Odd:
    """A callable that cannot be hashed."""

    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        return isinstance(other, Odd)

    def __call__(self, scores):
        return scores[:, self.number]


def test_callables_that_cannot_be_hashed(explain, images, logits):
    for number in (0, 3):
        np.testing.assert_allclose(explain(images, Odd(number)).score, logits[:, number], rtol=1e-5)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda scores: scores, r"\(None, 4\)"),
        (lambda scores: tf.reduce_sum(scores), r"\(\)"),
        (lambda scores: None, "NoneType"),
        (lambda scores: "cat", "one score per sample"),
        (lambda scores: scores[0], r"\(4,\) for 3"),
        (lambda scores: tf.reshape(scores, [-1]), r"\(12,\) for 3"),
    ],
)
def test_functions_that_give_no_score_per_sample(explain, images, function, words):
    with pytest.raises(TargetError, match=words):
        explain(images, function)


def test_errors_of_the_users_function_are_not_hidden(explain, images):
    with pytest.raises(ZeroDivisionError):
        explain(images, lambda scores: 1 / 0)


def test_regression_is_the_output_itself(images):
    specimen = zoo.ZOO["regression"]()
    explanation = kv.Saliency(specimen.model)(specimen.inputs)
    np.testing.assert_allclose(explanation.score, specimen.model(specimen.inputs).numpy()[:, 0], rtol=1e-5)
    np.testing.assert_array_equal(explanation.target, [0, 0, 0])


@pytest.fixture(scope="module")
def autoencoder():
    inputs = keras.Input((6, 5, 2))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="code")(inputs)
    return zoo.randomize(keras.Model(inputs, keras.layers.Conv2D(2, 3, padding="same", name="picture")(x)))


class ReconstructionError(Target):
    """How far an autoencoder's picture is from the images."""

    def __init__(self, images):
        self.images = images

    def arguments(self, network, count):
        return [self.images]

    def score(self, network, done, arguments):
        (picture,) = done.outputs.values()
        return tf.reduce_mean((picture - arguments[0]) ** 2, axis=[1, 2, 3])


def test_the_reconstruction_error_of_an_autoencoder(autoencoder):
    """By a target with a row per sample, which is split with the batch; and by a model around the autoencoder."""
    images = zoo.images(6, 5, 2, count=5)
    expected = ((autoencoder(images).numpy() - images) ** 2).mean((1, 2, 3))
    whole = kv.GradCAM(autoencoder, "code")(images, ReconstructionError(images))
    np.testing.assert_allclose(whole.score, expected, rtol=1e-5)
    parts = kv.GradCAM(autoencoder, "code", batch_size=2)(images, ReconstructionError(images))
    np.testing.assert_allclose(parts.values, whole.values, rtol=1e-5, atol=1e-8)
    assert whole.target == "reconstructionerror"

    inputs = keras.Input((6, 5, 2))
    error = keras.ops.mean((autoencoder(inputs) - inputs) ** 2, axis=(1, 2, 3))
    explanation = kv.Saliency(keras.Model(inputs, error))(images)
    np.testing.assert_allclose(explanation.score, expected, rtol=1e-5)
    with tf.GradientTape() as tape:
        x = tf.constant(images)
        tape.watch(x)
        scores = tf.reduce_mean((autoencoder(x) - x) ** 2, axis=[1, 2, 3])
    np.testing.assert_allclose(explanation.values, tape.gradient(scores, x).numpy(), rtol=1e-4, atol=1e-7)


def test_a_target_of_ones_own_with_settings(explain, images, logits):
    class Weighted(Target):
        def __init__(self, weight):
            self.weight = weight

        def score(self, network, done, arguments):
            return self.weight * done.scores["predictions"][:, 0]

    for weight in (1.0, -2.0):
        np.testing.assert_allclose(explain(images, Weighted(weight)).score, weight * logits[:, 0], rtol=1e-5)


@pytest.mark.slow
def test_free_widths(images):
    """A row of scores whose length depends on the image."""
    inputs = keras.Input((None, 3))
    x = keras.layers.Conv1D(1, 3, name="conv")(inputs)
    model = zoo.randomize(keras.Model(inputs, keras.layers.Reshape((-1,))(x)))
    rows = zoo.images(9, 3)
    np.testing.assert_allclose(kv.Saliency(model)(rows, 4).score, model(rows).numpy()[:, 4], rtol=1e-5)
    with pytest.raises(TargetError, match="class numbers from 0"):
        kv.Saliency(model)(rows, -1)


def test_as_target():
    target = Channel("conv1", 1)
    assert as_target(target) is target
    assert as_target(None).index is None
    assert as_target(("species", 3)).output == "species"
    assert isinstance(as_target(len), Custom)
    with pytest.raises(TargetError, match=r"labels\.index"):
        as_target("tabby")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (ClassScore(1), "class 1"),
        (ClassScore(1, output="species"), "class 1 of species"),
        (Channel("base/conv1", 3), "channel 3 of base/conv1"),
        (Neuron("conv1", (1, 2), 3), "neuron 3 at (1, 2) of conv1"),
        (Custom(len, name="margin"), "margin"),
    ],
    ids=str,
)
def test_descriptions(target, words):
    assert target.describe() == words


def test_a_layer_object_is_described_by_its_name(model):
    assert Channel(model.get_layer("conv1"), 2).describe() == "channel 2 of conv1"
