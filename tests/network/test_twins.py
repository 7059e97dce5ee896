"""Twins: the same variables, the same numbers, other objects; and who hears what they return."""

import functools
import gc
import threading
import weakref
from collections import namedtuple

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import KerasvizWarning, ModelError
from kerasviz.network.twins import Recorder, Twins

X = zoo.images(7, 6)

# Layers that keep state, loops, wrappers or closures of their own, on (N, 7, 6).
LAYERS = {
    "LSTM": lambda x: L.LSTM(4)(x),
    "GRU": lambda x: L.GRU(4, return_sequences=True)(x),
    "SimpleRNN": lambda x: L.SimpleRNN(4, activation="relu")(x),
    "SimpleRNN, unrolled": lambda x: L.SimpleRNN(4, activation="relu", unroll=True)(x),
    "Bidirectional": lambda x: L.Bidirectional(L.LSTM(3, return_sequences=True))(x),
    "stacked cells": lambda x: L.RNN([L.GRUCell(3), L.LSTMCell(4)])(x),
    "masked": lambda x: L.LSTM(3)(L.Masking()(x)),
    "ConvLSTM": lambda x: L.ConvLSTM1D(2, 2, activation="relu")(L.Reshape((7, 3, 2))(x)),
    "TimeDistributed": lambda x: L.TimeDistributed(keras.Sequential([L.Dense(3, activation="relu"), L.Dense(2)]))(x),
    "attention": lambda x: L.MultiHeadAttention(2, 3)(x, x),
    "grouped attention": lambda x: L.GroupQueryAttention(3, 2, 1)(x, x),
    "spectral": lambda x: L.SpectralNormalization(L.Dense(4, activation="relu"))(x),
    "batch norm": lambda x: L.BatchNormalization()(x),
    "group norm": lambda x: L.GroupNormalization(2)(x),
    "grouped conv": lambda x: L.Conv1D(4, 3, groups=2, activation="relu")(x),
    "transposed conv": lambda x: L.Conv1DTranspose(3, 3, activation="relu")(x),
    "noise": lambda x: L.GaussianNoise(0.1)(L.AlphaDropout(0.2)(L.Dropout(0.5)(x))),
    "augmentation": lambda x: L.RandomRotation(0.2)(L.RandomFlip()(L.Reshape((7, 6, 1))(x))),
    "ops": lambda x: keras.ops.concatenate([keras.ops.gelu(x), x[:, :, ::-1] * 2 + 1], axis=-1),
    "op of several tensors": lambda x: keras.ops.split(x, 2, axis=-1)[1],
    "regularized": lambda x: L.Dense(3, activity_regularizer="l2", kernel_regularizer="l1")(x),
    "LoRA": lambda x: L.Dense(4, activation="relu", lora_rank=2)(x),
    "shared": lambda x: (lambda d: d(d(x)))(L.Dense(6, activation="relu")),
    "Lambda": lambda x: L.Lambda(lambda t: t * 2)(x),
}


