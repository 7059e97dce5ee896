"""`GeneticAlgorithm`: selection, crossover and mutation, generation after generation, for any fitness."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from kerasviz.checks import checked_count, checked_number, checked_seed
from kerasviz.errors import InputError, SettingError
from kerasviz.progress import bar
from kerasviz.synthesis.fooling.operators import (
    bit_flips,
    one_point,
    polynomial_mutation,
    roulette,
    sbx,
    uniform,
)
from kerasviz.synthesis.making import described

SELECTIONS: dict[str, Callable] = {"roulette": roulette}
CROSSOVERS: dict[str, Callable] = {"one_point": one_point, "uniform": uniform, "sbx": sbx}


class GeneKind(ABC):
    """What the genes of an individual are."""

    length: int

    @abstractmethod
    def first(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Random individuals, `(count, length)`."""

    @abstractmethod
    def mutated(self, genes: np.ndarray, rng: np.random.Generator, rate: float) -> np.ndarray:
        """The same individuals, each gene mutated with a probability."""


@dataclass(frozen=True)
class Bits(GeneKind):
    """Binary strings: 0 and 1, uint8, alike likely to begin with; mutation flips.

    Attributes:
        length: of a string.
    """

    length: int

    def first(self, count, rng):  # noqa: D102
        return rng.integers(0, 2, (count, self.length), np.uint8)

    def mutated(self, genes, rng, rate):  # noqa: D102
        return bit_flips(genes, rng, rate)


@dataclass(frozen=True)
class Reals(GeneKind):
    """Real numbers from 0 to 1, float32, uniform to begin with; mutation is polynomial.

    Attributes:
        length: how many.
        eta: of `kerasviz.synthesis.fooling.operators.polynomial_mutation`.
    """

    length: int
    eta: float = 15.0

    def first(self, count, rng):  # noqa: D102
        return rng.random((count, self.length), np.float32)

    def mutated(self, genes, rng, rate):  # noqa: D102
        return polynomial_mutation(genes, rng, rate, self.eta)


@dataclass(frozen=True, eq=False)
class Evolution:
    """What a genetic algorithm found.

    Attributes:
        best: `(G,)`, the genes of the fittest individual of all generations.
        fitness: of it.
        generation: that it first appeared in; 0 is the random one.
        population: `(N, G)`, the last generation.
        history: "best" and "mean" fitness of each generation, `(L,)` each.
        settings: what it takes to evolve the same again, but for the fitness.
    """

    best: np.ndarray
    fitness: float
    generation: int
    population: np.ndarray
    history: Mapping[str, np.ndarray]
    settings: Mapping


