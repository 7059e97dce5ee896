"""Occlusion: against loops on every kind of model, closed forms, fills, sweeps, and the faults of other tools."""

import functools
from contextlib import contextmanager
from unittest import mock

import keras
import numpy as np
import pytest
import zoo
from keras import layers as L
from occlusion_cases import (
    PATCHES,
    Kept,
    assert_close,
    linear_model,
    logits_of,
    lost_part,
    scores_of,
    spatial_of,
    watched,
    wide,
)
from reference import occlusion as slow
from zoo_cases import case_of

import kerasviz as kv
from kerasviz.attribution.fills import fill_like
from kerasviz.errors import SettingError
from kerasviz.network.incremental import Incremental


@functools.cache
def expected_of(name):
    """For each perturbed input of a kind of model the maps and the drops of its samples."""
    case = case_of(name)
    done = []
    for i, number in enumerate(case.numbers):
        done.append(
            [
                slow.occlusion(scores_of(case, i, number, replaced), image, slow.grey(image), *PATCHES[image.ndim - 1])
                for replaced, image in spatial_of(case, i)
            ]
        )
    return [tuple(np.stack(arrays) for arrays in zip(*rows, strict=True)) for rows in zip(*done, strict=True)]


@contextmanager
def boxes(how):
    """While entered, incremental runs are made wherever they can be made, also where they do not pay."""
    if how != "forced":
        yield
        return
    with mock.patch.object(Incremental, "sweep", functools.partialmethod(Incremental.sweep, force=True)):
        yield


QUICK = [("functional", "forced"), ("functional", "never"), ("dicts", "where they pay"), ("conv1d", "where they pay")]


EVERY = [
    pytest.param(name, how, marks=[] if (name, how) in QUICK else pytest.mark.slow)
    for name in sorted(zoo.ZOO)
    for how in ("forced", "where they pay", "never")
]


