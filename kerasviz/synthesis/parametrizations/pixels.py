"""Images as they are."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasviz.checks import checked_choice, checked_number
from kerasviz.errors import SettingError
from kerasviz.synthesis.parametrizations import colors, starting
from kerasviz.synthesis.parametrizations.base import Parametrization
from kerasviz.synthesis.parametrizations.squashing import squashed, unsquashed


@dataclass(frozen=True)
class Pixels(Parametrization):
    """The pixels of the images themselves.

    The most direct way, for what is measured on pixels: class models, fooling images, perturbations. Without
    regularizers or transforms it ends in noise of high frequency, which `Fourier` avoids.

    Parameters are one array `(N, H, W, C)`.

    Args:
        deviation: of the Gaussian noise that images begin with, around the middle of the range, or around 0 where
            images have no range; in parameters. 0 for exactly that image. The default is lucid's.
        squash: how values are kept within their range. "clip": parameters are the images in units, cut off at 0
            and 1 after each step; adjustments can change them. "sigmoid": parameters have no bounds, and the images
            are their sigmoid in units. Where images have no range there is nothing to do, and both are the same.
        decorrelate: with "sigmoid", colours out of independent numbers; as for `Fourier`.

    Raises:
        SettingError: a setting is out of range.

    Example:
        >>> from kerasviz.synthesis.spaces import ImageSpace
        >>> [images] = Pixels(deviation=0.0).start(ImageSpace(4, 6, 3, 0.0, 255.0), 2, seed=0)
        >>> images.shape, images.max().item()
        ((2, 4, 6, 3), 0.5)
    """

    name = "pixels"

    deviation: float = 0.01
    squash: str = "clip"
    decorrelate: bool | tuple = False

    def __post_init__(self):
        checked_choice("squash", self.squash, ("clip", "sigmoid"))
        object.__setattr__(self, "deviation", checked_number("deviation", self.deviation, 0))
        object.__setattr__(self, "decorrelate", colors.checked_colors(self.decorrelate))
        if self.of_pixels and self.decorrelate is not False:
            raise SettingError(
                "Decorrelated colours with squash='clip'",
                expected="parameters that are not the pixels themselves",
                mend="Take squash='sigmoid', or Fourier",
            )

    @property
    def of_pixels(self) -> bool:
        """Whether the parameters are the images in units, which depends on `squash`."""
        return self.squash == "clip"

    def start(self, space, count, seed):  # noqa: D102
        colors.matrix_of(self.decorrelate, space.channels)
        parameters = starting.drawn([space.shape], count, seed, self.deviation)
        if self.of_pixels and space.bounded:
            parameters = [(array + np.float32(0.5)).clip(0, 1) for array in parameters]
        return parameters

    def images(self, parameters, space):  # noqa: D102
        if self.of_pixels:
            return space.of_unit(parameters[0])
        return squashed(parameters[0], space, self.decorrelate)

    def parameters_of(self, images, space):
        """As `Parametrization.parameters_of`; exact but for rounding.

        With "sigmoid", images of a range are cut off at `squashing.EDGE` of it from its ends.

        Raises:
            InputError: the images do not fit the space.
        """
        if self.of_pixels:
            return [starting.checked_images(images, space).astype(np.float32)]
        return [unsquashed(images, space, self.decorrelate).astype(np.float32)]

    def project(self, parameters, space):  # noqa: D102
        if not (self.of_pixels and space.bounded):
            return parameters
        return [tf.clip_by_value(parameters[0], 0.0, 1.0)]

    def settings(self):  # noqa: D102
        return {
            "parametrization": self.name,
            "deviation": self.deviation,
            "squash": self.squash,
            "decorrelate": self.decorrelate,
        }
