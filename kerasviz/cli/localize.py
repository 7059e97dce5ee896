"""`kerasviz localize`."""

from pathlib import Path
from typing import Annotated

import typer

from kerasviz.cli import console, options
from kerasviz.cli.models import HELP as MODEL_HELP


def localize(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    images: options.Images,
    annotations: Annotated[
        Path,
        typer.Option(
            "--annotations",
            "-a",
            metavar="FILE",
            help="The true boxes: COCO's JSON, or CSV with the columns image,label,x0,y0,x1,y1.",
            rich_help_panel=options.WHAT,
        ),
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A method, or several with commas. [dim]\\[default: cam for a network with the head for it, or "
            "grad-cam][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Where boxes are cut, as a share of a map's maximum. [dim]\\[default: 0.2 for cam, else 0.15][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    iou: Annotated[
        float,
        typer.Option(metavar="SHARE", help="The overlap from which on a box is right.", rich_help_panel=options.HOW),
    ] = 0.5,
    top: Annotated[
        int, typer.Option(min=1, metavar="K", help="Guesses an image beside the first.", rich_help_panel=options.HOW)
    ] = 5,
    layer: options.Layer = None,
    setting: options.Setting = None,
    output: options.Output = None,
    labels: options.Labels = None,
    preprocess: options.Preprocess = "auto",
    size: options.Size = None,
    custom: options.Custom = None,
    unsafe: options.Unsafe = False,
    architecture: options.Architecture = None,
    signature: options.Signature = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Draw the boxes there.", rich_help_panel=options.OUT),
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    batch_size: options.Batch = 16,
    seed: options.Seed = 0,
    traceback: options.Traceback = False,
):
    """Measure how well heat maps find the objects that they name, against true boxes.

    For each annotated class of each image: the error of its top guesses (class and box, as ILSVRC measures it), that \
    of the box alone, the pointing game and the energy inside the boxes; beside them what a box in the middle gets. \
    Pictures are stretched to the network's size. Rows that make no sense are named and left out.

    [bold]Examples[/]

    [cyan]kerasviz localize cats.keras photos/ --annotations boxes.csv --labels cats.txt[/]

    [cyan]kerasviz localize imagenet val/ -a val.json --method grad-cam,layer-cam --out boxes[/]

    [bold]Exit codes[/]: 0 all well; 1 some images or rows were skipped; 2 nothing could be done; 130 interrupted.
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz import data
        from kerasviz.cli.pictures import parse_size

        files = data.find_images(images)
        truth = data.read_annotations(annotations)
        names_of_classes = None if labels is None else data.read_labels(labels)
        sides = parse_size(size)
        settings = options.settings_of(setting, layer)
        if preprocess != "auto":
            data.preprocessing.check_mode(preprocess)

        from kerasviz.cli.choosing import method_names
        from kerasviz.cli.folder import Folder
        from kerasviz.cli.localizing import prepare
        from kerasviz.cli.models import open_model
        from kerasviz.cli.verdict import carry_out

        methods = None if not method else method_names(method)[0]
        folder = None if out is None else Folder(out, files, overwrite=overwrite)
        if folder is not None:
            folder.check(methods or ["cam", "grad-cam"])
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
        work = prepare(
            opened,
            files,
            truth,
            methods,
            folder,
            output=output,
            sides=sides,
            threshold=threshold,
            iou=iou,
            top=top,
            batch_size=batch_size,
            seed=seed,
            settings=settings,
        )
        raise typer.Exit(carry_out(work, reporter, stdout, json=json))
