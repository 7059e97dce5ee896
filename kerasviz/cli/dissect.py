"""`kerasviz dissect`."""

from pathlib import Path
from typing import Annotated

import typer

from kerasviz.cli import console, options
from kerasviz.cli.models import HELP as MODEL_HELP


def dissect(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    layer: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            "-l",
            metavar="PATH",
            help="A layer to dissect, such as base/block5_conv3; see [bold]kerasviz inspect[/]. May be repeated: "
            "all take the same two passes over the data. [dim]\\[default: the last spatial one][/]",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            metavar="DATA",
            help="Images with labelled pixels: [bold]scenes[/], which are drawn as needed; a folder with [bold]"
            "index.csv[/], in the format of Broden; or one with [bold]labels.csv[/], images and masks.",
            rich_help_panel=options.WHAT,
        ),
    ] = "scenes",
    images: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="How many images. [dim]\\[default: 1000 scenes, or all of a folder][/]",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    fraction: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="A unit is active at this share of all positions in all images.",
            rich_help_panel=options.HOW,
        ),
    ] = 0.005,
    rotation: Annotated[
        float | None,
        typer.Option(
            metavar="POWER",
            help="The baseline: dissect a random rotation of the layer's units instead of these; 1 rotates wholly, "
            "0.5 half the way.",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    top: Annotated[
        int, typer.Option(min=1, metavar="N", help="Images that are shown of each unit.", rich_help_panel=options.HOW)
    ] = 9,
    map_size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW",
            help="The size at which pixels are counted; half the images' is about four times faster. "
            "[dim]\\[default: that of the label maps][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    preprocess: options.Preprocess = "auto",
    input_size: options.InputSize = None,
    custom: options.Custom = None,
    unsafe: options.Unsafe = False,
    architecture: options.Architecture = None,
    signature: options.Signature = None,
    out: options.Out = Path("dissected"),
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Start anew, and replace earlier results there.", rich_help_panel=options.OUT),
    ] = False,
    json: options.Json = False,
    batch_size: options.Batch = 32,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Of the choice and order of images, and of --rotation.",
            rich_help_panel=options.HOW,
        ),
    ] = 0,
    traceback: options.Traceback = False,
):
    """Name the concepts that the units of a layer have learned to see: network dissection.

    Writes for each layer a table of its units (LAYER.csv, in the columns of the original), all about them \
    (LAYER.json), a page with the images that prove it (LAYER.html), all arrays (the folder LAYER: read it with \
    kerasviz.features.Dissection.load), and manifest.json. A run that was stopped goes on where it \
    was when the same command is given again. Images that cannot be read are named and skipped.

    [bold]Examples[/]

    [cyan]kerasviz dissect shapes --layer relu5 --images 200[/]

    [cyan]kerasviz dissect shapes --layer relu5 --images 200 --rotation 1[/]

    [cyan]kerasviz dissect keras:VGG16 -l block4_conv3 -l block5_conv3 --data broden1_224 -o vgg16/[/]

    [bold]Exit codes[/]: 0 all well; 1 some images were skipped; 2 nothing could be done; 130 interrupted.
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz import data as readers
        from kerasviz.cli.dissecting import check_settings, kind_of
        from kerasviz.cli.pictures import parse_size

        # What can be wrong is found in order of what it costs: TensorFlow takes seconds, a model more.
        kind = kind_of(data)
        check_settings(fraction, rotation)
        sides, maps = parse_size(input_size, "--input-size"), parse_size(map_size, "--map-size")
        if preprocess != "auto":
            readers.preprocessing.check_mode(preprocess)

        from kerasviz.cli.dissected import carry_out
        from kerasviz.cli.dissecting import prepare_dissecting
        from kerasviz.cli.models import open_model

        reporter.status(f"opening {model}")
        opened = open_model(
            model, custom=custom, unsafe=unsafe, architecture=architecture, signature=signature, preprocess=preprocess
        )
        reporter.status("preparing")
        work = prepare_dissecting(
            opened,
            layer,
            kind,
            data,
            out,
            overwrite=overwrite,
            images=images,
            sides=sides,
            map_size=maps,
            fraction=fraction,
            rotation=rotation,
            top=top,
            batch_size=batch_size,
            seed=seed,
        )
        raise typer.Exit(carry_out(work, reporter, stdout, json=json))
