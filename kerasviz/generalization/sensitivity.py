"""Loss sensitivity: how strongly a network's loss on a sample answers to that sample's own pixels."""

import threading
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from kerasviz.checks import checked_count
from kerasviz.data.preprocessing import as_function
from kerasviz.errors import InputError
from kerasviz.generalization.sample_losses import loss_of
from kerasviz.network import Network
from kerasviz.network.changing import changed_input, inside_graph, without_gradient
from kerasviz.network.network import chunks
from kerasviz.network.streaming import Stream, batches_of
from kerasviz.plotting.notices import warn


class LossSensitivity:
    """The L1 norm of the gradient of each sample's loss with respect to that sample: made once, called often.

    g = ‖∂L/∂x‖₁ of Arpit et al. 2017, "A Closer Look at Memorization in Deep Networks", section 3.2. The paper finds
    that a network trained on real data is sensitive to a few of its samples (their `gini` is high), and one trained on
    random data about equally to all of them. It averages g over training, as `LossSensitivityRecorder` does.

    L is the sample's own loss at the weights that the network has now, in inference mode. The weights count as given:
    how the sample itself has moved them, through the updates that it took part in, is followed by
    `unrolled_sensitivity`, as in the paper, at a far higher cost. Weights that change later, in training, are seen.

    The cross-entropy is that of `model.fit` on one sample (over maps and several labels, the mean), taken from the
    scores before softmax or sigmoid. Its gradient keeps all its digits where the network is sure of the label, which
    after training is nearly everywhere: probabilities that round to 1 would leave nothing of it.

    Args:
        model: any built Keras model, or the path of a saved one.
        loss: None for the cross-entropy of the labels; or what `model.compile` takes: the name of a Keras loss, a
            `keras.losses.Loss`, or a function `(labels, outputs)` that gives each sample its own loss. It gets the
            outputs as they are, after softmax. Losses of several values a sample are averaged, or added up if
            its reduction is "sum".
        preprocess: what happens to the images before the model takes them, so that the gradient is per unit of the
            images: a mode of `kerasviz.data.preprocess`, or a differentiable function of tensors that keeps the
            shape. None if the model takes the images as they are.
        input: the name of the input whose gradient is taken, for models with several.
        output: the name of the output that the labels belong to, for models with several.
        batch_size: samples that run at once; bounds the memory, changes no value.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        InputError: no input has a gradient, or several could be meant.
        ModelError: the model cannot be opened.
        SettingError: the loss is unknown, or the preprocessing is unknown or cannot run as part of a graph.
        TargetError: `output` is missing or unknown, or no cross-entropy fits it (regression): give its `loss`.

    Example:
        >>> import kerasviz as kv
        >>> scenes = kv.data.shapes.scenes(8, seed=3)
        >>> sensitivity = LossSensitivity(kv.data.shapes.shapes_model())
        >>> sensitivity(scenes.images, scenes.labels).shape
        (8,)
    """

    def __init__(
        self,
        model,
        *,
        loss=None,
        preprocess=None,
        input: str | None = None,
        output: str | None = None,
        batch_size: int = 32,
        sample=None,
    ):
        self.batch_size = checked_count("batch_size", batch_size)
        prepare = as_function(preprocess)
        self.network = Network(model, sample=sample)
        self._number = changed_input(self.network, input)
        self._loss = loss_of(self.network, loss, output)
        self._prepare = inside_graph(prepare, self.network.inputs.specs[self._number])
        self._functions, self._lock = {}, threading.Lock()

    def __call__(self, images, labels=None) -> np.ndarray:
        """Measure each sample.

        Args:
            images: what `model.predict` takes, before `preprocess`; or a batched `tf.data.Dataset` or
                `keras.utils.PyDataset` of tuples `(images, labels)`, with or without weights, which are not used.
            labels: of arrays; a dict by names of outputs also does, of which that of the output is taken. For the
                cross-entropy: class numbers (N,) or (N, 1), or one-hot rows or other distributions (N, K); under
                sigmoids, numbers from 0 to 1 for each unit. For outputs that are maps (N, …, K), maps of the same.
                For another `loss`, what it takes.

        Returns:
            (N,) float32, from 0 up, in units of the loss per unit of the images.

        Raises:
            InputError: images or labels do not fit the model or each other, or hold NaN.
            SettingError: the loss gives no number for each sample, or does not depend on the images.

        Warns:
            KerasvizWarning: the gradient of a sample is not finite.
        """
        return self.measure(self.batches(images, labels))

    def batches(self, images, labels=None) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
        """Yield inputs, flat and checked, with the checked labels that belong to them: what `measure` takes.

        Args:
            images: as for a call.
            labels: as for a call.

        Raises:
            InputError: as for a call.
        """
        stream = Stream(self.network.inputs, images, self.batch_size)
        if (stream.total is None) != (labels is None):
            raise InputError(
                "Labels were given beside a data set" if stream.total is None else "There are images without labels",
                expected="arrays of images and of labels, or a data set of both",
                mend="Give one or the other: sensitivity(images, labels) or sensitivity(data_set)",
            )
        if stream.total is None:
            yield from self._labelled(images)
            return
        labels = self._loss.check(labels, stream.total)
        for start, arrays in stream.with_bar("Loss sensitivity"):
            yield arrays, labels[start : start + len(arrays[0])]

    def measure(self, batches) -> np.ndarray:
        """Measure the samples of some batches, as `batches` yields them.

        Args:
            batches: at least one.

        Returns:
            As for a call.

        Raises:
            InputError: as for a call.
            SettingError: as for a call.
        """
        parts = []
        for arrays, labels in batches:
            fits, values = self._compiled(labels)(arrays, labels)
            if not fits:
                raise self._loss.of_other_sizes(labels)
            parts.append(values.numpy())
        values = np.concatenate(parts)
        broken = np.flatnonzero(~np.isfinite(values))
        if len(broken):
            warn(
                f"The loss sensitivity is not finite for the samples {broken[:10].tolist()}. Look for NaN in the "
                "weights and outputs of the model, and for losses that are infinite"
            )
        return values

    def _labelled(self, data_set):
        empty = True
        for batch in batches_of(data_set):
            if not isinstance(batch, tuple) or not 2 <= len(batch) <= 3:
                raise InputError(
                    f"A batch of the data set is a {type(batch).__name__}"
                    + (f" of {len(batch)}" if isinstance(batch, tuple) else ""),
                    expected="a tuple of images and labels, with or without weights",
                    mend="Give labels too: without them there is no loss",
                )
            arrays = self.network.inputs.check(batch[0])
            labels = self._loss.check(batch[1], len(arrays[0]))
            for part in chunks([*arrays, labels], self.batch_size):
                yield part[:-1], part[-1]
            empty = False
        if empty:
            raise InputError("The data set is empty", expected="at least one sample", mend="Look at how it is made")

    def _compiled(self, labels):
        """The compiled pass for labels of this form, free in the batch size and in what the output leaves free."""
        spec = self._loss.spec(labels)
        with self._lock:
            if spec not in self._functions:
                self._functions[spec] = self.network.function(self._run, [spec])
            return self._functions[spec]

    def _run(self, tensors, labels):
        own = tensors[self._number]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(own)
            inside = [*tensors]
            inside[self._number] = self._prepare(own)
            fits, losses = self._loss(self.network.forward(inside), labels)
        gradient = tape.gradient(losses, own)
        if gradient is None:
            raise without_gradient(self.network.inputs.specs[self._number])
        return fits, tf.reduce_sum(tf.abs(tf.cast(gradient, tf.float32)), axis=list(range(1, own.shape.rank)))


def loss_sensitivity(model, images, labels=None, **settings) -> np.ndarray:
    """The loss sensitivity of each sample, in one call; `LossSensitivity` compiles once for many.

    Args:
        model: as for `LossSensitivity`.
        images: as for a call of it.
        labels: as for a call of it.
        **settings: as for `LossSensitivity`.

    Returns:
        (N,) float32.

    Raises:
        KerasvizError: as for `LossSensitivity` and a call of it.

    Example:
        >>> import kerasviz as kv
        >>> scenes = kv.data.shapes.scenes(8, seed=3)
        >>> values = loss_sensitivity(kv.data.shapes.shapes_model(), scenes.images, scenes.labels)
        >>> bool((values >= 0).all())
        True
    """
    return LossSensitivity(model, **settings)(images, labels)
