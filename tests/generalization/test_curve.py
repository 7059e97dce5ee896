"""The critical sample ratio over the radius: exact on linear networks, consistent with single searches on others."""

import csv
import json
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from kerasviz.errors import InputError, KerasvizWarning, LoadError, SaveError, SettingError
from kerasviz.generalization.critical_search import CriticalSampleSearch
from kerasviz.generalization.curve import checked_radii, critical_sample_curve
from kerasviz.generalization.curve_record import CriticalSampleCurve
from kerasviz.generalization.searches import LASS, PGD
from kerasviz.plotting.positions import CATEGORIES

SHAPE = (2, 3, 1)


def linear(rng):
    """A softmax over three linear scores, of which the last never wins; and the exact radii of some images."""
    weights, bias = rng.normal(size=(6, 3)).astype("float32"), np.float32([0.1, 0, -1000])
    model = keras.Sequential([keras.Input(SHAPE), L.Flatten(), L.Dense(3, activation="softmax")])
    model.layers[-1].set_weights([weights, bias])
    images = rng.normal(size=(40, *SHAPE)).astype("float32")
    scores = images.reshape(40, 6).astype("float64") @ weights + bias
    exact = np.abs(scores[:, 0] - scores[:, 1]) / np.abs(weights[:, 0].astype("float64") - weights[:, 1]).sum()
    return model, images, exact, scores.argmax(1)


def convolutional(seed, shape=(6, 7, 2)):
    source = np.random.default_rng(seed)
    model = keras.Sequential(
        [
            keras.Input(shape),
            L.Conv2D(4, 3, activation="relu"),
            L.GlobalAveragePooling2D(),
            L.Dense(4, activation="softmax"),
        ]
    )
    model.set_weights([source.normal(size=weights.shape) for weights in model.get_weights()])
    return model


def record(smallest, radii=(1.0, 2.0), **fields):
    classes = np.zeros(len(smallest), "int32")
    return CriticalSampleCurve(np.array(radii), np.array(smallest, float), classes, classes + 1, **fields)


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


# What is found


@pytest.mark.slow
@pytest.mark.parametrize("search", ["lass", "fgsm"])
def test_the_curve_of_a_linear_network_steps_exactly_at_its_margins(search, rng):
    """The smallest radius of a sample is its margin over the L1 norm of the difference of the weights."""
    model, images, exact, top = linear(rng)
    order = np.argsort(exact)
    chosen = order[[0, 9, 25, 39]]
    radii = np.concatenate([exact[chosen] * (1 - 1e-4), exact[chosen] * (1 + 1e-4)])
    curve = critical_sample_curve(model, images, rng.permutation(radii), search=search)
    assert curve.radii.tolist() == sorted(radii)
    assert curve.ratios.tolist() == [0, 1 / 40, 9 / 40, 10 / 40, 25 / 40, 26 / 40, 39 / 40, 1]
    np.testing.assert_array_equal(curve.smallest, [curve.radii[curve.radii >= r].min() for r in exact])
    np.testing.assert_array_equal(curve.classes, top)
    np.testing.assert_array_equal(curve.new_classes, 1 - top)
    assert [row["critical"] for row in curve.rows()] == [0, 1, 9, 10, 25, 26, 39, 40]
    assert curve.settings["search"] == search


