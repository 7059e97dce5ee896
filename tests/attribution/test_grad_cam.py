"""Grad-CAM: layers, inputs of other kinds, and refusals."""

import keras
import numpy as np
import pytest
import zoo
from keras import layers as L
from reference import keras_eager
from reference.grad_cam import grad_cam
from zoo_cases import case_of, zeros_allowed

import kerasviz as kv
from kerasviz.errors import InputError, LayerError


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(zoo.ZOO))
def test_the_default_layer_is_the_last_feature_map(name):
    assert case_of(name).explainer("grad_cam").layer == case_of(name).specimen.layer


@pytest.mark.parametrize("layer", ["base/conv1", "conv1", "base/pool", "base"])
def test_layers_inside_a_nested_base(layer):
    case = case_of("nested_in_sequential")
    with zeros_allowed():
        explanation = kv.GradCAM(case.model, layer)(case.inputs, [1, 1, 2])
    path = {"conv1": "base/conv1"}.get(layer, layer)
    assert explanation.layer == path
    for i, number in enumerate((1, 1, 2)):
        _, _, activation, gradient = keras_eager.gradients(
            case.model, case.samples[i], lambda outputs, k=number: outputs[0, k], layer=path
        )
        expected = grad_cam(activation, gradient, (12, 10))
        assert np.abs(explanation.values[i] - expected).max() <= 1e-5 * expected.max()


def test_a_layer_by_index_and_by_object():
    case = case_of("functional")
    by_name = kv.GradCAM(case.model, "conv1")(case.inputs, 1).values
    layer = case.model.get_layer("conv1")
    for spec in (layer, case.model.layers.index(layer)):
        np.testing.assert_array_equal(kv.GradCAM(case.model, spec)(case.inputs, 1).values, by_name)


def test_without_resizing_the_map_is_the_feature_maps_own():
    case = case_of("functional")
    raw = kv.GradCAM(case.model, "conv1", resize=False)(case.inputs, 1)
    np.testing.assert_allclose(raw.values, kv.GradCAM(case.model, "conv1")(case.inputs, 1).values, rtol=1e-5, atol=1e-7)
    small = kv.GradCAM(case.model, resize=False)(case.inputs, [1, 1, 1])
    assert small.shape == (3, 3, 3)


@pytest.mark.slow
def test_each_call_of_a_shared_layer_has_its_own_map():
    case = case_of("dicts")
    explain = {call: kv.GradCAM(case.model, f"tower/conv1@{call}") for call in (0, 1)}
    target = kv.targets.Custom(lambda scores: scores["species"][:, 2] - scores["species"][:, 1])
    first, last = (explain[call](case.inputs, target) for call in (0, 1))
    np.testing.assert_array_equal(last.values, kv.GradCAM(case.model, "tower/conv1")(case.inputs, target).values)
    # Keras runs the tower on the right image first.
    assert explain[0].explained_inputs == ["right"]
    assert explain[1].explained_inputs == ["left"]
    changed = {"left": case.inputs["left"] * 2, "right": case.inputs["right"]}
    seen_by_first = explain[0](changed, target).values
    assert np.abs(explain[1](changed, target).values - last.values).max() > 0.1 * last.values.max()
    assert np.abs(seen_by_first - first.values).max() < 1e-5 * first.values.max()


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("out_rulu", "out_relu"),
        ("predictions", "spatial feature map"),
        ("gap", "spatial feature map"),
        (99, "outside the model"),
        (1.5, "float"),
        ("conv1@1", "called 1 times"),
    ],
)
def test_layers_that_cannot_be_looked_at(layer, words):
    with pytest.raises(LayerError, match=words):
        kv.GradCAM(case_of("functional").model, layer)


@pytest.fixture(scope="module")
def tokens():
    words = keras.Input((9,), dtype="int32", name="words")
    x = L.Embedding(20, 4, name="embedding")(words)
    x = L.Conv1D(5, 3, padding="same", activation="relu", name="conv")(x)
    model = keras.Model(words, L.Dense(3, activation="softmax")(L.GlobalAveragePooling1D()(x)))
    return zoo.randomize(model), np.random.default_rng(0).integers(0, 20, (3, 9))


def test_token_numbers_through_an_embedding(tokens):
    model, words = tokens
    for layer in ("conv", "embedding"):
        explanation = kv.GradCAM(model, layer)(words, 1)
        assert explanation.shape == (3, 9)
        for i in range(3):
            _, _, activation, gradient = keras_eager.gradients(
                model, words[i : i + 1].astype("int32"), lambda outputs: outputs[0, 1], layer=layer
            )
            expected = grad_cam(activation, gradient)
            assert np.abs(explanation.values[i] - expected).max() <= 1e-5 * expected.max()


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient", "integrated_gradients", "smooth_grad"])
def test_token_numbers_have_no_gradient_and_the_error_says_what_to_use(tokens, method):
    with pytest.raises(InputError, match="Use GradCAM"):
        kv.attribution.explainer(tokens[0], method)


def test_fractions_for_token_numbers(tokens):
    with pytest.raises(InputError, match="fractions"):
        kv.GradCAM(tokens[0])(np.full((1, 9), 0.5), 1)


def test_guided_grad_cam_over_an_integer_input_is_refused():
    words, table = keras.Input((9,), dtype="int32"), keras.Input((4,))
    x = L.GlobalAveragePooling1D()(L.Conv1D(5, 3, activation="relu", name="conv")(L.Embedding(20, 4)(words)))
    model = keras.Model([words, table], L.Dense(3)(L.Concatenate()([x, table])))
    explain = kv.GuidedGradCAM(model, "conv")
    with pytest.raises(LayerError, match="Use GradCAM alone"):
        explain([np.zeros((1, 9), int), np.zeros((1, 4))], 1)


def test_feature_maps_without_the_images_axes_are_refused():
    inputs = keras.Input((8, 8, 3))
    x = L.Reshape((16, 5), name="tokens")(L.Conv2D(5, 2, strides=2, activation="relu", name="patches")(inputs))
    model = keras.Model(inputs, L.Dense(3)(L.Flatten()(L.Dense(4, name="mix")(x))))
    with pytest.raises(LayerError, match="axes of space"):
        kv.GradCAM(model, "mix")


def test_free_image_sizes():
    inputs = keras.Input((None, None, 3))
    model = zoo.randomize(keras.Model(inputs, zoo.head(L.Conv2D(4, 3, strides=2, activation="relu")(inputs))))
    explain = kv.GradCAM(model)
    for size in ((12, 10), (9, 17)):
        images = zoo.images(*size, 3, count=2)
        explanation = explain(images, [0, 1])
        assert explanation.shape == (2, *size)
        fixed = keras.Input((*size, 3))
        same = keras.Model(fixed, model(fixed))
        np.testing.assert_allclose(explanation.values, kv.GradCAM(same)(images, [0, 1]).values, rtol=1e-5, atol=1e-7)
