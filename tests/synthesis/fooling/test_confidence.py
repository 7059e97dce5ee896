"""Confidences are those of a fresh `model.predict`, of every kind of output, and asking leaves no trace on a model."""

import keras
import numpy as np
import pytest
from keras import layers as L

from kerasviz.errors import InputError, TargetError
from kerasviz.synthesis.fooling.confidence import confirmed, recomputed
from kerasviz.synthesis.fooling.predicting import Predicting

SHAPE = (2, 3, 1)


def built(outputs_of, others=()):
    image = keras.Input(SHAPE, name="image")
    rest = [keras.Input(shape, name=name) for name, shape in others]
    model = keras.Model([image, *rest] if rest else image, outputs_of(L.Flatten()(image), *rest))
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weights.shape) for weights in model.get_weights()])
    return model


def images(count=5):
    return np.random.default_rng(2).random((count, *SHAPE)).astype("float32")


def state(model):
    return {name: vars(model)[name] for name in sorted(vars(model))}


@pytest.mark.slow
@pytest.mark.parametrize("before", ["never", "asked"])
def test_asking_leaves_no_trace(before):
    model = built(lambda flat: L.Dense(3, "softmax", name="d")(flat))
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    if before == "asked":
        model.predict(images(), verbose=0)
    kept = state(model)
    predicting = Predicting(model)
    seen = predicting(images())
    after = state(model)
    assert list(after) == list(kept) and all(after[name] is kept[name] for name in kept)
    assert (before == "asked") == (model.predict_function is not None)
    # The model's own function answers as the model was; a fresh one as it is now.
    model.get_layer("d").activation = keras.activations.sigmoid
    with pytest.raises(TargetError, match="no probabilities"):
        predicting(images())
    assert model.predict_function is kept["predict_function"]
    model.get_layer("d").activation = keras.activations.softmax
    np.testing.assert_array_equal(predicting(images()), seen)


@pytest.mark.slow
def test_it_is_what_predict_says_in_batches_of_any_size():
    model = built(lambda flat: L.Dense(3, "softmax")(flat))
    expected = model.predict(images(7) / 255, batch_size=4, verbose=0)
    calls = []

    def prepare(batch):
        calls.append(len(batch))
        return batch / 255

    np.testing.assert_array_equal(recomputed(model, images(7), preprocess=prepare, batch_size=4), expected)
    assert max(calls) <= 4 and sum(calls) == 7


@pytest.mark.parametrize(
    ("outputs_of", "name", "expected"),
    [
        (lambda f: L.Dense(3, "log_softmax")(f), None, np.exp),
        (lambda f: L.Dense(1, "sigmoid")(f), None, lambda p: np.concatenate([1 - p, p], 1)),
        pytest.param(lambda f: L.Dense(3, "sigmoid")(f), None, lambda p: p, marks=pytest.mark.slow),
        (lambda f: [L.Dense(2, "softmax", name="a")(f), L.Dense(3, "softmax", name="b")(f)], "b", lambda p: p[1]),
        pytest.param(
            lambda f: {"z": L.Dense(2, "softmax")(f), "a": L.Dense(3)(f)}, "z", lambda p: p["z"], marks=pytest.mark.slow
        ),
        (lambda f: L.Average()([L.Dense(3, "softmax")(f), L.Dense(3, "softmax")(f)]), None, lambda p: p),
        (lambda f: L.Dense(3, "softmax", dtype="float16")(f), None, lambda p: p.astype("float32")),
    ],
    ids=["log", "unit", "labels", "list", "dict", "ensemble", "half"],
)
def test_every_kind_of_output(outputs_of, name, expected):
    model = built(outputs_of)
    wanted = expected(model.predict(images(), verbose=0))
    found = recomputed(model, images(), output=name)
    np.testing.assert_allclose(found, wanted, atol=1e-7)
    assert found.dtype == np.float32 and Predicting(model, output=name).count == wanted.shape[1]


@pytest.mark.slow
def test_other_inputs_are_the_same_for_all():
    model = built(lambda f, more: L.Dense(3, "softmax")(L.Concatenate()([f, more])), others=[("more", (2,))])
    more = np.float32([0.5, -2])
    expected = model.predict([images(), np.tile(more, (5, 1))], verbose=0)
    found = recomputed(model, images(), input="image", others={"more": more})
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert np.abs(recomputed(model, images(), input="image", others={"more": 0 * more}) - expected).max() > 0.01


@pytest.mark.slow
def test_a_model_of_its_own_class():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.flat, self.dense = L.Flatten(), L.Dense(3, "softmax")

        def call(self, inputs):
            return self.dense(self.flat(inputs))

    model = Own()
    model(images())
    found = recomputed(model, images(), sample=images(1))
    assert "_jit_compile" not in vars(model) or vars(model)["_jit_compile"] is None
    np.testing.assert_array_equal(found, model.predict(images(), verbose=0))


@pytest.mark.slow
def test_what_is_no_probability():
    with pytest.raises(TargetError, match="Softmax"):
        Predicting(built(lambda f: L.Dense(3)(f)))
    with pytest.raises(TargetError, match="whole images"):
        Predicting(built(lambda f: L.Reshape((2, 3))(L.Dense(6, "softmax")(f))))
    with pytest.raises(TargetError, match="whole images"):
        Predicting(built(lambda f: L.Dense(1)(f)))
    sums = built(lambda f: L.Add()([L.Dense(3, "softmax")(f), L.Dense(3, "softmax")(f)]))
    with pytest.raises(TargetError, match="no probabilities"):
        recomputed(sums, images())
    with pytest.raises(InputError, match="shape"):
        recomputed(built(lambda f: L.Dense(3, "softmax")(f)), images()[:, :1])


def confirm(model, given, classes, **changes):
    settings = {"steps": [4] * len(given), "wanted": 0.5, "low": 0.0, "high": 1.0, "history": {}, "method": "m"}
    return confirmed(Predicting(model), given, classes, settings={}, **{**settings, **changes})


@pytest.mark.slow
def test_what_is_reported_is_what_was_predicted():
    model = built(lambda flat: L.Dense(3, "softmax")(flat))
    model.set_weights([20 * model.get_weights()[0], model.get_weights()[1]])
    given = images()
    seen = model.predict(given, verbose=0)
    classes = seen.argmax(1)
    classes[2] = (classes[2] + 1) % 3
    record = confirm(model, given, classes)
    np.testing.assert_allclose(record.confidences, seen[range(5), classes], atol=1e-6)
    np.testing.assert_array_equal(record.predicted, seen.argmax(1))
    assert record.found.tolist() == (record.confidences >= 0.5).tolist() and not record.found[2]
    assert record.steps.tolist() == [4 if found else -1 for found in record.found]
    rounded = model.predict(np.rint(given * 255) / 255, verbose=0)
    np.testing.assert_allclose(record.saved_confidences, rounded[range(5), classes], atol=1e-6)
    assert np.abs(record.saved_confidences - record.confidences).max() > 1e-4
    free = confirm(model, given, classes, low=-np.inf, high=np.inf)
    assert free.saved_confidences is None
    np.testing.assert_allclose(free.confidences, record.confidences, atol=1e-6)
    with pytest.raises(InputError, match=r"0 to 0\.5"):
        confirm(model, given, classes, high=0.5)
