"""What all maps over a feature map share: fusion, reshape, masks over segmentations, several inputs, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L
from reference import cam_family, keras_eager
from reference.resizing import linear
from zoo_cases import case_of, zeros_allowed

import kerasviz as kv
from kerasviz.errors import InputError, KerasvizError, LayerError, SettingError, TargetError

BY_GRADIENT = sorted(cam_family.BY_GRADIENT)
ALL = [*BY_GRADIENT, "score_cam", "ablation_cam"]


def near(values, expected, tolerance=1e-5):
    """Relative to the largest value."""
    assert values.shape == expected.shape
    assert np.abs(values - expected).max() <= tolerance * np.abs(expected).max()


def layer_map(case, i, layer, number, method):
    """The rectified map of one layer, not resized."""
    _, _, activation, gradient = keras_eager.gradients(
        case.model, case.samples[i], lambda out: out[0, number], layer=layer
    )
    return cam_family.weighted_sum(activation, cam_family.BY_GRADIENT[method](activation, gradient))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["grad_cam", "layer_cam", "eigen_cam"])
@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("functional", ["conv1", "depthwise", "out_relu"]),
        ("nested_in_sequential", ["base/conv1", "base/relu"]),
        ("functional", ("out_relu",)),
    ],
)
def test_fused_layers_are_each_divided_by_their_maximum(name, layers, method):
    case = case_of(name)
    classes = case.numbers
    with zeros_allowed():
        explanation = kv.attribution.explainer(case.model, method, layer=layers)(case.inputs, classes)
    for i, k in enumerate(classes):
        maps = [layer_map(case, i, layer, k, method) for layer in layers]
        expected = cam_family.fused(maps, (12, 10)) if len(layers) > 1 else linear(maps[0], (12, 10))
        assert expected.any()
        near(explanation.values[i], expected)
    assert all(layer in explanation.layer for layer in layers)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["grad_cam", "ablation_cam", "score_cam"])
def test_fusing_with_a_layer_of_zeros_leaves_half_the_other(method):
    """A map of zeros has no maximum to be divided by: it stays zero, and counts."""
    inputs = keras.Input((8, 6, 3))
    left = L.Conv2D(3, 3, padding="same", activation="relu", name="dead")(inputs)
    right = L.Conv2D(3, 3, padding="same", activation="relu", name="live")(inputs)
    model = zoo.randomize(keras.Model(inputs, zoo.head(L.Add()([left, right]))))
    kernel, bias = model.get_layer("dead").get_weights()
    model.get_layer("dead").set_weights([0 * kernel, 0 * bias - 1])
    images = zoo.images(8, 6, 3, count=2)
    top = kv.GradCAM(model, "live")(images).target.tolist()
    one = kv.attribution.explainer(model, method, layer="live")(images, top).values
    both = kv.attribution.explainer(model, method, layer=["dead", "live"])(images, top).values
    near(both, one / one.max((1, 2), keepdims=True) / 2)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["score_cam", "ablation_cam"])
def test_fused_trials_are_fused_as_the_others(method):
    case = case_of("functional")
    explain = kv.attribution.explainer(case.model, method, layer=["depthwise", "conv1"])
    with zeros_allowed():
        fused = explain(case.inputs, [1, 0, 3]).values
        single = [
            kv.attribution.explainer(case.model, method, layer=layer, resize=False)(case.inputs, [1, 0, 3]).values
            for layer in ("depthwise", "conv1")
        ]
    for i in range(3):
        near(fused[i], cam_family.fused([values[i].astype("float64") for values in single], (12, 10)))


@pytest.mark.parametrize("layer", [[], ["conv1", "nowhere"], ["conv1", "gap"]])
def test_lists_of_layers_that_are_refused(layer):
    with pytest.raises((LayerError, SettingError)):
        kv.GradCAM(case_of("functional").model, layer)


def test_fused_maps_need_one_size():
    with pytest.raises(SettingError, match="resize"):
        kv.GradCAM(case_of("functional").model, ["conv1", "out_relu"], resize=False)


def test_the_map_is_rectified_before_it_is_resized():
    """Resized first, the negative values would have eaten at the positive ones."""
    case = case_of("sequential")
    settings = {"layer": "conv2", "reshape": lambda values: values[:, ::3, ::3]}
    signed = kv.HiResCAM(case.model, rectify=False, resize=False, **settings)(case.inputs, [2, 0, 3]).values
    given = kv.HiResCAM(case.model, **settings)(case.inputs, [2, 0, 3]).values
    for i in range(3):
        assert (signed[i] < 0).any()
        assert (signed[i] > 0).any()
        right, wrong = linear(np.maximum(signed[i], 0), (12, 10)), np.maximum(linear(signed[i], (12, 10)), 0)
        near(given[i], right)
        assert np.abs(right - wrong).max() > 0.01 * right.max()


class ClassToken(L.Layer):
    """Puts a learned token before the others."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")

    def call(self, x):
        return keras.ops.concatenate([keras.ops.repeat(self.token, keras.ops.shape(x)[0], axis=0), x], axis=1)


