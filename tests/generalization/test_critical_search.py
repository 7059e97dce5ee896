import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L
from reference.critical_samples import hunt

import kerasviz as kv
from kerasviz.errors import InputError, ModelError, SettingError, TargetError
from kerasviz.generalization.critical_search import CriticalSampleSearch
from kerasviz.generalization.one_call import critical_sample_ratio, critical_samples
from kerasviz.generalization.searches import FGSM, LASS, PGD, Search


def linear(weights, bias, activation="softmax"):
    model = keras.Sequential([keras.Input(weights.shape[:1]), L.Dense(weights.shape[1], activation)])
    model.set_weights([weights, bias])
    return model


def closed_form(weights, bias, points):
    """The largest radius at which no point of the box has another class, for each point."""
    weights, points = weights.astype("float64"), points.astype("float64")
    scores = points @ weights + bias
    own = scores.argmax(axis=1)
    radii = np.full((len(points), weights.shape[1]), np.inf)
    for i, k in enumerate(own):
        for j in range(weights.shape[1]):
            if j != k:
                radii[i, j] = (scores[i, k] - scores[i, j]) / np.abs(weights[:, k] - weights[:, j]).sum()
    return radii.min(axis=1)


@pytest.fixture(scope="module")
def network():
    """A small network of images, with a search around it, and images of which about half are critical."""
    inputs = keras.Input((7, 6, 2))
    x = L.Conv2D(4, 3, activation="relu")(inputs)
    x = L.Dropout(0.5)(L.BatchNormalization()(x))
    model = zoo.randomize(keras.Model(inputs, L.Dense(3, activation="softmax")(L.Flatten()(x))))
    return model, zoo.images(7, 6, 2, count=40)


@pytest.fixture(scope="module")
def search(network):
    return CriticalSampleSearch(network[0], search=LASS(steps=12))


def test_the_vector_of_a_binary_linear_model():
    # w = (1, -2, 0.5), b = 0.1, r = 0.3: critical exactly where |w x + b| < 1.05.
    points = np.random.default_rng(0).standard_normal((4000, 3)).astype("float32")
    model = linear(np.float32([[1], [-2], [0.5]]), np.float32([0.1]), "sigmoid")
    found = critical_samples(model, points, 0.3, batch_size=512)
    exact = np.abs(points.astype("float64") @ [1, -2, 0.5] + 0.1) < 1.05
    assert exact.mean() == 0.35975
    np.testing.assert_array_equal(found.critical, exact)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lass", "pgd", "fgsm"])
@pytest.mark.parametrize(("classes", "size"), [(10, 64), (3, 300)])
def test_never_above_the_closed_form_and_hardly_below(method, classes, size, rng):
    weights = rng.standard_normal((size, classes)).astype("float32")
    bias = rng.standard_normal(classes).astype("float32")
    points = rng.standard_normal((600, size)).astype("float32")
    exact = closed_form(weights, bias, points)
    search = CriticalSampleSearch(linear(weights, bias), search=method, batch_size=256)
    ratios = []
    for radius in np.quantile(exact, [0.2, 0.5, 0.9]):
        found = search(points, radius)
        assert not found.critical[exact > radius].any()
        assert found.critical.sum() >= 0.95 * (exact < radius).sum()
        ratios.append(found.ratio)
    assert ratios == sorted(ratios) and ratios[0] > 0


@pytest.mark.parametrize("method", ["lass", "pgd", "fgsm"])
def test_nothing_is_critical_at_radius_zero(network, method):
    model, images = network
    found = critical_samples(model, images, 0, search=method)
    assert found.ratio == 0 and not found.critical.any()
    np.testing.assert_array_equal(found.points, images)
    np.testing.assert_array_equal(found.classes, model.predict(images, verbose=0).argmax(axis=1))
    np.testing.assert_array_equal(found.new_classes, found.classes)


