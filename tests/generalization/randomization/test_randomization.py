"""Networks trained on true and corrupted data: what they start from, what is measured, and what they learn."""

import gc
import random
import weakref
import zlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from learners import CLASSES, clusters, mlp, same_runs

from kerasviz.errors import KerasvizWarning, SettingError
from kerasviz.generalization.critical_search import CriticalSampleSearch
from kerasviz.generalization.randomization.corruption import gaussian_images, random_pixels, shuffled_pixels
from kerasviz.generalization.randomization.data_sets import DataSets
from kerasviz.generalization.randomization.running import RandomizationTest
from kerasviz.generalization.randomization.settings import Regularization
from kerasviz.generalization.searches import LASS

#: Noisy, and too few steps: what it finds depends on its seed.
SEARCH = LASS(steps=2, noise=2.0)
PROBES = zlib.crc32(b"probes")
TRAIN, VALIDATION = clusters(96, seed=1), clusters(400, seed=2)


class Watched:
    """Builds networks, and remembers their weights at the start and after each step of the optimizer."""

    def __init__(self, **settings):
        self.models, self.starts, self.settings = [], [], settings

    def __call__(self, **arguments):
        model = mlp(**self.settings, **arguments)
        self.models.append(model)
        return model


@pytest.fixture(scope="module")
def found():
    """A test of two data sets with all that is measured, its last model, and the state of randomness around it."""
    build = Watched()
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002 - the global state is what must not change
    tf.random.set_seed(5)
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    test = RandomizationTest(
        build, *TRAIN, validation=VALIDATION, data=("true", "random labels"), epochs=20, batch_size=20,
        radius=0.3, search=SEARCH, probes=50, every=6, seed=3,
    )  # fmt: skip
    result = test.run()
    after = random.getstate(), np.random.get_state()  # noqa: NPY002
    drawn = tf.random.uniform([4]).numpy()
    tf.random.set_seed(5)
    return test, result, build, (states, after), (drawn, tf.random.uniform([4]).numpy())


@pytest.mark.slow
def test_true_labels_are_fitted_sooner_and_generalize(found):
    _, result, *_ = found
    true, noise = result["true"], result["random labels"]
    assert true.fit_epoch is not None and true.fit_epoch < (noise.fit_epoch or 100)
    assert true.final["validation_accuracy"] > 0.95
    assert abs(noise.final["validation_accuracy"] - 1 / CLASSES) < 0.12
    assert true.gap < 0.05 and noise.gap > 0.3
    np.testing.assert_array_equal(true.curves["true_accuracy"], true.curves["train_accuracy"])
    assert noise.final["true_accuracy"] < noise.final["train_accuracy"] - 0.2


@pytest.mark.slow
def test_curves_are_what_keras_evaluates(found):
    test, result, build, *_ = found
    # The last model that was trained is still there, as it was at the end.
    model, run = build.models[-1], result["random labels"]
    noised = test._data_sets.make("random labels")
    assert 0.6 < (noised.labels != TRAIN[1]).mean() < 0.9
    loss, accuracy = model.evaluate(TRAIN[0], noised.labels, verbose=0)
    assert run.final["train_loss"] == pytest.approx(loss, rel=1e-5)
    assert run.final["train_accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert run.final["true_accuracy"] == pytest.approx(model.evaluate(*TRAIN, verbose=0)[1], abs=1e-6)
    loss, accuracy = model.evaluate(*VALIDATION, verbose=0)
    assert run.final["validation_loss"] == pytest.approx(loss, rel=1e-5)
    assert run.final["validation_accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert 0.3 < run.final["train_accuracy"] < 1


@pytest.mark.slow
def test_critical_samples_are_measured_when_due(found):
    _, result, build, *_ = found
    search = CriticalSampleSearch(build.models[-1], search=SEARCH)
    run = result["random labels"]
    # The probes are the same images as long as the seed is.
    probes = [
        np.sort(np.random.default_rng([3, PROBES]).permutation(len(images))[:50]) for images, _ in (TRAIN, VALIDATION)
    ]
    for name, (images, _), chosen in zip(("train_csr", "validation_csr"), (TRAIN, VALIDATION), probes, strict=True):
        measured = np.flatnonzero(np.isfinite(run.curves[name])) + 1
        np.testing.assert_array_equal(measured, [6, 12, 18, 20])
        assert run.final[name] == search.ratio(images[chosen], 0.3, seed=3)
    assert run.final["validation_csr"] > result["true"].final["validation_csr"] + 0.2


@pytest.mark.slow
def test_time_to_fit_is_the_first_epoch_that_reaches_it(found):
    _, result, *_ = found
    run = result["true"]
    curve = run.curves["train_accuracy"]
    assert (curve[: run.fit_epoch - 1] < 0.99).all() and curve[run.fit_epoch - 1] >= 0.99
    assert run.steps_per_epoch == 5
    assert run.fit_step == 5 * run.fit_epoch
    assert run.epochs == run.kept_epoch == 20


def test_global_randomness_is_left_alone(found):
    *_, (before, after), (drawn, anew) = found
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1][1], after[1][1])
    assert before[1][2] == after[1][2]
    np.testing.assert_array_equal(drawn, anew)


