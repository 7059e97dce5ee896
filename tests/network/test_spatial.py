"""The last spatial feature map, in networks of many kinds."""

import fnmatch

import keras
import pytest
import zoo
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import KerasvizWarning, LayerError


def last_map(build, *shape):
    inputs = keras.Input(shape or (16, 12, 3))
    return str(kv.Network(keras.Model(inputs, build(inputs))).address())


def chain(*layers):
    def build(x):
        for layer in layers:
            x = layer(x)
        return x

    return build


def conv(name="conv", **options):
    return L.Conv2D(4, 3, padding="same", name=name, **options)


def classified(*layers):
    return chain(*layers, L.GlobalAveragePooling2D(), L.Dense(3, activation="softmax"))


CHAINS = {
    "normalized": (classified(conv(), L.BatchNormalization(name="bn")), "bn"),
    "activated": (classified(conv(), L.BatchNormalization(), L.Activation("swish", name="act")), "act"),
    "op": (classified(conv(), keras.ops.relu, L.Dropout(0.2)), "relu*"),
    "noise behind": (classified(conv(), L.SpatialDropout2D(0.1), L.GaussianNoise(0.1)), "conv"),
    "pooled": (classified(conv(), L.AveragePooling2D(2, name="pool")), "pool"),
    "pooled to one position": (classified(conv(), L.AveragePooling2D((16, 12), name="pool")), "conv"),
    "one row left": (classified(conv(), L.MaxPooling2D((16, 1), name="pool")), "pool"),
    "squeezed": (classified(conv(), L.Conv2D(4, (16, 12), name="valid")), "conv"),
    "1 x 1 head": (
        chain(conv(), L.GlobalAveragePooling2D(keepdims=True), L.Conv2D(3, 1, name="head"), L.Flatten(), L.Softmax()),
        "conv",
    ),
    "padded": (classified(conv(), L.ZeroPadding2D(1, name="pad")), "pad"),
    "flattened": (chain(conv(), L.Flatten(), L.Dense(5), L.Dense(3)), "conv"),
    "transposed": (classified(conv(), L.Conv2DTranspose(4, 3, name="up")), "up"),
    "Sequential inside": (classified(keras.Sequential([conv("in"), L.ReLU(name="r")], name="base")), "base/r"),
    "preprocessing first": (classified(L.Rescaling(2.0), L.RandomFlip(), conv(), L.Identity(name="same")), "conv"),
}


@pytest.mark.parametrize("name", CHAINS)
def test_in_a_chain_it_is_the_last_that_makes_a_map(name):
    build, expected = CHAINS[name]
    assert fnmatch.fnmatch(last_map(build), expected)


def test_a_residual_sum_comes_after_its_branches():
    def build(x):
        x = conv("stem")(x)
        branch = conv("b2")(conv("b1", activation="relu")(x))
        return classified(L.ReLU(name="out"))(L.Add(name="sum")([x, branch]))

    assert last_map(build) == "out"


def test_gates_beside_the_map_are_no_maps():
    """Squeeze and excitation: the gate has one position and is computed after the map."""

    def build(x):
        x = conv(activation="relu")(x)
        gate = L.Conv2D(4, 1, activation="sigmoid", name="gate")(L.GlobalAveragePooling2D(keepdims=True)(x))
        return classified()(L.Multiply(name="scaled")([x, gate]))

    assert last_map(build) == "scaled"


def test_dense_outputs_look_before_their_last_layer_with_a_kernel():
    assert last_map(chain(conv("body", activation="relu"), conv("head"))) == "body"
    assert last_map(chain(conv("body"), L.UpSampling2D(name="up"), conv("head"), L.Softmax())) == "up"
    # The slopes of a PReLU are no kernel: it belongs to the head.
    assert last_map(chain(conv("body"), conv("head"), L.PReLU())) == "body"
    with pytest.raises(LayerError, match="no layer with a spatial feature map"):
        last_map(chain(conv("only"), L.Softmax()))


