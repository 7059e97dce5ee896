"""What is said on the terminal: errors, warnings, progress. Results go to stdout, everything else to stderr."""

import contextlib
import sys
import warnings
from collections.abc import Iterator

import typer

from kerasviz.errors import KerasvizError, KerasvizWarning

#: Exit codes; see `kerasviz.cli`.
SOME_SKIPPED, FAILED, INTERRUPTED = 1, 2, 130


class Reporter:
    """Says things on stderr, a line each, and remembers the warnings.

    Attributes:
        warnings: the texts of the warnings, each once.
    """

    def __init__(self):
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._status = False
        self.warnings: list[str] = []

    def error(self, text: str):
        """Say what went wrong."""
        self._line("error", "bold red", text)

    def warn(self, text: str):
        """Say what to beware of, the first time."""
        text = one_line(text)
        if text not in self.warnings:
            self.warnings.append(text)
            self._line("warning", "yellow", text)

    def skip(self, text: str):
        """Say which image was skipped, and why."""
        self._line("skipped", "yellow", text)

    def note(self, text: str):
        """Say what is about to happen."""
        if self._status:
            self.status()
        self._console.print(one_line(text), style="dim", markup=False, soft_wrap=True)

    def status(self, text: str = ""):
        """Say on a terminal what goes on now, in place of what was said before."""
        if not self._console.is_terminal:
            return
        self._console.file.write("\r\x1b[2K")
        if text:
            width = max(10, self._console.width - 1)
            self._console.print(printable(text)[:width], end="", style="dim", markup=False, soft_wrap=True)
        self._console.file.flush()
        self._status = bool(text)

    def _line(self, word, style, text):
        if self._status:
            self.status()
        self._console.print(f"[{style}]{word}:[/] ", end="")
        self._console.print(one_line(text), markup=False, soft_wrap=True)


@contextlib.contextmanager
def reporting(traceback: bool) -> Iterator[Reporter]:
    """Turn errors into one line and an exit code, and warnings into one line each.

    Args:
        traceback: let errors through as Python shows them.
    """
    reporter = Reporter()
    with warnings.catch_warnings():
        warnings.simplefilter("always", KerasvizWarning)
        warnings.showwarning = lambda message, kind, *_, **__: (
            # Those of other libraries mean nothing to who runs a command.
            reporter.warn(str(message)) if issubclass(kind, KerasvizWarning) or traceback else None
        )
        try:
            yield reporter
        except KeyboardInterrupt:
            reporter.error("Interrupted. What was written stays.")
            raise typer.Exit(INTERRUPTED) from None
        except typer.Exit:
            raise
        except Exception as error:  # the last stop: out of memory, a bug, anything
            if traceback:
                raise
            if isinstance(error, KerasvizError):
                reporter.error(str(error))
            else:
                reporter.error(f"{type(error).__name__}: {error} (--traceback shows where)")
            raise typer.Exit(FAILED) from None
        finally:
            reporter.status()


@contextlib.contextmanager
def results_only_on_stdout() -> Iterator:
    """Send what libraries print, such as the progress of a download, to stderr; gives the real stdout."""
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        yield out


def print_json(document, out):
    """Print one JSON document."""
    import json

    # Escapes, for a file name may hold bytes that stdout cannot encode.
    out.write(json.dumps(document, indent=2, allow_nan=False) + "\n")


def one_line(text: str) -> str:
    """A text without line breaks."""
    return printable(" ".join(str(text).split()))


def printable(text) -> str:
    """A text that any terminal can take: file names may hold bytes that are no characters."""
    return str(text).encode("utf-8", "replace").decode("utf-8")
