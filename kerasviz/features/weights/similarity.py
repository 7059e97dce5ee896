"""Which filters are alike."""

import warnings

import numpy as np

from kerasviz.errors import KerasvizWarning

#: Filters whose norm is at most this share of the largest are zero for all that the next layer sees.
NOTHING = 1e-6
#: Filters up to which neighbours are put as near as the tree allows, which takes time in the cube of their number: two
#: seconds for so many, half a minute for twice as many.
MOST = 1024


def are_zero(vectors: np.ndarray) -> np.ndarray:
    """`(N,)` whether the norm of each is next to nothing beside the largest."""
    norms = np.linalg.norm(vectors, axis=1)
    return norms <= NOTHING * norms.max()


def by_similarity(vectors: np.ndarray) -> np.ndarray:
    """An order in which vectors of like direction are neighbours; it begins at the end with the lower number.

    Args:
        vectors: `(N, D)` float64. Those that `are_zero` come last.

    Returns:
        `(N,)` positions.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import pdist

    zero = are_zero(vectors)
    positions, dead = np.flatnonzero(~zero), np.flatnonzero(zero)
    if len(positions) > 2:
        if len(positions) > MOST:
            warnings.warn(
                f"{len(positions)} filters are clustered, but neighbours are not put as near as can be: for more than "
                f"{MOST} that takes long",
                KerasvizWarning,
                stacklevel=3,
            )
        # Lengths of 1 first: the squares of very small weights would vanish.
        units = vectors[positions] / np.abs(vectors[positions]).max(axis=1, keepdims=True)
        distances = np.maximum(pdist(units, "cosine"), 0)
        leaves = leaves_list(linkage(distances, "average", optimal_ordering=len(positions) <= MOST))
        positions = positions[leaves if leaves[0] < leaves[-1] else leaves[::-1]]
    return np.concatenate([positions, dead])


def duplicates(vectors: np.ndarray, numbers: np.ndarray, tolerance: float) -> list[int | None]:
    """For each vector the lowest number of another that it equals, if that is lower than its own.

    Args:
        vectors: `(N, D)` float64; those that `are_zero` equal none.
        numbers: `(N,)` what they are called.
        tolerance: they are equal if the norm of their difference is at most this share of the larger's.
    """
    norms, zero = np.linalg.norm(vectors, axis=1), are_zero(vectors)
    first: list[int | None] = [None] * len(vectors)
    by_number = np.argsort(numbers)
    for place, i in enumerate(by_number):
        lower = by_number[:place]
        # Only those of about its own length need a closer look.
        lower = lower[np.abs(norms[lower] - norms[i]) <= tolerance * np.maximum(norms[lower], norms[i])]
        if zero[i] or not lower.size:
            continue
        apart = np.linalg.norm(vectors[lower] - vectors[i], axis=1)
        same = lower[apart <= tolerance * np.maximum(norms[lower], norms[i])]
        first[i] = int(numbers[same[0]]) if same.size else None
    return first
