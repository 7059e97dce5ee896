"""What kind of images are made: their size, channels and range of values."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ImageSpace:
    """The images that a synthesis looks among.

    Inside of it, regularizers, transforms and adjustments work in *units*: 0 to 1 for the whole range of values;
    where images have no range, units are the values themselves.

    Attributes:
        height: in pixels.
        width: in pixels.
        channels: how many.
        low: the smallest value of an image; minus infinity where there is no range.
        high: the largest.

    Example:
        >>> ImageSpace(8, 8, 3, 0.0, 255.0).unit(51.0)
        0.2
    """

    height: int
    width: int
    channels: int
    low: float = -np.inf
    high: float = np.inf

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image, `(height, width, channels)`."""
        return self.height, self.width, self.channels

    @property
    def bounded(self) -> bool:
        """Whether the values have a range."""
        return self.high < np.inf

    def unit(self, images):
        """Values of images, an array or tensor, in units."""
        return (images - self.low) / (self.high - self.low) if self.bounded else images

    def of_unit(self, units):
        """The values of images that units stand for."""
        return units * (self.high - self.low) + self.low if self.bounded else units
