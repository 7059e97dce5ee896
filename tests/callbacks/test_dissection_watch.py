"""`Dissection`: detectors counted at each look, and the strips of the surest units."""

import keras
import numpy as np
import pytest
from keras import layers as L
from watched_training import (
    assert_refused,
    assert_same_training,
    assert_traced_before_the_second_epoch,
    at_each_look,
    network,
    opened,
    trained,
)

from kerasviz.callbacks import Dissection
from kerasviz.data import ConceptArrays, SceneConcepts
from kerasviz.errors import DataError, InputError, LayerError, SettingError
from kerasviz.features import dissect
from kerasviz.features.dissection.strips import Strips

CONCEPTS = (("red", "colour"), ("green", "colour"), ("corner", "place"))
RED, GREEN, DEAD = (1, 0, 0), (0, 1, 0), (0, 0, 0)


class Counting(ConceptArrays):
    """Notes which images are read, and cannot read some."""

    broken: frozenset = frozenset()

    def read(self, number):
        self.__dict__.setdefault("numbers", []).append(number)
        if number in self.broken:
            raise DataError(f"image {number} is gone", expected="a file", mend="Look for it")
        return super().read(number)


def planted(count=6):
    """Images with a red and a green square, labelled; a third of the red one is also a corner."""
    rng = np.random.default_rng(0)
    images, maps = np.zeros((count, 16, 16, 3), np.uint8), np.zeros((count, 2, 16, 16), np.uint8)
    for image in images:
        for colour, (y, x) in enumerate(rng.integers(0, 7, (2, 2)) * 2):
            image[y : y + 2, x : x + 3] = 0
            image[y : y + 2, x : x + 3, colour] = rng.integers(100, 255, (2, 3))
    maps[:, 0] = np.where(images[..., 0] > 0, 1, np.where(images[..., 1] > 0, 2, 0))
    maps[:, 1] = np.where((images[..., 0] > 0) & (np.arange(16) % 3 == 0), 3, 0)
    return Counting(images, maps, CONCEPTS)


@pytest.fixture(scope="module")
def model():
    return keras.Sequential([keras.Input((16, 16, 3)), L.Conv2D(3, 1, use_bias=False, name="units")])


def assign(model, *units):
    model.set_weights([np.array(units, "float32").T[None, None]])


def test_each_unit_counts_once_for_its_label(model):
    data = planted()
    assign(model, RED, GREEN, DEAD)
    watch = opened(Dissection("units", data, threshold=0.2, units=2, fraction=0.05, top=4, batch_size=4), model)
    # So far one batch was read.
    assert len(data.numbers) == 4
    names = ["detectors", "unique", *(f"unique/{category}" for category in ("colour", "place"))]
    first = watch.look()
    assert first.scalars == {f"units/{name}": n for name, n in zip(names, [2, 2, 2, 0], strict=True)}
    assign(model, RED, RED, RED)
    second = watch.look()
    assert list(second.scalars.values()) == [3, 1, 1, 0]
    assign(model, DEAD, DEAD, DEAD)
    third = watch.look()
    assert list(third.scalars.values()) == [0, 0, 0, 0]
    titles = [shot.pictures[0].title for shot in (first, second, third)]
    assert titles[:2] == ["units, 2 unique of 2 detectors", "units, 1 unique of 3 detectors"]
    assert {(shot.pictures[0].tag, shot.pictures[0].pixels.shape) for shot in (first, second, third)} == {
        ("units", first.pictures[0].pixels.shape)
    }
    assert first.result["units"].chance is None
    assign(model, RED, GREEN, DEAD)
    strict = opened(Dissection("units", data, threshold=1, fraction=0.05), model)
    assert list(strict.look().scalars.values()) == [0, 0, 0, 0]


