"""Receptive fields: closed forms, composition by hand, and what gradients say."""

import warnings
from fractions import Fraction

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers as L
from networks_at_random import network as random_network
from zoo import ZOO

from kerasviz.errors import KerasvizWarning, LayerError, SettingError
from kerasviz.network import Address, Network
from kerasviz.network.receptive_fields import receptive_field, receptive_fields


def chain(shape, *layers):
    image = x = keras.Input(shape)
    for layer in layers:
        x = layer(x)
    return keras.Model(image, x)


def field_of(model, layer=-1, size=None):
    return receptive_field(Network(model), layer, size)


def numbers(field, axis=0):
    return field.start[axis], field.size[axis], field.stride[axis]


# What gradients say. They vanish where a rectifier is off, a maximum lies elsewhere or terms cancel: the same
# layers with averages for maxima, sums for differences, positive weights and no activations see what they can see.


@keras.saving.register_keras_serializable("fields")
class Blind(L.Layer):
    """A global pooling through which no gradient passes."""

    def __init__(self, keepdims, **kwargs):
        super().__init__(**kwargs)
        self.keepdims = keepdims

    def call(self, x):
        return tf.stop_gradient(tf.reduce_mean(x, [1, 2], keepdims=self.keepdims))


@keras.saving.register_keras_serializable("fields")
class Passing(L.Layer):
    """A layer that does nothing."""

    def call(self, x, mask=None):
        return x


def _open(layer):
    config = {**layer.get_config(), "dtype": "float64"}
    same = {"name": layer.name, "dtype": "float64"}
    if isinstance(layer, L.Lambda):
        return L.Lambda(layer.function, **same)
    if isinstance(layer, L.MaxPooling2D):
        keys = ("pool_size", "strides", "padding")
        return L.AveragePooling2D(**{key: config[key] for key in keys}, **same)
    if isinstance(layer, L.GlobalAveragePooling2D):
        return Blind(config["keepdims"], **same)
    if isinstance(layer, L.Subtract | L.Maximum):
        return L.Add(**same)
    if isinstance(layer, L.ReLU | L.PReLU | L.Softmax | L.Activation | L.LayerNormalization | L.BatchNormalization):
        return Passing(**same)
    if "activation" in config:
        config["activation"] = None
    return type(layer).from_config(config)


def opened(model):
    """The same network, of which the gradient shows all that a unit can see."""
    image = keras.Input(model.input_shape[1:], dtype="float64")
    copy = keras.models.clone_model(model, input_tensors=image, clone_function=_open, recursive=True)
    rng = np.random.default_rng(0)
    for variable in copy.trainable_variables:
        # In deep networks the corner of a field hangs on one path of very many: float32 would lose it.
        inputs = np.prod(variable.shape[:-1])
        variable.assign(rng.uniform(0.8, 1.2, variable.shape) / inputs)
    return copy


def shown(copy, names, units, image=None):
    """Boxes of the pixels at which the gradient of units is not zero, by layer and unit.

    Args:
        copy: a model.
        names: of layers.
        units: a dict from layers to positions.
    """
    image = tf.ones((1, *copy.input_shape[1:]), copy.input.dtype) if image is None else tf.convert_to_tensor(image)
    run = keras.Model(copy.input, [copy.get_layer(name).output for name in names])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(image)
        maps = run(image, training=False)
        maps = maps if isinstance(maps, list) else [maps]
        sums = {
            (name, place): tf.reduce_sum(of[(0, *place)])
            for name, of in zip(names, maps, strict=True)
            for place in units[name]
        }
    found = {}
    for key, total in sums.items():
        seen = tape.gradient(total, image, unconnected_gradients="zero").numpy()[0].any(-1)
        places = np.argwhere(seen)
        found[key] = (*places.min(0).tolist(), *(places.max(0) + 1).tolist()) if len(places) else None
    return found


