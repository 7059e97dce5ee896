"""The critical sample ratio as a Keras callback: what it measures, who sees it, and that nothing else changes."""

import math
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from kerasviz.errors import InputError, KerasvizWarning, ModelError, SettingError, TargetError
from kerasviz.generalization.critical_search import CriticalSampleSearch
from kerasviz.generalization.critical_training import CriticalSampleTraining
from kerasviz.generalization.ratio_callback import CriticalSampleRatio
from kerasviz.generalization.searches import PGD

W, B, RADIUS = np.array([1.0, -2.0, 0.5]), 0.1, 0.3
SHAPE = (6, 5, 1)


def dense(rate=0.0):
    """A linear classifier of two classes with the weights above, which it keeps at a rate of 0."""
    model = keras.Sequential([keras.Input((3,)), L.Dense(1, "sigmoid")])
    model.set_weights([W[:, None], np.array([B])])
    model.compile(keras.optimizers.SGD(rate), "binary_crossentropy")
    return model


def layers():
    return [
        L.RandomTranslation(0.2, 0.2),
        L.Conv2D(4, 3),
        L.BatchNormalization(),
        L.ReLU(),
        L.Flatten(),
        L.Dropout(0.5),
        L.Dense(3, "softmax"),
    ]


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.parts = layers()

    def call(self, x, training=False):
        for part in self.parts:
            x = part(x, training=training) if isinstance(part, L.Dropout | L.RandomTranslation) else part(x)
        return x


def built():
    return keras.Sequential([keras.Input(SHAPE), *layers()])


def two_outputs():
    image = keras.Input(SHAPE, name="image")
    *body, last = layers()
    x = image
    for part in body:
        x = part(x)
    return keras.Model(image, {"kind": last(x), "size": L.Dense(3, name="size")(x)})


def data(count=24):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, *SHAPE)).astype("float32"), rng.integers(3, size=count)


def fed(kind):
    x, y = data()
    if kind == "dataset":
        return {"x": tf.data.Dataset.from_tensor_slices((x, y)).shuffle(24, seed=1).batch(8), "shuffle": False}
    if kind == "outputs":
        return {"x": x, "y": {"kind": y, "size": np.eye(3)[y]}, "batch_size": 8}
    return {"x": x, "y": y, "batch_size": 8}


def probes(count=16):
    return np.random.default_rng(5).normal(size=(count, *SHAPE)).astype("float32")


def state(model):
    """All that a training changes."""
    return [np.array(v) for v in (*model.variables, *model.optimizer.variables)]


