"""Explanations of signals: curves above a band of their attribution."""

import numpy as np

from kerasviz.errors import InputError
from kerasviz.plotting.arrays import check_finite, to_numbers
from kerasviz.plotting.canvas import FONT, LINE, Bar, NotebookFigure, add_axes, add_bar, show, wrap, write

_LEFT, _RIGHT, _RIGHT_WITH_BAR, _MARGIN = 0.5, 0.12, 0.7, 0.1
_CURVE = 1.0
_AXIS = 0.3
_SHARP = 32


def draw_signals(unit, signals, titles, palette, ranges, *, bars: bool, width: float, dpi: float):
    """A figure with one curve plot and one band a sample.

    Args:
        unit: normalized maps `(N, T', C')`; T' steps are stretched over the signal's length.
        signals: `(N, T)` or `(N, T, C)`.
        titles: N texts.
        palette: colours of the band.
        ranges: `(N, 2)`, for the colour bars.
        bars: whether to draw these.
        width: inches.
        dpi: dots an inch.
    """
    signals = to_numbers(signals, "The batch of signals").astype(np.float64)
    if signals.ndim == 2:
        signals = signals[..., None]
    if signals.ndim != 3:
        raise InputError(
            f"The signals have the shape {signals.shape}",
            expected="(N, T) or (N, T, C)",
            mend="Keep the batch axis",
        )
    check_finite(signals, "signal")
    band = min(max(0.16 * unit.shape[2], 0.22), 1.2)
    head = LINE + 0.04 if any(titles) else 0.0
    each = head + _CURVE + band + _AXIS
    height = each * len(unit) + _MARGIN
    fig = NotebookFigure(figsize=(width, height), dpi=dpi)
    inner = width - _LEFT - (_RIGHT_WITH_BAR if bars else _RIGHT)
    steps = signals.shape[1]
    for index, values in enumerate(unit):
        top = height - _MARGIN - index * each - head
        write(fig, wrap(titles[index], inner, lines=1), (_LEFT + inner / 2, top + 0.06))
        curve = add_axes(fig, _LEFT, top - _CURVE, inner, _CURVE)
        _draw_curves(curve, signals[index])
        under = add_axes(fig, _LEFT, top - _CURVE - band, inner, band)
        # Rows of one pixel would be smoothed into each other.
        picture = palette.paint(values.T).repeat(_SHARP, axis=0)
        show(under, picture, extent=(-0.5, steps - 0.5, 0, 1))
        under.xaxis.set_major_locator(_ticks(steps))
        under.tick_params(labelsize=FONT - 2, length=2, width=0.4, pad=1.5)
        if bars and ranges[index, 0] < ranges[index, 1]:
            bar = Bar(palette, *ranges[index])
            add_bar(fig, bar, _LEFT + inner + 0.06, top - _CURVE - band, _CURVE + band)
    return fig


def _draw_curves(axes, signal: np.ndarray) -> None:
    greys = np.linspace(0.15, 0.65, signal.shape[1]) if signal.shape[1] > 1 else [0.15]
    for channel, grey in enumerate(greys):
        axes.plot(signal[:, channel], color=str(grey), linewidth=0.8)
    axes.set_xlim(-0.5, len(signal) - 0.5)
    axes.set_xticks([])
    axes.tick_params(labelsize=FONT - 2, length=2, width=0.4, pad=1.5)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=True, color="0.6", linewidth=0.4)


def _ticks(steps: int):
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=8, integer=True) if steps > 1 else MaxNLocator(1)
