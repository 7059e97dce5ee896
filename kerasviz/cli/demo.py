"""`kerasviz demo`."""

from pathlib import Path
from typing import Annotated

import typer

from kerasviz.cli import console
from kerasviz.cli.options import Traceback


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where pictures go.")] = Path("kerasviz-demo"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier results there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
    traceback: Traceback = False,
):
    """Explain the pictures inside kerasviz by all methods but the slowest; nothing is downloaded."""
    with console.reporting(traceback) as reporter, console.results_only_on_stdout() as stdout:
        from kerasviz.cli.choosing import method_names
        from kerasviz.cli.folder import Folder
        from kerasviz.cli.models import open_model
        from kerasviz.cli.run import prepare
        from kerasviz.cli.summary import carry_out
        from kerasviz.data import shapes

        names, images = method_names(["all"])[0], list(shapes.example_pictures().values())
        folder = Folder(out, images, overwrite=overwrite)
        folder.check(names)
        opened = open_model("shapes")
        reporter.status("preparing all methods")
        code = carry_out(prepare(opened, images, names, folder, drop_unfit=True), reporter, stdout, json=json)
        if not json:
            typer.echo("Look at the contact sheets first. The same for your own: kerasviz explain --help", stdout)
        raise typer.Exit(code)
