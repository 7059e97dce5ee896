"""Ablation by segments, as a loop over them."""

import numpy as np


def ablation(score_of, image, labels, fill):
    """The drop of the score at each pixel when all that bears its label is hidden.

    Args:
        score_of: `image -> float`.
        image: `(*space, C)`.
        labels: `(*space)`.
        fill: what hides it, to be broadcast to the image.
    """
    clean, values = score_of(image), np.zeros(labels.shape)
    for label in set(labels.ravel().tolist()):
        changed = image.copy()
        changed[labels == label] = np.broadcast_to(fill, image.shape)[labels == label]
        values[labels == label] = clean - score_of(changed)
    return values
