"""The base of all targets."""

from abc import ABC, abstractmethod

import numpy as np
import tensorflow as tf

from kerasviz.errors import TargetError
from kerasviz.network import Network, Pass


class Target(ABC):
    """A score for each sample. Make your own by writing `score`; it runs inside a `tf.function`."""

    def addresses(self, network: Network) -> tuple:
        """The addresses of the layers whose activations the score is made of."""
        return ()

    def arguments(self, network: Network, count: int) -> list[np.ndarray]:
        """Arrays with one row per sample that `score` gets, checked against the network and the batch.

        Args:
            network: the network that is explained.
            count: the number of samples.

        Raises:
            TargetError: the target does not fit.
        """
        return []

    def settle(self, network: Network, done: Pass, arguments: list[tf.Tensor]) -> list[tf.Tensor]:
        """The arguments with what the outputs decide filled in, such as each sample's top class."""
        return arguments

    @abstractmethod
    def score(self, network: Network, done: Pass, arguments: list[tf.Tensor]) -> tf.Tensor:
        """The scores, `(N,)` float32; each sample's must depend on that sample alone."""

    def key(self):
        """What a traced function that computes this score can be kept under."""
        return self

    def describe(self) -> str:
        """A few words for titles and manifests."""
        return type(self).__name__.lower()

    def __repr__(self):
        return f"{type(self).__name__}<{self.describe()}>"


def as_array(given, what: str) -> np.ndarray:
    """What a user gave as numbers.

    Raises:
        TargetError: its rows have different lengths.
    """
    try:
        return np.asarray(given)
    except ValueError as error:
        raise TargetError(
            f"{what}={given!r} has rows of different lengths",
            expected="whole numbers, one or as many for each sample",
            mend="Explain one class after another for several classes of an image",
        ) from error
