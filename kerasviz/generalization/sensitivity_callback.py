"""`LossSensitivityRecorder`: the loss sensitivity of each sample, averaged over a training."""

import keras
import numpy as np

from kerasviz.checks import checked_choice, checked_count
from kerasviz.errors import SettingError
from kerasviz.generalization.inequality import gini
from kerasviz.generalization.sensitivity import LossSensitivity


class LossSensitivityRecorder(keras.callbacks.Callback):
    """A callback that averages the loss sensitivity of each sample over the training.

    The average ḡ of `LossSensitivity` over the updates of the weights, and its Gini coefficient, as in Arpit et al.
    2017, section 3.2. The training goes on exactly as it would without it: weights, optimizer and seeds are the same
    to the last bit. At the end of each epoch in which it measured, the coefficient is put into the logs under its
    name, so that `History` and the callbacks that come after this one see it; epochs in between have none.

    Each `fit` begins a new average. A sample whose gradient is not finite, in a training that has diverged, makes the
    coefficient NaN from then on; the training is not stopped.

    Args:
        images: as for a call of `LossSensitivity`; the paper takes 1000 of the training data. The batches of a data
            set are kept in memory: each sample is the same one every time, even where the data set shuffles.
        labels: those that the network is trained with; random ones too. None for a data set.
        every: measure after so many epochs, or batches.
        per: "epoch", or "batch" for the paper's average over single updates. Each measurement costs a forward and a
            backward pass over the samples. With `steps_per_execution` batches are seen in groups of so many.
        name: under which the coefficient stands in the logs.
        loss: as for `LossSensitivity`; by default the cross-entropy, whatever the model is trained with.
        preprocess: as for `LossSensitivity`.
        input: as for `LossSensitivity`.
        output: as for `LossSensitivity`.
        batch_size: as for `LossSensitivity`.
        sample: as for `LossSensitivity`.

    Attributes:
        mean: (N,) float32, the average sensitivity of each sample so far; None before the first measurement.
        gini: the Gini coefficient of `mean`; None before the first measurement.
        history: the Gini coefficient of `mean` after each measurement.
        times: when these were: the number of epochs of the training, or of batches of the fit, until then.

    Raises:
        SettingError: `every`, `per`, `name` or `batch_size` is out of range. What does not fit the model is an error
            when the training begins, before its first batch: see `LossSensitivity` and a call of it.

    Example:
        >>> import keras, kerasviz as kv
        >>> scenes = kv.data.shapes.scenes(8, seed=3)
        >>> model = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Rescaling(1 / 255),
        ...                           keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
        >>> model.compile("sgd", "sparse_categorical_crossentropy")
        >>> recorder = LossSensitivityRecorder(scenes.images, scenes.labels)
        >>> history = model.fit(scenes.images, scenes.labels, epochs=2, callbacks=[recorder], verbose=0)
        >>> recorder.mean.shape, len(history.history["gini"])
        ((8,), 2)
    """

    def __init__(
        self,
        images,
        labels=None,
        *,
        every: int = 1,
        per: str = "epoch",
        name: str = "gini",
        loss=None,
        preprocess=None,
        input: str | None = None,
        output: str | None = None,
        batch_size: int = 32,
        sample=None,
    ):
        super().__init__()
        self.every = checked_count("every", every)
        checked_choice("per", per, ("epoch", "batch"))
        if not isinstance(name, str) or not name:
            raise SettingError(f"name={name!r}", expected="a name for the logs", mend="Leave it out for 'gini'")
        self.per, self.name = per, name
        self._data = images, labels
        self._settings = {
            "loss": loss,
            "preprocess": preprocess,
            "input": input,
            "output": output,
            "batch_size": checked_count("batch_size", batch_size),
            "sample": sample,
        }
        self._sensitivity = None
        self._begin([])
        if per == "batch":
            # Only then: a callback that looks at batches makes Keras wait for the result of each one.
            self.on_train_batch_end = self._after_batch

    @property
    def mean(self) -> np.ndarray | None:  # noqa: D102
        return None if self._sum is None else (self._sum / len(self.history)).astype(np.float32)

    @property
    def gini(self) -> float | None:  # noqa: D102
        return self.history[-1] if self.history else None

    def on_train_begin(self, logs=None):
        """Open the model, check everything, and compile."""
        self._sensitivity = LossSensitivity(self.model, **self._settings)
        self._begin(list(self._sensitivity.batches(*self._data)))
        # What the loss itself cannot take shows when it runs.
        self._sensitivity.measure(self._batches[:1])

    def on_epoch_begin(self, epoch, logs=None):
        """Count the batches of the epoch from 0."""
        self._last_batch = -1

    def on_epoch_end(self, epoch, logs=None):
        """Measure, and put the Gini coefficient into the logs."""
        if self.per == "epoch" and (epoch + 1) % self.every == 0:
            self._measure(epoch + 1)
        if logs is not None and len(self.history) > self._logged:
            logs[self.name] = self.gini
        self._logged = len(self.history)

    def on_train_end(self, logs=None):
        """Let go of the compiled model and of the batches."""
        self._sensitivity, self._batches = None, []

    def _after_batch(self, batch, logs=None):
        before = self._updates
        self._updates += batch - self._last_batch
        self._last_batch = batch
        if self._updates // self.every > before // self.every:
            self._measure(self._updates)

    def _begin(self, batches):
        self._batches, self._sum = batches, None
        self._updates, self._last_batch, self._logged = 0, -1, 0
        self.history: list[float] = []
        self.times: list[int] = []

    def _measure(self, time):
        values = self._sensitivity.measure(self._batches).astype(np.float64)
        self._sum = values if self._sum is None else self._sum + values
        self.history.append(gini(self._sum) if np.isfinite(self._sum).all() else float("nan"))
        self.times.append(time)
