"""RISE as a loop over masks, in float64, with the interpolation of each mask written out."""

import numpy as np
import tensorflow as tf

from reference.resizing import linear


def cell_of(space, cells):
    """How many pixels a cell covers along each axis."""
    return [int(np.ceil(size / cells)) for size in space]


def enlarged(grid, space):
    """A grid of cells on one cell more than the image."""
    cells = len(grid)
    return linear(grid, [(cells + 1) * cell for cell in cell_of(space, cells)])


def cut(whole, start, space):
    return whole[tuple(slice(first, first + size) for first, size in zip(start, space, strict=True))]


def mask(number, space, *, cells, keep, seed):
    """The mask of a number, as `kerasviz.RISE` documents it."""
    axes = len(space)
    unit = tf.random.stateless_uniform([cells**axes + axes], [seed, number], alg="philox").numpy()
    grid = (unit[: cells**axes] < np.float32(keep)).reshape([cells] * axes).astype(float)
    cell = cell_of(space, cells)
    start = [int(u * size) for u, size in zip(unit[cells**axes :], cell, strict=True)]
    return cut(enlarged(grid, space), start, space)


def random_mask(rng, space, *, cells, keep):
    """A mask of numpy's own numbers."""
    grid = (rng.random([cells] * len(space)) < keep).astype(float)
    return cut(enlarged(grid, space), [rng.integers(cell) for cell in cell_of(space, cells)], space)


def rise(score_of, image, masks, *, keep, fill=0.0, centre=False):
    """Petsiuk et al. 2018, equation 6, for one sample.

    Args:
        score_of: `image -> float`.
        image: `(*space, C)`.
        masks: `(N, *space)`.
        keep: the probability of a cell.
        fill: what a mask of 0 shows.
        centre: take the mean score off each.

    Returns:
        The map, and the scores.
    """
    scores = []
    for m in masks:
        seen = image.astype(float) * m[..., None] + np.asarray(fill, float) * (1 - m[..., None])
        scores.append(score_of(seen if image.dtype.kind == "f" else np.rint(seen)))
    total = np.zeros(image.shape[:-1])
    for m, score in zip(masks, scores, strict=True):
        total += (score - (np.mean(scores) if centre else 0)) * m
    return total / (len(masks) * keep), np.array(scores)


def moments(space, *, cells, keep):
    """The mean of `m m'` over random masks for every two pixels, exactly, `(pixels, pixels)`.

    A mask is linear in its independent cells, `m = W g`, so that `E[m m'] = keep² + keep (1 - keep) E[W Wᵀ]`, the
    last over all places of the cut; W has a factor for each axis.
    """
    product = np.ones((1, 1))
    for size, cell in zip(space, cell_of(space, cells), strict=True):
        whole = linear(np.eye(cells), [(cells + 1) * cell])
        rows = [whole[start : start + size] for start in range(cell)]
        product = np.kron(product, np.mean([w @ w.T for w in rows], axis=0))
    return keep**2 + keep * (1 - keep) * product
