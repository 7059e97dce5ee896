"""A training that goes on after an interruption as if there had been none."""

from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kerasviz.errors import SettingError
from kerasviz.states import read_state, write_state

_STATE = "training.npz"


class Kept:
    """The state of a training after its last whole epoch, in a file that is always whole.

    Args:
        folder: where; None for nowhere.
        asked: what the training is made of, as JSON can hold it.

    Attributes:
        epochs: how many were made.
        done: whether the training ended.
        history: the figures of these epochs, by name.

    Raises:
        SettingError: the folder keeps another training.
    """

    def __init__(self, folder, asked: dict):
        self._path = None if folder is None else Path(folder) / _STATE
        self._asked = asked
        self.epochs, self.done, self.history, self._arrays = 0, False, {}, {}
        state = None if self._path is None else read_state(self._path)
        if state is None:
            return
        about, self._arrays = state
        if about["asked"] != asked:
            other = {name: value for name, value in about["asked"].items() if asked.get(name) != value}
            raise SettingError(
                f"{str(folder)!r} keeps another training, with {other}",
                expected=f"{ {name: asked.get(name) for name in other} }",
                mend="Choose another folder, or remove this one",
            )
        self.epochs, self.done, self.history = about["epochs"], about["done"], about["history"]

    def restore(self, variables: list):
        """Give variables the values that were kept, if any were.

        Raises:
            SettingError: there are others than were kept, as of another optimizer.
        """
        if not self._arrays:
            return
        values = [self._arrays.get(str(number)) for number in range(len(variables))]
        if len(self._arrays) != len(values) or any(
            value is None or value.shape != tuple(variable.shape)
            for value, variable in zip(values, variables, strict=True)
        ):
            raise SettingError(
                f"{str(self._path)!r} keeps a training with other networks or optimizers",
                expected="the same",
                mend="Choose another folder, or remove this one",
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def keep(self, variables: list, epochs: int, figures: dict | None = None, *, done: bool = False):
        """Note the figures of an epoch, and write everything.

        Raises:
            SaveError: it cannot be written.
        """
        for name, value in (figures or {}).items():
            self.history.setdefault(name, []).append(float(value))
        self.epochs, self.done = epochs, done
        if self._path is not None:
            about = {"asked": self._asked, "epochs": epochs, "done": done, "history": self.history}
            arrays = {str(number): np.array(variable) for number, variable in enumerate(variables)}
            write_state(self._path, about, arrays)


class KeepingEpochs(keras.callbacks.Callback):
    """Keeps the state of a `GeneratorTraining` after each epoch.

    Args:
        kept: where to.
        advance: called after each epoch.
    """

    def __init__(self, kept: Kept, advance: Callable[[], None]):
        super().__init__()
        self._kept, self._advance = kept, advance

    def on_epoch_end(self, epoch, logs=None):  # noqa: D102
        self._kept.keep(self.model.state(), epoch + 1, logs)
        self._advance()


class ShuffledBatches(keras.callbacks.Callback):
    """Batches of arrays in an order that depends on the seed and the number of the epoch alone.

    Keras's own shuffling goes on from where it was: a resumed training would see another order.

    Args:
        images: `(N, …)`.
        batch_size: of all but the last batch.
        seed: of the order.

    Attributes:
        data_set: for `fit`, which needs this callback too.
    """

    def __init__(self, images: np.ndarray, batch_size: int, seed: int):
        super().__init__()
        self._images, self._batch_size, self._seed, self._epoch = images, batch_size, seed, 0
        spec = tf.TensorSpec((None, *images.shape[1:]), images.dtype)
        batches = tf.data.Dataset.from_generator(self._batches, output_signature=spec)
        count = -(-len(images) // batch_size)
        self.data_set = batches.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)

    def on_epoch_begin(self, epoch, logs=None):  # noqa: D102
        self._epoch = epoch

    def _batches(self) -> Iterator[np.ndarray]:
        order = np.random.default_rng([self._seed, self._epoch]).permutation(len(self._images))
        for start in range(0, len(order), self._batch_size):
            yield self._images[order[start : start + self._batch_size]]
