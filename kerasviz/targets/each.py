"""A target of its own for each sample."""

import numpy as np
import tensorflow as tf

from kerasviz.errors import TargetError
from kerasviz.network import Pass
from kerasviz.targets.base import Target


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
        kinds = dict.fromkeys(target.key() for target in self.targets)
        self._numbers = {key: number for number, key in enumerate(kinds)}
        # One of each kind computes the scores of all of that kind, from arguments of their own.
        self._kinds = [next(target for target in self.targets if target.key() == key) for key in kinds]

    @property
    def argument_count(self):
        """As for every target."""
        return 1 + sum(kind.argument_count for kind in self._kinds)

    @property
    def alone(self):
        """As for every target."""
        return all(kind.alone for kind in self._kinds)

    def addresses(self, network):  # noqa: D102
        return tuple(dict.fromkeys(address for kind in self._kinds for address in kind.addresses(network)))

    def arguments(self, network, count):  # noqa: D102
        if count != len(self.targets):
            raise TargetError(
                f"{len(self.targets)} targets for {count} samples", expected="one a sample", mend="Give as many"
            )
        numbers = np.array([self._numbers[target.key()] for target in self.targets], np.int32)
        found = [numbers]
        for number in range(len(self._kinds)):
            samples = np.flatnonzero(numbers == number)
            own = zip(*(self.targets[i].arguments(network, 1) for i in samples), strict=True)
            found += [_spread(np.concatenate(rows), samples, count) for rows in own]
        return found

    def score(self, network, done, arguments):  # noqa: D102
        numbers, *rest = arguments
        places, scores = [], []
        for number, kind in enumerate(self._kinds):
            own, rest = rest[: kind.argument_count], rest[kind.argument_count :]
            samples = tf.where(numbers == number)[:, 0]
            scores.append(kind.score(network, _picked(done, samples), [tf.gather(part, samples) for part in own]))
            places.append(tf.cast(samples, tf.int32))
        return tf.dynamic_stitch(places, scores)

    def key(self):  # noqa: D102
        return (type(self), *(kind.key() for kind in self._kinds))

    def describe(self):  # noqa: D102
        return "; ".join(target.describe() for target in self.targets)


def _picked(done, samples):
    """A pass of some of its samples alone."""
    parts = (done.outputs, done.scores, done.activations)
    return Pass(*tf.nest.map_structure(lambda tensor: tf.gather(tensor, samples), parts))


def _spread(rows, samples, count):
    """Arguments with a row for every sample of the batch, so that any part of the batch can be taken."""
    spread = np.zeros((count, *rows.shape[1:]), rows.dtype)
    spread[samples] = rows
    return spread
