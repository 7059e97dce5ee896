"""The strongest activations over a data set, against a search through all activations at once."""

import weakref
from dataclasses import replace
from fractions import Fraction

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from kerasviz.errors import InputError, KerasvizWarning, LayerError, LoadError, SaveError, SettingError, TargetError
from kerasviz.features.units.top_activations import TopActivations, top_activations
from kerasviz.network import Network
from kerasviz.network.receptive_fields import receptive_field

# Whole numbers are often equal.
pytestmark = pytest.mark.filterwarnings("ignore:The . strongest activations of 'conv' are equal")
AXES = {1: ["position"], 2: ["row", "column"], 3: ["depth", "row", "column"]}
KINDS = {1: (L.Conv1D, L.GlobalAveragePooling1D), 2: (L.Conv2D, L.GlobalAveragePooling2D), 3: (L.Conv3D, L.Flatten)}


def whole_numbers(*space, channels=5, stride=1, seed=0):
    """A network and 23 samples of small whole numbers: sums are exact in any order, and many activations are equal."""
    rng = np.random.default_rng(seed)
    conv, pool = KINDS[len(space)]
    inputs = keras.Input((*space, 2))
    x = conv(channels, 2, strides=stride, activation="relu", name="conv")(inputs)
    model = keras.Model(inputs, L.Dense(3, name="dense")(pool()(x)))
    layer = model.get_layer("conv")
    layer.set_weights([rng.integers(-2, 4, layer.kernel.shape).astype("float32"), np.zeros(channels)])
    return model, rng.integers(0, 7, (23, *space, 2)).astype("float32")


def searched(maps, k, per_image):
    """For each channel the k best `(value, image, position)` of all activations, sorted at once."""
    found = []
    for channel in range(maps.shape[-1]):
        units = [(-maps[(*at, channel)], at[0], at[1:]) for at in np.ndindex(maps.shape[:-1])]
        if per_image:
            units = [min(unit for unit in units if unit[1] == image) for image in range(len(maps))]
        found.append([(-value, image, place) for value, image, place in sorted(units)[:k]])
    return found


def listed(top):
    """The same of a result."""
    return [
        [
            (top.values[c, r], top.images[c, r], tuple(top.positions[c, r].tolist()))
            for r in range(top.values.shape[1])
            if top.images[c, r] >= 0
        ]
        for c in range(len(top.channels))
    ]


@pytest.fixture(scope="module")
def plane():
    return whole_numbers(6, 5)


def maps_of(model, images, layer="conv"):
    return keras.Model(model.input, model.get_layer(layer).output).predict(images, verbose=0)


@pytest.mark.parametrize("per_image", [True, False])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_equals_a_search_through_everything(plane, batch_size, per_image):
    """Equal activations are in the order of images and places, whatever the batches."""
    model, images = plane
    top = top_activations(model, "conv", images, k=9, batch_size=batch_size, per_image=per_image)
    expected = searched(maps_of(model, images), 9, per_image)
    assert any(len({value for value, *_ in channel}) < 9 for channel in expected)  # there are equals
    assert listed(top) == expected
    assert (top.layer, top.total, top.channels.tolist()) == ("conv", 23, [0, 1, 2, 3, 4])
    assert top.values.dtype == np.float32


@pytest.mark.parametrize("space", [(9,), (4, 3, 5)])
def test_signals_and_volumes(space):
    model, images = whole_numbers(*space)
    top = top_activations(model, "conv", images, k=4, batch_size=5)
    assert listed(top) == searched(maps_of(model, images), 4, True)
    row = top.rows()[1]
    assert list(row) == ["channel", "rank", "value", "image", *AXES[len(space)]]
    assert (row["channel"], row["rank"], row["value"]) == (0, 2, top.values[0, 1])
    patches = top.patches(images)
    place = tuple(slice(start, start + 2) for start in top.positions[3, 2])
    np.testing.assert_array_equal(patches[3][2], images[top.images[3, 2]][place])


def test_layers_without_positions(plane):
    model, images = plane
    top = top_activations(model, "dense", images, k=3)
    scores = model.predict(images, verbose=0)
    np.testing.assert_array_equal(top.images, np.argsort(-scores, axis=0, kind="stable")[:3].T)
    np.testing.assert_allclose(top.values, -np.sort(-scores, axis=0)[:3].T, rtol=1e-6)
    assert top.positions.shape == (3, 3, 0) and (top.boxes == [0, 0, 6, 5]).all()
    assert list(top.rows()[0]) == ["channel", "rank", "value", "image"]


def test_chosen_channels_in_their_order(plane):
    model, images = plane
    everything = top_activations(model, "conv", images, k=4)
    top = top_activations(model, "conv", images, k=4, channels=[3, 0])
    assert listed(top) == [listed(everything)[3], listed(everything)[0]] and top.channels.tolist() == [3, 0]
    assert [row["channel"] for row in top.rows()] == [3] * 4 + [0] * 4
    assert top_activations(model, "conv", images, k=1, channels=2).channels.tolist() == [2]


