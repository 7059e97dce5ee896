"""Prediction difference analysis against loops, and where the expected values are known."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L
from reference import occlusion
from reference import prediction_difference as slow
from zoo_cases import case_of

import kerasviz as kv
from kerasviz.attribution.gaussian_sampler import ConditionalGaussianSampler
from kerasviz.attribution.prediction_difference import PredictionDifference, weight_of_evidence
from kerasviz.attribution.samplers import ImageSampler, MarginalSampler, Sampler
from kerasviz.errors import InputError, KerasvizWarning, SettingError, TargetError


def assert_close(values, expected, tolerance=1e-5):
    """Relative to the largest value."""
    assert values.shape == np.shape(expected)
    assert np.abs(values - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize(
    ("clean", "without", "classes", "size", "expected"),
    [
        (0.9, 0.5, 2, 10**14, 3.169925),
        (0.9, 0.5, 1000, 100_000, 3.061081),
        (0.9, 0.5, 1000, 1_000_000, 3.158462),
        (0.9, 0.5, 10, 60_000, 3.168174),
        (1.0, 0.5, 1000, 100_000, 6.673826),
    ],
)
def test_weights_of_evidence(clean, without, classes, size, expected):
    assert float(weight_of_evidence(clean, without, classes, size)) == pytest.approx(expected, abs=5e-7)
    assert float(weight_of_evidence(without, clean, classes, size)) == pytest.approx(-expected, abs=5e-7)


def test_weights_of_evidence_of_certain_and_impossible_classes_are_finite():
    expected = np.log2(100_001 / 100_001 * 100_001**2)
    assert float(weight_of_evidence(1.0, 0.0, 2, 100_000)) == pytest.approx(expected)
    # Rounding beyond 1 is cut off.
    assert float(weight_of_evidence(1 + 1e-7, 1.0, 2, 100_000)) == 0
    without = np.linspace(0, 1, 12).reshape(3, 4)
    expected = [[slow.evidence(0.3, p, 7, 500) for p in row] for row in without]
    np.testing.assert_allclose(weight_of_evidence(0.3, without, 7, 500), expected, rtol=1e-9)


def score_of(case, i, number, replaced=0, binary=False):
    """`image -> float`, the probability of a class of sample `i` with another image in the place of one input."""

    def score(image):
        flat = [np.asarray(array) for array in keras.tree.flatten(case.samples[i])]
        flat[replaced] = np.asarray(image, flat[replaced].dtype)[None]
        outputs = case.model(keras.tree.pack_sequence_as(case.samples[i], flat), training=False)
        outputs = outputs[case.target[0]] if isinstance(outputs, dict) else outputs
        if binary:
            return float(outputs[0, 0]) if number else 1 - float(outputs[0, 0])
        return float(outputs[0, number])

    return score


def expected_of(explain, score, image, value_of, number=None):
    """From the reference, drawing one by one."""
    grid = explain.grid(image.shape[:-1])
    sampler = explain.samplers[explain.numbers[0] if number is None else number]

    def draw(start, one):
        return sampler.draw(image, np.array([start]), grid.size, np.array([one]), explain.seed)[0]

    return slow.prediction_difference(score, image, draw, grid.size, grid.stride, explain.samples, value_of)


def bits(classes, size=100_000):
    return lambda clean, without: slow.evidence(clean, without, classes, size)


def difference(clean, without):
    return clean - without


@functools.cache
def training(*shape, count=40):
    return zoo.images(*shape, count=count, seed=8)


@functools.cache
def sampler_of(kind, shape, patch):
    """Quickly fitted."""
    if kind == "conditional":
        return ConditionalGaussianSampler.fit(training(*shape), patch, patches=1000)
    return MarginalSampler(training(*shape)) if kind == "marginal" else ImageSampler()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "sequential",
        "conv1d",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("conv3d", "subclassed", "image_and_table")),
    ],
)
@pytest.mark.parametrize("sampler", ["conditional", "marginal", "image"])
def test_equals_loops_over_windows_and_draws(name, sampler):
    case = case_of(name)
    shape = np.asarray(keras.tree.flatten(case.inputs)[0]).shape[1:]
    sampler = sampler_of(sampler, shape, 5)
    explain = PredictionDifference(case.model, sampler=sampler, window=3, stride=2, samples=3, seed=4, batch_size=7)
    explanation = explain(case.inputs, case.target)
    for i, number in enumerate(case.numbers if name == "conv1d" else case.numbers[:1]):
        image = np.asarray(keras.tree.flatten(case.samples[i])[0])[0]
        score = score_of(case, i, number)
        found, values, without = expected_of(explain, score, image, bits(4))
        assert_close(explanation.values[i], found, 1e-4)
        assert_close(explanation.extras["difference"][i], values, 1e-4)
        assert_close(explanation.extras["score_without"][i], without)
        np.testing.assert_allclose(explanation.score[i], score(image), rtol=1e-5)


@pytest.mark.slow
def test_a_class_of_a_single_sigmoid_unit_is_one_of_two():
    case = case_of("binary")
    explain = PredictionDifference(case.model, window=4, stride=3, samples=2, training_size=50)
    explanation = explain(case.inputs, case.target)
    for i, number in enumerate(case.numbers):
        found, _, _ = expected_of(explain, score_of(case, i, number, binary=True), case.inputs[i], bits(2, 50))
        assert_close(explanation.values[i], found, 1e-4)


def test_a_class_of_several_sigmoids_is_there_or_not():
    case = case_of("two_outputs")
    explain = PredictionDifference(case.model, samples=2, stride=3, training_size=50)
    explanation = explain(case.inputs, ("second", 1))
    outputs = case.model.output_names.index("second")
    found, _, _ = expected_of(
        explain, lambda image: float(case.model(image[None])[outputs][0, 1]), case.inputs[0], bits(2, 50)
    )
    assert_close(explanation.values[0], found, 1e-4)


def dense_model(space, channels, weights, bias=0.0, activation=None):
    """One unit over all pixels, and another of the opposite sign without an activation."""
    inputs = keras.Input((*space, channels))
    model = keras.Model(inputs, L.Dense(1, activation=activation)(L.Flatten()(inputs)))
    model.layers[-1].set_weights([np.reshape(weights, (-1, 1)), np.array([bias])])
    return model


def covering(space, size, pixel):
    """For each pixel the share of its windows that cover a given one."""
    hit = [float(pixel in set(occlusion.pixels(start, size))) for start in occlusion.positions(space, size, (1, 1))]
    return occlusion.covering_mean(space, size, (1, 1), hit)


def test_where_one_pixel_decides_the_map_is_its_evidence_spread_over_the_windows_that_cover_it():
    """As many draws as images: the mean over the marginal distribution is exact."""
    space, images = (8, 6), zoo.images(8, 6, 2, count=12, seed=1)
    weights = np.zeros((8, 6, 2))
    weights[2, 3, 1] = 3.0
    model = dense_model(space, 2, weights, 0.5, "sigmoid")
    explained = zoo.images(8, 6, 2, count=1, seed=2)
    explain = PredictionDifference(
        model, images, sampler="marginal", samples=12, window=(3, 2), training_size=200, batch_size=5
    )
    explanation = explain(explained, 1)

    def probability(value):
        return 1 / (1 + np.exp(-(3 * float(value) + 0.5)))

    clean = probability(explained[0, 2, 3, 1])
    value = slow.evidence(clean, np.mean([probability(image[2, 3, 1]) for image in images]), 2, 200)
    expected = value * covering(space, (3, 2), (2, 3))
    np.testing.assert_allclose(explanation.values[0], expected, atol=1e-4 * abs(value))
    assert (expected == 0).sum() > 20
    np.testing.assert_allclose(explanation.score, [clean], rtol=1e-5)


def smooth_gaussian(channels, seed=0):
    """Patches of 4 x 5 whose pixels vary together, each channel in a way of its own; nothing is clipped."""
    places = np.array(list(np.ndindex(4, 5)))
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    covariance = np.stack([(1 + c) * np.exp(-apart / (1 + c)) + 0.05 * np.eye(20) for c in range(channels)])
    mean = np.random.default_rng(seed).normal(0, 0.5, (channels, 4, 5))
    return ConditionalGaussianSampler(mean, covariance, [-99] * channels, [99] * channels)


def window_moments(sampler, image, weights, start, size):
    """Mean and variance of a linear score over the draws of a window."""
    copy, variance = image.astype(np.float64), 0.0
    box = tuple(slice(s, s + length) for s, length in zip(start, size, strict=True))
    for c in range(image.shape[-1]):
        mean, covariance = slow.conditional(sampler.mean[c], sampler.covariance[c], image[..., c], start, size)
        copy[(*box, c)] = mean.reshape(size)
        own = weights[(*box, c)].ravel()
        variance += own @ covariance @ own
    return (copy * weights).sum(), variance


def test_a_linear_score_of_gaussian_patches(rng):
    """Each window's difference is known in closed form, and the spread of its draws with it."""
    sampler, size, samples = smooth_gaussian(2), (2, 3), 400
    weights, image = rng.normal(0, 1, (7, 8, 2)), rng.normal(0, 1, (7, 8, 2)).astype("float32")
    model = dense_model((7, 8), 2, weights, 0.3)
    explain = PredictionDifference(model, sampler=sampler, window=size, samples=samples, batch_size=3000)
    explanation = explain(image[None], 0)
    clean, without = (image * weights).sum() + 0.3, explanation.extras["score_without"][0]
    moments = [window_moments(sampler, image, weights, at, size) for at in occlusion.positions((7, 8), size, (1, 1))]
    means, variances = (np.reshape(part, without.shape) for part in zip(*moments, strict=True))
    errors = (without - 0.3 - means) / np.sqrt(variances / samples)
    assert np.abs(errors).max() < 4.5
    assert abs((errors**2).mean() - 1) < 4.5 * np.sqrt(2 / errors.size)
    np.testing.assert_allclose(explanation.extras["difference"][0], clean - without, atol=1e-4)
    expected = occlusion.covering_mean((7, 8), size, (1, 1), clean - without)
    np.testing.assert_allclose(explanation.values[0], expected, atol=1e-4)


