"""`kerasviz inspect`."""

from typing import Annotated

import typer

from kerasviz.cli import console
from kerasviz.cli.models import HELP as MODEL_HELP
from kerasviz.cli.options import Traceback


def inspect(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    maps: Annotated[
        bool, typer.Option("--maps", help="Only layers with a spatial feature map: what --layer can name.")
    ] = False,
    last: Annotated[int | None, typer.Option("--layers", min=1, metavar="N", help="Only the last N layers.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
    custom: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE:NAME", help="A class or function of the model's own. May be repeated."),
    ] = None,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Run code inside the model file, from a maker you trust.")
    ] = False,
    traceback: Traceback = False,
):
    """Show what a model is made of, and what the methods would find in it.

    Lists the layers by the paths that [bold]--layer[/] takes, where heat maps can be made, which rectifiers guided \
    backpropagation and DeconvNet would change, and what the outputs end in.

    [bold]Examples[/]

    [cyan]kerasviz inspect cats.keras[/]

    [cyan]kerasviz inspect keras:VGG16 --maps[/]
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        reporter.status(f"opening {model}")
        from kerasviz.cli.findings import print_findings
        from kerasviz.cli.models import open_model
        from kerasviz.inspection import examine

        opened = open_model(model, custom=custom, unsafe=unsafe)
        reporter.status("looking at every layer")
        findings = {"given": console.printable(opened.given), **examine(opened.network, opened.model)}
        layers = findings["layers"]
        if maps:
            layers = [layer for layer in layers if layer["map"]]
        if last is not None:
            layers = layers[-last:]
        reporter.status()
        if json:
            console.print_json({**findings, "layers": layers}, stdout)
        else:
            print_findings(findings, layers, stdout)
