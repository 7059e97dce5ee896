"""Images through a network that makes images."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from kerasviz.checks import checked_number
from kerasviz.errors import InputError, ModelError, SettingError
from kerasviz.network.network import Network
from kerasviz.synthesis.parametrizations import starting
from kerasviz.synthesis.parametrizations.base import Parametrization
from kerasviz.synthesis.settings import checked_range


@dataclass(frozen=True, eq=False, kw_only=True)
class ThroughGenerator(Parametrization):
    """The codes of a generator: images are what it makes of them.

    Nguyen et al. 2016, "Synthesizing the preferred inputs for neurons in neural networks via deep generator
    networks" (DGN-AM). A generator that was trained on photographs makes what looks like one, so that the search
    cannot leave them for patterns that only the network answers to. The generator runs in inference mode and is not
    changed; its later training is seen.

    Parameters are one float32 array `(N, *shape of a code)`, a vector or a map.

    After each step codes are cut off at `low` and `high`, and then multiplied by `decay`, in this order, as the
    authors' code does. They took 0 and the mean plus 3 standard deviations of each unit of the code over training
    images (codes behind a ReLU), and 0.99.

    Args:
        generator: any built Keras model, or the path of a saved one, with one input, the codes, and one output,
            images `(N, h, w, C)`. Where `(h, w)` is not the images' size, they are resized linearly.
        value_range: the smallest and largest value of the generator's output, which become those of the images:
            (-1, 1) for one that ends in tanh, (0, 1) in a sigmoid. `(-inf, inf)` if its output has the values of the
            images already. What leaves the range of the images is cut off.
        low: the least value of a code: None for no bound, a number, or an array that broadcasts to one code.
        high: the largest, likewise.
        decay: in (0, 1]; 1 for none.
        deviation: of the Gaussian noise around 0 that codes begin with.
        codes: what codes begin with instead: `(1, …)` for all images the same, or one for each.

    Codes begin within `low` and `high`, cut off there if need be.

    Raises:
        ModelError: not a Keras model, or it has several inputs or outputs, or makes no images.
        SettingError: a setting is out of range; later, if the generator's channels or its range do not fit the
            images.
        InputError: the codes do not fit the generator.

    Example:
        >>> import keras, numpy as np
        >>> from kerasviz.synthesis.spaces import ImageSpace
        >>> generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8 * 8, activation="tanh"),
        ...                               keras.layers.Reshape((8, 8, 1))])
        >>> through = ThroughGenerator(generator=generator, value_range=(-1, 1), low=0.0)
        >>> [codes] = through.start(ImageSpace(8, 8, 1, 0.0, 255.0), 2, seed=0)
        >>> codes.shape, bool(codes.min() >= 0)
        ((2, 3), True)
    """

    name = "generator"

    generator: keras.Model | str
    value_range: tuple[float, float]
    low: float | np.ndarray | None = None
    high: float | np.ndarray | None = None
    decay: float = 1.0
    deviation: float = 1.0
    codes: np.ndarray | None = None

    def __post_init__(self):
        network = Network(self.generator)
        _check_ends(network)
        if not 0 < checked_number("decay", self.decay, 0) <= 1:
            raise SettingError(f"decay={self.decay!r}", expected="a number over 0, at most 1", mend="1 for none")
        known = {
            "_network": network,
            "value_range": checked_range(self.value_range),
            "decay": float(self.decay),
            "deviation": checked_number("deviation", self.deviation, 0),
            "codes": None if self.codes is None else np.array(network.inputs.check(self.codes)[0]),
        }
        for name, value in known.items():
            object.__setattr__(self, name, value)
        for name in ("low", "high"):
            object.__setattr__(self, name, _checked_bound(name, getattr(self, name), self._code_shape))
        if self.low is not None and self.high is not None and (self.low > self.high).any():
            raise SettingError(
                "low is above high", expected="low at most high for every unit", mend="Look at how they were computed"
            )

    def start(self, space, count, seed):  # noqa: D102
        self._check_space(space)
        if self.codes is None:
            [codes] = starting.drawn([self._code_shape], count, seed, self.deviation)
        elif len(self.codes) in (1, count):
            codes = np.repeat(self.codes, count // len(self.codes), axis=0)
        else:
            raise InputError(
                f"{len(self.codes)} codes to begin with, for {count} images",
                expected="one code for all images, or one for each",
                mend="Give as many codes as images",
            )
        if self.low is None and self.high is None:
            return [codes]
        return [codes.clip(self.low, self.high)]

    def images(self, parameters, space):  # noqa: D102
        self._check_space(space)
        [made] = self._network.forward(list(parameters)).outputs.values()
        made = tf.image.resize(tf.cast(made, tf.float32), (space.height, space.width))
        low, high = self.value_range
        if not space.bounded:
            return made
        units = space.unit(made) if high == np.inf else (made - low) / (high - low)
        return space.of_unit(tf.clip_by_value(units, 0.0, 1.0))

    def project(self, parameters, space):  # noqa: D102
        [codes] = parameters
        if self.low is not None:
            codes = tf.maximum(codes, self.low)
        if self.high is not None:
            codes = tf.minimum(codes, self.high)
        return [codes * self.decay]

    def settings(self):  # noqa: D102
        return {
            "parametrization": self.name,
            "generator": self._network.name,
            "value_range": None if self.value_range[1] == np.inf else list(self.value_range),
            "low": None if self.low is None else self.low.tolist(),
            "high": None if self.high is None else self.high.tolist(),
            "decay": self.decay,
            "deviation": self.deviation,
            "codes": None if self.codes is None else self.codes.tolist(),
        }

    @property
    def _code_shape(self):
        shape = self._network.inputs.specs[0].shape[1:] if self.codes is None else self.codes.shape[1:]
        if None in shape:
            raise SettingError(
                f"The generator takes codes of any size, {shape}",
                expected="to know the size of a code",
                mend="Give codes= to begin with",
            )
        return shape

    def _check_space(self, space):
        [output] = self._network.trace.outputs.values()
        if output.shape[-1] not in (None, space.channels):
            raise SettingError(
                f"The generator makes images of {output.shape[-1]} channels",
                expected=f"{space.channels}, as the network takes",
                mend="Put a layer behind the generator that changes the channels",
            )
        if not space.bounded and self.value_range[1] < np.inf:
            raise SettingError(
                f"The generator's output has the range {self.value_range}, the images have none",
                expected="the range of the images, to which it is stretched",
                mend="Give the images' value_range, or (-inf, inf) as that of the generator",
            )


def _check_ends(network):
    specs, outputs = network.inputs.specs, list(network.trace.outputs.values())
    fits = len(specs) == len(outputs) == 1 and specs[0].floating and len(outputs[0].shape or ()) == 4
    if not fits:
        raise ModelError(
            f"{network.name!r} takes {[spec.shape for spec in specs]} and makes {[o.shape for o in outputs]}",
            expected="a generator with one input of floating-point codes and one output, images (N, H, W, C)",
            mend="Make a keras.Model around it that has only these",
        )


def _checked_bound(name, bound, shape):
    """A bound as a float32 array that broadcasts to a code; None for None."""
    if bound is None:
        return None
    try:
        array = np.array(bound, np.float32)
        fits = np.broadcast_shapes(array.shape, shape) == tuple(shape) and np.isfinite(array).all()
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise SettingError(
            f"{name}={bound!r}",
            expected=f"a finite number, or finite numbers that broadcast to a code, {tuple(shape)}",
            mend="Leave it out for no bound",
        )
    return array
