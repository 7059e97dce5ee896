"""SavedModels that Keras 2 wrote with `model.save`; its package is `tf-keras`."""

import warnings

import keras
import numpy as np
import zoo

from saved_models.origins import KERAS_2, Original, origin, shared_plain


def _saved(folder, build, live):
    """Build with Keras 2, with the weights that the live model's layers of the same names have, and save it."""
    import tf_keras

    # Keras 2 tells of its own old format, and of losses that were never compiled.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = build(tf_keras)
        for layer in old._flatten_layers(include_self=False):
            if layer.weights and not hasattr(layer, "layers") and layer.name in [part.name for part in live.layers]:
                layer.set_weights(live.get_layer(layer.name).get_weights())
        old.save(folder)
    return Original(live, zoo.images(*live.input_shape[1:]))


def _layers(keras_2):
    layers = keras_2.layers
    return [
        layers.Conv2D(5, 3, padding="same", name="conv1"),
        layers.BatchNormalization(name="bn1"),
        layers.ReLU(name="relu1"),
        layers.MaxPooling2D(2, name="pool"),
        layers.Conv2D(6, 3, activation="relu", name="conv2"),
        layers.GlobalAveragePooling2D(name="gap"),
        layers.Dropout(0.5, name="dropout"),
        layers.Dense(4, activation="softmax", name="predictions"),
    ]


@origin(KERAS_2)
def keras_2_sequential(folder):
    def build(keras_2):
        return keras_2.Sequential([keras_2.layers.Input((12, 10, 3), name="image"), *_layers(keras_2)])

    return _saved(folder, build, shared_plain())._replace(layer="conv2")


@origin(KERAS_2)
def keras_2_nested(folder):
    """A functional model around a base, compiled, so that the file holds an optimizer too."""

    def build(keras_2):
        *base, gap, dropout, dense = _layers(keras_2)
        inside = x = keras_2.layers.Input((12, 10, 3))
        for layer in base:
            x = layer(x)
        image = keras_2.layers.Input((12, 10, 3), name="image")
        model = keras_2.Model(image, dense(dropout(gap(keras_2.Model(inside, x, name="base")(image)))))
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        model.fit(np.zeros((1, 12, 10, 3)), np.eye(4)[:1], verbose=0)
        return model

    return _saved(folder, build, shared_plain())._replace(layer="conv2", at="base/conv2")


@origin(KERAS_2)
def keras_2_subclassed(folder):
    def build(keras_2):
        class Own(keras_2.Model):
            def __init__(self):
                super().__init__(name="own")
                self.stack = _layers(keras_2)

            def call(self, image, training=None):
                for layer in self.stack:
                    image = layer(image, training=training) if layer.name in ("bn1", "dropout") else layer(image)
                return image

        model = Own()
        model.predict(np.zeros((1, 12, 10, 3), "float32"), verbose=0)
        return model

    return _saved(folder, build, shared_plain())._replace(layer="conv2")


@origin(KERAS_2)
def keras_2_shared(folder):
    """A layer called twice, a swish, whose gradient is the file's own, and a depthwise convolution."""

    def build(package):
        layers = package.layers
        inputs = x = layers.Input((12, 10, 3), name="image")
        again = layers.Conv2D(3, 3, padding="same", activation="relu", name="again")
        for _ in range(2):
            x = again(x)
        x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="swish", name="depthwise")(x)
        x = layers.LeakyReLU(0.25, name="leaky")(layers.Conv2D(5, 2, name="conv")(x))
        x = layers.Dense(4, activation="softmax", name="predictions")(layers.GlobalAveragePooling2D()(x))
        return package.Model(inputs, x)

    live = zoo.randomize(build(keras))
    return _saved(folder, build, live)._replace(layer="leaky")


@origin(KERAS_2)
def keras_2_loop(folder):
    """A loop with a ReLU inside."""

    def build(package):
        layers = package.layers
        inputs = layers.Input((7, 3), name="rows")
        x = layers.Conv1D(4, 3, padding="same", activation="relu", name="conv1")(inputs)
        x = layers.SimpleRNN(5, activation="relu", name="loop")(x)
        return package.Model(inputs, layers.Dense(4, activation="softmax", name="predictions")(x))

    live = zoo.randomize(build(keras))
    return _saved(folder, build, live)._replace(layer="conv1")
