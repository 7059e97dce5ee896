"""SavedModels that Keras 3 exported, and a model that holds one."""

import contextlib
import io
import warnings

import keras
import numpy as np
import tensorflow as tf
import zoo
from keras import layers as L

from saved_models.origins import KERAS_3, Original, origin, plain, shared_plain


def export(model, folder, still_for=None):
    """What `model.export` writes, without its printing.

    Args:
        model: of Keras 3.
        folder: new.
        still_for: inputs. Keras exports layers that augment images as they train; for these it exports the model at
            inference, by a call of its own.
    """
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras 3.7 flattens dicts of inputs, and says so.
        if still_for is None:
            model.export(folder, verbose=False)
            return
        archive = keras.export.ExportArchive()
        archive.track(model)
        signature = [tf.TensorSpec((None, *still_for.shape[1:]), still_for.dtype, name="image")]
        archive.add_endpoint("serve", lambda image: model(image, training=False), input_signature=signature)
        archive.write_out(folder, verbose=False)


#: Of the zoo: models that would draw random numbers where they were exported plainly; names of the output explained;
#: classes for which no map is zero everywhere.
DRAWING = ("with_preprocessing",)
OUTPUTS = {"dicts": "species", "two_outputs": "second"}
TARGETS = {
    "conv3d": [0, 2, 0],
    "dicts": ("species", [1, 3, 1]),
    "functional": [1, 0, 2],
    "nested_in_sequential": [1, 1, 2],
    "sequential": [2, 2, 3],
    "sequential_deferred": [1, 1, 0],
    "softmax_then_reshape": [0, 1, 2],
}


def _exported_from_zoo(name):
    def build(folder):
        specimen = zoo.ZOO[name]()
        model, inputs = specimen.model, specimen.inputs
        if name == "regression":  # Else its Grad-CAM is zero.
            model.layers[-1].kernel.assign(-model.layers[-1].kernel)
        export(model, folder, inputs if name in DRAWING else None)
        return Original(model, inputs, TARGETS.get(name, specimen.target), specimen.layer, output=OUTPUTS.get(name))

    build.__name__ = f"export_{name}"
    return build


for _name in zoo.ZOO:
    origin(KERAS_3)(_exported_from_zoo(_name))


@origin(KERAS_3)
def export_batch_normalization(folder):
    model = shared_plain()
    export(model, folder)
    return Original(model, zoo.images(12, 10, 3), layer="conv2")


@origin(KERAS_3)
def export_free_size(folder):
    model = plain((None, None))
    export(model, folder)
    return Original(model, zoo.images(14, 11, 3), layer="conv2")


def _with_activations(folder, layers):
    """A convolution before each of some activations."""
    inputs = x = keras.Input((12, 10, 3))
    for i, layer in enumerate(layers):
        x = layer(L.Conv2D(5, 2, name=f"conv_{i}")(x))
    model = zoo.randomize(keras.Model(inputs, zoo.head(x)))
    export(model, folder)
    return Original(model, zoo.images(12, 10, 3), layer=layers[-1].name)


@origin(KERAS_3)
def export_rectifiers(folder):
    """Every kin of the ReLU, most of which are several ops."""
    rectifiers = [
        L.LeakyReLU(negative_slope=0.1, name="leaky"),
        L.PReLU(shared_axes=[1, 2], name="prelu"),
        L.ReLU(negative_slope=0.2, name="sloped"),
        L.ReLU(threshold=0.1, name="above"),
        L.ReLU(max_value=1.0, name="capped"),
        L.ReLU(max_value=6.0, name="relu6"),
    ]
    return _with_activations(folder, rectifiers)


@origin(KERAS_3)
def export_bent(folder):
    """A ReLU with a slope and a cap. Beside a threshold they are several ops that nothing tells apart."""
    return _with_activations(folder, [L.ReLU(max_value=1.0, negative_slope=0.2, name="sloped_capped")])


@origin(KERAS_3)
def export_smooth(folder):
    """Smooth activations beside a ReLU; swish has a gradient of its own in the file (IdentityN)."""
    names = ("swish", "gelu", "hard_swish", "elu", "selu", "relu")
    return _with_activations(folder, [L.Activation(name, name=f"act_{name}") for name in names])


