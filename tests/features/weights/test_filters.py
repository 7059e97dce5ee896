"""The weights of any convolution: their layout, order, statistics, pictures and files."""

import csv
import json

import keras
import numpy as np
import pytest
from keras import layers as L
from PIL import Image

import kerasviz as kv
from kerasviz.errors import InputError, KerasvizWarning, LayerError, ModelError, SaveError, SettingError
from kerasviz.features.weights import similarity
from kerasviz.features.weights.filter_set import Filters
from kerasviz.features.weights.filters import filters

BARE = {"zoom": 1, "pad": 0}


def numbered(*shape):
    """Weights whose every value tells its place."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) - 7


def of_layer(layer, shape, *weights, **options):
    """The filters of one layer with these weights, in a model of its own."""
    model = keras.Sequential([keras.Input(shape), layer])
    layer.set_weights(list(weights))
    return filters(model, **options)


def with_filters(*columns, side=2):
    """A record of filters of one input, each given as its weights in reading order."""
    weights = np.array(columns, np.float32).T.reshape(side, -1, 1, len(columns))
    layer = L.Conv2D(len(columns), weights.shape[:2], use_bias=False)
    return keras.Sequential([keras.Input((12, 12, 1)), layer]), layer, weights


class Mixing(L.Layer):
    """A convolution of somebody's own."""

    def build(self, shape):
        self.first = self.add_weight(shape=(3, 2, shape[-1], 4), name="first")
        self.slope = self.add_weight(shape=(shape[-1],), name="slope")
        self.second = self.add_weight(shape=(1, 2, 4, 5), name="second")

    def call(self, x):
        return keras.ops.conv(keras.ops.conv(x * self.slope, self.first), self.second)


@pytest.mark.parametrize(
    ("layer", "shape", "kernel"),
    [
        (L.Conv1D(4, 5), (20, 2), (5, 2, 4)),
        (L.Conv2D(4, (3, 5)), (20, 20, 2), (3, 5, 2, 4)),
        (L.Conv3D(4, (2, 3, 5)), (9, 9, 9, 2), (2, 3, 5, 2, 4)),
    ],
)
def test_dense_kernels_are_as_keras_has_them(layer, shape, kernel):
    found = of_layer(layer, shape, numbered(*kernel), np.zeros(4))
    np.testing.assert_array_equal(found.weights, numbered(*kernel))
    assert found.weights.dtype == np.float32
    assert (found.kind, found.part, found.groups, found.depthwise, found.transposed, found.total) == (
        type(layer).__name__,
        "kernel",
        1,
        False,
        False,
        4,
    )
    assert found.order.tolist() == [0, 1, 2, 3] and found.layer == layer.name


@pytest.mark.parametrize(
    ("layer", "shape", "kernel"),
    [
        (L.Conv1DTranspose(4, 5), (20, 2), (5, 4, 2)),
        (L.Conv2DTranspose(4, (3, 5)), (20, 20, 2), (3, 5, 4, 2)),
        (L.Conv3DTranspose(4, (2, 3, 5)), (9, 9, 9, 2), (2, 3, 5, 4, 2)),
    ],
)
def test_transposed_kernels_are_turned(layer, shape, kernel):
    found = of_layer(layer, shape, numbered(*kernel), np.zeros(4))
    assert found.transposed and found.total == 4
    for out in range(4):
        for into in range(2):
            np.testing.assert_array_equal(found.weights[..., into, out], numbered(*kernel)[..., out, into])


@pytest.mark.parametrize(
    ("layer", "shape", "kernel"),
    [
        (L.DepthwiseConv1D(5, depth_multiplier=2), (20, 3), (5, 3, 2)),
        (L.DepthwiseConv2D((3, 5), depth_multiplier=2), (20, 20, 3), (3, 5, 3, 2)),
    ],
)
def test_a_depthwise_filter_is_numbered_as_the_channel_that_it_makes(layer, shape, kernel, rng):
    found = of_layer(layer, shape, numbered(*kernel), np.zeros(6))
    assert (found.depthwise, found.groups, found.total) == (True, 3, 6)
    assert found.weights.shape == (*kernel[:-2], 1, 6)
    # By the layer itself: only input channel 1 is lit, so channels 2 and 3 of the output answer.
    impulse = np.zeros((1, *shape))
    impulse[(0, *(10,) * (len(shape) - 1), 1)] = 1
    answer = np.asarray(layer(impulse))[0]
    assert np.flatnonzero(answer.any(axis=tuple(range(answer.ndim - 1)))).tolist() == [2, 3]
    np.testing.assert_array_equal(found.weights[..., 0, 3], numbered(*kernel)[..., 1, 1])
    np.testing.assert_array_equal(np.sort(answer[..., 3][answer[..., 3] != 0]), np.sort(found.weights[..., 3].ravel()))


