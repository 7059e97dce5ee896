"""What a model says of images: always a fresh `model.predict`, as who uses the model would call it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasviz.network import Network
from kerasviz.network.network import chunks
from kerasviz.network.predicting import predicted


@dataclass(frozen=True)
class Prediction:
    """One output of a model, as numbers of its classes.

    Attributes:
        model: the user's own.
        network: the same, opened.
        output: the name of the output; None if there is only one.
        number: of the input that is prepared, among the flat ones.
        prepare: the preprocessing, a function of tensors.
        batch_size: samples that run at once.
    """

    model: object
    network: Network
    output: str | None
    number: int
    prepare: Callable
    batch_size: int

    @property
    def name(self) -> str:
        """Of the output."""
        return next(iter(self.network.trace.outputs)) if self.output is None else self.output

    @property
    def probable(self) -> bool:
        """Whether the numbers are probabilities, and not scores."""
        return self.network.trace.outputs[self.name].head is not None

    def __call__(self, arrays: list[np.ndarray]) -> np.ndarray:
        """The numbers of all classes, `(N, K)` float32; two for a unit under a sigmoid.

        Args:
            arrays: the inputs, flat, before the preprocessing.
        """
        parts = [self._prepared(part) for part in chunks(arrays, self.batch_size)]
        inputs = [np.concatenate(part) for part in zip(*parts, strict=True)]
        return predicted(self.model, self.network, inputs, self.name, self.batch_size)

    def _prepared(self, arrays):
        return [
            np.asarray(self.prepare(tf.constant(array))) if i == self.number else array
            for i, array in enumerate(arrays)
        ]
