"""Scores against a given activation, by hand."""

import numpy as np
import pytest
import tensorflow as tf
from zoo import ZOO

from kerasviz.errors import TargetError
from kerasviz.network import Network, Pass
from kerasviz.targets import AlongActivation, Each, MatchActivation


@pytest.fixture(scope="module")
def network():
    return Network(ZOO["functional"]().model)


SHAPE = (3, 3, 6)


@pytest.fixture
def found(rng):
    return rng.normal(size=(2, *SHAPE)).astype("float32")


@pytest.fixture
def wanted(rng):
    rng.normal(size=7)
    return rng.normal(size=(2, *SHAPE)).astype("float32")


def score(target, network, found):
    done = Pass({}, {}, {network.address("out_relu"): tf.constant(found)})
    arguments = [tf.constant(array) for array in target.arguments(network, len(found))]
    return target.score(network, done, arguments).numpy()


def test_match_is_minus_the_relative_error(network, found, wanted):
    by_hand = [-np.sum((a - b) ** 2) / np.sum(b**2) for a, b in zip(found, wanted, strict=True)]
    np.testing.assert_allclose(score(MatchActivation("out_relu", wanted), network, found), by_hand, rtol=1e-5)
    assert score(MatchActivation("out_relu", found), network, found).tolist() == [0, 0]
    np.testing.assert_allclose(score(MatchActivation("out_relu", wanted), network, 0 * found), [-1, -1], rtol=1e-6)


@pytest.mark.parametrize("cosine", [0, 1, 2.5])
def test_along_is_the_dot_product_at_each_position(network, found, wanted, cosine):
    by_hand = []
    for a, b in zip(found.reshape(2, 9, 6), wanted.reshape(2, 9, 6), strict=True):
        dots = [
            p @ q * max(p @ q / np.linalg.norm(p) / np.linalg.norm(q), 0.1) ** cosine for p, q in zip(a, b, strict=True)
        ]
        by_hand.append(np.sum(dots) / np.sum(b**2))
    target = AlongActivation("out_relu", wanted, cosine=cosine)
    np.testing.assert_allclose(score(target, network, found), by_hand, rtol=1e-4)
    itself = score(AlongActivation("out_relu", found, cosine=cosine), network, 3 * found)
    np.testing.assert_allclose(itself, [3, 3], rtol=1e-5)


def test_along_has_a_gradient_where_positions_are_off(network, wanted):
    """After rectifiers whole positions are zero, where a cosine has no direction."""
    target = AlongActivation("out_relu", wanted, cosine=2)
    off = tf.zeros((2, *SHAPE))
    with tf.GradientTape() as tape:
        tape.watch(off)
        done = Pass({}, {}, {network.address("out_relu"): off})
        scores = target.score(network, done, [tf.constant(wanted)])
    gradient = tape.gradient(scores, off).numpy()
    squares = (wanted**2).sum((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(gradient, wanted * 0.1**2 / squares, rtol=1e-5)


def test_one_activation_for_all_and_one_for_each(network, found, wanted):
    both = score(MatchActivation("out_relu", wanted[0]), network, found)
    each = score(MatchActivation("out_relu", wanted), network, found)
    assert both[0] == each[0]
    assert abs(both[1] - each[1]) > 0.01
    apart = Each([MatchActivation("out_relu", wanted[1]), AlongActivation("out_relu", wanted[0])])
    np.testing.assert_allclose(
        score(apart, network, found),
        [
            score(MatchActivation("out_relu", wanted[1]), network, found)[0],
            score(AlongActivation("out_relu", wanted[0]), network, found)[1],
        ],
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.ones((4, 3, 6)), r"values has the shape \(4, 3, 6\)"),
        (np.ones((3, *SHAPE)), "one per sample"),
        (np.zeros(SHAPE), "zero or not finite"),
        (np.stack([np.ones(SHAPE), np.zeros(SHAPE)]), "zero or not finite"),
        (np.full(SHAPE, np.nan), "zero or not finite"),
        (np.full(SHAPE, "a"), "numbers of the shape"),
    ],
)
def test_wrong_values(network, values, said):
    with pytest.raises(TargetError, match=said):
        MatchActivation("out_relu", values).arguments(network, 2)