def test_both_parts_of_a_separable_convolution():
    layer = L.SeparableConv2D(5, 3, depth_multiplier=2, name="separable")
    depthwise, pointwise = numbered(3, 3, 3, 2), numbered(1, 1, 6, 5)
    found = of_layer(layer, (9, 9, 3), depthwise, pointwise, np.zeros(5))
    assert (found.part, found.depthwise, found.groups, found.weights.shape) == ("depthwise", True, 3, (3, 3, 1, 6))
    np.testing.assert_array_equal(found.weights[..., 0, 5], depthwise[..., 2, 1])
    found = of_layer(layer, (9, 9, 3), depthwise, pointwise, np.zeros(5), part="pointwise")
    assert (found.part, found.depthwise, found.groups) == ("pointwise", False, 1)
    np.testing.assert_array_equal(found.weights, pointwise)
    with pytest.raises(SettingError, match="'depthwise', 'pointwise'"):
        of_layer(layer, (9, 9, 3), depthwise, pointwise, np.zeros(5), part="kernel")


def test_a_grouped_convolution_keeps_its_groups_and_is_never_coloured():
    layer = L.Conv2D(4, 2, groups=2)
    found = of_layer(layer, (9, 9, 6), numbered(2, 2, 3, 4), np.zeros(4))
    np.testing.assert_array_equal(found.weights, numbered(2, 2, 3, 4))
    assert (found.groups, found.depthwise) == (2, False)
    assert found.picture(**BARE).shape == (4 * 2, 3 * 2, 3)
    # Filter 2 is of the second group: it answers to inputs 3 to 5 alone.
    image = np.zeros((1, 9, 9, 6))
    image[..., :3] = 1
    assert not np.asarray(layer(image))[..., 2:].any() and np.asarray(layer(image))[..., :2].all()
    assert found.order[2] * found.groups // found.total == 1


def test_a_custom_layer_with_kernels_of_its_own():
    model = keras.Sequential([keras.Input((9, 9, 3)), Mixing(name="mixing"), L.Flatten(), L.Dense(2)])
    model.get_layer("mixing").set_weights([numbered(3, 2, 3, 4), np.ones(3), numbered(1, 2, 4, 5)])
    first, second = filters(model), filters(model, "mixing", part="second")
    np.testing.assert_array_equal(first.weights, numbered(3, 2, 3, 4))
    np.testing.assert_array_equal(second.weights, numbered(1, 2, 4, 5))
    assert (first.layer, first.kind, first.part, second.part) == ("mixing", "Mixing", "first", "second")


def nested():
    base = keras.Sequential(
        [keras.Input((9, 9, 1)), L.Conv2D(2, 3, name="conv"), L.Conv2D(3, 1, name="deep")], name="base"
    )
    inputs = keras.Input((9, 9, 1))
    x = L.Dense(1, name="before")(inputs)
    x = keras.Sequential([keras.Input((9, 9, 1)), base, L.ReLU()], name="middle")(x)
    model = keras.Model(inputs, L.Dense(2, name="classes")(L.GlobalAveragePooling2D()(x)))
    base.get_layer("conv").set_weights([numbered(3, 3, 1, 2), np.zeros(2)])
    return model, base


def test_the_first_convolution_through_any_nesting_and_from_a_file(tmp_path):
    model, base = nested()
    assert filters(model).layer == "middle/base/conv"
    for layer in ("middle/base/conv", "conv", base.get_layer("conv"), "conv@0"):
        np.testing.assert_array_equal(filters(model, layer).weights, numbered(3, 3, 1, 2))
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(filters(tmp_path / "model.keras", "conv").weights, numbered(3, 3, 1, 2))
    assert filters(str(tmp_path / "model.keras"), "deep").weights.shape == (1, 1, 2, 3)


