"""What a file claims to hold, compared with its size before memory is taken for it."""

import contextlib
import inspect
import math
import os

import keras
import numpy as np
import tensorflow as tf

from kerasviz.network.files.refusals import tricky

#: Claims below this many bytes are never refused: they do no harm.
FLOOR = 64 * 2**20
#: How many times its own size a file may claim. Weights hardly compress; DEFLATE reaches 1032 on zeros.
EXPANSION = 100


def refuse_inflated(path, what: str, claimed: int, stored: int):
    """Refuse a file whose contents would fill more memory than a file of that size can mean, or than there is.

    Args:
        path: for the message.
        what: what claims it.
        claimed: bytes of memory that reading it takes.
        stored: bytes that it takes on disk.

    Raises:
        LoadError: it does.
    """
    if claimed > FLOOR and claimed > EXPANSION * stored:
        raise tricky(path, f"is not what it claims: {what} would take {size(claimed)}, of {size(stored)} in the file")
    memory = physical_memory()
    if memory is not None and claimed > memory:
        raise tricky(path, f"is too large for this machine: {what} would take {size(claimed)} of {size(memory)} memory")


@contextlib.contextmanager
def bounded_variables(path, held: int):
    """Refuse to create Keras variables of more bytes than a file has values for.

    A few bytes of configuration can ask for a layer of any size, and Keras fills its weights with random numbers
    before it reads the file. Here each variable is asked for its shape before it gets memory. That takes no time:
    ResNet50 opens as fast as without.

    Args:
        path: for the message.
        held: bytes of the weights in the file. Twice as many are allowed, for files in half precision, and some
            more for what is not saved.

    Raises:
        LoadError: on the variable that is too much.
    """
    created, allowed = 0, 2 * held + FLOOR

    def create(following, **settings):
        nonlocal created
        created += _bytes_of(settings.get("initial_value"))
        if created > allowed:
            raise tricky(
                path, f"is not what it claims: its layers ask for {size(created)} of weights, and it holds {size(held)}"
            )
        return following(**settings)

    with tf.variable_creator_scope(create):
        yield


def _bytes_of(initial_value):
    """The bytes of the Keras variable that TensorFlow is asked to create, before its initializer runs."""
    if not callable(initial_value):
        return getattr(initial_value, "nbytes", 0)
    # Keras hands over a function of its variable, and TensorFlow a shape only where there is a value.
    asking = inspect.getclosurevars(initial_value).nonlocals.get("self")
    if not isinstance(asking, keras.Variable):
        return 0
    return math.prod(asking.shape) * dtype_size(asking.dtype)


def dtype_size(dtype) -> int:
    """Bytes of one value; 1 for strings and others whose size is not fixed."""
    size_ = getattr(tf.dtypes.as_dtype(dtype), "size", None)
    return size_ or 1


def physical_memory() -> int | None:
    """Bytes of memory of this machine, None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def size(count: int) -> str:
    """A number of bytes as people write it."""
    power = 0 if count < 1 else min(4, int(np.log2(float(count)) // 10))
    return f"{count / 1024**power:.3g} {('B', 'KB', 'MB', 'GB', 'TB')[power]}"
