"""What becomes of a network while a patch hides one part of an image after another."""

from collections.abc import Sequence

import numpy as np

from kerasviz.errors import InputError
from kerasviz.plotting.arrays import to_maps, to_numbers
from kerasviz.plotting.colors import UNSIGNED, Palette
from kerasviz.plotting.counts import check_count, drawable
from kerasviz.plotting.naming import class_name
from kerasviz.plotting.notices import warn
from kerasviz.plotting.ranges import normalize
from kerasviz.plotting.sheets import outline, panels, photos_of

#: The colours of classes, the commonest first: those of Okabe and Ito, which the colour-blind tell apart.
CATEGORIES = np.array(
    [
        (0, 114, 178),  # blue
        (230, 159, 0),  # orange
        (0, 158, 115),  # bluish green
        (204, 121, 167),  # reddish purple
        (86, 180, 233),  # sky blue
        (213, 94, 0),  # vermilion
        (240, 228, 66),  # yellow
        (0, 0, 0),
    ],
    np.uint8,
)
#: The colour of all further classes.
OTHER = (190, 190, 190)


def three_maps(
    image,
    activation,
    probability,
    top_class,
    *,
    labels=None,
    grid=None,
    row_titles: Sequence[str] | None = None,
    cmap=UNSIGNED,
    value_range: tuple[float, float] | None = None,
    tile: float = 2.2,
    dpi: float = 150,
):
    """Draws what becomes of a network while a patch hides one part of the image after another.

    Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", figure 6: a row for each image with
    the image, the total activation of its strongest feature map, the probability of the class, and the most probable
    class. Dark is where hiding takes most away. The activation runs from its smallest value to its largest, the
    probability from 0 to 1. The commonest classes of the figure, at most eight, have colours and names; the
    others are grey.

    Args:
        image: N images, a batch or a list, drawn as `display_image` does; a single one if the maps are
            `(rows, columns)`.
        activation: `(N, rows, columns)`, a value for each position of the patch; such are the extras of
            `kerasviz.Occlusion` with `three_maps=True`.
        probability: the same, in [0, 1].
        top_class: the same, class numbers.
        labels: names of the classes by their numbers, a list or a dict; None for their numbers.
        grid: where the positions lie: one of `kerasviz.Occlusion.grids`, or anything with its `space`, `size` and
            `axes`. Each pixel then shows the position whose patch's centre is nearest, and an outline in the lower
            left corner how large the patch is. Without it the positions divide the picture evenly, which moves
            those at the edge outwards by half a patch.
        row_titles: N texts beside the rows, such as the explained classes.
        cmap: colour map of the activation and the probability.
        value_range: the values of the images drawn black and white; see `display_image`.
        tile: width of a column in inches.
        dpi: dots an inch, on the screen and in a file.

    Returns:
        A matplotlib `Figure`, unknown to pyplot: a notebook shows it, `fig.savefig(path)` writes it.

    Raises:
        InputError: arrays that differ in shape, from each other or the grid; probabilities or class numbers that are
            none; NaN or infinity.
        SettingError: an unknown colour map, or a class without a label.

    Example:
        >>> photo, ramp = np.zeros((24, 40, 3), np.uint8), np.linspace(0, 1, 15).reshape(3, 5)
        >>> fig = three_maps(photo, 40 * ramp, ramp, ramp > 0.5, labels=["cat", "dog"])
        >>> [text.get_text() for text in fig.axes[-1].get_legend().get_texts()]
        ['cat', 'dog']
    """
    from kerasviz.plotting.canvas import LEGEND_LINE, Bar, Legend, Tile, draw_sheet

    palette = Palette.of(cmap, signed=False)
    (activation, probability, top_class), single = _per_position(activation, probability, top_class, grid)
    photos = photos_of(image, single, len(activation), value_range)
    check_count(row_titles, len(photos), "row titles", "images")
    count = drawable(len(photos))
    activation, probability, top_class = activation[:count], probability[:count], top_class[:count]
    flattest = min(photo.shape[0] / photo.shape[1] for photo in photos[:count])
    # As many names as the height of a row has lines for, less that of the others.
    room = max(1, min(len(CATEGORIES), int(tile * flattest / LEGEND_LINE) - 1))
    named, others = _commonest(top_class, labels, room)
    spans = np.stack([activation.min(axis=(1, 2)), activation.max(axis=(1, 2))], axis=1)
    if (spans[:, 0] == spans[:, 1]).any():
        warn("The total activation is the same at all positions: drawn in the neutral colour")
    bright = normalize(activation, spans, signed=False)

    rows = []
    for n, photo in enumerate(photos[:count]):
        pictures = [palette.paint(bright[n]), palette.paint(probability[n]), _painted_classes(top_class[n], named)]
        bars = [Bar(palette, *spans[n]) if spans[n, 0] < spans[n, 1] else None, Bar(palette, 0.0, 1.0)]
        bars.append(Legend(_entries(top_class[n], named, others)))
        drawn = [Tile(_enlarged(each, photo.shape, grid), "", bar) for each, bar in zip(pictures, bars, strict=True)]
        rows.append([Tile(photo), *drawn])
    heads = ["", "total activation of the strongest feature map", "probability of the class", "most probable class"]
    fig = draw_sheet(rows, column_titles=heads, row_titles=row_titles or (), tile=tile, dpi=dpi)
    for number, axes in enumerate(panels(fig)):
        if grid is not None and number % 4:
            sides = axes.images[0].get_array().shape[:2]
            outline(axes, np.array(grid.size) * sides / grid.space)
    return fig


