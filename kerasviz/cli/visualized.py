"""What `visualize` writes and says at its end."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from kerasviz.cli.console import Reporter, print_json, printable
from kerasviz.cli.visualizing import Visualizing
from kerasviz.errors import SaveError
from kerasviz.synthesis.saved import HOLDS, MANIFEST, is_saved

_MOST_ROWS = 50


def check_folder(out: Path, *, overwrite: bool, holds: str = HOLDS, images: Sequence[Path] = ()):
    """Refuse a folder that cannot be written, before any work is done.

    Args:
        out: where results go; as a whole, so that it must be new, or hold nothing else.
        overwrite: whether earlier results may be replaced.
        holds: what earlier results are called.
        images: the picture files, which are never written over.

    Raises:
        SaveError: the path is no folder, holds something else, or may not be written to.
    """
    if out.exists() and not out.is_dir():
        raise SaveError(f"--out {printable(out)!r} is a file", expected="a folder", mend="Choose another name")
    here = out.resolve()
    own = [image for image in images if image.resolve().parent == here]
    if own:
        raise SaveError(
            f"{printable(own[0])!r} is one of the pictures",
            expected="results in a folder of their own",
            mend="Choose one with --out",
        )
    if out.exists() and any(out.iterdir()):
        earlier = is_saved(out, holds=holds)
        if not (earlier and overwrite):
            raise SaveError(
                f"{printable(out)!r} exists already" if earlier else f"{printable(out)!r} holds other files",
                expected="a new or empty folder",
                mend="Add --overwrite to replace these results, or choose another folder with --out"
                if earlier
                else "Choose another with --out",
            )
    above = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not os.access(above, os.W_OK):
        raise SaveError(
            f"{printable(out)!r} cannot be written: you may not write to {printable(above)!r}",
            expected="a folder that you may write to",
            mend="Choose another with --out",
        )


def carry_out(work: Visualizing, out: Path, reporter: Reporter, stdout, *, overwrite: bool, json: bool):
    """Make the images, write all files, and print what was made.

    Args:
        work: what to do.
        out: where results go.
        reporter: says on stderr what goes on.
        stdout: the real one.
        overwrite: replace earlier results.
        json: print the manifest instead of a table.

    Raises:
        SaveError: something cannot be written.
    """
    reporter.status()
    made = work.run()
    reporter.status("writing")
    made.save(out, overwrite=overwrite)
    reporter.status()
    manifest = _read(out)
    if json:
        print_json({**manifest, "folder": printable(out), "warnings": list(reporter.warnings)}, stdout)
    else:
        _print(manifest, out, stdout)


def _read(out):
    return json.loads((out / MANIFEST).read_text(encoding="utf-8"))


def _print(manifest, out, stdout):
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    screen = Console(file=stdout, highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Shows", overflow="fold")
    table.add_column("Score", justify="right", no_wrap=True)
    table.add_column("Step", justify="right", no_wrap=True)
    table.add_column("File", overflow="fold", style="dim")
    rows = manifest["images"]
    for row in rows[:_MOST_ROWS]:
        table.add_row(Text(row["name"]), f"{float(row['score']):.4g}", str(row["step"]), Text(row["file"]))
    screen.print(table)
    if len(rows) > _MOST_ROWS:
        screen.print(f"… and {len(rows) - _MOST_ROWS} more, in {MANIFEST}")
    screen.print(
        f"\n{len(rows)} image{'s' * (len(rows) != 1)}; results in [cyan]{escape(printable(out))}[/]", soft_wrap=True
    )