class Batches(keras.utils.PyDataset):
    def __init__(self, images):
        super().__init__()
        self.images = images

    def __len__(self):
        return 4

    def __getitem__(self, number):
        part = self.images[number * 6 : number * 6 + 6]
        return part, np.zeros(len(part))


@pytest.mark.parametrize("kind", ["tf.data", "PyDataset"])
def test_data_sets(plane, kind):
    model, images = plane
    labelled = tf.data.Dataset.from_tensor_slices((images, np.arange(23)))
    data = labelled.batch(10) if kind == "tf.data" else Batches(images)
    top, expected = (top_activations(model, "conv", each, batch_size=4) for each in (data, images))
    assert listed(top) == listed(expected) and top.total == 23
    for one, other in zip(top.patches(data), expected.patches(images), strict=True):
        np.testing.assert_array_equal(one, other)


def test_fewer_samples_than_places(plane):
    model, images = plane
    top = top_activations(model, "conv", images[:3], k=5)
    assert listed(top) == searched(maps_of(model, images[:3]), 5, True)
    assert np.isnan(top.values[:, 3:]).all() and not np.isnan(top.values[:, :3]).any()
    assert (top.images[:, 3:] == -1).all() and (top.positions[:, 3:] == -1).all() and not top.boxes[:, 3:].any()
    assert [len(patches) for patches in top.patches(images)] == [3] * 5 and len(top.rows()) == 15
    units = top_activations(model, "conv", images[:1], k=50, per_image=False)
    assert (units.images >= 0).sum(axis=1).tolist() == [20] * 5  # 5 x 4 places in the map


def test_images_of_different_sizes():
    """Of a network that takes any: places and boxes are of each image's own map."""
    inputs = keras.Input((None, None, 1))
    model = keras.Model(inputs, L.Conv2D(1, 3, padding="same", strides=2, name="conv")(inputs))
    model.set_weights([np.full((3, 3, 1, 1), 1.0), np.zeros(1)])
    small, large = np.zeros((1, 5, 7, 1), "float32"), np.zeros((1, 9, 6, 1), "float32")
    small[0, 4, 6], large[0, 4, 3] = 5, 7

    class Sizes:
        def __iter__(self):
            yield small
            yield large

    top = top_activations(model, "conv", Sizes(), k=2)
    assert listed(top) == [[(7, 1, (2, 1)), (5, 0, (2, 3))]]
    network = Network(model)
    expected = [receptive_field(network, "conv", size).box(at) for size, at in (((9, 6), (2, 1)), ((5, 7), (2, 3)))]
    assert top.boxes[0].tolist() == [list(box) for box in expected]
    assert [patch.max() for patch in top.patches(Sizes())[0]] == [7, 5]


def test_patches_hold_what_the_unit_answers_to():
    """A convolution on the patch alone gives the activation back."""
    model, images = whole_numbers(9, 8, stride=2)
    top = top_activations(model, "conv", images, k=3)
    kernel = model.get_layer("conv").kernel.numpy()
    for c, patches in enumerate(top.patches(images)):
        for r, patch in enumerate(patches):
            assert patch.shape == (2, 2, 2)
            assert max(0, (patch * kernel[..., c]).sum()) == top.values[c, r]
    field = replace(receptive_field(Network(model), "conv"), size=(Fraction(1), Fraction(2)))
    shown = (images * 30).astype("uint8")
    for one, other in zip(top.patches(shown, field), top.patches(images), strict=True):
        np.testing.assert_array_equal(one, np.array(other)[:, :1] * 30)
        assert one[0].dtype == np.uint8


