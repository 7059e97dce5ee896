"""Encodings: their names, the direct one, and what the judge of a network makes of them."""

import keras
import numpy as np
import pytest
from keras import layers as L

from kerasviz.errors import SettingError, TargetError
from kerasviz.synthesis.fooling.cppn import CPPN
from kerasviz.synthesis.fooling.direct import Direct
from kerasviz.synthesis.fooling.encoding import encoding_of
from kerasviz.synthesis.fooling.judging import Judge
from kerasviz.synthesis.spaces import ImageSpace

SPACE = ImageSpace(4, 5, 3, -1.0, 3.0)


@pytest.fixture(scope="module")
def classifier():
    """Of images of 4 x 5 with three channels, values -1..3; random weights."""
    model = keras.Sequential([keras.Input((4, 5, 3)), L.Flatten(), L.Dense(6, "softmax")])
    model.layers[-1].set_weights([np.random.default_rng(5).normal(size=(60, 6)), np.zeros(6)])
    return model


def values(population):
    """Genes of the direct encoding."""
    return {"values": np.random.default_rng(population).random((population, 4, 5, 3), np.float32)}


def test_encodings_by_name():
    assert encoding_of("direct") == Direct()
    assert encoding_of("cppn") == CPPN()
    own = Direct(mutation_eta=20)
    assert encoding_of(own) is own
    with pytest.raises(SettingError, match="'direct', 'cppn'"):
        encoding_of("pixels")


@pytest.mark.parametrize(
    "make", [lambda: Direct(crossover_rate=2), lambda: CPPN(most_hidden=0), lambda: CPPN(add_neuron=-1)]
)
def test_refuses_wrong_rates(make):
    with pytest.raises(SettingError):
        make()


def test_direct_genes_begin_uniform_and_are_the_units(rng):
    genes = Direct().first(300, SPACE, rng)
    assert genes["values"].shape == (300, 4, 5, 3)
    assert abs(genes["values"].mean() - 0.5) < 0.01
    assert abs(genes["values"].std() - np.sqrt(1 / 12)) < 0.01
    np.testing.assert_array_equal(Direct().units(genes, SPACE), genes["values"])


def test_direct_children_are_of_their_parents_and_mutate_at_the_rate(rng):
    mothers = {"values": np.full((200, 4, 5, 3), 0.25, np.float32)}
    fathers = {"values": np.full((200, 4, 5, 3), 0.75, np.float32)}
    children = Direct(crossover_rate=0).children(mothers, fathers, rng, 0.2)["values"]
    assert children.shape == (400, 4, 5, 3)
    moved = np.concatenate([children[:200] != 0.25, children[200:] != 0.75])
    assert abs(moved.mean() - 0.2) < 0.01
    crossed = Direct(crossover_rate=1).children(mothers, fathers, rng, 0.0)["values"]
    assert np.isin(crossed, [0.25, 0.75]).mean() < 0.01
    # What one child of a gene gains the other loses, but for the bounds.
    np.testing.assert_allclose(np.median(crossed[:200] + crossed[200:]), 1, atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("count", [7, 12])
def test_probabilities_are_those_of_the_model_for_the_images_returned(classifier, count):
    judge = Judge(classifier, Direct(), 5, value_range=(-1, 3))
    genes = values(count)
    images = judge.images(genes)
    np.testing.assert_allclose(images, -1 + np.floor(255 * genes["values"]) * (4 / 255), atol=1e-6)
    expected = classifier.predict(images, verbose=0)
    np.testing.assert_allclose(judge.probabilities(genes), expected, atol=1e-6)


@pytest.mark.slow
def test_without_rounding_values_are_the_genes(classifier):
    judge = Judge(classifier, Direct(), 5, value_range=(-1, 3), eight_bit=False)
    genes = values(3)
    np.testing.assert_allclose(judge.images(genes), 4 * genes["values"] - 1, atol=1e-6)
    expected = classifier.predict(4 * genes["values"] - 1, verbose=0)
    np.testing.assert_allclose(judge.probabilities(genes), expected, atol=1e-6)


@pytest.mark.slow
def test_preprocessing_comes_before_the_network(classifier):
    judge = Judge(classifier, Direct(), 4, preprocess="tf")
    genes = values(4)
    images = judge.images(genes)
    assert (images == np.floor(255 * genes["values"])).all()
    expected = classifier.predict(images / 127.5 - 1, verbose=0)
    np.testing.assert_allclose(judge.probabilities(genes), expected, atol=1e-6)


@pytest.mark.slow
def test_other_inputs_are_given_to_each_image():
    image, scale = keras.Input((4, 5, 3), name="image"), keras.Input((6,), name="scale")
    scores = L.Multiply()(
        [L.Dense(6, kernel_initializer=keras.initializers.RandomNormal(seed=1))(L.Flatten()(image)), scale]
    )
    model = keras.Model([image, scale], L.Softmax()(scores))
    other = np.array([1, -2, 0, 3, 1, 1], np.float32)
    judge = Judge(model, Direct(), 4, value_range=(0, 1), input="image", others={"scale": other})
    genes = values(6)
    expected = model.predict([judge.images(genes), np.tile(other, (6, 1))], verbose=0)
    np.testing.assert_allclose(judge.probabilities(genes), expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["log_softmax", "sigmoid"])
def test_other_heads(activation):
    width = 1 if activation == "sigmoid" else 4
    model = keras.Sequential([keras.Input((4, 5, 3)), L.Flatten(), L.Dense(width, activation)])
    judge = Judge(model, Direct(), 4, value_range=(0, 1))
    seen = model.predict(judge.images(values(4)), verbose=0)
    expected = np.exp(seen) if width == 4 else np.concatenate([1 - seen, seen], axis=1)
    np.testing.assert_allclose(judge.probabilities(values(4)), expected, atol=1e-6)


def test_batches_hold_the_same_individuals_whatever_the_groups(classifier):
    judge = Judge(classifier, Direct(), 4, value_range=(0, 1))
    numbers = np.arange(13)
    groups = ({"n": part} for part in np.split(numbers, [1, 6, 7]))
    batches = [batch["n"].tolist() for batch in judge.batches(groups)]
    assert [len(batch) for batch in batches] == [4, 4, 4, 1]
    assert [number for batch in batches for number in batch] == numbers.tolist()


def test_refuses_what_cannot_be_encoded_or_judged(classifier):
    with pytest.raises(SettingError, match="range"):
        Judge(classifier, Direct(), 4)
    with pytest.raises(SettingError, match="genes from 0 to 1"):
        Judge(classifier, Direct(), 4, value_range=(-np.inf, np.inf))
    with pytest.raises(SettingError, match="and not numpy"):
        Judge(classifier, Direct(), 4, value_range=(0, 1), preprocess=lambda images: np.sqrt(np.asarray(images)))
    scores = keras.Sequential([keras.Input((4, 5, 3)), L.Flatten(), L.Dense(6)])
    with pytest.raises(TargetError, match="probabilities"):
        Judge(scores, Direct(), 4, value_range=(0, 1))
