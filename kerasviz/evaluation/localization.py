"""Weakly supervised localization: boxes that were found, against boxes that are true."""

from dataclasses import dataclass

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.plotting.boxes import to_boxes


@dataclass(frozen=True, eq=False)
class Localization:
    """The ILSVRC measure of a batch.

    Attributes:
        error: share of the images in which no guess has the true class and a good box.
        correct: `(N,)` bool, the images in which one has.
        classification_error: share of the images in which no guess has the true class, whatever its box.
        classified: `(N,)` bool, the images in which one has.
    """

    error: float
    correct: np.ndarray
    classification_error: float
    classified: np.ndarray


def iou(a, b) -> np.ndarray:
    """Intersection over union of each box of `a` with each of `b`.

    Args:
        a: `(A, 4)`, or `(4,)` for a single box; see `kerasviz.evaluation`.
        b: `(B, 4)`, or `(4,)`.

    Returns:
        `float64` `(A, B)`, 0 to 1. A box without area overlaps nothing.

    Raises:
        InputError: wrong shape or type, NaN or infinity, or a box that ends before it starts (it is named).

    Example:
        >>> iou([0, 0, 2, 2], [[0, 0, 2, 2], [1, 0, 3, 2]]).round(3)
        array([[1.   , 0.333]])
    """
    a, b = to_boxes(a, "a"), to_boxes(b, "b")
    overlap = np.minimum(a[:, None, 2:], b[:, 2:]) - np.maximum(a[:, None, :2], b[:, :2])
    shared = np.maximum(overlap, 0).prod(axis=2)
    union = _area(a)[:, None] + _area(b) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def localization_error(
    predicted_boxes, predicted_classes, true_boxes, true_classes, *, iou: float = 0.5, k: int | None = None
) -> Localization:
    """The localization error of ILSVRC (Russakovsky et al. 2015, section 4.2).

    An image is right if any of its guesses, each a class with a box, has the true class and overlaps any of the
    image's true boxes by at least `iou`. One guess an image gives the top-1 error, five the top-5 error. Giving
    the true class as the guess measures the boxes alone ("GT-known").

    Args:
        predicted_boxes: for each image as many boxes `(K, 4)` as it has guesses, a row of zeros for one without
            a box; or none at all, `(0, 4)`, as `boxes` gives for an empty map. For one guess an image also
            `(N, 4)`.
        predicted_classes: for each image its guesses `(K,)`, the best first: class numbers or names. For one
            guess an image also `(N,)`.
        true_boxes: for each image one or more boxes `(B, 4)`; or `(N, 4)`.
        true_classes: `(N,)`, numbers or names as the guesses are.
        iou: the least overlap that is right, over 0 and at most 1.
        k: how many guesses count, the first ones; all unless given.

    Returns:
        The errors, and which images are right.

    Raises:
        InputError: entries that differ in number, images without a true box, wrong boxes (the image is named),
            classes that are neither numbers nor names, or numbers on one side and names on the other.
        SettingError: `iou` or `k` is out of range.

    Example:
        >>> result = localization_error([[0, 0, 9, 9], [5, 5, 9, 9]], [3, 7], [[0, 0, 9, 8], [0, 0, 4, 4]], [3, 7])
        >>> result.error, result.classification_error
        (0.5, 0.0)
    """
    _check_settings(iou, k)
    truth = _to_classes(true_classes, "true_classes")
    true = [to_boxes(each, f"The true boxes of image {i}") for i, each in enumerate(true_boxes)]
    found = [to_boxes(each, f"The predicted boxes of image {i}") for i, each in enumerate(predicted_boxes)]
    guesses = [_to_classes(each, f"The guesses of image {i}") for i, each in enumerate(predicted_classes)]
    _check_counts(found, guesses, true, truth)
    classified = np.zeros(len(truth), bool)
    correct = np.zeros(len(truth), bool)
    for i, label in enumerate(truth):
        right = guesses[i][:k] == label
        classified[i] = right.any()
        correct[i] = len(found[i]) > 0 and _overlaps(found[i][:k][right], true[i], iou)
    return Localization(float(1 - correct.mean()), correct, float(1 - classified.mean()), classified)


