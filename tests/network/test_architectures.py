"""Clones of whole architectures: the same outputs, the same variables, another gradient."""

import gc
import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasviz as kv
from kerasviz.errors import RuleError

#: Side of the input, rectifiers that the rules replace, and the last spatial feature map with its channels.
TABLE = {
    "VGG16": (32, 15, "block5_conv3", 512),
    "VGG19": (32, 18, "block5_conv4", 512),
    "ResNet50": (64, 49, "conv5_block3_out", 2048),
    "ResNet50V2": (64, 49, "post_relu", 2048),
    "MobileNet": (64, 27, "conv_pw_13_relu", 1024),
    "MobileNetV2": (64, 35, "out_relu", 1280),
    "MobileNetV3Small": (64, 23, None, None),
    "Xception": (71, 35, "block14_sepconv2_act", 2048),
    "DenseNet121": (64, 121, "relu", 1024),
    "NASNetMobile": (64, 192, None, None),
    "InceptionResNetV2": (128, 243, None, 1536),
    "InceptionV3": (128, 94, None, 2048),
    "EfficientNetB0": (64, 0, "top_activation", 1280),
    "EfficientNetV2B0": (64, 0, "top_activation", 1280),
    "ConvNeXtTiny": (64, 0, None, 768),
}


def _fingerprint(model):
    weights = hashlib.sha256(b"".join(np.ascontiguousarray(w).tobytes() for w in model.get_weights())).hexdigest()
    nodes = [(len(layer._inbound_nodes), len(layer._outbound_nodes)) for layer in model.layers]
    activations = [getattr(layer, "activation", None) for layer in model.layers]
    return weights, nodes, activations, model.to_json(), [layer.trainable for layer in model.layers]


def _outputs_and_input_gradient(model, images):
    images = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = model(images, training=False)
        score = tf.reduce_sum(outputs[:, 0])
    return outputs.numpy(), tape.gradient(score, images).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE)
def test_a_clone_shares_everything_but_the_gradient(name):
    side, rectifiers, layer, channels = TABLE[name]
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(side, side, 3), classes=7, classifier_activation=None
    )
    images = np.random.default_rng(0).uniform(-1, 1, (2, side, side, 3)).astype("float32")
    before = _fingerprint(model)

    network = kv.Network(model)
    address = network.address()
    if layer is not None:
        assert address.path == layer
    if channels is not None:
        assert network.trace.shape_of(address.path)[-1] == channels

    if rectifiers == 0:
        for rule in ("guided", "deconvnet"):
            with pytest.raises(RuleError, match="Saliency, SmoothGrad or IntegratedGradients"):
                kv.clone_with_rule(model, rule)
    else:
        outputs, plain = _outputs_and_input_gradient(model, images)
        for rule in ("guided", "deconvnet"):
            clone, replaced, missed = kv.clone_with_rule(model, rule)
            assert (len(replaced), missed) == (rectifiers, ())
            assert {id(v) for v in clone.variables} == {id(v) for v in model.variables}
            same, other = _outputs_and_input_gradient(clone, images)
            np.testing.assert_array_equal(same, outputs)
            assert np.abs(other - plain).max() > 0
    assert _fingerprint(model) == before
    del model, network
    keras.backend.clear_session()
    gc.collect()
