"""Results that were saved, read again: what is missing, damaged or foreign is one kind of error."""

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kerasviz.errors import LoadError

#: What reading a file raises that is missing, damaged, or of something else.
DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def reading(path, what: str, by: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into one error.

    Args:
        path: of the folder or file that is read.
        what: it should hold: "explanation", "critical samples".
        by: what was written by whom: "a folder that Explanation.save wrote".

    Raises:
        LoadError: what is inside raised one of `DAMAGED`.
    """
    try:
        yield
    except DAMAGED as error:
        raise LoadError(
            f"{str(path)!r} holds no {what} that can be read: {error}", expected=by, mend="Save it again"
        ) from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file that `numpy.savez` wrote, by name; none of them is code."""
    # Opened here, since numpy leaves a damaged archive open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def read_json(path: Path):
    """The document in a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def holds_only(folder: Path, manifest: str, holds: str) -> bool:
    """Whether a folder holds what was saved there, and nothing beside it, so that it may be replaced.

    Args:
        folder: need not exist.
        manifest: the name of the JSON file that says under "holds" what the folder holds, and lists its "files".
        holds: what it has to say.
    """
    try:
        said = read_json(folder / manifest)
        return said["holds"] == holds and {path.name for path in folder.iterdir()} <= set(said["files"])
    except DAMAGED:
        return False