@pytest.mark.parametrize(("name", "how"), EVERY)
def test_equals_the_reference(name, how):
    case = case_of(name)
    size, stride = PATCHES[spatial_of(case, 0)[0][1].ndim - 1]
    explain = kv.Occlusion(case.model, size, stride, incremental=how != "never")
    with boxes(how):
        explanation = explain(case.inputs, case.target)
    several = isinstance(explanation.values, dict)
    maps = list(explanation.values.values()) if several else [explanation.values]
    names = [f"{name}/" for name in explanation.values] if several else [""]
    for values, prefix, (expected, drops) in zip(maps, names, expected_of(name), strict=True):
        assert_close(values, expected)
        assert_close(explanation.extras[f"{prefix}drop"], drops)
        assert values.dtype == np.float32
    clean = [scores_of(case, i, k)(spatial_of(case, i)[0][1][None])[0] for i, k in enumerate(case.numbers)]
    np.testing.assert_allclose(explanation.score, clean, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(explanation.target, case.numbers)
    assert (explanation.method, explanation.kind, explanation.signed) == ("occlusion", "heatmap", True)


@pytest.mark.slow
@pytest.mark.parametrize("fill", [pytest.param("grey", marks=pytest.mark.slow), "blur", 2.0])
def test_boxes_where_they_pay(fill):
    model, images = wide()
    # With a small batch size positions are run out of their order.
    explain = kv.Occlusion(model, (6, 4), (5, 3), fill, batch_size=8)
    assert explain.plan().units
    values = explain(images, [1, 3]).values
    made = fill_like(images, fill, "image")
    expected = [
        slow.occlusion(logits_of(model, k), image, one, (6, 4), (5, 3))[0]
        for image, one, k in zip(images, made, [1, 3], strict=True)
    ]
    assert_close(values, np.stack(expected))


def one_conv():
    """The one-convolution network of captum's tests, laid out channels last."""
    model = keras.Sequential([keras.Input((4, 4, 1)), L.Conv2D(2, 3), L.ReLU(), L.Flatten(), L.Dense(1)])
    head = np.array([1, 1, 1, -1, 1, -1, 1, -1.0])[:, None]
    model.set_weights([np.ones((3, 3, 1, 2)), np.array([-50.0, -75]), head, np.zeros(1)])
    return model, np.arange(16, dtype="float32").reshape(1, 4, 4, 1)


@pytest.mark.parametrize("incremental", [True, False])
def test_captums_network(incremental):
    model, image = one_conv()
    explanation = kv.Occlusion(model, 2, 2, fill=0, incremental=incremental)(image)
    np.testing.assert_allclose(explanation.extras["drop"], [[[7, 4], [36, 47]]], rtol=1e-6)
    np.testing.assert_allclose(explanation.values, np.kron([[7, 4], [36, 47]], np.ones((2, 2)))[None], rtol=1e-6)
    np.testing.assert_allclose(explanation.score, [54])


@pytest.mark.parametrize(
    ("shape", "size", "stride"),
    [((24, 40, 1), (5, 7), (4, 3)), ((40, 24, 2), 6, 6), ((31, 2), 7, 3), ((5, 9, 7, 1), (2, 3, 7), (1, 2, 1))],
)
def test_on_a_linear_score_each_position_loses_its_own_part(shape, size, stride):
    model, weights = linear_model(*shape)
    images = zoo.images(*shape)
    explanation = kv.Occlusion(model, size, stride, fill=0.25)(images, [2, 0, 1])
    axes = len(shape) - 1
    size, stride = (n if isinstance(n, tuple) else (n,) * axes for n in (size, stride))
    for i, number in enumerate([2, 0, 1]):
        drops = [
            lost_part(weights[..., number], images[i], 0.25, start, size)
            for start in slow.positions(shape[:-1], size, stride)
        ]
        expected = slow.covering_mean(shape[:-1], size, stride, drops)
        assert_close(explanation.values[i][None], expected[None])
        np.testing.assert_allclose(explanation.extras["drop"][i].ravel(), drops, atol=1e-4 * np.abs(drops).max())


def test_every_pixel_is_covered():
    """One pixel matters: wherever it is, its patches have its weight, as do the pixels they cover, and no others."""
    inputs = keras.Input((11, 8, 1))
    model = keras.Model(inputs, L.Dense(88, use_bias=False)(L.Flatten()(inputs)))
    model.set_weights([np.eye(88)])
    explain = kv.Occlusion(model, (4, 3), (4, 3), fill=0)
    image = np.ones((88, 11, 8, 1))
    values = explain(image, np.arange(88)).values.reshape(88, 88)
    assert (np.diag(values) > 0).all()
    rows, columns = [0, 4, 7], [0, 3, 5]
    for pixel, found in enumerate(values):
        i, j = divmod(pixel, 8)
        patches = [(r, c) for r in rows for c in columns if r <= i < r + 4 and c <= j < c + 3]
        near = {x * 8 + y for r, c in patches for x in range(r, r + 4) for y in range(c, c + 3)}
        assert set(np.flatnonzero(found)) == near


@pytest.mark.parametrize(("size", "stride"), [((3, 2), (5, 4)), ((1, 1), (3, 3)), ((4, 3), (2, 3))])
def test_interpolation_in_closed_form(size, stride):
    """The drop is the patch's area times a linear function of its centre, and so is the map between the centres."""
    space, area = (14, 11), size[0] * size[1]
    weights = 1 + 0.5 * np.arange(14)[:, None] - 2 * np.arange(11)[None]
    inputs = keras.Input((*space, 1))
    model = keras.Model(inputs, L.Dense(1, use_bias=False)(L.Flatten()(inputs)))
    model.set_weights([weights.reshape(-1, 1)])
    values = kv.Occlusion(model, size, stride, fill=0, interpolate=True)(np.ones((1, *space, 1))).values[0]
    held = [
        np.clip(np.arange(length), (n - 1) / 2, length - 1 - (n - 1) / 2) for length, n in zip(space, size, strict=True)
    ]
    expected = area * (1 + 0.5 * held[0][:, None] - 2 * held[1][None])
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-3)
    if stride[0] > size[0]:
        with pytest.raises(SettingError, match="interpolate=True"):
            kv.Occlusion(model, size, stride)(np.ones((1, *space, 1)))


@pytest.mark.parametrize(
    ("space", "size", "stride"),
    [((224, 300), 32, 8), ((28, 28), 4, 1), ((12, 10), 1, 1), ((3, 50), 1, 1), ((640,), 91, 22), ((32, 40, 64), 5, 2)],
)
def test_sizes_by_default(space, size, stride):
    """A seventh of the shortest axis, 32 of 224, and a quarter of that; over volumes half of it."""
    explain = kv.Occlusion(linear_model(2, 2, 1)[0])
    (grid,) = explain.grids(space)
    assert grid.size == (size,) * len(space)
    assert grid.stride == (stride,) * len(space)


def test_strides_by_default_are_a_quarter_of_each_size():
    explain = kv.Occlusion(linear_model(2, 2, 1)[0], [(12, 9), 7], None)
    assert [(grid.size, grid.stride) for grid in explain.grids((30, 30))] == [((12, 9), (3, 2)), ((7, 7), (1, 1))]


def test_the_default_on_a_small_image():
    """Pixel by pixel, on a linear score, the map is each pixel's share."""
    model, weights = linear_model(10, 9, 2)
    images = zoo.images(10, 9, 2)
    values = kv.Occlusion(model, fill=0)(images, 1).values
    assert_close(values, (weights[..., 1] * images).sum(-1))