@pytest.mark.slow
@pytest.mark.parametrize("finish", [0, 3])
def test_equal_to_the_algorithm_step_by_step(network, finish):
    model, images = network
    found = critical_samples(model, images, 0.06, search=LASS(steps=12, finish=finish), seed=5)
    assert 0.2 < found.ratio < 0.8 and len(set(found.steps)) > 3
    last = np.flatnonzero(found.steps == found.steps.max())
    for i in [*range(8), *last]:
        step, point = hunt(model, images[i], 0.06, steps=12, step=0.25 / 0.3, noise=0.2 / 0.3, finish=finish, seed=5)
        assert (None if found.steps[i] < 0 else found.steps[i]) == step
        if step is not None:
            np.testing.assert_allclose(found.points[i], point, atol=1e-6)


@pytest.mark.slow
def test_looks_in_between_and_rounds_change_no_step(network):
    model, images = network
    # Within the first steps of 50 there are looks of their own; inside one graph there are none.
    search = CriticalSampleSearch(model, search=LASS(steps=50))
    found = search(images, 0.06, seed=5)
    hunt = tf.function(lambda x: search.hunt([x], tf.constant(0.06, tf.float64), tf.constant([5, 0])))
    whole = hunt(tf.constant(images))
    assert {1, 2} < set(found.steps)
    np.testing.assert_array_equal(found.steps, whole.steps)
    np.testing.assert_array_equal(found.new_classes, whole.new_classes)
    np.testing.assert_allclose(found.points, whole.points, atol=1e-6)


def test_found_points_lie_in_the_box_to_the_last_bit_and_change_the_class(network):
    model, images = network
    # Far from zero, where rounding to single precision is a good part of the radius.
    shifted = keras.Sequential([keras.Input((7, 6, 2)), L.Rescaling(1.0, -10000.0), model])
    images = images + np.float32(10000)
    radius = 61.9 * float(np.spacing(np.float32(10000)))  # rounds away from the image
    found = critical_samples(shifted, images, radius, search=LASS(steps=5))
    assert 0.2 < found.ratio < 1
    assert np.abs(found.points.astype("float64") - images.astype("float64")).max() <= radius
    assert np.abs(found.points - images)[found.critical].max() > 0.98 * radius
    np.testing.assert_array_equal(found.classes, shifted.predict(images, verbose=0).argmax(axis=1))
    np.testing.assert_array_equal(found.new_classes, shifted.predict(found.points, verbose=0).argmax(axis=1))
    np.testing.assert_array_equal(found.new_classes != found.classes, found.critical)
    np.testing.assert_array_equal(found.points[~found.critical], images[~found.critical])
    assert (found.steps[found.critical] >= 1).all() and (found.steps[~found.critical] == -1).all()


@pytest.mark.slow
def test_neither_batch_size_nor_batch_mates_matter(network, search):
    model, images = network
    whole = search(images, 0.06)
    small = CriticalSampleSearch(model, search=LASS(steps=12), batch_size=3)(images, 0.06)
    alone = search(images[7:8], 0.06)
    for other, rows in ((small, slice(None)), (alone, slice(7, 8))):
        np.testing.assert_array_equal(other.steps, whole.steps[rows])
        np.testing.assert_allclose(other.points, whole.points[rows], atol=1e-6)


def test_seeds_repeat(network, search):
    images = network[1]
    first, again, other = (search(images, 0.06, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.points, again.points)
    assert (first.points != other.points).any()


@pytest.mark.slow
def test_the_model_is_untouched_and_its_later_weights_are_seen(network):
    model, images = network
    model = keras.models.clone_model(model)
    zoo.randomize(model, seed=3)
    before = [np.array(variable) for variable in model.variables]
    search = CriticalSampleSearch(model, search="fgsm")
    first = search(images, 0.3)
    for variable, kept in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, kept)
    zoo.randomize(model, seed=4)
    second = search(images, 0.3)
    np.testing.assert_array_equal(second.classes, model.predict(images, verbose=0).argmax(axis=1))
    assert (first.classes != second.classes).any()


def test_a_sure_network_hides_no_critical_samples(rng):
    # Probabilities of exactly 0 and 1: the gradient of the cross-entropy itself would vanish.
    weights, points = rng.standard_normal((8, 4)).astype("float32"), rng.standard_normal((50, 8)).astype("float32")
    exact = closed_form(weights, 0, points)
    radius = np.median(exact)
    found = critical_samples(linear(weights * 1e4, np.zeros(4, "float32")), points, radius, search="fgsm")
    assert found.critical.sum() >= 0.9 * (exact < radius).sum()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["tf", "caffe", "torch"])
