"""From a classifier and images to a trained generator: what is chosen, repeats, resumes, and is refused."""

import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasviz.errors import InputError, LayerError, ModelError, SettingError
from kerasviz.network import Network
from kerasviz.synthesis.generator import LossWeights, TrainedGenerator, build_generator, train_generator
from kerasviz.synthesis.generator.keeping import Kept, ShuffledBatches
from kerasviz.synthesis.generator.one_call import _comparator

PLAIN = LossWeights(adversarial=0)


def _classifier():
    layers = keras.layers
    start = keras.initializers.GlorotUniform(3)
    return keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Conv2D(3, 3, activation="relu", name="conv", kernel_initializer=start),
            layers.Flatten(name="flat"),
            layers.Dense(5, "relu", name="code", kernel_initializer=start),
            layers.Dense(2, "softmax", name="head", kernel_initializer=start),
        ]
    )


def _images(count=10):
    return np.random.default_rng(1).uniform(size=(count, 4, 4, 1)).astype("float32")


def _train(**settings):
    known = {"value_range": (0, 1), "width": 2, "epochs": 3, "batch_size": 4, "validation": _images(3)}
    return train_generator(_classifier(), _images(), "code", **{**known, **settings})


class _Stop(keras.callbacks.Callback):
    """Ends everything in the middle of an epoch."""

    def __init__(self, epoch, end):
        super().__init__()
        self._epoch, self._end, self._now = epoch, end, None

    def on_epoch_begin(self, epoch, logs=None):
        self._now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self._now == self._epoch and batch == 1:
            self._end()


class _Interruption(Exception):
    pass


def _raise():
    raise _Interruption


def _same(one: TrainedGenerator, two: TrainedGenerator):
    assert one.history == two.history
    for left, right in zip(one.model.get_weights(), two.model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.slow
def test_a_training_that_was_interrupted_ends_as_one_that_was_not(tmp_path):
    undisturbed = _train()
    rate = keras.optimizers.Adam(1e-3)
    with pytest.raises(_Interruption):
        _train(checkpoint=tmp_path, callbacks=[_Stop(1, _raise)], optimizer=rate)
    assert not rate.built
    with pytest.raises(SettingError, match="optimizers"):
        _train(checkpoint=tmp_path, optimizer=keras.optimizers.Adam(1e-2))
    seen = []
    note = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    resumed = _train(checkpoint=tmp_path, callbacks=[note])
    assert seen == [1, 2]
    _same(undisturbed, resumed)
    assert len(resumed.history["val_loss"]) == 3
    # Done: nothing is trained again.
    _same(_train(checkpoint=tmp_path, callbacks=[note]), undisturbed)
    assert seen == [1, 2]
    with pytest.raises(SettingError, match="seed"):
        _train(checkpoint=tmp_path, seed=1)


@pytest.mark.slow
def test_a_training_that_was_killed_ends_as_one_that_was_not(tmp_path):
    script = (
        "import os, signal, test_generator_one_call as t\n"
        "kill = lambda: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"t._train(checkpoint={str(tmp_path)!r}, callbacks=[t._Stop(2, kill)])\n"
    )
    paths = os.pathsep.join([os.path.dirname(__file__), *sys.path])  # noqa: PTH120
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": paths}, check=False)
    assert done.returncode == -signal.SIGKILL
    _same(_train(checkpoint=tmp_path), _train())


@pytest.mark.slow
def test_the_seed_decides_the_weights_and_the_order():
    first, other = _train(seed=1, weights=PLAIN, epochs=1), _train(seed=2, weights=PLAIN, epochs=1)
    assert first.history != other.history
    generators = [build_generator((5,), (4, 4, 1), width=2) for _ in range(2)]
    given = [
        _train(seed=seed, weights=PLAIN, epochs=1, generator=generator) for seed, generator in enumerate(generators)
    ]
    assert given[0].model is generators[0]
    # The same weights to begin with, another order of the images.
    assert given[0].history["loss"] != given[1].history["loss"]
    assert given[0].history["loss"] == pytest.approx(given[1].history["loss"], rel=0.2)


def test_a_state_comes_back_as_it_was_and_only_for_the_same_training(tmp_path):
    def variables(*shapes):
        return [keras.Variable(np.full(shape, float(number))) for number, shape in enumerate(shapes, start=2)]

    kept = Kept(tmp_path, {"seed": 1})
    kept.restore(variables((3,)))
    kept.keep(variables((3,), (2, 2)), 1, {"loss": 0.5})
    kept.keep(variables((3,), (2, 2)), 2, {"loss": 0.25})
    found, restored = Kept(tmp_path, {"seed": 1}), [keras.Variable(np.zeros(3)), keras.Variable(np.zeros((2, 2)))]
    found.restore(restored)
    assert [np.array(variable).ravel().tolist() for variable in restored] == [[2] * 3, [3] * 4]
    assert (found.epochs, found.done, found.history) == (2, False, {"loss": [0.5, 0.25]})
    with pytest.raises(SettingError, match="seed"):
        Kept(tmp_path, {"seed": 2})
    for others in (variables((3,)), variables((3,), (4,)), variables((3,), (2, 2), (1,))):
        with pytest.raises(SettingError, match="other networks"):
            found.restore(others)
    # A draft that was cut off is no state.
    (tmp_path / "training.npz.draft").write_bytes(b"half")
    assert Kept(tmp_path, {"seed": 1}).epochs == 2
    assert Kept(None, {"seed": 1}).epochs == 0


def test_each_epoch_takes_each_image_once_in_an_order_of_its_own():
    batches = ShuffledBatches(np.arange(10), 4, seed=5)
    orders = []
    for epoch in (0, 1, 1):
        batches.on_epoch_begin(epoch)
        parts = [part.numpy() for part in batches.data_set]
        assert [len(part) for part in parts] == [4, 4, 2]
        orders.append(np.concatenate(parts).tolist())
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert orders[0] != orders[1] == orders[2]
    assert int(batches.data_set.cardinality()) == 3


@pytest.mark.slow
def test_a_data_set_with_labels_trains_as_its_images_do():
    images, labels = _images(), np.zeros(10)
    own = build_generator((5,), (4, 4, 1), width=2), build_generator((5,), (4, 4, 1), width=2)
    sets = (
        tf.data.Dataset.from_tensor_slices((images, labels)).batch(5),
        tf.data.Dataset.from_tensor_slices(images).batch(5),
    )
    trained = [
        train_generator(_classifier(), each, "code", value_range=(0, 1), epochs=2, generator=generator, weights=PLAIN)
        for each, generator in zip(sets, own, strict=True)
    ]
    _same(*trained)
    assert trained[0].history["loss"][1] < trained[0].history["loss"][0]


@pytest.mark.slow
def test_what_is_compared_by_default_and_what_is_written_down():
    quick = {"weights": PLAIN, "epochs": 1, "validation": None}
    made = _train(**quick)
    assert (made.settings["layer"], made.settings["comparator"]) == ("code", "conv")
    assert (made.layer, made.value_range, made.lowest) == ("code", (0.0, 1.0), 0.0)
    model = _classifier()
    codes = keras.Model(model.inputs[0], model.get_layer("code").output).predict(_images(), verbose=0)
    np.testing.assert_allclose(made.mean, codes.mean(0), rtol=1e-5)
    on_map = train_generator(model, _images(), "conv", value_range=(0, 1), width=2, **quick)
    assert (on_map.code_shape, on_map.settings["comparator"]) == ((2, 2, 3), "conv")
    named = _train(**quick, comparator="code")
    assert named.settings["comparator"] == "code"
    dense = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3, name="code")])
    assert (
        train_generator(dense, _images(), "code", value_range=(0, 1), width=2, **quick).settings["comparator"] == "code"
    )


