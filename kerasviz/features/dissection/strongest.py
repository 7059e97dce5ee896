"""The images in which each unit is most active."""

import numpy as np

from kerasviz.features.units.ranking import merged


class Strongest:
    """For each unit the images with the largest maximum over all positions.

    Of equal ones the earlier in the order of reading stands first.

    Args:
        units: how many.
        count: images for each.

    Attributes:
        numbers: `(U, count)` int64, of the images in the data set; -1 for none.
        values: `(U, count)` float32, the maxima, descending; -inf for none.
    """

    def __init__(self, units: int, count: int):
        self.numbers = np.full((units, count), -1, np.int64)
        self.values = np.full((units, count), -np.inf, np.float32)

    def update(self, maxima: np.ndarray, numbers: list[int]):
        """Take in more images.

        Args:
            maxima: `(n, U)`.
            numbers: of these images.
        """
        if not self.values.shape[1]:
            return
        # Few units see a record in a batch once many images were read.
        (units,) = np.nonzero(maxima.max(axis=0) > self.values[:, -1])
        best = {"values": self.values[units], "numbers": self.numbers[units]}
        owners = np.broadcast_to(numbers, (len(units), len(numbers)))
        best = merged(best, {"values": maxima[:, units].T, "numbers": owners}, self.values.shape[1])
        self.values[units], self.numbers[units] = best["values"], best["numbers"]