def test_the_probability_without_a_window_is_the_mean_of_probabilities(rng):
    """Of a logistic unit over Gaussian patches: an integral over one variable. The mean score, squashed, is another."""
    sampler, size, samples = smooth_gaussian(1), (2, 2), 3000
    weights, image = rng.normal(0, 1.5, (5, 6, 1)), rng.normal(0, 1, (5, 6, 1)).astype("float32")
    model = dense_model((5, 6), 1, weights, 1.0, "sigmoid")
    explain = PredictionDifference(
        model, sampler=sampler, window=size, samples=samples, training_size=1000, batch_size=5000
    )
    explanation = explain(image[None], 1)
    points, shares = np.polynomial.hermite_e.hermegauss(80)
    shares = shares / shares.sum()
    found = explanation.extras["score_without"][0].ravel()
    clean = 1 / (1 + np.exp(-(image * weights).sum() - 1))
    wrong = []
    for n, start in enumerate(occlusion.positions((5, 6), size, (1, 1))):
        mean, variance = window_moments(sampler, image, weights, start, size)
        p = 1 / (1 + np.exp(-(mean + 1 + np.sqrt(variance) * points)))
        expected, deviation = shares @ p, np.sqrt((shares @ p**2 - (shares @ p) ** 2) / samples)
        assert abs(found[n] - expected) < 4.5 * deviation
        wrong.append(abs(1 / (1 + np.exp(-mean - 1)) - expected) / deviation)
        value = explanation.extras["difference"][0].ravel()[n]
        assert value == pytest.approx(slow.evidence(clean, found[n], 2, 1000), abs=1e-4)
    assert max(wrong) > 20


