"""Dead and equal filters of every layout of weights."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from kerasviz.inspection import weights
from kerasviz.network.graph import open_saved_model


def kernel_of(layer, inputs, change, name="kernel"):
    """The health of a weight, after `change(array)`."""
    model = keras.Sequential([keras.Input(inputs), layer])
    variable = next(variable for variable in layer.variables if variable.name == name)
    array = np.random.default_rng(0).normal(size=variable.shape).astype("float32")
    change(array)
    variable.assign(array)
    return next(weight for weight in weights(model) if weight.path == f"{layer.name}/{name}")


def last_axis(array):
    array[..., 4] = array[..., 1]
    array[..., 5] = array[..., 1] * (1 + 1e-6)
    array[..., 2] = 0
    array[..., 6] = array[..., 3] * 1.01


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (L.Dense(7, name="a"), (5,)),
        (L.Conv1D(7, 3, name="a"), (9, 2)),
        (L.Conv2D(7, 3, name="a"), (9, 8, 2)),
        (L.Conv3D(7, 2, name="a"), (5, 5, 5, 2)),
        (L.EinsumDense("abc,cd->abd", (None, 7), name="a"), (4, 5)),
    ],
)
def test_outputs_on_the_last_axis(layer, inputs):
    found = kernel_of(layer, inputs, last_axis)
    assert (found.filters, found.dead, found.equal) == (7, (2,), ((1, 4, 5),))


@pytest.mark.parametrize(
    ("layer", "inputs"), [(L.Conv1DTranspose(7, 3, name="a"), (9, 3)), (L.Conv2DTranspose(7, 3, name="a"), (9, 8, 3))]
)
def test_transposed_convolutions_have_their_outputs_before_their_inputs(layer, inputs):
    found = kernel_of(layer, inputs, lambda array: last_axis(np.moveaxis(array, -2, -1)))
    assert (found.filters, found.dead, found.equal) == (7, (2,), ((1, 4, 5),))


def test_a_depthwise_filter_equals_only_one_of_its_own_input():
    def change(array):  # (3, 3, inputs, multiples)
        array[:, :, 1] = array[:, :, 0]
        array[:, :, 2, 1] = array[:, :, 2, 0]
        array[:, :, 3, 0] = 0

    found = kernel_of(L.DepthwiseConv2D(3, depth_multiplier=2, name="a"), (8, 8, 4), change)
    assert (found.filters, found.dead, found.equal) == (8, (6,), ((4, 5),))


def test_both_kernels_of_a_separable_convolution():
    def change(array):
        array[:, :, 1, 0] = 0
        array[:, :, 0, 1] = array[:, :, 0, 0]

    layer = L.SeparableConv2D(7, 3, depth_multiplier=2, name="a")
    found = kernel_of(layer, (8, 8, 3), change, "depthwise_kernel")
    assert (found.filters, found.dead, found.equal) == (6, (2,), ((0, 1),))
    found = kernel_of(L.SeparableConv2D(7, 3, name="a"), (8, 8, 3), last_axis, "pointwise_kernel")
    assert (found.dead, found.equal) == ((2,), ((1, 4, 5),))


def test_filters_of_different_groups_look_at_different_inputs():
    def change(array):
        array[..., 4] = array[..., 0]
        array[..., 3] = array[..., 2]

    found = kernel_of(L.Conv2D(6, 3, groups=2, name="a"), (8, 8, 4), change)
    assert found.equal == ()  # 0 to 2 are of one group, 3 to 5 of the other
    found = kernel_of(L.Conv2D(6, 3, groups=1, name="a"), (8, 8, 4), change)
    assert found.equal == ((0, 4), (2, 3))


def test_heads_of_attention_are_filters():
    layer = L.MultiHeadAttention(2, 3, name="a")
    inputs = keras.Input((4, 5))
    model = keras.Model(inputs, layer(inputs, inputs))
    query = layer.query_dense.kernel.numpy()  # (features, heads, 3)
    query[:, 1, 2] = query[:, 0, 1]
    layer.query_dense.kernel.assign(query)
    out = layer.output_dense.kernel.numpy()  # (heads, 3, features)
    out[:, :, 4] = 0
    layer.output_dense.kernel.assign(out)
    found = {weight.path: weight for weight in weights(model)}
    assert found["a/query/kernel"].equal == ((1, 5),) and found["a/query/kernel"].filters == 6
    assert found["a/attention_output/kernel"].dead == (4,) and found["a/attention_output/kernel"].filters == 5


def test_opposite_and_scaled_filters_are_not_equal():
    def change(array):
        array[..., 1] = -array[..., 0]
        array[..., 2] = 2 * array[..., 0]
        array[0, 0, 0, 3] = array[0, 0, 0, 0] + 0.01
        array[..., 3].flat[1:] = array[..., 0].flat[1:]

    found = kernel_of(L.Conv2D(4, 3, name="a"), (8, 8, 2), change)
    assert (found.dead, found.equal) == ((), ())


def test_one_weight_a_filter_tells_nothing():
    def change(array):
        array[...] = [[1, 1, 2, 0]]

    found = kernel_of(L.Dense(4, name="a"), (1,), change)
    assert (found.dead, found.equal) == ((3,), ())


def test_nan_and_infinite_filters_are_neither_dead_nor_equal():
    def change(array):
        last_axis(array)
        array[0, 0] = np.nan
        array[0, 3] = np.inf

    found = kernel_of(L.Dense(7, name="a"), (5,), change)
    assert (found.dead, found.equal) == ((2,), ((1, 4, 5),))
    found = kernel_of(L.Dense(3, name="a"), (5,), lambda array: array.fill(np.nan))
    assert (found.dead, found.equal, found.zero) == ((), (), False)


def test_huge_and_tiny_weights():
    def change(array):
        last_axis(array)
        array *= 1e-11

    found = kernel_of(L.Dense(7, name="a"), (5,), change)
    assert (found.dead, found.equal) == ((2,), ((1, 4, 5),))
    found = kernel_of(L.Dense(7, name="a"), (5,), lambda array: array.__imul__(1e30))
    assert (found.dead, found.equal) == ((), ())


def test_half_precision_kernels():
    layer = L.Dense(7, name="a", dtype="bfloat16")
    model = keras.Sequential([keras.Input((50,)), layer])
    array = np.random.default_rng(0).normal(size=(50, 7)).astype("float32")
    last_axis(array)
    layer.kernel.assign(array)
    kernel = weights(model)[0]
    assert (kernel.dtype, kernel.bytes, kernel.dead, kernel.equal) == ("bfloat16", 700, (2,), ((1, 4, 5),))


def test_random_filters_of_two_weights_are_all_different():
    found = kernel_of(L.Dense(2000, name="a"), (2,), lambda array: None)
    assert (found.dead, found.equal) == ((), ())


def test_many_equal_filters_and_many_pairs_take_no_long():
    def change(array):
        array[:, 1000:] = array[:, :1000]
        array[:, :300] = array[:, [1500]]
        array[:, 1000:1300] = array[:, [1500]]

    start = time.perf_counter()
    found = kernel_of(L.Dense(2000, name="a"), (3000,), change)
    assert time.perf_counter() - start < 10
    assert found.equal[0] == (*range(300), 500, *range(1000, 1300), 1500)
    assert found.equal[1:] == tuple((i, i + 1000) for i in range(300, 1000) if i != 500)


class Transposed(tf.Module):
    """A product with a matrix that holds its outputs in rows."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = tf.Variable(matrix.astype("float32"), name="matrix")

    @tf.function(input_signature=[tf.TensorSpec((None, 5), tf.float32, name="x")], autograph=False)
    def serve(self, x):
        """Scores."""
        return {"scores": tf.matmul(x, self.matrix, transpose_b=True)}


def test_a_transposed_matrix_of_a_bare_graph(tmp_path):
    matrix = np.random.default_rng(0).normal(size=(7, 5))
    last_axis(matrix.T)
    module = Transposed(matrix)
    tf.saved_model.save(module, tmp_path, signatures={"serving_default": module.serve})
    (found,) = weights(open_saved_model(tmp_path))
    assert (found.filters, found.dead, found.equal) == (7, (2,), ((1, 4, 5),))
