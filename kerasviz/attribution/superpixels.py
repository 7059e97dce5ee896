"""Ways to divide an image into segments."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kerasviz.errors import InputError, PackageError


def require_scikit_image(segments: str):
    """Refuse a way that needs scikit-image where that is not installed.

    Raises:
        PackageError: it is not.
    """
    try:
        import skimage.segmentation  # noqa: F401
    except ImportError as error:
        raise PackageError(
            f"segments={segments!r} needs scikit-image, which cannot be imported: {error}",
            expected='scikit-image, or segments="grid", an array or a callable',
            mend='Run: pip install "kerasviz[superpixels]"',
        ) from error


def scaled(image):
    """An image scaled to 0 … 1 in float64; one that is the same everywhere is 0."""
    image = image.astype(np.float64)
    low, high = image.min(), image.max()
    return (image - low) / (high - low) if high > low else np.zeros_like(image)


def _slic(image, count):
    from skimage.segmentation import slic

    if image.ndim == 2:
        return _slic(image[:, None], count)[:, 0]
    colours = image.shape[-1] == 3
    # Twice scikit-image's compactness, after a little smoothing: with less, noisy images fall into one segment. The
    # channels of Lab reach to 100, all others to 1.
    return slic(image, count, compactness=20 if colours else 0.2, sigma=1, convert2lab=colours, channel_axis=-1)


def _felzenszwalb(image, count):
    from skimage.segmentation import felzenszwalb

    return felzenszwalb(
        image, scale=100, sigma=0.5, min_size=max(1, image[..., 0].size // (2 * count)), channel_axis=-1
    )


def _quickshift(image, count):
    from skimage.segmentation import quickshift

    colours = image.shape[-1] == 3
    # The channels of Lab reach to 100.
    image = image if colours else 100 * image
    return quickshift(image, ratio=0.2, kernel_size=4, max_dist=200, convert2lab=colours, channel_axis=-1)


def _grid(image, count):
    """Boxes whose sides are as equal as whole numbers of them allow."""
    space = image.shape[:-1]
    side = (np.prod(space) / count) ** (1 / len(space))
    parts = [int(np.clip(round(size / side), 1, size)) for size in space]
    places = np.meshgrid(*(np.arange(n) * k // n for n, k in zip(space, parts, strict=True)), indexing="ij")
    return np.ravel_multi_index(places, parts)


class Method(NamedTuple):
    """A way to divide an image: what it does, of how many axes of space, and of how many channels at most."""

    divide: Callable
    axes: tuple[int, ...]
    channels: float = np.inf

    def check(self, array, own_name, name):
        """Refuse an input that it cannot divide."""
        if array.ndim - 2 not in self.axes or array.shape[-1] > self.channels:
            most = "" if self.channels == np.inf else f" and up to {self.channels} channels"
            raise InputError(
                f"segments={own_name!r} cannot divide the input {name!r} of the shape {array.shape}",
                expected=f"{' or '.join(map(str, self.axes))} axes of space{most}",
                mend='Take segments="grid", or give an array of labels',
            )


#: The ways by name.
METHODS = {
    "slic": Method(_slic, (1, 2, 3)),
    # Felzenszwalb's warns of more channels, and quickshift is made for colours.
    "felzenszwalb": Method(_felzenszwalb, (2,), 3),
    "quickshift": Method(_quickshift, (2,), 3),
    "grid": Method(_grid, tuple(range(1, 30))),
}
