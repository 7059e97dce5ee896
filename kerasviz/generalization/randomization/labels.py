"""Labels as class numbers or as one-hot rows: read as numbers, and written back in the form in which they came."""

import numpy as np

from kerasviz.errors import InputError


def is_one_hot(labels: np.ndarray) -> bool:
    """Whether labels are rows with a place for each class; `(N, 1)` is a column of numbers."""
    return labels.ndim == 2 and labels.shape[1] > 1


def class_numbers(labels, classes: int | None = None, name: str = "labels") -> np.ndarray:
    """The class of each label, `(N,)` int64.

    Args:
        labels: `(N,)` or `(N, 1)` class numbers of any type, or `(N, K)` one-hot rows.
        classes: how many there are; None if any number from 0 up will do.
        name: what the reader calls them.

    Raises:
        InputError: they are something else.
    """
    labels = np.asarray(labels)
    if labels.ndim not in (1, 2) or not len(labels) or labels.dtype.kind not in "buif":
        raise _no_labels(f"{name} has the shape {labels.shape} and the type {labels.dtype}", classes)
    if is_one_hot(labels):
        if classes is not None and labels.shape[1] != classes:
            raise _no_labels(f"{name} has rows of {labels.shape[1]}", classes)
        if not np.isin(labels, (0, 1)).all() or (labels.sum(1) != 1).any():
            raise _no_labels(f"{name} has rows that are not one-hot", classes)
        return labels.argmax(1)
    numbers = labels.reshape(len(labels))
    if numbers.dtype.kind == "f" and not np.array_equal(numbers, np.rint(numbers)):
        raise _no_labels(f"{name} has fractions or NaN", classes)
    low, high = numbers.min(), numbers.max()
    if low < 0 or (classes is not None and high >= classes):
        raise _no_labels(f"{name} runs from {low:g} to {high:g}", classes)
    return numbers.astype(np.int64)


def in_form_of(labels: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Class numbers in the shape and type of labels, as a new array."""
    if is_one_hot(labels):
        rows = np.zeros(labels.shape, labels.dtype)
        rows[np.arange(len(numbers)), numbers] = 1
        return rows
    return numbers.astype(labels.dtype).reshape(labels.shape)


def _no_labels(given, classes):
    numbers = "class numbers from 0 up" if classes is None else f"class numbers from 0 to {classes - 1}"
    return InputError(
        given,
        expected=f"{numbers}, (N,), or one-hot rows, (N, {'K' if classes is None else classes})",
        mend="Give each image one class",
    )