def test_the_radius_is_in_the_units_of_the_images(mode, rng):
    inputs = keras.Input((5, 4, 3))
    model = zoo.randomize(keras.Model(inputs, L.Dense(3, activation="softmax")(L.Flatten()(inputs))))
    model.layers[-1].bias.assign([0, 0, 0])
    model.layers[-1].kernel.assign(model.layers[-1].kernel / (100 if mode == "caffe" else 1))
    images = rng.integers(0, 256, (300, 5, 4, 3), np.uint8)
    kernel, bias = (np.array(each, "float64") for each in model.layers[-1].get_weights())
    # The same linear model of the pixels themselves, in closed form.
    zero = kv.data.preprocess(np.zeros((1, 5, 4, 3)), mode).astype("float64")
    units = np.eye(60).reshape(60, 5, 4, 3)
    slopes = np.stack([(kv.data.preprocess(255 * unit, mode) - zero[0]).ravel() / 255 for unit in units])
    exact = closed_form(slopes @ kernel, zero.reshape(1, -1) @ kernel + bias, images.reshape(300, -1))
    radius = float(np.median(exact))
    found = critical_samples(model, images, radius, preprocess=mode, batch_size=300)
    assert radius > 1
    assert not found.critical[exact > radius * 1.001].any()
    assert found.critical.sum() >= 0.95 * (exact < radius).sum()
    assert found.points.min() < -1 or found.points.max() > 1.5
    assert found.settings["preprocess"] == mode


@pytest.mark.slow
def test_a_function_as_preprocessing(network):
    model, images = network
    found = critical_samples(model, images * 100, 6.0, preprocess=lambda pixels: pixels / 100, search=LASS(steps=6))
    plain = critical_samples(model, images, 0.06, search=LASS(steps=6))
    np.testing.assert_array_equal(found.steps, plain.steps)
    np.testing.assert_allclose(found.points, plain.points * 100, atol=1e-3)


@pytest.mark.slow
def test_bounds(network):
    model, images = network
    found = critical_samples(model, images, 0.3, bounds=(-1, 1), search="fgsm")
    free = critical_samples(model, images, 0.3, search="fgsm")
    assert found.points.min() == -1 and found.points.max() == 1
    assert free.points.min() < -1.2 and free.points.max() > 1.2
    np.testing.assert_allclose(found.points[found.critical], free.points[found.critical].clip(-1, 1), atol=1e-6)
    with pytest.raises(InputError, match=r"from -[01].* within bounds=\(0.0, 1.0\)"):
        critical_samples(model, images, 0.3, bounds=(0, 1))


@pytest.mark.slow
@pytest.mark.parametrize("stop", [0.02, 0.1, 0.3])
def test_the_stop_rule_counts_the_newly_found(network, search, stop):
    model, images = network
    free = search(images, 0.06)
    counts = np.bincount(free.steps[free.critical], minlength=13)[1:]
    end = next(t for t, new in enumerate(counts, 1) if new < stop * len(images))
    assert end < 12
    found = critical_samples(model, images, 0.06, search=LASS(steps=12, stop=stop))
    np.testing.assert_array_equal(found.steps, np.where(free.steps <= end, free.steps, -1))
    np.testing.assert_array_equal(found.new_classes == found.classes, ~found.critical)
    np.testing.assert_array_equal(found.points[~found.critical], images[~found.critical])


@pytest.mark.slow
def test_the_methods_take_their_own_steps(network):
    model, images = network
    scores = kv.to_logits(model)
    with tf.GradientTape() as tape:
        tensor = tf.constant(images)
        tape.watch(tensor)
        own = model.predict(images, verbose=0).argmax(axis=1)
        loss = keras.losses.sparse_categorical_crossentropy(own, scores(tensor), from_logits=True)
    signs = np.sign(tape.gradient(loss, tensor))
    fast = critical_samples(model, images, 0.3, search=FGSM())
    np.testing.assert_array_equal(fast.critical, model.predict(images + 0.3 * signs, verbose=0).argmax(axis=1) != own)
    np.testing.assert_allclose(fast.points[fast.critical], (images + 0.3 * signs)[fast.critical], atol=1e-6)
    one = critical_samples(model, images, 0.3, search=Search("one", 1, 0.5))
    np.testing.assert_allclose(one.points[one.critical], (images + 0.15 * signs)[one.critical], atol=1e-6)
    # From a point drawn evenly in the box, without a step.
    still = critical_samples(model, images, 0.9, search=Search("drawn", 1, 0.0, 1e-12, random_start=True))
    drawn = (still.points - images)[still.critical]
    assert still.critical.any() and (still.steps[still.critical] == 0).all()
    assert -0.9 <= drawn.min() < -0.8 and 0.8 < drawn.max() <= 0.9 and abs(drawn.mean()) < 0.15


