"""A network as a whole: live weights, half precision, threads, memory."""

import gc
import threading
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import ModelError


def test_training_after_construction_is_seen():
    specimen = zoo.ZOO["functional"]()
    explain = kv.Saliency(specimen.model)
    before = explain(specimen.inputs, target=1).values
    zoo.randomize(specimen.model, seed=8)
    after = explain(specimen.inputs, target=1).values
    fresh = kv.Saliency(specimen.model)(specimen.inputs, target=1).values
    np.testing.assert_array_equal(after, fresh)
    assert np.abs(after - before).max() > 1e-3


def test_half_precision_models_are_computed_in_single():
    """A head scaled by 1e-4 leaves float16 gradients nothing but zeros."""
    with zoo.keras_policy("mixed_float16"):
        inputs = keras.Input((12, 10, 3))
        x = L.GlobalAveragePooling2D()(L.Conv2D(5, 3, activation="relu")(L.Rescaling(1e-3)(inputs)))
        half = keras.Model(inputs, L.Dense(3, dtype="float32")(x))
    inputs = keras.Input((12, 10, 3))
    x = L.GlobalAveragePooling2D()(L.Conv2D(5, 3, activation="relu")(L.Rescaling(1e-3)(inputs)))
    single = keras.Model(inputs, L.Dense(3)(x))
    zoo.randomize(half)
    half.layers[-1].kernel.assign(half.layers[-1].kernel * 1e-4)
    single.set_weights(half.get_weights())
    images = zoo.images(12, 10, 3)
    expected = kv.Saliency(single)(images, target=1).values
    np.testing.assert_allclose(kv.Saliency(half)(images, target=1), expected, rtol=1e-5)
    with tf.GradientTape() as tape:
        watched = tf.constant(images)
        tape.watch(watched)
        score = half(watched, training=False)[:, 1]
    assert np.mean(tape.gradient(score, watched) == 0) > np.mean(expected == 0)
    assert half.layers[-2].compute_dtype == "float16"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*zero everywhere")
def test_threads_share_an_explainer_and_make_their_own():
    specimen = zoo.ZOO["nested_in_sequential"]()
    model, images = specimen.model, specimen.inputs
    shared, wrong = kv.GradCAM(model), []
    expected = {k: kv.GradCAM(model)(images, target=k).values for k in range(4)}

    def work(k):
        for _ in range(20):
            if not np.array_equal(shared(images, target=k).values, expected[k]):
                wrong.append(("shared", k))
        if not np.allclose(kv.GradCAM(model)(images, target=k).values, expected[k], atol=1e-6):
            wrong.append(("own", k))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*zero everywhere")
@pytest.mark.parametrize("name", ["functional", "nested_twice", "subclassed", "functional_with_own_call", "sequential"])
def test_an_explainer_does_not_keep_the_model_alive_and_works_without_it(name):
    specimen = zoo.ZOO[name]()
    model, images = specimen.model, specimen.inputs
    explain = kv.GuidedBackprop(model)
    expected = explain(images, target=specimen.target).values
    nodes = [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    for _ in range(5):
        kv.Network(model)
    assert [len(layer._inbound_nodes) for layer in model._flatten_layers()] == nodes
    alive = weakref.ref(model)
    specimen.model = None
    del model
    keras.backend.clear_session()
    gc.collect()
    assert alive() is None
    np.testing.assert_array_equal(explain(images, target=specimen.target).values, expected)


@pytest.mark.parametrize("build", [lambda: keras.Sequential([L.Dense(3)]), lambda: zoo.Subclassed()])
def test_an_unbuilt_model_says_how_to_build_it(build):
    with pytest.raises(ModelError, match=r"not built.*Call it once on a batch, model\(images\), or build it"):
        kv.Network(build())


@pytest.mark.parametrize("model", [None, lambda x: x, 3, L.Dense(3)])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(ModelError, match="Expected a Keras 3 model"):
        kv.Network(model)


@pytest.mark.filterwarnings("ignore:.*zero everywhere")
def test_any_batch_size_runs_through_one_trace():
    class Counting(L.Layer):
        traces = 0

        def call(self, x):
            Counting.traces += 1
            return x

    inputs = keras.Input((None, None, 3))
    x = L.GlobalAveragePooling2D()(Counting()(L.Conv2D(4, 3, activation="relu")(inputs)))
    explain = kv.GradCAM(zoo.randomize(keras.Model(inputs, L.Dense(5)(x))))
    before = Counting.traces
    for count, side in ((1, 8), (3, 8), (2, 11), (5, 9)):
        explain(zoo.images(side, side + 2, 3, count=count), target=np.arange(count))
    assert Counting.traces - before == 1


def test_a_model_wholly_in_float16_is_computed_in_float32():
    def build(dtype):
        layers = [keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.BatchNormalization()]
        layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, activation="softmax")]
        for layer in layers:
            layer.dtype_policy = keras.DTypePolicy(dtype)
        return keras.Sequential([keras.Input((8, 8, 3)), *layers])

    half, single = build("float16"), build("float32")
    single.set_weights([weight.astype("float32") for weight in half.get_weights()])
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    found, expected = (kv.explain(model, images, method="saliency", target=0).values for model in (half, single))
    assert found.any()
    np.testing.assert_array_equal(found, expected)
