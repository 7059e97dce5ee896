"""Boxes from heat maps and masks."""

import numpy as np
import pytest
from skimage.measure import label, regionprops

from kerasviz.errors import InputError, SettingError
from kerasviz.evaluation import boxes, mask_boxes
from kerasviz.explanation import Explanation


def blobs():
    """A weak large blob at the left, a strong small one at the right edge, on a wide map."""
    heat = np.zeros((12, 30), np.float32)
    heat[2:9, 3:8] = 0.3
    heat[0:2, 27:30] = 1.0
    return heat


def test_the_largest_component_is_not_the_strongest():
    assert boxes(blobs()[None])[0].tolist() == [[3, 2, 8, 9]]
    assert boxes(blobs()[None], components="all")[0].tolist() == [[3, 2, 8, 9], [27, 0, 30, 2]]
    assert boxes(blobs()[None], threshold=0.5)[0].tolist() == [[27, 0, 30, 2]]


def test_the_default_threshold_is_a_fifth_of_the_maximum():
    heat = np.zeros((1, 1, 10))
    heat[0, 0, [1, 3, 4, 6, 7, 8]] = [5, 1.001, 1.001, 0.999, 0.999, 0.999]
    assert boxes(heat)[0].tolist() == [[3, 0, 5, 1]]
    assert boxes(heat, threshold=0.15)[0].tolist() == [[6, 0, 9, 1]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("share", [0.1, 0.15, 0.2, 0.3, 0.6, 0.7, 0.9, 1.0])
def test_a_value_at_the_threshold_belongs_to_the_box(dtype, share):
    heat = np.zeros((3, 4, 7), dtype)
    for index, peak in enumerate((1.0, 3.0, 1e-30)):
        heat[index, 1, 1], heat[index, 1, 2] = peak, share * peak
    assert [found.tolist() for found in boxes(heat, threshold=share)] == [[[1, 1, 3, 2]]] * 3
    heat[:, 1, 2] *= 1 - 1e-5
    assert [found.tolist() for found in boxes(heat, threshold=share)] == [[[1, 1, 2, 2]]] * 3


def test_pixels_that_touch_by_a_corner_are_connected():
    heat = np.zeros((1, 5, 9))
    heat[0, [0, 1, 2], [3, 4, 5]] = 1
    assert boxes(heat, components="all")[0].tolist() == [[3, 0, 6, 3]]


def test_boxes_reach_the_edges_and_ends_are_exclusive():
    heat = np.zeros((4, 6, 11))
    heat[0] = 1
    heat[1, 5, 10] = 1
    heat[2, :, 0] = 1
    heat[3, 0, :] = 1
    found = [each.tolist() for each in boxes(heat)]
    assert found == [[[0, 0, 11, 6]], [[10, 5, 11, 6]], [[0, 0, 1, 6]], [[0, 0, 11, 1]]]
    x0, y0, x1, y1 = found[1][0]
    assert heat[1, y0:y1, x0:x1].sum() == heat[1].sum()


def test_equal_components_come_from_the_top_then_from_the_left():
    mask = np.zeros((9, 9), bool)
    for corner in ((6, 0), (1, 5), (1, 2), (4, 8)):
        mask[corner] = True
    assert mask_boxes(mask, "all").tolist() == [[2, 1, 3, 2], [5, 1, 6, 2], [8, 4, 9, 5], [0, 6, 1, 7]]
    assert mask_boxes(mask).tolist() == [[2, 1, 3, 2]]


@pytest.mark.parametrize("heat", [np.zeros((4, 5)), np.full((4, 5), -1.0), -np.eye(5)])
def test_a_map_without_positive_values_has_no_box(heat):
    for components in ("largest", "all"):
        found = boxes(np.stack([heat, heat]), components=components)
        assert [each.shape for each in found] == [(0, 4), (0, 4)]
        assert found[0].dtype == np.int64
    assert mask_boxes(heat > 0).shape == (0, 4)


def test_negative_values_do_not_shift_the_threshold():
    heat = np.full((1, 4, 6), -100.0)
    heat[0, 1, 2:4] = (1.0, 0.1)
    assert boxes(heat)[0].tolist() == [[2, 1, 3, 2]]


def test_components_agree_with_scikit_image(rng):
    for density in (0.1, 0.3, 0.5):
        heat = rng.random((17, 23)) < density
        regions = regionprops(label(heat, connectivity=2))
        expected = sorted((-r.area, r.bbox[0], r.bbox[1], r.bbox[2], r.bbox[3]) for r in regions)
        expected = [[x0, y0, x1, y1] for _, y0, x0, y1, x1 in expected]
        assert len(expected) > 2
        assert boxes(heat[None].astype("float32"), components="all")[0].tolist() == expected
        assert mask_boxes(heat).tolist() == expected[:1]


def test_an_explanation_is_read_and_batch_mates_do_not_matter():
    values = np.stack([blobs(), 7 * blobs()[:, ::-1]])
    found = boxes(Explanation(values, method="grad_cam", signed=False, kind="heatmap"))
    assert [each.tolist() for each in found] == [[[3, 2, 8, 9]], [[22, 2, 27, 9]]]
    for index in range(2):
        assert boxes(values[index : index + 1])[0].tolist() == found[index].tolist()


def test_integers_are_read_and_nothing_is_changed():
    heat = (blobs() * 255).astype(np.uint8)[None]
    kept = heat.copy()
    assert boxes(heat)[0].tolist() == [[3, 2, 8, 9]]
    np.testing.assert_array_equal(heat, kept)


@pytest.mark.parametrize("threshold", [0, -0.1, 1.01, np.nan, "0.2", None])
def test_thresholds_out_of_range_are_refused(threshold):
    with pytest.raises(SettingError, match="threshold"):
        boxes(blobs()[None], threshold=threshold)


def test_unknown_components_are_refused():
    with pytest.raises(SettingError, match='"largest" or "all"'):
        boxes(blobs()[None], components="biggest")
    with pytest.raises(SettingError, match='"largest" or "all"'):
        mask_boxes(blobs() > 0, components=2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (blobs(), r"heatmap\[None\]"),
        (np.ones((2, 4, 5, 3)), "reduce_channels"),
        (np.ones((0, 4, 5)), "empty"),
        (np.array([[["a"]]]), "of type"),
    ],
)
def test_wrong_maps_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        boxes(values)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_maps_that_are_not_finite_name_the_sample(bad):
    heat = np.stack([blobs()] * 3)
    heat[1, 0, 0] = bad
    with pytest.raises(InputError, match="heat map of sample 1"):
        boxes(heat)


@pytest.mark.parametrize("mask", [np.ones((3, 4)), np.ones((2, 3, 4), bool), np.ones((0, 4), bool)])
def test_wrong_masks_are_refused(mask):
    with pytest.raises(InputError, match="boolean mask"):
        mask_boxes(mask)
