"""Boxes and spans: interval arithmetic against looking at each place, cutting and laying."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.patched import reached

from kerasviz.network.incremental.boxes import Box, Span, cut, place
from kerasviz.network.incremental.classes import merge


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.data())
def test_a_sliding_window_reaches_what_it_sees(data):
    length = data.draw(st.integers(3, 20))
    kernel, stride = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 4))
    before, after = data.draw(st.integers(0, kernel - 1)), data.draw(st.integers(0, kernel - 1))
    outputs = (length + before + after - kernel) // stride + 1
    if outputs < 1:
        return
    first = data.draw(st.integers(0, length - 1))
    last = data.draw(st.integers(first, length - 1))
    span = Span(np.array([first]), np.array([last]), length).slid(kernel, stride, before, outputs)
    wanted = reached(range(first, last + 1), kernel, stride, before, outputs)
    if wanted:
        assert (span.first[0], span.last[0]) == (wanted[0], wanted[-1])
    else:
        # The stride steps over the change: one place inside the map, whichever.
        assert span.first[0] == span.last[0]
    assert 0 <= span.first[0] <= span.last[0] < outputs == span.length


def test_same_padding_with_stride_two_is_asymmetric():
    # 6 places, kernel 3, stride 2: Keras pads 0 in front and 1 behind; windows see 0-2, 2-4, 4-5.
    span = Span(np.array([2, 3, 5]), np.array([2, 3, 5]), 6).slid(3, 2, 0, 3)
    assert span.first.tolist() == [0, 1, 2]
    assert span.last.tolist() == [1, 1, 2]


def test_vgg16_trace():
    # A patch of 16 pixels at 104 of 224, through 3x3 convolutions and 2x2 pools: the starts are those of the paper's
    # formulas; widths are exact, so that a pool of 20 places at an even start has 10, not 11.
    span = Span(np.array([104]), np.array([119]), 224)
    found, length = [], 224
    for convolutions in (2, 2, 3, 3, 3):
        for _ in range(convolutions):
            span = span.slid(3, 1, 1, length)
            found.append((int(span.first[0]), int(span.sizes[0])))
        length //= 2
        span = span.slid(2, 2, 0, length)
        found.append((int(span.first[0]), int(span.sizes[0])))
    assert found == [
        (103, 18), (102, 20), (51, 10), (50, 12), (49, 14), (24, 8), (23, 10), (22, 12), (21, 14), (10, 8),
        (9, 10), (8, 12), (7, 14), (3, 8), (2, 10), (1, 12), (0, 14), (0, 7),
    ]  # fmt: skip


def test_cropping_keeps_the_middle():
    span = Span(np.array([2, 0, 5]), np.array([9, 3, 6]), 10).cropped(0.4)
    assert span.first.tolist() == [4, 0, 5]
    assert span.last.tolist() == [7, 3, 6]


def test_uniting_and_shifting():
    one, other = (Span(np.array([first]), np.array([first + 2]), 9) for first in (1, 5))
    assert (one.united(other).first[0], one.united(other).last[0]) == (1, 7)
    moved = one.shifted(-2, 4)
    assert (moved.first[0], moved.last[0]) == (0, 1)


def box(origins, size):
    return Box(tf.constant(origins, tf.int32), tf.constant(size, tf.int32))


def test_cutting_a_map():
    values = np.arange(2 * 20, dtype="float32").reshape(1, 5, 4, 2)
    found = cut(tf.constant(values), box([[0, 0], [3, 1]], [2, 3])).numpy()
    np.testing.assert_array_equal(found, [values[0, :2, :3], values[0, 3:5, 1:4]])
    beyond = cut(tf.constant(values), box([[-1, 2]], [3, 3]), outside=-7).numpy()[0]
    wanted = np.full((3, 3, 2), -7, "float32")
    wanted[1:, :2] = values[0, :2, 2:]
    np.testing.assert_array_equal(beyond, wanted)


@pytest.mark.parametrize(
    "outer", [([[0, 0], [0, 0]], [6, 7]), ([[2, 1], [3, 3]], [2, 2]), ([[-2, -3], [4, 5]], [4, 5])]
)
def test_laying_a_box_into_another(outer):
    rng = np.random.default_rng(0)
    values, inner = rng.normal(size=(2, 3, 2, 4)).astype("float32"), ([[1, 2], [3, 4]], [3, 2])
    whole = np.zeros((2, 20, 20, 4), "float32")
    for n, (row, column) in enumerate(inner[0]):
        whole[n, row + 6 : row + 9, column + 6 : column + 8] = values[n]
    height, width = outer[1]
    wanted = [
        whole[n, row + 6 : row + 6 + height, column + 6 : column + 6 + width]
        for n, (row, column) in enumerate(outer[0])
    ]
    np.testing.assert_array_equal(place(tf.constant(values), box(*inner), box(*outer)), wanted)


def test_merging_grows_the_boxes_of_least_cost():
    sizes = np.array([[2, 5], [2, 5], [3, 5], [9, 9], [2, 6]])
    which, merged = merge(sizes, np.array([1.0, 10.0]), wanted=3)
    # Growing 2 to 3 costs 1 a start; growing 5 to 6 costs 10.
    assert len(merged) == 3
    assert which[0] == which[1] == which[2] != which[4] != which[3]
    np.testing.assert_array_equal(merged[which], [[3, 5], [3, 5], [3, 5], [9, 9], [2, 6]])
    which, merged = merge(sizes, np.array([1.0, 10.0]), wanted=1)
    np.testing.assert_array_equal(merged, [[9, 9]])
    which, merged = merge(sizes, np.array([1.0, 10.0]), wanted=9)
    np.testing.assert_array_equal(merged[which], sizes)