def some_units(field):
    """The corners, and one in the middle."""
    middle = tuple(count // 2 for count in field.count)
    last = tuple(count - 1 for count in field.count)
    return list(dict.fromkeys([(0,) * len(middle), middle, last]))


def compare(model, exact=True, names=None):
    """Compare the fields of layers with the gradients of some units.

    Args:
        model: a functional model.
        exact: whether the boxes must be equal; else the gradient must lie inside.
        names: of layers; by default all.

    Returns:
        The fields, and the boxes that the gradients show.
    """
    fields = receptive_fields(Network(model), names)
    if names is None:
        # The output of a nested model is not at hand; the layers behind it show the same.
        names = [layer.name for layer in model.layers if layer.name in fields and not isinstance(layer, keras.Model)]
    assert names
    units = {name: some_units(fields[name]) for name in names}
    found = shown(opened(model), names, units)
    # Units at the corners may hold nothing but padding, and those of a transposed convolution lie in gaps.
    assert sum(seen is not None for seen in found.values()) >= len(names)
    for (name, place), seen in found.items():
        box, rank = fields[name].box(place), len(place)
        if exact and seen is not None:
            assert seen == box, (name, place)
        elif seen is not None:
            assert all(np.less_equal(box[:rank], seen[:rank])), (name, place, box, seen)
            assert all(np.greater_equal(box[rank:], seen[rank:])), (name, place, box, seen)
    return fields, found


# Closed forms.


def padded(x, by):
    return L.ZeroPadding2D(by)(x) if by else x


def convolved(x, kernel, stride=1, by=0, **options):
    return L.Conv2D(1, kernel, stride, **options)(padded(x, by))


def test_alexnet():
    image = keras.Input((227, 227, 3))
    x = L.MaxPooling2D(3, 2)(convolved(image, 11, 4))
    x = L.MaxPooling2D(3, 2)(convolved(x, 5, by=2))
    for _ in range(3):
        x = L.ReLU()(convolved(x, 3, by=1))
    field = field_of(keras.Model(image, x))
    assert (numbers(field, 0), numbers(field, 1)) == ((-64, 163, 16),) * 2
    assert field.count == (13, 13)
    np.testing.assert_array_equal(field.centres(1), 17 + 16 * np.arange(13))
    assert field.box((0, 12)) == (0, 128, 99, 227)
    assert field.box((0, 12), clip=False) == (-64, 128, 99, 291)
    assert field.box((5, 5)) == (16, 16, 179, 179)


def test_vgg16():
    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
    fields = receptive_fields(Network(model))
    assert numbers(fields["block5_conv3"]) == (-90, 196, 16)
    assert fields["block5_conv3"].centres(0)[0] == 7.5
    assert numbers(fields["block5_pool"]) == (-90, 212, 32)
    assert numbers(fields["block1_conv1"]) == (-1, 3, 1)


def test_resnet18():
    image = keras.Input((224, 224, 3))
    x = L.ReLU()(L.BatchNormalization()(convolved(image, 7, 2, 3, use_bias=False)))
    x = L.MaxPooling2D(3, 2)(padded(x, 1))
    for block in range(8):
        stride = 2 if block in (2, 4, 6) else 1
        y = convolved(L.ReLU()(convolved(x, 3, stride, 1)), 3, by=1)
        x = L.ReLU()(L.Add()([y, convolved(x, 1, stride) if stride > 1 else x]))
    field = field_of(keras.Model(image, x))
    assert (numbers(field, 0), numbers(field, 1)) == ((-217, 435, 32),) * 2
    assert field.centres(0).tolist() == [32.0 * j for j in range(7)]
    assert not field.whole


# By hand, one kind of layer after the other: the first pixel, the size and the stride.

ROWS = {
    "convolution": ([L.Conv2D(2, (5, 3), 2)], (0, 5, 2), (0, 3, 2)),
    "same, an odd pixel": ([L.Conv2D(2, 3, 2, "same")], (0, 3, 2), (-1, 3, 2)),
    "dilated": ([L.Conv2D(2, 3, dilation_rate=(2, 3), padding="same")], (-2, 5, 1), (-3, 7, 1)),
    "dilated behind a stride": ([L.MaxPooling2D(2), L.Conv2D(2, 3, dilation_rate=2)], (0, 10, 2), (0, 10, 2)),
    "in groups": ([L.Conv2D(4, 1), L.Conv2D(4, 3, 2, groups=2)], (0, 3, 2), (0, 3, 2)),
    "in groups, dilated": ([L.Conv2D(4, 1), L.Conv2D(4, 3, groups=2, dilation_rate=2)], (0, 5, 1), (0, 5, 1)),
    "depthwise": ([L.DepthwiseConv2D((3, 5), 2)], (0, 3, 2), (0, 5, 2)),
    "depthwise, dilated": ([L.DepthwiseConv2D(3, dilation_rate=2)], (0, 5, 1), (0, 5, 1)),
    "separable": ([L.SeparableConv2D(2, 3, padding="same")], (-1, 3, 1), (-1, 3, 1)),
    "pooled": ([L.MaxPooling2D(3, 2), L.AveragePooling2D((2, 1))], (0, 5, 4), (0, 3, 2)),
    "padded and cropped": ([L.ZeroPadding2D(((3, 0), (1, 2))), L.Cropping2D(((1, 2), (2, 0)))], (-2, 1, 1), (1, 1, 1)),
    "every third": ([L.Lambda(lambda x: x[:, 1::3][..., 2:-1, :])], (1, 1, 3), (2, 1, 1)),
    "transposed": ([L.MaxPooling2D(2), L.Conv2DTranspose(2, 3, 2)], (-2, 4, 1), (-2, 4, 1)),
    # TensorFlow traces it, and runs it on graphics cards only.
    "transposed, dilated": ([L.Conv2DTranspose(2, 3, dilation_rate=2)], (-4, 5, 1), (-4, 5, 1)),
    "doubled": ([L.UpSampling2D((2, 1))], (Fraction(-1, 2), Fraction(3, 2), Fraction(1, 2)), (0, 1, 1)),
    "doubled, bilinear": (
        [L.UpSampling2D((2, 1), interpolation="bilinear")],
        (-1, Fraction(5, 2), Fraction(1, 2)),
        (0, 1, 1),
    ),
    "dense": ([L.Conv2D(2, 3), L.Dense(5), L.Dense(2)], (0, 3, 1), (0, 3, 1)),
    "pointwise": (
        [L.Conv2D(4, 3), L.BatchNormalization(), L.LayerNormalization(), L.PReLU(), L.Softmax(), L.Activation("gelu")],
        (0, 3, 1),
        (0, 3, 1),
    ),
    "axes exchanged": (
        [L.Conv2D(2, (1, 3)), L.Permute((2, 1, 3)), L.Conv2D(2, (5, 1)), L.Permute((2, 1, 3))],
        (0, 1, 1),
        (0, 7, 1),
    ),
    "to the batch and back": (
        [
            L.Lambda(
                lambda x: tf.batch_to_space(tf.space_to_batch(x, [2, 1], [[1, 3], [0, 0]]), [2, 1], [[1, 0], [0, 0]])
            )
        ],
        (0, 1, 1),
        (0, 1, 1),
    ),
    "with its own shape": (
        [L.Lambda(lambda x: x + tf.raw_ops.ZerosLike(x=x) * tf.cast(tf.raw_ops.Size(input=x), x.dtype))],
        (0, 1, 1),
        (0, 1, 1),
    ),
    "blocks to channels": ([L.Lambda(lambda x: tf.nn.space_to_depth(x[:, :, :12], 2))], (0, 2, 2), (0, 2, 2)),
    "folded and unfolded": (
        [L.Conv2D(2, 3), L.Reshape((-1, 2)), L.Dense(3), L.Reshape((12, 11, 3))],
        (0, 3, 1),
        (0, 3, 1),
    ),
}


@pytest.mark.parametrize("kind", ROWS)
def test_by_hand(kind):
    layers, rows, columns = ROWS[kind]
    field = field_of(chain((14, 13, 2), *layers))
    assert (numbers(field, 0), numbers(field, 1)) == (rows, columns)
    assert not field.whole


def test_one_axis():
    model = chain(
        (20, 3), L.Conv1D(4, 3, dilation_rate=2, padding="causal"), L.MaxPooling1D(2), L.Conv1D(4, 3, groups=2)
    )
    field = field_of(model)
    assert numbers(field) == (-4, 10, 2)
    assert (field.count, field.image) == ((8,), (20,))
    assert field.box(1) == field.box((1,)) == (0, 8)
    assert str(field) == f"{model.layers[-1].name}: 8 units see 10 pixels, every 2 from -4 on"


def test_three_axes():
    model = chain((9, 12, 15, 1), L.Conv3D(2, (1, 2, 3), dilation_rate=2), L.AveragePooling3D((1, 2, 3)))
    field = field_of(model)
    assert [numbers(field, axis) for axis in range(3)] == [(0, 1, 1), (0, 4, 2), (0, 7, 3)]
    assert field.box((2, 1, 1)) == (2, 2, 3, 3, 6, 10)


def test_tokens():
    words = keras.Input((12,), dtype="int32")
    field = field_of(keras.Model(words, L.Conv1D(4, 3, 2)(L.Embedding(10, 4)(words))))
    assert (numbers(field), field.image) == ((0, 3, 2), (12,))


def test_boxes_leave_out_what_cannot_be_seen():
    # The last of 10 rows is out of reach of the first convolution, so that no unit behind it sees it either.
    field = field_of(chain((10, 10, 1), L.Conv2D(1, 3, 2), L.Conv2D(1, 3, padding="same")))
    assert field.box((3, 3)) == (4, 4, 9, 9)
    enlarged = field_of(chain((10, 10, 1), L.UpSampling2D(2)))
    assert enlarged.box((2, 19)) == (1, 9, 2, 10)
    cropped = field_of(chain((10, 10, 1), L.Cropping2D(2), L.Conv2D(1, 5, padding="same")))
    assert cropped.box((0, 5)) == (2, 5, 5, 8)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_a_mirror_shows_the_other_side(kernel):
    mirror = L.Lambda(lambda x: tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]], "REFLECT"))
    model = chain((9, 9, 1), mirror, L.Conv2D(1, kernel))
    name, field = model.layers[-1].name, field_of(model)
    # A window of 5 rows that starts in the mirror holds all that it shows.
    assert numbers(field) == ((-2, kernel, 1) if kernel >= 5 else (kernel - 7, 10 - kernel, 1))
    compare(model, kernel >= 5, names=[name])


