"""What a run has gathered so far, in a file, so that a killed run goes on where it was."""

import time
from pathlib import Path

import numpy as np

from kerasviz.states import read_state, write_state

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
        return None if self._path is None else read_state(self._path)

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
        write_state(self._path, about, arrays)
        self._written = time.monotonic()
        self._cost = self._written - began

    def remove(self):
        """Forget what was stored."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
