"""RISE: its masks, one by one and in their moments, and its sums."""

import functools
from contextlib import contextmanager

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L
from reference import rise as slow
from zoo_cases import case_of

from kerasviz import progress
from kerasviz.attribution.rise import RISE
from kerasviz.errors import InputError, SettingError

#: A sum of some dozens of scores of float32.
TOLERANCE = 1e-5


def assert_close(values, expected, tolerance=TOLERANCE):
    """Relative to the largest value."""
    assert values.shape == expected.shape
    assert np.abs(values - expected).max() <= tolerance * np.abs(expected).max()


def score_of(case, i, number, replaced=0):
    """`image -> float`, the probability of a class of sample `i` with another image in the place of one input."""

    def score(image):
        flat = [np.asarray(array) for array in keras.tree.flatten(case.samples[i])]
        flat[replaced] = np.asarray(image, flat[replaced].dtype)[None]
        outputs = case.model(keras.tree.pack_sequence_as(case.samples[i], flat), training=False)
        outputs = outputs[case.target[0]] if isinstance(outputs, dict) else outputs
        return float(outputs[0, number])

    return score


@functools.cache
def masks_of(space, count, cells=7, keep=0.5, seed=0):
    return np.stack([slow.mask(n, space, cells=cells, keep=keep, seed=seed) for n in range(count)])


@functools.cache
def explainer(**settings):
    return RISE(case_of("functional").model, **{"centre": False, **settings})


def compiled_masks(explain, numbers, space):
    return tf.function(explain.masks)(tf.constant(numbers, tf.int32), tf.constant(space)).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("space", [(12, 10), (64, 37), (20,), (6, 8, 7), (3, 1), (1,)])
@pytest.mark.parametrize("cells", [1, 3, 7])
def test_masks_equal_the_written_out_ones(space, cells):
    numbers = [0, 1, 5, 7999]
    masks = compiled_masks(explainer(cells=cells, keep=0.4, seed=9), numbers, space)
    expected = [slow.mask(n, space, cells=cells, keep=0.4, seed=9) for n in numbers]
    np.testing.assert_allclose(masks, expected, atol=1e-5)
    assert masks.min() >= 0
    assert masks.max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "cells", "keep"), [((7, 10), 3, 0.3), ((9, 4), 2, 0.8), ((17,), 4, 0.5), ((4, 3, 5), 2, 0.5)]
)
def test_every_two_pixels_of_the_masks_vary_together_as_they_should(space, cells, keep):
    """The means and the products of every two pixels: another distribution of cells or places has others."""
    count = 20000
    masks = compiled_masks(explainer(cells=cells, keep=keep, seed=1), range(count), space)
    masks = masks.reshape(count, -1).astype(np.float64)
    np.testing.assert_allclose(masks.mean(0), keep, atol=5 * np.sqrt(keep * (1 - keep) / count))
    expected = slow.moments(space, cells=cells, keep=keep)
    found, squares = masks.T @ masks / count, (masks**2).T @ masks**2 / count
    errors = (found - expected) / np.sqrt((squares - found**2) / count)
    assert np.abs(errors).max() < 5
    # The masks are independent of each other.
    next_to = (masks[:-1] - keep).T @ (masks[1:] - keep) / count
    assert np.abs(next_to).max() < 5 * keep * (1 - keep) / np.sqrt(count)


def test_the_moments_of_the_reference_are_those_of_its_masks(rng):
    """Two computations of the reference, so that the test above stands on both."""
    masks = np.stack([slow.random_mask(rng, (5, 7), cells=3, keep=0.3) for _ in range(4000)]).reshape(4000, -1)
    found = masks.T @ masks / 4000
    deviation = np.sqrt(((masks**2).T @ masks**2 / 4000 - found**2) / 4000)
    assert np.abs((found - slow.moments((5, 7), cells=3, keep=0.3)) / deviation).max() < 5


