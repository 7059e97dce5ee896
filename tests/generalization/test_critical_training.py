"""Training on critical samples, against updates computed by hand."""

import random
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from kerasviz.errors import InputError, ModelError, SettingError, TargetError
from kerasviz.generalization.critical_search import CriticalSampleSearch
from kerasviz.generalization.critical_training import CriticalSampleTraining
from kerasviz.generalization.searches import LASS, PGD

W, B, RADIUS, RATE = np.array([1.0, -2.0, 0.5]), 0.1, 0.3, 0.1
#: Under W and B: distances 0.2, 0.9, -1.2, 3.1 and -0.4 from the boundary, of which 1.05 is reached.
X = np.array([[0.1, 0, 0], [0.8, 0, 0], [0, 0.65, 0], [1, -1, 0], [0, 0.25, 0]], "float32")
Y = np.array([1, 0, 0, 1, 1])
CRITICAL = np.array([True, True, False, False, True])


#: A search without noise, for which XLA draws other numbers than TensorFlow's own kernels.
STEADY = PGD(steps=4, random_start=False)


def linear(**compile):
    """A linear classifier of two classes with the weights above."""
    model = keras.Sequential([keras.Input((3,)), L.Dense(1, "sigmoid")])
    model.set_weights([W[:, None], np.array([B])])
    settings = {"optimizer": keras.optimizers.SGD(RATE), "loss": "binary_crossentropy", **compile}
    model.compile(**settings)
    return model


def by_hand(weight=1.0, sample_weight=None):
    """The loss, and the weights and the bias after a step of gradient descent on it."""
    w = np.ones(5) if sample_weight is None else np.asarray(sample_weight, float)
    z = X @ W + B
    points = X - RADIUS * np.sign(z)[:, None] * np.sign(W)
    rows, labels = np.concatenate([X, points]), np.concatenate([Y, Y])
    weights = np.concatenate([w, weight * w * CRITICAL]) / (5 + weight * CRITICAL.sum())
    p = 1 / (1 + np.exp(-(rows @ W + B)))
    loss = -(weights * (labels * np.log(p) + (1 - labels) * np.log(1 - p))).sum()
    slope = weights * (p - labels)
    return loss, W - RATE * slope @ rows, B - RATE * slope.sum()