# Paths that meet.


def test_paths_are_united():
    image = keras.Input((32, 32, 1))
    left = L.Conv2D(2, 3, 2, "valid", name="left")(image)
    right = L.Conv2D(2, 5, 2, "same", name="right")(L.Cropping2D(((1, 0), (0, 1)))(image))
    joined = L.Concatenate(name="joined")([left, L.Cropping2D(((0, 1), (0, 1)))(right)])
    fields = receptive_fields(Network(keras.Model(image, joined)))
    assert numbers(fields["left"], 0) == (0, 3, 2)
    assert [numbers(fields["right"], axis) for axis in (0, 1)] == [(-1, 5, 2), (-2, 5, 2)]
    assert [numbers(fields["joined"], axis) for axis in (0, 1)] == [(-1, 5, 2), (-2, 5, 2)]


def test_strides_that_differ_are_bounded():
    # 9 of 13 rows, spread to 13: they meet the same rows at one end, and others at the other.
    image = keras.Input((13, 13, 1))
    part = L.Resizing(13, 13, interpolation="nearest")(L.Cropping2D(((0, 4), (4, 0)))(image))
    model = keras.Model(image, L.Add(name="sum")([image, part]))
    field = field_of(model, "sum")
    assert field.stride == (1, 1)
    assert field.size[0] == field.size[1] > 4
    compare(model, exact=False)


