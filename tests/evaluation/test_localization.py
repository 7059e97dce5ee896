"""Overlap of boxes, the ILSVRC measure, and the box that knows nothing."""

import numpy as np
import pytest

from kerasviz.data import shapes
from kerasviz.errors import InputError, SettingError
from kerasviz.evaluation import boxes, center_box, iou, localization_error


def counted_iou(a, b, size=40):
    """By counting pixels."""
    masks = np.zeros((2, size, size), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, (a, b), strict=True):
        mask[y0:y1, x0:x1] = True
    return (masks[0] & masks[1]).sum() / max((masks[0] | masks[1]).sum(), 1)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], 1),
        ([0, 0, 10, 10], [5, 0, 15, 10], 1 / 3),
        ([0, 0, 10, 10], [5, 5, 15, 15], 25 / 175),
        ([0, 0, 10, 10], [2, 3, 4, 8], 10 / 100),
        ([0, 0, 10, 10], [10, 0, 20, 10], 0),
        ([0, 0, 10, 10], [20, 20, 30, 30], 0),
        ([0, 0, 30, 2], [0, 0, 2, 30], 4 / 116),
        ([0, 0, 1, 1], [0.25, 0, 1.25, 1], 0.75 / 1.25),
        ([-5, -5, 5, 5], [0, 0, 5, 5], 25 / 100),
        ([3, 3, 3, 3], [3, 3, 3, 3], 0),
        ([3, 3, 3, 3], [0, 0, 10, 10], 0),
    ],
)
def test_known_overlaps(a, b, expected):
    assert iou([a], [b])[0, 0] == pytest.approx(expected, abs=1e-12)
    assert iou(b, a).tolist() == iou(a, b).tolist()


def test_pairs_agree_with_counting_pixels(rng):
    low = rng.integers(0, 15, (2, 8, 2))
    a, b = np.concatenate([low, low + rng.integers(0, 25, (2, 8, 2))], axis=-1)
    found = iou(a[:5], b)
    assert found.shape == (5, 8)
    np.testing.assert_allclose(found, [[counted_iou(one, other) for other in b] for one in a[:5]], atol=1e-12)
    assert (found > 0).sum() > 5


def test_no_boxes_have_no_overlaps():
    assert iou([], [[0, 0, 1, 1]] * 3).shape == (0, 3)
    assert iou([[0, 0, 1, 1]] * 3, np.zeros((0, 4), int)).shape == (3, 0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([[0, 0, 5, 5], [4, 0, 3, 5]], "row 1, which ends before it starts"),
        ([[0, 5, 5, 4]], "ends before"),
        ([0, 0, np.nan, 1], "NaN"),
        ([[0, 0, np.inf, 1]], "NaN or infinity"),
        ([0, 0, 1], r"\(B, 4\)"),
        (np.ones((2, 4, 4)), r"\(B, 4\)"),
        (np.ones((3, 4), bool), r"\(B, 4\)"),
        (np.ones((3, 0)), "empty"),
        ("box", "of type"),
        ([[0, 0, 1, 1], [0, 0]], "cannot be read"),
    ],
)
def test_wrong_boxes_are_refused(wrong, message):
    for pair in ((wrong, [0, 0, 1, 1]), ([0, 0, 1, 1], wrong)):
        with pytest.raises(InputError, match=message):
            iou(*pair)


GOOD, HALF, POOR = [0, 0, 10, 10], [0, 0, 10, 5], [5, 0, 15, 10]


def test_top_1_needs_the_class_and_the_box():
    found = [GOOD, GOOD, POOR, POOR]
    result = localization_error(found, [3, 4, 3, 4], [GOOD] * 4, [3, 3, 3, 3])
    assert result.correct.tolist() == [True, False, False, False]
    assert result.classified.tolist() == [True, False, True, False]
    assert (result.error, result.classification_error) == (0.75, 0.5)


def test_an_overlap_of_exactly_the_least_is_right():
    assert localization_error([HALF], [3], [GOOD], [3]).error == 0
    assert localization_error([HALF], [3], [GOOD], [3], iou=0.51).error == 1
    assert localization_error([[0, 0, 10, 4.999]], [3], [GOOD], [3]).error == 1
    assert localization_error([POOR], [3], [GOOD], [3], iou=1 / 3).error == 0


def test_the_class_and_the_box_must_come_from_one_guess():
    guesses = [[POOR, GOOD, HALF]]
    assert localization_error(guesses, [[3, 4, 5]], [GOOD], [3]).error == 1
    assert localization_error(guesses, [[4, 3, 5]], [GOOD], [3]).error == 0
    assert localization_error(guesses, [[4, 5, 3]], [GOOD], [3]).error == 0
    both = localization_error(guesses, [[3, 3, 5]], [GOOD], [3])
    assert both.error == 0


