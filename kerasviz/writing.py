"""Files and folders of results, written whole or not at all."""

import contextlib
import csv
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasviz.errors import KerasvizError, SaveError


def check_free(folder, names: Sequence[str], *, overwrite: bool = False) -> Path:
    """Refuse a folder that cannot be one, or that holds files of these names.

    Args:
        folder: need not exist.
        names: of the files that will be written.
        overwrite: whether such files may be replaced.

    Raises:
        SaveError: the path is a file, or a file of such a name is there.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise SaveError(f"{str(folder)!r} is a file", expected="a folder", mend="Choose another name")
    there = [name for name in names if (folder / name).exists()]
    if there and not overwrite:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise SaveError(
            f"{str(folder / there[0])!r}{more} exists already",
            expected="a folder without earlier results",
            mend="Choose another folder, or let them be replaced: overwrite=True, or --overwrite on the command line",
        )
    return folder


def obstacle(folder) -> str | None:
    """Why nothing can be written to a folder, which need not exist yet; None where nothing is known against it."""
    above = next(part for part in (Path(folder), *Path(folder).absolute().parents) if part.exists())
    if not above.is_dir():
        return f"{str(above)!r} is a file"
    return None if os.access(above, os.W_OK | os.X_OK) else f"you may not write to {str(above)!r}"


def make_writable(folder):
    """Make a folder, and see that files can be written there.

    Raises:
        SaveError: it cannot be made or written to.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SaveError(
            f"{str(folder)!r} cannot be written to: {error.strerror or error}",
            expected="a folder that you may write to",
            mend="Choose another",
        ) from error


def write_files(folder, writers: Mapping[str, Callable[[Path], object]], *, overwrite: bool = False) -> list[str]:
    """Write files; if one fails, none is there that was not there before.

    Args:
        folder: made if it does not exist.
        writers: for each name a function that writes to the path that it is given, which ends in that name.
        overwrite: as for `check_free`.

    Returns:
        The names.

    Raises:
        SaveError: as for `check_free`, or something cannot be written.
    """
    folder = check_free(folder, list(writers), overwrite=overwrite)
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Inside the folder: moving a file then stays within one file system, and is one step.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as drafts:
            for name, write in writers.items():
                write(Path(drafts) / name)
            for name in writers:
                (Path(drafts) / name).replace(folder / name)
    except OSError as error:
        if isinstance(error, KerasvizError):
            raise
        raise SaveError(
            f"{str(folder)!r} cannot be written: {error.strerror or error}",
            expected="a folder that you may write to",
            mend="Choose another",
        ) from error
    finally:
        if new and folder.is_dir() and not any(folder.iterdir()):
            with contextlib.suppress(OSError):
                folder.rmdir()
    return list(writers)


def write_folder(folder, fill: Callable[[Path], object], *, ours=None, mend: str = "Choose another") -> Path:
    """Write a whole folder, or nothing at all.

    Args:
        folder: one that does not exist yet, or is empty.
        fill: writes everything into an empty folder that it is given.
        ours: tells of a folder whether it may be replaced; None for never.
        mend: what to do where it may not.

    Raises:
        SaveError: the folder holds something, or cannot be written.
    """
    folder = Path(folder)
    if folder.exists():
        empty = folder.is_dir() and not any(folder.iterdir())
        if not empty and not (ours is not None and ours(folder)):
            raise SaveError(f"{str(folder)!r} exists already", expected="a new or empty folder", mend=mend)
    try:
        # Beside the folder, or above it: moving it then stays within one file system, and is one step.
        near = next(parent for parent in folder.absolute().parents if parent.exists())
        with tempfile.TemporaryDirectory(dir=near, prefix=f".{folder.name}-") as made:
            complete = Path(made) / "new"
            complete.mkdir()
            fill(complete)
            folder.parent.mkdir(parents=True, exist_ok=True)
            if folder.exists():
                folder.replace(Path(made) / "old")
            complete.replace(folder)
    except OSError as error:
        if isinstance(error, KerasvizError):
            raise
        raise SaveError(
            f"{str(folder)!r} cannot be written: {error}", expected="a folder to write to", mend="Choose another"
        ) from error
    return folder


def write_json(path: Path, document):
    """Write a document as JSON; see `as_json`."""
    path.write_bytes(as_json(document).encode("utf-8", "replace"))


def write_csv(path: Path, rows: Sequence[Mapping]):
    """Write rows of one set of columns; None is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def write_whole(path, content: str | bytes) -> Path:
    """Write one file, UTF-8 where it is text; what stood there before stays until the new one is complete.

    Raises:
        SaveError: it cannot be written.
    """
    path = Path(path)
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    write_files(path.parent, {path.name: lambda draft: draft.write_bytes(data)}, overwrite=True)
    return path


def plain(value):
    """A value as strict JSON can hold it: arrays as lists, infinity and what has no JSON as text."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def as_json(document: dict) -> str:
    """A document as JSON text, without `NaN` or `Infinity`, which JSON does not have."""
    return json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
