"""`kerasviz memorization`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kerasviz.cli import console, options
from kerasviz.cli.models import HELP as MODEL_HELP

#: The paper's, and larger ones up to what the eye begins to see.
RADII = (0.3, 1.0, 2.0, 4.0, 8.0)


def memorization(
    images: options.Images,
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP, rich_help_panel=options.MODEL)],
    radius: Annotated[
        list[str] | None,
        typer.Option(
            "--radius",
            "-r",
            metavar="R",
            help="How far each pixel value, 0..255, may change. Several, with commas or repeated, make a curve. "
            "[dim]\\[default: 0.3,1,2,4,8; the paper has 0.3][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    search: Annotated[
        Literal["lass", "pgd", "fgsm"],
        typer.Option(
            help="How points are searched: [bold]lass[/] is the paper's; [bold]pgd[/] often finds as much in fewer "
            "steps; [bold]fgsm[/] takes one.",
            rich_help_panel=options.HOW,
        ),
    ] = "lass",
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="At most, for each image and radius; not of fgsm. [dim]\\[default: lass 100, pgd 20][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    bounded: Annotated[
        bool,
        typer.Option(
            "--bounded/--unbounded",
            help="Whether found points keep within 0..255, as pictures do. The paper has no such limit.",
            rich_help_panel=options.HOW,
        ),
    ] = False,
    output: options.Output = None,
    labels: options.Labels = None,
    preprocess: options.Preprocess = "auto",
    input_size: options.InputSize = None,
    fit: options.Fit = "crop",
    custom: options.Custom = None,
    unsafe: options.Unsafe = False,
    architecture: options.Architecture = None,
    signature: options.Signature = None,
    pictures: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="How many found points are drawn, those within the smallest radii first.",
            rich_help_panel=options.OUT,
        ),
    ] = 24,
    out: options.Out = Path("memorization"),
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    batch_size: options.Batch = 32,
    seed: options.Seed = 0,
    traceback: options.Traceback = False,
):
    """Measure how many pictures lie close to another class: the critical sample ratio.

    A picture is critical if a point of another predicted class is found within the radius: no pixel value, \
    0..255, is further from the picture's own. Networks that memorize have more of these than networks that learn \
    (Arpit et al. 2017). A ratio is a lower bound, since a search can miss a point; compare ratios only at the same \
    radius, with the same search, and on the same pictures.

    Writes the curve over the radius (curve.png, curve.csv), what was found for each picture (samples.csv), a sheet of \
    found points (samples.png), all arrays (read the folder with kerasviz.generalization.CriticalSampleCurve.load), \
    and manifest.json. Images that cannot be read are named and skipped.

    [bold]Examples[/]

    [cyan]kerasviz memorization photos/ --model imagenet[/]

    [cyan]kerasviz memorization photos/ -m cats.keras --radius 0.3,1,2 --search pgd --bounded[/]

    [cyan]kerasviz memorization digits/ -m mnist.keras --preprocess scale --pictures 6 --json[/]

    [bold]Exit codes[/]: 0 all well; 1 some images were skipped; 2 nothing could be done; 130 interrupted.
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz import data
        from kerasviz.cli.pictures import parse_size

        # What can be wrong is found in order of what it costs: TensorFlow takes seconds, a model more.
        files = data.find_images(images)
        names_of_classes = None if labels is None else data.read_labels(labels)
        sides = parse_size(input_size, "--input-size")
        radii = parse_radii(radius)
        how = _search(search, steps)
        if preprocess != "auto":
            data.preprocessing.check_mode(preprocess)

        from kerasviz.cli.memorized import carry_out, check_out
        from kerasviz.cli.memorizing import prepare_memorizing
        from kerasviz.cli.models import open_model

        check_out(out, files, overwrite=overwrite)
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
        work = prepare_memorizing(
            opened,
            files,
            output=output,
            sides=sides,
            fit=fit,
            radii=radii,
            search=how,
            bounded=bounded,
            batch_size=batch_size,
            seed=seed,
            pictures=pictures,
        )
        reporter.note(work.cost())
        raise typer.Exit(carry_out(work, out, reporter, stdout, overwrite=overwrite, json=json))


def parse_radii(given: list[str] | None) -> list[float]:
    """Radii from "0.3", and lists of these with commas, ascending; the default for None.

    Raises:
        SettingError: one is no number from 0 up, or is there twice.
    """
    from kerasviz.errors import SettingError
    from kerasviz.network.neighborhood import checked_radius

    if not given:
        return list(RADII)
    radii = []
    for word in (word.strip() for entry in given for word in entry.split(",")):
        try:
            radii.append(checked_radius(float(word)))
        except ValueError as error:  # SettingErrors are such, too
            raise SettingError(
                f"--radius {word!r}",
                expected="a number from 0 up, in pixel values of 0 to 255; several with commas",
                mend="For example --radius 0.3, or --radius 0.3,1,2",
            ) from error
        if radii[-1] in radii[:-1]:
            raise SettingError(f"--radius {word} is there twice", expected="each radius once", mend="Take it out")
    return sorted(radii)


def _search(name, steps):
    from kerasviz.errors import SettingError
    from kerasviz.generalization.searches import LASS, PGD, as_search

    if steps is None:
        return as_search(name)
    if name == "fgsm":
        raise SettingError(
            f"--steps {steps} with --search fgsm, which takes one step",
            expected="steps of lass or pgd",
            mend="Leave --steps out, or use --search pgd",
        )
    return {"lass": LASS, "pgd": PGD}[name](steps)
