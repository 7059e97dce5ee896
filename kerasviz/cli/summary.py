"""What a run says at its end: the manifest, and the table on the terminal."""

from collections.abc import Sequence

import kerasviz
from kerasviz.cli.console import SOME_SKIPPED, Reporter, print_json, printable
from kerasviz.cli.manifest import of_model, versions
from kerasviz.cli.run import Result, Work
from kerasviz.errors import ImageError
from kerasviz.predictions import Prediction

_MOST_ROWS = 50
_BAR, _LABEL = 10, 28  # cells of a full bar; characters of a label


def carry_out(work: Work, reporter: Reporter, out, *, json: bool, document=None, table=None) -> int:
    """Run, write the manifest whatever happens, and print what was found.

    Args:
        work: what to do.
        reporter: says on stderr what goes on.
        out: the real stdout.
        json: print the manifest instead of a table.
        document: makes the manifest, in the place of `manifest`.
        table: prints what was found, in the place of `print_table`.

    Returns:
        The exit code.

    Raises:
        ImageError: no image could be read.
        SaveError: something cannot be written.
    """
    document, table = document or manifest, table or print_table
    results, complete = [], False
    try:
        for result in work.run(reporter.status):
            results.append(result)
            if result.reason is not None:
                reporter.skip(result.reason)
        complete = True
    finally:
        if any(result.drawn for result in results):
            found = document(work, results, complete=complete, warnings=reporter.warnings)
            work.folder.write_manifest(found)
    reporter.status()
    skipped = sum(result.reason is not None for result in results)
    if skipped == len(results):
        raise ImageError(
            f"None of the {len(results)} images could be read",
            expected="at least one picture",
            mend="The reasons stand above",
        )
    if json:
        print_json(found, out)
    else:
        table(work, results, out)
    return SOME_SKIPPED if skipped else 0


def manifest(work: Work, results: Sequence[Result], *, complete: bool, warnings: Sequence[str]) -> dict:
    """All about a run, as JSON can hold it.

    Args:
        work: what was to be done.
        results: of the images that were reached.
        complete: whether all were.
        warnings: what was warned of.
    """
    explained = [result for result in results if result.reason is None]
    return {
        "kerasviz": kerasviz.__version__,
        "complete": complete,
        "folder": printable(work.folder.path),
        "model": _model(work),
        "methods": {
            name: {
                "title": explain.title,
                "kind": explain.kind,
                "signed": explain.signed,
                "layer": explain.layer,
                "settings": {key: _plain(value) for key, value in explain.settings.items()},
            }
            for name, explain in work.explainers.items()
        },
        "left_out": work.left_out,
        "images": [_image(result) for result in explained],
        "skipped": [
            {"file": printable(result.image), "reason": printable(result.reason)}
            for result in results
            if result.reason is not None
        ],
        "files": [name for result in explained for name in _files(result)],
        "warnings": list(warnings),
        "versions": versions(),
    }


def print_table(work: Work, results: Sequence[Result], out):
    """Print what was found, for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=out, highlight=False)
    table = Table(box=None, padding=(0, 1, 1, 0), header_style="bold", pad_edge=False)
    table.add_column("Image", overflow="fold")
    table.add_column("  Prediction", no_wrap=True)
    table.add_column("", no_wrap=True, justify="right")
    table.add_column("", no_wrap=True)
    table.add_column(" Picture", overflow="fold", style="cyan")
    explained = [result for result in results if result.reason is None]
    for result in explained[:_MOST_ROWS]:
        asked = dict.fromkeys(drawn.prediction for drawn in result.drawn)
        lines = dict.fromkeys([*result.predictions[:3], *asked])
        table.add_row(
            Text(printable(result.image.name)),
            Text("\n").join(_label(one, one in asked) for one in lines),
            "\n".join(one.strength for one in lines),
            Text("\n").join(_bar(one.probability) for one in lines),
            Text(" " + (result.sheet or result.drawn[0].file)),
        )
    console.print(table)
    if len(explained) > _MOST_ROWS:
        console.print(f"… and {len(explained) - _MOST_ROWS} more, in manifest.json\n")
    print_counts(work, results, sum(len(_files(result)) for result in explained), console)


def print_counts(work: Work, results: Sequence[Result], files: int, console):
    """Print the last line: how many images were explained, and how many pictures are where."""
    skipped = sum(result.reason is not None for result in results)
    console.print(
        f"\n{_count(len(results) - skipped, 'image')}, {_count(files, 'picture')} in "
        f"[cyan]{_escaped(work.folder.path)}[/]"
        + (f", [yellow]{_count(skipped, 'image')} skipped[/]" if skipped else ""),
        soft_wrap=True,
    )


def _label(one, explained):
    from rich.text import Text

    name = one.name if len(one.name) <= _LABEL else one.name[: _LABEL - 1] + "…"
    return Text(f"▸ {name}", style="bold") if explained else Text(f"  {name}")


def _bar(probability):
    from rich.text import Text

    if probability is None:
        return Text()
    filled = round(_BAR * probability)
    return Text("━" * filled, style="green") + Text("━" * (_BAR - filled), style="bright_black")


def _model(work):
    opened = work.opened
    return {
        **of_model(opened, work.frame),
        "output": work.classes.output,
        "classes": work.classes.count,
        "labelled": work.classes.labels is not None,
        "parameters": opened.model.count_params(),
    }


def _image(result):
    return {
        "file": printable(result.image),
        "predictions": [_prediction(one) for one in result.predictions],
        "explanations": [
            {"method": drawn.method, **_prediction(drawn.prediction), "file": drawn.file, "flat": drawn.flat}
            for drawn in result.drawn
        ],
        "sheet": result.sheet,
    }


def _prediction(one: Prediction):
    return {"class": one.index, "label": one.label, "probability": one.probability, "score": one.score}


def _files(result):
    return [drawn.file for drawn in result.drawn] + ([result.sheet] if result.sheet else [])


def _plain(value):
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _count(number, what):
    return f"{number} {what}{'' if number == 1 else 's'}"


def _escaped(text):
    from rich.markup import escape

    return escape(printable(text))
