"""What a network of images expects: the size of its input, and the range of its pixel values."""

import warnings
from dataclasses import replace

import numpy as np

from kerasviz import data
from kerasviz.cli.models import Opened, require_image_input
from kerasviz.cli.pictures import Frame
from kerasviz.errors import KerasvizWarning, SettingError
from kerasviz.network.layers import Address

#: Networks are trained on values that span a few units. Where black and white come out of the first layers this
#: near to each other, pixels of 0..255 went in; where black comes out this far below zero, too.
_NEAR, _FAR_BELOW = 16.0, -16.0
_FREE_SIDE = 64


def frame_of(opened: Opened, sides: tuple[int, int] | None, fit: str) -> Frame:
    """How pictures are brought to the size of a network.

    Args:
        opened: the model.
        sides: height and width that were asked for, for a network that takes any.
        fit: as for `kerasviz.data.load_image`.

    Raises:
        ModelError: it takes no images.
        SettingError: it takes another size.
    """
    height, width, channels = require_image_input(opened)
    if sides is not None and any(own not in (None, asked) for own, asked in zip((height, width), sides, strict=True)):
        raise SettingError(
            f"A size of {sides[0]}x{sides[1]}",
            expected=f"{height}x{width}, the size that the model {opened.network.name!r} takes",
            mend="Leave the size out",
        )
    return Frame(*(sides or (height, width)), channels, fit)


def with_preprocess(opened: Opened, frame: Frame) -> Opened:
    """The model with the mode of preprocessing that it seems to be made for, if none is known.

    Raises:
        InputError: the mode is for colours, and the network for greys.
    """
    if opened.preprocess is None:
        mode = guess_preprocess(opened.network)
        opened = replace(opened, preprocess=mode, preprocess_name=mode)
    data.preprocess(np.zeros((frame.height or 1, frame.width or 1, frame.channels), np.uint8), opened.preprocess)
    return opened


def guess_preprocess(network) -> str:
    """The mode of `kerasviz.data.preprocess` that a network of one image seems to be made for.

    A black and a white image are sent through the layers before the first one with a kernel: `Rescaling`,
    `Normalization`, or arithmetic on the input.

    Args:
        network: a `kerasviz.Network`.

    Returns:
        "none" for a network that scales 0..255 itself, or takes integers; else "scale".

    Warns:
        KerasvizWarning: nothing tells, so that "scale" is a guess.
    """
    spec = network.inputs.specs[0]
    if not spec.floating:
        return "none"
    black, white = _ends(network, spec)
    if abs(white - black).max() <= _NEAR or black.min() <= _FAR_BELOW:
        return "none"
    if np.allclose(white - black, 255) and np.allclose(black, 0):
        warnings.warn(
            f"Nothing in {network.name!r} tells what pixel values it takes: 0..1 is assumed. Name what it was trained "
            "with by --preprocess (scale, tf, torch, caffe, none, ...)",
            KerasvizWarning,
            stacklevel=2,
        )
    return "scale"


def _ends(network, spec):
    """What a black and a white image have become where the network proper begins, by channel."""
    size = [side or _FREE_SIDE for side in spec.shape[1:3]]
    images = np.zeros((2, *size, spec.shape[3]), "float32")
    images[1] = 255
    place = _last_before_kernels(network)
    if place is not None:
        images = network.activations(images, place)[str(place)]
    return images.mean(axis=tuple(range(1, images.ndim - 1)))


def _last_before_kernels(network):
    calls = network.trace.calls
    first = next((i for i, call in enumerate(calls) if network.entry(call.path).kernel), len(calls))
    if first == len(calls):
        return None
    before = [call for call in calls[:first] if call.shape is not None and len(call.shape) == 4]
    return Address(before[-1].path, before[-1].index) if before else None
