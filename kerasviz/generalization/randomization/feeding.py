"""The batches of a run, in an order that follows from the seed and the number of the epoch alone."""

import zlib

import numpy as np
import tensorflow as tf

_AHEAD = 2  # batches that wait for the training


class Feed:
    """A stream of batches, copied out of the arrays one by one.

    Args:
        images: `(N, …)`.
        labels: N, as the loss takes them.
        dtype: of the model's input.
        batch_size: the last batch of an epoch may be smaller.
        seed: of the order.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, dtype: str, batch_size: int, seed: int):
        self._arrays = images, labels
        self._count, self._dtype, self._batch_size, self._seed = len(images), dtype, batch_size, seed
        self.steps = -(-self._count // batch_size)

    def batches(self, first: int, last: int) -> tf.data.Dataset:
        """All batches of the epochs from `first` up to `last`."""
        images, labels = self._arrays
        spec = (
            tf.TensorSpec((None, *images.shape[1:]), self._dtype),
            tf.TensorSpec((None, *labels.shape[1:]), labels.dtype),
        )
        made = tf.data.Dataset.from_generator(lambda: self._generate(range(first, last)), output_signature=spec)
        return made.prefetch(_AHEAD)

    def close(self):
        """Let the arrays go. TensorFlow keeps each generator that it was given as long as the process lasts."""
        self._arrays = None

    def _generate(self, epochs):
        for epoch in epochs:
            order = generator("order", self._seed, epoch).permutation(self._count)
            for start in range(0, self._count, self._batch_size):
                if self._arrays is None:
                    return
                yield self._batch(order[start : start + self._batch_size])

    def _batch(self, rows):
        images, labels = self._arrays
        return images[rows].astype(self._dtype, copy=False), labels[rows]


def generator(purpose: str, *numbers: int) -> np.random.Generator:
    """Random numbers that follow from a purpose and some numbers, and serve nothing else."""
    return np.random.default_rng([*numbers, zlib.crc32(purpose.encode())])
