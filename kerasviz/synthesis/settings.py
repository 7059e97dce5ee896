"""What makers of images are asked for: the size and the range of values of the images, and their preprocessing."""

from collections.abc import Callable

import numpy as np

from kerasviz.data.preprocessing import as_function, check_mode
from kerasviz.errors import SettingError
from kerasviz.network import Network
from kerasviz.synthesis.spaces import ImageSpace

#: No range of values.
UNBOUNDED = (-np.inf, np.inf)


def space_of(
    network: Network,
    number: int,
    *,
    size: int | tuple[int, int] | None = None,
    preprocess: str | Callable | None = None,
    value_range: tuple[float, float] | None = None,
) -> ImageSpace:
    """The images that can be made for a network.

    Args:
        network: the network.
        number: of the input that is made, among the flat ones.
        size: height and width, or one number for both; None for those of the network. Where the network has a size of
            its own, images of another are resized before it sees them.
        preprocess: what happens to images before the network takes them: a mode of `kerasviz.data.preprocess`, whose
            images are 0 to 255, or a differentiable function of tensors that keeps their shape; None if the network
            takes them as they are.
        value_range: the smallest and the largest value of images, before `preprocess`; None for 0 to 255 if that is a
            mode. `(-inf, inf)` for no range.

    Raises:
        SettingError: the size or the range is not known or wrong, or the input is no image.
    """
    spec = network.inputs.specs[number]
    if len(spec.shape) != 4 or spec.shape[3] is None:
        raise SettingError(
            f"The input {spec.name!r} of {network.name!r} has the shape {spec.shape}",
            expected="images, (N, H, W, C), of a known number of channels",
            mend="Pass input= for another, if the model has one",
        )
    low, high = _range(value_range, preprocess)
    return ImageSpace(*_size(size, spec.shape[1:3], network.name), spec.shape[3], low, high)


def preparation(preprocess: str | Callable | None) -> Callable:
    """The preprocessing of images as a function of tensors; see `space_of`.

    Raises:
        SettingError: the mode is unknown.
    """
    return as_function(preprocess)


def preprocess_name(preprocess: str | Callable | None) -> str | None:
    """What to call a preprocessing in a manifest."""
    return getattr(preprocess, "__name__", str(preprocess)) if callable(preprocess) else preprocess


def checked_range(value_range) -> tuple[float, float]:
    """The smallest and the largest value of images, both infinite where there is no range.

    Raises:
        SettingError: it is no such pair.
    """
    try:
        low, high = map(float, value_range)
    except (TypeError, ValueError):
        low = high = np.nan
    if (low, high) != UNBOUNDED and not -np.inf < low < high < np.inf:
        raise SettingError(
            f"value_range={value_range!r}",
            expected="the smallest and the largest value of images, such as (0, 255); both infinite for no range",
            mend="Look at what the network was trained on; a generator that ends in tanh makes (-1, 1)",
        )
    return low, high


def _range(given, preprocess):
    if given is None:
        known = preprocess is not None and not callable(preprocess)
        if not known:
            raise SettingError(
                "value_range is not given, and without a preprocessing mode it is not known",
                expected="the smallest and the largest value of images, before any preprocessing",
                mend="value_range=(0, 255) for networks that rescale by themselves, (0, 1) or (-1, 1) for networks "
                "that were trained on such values, (-inf, inf) for no range; or preprocess='tf' and the like",
            )
        check_mode(preprocess)
        return 0.0, 255.0
    return checked_range(given)


def _size(given, own, name):
    if given is None:
        if None in own:
            raise SettingError(
                f"The model {name!r} takes images of any size", expected="a size", mend="Pass size=(height, width)"
            )
        return own
    sides = (given, given) if isinstance(given, int | np.integer) else given
    try:
        height, width = sides
        whole = all(isinstance(side, int | np.integer) and not isinstance(side, bool) and side > 0 for side in sides)
    except (TypeError, ValueError):
        whole = False
    if not whole:
        raise SettingError(
            f"size={given!r}", expected="(height, width), or one number for both", mend="Leave it out for the model's"
        )
    return int(height), int(width)
