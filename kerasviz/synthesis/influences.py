"""What else acts on images while they are optimized: the interfaces of regularizers, adjustments and transforms.

All three work on images in units of their `ImageSpace`, `(N, H, W, C)` float32, as TensorFlow ops inside a compiled
step, treat each image alone, and are immutable (frozen dataclasses).
"""

from abc import ABC, abstractmethod

import tensorflow as tf


class Regularizer(ABC):
    """A penalty that is subtracted from the objective."""

    @abstractmethod
    def penalty(self, images: tf.Tensor) -> tf.Tensor:
        """The penalty of each image, `(N,)`, its weight included."""


class Adjustment(ABC):
    """A change of the images themselves after a step, which no gradient passes through."""

    @abstractmethod
    def adjust(self, images: tf.Tensor, gradients: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """The changed images.

        Args:
            images: after the step.
            gradients: of the objective less the penalties with respect to the images, before the step.
            step: int32, 0 for the first.
        """


class Transform(ABC):
    """A random change of what the network sees in a step, so that it answers to what survives the change.

    The draws are the same for all images of a step, so that an image does not depend on its batch mates.
    """

    @abstractmethod
    def transform(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The changed images, which may have another size.

        Args:
            images: to be changed.
            seed: int32, two numbers, for `tf.random.stateless_*` with `alg="philox"`.
        """
