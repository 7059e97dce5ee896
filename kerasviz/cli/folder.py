"""The folder that results are written to: names, and what an earlier run left there."""

import json
import os
import re
import unicodedata
from pathlib import Path

from kerasviz.errors import SaveError
from kerasviz.writing import obstacle

MANIFEST = "manifest.json"
_LONGEST = 100  # bytes of a part of a name; file systems take 255 in all


class Folder:
    """Names files safely and uniquely, refuses to overwrite, and writes whole files only.

    Args:
        path: the folder; it need not exist.
        images: the picture files that will be explained. They are never written over, wherever they are.
        overwrite: whether results of an earlier run may be replaced.

    Attributes:
        overwrite: whether they may.
        stems: for each image a name without suffix that no other image has.
    """

    def __init__(self, path: Path, images: list[Path], *, overwrite: bool = False):
        self.path = path
        self.overwrite, self._opened = overwrite, False
        here = _real(path)
        self._taken = {image.name.casefold() for image in images if _real(image.parent) == here}
        stems = _Names()
        self.stems = [stems.free(safe(image.stem)) for image in images]

    def check(self, methods: list[str]):
        """Refuse what cannot be written, before any work is done.

        Args:
            methods: the names of the methods that will be asked.

        Raises:
            SaveError: the path is no folder, or holds results already.
        """
        if self.path.exists() and not self.path.is_dir():
            raise SaveError(f"--out {str(self.path)!r} is a file", expected="a folder", mend="Choose another name")
        if reason := obstacle(self.path):
            raise self._unwritable(reason)
        there = self._there(methods)
        if there and not self.overwrite:
            more = f" and {len(there) - 1} more" if len(there) > 1 else ""
            raise SaveError(
                f"{str(self.path / there[0])!r}{more} exists already",
                expected="a folder without earlier results",
                mend="Add --overwrite to replace them, or choose another folder with --out",
            )

    def open(self):
        """Make the folder, and remove what an earlier run lists in its manifest; the first time only.

        Raises:
            SaveError: it cannot be made or changed.
        """
        if self._opened:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name in self._earlier():
                (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error.strerror) from error
        self._opened = True

    def name(self, *parts: str) -> str:
        """A free name for a picture, made of these parts."""
        stem = "-".join(safe(part) for part in parts)
        number, name = 1, f"{stem}.png"
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem}-{number}.png"
        self._taken.add(name.casefold())
        return name

    def arrays(self, stem: str, method: str) -> Path:
        """Where the arrays of an image go, a folder of `Explanation.save`."""
        return self.path / f"{stem}-{method}"

    def write_manifest(self, document: dict):
        """Write the manifest, whole or not at all.

        Raises:
            SaveError: it cannot be written.
        """
        path = self.path / MANIFEST
        draft = path.with_name(f".{MANIFEST}.{os.getpid()}")
        try:
            text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
            draft.write_bytes((text + "\n").encode("utf-8", "replace"))
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise self._unwritable(error.strerror) from error

    def _unwritable(self, why):
        return SaveError(
            f"{str(self.path)!r} cannot be written: {why}",
            expected="a folder that you may write to",
            mend="Choose another with --out",
        )

    def _there(self, methods):
        if not self.path.is_dir():
            return []
        stems = "|".join(re.escape(stem) for stem in self.stems)
        kinds = "|".join(re.escape(method) for method in methods)
        ours = re.compile(
            rf"(?:{stems})(?:(?:-(?:{kinds})-.+)?\.png|-(?:{kinds}))|{re.escape(MANIFEST)}", re.IGNORECASE
        )
        names = sorted(entry.name for entry in self.path.iterdir())
        return [name for name in names if ours.fullmatch(name) and name.casefold() not in self._taken]

    def _earlier(self):
        """Pictures that the manifest of an earlier run lists; nothing outside the folder, and no image."""
        try:
            listed = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return [
            name
            for name in listed
            if isinstance(name, str)
            and Path(name).name == name
            and name.endswith(".png")
            and name.casefold() not in self._taken
        ] + [MANIFEST]


class _Names:
    """Names that have not been given yet, whatever their case."""

    def __init__(self):
        self._given: set[str] = set()

    def free(self, wanted: str) -> str:
        number, name = 1, wanted
        while name.casefold() in self._given:
            number += 1
            name = f"{wanted}-{number}"
        self._given.add(name.casefold())
        return name


def safe(text: str) -> str:
    """A text that every file system takes as part of a name."""
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
    text = re.sub(r"[^\w.,+=@()\[\]]+", "-", text).strip("-. ")
    return text.encode()[:_LONGEST].decode("utf-8", "ignore") or "image"


def _real(path: Path) -> str:
    return os.path.realpath(path)
