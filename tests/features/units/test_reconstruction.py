"""Reconstructions against the deconvnet in numpy loops, against gradients of the user's own model, and closed forms."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L
from reference import keras_eager, numpy_net

from kerasviz.errors import InputError, KerasvizWarning, LoadError, RuleError, SaveError, SettingError, TargetError
from kerasviz.features.units.patches import stretched
from kerasviz.features.units.reconstruction import Reconstruction
from kerasviz.features.units.reconstructions import Reconstructions
from kerasviz.features.units.top_activations import top_activations
from kerasviz.features.units.top_reconstructions import reconstruct_top
from kerasviz.network import Network
from kerasviz.network.receptive_fields import receptive_field

RULES = ("deconvnet", "guided", "backprop")
SIZE = (11, 9, 2)


def close(fast, slow, tolerance=1e-5):
    return np.abs(np.asarray(fast) - slow).max() <= tolerance * np.abs(slow).max() > 0


# Against the deconvnet of the paper


def chain(seed):
    """A random chain of convolutions, rectifiers and max-poolings, as `numpy_net` and as Keras take it."""
    rng = np.random.default_rng(seed)
    net, shape = [], SIZE
    for number in range(3):
        stride, padding = int(rng.integers(1, 3)), str(rng.choice(["same", "valid"]))
        if number == 0 or min(shape[:2]) < 5:
            stride, padding = 1, "same"
        kernel = rng.normal(0, 0.5, (3, 3, shape[2], 4)).astype("float32")
        bias = rng.uniform(0, 0.3, 4).astype("float32")
        net += [{"kind": "conv", "kernel": kernel, "bias": bias, "stride": stride, "padding": padding}]
        if number != 1 or rng.random() < 0.5:
            net += [{"kind": "relu"}]
        shape = numpy_net.forward(net, np.zeros(SIZE))[-1].shape
        if min(shape[:2]) > 3:
            net += [
                {
                    "kind": "pool",
                    "size": 2,
                    "stride": int(rng.integers(1, 3)),
                    "padding": str(rng.choice(["same", "valid"])),
                }
            ]
            shape = numpy_net.forward(net, np.zeros(SIZE))[-1].shape
    return net


def twin_of(net):
    inputs = x = keras.Input(SIZE)
    for number, part in enumerate(net):
        name = f"layer{number}"
        if part["kind"] == "conv":
            x = L.Conv2D(4, 3, strides=part["stride"], padding=part["padding"], name=name)(x)
        elif part["kind"] == "pool":
            x = L.MaxPooling2D(part["size"], part["stride"], padding=part["padding"], name=name)(x)
        else:
            x = L.ReLU(name=name)(x)
    model = keras.Model(inputs, L.GlobalAveragePooling2D()(x))
    model.set_weights([part[name] for part in net if "kernel" in part for name in ("kernel", "bias")])
    return model


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 12))])
def test_is_the_deconvnet_of_the_paper(seed):
    """Each kept activation, from each kind of layer, through unpooling, rectification and flipped filters."""
    rng = np.random.default_rng(seed + 100)
    net = chain(seed)
    model = twin_of(net)
    images = rng.normal(0, 1, (2, *SIZE)).astype("float32")
    depths = range(1, len(net)) if seed else [len(net) - 1]
    for depth in depths:
        maps = [numpy_net.forward(net[: depth + 1], image)[-1] for image in images]
        # A unit that answers to both images.
        both = np.minimum(*maps)
        *place, channel = (int(at) for at in np.unravel_index(both.argmax(), both.shape))
        for rule in RULES if depth == len(net) - 1 else ["deconvnet"]:
            for keep in ("strongest", "map", tuple(place)) if rule == "deconvnet" else ["strongest"]:
                reconstruct = Reconstruction(model, f"layer{depth}", rule=rule, keep=keep)
                expected = []
                for image, whole in zip(images, maps, strict=True):
                    seed_map, one = np.zeros_like(whole), whole[..., channel]
                    at = np.unravel_index(one.argmax(), one.shape) if keep == "strongest" else keep
                    at = (slice(None),) * 2 if keep == "map" else at
                    seed_map[(*at, channel)] = one[at]
                    expected.append(numpy_net.backward(net[: depth + 1], image, seed_map, rule=rule))
                done = reconstruct(images, channel)
                for fast, slow in zip(done.values, expected, strict=True):
                    assert close(fast, slow), (depth, rule, keep)


def test_unpooling_puts_values_where_they_came_from():
    """The matrix of the lecture, and the first of equal maxima."""
    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, L.MaxPooling2D(2, name="pool")(inputs))
    image = np.array([[1, 2, 0, 3], [4, 0, 1, 1], [0, 5, 2, 2], [1, 1, 7, 0]], "float32")[None, ..., None]
    whole = Reconstruction(model, "pool", rule="backprop", keep="map")
    assert whole(image, 0)[0, ..., 0].tolist() == [[0, 0, 0, 3], [4, 0, 0, 0], [0, 5, 0, 0], [0, 0, 7, 0]]
    one = Reconstruction(model, "pool", rule="backprop")(image, 0)
    assert one[0, ..., 0].tolist() == [[0] * 4, [0] * 4, [0] * 4, [0, 0, 7, 0]]
    assert (one.positions.tolist(), one.boxes.tolist(), one.activations.tolist()) == ([[1, 1]], [[2, 2, 4, 4]], [7])
    tied = np.ones((1, 4, 4, 1), "float32")
    assert whole(tied, 0)[0, ..., 0].tolist() == [[1, 0, 1, 0], [0] * 4, [1, 0, 1, 0], [0] * 4]
    assert Reconstruction(model, "pool", rule="backprop")(tied, 0).positions.tolist() == [[0, 0]]


def test_a_linear_unit_gives_its_filter_times_its_activation():
    """Biases have no part in it; a negative unit keeps its sign."""
    model, images = linear()
    kernel = model.get_layer("conv").kernel.numpy()
    done = Reconstruction(model, "conv", rule="backprop", keep=(2, 1))(images, [[0, 1, 2]])
    maps = keras.Model(model.input, model.get_layer("conv").output).predict(images, verbose=0)
    np.testing.assert_allclose(done.activations, maps[:, 2, 1, :3].reshape(-1), rtol=1e-5)
    assert done.activations.min() < 0 < done.activations.max()
    assert done.boxes.tolist() == [[4, 2, 7, 5]] * 6
    for crop, channel, activation in zip(done.crops(), done.channels, done.activations, strict=True):
        np.testing.assert_allclose(crop, activation * kernel[..., channel], rtol=1e-5, atol=1e-7)
    assert np.count_nonzero(done.values) == 6 * 27  # and nothing beside the receptive field
    for patch, image in zip(done.patches(images), done.images, strict=True):
        np.testing.assert_array_equal(patch, images[image, 4:7, 2:5])


def linear():
    rng = np.random.default_rng(3)
    inputs = keras.Input((10, 9, 3))
    x = L.Conv2D(4, 3, strides=2, name="conv", bias_initializer="ones")(inputs)
    model = keras.Model(inputs, L.GlobalAveragePooling2D()(x))
    model.get_layer("conv").kernel.assign(rng.normal(size=(3, 3, 3, 4)))
    return model, rng.normal(size=(2, 10, 9, 3)).astype("float32")


# Against the user's own model


def slow_one(model, sample, path, channel, rule):
    """The gradient of the strongest unit, times its value, at each input, by Keras alone."""
    tensors = keras.tree.map_structure(tf.constant, sample)
    inputs = keras.tree.flatten(tensors)
    with keras_eager.running(rule), keras_eager._outputs_of(keras_eager.layer_at(model, path)) as kept:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            model(tensors, training=False)
            unit = tf.reshape(tf.cast(kept[-1], tf.float32)[..., channel], [-1])
            value = tf.reduce_max(unit)
            unit = unit[int(tf.argmax(unit))]
        gradients = tape.gradient(unit, inputs, unconnected_gradients="zero")
    return [gradient.numpy()[0] * float(value) for gradient in gradients], float(value)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["backprop", *(pytest.param(rule, marks=pytest.mark.slow) for rule in RULES[:2])])
def test_every_kind_of_model(specimen, rule):
    reconstruct = Reconstruction(specimen.model, specimen.layer, rule=rule)
    half = any(layer.compute_dtype == "float16" for layer in specimen.model.layers)
    maps = reconstruct.network.activations(specimen.inputs, specimen.layer)[specimen.layer]
    # A unit that answers, and is not at a cap.
    strong = maps.reshape(3, -1, maps.shape[-1]).max(axis=1)
    channels = np.where((strong > 0) & (strong < 6), strong, -1).argmax(axis=1)
    done = reconstruct(specimen.inputs, channels)
    source = [spec.name for spec in reconstruct.network.inputs.specs].index(
        next(iter(reconstruct.network.trace.sources_of(reconstruct.network.address(specimen.layer))))
    )
    for i, sample in enumerate(keras_eager.samples_of(specimen.inputs)):
        gradients, value = slow_one(specimen.model, sample, specimen.layer, channels[i], rule)
        assert done.activations[i] == pytest.approx(value, rel=1e-2 if half else 1e-5)
        assert close(done.values[i], gradients[source], 2e-2 if half else 1e-5)


@pytest.mark.slow
def test_the_model_and_the_images_stay_as_they_are(specimen):
    before = [weight.copy() for weight in specimen.model.get_weights()]
    given = keras.tree.map_structure(np.copy, specimen.inputs)
    outputs = specimen.model.predict(specimen.inputs, verbose=0)
    done = Reconstruction(specimen.model, specimen.layer, rule="guided", keep="map")(specimen.inputs, 0)
    done.values[...] = 1
    after = specimen.model.predict(specimen.inputs, verbose=0)
    for one, other in zip(
        keras.tree.flatten([before, given, outputs]),
        keras.tree.flatten([specimen.model.get_weights(), specimen.inputs, after]),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


# Pairs and places


@pytest.fixture(scope="module")
def small():
    net = chain(0)
    return twin_of(net), np.random.default_rng(5).normal(0, 1, (5, *SIZE)).astype("float32")


def test_pairs_of_images_and_channels(small):
    model, images = small
    reconstruct = Reconstruction(model, "layer1", batch_size=3)
    every = reconstruct(images, [[0, 1, 2, 3]])
    assert every.images.tolist() == np.repeat(range(5), 4).tolist()
    assert every.channels.tolist() == [0, 1, 2, 3] * 5
    table = every.values.reshape(5, 4, *SIZE)
    for channels, expected in (
        (2, table[:, 2]),
        ([3, 0, 1, 1, 2], table[range(5), [3, 0, 1, 1, 2]]),
        ([[1, 0]], table[:, [1, 0]]),
        ([[0, 1], [1, 2], [2, 3], [3, 0], [0, 2]], [table[i, [i % 4, (i + 1) % 4 if i < 4 else 2]] for i in range(5)]),
    ):
        done = reconstruct(images, channels)
        np.testing.assert_allclose(done.values, np.reshape(expected, done.shape), atol=1e-6)
    one = reconstruct(images[:1], [2, 0])
    np.testing.assert_allclose(one.values, table[0, [2, 0]], atol=1e-6)
    assert one.images.tolist() == [0, 0]
    for batch_size in (1, 64):
        again = Reconstruction(model, "layer1", batch_size=batch_size)(images, [[0, 1, 2, 3]])
        np.testing.assert_allclose(again.values, every.values, atol=1e-6)
        np.testing.assert_array_equal(again.positions, every.positions)


@pytest.mark.slow
def test_units_by_their_places(small):
    """Under the plain rule the whole map is the sum of its units."""
    model, images = small
    layer = "layer1"
    single = Reconstruction(model, layer, rule="backprop")
    places = np.argwhere(np.ones(single.network.trace.shape_of(layer)[1:3]))
    with pytest.warns(KerasvizWarning, match="zero everywhere"):
        units = single(images[:1], [1] * len(places), places)
    np.testing.assert_array_equal(units.positions, places)
    whole = Reconstruction(model, layer, rule="backprop", keep="map")(images[:1], 1)
    assert close(units.values.sum(axis=0), whole.values[0])
    strongest = single(images[:1], 1)
    best = units.activations.argmax()
    assert strongest.positions[0].tolist() == places[best].tolist() and strongest.activations[0] == whole.activations[0]
    assert whole.boxes.tolist() == [[0, 0, *SIZE[:2]]]
    assert strongest.boxes[0].tolist() == list(receptive_field(Network(model), layer).box(places[best]))
    fixed = Reconstruction(model, layer, rule="backprop", keep=tuple(places[best].tolist()))(images[:1], 1)
    np.testing.assert_array_equal(fixed.values, strongest.values)
    shared = single(images[:1], [1, 1], places[best])
    assert close(shared.values, np.repeat(strongest.values, 2, axis=0))


def test_layers_without_positions():
    inputs = keras.Input((4, 3, 1))
    model = keras.Model(inputs, L.Dense(2, name="dense", use_bias=False)(L.Flatten()(inputs)))
    images = np.random.default_rng(0).random((2, 4, 3, 1)).astype("float32")
    kernel = model.get_layer("dense").kernel.numpy()
    scores = model.predict(images, verbose=0)
    for keep in ("strongest", "map"):
        done = Reconstruction(model, "dense", rule="backprop", keep=keep)(images, 1)
        for i in range(2):
            np.testing.assert_allclose(done[i].reshape(-1), scores[i, 1] * kernel[:, 1], rtol=1e-5)
        assert done.positions.shape == (2, 0) and done.boxes.tolist() == [[0, 0, 4, 3]] * 2
    with pytest.raises(TargetError, match="without positions"):
        Reconstruction(model, "dense", rule="backprop", keep=(0, 0))


def test_networks_of_any_size():
    inputs = keras.Input((None, None, 1))
    model = keras.Model(inputs, L.Conv2D(1, 3, activation="relu", name="conv", kernel_initializer="ones")(inputs))
    reconstruct = Reconstruction(model, "conv")
    for size in ((6, 8), (9, 5)):
        image = np.zeros((1, *size, 1), "float32")
        image[0, -1, -1] = 2
        done = reconstruct(image, 0)
        assert done.boxes.tolist() == [[size[0] - 3, size[1] - 3, *size]]
        assert (done.crops()[0] == 2).all() and done.sum() == 18
    with pytest.raises(TargetError, match=r"outside the map of 'conv', which has the size \(7, 3\)"):
        reconstruct(image, 0, (0, 4))


def test_one_input_of_several():
    left, right = keras.Input((4, 4, 1), name="left"), keras.Input((4, 4, 1), name="right")
    model = keras.Model([left, right], L.ReLU(name="relu")(L.Subtract()([left, right])))
    both = [np.full((1, 4, 4, 1), 5, "float32"), np.full((1, 4, 4, 1), 2, "float32")]
    with pytest.raises(InputError, match="looks at 'left', 'right'"):
        Reconstruction(model, "relu")
    for name, sign in (("left", 1), ("right", -1)):
        done = Reconstruction(model, "relu", input=name, keep="map")(both, 0)
        assert (done.values == sign * 3).all()


# What is said


def test_a_unit_that_is_not_active_gives_zeros(small):
    model, images = small
    model = keras.models.clone_model(model)
    model.get_layer("layer0").bias.assign([-100, 1, 1, 1])
    reconstruct = Reconstruction(model, "layer1")
    with pytest.warns(KerasvizWarning, match="'layer1' \\(image/channel\\) 0/0, 1/0 are zero everywhere"):
        done = reconstruct(images[:2], [[0, 1]])
    assert not done.values[::2].any() and done.values[1::2].any(axis=(1, 2, 3)).all()
    assert done.activations[::2].tolist() == [0, 0]


def test_what_cannot_be_done(small):
    model, images = small
    with pytest.raises(RuleError, match="No backward rule"):
        Reconstruction(model, "layer1", rule="deconv")
    with pytest.raises(RuleError):
        Reconstruction(linear()[0], "conv")  # nothing to rectify
    with pytest.raises(SettingError, match="keep='strong'"):
        Reconstruction(model, "layer1", keep="strong")
    with pytest.raises(TargetError, match="outside"):
        Reconstruction(model, "layer1", keep=(0, 99))
    with pytest.raises(SettingError, match="batch_size"):
        Reconstruction(model, "layer1", batch_size=0)
    tokens = keras.Input((5,), dtype="int32")
    words = keras.Model(tokens, L.Conv1D(2, 3, activation="relu", name="conv")(L.Embedding(9, 4)(tokens)))
    with pytest.raises(InputError, match="integers"):
        Reconstruction(words, "conv")
    reconstruct = Reconstruction(model, "layer1")
    for channels in (4, -1, [0, 1, 2, 3, 4], 1.5):
        with pytest.raises(TargetError, match=r"channel=|channels="):
            reconstruct(images, channels)
    for channels in ([0, 1], [[0, 1]] * 3, [[[0]]], []):
        with pytest.raises(TargetError, match="for 5 images"):
            reconstruct(images, channels)
    with pytest.raises(InputError, match="without a batch axis"):
        reconstruct(images[0], 0)
    with pytest.raises(SettingError, match="Positions"):
        Reconstruction(model, "layer1", keep="map")(images, 0, (0, 0))
    done = reconstruct(images, 1)
    with pytest.raises(InputError, match="2 images were given"):
        done.patches(images[:2])
    with pytest.raises(InputError, match="size of the network's input"):
        done.patches(images[:, :4])


# Results


@pytest.mark.filterwarnings("ignore:An image with 2 channels")
def test_saving(small, tmp_path):
    model, images = small
    done = Reconstruction(model, "layer1", keep="strongest")(images[:2], [[1, 3]])
    done.save(tmp_path / "out", images[:2])
    loaded = Reconstructions.load(tmp_path / "out")
    assert isinstance(loaded, Reconstructions) and (loaded.layer, loaded.rule) == ("layer1", "deconvnet")
    for name in ("values", "activations", "channels", "images", "positions", "boxes"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(done, name))
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == [*(f"000{i}.png" for i in range(4)), "arrays.npz", "manifest.json"]
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["settings"]["keep"] == "strongest"
    with pytest.raises(SaveError, match="exists already"):
        done.save(tmp_path / "out")
    with pytest.raises(LoadError):
        Reconstructions.load(tmp_path)


def pictures_of(fig):
    return [axes.images[0].get_array() for axes in fig.axes]


def test_the_picture_has_grey_for_zero_and_its_own_contrast():
    """Reconstruction and patch of one size, side by side."""
    model, images = linear()
    done = Reconstruction(model, "conv", rule="backprop", keep=(2, 1))(images, [[0, 1]])
    fig = done.plot(images, cols=2)
    pictures = pictures_of(fig)
    assert len(pictures) == 8 and {picture.shape for picture in pictures} == {(3, 3, 3)}
    for i, crop in enumerate(done.crops()):
        drawn = pictures[2 * i].astype(int)
        reach = np.percentile(np.abs(crop), 99.5)
        expected = 127.5 + 127.5 * np.clip(crop / reach, -1, 1)
        assert np.abs(drawn - expected).max() <= 1
        image = images[done.images[i], 4:7, 2:5]
        assert np.unravel_index(image.argmax(), image.shape) == np.unravel_index(
            pictures[2 * i + 1].argmax(), image.shape
        )
    assert fig.texts[0].get_text() == f"channel 0 at 2, 1: {done.activations[0]:.3g}"
    whole = pictures_of(done.plot(images, crop=False))
    assert whole[0].shape == (10, 9, 3) and (whole[0][:4] == 128).all()
    assert ((whole[0][4:7, 2:5] > 128) == (done.crops()[0] > 0)).all()
    assert len(pictures_of(done.plot())) == 4


@pytest.mark.filterwarnings("ignore:An image with 2 channels")
@pytest.mark.parametrize("space", [(20,), (6, 8, 7)])
def test_signals_and_volumes_are_drawn(space):
    conv = L.Conv1D if len(space) == 1 else L.Conv3D
    inputs = keras.Input((*space, 2))
    model = keras.Model(inputs, conv(3, 3, activation="relu", name="conv")(inputs))
    images = np.random.default_rng(0).normal(size=(2, *space, 2)).astype("float32")
    done = Reconstruction(model, "conv")(images, 1)
    starts = done.positions
    np.testing.assert_array_equal(done.boxes, np.concatenate([starts, starts + 3], axis=1))
    kernel = model.get_layer("conv").kernel.numpy()[..., 1]
    for crop, activation in zip(done.crops(), done.activations, strict=True):
        np.testing.assert_allclose(crop, kernel * activation, rtol=1e-5, atol=1e-7)
    fig = done.plot(images)
    titles = [text.get_text() for text in [*fig.texts, *(axes.title for axes in fig.axes)]]
    assert sum(title.startswith(f"channel 1 at {starts[0][0]}") for title in titles) >= 1
    assert len([axes for axes in fig.axes if axes.images]) >= 2


# The strongest images of a data set


def test_the_strongest_images_of_channels(small):
    model, _ = small
    images = np.random.default_rng(8).normal(0, 1, (13, *SIZE)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices(images).batch(5)
    found = reconstruct_top(model, "layer1", data, [3, 1], k=4)
    top = top_activations(model, "layer1", images, k=4, channels=[3, 1])
    np.testing.assert_array_equal(found.top.images, top.images)
    done = found.reconstructions
    assert done.channels.tolist() == [3] * 4 + [1] * 4
    np.testing.assert_array_equal(done.images, top.images.reshape(-1))
    np.testing.assert_array_equal(done.positions, top.positions.reshape(-1, 2))
    np.testing.assert_allclose(done.activations, top.values.reshape(-1), rtol=1e-6)
    reconstruct = Reconstruction(model, "layer1")
    for row, (image, channel) in enumerate(zip(done.images, done.channels, strict=True)):
        assert close(done.values[row], reconstruct(images[image : image + 1], channel).values[0])
    own = [patch for channel in top.patches(images) for patch in channel]
    for patch, expected, crop in zip(found.patches, own, done.crops(), strict=True):
        np.testing.assert_array_equal(patch, expected)
        assert patch.shape == crop.shape


@pytest.mark.filterwarnings("ignore:An image with 2 channels")
def test_the_sheet_of_the_strongest(small):
    """A square of reconstructions, and one of patches, for each channel; fewer samples than places."""
    model, _ = small
    images = np.random.default_rng(8).normal(0, 1, (3, *SIZE)).astype("float32")
    found = reconstruct_top(model, "layer1", images, [3, 1], k=4)
    assert len(found.patches) == 6 and found.top.values.shape == (2, 4)
    pictures = pictures_of(found.plot())
    assert len(pictures) == 4 and {picture.shape for picture in pictures[:2]} == {pictures[0].shape}
    assert len(pictures_of(found.plot(channels=1))) == 2
    for row, picture in ((0, pictures[0]), (3, pictures[2])):  # the first tile of each channel
        crop = found.reconstructions.crops()[row]
        zoom = 64 // max(crop.shape[:2]) + (64 % max(crop.shape[:2]) > 0)
        high, wide = zoom * crop.shape[0], zoom * crop.shape[1]
        np.testing.assert_array_equal(picture[2 : 2 + high : zoom, 2 : 2 + wide : zoom], stretched(crop))
    np.testing.assert_array_equal(pictures_of(found.plot(channels=1))[0], pictures[2])
    dark = pictures_of(found.plot(images * 0, channels=1, value_range=(-1, 1)))[1]
    assert set(np.unique(dark)) == {128, 255}  # the patches of other images; white between them
    assert not np.array_equal(dark, pictures[3])
    with pytest.raises(TargetError, match="channels="):
        found.plot(channels=[0])


def test_the_strongest_units_of_a_dense_layer():
    inputs = keras.Input((4, 3, 1))
    model = keras.Model(
        inputs, L.Dense(2, name="dense", activation="relu", bias_initializer="ones")(L.Flatten()(inputs))
    )
    images = np.random.default_rng(0).random((6, 4, 3, 1)).astype("float32")
    found = reconstruct_top(model, "dense", images, 0, k=2)
    assert found.reconstructions.images.tolist() == np.argsort(-model.predict(images, verbose=0)[:, 0])[:2].tolist()
    assert [patch.shape for patch in found.patches] == [(4, 3, 1)] * 2
