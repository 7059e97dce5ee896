"""The loss of each sample by itself, inside a compiled pass; and the labels that it takes, checked."""

import keras
import numpy as np
import tensorflow as tf

from kerasviz.errors import InputError, SettingError, TargetError
from kerasviz.network import Network
from kerasviz.network.heads import STUCK


def loss_of(network: Network, loss, output: str | None) -> "SampleLoss":
    """The loss that a user's `loss=` means for one output of a network; see `LossSensitivity`.

    Raises:
        SettingError: the loss is unknown.
        TargetError: `output` is missing or unknown, or no cross-entropy fits it.
    """
    outputs = network.trace.outputs
    if output not in (None, *outputs) or (output is None and len(outputs) > 1):
        raise TargetError(
            f"output={output!r} of {network.name!r}, which has {len(outputs)}",
            expected=f"one of {', '.join(map(repr, outputs))}",
            mend="Name with output= the one that the labels belong to",
        )
    name = next(iter(outputs)) if output is None else output
    shape, head = outputs[name].shape, outputs[name].head
    if loss is not None:
        return _OwnLoss(name, shape, loss)
    if head == "sigmoid":
        return _BinaryCrossEntropy(name, shape)
    if head in ("softmax", "log_softmax", None) and len(shape) > 1 and (shape[-1] or 0) > 1:
        return _CrossEntropy(name, shape)
    raise TargetError(
        f"No cross-entropy fits the output {name!r}, of the shape {shape} "
        + ("with a softmax that cannot be taken off" if head == STUCK else "without a sigmoid"),
        expected="scores of two classes or more, or units under a sigmoid",
        mend="Give the loss that the model is trained with, such as loss='mse'",
    )


class SampleLoss:
    """A loss for each sample: checks labels, and takes them and a `Pass` inside a graph."""

    def __init__(self, name, shape):
        self.name, self.shape = name, shape

    def check(self, labels, count) -> np.ndarray:
        """The labels of so many samples, as the loss takes them."""
        if isinstance(labels, dict):
            if self.name not in labels:
                raise self._wrong(f"The labels are a dict with the keys {list(labels)}", f"the key {self.name!r}")
            labels = labels[self.name]
        try:
            array = np.asarray(labels)
        except ValueError:
            array = np.empty((), object)
        if array.dtype.kind not in "biuf" or array.ndim == 0 or len(array) != count:
            raise self._wrong(
                f"The labels have the shape {array.shape} and the type {array.dtype} for {count} images",
                "numbers, with a row for each image",
            )
        if not np.isfinite(array).all():
            bad = [i for i, row in enumerate(array) if not np.isfinite(row).all()]
            raise self._wrong(f"The labels of the samples {bad[:10]} are NaN or infinite", "finite numbers")
        return self._fitted(array)

    def spec(self, labels) -> tf.TensorSpec:
        """The form of checked labels: with free axes where the output has some."""
        free = [*(size is None for size in self.shape), *[False] * labels.ndim]
        return tf.TensorSpec([None if free[axis] else labels.shape[axis] for axis in range(labels.ndim)], labels.dtype)

    def __call__(self, done, labels):
        """Whether the labels have the sizes of the output, and the losses, `(N,)`."""
        scores = done.scores[self.name]
        wanted = tf.shape(scores)[: labels.shape.rank]
        fits = tf.reduce_all(tf.shape(labels) == wanted)
        fitting = tf.cond(fits, lambda: labels, lambda: tf.zeros(wanted, labels.dtype))
        fitting.set_shape(labels.shape)
        losses = self._losses(scores, fitting)
        return fits, tf.reduce_mean(losses, axis=list(range(1, losses.shape.rank)))

    def of_other_sizes(self, labels) -> InputError:
        """What to raise where a call says that labels do not have the sizes of the output."""
        return InputError(
            f"The labels have the shape {labels.shape}, and the output's maps have other sizes",
            expected="a label for each position of the output",
            mend="Resize the maps of labels to the output's size, by the nearest neighbour",
        )

    def _wrong(self, given, expected, mend="Give the labels that the output is trained with, in the images' order"):
        return InputError(f"{given} (output {self.name!r})", expected=expected, mend=mend)


