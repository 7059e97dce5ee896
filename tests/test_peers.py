"""The faults of other tools for Keras that touch these methods; each must not happen here.

The faults were seen on TensorFlow 2.21 and Keras 3.15 in tf-keras-vis 0.8.7, tf-explain 0.3.1, Xplique 2.0.2,
saliency, SHAP and keras-vis 0.4.1; each test names the tool and what it does.
"""

import gc
import warnings
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L
from reference import keras_eager, resizing

import kerasviz as kv
from kerasviz.errors import KerasvizWarning, RuleError, TargetError
from kerasviz.targets import ClassScore

IMAGES = zoo.images(10, 8, 3)


def classifier(*rectifiers, head="softmax", classes=4, seed=7):
    """Two convolutions, each followed by a rectifier given as a function of a symbolic tensor."""
    inputs = keras.Input((10, 8, 3))
    x = inputs
    for number, rectify in enumerate(rectifiers):
        x = rectify(L.Conv2D(5, 3, padding="same", name=f"conv{number}")(x))
    x = L.GlobalAveragePooling2D()(x)
    return zoo.randomize(keras.Model(inputs, L.Dense(classes, activation=head, name="scores")(x)), seed)


def guided(model, images, number):
    rows = [
        keras_eager.gradients(model, images[i : i + 1], lambda out: out[0, number], rule="guided")[1][0]
        for i in range(len(images))
    ]
    return np.stack(rows)


def near(one, other, tolerance=1e-5):
    return np.abs(np.asarray(one) - other).max() <= tolerance * np.abs(other).max()


SPELLINGS = {
    "activation": L.Activation("relu"),
    "layer": L.ReLU(),
    "layer with a cap": L.ReLU(max_value=6.0),
    "keras op": keras.ops.relu,
    "keras op relu6": keras.ops.relu6,
    "activation function": keras.activations.relu,
    "leaky layer": L.LeakyReLU(0.2),
    "leaky op": keras.ops.leaky_relu,
}


@pytest.mark.slow
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_guided_backprop_leaves_relu_layers_alone(spelling):
    """tf-keras-vis, Xplique: only `activation='relu'` is guided; layers, ops, ReLU6, leaky ones silently not."""
    rectify = SPELLINGS[spelling]
    model = classifier(L.Activation("relu"), rectify, head=None)
    values = kv.GuidedBackprop(model)(IMAGES, 1).values
    plain = kv.Saliency(model)(IMAGES, 1).values
    assert near(values, guided(model, IMAGES, 1))
    assert not near(values, plain, 0.01)


def test_guided_backprop_is_a_no_op_on_nested_models():
    """tf-keras-vis, Xplique, innvestigate: the inner layers of a base are not guided: the plain gradient."""
    base = keras.Sequential([keras.Input((10, 8, 3)), L.Conv2D(5, 3, activation="relu"), L.Conv2D(4, 3), L.ReLU()])
    model = keras.Sequential([keras.Input((10, 8, 3)), base, L.GlobalAveragePooling2D(), L.Dense(3)])
    zoo.randomize(model)
    values = kv.GuidedBackprop(model)(IMAGES, 1).values
    assert near(values, guided(model, IMAGES, 1))
    assert not near(values, kv.Saliency(model)(IMAGES, 1).values, 0.01)


@pytest.mark.parametrize("activation", ["swish", "gelu", "elu", "tanh"])
def test_guided_backprop_without_a_rectifier_is_the_plain_gradient(activation):
    """tf-keras-vis, Xplique: on swish and its kin the map is bit-identical to the gradient, without a word."""
    model = classifier(L.Activation(activation), L.Activation(activation))
    with pytest.raises(RuleError, match="would change nothing"):
        kv.GuidedBackprop(model)


