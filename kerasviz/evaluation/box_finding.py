"""Boxes around what a heat map or a mask shows."""

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.evaluation.arrays import to_heatmaps

# float32 maps are rounded: 0.7 of a map's maximum may be stored as 0.69999999.
_ROUNDING = 1e-6


def boxes(heatmaps, threshold: float = 0.2, components: str = "largest") -> list[np.ndarray]:
    """Boxes around the strongest parts of heat maps (Zhou et al. 2016, CAM, section 3.2).

    The pixels at or above `threshold` times the map's own maximum (`>=`, up to rounding in the sixth digit) are
    grouped into connected components, in which pixels touch by sides or by corners (8-connectivity).

    Args:
        heatmaps: `(N, H, W)`, an array or an `Explanation`.
        threshold: share of the maximum, over 0 and at most 1. 0.2 is CAM's; Grad-CAM's is 0.15 (Selvaraju et
            al. 2017, section 4.1).
        components: `"largest"` gives the box of the component with the most pixels, as the papers do; `"all"`
            those of all, the component with the most pixels first. Of equal ones the box that starts higher,
            then further left, comes first.

    Returns:
        For each image an `int64` array `(B, 4)` of `x0, y0, x1, y1` in pixels, `x1` and `y1` exclusive;
        `(0, 4)` where a map has no positive value.

    Raises:
        InputError: wrong shape or type, NaN or infinity (the sample is named).
        SettingError: `threshold` or `components` is out of range.

    Example:
        >>> heat = np.zeros((1, 4, 6))
        >>> heat[0, 1:3, 2:5] = 1
        >>> boxes(heat)[0].tolist()
        [[2, 1, 5, 3]]
    """
    _check_components(components)
    if not isinstance(threshold, (int, float, np.number)) or not 0 < threshold <= 1:
        raise SettingError(
            f"threshold={threshold!r} is out of range",
            expected="a share of the map's maximum, over 0 and at most 1",
            mend="Use 0.2",
        )
    found = []
    for heat in to_heatmaps(heatmaps):
        peak = heat.max()
        mask = heat >= threshold * (1 - _ROUNDING) * peak if peak > 0 else np.zeros(heat.shape, bool)
        found.append(_around(mask, components))
    return found


def mask_boxes(mask, components: str = "largest") -> np.ndarray:
    """Boxes around the connected components of one mask.

    Args:
        mask: `(H, W)`, boolean.
        components: as for `boxes`.

    Returns:
        As `boxes` for one image; `(0, 4)` for an empty mask.

    Raises:
        InputError: not two axes, or not boolean.
        SettingError: `components` is unknown.

    Example:
        >>> mask_boxes(np.eye(3, dtype=bool)).tolist()
        [[0, 0, 3, 3]]
    """
    _check_components(components)
    array = np.asarray(mask)
    if array.dtype != bool or array.ndim != 2 or array.size == 0:
        raise InputError(
            f"The mask has the shape {array.shape} and the type {array.dtype}",
            expected="one boolean mask (H, W)",
            mend="Compare the values with a threshold, as in values > 0.5",
        )
    return _around(array, components)


def _around(mask: np.ndarray, components: str) -> np.ndarray:
    import cv2

    stats = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)[2]
    # The first row is the background.
    left, top, width, height, area = stats[1:].astype(np.int64).T
    found = np.stack([left, top, left + width, top + height], axis=1)
    # The last key counts first. OpenCV's own order differs with its algorithm.
    order = np.lexsort((found[:, 2], found[:, 3], left, top, -area))
    return found[order[:1] if components == "largest" else order]


def _check_components(components) -> None:
    if components not in ("largest", "all"):
        raise SettingError(f"components={components!r} is unknown", expected='"largest" or "all"', mend="Choose one")
