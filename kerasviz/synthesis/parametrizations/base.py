"""What all parametrizations of images share."""

from abc import ABC, abstractmethod

import numpy as np
import tensorflow as tf

from kerasviz.errors import SettingError
from kerasviz.synthesis.spaces import ImageSpace


class Parametrization(ABC):
    """Numbers that an optimizer changes, and the images that they mean.

    The same images can be written in many ways, and where an optimizer ends depends on the way: steps of one size
    are steps of other images. Make your own by writing `start` and `images`; keep it immutable.

    Attributes:
        name: for settings and titles.
        of_pixels: whether the parameters are the images themselves, in units, so that adjustments can change them.
    """

    name: str = ""
    of_pixels: bool = False

    @abstractmethod
    def start(self, space: ImageSpace, count: int, seed: int) -> list[np.ndarray]:
        """The parameters to begin with.

        Args:
            space: of the images.
            count: how many images.
            seed: of what is drawn; image `i` draws from `numpy.random.default_rng([seed, i])`, so that it begins
                alike in any batch.

        Returns:
            float32 arrays with a row per image.
        """

    @abstractmethod
    def images(self, parameters: list[tf.Tensor], space: ImageSpace) -> tf.Tensor:
        """The images that parameters mean, inside a `tf.function`.

        Args:
            parameters: as `start` makes them.
            space: of the images.

        Returns:
            `(count, *space.shape)` float32, in the values of the space; within its range where it has one.
        """

    def parameters_of(self, images: np.ndarray, space: ImageSpace) -> list[np.ndarray]:
        """The parameters that mean given images, as nearly as they can.

        Args:
            images: `(count, *space.shape)` float32, in the values of the space.
            space: of the images.

        Raises:
            SettingError: this parametrization has no way back.
        """
        raise SettingError(
            f"The parametrization {self.name!r} cannot begin from an image",
            expected="one that has a way back from images, such as pixels or Fourier coefficients",
            mend="Leave the images to begin with out",
        )

    def project(self, parameters: list[tf.Tensor], space: ImageSpace) -> list[tf.Tensor]:
        """The parameters after a step, brought back to where they may be. As they are, by default."""
        return parameters

    def settings(self) -> dict:
        """The settings by name, for manifests."""
        return {"parametrization": self.name}