@pytest.mark.parametrize(
    ("layer", "at", "passed"),
    [
        (L.ReLU(max_value=3.0), [-1, 1, 5], [0, 1, 0]),
        (L.ReLU(threshold=2.0), [1, 1.5, 3], [0, 0, 1]),
        (L.ReLU(negative_slope=0.5), [-2, 1, 3], [0.5, 1, 1]),
    ],
)
def test_the_gate_of_a_bounded_or_leaky_relu(layer, at, passed):
    """Xplique: gradient passes through clipped units, thresholds are ignored, leaky clones change the outputs."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, L.Dense(1, use_bias=False, kernel_initializer="ones")(layer(inputs)))
    explanation = kv.GuidedBackprop(model)(np.array([at]))
    np.testing.assert_allclose(explanation.values, [passed])
    np.testing.assert_allclose(explanation.score, model(np.array([at])).numpy()[0])


def test_a_softmax_layer_stays_on():
    """tf-keras-vis: `ReplaceToLinear` does nothing to a `Softmax` layer and fails on the op; Xplique: `output_layer`
    is ignored; tf-explain: the gradient of the probability, with a warning."""
    bare = classifier(L.ReLU(), head=None)
    expected = kv.Saliency(bare)(IMAGES, 2).values
    for add in (L.Softmax(), keras.ops.softmax, L.Activation("softmax"), tf_softmax()):
        inputs = keras.Input((10, 8, 3))
        model = keras.Model(inputs, add(bare(inputs)))
        np.testing.assert_allclose(kv.Saliency(model)(IMAGES, 2).values, expected, rtol=1e-5, atol=1e-8)


def tf_softmax():
    class Softmax(L.Layer):
        def call(self, x):
            return tf.nn.softmax(x)

    return Softmax()


def test_cams_of_models_with_a_nested_base():
    """tf-keras-vis, tf-explain, Xplique: "not connected to inputs", StopIteration, "No such layer"."""
    specimen = zoo.ZOO["nested_in_sequential"]()
    for layer in ("base/conv1", "conv1", "relu", "base/relu", "base"):
        assert kv.GradCAM(specimen.model, layer)(specimen.inputs, [1, 1, 2]).shape == (3, 12, 10)


@pytest.mark.parametrize("name", ["sequential", "sequential_deferred", "subclassed", "dicts", "two_outputs"])
@pytest.mark.parametrize("method", ["grad_cam", pytest.param("smooth_grad", marks=pytest.mark.slow)])
def test_models_of_every_kind_raise(name, method):
    """tf-keras-vis, tf-explain, Xplique, SHAP: `Sequential`, subclassed and dict models raise AttributeErrors."""
    specimen = zoo.ZOO[name]()
    settings = {"samples": 2} if method == "smooth_grad" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasvizWarning)
        explanation = kv.explain(specimen.model, specimen.inputs, method, specimen.target, **settings)
    scores = kv.Saliency(specimen.model)(specimen.inputs, specimen.target).score
    np.testing.assert_allclose(explanation.score, scores, rtol=1e-5)


def test_the_map_of_a_table_is_zero():
    """tf-keras-vis: with an image and a table, the table's map is all zeros, of the shape (batch,)."""
    specimen = zoo.ZOO["image_and_table"]()
    explanation = kv.Saliency(specimen.model)(specimen.inputs, 1)
    assert explanation["table"].shape == (3, 6)
    assert np.abs(explanation["table"].values).max() > 1e-3
    assert kv.GradCAM(specimen.model)(specimen.inputs, 1).shape == (3, 12, 10)


def test_one_branchs_cam_is_laid_over_both_images():
    """tf-keras-vis #96: with two image inputs one branch's CAM is returned for each."""
    specimen = zoo.ZOO["dicts"]()
    explain = kv.GradCAM(specimen.model)
    explanation = explain(specimen.inputs, ("species", 1))
    assert not isinstance(explanation.values, dict)
    assert explain.explained_inputs == ["left"]


