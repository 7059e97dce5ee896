"""Boxes on pictures."""

import numpy as np
import pytest

from kerasviz.errors import InputError, SettingError
from kerasviz.plotting import draw_boxes, figure, overlay

PINK, GREEN, BLACK = (255, 40, 200), (110, 255, 90), (0, 0, 0)
GROUND = 128
PHOTO = np.full((60, 90, 3), GROUND, np.uint8)


def is_color(picture, color):
    return (picture == color).all(axis=-1)


def frame(box, width, size=(60, 90)):
    """The outermost pixels of a box."""
    mask = np.zeros(size, bool)
    x0, y0, x1, y1 = box
    mask[y0:y1, x0:x1] = True
    mask[y0 + width : y1 - width, x0 + width : x1 - width] = False
    return mask


@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_line_is_the_outermost_pixels_of_the_box_and_the_rim_one_pixel_around(width):
    shown = draw_boxes(PHOTO, [[20, 10, 50, 40]], width=width)
    line = frame((20, 10, 50, 40), width)
    np.testing.assert_array_equal(is_color(shown, PINK), line)
    np.testing.assert_array_equal(is_color(shown, BLACK), frame((19, 9, 51, 41), width + 2) & ~line)
    assert is_color(shown, (GROUND,) * 3).sum() == 60 * 90 - frame((19, 9, 51, 41), width + 2).sum()


def test_the_whole_image_has_its_line_at_the_edge():
    shown = draw_boxes(PHOTO, [0, 0, 90, 60], width=1)
    np.testing.assert_array_equal(is_color(shown, PINK), frame((0, 0, 90, 60), 1))


def test_true_and_predicted_boxes_differ_and_any_colour_can_be_given():
    box = [20, 10, 50, 40]
    assert tuple(draw_boxes(PHOTO, box)[10, 20]) == PINK
    assert tuple(draw_boxes(PHOTO, box, color="predicted")[10, 20]) == PINK
    assert tuple(draw_boxes(PHOTO, box, color="true")[10, 20]) == GREEN
    assert tuple(draw_boxes(PHOTO, box, color=(1, 2, 250))[10, 20]) == (1, 2, 250)


def test_lines_grow_with_the_image():
    big = np.full((480, 960, 3), GROUND, np.uint8)
    shown = draw_boxes(big, [100, 100, 300, 300])
    np.testing.assert_array_equal(is_color(shown, PINK), frame((100, 100, 300, 300), 4, (480, 960)))
    assert is_color(draw_boxes(PHOTO, [20, 10, 50, 40]), PINK).sum() == frame((20, 10, 50, 40), 1).sum()


def test_fractions_are_rounded_and_sides_beyond_the_image_are_not_seen():
    shown = draw_boxes(PHOTO, [20.4, 9.6, 50.2, 39.7], width=1)
    np.testing.assert_array_equal(shown, draw_boxes(PHOTO, [20, 10, 50, 40], width=1))
    beyond = draw_boxes(PHOTO, [-1e30, 10, 50, 1e30], width=1)
    expected = np.zeros((60, 90), bool)
    expected[10, :50] = expected[10:, 49] = True
    np.testing.assert_array_equal(is_color(beyond, PINK), expected)


@pytest.mark.parametrize("box", [[], np.zeros((0, 4)), [5, 5, 5, 20], [100, 5, 120, 20], [-9, -9, 0, 50]])
def test_what_cannot_be_seen_is_not_drawn(box):
    labels = ["label"] * (len(np.reshape(box, (-1, 4))))
    np.testing.assert_array_equal(draw_boxes(PHOTO, box, labels=labels), PHOTO)


def test_lines_are_not_cut_by_the_rims_of_other_boxes():
    shown = draw_boxes(PHOTO, [[10, 10, 50, 40], [30, 20, 70, 50]], width=1)
    expected = frame((10, 10, 50, 40), 1) | frame((30, 20, 70, 50), 1)
    np.testing.assert_array_equal(is_color(shown, PINK), expected)


