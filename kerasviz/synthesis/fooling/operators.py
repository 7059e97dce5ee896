"""Selection, crossover and mutation, over whole populations.

A population is an array `(N, G)`, a row for each individual; real genes lie in 0 to 1 and are float32. Every operator
draws from the `numpy.random.Generator` that it is given, and from nothing else, and leaves its arguments as they are.
Parents of a crossover come as two populations, row i of one with row i of the other; so do the children.
"""

from collections.abc import Iterator

import numpy as np

from kerasviz.errors import InputError

#: Genes that are varied at once: their temporaries stay in the processor's cache.
_PORTION = 1 << 15
#: Added to differences that are divided by, which it hardly changes.
_TINY = np.float32(1e-30)


def polynomial_steps(uniforms: np.ndarray, eta: float = 15.0) -> np.ndarray:
    """By how much polynomial mutation moves genes.

    Deb and Agrawal 1999, "A Niched-Penalty Approach for Constraint Handling in Genetic Algorithms", without the bounds
    of later forms.

    Args:
        uniforms: any shape, 0 to 1: the draws.
        eta: the distribution index: the larger, the shorter the steps.

    Returns:
        The steps, -1 to 1, of the same shape.

    Example:
        >>> polynomial_steps(np.array([0.0, 0.25, 0.5, 0.9])).round(6).tolist()
        [-1.0, -0.042397, 0.0, 0.095696]
    """
    side = 2 * uniforms - 1
    return np.copysign(1 - _root(1 - np.abs(side), eta + 1), side)


