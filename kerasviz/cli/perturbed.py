"""What `perturb` says at its end: the manifest, and the table on the terminal."""

from collections.abc import Sequence

import kerasviz
from kerasviz.cli.console import SOME_SKIPPED, Reporter, print_json, printable
from kerasviz.cli.manifest import of_model, versions
from kerasviz.cli.perturbing import UNIT, Perturbing, Result
from kerasviz.errors import ImageError
from kerasviz.plotting.naming import percent
from kerasviz.writing import plain

_MOST_ROWS = 50


def carry_out(work: Perturbing, reporter: Reporter, out, *, json: bool) -> int:
    """Perturb, write the manifest whatever happens, and print what was found.

    Args:
        work: what to do.
        reporter: says on stderr what goes on.
        out: the real stdout.
        json: print the manifest instead of a table.

    Returns:
        The exit code.

    Raises:
        ImageError: no image could be read.
        SaveError: something cannot be written.
    """
    results, complete = [], False
    try:
        for result in work.run(reporter.status):
            results.append(result)
            if result.reason is not None:
                reporter.skip(result.reason)
        complete = True
    finally:
        found = [result for result in results if result.reason is None]
        if found:
            document = _manifest(work, results, found, reporter.warnings, complete=complete)
            work.folder.write_manifest(document)
    reporter.status()
    if not found:
        raise ImageError(
            f"None of the {len(work.images)} images could be read",
            expected="at least one picture",
            mend="The reasons stand above",
        )
    if json:
        print_json(document, out)
    else:
        _print(work, results, found, out)
    return SOME_SKIPPED if len(found) < len(results) else 0


def _manifest(work, results, found, warnings, *, complete):
    opened = work.opened
    return plain(
        {
            "kerasviz": kerasviz.__version__,
            "complete": complete,
            "folder": printable(work.folder.path),
            "model": {
                **of_model(opened, work.frame),
                "output": work.classes.output,
                "classes": work.classes.count,
                "labelled": work.classes.labels is not None,
                "parameters": opened.model.count_params(),
            },
            "unit": UNIT,
            "method": work.attack.method,
            "radius": work.radius,
            "target": work.target,
            "settings": {
                **work.attack.settings(),
                **({"seed": work.arguments["seed"]} if "seed" in work.arguments else {}),
                "preprocess": opened.preprocess_name,
            },
            "images": [_image(result) for result in found],
            "skipped": [
                {"file": printable(result.image), "reason": printable(result.reason)}
                for result in results
                if result.reason is not None
            ],
            "files": [name for result in found for name in (result.sheet, result.picture) if name],
            "warnings": list(warnings),
            "versions": versions(),
        }
    )


def _image(result: Result):
    row = {key: value for key, value in result.row.items() if key not in ("sample", "target")}
    files = {"sheet": result.sheet, "picture": result.picture, "arrays": result.arrays}
    return {"file": printable(result.image), **row, **files}


def _print(work: Perturbing, results: Sequence[Result], found: Sequence[Result], out):
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    console = Console(file=out, highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for title, style in (
        ("Image", {}),
        ("Class", {}),
        ("", {"justify": "right"}),
        ("New class", {}),
        ("", {"justify": "right"}),
        ("Distance", {"justify": "right"}),
        ("Fooled", {}),
        ("As a file", {}),
        ("Sheet", {"style": "cyan"}),
    ):
        table.add_column(title, overflow="fold", **style)
    for result in found[:_MOST_ROWS]:
        row = result.row
        table.add_row(
            Text(printable(result.image.name)),
            Text(work.name(row["class"])),
            _said(work, row["confidence"]),
            Text(work.name(row["new_class"])),
            _said(work, row["new_confidence"]),
            f"{row['distance']:.3g}",
            *_verdicts(row),
            Text(result.sheet),
        )
    console.print(table)
    if len(found) > _MOST_ROWS:
        console.print(f"… and {len(found) - _MOST_ROWS} more, in manifest.json")
    attack, fooled, skipped = work.attack, sum(result.row["success"] for result in found), len(results) - len(found)
    within = "" if work.radius is None else f" within {work.radius:g}"
    console.print(
        f"\n[dim]{attack.method}, {attack.norm}{within}; distances are in {UNIT}.[/]\n"
        f"{fooled} of {len(found)} image{'s' * (len(found) != 1)} fool the network; "
        f"results in [cyan]{escape(printable(work.folder.path))}[/]"
        + (f", [yellow]{skipped} image{'s' * (skipped != 1)} skipped[/]" if skipped else ""),
        soft_wrap=True,
    )


def _said(work, number):
    return percent(number) if work.attack.probable else f"{number:.3g}"


def _verdicts(row):
    """Whether the network is fooled by the point, and by the picture file."""
    return ["–" if each is None else "yes" if each else "no" for each in (row["success"], row["survives"])]
