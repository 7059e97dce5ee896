"""The samples that a callback looks at: the same at each moment."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from kerasviz.errors import InputError


def probe(data, count: int):
    """The first samples of some data.

    Args:
        data: what `model.predict` takes, arrays with a batch axis; or a batched `tf.data.Dataset` or
            `keras.utils.PyDataset` with or without labels.
        count: how many, at most.

    Returns:
        Their inputs, nested as the model takes them, and their labels; None where there are none.

    Raises:
        InputError: the data set is empty or not in batches, or the data are a generator or have no samples.
    """
    if not isinstance(data, tf.data.Dataset | keras.utils.PyDataset):
        if hasattr(data, "__next__"):
            raise InputError(
                f"The data are a {type(data).__name__}, which is gone when it was looked at",
                expected="arrays, a tf.data.Dataset or a keras.utils.PyDataset",
                mend="Take a batch of it: images, labels = next(it)",
            )
        return keras.tree.map_structure(lambda array: _first(array, count), data), None
    batches, found = [], 0
    for batch in data if isinstance(data, tf.data.Dataset) else _batches(data):
        inputs, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
        batches.append((inputs, labels))
        found += len(np.atleast_1d(keras.tree.flatten(inputs)[0]))
        if found >= count:
            break
    if not found:
        raise InputError("The data set is empty", expected="at least one batch", mend="Look at how it is made")
    try:
        return tuple(
            None if parts[0] is None else keras.tree.map_structure(lambda *rows: np.concatenate(rows)[:count], *parts)
            for parts in zip(*batches, strict=True)
        )
    except ValueError as error:
        raise InputError(
            f"The data set has no batches that fit together: {error}",
            expected="batches of samples of one shape",
            mend="Batch it: dataset.batch(32)",
        ) from error


def _first(array, count):
    if np.ndim(array) == 0:
        raise InputError(
            f"The data have a {type(array).__name__} in the place of an array",
            expected="arrays with a batch axis, a tf.data.Dataset or a keras.utils.PyDataset",
            mend="Take a batch of the data: images, labels = next(iter(data))",
        )
    return array[:count]


def _batches(data):
    numbers = itertools.count() if data.num_batches is None else range(data.num_batches)
    return (data[number] for number in numbers)
