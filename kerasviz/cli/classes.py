"""The classes of a network: their names, what it predicts, and what `--target` means."""

import difflib
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasviz.errors import SettingError, TargetError
from kerasviz.network import Network


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

    Raises:
        TargetError: there are several outputs and none was named, or there is no output of that name.
        SettingError: the number of labels is another than that of the classes.
    """

    def __init__(self, network: Network, labels: list[str] | None, output: str | None = None):
        outputs = network.trace.outputs
        if output is None and len(outputs) > 1:
            raise TargetError(
                f"The model {network.name!r} has {len(outputs)} outputs: {', '.join(outputs)}",
                expected="one of them to explain",
                mend=f"Add --output {next(iter(outputs))}",
            )
        if output is not None and output not in outputs:
            raise TargetError(
                f"The model {network.name!r} has no output {output!r}",
                expected=f"one of {', '.join(outputs)}",
                mend="See `kerasviz inspect`",
            )
        self.output = output
        self._name = next(iter(outputs)) if output is None else output
        shape, self._head = outputs[self._name].shape, outputs[self._name].head
        self._width = 1 if len(shape) == 1 else shape[-1]
        self._binary = self._width == 1 and self._head == "sigmoid"
        self.count = 2 if self._binary else self._width
        if labels is not None and len(labels) != self.count:
            raise SettingError(
                f"There are {len(labels)} labels, and the model {network.name!r} has {self.count} classes",
                expected="a name for each class, in the order of the model's outputs",
                mend="Correct the file that --labels names",
            )
        self.labels = labels
        self._run = network.function(lambda tensors: self._numbers(network.forward(tensors)))

    def label(self, index: int) -> str | None:
        """The name of a class, or None."""
        return None if self.labels is None else self.labels[index]

    def predict(self, inputs: np.ndarray) -> list[list[Prediction]]:
        """What the network says of each class, for each image of a batch of checked inputs."""
        outputs, scores = (part.numpy() for part in self._run([inputs]))
        known = self._head is not None
        return [
            [
                Prediction(k, self.label(k), float(outputs[i, k]) if known else None, float(scores[i, k]))
                for k in range(self.count)
            ]
            for i in range(len(inputs))
        ]

    def target(self, indices: np.ndarray):
        """The `target=` of an explainer for one class per sample."""
        return indices if self.output is None else (self.output, indices)

    def resolve(self, given: str, option: str = "--target") -> int:
        """The class that a word of an option means: a number, or a label in any case.

        Args:
            given: the word.
            option: where, for the messages.

        Raises:
            TargetError: no class, or several, fit; the message lists the nearest.
        """
        if given.isdecimal():
            if int(given) >= self.count:
                raise TargetError(
                    f"{option} {given} is not among the {self.count} classes",
                    expected=f"0 to {self.count - 1}",
                    mend="Classes are counted from 0",
                )
            return int(given)
        if self.labels is None:
            raise TargetError(
                f"{option} {given!r} is a label, and the model's labels are not known",
                expected="a class number",
                mend="Name a file with the labels by --labels",
            )
        plain = [_plain(label) for label in self.labels]
        fitting = [k for k, label in enumerate(plain) if label == _plain(given)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise TargetError(
                f"{option} {given!r} fits {len(fitting)} classes",
                expected="one class",
                mend=f"Give its number: {' or '.join(map(str, fitting))}",
            )
        inside = [label for label in plain if _plain(given) in label]
        near = dict.fromkeys([*inside, *difflib.get_close_matches(_plain(given), plain, n=4)])
        named = [f"{self.labels[k]} ({k})" for k in (plain.index(label) for label in list(near)[:5])]
        raise TargetError(
            f"No class is called {given!r}",
            expected="a label of the model, or a class number",
            mend=f"Did you mean {' or '.join(named)}?" if named else f"The labels begin {_few(self.labels)}",
        )

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


def percent(probability: float) -> str:
    """A probability for readers: never 100 % or 0 % where it is not."""
    if 0.9995 <= probability < 1:
        return ">99.9 %"
    return "<0.1 %" if 0 < probability < 0.0005 else f"{100 * probability:.1f} %"


def _plain(label):
    return " ".join(label.casefold().replace("_", " ").replace("-", " ").split())


def _few(labels, most=6):
    return ", ".join(labels[:most]) + (", …" if len(labels) > most else "")
