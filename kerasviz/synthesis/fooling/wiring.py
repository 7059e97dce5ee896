"""The genomes of CPPNs as arrays of one shape, and how their wiring changes.

A population has `links` `(N, T, S)` bool, the connections to each of T targets from each of S sources; `weights` of the
same shape, float32 genes of 0 to 1; `kinds` `(N, T)` int8, the function of each target; and `hidden` `(N,)` int32, how
many hidden neurons there are. Sources are the four inputs, then hidden neurons; targets are hidden neurons, then
outputs, which begin at the same row for all. Hidden neurons are without gaps and in an order in which connections go
forward only. What lies beyond the hidden neurons of an individual has no links.
"""

import numpy as np

#: x, y, the distance from the centre, and a bias.
INPUTS = 4
#: Functions of a neuron.
KINDS = 4
#: The gene of a weight of 1, where weights go from -10 to 10.
_ONE = 0.55


def first(count: int, most: int, outputs: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Networks of random weights and functions, without hidden neurons, all inputs joined to all outputs.

    Args:
        count: how many.
        most: the largest number of hidden neurons that they can grow to.
        outputs: of each network.
        rng: what all draws come from.
    """
    shape = (count, most + outputs, INPUTS + most)
    links = np.zeros(shape, bool)
    links[:, most:, :INPUTS] = True
    return {
        "links": links,
        "weights": rng.random(shape, np.float32),
        "kinds": rng.integers(0, KINDS, shape[:2]).astype(np.int8),
        "hidden": np.zeros(count, np.int32),
    }


def allowed(hidden: np.ndarray, targets: int, sources: int) -> np.ndarray:
    """Which connections may be, `(N, targets, sources)` bool.

    Args:
        hidden: how many hidden neurons each network has.
        targets: T.
        sources: S.
    """
    most = sources - INPUTS
    target, source = np.arange(targets)[:, None], np.arange(sources) - INPUTS
    forward = (source < target) | (target >= most)
    there = hidden[:, None, None]
    return forward & ((target < there) | (target >= most)) & (source < there)


def add_connections(genes, numbers, rng):
    """Give some individuals a connection more, of any weight, where there is room.

    Args:
        genes: a population; never changed. So too for the others below.
        numbers: which individuals.
        rng: what all draws come from.
    """
    links, weights = genes["links"].copy(), genes["weights"].copy()
    free = allowed(genes["hidden"][numbers], *links.shape[1:]) & ~links[numbers]
    numbers, targets, sources = _drawn(free, numbers, rng)
    links[numbers, targets, sources] = True
    weights[numbers, targets, sources] = rng.random(len(numbers), np.float32)
    return {**genes, "links": links, "weights": weights}


def delete_connections(genes, numbers, rng):
    """Take a connection from some individuals, if they have one."""
    links = genes["links"].copy()
    links[_drawn(links[numbers], numbers, rng)] = False
    return {**genes, "links": links}


def change_connections(genes, numbers, rng):
    """Let a connection of some individuals begin elsewhere, with the weight that it had."""
    links, weights = genes["links"].copy(), genes["weights"].copy()
    numbers, targets, sources = _drawn(links[numbers], numbers, rng)
    free = allowed(genes["hidden"][numbers], *links.shape[1:]) & ~links[numbers]
    free &= (np.arange(links.shape[1]) == targets[:, None])[:, :, None]
    chosen, _, others = _drawn(free, np.arange(len(numbers)), rng)
    numbers, targets, sources = numbers[chosen], targets[chosen], sources[chosen]
    links[numbers, targets, sources], links[numbers, targets, others] = False, True
    weights[numbers, targets, others] = weights[numbers, targets, sources]
    return {**genes, "links": links, "weights": weights}


def add_neurons(genes, numbers, rng):
    """Put a neuron of any function in the midst of a connection of some individuals.

    It gets the source with a weight of 1, and the connection goes on from it with the weight that it had.
    """
    most = genes["links"].shape[2] - INPUTS
    numbers = numbers[genes["hidden"][numbers] < most]
    numbers, targets, sources = _drawn(genes["links"][numbers], numbers, rng)
    # Right before its target, so that all connections still go forward.
    places = np.minimum(targets, genes["hidden"][numbers])
    old = genes["weights"][numbers, targets, sources]
    genes = _moved(genes, numbers, places, 1)
    targets = np.where(targets < most, targets + 1, targets)
    links, weights, kinds = genes["links"], genes["weights"], genes["kinds"]
    links[numbers, places] = False
    links[numbers, :, INPUTS + places] = False
    links[numbers, targets, sources] = False
    links[numbers, places, sources], weights[numbers, places, sources] = True, _ONE
    links[numbers, targets, INPUTS + places], weights[numbers, targets, INPUTS + places] = True, old
    kinds[numbers, places] = rng.integers(0, KINDS, len(numbers))
    genes["hidden"][numbers] += 1
    return genes


def delete_neurons(genes, numbers, rng):
    """Take a hidden neuron and its connections from some individuals, if they have one."""
    numbers = numbers[genes["hidden"][numbers] > 0]
    places = rng.integers(0, genes["hidden"][numbers])
    genes = _moved(genes, numbers, places, -1)
    most = genes["links"].shape[2] - INPUTS
    # What was moved up leaves the last row and column as they were.
    genes["links"][numbers, most - 1] = False
    genes["links"][numbers, :, INPUTS + most - 1] = False
    genes["hidden"][numbers] -= 1
    return genes


#: How wiring changes, by the names of the rates, in the order in which a child undergoes them.
CHANGES = {
    "add_connection": add_connections,
    "delete_connection": delete_connections,
    "change_connection": change_connections,
    "add_neuron": add_neurons,
    "delete_neuron": delete_neurons,
}


def _moved(genes, numbers, places, by):
    """A copy in which the hidden neurons from some places on (for -1: after them) are moved by one."""
    genes = {name: array.copy() for name, array in genes.items()}
    targets, sources = genes["links"].shape[1:]
    most = sources - INPUTS
    slots = np.arange(most)
    # For each slot of a hidden neuron, which one comes there.
    origin = np.where(slots >= places[:, None], np.clip(slots - by, 0, most - 1), slots)
    count = len(numbers)
    rows = np.concatenate([origin, np.tile(np.arange(most, targets), (count, 1))], axis=1)
    columns = np.concatenate([np.tile(np.arange(INPUTS), (count, 1)), INPUTS + origin], axis=1)
    for name in ("links", "weights"):
        moved = np.take_along_axis(genes[name][numbers], rows[:, :, None], axis=1)
        genes[name][numbers] = np.take_along_axis(moved, columns[:, None, :], axis=2)
    genes["kinds"][numbers] = np.take_along_axis(genes["kinds"][numbers], rows, axis=1)
    return genes


def _drawn(choices, numbers, rng):
    """One of the choices `(n, T, S)` of each of n individuals, all alike likely; none of those that have none.

    Returns:
        Numbers of individuals, targets and sources.
    """
    flat = choices.reshape(len(choices), choices.shape[1] * choices.shape[2])
    counts = flat.sum(axis=1)
    rank = (rng.random(len(flat)) * counts).astype(int)
    # The place where so many choices have gone by.
    place = (np.cumsum(flat, axis=1) > rank[:, None]).argmax(axis=1)
    some = counts > 0
    return numbers[some], *np.unravel_index(place[some], choices.shape[1:])
