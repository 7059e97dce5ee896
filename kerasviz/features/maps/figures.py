"""Figures of feature maps: each image, and beside it the channels that were chosen for it.

Each function takes `values`, a dict of `(N, *space, C)` by the path of the layer; `images`, N of them or None; and
`chosen`, a dict of the channels of each image by path. The style is that of `Activations.plot`.
"""

import numpy as np

from kerasviz import plotting
from kerasviz.errors import InputError, SettingError
from kerasviz.features.maps.pictures import palette_of, unit_maps
from kerasviz.plotting.compose import OVERLAY, blend
from kerasviz.plotting.counts import drawable
from kerasviz.plotting.images import fit
from kerasviz.plotting.montage import read_pictures

_BANDS = 16  # channels of a signal that one figure keeps apart
_OPACITY = 0.5
_BAR_TILE, _BAR_HEIGHT, _BAR_WIDTH, _BAR_LEFT = 1.2, 1.2, 6.5, 0.6  # inches


def draw_pictures(values, images, chosen, *, signed, cmap, overlay, value_range, tile, dpi, **ranges):
    """A row for each image and layer: the image first, then its channels, or the image under each of them."""
    from kerasviz.plotting.canvas import Tile, draw_sheet

    if overlay and images is None:
        raise SettingError("overlay=True without images", expected="images to lay maps over", mend="Pass the batch")
    count = len(next(iter(values.values())))
    photos = None if images is None else read_pictures(images, value_range=value_range)
    rows, titles = [], []
    for i in range(drawable(count * len(values)) // len(values) or 1):
        for number, (path, maps) in enumerate(values.items()):
            palette = palette_of(maps[i], signed, cmap, **({"default": OVERLAY} if overlay else {}))
            units, _ = unit_maps(maps[i], chosen[path][i], signed=palette.signed, **ranges)
            if overlay:
                opacity = "value" if palette.signed else _OPACITY
                size = photos[i].shape[:2]
                pictures = [blend(photos[i], fit(each, size), palette, opacity) for each in units]
            else:
                pictures = list(palette.paint(units))
            texts = [f"channel {channel}: {_peak(maps[i, ..., channel])}" for channel in chosen[path][i]]
            row = [Tile(picture, text) for picture, text in zip(pictures, texts, strict=True)]
            if photos is not None:
                row.insert(0, Tile(photos[i]) if number == 0 else None)
            rows.append(row)
            titles.append(path)
    return draw_sheet(rows, row_titles=titles, tile=tile, dpi=dpi)


def draw_signals(values, images, chosen, *, scale, percentile, signed, cmap, value_range, dpi, **_):
    """Each signal's curves over a band for each of its channels."""
    (path, maps), *_ = values.items()
    if len(chosen[path][0]) > _BANDS:
        raise SettingError(
            f"{len(chosen[path][0])} channels of the layer {path!r} in one figure of signals",
            expected=f"at most {_BANDS}",
            mend="montage() draws any number",
        )
    signed = bool(maps.min() < 0) if signed is None else signed
    ranges = {"signed": signed, "scale": scale, "percentile": percentile}
    units = [unit_maps(one, own, **ranges)[0].T for one, own in zip(maps, chosen[path], strict=True)]
    titles = [f"{path}, image {i}: channels {', '.join(map(str, own))}" for i, own in enumerate(chosen[path])]
    return _plot(np.stack(units), images, titles, signed=signed, cmap=cmap, value_range=value_range, dims=1, dpi=dpi)


def draw_volumes(values, images, chosen, *, scale, percentile, signed, cmap, dpi, **_):
    """A row of slices for each channel of each volume."""
    if images is not None:
        raise InputError(
            "Volumes were given to draw beside their maps",
            expected="no images for maps of volumes, whose slices are not those of the input",
            mend="Leave images out",
        )
    (path, maps), *_ = values.items()
    signed = bool(maps.min() < 0) if signed is None else signed
    ranges = {"signed": signed, "scale": scale, "percentile": percentile}
    units = [unit_maps(one, own, **ranges)[0] for one, own in zip(maps, chosen[path], strict=True)]
    titles = [f"{i}: {channel}" for i, own in enumerate(chosen[path]) for channel in own]
    return _plot(np.concatenate(units), None, titles, signed=signed, cmap=cmap, value_range=None, dims=3, dpi=dpi)


def draw_bars(values, images, chosen, *, value_range, dpi, **_):
    """A row of bars for each image, those of the chosen channels coloured and numbered."""
    from kerasviz.plotting.canvas import FONT, LINE, NotebookFigure, add_axes, show, write

    (path, lines), *_ = values.items()
    photos = None if images is None else read_pictures(images, value_range=value_range)
    lines = lines[: drawable(len(lines))]
    left = _BAR_LEFT + (0 if photos is None else _BAR_TILE + 0.2)
    each = _BAR_HEIGHT + 3 * LINE + 0.1
    fig = NotebookFigure(figsize=(left + _BAR_WIDTH + 0.1, each * len(lines) + 0.1), dpi=dpi)
    for i, line in enumerate(lines):
        bottom = each * (len(lines) - i) - each + LINE + 0.15
        if photos is not None:
            high, wide = photos[i].shape[:2]
            side = _BAR_TILE / max(high, wide)
            show(add_axes(fig, 0.1, bottom + (_BAR_HEIGHT - high * side) / 2, wide * side, high * side), photos[i])
        axes = add_axes(fig, left, bottom, _BAR_WIDTH, _BAR_HEIGHT)
        numbers = np.arange(len(line))
        axes.bar(numbers, line, width=0.8, color=np.where(np.isin(numbers, chosen[path][i]), "tab:red", "0.6"))
        for number in chosen[path][i]:
            place = (number, max(float(line[number]), 0.0))
            axes.annotate(str(number), place, ha="center", va="bottom", fontsize=FONT - 3, color="tab:red")
        axes.set_xlim(-0.5, len(line) - 0.5)
        axes.margins(y=0.15)
        axes.tick_params(labelsize=FONT - 2, length=2, width=0.4, pad=1.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.axhline(0, color="0.3", linewidth=0.4)
        write(fig, f"{path}, image {i}", (left + _BAR_WIDTH / 2, bottom + _BAR_HEIGHT + 0.12))
    return fig


#: What draws maps of each number of axes.
BY_AXES = {2: draw_bars, 3: draw_signals, 4: draw_pictures, 5: draw_volumes}


def _plot(units, images, titles, *, signed, cmap, value_range, dims, dpi):
    """Maps whose ranges are settled."""
    ends = (-1, 1) if signed else (0, 1)
    style = {"signed": signed, "cmap": cmap, "scale": ends, "percentile": 100, "value_range": value_range}
    return plotting.plot(units, images, titles=titles, dims=dims, dpi=dpi, **style)


def _peak(channel):
    """The value of the largest magnitude, for readers."""
    value = float(channel.flat[np.abs(channel).argmax()])
    return f"{value:.3g}".replace("-", "−")
