import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasviz.errors import InputError
from kerasviz.generalization.inequality import gini

SHARES = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=12)


def by_pairs(values):
    """The definition, in exact numbers."""
    values = [Fraction(value) for value in values]
    if not any(values):
        return 0.0
    apart = sum(abs(a - b) for a, b in itertools.product(values, repeat=2))
    return float(apart / (2 * len(values) * sum(values)))


@given(SHARES)
def test_is_the_mean_difference_of_all_pairs(values):
    assert gini(values) == pytest.approx(by_pairs(values), rel=1e-12, abs=1e-300)


@given(SHARES, st.sampled_from([2.0**-40, 8.0, 2.0**30]), st.randoms(use_true_random=False))
def test_does_not_depend_on_the_unit_or_the_order(values, unit, random):
    mixed = [value * unit for value in values]
    random.shuffle(mixed)
    assert gini(mixed) == pytest.approx(gini(values), rel=1e-13)


@given(SHARES)
def test_lies_between_even_shares_and_one_owner(values):
    assert 0 <= gini(values) <= (len(values) - 1) / len(values) + 1e-15


@pytest.mark.parametrize("count", [1, 2, 5, 1000])
def test_closed_forms(count):
    assert gini(np.full(count, 0.1)) == 0
    assert gini(np.zeros(count)) == 0
    assert gini(np.eye(count)[count // 2] * 3) == pytest.approx((count - 1) / count, rel=1e-14)
    assert gini(np.arange(1, count + 1)) == pytest.approx((count - 1) / (3 * count), rel=1e-13)


def test_known_distributions():
    quantiles = (np.arange(200_000) + 0.5) / 200_000
    assert gini(quantiles) == pytest.approx(1 / 3, abs=1e-9)
    assert gini(-np.log1p(-quantiles)) == pytest.approx(1 / 2, abs=1e-4)
    # The Pareto distribution of the exponent 2: 1 / (2 · 2 − 1), but for the end of its tail.
    assert gini((1 - quantiles) ** -0.5) == pytest.approx(1 / 3, abs=2e-3)


def test_large_numbers_do_not_overflow():
    assert gini([1.5e308, 1.5e308, 0.0, 0.0]) == 0.5
    assert gini(np.float32([3e38, 3e38, 0, 0])) == 0.5


def test_whole_numbers_and_truths():
    assert gini(np.uint8([200, 100])) == pytest.approx(1 / 6)
    assert gini([True, False]) == 0.5


def test_leaves_the_values_as_they_are():
    values = np.array([3.0, 1.0, 2.0])
    gini(values)
    assert values.tolist() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0, -1.0, 2.0], r"values at \[1\] are negative"),
        ([1.0, np.nan], r"values at \[1\]"),
        ([np.inf, 1.0], r"values at \[0\]"),
        ([], r"shape \(0,\)"),
        ([[1.0, 2.0]], r"shape \(1, 2\)"),
        (3.0, r"shape \(\)"),
        (["a"], "type <U1"),
        ([[1.0], [1.0, 2.0]], "type object"),
    ],
)
def test_wrong_values(values, said):
    with pytest.raises(InputError, match=said):
        gini(values)
