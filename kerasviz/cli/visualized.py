"""What `visualize` writes and says at its end."""

import json
from pathlib import Path

from kerasviz.cli.console import Reporter, print_json, printable
from kerasviz.cli.visualizing import Visualizing
from kerasviz.synthesis.saved import MANIFEST

_MOST_ROWS = 50


def carry_out(work: Visualizing, out: Path, reporter: Reporter, stdout, *, overwrite: bool, json: bool):
    """Make the images, write all files, and print what was made.

    Args:
        work: what to do.
        out: where results go.
        reporter: says on stderr what goes on.
        stdout: the real one.
        overwrite: replace earlier results.
        json: print the manifest instead of a table.

    Raises:
        SaveError: something cannot be written.
    """
    reporter.status()
    made = work.run()
    reporter.status("writing")
    made.save(out, overwrite=overwrite)
    reporter.status()
    manifest = _read(out)
    if json:
        print_json({**manifest, "folder": printable(out), "warnings": list(reporter.warnings)}, stdout)
    else:
        _print(manifest, out, stdout)


def _read(out):
    return json.loads((out / MANIFEST).read_text(encoding="utf-8"))


def _print(manifest, out, stdout):
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    screen = Console(file=stdout, highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Shows", overflow="fold")
    table.add_column("Score", justify="right", no_wrap=True)
    table.add_column("Step", justify="right", no_wrap=True)
    table.add_column("File", overflow="fold", style="dim")
    rows = manifest["images"]
    for row in rows[:_MOST_ROWS]:
        table.add_row(Text(row["name"]), f"{float(row['score']):.4g}", str(row["step"]), Text(row["file"]))
    screen.print(table)
    if len(rows) > _MOST_ROWS:
        screen.print(f"… and {len(rows) - _MOST_ROWS} more, in {MANIFEST}")
    screen.print(
        f"\n{len(rows)} image{'s' * (len(rows) != 1)}; results in [cyan]{escape(printable(out))}[/]", soft_wrap=True
    )
