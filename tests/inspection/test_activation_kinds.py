"""Which activation a layer applies, by whatever spelling."""

import functools

import keras
import pytest
import tensorflow as tf
from keras import layers as L

from kerasviz.inspection.activations import activation_kind, activations
from kerasviz.network import Network

a = keras.activations


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (a.linear, None),
        (None, None),
        (a.relu, "relu"),
        (tf.nn.relu6, "relu6"),
        (keras.ops.leaky_relu, "leaky_relu"),
        (a.silu, "swish"),
        (tf.nn.silu, "swish"),
        (a.hard_silu, "hard_swish"),
        (a.gelu, "gelu"),
        (a.softmax, "softmax"),
        (tf.sigmoid, "sigmoid"),
        (functools.partial(a.relu, max_value=6), "relu6"),
        (functools.partial(a.relu, negative_slope=0.1), "leaky_relu"),
        (functools.partial(keras.ops.gelu, approximate=False), "gelu"),
        (L.ReLU(), "relu"),
        (L.ReLU(6.0), "relu6"),
        (L.ReLU(max_value=4.0), "relu"),
        (L.ReLU(negative_slope=0.2), "leaky_relu"),
        (L.ReLU(threshold=1.0), "threshold"),
        (L.LeakyReLU(), "leaky_relu"),
        (L.PReLU(), "prelu"),
        (L.ELU(), "elu"),
        (L.Softmax(), "softmax"),
        (L.Dropout(0.5), None),
        (print, None),
    ],
)
def test_functions_and_layers(value, kind):
    assert activation_kind(value) == kind


class Made(L.Layer):
    """Applies a function that it does not show."""

    def __init__(self, function, name):
        super().__init__(name=name)
        self.hidden = [function]

    def call(self, x):
        """The function."""
        return self.hidden[0](x)


OPS = {
    "relu": lambda x: tf.nn.relu(x),
    "relu6": lambda x: tf.nn.relu6(x),
    "leaky_relu": lambda x: tf.nn.leaky_relu(x),
    "sigmoid": lambda x: tf.sigmoid(x),
    "tanh": lambda x: tf.tanh(x),
    "softplus": lambda x: tf.nn.softplus(x),
    "softmax": lambda x: tf.nn.softmax(x),
    "swish": lambda x: x * tf.sigmoid(x),
    "hard_swish": lambda x: x * tf.nn.relu6(x + 3) / 6,
    "hard_sigmoid": lambda x: tf.nn.relu6(x + 3) * (1 / 6),
    "gelu": lambda x: keras.ops.gelu(x),
    "mish": lambda x: x * tf.tanh(tf.nn.softplus(x)),
}


def test_what_custom_layers_make():
    inputs = x = keras.Input((8, 4))
    for kind, function in OPS.items():
        x = Made(function, f"my_{kind}")(x)
    x = Made(lambda x: keras.ops.gelu(x, approximate=False), "my_exact_gelu")(x)
    x = Made(lambda x: tf.nn.silu(x), "my_silu")(x)
    x = Made(lambda x: x * tf.sigmoid(tf.reduce_mean(x, 1, keepdims=True)), "my_gate")(x)
    x = Made(lambda x: x * tf.sigmoid(x + tf.reduce_mean(x, 1, keepdims=True)), "my_attention")(x)
    x = Made(lambda x: 2 * x, "my_double")(x)
    model = keras.Model(inputs, x)
    assert activations(Network(model), model) == {
        **{f"my_{kind}": [kind] for kind in OPS},
        "my_exact_gelu": ["gelu"],
        "my_silu": ["swish"],
        "my_gate": ["sigmoid"],  # of another tensor than it gates
        "my_attention": ["sigmoid"],
        "my_double": [],
    }


def test_layers_of_keras_by_attribute_class_and_op():
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, activation="silu", name="conv")(inputs)
    x = L.Activation("hard_silu", name="act")(x)
    x = keras.ops.relu6(x)
    x = L.Reshape((36, 4), name="rows")(x)
    x = L.LSTM(3, name="lstm")(x)
    model = keras.Model(inputs, L.Dense(2, name="scores")(x))
    assert activations(Network(model), model) == {
        "conv": ["swish"],
        "act": ["hard_swish"],
        "relu6": ["relu6"],
        "rows": [],
        "lstm": ["tanh"],
        "lstm/lstm_cell": ["tanh", "sigmoid"],
        "scores": [],
    }