@pytest.fixture(scope="module")
def transformer():
    """3 × 5 patches and a class token through attention; the parts of it below and above the tokens."""
    inputs = keras.Input((12, 20, 3), name="image")
    x = L.Reshape((15, 6), name="flat")(L.Conv2D(6, 4, strides=4, name="patches")(inputs))
    tokens = L.LayerNormalization(name="tokens")(ClassToken(name="class_token")(x))
    x = L.MultiHeadAttention(2, 4, name="attention")(tokens, tokens)
    x = L.LayerNormalization(name="norm")(L.Add()([tokens, x]))
    model = zoo.randomize(keras.Model(inputs, L.Dense(4, name="scores")(x[:, 0])))
    below, above = keras.Model(inputs, tokens), keras.Model(tokens, model.output)
    return model, below, above, zoo.images(12, 20, 3)


def grid(tokens):
    return tf.reshape(tokens[:, 1:], (-1, 3, 5, tokens.shape[-1]))


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=[] if name == "grad_cam" else pytest.mark.slow) for name in BY_GRADIENT]
)
def test_tokens_laid_out_as_a_map(transformer, method):
    model, below, above, images = transformer
    classes = [2, 0, 3]
    tokens = below(images)
    with tf.GradientTape() as tape:
        tape.watch(tokens)
        scores = tf.gather(above(tokens), classes, axis=1, batch_dims=1)
    gradient = tape.gradient(scores, tokens).numpy()
    settings = {"layer": "tokens", "reshape": grid, "rectify": False}
    explanation = kv.attribution.explainer(model, method, **settings)(images, classes)
    np.testing.assert_allclose(explanation.score, scores, rtol=1e-5)
    assert explanation.shape == (3, 12, 20)
    for i in range(3):
        a, g = (t[i, 1:].reshape(3, 5, 6) for t in (tokens.numpy(), gradient))
        weights = cam_family.BY_GRADIENT[method](a, g)
        small = cam_family.weighted_sum(a, weights, rectify=False)
        near(explanation.values[i], linear(small, (12, 20)))
    if method == "grad_cam":
        # With the class token among the positions the mean would be another.
        other = (tokens.numpy()[0, 1:] @ gradient[0].mean(0)).reshape(3, 5)
        assert np.abs(linear(other, (12, 20)) - explanation.values[0]).max() > 0.01 * np.abs(other).max()


@pytest.mark.slow
def test_tokens_laid_out_for_score_cam(transformer):
    model, below, _, images = transformer
    classes = [2, 0, 3]
    tokens = below(images).numpy()
    values = kv.ScoreCAM(model, "tokens", reshape=grid, rectify=False)(images, classes).values
    for i, k in enumerate(classes):
        a = tokens[i, 1:].reshape(3, 5, 6)
        weights = cam_family.score_cam(
            a, images[i], lambda image, k=k: float(model(image[None].astype("float32"))[0, k])
        )
        near(values[i], cam_family.weighted_sum(a, weights, rectify=False, sizes=(12, 20)), 2e-5)


def test_tokens_laid_out_for_ablation_cam(transformer):
    """A channel is off in all that the layer returns, also in what reshape drops."""
    model, below, above, images = transformer
    tokens = below(images).numpy()
    values = kv.AblationCAM(model, "tokens", reshape=grid, rectify=False)(images, 1).values
    for i in range(3):

        def without(k, i=i):
            kept = tokens[i : i + 1] * (np.arange(6) != k)
            return float(above(kept.astype("float32"))[0, 1])

        a = tokens[i, 1:].reshape(3, 5, 6)
        weights = cam_family.ablation_cam(a, without(-1), without)
        near(values[i], cam_family.weighted_sum(a, weights, rectify=False, sizes=(12, 20)), 2e-5)


