"""`kerasviz explain`."""

import ast
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from kerasviz.cli import console
from kerasviz.cli.models import HELP as MODEL_HELP

_WHAT, _HOW, _OUT, _MODEL = "What to explain", "How", "Results", "Model"
Traceback = Annotated[bool, typer.Option("--traceback", help="Show Python's traceback of an error.", hidden=True)]


def explain(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE", help="Picture files, folders (searched with all below), patterns."),
    ],
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP, rich_help_panel=_MODEL)],
    method: Annotated[
        list[str],
        typer.Option(
            help="A method, several with commas, or [bold]all[/]; see [bold]kerasviz methods[/].",
            rich_help_panel=_HOW,
        ),
    ] = ["grad-cam"],  # noqa: B006  typer copies it
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="The layer whose feature map is looked at, such as base/block5_conv3; see [bold]kerasviz inspect[/]. "
            "[dim]\\[default: the last spatial one][/]",
            rich_help_panel=_HOW,
        ),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="A setting of the method, such as samples=100.", rich_help_panel=_HOW
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS",
            help="A class to explain: its number or its label. May be repeated. "
            "[dim]\\[default: each image's top class][/]",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(min=1, metavar="K", help="Explain the K top classes of each image.", rich_help_panel=_WHAT),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which output, of a model with several.", rich_help_panel=_WHAT),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="The names of the classes: text with one a line, or JSON.", rich_help_panel=_MODEL),
    ] = None,
    preprocess: Annotated[
        str,
        typer.Option(
            metavar="MODE",
            help="What the network was trained on: [bold]none[/] (0..255), [bold]scale[/] (0..1), [bold]tf[/] (-1..1), "
            "[bold]torch[/], [bold]caffe[/], [bold]lite[/]; [bold]auto[/] looks at how it begins.",
            rich_help_panel=_MODEL,
        ),
    ] = "auto",
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="The input's size, for a network that takes any.", rich_help_panel=_MODEL),
    ] = None,
    fit: Annotated[
        Literal["crop", "pad", "stretch"],
        typer.Option(help="How a picture meets another shape.", rich_help_panel=_MODEL),
    ] = "crop",
    custom: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE:NAME",
            help="A class or function of the model's own. May be repeated.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    unsafe: Annotated[
        bool,
        typer.Option(
            "--unsafe", help="Run code inside the model file, from a maker you trust.", rich_help_panel=_MODEL
        ),
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where pictures go.", rich_help_panel=_OUT)
    ] = Path("explanations"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier results there.", rich_help_panel=_OUT)
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of a table.", rich_help_panel=_OUT)
    ] = False,
    alpha: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Opacity of heat maps over the picture.", rich_help_panel=_OUT),
    ] = None,
    cmap: Annotated[
        str | None,
        typer.Option(help="Colour map of maps without a sign, as matplotlib calls it.", rich_help_panel=_OUT),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="Images at once; bounds the memory.", rich_help_panel=_HOW)
    ] = 16,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Of methods that draw at random.", rich_help_panel=_HOW)
    ] = 0,
    traceback: Traceback = False,
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
        settings = _settings(setting or [])
        mode = None if preprocess == "auto" else data.preprocessing.check_mode(preprocess)
        style = Style(alpha, cmap)
        style.check()

        from kerasviz.cli.folder import Folder
        from kerasviz.cli.models import open_model
        from kerasviz.cli.run import method_names, prepare
        from kerasviz.cli.summary import carry_out

        methods, every = method_names(method)
        folder = Folder(out, files, overwrite=overwrite)
        folder.check(methods)
        reporter.status(f"opening {model}")
        opened = open_model(model, custom=custom or [], unsafe=unsafe)
        if names_of_classes is not None:
            opened = replace(opened, labels=names_of_classes)
        if mode is not None:
            opened = replace(opened, preprocess=mode, preprocess_name=preprocess)
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
            layer=layer,
            seed=seed,
            settings=settings,
        )
        raise typer.Exit(carry_out(work, reporter, stdout, json=json))


def _settings(given: list[str]) -> dict:
    """`--set` as keyword arguments.

    Raises:
        SettingError: an entry has no equals sign.
    """
    from kerasviz.errors import SettingError

    settings = {}
    for entry in given:
        name, equals, value = entry.partition("=")
        if not equals or not name.strip().isidentifier():
            raise SettingError(f"--set {entry!r}", expected="NAME=VALUE", mend="For example --set samples=100")
        try:
            settings[name.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            settings[name.strip()] = value.strip()  # a word, such as rule=trapezoid
    return settings
