"""Nothing changes: weights, optimizer, history and random numbers of a training, over kinds of models and data."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

import kerasviz as kv
from kerasviz.callbacks import Explain

SHAPE = (8, 7, 1)


def parts():
    return [
        L.RandomTranslation(0.2, 0.2),
        L.Conv2D(4, 3),
        L.BatchNormalization(),
        L.ReLU(name="relu"),
        L.Flatten(),
        L.Dropout(0.5),
        L.Dense(3, "softmax", dtype="float32", name="kind"),
    ]


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.parts = parts()

    def call(self, x, training=False):
        for part in self.parts:
            x = part(x, training=training) if isinstance(part, L.Dropout | L.RandomTranslation) else part(x)
        return x


def two_outputs():
    image = keras.Input(SHAPE, name="image")
    *body, last = parts()
    x = image
    for part in body:
        x = part(x)
    return keras.Model(image, {"kind": last(x), "size": L.Dense(3, name="size")(x)})


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, *SHAPE)).astype("float32"), rng.integers(3, size=20)


def batches():
    return tf.data.Dataset.from_tensor_slices(data()).shuffle(20, seed=1).batch(8)


def arrays(outputs=False):
    x, y = data()
    return {"x": x, "y": {"kind": y, "size": np.eye(3)[y]} if outputs else y, "batch_size": 8}


ONE, TWO = "sparse_categorical_crossentropy", {"kind": "sparse_categorical_crossentropy", "size": "mse"}
# XLA cannot compile the translation.
KINDS = {
    "outputs, steps": (two_outputs, {"loss": TWO, "steps_per_execution": 2}, lambda: arrays(True), ("kind", 1)),
    "unbuilt, data set": (lambda: keras.Sequential(parts()), {}, lambda: {"x": batches(), "shuffle": False}, 1),
    "subclassed, eager": (Subclassed, {"run_eagerly": True}, arrays, None),
    "jit, half": (
        lambda: keras.Sequential([keras.Input(SHAPE), *parts()[1:]]),
        {"jit_compile": True, "optimizer": "sgd"},
        arrays,
        [1, 0],
    ),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*the map is zero", "ignore:Every map of the batch is zero")
@pytest.mark.parametrize("kind", KINDS)
def test_training_is_the_same_to_the_bit(kind, tmp_path):
    build, compile, fed, target = KINDS[kind]

    def trained(make):
        keras.utils.set_random_seed(0)
        keras.config.set_dtype_policy("mixed_float16" if "half" in kind else "float32")
        try:
            model, callbacks = build(), make()
            model.compile(**{"optimizer": "adam", "loss": ONE, **compile})
            history = model.fit(**fed(), epochs=2, verbose=0, callbacks=callbacks).history
        finally:
            keras.config.set_dtype_policy("float32")
        state = [np.array(variable) for variable in (*model.variables, *model.optimizer.variables)]
        draws = random.random(), np.random.random(), float(tf.random.uniform(()))  # noqa: NPY002
        return model, history, state, draws, callbacks

    def watches():
        x = np.random.default_rng(1).normal(size=(2, *SHAPE))
        common = {"data": x, "target": target, "folder": tmp_path, "log_dir": tmp_path}
        return [
            Explain("grad_cam", **common, initial="un" not in kind and "sub" not in kind),
            Explain(kv.GuidedBackprop, **common, unit="batch", every=2),
            Explain(lambda model: kv.SmoothGrad(kv.Saliency(model, sample=x), samples=2), **common),
        ]

    _, *plain, _ = trained(list)
    model, *watched, callbacks = trained(watches)
    assert watched[0] == plain[0]
    assert watched[2] == plain[2]
    for mine, other in zip(watched[1], plain[1], strict=True):
        np.testing.assert_array_equal(mine, other)
    assert [len(callback.history) for callback in callbacks] == [2 + callbacks[0].initial, 3, 2]
    # What was seen is the model that the training left.
    found = callbacks[0].history[-1][1]
    expected = kv.GradCAM(model)(np.random.default_rng(1).normal(size=(2, *SHAPE)), target)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-5)


def test_to_look_into_a_shuffled_data_set_moves_its_shuffling_on():
    """What the documentation of `Explain` says of data sets that shuffle; a batch of them does not."""

    def order(look):
        shuffled = tf.data.Dataset.range(20).shuffle(20, seed=3).batch(20)
        look(shuffled)
        return next(iter(shuffled)).numpy().tolist()

    def looked(shuffled):
        Explain("saliency", shuffled)

    assert order(lambda shuffled: None) == order(lambda shuffled: None) != order(looked)


DISTRIBUTED = """
import json, random, sys
import keras, numpy as np, tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import kerasviz as kv
from kerasviz.callbacks import Explain
L = keras.layers
rng = np.random.default_rng(0)
x, y = rng.normal(size=(24, 8, 7, 1)).astype("float32"), rng.integers(3, size=24)

def build():
    layers = [L.Conv2D(4, 3), L.BatchNormalization(), L.LeakyReLU(), L.Flatten(), L.Dropout(0.5), L.Dense(3, "softmax")]
    model = keras.Sequential([keras.Input((8, 7, 1)), *layers])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model

def trained(watches):
    keras.utils.set_random_seed(0)
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = build()
    history = model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=watches).history
    state = [np.array(v).tolist() for v in (*model.variables, *model.optimizer.variables)]
    return model, [history, state, random.random(), np.random.random(), float(tf.random.uniform(()))]

_, plain = trained([])
watches = [
    Explain("grad_cam", x[:3], target=[0, 1, 2], initial=True, folder=sys.argv[1], log_dir=sys.argv[1]),
    Explain(kv.Saliency, x[:3], unit="batch", every=2, folder=sys.argv[1]),
]
model, watched = trained(watches)
alone = build()
alone.set_weights(model.get_weights())
found, expected = watches[0].history[-1][1], kv.GradCAM(alone)(x[:3], [0, 1, 2])
pixels = watches[1].history[-1][1], kv.Saliency(alone)(x[:3])
print(json.dumps({
    "same": watched == plain,
    "replicas": model.distribute_strategy.num_replicas_in_sync,
    "steps": [[step for step, _ in watch.history] for watch in watches],
    "error": float(abs(found.values - expected.values).max() / abs(expected.values).max()),
    "pixel error": float(abs(pixels[0].values - pixels[1].values).max() / abs(pixels[1].values).max()),
    "changed": float(abs(found.values - watches[0].history[0][1].values).max() / abs(expected.values).max()),
}))
"""


@pytest.mark.slow
def test_training_on_several_devices_is_the_same_too(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(kv.__file__).parents[1]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    run = subprocess.run(
        [sys.executable, "-c", DISTRIBUTED, str(tmp_path)], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["same"]
    assert found["replicas"] == 2
    assert found["steps"] == [[-1, 0, 1], [2, 4, 6]]
    assert found["error"] < 1e-5 < 1e-2 < found["changed"]
    assert found["pixel error"] < 1e-5
    assert (tmp_path / "grad_cam.png").exists()
