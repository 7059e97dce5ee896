"""What a network says of images, class by class, and what its classes are called."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasviz.errors import SettingError, TargetError
from kerasviz.network import Network
from kerasviz.plotting.naming import percent


@dataclass(frozen=True)
class Prediction:
    """What a network says of one class of one image.

    Attributes:
        index: the class number.
        label: its name, or None.
        probability: after softmax or sigmoid; None for a network that ends in neither.
        score: before them.
    """

    index: int
    label: str | None
    probability: float | None
    score: float

    @property
    def name(self) -> str:
        """The label, or else the number."""
        return f"class {self.index}" if self.label is None else self.label

    @property
    def strength(self) -> str:
        """The probability for readers, or else the score."""
        return f"score {self.score:.3g}" if self.probability is None else percent(self.probability)


class Classes:
    """The classes of one output of a network.

    Args:
        network: the network.
        labels: the names of its classes, or None.
        output: the name of the output; may be None if there is only one.

    Attributes:
        count: how many classes there are; two for a single sigmoid, where class 0 is "no".
        labels: as given.
        output: as given.

    Raises:
        TargetError: there are several outputs and none was named, or there is no output of that name.
        SettingError: the number of labels is another than that of the classes.

    Example:
        >>> import kerasviz as kv
        >>> from kerasviz.data import shapes
        >>> network, scene = kv.Network(shapes.shapes_model()), shapes.scenes(1, seed=1)
        >>> (predictions,) = Classes(network, shapes.CLASSES).predict(network.inputs.check(scene.images))
        >>> strongest(predictions, 1)[0].name == shapes.CLASSES[scene.labels[0]]
        True
    """

    def __init__(self, network: Network, labels: Sequence[str] | None = None, output: str | None = None):
        outputs = network.trace.outputs
        first = next(iter(outputs))
        if output is None and len(outputs) > 1:
            raise TargetError(
                f"The model {network.name!r} has {len(outputs)} outputs: {', '.join(outputs)}",
                expected="one of them to explain",
                mend=f"Name it: output={first!r}, or --output {first} on the command line",
            )
        if output is not None and output not in outputs:
            raise TargetError(
                f"The model {network.name!r} has no output {output!r}",
                expected=f"one of {', '.join(outputs)}",
                mend="Choose one of them",
            )
        self.output = output
        self._name = first if output is None else output
        shape, self._head = outputs[self._name].shape, outputs[self._name].head
        self._width = 1 if len(shape) == 1 else shape[-1]
        self._binary = self._width == 1 and self._head == "sigmoid"
        self.count = 2 if self._binary else self._width
        if labels is not None and len(labels) != self.count:
            raise SettingError(
                f"There are {len(labels)} labels, and the model {network.name!r} has {self.count} classes",
                expected="a name for each class, in the order of the model's outputs",
                mend="Correct the labels, or leave them out",
            )
        self.labels = labels
        self._run = network.function(lambda tensors: self._numbers(network.forward(tensors)))

    def label(self, index: int) -> str | None:
        """The name of a class, or None."""
        return None if self.labels is None else self.labels[index]

    def predict(self, inputs: np.ndarray | Sequence[np.ndarray]) -> list[list[Prediction]]:
        """What the network says of each class, for each image.

        Args:
            inputs: `(N, ...)` as `network.inputs.check` returns them: its list, or its one array. They run at once, so
                the caller bounds N.

        Returns:
            For each image one prediction a class, in the order of the classes.
        """
        tensors = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        outputs, scores = (part.numpy() for part in self._run(tensors))
        known = self._head is not None
        return [
            [
                Prediction(k, self.label(k), float(outputs[i, k]) if known else None, float(scores[i, k]))
                for k in range(self.count)
            ]
            for i in range(len(scores))
        ]

    def target(self, indices: np.ndarray):
        """The `target=` of an explainer for one class per sample."""
        return indices if self.output is None else (self.output, indices)

    def _numbers(self, done):
        """Probabilities (or scores) and scores of all classes, `(N, K)`; a map's positions taken together."""
        outputs, scores = done.outputs[self._name], done.scores[self._name]
        outputs, scores = (
            tf.reshape(tf.cast(part, tf.float32), (tf.shape(part)[0], -1, self._width)) for part in (outputs, scores)
        )
        if self._head == "log_softmax":
            outputs = tf.exp(outputs)
        if self._binary:
            outputs, scores = tf.concat([1 - outputs, outputs], -1), tf.concat([-scores, scores], -1)
        return tf.reduce_mean(outputs, axis=1), tf.reduce_sum(scores, axis=1)


def strongest(predictions: list[Prediction], count: int) -> list[Prediction]:
    """The `count` classes with the highest scores, the highest first; of equal ones the lower number."""
    return sorted(predictions, key=lambda one: (-one.score, one.index))[:count]
