"""SavedModels of every origin, opened: the same outputs, scores, activations and variables as the original."""

import gc

import keras
import numpy as np
import pytest
import saved_models
import tensorflow as tf
import zoo
from keras import layers as L
from opened_graphs import assert_close, live_outputs, opened, origins

import kerasviz as kv
from kerasviz.errors import KerasvizError
from kerasviz.network import Network
from kerasviz.network.graph import GraphModel, of_loaded, open_saved_model


@pytest.mark.parametrize("name", origins(list(saved_models.ORIGINS)))
def test_the_file_computes_what_the_live_model_does(name):
    """Or the tests below would prove nothing."""
    if saved_models.missing(name):
        pytest.skip(saved_models.missing(name))
    folder, original = saved_models.written(name)
    loaded = tf.saved_model.load(folder)
    # An ExportArchive writes functions alone.
    signatures = loaded.signatures or {"serve": lambda image: {"output_0": loaded.serve(image)}}
    function = signatures[original.signature or next(iter(signatures))]
    outputs = function(**{key: tf.constant(value) for key, value in named_inputs(original, function).items()})
    # Keras numbers outputs in the file; opened, they go by their layers again.
    key = "output_1" if original.output == "second" else original.output
    found = outputs[key] if key else next(iter(outputs.values()))
    expected = live_outputs(original)
    assert_close(np.reshape(found, expected.shape), expected, 1e-6)


def named_inputs(original, function):
    """The inputs of an origin by the names under which its signature takes them."""
    if original.raw is not None:
        return original.raw
    if isinstance(original.inputs, dict):
        return original.inputs
    given = original.inputs if isinstance(original.inputs, list) else [original.inputs]
    if len(given) > 1:
        names = [tensor.name for tensor in original.twin.inputs]
    else:
        names = getattr(function, "structured_input_signature", ((), ["image"]))[1]
    return dict(zip(names, given, strict=True))


@pytest.mark.parametrize("name", origins())
def test_outputs(name):
    case = opened(name)
    outputs = case.model(case.given)
    if case.original.output:
        outputs = outputs[case.original.output]
    assert isinstance(case.model, GraphModel)
    assert_close(outputs, live_outputs(case.original), 1e-6)


@pytest.mark.parametrize("name", ["signature_of_integers", "signature_of_files", "session_examples"])
def test_what_the_graph_prepares(name):
    """Encoded images and whole numbers become the floats that are explained, as the file makes them."""
    case = opened(name)
    (raw,) = case.original.raw.values()
    assert_close(case.model.preparation(tf.constant(raw)), case.inputs, 1e-6)
    assert opened("module").model.preparation is None


@pytest.mark.parametrize("name", origins())
def test_scores_before_the_softmax(name):
    case = opened(name)
    (found, _), (expected, _) = case.forward, case.live_forward
    here = case.original.output or next(iter(found))
    there = case.original.target[0] if isinstance(case.original.target, tuple) else next(iter(expected))
    assert_close(found[here], expected[there], 1e-6)
    head = case.network.trace.outputs[here].head
    assert head == case.live.trace.outputs[there].head
    if head == "softmax" and name != "export_mixed_float16":
        assert_close(tf.nn.softmax(found[here]), live_outputs(case.original), 1e-6)


@pytest.mark.parametrize("name", origins())
def test_the_last_feature_map(name):
    """By its path, and found as the default."""
    case = opened(name)
    assert case.network.address()
    (_, found), (_, expected) = case.forward, case.live_forward
    assert_close(found["at"], expected["at"], 1e-6)
    assert_close(found["last"], expected["last"], 1e-6)


@pytest.mark.parametrize("name", origins(saved_models.KERAS_3))
def test_layers_of_keras_3_keep_their_paths(name):
    case = opened(name)
    assert set(case.same_paths) <= set(case.network.layers)
    (_, found), (_, expected) = case.forward, case.live_forward
    for path in case.same_paths:
        assert_close(found[path], expected[path], 1e-6)


# Weights


