"""Any score."""

from collections.abc import Callable

import tensorflow as tf

from kerasviz.errors import TargetError
from kerasviz.targets.base import Target


class Custom(Target):
    """Any score.

    Args:
        function: `outputs -> (N,)` scores, made of TensorFlow or Keras ops, traced once. It gets the one output,
            or a dict of outputs by name.
        softmax: give it the outputs as they are, after softmax and sigmoid, not the scores before.
        name: for titles.

    Example:
        >>> import kerasviz as kv
        >>> margin = kv.targets.Custom(lambda scores: scores[:, 1] - scores[:, 0], name="dog minus cat")
    """

    def __init__(self, function: Callable, *, softmax: bool = False, name: str = "custom score"):
        self.function, self.softmax, self.name = function, softmax, name

    def score(self, network, done, arguments):  # noqa: D102
        outputs = done.outputs if self.softmax else done.scores
        returned = self.function(next(iter(outputs.values())) if len(outputs) == 1 else outputs)
        try:
            scores = tf.convert_to_tensor(returned)
        except (TypeError, ValueError) as error:
            raise TargetError(
                f"The target returned a {type(returned).__name__}",
                expected="one score per sample, a tensor of the shape (N,)",
                mend="Make the scores of TensorFlow or Keras ops, and return them",
            ) from error
        if scores.shape.rank != 1:
            raise TargetError(
                f"The target returned the shape {tuple(scores.shape)}",
                expected="one score per sample, the shape (N,)",
                mend="Pick or sum over the other axes: scores[:, k]",
            )
        return tf.cast(scores, tf.float32)

    def key(self):  # noqa: D102
        # A callable with an equality of its own may not be hashable: then each target is traced for itself.
        hashable = getattr(type(self.function), "__hash__", None) is not None
        return (type(self), self.function, self.softmax) if hashable else self

    def describe(self):  # noqa: D102
        return self.name