@pytest.mark.slow
def test_every_data_set_starts_with_the_same_weights_and_order(monkeypatch):
    starts, orders = [], []

    def fit(model, data, **arguments):
        starts.append([np.array(each) for each in (*model.variables, *model.optimizer.variables)])
        batches = [labels.numpy() for _, labels in data]
        orders.append(batches)
        return original(model, data, **arguments)

    original = keras.Model.fit
    monkeypatch.setattr(keras.Sequential, "fit", fit)
    images, labels = TRAIN[0][:30], np.arange(30) % CLASSES
    data = ("true", "gaussian", "shuffled pixels")
    RandomizationTest(lambda: mlp(dropout=0.5, rate=0.3), images, labels, data=data, epochs=2, batch_size=8).run()
    assert len(starts) == 3
    for start in starts[1:]:
        for one, other in zip(starts[0], start, strict=True):
            np.testing.assert_array_equal(one, other)
    assert np.ptp(starts[0][0]) > 0
    for order in orders:
        assert [len(batch) for batch in order] == 2 * [8, 8, 8, 6]
        np.testing.assert_array_equal(np.concatenate(order), np.concatenate(orders[0]))
    first, second = np.concatenate(orders[0][:4]), np.concatenate(orders[0][4:])
    np.testing.assert_array_equal(np.sort(first), np.sort(labels))
    assert (first != second).any() and (first != labels).any()


@pytest.mark.slow
def test_it_repeats_bit_for_bit_whatever_the_global_state():
    settings = {
        "data": ("true", "corrupted"),
        "epochs": 3,
        "batch_size": 32,
        "regularizations": {"drop": {"dropout": 0.3}},
    }
    one = RandomizationTest(mlp, *TRAIN, **settings).run()
    random.seed(99)
    mlp()
    same_runs(one, RandomizationTest(mlp, *TRAIN, **settings).run())
    other = RandomizationTest(mlp, *TRAIN, **{**settings, "data": "true", "seed": 1}).run()
    assert one["true"].final["train_loss"] != other["true"].final["train_loss"]
    assert list(one.runs) == [("true", "drop"), ("corrupted 0.5", "drop")]


