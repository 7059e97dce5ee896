"""What `memorization` writes and says at its end: the curve, the sheet, the tables, the manifest."""

import os
from functools import partial
from itertools import chain
from pathlib import Path

import kerasviz
from kerasviz import plotting
from kerasviz.cli.console import SOME_SKIPPED, Reporter, print_json, printable
from kerasviz.cli.manifest import of_model, versions
from kerasviz.cli.memorizing import UNIT, Memorized, Memorizing, Shown
from kerasviz.cli.places import check_writable
from kerasviz.errors import ImageError, SaveError
from kerasviz.generalization.critical_record import magnification, magnified
from kerasviz.generalization.curve_record import curve_files
from kerasviz.writing import check_free, plain, write_files, write_json

_SHEET, _MANIFEST = "samples.png", "manifest.json"
_NAMES = (_MANIFEST, "arrays.npz", "curve.csv", "curve.png", "samples.csv", _SHEET)
_MOST_ROWS = 50
_BAR = 20  # cells of a full bar
_TILE, _BESIDE = 1.75, 4  # inches; from so many found points on, two stand side by side


def check_out(out: Path, images: list[Path], *, overwrite: bool):
    """Refuse what cannot be written, before any work is done.

    Args:
        out: where results go.
        images: the picture files, which are never written over.
        overwrite: whether earlier results may be replaced.

    Raises:
        SaveError: the path is no folder, holds results already, or may not be written to.
    """
    own = {os.path.realpath(image) for image in images} & {os.path.realpath(out / name) for name in _NAMES}
    if own:
        raise SaveError(
            f"{printable(min(own))!r} is one of the pictures",
            expected="results in another folder",
            mend="Choose one with --out",
        )
    check_free(out, _NAMES, overwrite=overwrite)
    check_writable(out)


def carry_out(work: Memorizing, out: Path, reporter: Reporter, stdout, *, overwrite: bool, json: bool) -> int:
    """Search, write all files whatever happens, and print what was found.

    Args:
        work: what to do.
        out: where results go.
        reporter: says on stderr what goes on.
        stdout: the real one.
        overwrite: replace earlier results.
        json: print the manifest instead of tables.

    Returns:
        The exit code.

    Raises:
        ImageError: no image could be read.
        SaveError: something cannot be written.
    """
    found, complete = Memorized([], [], None, []), False
    try:
        for reason in work.run(found, reporter.status):
            reporter.skip(reason)
        complete = True
    finally:
        if found.curve is not None:
            reporter.status("writing")
            document = _manifest(work, out, found, reporter.warnings, complete=complete)
            _write(work, out, found, document, overwrite=overwrite)
    reporter.status()
    if found.curve is None:
        raise ImageError(
            f"None of the {len(work.images)} images could be read",
            expected="at least one picture",
            mend="The reasons stand above",
        )
    if json:
        print_json(document, stdout)
    else:
        _print(work, out, found, stdout)
    return SOME_SKIPPED if found.skipped else 0


def draw_shown(shown: list[Shown]):
    """A sheet of found points: picture, point, and their difference, magnified until the radius spans the whole range.

    Args:
        shown: at least one.

    Returns:
        A matplotlib figure.
    """
    from kerasviz.plotting.canvas import Tile, draw_sheet

    beside = 2 if len(shown) >= _BESIDE else 1
    triples = []
    for one in shown:
        before, after = one.classes
        factor = magnification(one.radius)
        change = magnified(one.before, one.after, one.radius)
        triples.append(
            [
                Tile(plotting.display_image(one.before), f"{printable(one.image.name)}: {before}"),
                Tile(plotting.display_image(one.after, value_range=(0, 255)), f"{after}, within {one.radius:g}"),
                Tile(
                    plotting.display_image(change),
                    f"difference × {factor:,.0f}" if factor >= 100 else f"difference × {factor:.3g}",
                ),
            ]
        )
    rows = [list(chain(*triples[first : first + beside])) for first in range(0, len(triples), beside)]
    return draw_sheet(rows, group=3, tile=_TILE)


