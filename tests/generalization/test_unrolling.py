import random

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L
from reference.loss_sensitivity import binary_cross_entropy, cross_entropy
from reference.unrolled import batches, by_differences, by_one_tape

from kerasviz.errors import InputError, KerasvizWarning, ModelError, SettingError, TargetError
from kerasviz.generalization.inequality import gini
from kerasviz.generalization.sensitivity import loss_sensitivity
from kerasviz.generalization.unrolling import unrolled_sensitivity
from kerasviz.network import Network


def perceptron(activation="tanh", units=5, shape=(3, 2, 1), classes=3):
    """A network of one hidden layer."""
    layers = [keras.Input(shape), L.Flatten(), L.Dense(units, activation), L.Dense(classes, "softmax", name="head")]
    return zoo.randomize(keras.Sequential(layers))


@pytest.fixture(scope="module")
def small():
    return perceptron(), zoo.images(3, 2, 1, count=7), np.arange(7) % 3


class TestClosedForm:
    """A linear regression, after one update."""

    @pytest.mark.parametrize("size", [7, 4])
    def test_of_one_update(self, size):
        model = zoo.randomize(keras.Sequential([keras.Input((3, 2)), L.Flatten(), L.Dense(1)]))
        kernel, bias = (weight.astype(float).ravel() for weight in model.get_weights())
        images, labels, rate = zoo.images(3, 2, count=7), np.array([0.5, -2, 3, 1, 0, -1, 2]), 0.05
        x, rows = images.reshape(7, 6).astype(float), np.random.default_rng(11).permutation(7)[:size]
        before = x @ kernel + bias - labels
        pull = 2 * rate / size * before[rows]
        new_kernel, new_bias = kernel - pull @ x[rows], bias - pull.sum()
        after = x @ new_kernel + new_bias - labels
        at_kernel, at_bias = 2 / 7 * after @ x, 2 / 7 * after.sum()
        expected = 2 / 7 * np.outer(after, new_kernel)
        for row in rows:
            through = before[row] * at_kernel + (x[row] @ at_kernel + at_bias) * kernel
            expected[row] -= 2 * rate / size * through
        settings = {"steps": 1, "learning_rate": rate, "batch_size": size, "loss": "mse", "seed": 11}
        values = unrolled_sensitivity(model, images, labels, **settings)
        assert values.dtype == np.float32 and values.shape == (7,)
        np.testing.assert_allclose(values, np.abs(expected).sum(axis=1), rtol=2e-5)

    @pytest.mark.slow
    def test_without_updates_it_is_the_direct_part(self, small):
        model, images, labels = small
        direct = loss_sensitivity(model, images, labels) / 7
        values = unrolled_sensitivity(model, images, labels, steps=0, batch_size=3)
        np.testing.assert_allclose(values, direct, rtol=1e-5)
        values = unrolled_sensitivity(model, images, labels, steps=3, learning_rate=0.0)
        np.testing.assert_allclose(values, direct, rtol=1e-5)


@pytest.mark.parametrize(
    ("steps", "size", "every", "rate"),
    [
        (2, 7, 1, 0.5),
        pytest.param(1, 7, 1, 0.5, marks=pytest.mark.slow),
        pytest.param(7, 3, 1, 0.5, marks=pytest.mark.slow),
        (9, 2, 4, 0.3),
    ],
)
def test_equals_differences_of_trainings(small, steps, size, every, rate):
    model, images, labels = small
    drawn = batches(7, size, steps, 5)
    expected = by_differences(model.get_weights(), images, labels, drawn, rate, every=every)
    # The direct part alone would not do.
    assert not np.allclose(expected, loss_sensitivity(model, images, labels) / 7, rtol=0.2)
    settings = {"steps": steps, "learning_rate": rate, "batch_size": size, "every": every, "seed": 5}
    np.testing.assert_allclose(unrolled_sensitivity(model, images, labels, **settings), expected, rtol=1e-4)


def lstm():
    # The reference has no sigmoid to offer to the gates.
    layers = [keras.Input((4, 3)), L.LSTM(4, recurrent_activation="tanh"), L.Dense(4, "softmax")]
    return zoo.randomize(keras.Sequential(layers)), zoo.images(4, 3)


