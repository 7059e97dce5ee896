"""The networks that are trained: a generator of images from codes, and the discriminator that it learns from."""

import math
from collections.abc import Sequence

import keras
import numpy as np

from kerasviz.checks import checked_count, checked_number, checked_seed
from kerasviz.errors import SettingError
from kerasviz.synthesis.settings import checked_range

_SLOPE = 0.3  # of the leaky rectifiers, as in the paper
_GRID = 4  # pixels of the smaller side at which images from vectors begin, as in the paper
_MOST = 8  # the widest layer, in widths of the last


def build_generator(
    code_shape: Sequence[int],
    image_shape: Sequence[int],
    *,
    value_range: tuple[float, float] = (0.0, 1.0),
    width: int = 32,
    code_scale: float = 1.0,
    seed: int = 0,
) -> keras.Model:
    """An up-convolutional network from the activation of a layer to an image.

    Dosovitskiy & Brox 2016, "Generating Images with Perceptual Similarity Metrics based on Deep Networks", appendix:
    fully connected layers for a code that is a vector, convolutions for one that is a map; then up-convolutions
    of 4 × 4 and stride 2, each followed by a convolution of 3 × 3, with leaky rectifiers of the slope 0.3 between.
    A vector is unfolded at the size at which the smaller side is 3 or 4 pixels; a map is resized to what
    doublings make an image of. What doublings make beyond the image's size is cropped.

    Args:
        code_shape: of one code, `(K,)` or `(h, w, K)`; anything else is taken as a vector.
        image_shape: of one image, `(H, W, C)`.
        value_range: of the images, a sigmoid scaled to it; infinite for none, linear.
        width: channels at the full size; twice as many at half of it, up to eight times.
        code_scale: what codes are divided by first, such as their root mean square.
        seed: of the initial weights.

    Returns:
        An ordinary Keras model in float32.

    Raises:
        SettingError: a shape or a setting is out of range.

    Example:
        >>> build_generator((64,), (8, 8, 1)).output_shape, build_generator((5, 7, 16), (40, 60, 3)).output_shape
        ((None, 8, 8, 1), (None, 40, 60, 3))
    """
    code_shape, image_shape = checked_shape("code_shape", code_shape), _checked_image(image_shape)
    low, high = checked_range(value_range)
    width, code_scale = checked_count("width", width), _checked_scale(code_scale)
    make = _Layers(seed)
    height, across, channels = image_shape
    codes = keras.Input(code_shape, name="code")
    values = keras.layers.Rescaling(1 / code_scale, dtype="float32", name="scale")(codes)
    if len(code_shape) == 3:
        doublings = max(0, round(math.log2(max(height / code_shape[0], across / code_shape[1]))))
        grid = _halved(height, doublings), _halved(across, doublings)
        if grid != code_shape[:2]:
            values = keras.layers.Resizing(*grid, dtype="float32", name="resize")(values)
        values = make.convolution(values, _wide(width, doublings), "enter")
    else:
        doublings = max(0, math.ceil(math.log2(min(height, across) / _GRID)))
        grid = _halved(height, doublings), _halved(across, doublings)
        start = _wide(width, doublings)
        if len(code_shape) != 1:
            values = keras.layers.Flatten(dtype="float32", name="flatten")(values)
        values = make.dense(values, _MOST * width, "dense1")
        values = make.dense(values, _MOST * width, "dense2")
        values = make.dense(values, math.prod(grid) * start, "unfold")
        values = keras.layers.Reshape((*grid, start), dtype="float32", name="map")(values)
    for left in reversed(range(doublings)):
        values = make.upconvolution(values, _wide(width, left), f"up{left}")
        values = make.convolution(values, _wide(width, left), f"smooth{left}")
    values = make.convolution(values, channels, "image", slope=None)
    values = _cropped(values, grid, doublings, image_shape)
    if np.isfinite(high - low):
        values = keras.layers.Activation("sigmoid", dtype="float32", name="squash")(values)
        values = keras.layers.Rescaling(high - low, low, dtype="float32", name="range")(values)
    return keras.Model(codes, values, name="generator")


