"""Pictures of convolution weights."""

from collections.abc import Sequence

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.plotting.arrays import REDUCTIONS, check_finite, check_reduction, to_numbers
from kerasviz.plotting.montage import grid
from kerasviz.plotting.notices import warn
from kerasviz.plotting.ranges import Scale, limits, normalize, to_level

_LIMIT = 64
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
    limit: int | None = _LIMIT,
) -> np.ndarray:
    """Draws convolution weights as tiles; a weight of zero is mid-grey (128), positive is brighter.

    ==================================  ============================================================
    weights                             tiles
    ==================================  ============================================================
    `(kh, kw, 3, cout)`                 one colour tile a filter
    `(kh, kw, 1, cout)`                 one grey tile a filter
    `(kh, kw, cin, cout)`               a row of grey tiles a filter, one for each input channel
    `(kh, kw, cin, m)`, `depthwise`     one grey tile for each input channel and multiple
    `(k, cin, cout)`                    one grey tile a filter: input channels down, steps across
    `(kd, kh, kw, cin, cout)`           a row of tiles a filter and input channel, one for each slice;
                                        colour tiles if `cin` is 3
    any but depthwise, with `channels`  the same for one input channel, to which they are reduced
    ==================================  ============================================================

    The kernel of a transposed convolution is `(kh, kw, cout, cin)`: swap its last two axes. A filter of zeros is
    drawn in mid-grey, with a warning.

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
        limit: filters and input channels drawn at most, each, with a warning if there are more; None for all.
            Slice the weights to choose others.

    Returns:
        `uint8`, `(H, W, 3)`.

    Raises:
        InputError: another number of axes, NaN or infinity.
        SettingError: an unknown reduction, wrong scale, zoom or limit.

    Example:
        >>> edge = np.array([[-1.0, 0.0, 1.0]] * 3)[..., None, None]
        >>> filters(edge, zoom=1)[1, 1:4, 0].tolist()
        [0, 128, 255]
    """
    tiles = kernel_tiles(
        kernels, channels=channels, depthwise=depthwise, scale=scale, percentile=percentile, limit=limit
    )
    return join(tiles, cols=cols, pad=pad, zoom=zoom, fill=fill)


def kernel_tiles(
    kernels,
    *,
    channels: str | bool | None = None,
    depthwise: bool = False,
    scale: Scale = "image",
    percentile: float = 100,
    limit: int | None = _LIMIT,
    numbers: Sequence[int] | None = None,
) -> np.ndarray:
    """The tiles of `filters`, one pixel a weight.

    Args:
        kernels: as for `filters`, and so are the others.
        channels: a reduction.
        depthwise: whether these are depthwise weights.
        scale: the range.
        percentile: its end.
        limit: filters and input channels at most.
        numbers: what the filters are called in warnings, where they are a choice.

    Returns:
        `uint8` `(filters, rows a filter, tiles a row, kh, kw, 1 or 3)`.
    """
    check_limit(limit)
    weights = _read(kernels, limit)
    if channels not in (None, False):
        check_reduction(channels)
        if not depthwise:
            weights = REDUCTIONS[channels](np.moveaxis(weights, -2, -1))[..., None, :]
    if weights.ndim == 3:
        # A signal's filter is one tile (cin, k).
        by_filter = np.moveaxis(weights, -1, 0).swapaxes(1, 2)[:, None, None, :, :, None]
    elif depthwise:
        if weights.ndim != 4:
            raise InputError(
                f"The depthwise weights have the shape {weights.shape}",
                expected="(kh, kw, cin, multiplier)",
                mend="Leave depthwise out",
            )
        by_filter = weights.reshape(*weights.shape[:2], -1).transpose(2, 0, 1)[:, None, None, :, :, None]
    else:
        by_filter = _rows(weights, colored=weights.shape[-2] == 3 and channels is not False)
    ranges = _ranges(by_filter, percentile, scale, range(len(by_filter)) if numbers is None else numbers)
    unit = normalize(by_filter, ranges, signed=True)
    return to_level(127.5 + 127.5 * unit).astype(np.uint8)


def join(tiles: np.ndarray, *, cols: int | None = None, pad: int = 1, zoom: int | None = None, fill=255) -> np.ndarray:
    """The tiles of `kernel_tiles` as one picture; for the arguments see `filters`."""
    if zoom is not None and (not isinstance(zoom, (int, np.integer)) or zoom < 1):
        raise SettingError(f"zoom={zoom!r} is no magnification", expected="whole pixels, 1 or more", mend="Use zoom=8")
    a_row = tiles.shape[2]
    tiles = tiles.reshape(-1, *tiles.shape[3:])
    if cols is None:
        cols = a_row if a_row > 1 else int(np.ceil(np.sqrt(len(tiles))))
    zoom = zoom or _zoom(tiles.shape[1:3], cols, pad)
    tiles = tiles.repeat(zoom, axis=1).repeat(zoom, axis=2)
    return grid(list(tiles), cols=cols, pad=pad, fill=fill)


def check_limit(limit) -> None:
    """Refuses a number of filters that is none."""
    if limit is not None and (not isinstance(limit, (int, np.integer)) or isinstance(limit, bool) or limit < 1):
        raise SettingError(
            f"limit={limit!r} is no number of filters", expected="1 or more, or None for all", mend="Use limit=64"
        )


def _read(kernels, limit) -> np.ndarray:
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
    if limit is not None and max(cin, cout) > limit:
        drawn = f"the first {min(cin, limit)} and {min(cout, limit)} are drawn"
        warn(f"Of {cin} input channels and {cout} filters {drawn}: limit draws more")
    return weights[..., :limit, :limit]


def _rows(weights: np.ndarray, *, colored: bool) -> np.ndarray:
    """The tiles of a dense convolution in two or three dimensions, as weights."""
    if weights.ndim == 4:
        if colored:
            return weights.transpose(3, 0, 1, 2)[:, None, None]
        return weights.transpose(3, 2, 0, 1)[:, None, ..., None]
    if colored:
        return weights.transpose(4, 0, 1, 2, 3)[:, None]
    return weights.transpose(4, 3, 0, 1, 2)[..., None]


def _ranges(by_filter, percentile, scale, numbers) -> np.ndarray:
    """The range of each filter. Unlike a constant map, a constant filter has one: it weighs its inputs alike."""
    weights = by_filter.reshape(len(by_filter), -1)
    alive = weights.any(axis=1)
    # With their mirror image, constant weights are not constant.
    mirrored = np.concatenate([weights, -weights], axis=1)[alive] if alive.any() else np.array([[-1.0, 1.0]])
    ranges = np.zeros((len(weights), 2))
    found = limits(mirrored, signed=True, percentile=percentile, scale=scale)
    if alive.any():
        ranges[alive] = found
    if not alive.all():
        dead = [number for number, lives in zip(numbers, alive, strict=False) if not lives]
        listed = ", ".join(map(str, dead[:8])) + (", …" if len(dead) > 8 else "")
        warn(f"{'Filter' if len(dead) == 1 else 'Filters'} {listed} {'is' if len(dead) == 1 else 'are'} zero")
    return ranges


def _zoom(shape: tuple[int, int], cols: int, pad: int) -> int:
    height, width = shape
    return max(1, min(_TILE // max(height, width), (_WIDTH // cols - pad) // width))
