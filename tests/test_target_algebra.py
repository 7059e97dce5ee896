"""Sums and products of targets, whole layers, and a target for each sample, against the scores they are made of."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo

import kerasviz as kv
from kerasviz import targets as T
from kerasviz.errors import TargetError
from kerasviz.network import Network

IMAGES = zoo.images(12, 10, 3)


@pytest.fixture(scope="module")
def network():
    return Network(zoo.ZOO["functional"]().model)


@pytest.fixture(scope="module")
def conv2(network):
    return network.activations(IMAGES, "conv2")["conv2"]


@pytest.fixture(scope="module")
def logits(network):
    return scores(network, [T.ClassScore(k) for k in range(4)]).T


def scores(network, asked, images=IMAGES):
    """The scores of several targets, each as `(N,)`, in one graph."""
    arguments = [target.arguments(network, len(images)) for target in asked]
    taps = dict.fromkeys(address for target in asked for address in target.addresses(network))

    @tf.function(autograph=False)
    def run(tensors, arguments):
        done = network.forward(tensors, taps)
        return [target.score(network, done, own) for target, own in zip(asked, arguments, strict=True)]

    return np.array([part.numpy() for part in run(network.inputs.check(images), arguments)])


A, B, C = T.ClassScore(1), T.Channel("conv2", 2), T.Neuron("conv1", (1, 2), 3)


def test_the_laws_of_algebra(network):
    a, b, c, *combined = scores(
        network,
        [A, B, C, A - B, A + B, 2 - A, A + 2, -A, A * B, 3 * A - B / 4, (A - B) * C, A - (B - C), sum([A, B, C])],
    )
    expected = [a - b, a + b, 2 - a, a + 2, -a, a * b, 3 * a - b / 4, (a - b) * c, a - (b - c), a + b + c]
    np.testing.assert_allclose(combined, expected, rtol=1e-4, atol=1e-6)
    assert not np.allclose(a - b, a + b)  # the difference means something here


@pytest.mark.slow
def test_combining_changes_no_operand(network):
    a, b = T.ClassScore([0, 1, 2]), T.Channel("conv2", 2)
    before = scores(network, [a, b])
    kept = a - b, 5 * a, -b, a / 2
    np.testing.assert_array_equal(scores(network, [a, b]), before)
    assert len(kept) == 4 and a.describe() == "class [0, 1, 2]"


def test_combinations_describe_themselves():
    assert (A - 0.5 * B).describe() == "class 1 - 0.5 * channel 2 of conv2"
    assert ((A + B) * 2).describe() == "(class 1 + channel 2 of conv2) * 2"
    assert (-A + 3).describe() == "-1 * class 1 + 3"
    assert kv.objectives.neuron("c", 4).describe() == "neuron 4 in the middle of c"


@pytest.mark.parametrize("other", ["conv2", None, True, np.nan, np.inf, [1, 2]])
def test_only_targets_and_numbers_combine(other):
    with pytest.raises(TargetError, match="another target, or a finite number"):
        A + other
    with pytest.raises(TargetError, match="another target, or a finite number"):
        other * A


@pytest.mark.parametrize("divisor", [0, A, "2"])
def test_division_by_numbers_only(divisor):
    with pytest.raises(TargetError, match="a number other than 0"):
        A / divisor


def test_another_number_is_no_other_function():
    assert (A - 0.5 * B).key() == (T.ClassScore(3) - 0.7 * T.Channel("conv2", 0)).key()
    assert (A - 0.5 * B).key() != (A + B).key() != (A * B).key()
    assert T.Each([A, B, C]).key() == T.Each([T.ClassScore(0), B, C]).key() != T.Each([A, A, B]).key()


def test_a_target_that_hides_arguments_is_told():
    class Hiding(T.ClassScore):
        argument_count = 0

    with pytest.raises(TargetError, match="argument_count"):
        (Hiding(1) + A).arguments(Network(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])), 2)


def test_each_sample_has_its_own(network):
    mixed = [B, A, T.Channel("conv2", 5), T.ClassScore(3), C, A - B]
    images = np.concatenate([IMAGES, IMAGES])
    alone = scores(network, mixed, images)
    (each,) = scores(network, [T.Each(mixed)], images)
    np.testing.assert_allclose(each, np.diag(alone), rtol=1e-5)


@pytest.mark.slow
def test_each_can_be_taken_in_parts(network):
    mixed = T.Each([B, A, T.Channel("conv2", 5)])
    arguments = mixed.arguments(network, 3)
    (whole,) = scores(network, [mixed])

    @tf.function(autograph=False)
    def run(tensors, arguments):
        return mixed.score(network, network.forward(tensors, mixed.addresses(network)), arguments)

    parts = [run([IMAGES[i : i + 1]], [array[i : i + 1] for array in arguments])[0] for i in range(3)]
    np.testing.assert_allclose(parts, whole, rtol=1e-5)


def test_each_needs_one_for_each(network):
    with pytest.raises(TargetError, match="2 targets for 3 samples"):
        T.Each([A, B]).arguments(network, 3)
    with pytest.raises(TargetError, match="at least one"):
        T.Each([])
    with pytest.raises(TargetError, match="all targets"):
        T.Each([A, 3])


def test_a_layer_is_its_mean_square(network, conv2):
    (found,) = scores(network, [T.Layer("conv2")])
    np.testing.assert_allclose(found, (conv2**2).mean(axis=(1, 2, 3)), rtol=1e-5)


def test_a_direction_is_a_dot_product(network, conv2, rng):
    vector = rng.normal(size=(3, conv2.shape[-1]))
    plain, one, sharp = scores(
        network,
        [T.Direction("conv2", vector), T.Direction("conv2", vector[0]), T.Direction("conv2", vector, cosine=2)],
    )
    dots = np.einsum("nhwc,nc->nhw", conv2, vector)
    cosines = dots / np.maximum(np.linalg.norm(conv2, axis=3) * np.linalg.norm(vector, axis=1)[:, None, None], 1e-12)
    np.testing.assert_allclose(plain, dots.mean((1, 2)), rtol=1e-4)
    np.testing.assert_allclose(one[0], plain[0], rtol=1e-5)
    np.testing.assert_allclose(sharp, (dots * np.maximum(cosines, 0.1) ** 2).mean((1, 2)), rtol=1e-4)


def test_a_direction_has_a_gradient_where_units_are_off(network):
    objective = T.Direction("out_relu", np.arange(1, 7), cosine=2)
    dead = network.address("out_relu")

    @tf.function(autograph=False)
    def slope(tensors, arguments, nothing):
        with tf.GradientTape() as tape:
            tape.watch(nothing)
            done = network.forward(tensors, (dead,), stand_ins={dead: nothing})
            score = objective.score(network, done, arguments)
        return tape.gradient(score, nothing)

    found = slope([IMAGES], objective.arguments(network, 3), tf.zeros((3, 3, 3, 6)))
    assert np.isfinite(found).all()


def test_a_unit_vector_is_a_channel(network):
    direction, channel = scores(network, [T.Direction("conv2", np.eye(6)[2]), T.Channel("conv2", 2)])
    np.testing.assert_allclose(direction, channel, rtol=1e-5)


@pytest.mark.parametrize("vector", [np.ones(3), np.zeros(6), np.full(6, np.nan), "ab", [[1, 2], [3]]])
def test_wrong_directions(network, vector):
    with pytest.raises(TargetError):
        T.Direction("conv2", vector).arguments(network, 3)


def test_diversity_is_the_cosine_of_gram_matrices(network, conv2):
    rows = conv2.reshape(3, -1, conv2.shape[-1])
    grams = np.stack([(row.T @ row).ravel() / np.linalg.norm(row.T @ row) for row in rows])
    alike = grams @ grams.T
    (found,) = scores(network, [T.Diversity("conv2")])
    np.testing.assert_allclose(found, (alike.sum(1) - np.diag(alike)) / 3, rtol=1e-4)


def test_two_identical_images_have_a_diversity_of_one(network):
    (found,) = scores(network, [T.Diversity("conv2")], IMAGES[[0, 0]])
    assert found.sum() == pytest.approx(1, abs=1e-5)


def test_the_middle_neuron(network, conv2):
    height, width = conv2.shape[1:3]
    (found,) = scores(network, [T.Neuron("conv2", None, 2)])
    np.testing.assert_allclose(found, conv2[:, height // 2, width // 2, 2], rtol=1e-5)


@pytest.mark.slow
def test_log_probabilities(network, logits):
    probabilities = network_of("functional").predict(IMAGES, verbose=0)
    (found,) = scores(network, [T.LogProbability([3, 0, 1])])
    np.testing.assert_allclose(np.exp(found), probabilities[np.arange(3), [3, 0, 1]], rtol=1e-4)
    assert T.LogProbability(2).describe() == "log probability of class 2"


@pytest.mark.slow
def test_log_probabilities_of_a_unit_under_a_sigmoid():
    model = network_of("binary")
    images = zoo.ZOO["binary"]().inputs
    yes, no = scores(Network(model), [T.LogProbability(1), T.LogProbability(0)], images)
    predicted = model.predict(images, verbose=0)[:, 0]
    np.testing.assert_allclose(np.exp(yes), predicted, rtol=1e-4)
    np.testing.assert_allclose(np.exp(no), 1 - predicted, rtol=1e-4)


def test_a_log_probability_needs_probabilities():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(TargetError, match="Softmax on the model"):
        scores(Network(model), [T.LogProbability(1)], np.ones((3, 4), "float32"))


def network_of(kind):
    return zoo.ZOO[kind]().model


@pytest.mark.slow
def test_explainers_take_combinations():
    model = network_of("functional")
    explain = kv.InputXGradient(model)
    both, one, other = (np.asarray(explain(IMAGES, target)) for target in (A - 0.5 * B, A, B))
    np.testing.assert_allclose(both, one - 0.5 * other, rtol=1e-3, atol=1e-6)


def test_explainers_take_no_target_of_a_whole_batch():
    with pytest.raises(TargetError, match="depends on the whole batch"):
        kv.Saliency(network_of("functional"))(IMAGES, A - T.Diversity("conv2"))