def convolutional(dropout=0.0, **compile):
    """A small network with random weights, the same each time."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((6, 5, 1)),
            L.Conv2D(4, 3),
            L.BatchNormalization(momentum=0.5),
            L.ReLU(),
            L.Flatten(),
            L.Dropout(dropout),
            L.Dense(3, "softmax"),
        ]
    )
    model.compile(**{"optimizer": keras.optimizers.SGD(0.1), "loss": "sparse_categorical_crossentropy", **compile})
    return model


@pytest.fixture
def images(rng):
    return rng.normal(size=(20, 6, 5, 1)).astype("float32")


@pytest.fixture
def labels(rng):
    return rng.integers(3, size=20)


def flat(model):
    return np.concatenate([np.ravel(w) for w in model.get_weights()])


class Recorded(keras.Sequential):
    """Keeps the batches that its training step gets."""

    def train_step(self, data):
        self.batches.append(keras.tree.map_structure(np.array, data))
        return super().train_step(data)


@pytest.mark.slow
@pytest.mark.parametrize("weight", [1.0, 0.25, 3.0])
@pytest.mark.parametrize("sample_weight", [None, [1.0, 0.5, 2.0, 0.0, 3.0]])
def test_step_is_the_one_computed_by_hand(weight, sample_weight):
    model = linear()
    training = CriticalSampleTraining(model, RADIUS, search="fgsm", weight=weight)
    given = None if sample_weight is None else np.array(sample_weight)
    history = training.fit(X, Y, batch_size=5, shuffle=False, verbose=0, sample_weight=given)
    loss, kernel, bias = by_hand(weight, sample_weight)
    np.testing.assert_allclose(model.get_weights()[0][:, 0], kernel, atol=1e-6)
    np.testing.assert_allclose(model.get_weights()[1], bias, atol=1e-6)
    assert history.history["loss"] == [pytest.approx(loss, abs=1e-6)]
    assert history.history["critical"] == [pytest.approx(0.6)]


@pytest.mark.slow
def test_class_weights_count_for_the_points_too():
    model = linear()
    CriticalSampleTraining(model, RADIUS, search="fgsm").fit(
        X, Y, batch_size=5, verbose=0, class_weight={0: 3.0, 1: 0.5}
    )
    _, kernel, _ = by_hand(1.0, [0.5, 3.0, 3.0, 0.5, 0.5])
    np.testing.assert_allclose(model.get_weights()[0][:, 0], kernel, atol=1e-6)


@pytest.mark.slow
def test_a_loss_divided_by_the_weights_divides_by_those_of_the_points():
    loss = keras.losses.BinaryCrossentropy(reduction="mean_with_sample_weight")
    model, w = linear(loss=loss), np.array([1.0, 0.5, 2.0, 0.0, 3.0])
    CriticalSampleTraining(model, RADIUS, search="fgsm", weight=0.5).fit(X, Y, batch_size=5, verbose=0, sample_weight=w)
    _, kernel, _ = by_hand(0.5, w * (5 + 0.5 * 3) / (w.sum() + 0.5 * w[CRITICAL].sum()))
    np.testing.assert_allclose(model.get_weights()[0][:, 0], kernel, atol=1e-6)


@pytest.mark.slow
def test_metrics_count_all_rows_and_weighted_metrics_those_that_count():
    model = linear(metrics=["accuracy"], weighted_metrics=[keras.metrics.BinaryAccuracy(name="weighted")])
    history = CriticalSampleTraining(model, RADIUS, search="fgsm").fit(X, Y, batch_size=5, verbose=0)
    # Predicted right: samples 0, 2 and 3; at the points, which have the other class: 4 only, then 2 and 3 again.
    right, found_right = np.array([1, 0, 1, 1, 0]), np.array([0, 1, 0, 0, 1])
    at_points = np.where(CRITICAL, found_right, right)
    assert history.history["accuracy"] == [pytest.approx((right.sum() + at_points.sum()) / 10)]
    assert history.history["weighted"] == [pytest.approx((right.sum() + found_right.sum()) / 8)]


@pytest.mark.slow
def test_share_of_critical_samples_is_that_of_samples_not_of_batches():
    # Batches of three and two samples, of which two and one are critical; the network stays as it is.
    model = linear(optimizer=keras.optimizers.SGD(0.0))
    history = CriticalSampleTraining(model, RADIUS, search="fgsm").fit(X, Y, batch_size=3, shuffle=False, verbose=0)
    assert history.history["critical"] == [pytest.approx(0.6)]


@pytest.mark.slow
def test_share_of_critical_samples_is_that_of_the_epoch():
    model, shares = linear(optimizer=keras.optimizers.SGD(3.0)), []

    def measure(epoch, logs=None):
        kernel, bias = model.get_weights()
        shares.append((np.abs(X @ kernel[:, 0] + bias) < RADIUS * np.abs(kernel).sum()).mean())

    history = CriticalSampleTraining(model, RADIUS, search="fgsm").fit(
        X, Y, batch_size=5, epochs=3, verbose=0, callbacks=keras.callbacks.LambdaCallback(on_epoch_begin=measure)
    )
    assert shares[0] == 0.6
    assert len(set(shares)) > 1
    assert history.history["critical"] == pytest.approx(shares)


@pytest.mark.slow
def test_radius_0_is_plain_training_to_the_bit(images, labels):
    plain, model = convolutional(dropout=0.5), convolutional(dropout=0.5)
    expected = plain.fit(images, labels, epochs=2, batch_size=8, verbose=0, shuffle=False).history
    history = CriticalSampleTraining(model, 0).fit(images, labels, epochs=2, batch_size=8, verbose=0, shuffle=False)
    np.testing.assert_array_equal(flat(model), flat(plain))
    assert history.history == {**expected, "critical": [0.0, 0.0]}


@pytest.mark.slow
def test_where_nothing_is_found_training_is_plain(images, labels):
    plain, model = convolutional(), convolutional()
    plain.fit(images, labels, epochs=2, batch_size=8, verbose=0, shuffle=False)
    history = CriticalSampleTraining(model, 1e-7).fit(images, labels, epochs=2, batch_size=8, verbose=0, shuffle=False)
    assert history.history["critical"] == [0.0, 0.0]
    # The moving statistics of the batch normalization are among the weights.
    np.testing.assert_allclose(flat(model), flat(plain), atol=2e-6)


@pytest.mark.slow
def test_points_are_searched_in_inference_mode_and_trained_on_in_training_mode(images, labels):
    keras.utils.set_random_seed(1)
    model = Recorded(
        [
            keras.Input((6, 5, 1)),
            L.BatchNormalization(momentum=0.5),
            L.Flatten(),
            L.Dropout(0.5, seed=4),
            L.Dense(3, "softmax"),
        ]
    )
    model.batches = []
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
    search = CriticalSampleSearch(model, search=LASS(steps=5))
    expected = search(images, 0.2, seed=7)
    before = [np.array(v) for v in model.non_trainable_variables]
    training = CriticalSampleTraining(model, 0.2, search=LASS(steps=5), seed=7)
    for old, new in zip(before, model.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(old, new)
    training.fit(images, labels, batch_size=20, shuffle=False, verbose=0)
    [(x, y, weights)] = model.batches
    assert 0.2 < expected.ratio < 1
    np.testing.assert_array_equal(x, np.concatenate([images, expected.points]))
    np.testing.assert_array_equal(y, np.concatenate([labels, labels]))
    np.testing.assert_array_equal(weights[20:] > 0, expected.critical)
    np.testing.assert_allclose(weights.sum(), 40)
    # Drawn from once, by the training; and the statistics of all rows, once.
    normalization, dropout = model.layers[0], model.layers[2]
    np.testing.assert_array_equal(dropout.seed_generator.state, [4, 1])
    np.testing.assert_allclose(normalization.moving_mean, 0.5 * x.mean((0, 1, 2)), atol=1e-6)


@pytest.mark.slow
def test_noise_is_another_at_each_step_and_the_same_for_the_same_seed(images, labels):
    def trained(seed):
        model = convolutional(dropout=0.5)
        CriticalSampleTraining(model, 0.2, search=LASS(steps=3), seed=seed).fit(
            images, labels, epochs=2, batch_size=8, verbose=0, shuffle=False
        )
        return flat(model)

    first = trained(0)
    np.testing.assert_array_equal(first, trained(0))
    assert (first != trained(1)).any()
    resumed = convolutional(dropout=0.5)
    for epoch in range(2):
        training = CriticalSampleTraining(resumed, 0.2, search=LASS(steps=3))
        training.fit(images, labels, initial_epoch=epoch, epochs=epoch + 1, batch_size=8, verbose=0, shuffle=False)
    np.testing.assert_array_equal(first, flat(resumed))


@pytest.mark.slow
def test_seeds_of_two_steps_of_the_training_do_not_overlap(images, labels):
    # The network stays as it is, and a batch comes twice: only the noise can differ.
    model = Recorded([keras.Input((6, 5, 1)), L.Flatten(), L.Dense(3, "softmax")])
    model.batches = []
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy", run_eagerly=True)
    CriticalSampleTraining(model, 5.0, search=LASS(steps=2, step=0.0, noise=0.5)).fit(
        images, labels, epochs=2, batch_size=20, shuffle=False, verbose=0
    )

    def found_at_once(batch, seed):
        x, _, weights = batch
        noise = tf.random.stateless_normal(images.shape[1:], [0, seed], alg="philox")
        near = np.isclose(x[20:], images + np.clip(2.5 * noise, -5, 5), atol=1e-5).all((1, 2, 3))
        return (near & (weights[20:] > 0)).sum()

    # A search takes the seeds of its start and of its two steps.
    assert [found_at_once(model.batches[0], seed) > 3 for seed in (1, 4)] == [True, False]
    assert [found_at_once(model.batches[1], seed) > 3 for seed in (1, 2, 4)] == [False, False, True]


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow, id="jit_compile"),
        pytest.param({"run_eagerly": True}, id="run_eagerly"),
        pytest.param({"steps_per_execution": 2}, id="steps_per_execution"),
    ],
)
def test_all_ways_to_run_agree(images, labels, settings):
    expected, model = convolutional(), convolutional(**settings)
    for each in (expected, model):
        history = CriticalSampleTraining(each, 0.2, search=STEADY).fit(
            images, labels, epochs=2, batch_size=8, verbose=0, shuffle=False
        )
    assert 0.1 < history.history["critical"][0] < 1
    np.testing.assert_allclose(flat(model), flat(expected), atol=1e-5)


@pytest.mark.slow
def test_mixed_precision_trains_and_its_steps_have_seeds_of_their_own(images, labels):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = convolutional()
    finally:
        keras.config.set_dtype_policy("float32")
    whole = convolutional()
    start = flat(whole)
    for model in (half, whole):
        CriticalSampleTraining(model, 0.2, search=LASS(steps=3)).fit(
            images, labels, batch_size=20, epochs=2, verbose=0, shuffle=False
        )
    assert int(half.optimizer.inner_optimizer.iterations) == 2
    moved = flat(whole) - start
    np.testing.assert_allclose(flat(half) - start, moved, atol=0.02 * np.abs(moved).max())


@pytest.mark.slow
def test_whole_numbers_and_one_hot_labels_train_alike(images, labels):
    sparse, dense = convolutional(), convolutional(loss="categorical_crossentropy")
    for model, given in ((sparse, labels), (dense, keras.utils.to_categorical(labels, 3))):
        CriticalSampleTraining(model, 0.2, search="fgsm").fit(images, given, batch_size=20, verbose=0, shuffle=False)
    np.testing.assert_allclose(flat(sparse), flat(dense), atol=1e-6)


@pytest.mark.slow
def test_data_sets_of_bytes_train_as_arrays_do(labels):
    pixels = np.random.default_rng(1).integers(0, 256, (20, 6, 5, 1)).astype("uint8")
    dataset = tf.data.Dataset.from_tensor_slices((pixels, labels)).batch(8)
    models = [convolutional(optimizer=keras.optimizers.SGD(1e-4)) for _ in range(2)]
    training = [CriticalSampleTraining(model, 20, search=STEADY, bounds=(0, 255)) for model in models]
    training[0].fit(dataset, epochs=2, shuffle=False, verbose=0)
    history = training[1].fit(pixels.astype("float32"), labels, epochs=2, batch_size=8, shuffle=False, verbose=0)
    assert history.history["critical"][0] > 0.1
    np.testing.assert_allclose(flat(models[0]), flat(models[1]), atol=1e-6)


def two_ends(**compile):
    """A model of an image and a number, with the outputs `kind` and `size`."""
    keras.utils.set_random_seed(2)
    image, number = keras.Input((4, 3, 1), name="image"), keras.Input((2,), name="number")
    x = L.Concatenate()([L.Flatten()(image), number])
    outputs = {"kind": L.Dense(3, "softmax", name="kind")(x), "size": L.Dense(1, name="size")(x)}
    model = keras.Model({"image": image, "number": number}, outputs)
    model.compile(keras.optimizers.SGD(0.1), {"kind": "sparse_categorical_crossentropy", "size": "mse"}, **compile)
    return model


@pytest.mark.slow
def test_several_inputs_and_outputs(rng, monkeypatch):
    model, batches = two_ends(run_eagerly=True), []
    x = {
        "number": rng.normal(size=(12, 2)).astype("float32"),
        "image": rng.normal(size=(12, 4, 3, 1)).astype("float32"),
    }
    y = {"kind": rng.integers(3, size=12), "size": rng.normal(size=(12, 1)).astype("float32")}
    w = {"kind": np.full(12, 2.0), "size": np.arange(12.0)}
    step = type(model).train_step
    monkeypatch.setattr(type(model), "train_step", lambda self, data: batches.append(data) or step(self, data))
    expected = CriticalSampleSearch(model, search="pgd", input="image", output="kind")(x, 0.3)
    training = CriticalSampleTraining(model, 0.3, search="pgd", input="image", output="kind")
    training.fit(x, y, sample_weight=w, batch_size=12, shuffle=False, verbose=0)
    [(fed, labels, weights)] = batches
    assert 0 < expected.ratio < 1
    np.testing.assert_array_equal(fed["image"], np.concatenate([x["image"], expected.points]))
    np.testing.assert_array_equal(fed["number"], np.concatenate([x["number"]] * 2))
    np.testing.assert_array_equal(labels["size"], np.concatenate([y["size"]] * 2))
    scale = 24 / (12 + expected.critical.sum())
    np.testing.assert_allclose(weights["size"], scale * np.concatenate([w["size"], w["size"] * expected.critical]))
    np.testing.assert_allclose(weights["kind"], scale * np.concatenate([w["kind"], w["kind"] * expected.critical]))


@pytest.mark.slow
def test_several_outputs_without_weights_have_the_loss_of_the_rows_that_count(rng):
    model = two_ends()
    x = {"image": rng.normal(size=(12, 4, 3, 1)), "number": rng.normal(size=(12, 2))}
    y = {"kind": rng.integers(3, size=12), "size": rng.normal(size=(12, 1))}
    found = CriticalSampleSearch(model, search="pgd", input="image", output="kind")(x, 0.3)
    rows = {"image": found.points[found.critical], "number": x["number"][found.critical]}
    sums = []
    for inputs, chosen in ((x, np.arange(12)), (rows, np.flatnonzero(found.critical))):
        out = model.predict(inputs, verbose=0)
        kind = -np.log(out["kind"][np.arange(len(chosen)), y["kind"][chosen]])
        sums.append((kind + (out["size"] - y["size"][chosen])[:, 0] ** 2).sum())
    history = CriticalSampleTraining(model, 0.3, search="pgd", input="image", output="kind", weight=0.5).fit(
        x, y, batch_size=12, verbose=0
    )
    expected = (sums[0] + 0.5 * sums[1]) / (12 + 0.5 * found.critical.sum())
    assert history.history["loss"] == [pytest.approx(expected, rel=1e-5)]


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"image": x}], ids=["list", "dict"])
def test_one_input_may_be_wrapped_as_keras_allows(wrap):
    inputs = keras.Input((3,), name="image")
    model = keras.Model([inputs] if isinstance(wrap(0), list) else {"image": inputs}, L.Dense(1, "sigmoid")(inputs))
    model.set_weights([W[:, None], np.array([B])])
    model.compile(keras.optimizers.SGD(RATE), "binary_crossentropy")
    CriticalSampleTraining(model, RADIUS, search="fgsm").fit(wrap(X), Y, batch_size=5, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0][:, 0], by_hand()[1], atol=1e-6)


@pytest.mark.slow
def test_a_training_step_of_the_users_own_is_what_runs():
    class Doubled(keras.Model):
        def train_step(self, data):
            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
            with tf.GradientTape() as tape:
                loss = 2 * self.compute_loss(x, y, self(x, training=True), sample_weight)
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            return {"twice": loss}

    source = linear()
    model = Doubled(source.inputs, source.outputs)
    model.compile(keras.optimizers.SGD(RATE), "binary_crossentropy")
    history = CriticalSampleTraining(model, RADIUS, search="fgsm").fit(X, Y, batch_size=5, verbose=0)
    loss, kernel, _ = by_hand()
    assert history.history["twice"] == [pytest.approx(2 * loss, abs=1e-6)]
    np.testing.assert_allclose(model.get_weights()[0][:, 0], W + 2 * (kernel - W), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_model_is_left_as_it_was(error):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if error:
                raise error

    plain, model = linear(), linear()
    training = CriticalSampleTraining(model, RADIUS, search="fgsm")
    attributes = set(vars(model))
    try:
        training.fit(X, Y, batch_size=5, verbose=0, callbacks=Stop())
    except (RuntimeError, KeyboardInterrupt):
        assert error
    else:
        assert error is None
    assert "train_step" not in vars(model)
    assert set(vars(model)) - attributes <= {"history", "_eval_epoch_iterator"}
    assert model.train_function is None
    plain.fit(X, Y, batch_size=5, verbose=0)
    model.set_weights([W[:, None], np.array([B])])
    history = model.fit(X, Y, batch_size=5, verbose=0)
    np.testing.assert_array_equal(flat(model), flat(plain))
    assert list(history.history) == ["loss"]


@pytest.mark.slow
def test_after_plain_training_and_with_a_step_put_on_the_model():
    model, seen = linear(optimizer=keras.optimizers.SGD(0.0)), []
    model.fit(X, Y, batch_size=5, verbose=0)
    step = type(model).train_step.__get__(model)
    own = model.train_step = lambda data: seen.append(data[0].shape[0]) or step(data)
    history = CriticalSampleTraining(model, RADIUS, search="fgsm").fit(X, Y, batch_size=5, verbose=0)
    assert seen == [10]
    assert model.train_step is own
    assert model.history is history


@pytest.mark.slow
def test_nothing_random_is_drawn_from_the_state_of_all():
    python, numpy = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    model = linear()
    assert random.getstate() != python  # Keras draws seeds when layers are made, and so could a copy of them.
    python = random.getstate()
    CriticalSampleTraining(model, RADIUS).fit(X, Y, batch_size=5, shuffle=False, verbose=0)
    assert random.getstate() == python
    np.testing.assert_array_equal(np.random.get_state()[1], numpy)  # noqa: NPY002


@pytest.mark.slow
def test_callbacks_of_the_user_see_the_share_and_keep_the_users_model(tmp_path):
    model = linear()
    callbacks = [
        [keras.callbacks.CSVLogger(tmp_path / "log.csv")],
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="critical", mode="max", save_best_only=True),
    ]
    CriticalSampleTraining(model, RADIUS, search="fgsm").fit(
        X, Y, batch_size=5, verbose=0, callbacks=callbacks, validation_data=(X, Y)
    )
    header, row = (tmp_path / "log.csv").read_text().splitlines()
    assert header == "epoch,critical,loss,val_loss"
    assert float(row.split(",")[1]) == pytest.approx(0.6)
    assert float(row.split(",")[3]) == pytest.approx(model.evaluate(X, Y, verbose=0), abs=1e-6)
    kept = keras.models.load_model(tmp_path / "best.keras")
    np.testing.assert_array_equal(flat(kept), flat(model))
    assert type(kept) is keras.Sequential


@pytest.mark.slow
def test_one_mirrored_device_trains_as_none_does(images, labels):
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    expected = convolutional()
    with strategy.scope():
        model = convolutional()
    for each in (expected, model):
        history = CriticalSampleTraining(each, 0.2, search=LASS(steps=3)).fit(
            images, labels, epochs=2, batch_size=8, verbose=0, shuffle=False
        )
    assert history.history["critical"][0] > 0.1
    np.testing.assert_allclose(flat(model), flat(expected), atol=1e-6)


TWO_DEVICES = """
import keras, numpy as np, tensorflow as tf
from kerasviz.generalization.critical_training import CriticalSampleTraining

