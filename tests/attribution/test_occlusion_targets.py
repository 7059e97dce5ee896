"""What occlusion explains: the three maps of the paper, probabilities, other targets, and which inputs it hides."""

import functools

import keras
import numpy as np
import pytest
import zoo
from keras import layers as L
from occlusion_cases import (
    assert_close,
    lost_part,
    scores_of,
)
from reference import keras_eager
from reference import occlusion as slow
from zoo_cases import case_of

import kerasviz as kv
from kerasviz.errors import LayerError, SettingError, TargetError


def features_at(case, layer, number):
    """`images -> features` of the layer of a model with one input."""

    def features(images):
        rows = [image[None].astype("float32") for image in images]
        found = [keras_eager.gradients(case.plain_model, row, case.score(number), layer=layer)[2] for row in rows]
        return np.stack(found)

    return features


@pytest.mark.parametrize(
    ("name", "layer", "target"),
    [
        ("sequential", "conv1", [1, 2, 0]),
        pytest.param("functional", None, [1, 0, 2], marks=pytest.mark.slow),
        pytest.param("nested_in_sequential", "base/conv2", [1, 1, 2], marks=pytest.mark.slow),
        pytest.param("subclassed", None, 2, marks=pytest.mark.slow),
        pytest.param("binary", None, [0, 1, 1], marks=pytest.mark.slow),
        pytest.param("conv3d", None, 1, marks=pytest.mark.slow),
        pytest.param("two_outputs", None, ("second", [2, 1, 0]), marks=pytest.mark.slow),
    ],
)
def test_the_three_maps_of_the_paper(name, layer, target):
    case = case_of(name)
    axes = np.ndim(case.inputs) - 2
    size, stride = {2: ((5, 6), (7, 4)), 3: ((4, 5, 4), (2, 3, 3))}[axes]
    explain = kv.Occlusion(
        case.model, size, stride, 2.0, three_maps=True, interpolate=True, layer=layer, incremental=name != "binary"
    )
    explanation = explain(case.inputs, target)
    assert explanation.layer == (layer or case.specimen.layer)
    plain = kv.Occlusion(case.model, size, stride, 2.0, interpolate=True)(case.inputs, target)
    assert_close(explanation.values, plain.values)
    others = False
    for i, number in enumerate(keras_eager.numbers_of(target, 3)):

        def probabilities(images):
            found = case.model(images.astype("float32"), training=False)
            found = found[1].numpy() if name == "two_outputs" else found.numpy()
            return np.concatenate([1 - found, found], -1) if name == "binary" else found

        image = case.inputs[i]
        activation, probability, top, strongest = slow.three_maps(
            features_at(case, explanation.layer, 0), probabilities, number, image, np.float32(2), size, stride
        )
        found = {key: explanation.extras[key][i].ravel() for key in ("activation", "probability", "top_class")}
        np.testing.assert_allclose(found["activation"], activation, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found["probability"], probability, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(found["top_class"], top)
        others |= len(set(strongest)) > 1
    if name == "sequential":
        # Where another channel is strongest under the patch, the clean image's is looked at all the same.
        assert others


@pytest.mark.parametrize("side", [0, 1])
def test_the_three_maps_by_hand(side):
    """A channel for each half of the image, which is its class; the strong half is explained, and then hidden."""
    inputs = keras.Input((4, 6, 2))
    x = L.GlobalAveragePooling2D()(L.Conv2D(2, 1, use_bias=False, name="halves")(inputs))
    model = keras.Model(inputs, L.Dense(2, activation="softmax", use_bias=False)(x))
    model.set_weights([np.eye(2)[None, None], 24 * np.eye(2)])
    image = np.zeros((1, 4, 6, 2))
    image[:, :, :3, 0], image[:, :, 3:, 1] = (0.2, 0.1) if side == 0 else (0.1, 0.2)
    explain = kv.Occlusion(model, (4, 3), (4, 3), fill=0, three_maps=True, layer="halves")
    explanation = explain(image)
    strong_hidden = np.arange(2) == side
    extras = {name: values[0, 0] for name, values in explanation.extras.items()}
    np.testing.assert_array_equal(explanation.target, [side])
    np.testing.assert_allclose(extras["drop"], np.where(strong_hidden, 2.4, 0), atol=1e-6)
    # The channel that is strongest on the clean image, not the one that is left.
    np.testing.assert_allclose(extras["activation"], np.where(strong_hidden, 0, 2.4), atol=1e-6)
    scores = np.where(strong_hidden, -1.2, 2.4)
    np.testing.assert_allclose(extras["probability"], 1 / (1 + np.exp(-scores)), rtol=1e-5)
    np.testing.assert_array_equal(extras["top_class"], np.where(strong_hidden, 1 - side, side))


@pytest.mark.parametrize(
    "target",
    [
        kv.targets.Channel("conv1", 0),
        kv.targets.Neuron("conv1", (0, 0), 0),
        lambda scores: scores[:, 0],
        kv.targets.Custom(lambda scores: scores[:, 0]),
    ],
    ids=["channel", "neuron", "callable", "custom"],
)
def test_the_three_maps_are_of_classes_alone(target):
    case = case_of("sequential")
    with pytest.raises(TargetError, match="three_maps"):
        kv.Occlusion(case.model, 5, 5, three_maps=True)(case.inputs, target)


@pytest.mark.parametrize("layer", ["hidden", "scores", "flatten"])
def test_the_three_maps_need_a_map(layer):
    with pytest.raises(LayerError, match="spatial feature map"):
        kv.Occlusion(case_of("sequential").model, 5, three_maps=True, layer=layer)


@pytest.mark.parametrize("name", ["sequential", pytest.param("binary", marks=pytest.mark.slow)])
def test_probabilities(name):
    case = case_of(name)
    explanation = kv.Occlusion(case.model, 4, 3, probability=True)(case.inputs, case.target)
    for i, number in enumerate(case.numbers):
        image, scores = case.inputs[i], scores_of(case, i, number, probabilities=True)
        expected, _ = slow.occlusion(scores, image, slow.grey(image), (4, 4), (3, 3))
        assert_close(explanation.values[i][None], expected[None], 1e-4)
        clean = scores(image[None])[0]
        np.testing.assert_allclose(explanation.score[i], 1 + clean if clean < 0 else clean, rtol=1e-5)
    logits = kv.Occlusion(case.model, 4, 3)(case.inputs, case.target)
    assert np.abs(logits.values - explanation.values).max() > 0.01 * np.abs(logits.values).max()
    assert (explanation.settings["probability"], logits.settings["probability"]) == (True, False)


@pytest.mark.slow
def test_probabilities_of_an_output_by_name_and_of_masked_maps():
    case, mask = case_of("segmentation"), np.zeros((12, 8))
    mask[2:5, 1:4] = 1
    target = kv.targets.ClassScore(2, mask=mask)
    values = kv.Occlusion(case.model, 4, 3, probability=True)(case.inputs, target).values
    for i in range(3):
        image = case.inputs[i]
        expected, _ = slow.occlusion(
            lambda images: case.model(images.astype("float32")).numpy()[:, 2:5, 1:4, 2].sum((1, 2)),
            image,
            slow.grey(image),
            (4, 4),
            (3, 3),
        )
        assert_close(values[i][None], expected[None], 1e-4)


OTHER_TARGETS = {
    "channel": (kv.targets.Channel("conv1", [4, 0, 2]), lambda f, s, k: f[..., [4, 0, 2][k]].mean((1, 2))),
    "neuron": (kv.targets.Neuron("conv1", (2, 5), 1), lambda f, s, k: f[:, 2, 5, 1]),
    "callable": (lambda scores: scores[:, 1] - scores[:, 2] ** 2, lambda f, s, k: s[:, 1] - s[:, 2] ** 2),
}


@pytest.mark.parametrize("incremental", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["channel", "callable", pytest.param("neuron", marks=pytest.mark.slow)])
def test_targets_of_other_kinds(kind, incremental):
    target, of = OTHER_TARGETS[kind]
    case = case_of("sequential")
    both = keras.Model(case.model.inputs[0], [case.model.get_layer(name).output for name in ("conv1", "scores")])
    explain = kv.Occlusion(case.model, (5, 4), 3, incremental=incremental)
    explanation = explain(case.inputs, target)
    for i, image in enumerate(case.inputs):
        expected, _ = slow.occlusion(
            lambda images, i=i: of(*(array.numpy() for array in both(images)), i),
            image,
            slow.grey(image),
            (5, 4),
            (3, 3),
        )
        assert_close(explanation.values[i][None], expected[None])
    assert isinstance(explanation.target, str)
    # They are taken as they are.
    of_probability = kv.Occlusion(case.model, (5, 4), 3, incremental=incremental, probability=True)
    np.testing.assert_array_equal(of_probability(case.inputs, target).values, explanation.values)


def test_the_class_of_no_target_is_that_of_the_clean_image():
    case = case_of("sequential")
    explain = kv.Occlusion(case.model, 6, 3, three_maps=True)
    top = explain(case.inputs)
    np.testing.assert_array_equal(top.target, case.model(case.inputs).numpy().argmax(-1))
    assert (top.extras["top_class"] != top.target[:, None, None]).any()
    np.testing.assert_array_equal(top.values, explain(case.inputs, top.target).values)


@functools.cache
def two_inputs():
    """A linear score of two images of different sizes and a table, and the weights."""
    left, right = keras.Input((12, 10, 3), name="left"), keras.Input((9, 14, 1), name="right")
    table = keras.Input((4,), name="table")
    parts = [L.Dense(2, use_bias=False, name=f"of_{x.name}")(L.Flatten()(x)) for x in (left, right, table)]
    model = zoo.randomize(keras.Model([left, right, table], L.Add()(parts)))
    weights = {
        name: model.get_layer(f"of_{name}").get_weights()[0].reshape(*shape, 2)
        for name, shape in (("left", (12, 10, 3)), ("right", (9, 14, 1)))
    }
    return model, weights, [zoo.images(12, 10, 3), zoo.images(9, 14, 1, seed=5), zoo.images(4)]


def test_each_input_in_turn_while_the_others_stay():
    model, weights, inputs = two_inputs()
    explanation = kv.Occlusion(model, 4, (3, 4), fill=0)(inputs, [1, 0, 1])
    assert list(explanation.values) == ["left", "right"]
    for (name, kernel), images in zip(weights.items(), inputs[:2], strict=True):
        space = images.shape[1:3]
        for i, number in enumerate([1, 0, 1]):
            drops = [
                lost_part(kernel[..., number], images[i], 0, start, (4, 4))
                for start in slow.positions(space, (4, 4), (3, 4))
            ]
            assert_close(explanation.values[name][i][None], slow.covering_mean(space, (4, 4), (3, 4), drops)[None])
            np.testing.assert_allclose(explanation.extras[f"{name}/drop"][i].ravel(), drops, atol=1e-4)
    # By default each input has patches of its own size.
    by_default = kv.Occlusion(model, fill=0)
    assert [by_default.grids(images.shape[1:3])[0].size for images in inputs[:2]] == [(1, 1), (1, 1)]


@functools.cache
def of_every_input():
    model, _, inputs = two_inputs()
    return kv.Occlusion(model, 4, 3)(inputs, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        pytest.param("right", ["right"], marks=pytest.mark.slow),
        pytest.param(1, ["right"], marks=pytest.mark.slow),
        pytest.param(["left"], ["left"], marks=pytest.mark.slow),
        (np.int64(0), ["left"]),
        (("right", 0), ["right", "left"]),
        (["right", "right"], ["right"]),
    ],
)
def test_inputs_that_are_chosen(chosen, names):
    model, _, inputs = two_inputs()
    every = of_every_input()
    explain = kv.Occlusion(model, 4, 3, inputs=chosen)
    assert explain.explained_inputs == names
    found = explain(inputs, 1).values
    found = found if isinstance(found, dict) else {names[0]: found}
    assert list(found) == names
    for name, values in found.items():
        np.testing.assert_array_equal(values, every.values[name])


@pytest.mark.parametrize("chosen", ["table", "middle", 2, 3, -1, True, [], ["left", "table"], None])
def test_inputs_that_cannot_be_chosen(chosen):
    if chosen is None:
        inputs = keras.Input((6,), name="table")
        with pytest.raises(SettingError, match="there is none"):
            kv.Occlusion(keras.Model(inputs, L.Dense(2)(inputs)))
        return
    with pytest.raises(SettingError, match=r"inputs=.*'left', 'right'"):
        kv.Occlusion(two_inputs()[0], inputs=chosen)