def _write(work, out, found, document, *, overwrite):
    names = [entry["file"] for entry in document["images"]]
    writers = curve_files(found.curve, unit=UNIT, names=names, labels=work.classes.labels)
    if found.shown:
        writers[_SHEET] = draw_shown(found.shown).savefig
    # The manifest last, so that a folder with one is whole.
    writers[_MANIFEST] = partial(write_json, document=document)
    write_files(out, writers, overwrite=overwrite)
    if not found.shown:
        (out / _SHEET).unlink(missing_ok=True)  # of an earlier run


def _manifest(work, out, found, warnings, *, complete):
    opened, names = work.opened, [printable(image) for image in found.images]
    return plain(
        {
            "kerasviz": kerasviz.__version__,
            "complete": complete,
            "folder": printable(out),
            "model": {
                **of_model(opened, work.frame),
                "output": work.classes.output,
                "classes": work.classes.count,
                "labelled": work.classes.labels is not None,
                "parameters": opened.model.count_params(),
            },
            "unit": UNIT,
            "curve": found.curve.rows(),
            "settings": {**found.curve.settings, "preprocess": opened.preprocess_name},
            "images": [
                {
                    "file": row.pop("sample"),
                    "class": row["class"],
                    "label": row.get("label"),
                    "smallest_radius": row["smallest_radius"],
                    "new_class": row["new_class"],
                    "new_label": row.get("new_label"),
                }
                for row in found.curve.sample_rows(names, work.classes.labels)
            ],
            "skipped": [{"file": printable(image), "reason": printable(why)} for image, why in found.skipped],
            "shown": [printable(one.image) for one in found.shown],
            "files": [name for name in _NAMES if name != _SHEET or found.shown],
            "warnings": list(warnings),
            "versions": versions(),
        }
    )


def _print(work, out, found, stdout):
    from rich.console import Console
    from rich.markup import escape

    console = Console(file=stdout, highlight=False)
    console.print(_radii(found.curve))
    console.print()
    console.print(_samples(work, found))
    if len(found.images) > _MOST_ROWS:
        console.print(f"… and {len(found.images) - _MOST_ROWS} more, in samples.csv")
    console.print(
        f"\n[dim]Radii are in {UNIT}. Ratios are lower bounds: compare them only at the same radius, with the same "
        "search, on the same pictures.[/]",
        soft_wrap=True,
    )
    count, skipped = len(found.images), len(found.skipped)
    console.print(
        f"\n{count} image{'s' * (count != 1)}, {found.curve.described()}; results in [cyan]{escape(printable(out))}[/]"
        + (f", [yellow]{skipped} image{'s' * (skipped != 1)} skipped[/]" if skipped else ""),
        soft_wrap=True,
    )


def _radii(curve):
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for title in ("Radius", "Critical", "Ratio"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in curve.rows():
        filled = round(_BAR * row["ratio"])
        bar = Text("━" * filled, style="green") + Text("╌" * (_BAR - filled), style="bright_black")
        table.add_row(f"{row['radius']:g}", f"{row['critical']} of {row['samples']}", f"{row['ratio']:.3f}", bar)
    return table


def _samples(work, found):
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Image", overflow="fold")
    table.add_column("Class", overflow="fold")
    table.add_column("Smallest radius", justify="right", no_wrap=True)
    table.add_column("New class", overflow="fold")
    rows = found.curve.sample_rows([image.name for image in found.images], work.classes.labels)
    for row in rows[:_MOST_ROWS]:
        before, after = (
            Text(str(row.get(label) or f"class {row[number]}"))
            for number, label in (("class", "label"), ("new_class", "new_label"))
        )
        name, radius = Text(printable(row["sample"])), row["smallest_radius"]
        if radius is None:
            table.add_row(name, before, Text("none found", style="dim"), "")
        else:
            table.add_row(name, before, f"{radius:g}", after)
    return table
