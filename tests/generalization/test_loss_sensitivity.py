from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L
from reference.loss_sensitivity import binary_cross_entropy, cross_entropy, sensitivities
from scipy.integrate import trapezoid

from kerasviz.data.preprocessing import as_function
from kerasviz.errors import InputError, KerasvizWarning, SettingError, TargetError
from kerasviz.generalization.inequality import gini
from kerasviz.generalization.sensitivity import LossSensitivity, loss_sensitivity
from kerasviz.generalization.sensitivity_callback import LossSensitivityRecorder
from kerasviz.generalization.sensitivity_figures import plot_sensitivities

LABELS = [1, 3, 0]


def linear(activation="softmax", classes=4, scale=1.0):
    """A linear network of (3, 2, 2) images, its weights `(12, K)` and its biases."""
    model = keras.Sequential([keras.Input((3, 2, 2)), L.Flatten(), L.Dense(classes, activation, name="head")])
    zoo.randomize(model)
    model.layers[-1].kernel.assign(model.layers[-1].kernel * scale)
    return model, *(weight.astype(float) for weight in model.get_weights())


def softmax_gradients(images, weights, bias, labels):
    """The closed form Σ|W (p − y)|, without a difference where one share is near 1."""
    norms = []
    for image, label in zip(images.reshape(len(images), -1).astype(float), labels, strict=True):
        scores = image @ weights + bias
        odds = np.exp(scores - scores[label])
        others = np.arange(len(odds)) != label
        # p − y of the own class is minus the sum of the others.
        shares = odds / (1 + odds[others].sum())
        pull = weights[:, others] @ shares[others] - weights[:, label] * shares[others].sum()
        norms.append(np.abs(pull).sum())
    return np.array(norms)


