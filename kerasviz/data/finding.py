"""Picture files in folders and behind patterns."""

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path

from kerasviz.errors import ImageError

SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm"}
    | {".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)


def find_images(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """List picture files.

    A file is taken as it is, whatever its name: a bad one is told when it is read. A folder is searched with
    the folders in it, and a pattern (`*`, `?`, `[..]`, `**`) is matched; of what they hold, files with a
    picture's suffix count. Names that begin with a dot are left out, as are linked folders.

    Args:
        paths: files, folders and patterns, or a single one.

    Returns:
        The files in the order of `paths`, those of a folder or pattern in natural order (`cat2` before
        `cat10`), each once.

    Raises:
        ImageError: nothing was given, or one of `paths` leads to no picture.

    Example:
        >>> import pathlib, tempfile, kerasviz as kv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("cat10.png", "cat2.JPG", "notes.txt"):
        ...         pathlib.Path(folder, name).touch()
        ...     print([path.name for path in kv.data.find_images(folder)])
        ['cat2.JPG', 'cat10.png']
    """
    paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not paths:
        raise ImageError("No paths were given", expected="picture files, folders or patterns", mend="Name at least one")
    found = {}
    for path in paths:
        hits = _expand(path)
        if not hits:
            raise ImageError(
                f"{path} leads to no picture (looked from {Path.cwd()})",
                expected=f"a file, or a folder or pattern with files of type {' '.join(sorted(SUFFIXES))}",
                mend="Check the spelling and the folder",
            )
        found |= dict.fromkeys(hits)
    return list(found)


def _expand(path):
    if Path(path).is_dir():
        return _in_folder(path)
    if Path(path).exists():
        return [Path(path)]
    hits = []
    # Path.glob takes no absolute patterns.
    for hit in map(Path, glob.glob(os.fspath(path), recursive=True)):  # noqa: PTH207
        if hit.is_dir():
            hits += _in_folder(hit)
        elif hit.suffix.lower() in SUFFIXES:
            hits.append(hit)
    return sorted(hits, key=_natural)


def _in_folder(folder):
    hits = []
    for parent, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        hits += [
            Path(parent, name) for name in names if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return sorted(hits, key=_natural)


def _unreadable(error):
    raise ImageError(
        f"{error.filename} cannot be listed: {error.strerror}",
        expected="a folder that you may read",
        mend="Check its permissions",
    ) from error


def _natural(path):
    # Splitting by numbers puts text at even and numbers at odd places, so that like is compared with like.
    parts = [re.split(r"(\d+)", part.casefold()) for part in path.parts]
    return [[int(piece) if i % 2 else piece for i, piece in enumerate(part)] for part in parts], str(path)
