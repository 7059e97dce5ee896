"""What `occlude` says at its end: the manifest, and the table on the terminal."""

from collections.abc import Sequence

from kerasviz.cli.console import printable
from kerasviz.cli.occluding import Occluding, title_of
from kerasviz.cli.run import Result
from kerasviz.cli.summary import manifest, print_counts

_MOST_ROWS = 50


def document(work: Occluding, results: Sequence[Result], *, complete: bool, warnings: Sequence[str]) -> dict:
    """All about a run, as JSON can hold it: that of `explain`, and for each image what hiding found.

    Boxes are `[x0, y0, x1, y1]` in pixels of the network's input, whose size stands there for each image.

    Args:
        work: what was to be done.
        results: of the images that were reached.
        complete: whether all were.
        warnings: what was warned of.
    """
    whole = manifest(work, results, complete=complete, warnings=warnings)
    explained = [result for result in results if result.reason is None]
    for entry, result in zip(whole["images"], explained, strict=True):
        found = work.found.get(result.image)
        if found is None:
            continue  # interrupted before
        entry["occlusion"] = [
            {
                "class": one.index,
                "label": one.label,
                "score": score,
                "sizes": [_size(swept, three=work.explain.three_maps) for swept in sizes],
            }
            for one, score, sizes in found.classes
        ]
        entry["size"] = list(found.classes[0][2][0].grid.space)
        entry["seconds"] = round(found.seconds, 3)
        entry["arrays"] = found.arrays.name
        entry |= found.pictures
        whole["files"] += _files(found)
    return whole


def print_table(work: Occluding, results: Sequence[Result], out):
    """Print what was found, for people: a line for each class and size."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    three = work.explain.three_maps
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    # Narrow enough for 80 columns: the image stands over its class.
    table.add_column("Image, class", overflow="fold")
    table.add_column("Score", justify="right", no_wrap=True)
    table.add_column("Patch / stride", justify="right", no_wrap=True)
    table.add_column("Largest drop", justify="right", no_wrap=True)
    table.add_column("at x, y", justify="right", no_wrap=True)
    if three:
        table.add_column("Changes to", overflow="fold")
        table.add_column("at x, y", justify="right", no_wrap=True)
    explained = [result for result in results if result.image in work.found]
    for result in explained[:_MOST_ROWS]:
        found = work.found[result.image]
        table.add_row(Text(printable(result.image.name), style="bold"))
        for one, score, sizes in found.classes:
            named = [Text(one.name), f"{score:.3g}"]
            for swept in sizes:
                change = _change_in_words(swept) if three else []
                table.add_row(
                    *named, title_of(swept.grid), f"{swept.drop:.3g}", _centre(swept.box(swept.place)), *change
                )
                named = ["", ""]
    console = Console(file=out, highlight=False)
    console.print(table)
    if len(explained) > _MOST_ROWS:
        console.print(f"… and {len(explained) - _MOST_ROWS} more, in manifest.json")
    console.print("\n[dim]x, y: the centre of the patch in pixels of the network's input.[/]", end="")
    pictures = sum(len(result.drawn) + 1 + len(_files(work.found[result.image])) for result in explained)
    print_counts(work, results, pictures, console)


def _size(swept, *, three):
    entry = {
        "size": list(swept.grid.size),
        "stride": list(swept.grid.stride),
        "positions": len(swept.grid.starts),
        "largest_drop": swept.drop,
        "box": swept.box(swept.place),
    }
    if three:
        change = swept.change
        entry["change"] = change and {
            "positions": change.positions,
            "class": change.index,
            "label": change.label,
            "drop": change.drop,
            "box": swept.box(change.place),
        }
    return entry


def _change_in_words(swept):
    from rich.text import Text

    change = swept.change
    if change is None:
        return [Text("never", style="dim"), ""]
    share = f"at {change.positions} of {len(swept.grid.starts)}"
    name = f"class {change.index}" if change.label is None else change.label
    return [Text(f"{name} ({share})"), _centre(swept.box(change.place))]


def _centre(box):
    x0, y0, x1, y1 = box
    return f"{(x0 + x1) / 2:g}, {(y0 + y1) / 2:g}"


def _files(found):
    return [*([found.pictures["sweep"]] if found.pictures["sweep"] else []), *found.pictures["three_maps"]]