def test_sweeps():
    case, pairs = case_of("functional"), [((5, 4), (2, 3)), ((3, 3), (1, 1)), ((12, 10), (1, 1))]
    explain = kv.Occlusion(case.model, [(5, 4), 3, (12, 10)], [(2, 3), 1, 1], fill=0.1)
    explanation = explain(case.inputs, [1, 0, 2])
    tags = ["5x4/2x3", "3/1", "12x10/1"]
    assert set(explanation.extras) == {f"{kind} {tag}" for kind in ("drop", "map") for tag in tags}
    for i, number in enumerate([1, 0, 2]):
        maps = []
        for (size, stride), tag in zip(pairs, tags, strict=True):
            expected, drops = slow.occlusion(scores_of(case, i, number), case.inputs[i], 0.1, size, stride)
            assert_close(explanation.extras[f"map {tag}"][i][None], expected[None])
            assert_close(explanation.extras[f"drop {tag}"][i][None], drops[None])
            maps.append(expected)
        assert_close(explanation.values[i][None], np.mean(maps, axis=0)[None])
    assert explanation.settings["size"] == [(5, 4), 3, (12, 10)]
    assert explanation.settings["stride"] == [(2, 3), 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "stride"), [([3], [2]), (3, [2]), ([3], 2)])
def test_a_sweep_of_one_is_none(size, stride):
    model, images = linear_model(8, 7, 1)[0], zoo.images(8, 7, 1)
    explanation = kv.Occlusion(model, size, stride)(images, 1)
    assert set(explanation.extras) == {"drop"}
    np.testing.assert_array_equal(explanation.values, kv.Occlusion(model, 3, 2)(images, 1).values)
    assert (explanation.settings["size"], explanation.settings["stride"]) == (3, 2)


ONE = zoo.images(12, 10, 3, count=1, seed=8)[0]


FILLS = {
    "grey": ("grey", lambda images, i: slow.grey(images[i])),
    "mean": ("mean", lambda images, i: slow.mean(images[i])),
    "number": (0.7, lambda images, i: 0.7),
    "colour": ((0.1, 0.5, -0.2), lambda images, i: [0.1, 0.5, -0.2]),
    "image": (ONE, lambda images, i: ONE),
    "batch": (np.stack([ONE, 2 * ONE, -ONE]), lambda images, i: [ONE, 2 * ONE, -ONE][i]),
    "callable": (lambda images: images[[1, 2, 0]], lambda images, i: images[(i + 1) % 3]),
    "noise": ("noise", lambda images, i: fill_like(images[i : i + 1], "noise", "", 0)[0]),
}


#: The others are made by what has tests of its own.
QUICK_FILLS = ("colour", "batch", "callable", "noise")


@pytest.mark.parametrize("fill", [pytest.param(f, marks=[] if f in QUICK_FILLS else pytest.mark.slow) for f in FILLS])
def test_what_hides(fill):
    given, of_image = FILLS[fill]
    case = case_of("sequential")
    if isinstance(given, np.ndarray):
        given.flags.writeable = False
    # A batch of fills stays with its images also where several batches are run.
    values = kv.Occlusion(case.model, 5, 4, given, batch_size=2)(case.inputs, [1, 2, 0]).values
    for i, number in enumerate([1, 2, 0]):
        fill_of_one = np.float32(of_image(case.inputs, i))
        expected, _ = slow.occlusion(scores_of(case, i, number), case.inputs[i], fill_of_one, (5, 5), (4, 4))
        assert_close(values[i][None], expected[None])


def test_integer_pictures():
    inputs = keras.Input((9, 12, 3), dtype="uint8")
    x = L.Conv2D(4, 3, activation="relu")(L.Rescaling(1 / 127.5, offset=-1)(inputs))
    model = zoo.randomize(keras.Model(inputs, L.Dense(3)(L.GlobalMaxPooling2D()(x))))
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 12, 3)).astype("uint8")
    images[0] //= 3
    for given, of_image in ((200, lambda image: 200), ("grey", lambda image: np.rint(slow.grey(image)))):
        explanation = kv.Occlusion(model, 4, 2, given)(images, 1)
        for i in range(2):
            expected, _ = slow.occlusion(
                lambda batch: model(batch.astype("uint8")).numpy()[:, 1],
                images[i],
                np.uint8(of_image(images[i])),
                (4, 4),
                (2, 2),
            )
            assert_close(explanation.values[i][None], expected[None])


@pytest.mark.slow
def test_seeds():
    case = case_of("sequential")
    explain = [kv.Occlusion(case.model, 5, 3, "noise", seed=seed) for seed in (4, 4, 5)]
    one, same, other = (of_seed(case.inputs, 1).values for of_seed in explain)
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.05 * np.abs(one).max()
    assert explain[2].settings["seed"] == 5
    assert "seed" not in kv.Occlusion(case.model, 5, 3).settings


# The faults of other tools; each must not happen here.


