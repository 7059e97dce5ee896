"""Layers by path, name, index and object, and the last one with a spatial map."""

import keras
import numpy as np
import pytest
import zoo
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import KerasvizWarning, LayerError
from kerasviz.network import Pass, heads
from kerasviz.network.twins import Recorder


@pytest.fixture(scope="module")
def nested():
    inputs = keras.Input((12, 10, 3), name="image")
    x = L.Conv2D(3, 1, name="between")(zoo.small_base("left")(inputs))
    x = zoo.small_base("right", (6, 5, 3))(x)
    x = L.Dense(4, name="predictions")(L.GlobalAveragePooling2D(name="gap")(x))
    model = keras.Sequential(
        [keras.Input((12, 10, 3)), L.Rescaling(2.0, name="scale"), zoo.small_base(), L.Flatten(name="flatten")]
    )
    return model, keras.Model(inputs, x)


def test_paths_names_ends_indices_and_objects_mean_the_same(nested):
    model, _ = nested
    network = kv.Network(model)
    base = model.get_layer("base")
    for spec in ("base/conv2", "conv2", base.get_layer("conv2")):
        assert str(network.address(spec)) == "base/conv2"
    assert str(network.address(1)) == str(network.address(-2)) == str(network.address(base)) == "base"
    assert network.layers == [
        "scale",
        "base",
        "base/conv1",
        "base/pool",
        "base/conv2",
        "base/bn",
        "base/relu",
        "flatten",
    ]
    assert network.trace.shape_of("base/conv2") == (None, 6, 5, 6)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("base/conv3", r"No layer .*'base/conv3'.*Did you mean 'base/conv2' or 'base/conv1'"),
        ("relo", r"Did you mean 'base/relu'"),
        ("onv2", r"No layer .*'onv2'"),
        (17, r"layer=17 is outside.*from -3 to 2"),
        (2.5, r"layer=2.5 is a float.*a path or name"),
        (True, r"layer=True is a bool"),
        (L.Dense(3, name="stranger"), r"'stranger' is not part of the model"),
        ("conv2@3", r"called 1 times"),
    ],
)
def test_a_wrong_layer_is_named_with_what_is_near(nested, spec, message):
    with pytest.raises(LayerError, match=message):
        kv.Network(nested[0]).activations(zoo.images(12, 10, 3), spec)


def test_an_ambiguous_name_lists_the_candidates(nested):
    with pytest.raises(LayerError, match=r"fits 2 layers.*'left/conv2', 'right/conv2'"):
        kv.Network(nested[1]).address("conv2")
    assert str(kv.Network(nested[1]).address("right/conv2")) == "right/conv2"


def test_the_last_spatial_map_is_found_in_every_kind_of_model(specimen):
    assert str(kv.Network(specimen.model).address()) == specimen.layer


