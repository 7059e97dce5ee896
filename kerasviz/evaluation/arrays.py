"""Reading what the user gave: heat maps, and the true regions that they are compared with."""

import numpy as np

from kerasviz.errors import InputError
from kerasviz.plotting.arrays import check_finite, to_numbers
from kerasviz.plotting.boxes import to_boxes


def to_heatmaps(values) -> np.ndarray:
    """Heat maps as finite `float64` `(N, H, W)`; see the package docstring."""
    maps = to_numbers(values, "The batch of heat maps")
    if maps.ndim != 3:
        raise InputError(
            f"The heat maps have the shape {maps.shape}",
            expected="(N, H, W), one value a pixel",
            mend={
                2: "Add the batch axis: heatmap[None]",
                4: "Reduce the channels first: kerasviz.plotting.reduce_channels(values)",
            }.get(maps.ndim, "Pass what Grad-CAM or saliency returns"),
        )
    maps = maps.astype(np.float64)
    check_finite(maps, "heat map")
    return maps


def to_masks(regions, shape: tuple[int, int, int]) -> np.ndarray:
    """The true region of each image as a boolean mask `(N, H, W)`.

    Args:
        regions: for each image a boolean mask `(H, W)`, or boxes. A pixel lies in a box that holds its centre.
        shape: `(N, H, W)` of the heat maps.
    """
    regions = list(regions)
    if len(regions) != shape[0]:
        raise InputError(
            f"{len(regions)} regions were given with {shape[0]} heat maps",
            expected="one entry for each image: its boxes (B, 4), or its mask (H, W)",
            mend="Put all boxes of an image into one array",
        )
    masks = np.stack([_to_mask(region, shape[1:], index) for index, region in enumerate(regions)])
    empty = np.flatnonzero(~masks.any(axis=(1, 2)))
    if empty.size:
        raise InputError(
            f"The true region of sample {empty[0]} holds no pixel of the image",
            expected="a region in each image",
            mend="Leave images without the object out, and check that regions and heat maps have one resolution",
        )
    return masks


def _to_mask(region, size: tuple[int, int], index: int) -> np.ndarray:
    # A list holds boxes.
    given = None if isinstance(region, (list, tuple)) else np.asarray(region)
    if given is not None and given.dtype != bool and given.shape == size and size[1] != 4:
        raise InputError(
            f"The mask of sample {index} holds values of type {given.dtype}",
            expected="a boolean mask",
            mend="Say which pixels are meant, as in mask > 0",
        )
    if given is None or given.dtype != bool:
        return _fill(to_boxes(region, f"The region of sample {index}"), size)
    if given.shape != size:
        raise InputError(
            f"The mask of sample {index} has the shape {given.shape}, its heat map {size}",
            expected="one resolution",
            mend="Resize the mask, with the nearest neighbour",
        )
    return given


def _fill(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    y, x = (np.arange(length) + 0.5 for length in size)
    x0, y0, x1, y1 = boxes.T[..., None]
    across, down = (x0 <= x) & (x < x1), (y0 <= y) & (y < y1)
    return (down[:, :, None] & across[:, None, :]).any(axis=0)
