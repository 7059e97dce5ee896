"""The state of a work in a file, so that one that was killed goes on where it was."""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from kerasviz.errors import KerasvizWarning, SaveError
from kerasviz.reading import DAMAGED, read_arrays


def read_state(path: Path) -> tuple[dict, dict[str, np.ndarray]] | None:
    """What `write_state` wrote last, or None where there is no file.

    Warns:
        KerasvizWarning: the file is damaged, and passed over.
    """
    try:
        arrays = read_arrays(path)
        return json.loads(arrays.pop("about").tobytes()), arrays
    except FileNotFoundError:
        return None
    except DAMAGED as error:
        warnings.warn(
            f"The state in {str(path)!r} cannot be read ({error}): the work starts anew", KerasvizWarning, stacklevel=3
        )
        return None


def write_state(path: Path, about: Mapping, arrays: Mapping[str, np.ndarray]):
    """Replace a state; the one before stays until the new one is complete.

    Args:
        path: of the file; its folder is made if it does not exist.
        about: something for JSON.
        arrays: by name; "about" is taken.

    Raises:
        SaveError: it cannot be written.
    """
    told = np.frombuffer(json.dumps(about).encode(), np.uint8)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, lambda file: np.savez(file, about=told, **arrays))
    except OSError as error:
        raise SaveError(
            f"{str(path)!r} cannot be written: {error.strerror or error}",
            expected="a folder that you may write to, with room",
            mend="Make room, and run the same again: it goes on from the last state that was kept",
        ) from error


def replace_file(path: Path, write: Callable):
    """Write a file whole or not at all.

    Args:
        path: of the file.
        write: writes to the binary file that it is given.
    """
    # Its name is always the same: works that are killed leave one of them, not many.
    draft = path.with_name(f"{path.name}.draft")
    with draft.open("wb") as file:
        write(file)
    draft.replace(path)