def test_paths_that_see_other_parts():
    image = keras.Input((12, 12, 1))
    inner = L.ZeroPadding2D(3)(L.Cropping2D(3)(image))
    model = keras.Model(image, L.Add(name="sum")([inner, L.Conv2D(1, 3, padding="same")(image)]))
    assert [field_of(model, "sum").box(place) for place in [(0, 0), (11, 11)]] == [(0, 0, 2, 2), (10, 10, 12, 12)]


def squeezed(x, name="gate"):
    gate = L.Dense(x.shape[-1], activation="sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(x))
    return L.Multiply(name=name)([x, gate])


def attended(x):
    tokens = L.Reshape((-1, x.shape[-1]))(x)
    mixed = L.MultiHeadAttention(2, 4)(tokens, tokens)
    return L.Add(name="gate")([x, L.Reshape(x.shape[1:])(mixed)])


def synthesized(x):
    """Attention of which each row is computed from one token alone, so that no axis of a product is summed away."""
    tokens = L.Reshape((-1, x.shape[-1]))(x)
    mixed = keras.ops.matmul(L.Dense(tokens.shape[1])(tokens), tokens)
    return L.Add(name="gate")([x, L.Reshape(x.shape[1:])(mixed)])


def weighted(x):
    """A softmax over all positions."""
    maps = L.Permute((2, 1))(L.Reshape((-1, x.shape[-1]))(x))
    return L.Reshape(x.shape[1:], name="gate")(L.Permute((2, 1))(L.Softmax()(maps)))


def mixed_by(convolution):
    def mixed(x):
        """Tokens in the place of channels, as in MLP-Mixer."""
        maps = L.Reshape((1, x.shape[-1], -1))(L.Permute((3, 1, 2))(x))
        maps = convolution(maps.shape[-1], 1)(maps)
        return L.Add(name="gate")([x, L.Permute((2, 3, 1))(L.Reshape((x.shape[-1], *x.shape[1:3]))(maps))])

    return mixed


def group_normalized(x):
    return L.GroupNormalization(1, name="gate")(x)


@pytest.mark.parametrize(
    "mixed",
    [squeezed, attended, synthesized, weighted, mixed_by(L.Conv2D), mixed_by(L.Conv2DTranspose), group_normalized],
)
def test_whole(mixed):
    image = keras.Input((16, 14, 2))
    x = L.Conv2D(4, 3, 2, "same", name="before")(image)
    x = L.Conv2D(4, 3, name="behind")(mixed(x))
    model = keras.Model(image, x)
    fields = receptive_fields(Network(model))
    assert {name: field.whole for name, field in fields.items() if name in ("before", "gate", "behind")} == {
        "before": False,
        "gate": True,
        "behind": True,
    }
    assert numbers(fields["behind"]) == (0, 7, 2)
    picture = np.random.default_rng(0).normal(size=(1, 16, 14, 2)).astype("float32")
    seen = shown(model, ["before", "behind"], {"before": [(3, 3)], "behind": [(2, 2)]}, picture)
    assert seen == {("before", (3, 3)): fields["before"].box((3, 3)), ("behind", (2, 2)): (0, 0, 16, 14)}


def test_ops_that_nothing_is_known_of():
    image = keras.Input((8, 8, 2))
    x = L.Conv2D(2, 3, name="before")(image)
    flipped = keras.ops.flip(x, axis=1)
    gated = L.Multiply(name="gated")([x, flipped])
    model = keras.Model(image, [gated, L.Conv2D(2, 3, name="behind")(flipped)])
    network = Network(model)
    with pytest.warns(KerasvizWarning, match="known of what ReverseV2 sees") as caught:
        fields = receptive_fields(network)
    assert len(caught) == 1
    assert fields["gated"].whole
    assert numbers(fields["gated"]) == numbers(fields["before"]) == (0, 3, 1)
    assert not fields["before"].whole
    assert "behind" not in fields
    with pytest.raises(LayerError, match="nothing is known of ReverseV2"):
        receptive_field(network, "behind")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        receptive_field(network, "before")


def test_functions_that_a_layer_calls():
    @tf.function
    def inner(x):
        return tf.nn.max_pool2d(tf.split(x, 2, axis=-1)[1], 3, 2, "VALID")

    model = chain((12, 12, 2), L.Conv2D(4, 3), L.Lambda(lambda x: inner(x) * 2), L.Conv2D(4, 3))
    assert numbers(field_of(model)) == (0, 9, 2)


def test_shapes_that_depend_on_the_image():
    def first_rows(x):
        return tf.nn.relu(tf.squeeze(x[:, : tf.cast(tf.reduce_max(x), tf.int32)]))

    image = keras.Input((8, 8, 2))
    rows = L.Lambda(first_rows, output_shape=(8, 2), name="rows")(image)
    largest = L.Lambda(lambda x: tf.reshape(tf.reduce_max(x), [1, 1, 1, 1]), output_shape=(1, 1, 1))(rows)
    gated = L.Multiply(name="gated")([L.Conv2D(2, 3)(image), largest])
    fields = receptive_fields(Network(keras.Model(image, gated)))
    assert "rows" not in fields
    assert fields["gated"].whole
    assert numbers(fields["gated"]) == (0, 3, 1)


def test_functions_that_take_further_outputs():
    @tf.function
    def inner(x):
        ones = tf.ones(x.shape[-1])
        return x + tf.raw_ops.FusedBatchNormV3(x=x, scale=ones, offset=ones, mean=ones, variance=ones).batch_mean

    with pytest.raises(LayerError, match=r"nothing is known of .*PartitionedCall"):
        field_of(chain((8, 8, 2), L.Lambda(inner)))


def test_settings_that_depend_on_the_image():
    def framed(x):
        return tf.pad(tf.zeros([1, 5, 6, 1]), [[0, 0], [1, 0], [0, 0], [0, 0]], constant_values=tf.reduce_max(x))

    image = keras.Input((8, 8, 2))
    gate = L.Lambda(framed, output_shape=(6, 6, 1))(image)
    field = field_of(keras.Model(image, L.Multiply()([L.Conv2D(2, 3)(image), gate])))
    assert field.whole
    assert numbers(field) == (0, 3, 1)


# What has none.


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ("pooled", r"its output \(1, 4\) has no positions"),
        ("scores", "no positions"),
        ("tokens", "no positions"),
        ("tiled", "keeps the image's positions apart"),
        ("dreamt", "keeps the image's positions apart"),
    ],
)
def test_layers_without_a_field(layer, reason):
    image = keras.Input((8, 8, 2))
    x = L.Conv2D(4, 3, name="conv")(image)
    tokens = L.Reshape((36, 4), name="tokens")(x)
    pooled = L.GlobalAveragePooling2D(name="pooled")(x)
    dreamt = L.Reshape((6, 6, 1), name="dreamt")(L.Dense(36)(pooled))
    tiled = L.Lambda(lambda x: tf.tile(x, [1, 2, 1, 1]), name="tiled")(x)
    network = Network(keras.Model(image, [tokens, dreamt, tiled, L.Dense(3, name="scores")(pooled)]))
    with pytest.raises(LayerError, match=reason):
        receptive_field(network, layer)
    assert list(receptive_fields(network, ["conv", layer])) == ["conv"]


