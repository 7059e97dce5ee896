"""The sketch against numpy.quantile."""

import numpy as np
import pytest

from kerasviz.errors import InputError, SettingError
from kerasviz.features.dissection.quantiles import TopQuantile

FRACTION = 0.005


def streams(count):
    """Channels with values of every kind."""
    rng = np.random.default_rng(5)
    sparse = np.maximum(rng.normal(size=count) - 2, 0)
    return np.stack(
        [
            rng.normal(size=count),
            rng.lognormal(0, 3, count),
            rng.standard_cauchy(count),
            np.full(count, 3.25),
            np.zeros(count),
            sparse,
            np.where(rng.random(count) < 0.001, 5.0, 0),
            np.sort(rng.normal(size=count)),
            -np.sort(rng.normal(size=count)),
            rng.integers(0, 7, count),
            -rng.lognormal(0, 2, count),
        ],
        1,
    ).astype(np.float32)


def filled(values, batch, **settings):
    sketch = TopQuantile(values.shape[1], len(values), **settings)
    for start in range(0, len(values), batch):
        sketch.update(values[start : start + batch])
    return sketch


@pytest.mark.parametrize("count", [1, 2, 3, 199, 200, 201, 5003])
@pytest.mark.parametrize("fraction", [0.005, 0.25, 0.5])
def test_short_streams_are_exact(count, fraction):
    values = streams(count)
    expected = np.quantile(values.astype(np.float64), 1 - fraction, axis=0)
    np.testing.assert_allclose(filled(values, 97, fraction=fraction).quantile(), expected, rtol=1e-6)


def test_what_is_dropped_below_the_floor_changes_nothing():
    values = streams(40_000)
    # 200 values a channel suffice for the tail; 300 make many compactions.
    sketch = filled(values, 100, capacity=300)
    assert sketch.compactions > 5
    assert sketch.group == 1
    assert sketch.error_bound == 0
    np.testing.assert_allclose(
        sketch.quantile(), np.quantile(values.astype(np.float64), 1 - FRACTION, axis=0), rtol=1e-6
    )


@pytest.mark.parametrize("capacity", [20, 64, 150])
def test_long_streams_stay_within_the_bound(capacity):
    values = streams(60_000)
    sketch = filled(values, 256, capacity=capacity)
    assert sketch.group > 1
    bound = sketch.error_bound
    assert 0 < bound <= sketch.group / (2 * capacity) + 1e-4
    found = sketch.quantile()
    # Where many values are equal, the rank of the quantile is a range.
    above, at_least = (values > found).mean(axis=0), (values >= found).mean(axis=0)
    one = 1 / len(values)
    assert (above <= FRACTION + bound + one).all()
    assert (at_least >= FRACTION - bound - one).all()


def test_a_stream_in_random_order_is_much_better_than_the_worst():
    values = np.random.default_rng(0).normal(size=(400_000, 3)).astype(np.float32)
    sketch = filled(values, 1000, capacity=500)
    assert sketch.group == 5
    assert sketch.error_bound < 5e-4
    assert np.abs((values > sketch.quantile()).mean(axis=0) - FRACTION).max() < sketch.error_bound


def test_size_of_what_is_kept_does_not_grow_with_the_stream():
    def kept(count):
        sketch = filled(np.random.default_rng(1).normal(size=(count, 4)).astype(np.float32), 500, capacity=100)
        return sum(array.nbytes for array in sketch.state().values())

    assert kept(400_000) < 1.5 * kept(40_000)


def test_a_stored_sketch_goes_on_as_if_nothing_had_happened():
    values = streams(50_000)
    through = filled(values, 500, capacity=40)
    first = TopQuantile(values.shape[1], len(values), capacity=40)
    for start in range(0, 20_000, 500):
        first.update(values[start : start + 500])
    second = TopQuantile(values.shape[1], len(values), capacity=40)
    second.restore(first.state())
    for start in range(20_000, len(values), 500):
        first.update(values[:500] * 0)  # what becomes of the one that was stored is no matter of the other's
        second.update(values[start : start + 500])
    np.testing.assert_array_equal(second.quantile(), through.quantile())
    assert second.error_bound == through.error_bound


def test_fewer_values_than_announced():
    values = streams(3000)
    sketch = TopQuantile(values.shape[1], 10_000)
    sketch.update(values)
    np.testing.assert_allclose(
        sketch.quantile(), np.quantile(values.astype(np.float64), 1 - FRACTION, axis=0), rtol=1e-6
    )


def test_a_channel_that_is_zero_nearly_everywhere_has_the_threshold_zero():
    values = np.zeros((10_000, 1), np.float32)
    values[:49] = 1
    assert filled(values, 128).quantile() == [0]
    values[:51] = 1
    assert filled(values, 128).quantile() == [1]


def test_values_are_not_modified():
    values = streams(1000)
    before = values.copy()
    filled(values, 100)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_refuses_what_is_not_finite(bad):
    sketch = TopQuantile(2, 10)
    with pytest.raises(InputError, match="NaN or infinite"):
        sketch.update(np.array([[1, bad]], np.float32))


def test_refuses_more_than_announced_and_nothing_at_all():
    sketch = TopQuantile(2, 3)
    with pytest.raises(InputError, match="at least one"):
        sketch.quantile()
    with pytest.raises(InputError, match="at most 3"):
        sketch.update(np.zeros((4, 2), np.float32))


@pytest.mark.parametrize("settings", [{"fraction": 0}, {"fraction": 1}, {"total": 0}, {"capacity": 0}])
def test_refuses_settings_out_of_range(settings):
    with pytest.raises(SettingError):
        TopQuantile(**{"channels": 2, "total": 10, **settings})
