"""Random rotations of a layer's units: the baseline that shows whether its axes mean anything."""

import numpy as np

from kerasviz.errors import SettingError


def random_rotation(units: int, *, seed: int, power: float = 1.0) -> np.ndarray:
    """A random rotation of the space of a layer's units, or a step on the way to it.

    If units agreed with concepts only because the layer as a whole tells them apart, any other basis of the same
    space would agree as well. Bau et al. (2017, section 3.2) rotate the basis step by step and count the detectors.

    Uniform over all rotations (Haar measure): the Q of the QR decomposition of a Gaussian matrix, with columns signed
    so that the diagonal of R is positive, and the first row negated if it is a reflection. Powers turn each plane of
    rotation, which the real Schur decomposition finds, by the fraction of its angle; angles are within -pi..pi.

    Args:
        units: of the layer, 1 or more.
        seed: the same seed and number of units give the same rotation, whatever the power.
        power: how far: 0 is the identity, 1 the whole rotation; `R**a @ R**b` is `R**(a + b)`.

    Returns:
        `(units, units)` float32, orthogonal, with determinant 1.

    Raises:
        SettingError: `units` is no whole number above 0, or `power` is not finite.

    Example:
        >>> half = random_rotation(8, seed=0, power=0.5)
        >>> bool(np.allclose(half @ half, random_rotation(8, seed=0), atol=1e-6))
        True
    """
    if not isinstance(units, int | np.integer) or units < 1:
        raise SettingError(f"units={units!r}", expected="a whole number, 1 or more", mend="Pass the layer's channels")
    if not np.isfinite(power):
        raise SettingError(f"power={power!r}", expected="a finite number, such as 0.5", mend="Use 0 to 1")
    if power == 0:
        return np.eye(units, dtype=np.float32)
    whole = _haar(units, np.random.default_rng(seed))
    return (whole if power == 1 else _power(whole, power)).astype(np.float32)


def _haar(units, rng):
    q, r = np.linalg.qr(rng.standard_normal((units, units)))
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)
    if np.linalg.det(q) < 0:
        q[0] *= -1
    return q


def _power(rotation, power):
    from scipy.linalg import schur

    blocks, basis = schur(rotation, output="real")
    result, halves, place = np.zeros_like(blocks), [], 0
    while place < len(blocks):
        if place + 1 < len(blocks) and blocks[place + 1, place] != 0:
            _turn(result, (place, place + 1), np.arctan2(blocks[place + 1, place], blocks[place, place]) * power)
            place += 2
            continue
        if blocks[place, place] > 0:
            result[place, place] = 1
        else:
            halves.append(place)
        place += 1
    # There is an even number of them, and any two make a plane that is turned by half a circle.
    for pair in zip(halves[::2], halves[1::2], strict=True):
        _turn(result, pair, np.pi * power)
    return basis @ result @ basis.T


def _turn(matrix, plane, angle):
    cos, sin = np.cos(angle), np.sin(angle)
    matrix[np.ix_(plane, plane)] = [[cos, -sin], [sin, cos]]