HIDDEN = {
    "channel": (kv.targets.Channel("conv2", 2), lambda maps, scores, p: maps.mean((0, 1))[2]),
    "neuron": (kv.targets.Neuron("conv2", (3, 4), 1), lambda maps, scores, p: maps[3, 4, 1]),
    "scores": (lambda scores: scores[:, 1] - scores[:, 0], lambda maps, scores, p: scores[1] - scores[0]),
    "probabilities": (kv.targets.Custom(lambda p: p[:, 3], softmax=True), lambda maps, scores, p: p[3]),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", HIDDEN)
def test_hidden_units_and_other_scores_are_explained_by_plain_differences(kind):
    target, of = HIDDEN[kind]
    case = case_of("sequential")
    layers = [case.model.get_layer(name).output for name in ("conv2", "scores", "softmax")]
    twin = keras.Model(case.model.inputs[0], layers)
    explain = PredictionDifference(case.model, window=4, stride=3, samples=2)
    explanation = explain(case.inputs, target)
    for i in range(3):
        found, _, _ = expected_of(
            explain,
            lambda image: float(of(*(part[0].numpy() for part in twin(image[None])))),
            case.inputs[i],
            difference,
        )
        assert_close(explanation.values[i], found, 1e-4)


@pytest.mark.slow
def test_classes_that_have_no_probability_are_explained_by_plain_differences():
    case = case_of("regression")
    explain = PredictionDifference(case.model, samples=2, stride=2)
    found, _, _ = expected_of(explain, lambda image: float(case.model(image[None])[0, 0]), case.inputs[0], difference)
    assert_close(explain(case.inputs[:1], 0).values[0], found)
    inputs = keras.Input((6, 5, 1))
    model = zoo.randomize(keras.Model(inputs, L.Dense(3, activation="log_softmax")(L.Flatten()(inputs))))
    image = zoo.images(6, 5, 1, count=1)
    explain = PredictionDifference(model, samples=2, stride=2)
    found, _, _ = expected_of(explain, lambda image: float(model(image[None])[0, 2]), image[0], difference)
    assert_close(explain(image, 2).values[0], found, 1e-4)


@pytest.mark.slow
def test_maps_are_explained_by_plain_differences_and_one_position_of_them_by_evidence():
    case = case_of("segmentation")
    explain = PredictionDifference(case.model, samples=2, stride=3)
    found, _, _ = expected_of(
        explain, lambda image: float(np.sum(case.model(image[None])[0, ..., 2])), case.inputs[0], difference
    )
    assert_close(explain(case.inputs[:1], 2).values[0], found, 1e-4)
    mask = np.zeros((12, 8))
    mask[4, 5] = 1
    found, _, _ = expected_of(
        explain, lambda image: float(case.model(image[None])[0, 4, 5, 2]), case.inputs[0], bits(4)
    )
    assert_close(explain(case.inputs[:1], kv.targets.ClassScore(2, mask=mask)).values[0], found, 1e-4)


def averaged(factor):
    inputs = keras.Input((6, 5, 1))
    both = [L.Dense(3, activation="softmax")(L.Flatten()(inputs)) for _ in range(2)]
    return zoo.randomize(keras.Model(inputs, factor * (both[0] + both[1])))


def test_averages_of_probabilities_are_probabilities():
    model, image = averaged(0.5), zoo.images(6, 5, 1, count=1)
    explain = PredictionDifference(model, samples=2, stride=2)
    with pytest.warns(KerasvizWarning, match="softmax"):
        explanation = explain(image, 2)
    found, _, _ = expected_of(explain, lambda image: float(model(image[None])[0, 2]), image[0], bits(3))
    assert_close(explanation.values[0], found, 1e-4)
    explain = PredictionDifference(averaged(5.0), samples=2, stride=2)
    with (
        pytest.warns(KerasvizWarning, match="softmax"),
        pytest.raises(TargetError, match=r"score \d\.\d+ of a class .* made of probabilities"),
    ):
        explain(image)


def spied(seen, shape=(8, 7, 2)):
    """A model that notes the batches it sees."""

    @keras.saving.register_keras_serializable("prediction_difference")
    class Spy(keras.layers.Layer):
        def call(self, x):
            tf.py_function(lambda t: seen.append(t.numpy()), [x], [])
            return x

    inputs = keras.Input(shape)
    x = Spy()(inputs)
    return zoo.randomize(keras.Model(inputs, zoo.head(L.Conv2D(3, 3, activation="relu")(x))))


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 4, 7, 1000])
def test_each_draw_of_each_window_is_run_once_and_nothing_else(batch_size):
    """Whole batches or not: the last one holds no window of the one before."""
    seen, image = [], zoo.images(8, 7, 2, count=1)
    explain = PredictionDifference(
        spied(seen),
        sampler=sampler_of("conditional", (8, 7, 2), 7),
        window=3,
        stride=2,
        samples=3,
        batch_size=batch_size,
        incremental=False,
    )
    explain(image, 0)
    assert max(map(len, seen)) <= batch_size
    grid, variants = explain.grid((8, 7)), np.concatenate(seen)
    expected = [image[0]]
    for start in grid.starts:
        for n in range(3):
            copy = image[0].copy()
            box = tuple(slice(at, at + 3) for at in start)
            copy[box] = explain.samplers[0].draw(image[0], start[None], (3, 3), np.array([n]), 0)[0]
            expected.append(copy)
    assert len(variants) == len(expected) == 1 + 3 * len(grid.starts)
    as_bytes = [sorted(one.astype("float32").tobytes() for one in each) for each in (variants, expected)]
    assert as_bytes[0] == as_bytes[1]