def test_on_images_that_are_not_square_a_part_is_never_hidden():
    """tf-explain 0.3.1: x and y are swapped: of 24 x 40 the columns from 24 on are never hidden."""
    inputs = keras.Input((24, 40, 1))
    model = keras.Model(inputs, L.Dense(1, use_bias=False)(L.Flatten()(inputs)))
    weights = np.zeros((24, 40))
    weights[:, 32:] = 1
    model.set_weights([weights.reshape(-1, 1)])
    values = kv.Occlusion(model, 8, 8, fill=0)(np.ones((1, 24, 40, 1))).values[0]
    np.testing.assert_allclose(values, 64 * weights)


def test_the_patch_is_127_whatever_the_range():
    """tf-explain 0.3.1: 127.5 on an image from 0 to 1, which hides nothing but shouts: a map of -118."""
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, L.Dense(1, use_bias=False)(L.Flatten()(inputs)))
    model.set_weights([np.full((64, 1), 1 / 16.0)])
    explain = kv.Occlusion(model, 4, 4)
    for low, high in ((0, 1), (0, 255), (-127.5, 127.5), (-2.2, 2.6)):
        image = np.full((1, 8, 8, 1), high, "float32")
        image[:, :, 4:] = low
        values = explain(image).values[0]
        np.testing.assert_allclose(values[:, :4], (high - low) / 2, rtol=1e-5)
        np.testing.assert_allclose(values[:, 4:], (low - high) / 2, rtol=1e-5)


def test_the_last_rows_and_columns_are_never_hidden():
    """Xplique 2.0.2: a patch of 10 with stride 7 on 32 pixels leaves the last row and column at 0."""
    inputs = keras.Input((32, 32, 1))
    model = keras.Model(inputs, L.Dense(1, use_bias=False)(L.Flatten()(inputs)))
    model.set_weights([np.ones((1024, 1))])
    values = kv.Occlusion(model, 10, 7, fill=0)(np.ones((1, 32, 32, 1))).values
    np.testing.assert_allclose(values, np.full((1, 32, 32), 100.0))


def test_overlaps_are_summed():
    """saliency (PAIR), Xplique: sums over the patches that cover a pixel make the middle bright."""
    inputs = keras.Input((5, 5, 1))
    model = keras.Model(inputs, L.Dense(1, use_bias=False)(L.Flatten()(inputs)))
    model.set_weights([np.full((25, 1), 3.0)])
    image = np.zeros((1, 5, 5, 1))
    image[0, 1, 1], image[0, 3, 3] = 1, 1
    # PAIR's own table.
    summed = np.array([[3, 6, 6, 3, 0], [6, 15, 18, 12, 3], [6, 18, 24, 18, 6], [3, 12, 18, 15, 6], [0, 3, 6, 6, 3]])
    patches = np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1])
    np.testing.assert_allclose(kv.Occlusion(model, 3, 1, fill=0)(image).values[0], summed / patches, rtol=1e-6)


def test_each_position_is_a_call_of_its_own():
    """saliency (PAIR): 325 calls for 32 x 32 pixels and a patch of 15, where eleven batches do."""
    model, images = watched()
    explain = kv.Occlusion(model, 2, 1, batch_size=32)
    Kept.seen.clear()
    drops = explain(images[:1], 1).extras["drop"]
    assert drops.size == 48
    assert [len(batch) for batch in Kept.seen] == [1, 32, 16]


@pytest.mark.parametrize(
    "name", ["subclassed", *(pytest.param(name, marks=pytest.mark.slow) for name in ("image_and_table", "two_outputs"))]
)
def test_models_of_every_kind_raise(name):
    """Xplique 2.0.2: AttributeError for subclassed models, ValueError for several inputs, TypeError for dicts;
    tf-explain: several outputs, a table beside the image and signals raise."""
    case = case_of(name)
    explanation = kv.Occlusion(case.model, *PATCHES[2])(case.inputs, case.target)
    ((expected, _),) = expected_of(name)
    assert_close(explanation.values, expected)


def test_a_sure_network_shows_nothing():
    """tf-explain #135, #159, #182: the drop of a saturated probability is 0 everywhere; that of the score is not."""
    model, images = linear_model(12, 12, 1, classes=2)
    images = zoo.images(12, 12, 1, count=1)
    inputs = keras.Input((12, 12, 1))
    sure = keras.Model(inputs, L.Softmax()(1000 * model(inputs)))
    explanation = kv.Occlusion(sure, 4, 4, fill=0)(images)
    expected = 1000 * kv.Occlusion(model, 4, 4, fill=0)(images, explanation.target).values
    np.testing.assert_allclose(explanation.values, expected, rtol=1e-3, atol=1)
    assert np.ptp(explanation.values) > 100
    assert sure(images).numpy().max() == 1
