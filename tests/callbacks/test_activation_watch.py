"""`ActivationMaps`: the maps at each look, of the same channels in the same range."""

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
    opened,
    pictures,
    trained,
)

from kerasviz.callbacks import ActivationMaps
from kerasviz.errors import InputError, LayerError, SettingError
from kerasviz.features import Activations, FeatureMaps


@pytest.fixture(scope="module")
def model():
    """Each channel of "conv" is the image times a number, rectified; those of "line" are not rectified."""
    image = keras.Input((2, 3, 1))
    conv = L.Conv2D(4, 1, use_bias=False, activation="relu", name="conv")(image)
    line = L.Conv2D(2, 1, use_bias=False, name="line")(image)
    scores = L.Dense(3, name="scores")(L.GlobalAveragePooling2D()(conv))
    return keras.Model(image, [scores, line])


def assign(model, factors, line=(1.0, -2.0)):
    for name, values in (("conv", factors), ("line", line)):
        model.get_layer(name).set_weights([np.reshape(values, (1, 1, 1, -1)).astype("float32")])


IMAGES = np.array([[0, 1, 2, 3, 4, 5], [0, -1, -2, -3, 0, 1]], "float32").reshape(2, 2, 3, 1)


def test_channels_and_range_are_those_of_the_first_look(model):
    assign(model, [7, 8, 3, -1])
    watch = opened(ActivationMaps(IMAGES, ["conv", "line"], channels=2, percentile=100), model)
    assign(model, [1, 2, 3, -1])
    first = watch.look()
    # The strongest of the first image are 2 and 1; of the second, mostly negative, 3 and 2. Their largest value is 15.
    chosen, shared = {0: [2, 1], 1: [3, 2]}, (0.0, 15.0)
    for image in range(2):
        expected = first.result.montage(image, "conv", chosen[image], scale=shared, signed=False)
        np.testing.assert_array_equal(first.pictures[image].pixels, expected)
    assign(model, [9, 0.5, 4, -1])
    second = watch.look()
    assert [picture.tag for picture in second.pictures] == ["conv/0", "conv/1", "line/0", "line/1"]
    assert second.pictures[1].title == "conv, image 1"
    for image in range(2):
        expected = second.result.montage(image, "conv", chosen[image], scale=shared, signed=False)
        np.testing.assert_array_equal(second.pictures[image].pixels, expected)
    # Where there are negative values, zero is the middle of the range.
    expected = second.result.montage(0, "line", [0, 1], scale=(-10, 10), signed=True)
    np.testing.assert_array_equal(second.pictures[2].pixels, expected)
    # Another training begins anew.
    again = opened(watch, model).look()
    expected = again.result.montage(0, "conv", [0, 2], scale=(0, 45), signed=False)
    np.testing.assert_array_equal(again.pictures[0].pixels, expected)


def test_numbers_are_those_of_the_definition(model):
    assign(model, [1, 2, 0, -1], line=(1, -2))
    scalars = opened(ActivationMaps(IMAGES, ["conv", "line", "scores"]), model).look().scalars
    assert list(scalars) == [f"{layer}/{what}" for layer in ("conv", "line", "scores") for what in ("dead", "mean")]
    # Channel 2 is zero everywhere. Positive values add up to 15 and 1, negative ones to -6.
    assert scalars["conv/dead"] == 0.25
    assert scalars["conv/mean"] == pytest.approx((16 + 2 * 16 + 6) / 48)
    assert scalars["line/dead"] == 0
    assert scalars["line/mean"] == pytest.approx((10 - 20) / 24)
    # One image more or less changes what is dead.
    assert opened(ActivationMaps(IMAGES, "conv", images=1), model).look().scalars["conv/dead"] == 0.5


@pytest.mark.slow
def test_a_first_look_without_a_range_sets_none(model):
    assign(model, [-1, -1, -1, -1])
    watch = opened(ActivationMaps(IMAGES[:1], "conv", channels=[3, 0], percentile=100), model)
    assert len(np.unique(watch.look().pictures[0].pixels[20:40, 10:40].reshape(-1, 3), axis=0)) == 1
    assign(model, [1, 2, 3, 4])
    watch.look()
    assign(model, [2, 2, 2, 2])
    shot = watch.look()
    expected = shot.result.montage(0, "conv", [3, 0], scale=(0, 20), signed=False)
    np.testing.assert_array_equal(shot.pictures[0].pixels, expected)


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["channel", "shared", (-3.0, 7.0)])
def test_other_ranges_are_those_of_the_montage(model, scale):
    assign(model, [1, 2, 3, 4])
    watch = opened(ActivationMaps(IMAGES[:1], "conv", channels=[1, 3], scale=scale, cmap="viridis"), model)
    watch.look()
    assign(model, [4, 1, 3, 7])
    shot = watch.look()
    expected = shot.result.montage(0, "conv", [1, 3], scale=scale, cmap="viridis")
    np.testing.assert_array_equal(shot.pictures[0].pixels, expected)


@pytest.mark.slow
def test_each_look_has_the_maps_of_its_epoch_and_the_training_is_the_same():
    data = tf.data.Dataset.from_tensor_slices((pictures(7, seed=1), np.zeros(7))).batch(3)
    watch = ActivationMaps(data, ["relu1", "conv2"], images=4, batch_size=2, initial=True)
    training = trained([watch])
    assert_same_training(training)
    assert_traced_before_the_second_epoch(training)
    expected = at_each_look(
        training, lambda model: FeatureMaps(model, ["relu1", "conv2"], batch_size=2)(pictures(7, seed=1)[:4])
    )
    assert [epoch for epoch, _ in watch.history] == [-1, 0, 1, 2]
    for (_, found), other in zip(watch.history, expected, strict=True):
        assert isinstance(found, Activations) and found.layers == other.layers
        for layer in found.layers:
            np.testing.assert_array_equal(found[layer], other[layer])
    assert (watch.history[0][1]["conv2"] != watch.history[1][1]["conv2"]).any()


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"scale": "image"}, SettingError, "image"),
        ({"images": 0}, SettingError, "images=0"),
        ({"batch_size": 0}, SettingError, "batch_size=0"),
        ({"data": iter([])}, InputError, "iterator"),
    ],
)
def test_what_needs_no_model_is_refused_at_once(settings, error, words):
    with pytest.raises(error, match=words):
        ActivationMaps(**{"data": pictures(2), **settings})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"layers": "conv9"}, LayerError, "conv9"),
        ({"data": np.zeros((2, 32, 31, 3))}, InputError, r"\(2, 32, 31, 3\)"),
        ({"layers": "conv2", "channels": [8]}, SettingError, r"\[8\]"),
        ({"by": "median"}, SettingError, "median"),
        ({"percentile": 0}, SettingError, "percentile"),
        ({"cmap": "none"}, SettingError, "none"),
    ],
)
def test_mistakes_are_errors_before_the_first_epoch(settings, error, words):
    assert_refused(ActivationMaps(**{"data": pictures(2), **settings}), error, words)
