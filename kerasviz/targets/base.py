"""The base of all targets."""

from abc import ABC, abstractmethod
from numbers import Real

import numpy as np
import tensorflow as tf

from kerasviz.errors import TargetError
from kerasviz.network import Network, Pass


class Target(ABC):
    """A score for each sample. Make your own by writing `score`; it runs inside a `tf.function`.

    Targets are never changed, and can be added, subtracted, multiplied with each other and with numbers, and divided
    by numbers: `Channel("conv5", 12) - 0.5 * ClassScore(3)` is a target as well; see `kerasviz.targets.algebra`.

    Attributes:
        argument_count: how many arrays `arguments` returns.
        alone: whether each sample's score depends on that sample alone. Explainers take no others.
    """

    argument_count: int = 0
    alone: bool = True

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

    def __add__(self, other):
        return _combine("Sum", self, other)

    def __radd__(self, other):
        return _combine("Sum", other, self)

    def __sub__(self, other):
        return self + -1 * _operand(other)

    def __rsub__(self, other):
        return -1 * self + other

    def __mul__(self, other):
        return _combine("Product", self, other)

    def __rmul__(self, other):
        return _combine("Product", other, self)

    def __truediv__(self, number):
        if isinstance(number, bool) or not isinstance(number, Real) or number == 0:
            raise TargetError(
                f"A target is divided by {number!r}",
                expected="a number other than 0",
                mend="Write a quotient of scores as a function of the outputs: kerasviz.targets.Custom",
            )
        return self * (1 / number)

    def __neg__(self):
        return -1 * self


def _operand(given):
    """What stands beside a target in a sum or product: another target, or a number.

    Raises:
        TargetError: it is neither.
    """
    from kerasviz.targets.algebra import Constant

    if isinstance(given, Target):
        return given
    if isinstance(given, bool) or not isinstance(given, Real) or not np.isfinite(given):
        raise TargetError(
            f"A target is combined with {given!r}",
            expected="another target, or a finite number",
            mend="Wrap a function of the outputs: kerasviz.targets.Custom(function)",
        )
    return Constant(float(given))


def _combine(kind, left, right):
    from kerasviz.targets import algebra

    return getattr(algebra, kind)(_operand(left), _operand(right))


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