@pytest.mark.slow
def test_the_picture_shows_the_strips_of_the_surest_units(model):
    data = planted()
    assign(model, DEAD, (1, -0.2, 0), GREEN)
    watch = opened(Dissection("units", data, units=2, fraction=0.05, top=3), model)
    shot = watch.look()
    strips = Strips(shot.result["units"], data)
    height = strips.size[0]
    # The surest last: its strip is the upper one, above the padding and the other's title.
    order = np.argsort(-shot.result["units"].best.iou)[:2].tolist()
    assert set(order) == {1, 2}
    pixels = shot.pictures[0].pixels
    below, above = strips.draw(order[1]), strips.draw(order[0])
    np.testing.assert_array_equal(pixels[-2 - height : -2, 2:-2], below)
    middle = len(pixels) // 2
    np.testing.assert_array_equal(pixels[middle - 1 - height : middle - 1, 2:-2], above)
    # A unit that is active nowhere has an empty place.
    assign(model, DEAD, RED, DEAD)
    pixels = watch.look().pictures[0].pixels
    assert (pixels[-2 - height : -2] == 255).all() and (pixels[middle - 1 - height : middle - 1] < 255).any()


@pytest.mark.slow
def test_each_look_dissects_the_weights_of_its_epoch_and_the_training_is_the_same():
    def data():
        return SceneConcepts(12, size=(32, 32), map_size=(16, 16))

    settings = {"fraction": 0.05, "top": 2, "images": 8, "seed": 3, "batch_size": 5, "chance": True}
    watch = Dissection(["conv2", "relu1"], data(), initial=True, **settings)
    training = trained([watch])
    assert_same_training(training)
    assert_traced_before_the_second_epoch(training)
    expected = at_each_look(training, lambda model: dissect(model, ["conv2", "relu1"], data(), **settings))
    assert [epoch for epoch, _ in watch.history] == [-1, 0, 1, 2]
    for (_, found), other in zip(watch.history, expected, strict=True):
        assert list(found) == ["conv2", "relu1"]
        for layer in found:
            np.testing.assert_array_equal(found[layer].iou, other[layer].iou)
            np.testing.assert_array_equal(found[layer].chance_iou, other[layer].chance_iou)
            np.testing.assert_array_equal(found[layer].top.numbers, other[layer].top.numbers)
            assert found[layer].images == 8
    assert (watch.history[0][1]["conv2"].iou != watch.history[-1][1]["conv2"].iou).any()


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"data": np.zeros((2, 16, 16, 3))}, InputError, "ndarray"),
        ({"threshold": 4}, SettingError, "threshold=4"),
        ({"units": 0}, SettingError, "units=0"),
        ({"top": 0}, SettingError, "top=0"),
        ({"fraction": 2.0}, SettingError, r"fraction=2\.0"),
        ({"images": 0}, SettingError, "images=0"),
        ({"preprocess": "vgg"}, SettingError, "vgg"),
    ],
)
def test_what_needs_no_model_is_refused_at_once(settings, error, words):
    with pytest.raises(error, match=words):
        Dissection(**{"layers": "units", "data": planted(), **settings})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layers", "size", "error", "words"),
    [
        ("conv9", 32, LayerError, "conv9"),
        ("scores", 32, LayerError, "feature map"),
        ("conv2", 48, InputError, "48 x 48"),
    ],
)
def test_mistakes_are_errors_before_the_first_epoch(layers, size, error, words):
    assert_refused(Dissection(layers, SceneConcepts(8, size=(size, size))), error, words)


@pytest.mark.slow
def test_a_data_set_that_cannot_be_read_is_refused_and_one_bad_image_is_not():
    images, maps = np.zeros((5, 32, 32, 3), np.uint8), np.zeros((5, 32, 32), np.uint8)
    maps[:, 3:5, 3:5] = 1
    data = Counting(images, maps, CONCEPTS)
    data.broken = frozenset(range(5))
    assert_refused(Dissection("conv2", data, batch_size=3), DataError, "None of 3 images can be read")
    data.broken = frozenset(range(4))
    opened(Dissection("conv2", data), network())
