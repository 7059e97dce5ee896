"""How alike two maps are."""

import numpy as np

from kerasviz.errors import InputError

_SIGMA, _TRUNCATE, _BORDER = 1.5, 3.5, 5
_K1, _K2 = 0.01, 0.03


def rank_correlation(a, b) -> np.ndarray:
    """Spearman's rank correlation of the pixels of maps: 1 where they agree which is above which, −1 for the opposite.

    Equal values share the mean of their ranks. Of two equal maps it is 1, also if they are the same everywhere; where
    just one of two maps is, it is not known.

    Args:
        a: `(N, H, W)` finite values.
        b: as `a`.

    Returns:
        `(N,)` float64, NaN where it is not known.

    Raises:
        InputError: the shapes differ, or are no such shapes.

    Example:
        >>> rank_correlation([[[1, 2], [3, 4]]], [[[1, 4], [9, 16]]])
        array([1.])
    """
    from scipy.stats import rankdata

    a, b = _checked(a, b)
    found = np.full(len(a), np.nan)
    for i, (one, other) in enumerate(zip(a, b, strict=True)):
        if np.array_equal(one, other):
            found[i] = 1.0
            continue
        # About their mean, so that a correlation is a cosine.
        ranks = [rankdata(each) - (each.size + 1) / 2 for each in (one, other)]
        lengths = [np.sqrt(each @ each) for each in ranks]
        if all(lengths):
            found[i] = np.clip(ranks[0] @ ranks[1] / lengths[0] / lengths[1], -1, 1)
    return found


def structural_similarity(a, b, *, signed: bool) -> np.ndarray:
    """The mean structural similarity of maps, each as a share of its own largest magnitude.

    Wang, Bovik, Sheikh and Simoncelli 2004, "Image Quality Assessment: From Error Visibility to Structural
    Similarity", section 3: a Gaussian window of a standard deviation of 1.5 pixels (11 pixels wide), K1 = 0.01 and
    K2 = 0.03. A frame of 5 pixels, where the window leaves the map, is not counted if something remains.

    Args:
        a: `(N, H, W)` finite values.
        b: as `a`.
        signed: whether the range of values is −1 to 1, and not 0 to 1.

    Returns:
        `(N,)` float64, 1 for maps that are the same but for a factor.

    Raises:
        InputError: the shapes differ, or are no such shapes.

    Example:
        >>> maps = np.random.default_rng(0).random((1, 16, 16))
        >>> structural_similarity(maps, 3 * maps, signed=False).round(12)
        array([1.])
    """
    from scipy.ndimage import gaussian_filter

    a, b = (shares(maps) for maps in _checked(a, b))
    reach = 2.0 if signed else 1.0
    c1, c2 = (_K1 * reach) ** 2, (_K2 * reach) ** 2

    def windowed(maps):
        return gaussian_filter(maps, (0, _SIGMA, _SIGMA), truncate=_TRUNCATE)

    mean_a, mean_b = windowed(a), windowed(b)
    spread = windowed(a * a) - mean_a**2 + windowed(b * b) - mean_b**2
    together = windowed(a * b) - mean_a * mean_b
    similar = (2 * mean_a * mean_b + c1) * (2 * together + c2) / ((mean_a**2 + mean_b**2 + c1) * (spread + c2))
    inner = tuple(slice(_BORDER, -_BORDER) if side > 2 * _BORDER else slice(None) for side in a.shape[1:])
    return similar[(slice(None), *inner)].mean(axis=(1, 2))


def shares(maps) -> np.ndarray:
    """Maps `(N, H, W)`, each divided by its largest magnitude: within −1 and 1, float64. Zero stays zero."""
    maps = np.asarray(maps, np.float64)
    largest = np.abs(maps).max(axis=(1, 2), keepdims=True)
    return np.divide(maps, largest, out=np.zeros_like(maps), where=largest > 0)


def _checked(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or a.ndim != 3 or 0 in a.shape:
        raise InputError(
            f"Maps of the shapes {a.shape} and {b.shape} were given to compare",
            expected="two batches of one shape, (N, H, W)",
            mend="Resize the maps of one to those of the other",
        )
    return a, b
