"""`kerasviz diff`."""

from pathlib import Path
from typing import Annotated

import typer

from kerasviz.cli import console, options
from kerasviz.cli.models import HELP as MODEL_HELP


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help=MODEL_HELP)],
    b: Annotated[str, typer.Argument(metavar="B", help="The model that it is compared with, named like A.")],
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE",
            help="Picture files, folders (searched with all below), patterns: what both models say of them, and where "
            "they look. [dim]\\[default: layers and weights alone][/]",
        ),
    ] = None,
    top_changed: Annotated[
        int,
        typer.Option(
            "--top-changed", min=0, metavar="N", help="List the N layers that changed most.", show_default=True
        ),
    ] = 20,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A method, several with commas, or [bold]all[/] but the slow; see [bold]kerasviz methods[/]. "
            "[dim]\\[default: grad-cam][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="The layer of A whose feature map is looked at; in B what became of it. Repeated: their maps are "
            "fused. [dim]\\[default: the last spatial one][/]",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    setting: options.Setting = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="The class to explain in both: its number or its label. "
            "[dim]\\[default: the one that A predicts for each image][/]",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    output: options.Output = None,
    labels: options.Labels = None,
    preprocess: Annotated[
        str,
        typer.Option(
            metavar="MODE",
            help="What the networks were trained on, as in [bold]kerasviz explain[/]; with a comma for each of them: "
            "[bold]tf,none[/].",
            rich_help_panel=options.MODEL,
        ),
    ] = "auto",
    size: options.Size = None,
    fit: options.Fit = "crop",
    architecture: options.Architecture = None,
    signature: options.Signature = None,
    custom: options.Custom = None,
    unsafe: options.Unsafe = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Draw there for each image the maps of both and their difference.",
            rich_help_panel=options.OUT,
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    batch_size: options.Batch = 16,
    seed: options.Seed = 0,
    traceback: options.Traceback = False,
):
    """Show what differs between two models: layers, weights, and on pictures what they say and where they look.

    Layers are paired by weights, paths and order, so that those that were added, removed, renamed or replaced are \
    told as such. How far weights moved is ‖a − b‖ / ‖a‖: 0 for the same, about 1.4 for weights that have nothing in \
    common. A SavedModel has ops in the place of layers: beside a Keras file its weights alone are compared.

    [bold]Examples[/]

    [cyan]kerasviz diff cats.keras cats-tuned.keras[/]

    [cyan]kerasviz diff cats.keras cats-tuned.keras photos/ --method grad-cam,saliency --out moved[/]

    [cyan]kerasviz diff cats.keras exported/ --json[/]

    [bold]Exit codes[/]: 0 no difference was found; 1 they differ, or some images were skipped; 2 nothing could be \
    done; 130 interrupted.
    """
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz import data
        from kerasviz.cli.pictures import parse_size
        from kerasviz.errors import SettingError

        # What can be wrong is found in order of what it costs: TensorFlow takes seconds, a model more.
        only_with_images = {"--out": out, "--method": method, "--layer": layer, "--set": setting, "--target": target}
        given = next((name for name, value in only_with_images.items() if value), None)
        if given and not images:
            raise SettingError(
                f"{given} without images", expected="pictures to compare the models on", mend="Name some behind B"
            )
        files = data.find_images(images) if images else []
        names_of_classes = None if labels is None else data.read_labels(labels)
        sides = parse_size(size)
        settings = options.settings_of(setting, layer)
        modes = [mode.strip() for mode in preprocess.split(",")]
        if len(modes) > 2:
            raise SettingError(
                f"--preprocess {preprocess!r}", expected="one mode, or one for each model", mend="Name two at most"
            )
        for mode in modes:
            if mode != "auto":
                data.preprocessing.check_mode(mode)

        from kerasviz.cli.choosing import method_names
        from kerasviz.cli.diffed import carry_out
        from kerasviz.cli.diffing import open_both, prepare_diffing
        from kerasviz.cli.folder import Folder

        methods, every = (None, False) if not method else method_names(method)
        folder = None if out is None else Folder(out, files, overwrite=overwrite)
        if folder is not None:
            folder.check([])
        opened = open_both(
            (a, b),
            (modes[0], modes[-1]),
            reporter.status,
            architecture=architecture,
            signature=signature,
            custom=custom,
            unsafe=unsafe,
        )
        work = prepare_diffing(
            opened,
            files,
            "all" if every else methods,
            folder,
            target=target,
            output=output,
            labels=names_of_classes,
            sides=sides,
            fit=fit,
            batch_size=batch_size,
            seed=seed,
            settings=settings,
        )
        raise typer.Exit(carry_out(work, reporter, stdout, top_changed=top_changed, json=json))