def test_weights_are_the_variables_of_what_was_loaded():
    """The same, not copies: 5 conv kernels and the like are one object, and nothing else holds their numbers."""
    case = opened("module")
    loaded = tf.saved_model.load(case.folder)
    model = of_loaded(loaded)
    handles = {id(variable.handle) for variable in loaded.weights.values()}
    assert {id(weight.value.handle) for weight in model.weights} == handles
    found = {weight.path.rsplit(":")[0]: keras.ops.convert_to_numpy(weight) for weight in model.weights}
    assert len(found) == len(case.twin.weights) == 10
    for layer in case.twin.layers:
        for weight in layer.weights:
            np.testing.assert_array_equal(found[f"{layer.name}/{weight.name}"], weight)


@pytest.mark.slow
def test_an_assigned_variable_is_seen_without_opening_anew():
    case = opened("module")
    loaded = tf.saved_model.load(case.folder)
    explain, images = kv.GuidedBackprop(loaded), case.inputs
    before = explain(images, 1)
    loaded.weights["conv2/kernel"].assign(loaded.weights["conv2/kernel"][..., ::-1])
    twin = keras.models.clone_model(case.twin)
    twin.set_weights(case.twin.get_weights())
    kernel = twin.get_layer("conv2").kernel
    kernel.assign(keras.ops.flip(kernel, -1))
    after, expected = explain(images, 1), kv.GuidedBackprop(twin)(images, 1)
    assert np.abs(after.values - before.values).max() > 0.1 * np.ptp(before.values)
    assert_close(after.values, expected.values, 1e-5)
    assert_close(kv.GuidedBackprop(loaded)(images, 1).values, expected.values, 1e-5)


@pytest.mark.slow
def test_what_was_loaded_is_left_as_it_was():
    case = opened("module")
    loaded, images = tf.saved_model.load(case.folder), tf.constant(case.inputs)
    signature = loaded.signatures["serving_default"]
    graph = signature.graph.as_graph_def().SerializeToString(deterministic=True)
    outputs, gradient = loaded(images), native_gradient(loaded, images)
    attributes = set(vars(loaded))
    for explain in (kv.GuidedBackprop(loaded), kv.DeconvNet(loaded)):
        explain(case.inputs, 1)
    assert signature.graph.as_graph_def().SerializeToString(deterministic=True) == graph
    np.testing.assert_array_equal(loaded(images), outputs)
    np.testing.assert_array_equal(native_gradient(loaded, images), gradient)
    np.testing.assert_array_equal(signature(image=images)["output_0"], outputs)
    assert set(vars(loaded)) == attributes
    assert_close(gradient, native_gradient(case.twin, images), 1e-6)


def native_gradient(function, images):
    with tf.GradientTape() as tape:
        tape.watch(images)
        score = function(images)[:, 1]
    return tape.gradient(score, images).numpy()


@pytest.mark.slow
def test_a_loaded_model_can_be_let_go():
    """An explainer keeps the variables alive; nothing keeps the explainer."""
    import weakref

    loaded = tf.saved_model.load(opened("module").folder)
    variable = weakref.ref(loaded.weights["conv1/kernel"])
    explain = kv.Saliency(loaded)
    images, expected = opened("module").inputs, kv.Saliency(opened("module").twin)
    del loaded
    gc.collect()
    assert_close(explain(images, 1).values, expected(images, 1).values, 1e-5)
    del explain
    gc.collect()
    assert variable() is None


# Signatures


def test_each_signature_opens_by_its_name():
    folder = opened("signature_of_floats").folder
    shapes = {name: open_saved_model(folder, name).declared_inputs.shape for name in ("floats", "integers", "encoded")}
    assert shapes == {"floats": (None, 12, 10, 3), "integers": (None, 20, 16, 3), "encoded": (None, 12, 10, 3)}


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_choice_of_signatures_is_asked_for():
    with pytest.raises(KerasvizError, match=r"floats.*integers.*encoded") as error:
        open_saved_model(opened("signature_of_floats").folder)
    assert "signature=" in one_line(error)


def test_an_unknown_signature_is_named_with_the_known_ones():
    with pytest.raises(KerasvizError, match=r"'float'.*'floats'") as error:
        open_saved_model(opened("signature_of_floats").folder, "float")
    one_line(error)


