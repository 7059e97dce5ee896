"""PyTorch state dicts, read with numpy only and without running what the file says.

A `.pth` file is a pickle, and a pickle can call any function. This reader knows the names that a state dict
needs (an ordered dict, storages, the rebuilding of a tensor) and refuses all others. It reads the layout that
`torch.save` wrote before PyTorch 1.6: five pickles (a magic number, the protocol, the machine, the object,
the storage keys), then each storage as an int64 count and its raw numbers.
"""

import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasviz.errors import DataError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_NUMBERS = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Read the tensors of a PyTorch state dict.

    Args:
        path: a file that `torch.save(model.state_dict(), path)` wrote before PyTorch 1.6, or later with
            `_use_new_zipfile_serialization=False`.

    Returns:
        Name to array, in the file's order. Each array is a contiguous copy, with the file's number type.

    Raises:
        DataError: the file cannot be read, is truncated, holds something else than named tensors, or asks for
            anything that a state dict does not need; nothing that it asks for is run.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            return _read(stream, size, path)
    except DataError:
        raise
    except Exception as error:  # a damaged or hostile pickle may raise anything
        raise _error(path, f"cannot be read: {error or type(error).__name__}") from error


def _read(stream, size, path):
    if _unpickle(stream)[0] != _MAGIC or _unpickle(stream)[0] != _PROTOCOL:
        raise _error(path, "is not in PyTorch's layout from before 1.6")
    machine, _ = _unpickle(stream)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise _error(path, "was not written on a little-endian machine")
    state, declared = _unpickle(stream)
    if not isinstance(state, dict):
        raise _error(path, f"holds a {type(state).__name__} instead of a state dict")
    keys, _ = _unpickle(stream)
    if not isinstance(keys, list) or set(keys) != set(declared):
        raise _error(path, "lists other storages than its tensors lie in")
    storages = {key: _read_storage(stream, size, declared[key], path) for key in keys}
    arrays = {}
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise _error(path, f"holds a {type(tensor).__name__} under {name!r}")
        arrays[name] = _view(tensor, storages, name, path)
    return arrays


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype
    count: int


class _Tensor:
    """What a pickled call of `torch._utils._rebuild_tensor_v2` says."""

    def __init__(self, storage, offset, shape, strides, requires_grad=False, hooks=None, metadata=None):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides


class _Unpickler(pickle.Unpickler):
    """Refuses every name but those of a state dict, and notes the storages that tensors lie in."""

    def __init__(self, stream):
        super().__init__(stream, encoding="utf-8")
        self.storages = {}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in _NUMBERS:
            return _NUMBERS[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no state dict needs")

    def persistent_load(self, pid):
        kind, dtype, key, _device, count, view = pid
        if kind != "storage" or dtype not in _NUMBERS.values() or view is not None or type(count) is not int:
            raise pickle.UnpicklingError(f"it asks for {pid!r}, which is no storage")
        return self.storages.setdefault(key, _Storage(key, dtype, count))


def _unpickle(stream):
    unpickler = _Unpickler(stream)
    return unpickler.load(), unpickler.storages


def _read_storage(stream, size, storage, path):
    header = stream.read(8)
    count = struct.unpack("<q", header)[0] if len(header) == 8 else -1
    length = count * storage.dtype.itemsize
    if count != storage.count or not 0 <= length <= size - stream.tell():
        raise _error(path, f"is damaged: storage {storage.key!r} is not whole")
    return np.frombuffer(stream.read(length), storage.dtype)


def _view(tensor, storages, name, path):
    """The tensor's numbers, checked to lie in its storage: numpy's strided views check nothing."""
    numbers = (tensor.offset, *tensor.shape, *tensor.strides)
    if len(tensor.shape) != len(tensor.strides) or any(type(n) is not int or n < 0 for n in numbers):
        raise _error(path, f"is damaged: tensor {name!r} has no sound shape")
    flat = storages[tensor.storage.key]
    if 0 in tensor.shape:
        return np.empty(tensor.shape, flat.dtype)
    count, last = 1, tensor.offset
    for length, stride in zip(tensor.shape, tensor.strides, strict=True):
        count, last = count * length, last + (length - 1) * stride
    # The count, too: strides of 0 would let a small file unpack to fill the memory.
    if last >= flat.size or count > flat.size:
        raise _error(path, f"is damaged: tensor {name!r} reaches beyond its storage")
    strides = [stride * flat.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides).copy()


def _error(path, fault):
    return DataError(
        f"{path} {fault}",
        expected="a state dict as torch.save wrote it before PyTorch 1.6",
        mend="Fetch the file again from where you trust it",
    )