def test_features_behind_the_code_are_never_compared():
    layers, images = keras.layers, keras.Input((4, 4, 1))
    first = layers.Conv2D(2, 3, padding="same", name="first")(images)
    gate = layers.Dense(2, name="gate")(layers.GlobalAveragePooling2D()(first))
    last = layers.Conv2D(2, 3, name="last")(layers.Multiply()([first, layers.Reshape((1, 1, 2))(gate)]))
    network = Network(keras.Model(images, layers.Dense(2, name="head")(layers.Flatten()(last))))
    compared = {name: str(_comparator(network, network.address(name))) for name in ("first", "gate", "last", "head")}
    assert compared == {"first": "first", "gate": "gate", "last": "last", "head": "last"}


@pytest.mark.slow
def test_preprocessing_runs_before_the_classifier_and_images_keep_their_range():
    images = 255 * _images()
    quick = {"weights": PLAIN, "epochs": 1, "width": 2}
    made = train_generator(_classifier(), images, "code", preprocess="scale", **quick)
    plain = train_generator(_classifier(), images / 255, "code", value_range=(0, 1), **quick)
    assert made.history["loss"] == pytest.approx(plain.history["loss"], rel=1e-3)
    made_images, plain_images = (each.images(each.mean[None]) for each in (made, plain))
    np.testing.assert_allclose(made_images / 255, plain_images, atol=1e-3)


@pytest.mark.slow
def test_errors_come_before_any_work():
    with pytest.raises(SettingError, match="value_range"):
        _train(value_range=None)
    with pytest.raises(InputError, match="values from"):
        _train(value_range=(0, 0.5))
    with pytest.raises(InputError, match="shape"):
        train_generator(_classifier(), _images()[0], "code", value_range=(0, 1))
    with pytest.raises(LayerError, match="coda"):
        train_generator(_classifier(), _images(), "coda", value_range=(0, 1))
    with pytest.raises(LayerError, match="alike"):
        train_generator(_classifier(), np.repeat(_images(1), 3, axis=0), "code", value_range=(0, 1))
    with pytest.raises(ModelError, match="generator"):
        _train(generator=build_generator((4,), (4, 4, 1), width=2))
    with pytest.raises(SettingError, match="epochs"):
        _train(epochs=0)
    with pytest.raises(SettingError, match="discriminator"):
        _train(weights=PLAIN, discriminator=_classifier())


def test_a_classifier_of_several_inputs_is_refused():
    inputs = [keras.Input((4, 4, 1)), keras.Input((3,), dtype="int32")]
    flat = [keras.layers.Flatten()(each) for each in inputs]
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Concatenate()(flat)))
    with pytest.raises(ModelError, match="2 inputs"):
        train_generator(model, _images(), "dense", value_range=(0, 1))