@pytest.mark.slow
def test_a_data_set_gives_the_same_ratio(network, search):
    images = network[1]
    whole = search.ratio(images, 0.06)
    assert whole == search(images, 0.06).ratio
    data = tf.data.Dataset.from_tensor_slices((images, np.zeros(len(images)))).batch(9)
    assert search.ratio(data, 0.06) == whole == critical_sample_ratio(network[0], data, 0.06, search=LASS(steps=12))


def test_one_trace_for_all_calls():
    traces = []

    class Counted(L.Layer):
        def call(self, x):
            traces.append(1)
            return x

    model = keras.Sequential([keras.Input((4,)), Counted(), L.Dense(3, activation="softmax")])
    search = CriticalSampleSearch(model, search=LASS(steps=3))
    search(np.ones((3, 4)), 0.1)
    before = len(traces)
    for count, radius, seed in ((1, 0.5, 0), (50, 0.1, 3), (7, 2, 9)):
        search(np.ones((count, 4)), radius, seed)
    assert len(traces) == before


@pytest.mark.slow
def test_a_network_of_any_size_takes_images_of_several():
    inputs = keras.Input((None, None, 1))
    x = L.GlobalAveragePooling2D()(L.Conv2D(3, 3, activation="relu")(inputs))
    model = zoo.randomize(keras.Model(inputs, L.Dense(3, activation="softmax")(x)))
    # So that no class wins everywhere.
    scores = kv.to_logits(model)(zoo.images(6, 5, 1, count=20)).numpy()
    model.layers[-1].bias.assign_sub(scores.mean(axis=0))
    search = CriticalSampleSearch(model, search="pgd")
    for shape in ((6, 5, 1), (9, 12, 1)):
        images = zoo.images(*shape, count=20)
        found = search(images, 0.05)
        assert found.critical.any()
        np.testing.assert_array_equal(found.new_classes, model.predict(found.points, verbose=0).argmax(axis=1))


def test_a_network_that_says_one_class_only_has_none(rng):
    model = linear(np.zeros((5, 3), "float32"), np.zeros(3, "float32"))
    assert critical_sample_ratio(model, rng.standard_normal((9, 5)), 100.0) == 0


WITHOUT_CLASSES = ("regression", "segmentation")
#: Which input and output are meant, where there are several.
ENDS = {
    "image_and_table": {"input": "image"},
    "dicts": {"input": "left", "output": "species"},
    "two_outputs": {"output": "first"},
}


#: Those that are also tried in a hurry; the others differ in how they are opened, which network/ tests.
QUICK = ("dicts", "segmentation", "subclassed")


