"""SmoothGrad and integrated gradients as sums over one point at a time, in float64."""

import keras
import numpy as np
import tensorflow as tf


def noise(sample, number, draw, share, seed):
    """The noise of one draw for one input: as `kerasviz.SmoothGrad` documents it."""
    unit = tf.random.stateless_normal(sample.shape[1:], [seed, draw * 64 + number], alg="philox").numpy()
    return share * (sample.max() - sample.min()) * unit


def smooth_grad(map_of, sample, *, samples, share, seed, statistic):
    """Smilkov et al. 2017, equation of section 3, for one sample.

    Args:
        map_of: `sample -> list of maps`, one per float input.
        sample: a batch of one.
        samples: how many draws.
        share: of the image's range that is the standard deviation.
        seed: of the noise.
        statistic: "mean", "square" or "variance".
    """
    draws = []
    for draw in range(samples):
        flat = [
            array + noise(array, number, draw, share, seed).astype(array.dtype) if array.dtype.kind == "f" else array
            for number, array in enumerate(keras.tree.flatten(sample))
        ]
        draws.append([np.asarray(m, np.float64) for m in map_of(keras.tree.pack_sequence_as(sample, flat))])
    results = []
    for maps in zip(*draws, strict=True):
        if statistic == "mean":
            results.append(sum(maps) / samples)
        elif statistic == "square":
            results.append(sum(m * m for m in maps) / samples)
        else:
            mean = sum(maps) / samples
            results.append(sum((m - mean) ** 2 for m in maps) / samples)
    return results


def points_of(rule, steps):
    """Points in [0, 1] and weights of a quadrature, each from its definition."""
    if rule == "gauss_legendre":
        # Golub and Welsch 1969: eigenvalues of the matrix of the three-term recurrence.
        k = np.arange(1, steps)
        beside = k / np.sqrt(4.0 * k**2 - 1)
        places, vectors = np.linalg.eigh(np.diag(beside, 1) + np.diag(beside, -1))
        return (places + 1) / 2, vectors[0] ** 2
    if rule == "trapezoid":
        inner = [i / steps for i in range(1, steps)]
        return np.array([0.0, *inner, 1.0]), np.array([0.5, *[1.0] * (steps - 1), 0.5]) / steps
    first = {"left": 0.0, "middle": 0.5, "right": 1.0}[rule]
    return np.array([(i + first) / steps for i in range(steps)]), np.ones(steps) / steps


def integrated_gradients(gradient_of, sample, baseline, *, rule, steps):
    """Sundararajan et al. 2017, equation 1, for one sample.

    Args:
        gradient_of: `sample -> list of gradients`, one per float input.
        sample: a batch of one, nested.
        baseline: the same structure.
        rule: of the quadrature.
        steps: of the quadrature.
    """
    ends, starts = keras.tree.flatten(sample), keras.tree.flatten(baseline)
    floats = [i for i, end in enumerate(ends) if end.dtype.kind == "f"]
    totals = [0.0] * len(floats)
    for point, weight in zip(*points_of(rule, steps), strict=True):
        between = [
            (start + point * (end.astype("float64") - start)).astype(end.dtype) if end.dtype.kind == "f" else end
            for end, start in zip(ends, starts, strict=True)
        ]
        for k, gradient in enumerate(gradient_of(keras.tree.pack_sequence_as(sample, between))):
            totals[k] = totals[k] + weight * gradient.astype("float64")
    return [(ends[i] - starts[i])[0].astype("float64") * total for i, total in zip(floats, totals, strict=True)]
