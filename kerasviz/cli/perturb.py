"""`kerasviz perturb`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kerasviz.cli import console, options
from kerasviz.cli.models import HELP as MODEL_HELP


def perturb(
    images: options.Images,
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP, rich_help_panel=options.MODEL)],
    target: Annotated[
        str | None,
        typer.Option(
            "--class",
            "--target",
            metavar="CLASS",
            help="The class to reach: its number or its label. [dim]\\[default: any but the predicted one][/]",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    method: Annotated[
        Literal["fgsm", "pgd", "deepfool"],
        typer.Option(
            help="[bold]fgsm[/] takes one step, [bold]pgd[/] many within the radius; [bold]deepfool[/] has no radius, "
            "and looks for the smallest change.",
            rich_help_panel=options.HOW,
        ),
    ] = "pgd",
    norm: Annotated[
        Literal["linf", "l2"] | None,
        typer.Option(
            help="What is kept small: the largest change of a pixel value, or the Euclidean length of all changes of a "
            "picture. [dim]\\[default: linf; of deepfool l2][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    radius: Annotated[
        float | None,
        typer.Option(
            "--radius",
            "-r",
            metavar="R",
            help="How far a picture may be changed, in the norm, in pixel values of 0..255; not of deepfool. "
            "[dim]\\[default: 4 for linf][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="At most; not of fgsm. [dim]\\[default: pgd 20, deepfool 50][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    bounded: Annotated[
        bool,
        typer.Option(
            "--bounded/--unbounded",
            help="Whether values keep within 0..255. Without, there is no picture file of what was found.",
            rich_help_panel=options.HOW,
        ),
    ] = True,
    output: options.Output = None,
    labels: options.Labels = None,
    preprocess: options.Preprocess = "auto",
    input_size: options.InputSize = None,
    fit: options.Fit = "crop",
    custom: options.Custom = None,
    unsafe: options.Unsafe = False,
    architecture: options.Architecture = None,
    signature: options.Signature = None,
    out: options.Out = Path("perturbed"),
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    batch_size: options.Batch = 32,
    seed: options.Seed = 0,
    traceback: options.Traceback = False,
):
    """Change pictures so little that nobody sees it, and the network takes them for something else.

    Writes for each picture a sheet (picture + magnified perturbation = changed picture, with classes and \
    confidences), the changed picture as a PNG file of the network's size, its arrays with all decimals (read the \
    folder with kerasviz.synthesis.Perturbed.load); and manifest.json with all numbers. Whether the network is still \
    fooled by the PNG file, whose values are whole, is said for each. Images that cannot be read are named and skipped.

    [bold]Examples[/]

    [cyan]kerasviz perturb panda.jpg --model imagenet --class gibbon[/]

    [cyan]kerasviz perturb photos/ -m cats.keras --method fgsm --radius 2[/]

    [cyan]kerasviz perturb digits/ -m mnist.keras --preprocess scale --method deepfool --json[/]

    [bold]Exit codes[/]: 0 all well; 1 some images were skipped; 2 nothing could be done; 130 interrupted.
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz import data
        from kerasviz.cli.pictures import parse_size

        # What can be wrong is found in order of what it costs: TensorFlow takes seconds, a model more.
        files = data.find_images(images)
        names_of_classes = None if labels is None else data.read_labels(labels)
        sides = parse_size(input_size, "--input-size")
        if preprocess != "auto":
            data.preprocessing.check_mode(preprocess)
        norm = norm or ("l2" if method == "deepfool" else "linf")
        radius = _radius(radius, method, norm)
        _check_steps(steps, method)

        from kerasviz.cli.folder import Folder
        from kerasviz.cli.models import open_model
        from kerasviz.cli.perturbed import carry_out
        from kerasviz.cli.perturbing import NAME, prepare_perturbing

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
        work = prepare_perturbing(
            opened,
            files,
            folder,
            method=method,
            norm=norm,
            radius=radius,
            steps=steps,
            target=target,
            bounded=bounded,
            output=output,
            sides=sides,
            fit=fit,
            batch_size=batch_size,
            seed=seed,
        )
        raise typer.Exit(carry_out(work, reporter, stdout, json=json))


def _radius(given, method, norm):
    """The radius in pixel values; None for the method that has none."""
    from math import inf

    from kerasviz.errors import SettingError

    if method == "deepfool":
        if given is not None:
            raise SettingError(
                f"--radius {given:g} with --method deepfool, which looks for the smallest change",
                expected="no radius",
                mend="Leave it out, or use --method pgd",
            )
        return None
    if given is None and norm == "l2":
        raise SettingError(
            "--norm l2 without --radius",
            expected="the Euclidean length of all changes of a picture, in pixel values",
            mend="1 for each value is the root of the number of values: about 390 for 224 x 224 colour pictures",
        )
    if given is not None and not 0 <= given < inf:
        raise SettingError(
            f"--radius {given:g}", expected="a number from 0 up, in pixel values of 0 to 255", mend="Try --radius 4"
        )
    return 4.0 if given is None else given


def _check_steps(steps, method):
    from kerasviz.errors import SettingError

    if steps is not None and method == "fgsm":
        raise SettingError(
            f"--steps {steps} with --method fgsm, which takes one step",
            expected="steps of pgd or deepfool",
            mend="Leave --steps out, or use --method pgd",
        )
