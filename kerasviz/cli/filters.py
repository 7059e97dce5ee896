"""`kerasviz filters`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kerasviz.cli import console, options
from kerasviz.cli.models import HELP as MODEL_HELP


def filters(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="A convolution of any kind, such as base/block5_conv3; see [bold]kerasviz inspect[/]. "
            "[dim]\\[default: the first][/]",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of a layer with several kernels: [bold]depthwise[/] or [bold]pointwise[/] of a separable "
            "convolution, or the name of a custom layer's weight. [dim]\\[default: the first][/]",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    channels: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NUMBERS",
            help="Which filters: 0,3,8-15. May be repeated. [dim]\\[default: all][/]",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    sort: Annotated[
        Literal["norm", "similarity"] | None,
        typer.Option(
            help="The strongest first, or those beside each other that are alike. [dim]\\[default: by number][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    scale: Annotated[
        Literal["separate", "shared"],
        typer.Option(
            help="Whether each filter is drawn in its own range, or all in one, so that strengths can be compared.",
            rich_help_panel=options.HOW,
        ),
    ] = "separate",
    reduce: Annotated[
        Literal["sum", "mean", "abs_sum", "max_abs"] | None,
        typer.Option(
            help="One tile a filter: how its input channels are put together. "
            "[dim]\\[default: colour where there are three, else a tile for each][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Filters and input channels drawn at most, each.", rich_help_panel=options.HOW
        ),
    ] = 64,
    gabor: Annotated[
        bool,
        typer.Option(
            "--gabor",
            help="Also fit a Gabor function to each filter: orientation, frequency, phase and what is left.",
            rich_help_panel=options.HOW,
        ),
    ] = False,
    centred: Annotated[
        bool,
        typer.Option(
            "--centred",
            help="Gabor functions round and in the middle of the kernel: five parameters instead of nine, for 3x3.",
            rich_help_panel=options.HOW,
        ),
    ] = False,
    custom: options.Custom = None,
    unsafe: options.Unsafe = False,
    architecture: options.Architecture = None,
    signature: options.Signature = None,
    out: options.Out = Path("filters"),
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    traceback: options.Traceback = False,
):
    """Draw the weights of a convolution, and say what its filters are like.

    Writes filters.png (one flat square a weight; zero is mid-grey), the same with numbers beside the tiles, the \
    weights as filters.npz, and the statistics of each filter as CSV and JSON: its norm, whether it is zero, whether \
    it equals another. With --gabor also gabor.csv, gabor.json, the fits beside their filters, and a plot of \
    orientation against frequency. An orientation is the direction across the stripes, counterclockwise from the x \
    axis: 0 is a vertical edge.

    [bold]Examples[/]

    [cyan]kerasviz filters imagenet --sort similarity[/]

    [cyan]kerasviz filters keras:ResNet50 --gabor --out stem[/]

    [cyan]kerasviz filters cats.keras --layer base/conv2 --channels 0-15 --scale shared --json[/]

    [bold]Exit codes[/]: 0 all well; 2 nothing could be done; 130 interrupted.
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz.cli.filtering import document, measure, names_of_files, parse_numbers, print_tables, save
        from kerasviz.errors import SettingError
        from kerasviz.writing import check_free

        # What can be wrong is found in order of what it costs: TensorFlow takes seconds, a model more.
        if centred and not gabor:
            raise SettingError("--centred without --gabor", expected="both", mend="Add --gabor, or leave --centred out")
        numbers = parse_numbers(channels or [])
        check_free(out, names_of_files(gabor=gabor), overwrite=overwrite)
        reporter.status(f"opening {model}")

        from kerasviz.cli.models import open_model

        opened = open_model(model, custom=custom, unsafe=unsafe, architecture=architecture, signature=signature)
        reporter.status("reading the weights")
        found = measure(opened, layer, part=part, channels=numbers, sort=sort, gabor=gabor, centred=centred)
        reporter.status("drawing")
        save(found, out, scale=scale, reduce=reduce, limit=limit, overwrite=overwrite)
        reporter.status()
        if json:
            console.print_json(document(opened, found, out, scale, reporter.warnings), stdout)
        else:
            print_tables(found, out, stdout)