def test_saving(plane, tmp_path):
    model, images = plane
    top = top_activations(model, "conv", images[:3], k=4)
    loaded = TopActivations.load(top.save(tmp_path / "top.npz"))
    for name in ("values", "images", "positions", "boxes", "channels"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(top, name))
    assert (loaded.layer, loaded.input, loaded.total) == (top.layer, top.input, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["top.npz"]
    with pytest.raises(SaveError, match="is no"):
        top.save(tmp_path / "top.npy")
    with pytest.raises(SaveError, match="is a file"):
        top.save(tmp_path / "top.npz" / "top.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "top.npz").read_bytes()[:200])
    for name in ("cut.npz", "none.npz"):
        with pytest.raises(LoadError, match="no top activations"):
            TopActivations.load(tmp_path / name)


@pytest.mark.filterwarnings("ignore:An image with 2 channels")
def test_the_picture_shows_the_patches():
    model, images = whole_numbers(9, 8, stride=2)
    images = images * 30
    top = top_activations(model, "conv", images, k=4, channels=[2, 4])
    fig = top.plot(images, value_range=(0, 180))
    left, right = (axes.images[0].get_array() for axes in fig.axes)
    assert left.shape == right.shape
    # Four cells of 2 x 2 pixels, each enlarged 32 times, with gaps of 2. Two channels are drawn as their mean.
    patch = top.patches(images)[1][3].mean(axis=-1) / 180 * 255
    assert abs(right[68:132:32, 68:132:32, 0] - patch).max() <= 0.5
    assert fig.texts[0].get_text().startswith(f"channel 2: {top.values[0, 0]:.3g} … ")


def test_a_cap_is_warned_of(plane):
    """Where a ReLU6 makes all equal, the order means nothing."""
    model, images = plane
    capped = keras.Sequential([model.get_layer("conv"), L.ReLU(max_value=1.0, name="capped")])
    capped.build((None, 6, 5, 2))
    with pytest.warns(KerasvizWarning, match="9 strongest activations of 'capped' are equal in the channels 0, 1, 2"):
        top = top_activations(capped, "capped", images)
    assert (top.values == 1).all() and (top.images == np.arange(9)).all()


@pytest.mark.slow
def test_every_kind_of_model(specimen):
    """Against one activation after another of the network's feature maps."""
    network = Network(specimen.model)
    maps = network.activations(specimen.inputs, specimen.layer)[specimen.layer]
    top = top_activations(specimen.model, specimen.layer, specimen.inputs, k=2, batch_size=2)
    for c in range(maps.shape[-1]):
        best = maps[..., c].reshape(3, -1)
        order = np.argsort(-best.max(axis=1), kind="stable")[:2]
        np.testing.assert_allclose(top.values[c], best.max(axis=1)[order], rtol=1e-5, atol=1e-6)
        for r in range(2):
            at = (top.images[c, r], *top.positions[c, r], c)
            np.testing.assert_allclose(maps[at], top.values[c, r], rtol=1e-5, atol=1e-6)


def test_nothing_is_changed(plane):
    model, images = plane
    before, given = [weight.copy() for weight in model.get_weights()], images.copy()
    top_activations(model, "conv", images).patches(images)[0][0][...] = -1
    np.testing.assert_array_equal(images, given)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_memory_does_not_grow(plane):
    """Batches are let go while others are read."""
    model, images = plane
    batches, most = [], []

    class Batch(np.ndarray):
        pass

    class Counted:
        def __iter__(self):
            for _ in range(12):
                batch = images[:6].copy().view(Batch)
                batches.append(weakref.ref(batch))
                yield batch
                del batch
                most.append(sum(batch() is not None for batch in batches))

    assert top_activations(model, "conv", Counted(), k=2).total == 72
    assert max(most) <= 2


def test_what_cannot_be_done(plane):
    model, images = plane
    for k in (0, 2.5, True):
        with pytest.raises(SettingError, match="k="):
            top_activations(model, "conv", images, k=k)
    with pytest.raises(SettingError, match="batch_size=0"):
        top_activations(model, "conv", images, batch_size=0)
    with pytest.raises(LayerError, match="No layer"):
        top_activations(model, "cnov", images)
    with pytest.raises(TargetError, match="outside the layer"):
        top_activations(model, "conv", images, channels=[0, 5])
    with pytest.raises(InputError, match="NaN"):
        top_activations(model, "conv", np.full_like(images, np.nan))
    top = top_activations(model, "conv", images)
    with pytest.raises(InputError, match="The data ends before sample"):
        top.patches(images[:4])
    with pytest.raises(InputError, match="a patch ends at"):
        top.patches(images[:, :2])
    with pytest.raises(InputError, match="no batch of images"):
        top.patches([images, images[:3]])
    signals, waves = whole_numbers(9)
    with pytest.raises(InputError, match="1 axes of space"):
        top_activations(signals, "conv", waves).plot(waves)


def test_activations_that_cannot_be_ordered(plane):
    _, images = plane
    inputs = keras.Input((6, 5, 2))
    broken = keras.Model(inputs, L.Lambda(lambda x: x / tf.reduce_max(x), name="ratio")(inputs))
    data = images.copy()
    data[5] = 0
    with pytest.raises(InputError, match=r"'ratio' has NaN or infinite activations on the samples \[5\]"):
        top_activations(broken, "ratio", data, batch_size=1)


def test_layers_of_several_inputs_need_a_name():
    left, right = keras.Input((4, 4, 1), name="left"), keras.Input((4, 4, 1), name="right")
    model = keras.Model([left, right], L.Add(name="sum")([left, L.MaxPooling2D(2, 1, "same")(right)]))
    rng = np.random.default_rng(0)
    both = [rng.random((5, 4, 4, 1)).astype("float32") for _ in range(2)]
    with pytest.raises(InputError, match="looks at 'left', 'right'"):
        top_activations(model, "sum", both)
    top = top_activations(model, "sum", both, input="right", k=1)
    assert top.input == "right"
    total = both[0] + np.max(
        [np.pad(both[1], ((0, 0), (0, 1), (0, 1), (0, 0)))[:, a : a + 4, b : b + 4] for a in (0, 1) for b in (0, 1)], 0
    )
    assert top.images[0, 0] == total.reshape(5, -1).max(axis=1).argmax()
    patch = top.patches({"left": both[0], "right": both[1]})[0][0]
    image = top.images[0, 0]
    # The field is known in the first input alone.
    assert top.boxes[0, 0].tolist() == [0, 0, 4, 4]
    other = top_activations(model, "sum", both, input="left", k=1)
    assert other.boxes[0, 0].tolist() == [*top.positions[0, 0], *(top.positions[0, 0] + 1)]
    np.testing.assert_array_equal(patch, both[1][image])
