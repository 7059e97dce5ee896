"""Operators of evolution against loops over genes, and against what each draw must be distributed like."""

import numpy as np
import pytest
from reference import evolution
from scipy import stats

from kerasviz.errors import InputError
from kerasviz.synthesis.fooling.operators import (
    bit_flips,
    one_point,
    polynomial_mutation,
    polynomial_steps,
    roulette,
    sbx,
    sbx_children,
    uniform,
)


def test_polynomial_steps_are_those_worked_out_by_hand():
    draws = np.array([0, 0.1, 0.25, 0.5, 0.75, 0.9])
    expected = [-1, -0.095696, -0.042397, 0, 0.042397, 0.095696]
    np.testing.assert_allclose(polynomial_steps(draws), expected, atol=5e-7)


@pytest.mark.parametrize("eta", [0.0, 2.5, 15.0, 20.0])
def test_polynomial_steps_are_those_of_a_loop(eta, rng):
    draws = rng.random((4, 50))
    expected = [[evolution.polynomial_step(u, eta) for u in row] for row in draws.tolist()]
    np.testing.assert_allclose(polynomial_steps(draws, eta), expected, atol=1e-12)


def test_mutation_moves_each_gene_alike_often_by_polynomial_steps(rng):
    genes = np.full((400, 300), 0.5, np.float32)
    before = genes.copy()
    steps = polynomial_mutation(genes, rng, 0.1) - genes
    np.testing.assert_array_equal(genes, before)
    moved = steps != 0
    # Within five standard deviations: in all, of each gene, and of neighbours together.
    assert abs(moved.mean() - 0.1) < 5 * np.sqrt(0.09 / moved.size)
    assert np.abs(moved.mean(axis=0) - 0.1).max() < 5 * np.sqrt(0.09 / 400)
    together = moved[:, 1:] & moved[:, :-1]
    assert abs(together.mean() - 0.01) < 5 * np.sqrt(0.0099 / together.size)
    # The inverse of the step as a function of the draw.
    near = steps[moved][np.abs(steps[moved]) < 0.49]
    draws = np.where(near < 0, (1 + near) ** 16 / 2, 1 - (1 - near) ** 16 / 2)
    assert stats.kstest(draws, "uniform").pvalue > 1e-3


def test_mutation_stays_within_bounds_and_reaches_them(rng):
    mutants = polynomial_mutation(rng.random((50, 100)), rng, 1.0, eta=1.0)
    assert mutants.dtype == np.float32
    assert (mutants.min(), mutants.max()) == (0, 1)


@pytest.mark.parametrize(("rate", "share"), [(0.0, 0.0), (1.0, 1.0)])
def test_mutation_of_no_gene_and_of_all(rate, share, rng):
    genes = np.full((20, 50), 0.4, np.float32)
    assert (polynomial_mutation(genes, rng, rate) != genes).mean() == share