def image_and_words():
    image, words = keras.Input((4, 3), name="image"), keras.Input((5,), dtype="int32", name="words")
    x = L.Concatenate()([L.Flatten()(image), L.Flatten()(L.Embedding(6, 2)(words))])
    model = keras.Model([image, words], L.Dense(4, "softmax")(L.Dense(3, "tanh")(x)))
    return zoo.randomize(model), [
        zoo.images(4, 3),
        np.array([[0, 1, 1, 1, 5], [1, 2, 3, 5, 5], [0, 0, 0, 4, 1]], "int32"),
    ]


def normalized():
    layers = [L.Conv2D(3, 3, activation="gelu"), L.BatchNormalization(), L.LayerNormalization(), L.MaxPooling2D(2)]
    top = [L.Flatten(), L.Dropout(0.5), L.Dense(4, "softmax")]
    return zoo.randomize(keras.Sequential([keras.Input((6, 5, 2)), *layers, *top])), zoo.images(6, 5, 2)


def frozen():
    model, inputs = normalized()
    model.layers[0].trainable = False
    return model, inputs


def maps():
    layers = [keras.Input((3, 2, 2)), L.Conv2D(3, 2, padding="same", activation="tanh"), L.Conv2D(4, 1)]
    return zoo.randomize(keras.Sequential([*layers, L.Softmax()])), zoo.images(3, 2, 2)


def attention():
    inputs = keras.Input((3, 4))
    x = L.MultiHeadAttention(2, 3)(inputs, inputs)
    return zoo.randomize(keras.Model(inputs, L.Dense(4, "softmax")(L.Flatten()(x)))), zoo.images(3, 4)


def from_zoo(name):
    def make():
        specimen = zoo.ZOO[name]()
        return specimen.model, specimen.inputs

    return make


def first(outputs):
    return outputs[0]


