"""The confidences that are reported: those of the user's own `model.predict`, on exactly the images that are returned.

What a search sees on its way is only its own account: it is compiled otherwise, in other batches, at times in another
precision. So every confidence of a record is predicted anew.
"""

from collections.abc import Mapping

import numpy as np

from kerasviz.errors import InputError, SettingError, TargetError
from kerasviz.synthesis.fooling.predicting import Predicting
from kerasviz.synthesis.fooling.record import FoolingImages
from kerasviz.synthesis.fooling.saved import CHANNELS
from kerasviz.synthesis.pictures import rounded


def recomputed(model, images: np.ndarray, **settings) -> np.ndarray:
    """The probabilities of all classes for some images, `(N, K)` float32, by a fresh `model.predict`.

    Args:
        model: as for `Predicting`, which also states the raised errors.
        images: `(N, H, W, C)`, before preprocessing.
        **settings: of `Predicting`.
    """
    return Predicting(model, **settings)(images)


def confirmed(
    predicting: Predicting,
    images: np.ndarray,
    classes,
    *,
    steps,
    wanted: float,
    low: float,
    high: float,
    history: Mapping,
    method: str,
    settings: Mapping,
) -> FoolingImages:
    """A record of fooling images whose confidences are predicted anew, also those of the pictures that are saved.

    Args:
        predicting: of the model that is fooled.
        images: `(N, H, W, C)` float32, in the values from `low` to `high`.
        classes: `(N,)`, the class asked of each.
        steps: `(N,)`, after how many steps (or generations) each was found; -1 for those that were not. An image whose
            confidence is not confirmed counts as not found.
        wanted: the confidence that was asked.
        low: the smallest value of an image; minus infinity where images have no range.
        high: the largest.
        history: as in the record.
        method: as in the record.
        settings: as in the record.

    Raises:
        InputError: the parts do not fit together, or the images leave their range.
    """
    images, classes = np.asarray(images, np.float32), np.asarray(classes, np.int32)
    if images.min() < np.float32(low) or images.max() > np.float32(high):
        raise InputError(
            f"The images hold values from {images.min():g} to {images.max():g}",
            expected=f"values from {low:g} to {high:g}",
            mend="Bring them back into their range before they are confirmed",
        )
    pictured = np.isfinite(high) and images.shape[-1] in CHANNELS
    saved = rounded(images, low, high) if pictured else images[:0]
    if np.array_equal(saved, images):
        probabilities = np.tile(predicting(images), (2, 1))
    else:
        # Once for both, since each time a function is compiled.
        probabilities = predicting(np.concatenate([images, saved]))
    # Padded with nothing where no picture is saved.
    of_class = np.take_along_axis(probabilities, np.resize(classes, len(probabilities))[:, None], axis=1)[:, 0]
    top, count = probabilities.argmax(axis=1), len(images)
    record = FoolingImages(
        images,
        classes,
        of_class[:count],
        top[:count],
        np.asarray(steps, np.int32),
        wanted,
        low,
        high,
        of_class[count:] if pictured else None,
        top[count:] if pictured else None,
        dict(history),
        method,
        dict(settings),
    )
    record.steps[~record.found] = -1
    return record


def checked_confidence(confidence) -> float:
    """A confidence that can be asked for.

    Raises:
        SettingError: it is none.
    """
    if isinstance(confidence, bool) or not isinstance(confidence, int | float | np.number) or not 0 < confidence < 1:
        raise SettingError(
            f"confidence={confidence!r}", expected="a number between 0 and 1", mend="confidence=0.99 is the default"
        )
    return float(confidence)


def checked_classes(classes, count: int) -> np.ndarray:
    """The classes that are asked, `(N,)` int32.

    Args:
        classes: a class number, or several; None for all of them, once each.
        count: how many classes there are.

    Raises:
        TargetError: there are no such classes.
    """
    asked = np.arange(count) if classes is None else np.atleast_1d(np.asarray(classes))
    if asked.ndim != 1 or not len(asked) or asked.dtype.kind not in "ui" or asked.min() < 0 or asked.max() >= count:
        raise TargetError(
            f"classes={classes!r}",
            expected=f"class numbers from 0 to {count - 1}, one or a list",
            mend="None asks for all classes",
        )
    return asked.astype(np.int32)
