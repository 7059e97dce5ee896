"""`kerasviz fool`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kerasviz.cli import console, options
from kerasviz.cli.models import HELP as MODEL_HELP


def fool(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            "-c",
            metavar="CLASS",
            help="A class that is asked: its number or its label. May be repeated. "
            "[dim]\\[default: all up to 20, else 10 evenly spaced][/]",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all-classes", help="All classes, however many.", rich_help_panel=options.WHAT)
    ] = False,
    method: Annotated[
        Literal["gradient", "map-elites", "cppn"],
        typer.Option(
            help="[bold]gradient[/] changes noise along the gradient, in seconds; [bold]map-elites[/] evolves noise "
            "without a gradient, and [bold]cppn[/] patterns, in minutes or hours.",
            rich_help_panel=options.HOW,
        ),
    ] = "gradient",
    confidence: Annotated[
        float,
        typer.Option(metavar="P", help="The probability that is asked, between 0 and 1.", rich_help_panel=options.HOW),
    ] = 0.99,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="At most, for each image; of gradient. [dim]\\[default: 500][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    generations: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="At most; of map-elites and cppn. [dim]\\[default: 200][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    start: Annotated[
        Literal["gaussian", "uniform", "zero"] | None,
        typer.Option(
            help="What gradient begins with: noise around the middle, noise over the whole range, or the value 0. "
            "[dim]\\[default: gaussian][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    output: options.Output = None,
    labels: options.Labels = None,
    preprocess: options.Preprocess = "auto",
    value_range: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH",
            help="The smallest and the largest value of images, for a network that takes other values than "
            "--preprocess can make of 0..255.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    size: options.Size = None,
    custom: options.Custom = None,
    unsafe: options.Unsafe = False,
    architecture: options.Architecture = None,
    signature: options.Signature = None,
    out: options.Out = Path("fooling"),
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    batch_size: options.Batch = 16,
    seed: options.Seed = 0,
    traceback: options.Traceback = False,
):
    """Make pictures that a network is sure of and that show nothing: fooling images.

    For each class a picture is made until the network takes it for that class with the wanted confidence \
    (Nguyen, Yosinski and Clune 2015). No picture is needed to begin with. Every confidence that is reported is \
    predicted anew by the model itself, for the picture as it stands in the file.

    Writes a PNG for each class in the network's own size, a sheet of all (sheet.png), a table (images.csv), all \
    arrays (read the folder with kerasviz.synthesis.fooling.record.FoolingImages.load), and manifest.json with the \
    seed and all settings: the same again makes the same pictures.

    [bold]Examples[/]

    [cyan]kerasviz fool shapes[/]

    [cyan]kerasviz fool imagenet --class 'king penguin' --class 949[/]

    [cyan]kerasviz fool digits.keras --value-range 0,16 --method map-elites --generations 500[/]

    [bold]Exit codes[/]: 0 all classes are reached; 1 some are not, and the best of them is written; 2 nothing could \
    be done; 130 interrupted.
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz import data
        from kerasviz.cli.pictures import parse_size

        # What can be wrong is found in order of what it costs: TensorFlow takes seconds, a model more.
        names_of_classes = None if labels is None else data.read_labels(labels)
        sides, bounds = parse_size(size), parse_range(value_range)
        check_method(method, steps=steps, generations=generations, start=start)
        if preprocess != "auto":
            data.preprocessing.check_mode(preprocess)

        from kerasviz.cli.fooled import carry_out
        from kerasviz.cli.fooling import prepare_fooling
        from kerasviz.cli.models import open_model
        from kerasviz.cli.places import check_folder
        from kerasviz.synthesis.fooling.saved import HOLDS

        check_folder(out, overwrite=overwrite, holds=HOLDS)
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
        work = prepare_fooling(
            opened,
            classes or [],
            every=every,
            method=method,
            confidence=confidence,
            steps=steps,
            generations=generations,
            start=start,
            output=output,
            sides=sides,
            value_range=bounds,
            batch_size=batch_size,
            seed=seed,
        )
        if work.sampled:
            reporter.note(
                f"{len(work.asked)} of {work.classes.count} classes, evenly spaced; --class asks for others, "
                "--all-classes for all"
            )
        raise typer.Exit(carry_out(work, out, reporter, stdout, overwrite=overwrite, json=json))


def parse_range(given: str | None) -> tuple[float, float] | None:
    """The values of images from "0,16", or None.

    Raises:
        SettingError: it is something else.
    """
    from kerasviz.errors import SettingError

    if given is None:
        return None
    try:
        low, high = map(float, given.split(","))
    except ValueError:
        low = high = 0.0
    if not float("-inf") < low < high < float("inf"):
        raise SettingError(
            f"--value-range {given!r}",
            expected="the smallest and the largest value, with a comma",
            mend="For example --value-range 0,1, or --value-range=-1,1",
        )
    return low, high


def check_method(method: str, **given):
    """Refuse options that the method does not have.

    Args:
        method: the method.
        **given: `steps`, `generations` and `start`; None where they were left out.

    Raises:
        SettingError: one was given that belongs to another method.
    """
    from kerasviz.errors import SettingError

    for name in ("generations",) if method == "gradient" else ("steps", "start"):
        if given[name] is not None:
            raise SettingError(
                f"--{name} {given[name]} with --method {method}",
                expected="--steps and --start with gradient, --generations with the others",
                mend=f"Leave --{name} out",
            )
