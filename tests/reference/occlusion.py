"""Occlusion as loops over positions and pixels: Zeiler and Fergus 2014, section 4.2."""

import itertools

import numpy as np


def starts(length, size, stride):
    """Where a patch starts along an axis; the last place is moved back to the edge."""
    found, at = [], 0
    while at + size < length:
        found.append(at)
        at += stride
    return [*found, length - size]


def positions(space, size, stride):
    """The first pixel of each position, row by row."""
    return list(itertools.product(*map(starts, space, size, stride)))


def pixels(start, size):
    """The pixels under a patch."""
    return itertools.product(*(range(at, at + length) for at, length in zip(start, size, strict=True)))


def hidden(image, fill, start, size):
    """A copy of an image `(*space, C)` with a part of the fill in it."""
    copy, fill = image.copy(), np.broadcast_to(fill, image.shape)
    for pixel in pixels(start, size):
        copy[pixel] = fill[pixel]
    return copy


def variants(image, fill, size, stride):
    """The image with the patch at each position, `(P, *space, C)`."""
    return np.stack([hidden(image, fill, start, size) for start in positions(image.shape[:-1], size, stride)])


def covering_mean(space, size, stride, values):
    """For each pixel the mean of the values of the positions that cover it."""
    covering = {pixel: [] for pixel in np.ndindex(*space)}
    for start, value in zip(positions(space, size, stride), np.ravel(values), strict=True):
        for pixel in pixels(start, size):
            covering[pixel].append(float(value))
    found = np.zeros(space)
    for pixel, several in covering.items():
        found[pixel] = sum(several) / len(several)
    return found


def occlusion(scores_of, image, fill, size, stride):
    """The map of one sample, and the drop of the score at each position.

    Args:
        scores_of: `images -> (P,)`.
        image: `(*space, C)`.
        fill: what hides the parts, to be broadcast to the image.
        size: of the patch along each axis.
        stride: along each axis.
    """
    space = image.shape[:-1]
    scores = np.asarray(scores_of(variants(image, fill, size, stride)), np.float64)
    drops = float(scores_of(image[None])[0]) - scores
    shape = [len(starts(*axis)) for axis in zip(space, size, stride, strict=True)]
    return covering_mean(space, size, stride, drops), drops.reshape(shape)


def three_maps(features_of, probabilities_of, number, image, fill, size, stride):
    """The paper's maps (b), (d) and (e), a value for each position.

    Args:
        features_of: `images -> (P, *places, channels)`.
        probabilities_of: `images -> (P, classes)`.
        number: the explained class.
        image: `(*space, C)`.
        fill: as for `occlusion`.
        size: as for `occlusion`.
        stride: as for `occlusion`.

    Returns:
        The three maps, flat, and for each position the channel that is strongest there.
    """
    images = variants(image, fill, size, stride)
    totals = [[one[..., k].sum() for k in range(one.shape[-1])] for one in features_of(images)]
    clean = features_of(image[None])[0]
    strongest = int(np.argmax([clean[..., k].sum() for k in range(clean.shape[-1])]))
    probabilities = probabilities_of(images)
    return (
        np.array([total[strongest] for total in totals]),
        np.array([row[number] for row in probabilities]),
        np.array([int(np.argmax(row)) for row in probabilities]),
        np.array([int(np.argmax(total)) for total in totals]),
    )


def grey(image):
    """The middle of an image's own range."""
    return (float(image.min()) + float(image.max())) / 2


def mean(image):
    """The mean of each channel of an image."""
    return np.array([np.asarray(image[..., k], np.float64).mean() for k in range(image.shape[-1])])


def blur(image, share=0.1):
    """A Gaussian along each axis, as wide as a share of it, over an image mirrored at its edges.

    Args:
        image: `(*space, C)`.
        share: the standard deviation as a share of the axis, from half a pixel up.
    """
    found = np.asarray(image, np.float64)
    for axis in range(image.ndim - 1):
        rows = np.moveaxis(found, axis, 0)
        length, deviation = len(rows), max(share * len(rows), 0.5)
        reach = int(np.ceil(8 * deviation))
        weights = {step: np.exp(-((step / deviation) ** 2) / 2) for step in range(-reach, reach + 1)}
        blurred = []
        for place in range(length):
            seen = [weight * rows[_mirrored(place + step, length)] for step, weight in weights.items()]
            blurred.append(sum(seen) / sum(weights.values()))
        found = np.moveaxis(np.array(blurred), 0, axis)
    return found


def _mirrored(place, length):
    """A place beyond an edge as the one inside that it mirrors; the edge itself stands once."""
    if length == 1:
        return 0
    place = abs(place) % (2 * (length - 1))
    return min(place, 2 * (length - 1) - place)