def test_wrapped_and_half_precision_convolutions():
    inputs = keras.Input((2, 9, 9, 1))
    conv = L.Conv2D(2, 3, dtype="bfloat16", name="conv")
    model = keras.Model(inputs, L.TimeDistributed(conv, name="each")(inputs))
    conv.set_weights([numbered(3, 3, 1, 2), np.zeros(2)])
    found = filters(model)
    assert found.layer == "each/conv" and found.weights.dtype == np.float32
    np.testing.assert_array_equal(found.weights, numbered(3, 3, 1, 2))
    recurrent = keras.Sequential([keras.Input((2, 9, 9, 1)), L.ConvLSTM2D(3, 2, name="lstm")])
    assert filters(recurrent).weights.shape == (2, 2, 1, 12)
    assert filters(recurrent, part="recurrent_kernel").weights.shape == (2, 2, 3, 12)


def test_the_model_is_only_read():
    model, _ = nested()
    before = model.get_weights()
    config = model.get_config()
    found = filters(model, "conv", sort="norm")
    found.weights[:] = 99
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert model.get_config() == config


def test_norms_in_descending_order():
    model, layer, weights = with_filters([1, 0, 0, 0], [2, 2, 2, 2], [0, 0, 0, 0], [0, -3, 0, 0], [0, 0, 0, 1])
    layer.set_weights([weights])
    found = filters(model, sort="norm")
    assert found.order.tolist() == [1, 3, 0, 4, 2]  # the equal ones by number
    np.testing.assert_array_equal(found.weights[..., 1].ravel(), [0, -3, 0, 0])
    assert [row["norm"] for row in found.statistics()] == [4, 3, 1, 1, 0]
    assert filters(model, channels=[4, -2, 1], sort="norm").order.tolist() == [1, 3, 4]
    assert filters(model, channels=[4, -2, 1]).order.tolist() == [4, 3, 1]


def test_like_filters_become_neighbours(rng):
    directions = rng.normal(size=(6, 50))
    # Filter i and filter i + 6 have one direction, and lengths that are far apart.
    lengths = 10.0 ** rng.uniform(-3, 2, (12, 1))
    kernels = np.concatenate([directions, directions + 0.05 * rng.normal(size=(6, 50))]) * lengths
    model, layer, weights = with_filters(*kernels, np.zeros(50), side=5)
    layer.set_weights([weights])
    found = filters(model, sort="similarity")
    place = {number: i for i, number in enumerate(found.order.tolist())}
    assert [abs(place[i] - place[i + 6]) for i in range(6)] == [1] * 6
    assert found.order[-1] == 12 and found.order[0] < found.order[-2]
    assert filters(model, sort="similarity").order.tolist() == found.order.tolist()
    np.testing.assert_array_equal(found.weights, weights[..., found.order])