KINDS = {
    "built": (built, {}, {}),
    "eager": (built, {"run_eagerly": True}, {}),
    "steps": (built, {"steps_per_execution": 2}, {}),
    "dataset": (built, {}, {}),
    "unbuilt": (lambda: keras.Sequential(layers()), {}, {}),
    "subclassed": (Subclassed, {}, {}),
    "half": (built, {}, {}),
    "outputs": (two_outputs, {"loss": {"kind": "sparse_categorical_crossentropy", "size": "mse"}}, {"output": "kind"}),
    "jit": (built, {"jit_compile": True}, {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_training_is_the_same_to_the_bit(kind):
    build, compile, settings = KINDS[kind]
    if kind == "jit":  # XLA cannot compile the translation.

        def build():
            return keras.Sequential([keras.Input(SHAPE), *layers()[1:]])

    def trained(callbacks):
        keras.utils.set_random_seed(0)
        keras.config.set_dtype_policy("mixed_float16" if kind == "half" else "float32")
        try:
            model = build()
            model.compile(**{"optimizer": "adam", "loss": "sparse_categorical_crossentropy", **compile})
            history = model.fit(**fed(kind), epochs=3, verbose=0, callbacks=callbacks).history
        finally:
            keras.config.set_dtype_policy("float32")
        return history, state(model), random.random(), np.random.random(), float(tf.random.uniform(()))  # noqa: NPY002

    plain = trained([])
    ratio = CriticalSampleRatio(probes(), 0.3, search="pgd", **settings)
    watched = trained([ratio])
    assert watched[0].pop("csr") == [value for _, value in ratio.history]
    assert 0 < ratio.history[-1][1] < 1
    assert watched[0] == plain[0]
    for mine, other in zip(watched[1], plain[1], strict=True):
        np.testing.assert_array_equal(mine, other)
    assert watched[2:] == plain[2:]


def test_ratio_of_a_linear_model_is_the_share_within_reach(rng):
    images = rng.normal(size=(300, 3)).astype("float32")
    exact = (np.abs(images @ W + B) < RADIUS * np.abs(W).sum()).mean()
    ratio = CriticalSampleRatio(images, RADIUS, name="critical", batch_size=64, initial=True)
    history = dense().fit(images[:8], np.ones(8), epochs=2, verbose=0, callbacks=[ratio])
    assert 0.3 < exact < 0.5
    assert history.history["critical"] == [exact, exact]
    assert ratio.initial == exact
    assert ratio.history == [(0, exact), (1, exact)]


@pytest.mark.slow
def test_each_epoch_measures_the_weights_that_it_ends_with():
    x, y = data()
    model, kept = built(), []
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    ratio = CriticalSampleRatio(probes(), 0.2, seed=4)
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(model.get_weights()))
    history = model.fit(x, y, epochs=4, verbose=0, callbacks=[ratio, keep])
    expected = []
    for weights in kept:
        model.set_weights(weights)
        expected.append(CriticalSampleSearch(model).ratio(probes(), 0.2, seed=4))
    assert history.history["csr"] == expected
    assert len(set(expected)) > 1


@pytest.mark.slow
def test_model_is_traced_once():
    calls = []

    def preprocess(images):
        calls.append(len(calls))
        return images * 1.0

    model = dense(0.1)
    counts = []
    count = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: counts.append(len(calls)))
    ratio = CriticalSampleRatio(np.ones((7, 3)), RADIUS, preprocess=preprocess, batch_size=2)
    model.fit(np.ones((4, 3)), np.zeros(4), epochs=4, verbose=0, callbacks=[ratio, count])
    assert counts[0] > 0
    assert counts == [counts[0]] * 4


@pytest.mark.slow
def test_callbacks_that_stand_behind_it_see_it(tmp_path, capsys):
    images = np.linspace(-3, 3, 40)[:, None] * np.array([[1.0, 0, 0]])
    before, behind = (keras.callbacks.CSVLogger(tmp_path / f"{name}.csv") for name in ("before", "behind"))
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}-{csr:.3f}.keras", monitor="csr", mode="min", save_best_only=True
    )
    stop = keras.callbacks.EarlyStopping(monitor="csr", mode="min", patience=2)
    ratio = CriticalSampleRatio(images, RADIUS)
    history = dense().fit(
        images[:4], np.ones(4), epochs=9, callbacks=[before, ratio, behind, checkpoint, stop], verbose=2
    )
    exact = (np.abs(images @ W + B) < RADIUS * 3.5).mean()
    # The ratio never falls: training ends two epochs after the first.
    assert history.history["csr"] == [exact] * 3
    assert (tmp_path / "before.csv").read_text().splitlines()[0] == "epoch,loss,val_loss"
    header, *rows = (tmp_path / "behind.csv").read_text().splitlines()
    assert header.split(",")[:2] == ["epoch", "csr"]
    assert [float(row.split(",")[1]) for row in rows] == [exact] * 3
    assert [path.name for path in tmp_path.glob("*.keras")] == [f"1-{exact:.3f}.keras"]
    assert f"csr: {exact:.4f}" in capsys.readouterr().out


@pytest.mark.slow
def test_tensorboard_behind_it_writes_it(tmp_path):
    pytest.importorskip("tensorboard")
    images = np.random.default_rng(0).normal(size=(50, 3))
    ratio = CriticalSampleRatio(images, RADIUS)
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    dense(0.5).fit(images, images[:, 0] > 0, epochs=3, verbose=0, callbacks=[ratio, board])
    [file] = (tmp_path / "train").glob("events.out.tfevents.*")
    found = [
        (event.step, float(tf.make_ndarray(value.tensor)))
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
        if value.tag == "epoch_csr"
    ]
    assert found == [(epoch, pytest.approx(value)) for epoch, value in ratio.history]
    assert len(found) == 3


