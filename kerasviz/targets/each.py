"""A target of its own for each sample."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kerasviz.errors import TargetError
from kerasviz.network import Pass
from kerasviz.targets.base import Target


class _Group(NamedTuple):
    """Targets that one traced score serves: the first of them, and the samples that they are of."""

    first: Target
    samples: tuple[int, ...]


class Each(Target):
    """A target of its own for each sample of a batch, of whatever kinds.

    Args:
        targets: as many as there are samples.

    Example:
        >>> import kerasviz as kv
        >>> both = kv.targets.Each([kv.targets.ClassScore(3), kv.targets.Channel("conv5", 12)])
        >>> both.describe()
        'class 3; channel 12 of conv5'
    """

    def __init__(self, targets):
        self.targets = tuple(targets)
        if not self.targets or not all(isinstance(target, Target) for target in self.targets):
            raise TargetError(
                f"The targets {list(self.targets)} are not all targets",
                expected="at least one, of kerasviz.targets",
                mend="Wrap each with kerasviz.targets.as_target",
            )
        samples: dict = {}
        for i, target in enumerate(self.targets):
            samples.setdefault(target.key(), []).append(i)
        self._groups = [_Group(self.targets[rows[0]], tuple(rows)) for rows in samples.values()]

    @property
    def argument_count(self):
        """As for every target."""
        return sum(group.first.argument_count for group in self._groups)

    @property
    def alone(self):
        """As for every target."""
        return all(group.first.alone for group in self._groups)

    def addresses(self, network):  # noqa: D102
        return tuple(dict.fromkeys(address for group in self._groups for address in group.first.addresses(network)))

    def arguments(self, network, count):  # noqa: D102
        if count != len(self.targets):
            raise TargetError(
                f"{len(self.targets)} targets for {count} samples", expected="one a sample", mend="Give as many"
            )
        found = []
        for group in self._groups:
            own = zip(*(self.targets[i].arguments(network, 1) for i in group.samples), strict=True)
            # A row for every sample of the batch, so that they can be told apart by batch like all arguments.
            found += [_spread(np.concatenate(rows), group.samples, count) for rows in own]
        return found

    def score(self, network, done, arguments):  # noqa: D102
        scores, rest = [], list(arguments)
        for group in self._groups:
            own, rest = rest[: group.first.argument_count], rest[group.first.argument_count :]
            picked = _picked(done, group.samples)
            scores.append(group.first.score(network, picked, [tf.gather(part, group.samples) for part in own]))
        order = np.argsort([i for group in self._groups for i in group.samples])
        return tf.gather(tf.concat(scores, axis=0), order)

    def key(self):  # noqa: D102
        return (type(self), *((group.first.key(), group.samples) for group in self._groups))

    def describe(self):  # noqa: D102
        return "; ".join(target.describe() for target in self.targets)


def _picked(done, samples):
    """A pass of some of its samples alone."""
    parts = (done.outputs, done.scores, done.activations)
    return Pass(*tf.nest.map_structure(lambda tensor: tf.gather(tensor, samples), parts))


def _spread(rows, samples, count):
    spread = np.zeros((count, *rows.shape[1:]), rows.dtype)
    spread[list(samples)] = rows
    return spread
