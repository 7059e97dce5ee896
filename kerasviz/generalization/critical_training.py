"""`CriticalSampleTraining`: a model's own training, with the critical points around each batch added to it."""

import math
from numbers import Real

import keras
import tensorflow as tf

from kerasviz.checks import checked_seed
from kerasviz.errors import InputError, ModelError, SettingError
from kerasviz.generalization.critical_search import CriticalSampleSearch
from kerasviz.generalization.searches import LASS
from kerasviz.network.neighborhood import checked_radius
from kerasviz.network.twins import require_built

#: Reductions of a loss under which the weights of the added rows make a mean of it.
_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")


class CriticalSampleTraining:
    """Trains a compiled model on each batch and on the critical points around it, with the labels of their samples.

    A critical point shows where the network is not yet smooth around its data. Training on such points (adversarial
    training) is one of the regularizers whose effect on memorizing is measured in Arpit et al. 2017, "A Closer Look
    at Memorization in Deep Networks", section 5.

    Before each step of the optimizer, the points are searched on the weights as they are, in inference mode: no
    dropout, moving statistics in batch normalizations, float32 in a mixed precision model. Then the model's own
    `train_step`, which may be a custom one, is run once on twice as many rows: the N samples, and for each one its
    critical point where one was found, else the sample again with the weight 0. For F points found, and samples of
    the weights `w` (1 where `fit` gets neither `sample_weight` nor `class_weight`), the loss is

        (Σ w · loss(sample) + weight · Σ over found w · loss(point)) / (N + weight · F),

    which is Keras's own where none was found. What that means for the rest of the training:

    - `metrics` count all 2N rows: accuracy is the mean of that on the samples and of that on what the search made
      of them. `weighted_metrics` count what the loss counts. The labels of `validation_data` are met by plain
      samples, as ever.
    - The history has one figure more, `critical`: the share of the epoch's samples around which a point was found,
      each measured just before it was trained on. It is among the `logs` of every callback at the end of an epoch.
    - Batch normalizations learn the statistics of the 2N rows.
    - On several devices of a `tf.distribute` strategy, the loss is that of each device's part of the batch, averaged.
    - A loss that returns one number for a batch, an `add_loss`, or a custom `train_step` that passes over its
      `sample_weight` sees 2N rows of the same weight.

    The model itself is left as it was: a later `model.fit` trains plainly.

    Args:
        model: a built and compiled Keras classifier. The search is set up for it now: after a change of its layers
            or activations, make this object anew; after `compile` there is no need.
        radius: half the side of the box around a sample in which points are searched, in the units of the model's
            inputs. 0 is plain training.
        search: as for `CriticalSampleSearch`. Each step of it costs about as much as the training step itself
            would without it, so the default is `LASS(steps=10)`; "fgsm" is the cheapest.
        weight: how much a found point counts, in samples.
        input: as for `CriticalSampleSearch`.
        output: as for `CriticalSampleSearch`. The labels of all outputs are taken over.
        bounds: as for `CriticalSampleSearch`, in the units of the model's inputs.
        seed: of the search's noise, which also depends on the optimizer's count of steps: training that is taken
            up from a checkpoint goes on as it would have. XLA (`jit_compile`) draws other noise than TensorFlow does.
        sample: as for `CriticalSampleSearch`.

    Raises:
        InputError: as for `CriticalSampleSearch`.
        ModelError: not a Keras model, not built, not compiled, or one of its outputs is a map.
        SettingError: a setting is out of range, or a loss of the model is not a mean over the batch.
        TargetError: as for `CriticalSampleSearch`.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
        >>> model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        >>> rng = np.random.default_rng(0)
        >>> images, labels = rng.normal(size=(20, 8, 8, 1)), rng.integers(3, size=20)
        >>> history = CriticalSampleTraining(model, 0.1).fit(images, labels, epochs=2, verbose=0)
        >>> sorted(history.history)
        ['accuracy', 'critical', 'loss']
    """

    def __init__(
        self,
        model,
        radius: float,
        *,
        search=LASS(steps=10),  # noqa: B008 - frozen
        weight: float = 1.0,
        input: str | None = None,
        output: str | None = None,
        bounds: tuple[float, float] | None = None,
        seed: int = 0,
        sample=None,
    ):
        self.radius, self.weight, self.seed = checked_radius(radius), _checked_weight(weight), checked_seed(seed)
        require_built(model)
        _check_compiled(model)
        self.model = model
        self.search = CriticalSampleSearch(
            model, search=search, input=input, output=output, bounds=bounds, sample=sample
        )
        # Compiled by itself: a step that runs eagerly needs a graph for it too.
        self._hunt = self.search.network.function(
            lambda tensors, seed: self.search.hunt(tensors, tf.constant(self.radius, tf.float64), seed),
            [tf.TensorSpec((2,), tf.int32)],
        )
        for name, traced in self.search.network.trace.outputs.items():
            if len(traced.shape) > 2:
                raise ModelError(
                    f"The output {name!r} of {model.name!r} has the shape {traced.shape}",
                    expected="outputs with a row of numbers for each sample",
                    mend="The weight of a sample does not reach the losses of a map; train a model without this output",
                )

    def fit(self, x=None, y=None, *, callbacks=None, **fit) -> keras.callbacks.History:
        """Train, as `model.fit` does.

        Args:
            x: as for `model.fit`: arrays, a `tf.data.Dataset`, a `keras.utils.PyDataset`, …
            y: labels, as for `model.fit`, whole numbers or one-hot.
            callbacks: as for `model.fit`: a callback or a list of them.
            **fit: all other arguments of `model.fit`.

        Returns:
            The `History` of `model.fit`, with `critical` in it.

        Raises:
            InputError: the batches have no labels, or are not what the model takes. Nothing is trained then.
            ModelError: the model is no longer compiled.
            SettingError: a loss of the model is no mean, or `callbacks` is a `CallbackList`.
        """
        model = self.model
        _check_compiled(model)
        if isinstance(callbacks, keras.callbacks.CallbackList):
            raise SettingError(
                "callbacks is a CallbackList", expected="a list of callbacks", mend="Give the callbacks themselves"
            )
        with model.distribute_strategy.scope():
            share = _CriticalShare()
        instance = vars(model)
        own = {"train_step": instance["train_step"]} if "train_step" in instance else {}
        if self.radius:
            # Not setattr: Keras would record the change in what it tracks and saves.
            instance["train_step"] = self._step(model.train_step, share.found)
        model.train_function = None
        try:
            # In front of the user's: all of them, and the history, then find the share in their logs.
            return model.fit(x, y, callbacks=[share, *keras.tree.flatten(callbacks or [])], **fit)
        finally:
            instance.pop("train_step", None)
            instance.update(own)
            model.train_function = None

    def _step(self, train_step, share):
        """The model's training step, on a batch with the critical points that are found around it."""

        def step(data):
            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
            if y is None:
                raise InputError(
                    "The batches have no labels",
                    expected="pairs of inputs and labels",
                    mend="Give y, or (x, y) batches",
                )
            x, found = self._with_points(x)
            share.update_state(tf.cast(found, tf.float32))
            y = keras.tree.map_structure(_twice, y)
            return train_step((x, y, self._weights(sample_weight, found)))

        return step

    def _with_points(self, x):
        """The inputs of a batch, nested as they are, followed by those of its points; and for which one was found."""
        inputs = self.search.network.inputs
        # Keras also takes a list of one for a single input.
        tensors = inputs.flatten(x) if len(inputs.specs) > 1 else keras.tree.flatten(x)
        cast = [tf.cast(tensor, spec.dtype) for tensor, spec in zip(tensors, inputs.specs, strict=True)]
        # Each step of a search has a seed of its own; so have those of one step of the training and the next.
        # Older versions of Keras count in the optimizer inside of the one that scales losses.
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        count = tf.cast(optimizer.iterations, tf.int32) * (self.search.search.steps + 1)
        hunted = self._hunt(cast, tf.stack([self.seed, count]))
        number = [spec.name for spec in inputs.specs].index(self.search.input)
        changed, enlarged = tensors[number], tf.concat([cast[number], hunted.points], axis=0)
        return keras.tree.map_structure(lambda part: enlarged if part is changed else _twice(part), x), hunted.found

    def _weights(self, sample_weight, found):
        """The weights of the rows, with which Keras's mean over twice the batch is that over the rows that count."""
        found = self.weight * tf.cast(found, tf.float32)
        rows = tf.concat([tf.ones_like(found), found], axis=0)
        rows *= tf.cast(tf.size(rows), tf.float32) / tf.reduce_sum(rows)

        def weighted(given):
            if given is None:
                return rows
            given = tf.cast(_twice(given), tf.float32)
            return given * tf.reshape(rows, [-1] + [1] * (given.shape.rank - 1))

        return keras.tree.map_structure(weighted, sample_weight)


