"""Runs on many variants of an image: the same as running the whole network on each."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers as L
from networks_at_random import network
from reference.patched import pasted
from zoo import ZOO, images, randomize

from kerasviz.attribution.positions import Grid
from kerasviz.network import Network
from kerasviz.network.incremental import Incremental


def engine_of(model, image, others=()):
    network = Network(model)
    signature = [[tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in (image, *others)], []]
    return Incremental(network, lambda tensors, arguments: network.forward(tensors).scores, signature, 0)


def variants(image, size, stride, seed=0):
    """Positions of a patch, and random patches for them."""
    grid = Grid.of(image.shape[1:-1], size, stride, gaps=True)
    rng = np.random.default_rng(seed)
    patches = rng.uniform(-1, 1, (len(grid.starts), *grid.size, image.shape[-1]))
    return grid, (patches * 100 + 100 if image.dtype == np.uint8 else patches).astype(image.dtype)


def run(engine, image, grid, patches, *, batch_size=8, force=True, share=1.0, others=()):
    """The first output for every variant."""
    sweep = engine.sweep(grid.starts, grid.size, batch_size, force=force, share=share)
    assert sweep is not None
    assert sorted(np.concatenate(sweep.groups)) == list(range(len(grid.starts)))
    assert max(map(len, sweep.groups)) <= batch_size
    clean = sweep.clean([image, *others], [])
    found = {}
    for group in sweep.groups:
        rows = np.asarray(next(iter(sweep.run(clean, group, patches[group]).values())))
        found.update(zip(group, rows, strict=True))
    return np.stack([found[i] for i in range(len(grid.starts))])


def brute(model, image, grid, patches, others=()):
    """The same from the model itself, all scores before their softmax."""
    copies = pasted(image[0], grid.starts, patches)
    network = Network(model)
    given = [copies, *(np.repeat(array, len(copies), 0) for array in others)]
    done = network.function(lambda tensors: network.forward(tensors).scores)(given)
    return next(iter(done.values())).numpy()


def same(model, image, size=(4, 5), stride=(3, 2), **options):
    engine = engine_of(model, image, options.get("others", ()))
    grid, patches = variants(image, size, stride)
    found = run(engine, image, grid, patches, **options)
    wanted = brute(model, image, grid, patches, options.get("others", ()))
    # The scores must depend on the patch, or nothing is shown.
    assert np.ptp(wanted, axis=0).max() > 1e-4
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.ptp(wanted))
    return engine, grid


def agree(draw):
    """Compare on a random network: to 1e-4 of the range over the positions, and to 2e-5 of the scores."""
    model = network(draw)
    height, width = model.input_shape[1:3]
    size = (draw(st.integers(1, height)), draw(st.integers(1, min(width, 9))))
    stride = (draw(st.integers(2, 9)), draw(st.integers(2, 9)))
    image = images(*model.input_shape[1:], count=1, seed=draw(st.integers(0, 9)))
    grid, patches = variants(image, size, stride)
    wanted, engine = brute(model, image, grid, patches), engine_of(model, image)
    found, largest = run(engine, image, grid, patches), max(np.abs(wanted).max(), 1e-3)
    # Where patches change next to nothing, the rounding of the scores is what is left.
    near = max(1e-4 * np.ptp(wanted, axis=0).max(), 2e-6 * largest)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=min(near, 2e-5 * largest))


@pytest.mark.slow
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.data())
def test_many_random_networks(data):
    agree(data.draw)


def every_kind():
    """A network with every kind of layer that is computed on boxes, of odd sizes."""
    inputs = keras.Input((33, 30, 4))
    x = L.Conv2D(6, 3, dilation_rate=2, padding="same")(inputs)
    x = L.Conv2D(6, 3, groups=2, padding="same")(x)
    x = L.DepthwiseConv2D(3, dilation_rate=2, padding="same")(x)
    x = L.SeparableConv2D(4, 3, strides=2, padding="same")(x)
    x = L.AveragePooling2D(3, 1, "same")(x)
    x = L.MaxPooling2D(3, 2, "same")(x)
    x = L.Cropping2D(((1, 0), (2, 1)))(L.ZeroPadding2D(1)(x))
    x = L.BatchNormalization()(x)
    x = L.PReLU()(L.PReLU(shared_axes=[1, 2])(x))
    y = L.Conv2D(4, 1, activation="gelu")(x)
    z = L.Conv2D(4, 3, padding="same", activation="sigmoid")(L.Add()([x, y]))
    x = L.Concatenate()([L.Multiply()([x, z]), y])
    x = 1.5 - x / (2.0 - L.Activation("tanh")(x))
    x = L.Activation("swish")(L.LayerNormalization()(x))
    return randomize(keras.Model(inputs, L.Dense(3, activation="softmax")(L.Flatten()(x))))


@pytest.fixture(scope="module")
def shared():
    """A model with every kind of layer, an image, and its engine."""
    model, image = every_kind(), images(33, 30, 4, count=1)
    return model, image, engine_of(model, image)


@pytest.mark.slow
def test_every_kind_of_layer_is_computed_on_boxes(shared):
    model, image, engine = shared
    grid, patches = variants(image, (4, 5), (3, 2))
    found, wanted = run(engine, image, grid, patches), brute(model, image, grid, patches)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.ptp(wanted))
    rows = engine.plan(grid.starts, grid.size, force=True).rows
    head = ("Shape", "StridedSlice", "Pack", "Reshape", "MatMul", "BiasAdd", "Softmax", "Identity")
    whole = [row.op for row in rows if row.why]
    assert set(whole) <= set(head)
    assert [row.op for row in rows][-len(whole) :] == whole


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["functional", "nested_twice", "subclassed", "functional_with_own_call", "shared_layer", "mixed_float16",
     "with_preprocessing", "custom_layers", "segmentation", "softmax_then_reshape"],
)  # fmt: skip
def test_every_kind_of_model(name):
    specimen = ZOO[name]()
    same(specimen.model, np.asarray(specimen.inputs[:1], "float32"), size=(3, 2), stride=(3, 3))


def test_another_input_is_computed_once_and_meets_the_changes():
    image, gate, table = keras.Input((11, 9, 2)), keras.Input((11, 9, 4)), keras.Input((5,))
    x = L.Conv2D(4, 3, padding="same", activation="relu")(image)
    # Before the end of the boxes, a map and a gate of another input; behind it, a row of a third.
    x = L.Multiply()([x, L.Conv2D(4, 1)(gate)])
    x = L.Multiply()([x, L.Reshape((1, 1, 4))(L.Dense(4)(table))])
    x = L.Concatenate()([L.Flatten()(L.MaxPooling2D(3, 2, "same")(x)), table])
    model = randomize(keras.Model([image, gate, table], L.Dense(3)(x)))
    others = (images(11, 9, 4, count=1, seed=1), images(5, count=1, seed=2))
    same(model, images(11, 9, 2, count=1), others=others)


def test_integer_images():
    inputs = keras.Input((12, 11, 3), dtype="uint8")
    x = L.Conv2D(4, 3, padding="same", activation="relu")(L.Rescaling(1 / 255)(inputs))
    model = randomize(keras.Model(inputs, L.Dense(3)(L.GlobalMaxPooling2D()(x))))
    image = np.random.default_rng(0).integers(0, 256, (1, 12, 11, 3), dtype=np.uint8)
    same(model, image)


def test_a_kernel_made_of_the_image_is_run_whole():
    @keras.saving.register_keras_serializable("incremental")
    class Dynamic(keras.layers.Layer):
        def call(self, x):
            kernel = tf.reduce_mean(x[:, :3, :3, :], 0)[..., None] * tf.ones((3, 3, x.shape[-1], 2))
            return tf.nn.conv2d(x, kernel, 1, "SAME")

    inputs = keras.Input((12, 11, 3))
    x = L.Conv2D(3, 3, activation="relu")(inputs)
    model = randomize(keras.Model(inputs, L.GlobalAveragePooling2D()(Dynamic()(x))))
    engine = engine_of(model, images(12, 11, 3, count=1))
    grid = Grid.of((12, 11), (3, 3), (2, 2))
    rows = engine.plan(grid.starts, grid.size, force=True).rows
    assert next(row.why for row in rows if row.op == "Conv2D" and row.layer == "dynamic") == (
        "its kernel depends on the image"
    )


def test_weights_are_those_of_the_moment(shared):
    model, image, engine = shared
    grid, patches = variants(image, (4, 5), (7, 7))
    run(engine, image, grid, patches)
    randomize(model, seed=8)
    found, wanted = run(engine, image, grid, patches), brute(model, image, grid, patches)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.ptp(wanted))
    randomize(model)


def test_boxes_that_are_cut_are_near_and_not_exact(shared):
    model, image, engine = shared
    grid, patches = variants(image, (4, 5), (4, 4))
    wanted = brute(model, image, grid, patches)
    apart = [
        np.abs(run(engine, image, grid, patches, share=share) - wanted).max() / np.ptp(wanted)
        for share in (1.0, 0.7, 0.3, 0.01)
    ]
    assert apart[0] < 1e-5
    assert 1e-4 < apart[1] < apart[2] < 1
    assert apart[3] < 2


def test_position_may_repeat_and_come_in_any_order(shared):
    model, image, engine = shared
    grid, _ = variants(image, (4, 5), (7, 7))
    starts = np.random.default_rng(0).permutation(np.repeat(grid.starts, 3, 0))
    patches = np.random.default_rng(1).normal(size=(len(starts), 4, 5, 4)).astype("float32")

    class Listed:
        """What `run` and `brute` need of a grid."""

        size = (4, 5)

    listed = Listed()
    listed.starts = starts
    found, wanted = run(engine, image, listed, patches), brute(model, image, listed, patches)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.ptp(wanted))


def test_layers_above_what_is_looked_at_are_not_run():
    model, image = every_kind(), images(33, 30, 4, count=1)
    network = Network(model)
    first = network.address(
        "conv2d" if "conv2d" in network.layers else next(n for n in network.layers if "conv2d" in n)
    )

    def body(tensors, arguments):
        return tf.reduce_max(network.forward(tensors, [first]).activations[first], [1, 2])

    engine = Incremental(network, body, [[tf.TensorSpec((None, 33, 30, 4))], []], 0)
    grid, _ = variants(image, (4, 5), (3, 2))
    plan = engine.plan(grid.starts, grid.size, force=True)
    assert {row.layer for row in plan.rows} <= {first.path, ""}
    # Nine by four by six weights for each of the places.
    assert plan.macs == 33 * 30 * 9 * 4 * 6
