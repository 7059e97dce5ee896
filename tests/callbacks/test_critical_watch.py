"""`CriticalSamples`: the ratio at each look, and pictures of the points that show it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L
from watched_training import (
    assert_refused,
    assert_same_training,
    assert_traced_before_the_second_epoch,
    at_each_look,
    network,
    opened,
    pictures,
    trained,
)

import kerasviz as kv
from kerasviz.callbacks import CriticalSamples
from kerasviz.errors import InputError, SettingError, TargetError
from kerasviz.generalization.critical_search import CriticalSampleSearch

W = np.array([1.0, -2.0, 3.0, 1.0])


@pytest.fixture(scope="module")
def model():
    """A linear classifier of images of 2 x 2: critical are scores nearer to 0 than 7 times the radius."""
    model = keras.Sequential([keras.Input((2, 2, 1)), L.Flatten(), L.Dense(1, "sigmoid")])
    model.set_weights([W[:, None], np.zeros(1)])
    return model


def images(*scores):
    """Images of these scores, from -1 to 1."""
    found = np.array(scores)[:, None] * np.sign(W) / 7
    assert np.allclose(found @ W, scores)
    return found.reshape(-1, 2, 2, 1).astype("float32")


def test_the_ratio_and_the_points_of_a_linear_model(model):
    model.set_weights([W[:, None], np.zeros(1)])
    given = images(6, 0.5, -1, -7, 7)
    watch = CriticalSamples(given, 0.2, search="fgsm", display=3, labels=["no", "yes"])
    shot = opened(watch, model).look()
    assert shot.scalars == {"ratio": 0.4} and shot.result.ratio == 0.4
    assert [(p.tag, p.title) for p in shot.pictures] == [("0", "1: yes → no"), ("1", "2: no → yes"), ("2", "no more")]
    # From -1, the smallest value, to 1; found points lie at the corners of the box: down the gradient, or up.
    for picture, i, way in zip(shot.pictures, (1, 2), (-1, 1), strict=False):
        own, point = given[i, ..., 0], given[i, ..., 0] + way * 0.2 * np.sign(W).reshape(2, 2)
        tiles = [picture.pixels[2:4, left : left + 2, 0] for left in (2, 6, 10)]
        for tile, values in zip(tiles, (own, point), strict=False):
            np.testing.assert_allclose(tile, 127.5 + 127.5 * values, atol=1)
        np.testing.assert_array_equal(tiles[2], np.where(way * W.reshape(2, 2) > 0, 255, 1))
    last = shot.pictures[2].pixels
    assert last.shape == shot.pictures[0].pixels.shape
    assert {tuple(last[2:4, left : left + 2].ravel()) for left in (2, 6, 10)} == {(128,) * 12}
    # The weights of the moment: with a bias of 6 another is near the boundary.
    model.set_weights([W[:, None], np.full(1, 6.0)])
    shot = watch.look()
    assert shot.scalars == {"ratio": 0.2}
    assert [p.title for p in shot.pictures] == ["3: no → yes", "no more", "no more"]


@pytest.mark.slow
def test_values_of_pictures_can_be_given(model):
    model.set_weights([W[:, None], np.zeros(1)])
    given = images(0.7, 7)
    shot = opened(CriticalSamples(given, 0.2, search="fgsm", value_range=(-2, 2)), model).look()
    np.testing.assert_allclose(shot.pictures[0].pixels[2:4, 2:4, 0], 127.5 + 63.75 * given[0, ..., 0], atol=1)
    assert len(shot.pictures) == 2  # no more than there are images
    assert opened(CriticalSamples(given, 0.2, search="fgsm", display=0), model).look().pictures == ()


@pytest.mark.slow
def test_images_that_are_no_pictures_are_not_drawn():
    model = keras.Sequential([keras.Input((4,)), L.Dense(1, "sigmoid")])
    model.set_weights([W[:, None], np.zeros(1)])
    shot = opened(CriticalSamples(images(1, 7).reshape(2, 4), 0.2, search="fgsm"), model).look()
    assert shot.pictures == () and shot.scalars == {"ratio": 0.5}


@pytest.mark.slow
def test_each_look_searches_with_the_weights_of_its_epoch_and_the_training_is_the_same():
    given, settings = pictures(9, seed=1), {"search": "pgd", "batch_size": 4, "bounds": (0, 255)}
    data = tf.data.Dataset.from_tensor_slices((given, np.zeros(9))).batch(4)
    watch = CriticalSamples(data, 30, seed=2, initial=True, **settings)
    ratio = kv.CriticalSampleRatio(given, 30, seed=2, **settings)
    training = trained([watch, ratio])
    assert training.history.pop("csr") == [found.ratio for _, found in watch.history[1:]]
    assert_same_training(training)
    assert_traced_before_the_second_epoch(training)
    search = CriticalSampleSearch(training.model, **settings)
    expected = at_each_look(training, lambda model: search(given, 30, seed=2))
    assert [epoch for epoch, _ in watch.history] == [-1, 0, 1, 2]
    for (_, found), other in zip(watch.history, expected, strict=True):
        np.testing.assert_array_equal(found.points, other.points)
        np.testing.assert_array_equal(found.new_classes, other.new_classes)
    assert len({found.ratio for _, found in watch.history}) > 1


@pytest.mark.slow
def test_all_is_traced_when_the_model_is_opened():
    """Also where the first samples of a training are not critical, and none is searched for long."""
    calls = []

    def preprocess(tensors):
        calls.append(1)
        return tensors * 1.0

    watch = opened(CriticalSamples(pictures(3), 4, search="pgd", preprocess=preprocess), network())
    before = len(calls)
    watch.look()
    assert 0 < before == len(calls)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"radius": -1}, SettingError, "radius=-1"),
        ({"search": "newton"}, SettingError, "search='newton'"),
        ({"batch_size": 0}, SettingError, "batch_size=0"),
        ({"seed": -1}, SettingError, "seed=-1"),
        ({"display": -1}, SettingError, "display=-1"),
        ({"value_range": (1, 0)}, SettingError, "value_range"),
    ],
)
def test_what_needs_no_model_is_refused_at_once(settings, error, words):
    with pytest.raises(error, match=words):
        CriticalSamples(**{"images": pictures(2), "radius": 4, **settings})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"images": np.zeros((2, 32, 31, 3))}, InputError, r"\(2, 32, 31, 3\)"),
        ({"images": np.zeros((0, 32, 32, 3))}, InputError, "empty"),
        ({"images": tf.data.Dataset.from_tensors(pictures(2)).repeat()}, InputError, "never ends"),
        ({"images": pictures(2) * [[[[0]]], [[[1]]]], "bounds": (0, 50)}, InputError, "bounds"),
        ({"preprocess": "vgg"}, SettingError, "vgg"),
        ({"input": "mask"}, InputError, "mask"),
        ({"output": "size"}, TargetError, "size"),
        ({"labels": ["a", "b", "c"]}, SettingError, "class 3"),
    ],
)
def test_mistakes_are_errors_before_the_first_epoch(settings, error, words):
    assert_refused(CriticalSamples(**{"images": pictures(2), "radius": 4, **settings}), error, words)
