"""Ablation by segments: closed forms, and how images are divided."""

import sys
from contextlib import contextmanager

import keras
import numpy as np
import pytest
import zoo
from keras import layers as L
from reference import keras_eager
from reference.ablation import ablation
from zoo_cases import case_of

from kerasviz import progress
from kerasviz.attribution.ablation import Ablation
from kerasviz.errors import InputError, KerasvizWarning, PackageError, SettingError


def assert_close(values, expected, tolerance=2e-5):
    """Relative to the largest value; a value is the difference of two scores."""
    assert values.shape == expected.shape
    assert np.abs(values - expected).max() <= tolerance * np.abs(expected).max()


def score_of(case, i, number, replaced=0, **running):
    """`image -> float`, the score of a class of sample `i` with another image in the place of one input."""

    def score(image):
        flat = [np.asarray(array) for array in keras.tree.flatten(case.samples[i])]
        flat[replaced] = np.asarray(image, flat[replaced].dtype)[None]
        with keras_eager.running(**running):
            outputs = case.model(keras.tree.pack_sequence_as(case.samples[i], flat), training=False)
            return float(case.score(number)(outputs))

    return score


def linear_model(*shape):
    """A score that is linear in the image, and its weights."""
    inputs = keras.Input(shape)
    model = zoo.randomize(keras.Model(inputs, L.Dense(3)(L.Flatten()(inputs))))
    return model, model.layers[-1].get_weights()[0].reshape(*shape, 3)


def smooth_images(*shape, count=2, seed=0, low=0.0, high=1.0):
    """Waves of pale colours, whose superpixels are no boxes."""
    places = np.meshgrid(*(np.arange(size) / 8 for size in shape[:-1]), indexing="ij")
    rng = np.random.default_rng(seed)

    def wave():
        return sum(np.sin(place * rng.uniform(1, 4) + rng.uniform(0, 6)) for place in places)

    waves = []
    for _ in range(count):
        grey = wave()
        waves.append(np.stack([grey + 0.2 * wave() for _ in range(shape[-1])], -1))
    waves = np.array(waves)
    return (low + (high - low) * (waves - waves.min()) / np.ptp(waves)).astype("float32")


@pytest.mark.parametrize("shape", [(12, 17, 3), (23, 2), (6, 9, 7, 1)])
@pytest.mark.parametrize("segments", ["slic", "grid"])
def test_on_a_linear_score_each_segment_loses_its_own_part(segments, shape):
    model, weights = linear_model(*shape)
    images = zoo.images(*shape)
    explanation = Ablation(model, segments, count=8, fill=0.25, batch_size=3)(images, [2, 0, 1])
    for i, number in enumerate([2, 0, 1]):
        parts = (weights[..., number] * (images[i] - 0.25)).sum(-1)
        labels = explanation.extras["segments"][i]
        assert labels.max() >= 4
        expected = np.array([parts[labels == label].sum() for label in range(labels.max() + 1)])[labels]
        assert_close(explanation.values[i], expected)
    assert (explanation.signed, explanation.kind) == (True, "heatmap")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sequential", "conv1d", "conv3d", "image_and_table", "binary"])
def test_equals_a_loop_over_the_segments(name):
    case = case_of(name)
    explanation = Ablation(case.model, count=7)(case.inputs, case.target)
    for i, number in enumerate(case.numbers):
        image = np.asarray(keras.tree.flatten(case.samples[i])[0])[0]
        labels, mean = explanation.extras["segments"][i], image.mean(tuple(range(image.ndim - 1)))
        assert labels.dtype == np.int32
        assert_close(explanation.values[i], ablation(score_of(case, i, number), image, labels, mean))


def test_probabilities():
    case = case_of("sequential")
    explanation = Ablation(case.model, "grid", count=6, probability=True)(case.inputs, 1)
    for i in range(3):
        image, labels = case.inputs[i], explanation.extras["segments"][i]
        expected = ablation(score_of(case, i, 1, probabilities=True), image, labels, image.mean((0, 1)))
        assert_close(explanation.values[i], expected)