def center_box(shape: tuple[int, ...], share: float = 0.5) -> np.ndarray:
    """The box that knows nothing of the image: around its centre, a share of each side long.

    Objects tend to stand in the middle, so this, or the whole image (`share=1`), is what a method has to beat.

    Args:
        shape: `(H, W)`, or the shape of an image `(H, W, C)`.
        share: over 0 and at most 1. Sides are rounded to pixels, to at least one.

    Returns:
        `int64` `(1, 4)`, as `boxes` gives for one image.

    Raises:
        InputError: a shape without two positive sides.
        SettingError: `share` is out of range.

    Example:
        >>> center_box((100, 200), 0.5).tolist()
        [[50, 25, 150, 75]]
    """
    sides = tuple(shape)[:2]
    if len(sides) < 2 or not all(isinstance(side, (int, np.integer)) and side > 0 for side in sides):
        raise InputError(f"{shape!r} is no shape of an image", expected="(H, W)", mend="Pass image.shape")
    if not isinstance(share, (int, float, np.number)) or not 0 < share <= 1:
        raise SettingError(
            f"share={share!r} is out of range",
            expected="a share of the side, over 0 and at most 1",
            mend="Use 1 for the whole image",
        )
    height, width = (max(1, round(float(share) * side)) for side in sides)
    y, x = (sides[0] - height) // 2, (sides[1] - width) // 2
    return np.array([[x, y, x + width, y + height]], np.int64)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)


def _overlaps(found: np.ndarray, true: np.ndarray, least: float) -> bool:
    return bool((iou(found, true) >= least).any())


def _to_classes(values, what: str) -> np.ndarray:
    array = np.atleast_1d(np.asarray(values))
    if array.dtype.kind not in "iuU" or array.ndim != 1 or array.size == 0:
        raise InputError(
            f"{what} has the shape {array.shape} and the type {array.dtype}",
            expected="class numbers or names, at least one",
            mend="Pass argmax or argsort of the scores, not the scores",
        )
    return array


def _check_counts(found, guesses, true, truth) -> None:
    counts = [len(found), len(guesses), len(true), len(truth)]
    if len(set(counts)) > 1:
        raise InputError(
            "There are predicted boxes, predicted classes, true boxes and true classes for "
            f"{', '.join(map(str, counts))} images",
            expected="an entry for each image in all four",
            mend="Put all boxes of an image into one array",
        )
    for i in range(len(truth)):
        if len(found[i]) not in (0, len(guesses[i])):
            raise InputError(
                f"Image {i} has {len(found[i])} predicted boxes for {len(guesses[i])} guesses",
                expected="a box for each guess",
                mend="Use a row of zeros for a guess without a box",
            )
        if not _area(true[i]).all() or len(true[i]) == 0:
            raise InputError(
                f"Image {i} has no true box, or one without area",
                expected="at least one box of the true class, each larger than nothing",
                mend="Leave the image out",
            )
        if (guesses[i].dtype.kind == "U") != (truth.dtype.kind == "U"):
            raise InputError(
                f"The guesses of image {i} are of type {guesses[i].dtype}, the true classes {truth.dtype}",
                expected="numbers in both, or names in both",
                mend="Translate one by the list of labels",
            )


def _check_settings(least, k) -> None:
    if not isinstance(least, (int, float, np.number)) or not 0 < least <= 1:
        raise SettingError(f"iou={least!r} is out of range", expected="over 0 and at most 1", mend="Use 0.5")
    if k is not None and (not isinstance(k, (int, np.integer)) or k < 1):
        raise SettingError(f"k={k!r} is no number of guesses", expected="1 or more", mend="Leave it out to use all")
