"""What the two passes over the data set gather for one layer."""

from collections.abc import Iterator

import numpy as np

from kerasviz.data.concepts.base import ConceptData
from kerasviz.features.dissection.overlaps import Active, Labels, Overlaps
from kerasviz.features.dissection.quantiles import TopQuantile
from kerasviz.features.dissection.strongest import Strongest
from kerasviz.features.dissection.tallies import Tallies
from kerasviz.features.dissection.upsampling import Upsampling

_PIXELS = 1 << 20  # of masks, of all units together, that are worked on at once


class FirstPass:
    """Finds each unit's threshold, and the images in which it is most active.

    Args:
        shape: `(rows, columns, units)` of the feature map.
        images: how many there will be at most.
        fraction: the share of positions above the threshold.
        top: how many images are kept for each unit.
    """

    def __init__(self, shape, images: int, fraction: float, top: int):
        rows, columns, units = shape
        self.sketch = TopQuantile(units, images * rows * columns, fraction)
        self.strongest = Strongest(units, top)

    def update(self, maps: np.ndarray, maxima: np.ndarray, numbers: list[int]):
        """Take in the feature maps `(n, rows, columns, U)` of some images and their maxima `(n, U)`."""
        self.sketch.update(maps.reshape(-1, maps.shape[-1]))
        self.strongest.update(maxima, numbers)

    def state(self) -> dict[str, np.ndarray]:
        """All that `restore` needs."""
        return {**self.sketch.state(), "numbers": self.strongest.numbers, "maxima": self.strongest.values}

    def restore(self, state):
        """Go on from a stored state."""
        self.sketch.restore(state)
        self.strongest.numbers, self.strongest.values = state["numbers"].copy(), state["maxima"].copy()


class SecondPass:
    """Compares where units are above their thresholds with where concepts show.

    Args:
        data: the data set.
        thresholds: `(U,)`.
        upsampling: from the feature map to the label maps.
        top: `(U, T)` the images whose masks are kept.
        chance: whether each image is also compared with the labels of the one before it.

    Attributes:
        masks: `(U, T, bytes)` uint8, the masks of these images, packed.
    """

    def __init__(self, data: ConceptData, thresholds, upsampling: Upsampling, top: np.ndarray, chance: bool):
        self._thresholds, self._up = thresholds, upsampling
        self._overlaps = [Overlaps(data, len(thresholds)) for _ in range(1 + chance)]
        self._pixels = data.map_size[0] * data.map_size[1]
        self._places: dict[int, list[tuple[int, int]]] = {}
        for unit, place in np.argwhere(top >= 0).tolist():
            self._places.setdefault(int(top[unit, place]), []).append((unit, place))
        self.masks = np.zeros((*top.shape, -(-self._pixels // 8)), np.uint8)

    def update(self, maps, maxima, numbers: list[int], labels: list[Labels], before: Labels | None):
        """Take in some images.

        Args:
            maps: `(n, rows, columns, U)` their feature maps.
            maxima: `(n, U)` of these.
            numbers: of the images.
            labels: of the images.
            before: labels of the image that came before, if there was one.
        """
        active = maxima > self._thresholds
        previous = [before, *labels[:-1]]
        for chunk in self._chunks(active.sum(axis=1)):
            images, units = np.nonzero(active[chunk])
            masks = self._up(maps[chunk][images, :, :, units]) > self._thresholds[units][:, None, None]
            masks = masks.reshape(len(units), self._pixels)
            found = Active(images, units, masks)
            for overlaps, of in zip(self._overlaps, (labels, previous), strict=False):
                overlaps.add(found, of[chunk])
            self._keep(numbers[chunk], found, masks)

    @property
    def tallies(self) -> Tallies:
        """With the images' own labels."""
        return self._overlaps[0].tallies

    @property
    def chance(self) -> Tallies | None:
        """With the labels of other images."""
        return self._overlaps[1].tallies if len(self._overlaps) > 1 else None

    def state(self) -> dict[str, np.ndarray]:
        """All that `restore` needs."""
        counted = {
            f"{kind}/{name}": array
            for kind, overlaps in enumerate(self._overlaps)
            for name, array in vars(overlaps.tallies).items()
        }
        return {"masks": self.masks, **counted}

    def restore(self, state):
        """Go on from a stored state."""
        self.masks[:] = state["masks"]
        for kind, overlaps in enumerate(self._overlaps):
            for name, array in vars(overlaps.tallies).items():
                array[:] = state[f"{kind}/{name}"]

    def _keep(self, numbers, active, masks):
        """Keep the masks of top images."""
        for image, number in enumerate(numbers):
            for unit, place in self._places.get(number, ()):
                (row,) = np.nonzero((active.images == image) & (active.units == unit))
                if len(row):
                    self.masks[unit, place] = np.packbits(masks[row[0]])

    def _chunks(self, counts) -> Iterator[slice]:
        """Runs of images whose masks together stay within bounds."""
        start, size = 0, 0
        for image, count in enumerate(counts.tolist()):
            if size and (size + count) * self._pixels > _PIXELS:
                yield slice(start, image)
                start, size = image, 0
            size += count
        yield slice(start, len(counts))