class TestClosedForms:
    @pytest.mark.slow
    def test_of_a_linear_classifier(self):
        model, weights, bias = linear()
        images = zoo.images(3, 2, 2, count=7)
        labels = np.arange(7) % 4
        values = LossSensitivity(model)(images, labels)
        assert values.shape == (7,) and values.dtype == np.float32
        np.testing.assert_allclose(values, softmax_gradients(images, weights, bias, labels), rtol=2e-5)

    def test_where_the_network_is_sure(self):
        model, weights, bias = linear(scale=60)
        images = zoo.images(3, 2, 2, count=40)
        labels = model.predict(images, verbose=0).argmax(axis=1)
        expected = softmax_gradients(images, weights, bias, labels)
        normal = expected > 1e-30
        assert (expected[normal] < 1e-9).sum() > 10 and normal.sum() > 30
        # Scores of this size have rounding errors of about 1e-4 of the odds.
        np.testing.assert_allclose(LossSensitivity(model)(images, labels)[normal], expected[normal], rtol=3e-4)

    @pytest.mark.parametrize("shape", [(3,), (3, 1)])
    def test_of_a_sigmoid(self, shape):
        model, weights, bias = linear("sigmoid", classes=1, scale=20)
        images = zoo.images(3, 2, 2)
        scores = images.reshape(3, -1).astype(float) @ weights + bias
        for labels in (np.array([0, 1, 1]), np.array([0.0, 0.25, 0.9])):
            distance = labels * 1 / (1 + np.exp(scores[:, 0])) - (1 - labels) / (1 + np.exp(-scores[:, 0]))
            expected = abs(distance) * np.abs(weights).sum()
            values = LossSensitivity(model)(images, labels.reshape(shape))
            np.testing.assert_allclose(values, expected, rtol=1e-4)

    def test_of_several_labels_is_that_of_the_mean(self):
        model, weights, bias = linear("sigmoid", classes=3)
        images, labels = zoo.images(3, 2, 2), np.array([[0, 1, 1], [1, 1, 0], [0, 0, 0]])
        shares = 1 / (1 + np.exp(-(images.reshape(3, -1).astype(float) @ weights + bias)))
        expected = np.abs((shares - labels) @ weights.T / 3).sum(axis=1)
        np.testing.assert_allclose(LossSensitivity(model)(images, labels), expected, rtol=2e-5)

    def test_of_shared_labels(self):
        model, weights, bias = linear()
        images = zoo.images(3, 2, 2)
        labels = np.array([[0.5, 0.5, 0, 0], [0.1, 0.2, 0.3, 0.4], [0, 1, 0, 0]])
        scores = images.reshape(3, -1).astype(float) @ weights + bias
        shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        expected = np.abs((shares - labels) @ weights.T).sum(axis=1)
        np.testing.assert_allclose(LossSensitivity(model)(images, labels), expected, rtol=2e-5)

    @pytest.mark.parametrize(
        "loss",
        [
            "mse",
            keras.losses.mean_squared_error,
            keras.losses.MeanSquaredError(),
            keras.losses.MeanSquaredError(reduction="sum"),
            keras.losses.MeanSquaredError,
            lambda y, f: keras.ops.mean((y - f) ** 2, axis=-1),
            lambda y, f: (y - f) ** 2,
        ],
    )
    @pytest.mark.parametrize("shape", [(3,), (3, 1)])
    def test_of_a_regression(self, loss, shape):
        model, weights, bias = linear(None, classes=1)
        images, labels = zoo.images(3, 2, 2), np.array([0.5, -2.0, 7.0])
        error = images.reshape(3, -1).astype(float) @ weights[:, 0] + bias[0] - labels
        values = LossSensitivity(model, loss=loss)(images, labels.reshape(shape))
        np.testing.assert_allclose(values, 2 * abs(error) * np.abs(weights).sum(), rtol=2e-5)

    def test_a_loss_of_several_values_is_averaged_or_added(self):
        model, weights, bias = linear(None, classes=4)
        images, labels = zoo.images(3, 2, 2), zoo.images(4, seed=8)
        error = images.reshape(3, -1).astype(float) @ weights + bias - labels
        summed = np.abs(2 * error @ weights.T).sum(axis=1)

        class Squares(keras.losses.Loss):
            def call(self, y_true, y_pred):
                return (y_true - y_pred) ** 2

        np.testing.assert_allclose(LossSensitivity(model, loss=Squares())(images, labels), summed / 4, rtol=2e-5)
        added = LossSensitivity(model, loss=Squares(reduction="sum"))
        np.testing.assert_allclose(added(images, labels), summed, rtol=2e-5)

    @pytest.mark.parametrize("loss", ["mse", lambda y, f: keras.ops.mean((y - f) ** 2, axis=-1)])
    def test_a_network_that_returns_a_row(self, loss):
        inputs = keras.Input((3,))
        model = keras.Model(inputs, keras.ops.sum(inputs * np.float32([1, -2, 3]), axis=-1))
        images, labels = zoo.images(3), np.array([1.0, 2.0, 3.0])
        error = images @ np.array([1, -2, 3]) - labels
        np.testing.assert_allclose(LossSensitivity(model, loss=loss)(images, labels), 12 * abs(error), rtol=1e-5)


