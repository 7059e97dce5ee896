"""The genetic algorithm: on binary strings whose best is known, and on a class of a network."""

import numpy as np
import pytest

from kerasviz.errors import InputError, SettingError, TargetError
from kerasviz.synthesis.fooling.class_fitness import ClassFitness
from kerasviz.synthesis.fooling.genetic import Bits, GeneticAlgorithm, Reals

TARGET = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1], np.uint8)


def count_ones(bits):
    return bits.sum(axis=1)


@pytest.mark.parametrize("crossover", ["one_point", "uniform"])
@pytest.mark.parametrize("seed", range(3))
def test_finds_the_string_of_ones(crossover, seed):
    made = GeneticAlgorithm(count_ones, Bits(24), population=60, crossover=crossover)(300, seed=seed, goal=24)
    assert made.best.tolist() == [1] * 24
    assert made.fitness == 24
    assert made.generation == len(made.history["best"]) - 1 < 300


def test_finds_a_string_that_it_is_told_nothing_of_but_the_likeness():
    evolve = GeneticAlgorithm(lambda bits: (bits == TARGET).mean(axis=1), Bits(16), population=50)
    np.testing.assert_array_equal(evolve(300, goal=1.0).best, TARGET)


def test_selection_is_what_drives_it():
    """Without it, crossover and mutation keep bits at a half."""
    blind = GeneticAlgorithm(
        count_ones, Bits(40), population=60, selection=lambda f, n, rng: rng.integers(0, 60, n), elitism=0
    )
    seeing = GeneticAlgorithm(count_ones, Bits(40), population=60, elitism=0)
    assert abs(blind(40).population.mean() - 0.5) < 0.1
    assert seeing(40).population.mean() > 0.62


def test_elites_live_on_and_the_history_tells_of_each_generation():
    seen = []

    def fitness(bits):
        seen.append(bits.copy())
        return count_ones(bits)

    made = GeneticAlgorithm(fitness, Bits(12), population=9, elitism=2, mutation_rate=0.3)(6)
    assert [len(bits) for bits in seen] == [9] + [7] * 6
    assert (np.diff(made.history["best"]) >= 0).all()
    assert made.history["best"][0] == count_ones(seen[0]).max()
    assert made.history["mean"][0] == count_ones(seen[0]).mean()
    assert made.history["best"][-1] == made.fitness == count_ones(made.population).max()
    # The two fittest of the first generation are the first of the second.
    second = GeneticAlgorithm(count_ones, Bits(12), population=9, elitism=2, mutation_rate=0.3)(1).population
    fittest = np.argsort(-count_ones(seen[0]).astype(int), kind="stable")[:2]
    np.testing.assert_array_equal(second[:2], seen[0][fittest])
    np.testing.assert_array_equal(second[2:], seen[1])


def test_the_best_of_all_generations_is_kept_even_where_it_does_not_live_on():
    made = GeneticAlgorithm(count_ones, Bits(12), population=10, elitism=0, mutation_rate=0.5)(30)
    assert made.fitness == made.history["best"].max() == made.best.sum()
    assert made.history["best"].argmax() == made.generation
    assert made.history["best"][-1] < made.fitness


def test_children_have_the_genes_of_both_parents():
    """Two parents, no mutation: each gene of a child is one of theirs, and both take part."""
    evolve = GeneticAlgorithm(
        lambda genes: np.ones(len(genes)), Reals(30), population=40, mutation_rate=0.0, crossover="uniform", elitism=0
    )
    first = Reals(30).first(40, np.random.default_rng(0))
    children = evolve(1).population
    owners = children[:, None, :] == first[None]
    assert owners.any(axis=1).all()
    assert (owners.all(axis=2).sum(axis=1) == 0).mean() > 0.5
    assert set(children.ravel().tolist()) <= set(first.ravel().tolist())


def test_repeats_for_a_seed():
    evolve = GeneticAlgorithm(lambda genes: genes.mean(axis=1), Reals(10), population=12, crossover="sbx")
    one, same, other = evolve(5, seed=2), evolve(5, seed=2), evolve(5, seed=3)
    np.testing.assert_array_equal(one.population, same.population)
    assert one.settings == same.settings
    assert (one.population != other.population).any()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"population": 1}, "population"),
        ({"elitism": 100}, "elitism"),
        ({"selection": "tournament"}, "roulette"),
        ({"crossover": "two_point"}, "one_point"),
        ({"mutation_rate": 1.5}, "mutation_rate"),
        ({"genes": None}, "genes"),
    ],
)
def test_refuses_wrong_settings(settings, said):
    with pytest.raises(SettingError, match=said):
        GeneticAlgorithm(count_ones, **{"genes": Bits(8), **settings})


@pytest.mark.parametrize("fitness", [lambda bits: 1.0, lambda bits: np.full(len(bits), np.nan)])
def test_refuses_a_fitness_that_is_not_one_number_each(fitness):
    with pytest.raises(InputError, match="one number for each"):
        GeneticAlgorithm(fitness, Bits(8), population=4)(1)


@pytest.mark.parametrize("crossover", [pytest.param("one_point", marks=pytest.mark.slow), "uniform"])
def test_fools_a_class_and_the_confidence_is_predicted_anew(digits_model, crossover):
    fitness = ClassFitness(digits_model, 6, value_range=(0, 16))
    made = GeneticAlgorithm(fitness, population=100, crossover=crossover, mutation_rate=0.1)(150, goal=0.99)
    record = fitness.record(made)
    assert record.found.tolist() == [True]
    assert record.steps.tolist() == [made.generation]
    seen = digits_model.predict(record.images, verbose=0)[0, 6]
    assert record.confidences[0] == pytest.approx(seen, abs=1e-6)
    assert seen == pytest.approx(made.fitness, abs=1e-5)
    assert seen >= 0.99
    # The levels of a picture: int(255 v) of each gene.
    expected = np.floor(255 * made.best.reshape(1, 8, 8, 1)) * (16 / 255)
    np.testing.assert_allclose(record.images, expected, atol=1e-5)
    assert record.method == "genetic"
    assert record.settings["crossover"] == crossover


def test_refuses_a_class_that_is_not_there(digits_model):
    with pytest.raises(TargetError, match="0 to 9"):
        ClassFitness(digits_model, 10, value_range=(0, 16))
