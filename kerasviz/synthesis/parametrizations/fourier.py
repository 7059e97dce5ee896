"""Images by their frequencies."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasviz.checks import checked_number
from kerasviz.synthesis.parametrizations import colors, starting
from kerasviz.synthesis.parametrizations.base import Parametrization
from kerasviz.synthesis.parametrizations.squashing import squashed, unsquashed

#: lucid's divisor, which keeps the first images near to grey.
_CALM = 4.0


@dataclass(frozen=True)
class Fourier(Parametrization):
    """The spectrum of the images, with low frequencies weighted up as in photographs, and decorrelated colours.

    Olah et al. 2017, "Feature Visualization" (lucid's `fft_image`). A step of an optimizer that treats all
    parameters alike then changes an image as photographs change: by large shapes more than by fine noise. With
    `f = √(fx² + fy²)` in cycles per pixel and the spectrum `s` of a channel,

        values = irfft2(s · √(H·W) / max(f, 1 / max(H, W))^decay) / 4
        images = sigmoid(M @ values), stretched to the range; values without the sigmoid where there is no range

    Any size, odd or not square, and any number of channels. lucid gives images of odd width one more column and cuts
    it off; here the transform has the odd width itself, so that there is a way back.

    Parameters are one float32 array `(N, 2, C, H, W // 2 + 1)`: real and imaginary parts.

    Args:
        deviation: of the Gaussian noise that the spectrum begins with. The default is lucid's.
        decay: the power of the frequency by which the spectrum falls. 1 as in photographs, 0 weights all alike.
        decorrelate: True for the colours of ImageNet's photographs where images have three channels, red, green and
            blue (with any other number, channels are left as they are); a `(C, C)` matrix from `color_matrix` for
            the colours of your own images, of any number of channels; False for channels as they are.

    Raises:
        SettingError: a setting is out of range; later, if a matrix does not fit the images' channels.

    Example:
        >>> from kerasviz.synthesis.spaces import ImageSpace
        >>> space = ImageSpace(5, 8, 3, -1.0, 1.0)
        >>> spectra = Fourier().start(space, 2, seed=0)
        >>> spectra[0].shape, Fourier().images(spectra, space).shape
        ((2, 2, 3, 5, 5), TensorShape([2, 5, 8, 3]))
    """

    name = "fourier"

    deviation: float = 0.01
    decay: float = 1.0
    decorrelate: bool | tuple = True

    def __post_init__(self):
        object.__setattr__(self, "deviation", checked_number("deviation", self.deviation, 0))
        object.__setattr__(self, "decay", checked_number("decay", self.decay, 0))
        object.__setattr__(self, "decorrelate", colors.checked_colors(self.decorrelate))

    def start(self, space, count, seed):  # noqa: D102
        colors.matrix_of(self.decorrelate, space.channels)
        shape = (2, space.channels, space.height, space.width // 2 + 1)
        return starting.drawn([shape], count, seed, self.deviation)

    def images(self, parameters, space):  # noqa: D102
        weighted = parameters[0] * tf.constant(self._weights(space), tf.float32)
        # Not by indexing, whose gradient is three times as slow as the rest.
        real, imaginary = tf.unstack(weighted, axis=1)
        values = tf.signal.irfft2d(tf.complex(real, imaginary), [space.height, space.width])
        return squashed(tf.transpose(values, [0, 2, 3, 1]), space, self.decorrelate)

    def parameters_of(self, images, space):
        """As `Parametrization.parameters_of`; exact but for rounding.

        Images of a range are cut off at `squashing.EDGE` of it from its ends.

        Raises:
            InputError: the images do not fit the space.
        """
        values = unsquashed(images, space, self.decorrelate)
        spectrum = np.fft.rfft2(values.transpose(0, 3, 1, 2)) / self._weights(space)
        return [np.stack([spectrum.real, spectrum.imag], axis=1).astype(np.float32)]

    def settings(self):  # noqa: D102
        return {
            "parametrization": self.name,
            "deviation": self.deviation,
            "decay": self.decay,
            "decorrelate": self.decorrelate,
        }

    def _weights(self, space):
        return frequency_weights(space.height, space.width, self.decay) / _CALM


def frequency_weights(height: int, width: int, decay: float = 1.0) -> np.ndarray:
    """By how much each coefficient of `numpy.fft.rfft2` of an image is multiplied; see `Fourier`.

    Returns:
        `(height, width // 2 + 1)` float64.
    """
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    return np.sqrt(height * width) / np.maximum(frequencies, 1 / max(height, width)) ** decay
