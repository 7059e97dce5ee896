"""`to_gap`: another network with the head that class activation mapping asks for."""

import keras

from kerasviz.errors import LayerError, ModelError, SettingError
from kerasviz.network.cutting import trunk
from kerasviz.network.loading import as_model
from kerasviz.network.network import Network

_CONVOLUTIONS = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}
_POOLINGS = {
    1: keras.layers.GlobalAveragePooling1D,
    2: keras.layers.GlobalAveragePooling2D,
    3: keras.layers.GlobalAveragePooling3D,
}


def to_gap(
    model,
    layer=None,
    *,
    conv: int | None = None,
    classes: int | None = None,
    activation: str | None = "softmax",
    sample=None,
) -> keras.Model:
    """Cut a model after a feature map and attach global average pooling and one dense layer.

    Zhou et al. 2016, "Learning Deep Features for Discriminative Localization", sections 2 and 3: the head for which
    class activation maps are defined. The pooling takes the mean over positions, never the sum: a sum would grow
    with the size of the image, and the scores with it. The new layers are untrained: see `retrain_gap`.

    Args:
        model: any built Keras model, or the path of a saved one. It is copied: layers and weights are new ones,
            and nested models are opened, so that the layers of a base are layers of the result.
        layer: the feature map, as `kerasviz.GradCAM` takes it; None for the last one. Fully connected layers behind
            it are left away. The paper cuts where the map has 13 to 14 positions a side, which in VGG16 is
            "block5_conv3", not the pooling behind it: the more positions, the finer the map.
        conv: add a 3 × 3 convolution with so many filters and ReLU before the pooling; the paper adds 1024.
        classes: how many scores; None for as many as the model has.
        activation: of the scores: "softmax", "sigmoid", or None for none (regression).
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Returns:
        An ordinary functional Keras model, not compiled, that saves and loads. It has the inputs that the feature
        map depends on.

    Raises:
        LayerError: the layer is unknown, has no spatial feature map, or cannot be reached.
        ModelError: a layer cannot be copied, or the model has several outputs and `classes` is not given.
        SettingError: `conv` or `classes` is not a whole number from 1 up.

    Example:
        >>> import kerasviz as kv
        >>> cut = kv.to_gap(kv.data.shapes.shapes_model(), layer="relu4", conv=32)
        >>> [layer.name for layer in cut.layers[-3:]], cut.output_shape
        (['gap_conv', 'gap_pool', 'gap_scores'], (None, 10))
    """
    model = as_model(model)
    network = Network(model, sample=sample)
    conv, classes = _count("conv", conv), _count("classes", classes) or _width(network)
    base = trunk(model, network.address(layer), network)
    features = base.output
    space = len(features.shape) - 2 if hasattr(features, "shape") else 0
    if space not in _POOLINGS:
        shape = getattr(features, "shape", None)
        raise LayerError(
            f"The layer has the output {shape}",
            expected="a spatial feature map: batch, one to three axes of space, channels",
            mend="Take a layer before the flattening; layer=None finds the last one",
        )
    names = _free_names(base)
    if conv:
        features = _CONVOLUTIONS[space](conv, 3, padding="same", activation="relu", name=names["gap_conv"])(features)
    pooled = _POOLINGS[space](name=names["gap_pool"])(features)
    scores = keras.layers.Dense(classes, activation=activation, dtype="float32", name=names["gap_scores"])(pooled)
    return keras.Model(base.input, scores, name=f"{model.name}_gap")


def _free_names(base):
    """Names for the new layers that no layer has, for models that had such a head before."""
    taken = {part.name for part in base.layers}
    names = {}
    for name in ("gap_conv", "gap_pool", "gap_scores"):
        free = name
        while free in taken:
            free += "_again"
        names[name] = free
    return names


def _width(network):
    shapes = [output.shape for output in network.trace.outputs.values()]
    if len(shapes) > 1 or len(shapes[0]) < 2:
        raise ModelError(
            f"The model {network.name!r} has the outputs {dict(zip(network.trace.outputs, shapes, strict=True))}",
            expected="one output with a score for each class",
            mend="Say how many: classes=10",
        )
    return shapes[0][-1]


def _count(name, value):
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise SettingError(f"{name}={value!r}", expected="a whole number from 1 up, or None", mend="Leave it out")
    return value
