"""The Gabor function, and its least-squares fit to one small picture."""

from dataclasses import dataclass

import numpy as np

#: The parameters: amplitude; centre to the right and up, in pixels from the picture's middle; logarithms of the width
#: in pixels and of the aspect; the wave vector to the right and up, in cycles a pixel; phase; offset.
AMPLITUDE, X, Y, LOG_SIGMA, LOG_ASPECT, U, V, PHASE, OFFSET = range(9)
#: Those that are fitted where the others are fixed: a round envelope in the middle, no offset.
CENTRED = (AMPLITUDE, LOG_SIGMA, U, V, PHASE)
_NARROWEST = 0.4  # pixels; anything narrower is one pixel
_WIDEST = 2.0  # in units of the picture's longer side; anything wider is a bare wave
_ASPECT = 5.0
_LOUDEST = 5.0  # in units of the largest weight: the flank of a huge Gabor is none
_SPECTRUM = 32  # samples of the spectrum along each axis
_PEAKS = 4
_STARTS = 6  # fits, from the best of the grid
_STEPS = 300  # of a fit
_LEVEL = 1e-6  # the slope of a wave up to which it runs along x


@dataclass(frozen=True)
class Fit:
    """A fit: the parameters in their order above, the function there, and whether the search came to rest."""

    parameters: np.ndarray
    values: np.ndarray
    converged: bool