def test_a_cam_watches_the_input():
    """tf-keras-vis: an integer input or an embedding cuts the gradient although the feature map has one."""
    words = keras.Input((9,), dtype="int32")
    x = L.Conv1D(5, 3, activation="relu", name="conv")(L.Embedding(20, 4)(words))
    model = zoo.randomize(keras.Model(words, L.Dense(3)(L.GlobalAveragePooling1D()(x))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasvizWarning)
        maps = [kv.GradCAM(model)(np.arange(9)[None], number).values for number in range(3)]
    assert max(m.max() for m in maps) > 1e-3


def test_integer_images_raise():
    """tf-keras-vis: uint8 and int64 batches raise, although the model takes them."""
    specimen = zoo.ZOO["with_preprocessing"]()
    pixels = np.random.default_rng(0).integers(0, 255, (2, 12, 10, 3), dtype="uint8")
    explain = kv.Saliency(specimen.model)
    np.testing.assert_array_equal(explain(pixels, 1).values, explain(pixels.astype("float32"), 1).values)


def test_a_plain_int_is_no_score():
    """tf-keras-vis: "Score object must be callable! [3]"."""
    model = classifier(L.ReLU())
    np.testing.assert_array_equal(kv.Saliency(model)(IMAGES, 3).target, [3, 3, 3])


def test_too_few_classes_give_a_map_of_zeros():
    """tf-keras-vis: `CategoricalScore([1, 2])` on three images: the third map is zero, no error. Xplique: labels of
    as many as classes are broadcast."""
    model = classifier(L.ReLU(), classes=3)
    for target in ([1, 2], [0, 1, 2, 0], np.eye(3, dtype=int)):
        with pytest.raises(TargetError, match="3 samples"):
            kv.Saliency(model)(IMAGES, target)
    explanation = kv.Saliency(model)(IMAGES, [0, 1, 2])
    for i in range(3):
        assert near(explanation.values[i], kv.Saliency(model)(IMAGES[i : i + 1], i).values[0])


def test_the_named_layer_is_replaced_by_a_convolution():
    """tf-keras-vis: the ReLU that was asked for is silently replaced by the convolution before it."""
    model = classifier(L.Activation("relu", name="first"), L.Activation("relu", name="last"))
    at_relu, at_conv = (kv.GradCAM(model, layer)(IMAGES[:1], 1) for layer in ("first", "conv0"))
    assert (at_relu.layer, at_conv.layer) == ("first", "conv0")
    assert np.abs(at_relu.values - at_conv.values).max() > 0.01 * at_relu.values.max()
    assert kv.GradCAM(model).layer == "last"


def test_the_default_layer_is_a_convolution_with_few_channels():
    """Xplique: the last layer with `filters`, a branch of the last block; tf-explain: fails for every model."""
    inputs = keras.Input((10, 8, 3))
    x = L.Conv2D(6, 3, padding="same", activation="relu", name="stem")(inputs)
    branch = L.Conv2D(2, 3, padding="same", activation="relu", name="branch")(x)
    x = L.Concatenate(name="block")([x, branch])
    model = zoo.randomize(keras.Model(inputs, zoo.head(L.ReLU(name="out")(L.BatchNormalization(name="bn")(x)))))
    assert kv.GradCAM(model).layer == "out"


def test_maps_are_flattened_by_an_absolute_epsilon():
    """tf-keras-vis: normalized with an epsilon of 1e-7, so that gradients of 1e-13 give a flat map."""
    model = classifier(L.ReLU(), head=None)
    expected = kv.Saliency(model)(IMAGES, 1).values
    model.get_layer("scores").kernel.assign(model.get_layer("scores").kernel * 1e-13)
    np.testing.assert_allclose(kv.Saliency(model)(IMAGES, 1).values * 1e13, expected, rtol=1e-4, atol=1e-7)


def test_half_precision_rounds_the_map_to_zero():
    """tf-keras-vis: a float16 head scaled by 1e-3 gives a map of zeros; Xplique, tf-explain: dtype errors."""
    with zoo.keras_policy("mixed_float16"):
        model = classifier(L.ReLU(), head=None)
    top = model.get_layer("scores")
    top.kernel.assign(top.kernel * 1e-6)
    for method in (kv.Saliency, kv.GuidedBackprop, kv.DeconvNet):
        values = method(model)(IMAGES, 1).values
        assert values.dtype == np.float32
        assert (values != 0).mean() > 0.9


def test_every_call_is_eager_or_retraced():
    """tf-keras-vis: everything eager; tf-explain: one retrace per class."""
    runs = []

    class Counted(L.Layer):
        def call(self, x):
            runs.append(1)
            return x

    model = classifier(lambda x: Counted()(L.ReLU()(x)))
    explain = kv.Saliency(model)
    explain(IMAGES, 0)
    before = len(runs)
    for number in range(4):
        explain(IMAGES, number)
    assert len(runs) == before


def test_a_map_depends_on_the_batch():
    """tf-explain: image 0 alone and in a batch of two have different maps."""
    model = classifier(L.ReLU(), L.ReLU())
    for method in (kv.Saliency, kv.SmoothGrad, kv.GradCAM):
        explain = method(model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", KerasvizWarning)
            together, alone = explain(IMAGES, 1).values[0], explain(IMAGES[:1], 1).values[0]
        np.testing.assert_allclose(alone, together, atol=1e-6 * max(1e-9, np.abs(together).max()))


def test_integrated_gradients_lack_the_way():
    """tf-explain #128: the factor (x - baseline) is missing. saliency (PAIR): both ends of 25 points count whole."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, L.Dense(1, use_bias=False)(inputs))
    model.set_weights([np.array([[1.0], [2], [3]])])
    explanation = kv.IntegratedGradients(model, steps=25, rule="trapezoid", baseline=1.0)(np.array([[2.0, 3, 5]]))
    np.testing.assert_allclose(explanation.values, [[1, 4, 12]], rtol=1e-6)


def test_channels_are_averaged_with_their_signs():
    """Xplique: the mean of signed channels is the default, which cancels and breaks completeness."""
    model = classifier(L.ReLU())
    explanation = kv.IntegratedGradients(model, steps=300, gap=True)(IMAGES, 1)
    assert explanation.shape == IMAGES.shape
    black = kv.Saliency(model)(np.zeros((1, 10, 8, 3)), 1).score
    np.testing.assert_allclose(explanation.values.sum((1, 2, 3)), explanation.score - black, atol=2e-3)


def test_smoothgrad_of_one_sigmoid_is_black():
    """tf-explain: the cross entropy of one normalized probability is 0, and so is the map."""
    model = classifier(L.ReLU(), head="sigmoid", classes=1)
    values = kv.SmoothGrad(model, samples=4)(IMAGES, 1).values
    assert np.abs(values).max() > 1e-3
    np.testing.assert_allclose(kv.SmoothGrad(model, samples=4)(IMAGES, 0).values, -values, rtol=1e-6)


def test_smoothgrad_averages_squares_by_default():
    """saliency (PAIR): "SmoothGrad" is the mean of squares unless told otherwise."""
    model = classifier(L.ReLU(), head=None)
    assert (kv.SmoothGrad(model, samples=4)(IMAGES, 1).values < 0).any()


def test_heatmaps_are_negative_after_resizing():
    """Xplique: bicubic resizing behind the ReLU makes negative values."""
    inputs = keras.Input((40, 30, 3))
    x = L.Conv2D(8, 3, strides=8, activation="relu", name="conv")(inputs)
    model = zoo.randomize(keras.Model(inputs, zoo.head(x)))
    images = zoo.images(40, 30, 3)
    values = kv.GradCAM(model)(images, [0, 1, 2]).values
    raw = kv.GradCAM(model, resize=False)(images, [0, 1, 2]).values
    assert raw.max() > 0
    assert values.min() >= 0
    assert values.max() <= raw.max() * (1 + 1e-6)
    for i in range(3):
        np.testing.assert_allclose(values[i], resizing.linear(raw[i], (40, 30)), atol=1e-6 * raw.max())


def test_heights_and_widths_are_swapped():
    """tf-explain: on images that are not square the axes are swapped."""
    inputs = keras.Input((24, 40, 1))
    x = L.Conv2D(1, 1, use_bias=False, name="conv")(inputs)
    model = keras.Model(inputs, L.Dense(1, use_bias=False)(L.Flatten()(x)))
    weights = np.zeros((24, 40))
    weights[3, 35] = 1
    model.set_weights([np.ones((1, 1, 1, 1)), weights.reshape(-1, 1)])
    values = kv.Saliency(model)(np.ones((1, 24, 40, 1))).values[0, ..., 0]
    assert np.argwhere(values).tolist() == [[3, 35]]
    image = np.zeros((1, 24, 40, 1))
    image[0, 20, 5] = 1
    heat = kv.GradCAM(model, "conv")(image).values[0]
    assert np.argwhere(heat).tolist() == [[20, 5]]


def test_a_zero_heatmap_is_divided_by_its_maximum():
    """tf-explain: 0/0 for a map of zeros."""
    model = classifier(L.ReLU())
    model.get_layer("scores").kernel.assign(np.zeros((5, 4)))
    with pytest.warns(KerasvizWarning, match="zero everywhere"):
        values = kv.GradCAM(model)(IMAGES, 1).values
    assert not values.any()


def test_old_traces_answer_for_a_changed_model():
    """Xplique: after `layer.activation = ...` the same and even a new explainer give the old result."""
    model = classifier(L.Activation("relu", name="act"), head="softmax")
    target = ClassScore(1, probability=True)
    old = kv.Saliency(model)(IMAGES, target).values
    kv.explain(model, IMAGES, "saliency", target)
    model.get_layer("scores").activation = keras.activations.linear
    bare = kv.Saliency(classifier(L.Activation("relu"), head=None))(IMAGES, 1).values
    assert near(kv.Saliency(model)(IMAGES, target).values, bare)
    assert near(kv.explain(model, IMAGES, "saliency", target).values, bare)
    assert not near(old, bare, 0.01)


def test_the_heads_of_several_outputs_are_summed():
    """Xplique: `[o, 2 * o]` gives three times the map of `o`; tf-keras-vis #50: which output gets which score?"""
    bare = classifier(L.ReLU(), head=None)
    inputs = keras.Input((10, 8, 3))
    o = bare(inputs)
    model = keras.Model(inputs, {"one": o, "two": 2 * o})
    explain = kv.Saliency(model)
    expected = kv.Saliency(bare)(IMAGES, 1).values
    np.testing.assert_allclose(explain(IMAGES, ("one", 1)).values, expected, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(explain(IMAGES, ("two", 1)).values, 2 * expected, rtol=1e-5, atol=1e-8)
    with pytest.raises(TargetError, match="2 outputs"):
        explain(IMAGES, 1)


def test_the_operator_of_a_cam_is_ignored():
    """Xplique: Grad-CAM is of predictions times targets, whatever score was asked for."""
    model = classifier(L.ReLU(), L.ReLU(), head=None)
    explain = kv.GradCAM(model, "conv1", resize=False)
    functions = (lambda s: s[:, 0] - s[:, 1], lambda s: s[:, 1] - s[:, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasvizWarning)
        one, other = (explain(IMAGES, function).values for function in functions)
    assert np.abs(one - other).max() > 0.1 * one.max()


def test_an_error_leaves_the_model_patched():
    """Xplique: a wrong target leaves `layer.call` replaced. SHAP: a failed explainer breaks all gradients."""
    model = classifier(L.ReLU())
    calls = [layer.call for layer in model.layers]
    explain = kv.GradCAM(model)
    for target in ([1], lambda scores: scores[:, 9, 9]):
        with pytest.raises((TargetError, ValueError)):
            explain(IMAGES, target)
    assert [layer.call for layer in model.layers] == calls
    with tf.GradientTape() as tape:
        x = tf.constant(IMAGES)
        tape.watch(x)
        score = model(x)
    assert np.abs(tape.gradient(score, x).numpy()).sum() >= 0


def test_every_explained_model_is_kept_for_ever():
    """Xplique: a cache by model keeps 22 models alive after `del`."""
    model = classifier(L.ReLU())
    kv.explain(model, IMAGES, "guided_backprop", 1)
    kv.SmoothGrad(model, samples=2)(IMAGES, 1)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_the_batch_size_does_not_bound_the_memory():
    """Xplique #137: SmoothGrad takes all its noisy copies at once."""
    sizes = []

    class Sized(L.Layer):
        def call(self, x):
            tf.py_function(lambda t: sizes.append(len(t)), [x], [])
            return x

    model = classifier(lambda x: Sized()(L.ReLU()(x)))
    kv.SmoothGrad(model, samples=20, batch_size=5)(IMAGES[:1], 1)
    kv.IntegratedGradients(model, steps=20, batch_size=5)(IMAGES, 1)
    assert max(sizes) == 5


def test_the_model_that_was_explained_has_changed():
    """tf-keras-vis: `clone=False`, as its guide recommends, swaps the activations of the user's own layers."""
    model = classifier(L.ReLU(), L.Activation("relu"))
    before = model(IMAGES).numpy()
    activations = [getattr(layer, "activation", None) for layer in model.layers]
    kv.GuidedBackprop(model)(IMAGES, 1)
    assert [getattr(layer, "activation", None) for layer in model.layers] == activations
    np.testing.assert_array_equal(model(IMAGES).numpy(), before)


def test_leaky_relus_break_guided_backprop():
    """keras-vis #174."""
    model = classifier(L.LeakyReLU(0.1), L.LeakyReLU(0.3), head=None)
    assert near(kv.GuidedBackprop(model)(IMAGES, 1).values, guided(model, IMAGES, 1))


def test_signals_volumes_and_segmentations_raise():
    """tf-keras-vis, tf-explain: Conv1D and Conv3D raise or give meaningless pictures; a segmentation head is taken
    for the feature map."""
    for name, shape in (("conv1d", (3, 20)), ("conv3d", (3, 6, 8, 7)), ("segmentation", (3, 12, 8))):
        specimen = zoo.ZOO[name]()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", KerasvizWarning)
            explanation = kv.GradCAM(specimen.model)(specimen.inputs, 2)
        assert explanation.shape == shape
        assert explanation.layer == specimen.layer


def test_regression_has_no_gradient():
    """tf-keras-vis #64: the gradients of a regression are None; Xplique #18."""
    specimen = zoo.ZOO["regression"]()
    values = kv.Saliency(specimen.model)(specimen.inputs).values
    expected = keras_eager.gradients(specimen.model, specimen.inputs[:1], lambda out: out[0, 0])[1][0]
    assert near(values[0], expected)
