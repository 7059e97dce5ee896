"""Grad-CAM of one sample from the activation at a layer and the gradient there."""

import numpy as np

from reference.resizing import linear


def grad_cam(activation, gradient, sizes=None):
    """Selvaraju et al. 2017, equations 1 and 2, with loops over channels; resized after the rectification.

    Args:
        activation: `(*space, C)`.
        gradient: of the score, the same shape.
        sizes: of the axes of space, or None to leave them.
    """
    total = np.zeros(activation.shape[:-1])
    for channel in range(activation.shape[-1]):
        weight = gradient[..., channel].astype(np.float64).mean()
        total += weight * activation[..., channel]
    total[total < 0] = 0
    return total if sizes is None else linear(total, sizes)
