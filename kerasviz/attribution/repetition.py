"""A batch, repeated: what methods that look at many variants of each sample have in common."""

import numpy as np
import tensorflow as tf


def pieces(count: int, samples: int, batch_size: int):
    """Split `count` points into runs, so that a run of all samples at its points stays within `batch_size`."""
    size = max(1, batch_size // samples)
    return [np.arange(start, min(start + size, count)) for start in range(0, count, size)]


def tiled(tensors, times):
    """Each tensor's rows, `times` over."""
    return [tf.tile(tensor, tf.concat([[times], tf.ones(tf.rank(tensor) - 1, tf.int32)], 0)) for tensor in tensors]