@pytest.mark.slow
def test_epochs_between_are_nan():
    ratio = CriticalSampleRatio(np.ones((4, 3)), RADIUS, every=3)
    model = dense()
    history = model.fit(np.ones((4, 3)), np.ones(4), epochs=5, verbose=0, callbacks=[ratio]).history["csr"]
    assert [math.isnan(value) for value in history] == [False, True, True, False, True]
    assert [epoch for epoch, _ in ratio.history] == [0, 3]
    # Training that goes on at another epoch: its first, and again those that 3 divides.
    model.fit(np.ones((4, 3)), np.ones(4), initial_epoch=5, epochs=8, verbose=0, callbacks=[ratio])
    assert [epoch for epoch, _ in ratio.history] == [5, 6]


@pytest.mark.slow
def test_one_callback_serves_several_trainings_and_models():
    x, y = data()
    ratio = CriticalSampleRatio(probes(), 0.2, search=PGD(steps=5, random_start=False))
    measured = []
    for _ in range(2):
        model = built()
        model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
        for _ in range(2):
            model.fit(x, y, epochs=2, verbose=0, callbacks=[ratio])
            search = CriticalSampleSearch(model, search=PGD(steps=5, random_start=False))
            assert ratio.history[-1] == (1, search.ratio(probes(), 0.2))
            assert len(ratio.history) == 2
            measured.append(ratio.history[-1][1])
    assert len(set(measured)) > 1


@pytest.mark.slow
def test_after_an_interruption_the_next_model_is_the_one_measured():
    def interrupt(epoch, logs):
        raise KeyboardInterrupt

    ratio, images = CriticalSampleRatio(np.array([[0.5, 0, 0]]), 0.3, search="fgsm"), np.ones((2, 3))
    with pytest.raises(KeyboardInterrupt):
        dense().fit(
            images, np.ones(2), verbose=0, callbacks=[ratio, keras.callbacks.LambdaCallback(on_epoch_end=interrupt)]
        )
    assert ratio.history == [(0, 1.0)]
    # One of a boundary further away.
    model = dense()
    model.set_weights([W[:, None], np.array([9.0])])
    model.fit(images, np.ones(2), verbose=0, callbacks=[ratio])
    assert ratio.history == [(0, 0.0)]


