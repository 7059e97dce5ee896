"""`CriticalSampleRatio`: the critical sample ratio after each epoch of a training, as a Keras callback."""

import math
import warnings

import keras
import tensorflow as tf

from kerasviz.checks import checked_count, checked_seed
from kerasviz.errors import InputError, KerasvizWarning, ModelError, SettingError
from kerasviz.generalization.critical_search import CriticalSampleSearch
from kerasviz.generalization.searches import as_search
from kerasviz.network.neighborhood import checked_radius


class CriticalSampleRatio(keras.callbacks.Callback):
    """Measures how many of some fixed images are critical samples, and adds it to the `logs` of a training.

    A ratio that rises while the training goes on is the mark of memorizing: Arpit et al. 2017, "A Closer Look at
    Memorization in Deep Networks", Figures 7 to 9; see `CriticalSampleSearch` for what is measured.

    The history that `fit` returns and the progress bar have the ratio always. Callbacks of yours run in the order
    of your list: `CSVLogger`, `TensorBoard`, `EarlyStopping(monitor="csr", mode="min")` or
    `ModelCheckpoint(monitor="csr", mode="min", …)` see it if they stand behind this one. Keras cannot guess the mode.

    The training is the same, to the last bit, with and without this callback. The network is opened once for each
    `fit`. A model that has no weights yet is opened at its second batch, which is also when images that do not fit
    it are refused; any other mistake is an error before the first epoch.

    Args:
        images: arrays that `model.predict` takes, before `preprocess`; a few hundred that the training does not see.
        radius: half the side of the box, in the units of the images.
        search: as for `CriticalSampleSearch`.
        every: how many epochs lie between two measurements: the first epoch of a `fit` is measured, then those
            whose numbers, counted from 0 as Keras does, can be divided by `every`. Between them the logs hold NaN,
            which keeps the history and CSV columns aligned, and which `EarlyStopping` takes for an epoch without
            improvement.
        name: under which the logs hold it.
        preprocess: as for `CriticalSampleSearch`.
        input: as for `CriticalSampleSearch`.
        output: as for `CriticalSampleSearch`.
        bounds: as for `CriticalSampleSearch`.
        batch_size: as for `CriticalSampleSearch`.
        seed: of the search's noise, the same at each epoch.
        initial: measure before the first epoch, too.

    Attributes:
        history: what the last `fit` measured, a list of pairs: the number of an epoch, from 0, and the ratio after it.
        initial: the ratio before the first epoch of the last `fit`; None if it was not asked for.

    Raises:
        InputError: the images are a data set; at the beginning of `fit`, they do not fit the model or leave the bounds.
        ModelError: at the beginning of `fit`, the model cannot be opened, or `initial` is asked of one without weights.
        SettingError: a setting is out of range.
        TargetError: at the beginning of `fit`, the model is no classifier of whole images.

    Warns:
        KerasvizWarning: the logs have another figure of that name, which is lost.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
        >>> model.compile("sgd", "sparse_categorical_crossentropy")
        >>> rng = np.random.default_rng(0)
        >>> images, labels = rng.normal(size=(20, 8, 8, 1)), rng.integers(3, size=20)
        >>> ratio = CriticalSampleRatio(images[10:], radius=0.1)
        >>> history = model.fit(images[:10], labels[:10], epochs=2, verbose=0, callbacks=[ratio])
        >>> history.history["csr"] == [value for epoch, value in ratio.history]
        True
    """

    def __init__(
        self,
        images,
        radius: float,
        *,
        search="lass",
        every: int = 1,
        name: str = "csr",
        preprocess=None,
        input: str | None = None,
        output: str | None = None,
        bounds: tuple[float, float] | None = None,
        batch_size: int = 32,
        seed: int = 0,
        initial: bool = False,
    ):
        super().__init__()
        if isinstance(images, tf.data.Dataset | keras.utils.PyDataset):
            raise InputError(
                f"The images are a {type(images).__name__}",
                expected="arrays, so that the same images are measured each time",
                mend="Take a batch of it: images, labels = next(iter(dataset))",
            )
        if not isinstance(name, str) or not name:
            raise SettingError(f"name={name!r}", expected="a name for the logs", mend="Leave it out for 'csr'")
        self.name, self.every = name, checked_count("every", every)
        self.history: list[tuple[int, float]] = []
        self.initial: float | None = None
        self._images, self._radius, self._seed = images, checked_radius(radius), checked_seed(seed)
        self._settings = {
            "search": as_search(search),
            "preprocess": preprocess,
            "input": input,
            "output": output,
            "bounds": bounds,
            "batch_size": checked_count("batch_size", batch_size),
        }
        self._asks_initial, self._search = initial, None

    def on_train_begin(self, logs=None):
        """Open the model, and check that the images fit it."""
        self.history, self.initial, self._search = [], None, None
        if self._asks_initial and not self.model.built:
            raise ModelError(
                f"The model {self.model.name!r} has no weights yet, and initial=True asks for its ratio",
                expected="a built model",
                mend="Build it before fit, or leave initial out",
            )
        self._open()
        if self._asks_initial:
            self.initial = self._measured()

    def on_train_batch_begin(self, batch, logs=None):
        """Open a model that had no weights before the first batch."""
        # Not at the end of the first: Keras then runs all callbacks of all batches in step with the training.
        self._open()

    def on_epoch_end(self, epoch, logs=None):
        """Measure, and add the ratio to the logs."""
        self._open()
        value = math.nan
        if not self.history or epoch % self.every == 0:
            value = self._measured()
            if not self.history and self.name in logs:
                warnings.warn(
                    f"The logs have another {self.name!r}, which the critical sample ratio takes the place of. "
                    "Give the callback another name=",
                    KerasvizWarning,
                    stacklevel=2,
                )
            self.history.append((epoch, value))
        logs[self.name] = value

    def _open(self):
        if self._search is not None or not self.model.built:
            return
        self._search = CriticalSampleSearch(self.model, **self._settings, sample=self._images)
        # Around boxes of no size nothing is searched, but the images are checked.
        self._search.ratio(self._images, 0.0, self._seed)

    def _measured(self):
        return self._search.ratio(self._images, self._radius, self._seed)