@pytest.mark.slow
def test_seeds_batches_and_batch_mates():
    case = case_of("sequential")
    images = training(12, 10, 3)
    make = functools.partial(PredictionDifference, case.model, images, sampler="marginal", stride=3, samples=4)
    whole = make(seed=3)(case.inputs, [0, 1, 2]).values
    np.testing.assert_array_equal(make(seed=3)(case.inputs, [0, 1, 2]).values, whole)
    twice = make(seed=3)(np.concatenate([case.inputs[2:], case.inputs]), [2, 0, 1, 2]).values
    # The batches are of other sizes, and so is their rounding.
    assert_close(twice, whole[[2, 0, 1, 2]], 1e-5)
    for batch_size in (1, 5, 64):
        assert_close(make(seed=3, batch_size=batch_size)(case.inputs, [0, 1, 2]).values, whole, 1e-4)
    assert np.abs(make(seed=4)(case.inputs, [0, 1, 2]).values - whole).max() > 0.01 * np.abs(whole).max()


@pytest.mark.slow
def test_the_training_size_is_a_setting():
    case = case_of("sequential")
    plain, small = (
        PredictionDifference(case.model, samples=2, stride=3, training_size=size)(case.inputs, 1) for size in (None, 20)
    )
    assert plain.settings["training_size"] == 100_000
    for explanation, size in ((plain, 100_000), (small, 20)):
        expected = weight_of_evidence(explanation.score[:, None, None], explanation.extras["score_without"], 4, size)
        np.testing.assert_allclose(explanation.extras["difference"], expected, rtol=1e-3, atol=1e-4)
    assert np.abs(plain.values - small.values).max() > 0.05 * np.abs(plain.values).max()


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_any_number_of_channels_each_with_its_own_covariance(channels, rng):
    """Channels that are noise draw noise; those that are smooth go on as they are around the window."""
    noise = rng.normal(0, 1, (30, 12, 12, channels))
    shift = rng.uniform(0, 6, (30, 1, 1, 1))
    wave = np.sin(shift + 0.5 * np.arange(12)[:, None, None] + 0.3 * np.arange(12)[None, :, None])
    images = np.concatenate([noise[..., 1:], wave], -1).astype("float32")
    weights = np.zeros((12, 12, channels))
    weights[..., -1] = 1
    explain = PredictionDifference(
        dense_model((12, 12), channels, weights), images, window=3, stride=2, samples=5, batch_size=500
    )
    smooth = explain(images[:2], 0).extras["difference"]
    assert np.abs(smooth).max() < 0.05
    if channels > 1:
        weights = np.roll(weights, 1, -1)
        explain = PredictionDifference(
            dense_model((12, 12), channels, weights), images, window=3, stride=2, samples=5, batch_size=500
        )
        assert explain(images[:2], 0).extras["difference"].std() > 1