@pytest.mark.parametrize(
    "name",
    [
        "sequential",
        "image_and_table",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("conv1d", "conv3d", "subclassed")),
    ],
)
def test_equals_a_loop_over_the_same_masks(name):
    case = case_of(name)
    explanation = RISE(case.model, samples=21, batch_size=8, centre=False)(case.inputs, case.target)
    for i, number in enumerate(case.numbers):
        image = np.asarray(keras.tree.flatten(case.samples[i])[0])[0]
        expected, scores = slow.rise(score_of(case, i, number), image, masks_of(image.shape[:-1], 21), keep=0.5)
        assert_close(explanation.values[i], expected)
        np.testing.assert_allclose(explanation.extras["mean_score"][i], scores.mean(), rtol=1e-5)
        np.testing.assert_allclose(explanation.score[i], score_of(case, i, number)(image), rtol=1e-5)


FILLS = {
    "number": (0.7, lambda image: 0.7),
    "colour": ([0.1, 0.5, -0.2], lambda image: [0.1, 0.5, -0.2]),
    "mean": ("mean", lambda image: image.mean((0, 1))),
    "callable": (lambda images: images[:, ::-1], lambda image: image[::-1]),
}


@pytest.mark.slow
@pytest.mark.parametrize("fill", FILLS)
def test_what_a_mask_of_zero_shows(fill):
    given, of_image = FILLS[fill]
    case = case_of("sequential")
    values = RISE(case.model, samples=15, cells=3, keep=0.3, fill=given, seed=4, centre=False)(
        case.inputs, [1, 2, 0]
    ).values
    masks = masks_of((12, 10), 15, 3, 0.3, 4)
    for i, number in enumerate([1, 2, 0]):
        expected, _ = slow.rise(
            score_of(case, i, number), case.inputs[i], masks, keep=0.3, fill=of_image(case.inputs[i])
        )
        assert_close(values[i], expected)


def test_centred_maps():
    case = case_of("sequential")
    plain = RISE(case.model, samples=30, centre=False)(case.inputs, 1)
    centred = RISE(case.model, samples=30)(case.inputs, 1)
    masks = masks_of((12, 10), 30)
    for i in range(3):
        expected, _ = slow.rise(score_of(case, i, 1), case.inputs[i], masks, keep=0.5, centre=True)
        assert_close(centred.values[i], expected, 1e-4)
    assert (plain.values > 0).all()
    assert (centred.values < 0).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(centred.extras["mean_score"], plain.extras["mean_score"])
    assert (plain.signed, centred.signed) == (False, True)


@pytest.mark.slow
def test_scores_that_can_be_negative_make_signed_maps():
    case = case_of("sequential")
    logits = RISE(case.model, samples=12, probability=False, centre=False)(case.inputs, 3)
    stripped = keras.Sequential(case.model.layers[:-1])
    masks = masks_of((12, 10), 12)
    for i in range(3):
        expected, _ = slow.rise(
            lambda image: float(stripped(image[None].astype("float32"))[0, 3]), case.inputs[i], masks, keep=0.5
        )
        assert_close(logits.values[i], expected)
    assert logits.signed
    assert RISE(case_of("regression").model, samples=2, centre=False).signed
    assert not RISE(case_of("binary").model, samples=2, centre=False).signed


def linear_model(space, weights, bias):
    """A score that is linear in the image, of one channel."""
    inputs = keras.Input((*space, 1))
    model = keras.Model(inputs, L.Dense(2)(L.Flatten()(inputs)))
    model.layers[-1].set_weights([np.stack([weights, -weights], 1), np.array([bias, 0.0])])
    return model


