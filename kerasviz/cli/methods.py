"""`kerasviz methods`."""

import inspect
from typing import Annotated

import typer

from kerasviz.cli import console
from kerasviz.cli.options import Traceback


def methods(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
    traceback: Traceback = False,
):
    """List the methods that [bold]explain[/] knows, and what each costs."""
    with console.reporting(traceback), console.results_only_on_stdout() as stdout:
        from kerasviz.attribution import methods as registered

        rows = [_describe(kind) for kind in registered().values()]
        if json:
            console.print_json({"methods": rows}, stdout)
        else:
            _print(rows, stdout)


def _describe(kind):
    """A method as it is with its defaults, on a small network that all fit: settings decide signs and passes."""
    import keras
    from keras import layers

    tiny = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(2, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    made = kind(tiny)
    return {
        "name": made.name.replace("_", "-"),
        "title": made.title,
        "kind": made.kind,
        "needs_layer": made.needs_layer,
        "takes_layer": "layer" in inspect.signature(kind).parameters,
        "signed": bool(made.signed),
        "slow": made.slow,
        "passes": made.passes,
        "passes_per": made.passes_per,
    }


def _print(rows, out):
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("--method", style="cyan", no_wrap=True)
    table.add_column("Method", no_wrap=True)
    table.add_column("Map of")
    table.add_column("Signed", justify="center")
    table.add_column("--layer", justify="center")
    table.add_column("Passes", justify="right")
    for row in rows:
        table.add_row(
            row["name"],
            row["title"],
            "pixels" if row["kind"] == "pixels" else "regions",
            "±" if row["signed"] else "",
            "yes" if row["takes_layer"] else "",
            f"{row['passes']}" + ("" if row["passes_per"] == "image" else f"/{row['passes_per']}"),
        )
    screen = Console(file=out, highlight=False)
    screen.print(table)
    screen.print("\n[dim]± red speaks for the class, blue against it. Passes: runs per image.[/]")
