"""What `fool` writes and says at its end: pictures, sheet, table, manifest."""

import dataclasses
import json as json_documents
from pathlib import Path

from kerasviz.cli.console import Reporter, print_json, printable
from kerasviz.cli.fooling import Fooling
from kerasviz.plotting.naming import percent
from kerasviz.synthesis.fooling.record import FoolingImages

#: The exit code where some classes were not reached.
SOME_MISSED = 1
_MOST_ROWS = 50


def carry_out(work: Fooling, out: Path, reporter: Reporter, stdout, *, overwrite: bool, json: bool) -> int:
    """Make the pictures, write all files, and print what was found.

    Args:
        work: what to do.
        out: where results go.
        reporter: says on stderr what goes on.
        stdout: the real one.
        overwrite: replace earlier results.
        json: print the manifest instead of a table.

    Returns:
        The exit code.

    Raises:
        SaveError: something cannot be written.
    """
    # The search draws a bar of its own.
    reporter.status()
    made = work.run()
    made = dataclasses.replace(made, settings={**made.settings, "warnings": list(reporter.warnings)})
    reporter.status("writing")
    made.save(out, labels=work.classes.labels, overwrite=overwrite)
    reporter.status()
    manifest = json_documents.loads((out / "manifest.json").read_text(encoding="utf-8"))
    if json:
        print_json(manifest, stdout)
    else:
        _print(work, made, manifest["images"], out, stdout)
    return 0 if made.saved_found.all() else SOME_MISSED


def _print(work: Fooling, made: FoolingImages, rows, out, stdout):
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Class", overflow="fold")
    table.add_column("Confidence", justify="right", no_wrap=True)
    table.add_column("As saved", justify="right", no_wrap=True)
    table.add_column("Step" if made.method == "gradient" else "Generation", justify="right", no_wrap=True)
    table.add_column("File", overflow="fold")
    table.add_column("", overflow="fold")
    for row, found in list(zip(rows, made.saved_found.tolist(), strict=True))[:_MOST_ROWS]:
        table.add_row(
            Text(_name(work, row["class"])),
            percent(row["confidence"]),
            percent(row["saved_confidence"]),
            "" if row["step"] is None else str(row["step"]),
            Text(row["file"]),
            Text("" if found else f"not reached; it is taken for {_name(work, row['predicted'])}", style="yellow"),
        )
    console = Console(file=stdout, highlight=False)
    console.print(table)
    if len(rows) > _MOST_ROWS:
        console.print(f"… and {len(rows) - _MOST_ROWS} more, in images.csv")
    console.print("\n[dim]Confidences are the model's own, predicted anew for each picture.[/]", soft_wrap=True)
    console.print(f"\n{made}; results in [cyan]{escape(printable(out))}[/]", soft_wrap=True)


def _name(work, number):
    return work.classes.label(number) or f"class {number}"
