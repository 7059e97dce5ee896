"""A heat map over its image."""

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.plotting.arrays import ends_in_channels, to_maps, to_numbers
from kerasviz.plotting.colors import SIGNED, Palette
from kerasviz.plotting.images import display_image, fit
from kerasviz.plotting.ranges import Scale, limits, normalize, to_level

# The rainbow that readers of Grad-CAM know, without the false bands of jet.
OVERLAY = "turbo"
_STRONGEST = 0.75  # more would hide the very thing that was found


def overlay(
    image,
    values,
    *,
    alpha: float | str | None = None,
    cmap=None,
    signed: bool = False,
    percentile: float | None = None,
    scale: Scale = "image",
    channels: str | bool | None = None,
    value_range: tuple[float, float] | None = None,
) -> np.ndarray:
    """Lays a heat map over its image; `alpha` is the opacity of the heat map, not of the image.

    The map's range is taken from its own values; then it is resized to the image (bilinear, half-pixel
    centres) and coloured as `heatmap` or `signed` would.

    Args:
        image: one image or a batch `(N, H, W, C)`; drawn as `display_image` does. Three axes are `(H, W, C)`
            by *Shapes* in `kerasviz.plotting`, else a batch of grey images.
        values: one map for one image, N maps for N; their height and width may differ from the image's.
        alpha: 0 shows the image alone, 1 the heat map alone, and `"value"` makes the opacity proportional
            to the strength, from 0 to 0.75, so that the photograph stays clear where nothing was found. By
            default 0.5, and `"value"` if signed, where a white middle would veil the photograph.
        cmap: colour map; `"turbo"`, or `"RdBu_r"` if signed.
        signed: whether negative values mean something.
        percentile: where the range ends. By default 100, for a heat map is smooth and its peak is no outlier;
            99 if signed.
        scale: `"image"`, `"batch"` or `(low, high)`.
        channels: how channels of the map are reduced; `"max_abs"`, or `"sum"` if signed.
        value_range: the values of the image drawn black and white; see `display_image`.

    Returns:
        `uint8`, `(H, W, 3)`, or `(N, H, W, 3)` for a batch.

    Raises:
        InputError: wrong shape or type, NaN or infinity (the sample is named), maps and images that do not
            pair up.
        SettingError: unknown colour map, reduction, percentile, scale or alpha.

    Example:
        >>> photo = np.zeros((24, 40, 3), np.uint8)
        >>> overlay(photo, [[1.0, 0.0], [0.0, 0.0]]).shape
        (24, 40, 3)
    """
    alpha = check_alpha(alpha, signed=signed)
    palette = Palette.of((SIGNED if signed else OVERLAY) if cmap is None else cmap, signed=signed)
    photos = to_numbers(image, "The image")
    if photos.ndim == 3 and np.ndim(values) != 2 and not ends_in_channels(photos.shape):
        photos = photos[..., None]
    photos = display_image(photos, value_range=value_range)
    one = photos.ndim == 3
    maps, single = to_maps(values, channels, "sum" if signed else "max_abs")
    if one != single or (not one and len(photos) != len(maps)):
        raise InputError(
            f"{'One image' if one else f'{len(photos)} images'} of the shape {np.shape(image)} came with "
            f"{'one map' if single else f'{len(maps)} maps'} of the shape {np.shape(values)}",
            expected="one map for each image",
            mend="Index both alike, as in overlay(images[0], values[0])",
        )
    photos = photos[None] if one else photos
    percentile = default_percentile("heatmap", signed=signed) if percentile is None else percentile
    ranges = limits(maps, signed=signed, percentile=percentile, scale=scale)
    unit = normalize(maps, ranges, signed=signed)
    pictures = blend(photos, np.stack([fit(each, photos.shape[1:3]) for each in unit]), palette, alpha)
    return pictures[0] if one else pictures


def default_percentile(kind: str, *, signed: bool) -> float:
    """100 for unsigned heat maps, which are smooth and whose peak is no outlier; 99 otherwise."""
    return 100 if kind == "heatmap" and not signed else 99


def check_alpha(alpha, *, signed: bool) -> float | str:
    """The opacity to use; refuses what is none."""
    if alpha is None:
        return "value" if signed else 0.5
    if alpha == "value" or (isinstance(alpha, (int, float, np.number)) and 0 <= alpha <= 1):
        return alpha
    raise SettingError(
        f"The opacity alpha={alpha!r} is out of range",
        expected='a number from 0 (the image alone) to 1 (the heat map alone), or "value"',
        mend="Use 0.5 to see both",
    )


def blend(photos: np.ndarray, unit: np.ndarray, palette: Palette, alpha: float | str) -> np.ndarray:
    """Mixes photos `(..., H, W, 3)` with the colours of normalized maps `(..., H, W)`."""
    opacity = _STRONGEST * np.abs(unit)[..., None] if alpha == "value" else alpha
    return to_level(photos * (1.0 - opacity) + palette.paint(unit) * opacity).astype(np.uint8)
