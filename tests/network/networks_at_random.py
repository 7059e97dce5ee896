"""Random networks of every kind of layer that is computed on boxes, drawn by hypothesis."""

import keras
from hypothesis import strategies as st
from keras import layers as L
from zoo import randomize

PADDINGS = st.sampled_from(["same", "valid"])
ACTIVATIONS = st.sampled_from(["relu", "relu6", "elu", "gelu", "swish", "sigmoid", "leaky_relu", "hard_sigmoid", None])


def network(draw, most=6):
    """A model with 3 outputs, of odd and non-square images.

    Args:
        draw: of `st.data()`. Not a strategy: Keras draws random numbers of its own, which hypothesis forbids there.
        most: how many blocks at most.
    """
    height, width = draw(st.integers(13, 24)), draw(st.integers(13, 24))
    inputs = keras.Input((height, width, draw(st.sampled_from([1, 2, 3]))))
    x = L.Conv2D(4, draw(st.sampled_from([1, 3])), padding="same")(inputs)
    for _ in range(draw(st.integers(1, most))):
        x = draw(st.sampled_from(BLOCKS))(draw, x)
    x = draw(st.sampled_from([L.GlobalAveragePooling2D, L.GlobalMaxPooling2D, L.Flatten]))()(x)
    outputs = L.Dense(3, activation=draw(st.sampled_from(["softmax", None])))(x)
    return randomize(keras.Model(inputs, outputs))


def _fits(x, extent):
    """Whether a window of some extent fits into a map and leaves one of more than one place."""
    return min(x.shape[1:3]) > extent + 1


def _kernel(draw, x, most=5):
    return tuple(draw(st.integers(1, min(most, size - 2))) if size > 3 else 1 for size in x.shape[1:3])


def convolution(draw, x):
    stride = draw(st.sampled_from([(1, 1), (2, 2), (2, 1), (3, 3)])) if _fits(x, 5) else (1, 1)
    return L.Conv2D(
        draw(st.sampled_from([4, 8])), _kernel(draw, x), stride, draw(PADDINGS), activation=draw(ACTIVATIONS)
    )(x)


def dilated(draw, x):
    if not _fits(x, 7):
        return x
    rate = draw(st.sampled_from([2, 3, (1, 2)]))
    return L.Conv2D(4, 3, padding=draw(PADDINGS), dilation_rate=rate)(x)


def grouped(draw, x):
    stride = draw(st.sampled_from([1, 2])) if _fits(x, 4) else 1
    groups = 2 if x.shape[-1] % 2 == 0 else 1
    return L.Conv2D(4, 3 if _fits(x, 3) else 1, stride, "same", groups=groups)(x)


def depthwise(draw, x):
    stride = draw(st.sampled_from([1, 2])) if _fits(x, 4) else 1
    return L.DepthwiseConv2D(3 if _fits(x, 3) else 1, stride, draw(PADDINGS), depth_multiplier=draw(st.integers(1, 2)))(
        x
    )


def separable(draw, x):
    return L.SeparableConv2D(6, 3 if _fits(x, 3) else 1, padding=draw(PADDINGS), activation=draw(ACTIVATIONS))(x)


def pooling(draw, x):
    if not _fits(x, 4):
        return x
    kind = draw(st.sampled_from([L.MaxPooling2D, L.AveragePooling2D]))
    return kind(draw(st.sampled_from([2, 3, (3, 2)])), draw(st.sampled_from([1, 2, 3])), draw(PADDINGS))(x)


def normalized(draw, x):
    return draw(st.sampled_from([L.BatchNormalization, L.LayerNormalization]))()(x)


def activated(draw, x):
    kinds = [
        L.PReLU(),
        L.PReLU(shared_axes=[1, 2]),
        L.ReLU(6.0, 0.1),
        L.Softmax(),
        L.Dropout(0.3),
        L.Rescaling(2.0, 1.0),
    ]
    return draw(st.sampled_from(kinds))(x)


def moved(draw, x):
    top, left = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    if draw(st.booleans()) or not _fits(x, 4):
        return L.ZeroPadding2D(((top, left), (left, top + 1)))(x)
    return L.Cropping2D(((top, left), (left, top)))(x)


def branched(draw, x):
    other = L.Conv2D(x.shape[-1], 3, padding="same", activation="sigmoid")(x)
    shortcut = L.Conv2D(x.shape[-1], 1)(x) if draw(st.booleans()) else x
    return draw(st.sampled_from([L.Add, L.Multiply, L.Concatenate, L.Subtract, L.Maximum, L.Average]))()(
        [shortcut, other]
    )


def nested(draw, x):
    inside = keras.Input(x.shape[1:])
    return keras.Model(inside, L.Activation("relu")(L.Conv2D(4, 3, padding="same")(inside)))(x)


def gated(draw, x):
    """Squeeze and excitation: from here on every place sees the whole image."""
    gate = L.Dense(x.shape[-1], activation="sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(x))
    return L.Multiply()([x, gate])


def enlarged(draw, x):
    """Layers that are not computed on boxes."""
    return draw(st.sampled_from([L.UpSampling2D(2), L.Conv2DTranspose(4, 3, 2)]))(x) if max(x.shape[1:3]) < 13 else x


BLOCKS = (
    convolution,
    convolution,
    dilated,
    grouped,
    depthwise,
    separable,
    pooling,
    pooling,
    normalized,
    activated,
    moved,
    branched,
    nested,
    gated,
    enlarged,
)