@pytest.mark.slow
@pytest.mark.parametrize("search", [LASS(12), PGD(6), "fgsm"])
def test_it_says_what_single_searches_say(search, rng):
    """For each sample the first radius at which a search of its own finds it, and the same point."""
    images = rng.normal(size=(30, 6, 7, 2)).astype("float32")
    ready = CriticalSampleSearch(convolutional(5), search=search, batch_size=3)
    radii = [0.02, 0.05, 0.1, 0.15]
    curve = critical_sample_curve(ready, images, radii, seed=5)
    found = [ready(images, radius, seed=5) for radius in radii]
    critical = np.stack([one.critical for one in found])
    first = np.where(critical.any(0), critical.argmax(0), -1)
    assert len(set(first.tolist())) >= 4  # else it shows little
    np.testing.assert_array_equal(curve.smallest, np.where(first < 0, np.inf, np.array(radii)[first]))
    assert (np.diff(curve.ratios) > 0).all() and curve.ratios[-1] == np.logical_or.reduce(critical).mean()
    np.testing.assert_array_equal(curve.classes, found[0].classes)
    for i, k in enumerate(first):
        np.testing.assert_array_equal(curve.points[i], images[i] if k < 0 else found[k].points[i])
        assert curve.new_classes[i] == (curve.classes[i] if k < 0 else found[k].new_classes[i])


@pytest.mark.slow
def test_a_ready_search_and_another_batch_size_change_nothing(rng):
    images, model = rng.normal(size=(23, 6, 7, 2)).astype("float32"), convolutional(5)
    settings = {"search": PGD(4), "bounds": (-3.5, 3.5)}
    images = images.clip(-3.5, 3.5)
    curve = critical_sample_curve(model, images, [0.1, 0.3], seed=3, batch_size=1, **settings)
    ready = CriticalSampleSearch(model, **settings)
    for _ in range(2):
        again = critical_sample_curve(ready, images, [0.3, 0.1], seed=3)
        np.testing.assert_array_equal(again.smallest, curve.smallest)
        np.testing.assert_array_equal(again.points, curve.points)
    assert again.settings == curve.settings and 0 < curve.ratios[0] < 1
    assert (critical_sample_curve(ready, images, [0.1], seed=4).points != curve.points).any()


@pytest.mark.slow
def test_a_data_set_is_gone_through_once_and_keeps_no_points(rng):
    images = rng.normal(size=(50, 6, 7, 2)).astype("float32")
    ready = CriticalSampleSearch(convolutional(5), search="fgsm", batch_size=2)
    read = []

    def samples():
        for number, image in enumerate(images):
            read.append(number)
            yield image, number

    spec = (tf.TensorSpec((6, 7, 2), tf.float32), tf.TensorSpec((), tf.int32))
    streamed = critical_sample_curve(
        ready, tf.data.Dataset.from_generator(samples, output_signature=spec).batch(20), [0.05, 0.1, 0.2]
    )
    whole = critical_sample_curve(ready, images, [0.05, 0.1, 0.2])
    assert read == list(range(50)) and streamed.points is None
    np.testing.assert_array_equal(streamed.smallest, whole.smallest)
    np.testing.assert_array_equal(streamed.new_classes, whole.new_classes)
    assert 0 < whole.ratios[0] < whole.ratios[-1]


@pytest.mark.slow
def test_radius_0(rng):
    model, images, exact, top = linear(rng)
    curve = critical_sample_curve(model, images, [0, exact.max() * 2], search="fgsm")
    assert curve.ratios.tolist() == [0, 1]
    alone = critical_sample_curve(model, images, np.array([0]), search="pgd")
    assert alone.ratios.tolist() == [0] and alone.smallest.tolist() == [np.inf] * 40
    np.testing.assert_array_equal(alone.classes, top)
    np.testing.assert_array_equal(alone.points, images)


def test_several_inputs(rng):
    """The second input only shifts a score; the first is changed."""
    image, shift = keras.Input(SHAPE, name="image"), keras.Input((2,), name="shift")
    scores = L.Add()([L.Dense(2, name="scores")(L.Flatten()(image)), shift])
    model = keras.Model([image, shift], L.Softmax()(scores))
    kernel = np.zeros((6, 2), "float32")
    kernel[0, 0] = 1
    model.get_layer("scores").set_weights([kernel, np.zeros(2, "float32")])
    images, shifts = np.zeros((3, *SHAPE), "float32"), np.float32([[1, 0], [2, 0], [3, 0]])
    curve = critical_sample_curve(
        model, {"image": images, "shift": shifts}, [1.5, 2.5], search="fgsm", input="image", batch_size=1
    )
    assert curve.smallest.tolist() == [1.5, 2.5, np.inf] and curve.points[:, 0, 0, 0].tolist() == [-1.5, -2.5, 0]