def test_the_only_signature_need_not_be_named():
    folder = opened("module").folder
    by_name = open_saved_model(folder, "serving_default")
    images = opened("module").inputs
    np.testing.assert_array_equal(by_name(images), open_saved_model(folder)(images))


def saved(folder, function, *specs, keep=()):
    holder = tf.Module()
    holder.kept = list(keep)
    holder.run = tf.function(function, input_signature=list(specs))
    tf.saved_model.save(holder, folder, signatures={"serving_default": holder.run})
    return folder


def refused(folder, signature=None):
    with pytest.raises(KerasvizError) as error:
        Network(open_saved_model(folder, signature))
    return one_line(error)


def test_text_is_refused(tmp_path):
    def lengths(text):
        return {"scores": tf.cast(tf.strings.length(text), tf.float32)[:, None] * tf.ones((1, 3))}

    message = refused(saved(tmp_path / "m", lengths, tf.TensorSpec((None,), tf.string, name="text")))
    assert "'text' takes strings" in message


def test_outputs_without_floats_are_refused(tmp_path):
    def classify(image):
        return {"class": tf.argmax(tf.reduce_mean(image, [1, 2]), axis=1)}

    message = refused(saved(tmp_path / "m", classify, tf.TensorSpec((None, 4, 4, 3), name="image")))
    assert "int64" in message


def test_one_image_without_a_batch_axis_is_refused():
    folder, _ = saved_models.written("module_without_batch")
    assert "batch axis" in refused(folder)


def test_token_numbers_have_no_gradient(tmp_path):
    """They are taken, as a live model of tokens is; what explains by gradients says that it cannot."""
    table = tf.Variable(np.random.default_rng(0).normal(size=(9, 4)).astype("float32"))

    def classify(tokens):
        return {"scores": tf.nn.softmax(tf.reduce_mean(tf.nn.relu(tf.gather(table, tokens)), axis=1))}

    spec = tf.TensorSpec((None, 6), tf.int32, name="tokens")
    model = open_saved_model(saved(tmp_path / "m", classify, spec, keep=[table]))
    tokens = np.arange(12, dtype="int32").reshape(2, 6) % 9
    np.testing.assert_allclose(model(tokens), classify(tf.constant(tokens))["scores"], rtol=1e-6)
    live = keras.Sequential([keras.Input((6,), dtype="int32"), L.Embedding(9, 4), L.GlobalAveragePooling1D()])
    for one in (model, live):
        with pytest.raises(KerasvizError, match="no gradient there") as error:
            kv.Saliency(one)(tokens, 1)
        one_line(error)


def test_a_file_without_signatures_is_refused(tmp_path):
    holder = tf.Module()
    holder.weight = tf.Variable(1.0)
    tf.saved_model.save(holder, tmp_path / "m")
    message = refused(tmp_path / "m")
    assert "signature" in message


@pytest.mark.slow
def test_random_augmentation_in_the_graph_is_told(tmp_path):
    """Keras 3 exports layers that augment images as they train: the graph flips images at random."""
    live = keras.Sequential(
        [keras.Input((6, 5, 3)), L.RandomFlip(), L.Conv2D(3, 3, activation="relu"), L.Flatten(), L.Dense(2)]
    )
    saved_models.export(live, tmp_path / "m")
    images = zoo.images(6, 5, 3, count=20)
    loaded = tf.saved_model.load(tmp_path / "m")
    assert np.abs(loaded.serve(images) - loaded.serve(images)).max() > 0.01
    with pytest.warns(kv.errors.KerasvizWarning, match="random"):
        kv.Saliency(open_saved_model(tmp_path / "m"))


# A SavedModel as a layer


@pytest.mark.parametrize("sequential", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_saved_model_as_a_layer(sequential, tmp_path):
    model, original = saved_models.wrapped(tmp_path / "m", sequential=sequential)
    assert_close(model(original.inputs), original.twin(original.inputs), 1e-6)
    for kind in (kv.Saliency, kv.GuidedBackprop, kv.DeconvNet, kv.GradCAM):
        found, expected = (kind(one)(original.inputs, saved_models.TARGET) for one in (model, original.twin))
        assert_close(found.values, expected.values, 1e-5)
        np.testing.assert_allclose(found.score, expected.score, rtol=1e-5)
