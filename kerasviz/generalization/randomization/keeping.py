"""The folder of a randomization test: finished runs, and how far an unfinished one has come."""

import hashlib
import json
import re
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

from kerasviz.errors import KerasvizWarning, SaveError, SettingError
from kerasviz.generalization.randomization.record import RandomizationRun

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
            self._write(run.data, run.regularization, "run", *run.parts())
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
            self._write(data, regularization, "state", *state())

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
            _replace(path, lambda draft: draft.write_text(json.dumps(manifest, indent=2), encoding="utf-8"))
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
        path = self._file(data, regularization, kind)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            return json.loads(arrays.pop("about").tobytes()), arrays
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            warnings.warn(f"{str(path)!r} cannot be read ({error}): the run starts anew", KerasvizWarning, stacklevel=2)
            return None

    def _write(self, data, regularization, kind, about, arrays):
        path = self._file(data, regularization, kind)
        about = np.frombuffer(json.dumps(about).encode(), np.uint8)

        def write(draft):
            # A file, since numpy adds .npz to a path.
            with draft.open("wb") as file:
                np.savez(file, about=about, **arrays)

        try:
            _replace(path, write)
        except OSError as error:
            raise SaveError(
                f"{str(path)!r} cannot be written: {error.strerror or error}",
                expected="a folder that you may write to, with room",
                mend="Make room, and run the same test again: it goes on from the last epoch that was kept",
            ) from error


def _replace(path, write):
    """Write a file whole or not at all. The draft's name is always the same: killed runs leave one, not many."""
    draft = path.with_name(f"{path.name}.draft")
    write(draft)
    draft.replace(path)


def _compare(kept, asked, folder):
    wrong = [name for name in {**kept, **asked} if kept.get(name) != asked.get(name)]
    if wrong:
        told = "; ".join(f"{name}: {kept.get(name)!r}, not {asked.get(name)!r}" for name in wrong)
        raise SettingError(
            f"{str(folder)!r} keeps another test ({told})",
            expected="the same data, model and settings as before",
            mend="Choose another folder, or remove this one",
        )