# What is refused


@pytest.mark.parametrize(
    ("radii", "said"),
    [
        ([], "radii=[]"),
        (np.array([]), "radii=array([]"),
        (0.3, "radii=0.3"),
        ("0.3", "radii='0.3'"),
        ([0.3, -1], "radius=-1"),
        ([float("nan")], "radius=nan"),
        ([1, float("inf")], "radius=inf"),
        ([True], "radius=True"),
        (["1"], "radius='1'"),
        ([2, 0.5, 2.0], "2 is there twice"),
    ],
)
def test_radii_that_cannot_be_meant(radii, said):
    with pytest.raises(SettingError) as error:
        checked_radii(radii)
    assert said in str(error.value)


def test_other_mistakes(rng):
    model, images, *_ = linear(rng)
    ready = CriticalSampleSearch(model, bounds=(-9, 9))
    with pytest.raises(SettingError, match="batch_size, search given with a search that is ready"):
        critical_sample_curve(ready, images, [1], batch_size=4, search="fgsm")
    with pytest.raises(SettingError, match="seed=-1"):
        critical_sample_curve(ready, images, [1], seed=-1)
    with pytest.raises(InputError, match="values within bounds"):
        critical_sample_curve(ready, images * 10, [1])
    with pytest.raises(InputError, match="one sample without a batch axis"):
        critical_sample_curve(ready, images[0], [1])
    with pytest.raises(InputError, match="do not fit together"):
        record([1, 3])
    with pytest.raises(InputError, match="do not fit together"):
        record([1, 2], points=np.zeros((3, 2)))


# What is shown and saved


def test_rows():
    curve = record([2, np.inf, 1], points=np.zeros((3, 2)))
    assert curve.rows() == [
        {"radius": 1.0, "critical": 1, "samples": 3, "ratio": 1 / 3},
        {"radius": 2.0, "critical": 2, "samples": 3, "ratio": 2 / 3},
    ]
    assert curve.sample_rows()[:2] == [
        {"sample": 0, "class": 0, "smallest_radius": 2.0, "new_class": 1},
        {"sample": 1, "class": 0, "smallest_radius": None, "new_class": None},
    ]
    assert curve.sample_rows(["a", "b", "c"], ["cat", "dog"])[1:] == [
        {"sample": "b", "class": 0, "label": "cat", "smallest_radius": None, "new_class": None, "new_label": None},
        {"sample": "c", "class": 0, "label": "cat", "smallest_radius": 1.0, "new_class": 1, "new_label": "dog"},
    ]
    with pytest.raises(InputError, match="2 names were given for 3 samples"):
        curve.sample_rows(["a", "b"])
    assert "1 of 3  0.333" in str(curve)


def test_parts_are_joined():
    a, b = record([1, 2], points=np.ones((2, 4))), record([np.inf], points=np.zeros((1, 4)))
    both = CriticalSampleCurve.joined([a, b])
    assert both.smallest.tolist() == [1, 2, np.inf] and both.points.sum() == 8
    assert CriticalSampleCurve.joined([a, record([2])]).points is None


