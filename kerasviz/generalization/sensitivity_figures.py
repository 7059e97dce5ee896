"""How unevenly trainings are sensitive to their samples. Imports matplotlib: import it only where a figure is drawn."""

from collections.abc import Mapping

import numpy as np

from kerasviz.errors import InputError
from kerasviz.generalization.inequality import checked_shares, gini
from kerasviz.plotting.canvas import NotebookFigure, add_axes
from kerasviz.plotting.curves import look, name_lines, style_axes

_WIDE, _HIGH = 2.7, 2.4  # of the axes, in inches
_LEFT, _BELOW, _ABOVE, _RIGHT, _NAMES = 0.55, 0.48, 0.15, 0.12, 1.8
_ENTRY = 0.29  # of a legend, two lines


def plot_sensitivities(sensitivities: Mapping, *, dpi: float = 150):
    r"""Draw the loss sensitivities of some trainings, such as one on true and one on random labels.

    Left the sensitivities from the largest down, in units of their mean, since only their shape compares. Right the
    Lorenz curves: which share of all sensitivity the least sensitive samples have together. The dashed diagonal is that
    of equal sensitivities; twice the area between it and a curve is the Gini coefficient, which stands with the name.

    Args:
        sensitivities: (N,) values by name, as `LossSensitivity` or `LossSensitivityRecorder.mean` gives them; N may
            differ. One array alone is drawn without a name.
        dpi: dots an inch.

    Returns:
        A matplotlib `Figure`.

    Raises:
        InputError: there are none, or values are not as `gini` takes them.

    Example:
        >>> figure = plot_sensitivities({"true labels": [0, 0, 1, 9], "random labels": [2, 3, 3, 2]})
        >>> [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
        ['true labels\nGini 0.700', 'random labels\nGini 0.100']
    """
    named = isinstance(sensitivities, Mapping)
    if named and not sensitivities:
        raise InputError("There are no sensitivities", expected="a dict of them by name", mend="Give at least one")
    shares = {str(k): checked_shares(v) for k, v in (sensitivities if named else {"": sensitivities}).items()}
    return _draw(shares, named, dpi)


def _draw(shares, named, dpi):
    panel, high = _LEFT + _WIDE, max(_HIGH, _ENTRY * len(shares))
    width = 2 * panel + _RIGHT + (_NAMES if named else _RIGHT)
    fig = NotebookFigure(figsize=(width, _ABOVE + high + _BELOW), dpi=dpi)
    ranked = add_axes(fig, _LEFT, _BELOW, _WIDE, high)
    lorenz = add_axes(fig, panel + _RIGHT + _LEFT, _BELOW, _WIDE, high)
    for number, values in enumerate(shares.values()):
        style = {**look(number), "linewidth": 1.2}
        ordered = np.sort(values)
        # Zeros only are equal shares.
        ordered = ordered / ordered.mean() if ordered[-1] else np.ones_like(ordered)
        ranked.plot((np.arange(len(ordered)) + 0.5) / len(ordered), ordered[::-1], **style)
        lorenz.plot(np.linspace(0, 1, len(ordered) + 1), np.append(0, ordered.cumsum()) / len(ordered), **style)
    names = [f"{name}\nGini {gini(values):.3f}".strip() for name, values in shares.items()]
    ranked.axhline(1, color="0.4", linestyle=(0, (4, 3)), linewidth=0.8, zorder=0)
    lorenz.plot([0, 1], [0, 1], color="0.4", linestyle=(0, (4, 3)), linewidth=0.8, zorder=0)
    _style(ranked, "share of the samples, most sensitive first", "sensitivity / mean")
    _style(lorenz, "share of the samples, least sensitive first", "share of all sensitivity")
    lorenz.set_ylim(-0.03, 1.03)
    ranked.set_ylim(bottom=0)
    if named:
        name_lines(lorenz, lorenz.lines[: len(names)], names, _NAMES - 0.2, handlelength=1.8, labelspacing=0.5)
    else:
        lorenz.text(0.04, 0.94, names[0], fontsize=8, va="top")
    return fig


def _style(axes, across, up):
    style_axes(axes, across, up)
    axes.set_xlim(-0.03, 1.03)
