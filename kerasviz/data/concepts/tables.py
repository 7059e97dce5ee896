"""The CSV files of a data set, and the files that they name."""

import csv
import hashlib
import io
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from kerasviz.errors import DataError

# Said of names from files: what is dangerous on one system is refused on all.
_OUTSIDE = re.compile(r"(^|[/\\])\.\.([/\\]|$)|^[/\\]|^[A-Za-z]:|\0")


class FaultError(Exception):
    """An entry that is left out, and why."""


class Table:
    """A CSV file with a header, in UTF-8. Going through it yields `(line, values by column)`.

    Args:
        folder: where it lies.
        name: of the file.
        columns: that it must have; others are read, too.

    Attributes:
        header: the names of the columns.
        digest: a hash of the file's content.
        faults: `(line, what is wrong)` of the rows with too few or too many values, known once the table was gone
            through.

    Raises:
        DataError: it cannot be read or is no such table, also while it is gone through.
    """

    def __init__(self, folder: Path, name: str, columns: tuple[str, ...]):
        self.name, self._path, self._columns, self.faults = name, folder / name, columns, []
        try:
            content = self._path.read_bytes()
        except OSError as error:
            raise self._error(f"cannot be read: {error}") from error
        self.digest = hashlib.blake2b(content, digest_size=16).digest()
        self._rows = csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline=""), strict=True)
        self.header = [column.strip() for column in self._next() or ()]
        missing = [column for column in columns if column not in self.header]
        twice = [column for column in self.header if self.header.count(column) > 1]
        if missing or twice:
            fault = f"without {', '.join(missing)}" if missing else f"with {twice[0]!r} twice"
            raise self._error(f"starts with {','.join(self.header)[:80]!r}, {fault}")

    def __iter__(self) -> Iterator[tuple[int, dict[str, str]]]:
        while (row := self._next()) is not None:
            if len(row) == len(self.header):
                yield self._rows.line_num, dict(zip(self.header, map(str.strip, row), strict=True))
            elif any(value.strip() for value in row):
                fault = f"{len(row)} values stand in {len(self.header)} columns"
                line = self._rows.line_num
                self.faults.append((line, self.fault(line, fault)))

    def fault(self, line: int, reason) -> str:
        """A reason to leave something out, with its place."""
        return f"{self.name} line {line}: {reason}"

    def _next(self):
        try:
            return next(self._rows, None)
        except (csv.Error, UnicodeDecodeError) as error:
            raise self._error(f"cannot be understood as CSV: line {self._rows.line_num}: {error}") from error

    def _error(self, fault):
        return DataError(
            f"{self._path} {fault}",
            expected=f"CSV in UTF-8 with the columns {','.join(self._columns)}",
            mend="Correct the file, or name the folder that holds it",
        )


class Files:
    """The files of a data set: that they are there, and a hash that changes when one of them does.

    Each file is asked once for its size and time of change; none is opened. 200,000 of them take about a second on
    a local disk.

    Args:
        folder: the data set's.
        settings: whatever else the hash should depend on.
    """

    def __init__(self, folder: Path, *settings):
        # As text: joining paths as objects would take longer than all else.
        self._folder = os.fspath(folder)
        self._hash = hashlib.blake2b(repr(settings).encode("utf-8", "surrogateescape"), digest_size=16)

    def see(self, name: str):
        """Look whether a file is there.

        Args:
            name: its path within the folder, with slashes; where a table gave it, one that `check_inside` passed.

        Raises:
            FaultError: it is missing, or no regular file.
        """
        try:
            status = os.stat(self.path(name))  # noqa: PTH116
        except (OSError, ValueError) as error:
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            raise FaultError(f"{name} " + ("is missing" if missing else f"cannot be read: {error}")) from error
        if not stat.S_ISREG(status.st_mode):
            raise FaultError(f"{name} is no regular file")
        self.note(name, status)

    def note(self, name: str, status: os.stat_result):
        """Add a file that is known to be there."""
        entry = f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n"
        self._hash.update(entry.encode("utf-8", "surrogateescape"))

    def path(self, name: str) -> str:
        """Where a file lies."""
        return f"{self._folder}/{name}"

    @property
    def fingerprint(self) -> str:
        """The hash of all that was seen."""
        return self._hash.hexdigest()


def check_inside(name: str):
    """Refuse a path from a table that is anything but one below the folder that it is relative to.

    Raises:
        FaultError: it is absolute, or goes up.
    """
    if _OUTSIDE.search(name):
        raise FaultError(f"{name!r} leads outside the folder")


def check_folder(folder) -> Path:
    """A data set's folder.

    Raises:
        DataError: it does not exist, or is no folder.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"{folder} is no folder (looked from {Path.cwd()})",
            expected="the folder of a data set",
            mend="Check the spelling",
        )
    return folder
