"""Sums and products of targets, and numbers among them."""

from abc import abstractmethod

import numpy as np
import tensorflow as tf

from kerasviz.errors import TargetError
from kerasviz.targets.base import Target


class Constant(Target):
    """The same number for every sample.

    Args:
        value: a finite number.
    """

    argument_count = 1

    def __init__(self, value: float):
        self.value = value

    def arguments(self, network, count):  # noqa: D102
        return [np.full(count, self.value, np.float32)]

    def score(self, network, done, arguments):  # noqa: D102
        return arguments[0]

    def key(self):  # noqa: D102
        return type(self)

    def describe(self):  # noqa: D102
        return f"{self.value:g}"


class Compound(Target):
    """A target that is made of others.

    Args:
        *parts: the others, at least one.
    """

    def __init__(self, *parts: Target):
        self.parts = parts

    @property
    def argument_count(self):
        """As for every target."""
        return sum(part.argument_count for part in self.parts)

    @property
    def alone(self):
        """As for every target."""
        return all(part.alone for part in self.parts)

    def addresses(self, network):  # noqa: D102
        return tuple(dict.fromkeys(address for part in self.parts for address in part.addresses(network)))

    def arguments(self, network, count):  # noqa: D102
        found = []
        for part in self.parts:
            own = part.arguments(network, count)
            if len(own) != part.argument_count:
                raise TargetError(
                    f"{part!r} has {len(own)} arguments and says that it has {part.argument_count}",
                    expected="as many as its argument_count",
                    mend="Set argument_count in the class of the target",
                )
            found += own
        return found

    def settle(self, network, done, arguments):  # noqa: D102
        return [settled for part, own in self._shared(arguments) for settled in part.settle(network, done, own)]

    def key(self):  # noqa: D102
        return (type(self), *(part.key() for part in self.parts))

    def _shared(self, arguments):
        """Each part with its own arguments."""
        rest = list(arguments)
        for part in self.parts:
            own, rest = rest[: part.argument_count], rest[part.argument_count :]
            yield part, own

    def _scores(self, network, done, arguments):
        return [part.score(network, done, own) for part, own in self._shared(arguments)]

    @abstractmethod
    def score(self, network, done, arguments):  # noqa: D102
        pass


class Sum(Compound):
    """The sum of targets: `a + b`.

    Example:
        >>> import kerasviz as kv
        >>> (kv.targets.ClassScore(3) - 0.5 * kv.targets.Channel("conv5", 12)).describe()
        'class 3 - 0.5 * channel 12 of conv5'
    """

    def score(self, network, done, arguments):  # noqa: D102
        return tf.add_n(self._scores(network, done, arguments))

    def describe(self):  # noqa: D102
        text = " + ".join(part.describe() for part in self.parts)
        return text.replace("+ -1 * ", "- ").replace("+ -", "- ")


class Product(Compound):
    """The product of targets: `a * b`."""

    def score(self, network, done, arguments):  # noqa: D102
        return tf.reduce_prod(tf.stack(self._scores(network, done, arguments)), axis=0)

    def describe(self):  # noqa: D102
        words = [f"({part.describe()})" if isinstance(part, Sum) else part.describe() for part in self.parts]
        return " * ".join(words)
