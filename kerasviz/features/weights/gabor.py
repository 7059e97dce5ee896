"""Gabor fits of first-layer filters: which edges and waves they look for."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from kerasviz import progress
from kerasviz.errors import InputError
from kerasviz.features.weights import gabor_function as function
from kerasviz.features.weights.filter_set import Filters
from kerasviz.plotting.arrays import check_finite, to_numbers
from kerasviz.plotting.notices import warn
from kerasviz.writing import check_free, write_csv, write_files, write_json

#: What `GaborFits.save` writes.
FILES = ("gabor.png", "gabor-orientations.png", "gabor.csv", "gabor.json")
_MOST_INPUTS = 4
# Differences below this share of the largest weight are rounding errors of float32.
_CONSTANT = 1e-6


@dataclass(frozen=True, eq=False)
class GaborFits:
    """The Gabor functions nearest to N filters.

    Each is `amplitude * exp(-(a² + aspect² b²) / (2 sigma²)) * cos(2 pi frequency a + phase) + offset`, where `a` is
    how far a pixel is from the centre along the wave, and `b` across it: with `x` to the right and `y` up,
    `a = x cos(o) + y sin(o)` and `b = y cos(o) - x sin(o)` for the orientation `o`. Filters that are constant have NaN
    everywhere, `converged` False.

    Attributes:
        order: `(N,)` the numbers of the filters.
        orientation: `(N,)` degrees in [0, 180): the direction in which the wave runs, across its stripes, counted
            counterclockwise from the image's x axis with y up. 0 is a vertical edge or grating, 90 a horizontal one, 45
            one whose stripes fall to the right. Of a blob, whose frequency is near 0, it means nothing.
        frequency: `(N,)` cycles a pixel, 0 to 0.5 along the axes and 0.71 along the diagonals.
        phase: `(N,)` radians in (-pi, pi] at the centre, along the orientation: 0 is a bright stripe, pi or -pi a dark
            one, -pi/2 an edge that is bright on the side to which the orientation points, pi/2 its opposite.
        sigma: `(N,)` pixels, the width of the envelope along the wave.
        aspect: `(N,)` the width along the wave over that across it; under 1 is long stripes.
        row: `(N,)` the centre, in pixels from that of the first row, downwards.
        column: `(N,)` the same from the first column, to the right.
        amplitude: `(N,)` at least 0, in units of the weights.
        offset: `(N,)` likewise.
        residual: `(N,)` the share of the plane's variance that the fit leaves, 0 to 1.
        share: `(N,)` the share of the filter's variance over its pixels that lies in the plane, 1 if it looks at one
            channel.
        colour: `(N, inputs)` of length 1, what the plane adds the channels with.
        converged: `(N,)` whether the search came to rest.
        planes: `(N, kh, kw)` float64, what was fitted.
        fitted: `(N, kh, kw)` the fits at the same pixels.
        centred: whether centre, aspect and offset were fixed.
    """

    order: np.ndarray
    orientation: np.ndarray
    frequency: np.ndarray
    phase: np.ndarray
    sigma: np.ndarray
    aspect: np.ndarray
    row: np.ndarray
    column: np.ndarray
    amplitude: np.ndarray
    offset: np.ndarray
    residual: np.ndarray
    share: np.ndarray
    colour: np.ndarray
    converged: np.ndarray
    planes: np.ndarray
    fitted: np.ndarray
    centred: bool = False

    def __len__(self):
        return len(self.order)

    def rows(self) -> list[dict]:
        """One dict a filter with its number and the attributes above, None in the place of NaN."""
        names = [field.name for field in fields(self) if field.name not in ("order", "planes", "fitted", "centred")]
        table = []
        for i, number in enumerate(self.order):
            cells = {}
            for name in names:
                value = getattr(self, name)[i].tolist()
                if name == "colour":
                    cells |= {f"colour_{c}": _plain(part) for c, part in enumerate(value)}
                else:
                    cells[name] = _plain(value)
            table.append({"filter": int(number), **cells})
        return table

    def plot(self, *, limit: int | None = 32, dpi: float = 150):
        """Draw each filter's plane, its fit and what is left, all in the plane's range.

        Args:
            limit: filters drawn at most, with a warning if there are more; None for all.
            dpi: dots an inch, on the screen and in a file.

        Returns:
            A matplotlib `Figure`, unknown to pyplot.

        Raises:
            SettingError: a limit that is no number.
        """
        from kerasviz.features.weights.gabor_sheets import draw_fits

        return draw_fits(self, limit, dpi)

    def plot_orientations(self, *, dpi: float = 150):
        """Draw orientation against frequency over half a circle: a dot a filter, as dark as its fit is good.

        Args:
            dpi: dots an inch, on the screen and in a file.

        Returns:
            A matplotlib `Figure`, unknown to pyplot.
        """
        from kerasviz.features.weights.gabor_sheets import draw_orientations

        return draw_orientations(self, dpi)

    def save(self, folder, *, limit: int | None = 32, overwrite: bool = False) -> Path:
        """Write both pictures and the rows as CSV and JSON; all files or none.

        Args:
            folder: made if it is not there.
            limit: as for `plot`.
            overwrite: replace files of these names: `gabor.png`, `gabor-orientations.png`, `gabor.csv`, `gabor.json`.

        Returns:
            The folder.

        Raises:
            SettingError: as for `plot`.
            SaveError: a file is there already, or cannot be written.
        """
        folder = check_free(folder, FILES, overwrite=overwrite)
        writers = [
            self.plot(limit=limit).savefig,
            self.plot_orientations().savefig,
            lambda path: write_csv(path, self.rows()),
            lambda path: write_json(path, {"centred": self.centred, "filters": self.rows()}),
        ]
        write_files(folder, dict(zip(FILES, writers, strict=True)), overwrite=overwrite)
        return folder


def fit_gabor(filters, *, centred: bool = False, order: Sequence[int] | None = None) -> GaborFits:
    """Fit a two-dimensional Gabor function to each filter, by bounded least squares from several starts.

    A filter of several channels is fitted in one plane: its pixels, less their mean, along their first principal
    component, signed so that the component's largest entry is positive. Starts are the peaks of the plane's spectrum,
    with a few widths and centres; nothing is drawn at random.

    Args:
        filters: `Filters` of a two-dimensional convolution, or weights `(kh, kw, inputs, filters)`, that look at 1 to 4
            channels.
        centred: fit five parameters instead of nine: the centre is the kernel's middle, the aspect 1 and the offset 0.
            For kernels such as 3 x 3, which have no more weights than the nine; so few weights are fitted well by
            nearly anything, and their residual says little.
        order: the numbers of the filters, where weights are given; by default as they stand there.

    Returns:
        The fits, in the order given.

    Raises:
        InputError: other shapes, too many channels, NaN or infinity, or a kernel without more weights than parameters.

    Warns:
        KerasvizWarning: filters are constant, or a search did not come to rest.

    Example:
        >>> y, x = np.mgrid[-3:4, -3:4]
        >>> wave = np.exp(-(x**2 + y**2) / 8) * np.cos(2 * np.pi * 0.2 * x)  # vertical stripes
        >>> fits = fit_gabor(wave[..., None, None])
        >>> round(float(fits.orientation[0]) % 180), round(float(fits.frequency[0]), 3)
        (0, 0.2)
    """
    weights, numbers = _read(filters, order, centred)
    count = weights.shape[-1]
    parameters, share = np.full((count, 9), np.nan), np.full(count, np.nan)
    colour = np.full((count, weights.shape[2]), np.nan)
    planes, fitted = np.zeros((count, *weights.shape[:2])), np.full((count, *weights.shape[:2]), np.nan)
    converged = np.zeros(count, bool)
    constant = []
    with progress.bar(count, "fitting Gabor functions") as advance:
        for i in range(count):
            kernel = weights[..., i]
            if np.ptp(kernel, axis=(0, 1)).max() <= _CONSTANT * np.abs(kernel).max():
                planes[i] = kernel.mean(-1)
                constant.append(int(numbers[i]))
            else:
                planes[i], colour[i], share[i] = _plane(kernel)
                found = function.fit(planes[i], centred=centred)
                parameters[i], fitted[i], converged[i] = found.parameters, found.values, found.converged
            advance()
    _warn(constant, numbers[~converged & ~np.isnan(share)])
    return _record(numbers, parameters, colour, share, converged, planes, fitted, centred)


def _record(numbers, p, colour, share, converged, planes, fitted, centred):
    height, width = planes.shape[1:]
    left = ((planes - fitted) ** 2).sum((1, 2))
    variance = ((planes - planes.mean((1, 2), keepdims=True)) ** 2).sum((1, 2))
    residual = np.divide(left, variance, out=np.full(len(left), np.nan), where=variance > 0)
    return GaborFits(
        order=numbers,
        orientation=np.degrees(np.arctan2(p[:, function.V], p[:, function.U])) % 180,
        frequency=np.hypot(p[:, function.U], p[:, function.V]),
        phase=p[:, function.PHASE],
        sigma=np.exp(p[:, function.LOG_SIGMA]),
        aspect=np.exp(p[:, function.LOG_ASPECT]),
        row=(height - 1) / 2 - p[:, function.Y],
        column=(width - 1) / 2 + p[:, function.X],
        amplitude=p[:, function.AMPLITUDE],
        offset=p[:, function.OFFSET],
        # A centred fit has no offset, and may be worse than the mean.
        residual=np.minimum(residual, 1.0),
        share=share,
        colour=colour,
        converged=converged,
        planes=planes,
        fitted=fitted,
        centred=centred,
    )


def _plane(kernel):
    """The plane of a filter `(kh, kw, inputs)`, its colour, and its share of the variance."""
    pixels = kernel.reshape(-1, kernel.shape[-1])
    around = pixels - pixels.mean(0)
    _, values, directions = np.linalg.svd(around, full_matrices=False)
    colour = directions[0]
    colour = colour * np.sign(colour[np.argmax(np.abs(colour).round(6))])
    return kernel @ colour, colour, float(values[0] ** 2 / (values**2).sum())


def _read(filters, order, centred):
    is_record = isinstance(filters, Filters)
    weights = to_numbers(filters.weights if is_record else filters, "The weights").astype(np.float64)
    if weights.ndim != 4 or weights.shape[2] > _MOST_INPUTS:
        raise InputError(
            f"The filters have the shape {weights.shape}",
            expected=f"(kh, kw, inputs, filters) with 1 to {_MOST_INPUTS} inputs: what looks at an image's pixels",
            mend="Take the first convolution: filters(model)",
        )
    check_finite(np.moveaxis(weights, -1, 0), "filter")
    height, width = weights.shape[:2]
    free = len(function.CENTRED) if centred else 9
    if min(height, width) < 3 or height * width <= free:
        small = not centred and min(height, width) >= 3
        raise InputError(
            f"The filters have {height} x {width} weights for {free} parameters",
            expected=f"3 x 3 or more, and more than {free}",
            mend="Pass centred=True (--centred on the command line) to fit five parameters"
            if small
            else "Look at them as pictures: filters(model).plot()",
        )
    numbers = np.arange(weights.shape[-1]) if order is None else np.asarray(order)
    if is_record:
        numbers = filters.order
    if numbers.shape != weights.shape[-1:]:
        raise InputError(
            f"{numbers.size} numbers were given for {weights.shape[-1]} filters",
            expected="one number a filter",
            mend="Leave order out",
        )
    return weights, numbers


def _warn(constant, stuck):
    notes = []
    if constant:
        notes.append(f"Constant filters have no Gabor fit: {_listed(constant)}")
    if len(stuck):
        notes.append(f"The search did not come to rest for the filters {_listed(stuck)}")
    if notes:
        warn(". ".join(notes))


def _listed(numbers):
    return ", ".join(map(str, numbers[:8])) + (", …" if len(numbers) > 8 else "")


def _plain(value):
    return None if isinstance(value, float) and np.isnan(value) else value
