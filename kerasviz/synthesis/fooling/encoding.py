"""`Encoding`: how an image is written as genes, the interface; and which encodings there are by name."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kerasviz.errors import SettingError
from kerasviz.synthesis.spaces import ImageSpace

#: The genes of a population, by name; the first axis of each array counts individuals.
Genes = dict[str, np.ndarray]


class Encoding(ABC):
    """How images are written as genes, and how genes are varied.

    Encodings are immutable (frozen dataclasses) and know no image: each method is given the space.
    """

    @abstractmethod
    def first(self, count: int, space: ImageSpace, rng: np.random.Generator) -> Genes:
        """Random individuals to begin with.

        Args:
            count: how many.
            space: the images that they stand for.
            rng: what all draws come from.
        """

    @abstractmethod
    def children(self, mothers: Genes, fathers: Genes, rng: np.random.Generator, rate: float) -> Genes:
        """Two mutated children of each pair of parents, twice as many as pairs.

        Args:
            mothers: never changed.
            fathers: as many; never changed.
            rng: what all draws come from.
            rate: the probability of a gene to mutate.
        """

    @abstractmethod
    def units(self, genes: dict[str, tf.Tensor], space: ImageSpace) -> tf.Tensor:
        """The images that genes stand for, `(N, H, W, C)` float32 in 0 to 1, as TensorFlow ops inside a graph.

        Args:
            genes: as tensors.
            space: of the images.
        """


def encoding_of(given) -> Encoding:
    """An encoding by its name, or as it is.

    Raises:
        SettingError: it is none.
    """
    from kerasviz.synthesis.fooling.cppn import CPPN
    from kerasviz.synthesis.fooling.direct import Direct

    named = {"direct": Direct, "cppn": CPPN}
    if isinstance(given, Encoding):
        return given
    if not isinstance(given, str) or given not in named:
        raise SettingError(
            f"encoding={given!r}",
            expected=f"{', '.join(map(repr, named))} or an Encoding",
            mend="'direct' makes noise, 'cppn' regular pictures",
        )
    return named[given]()


def rows(genes: Genes, numbers) -> Genes:
    """Some individuals of a population, copied."""
    return {name: array[numbers] for name, array in genes.items()}


def joined(populations: Sequence[Genes]) -> Genes:
    """Several populations as one."""
    if len(populations) == 1:
        return populations[0]
    return {name: np.concatenate([genes[name] for genes in populations]) for name in populations[0]}