LABELS = [1, 3, 0]
PLAIN = [lstm, image_and_words, normalized, frozen, attention]
FROM_ZOO = ["functional", "subclassed", "nested_twice", "with_preprocessing", "softmax_then_reshape", "shared_layer"]
CASES = {
    **{make.__name__: (make, LABELS, cross_entropy, {}) for make in PLAIN},
    **{name: (from_zoo(name), LABELS, cross_entropy, {}) for name in FROM_ZOO},
    "maps": (maps, np.arange(18).reshape(3, 3, 2) % 4, cross_entropy, {}),
    "binary": (from_zoo("binary"), [1, 0, 1], binary_cross_entropy, {}),
    "one of two inputs": (from_zoo("image_and_table"), LABELS, cross_entropy, {"input": "table"}),
    "one of two outputs": (from_zoo("two_outputs"), LABELS, cross_entropy, {"output": "first"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_equals_one_tape_over_everything(name):
    make, labels, loss, settings = CASES[name]
    model, inputs = make()
    pick = first if "output" in settings else None
    number = int("input" in settings)
    expected = by_one_tape(model, inputs, labels, batches(3, 2, 4, 1), 0.2, loss, pick=pick, input=number, every=2)
    settings = {"steps": 4, "learning_rate": 0.2, "batch_size": 2, "every": 2, "seed": 1, **settings}
    np.testing.assert_allclose(unrolled_sensitivity(model, inputs, labels, **settings), expected, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_float16", "float16"])
def test_half_precision_is_computed_in_single(policy):
    settings = {"steps": 4, "learning_rate": 0.2, "batch_size": 2}
    images, labels = zoo.images(3, 2, 1), [0, 1, 2]
    plain = perceptron()
    with zoo.keras_policy(policy):
        half = perceptron()
    plain.set_weights([weight.astype("float32") for weight in half.get_weights()])
    expected = unrolled_sensitivity(plain, images, labels, **settings)
    rtol = 1e-5 if policy == "mixed_float16" else 2e-3
    np.testing.assert_allclose(unrolled_sensitivity(half, images, labels, **settings), expected, rtol=rtol)


class TestOrder:
    @pytest.mark.slow
    def test_a_seed_repeats(self, small):
        model, images, labels = small
        state, numbers = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
        settings = {"steps": 3, "batch_size": 2, "learning_rate": 0.5}
        values = unrolled_sensitivity(model, images, labels, **settings)
        assert np.array_equal(unrolled_sensitivity(model, images, labels, seed=0, **settings), values)
        assert not np.allclose(unrolled_sensitivity(model, images, labels, seed=1, **settings), values, rtol=0.05)
        assert random.getstate() == state
        assert np.array_equal(np.random.get_state()[1], numbers)  # noqa: NPY002

    @pytest.mark.slow
    def test_samples_that_no_update_took_have_the_direct_part_only(self, small):
        model, images, labels = small
        (rows,) = batches(7, 2, 1, 4)
        others = np.setdiff1d(np.arange(7), rows)
        trained = keras.models.clone_model(model)
        trained.set_weights(model.get_weights())
        trained.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
        trained.train_on_batch(images[rows], labels[rows])
        direct = loss_sensitivity(trained, images, labels) / 7
        values = unrolled_sensitivity(model, images, labels, steps=1, learning_rate=0.5, batch_size=2, seed=4)
        np.testing.assert_allclose(values[others], direct[others], rtol=1e-4)
        assert (np.abs(values[rows] / direct[rows] - 1) > 0.05).all()

    @pytest.mark.slow
    def test_a_batch_larger_than_the_data_is_all_of_it(self, small):
        model, images, labels = small
        whole, larger = (unrolled_sensitivity(model, images, labels, steps=2, batch_size=size) for size in (7, 50))
        assert np.array_equal(whole, larger)


class Noisy(L.Layer):
    """Adds noise, at inference too, and so uses up its seeds."""

    def __init__(self):
        super().__init__()
        self.seeds = keras.random.SeedGenerator(3)

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seeds)


@pytest.mark.slow
def test_the_model_is_untouched():
    layers = [keras.Input((3, 2, 1)), L.Flatten(), Noisy(), L.Dense(4, "tanh"), L.BatchNormalization(), L.Dropout(0.5)]
    model = keras.Sequential([*layers, L.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    images, labels = zoo.images(3, 2, 1, count=7).astype("float64"), np.arange(7) % 3
    model.fit(images, labels, epochs=1, verbose=0)
    everything = [*model.variables, *model.optimizer.variables]
    before, pixels = [np.array(variable) for variable in everything], images.copy()
    optimizer = model.optimizer
    unrolled_sensitivity(model, images, labels, steps=3, learning_rate=1.0, batch_size=3)
    assert model.optimizer is optimizer
    assert [*map(id, [*model.variables, *optimizer.variables])] == [*map(id, everything)]
    assert sum("seed" in variable.path for variable in everything) == 2
    assert all(np.array_equal(np.array(now), then) for now, then in zip(everything, before, strict=True))
    assert np.array_equal(images, pixels)


@pytest.mark.slow
def test_labels_and_losses_of_other_kinds(small):
    model, images, labels = small
    settings = {"steps": 2, "batch_size": 4}
    expected = unrolled_sensitivity(model, images, labels, **settings)
    rows = np.eye(3)[labels]
    for same, loss in ((rows, None), (rows, "categorical_crossentropy")):
        values = unrolled_sensitivity(model, images, same, loss=loss, **settings)
        np.testing.assert_allclose(values, expected, rtol=1e-4)


class Undeclared(keras.Model):
    """A model that does not tell what it takes."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return self.inner(x)

    def get_build_config(self):
        return None


@pytest.mark.slow
def test_models_that_are_saved_or_need_a_sample(small, tmp_path):
    model, images, labels = small
    settings = {"steps": 2, "batch_size": 4}
    expected = unrolled_sensitivity(model, images, labels, **settings)
    model.save(tmp_path / "small.keras")
    assert np.array_equal(unrolled_sensitivity(tmp_path / "small.keras", images, labels, **settings), expected)
    undeclared = Undeclared(model)
    undeclared(images)
    values = unrolled_sensitivity(undeclared, images, labels, sample=images[:1], **settings)
    np.testing.assert_allclose(values, expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_samples_of_real_data_matter_less_evenly(seed):
    """As in section 3.2 of the paper: real data against random labels, and against random images."""
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 4
    images = (rng.normal(size=(4, 6, 6))[labels] + rng.normal(size=(80, 6, 6))).astype("float32")
    keras.utils.set_random_seed(seed)
    hidden = [L.Dense(16, "relu"), L.Dense(16, "relu")]
    model = keras.Sequential([keras.Input((6, 6)), L.Flatten(), *hidden, L.Dense(4, "softmax")])
    noise = rng.normal(size=images.shape)
    real, random_labels, random_images = (
        gini(unrolled_sensitivity(model, *data, batch_size=16, every=10))
        for data in ((images, labels), (images, rng.permutation(labels)), (noise, labels))
    )
    assert real > 1.1 * max(random_labels, random_images)


class TestMisuse:
    @pytest.mark.parametrize(
        ("settings", "error", "said"),
        [
            ({"steps": -1}, SettingError, "steps=-1"),
            ({"steps": 2.0}, SettingError, "steps=2.0"),
            ({"every": 0}, SettingError, "every=0"),
            ({"steps": 3, "every": 4}, SettingError, "every=4 of 3 steps"),
            ({"batch_size": 0}, SettingError, "batch_size=0"),
            ({"seed": -1}, SettingError, "seed=-1"),
            ({"learning_rate": -0.1}, SettingError, "learning_rate=-0.1"),
            ({"learning_rate": np.inf}, SettingError, "learning_rate=inf"),
            ({"learning_rate": np.nan}, SettingError, "learning_rate=nan"),
            ({"learning_rate": True}, SettingError, "learning_rate=True"),
            ({"learning_rate": None}, SettingError, "learning_rate=None"),
            ({"learning_rate": "0.1"}, SettingError, "learning_rate='0.1'"),
            ({"loss": "none"}, SettingError, "no loss of Keras"),
            ({"output": "none"}, TargetError, "none"),
            ({"input": "none"}, InputError, "none"),
            ({"labels": [0, 1]}, InputError, "for 7 images"),
            ({"labels": [3] * 7}, InputError, "run from 3 to 3"),
            ({"images": np.zeros((7, 3, 2, 2))}, InputError, "shape"),
            ({"images": np.full((7, 3, 2, 1), np.nan)}, InputError, "NaN"),
        ],
    )
    def test_what_does_not_fit_is_refused_before_anything_is_compiled(self, small, settings, error, said, monkeypatch):
        model, images, labels = small
        monkeypatch.setattr(Network, "function", lambda *_: pytest.fail("compiled"))
        with pytest.raises(error, match=said):
            unrolled_sensitivity(model, **{"images": images, "labels": labels, **settings})

    def test_integers_have_no_gradient(self):
        model = keras.Sequential([keras.Input((4,), dtype="int32"), L.Embedding(5, 2), L.Flatten(), L.Dense(3)])
        with pytest.raises(InputError, match="inputs take integers"):
            unrolled_sensitivity(model, np.zeros((2, 4), int), [0, 1])

    def test_a_model_that_cannot_learn(self):
        model = perceptron()
        model.trainable = False
        with pytest.raises(ModelError, match="none of its 0 trainable weights"):
            unrolled_sensitivity(model, zoo.images(3, 2, 1), [0, 1, 2])

    def test_a_loss_that_the_images_do_not_matter_to(self):
        rounded = [keras.Input((3,)), L.Lambda(lambda x: tf.cast(tf.cast(x, tf.int32), tf.float32)), L.Dense(3)]
        with pytest.raises(SettingError, match="does not depend on the input"):
            unrolled_sensitivity(keras.Sequential(rounded), zoo.images(3), [0, 1, 2])

    def test_an_operation_without_a_second_derivative(self):
        layers = [L.Conv2D(2, 1), L.UpSampling2D(2, interpolation="bicubic"), L.Flatten(), L.Dense(3)]
        with pytest.raises(ModelError, match=r"no second derivative .*ResizeBicubicGrad"):
            unrolled_sensitivity(keras.Sequential([keras.Input((3, 2, 1)), *layers]), zoo.images(3, 2, 1), [0, 1, 2])

    @pytest.mark.slow
    def test_maps_of_another_size(self):
        model = keras.Sequential([keras.Input((None, None, 2)), L.Conv2D(3, 1)])
        with pytest.raises(InputError, match="other sizes"):
            unrolled_sensitivity(model, zoo.images(4, 3, 2), np.zeros((3, 2, 3), int), steps=1)

    @pytest.mark.slow
    @pytest.mark.parametrize("rate", [1e30, 1e3])
    def test_a_training_that_diverges_is_named(self, rate):
        # The slower one passes through all magnitudes: other warnings would be errors here.
        model = zoo.randomize(keras.Sequential([keras.Input((6,)), L.Dense(1)]))
        settings = {"loss": "mse", "learning_rate": rate, "steps": 30}
        with pytest.warns(KerasvizWarning, match=r"not finite for the samples \[0, 1, 2"):
            values = unrolled_sensitivity(model, zoo.images(6, count=7), np.arange(7.0), **settings)
        assert not np.isfinite(values).any()