def test_a_label_stands_above_the_corner_or_inside_where_there_is_no_room():
    bare = draw_boxes(PHOTO, [[20, 30, 70, 55], [5, 2, 40, 20]])
    above = (draw_boxes(PHOTO, [[20, 30, 70, 55], [5, 2, 40, 20]], labels=["bird", ""]) != bare).any(axis=-1)
    rows, columns = np.nonzero(above)
    assert rows.max() == 28  # the row below is the dark rim, with and without
    assert 15 <= rows.min() <= 22
    assert columns.min() == 20
    inside = (draw_boxes(PHOTO, [[20, 30, 70, 55], [5, 2, 40, 20]], labels=["", "bird"]) != bare).any(axis=-1)
    rows, columns = np.nonzero(inside)
    assert rows.min() == 2
    assert columns.min() == 5


def test_a_label_is_kept_within_the_picture():
    box = [85, 40, 90, 50]
    bare = draw_boxes(PHOTO, box)
    changed = (draw_boxes(PHOTO, box, labels=["boat"]) != bare).any(axis=-1)
    columns = np.nonzero(changed)[1]
    assert columns.max() == 89
    assert columns.min() > 45
    ink = draw_boxes(PHOTO, box, labels=["boat"], color=(20, 20, 20))
    assert is_color(ink, (255, 255, 255)).any()


def test_images_are_read_as_everywhere():
    grey = np.full((60, 90), 128 / 255)
    np.testing.assert_array_equal(draw_boxes(grey, [20, 10, 50, 40]), draw_boxes(PHOTO, [20, 10, 50, 40]))


def test_boxes_show_on_an_overlay_in_a_figure(rng):
    maps = rng.random((60, 90))
    picture = draw_boxes(overlay(PHOTO, maps), [20, 10, 50, 40], color="true")
    assert is_color(picture, GREEN)[10, 20:50].all()
    drawn = figure([PHOTO], {"boxes": [picture]})
    np.testing.assert_array_equal(drawn.axes[1].images[0].get_array(), picture)


def test_nothing_that_was_given_is_changed():
    photo, box = PHOTO.copy(), np.array([[20.4, 10, 50, 40]])
    photo.flags.writeable = box.flags.writeable = False
    draw_boxes(photo, box, labels=["bird"])[:] = 0
    np.testing.assert_array_equal(photo, PHOTO)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": PHOTO[None], "boxes": []}, "which is a batch"),
        ({"image": PHOTO, "boxes": [50, 10, 20, 40]}, "ends before it starts"),
        ({"image": PHOTO, "boxes": [[0, 0, 5]]}, r"\(B, 4\)"),
        ({"image": PHOTO, "boxes": [0, 0, np.nan, 5]}, "NaN"),
        ({"image": PHOTO, "boxes": [0, 0, 5, 5], "labels": []}, "0 labels were given for 1 boxes"),
        ({"image": PHOTO, "boxes": [0, 0, 5, 5], "labels": "bird"}, "1 labels"),
    ],
)
def test_wrong_inputs_are_refused(arguments, message):
    if arguments.get("labels") == "bird":
        arguments = {**arguments, "boxes": [[0, 0, 5, 5]] * 4}
    with pytest.raises(InputError, match=message):
        draw_boxes(**arguments)


@pytest.mark.parametrize(
    "settings", [{"color": "teal-ish"}, {"color": (1, 2)}, {"color": (0, 0, 256)}, {"color": (0.5, 0, 0)}]
)
def test_unknown_colours_are_refused(settings):
    with pytest.raises(SettingError, match="no colour"):
        draw_boxes(PHOTO, [0, 0, 5, 5], **settings)


@pytest.mark.parametrize("width", [0, -1, 1.5])
def test_wrong_widths_are_refused(width):
    with pytest.raises(SettingError, match="width"):
        draw_boxes(PHOTO, [0, 0, 5, 5], width=width)
