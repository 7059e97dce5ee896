"""Loss sensitivity through training: how strongly the loss answers to a sample that the weights have learned from."""

from collections.abc import Callable
from numbers import Real

import keras
import numpy as np
import tensorflow as tf

from kerasviz import progress
from kerasviz.checks import checked_count, checked_seed
from kerasviz.errors import ModelError, SettingError
from kerasviz.generalization.sample_losses import SampleLoss, loss_of
from kerasviz.network import Network
from kerasviz.network.changing import changed_input, without_gradient
from kerasviz.network.loading import as_model
from kerasviz.network.network import chunks
from kerasviz.plotting.notices import warn


def unrolled_sensitivity(
    model,
    images,
    labels,
    *,
    steps: int = 100,
    learning_rate: float = 0.1,
    batch_size: int = 32,
    every: int = 1,
    loss=None,
    input: str | None = None,
    output: str | None = None,
    seed: int = 0,
    sample=None,
) -> np.ndarray:
    """The loss sensitivity of training samples, followed back through the updates that took them in.

    ḡ of Arpit et al. 2017, "A Closer Look at Memorization in Deep Networks", section 3.2: the mean over t of
    ‖∂L_t/∂x‖₁, where L_t is the average loss of the training samples after t updates of stochastic gradient descent.
    A sample x acts on L_t in two ways, and the gradient is that of both together: directly, since its own loss is one
    of the N that L_t averages, and through every update that took x in, and all that followed it (as in Maclaurin et
    al. 2015, "Gradient-based Hyperparameter Optimization through Reversible Learning"). `LossSensitivity` measures
    N times the direct part alone. The `gini` of the result tells how unevenly the samples matter.

    The training is one of its own. It begins at a copy of the weights that the model has now; for the paper's
    experiment, the random ones of a new model. An update is w ← w − η ∇w of the mean loss of a batch, without
    momentum, weight decay or regularization losses, for the model's trainable weights, in single precision. Dropout
    and batch normalization work as at inference: nothing is dropped, and the moving averages stay as they are. The
    model, with its optimizer and its seeds, is left as it was.

    Each epoch has an order of its own, `numpy.random.default_rng(seed).permutation(N)`, drawn anew from the same
    generator, and is cut into batches in this order; the last one may be smaller.

    Each t has a backward sweep of its own, over t updates: `steps`² / (2 `every`) second derivatives of the loss of a
    batch, and `steps` / `every` passes over all samples. The weights after each update are kept, and no activations:
    the memory is `steps` times that of the trainable weights.

    Args:
        model: any built Keras model, or the path of a saved one.
        images: what `model.predict` takes, as arrays: the training samples, and the ones that L_t averages over.
        labels: those that the network is to be trained with, random ones too; as for a call of `LossSensitivity`.
        steps: updates. Real and random data come apart as the network fits them: take several epochs, and a larger
            `every`. With 0 the network does not learn: the result is ‖∂L_0/∂x‖₁, the direct part at its weights.
        learning_rate: η, from 0 up.
        batch_size: samples of an update; also those that run at once elsewhere.
        every: measure after each so many updates: 1 is the mean over all t from 1 to `steps`.
        loss: as for `LossSensitivity`; by default the cross-entropy.
        input: the name of the input whose gradient is taken, for models with several.
        output: the name of the output that the labels belong to, for models with several.
        seed: of the order of the samples.
        sample: as for `LossSensitivity`.

    Returns:
        (N,) float32, from 0 up, in units of the loss per unit of the images.

    Raises:
        InputError: images or labels do not fit the model or each other; no input has a gradient, or several could
            be meant.
        ModelError: the model cannot be opened, the loss depends on none of its trainable weights, or TensorFlow
            has no second derivative of one of its operations.
        SettingError: a setting is out of range, or the loss is unknown or does not depend on the images.
        TargetError: `output` is missing or unknown, or no cross-entropy fits it (regression): give its `loss`.

    Warns:
        KerasvizWarning: the training diverged, and the gradient of a sample is not finite.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten(),
        ...                           keras.layers.Dense(5, "tanh"), keras.layers.Dense(3, "softmax")])
        >>> images = np.random.default_rng(0).normal(size=(20, 6, 6, 1))
        >>> unrolled_sensitivity(model, images, np.arange(20) % 3, steps=5, batch_size=8).shape
        (20,)
    """
    steps, every = checked_count("steps", steps, least=0), checked_count("every", every)
    batch_size, seed = checked_count("batch_size", batch_size), checked_seed(seed)
    if 0 < steps < every:
        wanted = f"every from 1 to {steps}"
        raise SettingError(f"every={every} of {steps} steps is never", expected=wanted, mend="Measure more often")
    if isinstance(learning_rate, bool) or not isinstance(learning_rate, Real) or not 0 <= learning_rate < np.inf:
        wanted = "a number from 0 up"
        raise SettingError(f"learning_rate={learning_rate!r}", expected=wanted, mend="Leave it out for the default")
    model = as_model(model)
    network = Network(model, sample=sample)
    number = changed_input(network, input)
    sample_loss = loss_of(network, loss, output)
    arrays = network.inputs.check(images)
    labels = sample_loss.check(labels, len(arrays[0]))
    training = _Training(network, number, sample_loss, model.trainable_variables, arrays, labels, batch_size)

    times = range(every, steps + 1, every) if steps else [0]
    norms = np.zeros(len(labels))
    with (
        progress.bar(max(steps + sum(times), 1), "Unrolled loss sensitivity", unit="updates") as advance,
        np.errstate(over="ignore", invalid="ignore"),
    ):
        training.run(steps, learning_rate, seed, advance)
        for time in times:
            gradient = training.gradient_after(time, advance)
            norms += np.abs(gradient).sum(axis=tuple(range(1, gradient.ndim)), dtype=np.float64)
        values = (norms / len(times)).astype(np.float32)
    broken = np.flatnonzero(~np.isfinite(values))
    if len(broken):
        warn(
            f"The unrolled sensitivity is not finite for the samples {broken[:10].tolist()}: the training diverged, or "
            "the weights of the model are NaN. Take a smaller learning_rate or fewer steps"
        )
    return values


