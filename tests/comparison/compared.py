"""Small networks to compare."""

import keras
from keras import layers as L
from zoo import randomize


def network(strides=1, classes=4, extra=None, named=True, act="relu", head="predictions", seed=7, **settings):
    """Two convolutions and a head, with random weights; `extra` names a convolution between them."""

    def name(given):
        return {"name": given} if named else {}

    inputs = keras.Input((12, 10, 3), name="image")
    x = L.Conv2D(5, 3, padding="same", activation="relu", **name("conv1"))(inputs)
    x = L.BatchNormalization(**name("bn1"))(x)
    if extra is not None:
        x = L.Conv2D(5, 3, padding="same", activation="relu", **name(extra))(x)
    x = L.Conv2D(5, 3, strides=strides, padding="same", activation=act, **{**name("conv2"), **settings})(x)
    x = L.Dropout(0.5, **name("drop"))(x)
    x = L.GlobalAveragePooling2D(**name("gap"))(x)
    x = L.Dense(classes, activation="softmax", **name(head))(x)
    return randomize(keras.Model(inputs, x, name="net"), seed)


def with_weights_of(model, source, skip=()):
    """A model with the weights of another, layer by layer; layers of the numbers in `skip` keep their own."""
    holders = [layer for number, layer in enumerate(holding(model)) if number not in skip]
    for layer, other in zip(holders, holding(source), strict=False):
        if [weight.shape for weight in layer.weights] == [weight.shape for weight in other.weights]:
            layer.set_weights(other.get_weights())
    return model


def holding(model):
    """The layers with weights."""
    return [layer for layer in model.layers if layer.weights]


def twin(model):
    """Another model with the same layers and weights."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def changed(comparison):
    """The changes of each layer that has any, by its path."""
    return {pair.a.path: pair.changes for pair in comparison.layers if pair.changes}
