"""The scenes show what their records say, and the subject's form alone tells its class."""

import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from kerasviz.data.shapes import CATEGORIES, CLASSES, CONCEPTS, scenes, stream
from kerasviz.errors import SettingError

# Degrees around the colour circle between which a reader would use the word.
HUES = {
    "red": (-15, 12),
    "orange": (20, 40),
    "yellow": (42, 60),
    "green": (110, 140),
    "cyan": (175, 195),
    "blue": (208, 228),
    "purple": (260, 285),
    "pink": (318, 340),
}
OWNERS = {
    "roof": {"house"},
    "door": {"house", "block"},
    "window": {"house", "car", "rocket", "block"},
    "wheel": {"car", "cart"},
    "tail": {"fish", "bird", "kite"},
    "fin": {"fish", "rocket"},
    "eye": {"fish", "bird", "face"},
    "stem": {"flower", "fruit"},
    "leaf": {"flower", "fruit"},
    "petal": {"flower"},
    "handle": {"mug", "pan"},
    "rim": {"mug"},
    "trunk": {"tree"},
    "crown": {"tree"},
    "mast": {"boat"},
    "sail": {"boat"},
    "beak": {"bird"},
    "wing": {"bird", "butterfly"},
    "nose": {"rocket"},
}


@pytest.fixture(scope="module")
def many():
    return scenes(1500, seed=11)


def names(codes):
    return {CONCEPTS[code - 1].name for code in np.unique(codes) if code}


