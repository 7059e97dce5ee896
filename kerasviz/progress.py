"""A progress bar for whatever can take over two seconds; silent where nobody looks."""

import importlib.util
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Seconds of work after which a bar is worth its line.
PATIENCE = 2.0
#: Whether the work is a part of other work that has a bar.
_INSIDE: ContextVar[bool] = ContextVar("_INSIDE", default=False)


@contextmanager
def silent() -> Iterator[None]:
    """Draw no bar inside: another's line is on the terminal."""
    inside = _INSIDE.set(True)
    try:
        yield
    finally:
        _INSIDE.reset(inside)


@contextmanager
def bar(total: int, description: str, unit: str = "", before: int = 0) -> Iterator[Callable[..., None]]:
    """Give a function to call after each step, or with a number of steps made.

    Draws a bar if all steps together will take over two seconds.

    On a terminal, or in a notebook that has ipywidgets; silent otherwise, and inside of another bar.

    Args:
        total: the number of steps.
        description: what is going on, for the line of the bar.
        unit: what the steps are, to tell how many are made in a second.
        before: the steps that an earlier run made.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    inside = _INSIDE.get()
    console = Console(stderr=True)
    # A bar in a notebook is a widget; without ipywidgets rich would print a warning in its place.
    notebook = console.is_jupyter and importlib.util.find_spec("ipywidgets") is not None
    watched = not inside and (notebook or (console.is_terminal and not console.is_jupyter))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    if unit:
        columns += (TextColumn("{task.fields[rate]}"),)
    progress = Progress(*columns, console=console, transient=True)
    start, done, task = time.monotonic(), before, None

    def speed():
        return (done - before) / max(time.monotonic() - start, 1e-9)

    def advance(steps: int = 1):
        nonlocal done, task
        done += steps
        if task is not None:
            progress.update(task, completed=done, rate=f"{speed():.3g} {unit} a second")
        elif watched and before < done < total and (total - before) / speed() > PATIENCE:
            progress.start()
            task = progress.add_task(description, total=total, completed=done, rate="")

    _INSIDE.set(True)
    try:
        yield advance
    finally:
        _INSIDE.set(inside)
        if task is not None:
            progress.stop()
