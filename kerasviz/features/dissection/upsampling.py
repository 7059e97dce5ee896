"""From the positions of a feature map to the pixels of label maps, by the centres of the receptive fields."""

import numpy as np


class Upsampling:
    """Bilinear interpolation between the centres of the units' receptive fields (Bau et al. 2017, section 2.3).

    Beyond the outermost centres their values go on.

    Args:
        centres: for rows and columns, where in the image the units look, in pixels; increasing.
        image_size: `(H, W)` in pixels.
        map_size: `(h, w)` of the label maps, which cover the whole image.

    Example:
        >>> up = Upsampling([np.array([0.5, 2.5]), np.array([1.5])], (4, 4), (4, 4))
        >>> up(np.array([[[0.0], [2.0]]], np.float32))[0, :, 0].tolist()
        [0.0, 0.5, 1.5, 2.0]
    """

    def __init__(self, centres, image_size: tuple[int, int], map_size: tuple[int, int]):
        rows, columns = (
            _weights(np.asarray(along, float), whole, count)
            for along, whole, count in zip(centres, image_size, map_size, strict=True)
        )
        self._rows, self._columns = rows, np.ascontiguousarray(columns.T)

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        """Upsample maps `(P, rows, columns)` of units to `(P, h, w)` float32."""
        return np.matmul(self._rows, np.matmul(maps, self._columns))


def even_centres(count: int, length: int) -> np.ndarray:
    """Where units look that share an axis of pixels evenly among them."""
    return (np.arange(count) + 0.5) * length / count - 0.5


def _weights(centres, length, count):
    """`(count, units)` float32: how much of each unit's value a place of the label map takes."""
    # The middle of a place of the label map, in pixels of the image, is where an even share of pixels has its centre.
    at = np.clip(even_centres(count, length), centres[0], centres[-1])
    right = np.clip(np.searchsorted(centres, at), 1, max(1, len(centres) - 1))
    weights = np.zeros((count, len(centres)))
    if len(centres) == 1:
        weights[:] = 1
    else:
        share = (at - centres[right - 1]) / (centres[right] - centres[right - 1])
        weights[np.arange(count), right - 1] = 1 - share
        weights[np.arange(count), right] = share
    return weights.astype(np.float32)