def test_an_arc_of_directions_is_laid_out_from_end_to_end():
    """The order within the tree counts, not only the tree."""
    angles = np.radians([40, 0, 80, 20, 60, 10, 70, 30, 50])
    found = similarity.by_similarity(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert np.degrees(angles[found]).round().tolist() == [0, 10, 20, 30, 40, 50, 60, 70, 80]


def test_very_many_filters_are_clustered_with_a_warning(monkeypatch, rng):
    monkeypatch.setattr(similarity, "MOST", 3)
    with pytest.warns(KerasvizWarning, match="5 filters are clustered"):
        order = similarity.by_similarity(rng.normal(size=(5, 4)))
    assert sorted(order.tolist()) == [0, 1, 2, 3, 4]


def test_statistics():
    model, layer, weights = with_filters(
        [1, 2, 3, 0], [1e-8, 0, 0, 0], [1, 2, 3, 1e-7], [1, 2, 3, 0.01], [1, 2, 3, 0], [0, 0, 0, 0]
    )
    layer.set_weights([weights])
    rows = filters(model, channels=[4, 3, 2, 1, 0, 5]).statistics()
    assert [row["filter"] for row in rows] == [4, 3, 2, 1, 0, 5]
    assert rows[0] == {
        "filter": 4,
        "norm": pytest.approx(14**0.5),
        "mean": 1.5,
        "min": 0.0,
        "max": 3.0,
        "zero": False,
        "duplicate_of": 0,
    }
    assert [row["duplicate_of"] for row in rows] == [0, None, 0, None, None, None]
    assert [row["zero"] for row in rows] == [False, False, False, True, False, True]
    loose = filters(model).statistics(tolerance=0.01)
    assert [row["duplicate_of"] for row in loose] == [None, None, 0, 0, 0, None]


def test_exact_pixels_in_separate_and_shared_ranges():
    model, layer, weights = with_filters([0, 1, -1, 0.5], [4, 0, 2, -2])
    layer.set_weights([weights])
    separate, shared = filters(model).picture(**BARE), filters(model).picture(scale="shared", **BARE)
    tall = weights[..., 0, :].transpose(2, 0, 1)
    assert tall[0].tolist() == [[0, 1], [-1, 0.5]]
    assert separate[..., 0].tolist() == [[128, 255, 255, 128], [0, 191, 191, 64]]
    assert shared[..., 0].tolist() == [[128, 159, 255, 128], [96, 143, 191, 64]]
    fixed = filters(model).picture(scale=(-8, 8), **BARE)
    assert fixed[..., 0].tolist() == [[128, 143, 191, 128], [112, 135, 159, 96]]
    assert (separate[..., 0] == separate[..., 1]).all() and (separate[..., 0] == separate[..., 2]).all()


def test_colour_tiles_follow_the_order_and_inputs_can_be_chosen():
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, :, 0], kernel[0, 0, :, 1] = [1, 0, -1], [0, 5, 0]
    found = of_layer(L.Conv2D(2, 1), (4, 4, 3), kernel, np.zeros(2), sort="norm")
    assert found.order.tolist() == [1, 0]
    assert found.picture(**BARE)[0].tolist() == [[128, 255, 128], [255, 128, 0]]
    assert found.picture(reduce=False, **BARE)[..., 0].tolist() == [[128, 255, 128], [255, 128, 0]]
    assert found.picture(reduce="abs_sum", **BARE)[..., 0].tolist() == [[255, 255]]
    assert found.picture(inputs=[2, 1], **BARE)[..., 0].tolist() == [[128, 255], [0, 128]]


def test_many_are_cut_and_zeros_are_named_by_their_numbers():
    kernel = np.ones((1, 1, 1, 5), np.float32)
    kernel[..., 3] = 0
    found = of_layer(L.Conv2D(5, 1), (4, 4, 1), kernel, np.zeros(5), channels=[3, 0, 1])
    with pytest.warns(KerasvizWarning, match="Filter 3 is zero"):
        assert found.picture(**BARE)[0, :, 0].tolist() == [128, 255]
    with (
        pytest.warns(KerasvizWarning, match="3 filters the first 1 and 2"),
        pytest.warns(KerasvizWarning, match="zero"),
    ):
        assert found.picture(limit=2, **BARE).shape == (1, 2, 3)


def titles(figure):
    return [text.get_text() for text in figure.texts]


def test_figures_name_filters_and_inputs(rng):
    found = of_layer(L.Conv2D(5, 3), (9, 9, 3), rng.normal(size=(3, 3, 3, 5)), np.zeros(5), channels=[4, 0, 2])
    figure = found.plot()
    assert titles(figure) == ["4", "0", "2"]
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), found.picture(**BARE)[:3, 3:])
    deep = of_layer(L.Conv2D(3, 3), (9, 9, 4), rng.normal(size=(3, 3, 4, 3)), np.zeros(3), channels=[2, 0])
    (axes,) = deep.plot(inputs=[3, 1, 0]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2", "0"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["3", "1", "0"]
    picture = np.asarray(axes.images[0].get_array())
    # The tile between the ticks of filter 0 and input 1.
    centre = picture[round(axes.get_yticks()[1]), round(axes.get_xticks()[1]), 0]
    assert centre == deep.picture(inputs=[3, 1, 0], **BARE)[3 + 1, 3 + 1, 0]
    volume = of_layer(L.Conv3D(2, 2), (5, 5, 5, 2), rng.normal(size=(2, 2, 2, 2, 2)), np.zeros(2))
    (axes,) = volume.plot().axes
    assert axes.get_xlabel() == "slice" and len(axes.get_xticks()) == 2 and len(axes.get_yticks()) == 2


def test_files_hold_what_was_found(tmp_path, rng):
    kernel = rng.normal(size=(3, 3, 3, 4)).astype(np.float32)
    kernel[..., 3] = kernel[..., 1]
    found = of_layer(L.Conv2D(4, 3, name="stem"), (9, 9, 3), kernel, np.zeros(4), sort="norm")
    folder = found.save(tmp_path / "deep" / "out", scale="shared")
    assert sorted(path.name for path in folder.iterdir()) == [
        "filters-numbered.png",
        "filters.csv",
        "filters.json",
        "filters.npz",
        "filters.png",
    ]
    with np.load(folder / "filters.npz") as arrays:
        np.testing.assert_array_equal(arrays["weights"], kernel[..., arrays["order"]])
        np.testing.assert_array_equal(arrays["order"], found.order)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "filters.png")), found.picture(scale="shared"))
    about = json.loads((folder / "filters.json").read_text())
    assert about == {
        "layer": "stem",
        "class": "Conv2D",
        "part": "kernel",
        "shape": [3, 3, 3, 4],
        "total": 4,
        "groups": 1,
        "depthwise": False,
        "transposed": False,
        "sort": "norm",
        "filters": found.statistics(),
    }
    with (folder / "filters.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["filter"]) for row in rows] == found.order.tolist()
    assert [float(row["norm"]) for row in rows] == [row["norm"] for row in found.statistics()]
    assert {row["duplicate_of"] for row in rows} == {"", "1"}

    (folder / "mine.txt").write_text("kept")
    with pytest.raises(SaveError, match="4 more exists already"):
        found.save(folder)
    found.save(folder, overwrite=True)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "filters.png")), found.picture())
    assert (folder / "mine.txt").read_text() == "kept"