def test_positions_that_do_not_exist():
    field = field_of(chain((8, 8, 2), L.Conv2D(4, 3)))
    assert field.box((5, 0)) == (5, 0, 8, 3)
    for position in [(6, 0), (-1, 0), (1,), 1, (1.5, 0), (0, 0, 0)]:
        with pytest.raises(SettingError, match="no unit of"):
            field.box(position)


# The image.


def test_free_sizes():
    network = Network(chain((None, None, 3), L.Conv2D(2, 3, 2, "same", name="conv")))
    # Where 223 is odd, "same" pads a pixel on both sides.
    assert receptive_field(network, "conv").image == (224, 224)
    assert numbers(receptive_field(network, "conv")) == (0, 3, 2)
    field = receptive_field(network, "conv", size=(223, 64))
    assert (numbers(field, 0), numbers(field, 1), field.count) == ((-1, 3, 2), (0, 3, 2), (112, 32))
    assert receptive_field(network, "conv", size=100).image == (100, 100)


def test_sizes_that_do_not_fit():
    network = Network(chain((32, None, 3), L.Conv2D(2, 7, name="conv")))
    assert receptive_field(network, "conv", size=(32, 40)).image == (32, 40)
    for size in [(31, 40), (32, 0), (32, 40, 3), (32, 8.5)]:
        with pytest.raises(SettingError, match="no size of an image"):
            receptive_field(network, "conv", size=size)
    with pytest.raises(SettingError, match=r"does not run on images of \(32, 5\)"):
        receptive_field(network, "conv", size=(32, 5))


