"""What a run says at its end: the manifest, and the table on the terminal."""

import importlib.metadata
import platform
from collections.abc import Sequence

import kerasviz
from kerasviz.cli.classes import Prediction
from kerasviz.cli.console import printable
from kerasviz.cli.run import Result, Work

_MOST_ROWS = 50
_BAR = 12  # cells of a full bar


def manifest(
    work: Work,
    results: Sequence[Result],
    *,
    complete: bool,
    unfit: dict[str, str],
    warnings: Sequence[str],
) -> dict:
    """All about a run, as JSON can hold it.

    Args:
        work: what was to be done.
        results: of the images that were reached.
        complete: whether all were.
        unfit: methods that were left out, and why.
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
        "left_out": unfit,
        "images": [_image(result) for result in explained],
        "skipped": [
            {"file": printable(result.image), "reason": printable(result.reason)}
            for result in results
            if result.reason is not None
        ],
        "files": [name for result in explained for name in _files(result)],
        "warnings": list(warnings),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("keras", "tensorflow", "numpy")},
        },
    }


def print_table(work: Work, results: Sequence[Result], out):
    """Print what was found, for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=out, highlight=False)
    table = Table(box=None, padding=(0, 3, 1, 0), header_style="bold", pad_edge=False)
    table.add_column("Image", overflow="fold", max_width=36)
    table.add_column("Prediction")
    table.add_column("Explained")
    table.add_column("Picture", overflow="fold", style="cyan")
    explained = [result for result in results if result.reason is None]
    for result in explained[:_MOST_ROWS]:
        asked = list(dict.fromkeys(drawn.prediction for drawn in result.drawn))
        picture = result.sheet or result.drawn[0].file
        table.add_row(
            Text(printable(result.image.name)),
            _bars(result.predictions[:3]),
            Text("\n".join(one.name for one in asked)),
            Text(picture),
        )
    console.print(table)
    if len(explained) > _MOST_ROWS:
        console.print(f"… and {len(explained) - _MOST_ROWS} more, in manifest.json\n")
    files = sum(len(_files(result)) for result in explained)
    skipped = len(results) - len(explained)
    console.print(
        f"{_count(len(explained), 'image')}, {_count(files, 'picture')} in [cyan]{_escaped(work.folder.path)}[/]"
        + (f", [yellow]{_count(skipped, 'image')} skipped[/]" if skipped else ""),
        soft_wrap=True,
    )


def _bars(predictions):
    from rich.table import Table
    from rich.text import Text

    cell = Table.grid(padding=(0, 1))
    for one in predictions:
        filled = 0 if one.probability is None else round(_BAR * one.probability)
        bar = Text("━" * filled, style="green") + Text("━" * (_BAR - filled), style="bright_black")
        row = [Text(one.name), Text(one.strength, justify="right")]
        cell.add_row(*row, *([] if one.probability is None else [bar]))
    return cell


def _model(work):
    opened = work.opened
    return {
        "given": printable(opened.given),
        "name": opened.network.name,
        "input": {
            "height": work.frame.height,
            "width": work.frame.width,
            "channels": work.frame.channels,
            "fit": work.frame.fit,
            "preprocess": opened.preprocess_name,
        },
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
            {"method": drawn.method, **_prediction(drawn.prediction), "file": drawn.file}
            for drawn in result.drawn
        ],
        "sheet": result.sheet,
    }


def _prediction(one: Prediction):
    return {"class": one.index, "label": one.label, "probability": one.probability, "score": one.score}


def _files(result):
    return [drawn.file for drawn in result.drawn] + ([result.sheet] if result.sheet else [])


def _plain(value):
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _count(number, what):
    return f"{number} {what}{'' if number == 1 else 's'}"


def _escaped(text):
    from rich.markup import escape

    return escape(printable(text))
