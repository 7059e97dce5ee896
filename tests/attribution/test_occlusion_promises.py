"""What occlusion promises: batches, refusals before any work, interruptions, nothing changed; and its plans."""

import random
from contextlib import contextmanager
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L
from occlusion_cases import (
    Kept,
    assert_close,
    logits_of,
    watched,
    wide,
)
from reference import occlusion as slow
from zoo_cases import case_of

import kerasviz as kv
from kerasviz import progress
from kerasviz.errors import InputError, SettingError, TargetError


@pytest.mark.slow
@pytest.mark.parametrize("incremental", [pytest.param(True, marks=pytest.mark.slow), False])
def test_batch_size_and_batch_mates(incremental):
    model, images = wide()
    whole = kv.Occlusion(model, 9, 7, incremental=incremental, batch_size=100)(images, [1, 3])
    for batch_size in (1, 7):
        parts = kv.Occlusion(model, 9, 7, incremental=incremental, batch_size=batch_size)(images, [1, 3])
        assert_close(parts.values, whole.values, 1e-5)
        np.testing.assert_allclose(parts.score, whole.score, rtol=1e-6)
    explain = kv.Occlusion(model, 9, 7, incremental=incremental)
    for i, number in enumerate([1, 3]):
        alone = explain(images[i : i + 1], number)
        assert_close(alone.values, whole.values[i : i + 1], 1e-5)
    twice = explain(np.concatenate([images[1:], images]), [3, 1, 3])
    np.testing.assert_array_equal(twice.values[0], twice.values[2])


def test_images_of_any_size():
    inputs = keras.Input((None, None, 3))
    model = zoo.randomize(keras.Model(inputs, zoo.head(L.Conv2D(4, 3, activation="relu")(inputs))))
    explain = kv.Occlusion(model, (4, 3), 3)
    for space in ((12, 10), (8, 15)):
        images = zoo.images(*space, 3, count=1)
        expected, _ = slow.occlusion(logits_of(model, 1), images[0], slow.grey(images[0]), (4, 3), (3, 3))
        assert_close(explain(images, 1).values, expected[None])


@pytest.mark.parametrize("incremental", [True, False])
def test_the_network_runs_on_each_variant_once_and_in_batches(incremental):
    """Not one run for each position, nor all at once, and each variant is the image with one patch."""
    model, images = watched()
    Kept.seen.clear()
    kv.Occlusion(model, (3, 2), 2, fill=[0.5, -1], batch_size=5, incremental=incremental)(images, 1)
    variants = [slow.variants(image, np.float32([0.5, -1]), (3, 2), (2, 2)) for image in images]
    assert [len(batch) for batch in Kept.seen] == [2, 5, 5, 5, 1, 5, 5, 5, 1]
    np.testing.assert_array_equal(np.concatenate(Kept.seen), np.concatenate([images, *variants]))


BAD_SETTINGS = {
    "no size": ({"size": 0}, "size=0"),
    "fraction": ({"size": 2.5}, "size=2.5"),
    "fraction and stride": ({"size": 3, "stride": 1.5}, "stride=1.5"),
    "words": ({"size": "big"}, "size='big'"),
    "words in a tuple": ({"size": (3, "big")}, "size="),
    "True": ({"size": True}, "size=True"),
    "array": ({"size": np.array([3, 3])}, "size="),
    "three axes": ({"size": (3, 3, 3)}, r"size=\(3, 3, 3\)"),
    "too large": ({"size": 8}, "size=8 for an input of 9 x 7"),
    "too large along one axis": ({"size": (3, 8)}, r"size=\(3, 8\)"),
    "gaps": ({"size": 3, "stride": 4}, "interpolate=True"),
    "a bad size of a sweep": ({"size": [3, 9]}, "size=9"),
    "sizes without strides": ({"size": [3, 2], "stride": [1]}, r"size=\[3, 2\] with stride=\[1\]"),
    "strides without sizes": ({"size": 3, "stride": [1, 2]}, r"stride=\[1, 2\]"),
    "empty sweep": ({"size": []}, r"size=\[\]"),
    "fill": ({"fill": "black"}, "fill='black'"),
    "seed": ({"fill": "noise", "seed": -1}, "seed=-1"),
    "batch size": ({"batch_size": 0}, "batch_size=0"),
    "precision": ({"precision": "float16"}, "precision='float16'"),
}


