"""Images by coarse and fine layers."""

from dataclasses import dataclass

import tensorflow as tf

from kerasviz.checks import checked_count, checked_number
from kerasviz.synthesis.parametrizations import colors, starting
from kerasviz.synthesis.parametrizations.base import Parametrization
from kerasviz.synthesis.parametrizations.squashing import squashed, unsquashed


@dataclass(frozen=True)
class LaplacianPyramid(Parametrization):
    """A sum of images of halved and halved again sizes, each enlarged linearly to the full one.

    Between `Pixels` and `Fourier`: coarse levels move many pixels at once, so that large shapes come first, and
    places stay places. lucid's `laplacian_pyramid_image`, with odd sizes halved upwards. Colours and the range as in
    `Fourier`.

    Parameters are `levels` arrays `(N, ⌈H / 2ᵏ⌉, ⌈W / 2ᵏ⌉, C)`, the full size first.

    Args:
        levels: how many sizes there are, the full one included; 1 leaves pixels. The default is lucid's.
        deviation: of the Gaussian noise that each level begins with. The default is lucid's.
        decorrelate: as for `Fourier`.

    Raises:
        SettingError: a setting is out of range; later, if a matrix does not fit the images' channels.

    Example:
        >>> from kerasviz.synthesis.spaces import ImageSpace
        >>> [level.shape for level in LaplacianPyramid(3).start(ImageSpace(9, 6, 1), 2, seed=0)]
        [(2, 9, 6, 1), (2, 5, 3, 1), (2, 3, 2, 1)]
    """

    name = "laplacian_pyramid"

    levels: int = 4
    deviation: float = 0.01
    decorrelate: bool | tuple = True

    def __post_init__(self):
        object.__setattr__(self, "levels", checked_count("levels", self.levels))
        object.__setattr__(self, "deviation", checked_number("deviation", self.deviation, 0))
        object.__setattr__(self, "decorrelate", colors.checked_colors(self.decorrelate))

    def start(self, space, count, seed):  # noqa: D102
        colors.matrix_of(self.decorrelate, space.channels)
        shapes = [(*size, space.channels) for size in self._sizes(space)]
        return starting.drawn(shapes, count, seed, self.deviation)

    def images(self, parameters, space):  # noqa: D102
        finest, *coarser = parameters
        values = tf.add_n([finest, *(_enlarged(level, space) for level in coarser)])
        return squashed(values, space, self.decorrelate)

    def parameters_of(self, images, space):
        """As `Parametrization.parameters_of`; exact but for rounding.

        Many pyramids mean one image. This is the one in which each level, from the coarsest, holds as much as its
        size can: what is left, averaged down. Images of a range are cut off at `squashing.EDGE` of it from its ends.

        Raises:
            InputError: the images do not fit the space.
        """
        left = tf.constant(unsquashed(images, space, self.decorrelate), tf.float32)
        coarser = []
        for size in self._sizes(space)[:0:-1]:
            coarser.insert(0, tf.image.resize(left, size, "area"))
            left -= _enlarged(coarser[0], space)
        return [level.numpy() for level in (left, *coarser)]

    def settings(self):  # noqa: D102
        return {
            "parametrization": self.name,
            "levels": self.levels,
            "deviation": self.deviation,
            "decorrelate": self.decorrelate,
        }

    def _sizes(self, space):
        return [(-(-space.height // 2**k), -(-space.width // 2**k)) for k in range(self.levels)]


def _enlarged(level, space):
    return tf.image.resize(level, (space.height, space.width))
