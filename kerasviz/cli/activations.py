"""`kerasviz activations`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kerasviz.cli import console, options
from kerasviz.cli.models import HELP as MODEL_HELP


def activations(
    images: options.Images,
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP, rich_help_panel=options.MODEL)],
    layer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="A layer, such as base/block5_conv3; see [bold]kerasviz inspect[/]. May be repeated; [bold]all[/] for "
            "every feature map. [dim]\\[default: the last spatial one][/]",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    channels: Annotated[
        str | None,
        typer.Option(
            metavar="K",
            help="How many of the strongest channels are drawn, [bold]all[/], or channels by number: 1,5,7 (a single "
            "one as 5,). [dim]\\[default: all, but at most the 64 strongest][/]",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    by: Annotated[
        Literal["max", "mean"],
        typer.Option(help="What makes a channel strong: its peak or its mean.", rich_help_panel=options.HOW),
    ] = "max",
    shared: Annotated[
        bool,
        typer.Option(
            "--shared",
            help="One range of colours for all channels of a layer, in the place of one for each.",
            rich_help_panel=options.HOW,
        ),
    ] = False,
    statistics: Annotated[
        bool,
        typer.Option(
            "--statistics",
            help="A table for each layer of its channels over all images, and which are dead. Runs them once more.",
            rich_help_panel=options.OUT,
        ),
    ] = False,
    no_arrays: Annotated[
        bool, typer.Option("--no-arrays", help="Draw only; save no values.", rich_help_panel=options.OUT)
    ] = False,
    preprocess: options.Preprocess = "auto",
    size: options.Size = None,
    fit: options.Fit = "crop",
    custom: options.Custom = None,
    unsafe: options.Unsafe = False,
    architecture: options.Architecture = None,
    signature: options.Signature = None,
    out: options.Out = Path("activations"),
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    batch_size: options.Batch = 16,
    traceback: options.Traceback = False,
):
    """Show what the channels of layers answer to pictures.

    Writes for each image and layer a montage of the channels, the values of all of them (read them with \
    kerasviz.features.Activations.load), and manifest.json. Images that cannot be read are named and skipped.

    [bold]Examples[/]

    [cyan]kerasviz activations cat.jpg --model imagenet[/]

    [cyan]kerasviz activations cat.jpg -m imagenet --layer stem_conv --layer block5_expand_relu --channels 16[/]

    [cyan]kerasviz activations photos/ -m cats.keras --layer all --statistics --no-arrays --json[/]

    [bold]Exit codes[/]: 0 all well; 1 some images were skipped; 2 nothing could be done; 130 interrupted.
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz import data
        from kerasviz.cli.pictures import parse_size

        # What can be wrong is found in order of what it costs: TensorFlow takes seconds, a model more.
        files = data.find_images(images)
        sides = parse_size(size)
        if preprocess != "auto":
            data.preprocessing.check_mode(preprocess)

        from kerasviz.cli.activated import document, print_table
        from kerasviz.cli.activating import NAME, Drawing, check_tables, parse_channels, prepare_activating
        from kerasviz.cli.folder import Folder
        from kerasviz.cli.models import open_model
        from kerasviz.cli.summary import carry_out

        drawing = Drawing(parse_channels(channels), by, "shared" if shared else "channel")
        folder = Folder(out, files, overwrite=overwrite)
        folder.check([NAME])
        if statistics:
            check_tables(folder)
        reporter.status(f"opening {model}")
        opened = open_model(
            model, custom=custom, unsafe=unsafe, architecture=architecture, signature=signature, preprocess=preprocess
        )
        reporter.status("preparing")
        work = prepare_activating(
            opened,
            files,
            folder,
            layers=layer,
            drawing=drawing,
            sides=sides,
            fit=fit,
            statistics=statistics,
            arrays=not no_arrays,
            batch_size=batch_size,
        )
        raise typer.Exit(carry_out(work, reporter, stdout, json=json, document=document, table=print_table))
