"""Pictures of convolution weights."""

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.plotting.arrays import REDUCTIONS, check_finite, check_reduction, to_numbers
from kerasviz.plotting.montage import grid
from kerasviz.plotting.notices import warn
from kerasviz.plotting.ranges import Scale, limits, normalize, to_level

_SIDE = 64  # filters and input channels drawn at most, each
_WIDTH = 1000  # pixels that the automatic zoom aims below
_TILE = 48


def filters(
    kernels,
    *,
    channels: str | bool | None = None,
    depthwise: bool = False,
    scale: Scale = "image",
    percentile: float = 100,
    cols: int | None = None,
    pad: int = 1,
    zoom: int | None = None,
    fill=255,
) -> np.ndarray:
    """Draws convolution weights as tiles; a weight of zero is mid-grey (128), positive is brighter.

    ==================================  ============================================================
    weights                             tiles
    ==================================  ============================================================
    `(kh, kw, 3, cout)`                 one colour tile a filter
    `(kh, kw, 1, cout)`                 one grey tile a filter
    `(kh, kw, cin, cout)`               a row of grey tiles a filter, one for each input channel
    the same, `channels` given          one grey tile a filter, input channels reduced
    `(kh, kw, cin, m)`, `depthwise`     one grey tile for each input channel and multiple
    `(k, cin, cout)`                    one grey tile a filter: input channels down, steps across
    `(kd, kh, kw, cin, cout)`           a row of tiles a filter and input channel, one for each slice;
                                        colour tiles if `cin` is 3
    ==================================  ============================================================

    At most 64 filters and 64 input channels are drawn, with a warning if there are more: slice the weights to
    choose others. The kernel of a transposed convolution is `(kh, kw, cout, cin)`: swap its last two axes.

    Args:
        kernels: weights as Keras stores them.
        channels: a reduction over the input channels (see `reduce_channels`), or `False` for grey tiles also
            where there are three.
        depthwise: whether these are depthwise weights, whose shape alone does not tell.
        scale: `"image"` gives each filter its own symmetric range, `"batch"` all the same one, `(low, high)`
            a fixed one. See *Range* in `kerasviz.plotting`.
        percentile: where the range ends; 100 by default, for a filter has few weights and no outliers to
            spare.
        cols: tiles in a row, where the table does not settle it.
        pad: pixels between tiles.
        zoom: pixels a weight, without smoothing. By default tiles of up to 48 pixels in a picture of about
            1000.
        fill: colour between tiles.

    Returns:
        `uint8`, `(H, W, 3)`.

    Raises:
        InputError: another number of axes, NaN or infinity.
        SettingError: an unknown reduction, wrong scale or zoom.

    Example:
        >>> edge = np.array([[-1.0, 0.0, 1.0]] * 3)[..., None, None]
        >>> filters(edge, zoom=1)[1, 1:4, 0].tolist()
        [0, 128, 255]
    """
    weights = _read(kernels)
    if channels not in (None, False):
        check_reduction(channels)
    if zoom is not None and (not isinstance(zoom, (int, np.integer)) or zoom < 1):
        raise SettingError(f"zoom={zoom!r} is no magnification", expected="whole pixels, 1 or more", mend="Use zoom=8")
    if weights.ndim == 3:
        # A signal's filter is one tile (cin, k).
        by_filter = np.moveaxis(weights, -1, 0).swapaxes(1, 2)[:, None, :, :, None]
    elif depthwise:
        if weights.ndim != 4:
            raise InputError(
                f"The depthwise weights have the shape {weights.shape}",
                expected="(kh, kw, cin, multiplier)",
                mend="Leave depthwise out",
            )
        by_filter = weights.reshape(*weights.shape[:2], -1).transpose(2, 0, 1)[:, None, :, :, None]
    else:
        by_filter = _rows(weights, channels)

    # (filters, tiles a filter, kh, kw, 1 or 3)
    ranges = limits(by_filter, signed=True, percentile=percentile, scale=scale)
    unit = normalize(by_filter, ranges, signed=True)
    tiles = to_level(127.5 + 127.5 * unit).astype(np.uint8)
    a_row = tiles.shape[1]
    tiles = tiles.reshape(-1, *tiles.shape[2:])
    if cols is None:
        cols = a_row if a_row > 1 else int(np.ceil(np.sqrt(len(tiles))))
    zoom = zoom or _zoom(tiles.shape[1:3], cols, pad)
    tiles = tiles.repeat(zoom, axis=1).repeat(zoom, axis=2)
    return grid(list(tiles), cols=cols, pad=pad, fill=fill)


def _read(kernels) -> np.ndarray:
    weights = to_numbers(kernels, "The kernel")
    if weights.ndim not in (3, 4, 5):
        raise InputError(
            f"The kernel has the shape {weights.shape}",
            expected="(k, cin, cout), (kh, kw, cin, cout) or (kd, kh, kw, cin, cout)",
            mend="Pass layer.kernel of a convolution",
        )
    weights = weights.astype(np.float64)
    check_finite(weights[None], "kernel", single=True)
    cin, cout = weights.shape[-2:]
    if cin > _SIDE or cout > _SIDE:
        drawn = f"the first {min(cin, _SIDE)} and {min(cout, _SIDE)} are drawn"
        warn(f"Of {cin} input channels and {cout} filters {drawn}")
    return weights[..., :_SIDE, :_SIDE]


def _rows(weights: np.ndarray, channels) -> np.ndarray:
    """`(filters, tiles a filter, kh, kw, 1 or 3)` of a dense convolution in two or three dimensions."""
    if channels not in (None, False):
        weights = REDUCTIONS[channels](np.moveaxis(weights, -2, -1))[..., None, :]
    colored = weights.shape[-2] == 3 and channels is not False
    if weights.ndim == 4:
        by_filter = weights.transpose(3, 2, 0, 1)
        return by_filter.transpose(0, 2, 3, 1)[:, None] if colored else by_filter[..., None]
    if colored:
        return weights.transpose(4, 0, 1, 2, 3)
    by_channel = weights.transpose(4, 3, 0, 1, 2)
    return by_channel.reshape(-1, *by_channel.shape[2:])[..., None]


def _zoom(shape: tuple[int, int], cols: int, pad: int) -> int:
    height, width = shape
    return max(1, min(_TILE // max(height, width), (_WIDTH // cols - pad) // width))