def test_the_figure():
    curve = record([0.3, 1, 9], radii=(0, 0.3, 1, 9), settings={"search": "lass", "steps": 100})
    (axes,) = curve.plot(unit="furlongs").axes
    (line,) = axes.lines
    # 0 has no place on a logarithmic axis.
    assert axes.get_xscale() == "log" and line.get_xdata().tolist() == [0.3, 1, 9]
    np.testing.assert_array_equal(line.get_ydata(), [1 / 3, 2 / 3, 1])
    assert axes.get_ylim() == (0, 1) and axes.get_xlabel() == "radius (L∞, furlongs)"
    assert [tick for tick in axes.get_xticks() if tick] == [0.3, 1, 9] and axes.get_legend() is None
    assert [text.get_text() for text in axes.figure.texts] == ["3\N{NO-BREAK SPACE}samples, LASS, 100 steps"]

    other = record([1], radii=(0, 1), settings=curve.settings)
    (axes,) = record([1, 2], radii=(1, 2), settings=curve.settings).plot({"random $labels$": other}, name="true").axes
    assert axes.get_xscale() == "linear" and [len(line.get_xdata()) for line in axes.lines] == [2, 2]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[0.5, 1], [0, 1]]
    colors = [tuple(np.rint(255 * np.array(line.get_color())).astype(int)) for line in axes.lines]
    assert colors == [tuple(CATEGORIES[0]), tuple(CATEGORIES[1])]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "true\n(2\N{NO-BREAK SPACE}samples)",
        "random $labels$\n(1\N{NO-BREAK SPACE}sample)",
    ]


def test_curves_that_cannot_be_compared():
    curve = record([1], settings={"search": "lass", "steps": 100})
    with pytest.warns(KerasvizWarning, match="'a' and 'b' come from different searches"):
        curve.plot({"b": record([1], settings={"search": "lass", "steps": 10})}, name="a")
    curve.plot({"b": record([1], settings={"search": "lass", "steps": 100, "seed": 4})})
    for others in ({"this": curve}, {"b": 3}):
        with pytest.raises(InputError, match="'this' cannot be drawn with"):
            curve.plot(others)


@pytest.mark.slow
def test_saved_and_loaded(tmp_path, rng):
    model, images, exact, _ = linear(rng)
    curve = critical_sample_curve(model, images, np.quantile(exact, [0.2, 0.6]), search="fgsm", seed=7)
    folder = curve.save(tmp_path / "curve")
    assert sorted(path.name for path in folder.iterdir()) == [
        "arrays.npz",
        "curve.csv",
        "curve.png",
        "manifest.json",
        "samples.csv",
    ]
    loaded = CriticalSampleCurve.load(folder)
    for name in ("radii", "smallest", "classes", "new_classes", "points"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(curve, name))
        assert getattr(loaded, name).dtype == getattr(curve, name).dtype
    assert dict(loaded.settings) == {**curve.settings, "seed": 7}
    assert [float(row["ratio"]) for row in rows_of(folder / "curve.csv")] == curve.ratios.tolist()
    radii = [row["smallest_radius"] for row in rows_of(folder / "samples.csv")]
    assert [float(radius or "inf") for radius in radii] == curve.smallest.tolist() and "" in radii
    assert json.loads((folder / "manifest.json").read_text())["curve"] == curve.rows()

    streamed = CriticalSampleCurve.joined([curve, record([], radii=curve.radii)])
    with pytest.raises(SaveError, match="exists already"):
        streamed.save(folder)
    streamed.save(folder, overwrite=True)
    assert CriticalSampleCurve.load(folder).points is None


def test_what_cannot_be_loaded(tmp_path):
    folder = record([1, 2]).save(tmp_path / "curve")
    with pytest.raises(LoadError, match="no critical sample curve"):
        CriticalSampleCurve.load(tmp_path)
    np.savez(folder / "arrays.npz", radii=[1.0], smallest=[2.0], classes=[0], new_classes=[0])
    with pytest.raises(LoadError, match="do not fit together"):
        CriticalSampleCurve.load(folder)
    (folder / "arrays.npz").write_bytes((folder / "arrays.npz").read_bytes()[:90])
    with pytest.raises(LoadError) as error:
        CriticalSampleCurve.load(folder)
    assert isinstance(error.value.__cause__, zipfile.BadZipFile)