@pytest.mark.parametrize(
    ("shape", "layer", "pool"),
    [
        ((20, 2), L.Conv1D, L.GlobalMaxPooling1D),
        ((6, 7, 8, 2), L.Conv3D, L.GlobalMaxPooling3D),
        ((6, 7, 2), L.Conv2D, L.GlobalMaxPooling2D),
        ((None, None, 2), L.Conv2D, L.GlobalMaxPooling2D),
    ],
)
def test_signals_images_and_volumes_alike(shape, layer, pool):
    assert last_map(chain(layer(3, 3, name="conv"), pool(), L.Dense(2)), *shape) == "conv"


def test_integer_images_and_tokens_count():
    inputs = keras.Input((12, 10, 3), dtype="uint8")
    model = keras.Model(inputs, classified(L.Rescaling(1 / 255), conv())(inputs))
    assert str(kv.Network(model).address()) == "conv"
    tokens = keras.Input((9,), dtype="int64")
    x = L.Bidirectional(L.LSTM(4, return_sequences=True), name="states")(L.Embedding(7, 3)(tokens))
    assert str(kv.Network(keras.Model(tokens, L.Dense(2)(L.GlobalMaxPooling1D()(x)))).address()) == "states"


def test_a_table_beside_the_image_does_not_hide_its_map():
    def build(order):
        image, table = keras.Input((12, 10, 3)), keras.Input((6,))
        x = L.GlobalAveragePooling2D()(conv()(image))
        x = L.Concatenate()([x, L.Dense(5, activation="relu")(L.Dense(5)(table))])
        return keras.Model([image, table][::order], L.Dense(3)(x))

    assert [str(kv.Network(build(order)).address()) for order in (1, -1)] == ["conv", "conv"]


def test_rows_of_a_table_are_no_tokens():
    """Beside a float vector, an input of rank two, what has rank three is no map over it."""
    image, table = keras.Input((12, 10, 3)), keras.Input((6,))
    x = L.Dense(4, name="on_positions")(L.Reshape((120, 4))(conv()(image)))
    x = L.Concatenate()([L.GlobalAveragePooling1D()(x), table])
    assert str(kv.Network(keras.Model([image, table], L.Dense(3)(x))).address()) == "conv"


@pytest.mark.parametrize(
    "build",
    [chain(L.Flatten(), L.Dense(3)), chain(L.Rescaling(2.0), L.GlobalAveragePooling2D(), L.Dense(2))],
)
def test_without_a_map_the_error_tells_what_to_do(build):
    with pytest.raises(LayerError, match=r"no layer with a spatial feature map.*layer=.*Saliency"):
        last_map(build)


def test_a_transformer_of_pure_tokens_warns_of_its_patches():
    def vit(x):
        x = L.Reshape((-1, 6))(L.Conv2D(6, 4, strides=4, name="patches")(x))
        for _ in range(2):
            x = L.Add()([x, L.MultiHeadAttention(2, 3)(L.LayerNormalization()(x), x)])
            x = L.Add()([x, L.Dense(6)(L.Dense(12, activation="gelu")(x))])
        return L.Dense(3)(L.GlobalAveragePooling1D()(x))

    with pytest.warns(KerasvizWarning, match=r"'patches', comes before \d+ layers that work on tokens"):
        assert last_map(vit) == "patches"


def test_attention_in_a_convolutional_network_is_no_reason_to_warn():
    """A single attention over the positions of a map, as in hybrid networks, keeps the map around it."""

    def hybrid(x):
        x = conv("before", activation="relu")(x)
        tokens = L.Reshape((16 * 12, 4))(x)
        tokens = L.MultiHeadAttention(1, 2, name="attention")(tokens, tokens)
        return classified(L.ReLU(name="after"))(L.Add(name="sum")([x, L.Reshape((16, 12, 4))(tokens)]))

    assert last_map(hybrid) == "after"


def test_it_is_the_layer_that_explainers_take():
    specimen = zoo.ZOO["nested_in_sequential"]()
    assert kv.GradCAM(specimen.model)(specimen.inputs, target=1).layer == "base/relu"
