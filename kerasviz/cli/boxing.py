"""Boxes from the maps of a method, and how well maps fit true boxes."""

from collections.abc import Sequence

import numpy as np

from kerasviz import evaluation, plotting
from kerasviz.attribution import Explainer

#: Shares of the maximum at which the papers cut: CAM's section 3.2, Grad-CAM's section 4.1.
_THRESHOLDS = {"cam": 0.20}
_THRESHOLD = 0.15
#: How far beside an object a maximum may point, as a share of the longer side: 15 pixels of some 500.
_TOLERANCE = 0.03


def thresholds_of(names: Sequence[str], given: float | None = None) -> dict[str, float]:
    """Where the boxes of methods are cut, as a share of a map's maximum.

    Args:
        names: of the methods.
        given: for all; None for each paper's.

    Raises:
        SettingError: it is no share.
    """
    # The function that uses it checks it; here before any work is done.
    evaluation.boxes(np.ones((1, 1, 1)), _THRESHOLD if given is None else given)
    return {name: _THRESHOLDS.get(name, _THRESHOLD) if given is None else given for name in names}


def maps_of(explain: Explainer, inputs: np.ndarray, target) -> np.ndarray:
    """The maps of a method, `(N, H, W)`; of several channels the strongest."""
    values = explain(inputs, target=target).values
    return values if explain.kind == "heatmap" else plotting.reduce_channels(values, "max_abs")


def boxes_of(explain: Explainer, threshold: float, maps: np.ndarray, shown: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The box of each map, `(1, 4)`, or `(0, 4)` for none.

    Args:
        explain: whose maps they are.
        threshold: of `thresholds_of`.
        maps: `(N, H, W)`.
        shown: the picture of each map, of any size.
    """
    if explain.kind == "heatmap":
        return evaluation.boxes(maps, threshold)
    # Maps of pixels are too thin for a threshold; the paper of saliency cuts along the colours.
    pictures = [plotting.display_image(_resized(image, maps.shape[1:])) for image in shown]
    return evaluation.graphcut_boxes(pictures, maps)


def pointing_and_energy(heat: np.ndarray, true: np.ndarray) -> tuple[bool, float]:
    """Whether a map points at an object, and the share of its energy inside.

    Args:
        heat: the map, `(H, W)`.
        true: `(K, 4)` boxes of the object in its pixels.
    """
    region = [_with_pixels(true, heat.shape)]
    hits = evaluation.pointing_game(heat[None], region, _TOLERANCE * max(heat.shape)).hits
    return bool(hits[0]), float(evaluation.energy(heat[None], region)[0])


def best_iou(box: np.ndarray, true: np.ndarray) -> float:
    """The IoU of a box, `(1, 4)`, with the true one that it fits best; 0 for none, `(0, 4)`."""
    return float(evaluation.iou(box, true).max()) if len(box) else 0.0


def _with_pixels(boxes, shape):
    """Boxes inside the image that hold a pixel's centre each, however small they have become."""
    height, width = shape
    x0, y0 = np.clip(np.floor(boxes[:, 0]), 0, width - 1), np.clip(np.floor(boxes[:, 1]), 0, height - 1)
    x1, y1 = np.clip(np.ceil(boxes[:, 2]), x0 + 1, width), np.clip(np.ceil(boxes[:, 3]), y0 + 1, height)
    return np.stack([x0, y0, x1, y1], axis=1)


def _resized(image, size):
    import cv2

    resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    return resized.reshape(*size, -1)