@pytest.mark.parametrize(
    "reshape",
    [
        lambda tokens: tokens[:, 0],
        lambda tokens: tf.reshape(tokens[:, 1:], (-1, 3, 5, 2, 3)),
        lambda tokens: tokens,
        None,
    ],
    ids=["no space", "three axes", "one axis", "not at all"],
)
@pytest.mark.parametrize("method", ["grad_cam", "score_cam"])
def test_tokens_that_are_not_laid_out_like_the_image(transformer, reshape, method):
    with pytest.raises(LayerError, match=r"reshape|space"):
        kv.attribution.explainer(transformer[0], method, layer="tokens", reshape=reshape)


@pytest.mark.parametrize(
    "reshape",
    [lambda tokens: tf.reshape(tokens, (-1, 3, 5, 6)), lambda tokens: [tokens], "grid", 5],
    ids=["mixes samples", "a list", "a string", "a number"],
)
def test_a_reshape_that_cannot_work_is_refused_at_once(transformer, reshape):
    """The first forgets the class token: for 15 images it would make 16 maps, each of parts of two."""
    with pytest.raises(KerasvizError, match="reshape"):
        kv.GradCAM(transformer[0], "tokens", reshape=reshape)


MASKS = {
    "half": np.arange(8)[None] * np.ones((12, 1)) < 4,
    "one each": np.random.default_rng(2).random((3, 12, 8)) > 0.6,
    "weights": np.random.default_rng(3).uniform(-1, 2, (3, 12, 8)),
    "one position": np.eye(1, 96, 50).reshape(12, 8).astype("uint8"),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("method", ["grad_cam", "hires_cam", "score_cam", "ablation_cam"])
@pytest.mark.parametrize("layer", ["last", pytest.param("pool", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_the_score_of_a_segmentation_under_a_mask(method, mask, layer):
    case, mask = case_of("segmentation"), MASKS[mask]
    masks = np.broadcast_to(mask, (3, 12, 8)).astype("float32")
    explain = kv.attribution.explainer(case.model, method, layer=layer, rectify=False)
    classes = [2, 0, 3]
    with zeros_allowed():
        explanation = explain(case.inputs, kv.targets.ClassScore(classes, mask=mask))
    plain = explain(case.inputs, classes)
    logits = kv.to_logits(case.model)
    features = keras.Model(case.model.input, case.model.get_layer(layer).output)(case.inputs).numpy()
    above = keras.Model(logits.get_layer(layer).output, logits.output)
    for i, k in enumerate(classes):

        def score(outputs, i=i, k=k):
            return tf.reduce_sum(masks[i] * outputs[0, ..., k])

        if method in BY_GRADIENT:
            clean, _, a, g = keras_eager.gradients(case.model, case.samples[i], score, layer=layer)
            weights = cam_family.BY_GRADIENT[method](a, g)
        else:
            a, clean = features[i], float(score(logits(case.samples[i])))

            def of_image(image, score=score):
                return float(score(logits(image[None].astype("float32"))))

            def without(channel, a=a, score=score):
                return float(score(above((a * (np.arange(a.shape[-1]) != channel))[None])))

            if method == "score_cam":
                weights = cam_family.score_cam(a, case.inputs[i], of_image)
            else:
                weights = cam_family.ablation_cam(a, clean, without)
        np.testing.assert_allclose(explanation.score[i], clean, rtol=1e-4, atol=1e-5)
        expected = cam_family.weighted_sum(a, weights, rectify=False, sizes=(12, 8))
        near(explanation.values[i], expected, 1e-4 if method == "ablation_cam" else 2e-5)
        assert np.abs(plain.values[i] - expected).max() > 0.01 * np.abs(expected).max()


@pytest.mark.slow
def test_the_top_class_under_a_mask_is_that_of_the_largest_masked_sum():
    case = case_of("segmentation")
    logits = kv.to_logits(case.model)(case.inputs).numpy()
    tops = []
    for mask in MASKS.values():
        sums = (np.broadcast_to(mask, (3, 12, 8))[..., None] * logits).sum((1, 2))
        with zeros_allowed():
            explanation = kv.GradCAM(case.model)(case.inputs, kv.targets.ClassScore(mask=mask))
        np.testing.assert_array_equal(explanation.target, sums.argmax(-1))
        np.testing.assert_allclose(explanation.score, sums.max(-1), rtol=1e-4, atol=1e-5)
        tops.append(tuple(explanation.target))
    assert len(set(tops)) > 1


@pytest.mark.slow
def test_masks_in_chunks_and_in_turns():
    """Each sample keeps its own mask, and a later mask is not the first one's compiled function."""
    case = case_of("segmentation")
    for method in ("hires_cam", "score_cam", "ablation_cam"):
        whole = kv.attribution.explainer(case.model, method, rectify=False)
        small = kv.attribution.explainer(case.model, method, rectify=False, batch_size=2)
        for mask in (MASKS["one each"], MASKS["weights"], MASKS["half"]):
            target = kv.targets.ClassScore([2, 0, 3], mask=mask)
            near(small(case.inputs, target).values, whole(case.inputs, target).values, 1e-4)


@pytest.mark.parametrize(
    "mask",
    [np.ones((8, 12)), np.ones((2, 12, 8)), np.ones((3, 12, 8, 4)), np.ones(12), np.full((12, 8), np.nan), "left"],
    ids=["turned", "too few", "with classes", "a row", "NaN", "text"],
)
@pytest.mark.parametrize("method", ["grad_cam", "score_cam"])
def test_masks_that_do_not_fit(mask, method):
    case = case_of("segmentation")
    with pytest.raises(TargetError, match="mask"):
        kv.attribution.explainer(case.model, method)(case.inputs, kv.targets.ClassScore(2, mask=mask))


def test_masks_over_an_output_that_is_no_map():
    case = case_of("functional")
    with pytest.raises(TargetError, match="mask"):
        kv.GradCAM(case.model)(case.inputs, kv.targets.ClassScore(1, mask=np.ones((12, 10))))


@pytest.fixture(scope="module")
def two_images():
    """Two images of different sizes, each through a convolution of its own, and a product of the two."""
    left, right = keras.Input((12, 10, 3), name="left"), keras.Input((6, 9, 2), name="right")
    sides = [
        L.GlobalAveragePooling2D()(L.Conv2D(4, 3, strides=2, activation="relu", name=f"conv_{x.name}")(x))
        for x in (left, right)
    ]
    model = keras.Model([left, right], L.Dense(3, name="scores")(L.Concatenate()([*sides, L.Multiply()(sides)])))
    return zoo.randomize(model), [zoo.images(12, 10, 3), zoo.images(6, 9, 2, seed=5)]


@pytest.mark.slow
@pytest.mark.parametrize("method", BY_GRADIENT)
@pytest.mark.parametrize(("side", "layer"), [(0, "conv_left"), (1, "conv_right")])
def test_with_two_inputs_the_map_lies_over_the_one_that_the_layer_sees(two_images, side, layer, method):
    model, inputs = two_images
    explain = kv.attribution.explainer(model, method, layer=layer)
    with zeros_allowed():
        explanation = explain(inputs, [0, 2, 1])
    assert explain.explained_inputs == [["left", "right"][side]]
    for i, k in enumerate([0, 2, 1]):
        _, _, a, g = keras_eager.gradients(
            model, [array[i : i + 1] for array in inputs], lambda out, k=k: out[0, k], layer=layer
        )
        weights = cam_family.BY_GRADIENT[method](a, g)
        signed = np.abs(cam_family.weighted_sum(a, weights, rectify=False)).max()
        expected = cam_family.weighted_sum(a, weights, sizes=inputs[side].shape[1:3])
        assert explanation.values[i].shape == expected.shape
        assert np.abs(explanation.values[i] - expected).max() <= 1e-5 * signed


@pytest.mark.parametrize("method", ["grad_cam", "score_cam", "ablation_cam"])
def test_layers_over_different_inputs_cannot_be_fused(two_images, method):
    with pytest.raises(LayerError, match="different inputs"):
        kv.attribution.explainer(two_images[0], method, layer=["conv_left", "conv_right"])


@pytest.mark.parametrize("method", ALL)
def test_layers_that_cannot_be_looked_at(method):
    model = case_of("functional").model
    for layer, words in (("out_rulu", "out_relu"), ("predictions", "spatial feature map"), (99, "outside the model")):
        with pytest.raises(LayerError, match=words):
            kv.attribution.explainer(model, method, layer=layer)


@pytest.mark.parametrize("method", ["layer_cam", "score_cam", "ablation_cam"])
def test_inputs_that_do_not_fit(method):
    explain = case_of("functional").explainer(method)
    for inputs in (
        np.zeros((12, 10, 3)),
        np.zeros((1, 10, 12, 3)),
        np.full((1, 12, 10, 3), np.nan),
        np.zeros((0, 12, 10, 3)),
    ):
        with pytest.raises(InputError):
            explain(inputs, 1)
    for target in (4, -1, [0, 1], 1.0):
        with pytest.raises(TargetError):
            explain(zoo.images(12, 10, 3), target)
