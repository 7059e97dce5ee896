"""GraphCut: objects cut out by their colours, from seeds of saliency."""

import threading

import cv2
import numpy as np
import pytest

from kerasviz.data import shapes
from kerasviz.errors import InputError, KerasvizWarning, SettingError
from kerasviz.evaluation import graphcut, graphcut_boxes, iou, mask_boxes


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def disk_scene(height=70, width=110, centre=(30, 65), radius=20):
    """A red disk on a textured ground, and a saliency that peaks off its middle; image, disk, saliency."""
    generator = np.random.default_rng(3)
    y, x = np.ogrid[:height, :width]
    image = np.stack([60 + 20 * np.sin(x / 3 + 0 * y), 130 + 30 * np.sin(y / 4 + 0 * x), 90 + 0 * (x + y)], axis=-1)
    disk = np.hypot(y - centre[0], x - centre[1]) < radius
    image[disk] = (200, 40, 40)
    image = np.clip(image + generator.normal(0, 8, image.shape), 0, 255).astype(np.uint8)
    saliency = np.exp(-np.hypot(y - centre[0] - 5, x - centre[1] + 4) / 15)
    return image, disk, saliency


def hinted_scenes():
    """Images, the masks of their subjects, and saliency that is these masks out of focus."""
    scenes = shapes.scenes(6, size=(96, 128), seed=6)
    masks = scenes.subject_mask()
    return scenes.images, masks, np.stack([cv2.GaussianBlur(mask.astype(float), (0, 0), 12) for mask in masks])


def test_the_cut_finds_all_of_a_disk_whose_middle_is_salient():
    image, disk, saliency = disk_scene()
    sure = saliency > np.quantile(saliency, 0.95)
    assert overlap(sure, disk) < 0.5
    mask = graphcut(image, saliency)
    assert mask.dtype == bool
    assert overlap(mask, disk) > 0.97
    assert iou(mask_boxes(mask), mask_boxes(disk))[0, 0] > 0.9


@pytest.mark.parametrize("convert", [lambda image: image / 255.0, lambda image: (image / 255.0).astype("float32")])
def test_floats_in_0_to_1_give_the_same_cut(convert):
    image, _, saliency = disk_scene()
    np.testing.assert_array_equal(graphcut(convert(image), saliency), graphcut(image, saliency))