def test_nothing_is_left_of_a_save_that_fails(tmp_path, monkeypatch, rng):
    found = of_layer(L.Conv2D(2, 3), (9, 9, 1), rng.normal(size=(3, 3, 1, 2)), np.zeros(2))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(SaveError, match="No space left"):
        found.save(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError, match="is a file"):
        found.save(tmp_path / "file")


def dense():
    return keras.Sequential([keras.Input((4,)), L.Dense(3, name="dense")])


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda m: filters(m, "classes"), LayerError, "'middle/base/conv', 'middle/base/deep'"),
        (lambda m: filters(m, "base"), LayerError, "Inside it are 'middle/base/conv'"),
        (lambda m: filters(m, "convv"), LayerError, "Did you mean"),
        (lambda m: filters(dense()), LayerError, "no convolution"),
        (lambda m: filters(dense(), "dense"), LayerError, "The model has none"),
        (lambda m: filters(L.Conv2D(2, 3)), ModelError, "Conv2D"),
        (lambda m: filters(keras.Sequential([L.Conv2D(2, 3)])), ModelError, "not built"),
        (lambda m: filters(m, sort="size"), SettingError, "similarity"),
        (lambda m: filters(m, channels=[0, 2]), SettingError, "there is no 2"),
        (lambda m: filters(m, channels=[1, -1]), SettingError, "twice"),
        (lambda m: filters(m, channels=[]), SettingError, "whole numbers"),
        (lambda m: filters(m, channels=[0.5]), SettingError, "whole numbers"),
        (lambda m: filters(m, part="bias"), SettingError, "'kernel'"),
        (lambda m: filters(m).picture(scale="image"), SettingError, "shared"),
        (lambda m: filters(m).picture(scale=(1, 1)), SettingError, "scale"),
        (lambda m: filters(m).picture(inputs=[1]), SettingError, "there is no 1"),
        (lambda m: filters(m).picture(reduce="most"), SettingError, "max_abs"),
        (lambda m: filters(m).plot(limit=0), SettingError, "limit=0"),
    ],
)
def test_misuse(call, error, said):
    with pytest.raises(error, match=said):
        call(nested()[0])


def test_a_network_that_has_diverged():
    model, base = nested()
    base.get_layer("conv").set_weights([np.full((3, 3, 1, 2), np.nan), np.zeros(2)])
    with pytest.raises(InputError, match="middle/base/conv"):
        filters(model)


@pytest.mark.slow
def test_filters_that_training_has_given_up():
    found = filters(kv.data.imagenet_model(), sort="similarity")
    assert isinstance(found, Filters) and found.layer == "stem_conv" and found.weights.shape == (3, 3, 3, 32)
    dead = [row["filter"] for row in found.statistics() if row["zero"]]
    assert dead == found.order[-len(dead) :].tolist() == [11, 16, 28, 31]