def test_several_images():
    network = Network(ZOO["dicts"]().model)
    inputs = [receptive_field(network, f"tower/relu@{call}").input for call in (0, 1)]
    assert sorted(inputs) == ["left", "right"]
    assert [{name} for name in inputs] == [network.trace.sources_of(Address("tower/relu", call)) for call in (0, 1)]
    left, right = keras.Input((12, 12, 3), name="left"), keras.Input((10, 10, 3), name="right")
    gate = L.Dense(4)(L.GlobalAveragePooling2D(keepdims=True)(left))
    gated = L.Multiply(name="gated")([L.Conv2D(4, 3)(right), gate])
    field = field_of(keras.Model([left, right], gated), "gated")
    # It sees the whole of the left image, and of the right one its windows.
    assert (field.input, field.image, field.whole) == ("right", (10, 10), False)
    both = L.Add(name="both")([L.Conv2D(4, 3)(left), L.Conv2D(4, 1)(right)])
    assert numbers(field_of(keras.Model([left, right], both), "both")) == (0, 3, 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(set(ZOO) - {"time_distributed"}))
def test_every_kind_of_model(kind):
    specimen = ZOO[kind]()
    sample = specimen.inputs if kind == "sample" else None
    network = Network(specimen.model, sample=sample)
    fields = receptive_fields(network)
    assert fields[specimen.layer].count == tuple(network.trace.shape_of(specimen.layer)[1:-1])
    assert receptive_field(network, specimen.layer) == fields[specimen.layer]


