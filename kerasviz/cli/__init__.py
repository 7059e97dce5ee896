"""The command line: parses, calls and prints.

Nothing heavy is imported before a command runs, and no other command than the one that was asked for, so that help and
errors of usage come at once.

| exit code | meaning |
|---|---|
| 0 | all is well |
| 1 | some images could not be read and were skipped; the others are explained |
| 1 | of `diff`: the models differ; of `inspect --strict`: weights are broken |
| 2 | nothing could be done: wrong usage, no such model or layer, no readable image |
| 130 | interrupted; what was written stays |
"""

import importlib
import os
import re
from collections.abc import Iterator, Mapping
from inspect import getdoc
from typing import Annotated

import typer
from typer.core import TyperGroup

import kerasviz

#: The commands, each in the module of its name, and whether it is called with arguments.
_COMMANDS = {
    "activations": True,
    "diff": True,
    "dissect": True,
    "dream": True,
    "explain": True,
    "filters": True,
    "fool": True,
    "inspect": True,
    "localize": True,
    "memorization": True,
    "occlude": True,
    "perturb": True,
    "reconstruct": True,
    "report": True,
    "visualize": True,
    "methods": False,
    "demo": False,
}
_MARKUP = "rich"


class _Commands(Mapping):
    """The commands by name, each imported when it is asked for."""

    def __init__(self):
        self._made = {}

    def __getitem__(self, name):
        if name not in self._made:
            needed = _COMMANDS[name]
            function = getattr(importlib.import_module(f"kerasviz.cli.{name}"), name)
            alone = typer.Typer(add_completion=False, rich_markup_mode=_MARKUP)
            # Lines that a docstring joins with a backslash keep their indentation.
            alone.command(help=re.sub(r"(?<=\S) {2,}", " ", getdoc(function)), no_args_is_help=needed)(function)
            self._made[name] = typer.main.get_command(alone)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self):
        return len(_COMMANDS)


class _Group(TyperGroup):
    """The group of them."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.commands = _Commands()


app = typer.Typer(
    name="kerasviz",
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode=_MARKUP,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    epilog="New here? [bold]kerasviz demo[/] needs no model, no picture and no network connection.",
)


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