def bounding_box(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def inner(mask):
    """Without the border pixels, where two colours blend."""
    return np.stack([cv2.erode(one.view(np.uint8), np.ones((3, 3), np.uint8)) for one in mask]).astype(bool)


@pytest.mark.parametrize("colour", HUES)
def test_a_colour_mask_has_that_hue(many, colour):
    pixels = many.images[:300][inner(many.mask(colour)[:300])]
    hue, saturation, _ = cv2.cvtColor(pixels[None].astype(np.float32) / 255, cv2.COLOR_RGB2HSV)[0].T
    low, high = HUES[colour]
    hue = np.where(hue > 345, hue - 360, hue)
    assert len(pixels) > 5000
    # A piece that covers less than half of a pixel tints it without owning it.
    assert ((low <= hue) & (hue <= high)).mean() > 0.995
    assert (saturation > 0.5).mean() > 0.995  # no background is that colourful


def test_white_and_black_masks_are_white_and_black(many):
    assert (many.images[inner(many.mask("white"))] >= 220).mean() > 0.99
    assert (many.images[inner(many.mask("black"))] <= 45).mean() > 0.99


def test_backgrounds_are_pale(many):
    pixels = many.images[:300][inner(many.instances[:300] == 0)].astype(int)
    assert ((pixels.max(axis=1) - pixels.min(axis=1)) / pixels.max(axis=1)).max() < 0.35


def test_a_texture_mask_has_two_tones_and_a_plain_body_has_one(many):
    spread = {True: [], False: []}
    for image, instances, objects, colours in zip(
        many.images[:300],
        many.instances,
        many.objects,
        many.maps[:, CATEGORIES.index("colour")],
        strict=False,
    ):
        for one in objects:
            code = 1 + [concept.name for concept in CONCEPTS].index(one.colour)
            body = inner(((instances == one.number) & (colours == code))[None])[0]
            if body.sum() > 60:
                spread[one.texture is not None].append(np.ptp(np.quantile(image[body].max(axis=1), [0.1, 0.9])))
    assert np.mean(np.array(spread[False]) <= 1) > 0.98
    assert min(spread[True]) > 30


def test_boxes_bound_the_visible_subject_and_every_object(many):
    subjects = many.subject_mask()
    for box, subject, instances, objects in zip(many.boxes, subjects, many.instances, many.objects, strict=True):
        assert tuple(box) == bounding_box(subject)
        assert objects[0].number == 1 and objects[0].box == tuple(box)
        assert [one.number for one in objects] == sorted(set(np.unique(instances)) - {0})
        for one in objects[1:]:
            assert one.box == bounding_box(instances == one.number)


def test_there_is_one_subject_and_one_to_four_distractors(many):
    counts = np.array([len(objects) for objects in many.objects])
    assert set(counts) == {2, 3, 4, 5}
    for label, objects in zip(many.labels, many.objects, strict=True):
        assert [one.shape for one in objects if one.shape in CLASSES] == [CLASSES[label]]


def test_pixels_show_what_the_object_records_say(many):
    for maps, instances, objects in zip(many.maps[:200], many.instances, many.objects, strict=False):
        for one in objects:
            there = maps[:, instances == one.number]
            shape, _, colours, textures, backgrounds = (names(codes) for codes in there)
            assert shape == {one.shape}
            assert one.colour in colours or len(there[0]) < 40
            assert colours <= {one.colour, one.accent, one.detail}
            assert textures <= {one.texture}
            assert not backgrounds
            body = there[2] == 1 + [concept.name for concept in CONCEPTS].index(one.colour)
            assert ((there[3] > 0) == (body & (one.texture is not None))).all()


def test_every_pixel_is_background_or_has_a_shape_and_a_colour(many):
    shape, part, colour, texture, background = (many.maps[:, k] > 0 for k in range(5))
    covered = many.instances > 0
    assert (shape == covered).all() and (colour == covered).all() and (background == ~covered).all()
    assert not (part & ~covered).any() and not (texture & ~covered).any()
    for codes in many.maps[:100, CATEGORIES.index("background")]:
        assert len(names(codes)) == 1


@pytest.mark.parametrize("part", OWNERS)
def test_parts_lie_in_the_objects_that_have_them(many, part):
    shapes = many.maps[:, CATEGORIES.index("shape")][many.mask(part)]
    assert names(shapes) == OWNERS[part]
    for found, objects in zip(many.mask(part), many.objects, strict=True):
        boxes = [one.box for one in objects if one.shape in OWNERS[part]]
        inside = np.zeros_like(found)
        for x0, y0, x1, y1 in boxes:
            inside[y0:y1, x0:x1] = True
        assert not (found & ~inside).any()


def test_the_table_of_owners_is_whole():
    assert [concept.name for concept in CONCEPTS if concept.category == "part"] == sorted(
        OWNERS, key=[concept.name for concept in CONCEPTS].index
    )


def test_concepts_are_many_named_once_and_found_by_category():
    assert len(CONCEPTS) == len({concept.name for concept in CONCEPTS}) == 60
    assert {concept.category for concept in CONCEPTS} == set(CATEGORIES)


def test_every_concept_is_frequent(many):
    shares = {concept.name: many.mask(concept).any(axis=(1, 2)).mean() for concept in CONCEPTS}
    assert min(shares.values()) > 0.07, shares


def test_masks_follow_the_category_maps(many):
    for code in (1, 20, 40, 60):
        category = CATEGORIES.index(CONCEPTS[code - 1].category)
        mask = many.mask(CONCEPTS[code - 1].name)
        assert mask.dtype == bool and np.array_equal(mask, many.maps[:, category] == code)
        assert np.array_equal(mask, many.mask(CONCEPTS[code - 1]))


def _tables(many):
    subjects = [objects[0] for objects in many.objects]
    middles = (many.boxes[:, :2] + many.boxes[:, 2:]) / 2
    background = many.maps[:, CATEGORIES.index("background")].max(axis=(1, 2))
    return {
        "colour": [one.colour for one in subjects],
        "accent": [one.accent for one in subjects],
        "detail": [one.detail for one in subjects],
        "texture": [str(one.texture) for one in subjects],
        "mirrored": [one.mirrored for one in subjects],
        "turn": [int(one.rotation // 20) for one in subjects],
        "size": [int(one.size // 2) for one in subjects],
        "left or right": list(middles[:, 0] > 32),
        "above or below": list(middles[:, 1] > 32),
        "background": background.tolist(),
        "distractors": [len(objects) for objects in many.objects],
        "first distractor": [objects[1].shape for objects in many.objects],
    }


def dependence(labels, values):
    """The p-value of Pearson's chi-square test."""
    _, columns = np.unique(values, return_inverse=True)
    table = np.zeros((len(CLASSES), columns.max() + 1))
    np.add.at(table, (labels, columns), 1)
    return chi2_contingency(table).pvalue


def test_the_label_is_independent_of_everything_but_form(many):
    values = {name: dependence(many.labels, column) for name, column in _tables(many).items()}
    assert min(values.values()) > 0.05 / len(values), values
    assert dependence(many.labels, [objects[0].shape for objects in many.objects]) < 1e-12


def test_every_class_covers_the_same_area(many):
    area = many.subject_mask().sum(axis=(1, 2))
    means = np.array([area[many.labels == label].mean() for label in range(len(CLASSES))])
    assert np.abs(means / area.mean() - 1).max() < 0.1, dict(zip(CLASSES, means, strict=True))


def test_an_unhidden_object_has_its_size_squared_in_pixels(many):
    ratio = [
        (instances == one.number).sum() / one.size**2
        for instances, objects in zip(many.instances, many.objects, strict=True)
        for one in objects
    ]
    # Most objects are not hidden at all. OpenCV's filling reaches an eighth of a pixel over every edge.
    assert 1 < np.median(ratio) < 1.05
    assert max(ratio) < 1.2


def test_global_colours_hardly_tell_the_class(many):
    images = many.images[:, ::2, ::2]
    pixels = images.reshape(len(many), -1, 3).astype(np.float64)
    cells = (images // 64).astype(int) @ (16, 4, 1)
    histogram = np.stack([np.bincount(one.ravel(), minlength=64) for one in cells])
    features = np.concatenate([pixels.mean(axis=1), pixels.std(axis=1), histogram], axis=1)
    features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    train, test = slice(1000), slice(1000, None)
    targets = np.eye(len(CLASSES))[many.labels[train]]
    gram = features[train].T @ features[train] + 30 * np.eye(features.shape[1])
    guesses = (features[test] @ np.linalg.solve(gram, features[train].T @ targets)).argmax(axis=1)
    assert (guesses == many.labels[test]).mean() < 0.19


def test_a_box_in_the_middle_misses_the_subject(many):
    area = (many.boxes[:, 2:] - many.boxes[:, :2]).prod(axis=1)
    hits = []
    for side in range(16, 65, 2):
        low, high = 32 - side / 2, 32 + side / 2
        common = np.minimum(many.boxes[:, 2:], high) - np.maximum(many.boxes[:, :2], low)
        overlap = np.maximum(common, 0).prod(axis=1)
        hits.append((overlap / (area + side**2 - overlap) >= 0.5).mean())
    assert 1 - max(hits) > 0.8


def test_most_of_the_subject_is_visible_and_sometimes_not_all(many):
    share = many.subject_mask().sum(axis=(1, 2)) / [objects[0].size ** 2 for objects in many.objects]
    assert share.min() > 0.6
    assert 0.05 < (share < 0.95).mean() < 0.3


def assert_same(one, other):
    for name in ("images", "labels", "boxes", "maps", "instances"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert one.objects == other.objects


def test_a_seed_repeats_and_another_differs():
    first = scenes(12, seed=5)
    assert_same(first, scenes(12, seed=5))
    other = scenes(12, seed=6)
    assert (first.images != other.images).any(axis=(1, 2, 3)).all()
    assert (first.images[1:] != first.images[:-1]).any(axis=(1, 2, 3)).all()


def test_a_stream_is_one_call_in_pieces():
    whole = scenes(13, seed=3, size=(40, 56), start=4)
    batches = list(stream(13, seed=3, size=(40, 56), start=4, batch_size=5))
    assert [len(batch) for batch in batches] == [5, 5, 3]
    position = 0
    for batch in batches:
        stop = position + len(batch)
        assert np.array_equal(batch.images, whole.images[position:stop])
        assert np.array_equal(batch.maps, whole.maps[position:stop])
        assert np.array_equal(batch.labels, whole.labels[position:stop])
        assert np.array_equal(batch.boxes, whole.boxes[position:stop])
        assert batch.objects == whole.objects[position:stop]
        position = stop
    assert_same(scenes(3, seed=3, start=10), scenes(3, seed=3, start=10))
    assert np.array_equal(scenes(14, seed=3).images[10:13], scenes(3, seed=3, start=10).images)


def test_twice_the_size_is_the_same_scene_twice_as_large():
    small, large = scenes(30, seed=2), scenes(30, seed=2, size=(128, 128))
    assert np.array_equal(small.labels, large.labels)
    assert np.abs(2 * small.boxes - large.boxes).max() <= 2
    shrunk = np.stack([cv2.resize(one, (64, 64), interpolation=cv2.INTER_AREA) for one in large.images])
    # The textures, too: only the soft edges differ.
    assert np.abs(shrunk.astype(int) - small.images)[small.instances > 0].mean() < 4


def test_a_frame_need_not_be_square():
    wide = scenes(60, size=(48, 100), seed=4)
    assert wide.images.shape == (60, 48, 100, 3)
    assert wide.maps.shape == (60, 5, 48, 100)
    assert wide.boxes[:, 2].max() > 90 and wide.boxes[:, 3].max() <= 48
    assert wide.boxes[:, 0].min() < 10
    # Objects keep their proportion to the shorter side.
    sizes = [objects[0].size for objects in wide.objects]
    assert 16 * 0.75 <= min(sizes) <= max(sizes) <= 23 * 0.75


@settings(max_examples=20, deadline=None)
@given(st.integers(32, 90), st.integers(32, 90), st.integers(0, 2**40))
def test_any_frame_holds_its_subject(height, width, seed):
    one = scenes(1, size=(height, width), seed=seed)
    assert tuple(one.boxes[0]) == bounding_box(one.subject_mask()[0])
    assert one.images.shape == (1, height, width, 3)


def test_the_subject_can_be_left_out():
    whole, erased = scenes(40, seed=8), scenes(40, seed=8, subject=False)
    assert np.array_equal(whole.labels, erased.labels)
    assert not erased.boxes.any() and not erased.subject_mask().any()
    for name in CLASSES:
        assert not erased.mask(name).any()
    touched = np.stack(
        [cv2.dilate(one.view(np.uint8), np.ones((3, 3), np.uint8)) for one in whole.subject_mask()]
    ).astype(bool)
    changed = (whole.images != erased.images).any(axis=3)
    # Fine tips and edges under a distractor change pixels that they do not own.
    assert changed[~touched].mean() < 5e-4
    assert changed[whole.subject_mask()].mean() > 0.97
    for before, after in zip(whole.objects, erased.objects, strict=True):
        # More of a distractor can be seen; all else of it is as before.
        assert [replace(one, box=None) for one in before[1:]] == [replace(one, box=None) for one in after]


def test_classes_can_be_chosen():
    some = scenes(60, seed=1, classes=["tree", "car"])
    assert set(some.labels) == {CLASSES.index("tree"), CLASSES.index("car")}
    assert 15 < (some.labels == CLASSES.index("tree")).sum() < 45
    assert some.mask("tree").any(axis=(1, 2)).sum() == (some.labels == CLASSES.index("tree")).sum()


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"count": 0}, "count is 0"),
        ({"count": 2.0}, r"count is 2\.0"),
        ({"count": True}, "count is True"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": None}, "seed is None"),
        ({"start": -2}, "start is -2"),
        ({"size": (31, 64)}, "height is 31"),
        ({"size": (64, 8)}, "width is 8"),
        ({"size": 64}, "size is 64"),
        ({"size": (64, 64, 3)}, r"size is \(64, 64, 3\)"),
        ({"classes": []}, r"classes is \[\]"),
        ({"classes": "car"}, "classes is 'car'"),
        ({"classes": ["dog"]}, r"classes is \['dog'\]"),
        ({"classes": ["car", "car"]}, r"classes is \['car', 'car'\]"),
        ({"classes": [0]}, r"classes is \[0\]"),
        ({"classes": 3}, "classes is 3"),
    ],
)
@pytest.mark.parametrize("draw", [scenes, stream])
def test_bad_arguments_are_named(draw, arguments, fault):
    with pytest.raises(SettingError, match=fault):
        draw(**({"count": 2} | arguments))


def test_a_bad_batch_size_is_named_before_the_first_batch():
    with pytest.raises(SettingError, match="batch_size is 0"):
        stream(4, batch_size=0)


@pytest.mark.parametrize("concept", ["Wheel", "", 3, None])
def test_an_unknown_concept_is_named(many, concept):
    with pytest.raises(SettingError, match=f"no concept {concept!r}"):
        many.mask(concept)


def test_numpy_numbers_are_numbers():
    assert_same(scenes(np.int64(2), seed=np.int32(3), size=np.array([48, 48])), scenes(2, seed=3, size=(48, 48)))


def test_the_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    scenes(2)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_drawing_needs_no_tensorflow():
    code = (
        "import sys; from kerasviz.data.shapes import scenes; scenes(1);"
        "sys.exit(int(bool({'tensorflow', 'keras'} & set(sys.modules))))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