# Against gradients.


def every_kind():
    image = keras.Input((25, 22, 2))
    x = L.Conv2D(4, 3, 2, "same")(image)
    x = L.DepthwiseConv2D((3, 1), padding="same")(x)
    x = L.Cropping2D(((1, 0), (0, 1)))(L.ZeroPadding2D(((0, 1), (1, 0)))(x))
    x = L.Add()([x, L.Conv2D(4, 3, padding="same", groups=2)(x)])
    x = squeezed(x)
    x = L.MaxPooling2D(2, 1, "same")(x)
    x = L.Concatenate()([x, L.SeparableConv2D(2, 3, padding="same")(L.Dense(3)(x))])
    return keras.Model(image, L.AveragePooling2D(3, 2)(x))


def test_gradients_show_the_same():
    compare(every_kind())


def enlarging():
    image = keras.Input((13, 12, 2))
    x = L.Conv2D(2, 3, 2, "same")(image)
    x = L.Conv2DTranspose(2, 4, 3, "same")(x)
    x = L.Conv2D(2, 3, dilation_rate=2, padding="same")(x)
    x = L.UpSampling2D(2)(L.MaxPooling2D(2, padding="same")(x))
    x = L.Resizing(17, 30)(x)
    x = L.Add()([x, L.Resizing(17, 30, interpolation="bicubic")(image)])
    return keras.Model(image, L.Conv2DTranspose(2, 2, 3)(x))


