"""The command line: parses, calls and prints.

Nothing heavy is imported before a command runs, so that help and errors of usage come at once.

| exit code | meaning |
|---|---|
| 0 | all is well |
| 1 | some images could not be read and were skipped; the others are explained |
| 2 | nothing could be done: wrong usage, no such model or layer, no readable image |
| 130 | interrupted; what was written stays |
"""

import os
import re
from inspect import getdoc
from typing import Annotated

import typer

import kerasviz
from kerasviz.cli.activations import activations
from kerasviz.cli.demo import demo
from kerasviz.cli.dissect import dissect
from kerasviz.cli.dream import dream
from kerasviz.cli.explain import explain
from kerasviz.cli.filters import filters
from kerasviz.cli.fool import fool
from kerasviz.cli.inspect import inspect
from kerasviz.cli.localize import localize
from kerasviz.cli.memorization import memorization
from kerasviz.cli.methods import methods
from kerasviz.cli.occlude import occlude
from kerasviz.cli.perturb import perturb
from kerasviz.cli.reconstruct import reconstruct
from kerasviz.cli.visualize import visualize

app = typer.Typer(
    name="kerasviz",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    epilog="New here? [bold]kerasviz demo[/] needs no model, no picture and no network connection.",
)


def _add(command, **options):
    # Lines that a docstring joins with a backslash keep their indentation.
    app.command(help=re.sub(r"(?<=\S) {2,}", " ", getdoc(command)), **options)(command)


for _command in (
    activations,
    dissect,
    dream,
    explain,
    filters,
    fool,
    inspect,
    localize,
    memorization,
    occlude,
    perturb,
    reconstruct,
    visualize,
):
    _add(_command, no_args_is_help=True)
for _command in (methods, demo):
    _add(_command)


def _version(asked: bool):
    if asked:
        typer.echo(f"kerasviz {kerasviz.__version__}")
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
):
    """Explains image networks written in Keras 3: where they look, and why they decide."""


def main():
    """The entry point of the installed command."""
    # TensorFlow's notes on the machine's devices would stand before every answer. This process is ours alone.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    app()
