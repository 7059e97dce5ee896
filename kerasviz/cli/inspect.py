"""`kerasviz inspect`."""

from pathlib import Path
from typing import Annotated

import typer

from kerasviz.cli import console
from kerasviz.cli.models import HELP as MODEL_HELP
from kerasviz.cli.options import Traceback

SHOW, FILE = "What to show", "The model file"
#: The exit code where --strict finds weights that are broken.
BROKEN = 1


def inspect(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    weights: Annotated[
        bool, typer.Option("--weights", help="All weights with their numbers and health.", rich_help_panel=SHOW)
    ] = False,
    maps: Annotated[
        bool,
        typer.Option(
            "--maps",
            help="Only layers with a spatial feature map: what --layer can name.",
            rich_help_panel=SHOW,
        ),
    ] = False,
    last: Annotated[
        int | None, typer.Option("--layers", min=1, metavar="N", help="Only the last N layers.", rich_help_panel=SHOW)
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Only N levels of the tree of layers.", rich_help_panel=SHOW),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of tables.", rich_help_panel=SHOW)
    ] = False,
    graph: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also draw the network into this .svg, .png, .pdf or .dot file; --depth counts there, too.",
            rich_help_panel=SHOW,
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 1 if weights are broken: NaN, infinite.", rich_help_panel=SHOW),
    ] = False,
    architecture: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="For a file that holds weights alone, what they are the weights of: keras:ResNet50, a .json or .keras "
            "file, or module:function.",
            rich_help_panel=FILE,
        ),
    ] = None,
    signature: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which function of a SavedModel, if it has several.", rich_help_panel=FILE),
    ] = None,
    custom: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE:NAME",
            help="A class or function of the model's own. May be repeated.",
            rich_help_panel=FILE,
        ),
    ] = None,
    unsafe: Annotated[
        bool,
        typer.Option("--unsafe", help="Run code inside the model file, from a maker you trust.", rich_help_panel=FILE),
    ] = False,
    traceback: Traceback = False,
):
    """Show what a model is made of, what is wrong with its weights, and what the methods would find in it.

    First what is wrong: NaN, weights that are zero, constant or exploded, filters that are equal or dead, \
    normalizations that no training has updated. Then the layers as a tree, by names that [bold]--layer[/] takes, with \
    what each unit sees of the image and the activations that guided backpropagation and DeconvNet would change; then \
    what takes the memory.

    [bold]Examples[/]

    [cyan]kerasviz inspect cats.keras[/]

    [cyan]kerasviz inspect keras:VGG16 --maps[/]

    [cyan]kerasviz inspect cats.keras --weights --strict[/]
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        reporter.status(f"opening {model}")
        from kerasviz.cli.models import open_model
        from kerasviz.inspection import examine
        from kerasviz.inspection.tree import folded

        opened = open_model(model, custom=custom, unsafe=unsafe, architecture=architecture, signature=signature)
        if graph is not None:
            reporter.status(f"drawing {graph}")
            from kerasviz.network.wiring import wiring
            from kerasviz.plotting.diagrams import write_diagram

            write_diagram(wiring(opened.network), graph, depth=depth)
            reporter.note(f"wrote {graph}")
        reporter.status("looking at every layer and weight")
        findings = {
            "given": console.printable(opened.given),
            "file": _file(model),
            "graph": None if graph is None else console.printable(graph),
            **examine(opened.network, opened.model),
        }
        layers = folded(findings["layers"], depth)
        if maps:
            layers = [layer for layer in layers if layer["map"]]
        if last is not None:
            layers = layers[-last:]
        reporter.status()
        if json:
            console.print_json({**findings, "layers": layers}, stdout)
        else:
            _print(findings, layers, weights, whole=not maps and last is None, out=stdout)
        if strict and any(problem["severity"] == "broken" for problem in findings["problems"]):
            raise typer.Exit(BROKEN)


def _file(given):
    """What the file says of itself, None where the model comes from elsewhere."""
    if given in ("imagenet", "shapes") or given.lower().startswith("keras:"):
        return None
    from kerasviz.network.files import describe

    return describe(given).as_dict()


def _print(findings, layers, weights, whole, out):
    from kerasviz.cli import findings as sections
    from kerasviz.cli.columns import screen_on
    from kerasviz.cli.layering import print_list, print_tree
    from kerasviz.cli.weighing import print_weights

    screen = screen_on(out)
    sections.print_problems(findings, screen)
    if weights:
        print_weights(findings, screen)
        return
    sections.print_facts(findings, screen)
    (print_tree if whole else print_list)(findings, layers, screen)
    sections.print_sizes(findings, screen)
