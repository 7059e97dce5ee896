"""`Explain`: what it explains, and that mistakes are errors before anything is trained."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L
from watched_training import assert_traced_before_the_second_epoch, at_each_look, opened, pictures, trained

import kerasviz as kv
from kerasviz.callbacks import Explain
from kerasviz.callbacks.shots import Picture
from kerasviz.errors import InputError, LayerError, ModelError, SettingError, TargetError
from kerasviz.plotting.colors import Palette

SHAPE = (6, 5, 1)
X = np.random.default_rng(0).uniform(size=(9, *SHAPE)).astype("float32")


def linear(weights):
    """Class 0 is the sum of the image times the first weight, and so on."""
    model = keras.Sequential([keras.Input(SHAPE), L.Flatten(), L.Dense(len(weights), name="scores")])
    model.set_weights([np.tile(np.float32(weights), (30, 1)), np.zeros(len(weights))])
    return model


def assign(model, weights):
    model.set_weights([np.tile(np.float32(weights), (30, 1)), np.zeros(len(weights))])


def same(found, expected):
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.score, expected.score)
    np.testing.assert_array_equal(found.target, expected.target)


@pytest.mark.slow
def test_history_is_what_the_explainer_gives_with_the_weights_of_that_epoch():
    images = pictures(5, seed=3)
    watches = {
        "grad_cam": Explain("Grad-CAM", images, images=3, layer="conv2", initial=True),
        "guided": Explain(kv.GuidedBackprop, images, target=[1, 0, 2, 3, 1], initial=True),
        "smooth": Explain(lambda model: kv.SmoothGrad(kv.Saliency(model), samples=3), images, target=1, initial=True),
    }
    training = trained(list(watches.values()))
    assert_traced_before_the_second_epoch(training)
    by_hand = {
        "grad_cam": lambda model: kv.GradCAM(model, layer="conv2")(images[:3]),
        "guided": lambda model: kv.GuidedBackprop(model)(images, [1, 0, 2, 3, 1]),
        "smooth": lambda model: kv.SmoothGrad(kv.Saliency(model), samples=3)(images, 1),
    }
    for name, watch in watches.items():
        assert [epoch for epoch, _ in watch.history] == [-1, 0, 1, 2]
        looks = [explanation for _, explanation in watch.history]
        for found, expected in zip(looks, at_each_look(training, by_hand[name]), strict=True):
            same(found, expected)
        assert (looks[0].values != looks[-1].values).any()
    assert [watch.name for watch in watches.values()] == ["grad_cam", "guided_backprop", "explanation"]


def test_what_it_draws_and_counts():
    model = linear([1, -2])
    watch = opened(Explain("saliency", X, images=2, target=[0, 1], labels=["cat", "a/dog"], scale=(-4, 4)), model)
    shot = watch.look()
    assert [(picture.tag, picture.title) for picture in shot.pictures] == [
        ("cat/0", f"cat {X[0].sum():.3g}"),
        ("a-dog/1", f"a/dog {-2 * X[1].sum():.3g}"),
    ]
    table = Palette.of("RdBu_r", signed=True).table
    assert [picture.pixels[3, 3].tolist() for picture in shot.pictures] == [
        table[256 + 64].tolist(),
        table[256 - 128].tolist(),
    ]
    assert shot.scalars == {"score": pytest.approx((X[0].sum() - 2 * X[1].sum()) / 2)}
    # Maps that are the same everywhere are alike to nothing.
    assert watch.look().scalars["similarity"] == 0


def test_likeness_is_the_mean_of_pearsons_correlations():
    model = keras.Sequential([keras.Input((3,)), L.Dense(2)])
    model.set_weights([np.float32([[1, 0], [2, 0], [4, 1]]), np.zeros(2)])
    watch = opened(Explain("saliency", np.eye(3), target=[0, 0, 1]), model)
    watch.look()
    changed = np.float32([[5, 0], [1, 1], [1, 0]])
    model.set_weights([changed, np.zeros(2)])
    expected = [np.corrcoef([1, 2, 4], changed[:, 0])[0, 1]] * 2 + [np.corrcoef([0, 0, 1], changed[:, 1])[0, 1]]
    shot = watch.look()
    assert shot.scalars["similarity"] == pytest.approx(np.mean(expected))
    assert shot.pictures == ()


def test_colours_are_those_of_the_first_look_of_a_training():
    model = linear([1, 0.5])
    images = np.ones((2, *SHAPE))
    images[:, 0] = 0
    watch = opened(Explain("input_x_gradient", images, target=[0, 1], cmap="gray"), model)

    def levels():
        return [int(picture.pixels[3, 3, 0]) for picture in watch.look().pictures]

    assert levels() == [255, 191]
    assign(model, [0.5, -1])
    assert levels() == [191, 0]
    # The next training begins anew; looking once to check all is no look.
    opened(watch, model)
    assert levels() == [191, 0]
    assign(model, [2, 1])
    assert levels() == [255, 255]
    opened(watch, model)
    assert levels() == [255, 191]


@pytest.mark.slow
def test_top_classes_are_told_in_titles_and_not_in_tags():
    model = linear([1, 2])
    for target in (None, kv.targets.ClassScore(), ("scores", None)):
        watch = Explain("saliency", X, images=1, target=target, labels={0: "cat", 1: "dog"}, scale=(0, 1))
        opened(watch, model)
        assert [(picture.tag, picture.title[:3]) for picture in watch.look().pictures] == [("0", "dog")]
    watch = opened(Explain("saliency", X, images=1, target=lambda outputs: outputs[:, 0], scale=(0, 1)), model)
    assert [picture.tag for picture in watch.look().pictures] == ["0"]


@pytest.mark.slow
def test_labels_of_a_data_set_are_targets():
    model, labels = linear([1, 2, 3]), np.arange(9) % 3
    one_hot = np.eye(3)[labels]
    for y in (labels, labels[:, None], labels.astype("float32"), one_hot):
        data = tf.data.Dataset.from_tensor_slices((X, y)).batch(2)
        watch = opened(Explain("saliency", data, target="label", images=5), model)
        assert watch.look().result.target.tolist() == [0, 1, 2, 0, 1]
        assert watch.look().result.values[:, 0, 0, 0].tolist() == [1, 2, 3, 1, 2]
    for data in (X, tf.data.Dataset.from_tensor_slices((X, {"a": labels})).batch(2)):
        with pytest.raises(TargetError, match="no labels of one output"):
            Explain("saliency", data, target="label")


@pytest.mark.slow
def test_the_data_tell_the_inputs_of_a_model_that_declares_none():
    class Open(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(1)
            self.dense.build((None, 3))
            self.dense.set_weights([np.float32([[1], [2], [3]]), np.zeros(1)])
            self.built = True

        def call(self, x):
            return self.dense(x)

    for explainer in ("saliency", kv.Saliency):
        watch = opened(Explain(explainer, np.ones((2, 3)), target=0), Open())
        assert watch.look().result.values.tolist() == [[1, 2, 3]] * 2


def test_an_explainer_of_a_part_of_the_model_is_one():
    inner = linear([1, 2])
    model = keras.Sequential([keras.Input(SHAPE), inner])
    watch = opened(Explain(kv.Saliency(inner), X, images=2, target=1, scale=(0, 1)), model)
    assert (watch.look().result.values == 2).all()
    assert watch.name == "saliency"
    assert isinstance(watch.look().pictures[0], Picture)
    with pytest.raises(ModelError, match="shares no weight with"):
        opened(Explain(kv.Saliency(linear([1, 2])), X), model)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"explainer": "grad_kam"}, SettingError, "Did you mean 'grad_cam'"),
        ({"samples": 3}, SettingError, "no setting 'samples'"),
        ({"explainer": "saliency", "layer": "conv"}, SettingError, "no setting 'layer'"),
        ({"explainer": lambda model: kv.GradCAM(model), "layer": 3}, SettingError, "where the explainer is made"),
        ({"explainer": 3}, SettingError, "explainer=3"),
        ({"scale": "all"}, SettingError, "scale='all'"),
        ({"scale": (1, 0)}, SettingError, r"scale=\(1, 0\)"),
        ({"alpha": 2}, SettingError, "alpha=2"),
        ({"cmap": "turbot"}, SettingError, "Did you mean 'turbo'"),
        ({"every": -1}, SettingError, "every=-1"),
        ({"unit": "epochs"}, SettingError, "unit='epochs'"),
        ({"name": "grad/cam"}, SettingError, "name='grad/cam'"),
        ({"images": 0}, SettingError, "images=0"),
        ({"data": iter([X])}, InputError, "next"),
        ({"data": tf.data.Dataset.from_tensor_slices(X).batch(2).take(0)}, InputError, "empty"),
    ],
)
def test_mistakes_that_need_no_model_are_errors_at_once(settings, error, words):
    with pytest.raises(error, match=words):
        Explain(**{"explainer": "grad_cam", "data": X, **settings})


def convolutional():
    model = keras.Sequential(
        [keras.Input(SHAPE), L.Conv2D(2, 3, activation="relu", name="conv", kernel_initializer="ones"), L.Flatten()]
    )
    model.add(L.Dense(3, name="scores", kernel_initializer="ones"))
    model.compile("sgd", "mse", run_eagerly=True)
    return model


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"layer": "cnov"}, LayerError, "conv"),
        ({"target": 3}, TargetError, "from 0 to 2"),
        ({"target": "cat"}, TargetError, "labels.index"),
        ({"target": [0, 1]}, TargetError, "one class per sample"),
        ({"target": ("size", 0)}, TargetError, "no output 'size'"),
        ({"data": X[:, :5]}, InputError, r"\(9, 5, 5, 1\)|\(8, 5, 5, 1\)"),
        ({"data": X[0]}, InputError, "batch axis"),
        ({"data": [X, X]}, InputError, r"\(2, 8, 6, 5, 1\)"),
        ({"data": np.full((2, *SHAPE), np.nan)}, InputError, "NaN"),
        ({"data": X[:0]}, InputError, "empty batch"),
        ({"display": X[:3]}, InputError, "3 images are to be displayed for 8"),
        ({"display": np.ones((8, 2, 2, 2, 3))}, InputError, r"shapes \(2, 2, 2, 3\)"),
        ({"labels": ["cat", "dog"]}, SettingError, "class 2"),
        ({"labels": {0: "cat"}, "target": 1}, SettingError, "class 1"),
        ({"explainer": lambda model: model}, SettingError, "made a Sequential of the model"),
        ({"explainer": kv.GradCAM(convolutional())}, ModelError, "shares no weight"),
    ],
)
@pytest.mark.slow
def test_what_does_not_fit_the_model_is_an_error_before_the_first_batch(settings, error, words):
    model, batches = convolutional(), []
    count = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: batches.append(batch))
    watch = Explain(**{"explainer": "grad_cam", "data": X, **settings})
    with pytest.raises(error, match=words):
        model.fit(X, np.ones((9, 3)), verbose=0, callbacks=[count, watch])
    assert batches == []


@pytest.mark.slow
def test_a_model_without_weights_is_opened_at_its_second_batch():
    def fit(watch):
        model, batches = keras.Sequential([L.Flatten(), L.Dense(3)]), []
        count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
        model.compile("sgd", "mse", run_eagerly=True)
        try:
            model.fit(X, np.ones((9, 3)), batch_size=3, epochs=2, verbose=0, callbacks=[count, watch])
        finally:
            fit.batches = batches

    watch = Explain("saliency", X, images=2)
    fit(watch)
    assert [epoch for epoch, _ in watch.history] == [0, 1]
    with pytest.raises(InputError, match=r"\(2, 3, 5, 1\)"):
        fit(Explain("saliency", X[:2, :3]))
    assert fit.batches == [0]
    with pytest.raises(ModelError, match="Build it before fit"):
        fit(Explain("saliency", X, initial=True))
    assert fit.batches == []
