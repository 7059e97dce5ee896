"""`kerasviz dream`."""

from pathlib import Path
from typing import Annotated

import typer

from kerasviz.cli import console, options
from kerasviz.cli.models import HELP as MODEL_HELP


def dream(
    images: options.Images,
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP, rich_help_panel=options.MODEL)],
    layer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="The layer that is raised, such as base/block4_conv3; see [bold]kerasviz inspect[/]. Early ones give "
            "strokes, late ones parts of things. May be repeated, and weighted: PATH=0.5. "
            "[dim]\\[default: the last spatial one][/]",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, metavar="N", help="On each octave.", rich_help_panel=options.HOW)] = 10,
    octaves: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Sizes, the picture's own included, from small to large.",
            rich_help_panel=options.HOW,
        ),
    ] = 4,
    octave_scale: Annotated[
        float,
        typer.Option(
            metavar="X", help="How much larger each octave is than the one before.", rich_help_panel=options.HOW
        ),
    ] = 1.4,
    step_size: Annotated[
        float,
        typer.Option(
            metavar="X",
            help="By how much a step changes a pixel value, 0..255, in the mean.",
            rich_help_panel=options.HOW,
        ),
    ] = 1.5,
    jitter: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="By how many pixels the picture is rolled at most in each step.",
            rich_help_panel=options.HOW,
        ),
    ] = 32,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW",
            help="Of the dreams. [dim]\\[default: the picture's own, of at most 512 pixels][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    fit: options.Fit = "crop",
    preprocess: options.Preprocess = "auto",
    custom: options.Custom = None,
    unsafe: options.Unsafe = False,
    architecture: options.Architecture = None,
    signature: options.Signature = None,
    gif: Annotated[
        bool,
        typer.Option(
            "--gif", help="Also an animation of each: the picture, then each octave.", rich_help_panel=options.OUT
        ),
    ] = False,
    out: options.Out = Path("dreams"),
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    batch_size: options.Batch = 16,
    seed: options.Seed = 0,
    traceback: options.Traceback = False,
):
    """Change pictures into dreams: more of what a network finds in them (DeepDream).

    The mean square of a layer is raised, from coarse to fine (Mordvintsev, Olah and Tyka 2015, "Inceptionism"). \
    Pictures may have another size than the network takes, if its layers can run at any size.

    Writes a PNG of each dream, pictures and dreams beside each other (sheet.png), with --gif an animation of each, \
    and manifest.json with all settings: the same command makes the same files again. Images that cannot be read are \
    named and skipped.

    [bold]Examples[/]

    [cyan]kerasviz dream photos/ --model imagenet[/]

    [cyan]kerasviz dream sky.jpg -m keras:InceptionV3 --layer mixed3 --layer mixed5=0.5 --steps 20 --gif[/]

    [cyan]kerasviz dream cat.jpg -m cats.keras --layer base/conv3 --octaves 1 --size 224[/]

    [bold]Exit codes[/]: 0 all well; 1 some images were skipped; 2 nothing could be done; 130 interrupted.
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz import data
        from kerasviz.cli.asking import parse_layers, positive
        from kerasviz.cli.pictures import parse_size

        # What can be wrong is found in order of what it costs: TensorFlow takes seconds, a model more.
        files = data.find_images(images)
        layers, sides = parse_layers(layer or []), parse_size(size)
        positive("--step-size", step_size)
        positive("--octave-scale", octave_scale, over=1)
        if preprocess != "auto":
            data.preprocessing.check_mode(preprocess)

        from kerasviz.cli.dreaming import prepare_dreaming
        from kerasviz.cli.dreamt import HOLDS, carry_out
        from kerasviz.cli.models import open_model
        from kerasviz.cli.places import check_folder

        check_folder(out, overwrite=overwrite, holds=HOLDS, images=files)
        reporter.status(f"opening {model}")
        opened = open_model(
            model, custom=custom, unsafe=unsafe, architecture=architecture, signature=signature, preprocess=preprocess
        )
        reporter.status("preparing")
        work = prepare_dreaming(
            opened,
            files,
            layers=layers,
            steps=steps,
            octaves=octaves,
            octave_scale=octave_scale,
            step_size=step_size,
            jitter=jitter,
            size=sides,
            fit=fit,
            gif=gif,
            batch_size=batch_size,
            seed=seed,
        )
        raise typer.Exit(carry_out(work, out, reporter, stdout, overwrite=overwrite, json=json))
