"""`kerasviz visualize`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kerasviz.cli import console, options
from kerasviz.cli.models import HELP as MODEL_HELP


def visualize(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    channel: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER:N",
            help="A channel of a layer, or several: base/conv5:12, base/conv5:0-15,20, base/conv5:all. "
            "May be repeated.",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    neuron: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER:N",
            help="One unit of a channel, in the middle of the map or at a place of it: base/conv5:12@3,4 is at "
            "row 3 and column 4. May be repeated.",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="CLASS",
            help="A class, by its number or its label, or several: 0-9, all. May be repeated.",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    count: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Images of each, which begin elsewhere.", rich_help_panel=options.WHAT),
    ] = 1,
    output: options.Output = None,
    labels: options.Labels = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Of the optimizer. [dim]\\[default: the preset's][/]", rich_help_panel=options.HOW
        ),
    ] = None,
    preset: Annotated[
        Literal["auto", "natural", "small", "keras-vis", "plain"],
        typer.Option(
            help="How images are written and kept readable: [bold]natural[/] for photographs, [bold]small[/] for "
            "images of a few pixels, [bold]keras-vis[/] as that tool did, [bold]plain[/] for the objective as it is; "
            "[bold]auto[/] chooses by the size.",
            rich_help_panel=options.HOW,
        ),
    ] = "auto",
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW", help="Of the images. [dim]\\[default: the network's][/]", rich_help_panel=options.HOW
        ),
    ] = None,
    snapshots: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Images kept on the way, for an animation; 0 for none.",
            rich_help_panel=options.OUT,
        ),
    ] = 0,
    value_range: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH",
            help="The values of images before preprocessing, for a network of others than pictures. Without "
            "--preprocess the network then takes them as they are. [dim]\\[default: 0,255][/]",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    preprocess: options.Preprocess = "auto",
    custom: options.Custom = None,
    unsafe: options.Unsafe = False,
    architecture: options.Architecture = None,
    signature: options.Signature = None,
    out: options.Out = Path("visualized"),
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    batch_size: options.Batch = 16,
    seed: options.Seed = 0,
    traceback: options.Traceback = False,
):
    """Make images that a network answers strongly to: what a channel, a neuron or a class is to it.

    Each image is changed step by step until what is asked for is as strong as it gets (Erhan et al. 2009; Olah et al. \
    2017). It shows what raises it, not what raises it in photographs: look at those, too.

    Writes a picture of each image, all on one sheet (sheet.png), the scores over the steps (history.png), with \
    --snapshots an animation (animation.gif), all arrays (read the folder with \
    kerasviz.synthesis.SynthesizedImages.load), and manifest.json with seeds and settings: the same command makes the \
    same files again.

    [bold]Examples[/]

    [cyan]kerasviz visualize imagenet --class volcano --class tabby --snapshots 20[/]

    [cyan]kerasviz visualize keras:VGG16 --channel block5_conv3:0-15 --out vgg[/]

    [cyan]kerasviz visualize digits.keras --class all --value-range 0,16 --steps 500 --json[/]

    [bold]Exit codes[/]: 0 all well; 2 nothing could be done; 130 interrupted.
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz import data
        from kerasviz.cli.asking import parse_channels, parse_neurons, parse_range
        from kerasviz.cli.pictures import parse_size
        from kerasviz.errors import SettingError

        # What can be wrong is found in order of what it costs: TensorFlow takes seconds, a model more.
        if not (channel or neuron or classes):
            raise SettingError(
                "Nothing is asked for",
                expected="a channel, a neuron or a class",
                mend="Add --class 0, or --channel LAYER:0 with a layer of `kerasviz inspect`",
            )
        units = parse_channels(channel or []), parse_neurons(neuron or [])
        names_of_classes = None if labels is None else data.read_labels(labels)
        sides, values = parse_size(size), parse_range(value_range)
        if preprocess != "auto":
            data.preprocessing.check_mode(preprocess)

        from kerasviz.cli.models import open_model
        from kerasviz.cli.places import check_folder
        from kerasviz.cli.visualized import carry_out
        from kerasviz.cli.visualizing import prepare_visualizing
        from kerasviz.synthesis.saved import HOLDS

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
        work = prepare_visualizing(
            opened,
            channels=units[0],
            neurons=units[1],
            classes=classes or [],
            count=count,
            output=output,
            steps=steps,
            preset=preset.replace("-", "_"),
            size=sides,
            value_range=values,
            snapshots=snapshots,
            batch_size=batch_size,
            seed=seed,
        )
        reporter.note(work.cost())
        carry_out(work, out, reporter, stdout, overwrite=overwrite, json=json)
