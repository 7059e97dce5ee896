"""Pointing games: whether a heat map's peak, or its weight, lies on the object."""

from dataclasses import dataclass

import numpy as np

from kerasviz.errors import SettingError
from kerasviz.evaluation.arrays import to_heatmaps, to_masks


@dataclass(frozen=True, eq=False)
class PointingGame:
    """The outcome of a pointing game.

    Attributes:
        accuracy: share of the maps that hit.
        hits: `(N,)` bool.
    """

    accuracy: float
    hits: np.ndarray


def pointing_game(heatmaps, regions, tolerance: float = 15) -> PointingGame:
    """Whether each map's maximum lies on its true region (Zhang et al. 2016, excitation backprop, section 4.1).

    If several pixels share the maximum, all of them must hit: a map earns nothing by pointing at many places, and
    nothing hangs on the order in which pixels are read. A map that is constant, or has no positive value, points
    nowhere and is a miss.

    Args:
        heatmaps: `(N, H, W)`, an array or an `Explanation`.
        regions: for each image its boxes `(B, 4)`, or a boolean mask `(H, W)`: the union of all instances of the
            class. A pixel lies in a box that holds its centre. See `kerasviz.evaluation`.
        tolerance: how far from the nearest pixel of the region a maximum still hits, in pixels between centres.
            15 is the paper's, for images of some 500 pixels.

    Returns:
        The accuracy, and which maps hit.

    Raises:
        InputError: wrong shapes or types, NaN or infinity, a region without a pixel in the image (the sample is
            named), or another number of regions than maps.
        SettingError: a tolerance that is negative or not finite.

    Example:
        >>> heat = np.zeros((2, 40, 60))
        >>> heat[0, 10, 10] = heat[1, 10, 50] = 1
        >>> pointing_game(heat, [[5, 5, 15, 15], [5, 5, 15, 15]]).hits
        array([ True, False])
    """
    import cv2

    if not isinstance(tolerance, (int, float, np.number)) or not 0 <= tolerance < np.inf:
        raise SettingError(f"tolerance={tolerance!r} is out of range", expected="pixels, 0 or more", mend="Use 15")
    maps = to_heatmaps(heatmaps)
    hits = np.zeros(len(maps), bool)
    for i, mask in enumerate(to_masks(regions, maps.shape)):
        peaks = maps[i] == maps[i].max()
        if maps[i].max() <= 0 or peaks.all():
            continue
        distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        # OpenCV rounds distances, older versions in the fifth digit.
        hits[i] = (distance[peaks] <= tolerance * (1 + 1e-4)).all()
    return PointingGame(float(hits.mean()), hits)


def energy(heatmaps, regions) -> np.ndarray:
    """The share of each map's positive values that lies on its true region (Wang et al. 2020, Score-CAM, section 4.3).

    The energy-based pointing game. Chance is the share of the image that the region takes, so compare with that.

    Args:
        heatmaps: as for `pointing_game`. Negative values count as zero.
        regions: as for `pointing_game`.

    Returns:
        `float64` `(N,)`, 0 to 1. A map without a positive value gives 0, for it found nothing: leaving it out of a
        mean would reward a method that fails where it is hard.

    Raises:
        InputError: as for `pointing_game`.

    Example:
        >>> energy([[[3.0, 1.0, -5.0]]], [[0, 0, 1, 1]])
        array([0.75])
    """
    maps = np.maximum(to_heatmaps(heatmaps), 0)
    masks = to_masks(regions, maps.shape)
    # In units of the maximum no sum overflows.
    peaks = maps.max(axis=(1, 2), keepdims=True)
    maps = np.divide(maps, peaks, out=np.zeros_like(maps), where=peaks > 0)
    total = maps.sum(axis=(1, 2))
    inside = np.where(masks, maps, 0).sum(axis=(1, 2))
    return np.divide(inside, total, out=np.zeros_like(total), where=total > 0)