@pytest.mark.parametrize("problem", BAD_SETTINGS)
def test_settings_that_are_refused_before_any_pass(problem):
    settings, words = BAD_SETTINGS[problem]
    model, images = watched()
    Kept.seen.clear()
    with pytest.raises(SettingError, match=words):
        kv.Occlusion(model, **settings)(images, 1)
    assert not Kept.seen


@pytest.mark.parametrize(
    ("inputs", "target", "error"),
    [
        (np.zeros((2, 7, 9, 2)), 1, InputError),
        (np.full((2, 9, 7, 2), np.nan), 1, InputError),
        (np.zeros((2, 9, 7, 2)), 3, TargetError),
        (np.zeros((2, 9, 7, 2)), [1], TargetError),
    ],
)
def test_inputs_and_targets_that_are_refused_before_any_pass(inputs, target, error):
    explain = kv.Occlusion(watched()[0], 3)
    Kept.seen.clear()
    with pytest.raises(error):
        explain(inputs, target)
    assert not Kept.seen


def test_a_fill_that_does_not_fit_is_refused_before_any_pass():
    Kept.seen.clear()
    for fill in (np.zeros((7, 9, 2)), [1, 2, 3], float("nan"), lambda images: images[:, 1:]):
        with pytest.raises(InputError, match="'photo'"):
            kv.Occlusion(watched()[0], 3, fill=fill)(watched()[1], 1)
    assert not Kept.seen


@contextmanager
def counted_bar(steps, fail_after=None, error=KeyboardInterrupt):
    """In the place of the progress bar: keeps its total and its steps, and can fail after some of them."""

    @contextmanager
    def bar(total, description):
        steps.append(total)

        def advance(count=1):
            steps.append(count)
            if fail_after is not None and len(steps) > fail_after:
                raise error

        yield advance

    with mock.patch.object(progress, "bar", bar):
        yield


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"size": [4, 3], "stride": [2, 3], "batch_size": 4},
        {"approximate": kv.attribution.Approximation(1, 0.2, coarse=3)},
    ],
    ids=["plain", "sweep", "approximate"],
)
def test_the_progress_bar_counts_every_position(settings):
    model, images = watched()
    steps = []
    with counted_bar(steps):
        explanation = kv.Occlusion(model, **{"size": 3, "stride": 2, **settings})(images, 1)
    drops = [drop for name, drop in explanation.extras.items() if name.startswith("drop")]
    assert steps[0] == sum(drop.size for drop in drops) == sum(steps[1:])


