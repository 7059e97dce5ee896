"""Labels and images that mean less, or nothing. Pure functions: what they are given stays as it is.

The variants of Zhang et al. 2017, "Understanding deep learning requires rethinking generalization", section 2.1. Each
function draws from random numbers of its own: the same seed elsewhere, such as where the labels came from, shares none
of them.
"""

import zlib
from collections.abc import Iterator
from numbers import Real

import numpy as np

from kerasviz.checks import checked_count, checked_seed
from kerasviz.errors import InputError, SettingError
from kerasviz.generalization.randomization.labels import class_numbers, in_form_of, is_one_hot

_TOGETHER = 256  # images whose pixels are numbers of double precision at once


def corrupt_labels(labels, share: float, classes: int | None = None, seed: int = 0) -> np.ndarray:
    """Labels of which a share is drawn anew.

    The paper's partially corrupted labels: each image's label, with a probability p and independently of the others,
    gives way to a class drawn evenly among all. That can be the true one: about `share / classes` of all labels are
    drawn and stay right, so that about `share * (1 - 1 / classes)` are wrong. With one seed, the labels that a smaller
    share draws anew are among those of a larger one, and become the same.

    Args:
        labels: `(N,)` or `(N, 1)` class numbers, or `(N, K)` one-hot rows.
        share: p, the probability that a label is drawn, 0 to 1.
        classes: how many classes there are; None for the width of one-hot rows, or the largest number + 1.
        seed: of the draws.

    Returns:
        A new array of the same shape and type.

    Raises:
        InputError: the labels are no classes.
        SettingError: a setting is out of range.

    Example:
        >>> corrupt_labels([0, 0, 1, 1, 2, 2, 3, 3], 0.5, classes=4).tolist()
        [0, 0, 0, 1, 0, 2, 3, 3]
    """
    share, labels = checked_share(share), np.asarray(labels)
    if classes is not None:
        classes = checked_count("classes", classes, 2)
    numbers = class_numbers(labels, classes)
    if classes is None:
        classes = labels.shape[1] if is_one_hot(labels) else int(numbers.max()) + 1
    random = _random("labels", seed)
    chosen = random.random(len(numbers)) < share
    return in_form_of(labels, np.where(chosen, random.integers(classes, size=len(numbers)), numbers))


def random_labels(labels, classes: int | None = None, seed: int = 0) -> np.ndarray:
    """Labels that say nothing about the images.

    The paper's random labels: as `corrupt_labels` with a share of 1, so that about one in `classes` is right by chance.

    Args:
        labels: as for `corrupt_labels`.
        classes: as for `corrupt_labels`.
        seed: as for `corrupt_labels`.

    Returns:
        As `corrupt_labels`.

    Raises:
        InputError: as for `corrupt_labels`.
        SettingError: as for `corrupt_labels`.
    """
    return corrupt_labels(labels, 1.0, classes, seed)


def shuffled_pixels(images, seed: int = 0) -> np.ndarray:
    """Images whose pixels have all changed places in the same way.

    The paper's shuffled pixels: one permutation, drawn at random, for all images of the training set and the test set.
    It depends on the seed and the number of pixels alone, so a second call with
    the same seed is right for the test set. A pixel moves with all its channels.

    Args:
        images: `(N, …, C)` of any type, channels last; up to three axes have no channels: `(N, H, W)` or `(N, P)`.
        seed: of the permutation.

    Returns:
        A new array of the same shape and type.

    Raises:
        InputError: the images are none.
        SettingError: the seed is out of range.

    Example:
        >>> shuffled_pixels([[1, 2, 3, 4], [5, 6, 7, 8]]).tolist()
        [[4, 2, 3, 1], [8, 6, 7, 5]]
    """
    pixels, shape = _pixels(images)
    return pixels[:, _random("shuffled pixels", seed).permutation(pixels.shape[1])].reshape(shape)


def random_pixels(images, seed: int = 0) -> np.ndarray:
    """Images whose pixels have changed places in a way of its own for each image.

    The paper's random pixels: each image has a permutation of its own. A pixel moves with all its channels: an image
    keeps its colours, and nothing else. What becomes of an image depends on its number, not on how many others follow.

    Args:
        images: as for `shuffled_pixels`.
        seed: of the permutations.

    Returns:
        A new array of the same shape and type.

    Raises:
        InputError: as for `shuffled_pixels`.
        SettingError: as for `shuffled_pixels`.
    """
    pixels, shape = _pixels(images)
    random, moved = _random("random pixels", seed), np.empty_like(pixels)
    for number, image in enumerate(pixels):
        moved[number] = image[random.permutation(len(image))]
    return moved.reshape(shape)


def gaussian_images(images, seed: int = 0, like=None) -> np.ndarray:
    """Noise in place of images.

    The paper's Gaussian images: every pixel is drawn from a normal distribution with the mean and the variance of the
    original images. Each channel has its own mean and variance. Nothing is clipped or rounded,
    which would change them: values may lie outside those of pixels.

    Args:
        images: as for `shuffled_pixels`; only their shape and type count where `like` is given.
        seed: of the noise.
        like: the images whose mean and variance to match; None for these. For the noise of a test set, those of the
            training set.

    Returns:
        A new array of the same shape: of the images' type if that is floating point, else float32.

    Raises:
        InputError: as for `shuffled_pixels`.
        SettingError: as for `shuffled_pixels`.
    """
    pixels, shape = _pixels(images)
    mean, deviation = _moments(pixels if like is None else _pixels(like)[0])
    dtype = pixels.dtype if pixels.dtype.kind == "f" else np.dtype(np.float32)
    noise = np.empty(pixels.shape, dtype)
    random = _random("gaussian", seed)
    for number in range(len(noise)):
        noise[number] = mean + deviation * random.standard_normal(noise.shape[1:])
    return noise.reshape(shape)


def checked_share(share) -> float:
    """A share of labels: a number from 0 to 1.

    Raises:
        SettingError: it is something else.
    """
    if isinstance(share, bool) or not isinstance(share, Real) or not 0 <= share <= 1:
        raise SettingError(f"share={share!r}", expected="a number from 0 to 1", mend="0.5 corrupts half of the labels")
    return float(share)


def _random(purpose: str, seed) -> np.random.Generator:
    return np.random.default_rng([checked_seed(seed), zlib.crc32(purpose.encode())])


def _pixels(images) -> tuple[np.ndarray, tuple[int, ...]]:
    """Images as `(N, P, C)`, without a copy where that is possible, and their shape."""
    images = np.asarray(images)
    if images.ndim < 2 or not images.size or images.dtype.kind not in "buif":
        raise InputError(
            f"The images have the shape {images.shape} and the type {images.dtype}",
            expected="numbers, (N, H, W, C), (N, H, W) or (N, P)",
            mend="Give a batch of images with at least one in it",
        )
    channels = images.shape[-1] if images.ndim > 3 else 1
    return images.reshape(len(images), -1, channels), images.shape


def _moments(pixels) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the standard deviation of each channel, in double precision."""
    count = pixels.shape[0] * pixels.shape[1]
    mean = sum(part.sum((0, 1)) for part in _doubles(pixels)) / count
    return mean, np.sqrt(sum(np.square(part - mean).sum((0, 1)) for part in _doubles(pixels)) / count)


def _doubles(pixels) -> Iterator[np.ndarray]:
    for start in range(0, len(pixels), _TOGETHER):
        yield pixels[start : start + _TOGETHER].astype(np.float64)
