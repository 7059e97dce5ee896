"""`Filters`: the weights at each look, in one order and one range."""

import keras
import numpy as np
import pytest
from keras import layers as L
from watched_training import assert_refused, assert_same_training, at_each_look, opened, trained

from kerasviz.callbacks import Filters
from kerasviz.errors import InputError, LayerError, SettingError
from kerasviz.features import filters


def convolution(weights):
    """A model whose filters have one weight each."""
    model = keras.Sequential([keras.Input((4, 4, 1)), L.Conv2D(len(weights), 1, use_bias=False, name="conv")])
    assign(model, weights)
    return model


def assign(model, weights):
    model.set_weights([np.reshape(weights, (1, 1, 1, -1)).astype("float32")])


def greys(shot):
    """The grey level of each filter's tile; tiles are 48 pixels and 1 between them, in rows of two."""
    return shot.pictures[0].pixels[[24, 24, 73, 73], [24, 73, 24, 73], 0].tolist()


def test_numbers_are_those_of_the_definition():
    model = convolution([3, -4, 0.5, 0.5])
    watch = opened(Filters(), model)
    assert watch.look().scalars == {"norm": 2.0}
    assign(model, [1, -4, 0.5, -0.5])
    shot = watch.look()
    assert shot.scalars == {"norm": 1.5, "change": 2.0}
    assert [(picture.tag, picture.title) for picture in shot.pictures] == [("conv", "conv, norm 1.5")]
    assert watch.look().scalars["change"] == 0


def test_the_range_is_that_of_the_first_look():
    model = convolution([1, -2, 0.5, 0.25])
    watch = opened(Filters("conv"), model)
    assert greys(watch.look()) == [191, 0, 159, 143]
    assign(model, [0.5, -4, 4, 0.25])
    assert greys(watch.look()) == [159, 0, 255, 143]
    # Each look's own; each filter's own; a given one.
    assert greys(opened(Filters(scale="shared"), model).look()) == [143, 0, 255, 135]
    assert greys(opened(Filters(scale="separate"), model).look()) == [255, 0, 255, 255]
    assert greys(opened(Filters(scale=(-1, 1)), model).look()) == [191, 0, 255, 159]
    # Another training begins anew.
    assert greys(opened(watch, model).look()) == [143, 0, 255, 135]


@pytest.mark.filterwarnings("ignore:Filter")
def test_a_look_at_zeros_gives_no_range():
    model = convolution([0, 0, 0, 0])
    watch = opened(Filters(), model)
    assert greys(watch.look()) == [128, 128, 128, 128]
    assign(model, [0.1, -0.1, 0.05, 0])
    assert greys(watch.look()) == [255, 0, 191, 128]
    assign(model, [0.2, -0.1, 0.05, 0])
    assert greys(watch.look()) == [255, 0, 191, 128]


def test_the_range_is_that_of_what_is_drawn():
    model = keras.Sequential([keras.Input((4, 4, 2)), L.Conv2D(4, 1, use_bias=False)])
    model.set_weights([np.array([[1, 1, 1, 1], [-3, 1, 0, -0.5]], "float32")[None, None]])
    # The sums are -2, 2, 1 and 0.5.
    assert greys(opened(Filters(reduce="sum"), model).look()) == [0, 255, 191, 159]


def test_the_order_is_that_of_the_first_look():
    model = convolution([1, 4, 3, 2])
    watch = opened(Filters(sort="norm", channels=[0, 1, 3]), model)
    assert watch.look().result.order.tolist() == [1, 3, 0]
    assign(model, [9, 4, 3, 5])
    found = watch.look().result
    assert found.order.tolist() == [1, 3, 0]
    assert found.weights.ravel().tolist() == [4, 5, 9]


@pytest.mark.slow
def test_each_look_has_the_weights_of_its_epoch_and_the_training_is_the_same():
    watch = Filters("conv2", channels=[3, 1], initial=True)
    training = trained([watch])
    assert_same_training(training)
    expected = at_each_look(training, lambda model: filters(model, "conv2", channels=[3, 1]))
    assert [epoch for epoch, _ in watch.history] == [-1, 0, 1, 2]
    for (_, found), other in zip(watch.history, expected, strict=True):
        np.testing.assert_array_equal(found.weights, other.weights)
        assert found.about() == other.about()
    assert (watch.history[0][1].weights != watch.history[1][1].weights).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"layer": "conv9"}, LayerError, "conv9"),
        ({"layer": "scores"}, LayerError, "no convolution"),
        ({"channels": [6]}, SettingError, "no 6"),
        ({"sort": "size"}, SettingError, "size"),
        ({"scale": "last"}, SettingError, "last"),
        ({"reduce": "most"}, SettingError, "most"),
        ({"limit": 0}, SettingError, "limit=0"),
        ({"part": "depthwise"}, SettingError, "depthwise"),
    ],
)
def test_mistakes_are_errors_before_the_first_epoch(settings, error, words):
    assert_refused(Filters(**settings), error, words)


def test_weights_that_are_nan_are_refused():
    with pytest.raises(InputError, match="NaN"):
        opened(Filters(), convolution([1, np.nan, 1, 1]))