CASES = {
    "functional": (LABELS, cross_entropy, {}),
    "sequential": (LABELS, cross_entropy, {}),
    "nested_twice": (LABELS, cross_entropy, {}),
    "nested_in_sequential": (LABELS, cross_entropy, {}),
    "subclassed": (LABELS, cross_entropy, {}),
    "functional_with_own_call": (LABELS, cross_entropy, {}),
    "with_preprocessing": (LABELS, cross_entropy, {}),
    "softmax_then_reshape": (LABELS, cross_entropy, {}),
    "mixed_float16": (LABELS, cross_entropy, {}),
    "conv3d": (LABELS, cross_entropy, {}),
    "binary": ([1, 0, 1], binary_cross_entropy, {}),
    "segmentation": (np.random.default_rng(1).integers(0, 4, (3, 12, 8)), cross_entropy, {}),
    "image_and_table": (LABELS, cross_entropy, {"input": "table"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_equals_the_reference(name):
    labels, loss, settings = CASES[name]
    specimen = zoo.ZOO[name]()
    plain = specimen.model
    if name == "mixed_float16":
        policy = zoo.keras_policy
        with mock.patch.object(zoo, "keras_policy", lambda _: policy("float32")):
            plain = zoo.ZOO[name]().model
        plain.set_weights(specimen.model.get_weights())
    expected = sensitivities(plain, specimen.inputs, labels, loss, input=1 if settings else 0)
    assert (expected > 0).all()
    np.testing.assert_allclose(
        LossSensitivity(specimen.model, **settings)(specimen.inputs, labels), expected, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("output", "labels", "loss", "number"),
    [("first", LABELS, cross_entropy, 0), ("second", [[1, 0, 1], [0, 0, 0], [1, 1, 0]], binary_cross_entropy, 1)],
)
def test_each_of_several_outputs(output, labels, loss, number):
    specimen = zoo.ZOO["two_outputs"]()
    expected = sensitivities(specimen.model, specimen.inputs, labels, loss, pick=lambda outputs: outputs[number])
    measure = LossSensitivity(specimen.model, output=output)
    np.testing.assert_allclose(measure(specimen.inputs, labels), expected, rtol=1e-4)
    np.testing.assert_allclose(measure(specimen.inputs, {output: labels, "other": None}), expected, rtol=1e-4)


@pytest.mark.parametrize(("side", "number"), [("left", 0), ("right", 1)])
def test_each_of_several_inputs(side, number):
    specimen = zoo.ZOO["dicts"]()
    expected = sensitivities(
        specimen.model, specimen.inputs, LABELS, cross_entropy, pick=lambda outputs: outputs["species"], input=number
    )
    measure = LossSensitivity(specimen.model, input=side, output="species")
    np.testing.assert_allclose(measure(specimen.inputs, LABELS), expected, rtol=1e-4)


@pytest.mark.slow
def test_a_loss_takes_the_outputs_as_they_are():
    specimen = zoo.ZOO["functional"]()

    def brier(shares, label):
        return tf.reduce_sum((shares - np.eye(4)[label]) ** 2) / 4

    expected = sensitivities(specimen.model, specimen.inputs, LABELS, brier, probabilities=True)
    values = LossSensitivity(specimen.model, loss="mse")(specimen.inputs, np.eye(4)[LABELS])
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    named = LossSensitivity(specimen.model, loss="sparse_categorical_crossentropy")(specimen.inputs, LABELS)
    np.testing.assert_allclose(named, LossSensitivity(specimen.model)(specimen.inputs, LABELS), rtol=1e-4)


@pytest.fixture(scope="module")
def network():
    inputs = keras.Input((8, 6, 3))
    x = L.Conv2D(5, 3, activation="relu")(inputs)
    x = L.Flatten()(L.Dropout(0.5)(L.BatchNormalization()(x)))
    model = zoo.randomize(keras.Model(inputs, L.Dense(4, "softmax", name="classes")(x)))
    images = zoo.images(8, 6, 3, count=10, low=0, high=255) / 128
    return model, images, np.arange(10) % 4


class TestBatches:
    @pytest.mark.parametrize("size", [1, 3, 64])
    def test_their_size_changes_nothing(self, network, size):
        model, images, labels = network
        whole = LossSensitivity(model, batch_size=10)(images, labels)
        np.testing.assert_allclose(LossSensitivity(model, batch_size=size)(images, labels), whole, rtol=1e-5)

    def test_a_sample_does_not_depend_on_its_mates(self, network):
        model, images, labels = network
        measure = LossSensitivity(model)
        others = np.concatenate([images[:1], 9 * images[1:]])
        whole, changed = measure(images, labels), measure(others, [labels[0], *(3 - labels[1:])])
        np.testing.assert_allclose(changed[0], whole[0], rtol=1e-6)
        assert (changed[1:] != whole[1:]).all()

    @pytest.mark.slow
    @pytest.mark.parametrize("size", [2, 3, 7])
    def test_of_a_data_set(self, network, size):
        model, images, labels = network
        expected = LossSensitivity(model)(images, labels)
        data = tf.data.Dataset.from_tensor_slices((images, labels, np.ones(10))).batch(size)
        measure = LossSensitivity(model, batch_size=3)
        np.testing.assert_allclose(measure(data), expected, rtol=1e-5)
        assert max(len(rows) for _, rows in measure.batches(data)) == min(size, 3)

        class Batches(keras.utils.PyDataset):
            def __len__(self):
                return 10 // size

            def __getitem__(self, number):
                rows = slice(number * size, (number + 1) * size)
                return images[rows], labels[rows]

        count = 10 // size * size
        np.testing.assert_allclose(LossSensitivity(model, batch_size=3)(Batches()), expected[:count], rtol=1e-5)

    def test_one_pass_is_compiled_for_all_sizes(self, network):
        model, images, labels = network
        traces = []

        def counted(pixels):
            traces.append(pixels.shape)
            return pixels * 1.0

        measure = LossSensitivity(model, preprocess=counted, batch_size=4)
        measure(images, labels)
        before = len(traces)
        for count in (1, 2, 9):
            measure(images[:count], labels[:count])
        measure.measure(measure.batches(images, labels[:, None]))
        assert len(traces) == before


class TestPreprocessing:
    @pytest.mark.slow
    @pytest.mark.parametrize(("mode", "factor"), [("scale", 1 / 255), ("tf", 1 / 127.5), ("lite", 1 / 128), (None, 1)])
    def test_the_gradient_is_per_unit_of_the_images(self, network, mode, factor):
        model, images, labels = network
        pixels = (images * 100).astype(np.uint8)
        before = as_function(mode)(pixels.astype("float32"))
        expected = factor * LossSensitivity(model)(before, labels)
        np.testing.assert_allclose(LossSensitivity(model, preprocess=mode)(pixels, labels), expected, rtol=1e-5)

    @pytest.mark.parametrize(
        "before", [as_function("torch"), as_function("caffe"), tf.square], ids=["torch", "caffe", "square"]
    )
    def test_of_channels_and_of_functions(self, network, before):
        model, images, labels = network
        expected = sensitivities(model, images, labels, cross_entropy, before=before)
        np.testing.assert_allclose(LossSensitivity(model, preprocess=before)(images, labels), expected, rtol=1e-4)


class TestLabels:
    @pytest.mark.slow
    def test_one_hot_rows_are_the_same_to_the_last_bit(self, network):
        model, images, labels = network
        measure = LossSensitivity(model)
        numbers = measure(images, labels)
        for same in (labels[:, None], list(labels), labels.astype(float), tf.constant(labels), {"classes": labels}):
            assert np.array_equal(measure(images, same), numbers)
        assert np.array_equal(measure(images, np.eye(4)[labels]), numbers)
        assert np.array_equal(loss_sensitivity(model, images, np.eye(4, dtype=int)[labels], batch_size=32), numbers)

    @pytest.mark.slow
    def test_maps_of_any_size(self):
        inputs = keras.Input((None, None, 3))
        x = L.Conv2D(4, 3, strides=2, padding="same", activation="relu")(inputs)
        model = zoo.randomize(keras.Model(inputs, L.Conv2D(3, 1, activation="softmax")(x)))
        measure = LossSensitivity(model)
        for height, width in ((6, 8), (4, 10)):
            images = zoo.images(height, width, 3)
            labels = np.random.default_rng(2).integers(0, 3, (3, height // 2, width // 2))
            expected = sensitivities(model, images, labels, cross_entropy)
            np.testing.assert_allclose(measure(images, labels), expected, rtol=1e-4)
            assert np.array_equal(measure(images, np.eye(3)[labels]), measure(images, labels))
        with pytest.raises(InputError, match="other sizes"):
            measure(images, np.zeros((3, 4, 10), int))
        with pytest.raises(InputError, match="other sizes"):
            measure(images, np.eye(3)[np.zeros((3, 1, 1), int)])

    @pytest.mark.parametrize(
        ("labels", "said"),
        [
            (np.arange(9) % 4, "for 10 images"),
            (3, "for 10 images"),
            (np.full(10, 4), "run from 4 to 4"),
            (np.arange(10) % 4 - 1, "run from -1 to 2"),
            (np.full(10, 0.5), "from 0.5 to 0.5"),
            (["cat"] * 10, "type <U3"),
            (np.zeros((10, 3)), r"shape \(10, 3\)"),
            (np.full((10, 4), 0.5), "do not add up to 1"),
            (np.tile([2.0, -1, 0, 0], (10, 1)), "negative"),
            (np.where(np.arange(10) == 4, np.nan, 1), r"samples \[4\]"),
            ({"other": np.zeros(10)}, r"keys \['other'\]"),
            (None, "without labels"),
        ],
    )
    def test_wrong_ones(self, network, labels, said):
        model, images, _ = network
        with pytest.raises(InputError, match=said):
            LossSensitivity(model)(images, labels)

    @pytest.mark.parametrize("labels", [[0, 1, 2], [0, 1, -0.1], [[0, 1]] * 3])
    def test_wrong_ones_of_a_sigmoid(self, labels):
        specimen = zoo.ZOO["binary"]()
        with pytest.raises(InputError, match="numbers from 0 to 1"):
            LossSensitivity(specimen.model)(specimen.inputs, labels)


class TestMisuse:
    def test_images(self, network):
        model, images, labels = network
        measure = LossSensitivity(model)
        for wrong, said in (
            (images[0], "without a batch axis"),
            (images[..., :2], "shape"),
            (images[:0], "empty"),
            (np.where(np.arange(10)[:, None, None, None] == 2, np.nan, images), r"samples \[2\]"),
        ):
            with pytest.raises(InputError, match=said):
                measure(wrong, labels)

    @pytest.mark.slow
    def test_data_sets(self, network):
        model, images, labels = network
        measure = LossSensitivity(model)
        data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
        for wrong, said in (
            (data.map(lambda x, y: x), "EagerTensor"),
            (data.map(lambda x, y: (x,)), "tuple of 1"),
            (data.repeat(), "never ends"),
            (data.take(0), "is empty"),
            (iter([(images, labels)]), "only once"),
        ):
            with pytest.raises(InputError, match=said):
                measure(wrong)
        with pytest.raises(InputError, match="beside a data set"):
            measure(data, labels)

    def test_regression_needs_its_loss(self):
        with pytest.raises(TargetError, match="loss='mse'"):
            LossSensitivity(zoo.ZOO["regression"]().model)

    def test_a_softmax_that_stays_needs_its_loss(self):
        inputs = keras.Input((6,))
        parts = [L.Dense(3, "softmax", name=f"part{i}")(inputs) for i in range(2)]
        model = zoo.randomize(keras.Model(inputs, L.Average()(parts)))
        with pytest.raises(TargetError, match="cannot be taken off"):
            LossSensitivity(model)
        images, labels = zoo.images(6), [0, 2, 1]

        def negative_log(shares, label):
            return -tf.math.log(shares[label])

        expected = sensitivities(model, images, labels, negative_log, probabilities=True)
        measure = LossSensitivity(model, loss="sparse_categorical_crossentropy")
        np.testing.assert_allclose(measure(images, labels), expected, rtol=1e-4)

    def test_outputs_and_inputs(self):
        model = zoo.ZOO["dicts"]().model
        for settings, error, said in (
            ({"input": "left"}, TargetError, "one of 'age', 'species'"),
            ({"input": "left", "output": "kind"}, TargetError, "output='kind'"),
            ({"output": "species"}, InputError, "Pass input="),
            ({"input": "up", "output": "species"}, InputError, "input='up'"),
        ):
            with pytest.raises(error, match=said):
                LossSensitivity(model, **settings)

    @pytest.mark.parametrize("loss", ["mean squares", 3])
    def test_unknown_losses(self, network, loss):
        with pytest.raises(SettingError, match="no loss of Keras"):
            LossSensitivity(network[0], loss=loss)

    @pytest.mark.parametrize(
        "loss", [lambda y, f: keras.ops.mean((y - f) ** 2), lambda y, f: keras.ops.mean((y - f) ** 2, axis=0)]
    )
    def test_a_loss_of_the_whole_batch(self, network, loss):
        model, images, labels = network
        with pytest.raises(SettingError, match="The loss returns the shape"):
            LossSensitivity(model, loss=loss)(images, np.eye(4)[labels])

    def test_labels_that_the_loss_cannot_take(self, network):
        model, images, _ = network
        with pytest.raises(InputError, match="cannot take labels"):
            LossSensitivity(model, loss="categorical_crossentropy")(images, np.zeros((10, 3)))

    @pytest.mark.parametrize(
        ("preprocess", "said"),
        [
            (lambda x: np.asarray(x) / 255, "fails on a tensor"),
            (lambda x: x[:, 1:], "makes the shape"),
            (lambda x: (x, x), "returns"),
            (lambda x: tf.cast(x, tf.int32), "returns"),
        ],
    )
    def test_preprocessing_that_cannot_run(self, network, preprocess, said):
        with pytest.raises(SettingError, match=said):
            LossSensitivity(network[0], preprocess=preprocess)

    @pytest.mark.parametrize(
        "preprocess", [lambda x: tf.cast(tf.cast(x, tf.int32), tf.float32), lambda x: tf.zeros_like(x)]
    )
    def test_preprocessing_without_a_gradient(self, network, preprocess):
        model, images, labels = network
        with pytest.raises(SettingError, match="does not depend"):
            LossSensitivity(model, preprocess=preprocess)(images, labels)

    def test_what_is_not_finite_is_named(self, network):
        _, images, labels = network
        model = keras.models.clone_model(network[0])
        model.set_weights([np.full(w.shape, np.nan) for w in model.get_weights()])
        with pytest.warns(KerasvizWarning, match=r"not finite for the samples \[0, 1"):
            assert np.isnan(LossSensitivity(model)(images, labels)).all()


@pytest.mark.slow
def test_the_model_is_untouched_and_its_training_seen(network):
    _, images, labels = network
    model = keras.models.clone_model(network[0])
    model.compile("adam", "sparse_categorical_crossentropy")
    before = [weight.copy() for weight in model.get_weights()]
    outputs, optimizer = model.predict(images, verbose=0), model.optimizer
    measure = LossSensitivity(model)
    first = measure(images, labels)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))
    assert np.array_equal(model.predict(images, verbose=0), outputs) and model.optimizer is optimizer
    model.set_weights(network[0].get_weights())
    np.testing.assert_array_equal(measure(images, labels), LossSensitivity(network[0])(images, labels))
    assert (measure(images, labels) != first).all()


def trainee(optimizer="adam", jit_compile=False, **compiled):
    """A network with dropout and batch normalization that starts the same each time, and its data."""
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((5, 4, 2)),
            L.Conv2D(3, 3, activation="relu"),
            L.BatchNormalization(),
            L.Flatten(),
            L.Dropout(0.4),
            L.Dense(3, "softmax"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=jit_compile, **compiled)
    return model, zoo.images(5, 4, 2, count=12), np.arange(12) % 3


class Keeper(keras.callbacks.Callback):
    """Keeps the weights after each batch, and after each epoch."""

    def __init__(self):
        super().__init__()
        self.batches, self.epochs = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(self.model.get_weights())

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(self.model.get_weights())


def average(model, kept, images, labels):
    """The averages over the first, the first two, … of some weights."""
    values, sensitivity = [], LossSensitivity(model)
    for weights in kept:
        model.set_weights(weights)
        values.append(sensitivity(images, labels).astype(float))
    return np.cumsum(values, axis=0) / np.arange(1, len(values) + 1)[:, None]


class TestRecorder:
    @pytest.mark.slow
    @pytest.mark.parametrize("per", ["epoch", "batch"])
    @pytest.mark.parametrize("jit", [False, "auto"])
    def test_training_goes_on_as_without(self, per, jit):
        states = []
        for watched in (True, False):
            model, images, labels = trainee(jit_compile=jit)
            callbacks = [LossSensitivityRecorder(images, labels, per=per)] if watched else []
            done = model.fit(images, labels, epochs=3, batch_size=5, verbose=0, callbacks=callbacks)
            again = model.fit(images, labels, epochs=1, batch_size=5, verbose=0)
            variables = [np.array(v) for v in [*model.variables, *model.optimizer.variables]]
            states.append([np.array(done.history["loss"]), np.array(again.history["loss"]), *variables])
        assert sum("seed" in v.path for v in model.variables) == 1
        assert all(np.array_equal(a, b) for a, b in zip(*states, strict=True))

    @pytest.mark.slow
    @pytest.mark.parametrize(("per", "every"), [("epoch", 1), ("epoch", 2), ("batch", 1), ("batch", 2)])
    def test_averages_over_the_training(self, per, every):
        model, images, labels = trainee()
        keeper = Keeper()
        recorder = LossSensitivityRecorder(images, labels, per=per, every=every, batch_size=5)
        done = model.fit(images, labels, epochs=4, batch_size=5, verbose=0, callbacks=[keeper, recorder])
        kept = keeper.epochs if per == "epoch" else keeper.batches
        means = average(model, kept[every - 1 :: every], images, labels)
        assert len(means) == {"epoch": 4, "batch": 12}[per] // every
        np.testing.assert_allclose(recorder.mean, means[-1], rtol=1e-5)
        assert recorder.mean.dtype == np.float32
        np.testing.assert_allclose(recorder.history, [gini(mean) for mean in means], rtol=1e-5)
        assert recorder.gini == recorder.history[-1]
        assert recorder.times == list(range(every, len(kept) + 1, every))
        ends = recorder.history if per == "epoch" else recorder.history[3 // every - 1 :: 3]
        if (per, every) != ("batch", 2):
            assert done.history["gini"] == ends
        else:
            assert done.history["gini"] == [recorder.history[i] for i in (0, 2, 3, 5)]

    @pytest.mark.slow
    def test_later_callbacks_see_its_name(self):
        model, images, labels = trainee()
        recorder = LossSensitivityRecorder(images, labels, name="unevenness")
        seen = []
        later = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["unevenness"]))
        done = model.fit(images, labels, epochs=2, verbose=0, callbacks=[recorder, later])
        assert seen == recorder.history == done.history["unevenness"] and "gini" not in done.history

    @pytest.mark.slow
    def test_batches_in_groups(self):
        model, images, labels = trainee(steps_per_execution=2)
        recorder = LossSensitivityRecorder(images, labels, per="batch", every=3)
        model.fit(images, labels, epochs=3, batch_size=3, verbose=0, callbacks=[recorder])
        assert recorder.times == [4, 6, 10, 12]

    @pytest.mark.slow
    def test_a_data_set_that_shuffles(self):
        model, images, labels = trainee()
        keeper = Keeper()
        data = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(12, seed=1).batch(5)
        recorder = LossSensitivityRecorder(data)
        model.fit(images, labels, epochs=3, verbose=0, callbacks=[keeper, recorder])
        mean = average(model, keeper.epochs, images, labels)[-1]
        assert not np.allclose(recorder.mean, mean)
        np.testing.assert_allclose(np.sort(recorder.mean), np.sort(mean), rtol=1e-5)

    @pytest.mark.slow
    def test_each_fit_begins_anew(self):
        model, images, labels = trainee()
        recorder = LossSensitivityRecorder(images, labels)
        assert recorder.mean is None and recorder.gini is None
        model.fit(images, labels, epochs=2, verbose=0, callbacks=[recorder])
        model.fit(images, labels, epochs=5, initial_epoch=4, verbose=0, callbacks=[recorder])
        assert recorder.times == [5]
        np.testing.assert_allclose(recorder.mean, LossSensitivity(model)(images, labels), rtol=1e-6)

    @pytest.mark.slow
    def test_a_training_that_diverges_goes_on(self):
        model, images, labels = trainee(keras.optimizers.SGD(1e30))
        recorder = LossSensitivityRecorder(images, labels)
        with pytest.warns(KerasvizWarning, match="not finite"):
            done = model.fit(images, labels, epochs=3, batch_size=4, verbose=0, callbacks=[recorder])
        assert np.isnan(done.history["gini"][-1]) and len(done.history["gini"]) == 3

    @pytest.mark.parametrize(
        ("settings", "error"),
        [
            ({"labels": [0, 1]}, InputError),
            ({"labels": [9] * 12}, InputError),
            ({"output": "none"}, TargetError),
            ({"loss": lambda y, f: keras.ops.mean(f)}, SettingError),
            ({"loss": "categorical_crossentropy", "labels": np.zeros((12, 2))}, InputError),
            ({"preprocess": lambda x: x[:, 1:]}, SettingError),
        ],
    )
    def test_mistakes_are_found_before_the_first_batch(self, settings, error):
        model, images, labels = trainee()
        before = model.get_weights()
        recorder = LossSensitivityRecorder(images, **{"labels": labels, **settings})
        with pytest.raises(error):
            model.fit(images, labels, verbose=0, callbacks=[recorder])
        assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))

    @pytest.mark.parametrize(
        "settings", [{"every": 0}, {"per": "step"}, {"name": ""}, {"batch_size": 0}, {"every": 1.5}]
    )
    def test_mistakes_are_found_at_once(self, settings):
        with pytest.raises(SettingError, match=next(iter(settings))):
            LossSensitivityRecorder(np.zeros((2, 3)), [0, 1], **settings)

    def test_batches_are_watched_only_if_they_count(self):
        for per, watched in (("epoch", False), ("batch", True)):
            recorder = LossSensitivityRecorder(np.zeros((2, 3)), [0, 1], per=per)
            assert hasattr(recorder.on_train_batch_end, "_is_default") is not watched


