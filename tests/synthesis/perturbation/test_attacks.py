"""What all attacks promise: any model, nothing changed, everything confirmed, errors before any work."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L
from reference.linear_networks import linear

import kerasviz as kv
from kerasviz.errors import InputError, ModelError, SettingError, TargetError
from kerasviz.synthesis.perturbation.deep_fool import DeepFool
from kerasviz.synthesis.perturbation.stepping import FGSM, PGD

WITHOUT_CLASSES = ("regression", "segmentation")
#: Which input and output are meant, where there are several.
ENDS = {
    "image_and_table": {"input": "image"},
    "dicts": {"input": "left", "output": "species"},
    "two_outputs": {"output": "first"},
}
#: Those that are also tried in a hurry.
QUICK = ("regression", "sequential_deferred")


@pytest.fixture(scope="module")
def attack(network):
    return PGD(network[0], norm="l2", steps=4, bounds=(-1, 1), batch_size=2)


def own_outputs(kind, specimen, points):
    """What `model.predict` says with points in the place of the input that is changed, as `(N, K)`."""
    inputs = specimen.inputs
    if kind == "image_and_table":
        inputs = [points, inputs[1]]
    elif kind == "dicts":
        inputs = {**inputs, "left": points}
    else:
        inputs = points
    outputs = specimen.model.predict(inputs, verbose=0)
    outputs = outputs["species"] if kind == "dicts" else outputs[0] if kind == "two_outputs" else outputs
    outputs = np.asarray(outputs, "float32")
    return np.concatenate([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs


def lead(outputs, classes):
    """By how much the classes lead the strongest others, in scores before the softmax."""
    scores, rows = np.log(outputs), np.arange(len(outputs))
    own = scores[rows, classes]
    scores[rows, classes] = -np.inf
    return own - scores.max(axis=1)


@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in sorted(zoo.ZOO)]
)
def test_every_kind_of_model(kind):
    specimen, ends = zoo.ZOO[kind](), ENDS.get(kind, {})
    if kind in WITHOUT_CLASSES:
        with pytest.raises(TargetError, match="one score for each class"):
            PGD(specimen.model, **ends)
        return
    own = {"image_and_table": lambda i: i[0], "dicts": lambda i: i["left"]}.get(kind, lambda i: i)(specimen.inputs)
    spread = float(np.ptp(own)) / 2
    if kind in QUICK:
        attacks = [lambda: PGD(specimen.model, steps=3, random_start=False, **ends)(specimen.inputs, spread)]
    else:
        attacks = [
            lambda: PGD(specimen.model, steps=3, norm="l2", random_start=False, **ends)(
                specimen.inputs, 3 * spread, target=[0, 1, 1]
            ),
            lambda: FGSM(specimen.model, **ends)(specimen.inputs, 0.01 * spread),
            lambda: DeepFool(specimen.model, **ends)(specimen.inputs),
        ]
    for found in (call() for call in attacks):
        np.testing.assert_allclose(found.outputs, own_outputs(kind, specimen, own), atol=1e-6)
        np.testing.assert_allclose(found.new_outputs, own_outputs(kind, specimen, found.points), atol=1e-6)
        asked = found.target if found.target is not None else found.classes
        rise = lead(found.new_outputs, asked) - lead(found.outputs, asked)
        # Nearer to the target, or further from the class predicted, of every image that was moved.
        moved = found.distances > 0
        assert moved.any() and (rise[moved] > -1e-4 if found.target is not None else rise[moved] < 1e-4).all()
        if found.radius is not None:
            assert found.distances.max() <= found.radius


@pytest.mark.slow
def test_several_classes_and_data_sets(network, attack):
    """In parts of 16 images, batches of 2."""
    model, images = network
    whole = attack(images, 0.4, labels=np.arange(20) % 3)
    assert whole.true_classes.tolist() == [i % 3 for i in range(20)]
    np.testing.assert_array_equal(whole.success, whole.new_classes != whole.true_classes)
    np.testing.assert_array_equal(whole.new_classes, model.predict(whole.points, verbose=0).argmax(axis=1))
    aimed = attack(images, 0.4, target=1)
    np.testing.assert_array_equal(aimed.success, aimed.new_classes == 1)
    data = tf.data.Dataset.from_tensor_slices((images, np.zeros(20))).batch(9)
    again = attack(data, 0.4, target=1)
    np.testing.assert_allclose(again.points, aimed.points, atol=1e-6)
    assert again.target.tolist() == [1] * 20
    with pytest.raises(TargetError, match="data set"):
        attack(data, 0.4, target=[1] * 20)


@pytest.mark.slow
@pytest.mark.parametrize("make", [FGSM, PGD, DeepFool])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_neither_batch_size_nor_batch_mates_matter(network, make, norm):
    model, images = network
    arguments = {} if make is DeepFool else {"radius": 0.3}
    whole = make(model, norm=norm)(images, **arguments)
    small = make(model, norm=norm, batch_size=3)(images, **arguments)
    alone = make(model, norm=norm)(images[7:8], **arguments)
    for other, rows in ((small, slice(None)), (alone, slice(7, 8))):
        np.testing.assert_allclose(other.points, whole.points[rows], atol=1e-5)
        np.testing.assert_allclose(other.new_outputs, whole.new_outputs[rows], atol=1e-4)


@pytest.mark.slow
def test_the_model_is_untouched_and_its_later_weights_are_seen(network):
    model, images = network
    model = zoo.randomize(keras.models.clone_model(model), seed=3)
    before, given = [np.array(variable) for variable in model.variables], images.copy()
    attacks = [(FGSM(model), (0.3,)), (PGD(model, steps=2), (0.3,)), (DeepFool(model), ())]
    for attack, arguments in attacks:
        attack(images, *arguments)
    np.testing.assert_array_equal(images, given)
    for variable, kept in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, kept)
    zoo.randomize(model, seed=4)
    for attack, arguments in attacks:
        np.testing.assert_array_equal(attack(images, *arguments).outputs, model.predict(images, verbose=0))
        fresh = type(attack)(model, **({"steps": 2} if attack.method == "pgd" else {}))
        np.testing.assert_allclose(attack(images, *arguments).points, fresh(images, *arguments).points, atol=1e-6)


@pytest.mark.slow
def test_one_trace_for_all_calls():
    traces = []

    class Counted(L.Layer):
        def call(self, x):
            traces.append(1)
            return x

    model = keras.Sequential([keras.Input((4,)), Counted(), L.Dense(3, activation="softmax")])
    attacks = [PGD(model, steps=3), DeepFool(model, steps=3)]
    compiled = len(traces)
    for attack in attacks:
        inside = attack._compiled
        for count, aims, targeted, radius in ((1, 0, True, 0.5), (50, 1, False, 0.1), (7, 2, True, 2.0)):
            extra = (np.float64(radius), np.array([3, 0], np.int32)) if attack.method == "pgd" else ()
            points = inside([np.ones((count, 4), "float32")], np.full(count, aims, np.int32), targeted, *extra)
            assert points.shape == (count, 4)
    assert len(traces) == compiled


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["tf", "caffe"])
def test_distances_are_in_the_units_of_the_images(mode, rng):
    inputs = keras.Input((5, 4, 3))
    model = zoo.randomize(keras.Model(inputs, L.Dense(2, activation="softmax")(L.Flatten()(inputs))))
    kernel, bias = (np.array(each, "float64") for each in model.layers[-1].get_weights())
    if mode == "caffe":
        kernel /= 100
        model.layers[-1].kernel.assign(kernel)
    images = rng.integers(0, 256, (30, 5, 4, 3), np.uint8)
    # The same linear model of the pixels themselves, in closed form.
    zero = kv.data.preprocess(np.zeros((1, 5, 4, 3)), mode).astype("float64")
    units = np.eye(60).reshape(60, 5, 4, 3)
    slopes = np.stack([(kv.data.preprocess(255 * unit, mode) - zero[0]).ravel() / 255 for unit in units])
    weights, bias = slopes @ kernel, (zero.reshape(1, -1) @ kernel + bias)[0]
    lead = (images.reshape(30, -1) @ weights + bias) @ [1, -1]
    for norm, order in (("l2", 2), ("linf", 1)):
        exact = np.abs(lead) / np.linalg.norm(weights[:, 0] - weights[:, 1], order)
        found = DeepFool(model, norm=norm, overshoot=0, preprocess=mode)(images)
        np.testing.assert_allclose(found.distances, exact, rtol=1e-3, atol=1e-3)
        assert found.settings["preprocess"] == mode and exact.max() > 1


@pytest.mark.slow
def test_what_the_rounding_of_a_file_leaves():
    # The boundary lies at 100.3.
    model = linear(np.float32([[1.0]]), np.float32([-100.3]), "sigmoid")
    images = np.float32([[100], [99]])
    found = DeepFool(model, bounds=(0, 255))(images)
    assert found.success.tolist() == [True, True] and found.survives.tolist() == [False, False]
    found = FGSM(model, bounds=(0, 255))(images, 1)
    assert found.success.tolist() == [True, False] and found.survives.tolist() == [True, False]


@pytest.mark.slow
def test_the_levels_of_a_file_lie_between_the_bounds():
    images = np.float32([[100], [99]])
    small = linear(np.float32([[255.0]]), np.float32([-100.3]), "sigmoid")
    found = DeepFool(small, bounds=(0, 1))(images / 255)
    assert found.success.tolist() == [True, True] and found.survives.tolist() == [False, False]
    assert FGSM(small)(images / 255, 1).survives is None


@pytest.mark.slow
def test_outputs_that_are_no_probabilities(rng):
    weights, points = rng.standard_normal((4, 3)).astype("float32"), rng.standard_normal((5, 4)).astype("float32")
    bias = np.zeros(3, "float32")
    scores, logs, sure = (FGSM(linear(weights, bias, head))(points, 0.1) for head in (None, "log_softmax", "softmax"))
    assert (scores.probable, logs.probable, sure.probable) == (False, True, True)
    np.testing.assert_allclose(scores.outputs, points @ weights, atol=1e-5)
    np.testing.assert_allclose(logs.outputs, sure.outputs, atol=1e-6)
    for other in (scores, logs):
        np.testing.assert_allclose(other.points, sure.points, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_any_class_is_reached_on_a_trained_network(norm):
    scenes, model = kv.data.shapes.scenes(10, seed=3), kv.data.shapes.shapes_model()
    attack = PGD(model, norm=norm, bounds=(0, 255))
    classes = np.arange(10)
    found = attack(scenes.images, 8 if norm == "linf" else 400, target=classes)
    assert found.success.all() and (found.new_confidences[:, 1] > 0.95).all()
    # A fresh prediction of what is in the file.
    again = model.predict(found.pictures().astype("float32"), verbose=0)
    np.testing.assert_array_equal(again.argmax(axis=1) == classes, found.survives)
    assert found.survives.all()
    away = attack(scenes.images, 4 if norm == "linf" else 200)
    assert away.success.mean() > 0.8
    least = DeepFool(model, norm=norm, bounds=(0, 255))(scenes.images)
    assert least.success.all() and (least.distances[away.success] <= away.radius).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"bounds": (1, 0)}, SettingError, r"bounds=\(1, 0\)"),
        ({"batch_size": 0}, SettingError, "batch_size=0"),
        ({"preprocess": "tff"}, SettingError, "Did you mean 'tf'"),
        ({"preprocess": lambda x: np.asarray(x) / 255}, SettingError, "TensorFlow or keras.ops and not numpy"),
        ({"preprocess": tf.round}, SettingError, "does not depend on the input"),
        ({"input": "picture"}, InputError, "input='picture'"),
        ({"output": "second"}, TargetError, "no output 'second'"),
    ],
)
def test_wrong_settings(network, settings, error, message):
    with pytest.raises(error, match=message):
        FGSM(network[0], **settings)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"radius": -1}, SettingError, "radius=-1"),
        ({"radius": "4"}, SettingError, "radius='4'"),
        ({"seed": -1}, SettingError, "seed=-1"),
        ({"target": 3}, TargetError, "0 to 2"),
        ({"target": -1}, TargetError, "0 to 2"),
        ({"target": [0, 1]}, TargetError, r"\(2,\) for 20 samples"),
        ({"target": "cat"}, TargetError, "class numbers"),
        ({"labels": 0.5}, TargetError, "class numbers"),
        ({"target": 1, "labels": 1}, TargetError, "both given"),
        ({"images": np.zeros((7, 6, 2))}, InputError, "without a batch axis"),
        ({"images": np.full((1, 7, 6, 2), np.nan)}, InputError, "NaN"),
        ({"images": np.full((1, 7, 6, 2), 2)}, InputError, r"from 2 to 2.* within bounds=\(-1.0, 1.0\)"),
    ],
)
def test_wrong_calls_are_refused_before_any_work(network, attack, monkeypatch, arguments, error, message):
    monkeypatch.setattr(network[0], "predict", lambda *_, **__: pytest.fail("work was done"))
    with pytest.raises(error, match=message):
        attack(**{"images": network[1], "radius": 0.1, **arguments})


def test_images_beyond_the_bounds_are_refused_before_the_first_batch(network, attack, monkeypatch):
    model, images = network
    many = np.concatenate([images] * 20)
    many[-1] = 2
    monkeypatch.setattr(model, "predict", lambda *_, **__: pytest.fail("work was done"))
    with pytest.raises(InputError, match="within bounds"):
        attack(many, 0.1)


def test_what_cannot_be_opened():
    with pytest.raises(InputError, match=r"2 inputs.*'left', 'right'.*input="):
        FGSM(zoo.ZOO["dicts"]().model, output="species")
    with pytest.raises(ModelError):
        FGSM(["no", "model"])


@pytest.mark.slow
def test_a_saved_model_is_opened(network, attack, tmp_path):
    model, images = network
    model.save(tmp_path / "model.keras")
    again = PGD(tmp_path / "model.keras", norm="l2", steps=4, bounds=(-1, 1))(images, 0.2)
    np.testing.assert_allclose(again.points, attack(images, 0.2).points, atol=1e-6)