def test_windows_without_padding_are_drawn_without_surroundings(rng):
    """Then the mean of the draws is the mean patch, wherever the window lies and whatever is around it."""
    images = rng.normal(3, 1, (50, 9, 9, 1)).astype("float32")
    explain = PredictionDifference(
        dense_model((9, 9), 1, np.ones(81)), images, window=3, padding=0, stride=3, samples=200, batch_size=900
    )
    extras = explain(images[:2] + 4, 0).extras
    assert explain.samplers[0].size == (3, 3)
    image = images[:2, ..., 0] + 4
    outside = image.sum((1, 2))[:, None, None] - image.reshape(2, 3, 3, 3, 3).sum((2, 4))
    np.testing.assert_allclose(extras["score_without"] - outside, 27, atol=4.5 * 3 / np.sqrt(200) + 0.2)


@pytest.mark.slow
def test_incremental_runs_give_the_same_map():
    inputs = keras.Input((48, 40, 3))
    x = inputs
    for width in (8, 8, 16):
        x = L.Conv2D(width, 3, padding="same", activation="relu")(x)
    model = zoo.randomize(keras.Model(inputs, zoo.head(x)))
    image = zoo.images(48, 40, 3, count=1)
    make = functools.partial(PredictionDifference, model, window=6, stride=6, samples=2)
    explain = make()
    assert explain.plan().units
    assert_close(explain(image, 1).values, make(incremental=False)(image, 1).values, 1e-3)
    units = kv.targets.Channel(model.layers[2].name, 3)
    assert_close(explain(image, units).values, make(incremental=False)(image, units).values, 1e-3)


