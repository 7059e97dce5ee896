"""Maps of patches of several sizes side by side."""

from collections.abc import Mapping, Sequence

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.plotting.arrays import to_maps
from kerasviz.plotting.colors import SIGNED, Palette
from kerasviz.plotting.counts import check_count, drawable
from kerasviz.plotting.montage import read_pictures
from kerasviz.plotting.ranges import check_scale, limits, normalize


def sweep_sheet(
    image,
    maps: Mapping | Sequence,
    titles: Sequence[str] | None = None,
    *,
    patches: Sequence | None = None,
    row_titles: Sequence[str] | None = None,
    label: str = "drop of the score",
    scale="row",
    percentile: float = 99,
    cmap=SIGNED,
    value_range: tuple[float, float] | None = None,
    tile: float = 2.2,
    dpi: float = 150,
):
    """Compares maps of patches of several sizes: a row for each image, the image first, then a map for each size.

    Red is where hiding lowers the score, blue where it raises it. At most 64 rows are drawn, with a warning if there
    are more.

    Args:
        image: N images, a batch or a list, drawn as `display_image` does; a single one if the maps are `(H, W)`.
        maps: `{title: (N, H, W)}`, or a list of them with `titles`, all of one shape.
        titles: the titles of `maps`, where that is a list: "50 px / 10 px".
        patches: for each map the height and the width of its patch in pixels of the map; one number for a square. An
            outline in the lower left corner shows how large it is. None for no outlines.
        row_titles: N texts beside the rows, such as class names.
        label: what the values are, beside the colour bar.
        scale: `"row"` shares one range among the maps of an image, so that their colours can be compared; `"image"`
            gives each map its own, `"batch"` all of them one; `(low, high)` fixes it. Always symmetric about zero.
        percentile: where the range ends; see *Range* in `kerasviz.plotting`.
        cmap: a diverging colour map.
        value_range: the values of the images drawn black and white; see `display_image`.
        tile: width of a column in inches.
        dpi: dots an inch, on the screen and in a file.

    Returns:
        A matplotlib `Figure`, unknown to pyplot: a notebook shows it, `fig.savefig(path)` writes it.

    Raises:
        InputError: maps, titles, patches or images that differ in number or shape, NaN or infinity.
        SettingError: an unknown scale or colour map, or a patch larger than the map.

    Example:
        >>> photos = np.zeros((2, 24, 40, 3), np.uint8)
        >>> maps = np.random.default_rng(0).normal(size=(2, 2, 24, 40))
        >>> fig = sweep_sheet(photos, {"8 px / 2 px": maps[0], "16 px / 4 px": maps[1]}, patches=[8, 16])
        >>> len(fig.axes)  # three pictures and a colour bar in each row
        8
    """
    from kerasviz.plotting.canvas import Bar, Tile, draw_sheet

    palette = Palette.of(cmap, signed=True)
    if isinstance(maps, Mapping):
        titles = list(maps) if titles is None else titles
        maps = list(maps.values())
    stacked, single = _stacked(maps)
    photos = photos_of(image, single, len(stacked), value_range)
    sizes = stacked.shape[1]
    check_count(titles, sizes, "titles", "maps")
    check_count(row_titles, len(stacked), "row titles", "images")
    outlines = _outlines(patches, sizes, stacked.shape[2:])
    ranges = _ranges(stacked, percentile, scale)
    pictures = palette.paint(normalize(stacked.reshape(-1, *stacked.shape[2:]), ranges.reshape(-1, 2), signed=True))
    pictures = pictures.reshape(*stacked.shape, 3)

    rows = []
    for photo, painted, ends in zip(photos, pictures, ranges, strict=True):
        # A range that maps share needs one bar only.
        barred = [scale == "image" or n == sizes - 1 for n in range(sizes)]
        last = [label if n == sizes - 1 else "" for n in range(sizes)]
        bars = [
            Bar(palette, low, high, text) if drawn and low < high else None
            for (low, high), drawn, text in zip(ends, barred, last, strict=True)
        ]
        rows.append([Tile(photo), *map(Tile, painted, [""] * sizes, bars)])
    rows = rows[: drawable(len(rows))]
    heads = ["", *(titles or [""] * sizes)]
    fig = draw_sheet(rows, column_titles=heads, row_titles=row_titles or (), tile=tile, dpi=dpi)
    for number, axes in enumerate(panels(fig)):
        column = number % (sizes + 1) - 1
        if outlines and column >= 0:
            outline(axes, outlines[column])
    return fig


def _stacked(maps):
    """Maps of several sizes as `(N, sizes, H, W)`, and whether the user gave them for a single image."""
    if not len(maps):
        raise InputError("No map was given", expected="a map for each size of the patch", mend="Pass the maps")
    read = [to_maps(each, False, "sum") for each in maps]
    shapes = {found.shape for found, _ in read}
    if len(shapes) > 1:
        raise InputError(
            f"The maps have the shapes {', '.join(map(str, sorted(shapes)))}",
            expected="one shape for all sizes",
            mend="Explain the same batch with each size",
        )
    return np.stack([found for found, _ in read], axis=1), read[0][1]


def photos_of(image, single: bool, count: int, value_range) -> list[np.ndarray]:
    """The images beside maps: as many as there are maps of each kind.

    Raises:
        InputError: there are more or fewer.
    """
    photos = read_pictures([image] if single else image, value_range=value_range)
    if len(photos) != count:
        raise InputError(
            f"{len(photos)} images were given with {count} maps of each kind",
            expected="one image a map",
            mend="Pass the same batch",
        )
    return photos


def _ranges(stacked, percentile, scale):
    """The range of each map, `(N, sizes, 2)`."""
    if isinstance(scale, str) and scale == "image":
        columns = [limits(maps, signed=True, percentile=percentile, scale=scale) for maps in stacked.swapaxes(0, 1)]
        return np.stack(columns, axis=1)
    if not (isinstance(scale, str) and scale in ("row", "batch")):
        try:
            check_scale(scale)
        except SettingError as error:
            expected = '"row", "image", "batch" or two finite numbers (low, high) with low < high'
            raise SettingError(error.given, expected=expected, mend=error.mend) from None
    shared = limits(stacked, signed=True, percentile=percentile, scale="image" if scale == "row" else scale)
    return np.repeat(shared[:, None], stacked.shape[1], axis=1)


def _outlines(patches, count, space):
    """Height and width of each patch, checked."""
    if patches is None:
        return None
    check_count(patches, count, "patches", "maps")
    pairs = [np.broadcast_to(patch, 2) if np.shape(patch) in ((), (2,)) else None for patch in patches]
    for patch, pair in zip(patches, pairs, strict=True):
        if pair is None or pair.dtype.kind not in "iuf" or not (pair > 0).all() or not (pair <= space).all():
            raise SettingError(
                f"The patch {patch!r} of a map of {space[0]} x {space[1]} pixels",
                expected="its height and width in pixels of the map, or one number for a square",
                mend="Give the size that the maps were made with",
            )
    return pairs


def panels(fig):
    """The axes of pictures in the order of reading; colour bars hold none."""
    return [axes for axes in fig.axes if axes.images]


def outline(axes, patch):
    """The outline of a patch of this height and width in the lower left corner of a picture."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import Normal, Stroke

    bottom = axes.images[0].get_array().shape[0] - 0.5
    high, wide = map(float, patch)
    # Dark on bright maps, with a bright rim on dark ones.
    rim = [Stroke(linewidth=2.2, foreground="white"), Normal()]
    axes.add_patch(Rectangle((-0.5, bottom - high), wide, high, fill=False, ec="black", lw=0.8, path_effects=rim))