def polynomial_mutation(
    genes: np.ndarray,
    rng: np.random.Generator,
    rate: float = 0.1,
    eta: float = 15.0,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Real genes, each moved by a polynomial step with a probability.

    Args:
        genes: any shape, 0 to 1.
        rng: the generator.
        rate: the probability of each gene to be moved.
        eta: as for `polynomial_steps`.
        out: where the result goes, if not to a new array: float32 and contiguous, such as the genes themselves.

    Returns:
        The genes, clipped to 0 to 1.
    """
    mutants = np.array(genes, np.float32, order="C") if out is None else out
    for part in _portions(mutants.reshape(-1)):
        places = _places(part.size, rate, rng)
        moved = part[places] + polynomial_steps(rng.random(places.size, np.float32), eta)
        part[places] = moved.clip(0, 1)
    return mutants


def sbx_children(
    mothers: np.ndarray, fathers: np.ndarray, uniforms: np.ndarray, eta: float = 10.0
) -> tuple[np.ndarray, np.ndarray]:
    """The lower and the upper child of each gene by bounded simulated binary crossover.

    Deb and Agrawal 1995, "Simulated Binary Crossover for Continuous Search Space", with bounds 0 and 1: children lie
    around their parents as children of one-point crossover of binary strings would, and never leave the bounds.

    Args:
        mothers: any shape, 0 to 1.
        fathers: the same shape.
        uniforms: the same shape, 0 to 1 without 1: the draws.
        eta: the distribution index: the larger, the nearer are children to their parents.

    Returns:
        Two arrays of that shape. Where parents hardly differ, so do the children from them.
    """
    low, high = np.minimum(mothers, fathers), np.maximum(mothers, fathers)
    gap = high - low
    middle, half, safe = (low + high) / 2, gap / 2, gap + _TINY

    def reach(room):
        """How far from the middle a child is: half of the parents' gap times the spread, Deb's β with a bar."""
        # In place where it can be: memory is what takes the time.
        share = 2 * room
        share += safe
        share = _power(np.divide(gap, share, out=share), eta + 1)
        np.subtract(2, share, out=share)
        share *= uniforms
        spread = 2 - share
        np.minimum(share, spread, out=spread)
        with np.errstate(divide="ignore"):
            np.log(spread, out=spread)
        spread /= spread.dtype.type(eta + 1)
        # The root of share or, where that is above 1, of 1 / (2 - share).
        share -= 1
        np.exp(np.copysign(spread, share, out=spread), out=spread)
        spread *= half
        return spread

    return (middle - reach(low)).clip(0, 1), (middle + reach(1 - high)).clip(0, 1)


def sbx(
    mothers: np.ndarray, fathers: np.ndarray, rng: np.random.Generator, rate: float = 0.5, eta: float = 10.0
) -> np.ndarray:
    """Simulated binary crossover: see `sbx_children`.

    Args:
        mothers: `(N, …)`, 0 to 1.
        fathers: the same shape.
        rng: the generator.
        rate: the probability of each pair to be crossed; else its children are copies.
        eta: as for `sbx_children`.

    Returns:
        Two populations of children, `(2, N, …)`. A coin for each gene tells which of them gets the lower one.
    """
    children = np.stack([mothers, fathers]).astype(np.float32, copy=False)
    first, second = children.reshape(2, len(mothers), -1)
    crossed = np.flatnonzero(rng.random(len(first)) < rate)
    together = max(1, _PORTION // max(1, first.shape[1]))
    for start in range(0, len(crossed), together):
        pairs = crossed[start : start + together]
        ones, others = first[pairs], second[pairs]
        for one, other in zip(*(_portions(part.reshape(-1)) for part in (ones, others)), strict=True):
            _cross(one, other, rng, eta)
        first[pairs], second[pairs] = ones, others
    return children


def one_point(
    mothers: np.ndarray, fathers: np.ndarray, rng: np.random.Generator, rate: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """One-point crossover: from a random place on, the children have the genes of the other parent.

    Args:
        mothers: `(N, G)`, of any type.
        fathers: the same shape.
        rng: the generator.
        rate: the probability of each pair to be crossed; else its children are copies.

    Returns:
        Two populations of children. The place lies between two genes, each equally likely.

    Example:
        >>> first, second = one_point(np.zeros((1, 5), int), np.ones((1, 5), int), np.random.default_rng(1))
        >>> first.tolist(), second.tolist()
        ([[0, 0, 1, 1, 1]], [[1, 1, 0, 0, 0]])
    """
    count, length = mothers.shape
    place = rng.integers(1, max(length, 2), (count, 1))
    return _exchanged(mothers, fathers, np.arange(length) >= place, rng.random(count) < rate)


def uniform(
    mothers: np.ndarray, fathers: np.ndarray, rng: np.random.Generator, rate: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Uniform crossover: a coin for each gene tells which child has it from which parent.

    Args:
        mothers: `(N, G)`, of any type.
        fathers: the same shape.
        rng: the generator.
        rate: the probability of each pair to be crossed; else its children are copies.

    Returns:
        Two populations of children.
    """
    return _exchanged(mothers, fathers, rng.random(mothers.shape) < 0.5, rng.random(len(mothers)) < rate)


def bit_flips(bits: np.ndarray, rng: np.random.Generator, rate: float) -> np.ndarray:
    """Bits, each flipped with a probability.

    Args:
        bits: any shape, 0 and 1 or booleans.
        rng: the generator.
        rate: the probability of each bit to be flipped.

    Returns:
        A new array of the same type.
    """
    return np.where(rng.random(bits.shape) < rate, 1 - bits.astype(np.int8), bits).astype(bits.dtype)


def roulette(fitness: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Fitness-proportional selection: each spin of the wheel picks an individual by its share of the whole fitness.

    An individual of no fitness is never picked, unless nobody has any: then all are equally likely.

    Args:
        fitness: `(N,)`, none negative.
        count: how many are picked.
        rng: the generator.

    Returns:
        `(count,)` row numbers; some come more than once.

    Raises:
        InputError: a fitness is negative or not finite: it has no share of a wheel.

    Example:
        >>> roulette(np.array([0.0, 2.0, 0.0]), 4, np.random.default_rng(0)).tolist()
        [1, 1, 1, 1]
    """
    fitness = np.asarray(fitness, np.float64)
    if not np.isfinite(fitness).all() or fitness.min() < 0:
        raise InputError(
            f"The fitness goes from {fitness.min():g} to {fitness.max():g}",
            expected="finite numbers from 0 up, of which roulette selection takes shares",
            mend="Measure fitness so that it is never negative: a probability, a count, exp(-loss)",
        )
    edges = np.cumsum(fitness if fitness.any() else np.ones_like(fitness))
    # From the right, so that a spin of exactly 0 picks none without fitness.
    return np.searchsorted(edges, rng.random(count) * edges[-1], side="right")


def _exchanged(mothers, fathers, places, pairs):
    """Children that have each other's genes at some places, for some pairs."""
    swap = places & pairs[:, None]
    return np.where(swap, fathers, mothers), np.where(swap, mothers, fathers)


def _cross(one, other, rng, eta):
    """Put children of flat genes in their parents' places."""
    draws = 2 * rng.random(one.size, np.float32)
    # The first digit of a draw is the coin, the others are the draw.
    coins = np.floor(draws)
    lower, upper = sbx_children(one, other, draws - coins, eta)
    # Masks would take longer than all the rest. Rounding does not lead out of the bounds.
    swap = coins * (upper - lower)
    np.add(lower, swap, out=one)
    np.subtract(upper, swap, out=other)


def _portions(flat: np.ndarray) -> Iterator[np.ndarray]:
    """Views of the parts of a flat array."""
    for start in range(0, flat.size, _PORTION):
        yield flat[start : start + _PORTION]


def _places(size, rate, rng):
    """The places where independent coins of a probability fall, out of so many: by the gaps between them."""
    if rate <= 0 or rate >= 1:
        return np.arange(size if rate > 0 else 0)
    mean, found, last = -1 / np.log1p(-rate), [], -1
    while last < size:
        # Enough for nearly all portions.
        draws = rng.standard_exponential(int(size * rate * 1.1) + 32, np.float32)
        found.append(last + np.cumsum((draws * np.float32(mean)).astype(np.int64) + 1))
        last = found[-1][-1]
    places = np.concatenate(found)
    return places[: np.searchsorted(places, size)]


def _power(values, exponent):
    """A power of numbers from 0 up; the quick way, by squares, where the exponent is whole."""
    if exponent != int(exponent):
        return values**exponent
    squares, result, exponent = values.copy(), np.ones_like(values), int(exponent)
    while exponent:
        if exponent % 2:
            result *= squares
        squares *= squares
        exponent //= 2
    return result


def _root(values, degree):
    """A root of numbers from 0 up: the same as a power, in a third of the time."""
    with np.errstate(divide="ignore"):
        return np.exp(np.log(values) / np.asarray(degree, values.dtype))
