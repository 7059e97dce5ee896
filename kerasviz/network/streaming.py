"""Inputs that may be too many for memory: batches of them in their order, as often as they are wanted."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from kerasviz import progress
from kerasviz.checks import checked_count
from kerasviz.errors import InputError
from kerasviz.network.inputs import Inputs
from kerasviz.network.network import chunks


class Stream:
    """A model's inputs, read in batches.

    Args:
        inputs: of the network that will run on them.
        images: what `model.predict` takes: arrays with a batch axis; or a batched `tf.data.Dataset`, a
            `keras.utils.PyDataset` or another collection of batches that can be gone through again, in the same
            order each time. A batch may be a tuple of inputs, labels and weights; only the inputs are used.
        batch_size: how many samples run at once; larger batches are split.

    Attributes:
        total: how many samples there are, None where only counting tells.

    Raises:
        InputError: as for `Inputs.check`, or `images` can be gone through only once (a generator), or never ends.
        SettingError: `batch_size` is no whole number from 1 up.

    Example:
        >>> import keras
        >>> from kerasviz.network import Network
        >>> network = Network(keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)]))
        >>> stream = Stream(network.inputs, np.zeros((5, 8, 8, 3), "float32"), batch_size=2)
        >>> [(start, len(images)) for start, (images,) in stream]
        [(0, 2), (2, 2), (4, 1)]
    """

    def __init__(self, inputs: Inputs, images, batch_size: int = 32):
        self._inputs, self._batch_size = inputs, checked_count("batch_size", batch_size)
        self._arrays, self._source = None, None
        if isinstance(images, tf.data.Dataset | keras.utils.PyDataset) or _goes_again(images):
            self._source, self.total = images, None
            _check_ends(images)
        elif hasattr(images, "__next__"):
            raise InputError(
                f"The images come from a {type(images).__name__}, which can be gone through only once",
                expected="arrays, or a data set that begins anew each time",
                mend="Wrap it with tf.data.Dataset.from_generator, and batch it",
            )
        else:
            self._arrays = inputs.check(images)
            self.total = len(self._arrays[0])

    def __iter__(self) -> Iterator[tuple[int, list[np.ndarray]]]:
        """Yield the number of a batch's first sample, and its inputs, flat and checked."""
        start = 0
        for arrays in [self._arrays] if self._source is None else self._checked():
            for part in chunks(arrays, self._batch_size):
                yield start, part
                start += len(part[0])
        if start == 0:
            raise InputError("The data set is empty", expected="at least one sample", mend="Look at how it is made")
        self.total = start

    def with_bar(self, description: str) -> Iterator[tuple[int, list[np.ndarray]]]:
        """The same, with a progress bar in samples where their number is known."""
        known = self.expected()
        with progress.bar(known or 1, description, unit="images") as advance:
            for start, part in self:
                yield start, part
                if known:
                    advance(len(part[0]))

    def take(self, numbers) -> list[np.ndarray]:
        """Some samples by number, in the order asked; goes through a data set once more.

        Args:
            numbers: a sequence of whole numbers, at least one.

        Returns:
            The inputs, flat, `(len(numbers), …)` each.

        Raises:
            InputError: there is no sample of that number.
        """
        numbers = np.asarray(numbers, int)
        wanted, found = set(numbers.tolist()), {}
        for start, part in self:
            for number in wanted.intersection(range(start, start + len(part[0]))):
                # A view would keep its whole batch in memory.
                found[number] = [array[number - start].copy() for array in part]
            if len(found) == len(wanted):
                break
        if len(found) < len(wanted):
            raise InputError(
                f"There is no sample {min(wanted - set(found))}",
                expected=f"numbers from 0 to {self.total - 1}",
                mend="Go through the same samples, in the same order, each time",
            )
        return [np.stack(rows) for rows in zip(*(found[number] for number in numbers.tolist()), strict=True)]

    def _checked(self):
        for batch in batches_of(self._source):
            if isinstance(batch, tuple) and not 1 <= len(batch) <= 3:
                raise InputError(
                    f"A batch is a tuple of {len(batch)}",
                    expected="inputs, or a tuple of inputs, labels and weights",
                    mend="Put several inputs into one tuple or dict, as for model.predict",
                )
            yield self._inputs.check(batch[0] if isinstance(batch, tuple) else batch)

    def expected(self) -> int | None:
        """About how many samples there are, as far as the data set says so, for a progress bar; None if it does not."""
        if self.total:
            return self.total
        if isinstance(self._source, tf.data.Dataset):
            count = int(self._source.cardinality())
            spec = keras.tree.flatten(self._source.element_spec)[0]
            size = spec.shape[0] if spec.shape.rank else None
            return count * size if count > 0 and size else None
        return None


def batches_of(data_set):
    """The batches of a data set, as they are, from its beginning.

    Args:
        data_set: a `tf.data.Dataset`, a `keras.utils.PyDataset` or another collection of batches.
    """
    # Older versions of Keras index a PyDataset beyond its end.
    return map(data_set.__getitem__, range(data_set.num_batches)) if _is_indexed(data_set) else data_set


def _is_indexed(source):
    return isinstance(source, keras.utils.PyDataset)


def _check_ends(source):
    """Refuse a data set that repeats for ever."""
    endless = isinstance(source, tf.data.Dataset) and int(source.cardinality()) == tf.data.INFINITE_CARDINALITY
    if endless or (_is_indexed(source) and source.num_batches is None):
        raise InputError(
            "The data set never ends", expected="one that ends", mend="Leave repeat() out, or add .take(batches)"
        )


def _goes_again(images):
    """Whether something is a collection of batches, not of arrays."""
    plain = isinstance(images, np.ndarray | tf.Tensor | dict | list | tuple | str) or hasattr(images, "__array__")
    return not plain and hasattr(images, "__iter__") and not hasattr(images, "__next__")
