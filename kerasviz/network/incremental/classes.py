"""Positions that run together: their boxes must have equal sizes."""

import numpy as np


class Classes:
    """Positions, grouped so that the boxes of a group can have one size without much waste.

    Starts along an axis whose boxes have equal sizes are one class; classes are merged, the cheapest merger
    first, until the groups of one class of rows and one of columns fill a batch on average.

    Args:
        names: of the tensors that have boxes, the patch's first.
        made: a `Plan`.
        places: for each axis, each position's number among the distinct starts.
        batch_size: how many positions run at once.
    """

    def __init__(self, names, made, places, batch_size):
        self._spans = [[made.spans[name][axis] for name in names] for axis in (0, 1)]
        self._places = places
        work = np.array([made.work[name] for name in names])
        wanted = max(1, int(np.sqrt(len(places[0]) / batch_size)))
        self._sizes, self._class = [], []
        for axis in (0, 1):
            sizes = np.stack([span.sizes for span in self._spans[axis]], axis=1)
            mean = np.array([span.sizes.mean() for span in self._spans[1 - axis]])
            which, merged = merge(sizes, work * mean, wanted)
            self._class.append(which)
            self._sizes.append(merged)

    def chunks(self, batch_size) -> list[np.ndarray]:
        """The indices of the positions that run together, at most `batch_size` of them."""
        rows, columns = (self._class[axis][self._places[axis]] for axis in (0, 1))
        group = rows * len(self._sizes[1]) + columns
        found = (np.flatnonzero(group == one) for one in np.unique(group))
        return [part for one in found for part in np.split(one, range(batch_size, len(one), batch_size))]

    def boxes(self, chunk):
        """The boxes of the positions of a chunk.

        Returns:
            Their origins, `(n, boxes, 2)` int32, and their sizes, `(boxes, 2)` int32.
        """
        origins, sizes = [], []
        for axis in (0, 1):
            where = self._places[axis][chunk]
            size = self._sizes[axis][self._class[axis][where[0]]]
            starts = [
                np.clip(span.first[where], 0, span.length - extent)
                for span, extent in zip(self._spans[axis], size, strict=True)
            ]
            origins.append(np.stack(starts, axis=1))
            sizes.append(size)
        return np.stack(origins, axis=2).astype(np.int32), np.stack(sizes, axis=1).astype(np.int32)


def merge(sizes: np.ndarray, work: np.ndarray, wanted: int):
    """Merge starts into classes.

    Args:
        sizes: `(S, B)`, the sizes of the boxes of each start.
        work: `(B,)`, the cost of a place of each box.
        wanted: how many classes there may be.

    Returns:
        The class of each start, `(S,)`, and the sizes of the boxes of each class, `(classes, B)`.
    """
    distinct, which, counts = np.unique(sizes, axis=0, return_inverse=True, return_counts=True)
    which = which.ravel()
    sizes, counts = list(distinct), list(counts)
    members = [{i} for i in range(len(sizes))]
    while len(sizes) > wanted:
        _, i, j = min(
            (counts[i] * waste(sizes[i], sizes[j], work) + counts[j] * waste(sizes[j], sizes[i], work), i, j)
            for i in range(len(sizes))
            for j in range(i)
        )
        sizes[j], counts[j] = np.maximum(sizes[i], sizes[j]), counts[i] + counts[j]
        members[j] |= members[i]
        del sizes[i], counts[i], members[i]
    number = np.empty(len(distinct), int)
    for one, of in enumerate(members):
        number[list(of)] = one
    return number[which], np.array(sizes)


def waste(own, other, work):
    """What it costs a start that its boxes grow to hold those of another."""
    return float((np.maximum(own, other) - own) @ work)
