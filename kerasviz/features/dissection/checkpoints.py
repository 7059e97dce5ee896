"""What a run has gathered so far, in a file, so that a killed run goes on where it was."""

import json
import time
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

from kerasviz.errors import KerasvizWarning
from kerasviz.writing import write_files

_SHARE = 20  # at most one part in so many of the time goes into writing


class Checkpoint:
    """One file that is there whole or not at all.

    Args:
        path: of the file; None for no checkpoints.
        seconds: between two.
    """

    def __init__(self, path: Path | None, seconds: float):
        self._path, self._seconds = path, seconds
        self._written, self._cost = time.monotonic(), 0.0

    def load(self) -> tuple[dict, dict[str, np.ndarray]] | None:
        """What was stored last, or None. A damaged file is passed over, with a warning."""
        if self._path is None or not self._path.exists():
            return None
        try:
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            return json.loads(arrays.pop("about").tobytes()), arrays
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            warnings.warn(
                f"The checkpoint {str(self._path)!r} cannot be read ({error}): the run starts anew",
                KerasvizWarning,
                stacklevel=2,
            )
            return None

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        since = time.monotonic() - self._written
        return self._path is not None and since >= max(self._seconds, _SHARE * self._cost)

    def store(self, about: dict, arrays: dict[str, np.ndarray]):
        """Replace what was stored.

        Args:
            about: for JSON.
            arrays: by name.

        Raises:
            SaveError: it cannot be written.
        """
        began = time.monotonic()
        about = np.frombuffer(json.dumps(about).encode(), np.uint8)
        write_files(
            self._path.parent,
            {self._path.name: lambda draft: _write(draft, {"about": about, **arrays})},
            overwrite=True,
        )
        self._written = time.monotonic()
        self._cost = self._written - began

    def remove(self):
        """Forget what was stored."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _write(path, arrays):
    # A file, since numpy adds .npz to a path.
    with path.open("wb") as file:
        np.savez(file, **arrays)