LABELS = {
    "gaps": np.array([-7, 400, 3])[np.arange(120).reshape(12, 10) % 3],
    "64 bits": np.array([2**40, 5, 6])[np.arange(120).reshape(12, 10) // 50],
    "booleans": np.arange(120).reshape(12, 10) % 7 == 0,
    "bytes": (np.arange(120).reshape(12, 10) % 11).astype("uint8"),
    "a segment for each pixel": np.arange(120).reshape(12, 10)[::-1],
    "lists": (np.arange(120).reshape(12, 10) // 30).tolist(),
    "one for each image": np.random.default_rng(0).integers(0, [[[2]], [[9]], [[4]]], (3, 12, 10)),
}


@pytest.mark.slow
@pytest.mark.parametrize("given", LABELS)
def test_segments_of_ones_own(given):
    case, segments = case_of("sequential"), LABELS[given]
    explanation = Ablation(case.model, segments, fill=0.1)(case.inputs, [1, 2, 0])
    each = np.broadcast_to(np.asarray(segments), (3, 12, 10))
    for i, number in enumerate([1, 2, 0]):
        expected = ablation(score_of(case, i, number), case.inputs[i], each[i], 0.1)
        assert_close(explanation.values[i], expected, 5e-5)
        _, renumbered = np.unique(each[i], return_inverse=True)
        np.testing.assert_array_equal(explanation.extras["segments"][i], renumbered.reshape(12, 10))
    assert explanation.extras["segments"].dtype == np.int32
    assert "count" not in explanation.settings


def test_one_segment_is_the_whole_image():
    case = case_of("sequential")
    values = Ablation(case.model, np.full((12, 10), 5), fill="grey")(case.inputs, 1).values
    for i in range(3):
        image, score = case.inputs[i], score_of(case, i, 1)
        lost = score(image) - score(np.full_like(image, (image.min() + image.max()) / 2))
        np.testing.assert_allclose(values[i], lost, rtol=1e-5)


def test_a_callable_sees_each_image_scaled_to_one():
    case, seen = case_of("with_preprocessing"), []

    def divide(image):
        seen.append(image.copy())
        labels = (image[..., 0] > 0.5) * 3
        image[:] = 0
        return labels

    before = case.inputs.copy()
    explanation = Ablation(case.model, divide, fill=100.0)(case.inputs, 1)
    np.testing.assert_array_equal(case.inputs, before)
    for i in range(3):
        image = case.inputs[i].astype(float)
        scaled = (image - image.min()) / np.ptp(image)
        np.testing.assert_allclose(seen[i], scaled, atol=1e-12)
        expected = ablation(score_of(case, i, 1), case.inputs[i], scaled[..., 0] > 0.5, 100.0)
        assert_close(explanation.values[i], expected)
    assert explanation.settings["segments"] == "divide"


def test_a_grid_of_boxes():
    model, _ = linear_model(6, 12, 1)
    found = Ablation(model, "grid", count=8)(zoo.images(6, 12, 1), 0).extras["segments"]
    rows, columns = np.arange(6)[:, None] // 3, np.arange(12)[None] // 3
    np.testing.assert_array_equal(found, np.broadcast_to(rows * 4 + columns, (3, 6, 12)))
    uneven = Ablation(model, "grid", count=5)(zoo.images(6, 12, 1), 0).extras["segments"][0]
    assert uneven.max() + 1 == 6
    finest = Ablation(model, "grid", count=1000)(zoo.images(6, 12, 1), 0).extras["segments"][0]
    np.testing.assert_array_equal(finest, np.arange(72).reshape(6, 12))


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_slic_follows_edges_whatever_the_range_and_the_channels(channels):
    """Two parts in the range of a preprocessed image: but for a pixel at their border, no segment lies in both."""
    model, _ = linear_model(24, 32, channels)
    images = np.full((1, 24, 32, channels), -120.0, "float32")
    images[:, :, 13:] += 200
    labels = Ablation(model, "slic", count=12)(images, 0).extras["segments"][0]
    assert 8 <= labels.max() + 1 <= 16
    assert not set(labels[:, :12].ravel()) & set(labels[:, 14:].ravel())
    shifted = Ablation(model, "slic", count=12)(images / 400 + 0.3, 0).extras["segments"][0]
    np.testing.assert_array_equal(shifted, labels)


@pytest.mark.parametrize("channels", [1, 2])
def test_quickshift_follows_noisy_edges_without_colours_too(channels, rng):
    model, _ = linear_model(48, 64, channels)
    images = rng.normal(0, 17, (1, 48, 64, channels))
    images[:, :, 21:] += 100
    labels = Ablation(model, "quickshift")(images, 0).extras["segments"][0]
    sides = [np.bincount(side.ravel(), minlength=labels.max() + 1) for side in (labels[:, :21], labels[:, 21:])]
    assert np.minimum(*sides).sum() <= 3


@pytest.mark.parametrize(("method", "least", "most"), [("slic", 6, 24), ("felzenszwalb", 4, 40)])
@pytest.mark.parametrize("channels", [1, 3])
def test_superpixels_are_connected_and_many(method, least, most, channels):
    from skimage.measure import label

    model, _ = linear_model(48, 64, channels)
    images = smooth_images(48, 64, channels, low=-30, high=400)
    labels = Ablation(model, method, count=20)(images, 0).extras["segments"]
    for one in labels:
        assert least <= one.max() + 1 <= most
        assert set(one.ravel()) == set(range(one.max() + 1))
        assert label(one, background=-1, connectivity=2).max() == one.max() + 1
    assert (labels[0] != labels[1]).any()


def test_a_single_segment_is_told():
    case = case_of("sequential")
    images = case.inputs.copy()
    images[1] = 0.5
    with pytest.warns(KerasvizWarning, match=r"'felzenszwalb' finds a single segment in the samples \[1\]") as caught:
        Ablation(case.model, "felzenszwalb", count=20, fill=0)(images, 1)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.slow
def test_batch_mates_and_batch_size():
    case = case_of("sequential")
    explain = Ablation(case.model, count=9)
    whole = explain(case.inputs, [1, 2, 0])
    for i, number in enumerate([1, 2, 0]):
        alone = explain(case.inputs[i : i + 1], number)
        assert_close(alone.values[0], whole.values[i], 1e-5)
        np.testing.assert_array_equal(alone.extras["segments"][0], whole.extras["segments"][i])
    for batch_size in (1, 2, 100):
        parts = Ablation(case.model, count=9, batch_size=batch_size)(case.inputs, [1, 2, 0])
        assert_close(parts.values, whole.values, 1e-5)
        np.testing.assert_array_equal(parts.extras["segments"], whole.extras["segments"])


def test_two_inputs_have_segments_of_their_own():
    left, right = keras.Input((12, 10, 3), name="left"), keras.Input((9, 14, 1), name="right")
    parts = [L.Dense(2, use_bias=False, name=f"of_{x.name}")(L.Flatten()(x)) for x in (left, right)]
    model = zoo.randomize(keras.Model([left, right], L.Add()(parts)))
    inputs = [zoo.images(12, 10, 3), zoo.images(9, 14, 1, seed=5)]
    explanation = Ablation(model, "slic", count=6, fill=0.0)(inputs, 1)
    for name, images in zip(("left", "right"), inputs, strict=True):
        weights = model.get_layer(f"of_{name}").get_weights()[0][:, 1].reshape(images.shape[1:])
        for i in range(3):
            labels = explanation.extras[f"{name}/segments"][i]
            parts = (weights * images[i]).sum(-1)
            assert_close(explanation.values[name][i], np.bincount(labels.ravel(), parts.ravel())[labels])
    alone = Ablation(model, np.arange(126).reshape(9, 14) // 20, inputs="right")(inputs, 1)
    assert alone.extras["segments"].max() == 6
    with pytest.raises(InputError, match=r"'left'.*\(12, 10\)"):
        Ablation(model, np.zeros((9, 14), int))(inputs, 1)


def test_integer_pictures():
    inputs = keras.Input((9, 12, 3), dtype="uint8")
    x = L.Conv2D(4, 3, activation="relu")(L.Rescaling(1 / 127.5, offset=-1)(inputs))
    model = zoo.randomize(keras.Model(inputs, L.Dense(3)(L.GlobalMaxPooling2D()(x))))
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 12, 3)).astype("uint8")
    explanation = Ablation(model, count=8, fill=200)(images, 1)
    for i in range(2):
        labels = explanation.extras["segments"][i]
        assert labels.max() > 3
        expected = ablation(lambda image: float(model(image[None])[0, 1]), images[i], labels, np.uint8(200))
        assert_close(explanation.values[i], expected)


def test_noise_depends_on_the_seed_alone():
    case = case_of("sequential")
    explain = [Ablation(case.model, "grid", count=6, fill="noise", seed=seed) for seed in (1, 1, 2)]
    one, same, other = (of_seed(case.inputs, 1).values for of_seed in explain)
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-2 * np.abs(one).max()
    assert explain[2].settings["seed"] == 2


@pytest.mark.parametrize("segments", ["slic", "felzenszwalb", "quickshift"])
def test_without_scikit_image(monkeypatch, segments):
    monkeypatch.setitem(sys.modules, "skimage", None)
    model = case_of("sequential").model
    with pytest.raises(PackageError, match=r'pip install "kerasviz\[superpixels\]"'):
        Ablation(model, segments)
    assert Ablation(model, "grid", count=6)(case_of("sequential").inputs, 1).extras["segments"].max() == 5


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_the_progress_bar_comes_to_its_end(monkeypatch, batch_size):
    totals, steps = [], []

    @contextmanager
    def bar(total, description):
        totals.append(total)
        yield lambda count=1: steps.append(count)

    monkeypatch.setattr(progress, "bar", bar)
    case = case_of("sequential")
    Ablation(case.model, "grid", count=7, batch_size=batch_size)(case.inputs, 1)
    assert totals == [3 * 100]
    assert sum(steps) == 3 * 100
    assert all(count > 0 for count in steps)


def test_settings_are_told():
    model = case_of("sequential").model
    assert Ablation(model, "quickshift", fill=np.zeros((12, 10, 3)), precision="bfloat16").settings == {
        "segments": "quickshift",
        "count": 50,
        "fill": "ndarray",
        "probability": False,
        "precision": "bfloat16",
    }
    assert Ablation.passes_per == "segment"


@pytest.mark.parametrize(
    "settings",
    [
        {"segments": "voronoi"},
        {"segments": None},
        {"segments": np.zeros((12, 10))},
        {"segments": 3},
        {"segments": [[1, 2], [3]]},
        {"count": 0},
        {"count": 2.5},
        {"seed": -1},
        {"batch_size": 0},
    ],
    ids=str,
)
def test_settings_that_are_refused_when_made(settings):
    with pytest.raises(SettingError, match=next(iter(settings))):
        Ablation(case_of("sequential").model, **settings)


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        (np.zeros((10, 12), int), r"\(10, 12\).*\(12, 10\) or \(3, 12, 10\)"),
        (np.zeros((2, 12, 10), int), r"\(2, 12, 10\)"),
        (np.zeros((3, 12, 10, 1), int), r"\(3, 12, 10, 1\)"),
        (lambda image: image[..., 0], "float64"),
        (lambda image: np.zeros(image.shape, int), r"\(12, 10, 3\)"),
        (lambda image: None, "object"),
    ],
)
def test_segments_that_do_not_fit_are_refused_before_any_pass(segments, words):
    explain = Ablation(case_of("sequential").model, segments)
    with pytest.raises(InputError, match=words):
        explain(case_of("sequential").inputs, 1)


@pytest.mark.parametrize("segments", ["felzenszwalb", "quickshift"])
@pytest.mark.parametrize("name", ["conv1d", "conv3d"])
def test_methods_for_pictures_alone(segments, name):
    case = case_of(name)
    with pytest.raises(InputError, match=r"Expected 2 axes of space and up to 3 channels.*grid"):
        Ablation(case.model, segments)(case.inputs, case.target)