@pytest.mark.slow
@pytest.mark.parametrize("incremental", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("error", [KeyboardInterrupt, pytest.param(ZeroDivisionError, marks=pytest.mark.slow)])
def test_an_interrupted_explainer_stays_usable(incremental, error):
    model, images = wide()
    before, attributes = [w.tobytes() for w in model.get_weights()], [dict(vars(layer)) for layer in model.layers]
    explain = kv.Occlusion(model, 9, 7, incremental=incremental, batch_size=6)
    for fail_after in (1, 4):
        with counted_bar([], fail_after, error), pytest.raises(error):
            explain(images, 1)
    values = explain(images, 1).values
    np.testing.assert_array_equal(
        values, kv.Occlusion(model, 9, 7, incremental=incremental, batch_size=6)(images, 1).values
    )
    assert [w.tobytes() for w in model.get_weights()] == before
    assert [list(map(id, vars(layer).values())) for layer in model.layers] == [
        list(map(id, known.values())) for known in attributes
    ]


@pytest.mark.slow
def test_an_error_in_a_fill_leaves_the_explainer_usable():
    model, images = watched()
    fails = [True]

    def fill(batch):
        if fails[0]:
            raise RuntimeError("no fill")
        return batch * 0 + 0.5

    explain = kv.Occlusion(model, 3, 2, fill)
    with pytest.raises(RuntimeError, match="no fill"):
        explain(images, 1)
    fails[0] = False
    np.testing.assert_array_equal(explain(images, 1).values, kv.Occlusion(model, 3, 2, 0.5)(images, 1).values)
    assert explain.settings["fill"] == "fill"


FILLED = ["array", *(pytest.param(name, marks=pytest.mark.slow) for name in ("grey", "noise", "blur", "callable"))]


@pytest.mark.parametrize("fill", FILLED)
def test_model_arrays_and_random_states_are_left_alone(fill):
    model, images = wide()
    images = images.copy()
    array = np.full(images.shape[1:], 0.2, "float32")
    images.flags.writeable = array.flags.writeable = False
    given = {"array": array, "callable": lambda batch: batch[:, ::-1]}.get(fill, fill)
    before, copies, output = [w.tobytes() for w in model.get_weights()], (images.copy(), array.copy()), model(images)
    states = [random.getstate(), np.random.get_state()[1].tobytes()]  # noqa: NPY002
    explain = kv.Occlusion(model, 14, 13, given)
    explain(images, 1)
    assert states == [random.getstate(), np.random.get_state()[1].tobytes()]  # noqa: NPY002
    assert [w.tobytes() for w in model.get_weights()] == before
    np.testing.assert_array_equal(images, copies[0])
    np.testing.assert_array_equal(array, copies[1])
    np.testing.assert_array_equal(model(images), output)


@pytest.mark.slow
def test_training_after_the_explainer_was_made_is_seen(fresh):
    model, images = fresh
    explain = kv.Occlusion(model, 5, 4)
    before = explain(images, 1).values
    model.set_weights([weight * 1.5 for weight in model.get_weights()])
    after = explain(images, 1).values
    np.testing.assert_array_equal(after, kv.Occlusion(model, 5, 4)(images, 1).values)
    assert np.abs(after - before).max() > 0.1 * np.abs(before).max()


def test_half_precision():
    case = case_of("sequential")
    full = kv.Occlusion(case.model, 5, 3)(case.inputs, 1).values
    half = kv.Occlusion(case.model, 5, 3, precision="bfloat16")(case.inputs, 1)
    assert 1e-4 < np.abs(half.values - full).max() / np.ptp(full) < 0.05
    assert half.settings["precision"] == "bfloat16"


def test_settings_are_told():
    explain = kv.Occlusion(case_of("sequential").model, 5, 3, (1, 2, 3), interpolate=True)
    assert explain.settings == {
        "size": 5,
        "stride": 3,
        "fill": [1, 2, 3],
        "interpolate": True,
        "probability": False,
    }
    assert (explain.name, explain.title, explain.passes_per) == ("occlusion", "Occlusion", "position")


def test_plans_of_models_that_take_any_size():
    inputs = keras.Input((None, None, 3), name="photo")
    model = zoo.randomize(keras.Model(inputs, zoo.head(L.Conv2D(32, 3, activation="relu", name="conv")(inputs))))
    explain = kv.Occlusion(model, 4, 4)
    with pytest.raises(InputError, match=r"'photo'.*any"):
        explain.plan()
    for shape in ((64, 48, 4), (64, 48), (64, 48, 3, 1)):
        with pytest.raises(InputError, match="'photo'"):
            explain.plan(shape)
    with pytest.raises(SettingError, match="size=4 for an input of 3 x 48"):
        explain.plan((3, 48, 3))
    row = next(row for row in explain.plan((64, 48, 3)).rows if row.layer == "conv" and row.macs)
    assert row.full == (62, 46)
    assert row.macs == 62 * 46 * 3 * 3 * 3 * 32


def test_plans_of_models_of_one_size():
    model, _ = wide()
    explain = kv.Occlusion(model, [4, 20], [4, 20])
    small, large = explain.plan(), explain.plan(number=1)
    convs = 40 * 28 * 9 * 24 * (3 + 24) + 20 * 14 * 9 * 24 * 24
    assert small.macs == large.macs == convs + 24 * 4
    assert small.saved > 0.5
    assert small.saved > large.saved
    np.testing.assert_allclose(small.saved, 1 - small.run / small.macs)
    assert explain.plan((40, 28, 3)).run == small.run
    with pytest.raises(InputError, match="28, 40"):
        explain.plan((28, 40, 3))


class Looking(L.Layer):
    """An op without an output."""

    def call(self, x):
        tf.py_function(lambda t: None, [x], [])
        return x


def test_layers_with_ops_that_return_nothing():
    inputs = keras.Input((40, 28, 3))
    x = Looking()(L.Conv2D(16, 3, activation="relu")(inputs))
    model = zoo.randomize(keras.Model(inputs, zoo.head(L.Conv2D(16, 3)(x))))
    images = zoo.images(40, 28, 3, count=1)
    expected, _ = slow.occlusion(logits_of(model, 1), images[0], slow.grey(images[0]), (8, 8), (8, 8))
    assert_close(kv.Occlusion(model, 8, 8)(images, 1).values, expected[None])
