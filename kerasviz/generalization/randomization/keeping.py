"""The folder of a randomization test: finished runs, and how far an unfinished one has come."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np

from kerasviz.errors import SaveError, SettingError
from kerasviz.generalization.randomization.record import RandomizationRun
from kerasviz.states import read_state, replace_file, write_state

_MANIFEST = "test.json"
_FORMAT = 1  # of what is stored; raise it when an old folder would mislead


class Folder:
    """Keeps the runs of one test, never those of two.

    A test may come again with further data sets and regularizations: what it shares with the test before must be
    the same, and what a name stood for it must stand for again.

    Args:
        path: of the folder; None to keep nothing.
        shared: what all runs depend on, as JSON has it.
        regularizations: what each of them is, by name, as JSON has it.

    Raises:
        SaveError: the folder cannot be used.
        SettingError: it keeps another test.
    """

    def __init__(self, path, shared: dict, regularizations: dict):
        self._path = None if path is None else Path(path)
        if self._path is not None:
            self._claim({"format": _FORMAT, **shared}, regularizations)

    def finished(self, data: str, regularization: str) -> RandomizationRun | None:
        """A run that was finished before, or None."""
        stored = self._read(data, regularization, "run")
        return None if stored is None else RandomizationRun.of(*stored)

    def finish(self, run: RandomizationRun):
        """Keep a finished run, and forget how it went on.

        Raises:
            SaveError: it cannot be written.
        """
        if self._path is not None:
            write_state(self._file(run.data, run.regularization, "run"), *run.parts())
            self._file(run.data, run.regularization, "state").unlink(missing_ok=True)

    def state(self, data: str, regularization: str) -> tuple[dict, dict[str, np.ndarray]] | None:
        """The last state of an unfinished run, or None. A damaged file is passed over, with a warning."""
        return self._read(data, regularization, "state")

    def store(self, data: str, regularization: str, state):
        """Replace the state of an unfinished run.

        Args:
            data: its data set.
            regularization: its regularization.
            state: a function that gives something for JSON, and arrays by name; called only where they are kept.

        Raises:
            SaveError: it cannot be written.
        """
        if self._path is not None:
            write_state(self._file(data, regularization, "state"), *state())

    def _claim(self, shared, regularizations):
        path, known = self._path / _MANIFEST, {}
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            if path.exists():
                kept = json.loads(path.read_text(encoding="utf-8"))
                known = kept.pop("regularizations")
                # Through JSON, as what was kept went.
                _compare(kept, json.loads(json.dumps(shared)), self._path)
                now = json.loads(json.dumps(regularizations))
                both = known.keys() & now.keys()
                _compare({name: known[name] for name in both}, {name: now[name] for name in both}, self._path)
            manifest = {**shared, "regularizations": {**known, **regularizations}}
            replace_file(path, lambda file: file.write(json.dumps(manifest, indent=2).encode()))
        except (OSError, ValueError, KeyError, AttributeError) as error:
            if isinstance(error, SettingError):
                raise
            raise SaveError(
                f"{str(self._path)!r} cannot be used: {error}", expected="a folder to write to", mend="Choose another"
            ) from error

    def _file(self, data, regularization, kind) -> Path:
        # Names of regularizations are the user's, and need not be names of files.
        name = re.sub(r"[^\w.]+", "-", f"{data}, {regularization}")[:60]
        key = hashlib.sha256(json.dumps([data, regularization]).encode()).hexdigest()[:8]
        return self._path / f"{name}.{key}.{kind}.npz"

    def _read(self, data, regularization, kind):
        if self._path is None:
            return None
        return read_state(self._file(data, regularization, kind))


def _compare(kept, asked, folder):
    wrong = [name for name in {**kept, **asked} if kept.get(name) != asked.get(name)]
    if wrong:
        told = "; ".join(f"{name}: {kept.get(name)!r}, not {asked.get(name)!r}" for name in wrong)
        raise SettingError(
            f"{str(folder)!r} keeps another test ({told})",
            expected="the same data, model and settings as before",
            mend="Choose another folder, or remove this one",
        )
