"""Prediction difference analysis as loops over windows and draws: Zintgraf et al. 2017, algorithm 1."""

import itertools

import numpy as np

from reference import occlusion


def evidence(clean, without, classes, size):
    """The weight of evidence of one window, with each odds written out."""

    def odds(p):
        corrected = (p * size + 1) / (size + classes)
        return corrected / (1 - corrected)

    return np.log2(odds(float(clean))) - np.log2(odds(float(without)))


def prediction_difference(score_of, image, draw, size, stride, samples, value_of):
    """The map of one sample, the values of the windows, and the mean score without each.

    Args:
        score_of: `image -> float`.
        image: `(*space, C)`.
        draw: `(start, number) -> (*size, C)`.
        size: of the window along each axis.
        stride: along each axis.
        samples: how many draws for each window.
        value_of: `(clean, without) -> float`.
    """
    space = image.shape[:-1]
    without = []
    for start in occlusion.positions(space, size, stride):
        total = 0.0
        for number in range(samples):
            variant = image.copy()
            drawn = draw(start, number).reshape(-1, image.shape[-1])
            for pixel, value in zip(occlusion.pixels(start, size), drawn, strict=True):
                variant[pixel] = value if image.dtype.kind == "f" else np.rint(value)
            total += score_of(variant)
        without.append(total / samples)
    values = [value_of(score_of(image), one) for one in without]
    shape = [len(occlusion.starts(*axis)) for axis in zip(space, size, stride, strict=True)]
    found = occlusion.covering_mean(space, size, stride, values)
    return found, np.reshape(values, shape), np.reshape(without, shape)


def corner(start, window, patch, space):
    """Where the patch around a window begins, moved inside the image."""
    return tuple(
        min(max(first - (whole - length) // 2, 0), edge - whole)
        for first, length, whole, edge in zip(start, window, patch, space, strict=True)
    )


def conditional(mean, covariance, image, start, window):
    """Mean and covariance of one channel of a window given the rest of the patch around it.

    Args:
        mean: `(*patch)`.
        covariance: `(d, d)` of its pixels.
        image: `(*space)`.
        start: of the window.
        window: its size.
    """
    first = corner(start, window, mean.shape, image.shape)
    pixels = list(np.ndindex(*mean.shape))
    covered = {tuple(s - f + i for s, f, i in zip(start, first, inner, strict=True)) for inner in np.ndindex(*window)}
    inside = [n for n, pixel in enumerate(pixels) if pixel in covered]
    outside = [n for n, pixel in enumerate(pixels) if pixel not in covered]
    mu = np.array([mean[pixel] for pixel in pixels])
    x = np.array([image[tuple(f + i for f, i in zip(first, pixel, strict=True))] for pixel in pixels])
    blocks = {
        (a, b): np.array([[covariance[i, j] for j in of_b] for i in of_a]).reshape(len(of_a), len(of_b))
        for (a, of_a), (b, of_b) in itertools.product(enumerate((inside, outside)), repeat=2)
    }
    inverse = np.linalg.inv(blocks[1, 1])
    return (
        mu[inside] + blocks[0, 1] @ inverse @ (x[outside] - mu[outside]),
        blocks[0, 0] - blocks[0, 1] @ inverse @ blocks[1, 0],
    )


def every_patch(images, size):
    """All patches of all images, `(n, *size, C)`."""
    found = []
    for image in images:
        for start in itertools.product(
            *(range(whole - length + 1) for whole, length in zip(image.shape[:-1], size, strict=True))
        ):
            found.append(image[tuple(slice(at, at + length) for at, length in zip(start, size, strict=True))])
    return np.stack(found)