def test_data_sets_are_made_as_the_paper_says():
    sets = DataSets(
        *TRAIN, VALIDATION,
        kinds=("true", "corrupted", "random labels", "shuffled pixels", "random pixels", "gaussian"),
        shares=(0.2, 0.8), seed=4,
    )  # fmt: skip
    sets.classes = CLASSES
    assert sets.names == (
        "true", "corrupted 0.2", "corrupted 0.8", "random labels", "shuffled pixels", "random pixels", "gaussian"
    )  # fmt: skip
    made = {name: sets.make(name) for name in sets.names}
    for name, data in made.items():
        np.testing.assert_array_equal(data.classes[:, 0], data.labels)
        np.testing.assert_array_equal(data.classes[:, 1], TRAIN[1])
        assert (data.images is TRAIN[0]) == (name in sets.names[:4])
        assert (data.validation is VALIDATION[0]) == (name in sets.names[:4])
        if name in ("true", *sets.names[4:]):
            np.testing.assert_array_equal(data.labels, TRAIN[1])
    wrong = [(made[name].labels != TRAIN[1]).mean() for name in sets.names[1:4]]
    np.testing.assert_allclose(wrong, [0.15, 0.6, 0.75], atol=0.12)
    shuffled = made["shuffled pixels"]
    np.testing.assert_array_equal(shuffled.images, shuffled_pixels(TRAIN[0], 4))
    np.testing.assert_array_equal(shuffled.validation, shuffled_pixels(VALIDATION[0], 4))
    np.testing.assert_array_equal(made["random pixels"].images, random_pixels(TRAIN[0], 4))
    np.testing.assert_array_equal(made["random pixels"].validation, random_pixels(VALIDATION[0], 5))
    noise = made["gaussian"]
    np.testing.assert_array_equal(noise.images, gaussian_images(TRAIN[0], 4))
    np.testing.assert_array_equal(noise.validation, gaussian_images(VALIDATION[0], 5, like=TRAIN[0]))


@pytest.mark.slow
def test_early_stopping_goes_back_to_the_best_epoch():
    build = Watched(rate=0.05)
    result = RandomizationTest(
        build, *TRAIN, validation=VALIDATION, data="random labels", epochs=40, batch_size=16,
        regularizations={"stop": Regularization({"units": 16}, early_stopping=3)},
        radius=0.3, search="fgsm", probes=40, every=100,
    ).run()  # fmt: skip
    run = result["random labels"]
    accuracy = run.curves["validation_accuracy"]
    assert run.kept_epoch == int(accuracy.argmax()) + 1
    assert run.epochs == run.kept_epoch + 3 < 40
    model = build.models[-1]
    assert model.layers[1].units == 16
    assert run.final["validation_accuracy"] == accuracy.max()
    assert model.evaluate(*VALIDATION, verbose=0)[1] == pytest.approx(accuracy.max(), abs=1e-6)
    # Measured at the weights that were kept, though no search was due then.
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(run.curves["train_csr"])), [run.kept_epoch - 1])
    probes = np.sort(np.random.default_rng([0, PROBES]).permutation(96)[:40])
    search = CriticalSampleSearch(model, search="fgsm")
    assert run.final["train_csr"] == search.ratio(TRAIN[0][probes], 0.3)


@pytest.mark.slow
def test_early_stopping_keeps_the_first_of_the_best_epochs():
    result = RandomizationTest(
        mlp, *TRAIN, validation=VALIDATION, data="true", epochs=30, batch_size=8,
        regularizations={"stop": Regularization(early_stopping=2)},
    ).run()  # fmt: skip
    run = result["true"]
    accuracy = run.curves["validation_accuracy"]
    assert run.kept_epoch == int(accuracy.argmax()) + 1 and run.epochs == run.kept_epoch + 2 < 30
    assert (accuracy == accuracy.max()).sum() > 1


@pytest.mark.slow
def test_one_hot_labels_and_integer_images_are_trained_on_alike():
    images = np.clip(128 + 40 * TRAIN[0], 0, 255).astype(np.uint8)
    rows = np.eye(CLASSES)[TRAIN[1]]
    settings = {"data": ("true", "random labels", "gaussian"), "epochs": 2, "batch_size": 32}
    numbers = RandomizationTest(lambda: mlp(rate=1e-4), images, TRAIN[1].astype(np.uint8)[:, None], **settings).run()
    one_hot = RandomizationTest(
        lambda: mlp(rate=1e-4, loss="categorical_crossentropy"), images.astype(np.float32), rows, **settings
    ).run()
    for key, run in numbers.runs.items():
        for name, curve in run.curves.items():
            np.testing.assert_allclose(curve, one_hot.runs[key].curves[name], rtol=1e-3, err_msg=f"{key} {name}")
        assert run.final["train_accuracy"] > 0
        assert "validation_accuracy" not in run.curves and run.gap is None


