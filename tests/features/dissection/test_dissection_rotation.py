"""Random rotations, whole and in part."""

import numpy as np
import pytest
from scipy.linalg import expm, logm

from kerasviz.errors import SettingError
from kerasviz.features.dissection import rotation
from kerasviz.features.dissection.rotation import random_rotation


@pytest.mark.parametrize("units", [1, 2, 3, 8, 33])
def test_rotations(units):
    whole = random_rotation(units, seed=1)
    assert whole.dtype == np.float32 and whole.shape == (units, units)
    for power in (0.3, 1, -2.5):
        turned = np.float64(random_rotation(units, seed=1, power=power))
        np.testing.assert_allclose(turned @ turned.T, np.eye(units), atol=1e-6)
        assert np.linalg.det(turned) == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(random_rotation(units, seed=1, power=0), np.eye(units))
    np.testing.assert_allclose(random_rotation(units, seed=1, power=-1), whole.T, atol=1e-6)
    parts = random_rotation(units, seed=1, power=0.3) @ random_rotation(units, seed=1, power=0.7)
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_powers_are_those_of_the_matrix_logarithm():
    whole = np.float64(random_rotation(9, seed=4))
    expected = expm(0.37 * logm(whole).real)
    np.testing.assert_allclose(random_rotation(9, seed=4, power=0.37), expected, atol=1e-5)


def test_half_turns_are_shared_between_two_axes():
    """Eigenvalues of -1 come in pairs, which alone have no root."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    turn = basis @ np.diag([-1.0, 1, -1, -1, -1]) @ basis.T
    half = rotation._power(turn, 0.5)
    np.testing.assert_allclose(half @ half, turn, atol=1e-12)
    np.testing.assert_allclose(half @ half.T, np.eye(5), atol=1e-12)


def test_uniform_over_all_rotations():
    """Moments of the Haar measure on SO(4); the sample's own error is a fifth of what is allowed, or less."""
    drawn = np.stack([random_rotation(4, seed=seed) for seed in range(3000)]).astype(np.float64)
    traces = np.einsum("sii->s", drawn)
    assert traces.mean() == pytest.approx(0, abs=0.1)  # far from it without the signs of the columns
    assert (traces**2).mean() == pytest.approx(1, abs=0.15)
    np.testing.assert_allclose(drawn.mean(0), 0, atol=0.06)
    np.testing.assert_allclose((drawn**2).mean(0), 1 / 4, atol=0.03)
    np.testing.assert_allclose((drawn**4).mean(0), 3 / (4 * 6), atol=0.03)


def test_seeds():
    np.testing.assert_array_equal(random_rotation(6, seed=2), random_rotation(6, seed=2))
    assert np.abs(random_rotation(6, seed=2) - random_rotation(6, seed=3)).max() > 0.1


@pytest.mark.parametrize("wrong", [{"units": 0}, {"units": 2.5}, {"power": float("nan")}, {"power": float("inf")}])
def test_misuse(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        random_rotation(**{"units": 4, "seed": 0, **wrong})
