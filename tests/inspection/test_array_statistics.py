"""The numbers of one array, against numpy's."""

import ml_dtypes
import numpy as np
import pytest

from kerasviz.inspection.statistics import Statistics, statistics


def test_many_blocks_give_the_numbers_of_all(rng):
    values = rng.normal(1000, 0.01, (700, 613)).astype("float32")
    values[::3] = 0
    exact = values.astype("float64")
    found = statistics(values)
    assert (found.minimum, found.maximum) == (exact.min(), exact.max())
    assert found.mean == pytest.approx(exact.mean(), rel=1e-12)
    assert found.deviation == pytest.approx(exact.std(), rel=1e-12)
    assert found.zeros == 234 * 613 and found.nan == found.infinite == 0


def test_far_from_zero_no_digits_are_lost():
    # In float32, and by the mean of squares in float64, this deviation drowns.
    values = 1e8 + np.arange(300_000, dtype="float64") % 2
    assert statistics(values).deviation == pytest.approx(0.5, rel=1e-9)


def test_what_is_not_finite_is_counted_and_left_out():
    values = np.full(400_000, 2.0, "float32")
    values[[5, 399_999]] = np.nan
    values[[6, 7, 200_000]] = np.inf, -np.inf, np.inf
    values[10] = 4
    found = statistics(values)
    assert (found.nan, found.infinite, found.zeros) == (2, 3, 0)
    assert (found.minimum, found.maximum) == (2, 4)
    assert found.mean == pytest.approx(2 + 2 / 399_995, rel=1e-12)


def test_nothing_finite():
    assert statistics(np.array([np.nan, np.inf])) == Statistics(nan=1, infinite=1)
    assert statistics(np.zeros((0, 3))) == Statistics()


def test_a_minus_zero_is_a_zero_and_the_largest_value_of_all_is_finite():
    assert statistics(np.array([-0.0, 1.0])).zeros == 1
    huge = statistics(np.array([1.7e308, 1.7e308]))
    assert (huge.maximum, huge.infinite, huge.nan) == (1.7e308, 0, 0)


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, "int8", "bool"])
def test_every_dtype(dtype):
    found = statistics(np.array([0, 1, 1, 0], dtype))
    assert found == Statistics(0, 1, 0.5, 0.5, zeros=2)
    assert found.largest == 1