def test_on_a_linear_score_the_map_comes_near_its_closed_form():
    """`b + Σⱼ wⱼ xⱼ E[mⱼ m] / keep`; wrong cells, places, keep or divisors each miss it by many deviations."""
    space, cells, keep, count = (8, 13), 4, 0.3, 20000
    weights = np.zeros(space)
    weights[2, 3], weights[6, 10], weights[0, 12] = 2.0, -1.0, 1.5
    image = zoo.images(*space, 1, count=1, low=0.5)
    model, grid = linear_model(space, weights.ravel(), 0.4), {"cells": cells, "keep": keep, "seed": 3}
    explain = RISE(model, samples=count, **grid, centre=False, batch_size=1000)
    values = explain(image, 0).values[0].ravel()
    parts = weights.ravel() * image.ravel()
    expected = 0.4 + parts @ slow.moments(space, cells=cells, keep=keep) / keep
    masks = compiled_masks(explain, range(2000), space).reshape(2000, -1)
    deviations = ((0.4 + masks @ parts)[:, None] * masks / keep).std(0) / np.sqrt(count)
    errors = (values - expected) / deviations
    assert np.abs(errors).max() < 4.5
    # The map is far from flat.
    assert np.ptp(expected) > 40 * deviations.max()


@pytest.mark.slow
@pytest.mark.parametrize("keep", [0.5, 0.2])
def test_on_a_network_the_map_comes_near_that_of_other_random_masks(rng, keep):
    case, count = case_of("sequential"), 3000
    image = case.inputs[:1]
    masks = np.stack([slow.random_mask(rng, (12, 10), cells=4, keep=keep) for _ in range(count)])
    scores = case.model.predict(image * masks[..., None], verbose=0)[:, 2].astype(np.float64)
    terms = scores[:, None, None] * masks / keep
    values = RISE(case.model, samples=4 * count, cells=4, keep=keep, seed=2, batch_size=500, centre=False)(
        image, 2
    ).values[0]
    errors = (values - terms.mean(0)) / (terms.std(0) * np.sqrt(1 / count + 1 / (4 * count)))
    assert np.abs(errors).max() < 4.5
    centred = terms - scores.mean() * masks / keep
    found = values - values.mean()
    assert np.corrcoef(found.ravel(), centred.mean(0).ravel())[0, 1] > 0.9


@pytest.mark.slow
def test_seeds_and_batch_mates():
    case = case_of("sequential")
    explain = RISE(case.model, samples=40, seed=6, centre=False)
    values = explain(case.inputs, 1).values
    np.testing.assert_array_equal(RISE(case.model, samples=40, seed=6, centre=False)(case.inputs, 1).values, values)
    twice = explain(np.concatenate([case.inputs[2:], case.inputs]), 1).values
    np.testing.assert_array_equal(twice[0], values[2])
    np.testing.assert_array_equal(twice[1:], values)
    other = RISE(case.model, samples=40, seed=7, centre=False)(case.inputs, 1).values
    assert np.abs(other - values).max() > 0.02 * values.max()


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_the_batch_size_changes_last_digits_only(batch_size):
    case = case_of("sequential")
    whole = RISE(case.model, samples=40, centre=False)(case.inputs, 1)
    parts = RISE(case.model, samples=40, batch_size=batch_size, centre=False)(case.inputs, 1)
    assert_close(parts.values, whole.values, 5e-7)
    assert_close(parts.extras["mean_score"], whole.extras["mean_score"], 5e-7)


@pytest.mark.slow
def test_each_input_in_turn_while_the_other_stays():
    case = case_of("dicts")
    explanation = RISE(case.model, samples=16, centre=False)(case.inputs, case.target)
    assert list(explanation.values) == ["left", "right"]
    masks = masks_of((12, 10), 16)
    for replaced, side in enumerate(explanation.values):
        for i, number in enumerate(case.numbers):
            expected, scores = slow.rise(score_of(case, i, number, replaced), case.inputs[side][i], masks, keep=0.5)
            assert_close(explanation.values[side][i], expected)
            np.testing.assert_allclose(explanation.extras[f"{side}/mean_score"][i], scores.mean(), rtol=1e-5)
    alone = RISE(case.model, samples=16, inputs="right", centre=False)(case.inputs, case.target)
    np.testing.assert_array_equal(alone.values, explanation.values["right"])