@pytest.mark.parametrize(
    "kind", [k if k in QUICK else pytest.param(k, marks=pytest.mark.slow) for k in sorted(zoo.ZOO)]
)
def test_every_kind_of_model(kind):
    specimen = zoo.ZOO[kind]()
    ends = ENDS.get(kind, {})
    if kind in WITHOUT_CLASSES:
        with pytest.raises(TargetError, match="classifiers of whole images"):
            CriticalSampleSearch(specimen.model, **ends)
        return
    spread = 100 if kind == "with_preprocessing" else 1
    search = CriticalSampleSearch(specimen.model, search=LASS(steps=3), **ends)
    found = search(specimen.inputs, 1.0 * spread)

    def classes(images):
        inputs = specimen.inputs
        if kind == "image_and_table":
            inputs = [images, inputs[1]]
        elif kind == "dicts":
            inputs = {**inputs, "left": images}
        else:
            inputs = images
        outputs = specimen.model.predict(inputs, verbose=0)
        outputs = outputs["species"] if kind == "dicts" else outputs[0] if kind == "two_outputs" else outputs
        return (outputs[:, 0] > 0.5).astype(int) if outputs.shape[1] == 1 else outputs.argmax(axis=1)

    own = {"image_and_table": lambda i: i[0], "dicts": lambda i: i["left"]}.get(kind, lambda i: i)(specimen.inputs)
    np.testing.assert_array_equal(found.classes, classes(own))
    np.testing.assert_array_equal(found.new_classes, classes(found.points))
    np.testing.assert_array_equal(found.critical, found.classes != found.new_classes)
    assert np.abs(found.points - own.astype("float64")).max() <= spread


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"search": "attack"}, SettingError, "'lass', 'pgd', 'fgsm'"),
        ({"bounds": (1, 0)}, SettingError, r"bounds=\(1, 0\)"),
        ({"bounds": 255}, SettingError, "bounds=255"),
        ({"batch_size": 0}, SettingError, "batch_size=0"),
        ({"preprocess": "tff"}, SettingError, "Did you mean 'tf'"),
        ({"preprocess": lambda x: np.asarray(x) / 255}, SettingError, "TensorFlow or keras.ops and not numpy"),
        ({"preprocess": lambda x: x[..., :1]}, SettingError, "makes the shape"),
        ({"input": "picture"}, InputError, "input='picture'"),
        ({"output": "second"}, TargetError, "no output 'second'"),
    ],
)
def test_wrong_settings(network, settings, error, message):
    with pytest.raises(error, match=message):
        CriticalSampleSearch(network[0], **settings)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"radius": -1}, SettingError, "radius=-1"),
        ({"radius": float("nan")}, SettingError, "radius=nan"),
        ({"radius": True}, SettingError, "radius=True"),
        ({"radius": "0.3"}, SettingError, "8 / 255 for images of 0 to 1"),
        ({"seed": -1}, SettingError, "seed=-1"),
        ({"images": np.zeros((7, 6, 2))}, InputError, "without a batch axis"),
        ({"images": np.zeros((0, 7, 6, 2))}, InputError, "empty batch"),
        ({"images": np.full((1, 7, 6, 2), np.nan)}, InputError, "NaN"),
        ({"images": np.zeros((1, 6, 7, 2))}, InputError, r"\(1, 6, 7, 2\)"),
    ],
)
def test_wrong_calls(network, search, arguments, error, message):
    with pytest.raises(error, match=message):
        search(**{"images": network[1], "radius": 0.1, **arguments})


@pytest.mark.slow
def test_a_saved_model_is_opened(network, search, tmp_path):
    model, images = network
    model.save(tmp_path / "model.keras")
    again = critical_samples(tmp_path / "model.keras", images, 0.06, search=LASS(steps=12))
    np.testing.assert_array_equal(again.steps, search(images, 0.06).steps)


def test_inputs_and_outputs_must_be_named_where_there_are_several():
    with pytest.raises(InputError, match=r"2 inputs.*'left', 'right'.*input="):
        CriticalSampleSearch(zoo.ZOO["dicts"]().model, output="species")
    with pytest.raises(TargetError, match="'first', 'second'"):
        CriticalSampleSearch(zoo.ZOO["two_outputs"]().model)
    with pytest.raises(ModelError):
        CriticalSampleSearch(["no", "model"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: LASS(steps=0),
        lambda: LASS(step=-1),
        lambda: LASS(noise=np.nan),
        lambda: LASS(stop=2),
        lambda: PGD(steps=0),
        lambda: PGD(step=np.inf),
        lambda: LASS(step=0, noise=0),
    ],
)
def test_wrong_searches(make):
    with pytest.raises(SettingError):
        make()


def test_the_settings_of_the_paper():
    # α = 0.25, β = 0.2, r = 0.3 of 255.
    assert (LASS().step * 0.3, LASS().noise * 0.3, LASS().steps) == pytest.approx((0.25, 0.2, 100))
    assert [LASS(steps).finish for steps in (100, 12, 11, 3)] == [3, 3, 2, 0]
    assert (FGSM().step, FGSM().steps, FGSM().noise) == (1, 1, 0)
    assert PGD(steps=10).step == 0.25 and PGD().random_start
