"""Loss and accuracy of a network in inference mode, as `model.evaluate` has them, with any number of labelings."""

import keras
import numpy as np
import tensorflow as tf


class Measure:
    """Made once for a model, compiled once, and called often: weights that change are seen.

    Args:
        model: a compiled classifier with one input and one output.
        dtype: of its input.
        images: some like those to come.
        labels: some like those to come.
        batch_size: of the training. Measuring takes four times as many images: nothing is kept to go back.
    """

    def __init__(self, model: keras.Model, dtype: str, images: np.ndarray, labels: np.ndarray, batch_size: int):
        self._model, self._dtype, self._batch_size = model, dtype, 4 * batch_size
        signature = (
            tf.TensorSpec((None, *images.shape[1:]), dtype),
            tf.TensorSpec((None, *labels.shape[1:]), labels.dtype),
            tf.TensorSpec((None, None), tf.int32),
        )
        # The one trace is taken here: nothing that is passed later can retrace it.
        self._run = tf.function(self._batch, input_signature=signature, autograph=False).get_concrete_function()

    def __call__(self, images: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> tuple[float, np.ndarray]:
        """Measure all images.

        Args:
            images: `(N, …)`.
            labels: N, as the loss takes them.
            classes: `(N, L)` int32, L classes for each.

        Returns:
            The loss, with all that regularizers add to it, and `(L,)` accuracies.
        """
        loss, right = 0.0, np.zeros(classes.shape[1], np.int64)
        for start in range(0, len(images), self._batch_size):
            rows = slice(start, start + self._batch_size)
            batch = images[rows].astype(self._dtype, copy=False), labels[rows], classes[rows]
            mean, found = self._run(*map(tf.convert_to_tensor, batch))
            loss += float(mean) * len(batch[0])
            right += found.numpy()
        return loss / len(images), right / len(images)

    def _batch(self, images, labels, classes):
        outputs = self._model(images, training=False)
        loss = self._model.compute_loss(images, labels, outputs, None, training=False)
        (scores,) = keras.tree.flatten(outputs)
        if scores.shape.rank == 1 or scores.shape[-1] == 1:  # A single unit is one under a sigmoid.
            predicted = tf.cast(tf.reshape(scores, [-1]) > 0.5, tf.int32)
        else:
            predicted = tf.argmax(scores, 1, tf.int32)
        return loss, tf.reduce_sum(tf.cast(predicted[:, None] == classes, tf.int32), axis=0)
