"""What `reconstruct` says at its end: the manifest, and the table on the terminal."""

from collections.abc import Sequence

import kerasviz
from kerasviz.cli.console import SOME_SKIPPED, Reporter, print_json, printable
from kerasviz.cli.manifest import of_model, versions
from kerasviz.cli.reconstructing import Drawn, Reconstructing

_MOST_ROWS = 50


def carry_out(work: Reconstructing, reporter: Reporter, out, *, json: bool) -> int:
    """Run, write the manifest whatever happens, and print what was found.

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
    drawn, complete = [], False
    try:
        for picture in work.run(reporter.skip, reporter.status):
            drawn.append(picture)
        complete = True
    finally:
        if drawn:
            document = manifest(work, drawn, complete=complete, warnings=reporter.warnings)
            work.folder.write_manifest(document)
    reporter.status()
    if json:
        print_json(document, out)
    else:
        print_table(work, drawn, out)
    return SOME_SKIPPED if work.faults else 0


def manifest(work: Reconstructing, drawn: Sequence[Drawn], *, complete: bool, warnings: Sequence[str]) -> dict:
    """All about a run, as JSON can hold it.

    Boxes are `[x0, y0, x1, y1]` in pixels of the network's input.

    Args:
        work: what was to be done.
        drawn: the pictures that were.
        complete: whether these are all.
        warnings: what was warned of.
    """
    opened = work.opened
    return {
        "kerasviz": kerasviz.__version__,
        "complete": complete,
        "folder": printable(work.folder.path),
        "model": of_model(opened, work.frame),
        "layer": work.layer,
        "rule": work.rule,
        "keep": work.keep if isinstance(work.keep, str) else list(work.keep),
        "pictures": [{"file": one.file, "arrays": one.arrays, "units": _units(one)} for one in drawn],
        "skipped": [{"file": printable(image), "reason": printable(reason)} for image, reason in work.faults.items()],
        "files": [one.file for one in drawn],
        "warnings": list(warnings),
        "versions": versions(),
    }


def print_table(work: Reconstructing, drawn: Sequence[Drawn], out):
    """Print what was found, for people: a line for each picture."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Channel" if work.top else "Image", overflow="fold")
    table.add_column("Its images: activation" if work.top else "Its channels: activation", overflow="fold")
    table.add_column("Picture", overflow="fold", style="cyan")
    for one in drawn[:_MOST_ROWS]:
        found = one.reconstructions
        of = [printable(image.name) for image in one.images] if work.top else found.channels.tolist()
        units = [f"{each}: {value:.3g}" for each, value in zip(of, found.activations, strict=True)]
        head = str(found.channels[0]) if work.top else printable(one.images[0].name)
        table.add_row(Text(head), Text(", ".join(units)), Text(one.file))
    console = Console(file=out, highlight=False)
    console.print(table)
    if len(drawn) > _MOST_ROWS:
        console.print(f"… and {len(drawn) - _MOST_ROWS} more, in manifest.json")
    skipped = len(work.faults)
    console.print(
        f"\n{work.layer}: {len(drawn)} picture{'' if len(drawn) == 1 else 's'} in {printable(work.folder.path)}"
        + (f", {skipped} image{'' if skipped == 1 else 's'} skipped" if skipped else ""),
        soft_wrap=True,
        markup=False,
    )


def _units(one):
    found = one.reconstructions
    columns = zip(one.images, found.channels, found.activations, found.positions, found.boxes, strict=True)
    return [
        {
            "image": printable(image),
            "channel": int(channel),
            "activation": float(activation),
            "position": position.tolist(),
            "box": [int(box[axis]) for axis in (1, 0, 3, 2)],
        }
        for image, channel, activation, position, box in columns
    ]