@pytest.mark.slow
def test_images_tell_the_inputs_of_a_model_that_declares_none():
    class Open(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(1, "sigmoid")
            self.dense.build((None, 3))
            self.dense.set_weights([W[:, None], np.array([B])])
            self.built = True

        def call(self, x):
            return self.dense(x)

    images = np.linspace(-2, 2, 21)[:, None] * np.array([[1.0, 0, 0]])
    exact = (np.abs(images @ W + B) < RADIUS * 3.5).mean()
    model = Open()
    model.compile(keras.optimizers.SGD(0.0), "binary_crossentropy")
    with pytest.raises(ModelError, match="sample="):
        CriticalSampleTraining(model, RADIUS)
    training = CriticalSampleTraining(model, RADIUS, search="fgsm", sample=images)
    ratio = CriticalSampleRatio(images, RADIUS, search="fgsm")
    history = training.fit(images, np.ones(21), verbose=0, callbacks=ratio)
    assert 0 < exact < 1
    assert history.history["csr"] == [exact]
    assert history.history["critical"] == [pytest.approx(exact)]


@pytest.mark.slow
def test_it_works_with_training_on_critical_samples(rng):
    images = rng.normal(size=(60, 3)).astype("float32")
    ratio = CriticalSampleRatio(images, RADIUS, search="fgsm")
    history = CriticalSampleTraining(dense(), RADIUS, search="fgsm").fit(
        images, images[:, 0] > 0, epochs=2, verbose=0, callbacks=[ratio]
    )
    # The network stays as it is, and both look at the same samples.
    exact = (np.abs(images @ W + B) < RADIUS * 3.5).mean()
    assert history.history["csr"] == [exact, exact]
    assert history.history["critical"] == [pytest.approx(exact), pytest.approx(exact)]


@pytest.mark.slow
def test_one_mirrored_device():
    x, y = data()
    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        model = keras.Sequential(layers())
        model.compile("adam", "sparse_categorical_crossentropy")
    ratio = CriticalSampleRatio(probes(), 0.3, search="pgd")
    model.fit(x, y, epochs=2, verbose=0, callbacks=[ratio])
    assert ratio.history[1] == (1, CriticalSampleSearch(model, search="pgd").ratio(probes(), 0.3))
    assert 0 < ratio.history[1][1] < 1


@pytest.mark.slow
def test_another_figure_of_its_name_is_named():
    model = dense()
    first, second = CriticalSampleRatio(np.ones((2, 3)), 0.1), CriticalSampleRatio(np.ones((2, 3)), 9.0)
    with pytest.warns(KerasvizWarning, match="another 'csr'") as caught:
        history = model.fit(np.ones((2, 3)), np.ones(2), epochs=3, verbose=0, callbacks=[first, second])
    assert len(caught) == 1
    assert history.history["csr"] == [1.0, 1.0, 1.0]
    assert first.history == [(0, 0.0), (1, 0.0), (2, 0.0)]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"radius": -1}, SettingError, "radius=-1"),
        ({"radius": "wide"}, SettingError, "radius='wide'"),
        ({"search": "newton"}, SettingError, "search='newton'"),
        ({"every": 0}, SettingError, "every=0"),
        ({"name": ""}, SettingError, "name=''"),
        ({"batch_size": 0}, SettingError, "batch_size=0"),
        ({"seed": -1}, SettingError, "seed=-1"),
        ({"images": tf.data.Dataset.range(3)}, InputError, "RangeDataset"),
    ],
)
def test_settings_out_of_range_are_refused(settings, error, words):
    with pytest.raises(error, match=words):
        CriticalSampleRatio(**{"images": np.ones((2, 3)), "radius": RADIUS, **settings})


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"images": np.ones((2, 4))}, InputError, r"\(2, 4\)"),
        ({"images": np.ones(3)}, InputError, "without a batch axis"),
        ({"images": np.full((2, 3), np.nan)}, InputError, "NaN"),
        ({"images": np.ones((0, 3))}, InputError, "empty"),
        ({"bounds": (0, 0.5)}, InputError, "from 1 to 1"),
        ({"bounds": (1, 0)}, SettingError, r"bounds=\(1, 0\)"),
        ({"preprocess": "vgg"}, SettingError, "vgg"),
        ({"input": "mask"}, InputError, "input='mask'"),
        ({"output": "size"}, TargetError, "'size'"),
    ],
)
def test_what_does_not_fit_the_model_is_an_error_before_the_first_epoch(settings, error, words):
    model, epochs = dense(0.1), []
    count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
    ratio = CriticalSampleRatio(**{"images": np.ones((2, 3)), "radius": RADIUS, **settings})
    with pytest.raises(error, match=words):
        model.fit(np.ones((4, 3)), np.ones(4), verbose=0, callbacks=[count, ratio])
    assert epochs == []
    np.testing.assert_array_equal(model.get_weights()[0][:, 0], W.astype("float32"))


@pytest.mark.slow
def test_a_model_without_weights_is_opened_at_its_second_batch():
    x, y = data()
    batches = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))

    def fit(ratio):
        model = keras.Sequential(layers())
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=8, verbose=0, callbacks=[count, ratio])

    with pytest.raises(InputError, match=r"\(2, 6, 5\)"):
        fit(CriticalSampleRatio(np.ones((2, 6, 5)), RADIUS))
    assert batches == [0]
    with pytest.raises(ModelError, match="no weights yet"):
        fit(CriticalSampleRatio(probes(), RADIUS, initial=True))
    assert batches == [0]