@pytest.mark.slow
def test_each_input_in_turn_with_images_of_its_own():
    case = case_of("dicts")
    images = {"left": training(12, 10, 3), "right": training(12, 10, 3, count=30) * 0.2}
    make = functools.partial(PredictionDifference, case.model, window=4, stride=3, samples=2, sampler="marginal")
    explain = make(images)
    explanation = explain(case.inputs, case.target)
    assert list(explanation.values) == ["left", "right"]
    for replaced, side in enumerate(explanation.values):
        for i, number in enumerate(case.numbers):
            found, _, without = expected_of(
                explain, score_of(case, i, number, replaced), case.inputs[side][i], bits(4), explain.numbers[replaced]
            )
            assert_close(explanation.values[side][i], found, 1e-4)
            assert_close(explanation.extras[f"{side}/score_without"][i], without)
    alone = make(images["right"], inputs="right")(case.inputs, case.target)
    np.testing.assert_array_equal(alone.values, explanation.values["right"])
    for wrong in (images["left"], {"left": images["left"]}, {**images, "top": images["left"]}):
        with pytest.raises(InputError, match="'left', 'right'"):
            make(wrong)


def as_generator(images):
    return (images[at : at + 7] for at in range(0, len(images), 7))


GIVEN = {
    "list": list,
    "tensor": tf.constant,
    "integers": lambda images: images.astype("int64"),
    "generator": as_generator,
    "batches": lambda images: [images[:9], images[9:]],
    "data set": lambda images: tf.data.Dataset.from_tensor_slices(images).batch(8),
    "labels": lambda images: tf.data.Dataset.from_tensor_slices((images, np.arange(40))).batch(8),
    "as numpy": lambda images: tf.data.Dataset.from_tensor_slices(images).batch(8).as_numpy_iterator(),
    "dict": lambda images: {"image": images},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "sampler"),
    [*((kind, "marginal") for kind in GIVEN), ("generator", "conditional"), ("labels", "conditional")],
)
def test_images_to_draw_from_can_be_given_in_many_ways(kind, sampler):
    case, images = case_of("functional"), np.rint(training(12, 10, 3) * 20)
    make = functools.partial(PredictionDifference, case.model, sampler=sampler)
    given, plain = make(GIVEN[kind](images)).samplers[0], make(images).samplers[0]
    for name in ("mean", "covariance", "low", "high") if sampler == "conditional" else ("images",):
        np.testing.assert_array_equal(getattr(given, name), getattr(plain, name))


