"""What `activations` says at its end: the manifest, and the tables on the terminal."""

from collections.abc import Sequence

import numpy as np

import kerasviz
from kerasviz.cli.activating import Activating, Result
from kerasviz.cli.console import printable
from kerasviz.cli.manifest import of_model, versions
from kerasviz.cli.summary import print_counts

_MOST_ROWS = 50
_MOST_UNITS = 12


def document(work: Activating, results: Sequence[Result], *, complete: bool, warnings: Sequence[str]) -> dict:
    """All about a run, as JSON can hold it.

    Args:
        work: what was to be done.
        results: of the images that were reached.
        complete: whether all were.
        warnings: what was warned of.
    """
    shown = [result for result in results if result.reason is None]
    opened = work.opened
    return {
        "kerasviz": kerasviz.__version__,
        "complete": complete,
        "folder": printable(work.folder.path),
        "model": of_model(opened, work.frame),
        "drawing": {"channels": work.drawing.channels, "by": work.drawing.by, "scale": work.drawing.scale},
        "layers": [_layer(work, address) for address in work.maps.addresses],
        "images": [_image(result) for result in shown],
        "skipped": [
            {"file": printable(result.image), "reason": printable(result.reason)}
            for result in results
            if result.reason is not None
        ],
        "files": [drawn.file for result in shown for drawn in result.drawn],
        "warnings": list(warnings),
        "versions": versions(),
    }


def print_table(work: Activating, results: Sequence[Result], out):
    """Print what was found, for people: the strongest channels of each image, and the dead ones of each layer."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=out, highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Image, layer", overflow="fold")
    table.add_column("Strongest channels (peak)", overflow="fold")
    shown = [result for result in results if result.reason is None]
    for result in shown[:_MOST_ROWS]:
        table.add_row(Text(printable(result.image.name), style="bold"))
        for drawn in result.drawn:
            table.add_row(Text(printable(drawn.layer)), ", ".join(f"{c} ({peak:.3g})" for c, peak in drawn.strongest))
    console.print(table)
    if len(shown) > _MOST_ROWS:
        console.print(f"… and {len(shown) - _MOST_ROWS} more, in manifest.json")
    if work.found.statistics is not None:
        console.print()
        console.print(_statistics(work.found.statistics))
    print_counts(work, results, sum(len(result.drawn) for result in shown), console)


def _statistics(statistics):
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column(f"Layer, over {statistics.images} image{'s' * (statistics.images != 1)}", overflow="fold")
    for title in ("Channels", "Zeros", "Dead", "Constant"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("Dead channels", overflow="fold")
    for path, found in statistics.layers.items():
        dead = np.flatnonzero(found.dead).tolist()
        listed = ", ".join(map(str, dead[:_MOST_UNITS])) + (", …" if len(dead) > _MOST_UNITS else "")
        numbers = (len(found.mean), f"{found.zeros.mean():.0%}", len(dead), int((found.constant & ~found.dead).sum()))
        table.add_row(Text(printable(path)), *map(str, numbers), listed)
    return table


def _layer(work, address):
    path, statistics = str(address), work.found.statistics
    entry = {"path": path, "statistics": work.found.tables.get(path)}
    if statistics is not None:
        found = statistics[path]
        entry |= {
            "images": statistics.images,
            "channels": len(found.mean),
            "dead": np.flatnonzero(found.dead).tolist(),
            "constant": np.flatnonzero(found.constant).tolist(),
            "zeros": float(found.zeros.mean()),
        }
    return entry


def _image(result):
    return {
        "file": printable(result.image),
        "arrays": None if result.arrays is None else result.arrays.name,
        "montages": [
            {
                "layer": drawn.layer,
                "file": drawn.file,
                "strongest": [{"channel": channel, "peak": peak} for channel, peak in drawn.strongest],
            }
            for drawn in result.drawn
        ],
    }