def test_k_takes_the_first_guesses():
    found = [[POOR, GOOD, GOOD]] * 3
    classes = [[3, 4, 5], [4, 3, 5], [4, 5, 3]]
    errors = [localization_error(found, classes, [GOOD] * 3, [3] * 3, k=k) for k in (1, 2, 3, 5)]
    np.testing.assert_allclose([each.error for each in errors], [1, 2 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose([each.classification_error for each in errors], [2 / 3, 1 / 3, 0, 0])


def test_any_true_box_of_the_image_will_do():
    far = [100, 100, 120, 130]
    assert localization_error([GOOD], [3], [[far, GOOD]], [3]).error == 0
    result = localization_error([GOOD, far], [3, 3], [[far], [GOOD, far]], [3, 3])
    assert result.correct.tolist() == [False, True]


def test_images_without_a_found_box_are_wrong_but_may_be_classified():
    none = np.zeros((0, 4), int)
    result = localization_error([none, [GOOD]], [3, 3], [GOOD, GOOD], [3, 3])
    assert result.correct.tolist() == [False, True]
    assert result.classification_error == 0
    padded = localization_error([[[0, 0, 0, 0], GOOD]], [[3, 4]], [GOOD], [3])
    assert (padded.error, padded.classification_error) == (1, 0)


def test_names_are_classes_too():
    result = localization_error([GOOD, GOOD], ["cat", "dog"], [GOOD, GOOD], ["cat", "catfish"])
    assert result.correct.tolist() == [True, False]


def test_scenes_and_found_boxes_fit_together():
    scenes = shapes.scenes(6, size=(48, 80), seed=2)
    maps = scenes.subject_mask() * np.linspace(0.1, 9, 6)[:, None, None]
    found = boxes(maps, components="largest")
    result = localization_error(found, scenes.labels, scenes.boxes, scenes.labels)
    overlaps = np.array([iou(found[i], scenes.boxes[i])[0, 0] for i in range(6)])
    assert result.correct.tolist() == (overlaps >= 0.5).tolist()
    assert result.correct.sum() >= 5
    moved = localization_error(found, scenes.labels, scenes.boxes + 40, scenes.labels)
    assert moved.error == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([GOOD], [3, 4], [GOOD, GOOD], [3, 4]), "for 1, 2, 2, 2 images"),
        (([[GOOD, GOOD]], [3], [GOOD], [3]), "Image 0 has 2 predicted boxes for 1 guesses"),
        (([GOOD, GOOD], [3, 3], [GOOD, []], [3, 3]), "Image 1 has no true box"),
        (([GOOD], [3], [[0, 0, 0, 0]], [3]), "without area"),
        (([GOOD, [9, 9, 1, 1]], [3, 3], [GOOD, GOOD], [3, 3]), "predicted boxes of image 1"),
        (([GOOD], [3], [[9, 9, 1, 1]], [3]), "true boxes of image 0"),
        (([GOOD], [0.9], [GOOD], [3]), "guesses of image 0"),
        (([GOOD], [3], [GOOD], [3.0]), "true_classes"),
        (([GOOD], ["cat"], [GOOD], [3]), "names in both"),
        (([GOOD], [[]], [GOOD], [3]), "at least one"),
        (([], [], [], []), "at least one"),
    ],
)
def test_wrong_entries_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        localization_error(*arguments)


@pytest.mark.parametrize("settings", [{"iou": 0}, {"iou": 1.1}, {"iou": np.nan}, {"k": 0}, {"k": 1.5}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(SettingError):
        localization_error([GOOD], [3], [GOOD], [3], **settings)


@pytest.mark.parametrize(
    ("shape", "share", "expected"),
    [
        ((100, 200), 0.5, [50, 25, 150, 75]),
        ((100, 200, 3), 1, [0, 0, 200, 100]),
        ((7, 11), 1.0, [0, 0, 11, 7]),
        ((9, 5), 0.6, [1, 2, 4, 7]),
        ((10, 10), 0.001, [4, 4, 5, 5]),
    ],
)
def test_the_centre_box(shape, share, expected):
    found = center_box(shape, share)
    assert found.tolist() == [expected]
    assert found.dtype == np.int64


@pytest.mark.parametrize("share", [0, -1, 1.01, np.nan, "all"])
def test_shares_out_of_range_are_refused(share):
    with pytest.raises(SettingError, match="share"):
        center_box((10, 10), share)


@pytest.mark.parametrize("shape", [(10,), (0, 10), (10.5, 10), (-3, 4)])
def test_shapes_without_two_sides_are_refused(shape):
    with pytest.raises(InputError, match="no shape of an image"):
        center_box(shape)
