"""`kerasviz occlude`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kerasviz.cli import console, options
from kerasviz.cli.models import HELP as MODEL_HELP


def occlude(
    images: options.Images,
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP, rich_help_panel=options.MODEL)],
    size: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PIXELS",
            help="Of the patch: 50, or 32x48 for height and width. Several, with commas or repeated, make a sweep. "
            "[dim]\\[default: a seventh of the input's shorter side][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    stride: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PIXELS",
            help="The step between positions; one for all sizes or one for each. "
            "[dim]\\[default: a quarter of the size][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    fill: Annotated[
        str,
        typer.Option(
            metavar="FILL",
            help="What hides the part: [bold]grey[/], [bold]mean[/], [bold]blur[/], [bold]noise[/], or a number or "
            "colour (1,2,3) in the values that the network takes.",
            rich_help_panel=options.HOW,
        ),
    ] = "grey",
    interpolate: Annotated[
        bool,
        typer.Option(
            "--interpolate",
            help="Interpolate between the patch's centres; allows strides larger than it.",
            rich_help_panel=options.HOW,
        ),
    ] = False,
    three_maps: Annotated[
        bool,
        typer.Option(
            "--three-maps",
            help="For each position also the strongest feature map, the probability and the top class, as Zeiler and "
            "Fergus drew them.",
            rich_help_panel=options.HOW,
        ),
    ] = False,
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Whose feature map --three-maps looks at; see [bold]kerasviz inspect[/]. "
            "[dim]\\[default: the last spatial one][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    probability: Annotated[
        bool,
        typer.Option(
            "--probability", help="Drops of the probability, not of the score before it.", rich_help_panel=options.HOW
        ),
    ] = False,
    precision: Annotated[
        Literal["float32", "bfloat16"],
        typer.Option(help="Of the computation; bfloat16 is rougher.", rich_help_panel=options.HOW),
    ] = "float32",
    target: options.Target = None,
    top: options.Top = None,
    output: options.Output = None,
    labels: options.Labels = None,
    preprocess: options.Preprocess = "auto",
    input_size: options.InputSize = None,
    fit: options.Fit = "crop",
    custom: options.Custom = None,
    unsafe: options.Unsafe = False,
    architecture: options.Architecture = None,
    signature: options.Signature = None,
    out: options.Out = Path("occluded"),
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    batch_size: Annotated[
        int,
        typer.Option(
            "--batch-size",
            "--batch",
            min=1,
            metavar="N",
            help="Positions at once; bounds the memory.",
            rich_help_panel=options.HOW,
        ),
    ] = 32,
    seed: options.Seed = 0,
    traceback: options.Traceback = False,
):
    """Hide one part of a picture after another, and show what the class's score loses.

    Writes for each image a picture with the heat map, a sheet of all sizes, the three maps if they were asked for, \
    all arrays (read them with kerasviz.Explanation.load), and manifest.json with all numbers. Images that cannot be \
    read are named and skipped.

    [bold]Examples[/]

    [cyan]kerasviz occlude cat.jpg --model imagenet --size 50 --stride 10[/]

    [cyan]kerasviz occlude cat.jpg -m imagenet --size 10,50,75 --stride 10,10,25 --target "tiger cat"[/]

    [cyan]kerasviz occlude photos/ -m cats.keras --three-maps --fill blur --json[/]

    [bold]Exit codes[/]: 0 all well; 1 some images were skipped; 2 nothing could be done; 130 interrupted.
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz import data
        from kerasviz.cli.pictures import parse_size
        from kerasviz.errors import SettingError

        # What can be wrong is found in order of what it costs: TensorFlow takes seconds, a model more.
        files = data.find_images(images)
        names_of_classes = None if labels is None else data.read_labels(labels)
        sides = parse_size(input_size, "--input-size")
        if layer is not None and not three_maps:
            raise SettingError(
                f"--layer {layer!r} without --three-maps",
                expected="a layer only for the maps that look at one",
                mend="Add --three-maps, or leave --layer out",
            )
        if preprocess != "auto":
            data.preprocessing.check_mode(preprocess)

        from kerasviz.cli.folder import Folder
        from kerasviz.cli.models import open_model
        from kerasviz.cli.occluded import document, print_table
        from kerasviz.cli.occluding import NAME, parse_fill, parse_lengths, prepare_occluding
        from kerasviz.cli.summary import carry_out

        settings = {
            "size": parse_lengths(size or [], "--size"),
            "stride": parse_lengths(stride or [], "--stride"),
            "fill": parse_fill(fill),
            "interpolate": interpolate,
            "three_maps": three_maps,
            "layer": layer,
            "probability": probability,
            "precision": precision,
        }
        folder = Folder(out, files, overwrite=overwrite)
        folder.check([NAME])
        reporter.status(f"opening {model}")
        opened = open_model(
            model,
            custom=custom,
            unsafe=unsafe,
            architecture=architecture,
            signature=signature,
            labels=names_of_classes,
            preprocess=preprocess,
        )
        reporter.status("preparing")
        work = prepare_occluding(
            opened,
            files,
            folder,
            output=output,
            targets=target or [],
            top=top,
            sides=sides,
            fit=fit,
            batch_size=batch_size,
            seed=seed,
            settings=settings,
        )
        reporter.note(work.cost())
        raise typer.Exit(carry_out(work, reporter, stdout, json=json, document=document, table=print_table))