class _CrossEntropy(SampleLoss):
    def _fitted(self, array):
        space, classes = self.shape[1:-1], self.shape[-1]
        if _fits(array.shape[1:], (*space, classes)):
            if array.min() < 0 or abs(array.sum(axis=-1, dtype=np.float64) - 1).max() > 1e-3:
                raise self._wrong(
                    "Rows of labels have negative numbers, or do not add up to 1",
                    f"one-hot rows, or other distributions over the {classes} classes",
                    "Give the loss with which the model is trained if it is no classifier of one class for each sample",
                )
            return array.astype(np.float32)
        if not _fits(array.shape[1:], space) and not _fits(array.shape[1:], (*space, 1)):
            raise self._wrong(
                f"The labels have the shape {array.shape} for an output of the shape {self.shape}",
                f"class numbers {(None, *space)}, or rows {(None, *space, classes)}",
            )
        if array.min() < 0 or array.max() >= classes or (array != np.rint(array)).any():
            raise self._wrong(
                f"The labels run from {array.min():g} to {array.max():g}", f"class numbers from 0 to {classes - 1}"
            )
        return array.reshape(array.shape[: len(space) + 1]).astype(np.int32)

    def _losses(self, scores, labels):
        rows = labels.dtype.is_floating
        own = tf.argmax(labels, axis=-1, output_type=tf.int32) if rows else labels
        score = tf.gather(scores, own, axis=-1, batch_dims=own.shape.rank)
        is_own = tf.one_hot(own, self.shape[-1], on_value=True, off_value=False, dtype=tf.bool)
        others = tf.reduce_logsumexp(tf.where(is_own, tf.constant(-np.inf, scores.dtype), scores), axis=-1)
        # The cross-entropy with the largest share of the label, without a difference of numbers near 1 …
        losses = tf.nn.softplus(others - score)
        # … and what the other shares add to it, which is exactly nothing for one-hot rows.
        return losses + tf.reduce_sum(labels * (score[..., None] - scores), axis=-1) if rows else losses


class _BinaryCrossEntropy(SampleLoss):
    def _fitted(self, array):
        if not _fits(array.shape[1:], self.shape[1:]) and self.shape[-1] == 1 and _fits(array.shape, self.shape[:-1]):
            array = array[..., None]
        if not _fits(array.shape[1:], self.shape[1:]) or array.min() < 0 or array.max() > 1:
            raise self._wrong(
                f"The labels have the shape {array.shape} and run from {array.min():g} to {array.max():g}",
                f"numbers from 0 to 1, of the shape {self.shape}: one for each unit under a sigmoid",
            )
        return array.astype(np.float32)

    def _losses(self, scores, labels):
        return labels * tf.nn.softplus(-scores) + (1 - labels) * tf.nn.softplus(scores)


class _OwnLoss(SampleLoss):
    def __init__(self, name, shape, loss):
        super().__init__(name, shape)
        try:
            loss = keras.losses.get(loss)
        except (TypeError, ValueError) as error:
            raise SettingError(
                f"loss={loss!r} is no loss of Keras",
                expected="the name of a Keras loss, a keras.losses.Loss, or a function (labels, outputs)",
                mend="Leave it out for the cross-entropy",
            ) from error
        self._loss = loss.call if isinstance(loss, keras.losses.Loss) else loss
        self._reduce = tf.reduce_sum if getattr(loss, "reduction", None) == "sum" else tf.reduce_mean

    def _fitted(self, array):
        single = len(self.shape) == 1 or self.shape[-1] == 1
        # As Keras does in training: otherwise (N,) and (N, 1) would be broadcast to (N, N).
        array = array[..., None] if single and array.ndim == max(len(self.shape), 2) - 1 else array
        return array.astype(np.float32)

    def __call__(self, done, labels):
        outputs = tf.cast(done.outputs[self.name], tf.float32)
        outputs = outputs[:, None] if outputs.shape.rank == 1 else outputs
        try:
            losses = tf.convert_to_tensor(self._loss(labels, outputs))
        except (TypeError, ValueError, tf.errors.OpError) as error:
            raise self._wrong(
                f"The loss cannot take labels of the shape {labels.shape} with outputs of {outputs.shape}: {error}",
                "labels that the loss takes",
            ) from error
        if not losses.shape.rank or losses.shape[0] is not None:
            raise SettingError(
                f"The loss returns the shape {losses.shape}",
                expected="a number, or several, for each sample: (N,) or (N, …)",
                mend="Leave out the mean over the batch: keras.ops.mean(…, axis=-1)",
            )
        return tf.constant(True), self._reduce(tf.cast(losses, tf.float32), axis=list(range(1, losses.shape.rank)))


def _fits(shape, wanted):
    return len(shape) == len(wanted) and all(w is None or s == w for s, w in zip(shape, wanted, strict=True))
