"""The samples that a callback looks at: the same at each moment."""

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
        InputError: the data set is empty, or the data are a generator.
    """
    if not isinstance(data, tf.data.Dataset | keras.utils.PyDataset):
        if hasattr(data, "__next__"):
            raise InputError(
                f"The data are a {type(data).__name__}, which is gone when it was looked at",
                expected="arrays, a tf.data.Dataset or a keras.utils.PyDataset",
                mend="Take a batch of it: images, labels = next(it)",
            )
        return keras.tree.map_structure(lambda array: array[:count], data), None
    batches, found = [], 0
    for batch in data if isinstance(data, tf.data.Dataset) else (data[k] for k in range(len(data))):
        inputs, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
        batches.append((inputs, labels))
        found += len(keras.tree.flatten(inputs)[0])
        if found >= count:
            break
    if not found:
        raise InputError("The data set is empty", expected="at least one batch", mend="Look at how it is made")
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts)[:count], *batches)