@pytest.mark.slow
def test_a_unit_under_a_sigmoid_has_two_classes():
    def build():
        model = keras.Sequential([keras.Input((4, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")])
        model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
        built.append(model)
        return model

    built = []
    labels = (TRAIN[0].mean((1, 2, 3)) > 0).astype(bool)
    result = RandomizationTest(build, TRAIN[0], labels, data=("true", "random labels"), epochs=4, batch_size=16).run()
    run = result["random labels"]
    assert result.settings["classes"] == 2
    assert run.final["true_accuracy"] == pytest.approx(built[-1].evaluate(TRAIN[0], labels, verbose=0)[1], abs=1e-6)


@pytest.mark.slow
def test_a_training_that_diverges_is_told():
    test = RandomizationTest(lambda: mlp(rate=1e30), *TRAIN, data="true", epochs=2, batch_size=32)
    with pytest.warns(KerasvizWarning, match="'true' with 'none' diverged: its loss is not finite from epoch 1 on"):
        result = test.run()
    assert np.isnan(result["true"].final["train_loss"])
    result.plot()


@pytest.mark.slow
def test_schedules_and_statistics_begin_anew_with_each_data_set():
    def build():
        model = keras.Sequential(
            [
                keras.Input((4, 6, 1)),
                keras.layers.BatchNormalization(),
                keras.layers.Flatten(),
                keras.layers.Dense(CLASSES, "softmax"),
            ]
        )
        schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.1)
        model.compile(keras.optimizers.SGD(schedule, momentum=0.9), "sparse_categorical_crossentropy")
        return model

    settings = {"epochs": 3, "batch_size": 16}
    together = RandomizationTest(build, *TRAIN, data=("gaussian", "true"), **settings).run()
    alone = RandomizationTest(build, *TRAIN, data="true", **settings).run()
    for name, curve in alone["true"].curves.items():
        np.testing.assert_array_equal(curve, together["true"].curves[name])


@pytest.mark.slow
def test_training_on_critical_samples_is_a_regularization():
    result = RandomizationTest(
        mlp, *TRAIN, validation=VALIDATION, data=("true", "random labels"), epochs=15, batch_size=32,
        regularizations={
            "none": {},
            "zero": Regularization(critical={"radius": 0, "search": "fgsm"}),
            "critical": Regularization(critical={"radius": 0.5, "search": "fgsm"}),
        },
        radius=0.5, search="fgsm", every=15,
    ).run()  # fmt: skip
    for data in ("true", "random labels"):
        plain, zero, critical = (result[data, name] for name in ("none", "zero", "critical"))
        for name, curve in plain.curves.items():
            np.testing.assert_array_equal(curve, zero.curves[name])
        # The boxes hold fewer other classes after it.
        assert critical.final["train_csr"] < plain.final["train_csr"] or plain.final["train_csr"] == 0
    assert result["random labels", "critical"].final["train_loss"] > result["random labels", "none"].final["train_loss"]


def test_a_run_is_found_by_its_names(found):
    _, result, *_ = found
    assert result["true"] is result["true", "none"] is result.runs["true", "none"]
    with pytest.raises(SettingError, match="'gaussian' names 0 runs"):
        result["gaussian"]


@pytest.mark.slow
def test_one_data_set_is_in_memory_at_a_time(monkeypatch):
    made, alive = [], []
    make = DataSets.make

    def watched(sets, name):
        gc.collect()
        alive.append([each() is not None for each in made])
        data = make(sets, name)
        made.append(weakref.ref(data.images))
        return data

    monkeypatch.setattr(DataSets, "make", watched)
    data = ("gaussian", "random pixels", "shuffled pixels")
    RandomizationTest(mlp, *TRAIN, data=data, epochs=1, batch_size=32).run()
    assert alive == [[], [False], [False, False]]