def pixel_grid(shape) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel of a picture how far it is to the right of the middle, and above it."""
    height, width = shape
    x, y = np.meshgrid(np.arange(width) - (width - 1) / 2, (height - 1) / 2 - np.arange(height))
    return x, y


def gabor(parameters, x, y) -> np.ndarray:
    """The function at places in pixels from the middle."""
    return _terms(parameters, x, y)[0]


def fit(picture: np.ndarray, *, centred: bool) -> Fit:
    """Fit a Gabor function to a picture `(H, W)` that is not constant, from several starts.

    Args:
        picture: float64.
        centred: fit `CENTRED` alone.
    """
    from scipy.optimize import least_squares

    x, y = (axis.ravel() for axis in pixel_grid(picture.shape))
    unit = np.abs(picture).max() if centred else np.abs(picture - picture.mean()).max()
    target = picture.ravel() / unit
    free = list(CENTRED) if centred else list(range(9))
    low, high = (bound[free] for bound in _bounds(picture.shape, target))
    best = None
    for start in _starts(picture / unit, x, y, centred=centred):
        found = least_squares(
            lambda values, fixed: gabor(_complete(fixed, free, values), x, y) - target,
            np.clip(start[free], low + 1e-6, high - 1e-6),
            lambda values, fixed: _jacobian(_complete(fixed, free, values), x, y)[:, free],
            args=(start,),
            bounds=(low, high),
            x_scale="jac",
            max_nfev=_STEPS,
        )
        if best is None or found.cost < best[0]:
            best = found.cost, _complete(start, free, found.x), found.status > 0
    parameters = _canonical(best[1])
    parameters[[AMPLITUDE, OFFSET]] *= unit
    return Fit(parameters, gabor(parameters, x, y).reshape(picture.shape), bool(best[2]))


def _complete(fixed, free, values):
    parameters = fixed.copy()
    parameters[free] = values
    return parameters


def _terms(p, x, y):
    """The function, its envelope and its parts, at each place."""
    dx, dy = x - p[X], y - p[Y]
    frequency = max(np.hypot(p[U], p[V]), 1e-12)
    cos, sin = p[U] / frequency, p[V] / frequency
    along, across = dx * cos + dy * sin, dy * cos - dx * sin
    sigma2, aspect2 = np.exp(2 * p[LOG_SIGMA]), np.exp(2 * p[LOG_ASPECT])
    envelope = np.exp(-(along**2 + aspect2 * across**2) / (2 * sigma2))
    wave = 2 * np.pi * (p[U] * dx + p[V] * dy) + p[PHASE]
    value = p[AMPLITUDE] * envelope * np.cos(wave) + p[OFFSET]
    return value, envelope, wave, (dx, dy), (along, across), (cos, sin), frequency, sigma2, aspect2


def _jacobian(p, x, y):
    _, envelope, wave, (dx, dy), (along, across), (cos, sin), frequency, sigma2, aspect2 = _terms(p, x, y)
    even, odd = envelope * np.cos(wave), envelope * np.sin(wave)
    amplitude = p[AMPLITUDE]
    # The envelope is exp(-q); each derivative is that of q and that of the wave.
    q = (along**2 + aspect2 * across**2) / (2 * sigma2)
    turn = along * across * (1 - aspect2) / sigma2
    of_q = {
        X: -(along * cos - aspect2 * across * sin) / sigma2,
        Y: -(along * sin + aspect2 * across * cos) / sigma2,
        LOG_SIGMA: -2 * q,
        LOG_ASPECT: aspect2 * across**2 / sigma2,
        U: -turn * sin / frequency,
        V: turn * cos / frequency,
        PHASE: 0.0,
    }
    of_wave = {X: -2 * np.pi * p[U], Y: -2 * np.pi * p[V], U: 2 * np.pi * dx, V: 2 * np.pi * dy, PHASE: 1.0}
    jacobian = np.empty((len(x), 9))
    jacobian[:, AMPLITUDE], jacobian[:, OFFSET] = even, 1.0
    for name, slope in of_q.items():
        jacobian[:, name] = -amplitude * (even * slope + odd * of_wave.get(name, 0.0))
    return jacobian


def _bounds(shape, target):
    height, width = shape
    low, high = np.full(9, -np.inf), np.full(9, np.inf)
    low[AMPLITUDE], high[AMPLITUDE] = 0, _LOUDEST * np.abs(target).max()
    low[X], high[X] = -width / 2, width / 2
    low[Y], high[Y] = -height / 2, height / 2
    low[LOG_SIGMA], high[LOG_SIGMA] = np.log([_NARROWEST, _WIDEST * max(shape)])
    low[LOG_ASPECT], high[LOG_ASPECT] = np.log([1 / _ASPECT, _ASPECT])
    # Beyond half a cycle a pixel along either axis, the same pixels have a slower wave.
    low[[U, V]], high[[U, V]] = -0.5, 0.5
    return low, high


def _starts(picture, x, y, *, centred):
    """The best of a grid: peaks of the spectrum, a few widths and centres; amplitude, phase and offset solved for."""
    tried = []
    sides = max(picture.shape)
    centres = [(0.0, 0.0)] if centred else _centres(picture)
    for u, v in _peaks(picture):
        for x0, y0 in centres:
            for sigma in (sides / 8, sides / 4, sides / 2):
                start = np.zeros(9)
                start[[X, Y, LOG_SIGMA, U, V]] = x0, y0, np.log(max(sigma, 2 * _NARROWEST)), u, v
                start[AMPLITUDE] = 1
                even, envelope, wave, *_ = _terms(start, x, y)
                columns = [even, envelope * np.sin(wave)] + ([] if centred else [np.ones_like(x)])
                columns = np.stack(columns, axis=1)
                found = np.linalg.lstsq(columns, picture.ravel(), rcond=None)[0]
                cost = ((columns @ found - picture.ravel()) ** 2).sum()
                start[AMPLITUDE], start[PHASE] = np.hypot(found[0], found[1]), np.arctan2(-found[1], found[0])
                start[OFFSET] = 0 if centred else found[2]
                tried.append((cost, start))
    tried.sort(key=lambda one: one[0])
    return [start for _, start in tried[:_STARTS]]


def _peaks(picture):
    """Wave vectors where the spectrum is highest, and a slow one along each axis for blobs and edges."""
    spectrum = np.abs(np.fft.fft2(picture - picture.mean(), (_SPECTRUM, _SPECTRUM)))
    frequency = np.fft.fftfreq(_SPECTRUM)
    v, u = np.meshgrid(-frequency, frequency, indexing="ij")  # rows run down, v up
    # The other half is the mirror image of this one.
    half = (u > 0) | ((u == 0) & (v > 0))
    around = [np.roll(spectrum, shift, (0, 1)) for shift in np.ndindex(3, 3)]
    around = np.max([np.roll(one, (-1, -1), (0, 1)) for one in around], axis=0)
    local = np.flatnonzero(half & (spectrum >= around))
    highest = local[np.argsort(-spectrum.flat[local], kind="stable")[:_PEAKS]]
    slow = 0.5 / max(picture.shape)
    return [(u.flat[i], v.flat[i]) for i in highest] + [(slow, 0.0), (0.0, slow)]


def _centres(picture):
    """The middle, and where the picture's energy is."""
    x, y = pixel_grid(picture.shape)
    energy = (picture - np.median(picture)) ** 2
    return [(0.0, 0.0), ((energy * x).sum() / energy.sum(), (energy * y).sum() / energy.sum())]


def _canonical(parameters):
    """The same function with a wave that runs to the upper half, and a phase in (-pi, pi]."""
    p = parameters.copy()
    # Of a wave along x, rounding would decide the direction, and with it the sign of the phase.
    if abs(p[V]) <= _LEVEL * abs(p[U]):
        p[V] = 0.0
    if p[V] < 0 or (p[V] == 0 and p[U] < 0):
        p[[U, V, PHASE]] *= -1
    p[V] = abs(p[V])  # no negative zero
    p[PHASE] = np.pi - (np.pi - p[PHASE]) % (2 * np.pi)
    return p
