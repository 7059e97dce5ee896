"""What `report` says at its end: where the page is, and the measures, as a table or as JSON."""

import numpy as np

import kerasviz
from kerasviz.cli.console import SOME_SKIPPED, Reporter, print_json, printable
from kerasviz.cli.manifest import of_model, versions
from kerasviz.cli.reporting import Pictures, Reporting


def carry_out(work: Reporting, reporter: Reporter, out, *, json: bool) -> int:
    """Read, measure, write the page, and say what was done.

    Args:
        work: what to do.
        reporter: says on stderr what goes on.
        out: the real stdout.
        json: print one JSON document instead of text.

    Returns:
        The exit code.

    Raises:
        ImageError: no image could be read.
        SaveError: the page cannot be written.
    """
    for fault in work.faults:
        reporter.skip(fault)
    pictures = work.read(reporter.status)
    for reason in pictures.skipped:
        reporter.skip(reason)
    measures = work.measure(pictures, reporter.status)
    reporter.status()  # a bar of its own takes the line
    work.write(pictures, measures)
    document = _document(work, pictures, measures, reporter.warnings)
    if json:
        print_json(document, out)
    else:
        _print(document, out)
    return SOME_SKIPPED if document["skipped"] else 0


def _document(work: Reporting, pictures: Pictures, measures, warnings):
    def known(value):
        return None if np.isnan(value) else float(value)

    return {
        "kerasviz": kerasviz.__version__,
        "page": printable(work.out),
        "bytes": work.out.stat().st_size,
        "model": of_model(work.opened, work.frame),
        "methods": {
            name: {
                "title": explain.title,
                "layer": explain.layer,
                "means": {measure: known(_mean(values[name])) for measure, values in measures.items()},
            }
            for name, explain in work.methods.items()
        },
        "left_out": work.left_out,
        "images": [
            {
                "file": printable(file),
                "measures": {
                    measure: {name: known(values[name][i]) for name in values} for measure, values in measures.items()
                },
            }
            for i, file in enumerate(pictures.files)
        ],
        "skipped": [printable(reason) for reason in [*work.faults, *pictures.skipped]],
        "warnings": list(warnings),
        "versions": versions(),
    }


def _mean(values):
    return np.mean(values[~np.isnan(values)])


def _print(document, out):
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    screen = Console(file=out, highlight=False)
    methods = document["methods"].values()
    measures = dict.fromkeys(name for method in methods for name in method["means"])
    if measures:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
        table.add_column("Method", no_wrap=True)
        for name in measures:
            table.add_column(name, justify="right", no_wrap=True)
        for method in methods:
            table.add_row(method["title"], *(f"{method['means'][name]:.3f}" for name in measures))
        screen.print(table)
        screen.print()
    images, kilobytes = len(document["images"]), document["bytes"] / 1e3
    screen.print(
        f"{images} image{'' if images == 1 else 's'} by {', '.join(method['title'] for method in methods)}: "
        f"[cyan]{escape(document['page'])}[/], "
        + (f"{kilobytes:.0f} kB" if kilobytes < 1000 else f"{kilobytes / 1000:.1f} MB"),
        soft_wrap=True,
    )
