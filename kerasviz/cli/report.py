"""`kerasviz report`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kerasviz.cli import console, options
from kerasviz.cli.models import HELP as MODEL_HELP


def report(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    images: options.Images,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A method, several with commas, or [bold]all[/] but the slow; see [bold]kerasviz methods[/]. "
            "[dim]\\[default: grad-cam,guided-grad-cam,saliency, where they fit][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    layer: options.Layer = None,
    setting: options.Setting = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS",
            help="A class to explain for every image, beside its top classes: its number or its label. May be "
            "repeated.",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    top: Annotated[
        int,
        typer.Option(min=0, metavar="K", help="Explain the K top classes of each image.", rich_help_panel=options.WHAT),
    ] = 2,
    output: options.Output = None,
    annotations: Annotated[
        Path | None,
        typer.Option(
            "--annotations",
            "-a",
            metavar="FILE",
            help="The true boxes, as [bold]kerasviz localize[/] takes them: each method is then measured by how well "
            "its maps of the annotated classes find them. Pictures are stretched.",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    labels: options.Labels = None,
    preprocess: options.Preprocess = "auto",
    size: options.Size = None,
    fit: Annotated[
        Literal["crop", "pad", "stretch"] | None,
        typer.Option(
            help="How a picture meets another shape. [dim]\\[default: crop, or stretch with --annotations][/]",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    custom: options.Custom = None,
    unsafe: options.Unsafe = False,
    architecture: options.Architecture = None,
    signature: options.Signature = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The page.", rich_help_panel=options.OUT)
    ] = Path("report.html"),
    title: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Of the page. [dim]\\[default: the model's name][/]", rich_help_panel=options.OUT
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier page.", rich_help_panel=options.OUT)
    ] = False,
    json: options.Json = False,
    batch_size: options.Batch = 16,
    seed: options.Seed = 0,
    traceback: options.Traceback = False,
):
    """Write one page about a model and some pictures: what it is made of, what it sees in each, and why.

    The page is one file that needs nothing beside it: the model's layers, the top predictions of each picture, and \
    the maps of several methods for several classes side by side. Pictures that cannot be read are named and skipped.

    [bold]Examples[/]

    [cyan]kerasviz report imagenet photos/ --out report.html[/]

    [cyan]kerasviz report cats.keras photos/ --labels cats.txt --method grad-cam,layer-cam --annotations boxes.csv[/]

    [bold]Exit codes[/]: 0 all well; 1 some images or rows were skipped; 2 nothing could be done; 130 interrupted.
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz import data
        from kerasviz.cli.pictures import parse_size
        from kerasviz.cli.places import check_page

        # What can be wrong is found in order of what it costs: TensorFlow takes seconds, a model more.
        check_page(out, overwrite=overwrite)
        _check(target, top, fit, annotations)
        files = data.find_images(images)
        truth = None if annotations is None else data.read_annotations(annotations)
        names_of_classes = None if labels is None else data.read_labels(labels)
        sides = parse_size(size)
        settings = options.settings_of(setting, layer)
        if preprocess != "auto":
            data.preprocessing.check_mode(preprocess)

        from kerasviz.cli.choosing import method_names
        from kerasviz.cli.models import open_model
        from kerasviz.cli.reported import carry_out
        from kerasviz.cli.reporting import prepare_reporting
        from kerasviz.report import DEFAULT_METHODS

        methods, every = method_names(method or list(DEFAULT_METHODS))
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
        work = prepare_reporting(
            opened,
            files,
            truth,
            methods,
            out,
            drop_unfit=every or not method,
            targets=target or [],
            top=top,
            output=output,
            sides=sides,
            fit=fit or ("crop" if truth is None else "stretch"),
            title=title,
            batch_size=batch_size,
            seed=seed,
            settings=settings,
        )
        raise typer.Exit(carry_out(work, reporter, stdout, json=json))


def _check(target, top, fit, annotations):
    """Refuse options that contradict each other."""
    from kerasviz.errors import SettingError

    if top == 0 and not target:
        raise SettingError("--top 0 without --target", expected="a class to explain", mend="Name one by --target")
    if annotations is not None and fit not in (None, "stretch"):
        raise SettingError(
            f"--fit {fit} with --annotations",
            expected="--fit stretch, so that true boxes stay boxes",
            mend="Leave --fit out",
        )
