"""Sheets of occlusion: colours at known places, shared ranges, outlines to scale, and the classes of the legend."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

from kerasviz.errors import InputError, KerasvizWarning, SettingError
from kerasviz.plotting import heatmap, signed, sweep_sheet, three_maps
from kerasviz.plotting.positions import CATEGORIES, OTHER

RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (2, 20, 30, 3)).astype(np.uint8)
#: Positions of a patch of 8 x 10 pixels over 20 x 30, the last of each axis moved back to the edge.
GRID = SimpleNamespace(space=(20, 30), size=(8, 10), axes=[np.array([0, 5, 10, 12]), np.array([0, 9, 18, 20])])


def pictures(fig, columns):
    drawn = [np.asarray(axes.images[0].get_array()) for axes in fig.axes if axes.images]
    return [drawn[n : n + columns] for n in range(0, len(drawn), columns)]


def bars(fig):
    return [axes.get_ylim() for axes in fig.axes if not axes.images]


def outlines(fig):
    """The corners of each rectangle and the picture that it is in, by the number of the panel."""
    panels = [axes for axes in fig.axes if axes.images]
    found = [[patch for patch in axes.patches if isinstance(patch, Rectangle)] for axes in panels]
    return [None if not each else (*each[0].get_xy(), each[0].get_width(), each[0].get_height()) for each in found]


def legends(fig):
    """Name and colour of each entry, for each picture of classes."""
    found = [axes.get_legend() for axes in fig.axes if axes.get_legend()]
    return [
        [
            (text.get_text(), tuple(np.round(np.array(patch.get_facecolor()[:3]) * 255).astype(int).tolist()))
            for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)
        ]
        for legend in found
    ]


def check_room(fig):
    FigureCanvasAgg(fig).draw()
    parts = [axes.get_tightbbox() for axes in fig.axes] + [text.get_window_extent() for text in fig.texts]
    for index, box in enumerate(parts):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= fig.bbox.x1 and box.y1 <= fig.bbox.y1
        assert not any(box.overlaps(other) for other in parts[index + 1 :])


def maps_of(*peaks):
    """For each peak maps of two images: its value at one pixel of the first, ten times that in the second."""
    made = np.zeros((len(peaks), 2, 20, 30))
    for each, peak in zip(made, peaks, strict=True):
        each[0, 3, 4], each[1, 3, 4] = peak, 10 * peak
    return list(made)


# The sweep


def test_the_maps_of_an_image_share_a_symmetric_range():
    fig = sweep_sheet(PHOTOS, maps_of(1.0, -4.0), ["a", "b"], percentile=100)
    for row, (image, first, second) in enumerate(pictures(fig, 3)):
        np.testing.assert_array_equal(image, PHOTOS[row])
        reference = signed([[0.25, -1.0, 0.0]], percentile=100)[0]
        np.testing.assert_array_equal(first[3, 4], reference[0])
        np.testing.assert_array_equal(second[3, 4], reference[1])
        np.testing.assert_array_equal(first[0, 0], [255, 255, 255])
    assert bars(fig) == [(-4, 4), (-40, 40)]


@pytest.mark.parametrize(
    ("scale", "limits", "strengths"),
    [
        ("image", [(-1, 1), (-4, 4), (-10, 10), (-40, 40)], [1, -1, 1, -1]),
        ("batch", [(-40, 40)] * 2, [1 / 40, -4 / 40, 10 / 40, -1]),
        ((0, 8), [(-8, 8)] * 2, [1 / 8, -4 / 8, 1, -1]),
    ],
)
def test_other_ranges(scale, limits, strengths):
    fig = sweep_sheet(PHOTOS, maps_of(1.0, -4.0), scale=scale, percentile=100)
    assert bars(fig) == limits
    peaks = [picture[3, 4] for row in pictures(fig, 3) for picture in row[1:]]
    np.testing.assert_array_equal(peaks, signed([strengths], scale=(-1, 1))[0])


def test_a_constant_map_beside_another_is_neither_neutral_nor_a_warning():
    constant = np.full((2, 20, 30), 2.0)
    fig = sweep_sheet(PHOTOS, [constant, 2 * constant + np.eye(20, 30)], percentile=100)
    np.testing.assert_array_equal(pictures(fig, 3)[0][1][0, 0], signed([[2.0, 5.0]], percentile=100)[0, 0])
    with pytest.warns(KerasvizWarning, match="The map is zero or constant"):
        fig = sweep_sheet(PHOTOS[:1], [constant[:1], constant[:1] + np.eye(20, 30)], scale="image")
    assert len(bars(fig)) == 1


def test_outlines_are_to_scale_in_the_corner():
    fig = sweep_sheet(PHOTOS, {"a": maps_of(1.0)[0], "b": maps_of(2.0)[0]}, patches=[(8, 10), 3])
    expected = [None, (-0.5, 11.5, 10, 8), (-0.5, 16.5, 3, 3)]
    assert outlines(fig) == expected * 2
    assert outlines(sweep_sheet(PHOTOS, maps_of(1.0))) == [None] * 4


def test_texts_say_what_is_where_and_have_room():
    fig = sweep_sheet(PHOTOS, {"50 px / 10 px": maps_of(1.0)[0]}, row_titles=["cat", "dog"], label="drop of $x")
    assert [text.get_text() for text in fig.texts] == ["50 px / 10 px", "drop of $x", "cat", "drop of $x", "dog"]
    check_room(fig)


def test_one_image_alone_is_drawn_as_in_a_batch():
    maps = maps_of(1.0, -4.0)
    alone = pictures(sweep_sheet(PHOTOS[1], [each[1] for each in maps]), 3)[0]
    for one, other in zip(alone, pictures(sweep_sheet(PHOTOS, maps), 3)[1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"maps": []}, InputError, "No map"),
        ({"maps": [np.eye(4)[None], np.eye(5)[None]]}, InputError, r"\(1, 4, 4\), \(1, 5, 5\)"),
        ({"maps": [np.full((2, 4, 4), np.nan)]}, InputError, "sample 0 .*NaN"),
        ({"image": PHOTOS[:1]}, InputError, "1 images were given with 2 maps"),
        ({"titles": ["a"]}, InputError, "1 titles were given for 2 maps"),
        ({"row_titles": ["a"]}, InputError, "row titles"),
        ({"patches": [3]}, InputError, "1 patches"),
        ({"patches": [3, (21, 4)]}, SettingError, r"\(21, 4\) of a map of 20 x 30"),
        ({"patches": [3, 0]}, SettingError, "The patch 0"),
        ({"scale": "rows"}, SettingError, '"row", "image", "batch"'),
        ({"scale": (1, 0)}, SettingError, "scale"),
    ],
)
def test_what_cannot_be_a_sweep_is_refused(changes, error, words):
    with pytest.raises(error, match=words):
        sweep_sheet(**{"image": PHOTOS, "maps": maps_of(1.0, -4.0), **changes})


# The three maps


def positions(n=2):
    activation = np.arange(n * 16, dtype=float).reshape(n, 4, 4) + 100
    probability = np.linspace(0, 0.5, n * 16).reshape(n, 4, 4)
    return activation, probability, np.zeros((n, 4, 4), np.int32)


def test_each_pixel_shows_the_position_whose_centre_is_nearest():
    """The centres lie at 4, 9, 14, 16 down and 5, 14, 23, 25 across, so borders at 6.5, 11.5, 15 and 9.5, 18.5, 24."""
    photo = np.repeat(np.repeat(PHOTOS[0], 2, 0), 2, 1)
    activation, probability, top = positions(1)
    top[0, 1, 2] = 5
    fig = three_maps(photo, activation[0], probability[0], top[0], grid=GRID)
    (image, strongest, likely, classes) = pictures(fig, 4)[0]
    np.testing.assert_array_equal(image, photo)
    nearest = np.ix_(np.repeat(range(4), [13, 10, 7, 10]), np.repeat(range(4), [19, 18, 11, 12]))
    np.testing.assert_array_equal(strongest, heatmap(activation[0] - 100, percentile=100)[nearest])
    np.testing.assert_array_equal(likely, heatmap(probability[0], scale=(0, 1))[nearest])
    np.testing.assert_array_equal(classes, CATEGORIES[np.minimum(top[0], 1)][nearest])
    assert outlines(fig) == [None, *[(-0.5, 23.5, 20, 16)] * 3]


def test_without_a_grid_positions_divide_the_picture_evenly():
    activation, probability, top = positions(1)
    top[0] = np.arange(4)[:, None] < 2
    classes = pictures(three_maps(PHOTOS[:1], activation, probability, top), 4)[0][3]
    np.testing.assert_array_equal(classes[9], np.tile(CATEGORIES[1], (30, 1)))
    np.testing.assert_array_equal(classes[10], np.tile(CATEGORIES[0], (30, 1)))


def test_ranges_are_those_of_the_values():
    fig = three_maps(PHOTOS, *positions())
    assert bars(fig) == [(100, 115), (0, 1), (116, 131), (0, 1)]


def test_the_legend_names_the_commonest_classes_first():
    activation, probability, top = positions()
    top[0].flat[:5], top[1].flat[:3] = 7, 2
    top[1].flat[3:6] = 1
    labels = {0: "cat", 1: "$dog$", 2: "cow", 7: "Egyptian cat"}
    fig = three_maps(PHOTOS, activation, probability, top, labels=labels)
    colors = [tuple(color.tolist()) for color in CATEGORIES]
    # The colours are those of the whole figure: each row lists its own classes.
    assert legends(fig) == [
        [("cat", colors[0]), ("Egyptian cat", colors[1])],
        [("cat", colors[0]), ("$dog$", colors[2]), ("cow", colors[3])],
    ]
    assert [name for name, _ in legends(three_maps(PHOTOS, activation, probability, top))[0]] == ["class 0", "class 7"]
    check_room(fig)


def test_further_classes_are_other_and_grey():
    activation, probability, top = positions(1)
    top[0] = np.minimum(np.arange(16), 11).reshape(4, 4)
    fig = three_maps(PHOTOS[:1], activation, probability, top, labels=[f"a class numbered {k}" * 3 for k in range(12)])
    named = legends(fig)[0]
    assert len(named) == 9 and named[0][0].startswith("a class numbered") and named[-1] == ("4 others", OTHER)
    classes = pictures(fig, 4)[0][3]
    np.testing.assert_array_equal(classes[-1, -1], CATEGORIES[0])  # class 11, at five positions
    np.testing.assert_array_equal(classes[0, 0], CATEGORIES[1])
    np.testing.assert_array_equal(classes[10, 0], OTHER)  # class 8
    check_room(fig)
    # As high as two lines, and one of them for the others.
    flat = three_maps(np.zeros((20, 160, 3), np.uint8), activation[0], probability[0], top[0])
    assert [name for name, _ in legends(flat)[0]] == ["class 11", "11 others"]


def test_colours_of_classes_can_be_told_apart_by_the_colour_blind():
    """Machado et al. 2009: the two common deficiencies, complete; distances in linear light."""
    deficiencies = {
        "protanopia": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        "deuteranopia": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.01182, 0.04294, 0.968881],
        ],
    }
    linear = (np.array([*CATEGORIES, OTHER]) / 255) ** 2.2
    for matrix in [np.eye(3), *map(np.array, deficiencies.values())]:
        seen = np.clip(linear @ matrix.T, 0, 1) ** (1 / 2.2)
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + np.eye(len(seen))
        assert apart.min() > 0.15


def test_an_activation_that_never_changes_is_said():
    activation, probability, top = positions(1)
    with pytest.warns(KerasvizWarning, match="same at all positions"):
        fig = three_maps(PHOTOS[:1], activation * 0 + 3, probability, top)
    assert bars(fig) == [(0, 1)]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"probability": np.zeros((2, 4, 5))}, InputError, r"probability \(2, 4, 5\)"),
        ({"probability": np.full((2, 4, 4), 1.5)}, InputError, "run from 1.5 to 1.5"),
        ({"top_class": np.full((2, 4, 4), 0.5)}, InputError, "number no class"),
        ({"top_class": np.full((2, 4, 4), -1)}, InputError, "number no class"),
        ({"activation": np.full((2, 4, 4), np.inf)}, InputError, "infinity"),
        ({"image": PHOTOS[:1]}, InputError, "1 images"),
        ({"labels": []}, SettingError, "class 0"),
        ({"grid": SimpleNamespace(axes=[np.arange(3), np.arange(4)])}, InputError, r"the grid \(3, 4\)"),
    ],
)
def test_what_cannot_be_three_maps_is_refused(changes, error, words):
    given = dict(zip(("activation", "probability", "top_class"), positions(), strict=True))
    with pytest.raises(error, match=words):
        three_maps(**{"image": PHOTOS, **given, **changes})


def test_inputs_stay_as_they_are():
    given = [PHOTOS, *positions()]
    before = [each.copy() for each in given]
    three_maps(*given)
    sweep_sheet(PHOTOS, [given[1]])
    for one, other in zip(given, before, strict=True):
        np.testing.assert_array_equal(one, other)
