"""Explanations as matplotlib figures."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.plotting.arrays import REDUCTIONS, check_finite, check_reduction, to_numbers
from kerasviz.plotting.colors import SIGNED, UNSIGNED, Palette
from kerasviz.plotting.compose import OVERLAY, blend, check_alpha, default_percentile
from kerasviz.plotting.counts import check_count, drawable
from kerasviz.plotting.images import fit
from kerasviz.plotting.montage import layout, read_pictures
from kerasviz.plotting.ranges import Scale, limits, normalize

_SIGNAL_CHANNELS = 16


def figure(
    images,
    columns: Mapping | Sequence,
    *,
    titles: Sequence[str] | None = None,
    row_titles: Sequence[str] | None = None,
    image_title: str = "",
    value_range: tuple[float, float] | None = None,
    tile: float = 2.2,
    dpi: float = 150,
):
    """Compares pictures: a row for each image, the image first, then a column for each way to explain it.

    At most 64 rows are drawn, with a warning if there are more.

    Args:
        images: N images, a batch or a list, drawn as `display_image` does; `None` for no such column.
        columns: `{title: N pictures}`, or a list of them with `titles`. Colour maps by `heatmap`, `signed` or
            `overlay` first: a raw map would be drawn as a grey image.
        titles: the titles of `columns`, where that is a list.
        row_titles: N texts beside the rows, such as class names.
        image_title: the title of the column of images.
        value_range: the values of the images drawn black and white; see `display_image`.
        tile: width of a column in inches; a row is as high as its pictures' proportions ask.
        dpi: dots an inch, on the screen and in a file.

    Returns:
        A matplotlib `Figure`, unknown to pyplot: a notebook shows it, `fig.savefig(path)` writes it.

    Raises:
        InputError: columns or titles that differ in number, or a picture that cannot be drawn.

    Example:
        >>> from kerasviz.plotting import heatmap, overlay
        >>> photos = np.zeros((2, 24, 40, 3), np.uint8)
        >>> maps = np.random.default_rng(0).random((2, 24, 40))
        >>> fig = figure(photos, {"saliency": heatmap(maps), "overlay": overlay(photos, maps)})
        >>> len(fig.axes)
        6
    """
    from kerasviz.plotting.canvas import Tile, draw_sheet

    if isinstance(columns, Mapping):
        titles = list(columns) if titles is None else titles
        columns = list(columns.values())
    columns = [read_pictures(column) for column in columns]
    if images is not None:
        columns.insert(0, read_pictures(images, value_range=value_range))
    if not columns:
        raise InputError("Nothing was given to draw", expected="images or columns", mend="Pass a column")
    counts = [len(column) for column in columns]
    if len(set(counts)) > 1:
        raise InputError(
            f"The columns hold {', '.join(map(str, counts))} pictures",
            expected="as many in each as there are images",
            mend="Explain the same batch in each column",
        )
    explained = len(columns) - (images is not None)
    check_count(titles, explained, "titles", "columns")
    check_count(row_titles, counts[0], "row titles", "images")
    heads = [image_title] * (images is not None) + list(titles or [""] * explained)
    rows = [[Tile(picture) for picture in row] for row in zip(*columns, strict=True)]
    return draw_sheet(rows[: drawable(len(rows))], column_titles=heads, row_titles=row_titles or (), tile=tile, dpi=dpi)


def plot(
    values,
    images=None,
    *,
    signed: bool,
    kind: str = "pixels",
    titles: Sequence[str] | None = None,
    colorbar: bool = False,
    cmap=None,
    percentile: float | None = None,
    scale: Scale = "image",
    alpha: float | str | None = None,
    channels: str | None = None,
    value_range: tuple[float, float] | None = None,
    dims: int | None = None,
    cols: int | None = None,
    tile: float | None = None,
    dpi: float = 150,
):
    """Draws a batch of explanations as their kind asks: each image with its map.

    ==========  =========  ===================================================================================
    kind        signed     picture
    ==========  =========  ===================================================================================
    `heatmap`   no         the image, and the map over it (`overlay`, turbo)
    `heatmap`   yes        the same, diverging: as opaque as it is strong
    `pixels`    no         the image, and the map beside it (`heatmap`, inferno)
    `pixels`    yes        the same, diverging (`signed`, RdBu_r)
    ==========  =========  ===================================================================================

    *Signals* are drawn as curves above a band of their attribution, a row of the band for each channel.
    *Volumes* are drawn as a strip of at most 8 slices, evenly spaced, the strongest always among them.
    At most 64 samples are drawn, with a warning if there are more.

    Red raises the target and blue lowers it; a magnitude says nothing of the direction, and a map that went
    through a ReLU hides all evidence against. Ranges differ from map to map unless `scale` says otherwise:
    strengths of two images cannot be compared by their colours.

    Args:
        values: `(N, T)`, `(N, H, W)` or `(N, D, H, W)`, with or without a channel axis at the end.
        images: N images as they should be shown; a batch, or for pictures a list of any sizes. `None` draws
            maps alone.
        signed: whether negative values mean something.
        kind: `"pixels"` or `"heatmap"`.
        titles: a text above each sample.
        colorbar: draws the range beside each map.
        cmap: colour map, see the table.
        percentile: where the range ends; by default 99, but 100 for unsigned heat maps. See *Range* in
            `kerasviz.plotting`.
        scale: `"image"`, `"batch"` or `(low, high)`.
        alpha: opacity of a heat map over its image; see `overlay`.
        channels: how the map's channels are reduced; `"sum"` if signed, else `"max_abs"`. Up to 16 channels
            of a signal stay apart unless this is given.
        value_range: the values of the images drawn black and white; see `display_image`.
        dims: spatial axes, 1 for signals, 2 for pictures, 3 for volumes. Found from the axes of `images` if
            left out; where three axes could be signals `(N, T, C)` or grey pictures `(N, H, W)`, a last axis
            shorter than the one before and of at most 16 means signals, unless the type is `uint8`.
        cols: samples side by side; by default about as many as make the figure square.
        tile: width of a picture in inches (2.2; 1.3 for slices; 6.5 for signals).
        dpi: dots an inch, on the screen and in a file.

    Returns:
        A matplotlib `Figure`, unknown to pyplot: a notebook shows it, `fig.savefig(path)` writes it.

    Raises:
        InputError: wrong shape or type, NaN or infinity (the sample is named), or another number of images.
        SettingError: an unknown kind, colour map, reduction, percentile, scale, alpha or cols.

    Example:
        >>> photos = np.zeros((2, 24, 40, 3), np.uint8)
        >>> fig = plot(np.random.default_rng(0).random((2, 24, 40)), photos, signed=False, kind="heatmap")
        >>> len(fig.axes)
        4
    """
    if kind not in ("pixels", "heatmap"):
        raise SettingError(f"kind={kind!r} is unknown", expected='"pixels" or "heatmap"', mend="Choose one")
    alpha = check_alpha(alpha, signed=signed)
    if channels is not None:
        check_reduction(channels)
    default = SIGNED if signed else OVERLAY if kind == "heatmap" else UNSIGNED
    palette = Palette.of(default if cmap is None else cmap, signed=signed)
    array = to_numbers(values, "The map")
    if not isinstance(images, (list, tuple, type(None))):
        images = to_numbers(images, "The batch of images")
    dims = _spatial_axes(array, images, kind, dims)
    count = len(array)
    if images is not None and len(images) != count:
        raise InputError(
            f"{len(images)} images were given with {count} maps",
            expected="one image a map",
            mend="Pass the same batch",
        )
    check_count(titles, count, "titles", "maps")
    maps = _to_maps(array, dims, channels, signed=signed)
    percentile = default_percentile(kind, signed=signed) if percentile is None else percentile

    most = drawable(count)
    maps, titles = maps[:most], list(titles or [""] * count)[:most]
    images = None if images is None else images[:most]
    ranges = limits(maps, signed=signed, percentile=percentile, scale=scale)
    unit = normalize(maps, ranges, signed=signed)
    if dims == 1:
        from kerasviz.plotting.signals import draw_signals

        return draw_signals(
            unit,
            maps if images is None else images,
            titles,
            palette,
            ranges,
            bars=colorbar,
            width=tile or 6.5,
            dpi=dpi,
        )
    from kerasviz.plotting.canvas import Bar

    bars = [Bar(palette, *ends) if colorbar and ends[0] < ends[1] else None for ends in ranges]
    opacity = alpha if kind == "heatmap" else 1
    if dims == 3:
        from kerasviz.plotting.volumes import draw_volumes

        return draw_volumes(unit, images, titles, palette, opacity, bars, value_range, tile=tile or 1.3, dpi=dpi)
    photos = None if images is None else read_pictures(images, value_range=value_range)
    return _draw_pictures(unit, photos, titles, palette, opacity, bars, cols=cols, tile=tile or 2.2, dpi=dpi)


def _draw_pictures(unit, photos, titles, palette, opacity, bars, *, cols, tile, dpi):
    from kerasviz.plotting.canvas import Tile, draw_sheet

    samples = []
    for index, values in enumerate(unit):
        if photos is None:
            samples.append([Tile(palette.paint(values), titles[index], bars[index])])
            continue
        if opacity == 1:
            picture = palette.paint(values)
        else:
            picture = blend(photos[index], fit(values, photos[index].shape[:2]), palette, opacity)
        samples.append([Tile(photos[index], titles[index]), Tile(picture, "", bars[index])])
    group = len(samples[0])
    cols = layout(len(samples), None, cols or max(1, round(math.sqrt(len(samples) / group))))[1]
    rows = [list(chain(*samples[first : first + cols])) for first in range(0, len(samples), cols)]
    return draw_sheet(rows, group=group, tile=tile, dpi=dpi)


def _spatial_axes(values: np.ndarray, images, kind: str, dims: int | None) -> int:
    if dims is None:
        if isinstance(images, (list, tuple)):
            dims = 2
        elif images is not None:
            dims = 2 if _are_grey(images) else max(images.ndim - 2, 1)
        else:
            dims = values.ndim - 1 if kind == "heatmap" else {2: 1, 3: 2, 4: 2, 5: 3}.get(values.ndim, 0)
    if dims not in (1, 2, 3) or values.ndim - dims not in (1, 2):
        raise InputError(
            f"The maps have the shape {values.shape}"
            + (f", the images {np.shape(images)}" if isinstance(images, np.ndarray) else "")
            + f", read as dims={dims}",
            expected="(N, T), (N, H, W) or (N, D, H, W), with or without a channel axis at the end",
            mend="Keep the batch axis, and say dims=1 for signals, 2 for pictures, 3 for volumes",
        )
    return dims


def _are_grey(images: np.ndarray) -> bool:
    """Whether three axes are pictures `(N, H, W)` rather than signals `(N, T, C)`."""
    if images.ndim != 3:
        return False
    few = images.shape[2] <= _SIGNAL_CHANNELS and images.shape[2] < images.shape[1]
    return images.dtype == np.uint8 or not few


def _to_maps(array: np.ndarray, dims: int, channels: str | None, *, signed: bool) -> np.ndarray:
    """`(N, *spatial)` floats; signals keep a few channels, `(N, T, C)`."""
    maps = array.astype(np.float64)
    check_finite(maps, "map")
    if maps.ndim == dims + 1:
        return maps[..., None] if dims == 1 else maps
    if dims == 1 and channels is None and maps.shape[-1] <= _SIGNAL_CHANNELS:
        return maps
    maps = REDUCTIONS[channels or ("sum" if signed else "max_abs")](maps)
    return maps[..., None] if dims == 1 else maps