def build_discriminator(
    image_shape: Sequence[int],
    code_shape: Sequence[int],
    *,
    value_range: tuple[float, float] = (0.0, 1.0),
    width: int = 32,
    code_scale: float = 1.0,
    seed: int = 0,
) -> keras.Model:
    """A convolutional network that tells images of the data from generated ones, knowing the code of each.

    Dosovitskiy & Brox 2016, appendix, with less layers: convolutions of stride 2 down to about 4 × 4 positions, the
    mean over these, beside it a layer on the code (the mean over positions of a map), and two layers on both.

    Args:
        image_shape: as for `build_generator`.
        code_shape: as for `build_generator`.
        value_range: as for `build_generator`.
        width: channels at the full size; twice as many at half of it, up to eight times.
        code_scale: as for `build_generator`.
        seed: as for `build_generator`.

    Returns:
        A Keras model `[images, codes] -> (N, 1)`, the logit of being of the data.

    Raises:
        SettingError: a shape or a setting is out of range.
    """
    code_shape, image_shape = checked_shape("code_shape", code_shape), _checked_image(image_shape)
    low, high = checked_range(value_range)
    width, code_scale = checked_count("width", width), _checked_scale(code_scale)
    make = _Layers(seed)
    images, codes = keras.Input(image_shape, name="image"), keras.Input(code_shape, name="code")
    values = images
    if np.isfinite(high - low):
        centred = {"scale": 2 / (high - low), "offset": -(high + low) / (high - low)}
        values = keras.layers.Rescaling(**centred, dtype="float32", name="range")(values)
    values = make.convolution(values, width, "enter")
    halvings = max(0, math.ceil(math.log2(min(image_shape[:2]) / _GRID)))
    for depth in range(halvings):
        values = make.convolution(values, width * min(2 ** (depth + 1), _MOST), f"down{depth}", strides=2)
    values = keras.layers.GlobalAveragePooling2D(dtype="float32", name="mean")(values)
    known = keras.layers.Rescaling(1 / code_scale, dtype="float32", name="scale")(codes)
    if len(code_shape) == 3:
        known = keras.layers.GlobalAveragePooling2D(dtype="float32", name="code_mean")(known)
    elif len(code_shape) != 1:
        known = keras.layers.Flatten(dtype="float32", name="flatten")(known)
    known = make.dense(known, values.shape[-1], "known")
    both = keras.layers.Concatenate(dtype="float32", name="both")([values, known])
    both = make.dense(both, 2 * values.shape[-1], "judge")
    return keras.Model([images, codes], make.dense(both, 1, "logit", slope=None), name="discriminator")


def checked_shape(name: str, shape) -> tuple[int, ...]:
    """A shape of whole numbers from 1 up.

    Raises:
        SettingError: it is something else.
    """
    sizes = tuple(shape) if isinstance(shape, Sequence) else ()
    good = sizes and all(isinstance(size, int | np.integer) and size > 0 for size in sizes)
    if not good:
        raise SettingError(
            f"{name}={shape!r}", expected="a shape without a batch axis, all sizes known", mend="Such as (64,)"
        )
    return tuple(map(int, sizes))


def _checked_image(shape):
    shape = checked_shape("image_shape", shape)
    if len(shape) != 3:
        raise SettingError(f"image_shape={shape!r}", expected="(height, width, channels)", mend="Such as (64, 64, 3)")
    return shape


def _checked_scale(scale):
    if checked_number("code_scale", scale) <= 0:
        raise SettingError(f"code_scale={scale!r}", expected="a number over 0", mend="Leave it out for 1")
    return float(scale)


def _halved(size, times):
    return -(-size // 2**times)


def _wide(width, halvings):
    return width * min(2**halvings, _MOST)


def _cropped(values, grid, doublings, image_shape):
    over = [side * 2**doublings - size for side, size in zip(grid, image_shape[:2], strict=True)]
    if not any(over):
        return values
    crop = tuple((extra // 2, extra - extra // 2) for extra in over)
    return keras.layers.Cropping2D(crop, dtype="float32", name="crop")(values)


class _Layers:
    """Makes layers, each with its own seed. All compute in float32: half precision would spoil small gradients."""

    def __init__(self, seed):
        self._seeds = np.random.default_rng(checked_seed(seed))

    def dense(self, values, units, name, slope=_SLOPE):
        return self._done(keras.layers.Dense(units, **self._common(name, slope))(values), name, slope)

    def convolution(self, values, channels, name, slope=_SLOPE, strides=1):
        layer = keras.layers.Conv2D(channels, 3, strides=strides, padding="same", **self._common(name, slope))
        return self._done(layer(values), name, slope)

    def upconvolution(self, values, channels, name):
        # Windows that are a multiple of the stride cover all positions alike: no chequered pattern.
        layer = keras.layers.Conv2DTranspose(channels, 4, strides=2, padding="same", **self._common(name, _SLOPE))
        return self._done(layer(values), name, _SLOPE)

    def _common(self, name, slope):
        seed = int(self._seeds.integers(2**31))
        kind = keras.initializers.GlorotUniform if slope is None else keras.initializers.HeNormal
        return {"kernel_initializer": kind(seed), "dtype": "float32", "name": name}

    def _done(self, values, name, slope):
        if slope is None:
            return values
        return keras.layers.LeakyReLU(negative_slope=slope, dtype="float32", name=f"{name}_relu")(values)
