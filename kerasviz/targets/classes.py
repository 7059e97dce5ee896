"""The score of a class."""

import numpy as np
import tensorflow as tf

from kerasviz.errors import TargetError
from kerasviz.targets.base import Target, as_array

#: The class number that stands for a sample's top class until it is settled.
TOP = -1


class ClassScore(Target):
    """The score of a class, before softmax or sigmoid.

    Args:
        index: a class number, one per sample, or None for each sample's top class.
        output: the name of the output, needed if the model has several.
        probability: take the output as it is, after softmax or sigmoid. Its gradient vanishes where the network
            is sure, and grows when other classes shrink; the score is nearly always the better question.
        mask: for an output that is a map (segmentation), over which positions the score is summed: `(H, W)`, or
            `(N, H, W)` for one per sample, of the output's size; booleans or weights. None for all positions. For
            words over the steps of a caption, `(N, T)`: `mask=np.eye(T)[steps]` picks a step for each sample.

    Example:
        >>> import kerasviz as kv
        >>> kv.targets.ClassScore(281).describe()
        'class 281'
    """

    def __init__(self, index=None, *, output: str | None = None, probability: bool = False, mask=None):
        self.index, self.output, self.probability, self.mask = index, output, probability, mask

    @property
    def argument_count(self):
        """As for every target."""
        return 1 if self.mask is None else 2

    def arguments(self, network, count):  # noqa: D102
        name, width, binary = self.describe_output(network)
        masks = [] if self.mask is None else [self._masks(network.trace.outputs[name].shape, count)]
        return [self._index(name, width, binary, count), *masks]

    def _index(self, name, width, binary, count):
        if self.index is None:
            return np.full(count, TOP, np.int32)
        index = as_array(self.index, "target")
        if index.dtype.kind not in "ui":
            raise TargetError(
                f"target={self.index!r} is of the type {index.dtype}",
                expected="class numbers: an int, or one int per sample",
                mend="Use class numbers, not labels, probabilities or one-hot rows",
            )
        if index.ndim > 1 or (index.ndim == 1 and len(index) != count):
            raise TargetError(
                f"target has the shape {index.shape} for {count} samples",
                expected=f"one int, or {count} of them",
                mend="Give one class per sample; explain one class after another for several classes of an image",
            )
        classes = 2 if binary else width
        if (index < 0).any() or (classes is not None and (index >= classes).any()):
            raise TargetError(
                f"target={self.index!r} is not among the classes of the output {name!r}",
                expected="class numbers from 0" if classes is None else f"class numbers from 0 to {classes - 1}",
                mend="Class numbers are positions along the last axis of the output",
            )
        return np.broadcast_to(index, (count,)).astype(np.int32)

    def _masks(self, shape, count):
        mask = as_array(self.mask, "mask")
        space = shape[1:-1]
        whole = mask.shape if mask.ndim == len(space) + 1 else (count, *mask.shape)
        fits = len(whole) == len(space) + 1 and all(
            size in (None, given) for size, given in zip((count, *space), whole, strict=True)
        )
        if not space or not fits or mask.dtype.kind not in "buif" or not np.isfinite(mask).all():
            raise TargetError(
                f"mask has the shape {mask.shape} and the type {mask.dtype} for an output of the shape {shape}",
                expected=f"{space} or {(count, *space)}, booleans or finite weights" if space else "no mask",
                mend="Resize the mask to the output's size" if space else "Only outputs that are maps take masks",
            )
        return np.broadcast_to(mask, whole).astype(np.float32)

    def settle(self, network, done, arguments):  # noqa: D102
        index, *masks = arguments
        scores = self.scores(network, done, masks)
        top = tf.argmax(scores, axis=-1, output_type=tf.int32)
        return [tf.where(index == TOP, top, index), *masks]

    def score(self, network, done, arguments):  # noqa: D102
        index, *masks = self.settle(network, done, arguments)
        return tf.gather(self.scores(network, done, masks), index, axis=1, batch_dims=1)

    def key(self):  # noqa: D102
        return (type(self), self.output, self.probability)

    def describe(self):  # noqa: D102
        index = "top class" if self.index is None else f"class {self.index}"
        named = index if self.output is None else f"{index} of {self.output}"
        return f"probability of {named}" if self.probability else named

    def describe_output(self, network) -> tuple[str, int | None, bool]:
        """The name of the output, how many units it has (None if unknown), and whether it is one under a sigmoid.

        Raises:
            TargetError: there is no such output, or several could be meant.
        """
        outputs = network.trace.outputs
        if self.output is None and len(outputs) > 1:
            raise TargetError(
                f"The model {network.name!r} has {len(outputs)} outputs: {', '.join(map(repr, outputs))}",
                expected="the name of an output with a class of it",
                mend=f"target=({next(iter(outputs))!r}, 0) for class 0 of it, or None in place of 0 for its top class",
            )
        name = next(iter(outputs)) if self.output is None else self.output
        if name not in outputs:
            raise TargetError(
                f"The model {network.name!r} has no output {name!r}",
                expected=f"one of {', '.join(map(repr, outputs))}",
                mend="Outputs are called by their dict keys, or by the layers that make them",
            )
        shape = outputs[name].shape
        width = 1 if len(shape) == 1 else shape[-1]
        return name, width, width == 1 and outputs[name].head == "sigmoid"

    def scores(self, network, done, masks=()):
        """The scores of all classes, `(N, K)` float32; two for a unit under a sigmoid.

        Args:
            network: the network that is explained.
            done: a pass of it.
            masks: as among the arguments of `score`.
        """
        name, width, binary = self.describe_output(network)
        scores = tf.cast(done.outputs[name], tf.float32) if self.probability else done.scores[name]
        scores = tf.reshape(scores, (tf.shape(scores)[0], -1, tf.shape(scores)[-1] if width is None else width))
        if binary:
            scores = tf.concat([1 - scores if self.probability else -scores, scores], axis=-1)
        for mask in masks:
            scores *= tf.reshape(mask, (tf.shape(scores)[0], -1, 1))
        return tf.reduce_sum(scores, axis=1)


