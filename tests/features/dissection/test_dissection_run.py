"""`dissect` on planted units, against the slow reference, and on what can go wrong."""

import keras
import numpy as np
import pytest
from keras import layers as L
from reference import dissection as reference

from kerasviz.data.concepts.arrays import ConceptArrays
from kerasviz.data.concepts.base import Labelled
from kerasviz.errors import DataError, InputError, KerasvizWarning, LayerError, SettingError
from kerasviz.features.dissection.running import dissect
from kerasviz.network.network import Network
from kerasviz.network.receptive_fields import receptive_field

CONCEPTS = (("red", "colour"), ("shifted", "place"), ("elsewhere", "place"), ("green", "colour"), ("day", "scene"))


def planted(count=6, seed=0):
    """Images with one small red square each, on black; label maps for it, for one half beside it, and far from it."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, 32, 32, 3), np.uint8)
    maps = np.zeros((count, 2, 32, 32), np.uint8)
    for image, labels in zip(images, maps, strict=True):
        y, x = rng.integers(0, 14, 2) * 2
        image[y : y + 2, x : x + 2, 0] = rng.integers(100, 255, (2, 2))
        labels[0, y : y + 2, x : x + 2] = 1
        labels[1, y : y + 2, x + 1 : x + 3] = 2
        labels[1, 30:, 30:] = 3
        labels[0, 0, 31] = 4
    return ConceptArrays(images, maps, CONCEPTS, [(5,)] * count)


def reader(*rows, size=32):
    """A network whose units read colours: a 1 x 1 convolution with the given weights and biases."""
    model = keras.Sequential([keras.Input((size, size, 3)), L.Conv2D(len(rows), 1, activation="relu", name="units")])
    kernel = np.array([row[:3] for row in rows], float).T[None, None]
    model.layers[0].set_weights([kernel, np.array([row[3] for row in rows], float)])
    return model


RED, GREEN, DEAD, CONSTANT = (1, 0, 0, 0), (0, 1, 0, 0), (1, 1, 1, -1e4), (0, 0, 0, 7)


def iou(found, unit, concept):
    names = [each.name for each in found.concepts]
    return found.iou[unit, names.index(concept)]


def test_planted_units_score_what_geometry_says():
    found = dissect(reader(RED, GREEN, DEAD, CONSTANT), "units", planted())["units"]
    assert iou(found, 0, "red") == 1
    assert iou(found, 0, "shifted") == pytest.approx(1 / 3)
    assert iou(found, 0, "elsewhere") == 0
    assert iou(found, 0, "green") == 0
    assert found.label(0).name == "red"
    # Nothing is green, nothing passes the dead unit's bias, and a constant is nowhere above its own quantile.
    assert found.label(1) is None
    assert found.label(2) is None
    assert found.label(3) is None
    np.testing.assert_array_equal(found.thresholds, [0, 0, 0, 7])
    # A label of the whole image counts on each pixel: 4 of 1024.
    assert iou(found, 0, "day") == pytest.approx(4 / 1024)


def test_permuted_units_give_a_permuted_result():
    rows = [RED, GREEN, DEAD, (0.5, 0.2, 0, -3)]
    order = [2, 0, 3, 1]
    straight = dissect(reader(*rows), "units", planted())["units"]
    permuted = dissect(reader(*[rows[k] for k in order]), "units", planted())["units"]
    np.testing.assert_array_equal(permuted.iou, straight.iou[order])
    np.testing.assert_array_equal(permuted.chance_iou, straight.chance_iou[order])
    np.testing.assert_array_equal(permuted.thresholds, straight.thresholds[order])
    np.testing.assert_array_equal(permuted.top.numbers, straight.top.numbers[order])
    np.testing.assert_array_equal(permuted.top.masks, straight.top.masks[order])


def test_iou_is_of_the_sums_over_the_data_set_not_a_mean_over_images():
    images = np.zeros((2, 32, 32, 3), np.uint8)
    maps = np.zeros((2, 32, 32), np.uint8)
    images[0, 4, 4, 0] = 200  # 1 of 2 pixels agree
    maps[0, 4, 4:6] = 1
    images[1, 8, 0:4, 0] = 200  # none of 8
    maps[1, 9, 0:4] = 1
    found = dissect(reader(RED), "units", ConceptArrays(images, maps, [("red", "colour")]))["units"]
    assert found.iou[0, 0] == pytest.approx(1 / 10)


def test_activation_counts_only_where_somebody_looked_for_the_category():
    images = np.zeros((2, 32, 32, 3), np.uint8)
    images[:, 4, 4:6, 0] = 200
    maps = np.zeros((2, 32, 32), np.uint8)
    maps[0, 4, 4:6] = 1  # the second image has no label at all
    found = dissect(reader(RED), "units", ConceptArrays(images, maps, [("red", "colour")]))["units"]
    assert found.iou[0, 0] == 1


def test_labels_of_whole_images_alone():
    images = np.zeros((2, 32, 32, 3), np.uint8)
    images[:, 4, 4:6, 0] = 200
    data = ConceptArrays(images, np.zeros((2, 0, 32, 32), int), [("day", "scene"), ("night", "scene")], [(1,), (2,)])
    found = dissect(reader(RED), "units", data)["units"]
    # 2 of 1024 pixels, and the unit is as active in the other image, where somebody looked for a scene too.
    assert iou(found, 0, "day") == iou(found, 0, "night") == pytest.approx(2 / (1024 + 4 - 2))


def test_the_top_images_are_those_with_the_largest_maxima_and_show_the_masks():
    data = planted(40)
    found = dissect(reader(RED), "units", data, top=4, batch_size=3)["units"]
    maxima = np.array([data.read(number).image[..., 0].max() for number in range(40)], float)
    np.testing.assert_array_equal(found.top.values[0], np.sort(maxima)[::-1][:4])
    np.testing.assert_array_equal(maxima[found.top.numbers[0]], found.top.values[0])
    for place, number in enumerate(found.top.numbers[0]):
        np.testing.assert_array_equal(found.top.mask(0, place, (32, 32)), data.read(number).image[..., 0] > 0)
    assert found.top.by_number[found.top.numbers[0, 0]] == f"image {found.top.numbers[0, 0]}"


@pytest.fixture(scope="module")
def strided():
    """A network with strides, padding and pools, and busy scenes of noise with labels of every kind."""
    rng = np.random.default_rng(3)
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((24, 20, 3)),
            L.Rescaling(1 / 255),
            L.Conv2D(5, 3, strides=2, padding="same", activation="relu", name="early"),
            L.MaxPooling2D(2, name="pool"),
            L.Conv2D(6, 3, name="late"),
            L.GlobalAveragePooling2D(),
            L.Dense(3),
        ]
    )
    images = rng.integers(0, 256, (11, 24, 20, 3)).astype(np.uint8)
    maps = rng.integers(0, 5, (11, 2, 12, 10))
    maps[:, 1] *= rng.integers(0, 2, (11, 1, 1))
    maps[4] = 0
    maps[5, 0, :2] = 5  # a concept of the whole image, too: its pixels count once
    tags = [(5,) if number % 3 else () for number in range(11)]
    return model, ConceptArrays(images, maps, CONCEPTS, tags)


@pytest.mark.parametrize("layer", ["early", "late"])
def test_agrees_with_the_slow_reference(strided, layer):
    model, data = strided
    found = dissect(model, layer, data, fraction=0.1, batch_size=4, seed=2)[layer]
    order = np.random.default_rng(2).permutation(11)
    images = np.stack([data.read(number).image for number in order]).astype(np.float32)
    samples = [data.read(number) for number in order]
    maps = Network(model).activations(images, layer)[layer]
    # `early` sees pixels 2j to 2j + 2, for the padding of an even side goes to its end; the pool joins two of these:
    # 4j to 4j + 4; `late` sees three of those, 4j to 4j + 12.
    centres = {
        "early": [1 + 2.0 * np.arange(12), 1 + 2.0 * np.arange(10)],
        "late": [2 + 4 + 4.0 * np.arange(4), 2 + 4 + 4.0 * np.arange(3)],
    }[layer]
    expected = reference.dissected(maps, samples, CONCEPTS, centres, (24, 20), 0.1)
    for name, array in zip(("intersections", "activations", "labelled"), expected, strict=True):
        np.testing.assert_array_equal(getattr(found.tallies, name), array, err_msg=name)
    assert found.tallies.intersections.sum() > 500
    by_chance = reference.dissected(maps, samples, CONCEPTS, centres, (24, 20), 0.1, [None, *range(10)])
    for name, array in zip(("intersections", "activations", "labelled"), by_chance, strict=True):
        np.testing.assert_array_equal(getattr(found.chance, name), array, err_msg=name)


@pytest.mark.parametrize("batch_size", [1, 3, 11, 64])
def test_the_batch_size_changes_nothing(strided, batch_size):
    model, data = strided
    whole = dissect(model, "late", data, fraction=0.1, batch_size=11)["late"]
    parts = dissect(model, "late", data, fraction=0.1, batch_size=batch_size)["late"]
    np.testing.assert_allclose(parts.thresholds, whole.thresholds, rtol=1e-6)
    np.testing.assert_array_equal(parts.tallies.labelled, whole.tallies.labelled)
    np.testing.assert_allclose(parts.iou, whole.iou, atol=1e-3)
    np.testing.assert_array_equal(parts.top.numbers, whole.top.numbers)


def test_layers_together_are_layers_alone(strided):
    model, data = strided
    together = dissect(model, ["late", "early"], data, fraction=0.1)
    assert list(together) == ["late", "early"]
    for layer in together:
        alone = dissect(model, layer, data, fraction=0.1)[layer]
        np.testing.assert_array_equal(together[layer].iou, alone.iou)


def test_a_basis_mixes_the_units(strided):
    model, data = strided
    straight = dissect(model, "late", data, fraction=0.1)["late"]
    order = [3, 1, 0, 5, 4, 2]
    permuted = dissect(model, "late", data, fraction=0.1, basis=np.eye(6)[:, order])["late"]
    np.testing.assert_array_equal(permuted.iou, straight.iou[order])


def test_a_choice_of_images_is_random_and_repeats(strided):
    model, data = strided
    some, again, other = (dissect(model, "late", data, images=5, seed=seed)["late"] for seed in (0, 0, 1))
    assert some.images == 5
    np.testing.assert_array_equal(some.iou, again.iou)
    assert set(some.top.by_number) != set(other.top.by_number)


class Damaged(ConceptArrays):
    """Some of its images cannot be read."""

    bad = (1, 4)

    def read(self, number):
        if number in self.bad:
            raise DataError(f"{self.name_of(number)} is torn", expected="a whole file", mend="Copy it again")
        return super().read(number)


def test_images_that_cannot_be_read_are_named_skipped_and_counted():
    whole = planted(8)
    damaged = Damaged(whole._images, whole._maps, CONCEPTS, whole._tags)
    with pytest.warns(KerasvizWarning, match="2 of 8 images were skipped: image"):
        found = dissect(reader(RED), "units", damaged)["units"]
    assert found.images == 6
    assert sorted(text.split(" is torn")[0] for text in found.skipped) == ["image 1: image 1", "image 4: image 4"]
    kept = [number for number in range(8) if number not in Damaged.bad]
    rest = ConceptArrays(whole._images[kept], whole._maps[kept], CONCEPTS, [whole._tags[k] for k in kept])
    np.testing.assert_array_equal(found.iou, dissect(reader(RED), "units", rest)["units"].iou)


class Odd(ConceptArrays):
    """Its own promises do not hold for three of its images."""

    def read(self, number):
        sample = super().read(number)
        changed = {
            1: (sample.image[1:], sample.maps, sample.tags),
            3: (sample.image, sample.maps[:, :, 1:], sample.tags),
            6: (sample.image, sample.maps, (len(CONCEPTS) + 1,)),
        }
        return Labelled(*changed.get(number, (sample.image, sample.maps, sample.tags)))


def test_samples_of_other_sizes_and_unknown_codes_are_faults_too():
    whole = planted(8)
    with pytest.warns(KerasvizWarning, match="3 of 8 images were skipped"):
        found = dissect(reader(RED), "units", Odd(whole._images, whole._maps, CONCEPTS, whole._tags))["units"]
    faults = sorted(found.skipped)
    assert [text.split(":")[0] for text in faults] == ["image 1", "image 3", "image 6"]
    assert "(31, 32) pixels" in faults[0] and "maps have (32, 31)" in faults[1] and "code is 6" in faults[2]
    assert iou(found, 0, "red") == 1


def test_no_readable_image_at_all_is_an_error():
    class Gone(Damaged):
        bad = range(8)

    whole = planted(8)
    with pytest.raises(DataError, match="None of 8 images can be read; the first: image"):
        dissect(reader(RED), "units", Gone(whole._images, whole._maps, CONCEPTS, whole._tags))


def test_the_model_is_not_touched(strided):
    model, data = strided
    before = [weight.copy() for weight in model.get_weights()]
    dissect(model, "late", data)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_wrong_layers_models_and_settings_are_refused(strided):
    model, data = strided
    with pytest.raises(LayerError, match="rows, columns, channels"):
        dissect(model, -1, data)
    with pytest.raises(InputError, match="24 x 20 pixels"):
        dissect(reader(RED), "units", data)
    for settings in ({"fraction": 0.0}, {"top": -1}, {"images": 0}, {"seed": -1}, {"batch_size": 0}):
        with pytest.raises(SettingError):
            dissect(model, "late", data, **settings)
    with pytest.raises(SettingError, match="late with 6"):
        dissect(model, "late", data, basis=np.eye(5))


def test_a_network_that_makes_nan_is_refused():
    model = reader(RED, GREEN)
    model.layers[0].set_weights([np.full((1, 1, 3, 2), np.nan), np.zeros(2)])
    with pytest.raises(InputError, match="NaN"):
        dissect(model, "units", planted())


@pytest.mark.slow
def test_every_kind_of_model_with_one_image(specimen, rng):
    network = Network(specimen.model, sample=specimen.inputs)
    specs, address = network.inputs.specs, network.address()
    if len(specs) != 1 or len(specs[0].shape) != 4 or not specs[0].floating:
        with pytest.raises(InputError, match="one input of images"):
            dissect(specimen.model, address, planted())
        return
    size = tuple(side or 20 for side in specs[0].shape[1:3])
    images = rng.integers(0, 256, (7, *size, specs[0].shape[3])).astype(np.uint8)
    data = ConceptArrays(images, rng.integers(0, 5, (7, 2, 9, 11)), CONCEPTS, [(5,) if n % 2 else () for n in range(7)])
    before = [np.array(variable) for variable in specimen.model.variables]
    found = dissect(specimen.model, address, data, fraction=0.1, batch_size=3, preprocess="scale")[str(address)]

    order = np.random.default_rng(0).permutation(7)
    maps = network.activations(images[order].astype(np.float32) / 255, [address])[str(address)].astype(np.float32)
    field = receptive_field(network, address, size=size)
    centres = [field.centres(axis) for axis in (0, 1)]
    expected = reference.dissected(maps, [data.read(n) for n in order], CONCEPTS, centres, size, 0.1)
    np.testing.assert_array_equal(found.tallies.labelled, expected[2])
    # A value at a threshold may fall on either side of it.
    np.testing.assert_allclose(found.tallies.activations, expected[1], atol=3)
    np.testing.assert_allclose(found.tallies.intersections, expected[0], atol=3)
    for old, variable in zip(before, specimen.model.variables, strict=True):
        np.testing.assert_array_equal(old, np.array(variable))