@pytest.mark.slow
def test_integer_pictures_are_mixed_and_rounded():
    inputs = keras.Input((9, 12, 3), dtype="uint8")
    x = L.Conv2D(4, 3, activation="relu")(L.Rescaling(1 / 127.5, offset=-1)(inputs))
    model = zoo.randomize(keras.Model(inputs, zoo.head(x)))
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 12, 3)).astype("uint8")
    values = RISE(model, samples=20, fill=200, centre=False)(images, 1).values
    masks = masks_of((9, 12), 20)
    for i in range(2):
        expected, _ = slow.rise(
            lambda image: float(model(image[None].astype("uint8"))[0, 1]), images[i], masks, keep=0.5, fill=200
        )
        assert_close(values[i], expected)


def test_a_model_that_takes_images_of_any_size():
    inputs = keras.Input((None, None, 3))
    model = zoo.randomize(keras.Model(inputs, zoo.head(L.Conv2D(4, 3, activation="relu")(inputs))))
    explain = RISE(model, samples=9, centre=False)
    for space in ((12, 10), (8, 15)):
        image = zoo.images(*space, 3, count=1)
        expected, _ = slow.rise(
            lambda seen: float(model(seen[None].astype("float32"))[0, 1]), image[0], masks_of(space, 9), keep=0.5
        )
        assert_close(explain(image, 1).values[0], expected)


def test_the_class_is_settled_on_the_clean_image():
    case = case_of("sequential")
    explain = RISE(case.model, samples=25, centre=False)
    top = explain(case.inputs)
    np.testing.assert_array_equal(top.target, case.model(case.inputs).numpy().argmax(-1))
    np.testing.assert_array_equal(top.values, explain(case.inputs, top.target).values)


@pytest.mark.slow
def test_half_precision():
    case = case_of("sequential")
    full = RISE(case.model, samples=60, centre=False)(case.inputs, 1).values
    half = RISE(case.model, samples=60, precision="bfloat16", centre=False)(case.inputs, 1)
    assert 1e-5 < np.abs(half.values - full).max() / full.max() < 0.02
    assert half.settings["precision"] == "bfloat16"


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_the_progress_bar_comes_to_its_end(monkeypatch, batch_size):
    totals, steps = [], []

    @contextmanager
    def bar(total, description):
        totals.append(total)
        yield lambda count=1: steps.append(count)

    monkeypatch.setattr(progress, "bar", bar)
    case = case_of("sequential")
    RISE(case.model, samples=7, batch_size=batch_size, centre=False)(case.inputs, 1)
    assert totals == [3 * 7]
    assert sum(steps) == 3 * 7
    assert all(count > 0 for count in steps)


def test_settings_are_told():
    explain = RISE(case_of("sequential").model, samples=5, cells=4, keep=0.25, fill="mean", seed=8, centre=True)
    assert explain.settings == {
        "samples": 5,
        "cells": 4,
        "keep": 0.25,
        "fill": "mean",
        "centre": True,
        "seed": 8,
        "probability": True,
    }
    assert (explain.passes, explain.passes_per) == (5, "image")


@pytest.mark.parametrize(
    "settings",
    [
        {"samples": 0},
        {"samples": 10.0},
        {"cells": 0},
        {"cells": True},
        {"keep": 0},
        {"keep": 1},
        {"keep": 1.2},
        {"keep": float("nan")},
        {"keep": "half"},
        {"keep": True},
        {"seed": -1},
        {"batch_size": 0},
        {"precision": "float16"},
        {"inputs": "picture"},
    ],
)
def test_settings_that_are_refused_when_made(settings):
    with pytest.raises(SettingError, match=next(iter(settings))):
        RISE(case_of("sequential").model, **settings)


@pytest.mark.parametrize(
    ("fill", "error"),
    [("black", SettingError), (float("nan"), InputError), (np.zeros((10, 12, 3)), InputError)],
)
def test_fills_that_do_not_fit(fill, error):
    with pytest.raises(error):
        RISE(case_of("sequential").model, samples=3, fill=fill, centre=False)(case_of("sequential").inputs, 1)