class _Training:
    """Plain gradient descent on some samples, and the gradients of the mean loss back through it.

    Args:
        network: in inference mode.
        number: of the input whose gradient is taken, among the flat ones.
        loss: of each sample.
        variables: the Keras variables that are trained.
        arrays: the inputs of all samples, flat and checked.
        labels: theirs, checked.
        batch_size: samples that run at once.
    """

    def __init__(self, network: Network, number: int, loss: SampleLoss, variables, arrays, labels, batch_size):
        self._network, self._number, self._loss, self._variables = network, number, loss, variables
        self._arrays, self._labels, self._batch_size = arrays, labels, batch_size
        weights = [tf.TensorSpec(variable.shape, tf.float32) for variable in variables]
        one = tf.TensorSpec((), tf.float32)
        self._first = network.function(self._gradients, [loss.spec(labels), weights, one])
        try:
            self._second = network.function(self._through_update, [loss.spec(labels), weights, one, weights])
        except LookupError as error:
            raise ModelError(
                f"TensorFlow has no second derivative of an operation of {network.name!r}: {error}",
                expected="a network and a loss that can be differentiated twice",
                mend="Measure the sensitivity at fixed weights, with LossSensitivity, which needs the first only",
            ) from error

    def run(self, steps: int, rate: float, seed: int, advance: Callable):
        """Train, and keep the samples of each update, and the weights before and after it."""
        count, rng = len(self._labels), np.random.default_rng(seed)
        self._batches: list[np.ndarray] = []
        while len(self._batches) < steps:
            self._batches += [rows for (rows,) in chunks([rng.permutation(count)], self._batch_size)]
        self._rate = rate
        self._weights = [[tf.cast(tf.convert_to_tensor(variable), tf.float32) for variable in self._variables]]
        for rows in self._batches[:steps]:
            _, changes = self._derived(rows, self._weights[-1], rate / len(rows))
            self._weights.append([old - change for old, change in zip(self._weights[-1], changes, strict=True)])
            advance()

    def gradient_after(self, time: int, advance: Callable) -> np.ndarray:
        """The gradient of the mean loss after some of the updates, at the samples, shaped like them."""
        gradient = np.empty_like(self._arrays[self._number])
        adjoint = [tf.zeros_like(weight) for weight in self._weights[time]]
        for (rows,) in chunks([np.arange(len(gradient))], self._batch_size):
            gradient[rows], at_weights = self._derived(rows, self._weights[time], 1 / len(gradient))
            adjoint = [a + b for a, b in zip(adjoint, at_weights, strict=True)]
        for number in reversed(range(time)):
            rows = self._batches[number]
            scale = np.float32(self._rate / len(rows))
            own, adjoint = self._second(*self._batch(rows), self._weights[number], scale, adjoint)
            gradient[rows] += own.numpy()
            advance()
        return gradient

    def _batch(self, rows):
        return [array[rows] for array in self._arrays], self._labels[rows]

    def _derived(self, rows, weights, scale):
        """The gradients of the added losses of some samples, times a scale: at their inputs, and at the weights."""
        fits, own, changes = self._first(*self._batch(rows), weights, np.float32(scale))
        if not fits:
            raise self._loss.of_other_sizes(self._labels)
        return own.numpy(), changes

    def _losses(self, tensors, labels, weights):
        # What layers would do to the state of generators stays inside the scope.
        with keras.StatelessScope(state_mapping=zip(self._variables, weights, strict=True)):
            return self._loss(self._network.forward(tensors), labels)

    def _gradients(self, tensors, labels, weights, scale):
        own = tensors[self._number]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([own, *weights])
            fits, losses = self._losses(tensors, labels, weights)
            total = scale * tf.reduce_sum(losses)
        at_own, *at_weights = tape.gradient(total, [own, *weights])
        if at_own is None:
            raise without_gradient(self._network.inputs.specs[self._number])
        if all(gradient is None for gradient in at_weights):
            raise ModelError(
                f"The loss of {self._network.name!r} depends on none of its {len(weights)} trainable weights",
                expected="a model that can learn",
                mend="Set layer.trainable = True for the layers that are to be trained, or choose another output=",
            )
        return fits, at_own, _dense(at_weights, weights)

    def _through_update(self, tensors, labels, weights, scale, adjoint):
        """What the update w − scale · ∇w Σ losses adds to the gradient at its samples, and the gradient at w before it.

        Of whatever has the gradient `adjoint` at the weights after the update.
        """
        own = tensors[self._number]
        with tf.GradientTape(watch_accessed_variables=False) as outer:
            outer.watch([own, *weights])
            with tf.GradientTape(watch_accessed_variables=False) as inner:
                inner.watch(weights)
                _, losses = self._losses(tensors, labels, weights)
            slopes = _dense(inner.gradient(losses, weights), weights)
            moved = -scale * tf.add_n([tf.reduce_sum(a * slope) for a, slope in zip(adjoint, slopes, strict=True)])
        at_own, *at_weights = _dense(outer.gradient(moved, [own, *weights]), [own, *weights])
        return at_own, [a + change for a, change in zip(adjoint, at_weights, strict=True)]


def _dense(gradients, like):
    """Gradients as tensors: those of lookups come as rows, and those of what does not matter as None."""
    return [
        tf.zeros_like(tensor) if gradient is None else tf.convert_to_tensor(gradient)
        for gradient, tensor in zip(gradients, like, strict=True)
    ]