class _CriticalShare(keras.callbacks.Callback):
    """Averages over an epoch for how many samples a point was found, and adds it to the logs."""

    def __init__(self):
        super().__init__()
        self.found = keras.metrics.Mean(name="critical")

    def on_epoch_begin(self, epoch, logs=None):
        self.found.reset_state()

    def on_epoch_end(self, epoch, logs=None):
        logs[self.found.name] = float(self.found.result())


def _twice(tensor):
    return tensor if tensor is None else tf.concat([tensor, tensor], axis=0)


def _check_compiled(model):
    if not model.compiled:
        raise ModelError(
            f"The model {model.name!r} is not compiled: it has no optimizer and no loss",
            expected="a compiled model",
            mend="Call model.compile(optimizer, loss) first",
        )
    for loss in keras.tree.flatten(model.loss):
        reduction = getattr(loss, "reduction", _MEANS[0])
        if reduction not in _MEANS:
            raise SettingError(
                f"The loss {loss.name!r} has the reduction {reduction!r}",
                expected="a mean over the batch, which does not grow with the points that are added to it",
                mend=f"Leave the reduction out: Keras's own default is {_MEANS[0]!r}",
            )


def _checked_weight(weight):
    if isinstance(weight, bool) or not isinstance(weight, Real) or not 0 < weight < math.inf:
        raise SettingError(
            f"weight={weight!r}", expected="a number over 0", mend="radius=0 trains without critical points"
        )
    return float(weight)
