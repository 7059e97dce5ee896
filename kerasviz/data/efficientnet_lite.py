"""EfficientNet-Lite0 as a functional Keras model, and its weights from a PyTorch state dict.

EfficientNet-Lite is EfficientNet with ReLU6 in place of swish and without squeeze-and-excitation. Source: Tan
and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, and
TensorFlow's `tpu/models/official/efficientnet/lite`.
"""

import functools
from typing import NamedTuple

import numpy as np


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


def build_efficientnet_lite0(classes: int = 1000):
    """Build the network, untrained.

    Args:
        classes: width of the softmax head.

    Returns:
        A functional `keras.Model` from (N, 224, 224, 3) RGB in 0..255 to (N, classes) probabilities. Layers
        are named `stem_conv`, `block3_expand_relu`, `block3_depthwise_conv`, `block3_project_bn`,
        `block3_add`, `head_relu`, `avg_pool`, `predictions`; the blocks are numbered 0 to 15.
    """
    import keras
    from keras import layers

    # The checkpoint is float32 and channels last, whatever the user's global policy and image format are.
    settings = {"dtype": "float32"}
    image = {"data_format": "channels_last", **settings}
    conv = functools.partial(layers.Conv2D, padding="same", use_bias=False, **image)

    def normalize(x, name):
        return layers.BatchNormalization(epsilon=1e-3, name=name, **settings)(x)

    def rectify(x, name):
        return layers.ReLU(max_value=6.0, name=name, **settings)(x)

    inputs = keras.Input((224, 224, 3), dtype="float32", name="image")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="rescale", **settings)(inputs)
    x = conv(32, 3, strides=2, name="stem_conv")(x)
    x = rectify(normalize(x, "stem_bn"), "stem_relu")
    block, channels = 0, 32
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            name, before = f"block{block}", x
            stride = stage.stride if repeat == 0 else 1
            if stage.expansion > 1:
                x = conv(channels * stage.expansion, 1, name=f"{name}_expand_conv")(x)
                x = rectify(normalize(x, f"{name}_expand_bn"), f"{name}_expand_relu")
            x = layers.DepthwiseConv2D(
                stage.kernel,
                strides=stride,
                padding="same",
                use_bias=False,
                name=f"{name}_depthwise_conv",
                **image,
            )(x)
            x = rectify(normalize(x, f"{name}_depthwise_bn"), f"{name}_depthwise_relu")
            x = conv(stage.filters, 1, name=f"{name}_project_conv")(x)
            x = normalize(x, f"{name}_project_bn")
            if stride == 1 and channels == stage.filters:
                x = layers.Add(name=f"{name}_add", **settings)([x, before])
            block, channels = block + 1, stage.filters
    x = conv(1280, 1, name="head_conv")(x)
    x = rectify(normalize(x, "head_bn"), "head_relu")
    x = layers.GlobalAveragePooling2D(name="avg_pool", **image)(x)
    x = layers.Dropout(0.2, name="dropout", **settings)(x)
    x = layers.Dense(classes, activation="softmax", name="predictions", **settings)(x)
    return keras.Model(inputs, x, name="efficientnet_lite0")


def set_pytorch_weights(model, state: dict[str, np.ndarray]) -> None:
    """Fill the network with a state dict of `efficientnet_lite_pytorch`.

    Args:
        model: what `build_efficientnet_lite0` returned.
        state: name to array.
    """

    def conv(layer, key):
        # PyTorch: (out, in, height, width), and (channels, 1, height, width) where it is depthwise.
        axes = (2, 3, 0, 1) if layer.endswith("depthwise_conv") else (2, 3, 1, 0)
        model.get_layer(layer).set_weights([state[f"{key}.weight"].transpose(axes)])

    def normalization(layer, key):
        kinds = ("weight", "bias", "running_mean", "running_var")
        model.get_layer(layer).set_weights([state[f"{key}.{kind}"] for kind in kinds])

    conv("stem_conv", "_conv_stem")
    normalization("stem_bn", "_bn0")
    for block in range(sum(stage.repeats for stage in _STAGES)):
        name, key = f"block{block}", f"_blocks.{block}"
        if f"{key}._expand_conv.weight" in state:
            conv(f"{name}_expand_conv", f"{key}._expand_conv")
            normalization(f"{name}_expand_bn", f"{key}._bn0")
        conv(f"{name}_depthwise_conv", f"{key}._depthwise_conv")
        normalization(f"{name}_depthwise_bn", f"{key}._bn1")
        conv(f"{name}_project_conv", f"{key}._project_conv")
        normalization(f"{name}_project_bn", f"{key}._bn2")
    conv("head_conv", "_conv_head")
    normalization("head_bn", "_bn1")
    model.get_layer("predictions").set_weights([state["_fc.weight"].T, state["_fc.bias"]])