def _per_position(activation, probability, top_class, grid):
    """The three maps as `(N, rows, columns)`, and whether the user gave them for a single image."""
    given = {"activation": activation, "probability": probability, "top_class": top_class}
    read = {name: to_maps(to_numbers(values, f"The array {name}"), False, "sum") for name, values in given.items()}
    (activation, single), (probability, _), (top_class, _) = read.values()
    shapes = {name: found.shape for name, (found, _) in read.items()}
    if len(set(shapes.values())) > 1 or (grid is not None and activation.shape[1:] != tuple(map(len, grid.axes))):
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(
            f"The maps have the shapes {listed}" + ("" if grid is None else f", the grid {tuple(map(len, grid.axes))}"),
            expected="a value for each position of the patch in each",
            mend="Take all from one explanation, and the grid of its size and stride",
        )
    if probability.min() < 0 or probability.max() > 1 + 1e-5:
        raise InputError(
            f"The probabilities run from {probability.min():.3g} to {probability.max():.3g}",
            expected="values from 0 to 1",
            mend="Give those after softmax or sigmoid",
        )
    if (top_class != np.round(top_class)).any() or top_class.min() < 0:
        raise InputError("top_class holds values that number no class", expected="0, 1, 2, …", mend="Take the argmax")
    return (activation, np.minimum(probability, 1), top_class.astype(int)), single


def _commonest(top_class, labels, most):
    """The names of the commonest classes, and the numbers of the others; of equally common ones the lower first."""
    numbers, counts = np.unique(top_class, return_counts=True)
    order = numbers[np.argsort(-counts, kind="stable")].tolist()
    return {number: class_name(labels, number) for number in order[:most]}, set(order[most:])


def _entries(top_class, named, others):
    """The classes of one image and their colours, for the legend."""
    seen = set(np.unique(top_class).tolist())
    entries = [(name, color) for (k, name), color in zip(named.items(), CATEGORIES, strict=False) if k in seen]
    rest = len(seen & others)
    return [*entries, *([(f"{rest} other" + "s" * (rest > 1), OTHER)] if rest else [])]


def _painted_classes(top_class, named):
    picture = np.full((*top_class.shape, 3), OTHER, np.uint8)
    for number, color in zip(named, CATEGORIES, strict=False):
        picture[top_class == number] = color
    return picture


def _enlarged(picture, shape, grid):
    """A picture with a pixel for each position as large as `shape`: each pixel is that of the nearest position."""
    for axis in (0, 1):
        positions, pixels = picture.shape[axis], shape[axis]
        if grid is None:
            centres = (np.arange(positions) + 0.5) / positions
        else:
            centres = (grid.axes[axis] + grid.size[axis] / 2) / grid.space[axis]
        borders = (centres[1:] + centres[:-1]) / 2
        picture = picture.take(np.searchsorted(borders, (np.arange(pixels) + 0.5) / pixels), axis=axis)
    return picture
