"""A network on copies of an image with a patch pasted into each, one after the other."""

import numpy as np


def pasted(image, starts, patches):
    """The copies, `(P, *space, C)`, of an image `(*space, C)`."""
    copies = []
    for start, patch in zip(starts, patches, strict=True):
        copy = image.copy()
        copy[tuple(slice(at, at + size) for at, size in zip(start, patch.shape[:-1], strict=True))] = patch
        copies.append(copy)
    return np.stack(copies)


def reached(places, kernel, stride, before, length):
    """The outputs of a sliding window that see any of some places along an axis, by looking at each."""
    return [out for out in range(length) if any(0 <= place - (out * stride - before) < kernel for place in places)]