def test_integer_pictures_are_drawn_rounded():
    inputs = keras.Input((9, 12, 3), dtype="uint8")
    x = L.Conv2D(4, 3, activation="relu")(L.Rescaling(1 / 127.5, offset=-1)(inputs))
    model = zoo.randomize(keras.Model(inputs, zoo.head(x)))
    images = np.random.default_rng(0).integers(0, 256, (12, 9, 12, 3)).astype("uint8")
    sampler = ConditionalGaussianSampler.fit(images, 7, patches=500)
    explain = PredictionDifference(model, sampler=sampler, stride=3, samples=3)
    explanation = explain(images[:1], 1)
    found, _, without = expected_of(
        explain, lambda image: float(model(image[None].astype("uint8"))[0, 1]), images[0], bits(4)
    )
    assert_close(explanation.values[0], found, 1e-4)
    assert_close(explanation.extras["score_without"][0], without)


@pytest.mark.slow
def test_a_model_that_takes_images_of_any_size():
    inputs = keras.Input((None, None, 3))
    model = zoo.randomize(keras.Model(inputs, zoo.head(L.Conv2D(4, 3, activation="relu")(inputs))))
    explain = PredictionDifference(model, (training(12 + n, 10, 3, count=9) for n in range(3)), stride=2, samples=2)
    for space in ((12, 10), (8, 15)):
        image = zoo.images(*space, 3, count=1)
        found, _, _ = expected_of(explain, lambda one: float(model(one[None])[0, 1]), image[0], bits(4))
        assert_close(explain(image, 1).values[0], found, 1e-4)
    with pytest.raises(InputError, match="smaller than the patches of 7 x 7"):
        explain(zoo.images(6, 10, 3, count=1), 1)


@pytest.mark.parametrize(
    ("space", "size"), [((224, 224), 10), ((299, 400), 14), ((32, 32), 3), ((12, 10), 3), ((2, 50), 2), ((100,), 5)]
)
def test_the_default_window(space, size):
    explain = PredictionDifference(case_of("sequential").model)
    assert explain.grid(space).size == (size,) * len(space)
    assert explain.grid(space).stride == (1,) * len(space)


@pytest.mark.slow
def test_the_defaults_of_the_samplers():
    model, images = case_of("sequential").model, training(12, 10, 3)
    kinds = {"conditional": ConditionalGaussianSampler, "marginal": MarginalSampler, "image": ImageSampler}
    for name, kind in kinds.items():
        explain = PredictionDifference(model, None if name == "image" else images, sampler=name)
        assert type(explain.samplers[0]) is kind
    assert type(PredictionDifference(model, images).samplers[0]) is ConditionalGaussianSampler
    assert PredictionDifference(model, images, window=(3, 2)).samplers[0].size == (7, 6)
    assert PredictionDifference(model, images, window=(3, 2), padding=1).samplers[0].size == (5, 4)
    assert type(PredictionDifference(model).samplers[0]) is ImageSampler


def test_settings_are_told_and_can_be_written_down():
    case = case_of("sequential")
    explain = PredictionDifference(case.model, training(12, 10, 3), window=(4, 3), samples=5, stride=2, seed=7)
    expected = {
        "window": (4, 3),
        "stride": 2,
        "samples": 5,
        "sampler": "conditional",
        "padding": 2,
        "training_size": 100_000,
        "seed": 7,
        "probability": True,
    }
    assert explain.settings == expected
    json.dumps(explain.settings)
    own = PredictionDifference(case.model, sampler=ImageSampler(), precision="bfloat16").settings
    assert (own["sampler"], own["precision"], "padding" in own) == ("ImageSampler", "bfloat16", False)
    assert (explain.passes, explain.passes_per, explain.signed, explain.kind) == (5, "position", True, "heatmap")


def test_the_class_is_settled_on_the_clean_image():
    case = case_of("sequential")
    explain = PredictionDifference(case.model, samples=2, stride=3)
    top = explain(case.inputs)
    np.testing.assert_array_equal(top.target, case.model(case.inputs).numpy().argmax(-1))
    np.testing.assert_array_equal(top.values, explain(case.inputs, top.target).values)
    np.testing.assert_allclose(top.score, case.model(case.inputs).numpy().max(-1), rtol=1e-5)