SLOW = ("Bidirectional", "ConvLSTM", "stacked cells")  # Keras runs their loops step by step.


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in LAYERS])
def test_layers_with_a_life_of_their_own_compute_the_same(name):
    inputs = keras.Input((7, 6))
    model = zoo.randomize(keras.Model(inputs, LAYERS[name](L.ReLU()(L.Dense(6)(inputs)))))
    expected = model(X, training=False)
    clone = kv.clone_with_rule(model, "guided").model
    np.testing.assert_array_equal(clone(X, training=False), expected)
    assert sorted(map(id, clone.variables)) == sorted(map(id, model.variables))

    def gradient_at(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.reduce_sum(model(x, training=False)[..., 0])
        return tape.gradient(score, x)

    def score(done):
        output = next(iter(done.outputs.values()))[..., 0]
        return tf.reduce_sum(tf.reshape(output, (tf.shape(output)[0], -1)), axis=1)

    network = kv.Network(model)
    found = network.function(lambda tensors: network.differentiate(tensors, score, inputs=True)[2][0])([X])
    wanted = gradient_at(tf.constant(X)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())


def test_a_quantized_layer_is_copied_as_it_is():
    model = zoo.randomize(keras.Sequential([keras.Input((6,)), L.Dense(8, activation="relu"), L.Dense(3)]))
    for layer in model.layers:
        layer.quantize("int8")
    x = zoo.images(6)
    twin = Twins().of(model)
    np.testing.assert_array_equal(twin(x, training=False), model(x, training=False))
    assert {v.dtype for v in twin.variables} >= {"int8"}


def test_a_twin_is_another_object_on_the_same_variables():
    layer = L.Conv2D(3, 3, activation="relu")
    layer.build((None, 8, 8, 2))
    twins = Twins()
    twin = twins.of(layer)
    assert type(twin) is L.Conv2D and twin is not layer
    assert twin.kernel is layer.kernel and twin.bias is layer.bias
    assert twins.of(layer) is twin and twins.twin_ids() == {id(layer): id(twin)}
    before = dict(vars(layer))
    twin.strides = (2, 2)
    twin._inbound_nodes.append("x")
    assert vars(layer) == before and layer._inbound_nodes == []


Pair = namedtuple("Pair", "first second")


class Keeper(L.Layer):
    """Keeps layers and functions wherever Python lets it."""

    def __init__(self):
        super().__init__()
        self.one = L.Dense(4, activation="relu", name="one")
        self.many = [L.Dense(4, name="two"), {"deep": (L.ReLU(name="three"), "text", 3)}]
        self.bound = self.one.__call__
        self.direct = self.many[1]["deep"][0].call
        self.half = functools.partial(keras.activations.relu, threshold=0.2)
        self.mine = self.help

    def build(self, shape):
        self.one.build(shape)
        self.many[0].build((None, 4))

    def help(self, x):
        return self.half(x)

    @tf.function
    def traced(self, x):
        return self.many[0](x)

    def call(self, x):
        return self.mine(self.direct(self.traced(self.bound(x))))


def keeper_model():
    inputs = keras.Input((4,))
    return zoo.randomize(keras.Model(inputs, Keeper()(inputs)))


def test_layers_and_functions_are_found_wherever_they_are_kept():
    model = keeper_model()
    clone, replaced, missed = kv.clone_with_rule(model, "guided")
    assert missed == ()
    assert [line.rsplit("/", 1)[-1] for line in replaced] == ["one.activation", "three", "keeper.half"]
    x = zoo.images(4, count=20, low=-3, high=3)
    np.testing.assert_array_equal(clone(x), model(x))
    assert np.abs(model(x)).max() > 0
    # Each is heard on the way: the bound ones, and the one inside the method that TensorFlow compiles.
    network = kv.Network(model)
    maps = network.activations(x, ["one", "two", "three"])
    one, two = model.layers[1].one, model.layers[1].many[0]
    np.testing.assert_allclose(maps["keeper/one"], one(x), rtol=1e-6)
    np.testing.assert_allclose(maps["keeper/two"], two(one(x)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(maps["keeper/three"], np.maximum(two(one(x)), 0), rtol=1e-5, atol=1e-6)


def test_what_is_kept_where_no_copy_reaches_is_missed_aloud():
    class Closed(L.Layer):
        def __init__(self):
            super().__init__()
            relu = L.ReLU()
            self.pair = Pair(keras.activations.relu, lambda x: relu(x))

        def call(self, x):
            return self.pair.second(self.pair.first(x))

    inputs = keras.Input((4,))
    model = keras.Model(inputs, L.ReLU()(L.Dense(3)(Closed()(inputs))))
    with pytest.warns(KerasvizWarning, match="replaced 1 rectifiers of .* missed 2"):
        kv.clone_with_rule(model, "guided")


def test_half_precision_twins_compute_in_single_on_the_same_variables():
    model = zoo.ZOO["mixed_float16"]().model
    twin = Twins(compute_dtype="float32").of(model)
    kinds = {layer.compute_dtype for layer in twin.layers if not isinstance(layer, L.InputLayer)}
    assert kinds == {"float32"}
    assert {layer.compute_dtype for layer in model.layers} == {"float16", "float32"}
    x = zoo.images(12, 10, 3)
    single = keras.Model.from_config(
        {**model.get_config(), "layers": [_in_single(layer) for layer in model.get_config()["layers"]]}
    )
    single.set_weights(model.get_weights())
    np.testing.assert_allclose(twin(x), single(x), rtol=1e-6)
    assert np.abs(twin(x) - model(x)).max() > 1e-6
    assert [a is b for a, b in zip(twin.variables, model.variables, strict=True)] == [True] * len(model.variables)


def _in_single(layer):
    return {**layer, "config": {**layer["config"], "dtype": "float32"}}


def test_unbuilt_parts_are_refused_by_name():
    inner = keras.Sequential([L.Dense(3)], name="inner")
    with pytest.raises(ModelError, match="'inner' is not built"):
        Twins().of(inner)
    with pytest.raises(ModelError, match="is a Dense"):
        kv.clone_with_rule(L.Dense(3), "guided")


def dense_twin():
    inputs = keras.Input((4,))
    twin = Twins().of(zoo.randomize(keras.Model(inputs, L.Dense(3, name="dense")(inputs))))
    return twin, id(twin.get_layer("dense"))


def test_a_recorder_hears_and_may_change_what_layers_return():
    twin, dense = dense_twin()
    x, heard = zoo.images(4), []

    def seen(twin_id, output):
        heard.append(twin_id)
        return output * 2 if twin_id == dense else output

    plain = twin(x)
    with Recorder(seen):
        doubled = twin(x)
    assert heard == [dense, id(twin)]
    np.testing.assert_array_equal(doubled, plain * 2)
    np.testing.assert_array_equal(twin(x), plain)
    assert heard == [dense, id(twin)]


def test_recorders_nest_and_leave_with_an_error():
    twin, dense = dense_twin()
    x, outer, inner = zoo.images(4), [], []

    def into(heard):
        def seen(twin_id, output):
            heard.append(twin_id)
            return output

        return seen

    with Recorder(into(outer)):
        with pytest.raises(ValueError, match="stop"), Recorder(into(inner)):
            twin(x)
            raise ValueError("stop")
        twin(x)
    twin(x)
    assert inner == [dense, id(twin)]
    assert outer == [dense, id(twin)] * 2


def test_the_outer_recorder_gets_what_the_inner_returned():
    twin, _ = dense_twin()
    x, heard = zoo.images(4), []

    def keep(twin_id, output):
        heard.append(output.numpy())
        return output + 1

    with Recorder(keep), Recorder(lambda twin_id, output: output * 0):
        found = twin(x)
    assert [values.any() for values in heard] == [False, False]
    np.testing.assert_array_equal(found, np.ones_like(found))


def test_a_recorder_hears_its_own_thread_only():
    twin, _ = dense_twin()
    x, heard, started, finished = zoo.images(4), [], threading.Event(), threading.Event()

    def other():
        started.wait()
        twin(x)
        finished.set()

    def seen(twin_id, output):
        heard.append(threading.get_ident())
        return output

    thread = threading.Thread(target=other)
    thread.start()
    with Recorder(seen):
        started.set()
        assert finished.wait(20)
        twin(x)
    thread.join()
    assert heard == [threading.get_ident()] * 2


def test_twins_release_the_originals():
    model = zoo.ZOO["functional"]().model
    alive = weakref.ref(model.get_layer("conv2"))
    twins = Twins()
    twin = twins.of(model)
    twins.release()
    assert twins.twin_ids() == {}
    del model
    keras.backend.clear_session()
    gc.collect()
    assert alive() is None
    assert twin(zoo.images(12, 10, 3)).shape == (3, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["functional", "nested_twice", "subclassed", "functional_with_own_call", "dicts"])
def test_many_openings_leave_no_trace_on_the_layers(name):
    model = zoo.ZOO[name]().model
    held = [
        [len(layer._inbound_nodes), len(layer._outbound_nodes), len(vars(layer))] for layer in model._flatten_layers()
    ]
    for rule in ("backprop", "guided", "deconvnet") * 4:
        Twins().of(model)
        kv.Network(model, rule=rule)
    assert held == [
        [len(layer._inbound_nodes), len(layer._outbound_nodes), len(vars(layer))] for layer in model._flatten_layers()
    ]


@pytest.mark.slow
def test_threads_open_one_model_at_once():
    specimen = zoo.ZOO["nested_in_sequential"]()
    model, images = specimen.model, specimen.inputs
    expected = kv.Network(model).activations(images, "base/relu")["base/relu"]
    wrong, barrier = [], threading.Barrier(4)

    def work(number):
        barrier.wait()
        try:
            for _ in range(3):
                network = kv.Network(model, rule="guided" if number % 2 else "backprop")
                found = network.activations(images, "base/relu")["base/relu"]
                if len(network.replaced) != 2 * (number % 2) or not np.array_equal(found, expected):
                    wrong.append(number)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
