"""What every method promises, whatever the model: swept over the registry of methods and the zoo."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from reference import keras_eager
from zoo_cases import DISTINCT, EACH_METHOD, PAIRS, SETTINGS, TOLERANCE, case_of, zeros_allowed

import kerasviz as kv
from kerasviz.errors import InputError, KerasvizWarning, SettingError, TargetError


def flat(explanation):
    values = explanation.values
    return list(values.values()) if isinstance(values, dict) else [values]


def same_values(one, other, tolerance=0.0):
    for a, b in zip(flat(one), flat(other), strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max() <= tolerance * np.abs(b).max()


def quick(model, method, **settings):
    return kv.attribution.explainer(model, method, **{**SETTINGS.get(method, {}), **settings})


def test_the_registry_lists_every_method_by_its_own_name():
    methods = kv.attribution.methods()
    maps = {
        "ablation_cam",
        "cam",
        "eigen_cam",
        "grad_cam",
        "grad_cam_plus_plus",
        "guided_grad_cam",
        "hires_cam",
        "layer_cam",
        "score_cam",
        "xgrad_cam",
    }
    assert set(methods) == maps | {
        "ablation",
        "deconvnet",
        "guided_backprop",
        "input_x_gradient",
        "integrated_gradients",
        "occlusion",
        "prediction_difference",
        "rise",
        "saliency",
        "smooth_grad",
    }
    assert all(kind.name == name for name, kind in methods.items())
    assert {name for name, kind in methods.items() if kind.needs_layer} == maps
    methods.clear()
    assert kv.attribution.methods()


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_a_sample_does_not_depend_on_its_batch_mates(name, method):
    case = case_of(name)
    whole = case.explanation(method)
    for i in range(case.count):
        alone = case.run(method, case.rows(i), case.target_of(i))
        for together, by_itself in zip(flat(whole), flat(alone), strict=True):
            tolerance = TOLERANCE[method]
            assert np.abs(by_itself[0] - together[i]).max() <= tolerance * np.abs(together[i]).max()
        np.testing.assert_allclose(alone.score[0], whole.score[i], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_score_target_and_top_class(name, method):
    case = case_of(name)
    with keras_eager.running():
        outputs = [case.plain_model(sample, training=False) for sample in case.samples]
    scores = np.array([[case.score(k)(out) for k in range(width(case, outputs[0]))] for out in outputs])
    given = case.explanation(method)
    if method != "prediction_difference":  # Its score is a probability where there is one.
        np.testing.assert_allclose(given.score, scores[np.arange(case.count), case.numbers], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(given.target, case.numbers)
    assert given.method == method
    assert given.score.dtype == np.float32

    several = isinstance(case.target, tuple)
    top = case.run(method, case.inputs, (case.target[0], None) if several else None)
    np.testing.assert_array_equal(top.target, scores.argmax(axis=1))
    numbers = [int(number) for number in top.target]
    same_values(top, case.run(method, case.inputs, (case.target[0], numbers) if several else numbers))


def width(case, outputs):
    names = list(getattr(case.model, "output_names", []) or [])
    return int(keras_eager.class_scores(outputs, case.target, names, binary=case.name == "binary").shape[0])


@pytest.mark.parametrize("method", EACH_METHOD)
def test_the_batch_size_changes_no_value(method):
    case = case_of("functional")
    inputs = zoo.images(12, 10, 3, count=5)
    target = [0, 1, 2, 3, 0]
    whole = case.run(method, inputs, target)
    for size in (1, 2):
        explain = quick(case.model, method, batch_size=size)
        with zeros_allowed():
            in_parts = explain(inputs, target)
        same_values(in_parts, whole, TOLERANCE[method])
        np.testing.assert_allclose(in_parts.score, whole.score, rtol=1e-6)
        np.testing.assert_array_equal(in_parts.target, target)


@pytest.mark.parametrize("method", EACH_METHOD)
def test_no_pass_is_larger_than_the_batch_size(method):
    seen = []

    @keras.saving.register_keras_serializable("contract")
    class Sizes(keras.layers.Layer):
        def call(self, x):
            tf.py_function(lambda t: seen.append(len(t)), [x], [])
            return x

    inputs = keras.Input((6, 6, 2))
    x = Sizes()(keras.layers.Conv2D(3, 3, activation="relu")(inputs))
    model = zoo.randomize(keras.Model(inputs, zoo.head(x)))
    more = {"smooth_grad": {"samples": 7}, "integrated_gradients": {"steps": 7}, "rise": {"samples": 7}}
    explain = quick(model, method, batch_size=4, **more.get(method, {}))
    with zeros_allowed():
        explain(zoo.images(6, 6, 2, count=1), 0)
        explain(zoo.images(6, 6, 2, count=9), 0)
    assert seen
    assert max(seen) <= 4


@pytest.mark.parametrize("method", EACH_METHOD)
def test_inputs_of_any_number_type(method):
    case = case_of("with_preprocessing")
    images = np.random.default_rng(0).integers(0, 255, (2, 12, 10, 3))
    expected = case.run(method, images.astype("float32"), 1)
    for given in (
        images,
        images.astype("uint8"),
        images.astype("float64"),
        images.astype("float16"),
        tf.constant(images, tf.float32),
        list(images.astype("float32")),
        images.tolist(),
    ):
        same_values(case.run(method, given, 1), expected)


@pytest.fixture(scope="module")
def trained():
    """A model in the middle of its training, and images that cannot be written to."""
    specimen = zoo.ZOO["functional"]()
    specimen.model.compile("adam", "sparse_categorical_crossentropy")
    specimen.model.fit(specimen.inputs, np.arange(3), verbose=0)
    specimen.inputs.flags.writeable = False
    yield specimen.model, specimen.inputs
    before = weights_of(specimen.model)
    specimen.model.fit(specimen.inputs, np.arange(3), verbose=0)
    assert weights_of(specimen.model) != before


@pytest.mark.parametrize("method", EACH_METHOD)
def test_model_arrays_and_random_states_are_left_alone(method, trained):
    model, images = trained
    before, config = weights_of(model), model.get_config()
    output, optimizer, attributes = model(images).numpy(), model.optimizer, dict(vars(model.layers[0]))
    numbers = []
    # Older versions of Keras seed their own generator once only.
    seeded = [keras.utils.set_random_seed(3) or float(keras.random.uniform(())) for _ in range(2)]
    of_keras = (lambda: float(keras.random.uniform(()))) if seeded[0] == seeded[1] else float
    for explain_between in (False, True):
        keras.utils.set_random_seed(3)
        first = (random.random(), np.random.rand(), tf.random.uniform(()).numpy(), of_keras())  # noqa: NPY002
        if explain_between:
            with zeros_allowed():
                quick(model, method)(images, [0, 1, 2])
        numbers.append(
            (*first, random.random(), np.random.rand(), tf.random.uniform(()).numpy(), of_keras())  # noqa: NPY002
        )
    assert numbers[0] == numbers[1]
    assert weights_of(model) == before
    assert model.get_config() == config
    assert model.optimizer is optimizer
    assert {name: id(value) for name, value in vars(model.layers[0]).items()} == {
        name: id(value) for name, value in attributes.items()
    }
    np.testing.assert_array_equal(model(images).numpy(), output)


def weights_of(model):
    return [(variable.path, variable.trainable, variable.numpy().tobytes()) for variable in [*model.variables]] + [
        (variable.path, True, variable.numpy().tobytes()) for variable in model.optimizer.variables
    ]


def test_model_and_explainer_survive_an_error_midway(fresh):
    model, images = fresh
    explain = kv.GradCAM(model)
    expected = explain(images, 1).values
    calls = [vars(layer).get("call") for layer in model.layers]
    for broken in (lambda scores: 1 / 0, lambda scores: scores, lambda scores: None):
        with pytest.raises((ZeroDivisionError, TargetError)):
            explain(images, broken)
    assert [vars(layer).get("call") for layer in model.layers] == calls
    np.testing.assert_array_equal(explain(images, 1).values, expected)
    np.testing.assert_array_equal(kv.GradCAM(model)(images, 1).values, expected)


def test_training_after_the_explainer_was_made_is_seen(fresh):
    model, images = fresh
    explain = kv.Saliency(model)
    before = explain(images, 1).values
    model.set_weights([weight * 1.5 for weight in model.get_weights()])
    after = explain(images, 1).values
    np.testing.assert_array_equal(after, kv.Saliency(model)(images, 1).values)
    assert np.abs(after - before).max() > 0.1 * np.abs(before).max()


class Executed(keras.layers.Layer):
    """Counts how often Python runs it: once per trace."""

    count = 0

    def call(self, x):
        Executed.count += 1
        return x


@pytest.fixture(scope="module")
def counted():
    inputs = keras.Input((6, 5, 2), name="image")
    x = Executed()(keras.layers.Conv2D(3, 3, activation="relu", name="conv")(inputs))
    return zoo.randomize(keras.Model(inputs, zoo.head(x), name="counted"))


@pytest.mark.slow
@pytest.mark.parametrize("method", EACH_METHOD)
def test_two_hundred_calls_trace_once(method, counted):
    fewer = {"smooth_grad": {"samples": 2}, "integrated_gradients": {"steps": 2}, "rise": {"samples": 2}}
    explain = quick(counted, method, **fewer.get(method, {}))
    images = zoo.images(6, 5, 2, count=7)
    with zeros_allowed():
        explain(images, 0)
        before = Executed.count
        for i in range(200):
            explain(images[: 1 + i % 7], [i % 4] * (1 + i % 7) if i % 2 else i % 4)
        explain(images)
    assert Executed.count == before


@pytest.fixture(scope="module", params=["saliency", "grad_cam", "smooth_grad", "integrated_gradients"])
def explain(request, counted):
    return kv.attribution.explainer(counted, request.param)


BAD_INPUTS = {
    "NaN": (np.full((1, 6, 5, 2), np.nan), "NaN"),
    "infinite": (np.full((1, 6, 5, 2), np.inf), "infinite"),
    "empty": (np.zeros((0, 6, 5, 2)), "empty"),
    "no batch axis": (np.zeros((6, 5, 2)), r"images\[None\]"),
    "rank": (np.zeros((1, 1, 6, 5, 2)), r"\(None, 6, 5, 2\)"),
    "channels": (np.zeros((1, 6, 5, 3)), r"\(None, 6, 5, 2\)"),
    "size": (np.zeros((1, 5, 6, 2)), r"\(None, 6, 5, 2\)"),
    "strings": (np.full((1, 6, 5, 2), "a"), "dtype"),
    "wrong key": ({"picture": np.zeros((1, 6, 5, 2))}, "picture"),
    "too many": ({"image": np.zeros((1, 6, 5, 2)), "table": np.zeros((1, 2))}, "table"),
    "data set": (tf.data.Dataset.from_tensors(np.zeros((1, 6, 5, 2))), "Dataset"),
}


@pytest.mark.parametrize("problem", BAD_INPUTS)
def test_inputs_that_do_not_fit_are_refused_before_any_work(problem, explain):
    inputs, words = BAD_INPUTS[problem]
    before = Executed.count
    with pytest.raises(InputError, match=words):
        explain(inputs, 0)
    assert Executed.count == before


def test_inputs_of_several_branches_that_do_not_fit():
    explain = case_of("image_and_table").explainer("saliency")
    image, table = zoo.images(12, 10, 3), zoo.images(6)
    for inputs, words in (
        (image, "one array"),
        ([image], "one array"),
        ([image, table, table], "3 arrays"),
        ([table, image], "shape"),
        ([image, table[:2]], "different numbers"),
        ({"image": image}, "keys"),
        ({"image": image, "tabel": table}, "tabel"),
    ):
        with pytest.raises(InputError, match=words):
            explain(inputs, 0)
    same_values(explain({"table": table, "image": image}, 0), explain([image, table], 0))


BAD_TARGETS = {
    "too large": (4, "0 to 3"),
    "negative": (-1, "0 to 3"),
    "one too large": ([0, 4], "0 to 3"),
    "float": (1.0, "float64"),
    "floats": ([1.0, 2.0], "float64"),
    "bool": (True, "bool"),
    "label": ("tabby", "label"),
    "labels": (["cat", "dog"], "type"),
    "too few": ([1], r"\(1,\) for 2"),
    "too many": ([1, 2, 3], r"\(3,\) for 2"),
    "one-hot": (np.eye(4, dtype=int)[:2], r"\(2, 4\)"),
    "probabilities": (np.full((2, 4), 0.25), "float64"),
    "ragged": ([[1], [2, 3]], "different lengths"),
    "dict": ({"predictions": 1}, "object"),
    "unknown output": (("species", 1), "no output 'species'"),
}


@pytest.mark.parametrize("problem", BAD_TARGETS)
def test_targets_that_do_not_fit_are_refused_before_any_work(problem, explain):
    target, words = BAD_TARGETS[problem]
    before = Executed.count
    with pytest.raises(TargetError, match=words):
        explain(zoo.images(6, 5, 2, count=2), target)
    assert Executed.count == before


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("saliency", {"batch_size": 0}),
        ("saliency", {"batch_size": 2.0}),
        ("saliency", {"batch_size": True}),
        ("saliency", {"reduce": "mean"}),
        ("saliency", {"reduce": ["sum"]}),
        ("saliency", {"layer": "conv"}),
        ("smooth_grad", {"samples": 0}),
        ("smooth_grad", {"noise": -0.1}),
        ("smooth_grad", {"noise": float("nan")}),
        ("smooth_grad", {"noise": "much"}),
        ("smooth_grad", {"statistic": "median"}),
        ("smooth_grad", {"seed": -1}),
        ("smooth_grad", {"seed": None}),
        ("smooth_grad", {"seed": 2**31}),
        ("integrated_gradients", {"steps": 1.5}),
        ("integrated_gradients", {"rule": "simpson"}),
        ("integrated_gradients", {"baseline": float("inf")}),
        ("integrated_gradients", {"baseline": {"picture": 0.0}}),
    ],
)
def test_settings_out_of_range_are_refused_before_any_work(method, settings, counted):
    with pytest.raises(SettingError):
        kv.attribution.explainer(counted, method, **settings)


def test_a_map_of_zeros_is_zeros_and_one_warning(fresh):
    model, images = fresh
    model.get_layer("scores").kernel.assign(np.zeros((7, 4)))
    for method in DISTINCT:
        explain = quick(model, method)
        with pytest.warns(KerasvizWarning, match=r"zero everywhere for the samples \[0, 1, 2\]") as caught:
            explanation = explain(images, 1)
        assert len(caught) == 1
        assert caught[0].filename == __file__
        assert not explanation.values.any()


def test_a_model_of_nan_is_told(fresh):
    model, images = fresh
    model.get_layer("scores").kernel.assign(np.full((7, 4), np.nan))
    with pytest.warns(KerasvizWarning, match=r"not finite for the samples \[0, 1, 2\]"):
        kv.Saliency(model)(images, 1)


@pytest.mark.slow
@pytest.mark.parametrize("method", EACH_METHOD)
def test_models_in_double_precision_give_float32_maps(method):
    inputs = keras.Input((6, 5, 2), dtype="float64")
    model = keras.Model(inputs, zoo.head(keras.layers.Conv2D(3, 3, activation="relu")(inputs)))
    plain = keras.Input((6, 5, 2))
    twin = keras.Model(plain, zoo.head(keras.layers.Conv2D(3, 3, activation="relu")(plain)))
    zoo.randomize(twin)
    model.set_weights(twin.get_weights())
    images = zoo.images(6, 5, 2)
    with zeros_allowed():
        explanation, expected = quick(model, method)(images, 2), quick(twin, method)(images, 2)
    assert explanation.values.dtype == np.float32
    same_values(explanation, expected, TOLERANCE[method])
