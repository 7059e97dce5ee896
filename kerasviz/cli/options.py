"""Options that several commands share, and what their values mean."""

import ast
from pathlib import Path
from typing import Annotated, Literal

import typer

WHAT, HOW, OUT, MODEL = "What to explain", "How", "Results", "Model"

Architecture = Annotated[
    str | None,
    typer.Option(
        metavar="WHAT",
        help="What a file of weights belongs to: [bold]keras:ResNet50[/], a .json, .keras or .h5 file, or "
        "[bold]module:function[/].",
        rich_help_panel=MODEL,
    ),
]
Batch = Annotated[
    int,
    typer.Option(
        "--batch-size",
        "--batch",
        min=1,
        metavar="N",
        help="Images at once; bounds the memory.",
        rich_help_panel=HOW,
    ),
]
Custom = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODULE:NAME",
        help="A class or function of the model's own. May be repeated.",
        rich_help_panel=MODEL,
    ),
]
Fit = Annotated[
    Literal["crop", "pad", "stretch"],
    typer.Option(help="How a picture meets another shape.", rich_help_panel=MODEL),
]
Images = Annotated[
    list[str], typer.Argument(metavar="IMAGE", help="Picture files, folders (searched with all below), patterns.")
]
InputSize = Annotated[
    str | None,
    typer.Option(metavar="HxW", help="The input's size, for a network that takes any.", rich_help_panel=MODEL),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.", rich_help_panel=OUT)]
Labels = Annotated[
    Path | None,
    typer.Option(help="The names of the classes: text with one a line, or JSON.", rich_help_panel=MODEL),
]
Layer = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATH",
        help="The layer whose feature map is looked at, such as base/block5_conv3; see [bold]kerasviz inspect[/]. "
        "Repeated: their maps are fused. [dim]\\[default: the last spatial one][/]",
        rich_help_panel=HOW,
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where results go.", rich_help_panel=OUT)]
Output = Annotated[
    str | None, typer.Option(metavar="NAME", help="Which output, of a model with several.", rich_help_panel=WHAT)
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace earlier results there.", rich_help_panel=OUT)]
Preprocess = Annotated[
    str,
    typer.Option(
        metavar="MODE",
        help="What the network was trained on: [bold]none[/] (0..255), [bold]scale[/] (0..1), [bold]tf[/] (-1..1), "
        "[bold]torch[/], [bold]caffe[/], [bold]lite[/]; [bold]auto[/] looks at how it begins.",
        rich_help_panel=MODEL,
    ),
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Of methods that draw at random.", rich_help_panel=HOW)]
Setting = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="A setting of the method, such as samples=100.", rich_help_panel=HOW
    ),
]
Signature = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Which function of a SavedModel that has several.", rich_help_panel=MODEL),
]
Size = Annotated[
    str | None,
    typer.Option(metavar="HxW", help="The input's size, for a network that takes any.", rich_help_panel=MODEL),
]
Target = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CLASS",
        help="A class to explain: its number or its label. May be repeated. "
        "[dim]\\[default: each image's top class][/]",
        rich_help_panel=WHAT,
    ),
]
Top = Annotated[
    int | None,
    typer.Option(min=1, metavar="K", help="Explain the K top classes of each image.", rich_help_panel=WHAT),
]
Traceback = Annotated[bool, typer.Option("--traceback", help="Show Python's traceback of an error.", hidden=True)]
Unsafe = Annotated[
    bool,
    typer.Option("--unsafe", help="Run code inside the model file, from a maker you trust.", rich_help_panel=MODEL),
]


def settings_of(given: list[str] | None, layers: list[str] | None) -> dict:
    """`--set` and `--layer` as keyword arguments of a method.

    Raises:
        SettingError: an entry has no equals sign.
    """
    from kerasviz.errors import SettingError

    settings = {}
    for entry in given or []:
        name, equals, value = entry.partition("=")
        if not equals or not name.strip().isidentifier():
            raise SettingError(f"--set {entry!r}", expected="NAME=VALUE", mend="For example --set samples=100")
        try:
            settings[name.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            settings[name.strip()] = value.strip()  # a word, such as rule=trapezoid
    if layers:
        settings["layer"] = layers[0] if len(layers) == 1 else layers
    return settings
