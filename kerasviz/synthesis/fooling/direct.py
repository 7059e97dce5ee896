"""The direct encoding: a gene for each value of an image."""

from dataclasses import dataclass

import tensorflow as tf

from kerasviz.checks import checked_number
from kerasviz.synthesis.fooling.encoding import Encoding
from kerasviz.synthesis.fooling.operators import polynomial_mutation, sbx


@dataclass(frozen=True)
class Direct(Encoding):
    """A real gene from 0 to 1 for each pixel and channel, uniform to begin with: images look like noise.

    Nguyen, Yosinski and Clune 2015, "Deep Neural Networks are Easily Fooled", with the settings of their code.

    Attributes:
        mutation_eta: of `polynomial_mutation`: the larger, the shorter the steps.
        crossover_rate: the probability of a pair to be crossed.
        crossover_eta: of `sbx`: the larger, the nearer are children to their parents.

    Raises:
        SettingError: a setting is out of range.
    """

    mutation_eta: float = 15.0
    crossover_rate: float = 0.5
    crossover_eta: float = 10.0

    def __post_init__(self):
        checked_number("mutation_eta", self.mutation_eta, 0)
        checked_number("crossover_rate", self.crossover_rate, 0, 1)
        checked_number("crossover_eta", self.crossover_eta, 0)

    def first(self, count, space, rng):  # noqa: D102
        return {"values": rng.random((count, *space.shape), "float32")}

    def children(self, mothers, fathers, rng, rate):  # noqa: D102
        children = sbx(mothers["values"], fathers["values"], rng, self.crossover_rate, self.crossover_eta)
        children = children.reshape(-1, *children.shape[2:])
        return {"values": polynomial_mutation(children, rng, rate, self.mutation_eta, out=children)}

    def units(self, genes, space):  # noqa: D102
        return tf.identity(genes["values"])
