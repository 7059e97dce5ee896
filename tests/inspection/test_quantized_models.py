"""Precision: what is found, what is said of it, and whether that is true."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

import kerasviz as kv
from kerasviz.inspection import problems, weights
from kerasviz.inspection.quantization import quantization
from kerasviz.network.graph import open_saved_model

pytestmark = pytest.mark.slow


def network():
    keras.utils.set_random_seed(1)
    layers = [
        L.Conv2D(8, 3, activation="relu", name="conv"),
        L.Flatten(),
        L.Dense(32, activation="relu", name="hidden"),
        L.Dense(5, name="classes"),
    ]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    for variable in model.variables:
        if variable.name == "bias":
            variable.assign(np.random.default_rng(0).normal(size=variable.shape) / 10)
    return model


@pytest.mark.filterwarnings("ignore:Layer .* does not have a .quantize:UserWarning")
@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_gradients_pass_the_rounding_as_is_said(mode):
    model, quantized = network(), network()
    try:
        quantized.quantize(mode)
    except ValueError:
        pytest.skip(f"this Keras knows no {mode}")
    found = quantization(quantized)
    assert found["modes"] == {mode: ["hidden", "classes"]}
    assert found["policies"]["float32"] == ["conv"] and len(found["policies"]) == 2
    assert "gradient methods work" in found["meaning"][mode] and "half" not in found["meaning"]
    images = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")
    maps = [kv.explain(one, images, method="saliency", target=1).values.ravel() for one in (model, quantized)]
    assert np.corrcoef(*maps)[0, 1] > 0.9
    assert problems(weights(quantized)) == []
    by_path = {weight.path: weight for weight in weights(quantized)}
    kernel = by_path["hidden/kernel"]
    if mode == "int8":
        assert (kernel.dtype, kernel.bytes, kernel.statistics.maximum) == ("int8", 288 * 32, 127)
    if mode == "int4":
        # Two values in a byte: the numbers of the bytes say nothing.
        assert kernel.bytes == 288 * 16 and kernel.statistics is None
        assert kernel.as_dict()["minimum"] is None and kernel.as_dict()["nan"] is None


def test_a_dead_filter_of_integers_is_found():
    model = network()
    kernel = model.get_layer("hidden").kernel.numpy()
    kernel[:, [3, 9]] = 0
    model.get_layer("hidden").kernel.assign(kernel)
    model.get_layer("hidden").quantize("int8")
    (found,) = problems(weights(model))
    assert (found.kind, found.path, found.channels) == ("dead_filters", "hidden/kernel", (3, 9))


def test_half_precision():
    model = keras.Sequential(
        [keras.Input((4,)), L.Dense(3, name="a", dtype="mixed_float16"), L.Dense(3, name="b", dtype="bfloat16")]
    )
    found = quantization(model)
    assert found["policies"] == {"mixed_float16": ["a"], "bfloat16": ["b"]} and found["modes"] == {}
    assert list(found["meaning"]) == ["half"] and "float32" in found["meaning"]["half"]
    # What is quantized is computed as it stands.
    model = keras.Sequential([keras.Input((4,)), L.Dense(3, name="a", dtype="mixed_bfloat16")])
    model.layers[0].quantize("int8")
    assert list(quantization(model)["meaning"]) == ["int8"]


def test_nothing_is_said_of_ordinary_networks():
    found = quantization(network())
    assert found == {"policies": {"float32": ["conv", "hidden", "classes"]}, "modes": {}, "lora": [], "meaning": {}}


def test_low_rank_additions():
    model = network()
    model.get_layer("hidden").enable_lora(2)
    assert quantization(model)["lora"] == ["hidden"] and list(quantization(model)["meaning"]) == ["lora"]
    # The second factor is zero until it is trained: nothing is wrong with that.
    assert problems(weights(model)) == []
    assert [weight.role for weight in weights(model) if weight.layer == "hidden"].count("lora") == 2


class Rounding(tf.Module):
    """A network that rounds its input."""

    def __init__(self, round_):
        super().__init__()
        self.round = round_
        self.kernel = tf.Variable(np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype("float32"), name="kernel")

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 3), tf.float32, name="image")], autograph=False)
    def serve(self, image):
        """Scores."""
        return {"scores": tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(self.round(image), self.kernel, 1, "SAME")), (1, 2))}


@pytest.mark.parametrize(
    ("round_", "way"),
    [
        (lambda x: tf.quantization.fake_quant_with_min_max_args(x, -1, 1), "simulated"),
        (lambda x: tf.quantization.quantize_and_dequantize_v2(x, -1.0, 1.0, range_given=True), "simulated"),
        (lambda x: tf.cast(tf.cast(tf.round(x * 127), tf.int8), tf.float32) / 127, "integer"),
        (lambda x: x, None),
    ],
)
@pytest.mark.filterwarnings("ignore::kerasviz.errors.KerasvizWarning")
def test_rounding_in_bare_graphs(tmp_path, round_, way):
    module = Rounding(round_)
    tf.saved_model.save(module, tmp_path, signatures={"serving_default": module.serve})
    model = open_saved_model(tmp_path)
    found = quantization(model)
    assert list(found["modes"]) == list(found["meaning"]) == ([way] if way else [])
    images = np.random.default_rng(0).uniform(-1, 1, (1, 8, 8, 3)).astype("float32")
    maps = {method: kv.explain(model, images, method=method, target=1).values for method in ("saliency", "occlusion")}
    assert maps["saliency"].any() == (way != "integer") and maps["occlusion"].any()
