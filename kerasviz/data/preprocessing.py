"""From pixel values to what a network was trained on, and back."""

import difflib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kerasviz.errors import InputError, SettingError


class _Mode(NamedTuple):
    """`(x / divisor - mean) / std`, in the order in which Keras computes it, so that results are equal."""

    divisor: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    bgr: bool = False


_MODES = {
    "none": _Mode(),
    "scale": _Mode(divisor=255.0),
    "tf": _Mode(divisor=127.5, mean=(1.0,)),
    "torch": _Mode(divisor=255.0, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "caffe": _Mode(mean=(103.939, 116.779, 123.68), bgr=True),
    "lite": _Mode(mean=(127.0,), std=(128.0,)),
}

MODES = tuple(_MODES)


def preprocess(images: Any, mode: str | Callable[[np.ndarray], Any] | None) -> np.ndarray:
    """Turn pixel values into the numbers that a network takes.

    | mode | result | networks |
    |---|---|---|
    | `None`, `"none"` | 0..255 | those that rescale by themselves: EfficientNet, ConvNeXt, `imagenet_model` |
    | `"scale"` | x / 255: 0..1 | most small networks |
    | `"tf"` | x / 127.5 − 1: −1..1 | MobileNet, Inception, Xception, ResNetV2 |
    | `"torch"` | ((x / 255) − mean) / std of ImageNet | DenseNet, networks from torchvision |
    | `"caffe"` | BGR, less the mean of ImageNet | VGG, ResNet |
    | `"lite"` | (x − 127) / 128 | EfficientNet-Lite |

    `"tf"`, `"torch"` and `"caffe"` are those of `keras.applications.imagenet_utils.preprocess_input`.

    Args:
        images: (H, W, C) or (N, H, W, C), any numeric type, values 0..255. Never changed.
        mode: a mode, or a function that gets a float32 copy of `images`.

    Returns:
        A new float32 array, of the shape of `images` unless a function changes the number of channels or the
        size.

    Raises:
        SettingError: the mode is unknown.
        InputError: the shape is another, values lie outside 0..255 or all within 0..1, the mode needs three
            channels, or the function returns no finite numbers or another number of images.

    Example:
        >>> import numpy as np, kerasviz as kv
        >>> red = np.zeros((1, 1, 3), np.uint8)
        >>> red[..., 0] = 255
        >>> kv.data.preprocess(red, "tf").tolist()
        [[[1.0, -1.0, -1.0]]]
    """
    mode = check_mode(mode)
    pixels = _checked_pixels(images)
    if callable(mode):
        return _checked_result(mode(pixels), pixels.shape)
    _check_channels(pixels, mode)
    return as_function(mode)(pixels)


def as_function(mode: str | Callable | None) -> Callable:
    """What `preprocess` computes, without its checks, for arrays and for tensors that gradients flow through.

    Args:
        mode: as for `preprocess`; a function is returned as it is.

    Returns:
        A function of float32 images (…, H, W, C).

    Raises:
        SettingError: the mode is unknown.

    Example:
        >>> import tensorflow as tf, kerasviz as kv
        >>> float(kv.data.preprocessing.as_function("tf")(tf.constant([[[255.0]]]))[0, 0, 0])
        1.0
    """
    mode = check_mode(mode)
    if callable(mode):
        return mode
    settings = _MODES[mode]
    if settings == _Mode():
        return lambda pixels: pixels
    divisor, mean, std = map(np.float32, (settings.divisor, settings.mean, settings.std))

    def compute(pixels):
        return ((pixels[..., ::-1] if settings.bgr else pixels) / divisor - mean) / std

    return compute


def unpreprocess(inputs: Any, mode: str | None) -> np.ndarray:
    """Turn a network's inputs back into pixel values that can be drawn.

    Args:
        inputs: what `preprocess(images, mode)` returned, or an input made another way, such as one found by
            optimization. Never changed.
        mode: a mode of `preprocess`; a function has no known inverse.

    Returns:
        A new uint8 array of the same shape, RGB, rounded; values outside 0..255 are clipped.

    Raises:
        SettingError: the mode is unknown or a function.
        InputError: the shape is not (H, W, C) or (N, H, W, C), a value is not finite, or the mode needs three
            channels.

    Example:
        >>> import numpy as np, kerasviz as kv
        >>> kv.data.unpreprocess(np.float32([[[1.0, 0.0, -1.0]]]), "tf").tolist()
        [[[255, 128, 0]]]
    """
    if callable(mode):
        raise SettingError(
            "The preprocessing is a function, whose inverse is not known",
            expected="one of " + ", ".join(map(repr, MODES)),
            mend="Keep the pictures as they were before preprocessing, and draw those",
        )
    mode = check_mode(mode)
    values = _checked_array(inputs)
    _check_channels(values, mode)
    settings = _MODES[mode]
    values *= np.float32(settings.std)
    values += np.float32(settings.mean)
    values *= np.float32(settings.divisor)
    if settings.bgr:
        values = values[..., ::-1]
    return np.rint(values).clip(0, 255).astype(np.uint8)


def check_mode(mode: str | Callable[[np.ndarray], Any] | None) -> str | Callable[[np.ndarray], Any]:
    """Check a mode of `preprocess` before any picture is read.

    Args:
        mode: what a caller gave.

    Returns:
        The mode, `"none"` for None.

    Raises:
        SettingError: the mode is unknown; the nearest is named.
    """
    if mode is None:
        return "none"
    if callable(mode) or (isinstance(mode, str) and mode in _MODES):
        return mode
    near = difflib.get_close_matches(str(mode).lower(), MODES, n=1)
    raise SettingError(
        f"The preprocessing {mode!r} is unknown",
        expected="one of " + ", ".join(map(repr, MODES)) + ", or a function",
        mend=f"Did you mean {near[0]!r}?" if near else "Choose the one that the network was trained with",
    )


def _checked_array(images):
    try:
        array = np.array(images, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The images are no array of numbers: {error}",
            expected="(H, W, C) or (N, H, W, C)",
            mend="Bring all pictures to one size and stack them",
        ) from error
    if array.ndim not in (3, 4) or array.size == 0:
        raise InputError(
            f"The images have the shape {array.shape}",
            expected="(H, W, C) or (N, H, W, C), none of them 0",
            mend="Give a grey picture its channel axis: image[..., None]",
        )
    if not np.isfinite(array).all():
        raise InputError(
            "The images hold NaN or infinite values",
            expected="finite numbers",
            mend="Look at where they come from",
        )
    return array


def _checked_pixels(images):
    pixels = _checked_array(images)
    low, high = pixels.min(), pixels.max()
    if low < 0 or high > 255:
        raise InputError(
            f"The images hold values from {low:g} to {high:g}",
            expected="0 to 255",
            mend="Give pixel values that were not preprocessed before",
        )
    if high <= 1 and np.any(pixels % 1):
        raise InputError(
            f"The images hold fractions from {low:g} to {high:g}, so they were scaled to 0..1 before",
            expected="0 to 255",
            mend="Multiply them by 255",
        )
    return pixels


def _check_channels(array, mode):
    if len(_MODES[mode].mean) == 3 and array.shape[-1] != 3:
        raise InputError(
            f"The images have {array.shape[-1]} channels, and the preprocessing {mode!r} is for colours",
            expected="three channels",
            mend="Read them with channels=3, or choose another preprocessing",
        )


def _checked_result(result, shape):
    try:
        array = np.array(result, np.float32)
    except (TypeError, ValueError):
        array = np.empty(0, np.float32)
    if array.ndim != len(shape) or (array.ndim == 4 and len(array) != shape[0]) or not np.isfinite(array).all():
        raise InputError(
            f"The preprocessing function returned {type(result).__name__} of shape {np.shape(result)} "
            f"for images of shape {shape}",
            expected="finite numbers, with as many axes and as many images",
            mend="Correct the function",
        )
    return array