class GeneticAlgorithm:
    """Raises a fitness by selection, crossover and mutation: made once, called often.

    Holland 1975, "Adaptation in Natural and Artificial Systems", in the simple form of Goldberg 1989, "Genetic
    Algorithms in Search, Optimization, and Machine Learning". In each generation pairs of parents are selected, crossed
    and their children mutated; the fittest of the generation before are kept as they are.

    Args:
        fitness: a function of a whole generation `(N, G)` that returns `(N,)` numbers, the larger the better.
        genes: what individuals are: `Bits(length)`, `Reals(length)`, or a `GeneKind` of your own. None for those of the
            fitness, such as a `kerasviz.synthesis.fooling.class_fitness.ClassFitness`.
        population: how many individuals a generation has.
        selection: "roulette", in proportion to fitness, which must then never be negative; or a function
            `(fitness, count, rng) -> row numbers`.
        crossover: "one_point", "uniform", for real genes also "sbx"; or a function
            `(mothers, fathers, rng, rate) -> two populations of children`.
        crossover_rate: the probability of a pair to be crossed.
        mutation_rate: the probability of a gene to mutate; None for one gene of an individual on average.
        elitism: how many of the fittest live on; with 0 the best can be lost.

    Raises:
        SettingError: a setting is out of range.

    Example:
        Which string of bits has the most ones? With roulette selection differences should not drown in a large
        common part of the fitness; so it is raised to a power here.

        >>> ones = GeneticAlgorithm(lambda bits: bits.sum(axis=1) ** 4.0, Bits(24), population=60)
        >>> ones(60, goal=24**4).best.tolist() == [1] * 24
        True

        Which string equals another one?

        >>> target = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0], np.uint8)
        >>> match = GeneticAlgorithm(
        ...     lambda bits: (bits == target).mean(axis=1), Bits(12), population=40, crossover="uniform"
        ... )
        >>> found = match(100, goal=1.0)
        >>> found.best.tolist() == target.tolist(), found.fitness
        (True, 1.0)
    """

    def __init__(
        self,
        fitness: Callable[[np.ndarray], np.ndarray],
        genes: GeneKind | None = None,
        *,
        population: int = 100,
        selection: str | Callable = "roulette",
        crossover: str | Callable = "one_point",
        crossover_rate: float = 0.9,
        mutation_rate: float | None = None,
        elitism: int = 1,
    ):
        genes = getattr(fitness, "genes", None) if genes is None else genes
        if not callable(fitness) or not isinstance(genes, GeneKind):
            raise SettingError(
                f"fitness={fitness!r}, genes={genes!r}",
                expected="a function of a generation, and what its genes are",
                mend="For example GeneticAlgorithm(lambda bits: bits.sum(axis=1), Bits(24))",
            )
        self.fitness, self.genes = fitness, genes
        self.population = checked_count("population", population, 2)
        self.elitism = checked_count("elitism", elitism, 0)
        if elitism >= population:
            raise SettingError(f"elitism={elitism}", expected=f"fewer than the {population} individuals", mend="Use 1")
        self._select = _named("selection", selection, SELECTIONS)
        self._cross = _named("crossover", crossover, CROSSOVERS)
        self.crossover_rate = checked_number("crossover_rate", crossover_rate, 0, 1)
        each = 1 / checked_count("length", genes.length)
        self.mutation_rate = each if mutation_rate is None else checked_number("mutation_rate", mutation_rate, 0, 1)
        self._settings = {
            "genes": described(genes),
            "population": self.population,
            "selection": _called(selection),
            "crossover": _called(crossover),
            "crossover_rate": self.crossover_rate,
            "mutation_rate": self.mutation_rate,
            "elitism": self.elitism,
        }

    def __call__(self, generations: int, *, seed: int = 0, goal: float | None = None) -> Evolution:
        """Evolve.

        Args:
            generations: at most, after the random one.
            seed: of all draws.
            goal: stop as soon as the best fitness has reached this value.

        Raises:
            InputError: the fitness is not one number for each individual, or roulette selection cannot take shares of
                it.
            SettingError: a setting is out of range.
        """
        generations, rng = checked_count("generations", generations, 0), np.random.default_rng(checked_seed(seed))
        people = self.genes.first(self.population, rng)
        fitness = self._judged(people)
        history = [(fitness.max(), fitness.mean())]
        best, found = people[fitness.argmax()].copy(), 0
        with bar(generations, "Genetic algorithm", "generations") as advance:
            for generation in range(1, generations + 1):
                if goal is not None and history[found][0] >= goal:
                    break
                people, fitness = self._next(people, fitness, rng)
                history.append((fitness.max(), fitness.mean()))
                if fitness.max() > history[found][0]:
                    best, found = people[fitness.argmax()].copy(), generation
                advance()
        kept = dict(zip(("best", "mean"), np.array(history).T, strict=True))
        settings = {**self._settings, "generations": generations, "seed": seed, "goal": goal}
        return Evolution(best, float(history[found][0]), found, people, kept, settings)

    def _next(self, people, fitness, rng):
        """The next generation, and its fitness."""
        wanted = self.population - self.elitism
        parents = self._select(fitness, 2 * -(-wanted // 2), rng)
        pairs = people[parents[::2]], people[parents[1::2]]
        # In pairs, so that of an odd number the last sibling is left out.
        children = np.stack(self._cross(*pairs, rng, self.crossover_rate), axis=1).reshape(len(parents), -1)[:wanted]
        children = self.genes.mutated(children, rng, self.mutation_rate)
        # The older ones of equals.
        kept = np.argsort(-fitness, kind="stable")[: self.elitism]
        people = np.concatenate([people[kept], children])
        return people, np.concatenate([fitness[kept], self._judged(children)])

    def _judged(self, people):
        fitness = np.asarray(self.fitness(people), np.float64)
        if fitness.shape != (len(people),) or np.isnan(fitness).any():
            raise InputError(
                f"The fitness of {len(people)} individuals has the shape {fitness.shape}"
                + (", and NaN in it" if np.isnan(fitness).any() else ""),
                expected="one number for each individual",
                mend="Let the function take a whole generation (N, G), and return (N,)",
            )
        return fitness


def _called(given):
    """What to call a function in a manifest."""
    return getattr(given, "__name__", repr(given)) if callable(given) else given


def _named(name, given, known):
    if callable(given):
        return given
    if given not in known:
        raise SettingError(
            f"{name}={given!r}",
            expected=f"one of {', '.join(map(repr, known))}, or a function",
            mend="Leave it out for the default",
        )
    return known[given]
