"""Network dissection as Bau et al. 2017 describe it, all at once and with loops."""

import numpy as np


def thresholds(maps, fraction):
    """The value of each unit that a share of all positions in all images exceeds."""
    return np.array([np.quantile(maps[..., unit].astype(np.float64), 1 - fraction) for unit in range(maps.shape[-1])])


def upsampled(unit, centres, image_size, map_size):
    """One unit's map `(rows, columns)` at every pixel of a label map, linear between the centres."""
    result = np.zeros(map_size)
    for y in range(map_size[0]):
        for x in range(map_size[1]):
            at = [
                min(max((place + 0.5) * whole / count - 0.5, along[0]), along[-1])
                for place, whole, count, along in zip((y, x), image_size, map_size, centres, strict=True)
            ]
            columns = [np.interp(at[1], centres[1], row) for row in unit]
            result[y, x] = np.interp(at[0], centres[0], columns)
    return result


def dissected(maps, samples, concepts, centres, image_size, fraction, partners=None):
    """Intersections, activations by category, and labelled pixels, counted pixel by pixel.

    Args:
        maps: `(N, rows, columns, U)` of all images.
        samples: the labels of all images.
        concepts: names and categories.
        centres: of the units along rows and columns.
        image_size: in pixels.
        fraction: above the threshold.
        partners: for each image the number of that whose labels it is compared with, or None to leave it out.
    """
    limits = thresholds(maps, fraction).astype(np.float32)
    categories = list(dict.fromkeys(category for _, category in concepts))
    units = maps.shape[-1]
    meet = np.zeros((units, len(concepts)), int)
    active = np.zeros((units, len(categories)), int)
    labelled = np.zeros(len(concepts), int)
    for image, partner in enumerate(range(len(maps)) if partners is None else partners):
        if partner is None:
            continue
        sample = samples[partner]
        size = sample.maps.shape[1:]
        shown = [(sample.maps == code).any(axis=0) | (code in sample.tags) for code in range(1, len(concepts) + 1)]
        present = {categories.index(concepts[k][1]) for k, mask in enumerate(shown) if mask.any()}
        for k, mask in enumerate(shown):
            labelled[k] += mask.sum()
        for unit in range(units):
            mask = upsampled(maps[image, ..., unit], centres, image_size, size) > limits[unit]
            for k in range(len(concepts)):
                meet[unit, k] += (mask & shown[k]).sum()
            for category in present:
                active[unit, category] += mask.sum()
    return meet, active, labelled
