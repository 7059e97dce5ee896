"""`kerasviz explain`."""

from pathlib import Path
from typing import Annotated

import typer

from kerasviz.cli import console, options
from kerasviz.cli.models import HELP as MODEL_HELP


def explain(
    images: options.Images,
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP, rich_help_panel=options.MODEL)],
    method: Annotated[
        list[str],
        typer.Option(
            help="A method, several with commas, or [bold]all[/] but the slow; see [bold]kerasviz methods[/].",
            rich_help_panel=options.HOW,
        ),
    ] = ["grad-cam"],  # noqa: B006  typer copies it
    layer: options.Layer = None,
    setting: options.Setting = None,
    target: options.Target = None,
    top: options.Top = None,
    output: options.Output = None,
    labels: options.Labels = None,
    preprocess: options.Preprocess = "auto",
    size: options.Size = None,
    fit: options.Fit = "crop",
    custom: options.Custom = None,
    unsafe: options.Unsafe = False,
    architecture: options.Architecture = None,
    signature: options.Signature = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where pictures go.", rich_help_panel=options.OUT)
    ] = Path("explanations"),
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    alpha: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Opacity of heat maps over the picture.", rich_help_panel=options.OUT),
    ] = None,
    cmap: Annotated[
        str | None,
        typer.Option(help="Colour map of maps without a sign, as matplotlib calls it.", rich_help_panel=options.OUT),
    ] = None,
    batch_size: options.Batch = 16,
    seed: options.Seed = 0,
    traceback: options.Traceback = False,
):
    """Show where a network looks in pictures, and which of it speaks for a class.

    Writes a picture for each method and class, a contact sheet for each image with more than one, and \
    manifest.json with all numbers. Images that cannot be read are named and skipped.

    [bold]Examples[/]

    [cyan]kerasviz explain cat.jpg --model imagenet[/]

    [cyan]kerasviz explain photos/ -m cats.keras --labels cats.txt --method grad-cam,smooth-grad --top 3[/]

    [cyan]kerasviz explain 'scans/**/*.png' -m net.h5 --layer base/block5_conv3 --target pneumonia --json[/]

    [bold]Exit codes[/]: 0 all well; 1 some images were skipped; 2 nothing could be done; 130 interrupted.
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz import data
        from kerasviz.cli.pictures import Style, parse_size

        # What can be wrong is found in order of what it costs: TensorFlow takes seconds, a model more.
        files = data.find_images(images)
        names_of_classes = None if labels is None else data.read_labels(labels)
        sides = parse_size(size)
        settings = options.settings_of(setting, layer)
        if preprocess != "auto":
            data.preprocessing.check_mode(preprocess)
        style = Style(alpha, cmap)
        style.check()

        from kerasviz.cli.choosing import method_names
        from kerasviz.cli.folder import Folder
        from kerasviz.cli.models import open_model
        from kerasviz.cli.run import prepare
        from kerasviz.cli.summary import carry_out

        methods, every = method_names(method)
        folder = Folder(out, files, overwrite=overwrite)
        folder.check(methods)
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
        reporter.status(f"preparing {', '.join(methods)}")
        work = prepare(
            opened,
            files,
            methods,
            folder,
            drop_unfit=every,
            output=output,
            targets=target or [],
            top=top,
            sides=sides,
            fit=fit,
            style=style,
            batch_size=batch_size,
            seed=seed,
            settings=settings,
        )
        raise typer.Exit(carry_out(work, reporter, stdout, json=json))