[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(16, 3)).astype("float32"), rng.integers(2, size=16)
before = np.array([[1.0], [-2.0], [0.5]])
with tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]).scope():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "sigmoid", use_bias=False)])
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy")
model.set_weights([before])
history = CriticalSampleTraining(model, 0.3, search="fgsm").fit(x, y, batch_size=16, shuffle=False, verbose=0)
slopes, shares = [], []
for part in (slice(0, 8), slice(8, 16)):
    z = x[part] @ before[:, 0]
    found = abs(z) < 0.3 * 3.5
    rows = np.concatenate([x[part], (x[part] - 0.3 * np.sign(z)[:, None] * np.sign(before[:, 0]))[found]])
    labels = np.concatenate([y[part], y[part][found]])
    slopes.append((1 / (1 + np.exp(-rows @ before[:, 0])) - labels) @ rows / len(labels))
    shares.append(found.mean())
assert shares[0] != shares[1], shares
np.testing.assert_allclose(model.get_weights()[0], before - 0.1 * np.mean(slopes, axis=0)[:, None], atol=1e-6)
np.testing.assert_allclose(history.history["critical"], [np.mean(shares)], atol=1e-6)
"""


@pytest.mark.slow
def test_several_devices_average_their_parts():
    done = subprocess.run([sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_models_that_cannot_be_trained_are_refused():
    with pytest.raises(ModelError, match="not compiled"):
        CriticalSampleTraining(keras.Sequential([keras.Input((3,)), L.Dense(2, "softmax")]), 0.1)
    unbuilt = keras.Sequential([L.Dense(2, "softmax")])
    unbuilt.compile("sgd", "mse")
    with pytest.raises(ModelError, match="not built"):
        CriticalSampleTraining(unbuilt, 0.1)
    with pytest.raises(ModelError, match="is a str"):
        CriticalSampleTraining("model.keras", 0.1)
    image = keras.Input((4, 4, 1))
    outputs = {"kind": L.Dense(2, "softmax")(L.Flatten()(image)), "map": L.Conv2D(2, 1)(image)}
    mapped = keras.Model(image, outputs)
    mapped.compile("sgd", "mse")
    with pytest.raises(ModelError, match=r"'map' .* shape \(None, 4, 4, 2\)"):
        CriticalSampleTraining(mapped, 0.1, output="kind")
    with pytest.raises(TargetError, match="2 outputs"):
        CriticalSampleTraining(two_ends(), 0.1, input="image")
    with pytest.raises(InputError, match="2 inputs"):
        CriticalSampleTraining(two_ends(), 0.1, output="kind")


@pytest.mark.parametrize("reduction", ["sum", "none", None])
def test_losses_that_are_no_mean_are_refused(reduction):
    loss = keras.losses.BinaryCrossentropy(reduction=reduction)
    with pytest.raises(SettingError, match="'binary_crossentropy' has the reduction"):
        CriticalSampleTraining(linear(loss=loss), RADIUS)
    model = linear()
    training = CriticalSampleTraining(model, RADIUS)
    model.compile("sgd", [loss])
    with pytest.raises(SettingError, match="'binary_crossentropy' has the reduction"):
        training.fit(X, Y)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"radius": -1}, "radius=-1"),
        ({"radius": float("nan")}, "radius=nan"),
        ({"search": "newton"}, "search='newton'"),
        ({"weight": 0}, "weight=0"),
        ({"weight": float("inf")}, "weight=inf"),
        ({"weight": True}, "weight=True"),
        ({"seed": -1}, "seed=-1"),
        ({"bounds": (1, 0)}, r"bounds=\(1, 0\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        CriticalSampleTraining(linear(), **{"radius": RADIUS, **settings})


@pytest.mark.slow
def test_fit_refuses_what_it_cannot_train_on():
    model = linear()
    training = CriticalSampleTraining(model, RADIUS)
    with pytest.raises(InputError, match="no labels"):
        training.fit(X, verbose=0)
    with pytest.raises(SettingError, match="CallbackList"):
        training.fit(X, Y, callbacks=keras.callbacks.CallbackList())
    np.testing.assert_array_equal(model.get_weights()[0][:, 0], W.astype("float32"))
    assert model.train_function is None