def _recurrent(cell):
    def build(folder):
        inputs = keras.Input((7, 3))
        x = L.Conv1D(4, 3, padding="same", activation="relu", name="conv1")(inputs)
        model = zoo.randomize(keras.Model(inputs, L.Dense(4, activation="softmax")(cell(name="loop")(x))))
        export(model, folder)
        return Original(model, zoo.images(7, 3), layer="conv1")

    return build


@origin(KERAS_3)
def export_simple_rnn(folder):
    """A loop with a ReLU inside."""
    return _recurrent(lambda name: L.SimpleRNN(5, activation="relu", name=name))(folder)


@origin(KERAS_3)
def export_lstm(folder):
    return _recurrent(lambda name: L.LSTM(5, name=name))(folder)


@origin(KERAS_3)
def export_gru(folder):
    return _recurrent(lambda name: L.GRU(5, name=name))(folder)


@origin(KERAS_3)
def export_groups(folder):
    """Keras runs a grouped convolution in a compiled function of its own."""
    inputs = keras.Input((12, 10, 3))
    x = L.Conv2D(6, 3, activation="relu", name="conv1")(inputs)
    x = L.Conv2D(6, 3, groups=3, activation="relu", name="grouped")(x)
    model = zoo.randomize(keras.Model(inputs, zoo.head(x)))
    export(model, folder)
    return Original(model, zoo.images(12, 10, 3), layer="grouped")


@origin(KERAS_3)
def export_attention(folder):
    inputs = keras.Input((12, 10, 3))
    x = L.Conv2D(8, 4, strides=3, activation="relu", name="conv1")(inputs)
    tokens = L.Reshape((-1, 8), name="tokens")(x)
    normed = L.LayerNormalization(name="norm")(tokens)
    tokens = L.Add()([tokens, L.MultiHeadAttention(2, 4, name="attention")(normed, normed)])
    x = L.GlobalAveragePooling1D()(L.Dropout(0.3)(tokens))
    model = zoo.randomize(keras.Model(inputs, L.Dense(4, activation="softmax")(x)))
    export(model, folder)
    return Original(model, zoo.images(12, 10, 3), layer="conv1")


@origin(KERAS_3)
def export_up_and_down(folder):
    """Transposed and dilated convolutions, average pooling and a skip connection."""
    inputs = keras.Input((12, 8, 3))
    down = L.Conv2D(5, 3, padding="same", activation="relu", name="down")(inputs)
    x = L.Conv2D(6, 3, dilation_rate=2, padding="same", activation="relu", name="dilated")(down)
    x = L.Conv2DTranspose(5, 2, strides=2, activation="relu", name="up")(L.AveragePooling2D(2, name="pool")(x))
    x = L.Concatenate(name="skip")([x, down])
    model = zoo.randomize(keras.Model(inputs, L.Conv2D(4, 1, activation="softmax", name="head")(x)))
    export(model, folder)
    return Original(model, zoo.images(12, 8, 3), 2, layer="skip")


def wrapped(folder, *, sequential=True):
    """A model of Keras 3 around an exported one, with a layer of its own in front; and its twin."""
    live = plain()
    export(live, folder)
    layer = L.TFSMLayer(folder, call_endpoint="serve", name="saved")
    scale = L.Rescaling(0.5, name="rescale")
    if sequential:
        model = keras.Sequential([keras.Input((12, 10, 3)), scale, layer], name="wrapping")
    else:
        inputs = keras.Input((12, 10, 3))
        model = keras.Model(inputs, L.Dense(4, name="more")(layer(scale(inputs))), name="wrapping")
    model(zoo.images(12, 10, 3))
    inputs = keras.Input((12, 10, 3))
    x = live(L.Rescaling(0.5)(inputs))
    twin = keras.Model(inputs, x if sequential else L.Dense(4, name="more")(x))
    if not sequential:
        rng = np.random.default_rng(8)
        values = [rng.normal(size=(4, 4)), rng.normal(size=4)]
        for one in (model, twin):
            one.get_layer("more").set_weights(values)
    return model, Original(twin, zoo.images(12, 10, 3), layer="plain/conv2")