class LogProbability(ClassScore):
    """The logarithm of a class's probability: what the cross-entropy of that class is minus of.

    Unlike the probability itself it has a gradient where the network is sure of another class.

    Args:
        index: as for `ClassScore`.
        output: as for `ClassScore`.

    Raises:
        TargetError: when it is used: the output is no softmax or sigmoid that can be taken off.
    """

    def __init__(self, index=None, *, output: str | None = None):
        super().__init__(index, output=output)

    def scores(self, network, done, masks=()):  # noqa: D102
        name, _, binary = self.describe_output(network)
        head = network.trace.outputs[name].head
        logs = {"softmax": tf.nn.log_softmax, "log_softmax": tf.nn.log_softmax, "sigmoid": tf.math.log_sigmoid}
        if head not in logs:
            raise TargetError(
                f"The output {name!r} of {network.name!r} does not end in a softmax or sigmoid",
                expected="probabilities",
                mend="Put a keras.layers.Softmax on the model if its outputs are scores",
            )
        scores = super().scores(network, done, masks)
        # Minus and plus the logit: their log-sigmoids are the logarithms of both probabilities.
        return tf.math.log_sigmoid(scores) if binary else logs[head](scores)

    def describe(self):  # noqa: D102
        return f"log probability of {super().describe()}"


def class_scores(network, output: str | None = None):
    """The scores of all classes, as a function of a `Pass`: `(N, K)` float32, before softmax or sigmoid.

    An output of one unit under a sigmoid has the classes 0 and 1, whose scores are minus and plus the logit.

    Args:
        network: of one output or several.
        output: the name of the output; needed where there are several.

    Raises:
        TargetError: there is no such output, or it does not name one class for each sample.

    Warns:
        KerasvizWarning: its softmax cannot be taken off.
    """
    goal = ClassScore(output=output)
    name, width, binary = goal.describe_output(network)
    shape = network.trace.outputs[name].shape
    if len(shape) > 2 or (width == 1 and not binary):
        raise TargetError(
            f"The output {name!r} has the shape {shape}"
            + (", and no sigmoid" if width == 1 and len(shape) <= 2 else ""),
            expected="one score for each class, (N, K), or a single unit under a sigmoid",
            mend="Whether the predicted class changes can be asked of classifiers of whole images only",
        )
    network.warn_of_heads()
    return lambda done: goal.scores(network, done)
