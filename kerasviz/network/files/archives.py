"""`.keras` files: zip archives of a configuration, metadata and an HDF5 file of weights."""

import collections
import contextlib
import io
import json
import re
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass

import keras

from kerasviz.errors import KerasvizError
from kerasviz.network.files import refusals
from kerasviz.network.files.hdf5 import Arrays, arrays_of, opened
from kerasviz.network.files.sizes import refuse_inflated

_CONFIG, _METADATA, _WEIGHTS, _PICKLED = "config.json", "metadata.json", "model.weights.h5", "model.weights.npz"


@dataclass(frozen=True)
class Archive:
    """What a `.keras` file says.

    Attributes:
        config: the text of its configuration.
        keras_version: of the Keras that wrote it.
        saved_on: date and time, as Keras writes them.
        arrays: its weights.
    """

    config: str
    keras_version: str
    saved_on: str | None
    arrays: Arrays


def read_archive(path, *, unsafe: bool = False) -> Archive:
    """Read a `.keras` file but its weights' values.

    Args:
        path: the file.
        unsafe: accept weights that can only be unpickled, which runs code.

    Raises:
        LoadError: it is damaged, something else, from a newer Keras, or not to be trusted.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            _refuse_tricks(path, archive)
            if "data.pkl" in {name.rpartition("/")[2] for name in names}:
                raise refusals.foreign(path, *PYTORCH)
            if not {_CONFIG, _METADATA} <= set(names):
                raise refusals.foreign(path, "is an archive of something else", "Save the model with model.save")
            metadata = json.loads(archive.read(_METADATA))
            version = metadata["keras_version"]
            config = archive.read(_CONFIG).decode()
            if _PICKLED in names and _WEIGHTS not in names:
                if not unsafe:
                    raise refusals.unsafe(path, "weights as Python pickles, which can hold code")
                arrays = Arrays({}, {_PICKLED: archive.getinfo(_PICKLED).file_size})
            elif _WEIGHTS not in names:
                raise refusals.damaged(path, "holds no weights")
            else:
                arrays = _weights(path, archive)
    except KerasvizError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        NotImplementedError,
        RecursionError,
    ) as error:
        raise refusals.damaged(path) from error
    if path.suffix != ".keras":
        raise refusals.foreign(path, "is a Keras file under another name", "Rename it so that it ends in .keras")
    refuse_newer(path, version)
    return Archive(config, str(version), metadata.get("date_saved"), arrays)


#: What is said of files of PyTorch.
PYTORCH = ("is a PyTorch file", "Build the model in Keras and copy the weights, or export it to ONNX and convert that")


def refuse_newer(path, version):
    """Refuse a file of a newer Keras.

    Raises:
        LoadError: it is one.
    """
    if version is not None and _major_minor(version) > _major_minor(keras.__version__):
        raise refusals.newer(path, version, keras.__version__)


def _major_minor(version):
    parts = str(version).split(".")[:2]
    return tuple(int(part) if part.isdecimal() else 0 for part in parts)


def _refuse_tricks(path, archive):
    """Refuse names that lead elsewhere when unpacked, and members that unpack to more than they can be."""
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        # Readers differ in which of the two they take: what was checked may not be what is read.
        raise refusals.tricky(path, f"holds {_twice(names)!r} twice")
    for member in members:
        name = member.filename
        if re.match(r"[/\\]|\w:", name) or ".." in re.split(r"[/\\]", name):
            raise refusals.tricky(path, f"holds {name!r}, a path that leads out of it")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise refusals.tricky(path, f"holds {name!r}, a link to another file")
        if member.flag_bits & 1:
            raise refusals.foreign(path, "is encrypted", "Unpack it with its password, and save the model again")
    for member in members:
        refuse_inflated(path, f"{member.filename!r}", member.file_size, member.compress_size)
    claimed, stored = (sum(getattr(member, name) for member in members) for name in ("file_size", "compress_size"))
    refuse_inflated(path, "it", claimed, stored)


def _twice(names):
    return collections.Counter(names).most_common(1)[0][0]


def _weights(path, archive):
    member = archive.getinfo(_WEIGHTS)
    with contextlib.ExitStack() as stack:
        if member.compress_type == zipfile.ZIP_STORED:
            file = stack.enter_context(path.open("rb"))
            inside = io.BufferedReader(_Window(file, *_place(file, member)))
        else:
            inside = io.BytesIO(archive.read(member))
        return arrays_of(path, stack.enter_context(opened(path, inside)), member.file_size)


def _place(file, member):
    """Where a member that is not compressed begins and ends: behind its header, name and extra fields."""
    file.seek(member.header_offset)
    name, extra = struct.unpack("<26x2H", file.read(30))
    begin = member.header_offset + 30 + name + extra
    return begin, begin + member.file_size


class _Window(io.RawIOBase):
    """A part of a file as a file. `zipfile` reads from the start again whenever a reader goes back."""

    def __init__(self, file, begin, end):
        self._file, self._begin, self._end, self._at = file, begin, end, begin

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        self._at = offset + {io.SEEK_SET: self._begin, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        return self._at - self._begin

    def readinto(self, buffer):
        self._file.seek(self._at)
        data = self._file.read(max(0, min(len(buffer), self._end - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