def test_grey_images_are_cut():
    image, disk, saliency = disk_scene()
    grey = np.where(disk, 220, image[..., 1] // 2).astype(np.uint8)
    for given in (grey, grey[..., None]):
        assert overlap(graphcut(given, saliency), disk) > 0.97


def test_a_scene_is_cut_better_than_its_saliency_says():
    images, masks, saliency = hinted_scenes()
    mask = graphcut(images[0], saliency[0])
    assert overlap(mask, masks[0]) > 0.9
    assert overlap(saliency[0] > np.quantile(saliency[0], 0.95), masks[0]) < 0.75
    found = graphcut_boxes(images[:1], saliency[:1])
    assert iou(found[0], mask_boxes(masks[0]))[0, 0] > 0.9


def test_sure_pixels_stay_what_they_are():
    image, _, saliency = disk_scene()
    noise = np.random.default_rng(0).random(saliency.shape)
    for values in (saliency, noise):
        for iterations in (1, 5):
            mask = graphcut(image, values, foreground=0.9, background=0.4, iterations=iterations)
            assert mask[values > np.quantile(values, 0.9)].all()
            assert not mask[values < np.quantile(values, 0.4)].any()


def test_the_first_cut_knows_only_the_colours_of_the_seeds():
    """The pixels between are all of one colour: counted as ground, they would be taken for it."""
    generator = np.random.default_rng(0)
    height, width = 40, 60
    saliency = np.tile(np.arange(width, dtype=float), (height, 1))
    image = generator.integers(20, 40, (height, width, 3)).astype(np.uint8)
    image[:, 20:57] = generator.integers(178, 183, (height, 37, 3))
    image[:, 57:] = generator.integers(100, 251, (height, 3, 3))
    mask = graphcut(image, saliency, iterations=1)
    expected = np.zeros((height, width), bool)
    expected[:, 20:] = True
    np.testing.assert_array_equal(mask, expected)


def test_further_cuts_learn_from_the_cut_before():
    images, masks, saliency = hinted_scenes()
    once, twice, often = (overlap(graphcut(images[1], saliency[1], iterations=k), masks[1]) for k in (1, 2, 5))
    assert 0.9 < once < twice - 0.01 < often - 0.02


def test_the_cut_repeats_and_leaves_the_callers_random_numbers_alone():
    images, _, saliency = hinted_scenes()
    runs = []
    for seed in (1, 2, 3):
        cv2.setRNGSeed(seed)
        expected = cv2.randu(np.zeros((4, 4), np.float32), 0.0, 1.0)
        cv2.setRNGSeed(seed)
        runs.append([graphcut(*pair) for pair in zip(images, saliency, strict=True)])
        np.testing.assert_array_equal(cv2.randu(np.zeros((4, 4), np.float32), 0.0, 1.0), expected)
    thread = threading.Thread(target=lambda: runs.append([graphcut(*p) for p in zip(images, saliency, strict=True)]))
    thread.start()
    thread.join()
    for run in runs[1:]:
        np.testing.assert_array_equal(run, runs[0])


def test_batches_and_lists_give_what_single_images_give():
    scenes, _, saliency = hinted_scenes()
    images, maps = [disk_scene()[0], *scenes], [disk_scene()[2], *saliency]
    found = graphcut_boxes(images, maps)
    for index in range(7):
        assert found[index].shape == (1, 4)
        assert found[index].tolist() == mask_boxes(graphcut(images[index], maps[index])).tolist()
    assert np.concatenate(graphcut_boxes(scenes, saliency)).tolist() == np.concatenate(found[1:]).tolist()


def test_the_largest_part_gives_the_box():
    image, disk, saliency = disk_scene()
    image[55:58, 3:6] = (200, 40, 40)
    saliency[55:58, 3:6] = 2
    assert graphcut(image, saliency)[56, 4]
    assert iou(graphcut_boxes(image[None], saliency[None])[0], mask_boxes(disk))[0, 0] > 0.9


def test_a_map_that_tells_no_object_gives_the_whole_image_and_a_warning():
    image, _, saliency = disk_scene()
    flat = np.full(saliency.shape, 0.1)
    with pytest.warns(KerasvizWarning, match="the whole image") as caught:
        assert graphcut(image, flat).all()
    assert len(caught) == 1
    saturated = np.where(saliency > np.quantile(saliency, 0.9), 1.0, saliency)
    saturated[saturated < 1] *= 0.5
    with pytest.warns(KerasvizWarning, match="quantile 0.95"):
        assert graphcut(image, saturated).all()
    with pytest.warns(KerasvizWarning, match=r"samples \[1\]"):
        found = graphcut_boxes([image, image], [saliency, flat])
    assert found[1].tolist() == [[0, 0, 110, 70]]
    assert found[0].tolist() != [[0, 0, 110, 70]]


def test_where_most_of_a_map_is_zero_the_zeros_are_the_ground():
    image, disk, saliency = disk_scene()
    rectified = np.maximum(saliency - np.quantile(saliency, 0.6), 0)
    assert np.quantile(rectified, 0.3) == rectified.min() == 0
    mask = graphcut(image, rectified)
    assert not mask[rectified == 0].any()
    assert overlap(mask, disk) > 0.9


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (1, 30), (3, 3)])
def test_tiny_and_constant_images_are_cut(shape):
    saliency = np.arange(np.prod(shape), dtype=float).reshape(shape)
    mask = graphcut(np.full(shape, 7, np.uint8), saliency)
    assert mask[-1, -1]
    assert not mask[0, 0]


def test_nothing_that_was_given_is_changed():
    image, _, saliency = disk_scene()
    kept = image.copy(), saliency.copy()
    image.flags.writeable = saliency.flags.writeable = False
    graphcut(image, saliency)[:] = False
    np.testing.assert_array_equal(image, kept[0])
    np.testing.assert_array_equal(saliency, kept[1])


@pytest.mark.parametrize(
    "settings",
    [
        {"foreground": 1.0},
        {"background": 0.0},
        {"foreground": 0.3, "background": 0.3},
        {"foreground": np.nan},
        {"background": "low"},
        {"iterations": 0},
        {"iterations": 1.5},
    ],
)
def test_settings_out_of_range_are_refused(settings):
    image, _, saliency = disk_scene()
    with pytest.raises(SettingError, match=r"0 < background < foreground < 1|number of cuts"):
        graphcut(image, saliency, **settings)


def test_wrong_inputs_are_refused():
    image, _, saliency = disk_scene()
    with pytest.raises(InputError, match=r"shape \(110, 70\), its image \(70, 110\)"):
        graphcut(image, saliency.T)
    with pytest.raises(InputError, match="which is a batch"):
        graphcut(image[None], saliency)
    with pytest.raises(InputError, match="reduce_channels"):
        graphcut(image, np.stack([saliency] * 3, axis=-1))
    with pytest.raises(InputError, match="2 images were given with 1 maps"):
        graphcut_boxes([image, image], [saliency])
    broken = saliency.copy()
    broken[0, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        graphcut(image, broken)
    with pytest.raises(InputError, match="saliency map of sample 1"):
        graphcut_boxes([image, image], [saliency, broken])
