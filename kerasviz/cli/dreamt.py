"""What `dream` writes and says at its end: the dreams, the sheet, the animations, the manifest."""

from functools import partial
from itertools import chain
from pathlib import Path

import kerasviz
from kerasviz import plotting
from kerasviz.cli.console import SOME_SKIPPED, Reporter, print_json, printable
from kerasviz.cli.dreaming import Dreaming, Dreams
from kerasviz.cli.folder import safe
from kerasviz.cli.manifest import of_model, versions
from kerasviz.errors import ImageError
from kerasviz.plotting.animation import write_gif
from kerasviz.plotting.counts import drawable
from kerasviz.synthesis.saved import MANIFEST, is_saved
from kerasviz.writing import plain, write_folder, write_json

#: What the manifest says that the folder holds.
HOLDS = "dreams"
_SHEET = "sheet.png"
_TILE, _BESIDE = 3.2, 4  # inches; from so many dreams on, two pairs stand side by side
_SECONDS = 2.0  # of an animation, until the dream
_MOST_ROWS = 50


def carry_out(work: Dreaming, out: Path, reporter: Reporter, stdout, *, overwrite: bool, json: bool) -> int:
    """Dream, write all files whatever happens, and print what was dreamt.

    Args:
        work: what to do.
        out: where results go.
        reporter: says on stderr what goes on.
        stdout: the real one.
        overwrite: replace earlier results.
        json: print the manifest instead of a table.

    Returns:
        The exit code.

    Raises:
        ImageError: no image could be read.
        SaveError: something cannot be written.
    """
    reporter.note(work.cost())
    found, complete = Dreams(), False
    try:
        for reason in work.run(found, reporter.status):
            reporter.skip(reason)
        complete = True
    finally:
        if found.dreams:
            reporter.status("writing")
            document = _manifest(work, found, reporter.warnings, complete=complete)
            ours = partial(is_saved, holds=HOLDS) if overwrite else None
            write_folder(out, lambda folder: _write(folder, found, document), ours=ours, mend="Choose another")
    reporter.status()
    if not found.dreams:
        raise ImageError(
            f"None of the {len(work.images)} images could be read",
            expected="at least one picture",
            mend="The reasons stand above",
        )
    if json:
        print_json({**document, "folder": printable(out)}, stdout)
    else:
        _print(document, out, stdout)
    return SOME_SKIPPED if found.skipped else 0


def draw_dreams(found: Dreams):
    """Pictures and dreams beside each other, at most 64 of them.

    Args:
        found: at least one.

    Returns:
        A matplotlib figure.
    """
    from kerasviz.plotting.canvas import Tile, draw_sheet

    pairs = []
    for one in found.dreams[: drawable(len(found.dreams))]:
        pictures = plotting.display_image(one.before), plotting.display_image(one.frames[-1])
        pairs.append([Tile(pictures[0], printable(one.image.name)), Tile(pictures[1], f"score {one.score:.3g}")])
    beside = 2 if len(pairs) >= _BESIDE else 1
    rows = [list(chain(*pairs[first : first + beside])) for first in range(0, len(pairs), beside)]
    return draw_sheet(rows, group=2, tile=_TILE)


def _write(folder, found, document):
    for one, entry in zip(found.dreams, document["images"], strict=True):
        about = {"Source": printable(one.image), "method": "DeepDream", "settings": document["settings"]}
        plotting.save_png(folder / entry["dream"], one.frames[-1], about)
        if entry["animation"]:
            frames = plotting.display_image(one.before[None]), plotting.display_image(one.frames)
            write_gif(folder / entry["animation"], [*frames[0], *frames[1]], seconds=_SECONDS)
    draw_dreams(found).savefig(folder / _SHEET)
    # The last of them, so that a folder with a manifest is whole.
    write_json(folder / MANIFEST, document)


def _manifest(work, found, warnings, *, complete):
    images = [
        {
            "file": printable(one.image),
            "size": list(one.before.shape[:2]),
            "score": one.score,
            "dream": f"{stem}.png",
            "animation": f"{stem}.gif" if work.gif else None,
        }
        for one, stem in zip(found.dreams, _stems(found), strict=True)
    ]
    files = [name for entry in images for name in (entry["dream"], entry["animation"]) if name]
    return plain(
        {
            "kerasviz": kerasviz.__version__,
            "holds": HOLDS,
            "complete": complete,
            "model": of_model(work.opened, work.frame),
            "settings": {**found.settings, "preprocess": work.opened.preprocess_name},
            "command": work.asked,
            "images": images,
            "skipped": [{"file": printable(image), "reason": printable(why)} for image, why in found.skipped],
            "files": sorted([*files, _SHEET, MANIFEST]),
            "warnings": list(warnings),
            "versions": versions(),
        }
    )


def _stems(found):
    """A name for each dream that no other has, and that is not the sheet's."""
    return [f"{number:04d}-{safe(one.image.stem)}" for number, one in enumerate(found.dreams)]


def _print(document, out, stdout):
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    screen = Console(file=stdout, highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Image", overflow="fold")
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("Score", justify="right", no_wrap=True)
    table.add_column("Dream", overflow="fold", style="dim")
    rows = document["images"]
    for row in rows[:_MOST_ROWS]:
        size = " x ".join(map(str, row["size"]))
        table.add_row(Text(Path(row["file"]).name), size, f"{float(row['score']):.4g}", Text(row["dream"]))
    screen.print(table)
    if len(rows) > _MOST_ROWS:
        screen.print(f"… and {len(rows) - _MOST_ROWS} more, in {MANIFEST}")
    count, skipped = len(rows), len(document["skipped"])
    screen.print(
        f"\n{count} dream{'s' * (count != 1)}; results in [cyan]{escape(printable(out))}[/]"
        + (f", [yellow]{skipped} image{'s' * (skipped != 1)} skipped[/]" if skipped else ""),
        soft_wrap=True,
    )
