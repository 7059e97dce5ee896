"""Where results go: refused before any work is done where they cannot be written."""

from collections.abc import Sequence
from pathlib import Path

from kerasviz.cli.console import printable
from kerasviz.errors import SaveError
from kerasviz.reading import holds_only
from kerasviz.writing import obstacle

#: What says of a folder of results what it holds.
MANIFEST = "manifest.json"


def check_folder(out: Path, *, overwrite: bool, holds: str, images: Sequence[Path] = ()):
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
        earlier = holds_only(out, MANIFEST, holds)
        if not (earlier and overwrite):
            raise SaveError(
                f"{printable(out)!r} exists already" if earlier else f"{printable(out)!r} holds other files",
                expected="a new or empty folder",
                mend="Add --overwrite to replace these results, or choose another folder with --out"
                if earlier
                else "Choose another with --out",
            )
    check_writable(out)


def check_writable(out: Path):
    """Refuse a folder that may not be written to, or cannot be made.

    Raises:
        SaveError: it, or the folder above it that exists, may not be written to, or is a file.
    """
    if reason := obstacle(out):
        raise SaveError(
            f"{printable(out)!r} cannot be written: {printable(reason)}",
            expected="a folder that you may write to",
            mend="Choose another with --out",
        )


def check_page(out: Path, *, overwrite: bool):
    """Refuse a page that cannot be written, before any work is done.

    Args:
        out: the file.
        overwrite: whether one that is there may be replaced.

    Raises:
        SaveError: its name is not that of a page, so that it may be a picture or a model; it is a folder, or a page
            that may not be replaced; or it may not be written.
    """
    named = printable(out)
    if out.is_dir():
        raise SaveError(
            f"--out {named!r} is a folder", expected="a file to write", mend=f"Name it: {out / 'report.html'}"
        )
    if out.suffix.lower() not in (".html", ".htm"):
        raise SaveError(f"--out {named!r} is no name of a page", expected="a name in .html", mend="Choose another name")
    if out.exists() and not overwrite:
        raise SaveError(
            f"{named!r} exists already",
            expected="a new file",
            mend="Add --overwrite to replace it, or choose another name with --out",
        )
    check_writable(out.parent)