class Constant(Sampler):
    """A sampler of one's own."""

    def __init__(self, value, extra=0):
        self.value, self.extra = value, extra

    def draw(self, image, starts, size, draws, seed):
        return np.full((len(starts) + self.extra, *size, image.shape[-1]), self.value)


def test_a_constant_sampler_is_occlusion():
    case = case_of("sequential")
    target = kv.targets.Channel("conv2", 2)
    explain = PredictionDifference(case.model, sampler=Constant(0.25), samples=2, window=4, stride=2)
    expected = kv.Occlusion(case.model, 4, 2, fill=0.25)(case.inputs, target)
    assert_close(explain(case.inputs, target).values, expected.values)


@pytest.mark.parametrize("sampler", [Constant(np.nan), Constant(0, extra=1)])
def test_samplers_that_draw_what_does_not_fit(sampler):
    case = case_of("sequential")
    with pytest.raises(InputError, match="sampler drew"):
        PredictionDifference(case.model, sampler=sampler)(case.inputs, 1)


IMAGES = zoo.images(12, 10, 3, count=30)
BAD_SETTINGS = {
    "window": {"window": 0},
    "window too large": {"window": 11},
    "window of three axes": {"window": (2, 2, 2)},
    "padding": {"padding": -1},
    "padding a fraction": {"padding": 1.0},
    "samples": {"samples": 0},
    "sampler": {"sampler": "gaussian"},
    "conditional alone": {"sampler": "conditional"},
    "marginal alone": {"sampler": "marginal"},
    "image with images": {"sampler": "image", "training_images": IMAGES},
    "object with images": {"sampler": ImageSampler(), "training_images": IMAGES},
    "stride": {"stride": 0},
    "stride too large": {"window": 3, "stride": 4},
    "training_size": {"training_size": 0},
    "seed": {"seed": -1},
    "batch_size": {"batch_size": 0},
    "precision": {"precision": "float16"},
    "inputs": {"inputs": "picture"},
}


@pytest.mark.parametrize("problem", BAD_SETTINGS)
def test_settings_that_are_refused_when_made(problem):
    with pytest.raises(SettingError, match=next(iter(BAD_SETTINGS[problem]))):
        PredictionDifference(case_of("sequential").model, **BAD_SETTINGS[problem])


BAD_IMAGES = {
    "NaN": (np.full((3, 12, 10, 3), np.nan), "NaN"),
    "size": (np.zeros((3, 10, 12, 3)), r"\(3, 10, 12, 3\)"),
    "channels": (np.zeros((3, 12, 10, 1)), r"\(3, 12, 10, 1\)"),
    "no batch axis": (np.zeros((12, 10, 3)), "batch axis"),
    "empty": (np.zeros((0, 12, 10, 3)), "No images"),
    "read before": (iter([]), "No images"),
    "number": (5, "int"),
    "one batch of several": ([IMAGES, IMAGES[:, :, :5]], r"\(30, 12, 5, 3\)"),
    "too small for the patches": (IMAGES, "smaller than patches of 15 x 15"),
}


@pytest.mark.parametrize("problem", BAD_IMAGES)
def test_images_to_draw_from_that_do_not_fit(problem):
    images, words = BAD_IMAGES[problem]
    settings = {"padding": 6} if "small" in problem else {}
    with pytest.raises(InputError, match=words):
        PredictionDifference(case_of("sequential").model, images, **settings)


def test_what_does_not_fit_is_refused_before_any_work():
    seen = []
    model = spied(seen)
    explain = PredictionDifference(model, sampler=sampler_of("conditional", (8, 7, 2), 7))
    with pytest.raises(InputError, match="NaN"):
        explain(np.full((1, 8, 7, 2), np.nan))
    with pytest.raises(TargetError, match="0 to 3"):
        explain(zoo.images(8, 7, 2), 4)
    with pytest.raises(SettingError, match="window=8 x 7"):
        PredictionDifference(model, sampler=ImageSampler(), window=(8, 7))(zoo.images(8, 7, 2), 1)
    with pytest.raises(InputError, match=r"\(9, 7, 2\)"):
        PredictionDifference(model, sampler=MarginalSampler(zoo.images(9, 7, 2)))(zoo.images(8, 7, 2), 1)
    assert not seen
