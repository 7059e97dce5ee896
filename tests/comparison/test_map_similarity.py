"""Rank correlation and structural similarity, against closed forms and other people's code."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from kerasviz.comparison.similarity import rank_correlation, shares, structural_similarity
from kerasviz.errors import InputError


def test_ranks_are_all_that_counts(rng):
    maps = rng.normal(size=(3, 6, 5))
    np.testing.assert_allclose(rank_correlation(maps, np.exp(maps)), 1)
    np.testing.assert_allclose(rank_correlation(maps, -(maps**3)), -1)


def test_a_known_rank_correlation():
    """1 − 6 Σd² / n(n² − 1), with two neighbours swapped: d² = 1 twice."""
    a = np.arange(6.0).reshape(1, 2, 3)
    b = a.copy()
    b[0, 0, :2] = 1, 0
    assert rank_correlation(a, b)[0] == pytest.approx(1 - 6 * 2 / (6 * 35))


def test_ties_share_their_rank(rng):
    a, b = rng.integers(0, 4, (2, 4, 9, 7)).astype(float)
    expected = [spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(rank_correlation(a, b), expected, atol=1e-12)


def test_flat_maps():
    flat, other = np.zeros((1, 4, 4)), np.arange(16.0).reshape(1, 4, 4)
    assert rank_correlation(flat, flat)[0] == 1
    assert np.isnan(rank_correlation(flat, other)[0]) and np.isnan(rank_correlation(other, flat + 1)[0])


@pytest.mark.parametrize("signed", [True, False])
def test_structural_similarity_is_that_of_scikit_image(rng, signed):
    metrics = pytest.importorskip("skimage.metrics")
    a, b = rng.normal(size=(2, 3, 24, 18)) if signed else rng.random((2, 3, 24, 18))
    b = 0.6 * a + 0.4 * b
    expected = [
        metrics.structural_similarity(
            x / np.abs(x).max(),
            y / np.abs(y).max(),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=2 if signed else 1,
        )
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(structural_similarity(a, b, signed=signed), expected, atol=1e-12)
    assert 0.1 < min(expected) < max(expected) < 0.95


def test_strength_does_not_count(rng):
    maps = rng.random((2, 16, 16))
    np.testing.assert_allclose(structural_similarity(maps, 7 * maps, signed=False), 1)
    assert structural_similarity(maps, maps[::-1], signed=False).max() < 0.5


def test_small_maps_have_no_frame(rng):
    """Constant maps: the structure is the same, and the means differ."""
    a, b = np.ones((1, 4, 4)), np.zeros((1, 4, 4))
    c1 = 0.01**2
    assert structural_similarity(a, b, signed=False)[0] == pytest.approx(c1 / (1 + c1))
    assert structural_similarity(b, b, signed=False)[0] == 1


def test_shares():
    found = shares([[[2.0, -4.0]], [[0.0, 0.0]]])
    np.testing.assert_array_equal(found, [[[0.5, -1.0]], [[0.0, 0.0]]])


@pytest.mark.parametrize("shapes", [((1, 4, 4), (1, 4, 5)), ((4, 4), (4, 4)), ((0, 4, 4), (0, 4, 4))])
def test_shapes_that_do_not_fit(shapes):
    a, b = (np.ones(shape) for shape in shapes)
    for measure in (rank_correlation, lambda x, y: structural_similarity(x, y, signed=True)):
        with pytest.raises(InputError, match="one shape"):
            measure(a, b)