def test_gradients_stay_inside_bounds():
    compare(enlarging(), exact=False)


@pytest.mark.parametrize(
    "layer",
    [
        L.UpSampling2D((2, 3)),
        L.UpSampling2D((3, 2), interpolation="bilinear"),
        L.UpSampling2D(2, interpolation="bicubic"),
        L.Resizing(13, 9, interpolation="nearest"),
        L.Resizing(5, 17),
        L.Lambda(lambda x: tf.compat.v1.image.resize_bilinear(x, (15, 5), align_corners=True)),
        L.Lambda(lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, (15, 5), align_corners=True)),
        L.Lambda(lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, (11, 20))),
        L.Conv2DTranspose(2, 3, 2),
        L.Conv2DTranspose(2, (4, 2), 3, "same"),
    ],
    ids=lambda layer: layer.name,
)
def test_bounds_are_tight(layer):
    """All units lie inside, and none of the four sides could be moved in."""
    model = chain((8, 8, 2), L.Conv2D(2, 1), layer)
    field = field_of(model)
    units = [(i * field.count[0] // 40, i * field.count[1] // 40) for i in range(40)]
    slack = np.full((2, 2), np.inf)
    for (_, place), seen in shown(opened(model), [layer.name], {layer.name: sorted(set(units))}).items():
        # A transposed convolution whose stride is larger than its kernel leaves gaps.
        for axis in (0, 1) if seen is not None else ():
            first = field.start[axis] + field.stride[axis] * place[axis]
            behind = first + field.size[axis]
            if first >= 0:
                slack[axis, 0] = min(slack[axis, 0], seen[axis] - first)
            if behind <= field.image[axis]:
                slack[axis, 1] = min(slack[axis, 1], behind - seen[2 + axis])
    np.testing.assert_array_equal(slack, 0)


@pytest.mark.slow
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.data())
def test_many_random_networks(data):
    kinds = []
    model = random_network(lambda strategy: kinds.append(drawn := data.draw(strategy)) or drawn)
    bounds = {"dilated", "enlarged"}
    compare(model, exact=not bounds & {getattr(kind, "__name__", "") for kind in kinds})


DEEP = {
    # A little higher than the fields of their last layers, and as narrow as they can be: every field is wider.
    "VGG16": (320, 32, "block5_pool", 212),
    "ResNet50": (576, 32, "conv5_block3_out", 483),
    "MobileNetV2": (576, 32, "out_relu", 491),
    "EfficientNetB0": (960, 32, "top_activation", 851),
    "InceptionV3": (1408, 75, "mixed10", 1311),
    "DenseNet121": (2176, 32, "relu", 2071),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DEEP)
def test_architectures(name):
    height, width, layer, size = DEEP[name]
    build = getattr(keras.applications, name)
    model = build(weights=None, include_top=False, input_shape=(height, width, 3))
    fields, found = compare(model, names=[layer])
    field = fields[layer]
    assert field.size == (size, size)
    assert field.whole == (name == "EfficientNetB0")
    place = (field.count[0] // 2, field.count[1] // 2)
    top, _, bottom, _ = field.box(place, clip=False)
    assert top > 0
    assert bottom < height
    y0, _, y1, _ = found[layer, place]
    assert (y0 + y1 - 1) / 2 == field.centres(0)[place[0]]
