"""What `kerasviz filters` does between its options and its answer."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import kerasviz
from kerasviz.cli.console import printable
from kerasviz.errors import SettingError

if TYPE_CHECKING:
    from kerasviz.cli.models import Opened
    from kerasviz.features.weights.filter_set import Filters
    from kerasviz.features.weights.gabor import GaborFits

_MOST_ROWS = 50
_FITS = ("Orientation", "Frequency", "Phase", "Sigma", "In plane", "Left")


class Found(NamedTuple):
    """The filters, and their fits if they were asked for."""

    filters: "Filters"
    gabor: "GaborFits | None"


def names_of_files(*, gabor: bool) -> tuple[str, ...]:
    """What will be written."""
    from kerasviz.features.weights import filter_set
    from kerasviz.features.weights import gabor as fits

    return filter_set.FILES + fits.FILES if gabor else filter_set.FILES


def parse_numbers(given: Sequence[str]) -> list[int] | None:
    """The numbers that `--channels` lists, None for all.

    Raises:
        SettingError: an entry is neither a number nor a range.
    """
    numbers = []
    for entry in (part.strip() for text in given for part in text.split(",")):
        first, dash, last = entry.partition("-")
        if not first.isdecimal() or (dash and not (last.isdecimal() and int(first) <= int(last))):
            raise SettingError(
                f"--channels {entry!r}", expected="numbers and ranges from 0 up", mend="For example --channels 0,3,8-15"
            )
        numbers += range(int(first), int(last if dash else first) + 1)
    return numbers or None


def measure(opened: "Opened", layer, *, part, channels, sort, gabor: bool, centred: bool) -> Found:
    """Read the filters, and fit Gabor functions to them if that is asked for.

    Raises:
        LayerError: no layer or several fit, or it is no convolution.
        SettingError: an unknown part or channel.
        InputError: the filters cannot be fitted.
    """
    from kerasviz.features.weights.filters import filters

    chosen = filters(opened.model, layer, part=part, channels=channels, sort=sort)
    if not gabor:
        return Found(chosen, None)
    from kerasviz.features.weights.gabor import fit_gabor

    return Found(chosen, fit_gabor(chosen, centred=centred))


def save(found: Found, folder: Path, *, scale, reduce, limit, overwrite: bool):
    """Write all files.

    Raises:
        SaveError: something cannot be written.
    """
    found.filters.save(folder, scale=scale, reduce=reduce, limit=limit, overwrite=overwrite)
    if found.gabor is not None:
        found.gabor.save(folder, limit=limit, overwrite=overwrite)


def document(opened: "Opened", found: Found, folder: Path, scale: str, warnings: Sequence[str]) -> dict:
    """All that was found, as JSON can hold it."""
    return {
        "kerasviz": kerasviz.__version__,
        "model": {"given": printable(opened.given), "name": opened.network.name},
        **found.filters.about(),
        "scale": scale,
        "filters": found.filters.statistics(),
        "gabor": None if found.gabor is None else found.gabor.rows(),
        "folder": printable(folder),
        "files": list(names_of_files(gabor=found.gabor is not None)),
        "warnings": list(warnings),
    }


def print_tables(found: Found, folder: Path, out):
    """Print what was found, for people."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    chosen = found.filters
    screen = Console(file=out, highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    fitted = found.gabor is not None
    # Narrow enough for 80 columns.
    names = ("norm",) if fitted else ("norm", "mean", "min", "max")
    for head in ["Filter", *map(str.capitalize, names), *(_FITS if fitted else [])]:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("", style="yellow", no_wrap=True)
    fits = found.gabor.rows() if fitted else [None] * len(chosen)
    rows = list(zip(chosen.statistics(), fits, strict=True))
    for row, fit in rows[:_MOST_ROWS]:
        numbers = [f"{row[name]:.3g}" for name in names]
        table.add_row(str(row["filter"]), *numbers, *(_fit(fit) if fitted else []), _remark(row))
    screen.print(table)
    if len(rows) > _MOST_ROWS:
        screen.print(f"… and {len(rows) - _MOST_ROWS} more, in filters.csv")
    shape = " × ".join(map(str, chosen.weights.shape[:-1]))
    of = "" if len(chosen) == chosen.total else f" of {chosen.total}"
    kind = f", {chosen.part}" if chosen.part != "kernel" else ""
    screen.print(
        f"\n[bold]{escape(printable(chosen.layer))}[/] ({escape(chosen.kind + kind)}): {len(chosen)}{of} filters of "
        f"{shape}, in [cyan]{escape(printable(folder))}[/]",
        soft_wrap=True,
    )


def _fit(fit):
    if fit["residual"] is None:
        return [""] * len(_FITS)
    return [
        f"{round(fit['orientation']) % 180}°",
        f"{fit['frequency']:.3f}",
        f"{math.degrees(fit['phase']):.0f}°",
        f"{fit['sigma']:.2f}",
        f"{fit['share']:.0%}",
        f"{fit['residual']:.0%}",
    ]


def _remark(row):
    if row["zero"]:
        return "zero"
    return "" if row["duplicate_of"] is None else f"equals {row['duplicate_of']}"
