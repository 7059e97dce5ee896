"""`kerasviz reconstruct`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kerasviz.cli import console, options
from kerasviz.cli.models import HELP as MODEL_HELP


def reconstruct(
    images: options.Images,
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP, rich_help_panel=options.MODEL)],
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="The layer whose channels are looked at, such as base/block5_conv3; see [bold]kerasviz inspect[/]. "
            "[dim]\\[default: the last spatial one][/]",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    channel: Annotated[
        list[int] | None,
        typer.Option(min=0, metavar="N", help="A channel. May be repeated.", rich_help_panel=options.WHAT),
    ] = None,
    strongest: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="The K channels that answer most to each image. [dim]\\[default: 9, without --channel][/]",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    top: Annotated[
        bool,
        typer.Option(
            "--top",
            help="For each --channel the nine images that activate it most, in the place of a picture for each image.",
            rich_help_panel=options.WHAT,
        ),
    ] = False,
    rule: Annotated[
        Literal["deconvnet", "guided", "backprop"],
        typer.Option(help="What rectifiers do to the signal on its way down.", rich_help_panel=options.HOW),
    ] = "deconvnet",
    keep: Annotated[
        str,
        typer.Option(
            metavar="WHAT",
            help="Of the channel: its [bold]strongest[/] unit, the whole [bold]map[/], or the unit at ROW,COLUMN.",
            rich_help_panel=options.HOW,
        ),
    ] = "strongest",
    preprocess: options.Preprocess = "auto",
    input_size: options.InputSize = None,
    fit: options.Fit = "crop",
    custom: options.Custom = None,
    unsafe: options.Unsafe = False,
    architecture: options.Architecture = None,
    signature: options.Signature = None,
    out: options.Out = Path("reconstructed"),
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    batch_size: options.Batch = 16,
    traceback: options.Traceback = False,
):
    """Show what in a picture the channels of a layer answer to, projected back to pixels (Zeiler and Fergus).

    Writes a picture for each image, or with --top for each channel, with the reconstructions beside the parts of the \
    image that the units see; all arrays (read them with kerasviz.Explanation.load); and manifest.json with all \
    numbers. Images that cannot be read are named and skipped.

    [bold]Examples[/]

    [cyan]kerasviz reconstruct cat.jpg --model imagenet --layer block5_expand_bn --rule guided[/]

    [cyan]kerasviz reconstruct cat.jpg dog.jpg -m shapes --layer relu3 --channel 5 --channel 12 --rule guided[/]

    [cyan]kerasviz reconstruct photos/ -m cats.keras --layer base/conv3 --channel 7 --top --json[/]

    [bold]Exit codes[/]: 0 all well; 1 some images were skipped; 2 nothing could be done; 130 interrupted.
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz import data
        from kerasviz.cli.pictures import parse_size

        # What can be wrong is found in order of what it costs: TensorFlow takes seconds, a model more.
        files = data.find_images(images)
        sides = parse_size(input_size, "--input-size")
        if preprocess != "auto":
            data.preprocessing.check_mode(preprocess)

        from kerasviz.cli.folder import Folder
        from kerasviz.cli.models import open_model
        from kerasviz.cli.reconstructed import carry_out
        from kerasviz.cli.reconstructing import NAME, check_choice, parse_keep, prepare_reconstructing

        kept = parse_keep(keep)
        check_choice(channel, strongest, kept, top=top)
        folder = Folder(out, files, overwrite=overwrite)
        folder.check([NAME])
        reporter.status(f"opening {model}")
        opened = open_model(
            model, custom=custom, unsafe=unsafe, architecture=architecture, signature=signature, preprocess=preprocess
        )
        reporter.status("preparing")
        work = prepare_reconstructing(
            opened,
            files,
            folder,
            layer=layer,
            channels=channel,
            strongest=strongest,
            top=top,
            rule=rule,
            keep=kept,
            sides=sides,
            fit=fit,
            batch_size=batch_size,
        )
        raise typer.Exit(carry_out(work, reporter, stdout, json=json))