def test_mutation_of_many_genes_at_a_low_rate(rng):
    genes = np.full(300_000, 0.5, np.float32)
    places = np.flatnonzero(polynomial_mutation(genes, rng, 0.001) != genes)
    assert 220 < len(places) < 380
    assert stats.kstest(places / genes.size, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("eta", [0.0, 3.7, 10.0])
def test_sbx_children_are_those_of_a_loop(eta, rng):
    mothers, fathers, draws = rng.random((3, 6, 30))
    expected = np.vectorize(lambda a, b, u: evolution.sbx_pair(a, b, u, eta))(mothers, fathers, draws)
    np.testing.assert_allclose(sbx_children(mothers, fathers, draws, eta), expected, atol=1e-12)
    single = sbx_children(*(part.astype(np.float32) for part in (mothers, fathers, draws)), eta)
    np.testing.assert_allclose(single, expected, atol=2e-6)


def test_sbx_crosses_half_of_the_pairs_and_shares_children_by_a_coin(rng):
    mothers, fathers = np.full((400, 60), 0.3, np.float32), np.full((400, 60), 0.6, np.float32)
    first, second = sbx(mothers, fathers, rng, 0.5)
    crossed = (first != mothers).any(axis=1)
    assert abs(crossed.mean() - 0.5) < 5 * np.sqrt(0.25 / 400)
    np.testing.assert_array_equal(first[~crossed], mothers[~crossed])
    np.testing.assert_array_equal(second[~crossed], fathers[~crossed])
    lower = first[crossed] < second[crossed]
    assert abs(lower.mean() - 0.5) < 5 * np.sqrt(0.25 / lower.size)
    # Children are those of a uniform draw: their halves of the gap, inverted as in Deb's formulas.
    upper = np.maximum(first, second)[crossed]
    spread = (upper - 0.45) / 0.15
    alpha = 2 - (1 + 2 * 0.4 / 0.3) ** -11.0
    draws = np.where(spread <= 1, spread**11 / alpha, (2 - spread**-11.0) / alpha)
    assert stats.kstest(draws.ravel(), "uniform").pvalue > 1e-3
    assert (mothers == np.float32(0.3)).all()


def test_sbx_never_leaves_the_bounds(rng):
    mothers, fathers = rng.random((2, 50, 2000), np.float32)
    mothers[:, 1000:], fathers[:, :1000] = 0, 1
    children = sbx(mothers, fathers, rng, 1.0, eta=0.0)
    assert children.min() >= 0
    assert children.max() <= 1


def test_sbx_leaves_equal_genes_and_shapes_alone(rng):
    same = rng.random((5, 4, 3, 2), np.float32)
    first, second = sbx(same, same, rng, 1.0)
    np.testing.assert_array_equal(first, same)
    np.testing.assert_array_equal(second, same)


def test_one_point_changes_sides_once_at_any_place_alike(rng):
    zeros, ones = np.zeros((3000, 6), np.uint8), np.ones((3000, 6), np.uint8)
    first, second = one_point(zeros, ones, rng)
    np.testing.assert_array_equal(first + second, ones)
    assert (np.diff(first.astype(int), axis=1) >= 0).all()
    counts = np.bincount(first.sum(axis=1).astype(int), minlength=7)
    assert counts[[0, 6]].tolist() == [0, 0]
    assert stats.chisquare(counts[1:6]).pvalue > 1e-3
    assert first.dtype == np.uint8


@pytest.mark.parametrize("cross", [one_point, uniform])
def test_pairs_are_crossed_at_a_rate(cross, rng):
    zeros, ones = np.zeros((2000, 40), int), np.ones((2000, 40), int)
    first, second = cross(zeros, ones, rng, 0.3)
    np.testing.assert_array_equal(first + second, ones)
    assert abs(first.any(axis=1).mean() - 0.3) < 5 * np.sqrt(0.21 / 2000)


def test_uniform_gives_each_gene_by_a_coin(rng):
    first, second = uniform(np.zeros((500, 40), int), np.ones((500, 40), int), rng)
    np.testing.assert_array_equal(first + second, 1)
    assert np.abs(first.mean(axis=0) - 0.5).max() < 5 * np.sqrt(0.25 / 500)
    assert np.abs(first.mean(axis=1) - 0.5).max() < 5 * np.sqrt(0.25 / 40)


@pytest.mark.parametrize("kind", [np.uint8, bool, np.int64])
def test_bits_flip_at_a_rate(kind, rng):
    bits = (rng.random((200, 100)) < 0.5).astype(kind)
    flipped = bit_flips(bits, rng, 0.2)
    assert flipped.dtype == kind
    assert set(np.unique(flipped).tolist()) == {0, 1}
    assert abs((flipped != bits).mean() - 0.2) < 5 * np.sqrt(0.16 / 20_000)


def test_roulette_picks_by_shares_of_fitness(rng):
    picked = roulette(np.array([0.0, 1.0, 3.0, 0.0, 6.0]), 10_000, rng)
    counts = np.bincount(picked, minlength=5)
    assert counts[[0, 3]].tolist() == [0, 0]
    assert stats.chisquare(counts[[1, 2, 4]], [1000, 3000, 6000]).pvalue > 1e-3


def test_roulette_without_any_fitness_picks_all_alike(rng):
    assert stats.chisquare(np.bincount(roulette(np.zeros(4), 8000, rng), minlength=4)).pvalue > 1e-3


@pytest.mark.parametrize("fitness", [[1.0, -0.1], [1.0, np.nan], [np.inf, 1.0]])
def test_roulette_refuses_what_has_no_share(fitness, rng):
    with pytest.raises(InputError, match="shares"):
        roulette(np.array(fitness), 2, rng)


def test_operators_repeat_for_a_seed_and_differ_for_another():
    parents = np.random.default_rng(0).random((2, 10, 20), np.float32)

    def vary(seed):
        rng = np.random.default_rng(seed)
        return polynomial_mutation(np.concatenate(sbx(*parents, rng)), rng)

    np.testing.assert_array_equal(vary(4), vary(4))
    assert (vary(4) != vary(5)).any()
