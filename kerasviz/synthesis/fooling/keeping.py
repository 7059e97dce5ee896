"""The state of an evolution in a file."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from kerasviz.errors import SettingError
from kerasviz.states import read_state, write_state
from kerasviz.synthesis.fooling.archive import Archive

_GENES = "genes/"
#: By how much the same network may answer otherwise on another machine.
_SLACK = 1e-3


class Keeper:
    """Keeps the archive of a run, every so many generations, and finds it again.

    Args:
        path: of the file; None to keep nothing.
        run: what the run depends on, as JSON holds it.
        every: generations between two states.
    """

    def __init__(self, path: str | Path | None, run: Mapping, every: int):
        self._path, self._run, self._every = None if path is None else Path(path), dict(run), every

    def read(self, confidences: Callable) -> Archive | None:
        """The archive that was kept; None where there is none.

        Args:
            confidences: computes those of the individuals with some genes anew.

        Raises:
            SettingError: it is of a run with other settings, or of another network.
        """
        kept = None if self._path is None else read_state(self._path)
        if kept is None:
            return None
        about, arrays = kept
        if about.get("run") != self._run:
            before = about.get("run") or {}
            other = sorted(name for name in {*before, *self._run} if before.get(name) != self._run.get(name))
            raise self._foreign(f"of a run with another {', '.join(other)}")
        rng = np.random.default_rng()
        rng.bit_generator.state = about["rng"]
        genes = {name.removeprefix(_GENES): arrays[name] for name in arrays if name.startswith(_GENES)}
        if np.abs(confidences(genes) - arrays["confidences"]).max() > _SLACK:
            raise self._foreign("of another network, or one that has been trained since")
        return Archive(arrays["confidences"], arrays["found"], rng, genes, list(arrays["history"]))

    def keep(self, archive: Archive, last: bool = False):
        """Keep the archive, if it is time to.

        Args:
            archive: after a generation.
            last: it is time in any case.

        Raises:
            SaveError: the file cannot be written.
        """
        if self._path is None or (not last and archive.generation % self._every):
            return
        arrays = {_GENES + name: array for name, array in archive.genes.items()}
        arrays |= {"confidences": archive.confidences, "found": archive.found, "history": np.stack(archive.history)}
        write_state(self._path, {"run": self._run, "rng": archive.rng.bit_generator.state}, arrays)

    def _foreign(self, what):
        return SettingError(
            f"The checkpoint {str(self._path)!r} is {what}",
            expected="a checkpoint of the same run",
            mend="Choose another file, or remove this one to begin anew",
        )
