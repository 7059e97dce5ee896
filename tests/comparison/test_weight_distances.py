"""How far weights are apart, in closed form."""

import math

import keras
import ml_dtypes
import numpy as np
import pytest

from kerasviz.comparison.distances import _BLOCK, ratio, weight_change, width
from kerasviz.comparison.facts import take_apart
from kerasviz.comparison.record import relative


class Holder(keras.layers.Layer):
    """A layer with one weight of any dtype that only adds zero to its input."""

    def __init__(self, values):
        super().__init__(name="holder")
        self.held = self.add_weight(shape=values.shape, dtype=values.dtype.name, name="held_kernel", trainable=False)
        self.held.assign(values)

    def call(self, x):
        return x + 0.0


def weight(values):
    values = np.asarray(values) if hasattr(values, "dtype") else np.asarray(values, "float32")
    inputs = keras.Input((2,))
    (found,) = take_apart(keras.Model(inputs, Holder(values)(inputs))).weights
    return found


def change(a, b):
    return weight_change(weight(a), weight(b))


def test_a_known_distance():
    found = change([[3.0, 0.0], [0.0, 4.0]], [[3.0, 1.0], [-2.0, 4.0]])
    assert (found.changed, found.size, found.largest, found.zeros, found.zeros_b) == (2, 4, 2.0, 2, 0)
    assert found.distance == pytest.approx(math.sqrt(5)) and found.norm == 5
    assert found.relative == pytest.approx(math.sqrt(5) / 5)
    assert found.cosine == pytest.approx(25 / 5 / math.sqrt(30))
    assert not found.identical and found.nature == "changed"


@pytest.mark.parametrize("factor", [1.1, 0.0, -1.0, 3.0])
def test_a_multiple_is_as_far_as_its_factor_from_one(rng, factor):
    values = rng.normal(size=(7, 5))
    found = change(values, values * factor)
    assert found.relative == pytest.approx(abs(factor - 1)) and found.changed == 35
    assert found.cosine is None if factor == 0 else found.cosine == pytest.approx(np.sign(factor))


def test_large_arrays_are_compared_in_parts(rng):
    a = rng.normal(size=_BLOCK + 1000).astype("float32")
    b = a.copy()
    b[[0, _BLOCK - 1, _BLOCK, -1]] += np.array([4, 1, 2, 3], "float32")
    found = change(a, b)
    assert found.changed == 4 and found.largest == pytest.approx(4, rel=1e-6)
    assert found.distance == pytest.approx(math.sqrt(1 + 4 + 9 + 16), rel=1e-6)
    assert found.norm == pytest.approx(np.linalg.norm(a.astype("float64")), rel=1e-12)


def test_the_same_bits():
    a = [1.0, np.nan, 0.0, np.inf]
    found = change(a, a)
    assert found.identical and found.nature == "same"
    assert (found.changed, found.relative, found.largest, found.norm) == (0, 0, 0, 1)
    assert (found.nonfinite, found.nonfinite_b, found.zeros) == (2, 2, 1)


def test_signed_zeros_are_the_same_values_but_not_the_same_bits():
    found = change([0.0, 1.0], [-0.0, 1.0])
    assert not found.identical and found.changed == 0 and found.nature == "same values"


def test_nan_is_left_out_of_distances():
    found = change([3.0, np.nan, 4.0, np.nan, 1.0], [3.0, np.nan, 5.0, 2.0, np.inf])
    assert (found.changed, found.nonfinite, found.nonfinite_b) == (3, 2, 2)
    assert found.distance == 1 and found.norm == 5 and found.largest == 1
    found = change([1.0, 2.0], [np.nan, np.nan])
    assert (found.relative, found.largest, found.cosine, found.changed) == (None, None, None, 2)


def test_from_zero_is_infinitely_far():
    found = change([0.0, 0.0], [0.0, 2.0])
    assert found.relative == math.inf and found.cosine is None and found.distance == 2
    assert ratio(0.0, 0.0) == 0 and relative([]) is None


def test_several_weights_are_one_long_vector():
    a, b = change([3.0, 0.0], [3.0, 3.0]), change([4.0], [8.0])
    assert relative([a, b]) == pytest.approx(5 / 5)
    assert relative([a, b, change([1.0], [1.0, 2.0])]) == pytest.approx(1)


def test_other_shapes_have_no_distance():
    found = change([[1.0, 2.0]], [[1.0], [2.0]])
    assert found.nature == "reshaped" and found.relative is None and found.changed is None
    assert weight_change(None, weight([1.0, 2.0])).nature == "added" and weight_change(None, weight([1.0])).size == 1
    assert weight_change(weight([1.0]), None).nature == "removed"


def test_rounding_to_half_precision(rng):
    values = rng.normal(size=200).astype("float32")
    for dtype in (np.float16, ml_dtypes.bfloat16):
        rounded = values.astype(dtype)
        name = np.dtype(dtype).name
        stored = change(values, rounded)
        assert (stored.dtype, stored.dtype_b, stored.nature) == ("float32", name, f"rounded to {name}")
        assert stored.rest == 0 < stored.distance
        expected = np.linalg.norm(values.astype("float64") - rounded.astype("float64"))
        assert stored.distance == pytest.approx(expected, rel=1e-12)
        # Back in float32: the values still lie on the grid.
        kept = change(values, rounded.astype("float32"))
        assert kept.nature == f"rounded to {name}" and kept.rest == 0 and kept.grid == name
        # The other way nothing is lost.
        assert change(rounded, rounded.astype("float32")).nature == "as float32"


def test_what_is_left_beyond_rounding():
    values = np.array([1.0, 1 + 2**-12, 3.0], "float32")  # the second rounds to 1
    found = change(values, np.array([1.0, 1.0, 2.5], "float16"))
    assert found.rest == 0.5 and found.distance == pytest.approx(math.hypot(0.5, 2**-12)) and found.nature == "changed"


def test_refined_values():
    """Weights of half precision that went on training in single precision."""
    found = change(np.array([1.0, 2.0], "float16"), np.array([1.0, 2.0 + 2**-20], "float32"))
    assert found.nature == "refined" and found.rest == 0 and found.distance == 2**-20


def test_pruning():
    found = change([1.0, 2.0, 0.0, 4.0], [1.0, 0.0, 0.0, 4.0])
    assert found.nature == "pruned" and (found.zeros, found.zeros_b, found.zeroed) == (1, 2, 1)
    assert change([1.0, 2.0], [0.0, 0.0]).nature == "set to zero"
    assert change([1.0, 2.0, 3.0], [0.0, 2.0, 3.5]).nature == "changed"


def test_quantization_to_levels(rng):
    values = rng.normal(size=4000).astype("float32")
    step = np.abs(values).max() / 7
    quantized = (np.round(values / step) * step).astype("float32")
    found = change(values, quantized)
    levels = len(np.unique(quantized))
    assert found.levels == levels <= 15 and found.nature == f"quantized to {levels} levels"
    # An array with as few values before was not quantized.
    assert change(quantized, quantized * 2).nature == "changed"
    many = change(values, np.round(values * 1000) / np.float32(1000))
    assert many.levels is None


def test_integers_without_a_scale(rng):
    values = rng.normal(size=64).astype("float32")
    assert change(values, np.round(values * 10).astype("int8")).nature == "quantized to int8"


def test_widths():
    assert [width(name) for name in ("float32", "float16", "bfloat16", "float64", "int8")] == [32, 16, 15, 64, 8]
    assert width("float8_e4m3fn") == 8
