"""The archive of MAP-Elites: a cell for each class, and what there is to know to go on from it."""

from dataclasses import dataclass, field

import numpy as np

from kerasviz.synthesis.fooling.encoding import Genes, rows

#: The confidence of an empty cell: any other is better.
EMPTY = -1.0


@dataclass
class Archive:
    """The best individual of each class so far, as a search changes it.

    Attributes:
        confidences: `(K,)` float32, the probability of each cell's class; `EMPTY` where there is nobody.
        found: `(K,)` int32, the generation that each individual comes from; -1 where there is nobody.
        rng: what all draws of the search come from.
        genes: `(K, …)`, of the individuals; {} before the first generation.
        history: the confidences after each generation.
    """

    confidences: np.ndarray
    found: np.ndarray
    rng: np.random.Generator
    genes: Genes = field(default_factory=dict)
    history: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def empty(cls, cells: int, rng: np.random.Generator) -> "Archive":
        """An archive with nobody in its cells."""
        return cls(np.full(cells, EMPTY, np.float32), np.full(cells, -1, np.int32), rng)

    @property
    def generation(self) -> int:
        """The number of the last generation; -1 before the first."""
        return len(self.history) - 1

    def parents(self, pairs: int) -> np.ndarray:
        """Numbers of cells `(2, pairs)`: all that are occupied alike likely, with replacement."""
        occupied = np.flatnonzero(self.confidences > EMPTY)
        return occupied[self.rng.integers(0, len(occupied), (2, pairs))]

    def take(self, children: Genes, probabilities: np.ndarray):
        """Compare children with every cell, one after another: the better one stays, the older one of equals.

        Args:
            children: a population.
            probabilities: `(N, K)`, of the class of each cell; NaN is never better.
        """
        if not self.genes:
            self.genes = {
                name: np.zeros((len(self.found), *array.shape[1:]), array.dtype) for name, array in children.items()
            }
        # The first of the best is whom a loop over the children would leave in the cell.
        probabilities = np.where(np.isnan(probabilities), EMPTY, probabilities)
        best = probabilities.argmax(axis=0)
        values = probabilities[best, np.arange(len(best))]
        cells = np.flatnonzero(values > self.confidences)
        self.confidences[cells] = values[cells]
        self.found[cells] = len(self.history)
        for name, array in rows(children, best[cells]).items():
            self.genes[name][cells] = array

    def close(self):
        """End a generation."""
        self.history.append(self.confidences.copy())
