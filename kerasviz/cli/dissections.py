"""The folder of `dissect`: what stands there already, what may be replaced, and from where a run goes on."""

import json
import re
from pathlib import Path

from kerasviz.cli.folder import MANIFEST, safe
from kerasviz.errors import SaveError
from kerasviz.writing import as_json, obstacle, write_whole

_CACHED = re.compile(r"\.?[0-9a-f]{24}(\.checkpoint)?")
_FILES = ("csv", "json", "html")


class Dissections:
    """Keeps apart runs that were asked for different things, and joins those that were not.

    Args:
        path: the folder; it need not exist.
        request: what is asked for. Layers and rotations may be added to results of the same request.
        overwrite: whether results of another request may be replaced; then they all are removed.

    Attributes:
        cache: the folder from which a run goes on.
        complete: the entries of the manifest of what is done, by the stem of their files.
        names: for each layer of this run the stem of its files, once `check` is done.
    """

    def __init__(self, path: Path, request: dict, *, overwrite: bool):
        self.path, self.cache = path, path / "cache"
        self._request, self._overwrite = request, overwrite
        self._earlier = self._manifest()
        known = self._earlier.get("results", []) if not overwrite else []
        self.complete = {one["name"]: one for one in known if _is_entry(one)}
        self.names: dict[str, str] = {}

    def check(self, layers: list[str], rotation: float | None):
        """Refuse what cannot be written, before any work is done.

        Args:
            layers: the addresses of this run.
            rotation: of this run.

        Raises:
            SaveError: the path is no folder, or holds results of something else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise SaveError(f"--out {str(self.path)!r} is a file", expected="a folder", mend="Choose another name")
        if reason := obstacle(self.path):
            raise self._unwritable(reason)
        if self._earlier and not self._overwrite and self._earlier.get("request") != self._request:
            raise SaveError(
                f"{str(self.path)!r} holds the results of another run: {self._differences()}",
                expected="the same command, to go on; or a folder without results",
                mend="Choose another folder with --out, or add --overwrite to replace them",
            )
        taken = {name.casefold(): (one["layer"], one["rotation"]) for name, one in self.complete.items()}
        for layer in layers:
            self.names[layer] = _free(layer, rotation, taken)
        listed = self.complete if not self._overwrite else _listed(self._earlier)
        ours = {file for name in listed for file in _files(name)}
        foreign = [
            file
            for name in self.names.values()
            for file in _files(name)
            if file not in ours and (self.path / file).exists()
        ]
        if foreign:
            raise SaveError(
                f"{str(self.path / foreign[0])!r} exists already, and is not of an earlier run",
                expected="a folder where it can be written",
                mend="Choose another folder with --out, or move the file",
            )

    def open(self, document: dict):
        """Make the folder, remove what is to be replaced, and write the manifest.

        Args:
            document: the manifest as it is before any result.

        Raises:
            SaveError: it cannot be made or changed.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if self._overwrite:
                for name in _listed(self._earlier):
                    for file in _files(name):
                        _remove(self.path / file)
                for entry in self.cache.iterdir() if self._earlier and self.cache.is_dir() else ():
                    if _CACHED.fullmatch(entry.name):
                        _remove(entry)
        except OSError as error:
            raise self._unwritable(error.strerror) from error
        self.write_manifest(document)

    def write_manifest(self, document: dict):
        """Write the manifest, whole or not at all.

        Raises:
            SaveError: it cannot be written.
        """
        write_whole(self.path / MANIFEST, as_json(document))

    def _manifest(self):
        try:
            found = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) and "request" in found else {}

    def _differences(self):
        earlier = self._earlier.get("request")
        if not isinstance(earlier, dict):
            return "it cannot be read"
        pairs = ((name, earlier.get(name), value) for name, value in self._request.items())
        return ", ".join(f"{name} {old!r} instead of {new!r}" for name, old, new in pairs if old != new)

    def _unwritable(self, why):
        return SaveError(
            f"{str(self.path)!r} cannot be written: {why}",
            expected="a folder that you may write to",
            mend="Choose another with --out",
        )


def _free(layer, rotation, taken):
    """A stem that nothing else has; the one of before for the same layer and rotation."""
    wanted = safe(layer) + ("" if rotation is None else f"-rotated-{rotation:g}")
    number, name = 1, wanted
    # The manifest and the cache have names of their own.
    while name.casefold() in ("manifest", "cache") or taken.get(name.casefold(), (layer, rotation)) != (
        layer,
        rotation,
    ):
        number += 1
        name = f"{wanted}-{number}"
    taken[name.casefold()] = (layer, rotation)
    return name


def _files(name):
    return [name, *(f"{name}.{kind}" for kind in _FILES)]


def _listed(manifest):
    """The stems of all results that a manifest lists; nothing outside of its folder."""
    found = manifest.get("results", [])
    return [one["name"] for one in found if _is_entry(one)] if isinstance(found, list) else []


def _is_entry(one):
    if not isinstance(one, dict) or not {"name", "layer", "rotation"} <= set(one):
        return False
    return (
        isinstance(one["name"], str)
        and one["name"] not in ("", ".", "..", "cache")
        and Path(one["name"]).name == one["name"]
    )


def _remove(path):
    """Remove a result, or a saved dissection; what else its folder may hold stays."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    for name in ("arrays.npz", "dissection.json"):
        (path / name).unlink(missing_ok=True)
    if not any(path.iterdir()):
        path.rmdir()