class TestFigure:
    def test_curves_hold_the_shares(self):
        values = {"true": [9.0, 0.0, 1.0, 0.0], "random": np.float32([2, 3, 3])}
        figure = plot_sensitivities(values)
        ranked, lorenz = figure.axes
        np.testing.assert_allclose(ranked.lines[0].get_ydata(), [3.6, 0.4, 0, 0])
        np.testing.assert_allclose(ranked.lines[0].get_xdata(), [1 / 8, 3 / 8, 5 / 8, 7 / 8])
        np.testing.assert_allclose(lorenz.lines[0].get_ydata(), [0, 0, 0, 0.1, 1])
        np.testing.assert_allclose(lorenz.lines[1].get_xydata(), [[0, 0], [1 / 3, 1 / 4], [2 / 3, 5 / 8], [1, 1]])
        for line, given in zip(lorenz.lines, values.values(), strict=False):
            assert 1 - 2 * trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(gini(given))
        names = [text.get_text() for text in lorenz.get_legend().get_texts()]
        assert names == ["true\nGini 0.700", "random\nGini 0.083"]

    def test_zeros_are_even_shares(self):
        figure = plot_sensitivities(np.zeros(3))
        np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), [0, 1 / 3, 2 / 3, 1])
        assert [text.get_text() for text in figure.axes[1].texts] == ["Gini 0.000"]

    @pytest.mark.parametrize("wrong", [{}, {"a": [1, -1]}, {"a": [[1]]}, [np.nan]])
    def test_wrong_values(self, wrong):
        with pytest.raises(InputError):
            plot_sensitivities(wrong)