def test_activations_are_those_of_the_layers_themselves(nested):
    model, _ = nested
    images = zoo.images(12, 10, 3)
    base = model.get_layer("base")
    maps = kv.Network(model).activations(images, ["base/conv1", "relu", "scale"], batch_size=2)
    assert list(maps) == ["base/conv1", "base/relu", "scale"]
    np.testing.assert_allclose(maps["scale"], images * 2, rtol=1e-6)
    np.testing.assert_allclose(maps["base/conv1"], base.get_layer("conv1")(images * 2), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(maps["base/relu"], base(images * 2), rtol=1e-5, atol=1e-6)


def test_each_call_of_a_shared_layer_has_an_address():
    specimen = zoo.ZOO["dicts"]()
    network, inputs = kv.Network(specimen.model), specimen.inputs
    tower = specimen.model.get_layer("tower")
    maps = network.activations(inputs, ["tower/relu@0", "tower/relu@1", "tower/relu"])
    seen = []
    for address in ("tower/relu@0", "tower/relu@1"):
        (side,) = network.trace.sources_of(network.address(address))
        np.testing.assert_allclose(maps[address], tower(inputs[side]), rtol=1e-5, atol=1e-6)
        seen.append(side)
    assert sorted(seen) == ["left", "right"]
    np.testing.assert_array_equal(maps["tower/relu"], maps["tower/relu@1"])


@pytest.mark.slow
def test_gradients_at_a_layer_agree_with_a_push_of_its_map(specimen):
    """Pushing the feature map a little along a random direction changes the score as its gradient says."""
    network = kv.Network(specimen.model)
    address = network.address()
    arrays = network.inputs.check(specimen.inputs)
    goal = kv.targets.as_target(specimen.target)
    arguments = goal.arguments(network, len(arrays[0]))

    def score(done):
        return goal.score(network, done, arguments)

    run = network.function(lambda tensors: network.differentiate(tensors, score, at=[address])[3][address])
    gradient = run(arrays).numpy()
    direction = np.random.default_rng(1).normal(size=gradient.shape).astype("float32")
    step = 1e-3
    pushed = [pushed_score(network, address, sign * step * direction, score, arrays) for sign in (-1, 1)]
    slope = (pushed[1] - pushed[0]) / (2 * step)
    expected = (gradient * direction).reshape(len(gradient), -1).sum(axis=1)
    np.testing.assert_allclose(slope, expected, rtol=0.02, atol=0.02 * np.abs(expected).max())


def pushed_score(network, address, push, score, arrays):
    """The scores with something added to an activation, by a recorder outside kerasviz's own."""
    wanted, last = network._twin_ids[network._directory.id_of(address.path)], network.trace.calls_of(address.path)
    calls = []

    def seen(twin_id, output):
        if twin_id != wanted:
            return output
        calls.append(twin_id)
        return output + push if len(calls) == last else output

    def run(tensors):
        with Recorder(seen):
            outputs = network._twin(network.inputs.pack(tensors), training=False)
        named = dict(zip(network.trace.outputs, keras.tree.flatten(outputs), strict=True))
        return score(Pass(named, {name: heads.strip(output)[0] for name, output in named.items()}))

    return network.function(run)(arrays).numpy()


def test_layers_inside_loops_are_refused_with_the_one_around():
    inputs = keras.Input((5, 4))
    cell = L.SimpleRNNCell(3, name="cell")
    model = keras.Model(inputs, L.Dense(2)(L.RNN(cell, name="rnn")(inputs)))
    network = kv.Network(model)
    assert network.activations(zoo.images(5, 4), "rnn")["rnn"].shape == (3, 3)
    with pytest.raises(LayerError, match=r"loop.*layer around it"):
        network.activations(zoo.images(5, 4), "rnn/cell")


def last_map(build, shape=(16, 16, 3)):
    inputs = keras.Input(shape)
    return str(kv.Network(keras.Model(inputs, build(inputs))).address())


def test_a_segmentation_head_is_not_the_last_map():
    def unet(x):
        skip = L.Conv2D(4, 3, padding="same", activation="relu", name="down")(x)
        x = L.UpSampling2D(name="up")(L.MaxPooling2D()(skip))
        x = L.Conv2D(4, 3, padding="same", name="fuse")(L.Concatenate(name="join")([skip, x]))
        x = L.ReLU(name="fuse_relu")(x)
        return L.Softmax()(L.Conv2D(5, 1, name="head")(x))

    assert last_map(unet) == "fuse_relu"


def test_pooling_depthwise_and_separable_layers_count():
    dense = L.Dense(3)
    assert last_map(lambda x: dense(L.Flatten()(L.MaxPooling2D(name="pool")(L.Conv2D(4, 3)(x))))) == "pool"
    pooled = L.GlobalAveragePooling2D(keepdims=True)
    assert last_map(lambda x: L.Flatten()(pooled(L.DepthwiseConv2D(3, name="depthwise")(x)))) == "depthwise"
    assert last_map(lambda x: L.Flatten()(L.Dropout(0.1)(L.SeparableConv2D(4, 3, name="separable")(x)))) == "separable"


def test_a_patch_embedding_gives_way_to_a_later_map_and_warns_where_there_is_none():
    def tokens(x, back):
        x = L.Reshape((16, 8))(L.Conv2D(8, 4, strides=4, name="patches")(x))
        for _ in range(2):
            x = L.Add()([x, L.MultiHeadAttention(2, 4)(x, x)])
            x = L.Add()([x, L.Dense(8)(L.Dense(12, activation="gelu")(L.LayerNormalization()(x)))])
        if back:
            x = L.Conv2D(4, 1, name="later")(L.Reshape((4, 4, 8))(x))
        return L.Dense(3)(L.Flatten()(x))

    assert last_map(lambda x: tokens(x, back=True)) == "later"
    with pytest.warns(KerasvizWarning, match=r"'patches', comes before \d+ layers that work on tokens"):
        assert last_map(lambda x: tokens(x, back=False)) == "patches"


def test_a_network_without_a_map_says_so():
    with pytest.raises(LayerError, match="no layer with a spatial feature map"):
        last_map(lambda x: L.Dense(3)(L.Flatten()(L.Rescaling(2.0)(x))))
