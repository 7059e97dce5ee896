import io
import os
import pickle
import struct
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest

from kerasviz.data.torch_file import read_state_dict
from kerasviz.errors import DataError

MAGIC = 0x1950A86A20F9469CFC6C
CODES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8", "HalfStorage": "<f2"}
CODES |= {"ByteStorage": "u1", "BoolStorage": "?"}


class Tensor:
    """Pickles as a torch tensor does: a view (offset, shape, strides, in numbers) of a storage."""

    def __init__(self, key, kind, storage, offset, shape, strides):
        self.key, self.kind = key, kind
        self.storage, self.view = np.asarray(storage, CODES[kind]), (offset, shape, strides)

    def __reduce__(self):
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (StorageOf(self), *self.view, False, OrderedDict())


class StorageOf:
    def __init__(self, tensor):
        self.tensor = tensor


@pytest.fixture(autouse=True)
def torch_names(monkeypatch):
    """Names for the pickler to refer to; the reader must not look them up."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*_):
        raise RuntimeError("the reader called what the pickle names")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    for kind in CODES:
        setattr(torch, kind, type(kind, (), {"__module__": "torch"}))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        if not isinstance(obj, StorageOf):
            return None
        tensor = obj.tensor
        kind = getattr(sys.modules["torch"], tensor.kind)
        return ("storage", kind, tensor.key, "cpu", tensor.storage.size, None)


def legacy(state, *, magic=MAGIC, little_endian=True, keys=None, counts=None):
    """The bytes that torch.save wrote before version 1.6."""
    out = io.BytesIO()
    for header in (magic, 1001, {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {}}):
        pickle.dump(header, out, protocol=2)
    Pickler(out, protocol=2).dump(state)
    storages = {t.key: t.storage for t in state.values() if isinstance(t, Tensor)} if state else {}
    pickle.dump(list(storages) if keys is None else keys, out, protocol=2)
    for key, storage in storages.items():
        out.write(struct.pack("<q", (counts or {}).get(key, storage.size)) + storage.tobytes())
    return out.getvalue()


@pytest.fixture
def read(tmp_path):
    def read(content):
        path = tmp_path / "net.pth"
        path.write_bytes(content)
        return read_state_dict(path)

    return read


def example():
    numbers = np.arange(24) / 7
    state = OrderedDict(
        plain=Tensor("1", "FloatStorage", numbers, 0, (2, 3, 4), (12, 4, 1)),
        transposed=Tensor("1", "FloatStorage", numbers, 0, (4, 3, 2), (1, 4, 12)),
        part=Tensor("1", "FloatStorage", numbers, 5, (3, 2), (8, 2)),
        double=Tensor("2", "DoubleStorage", numbers[:3], 0, (3,), (1,)),
        half=Tensor("3", "HalfStorage", numbers[:3], 1, (2,), (1,)),
        steps=Tensor("4", "LongStorage", [2**40], 0, (), ()),
        empty=Tensor("5", "ByteStorage", [], 0, (0, 3), (3, 1)),
        flags=Tensor("6", "BoolStorage", [True, False], 0, (2,), (1,)),
    )
    state._metadata = OrderedDict(version=1)  # torch's own state dicts carry this attribute
    return state, numbers.astype(np.float32)


def test_reads_back_exactly(read):
    state, flat = example()
    arrays = read(legacy(state))
    assert list(arrays) == list(state)
    cube = flat.reshape(2, 3, 4)
    expected = {
        "plain": cube,
        "transposed": cube.transpose(2, 1, 0),
        "part": flat[[[5, 7], [13, 15], [21, 23]]],
        "double": np.arange(3) / 7,
        "half": (np.arange(1, 3) / 7).astype(np.float16),
        "steps": np.int64(2**40),
        "empty": np.empty((0, 3), np.uint8),
        "flags": np.array([True, False]),
    }
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name], strict=True)
        assert array.flags.c_contiguous
        assert array.flags.owndata


class Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("place", ["header", "state", "value"])
def test_hostile_pickle_runs_nothing(read, tmp_path, place):
    mark = tmp_path / "mark"
    hostile = Hostile(os.system, f"touch {mark}")
    content = {
        "header": lambda: pickle.dumps(hostile, protocol=2),
        "state": lambda: _with_object(hostile),
        "value": lambda: legacy({"weight": hostile}),
    }[place]()
    pickle.loads(pickle.dumps(hostile))  # the attack itself works
    assert mark.exists()
    mark.unlink()
    with pytest.raises(DataError, match=r"asks for (posix|nt)\.system"):
        read(content)
    assert not mark.exists()


def _with_object(hostile):
    out = io.BytesIO()
    for part in (MAGIC, 1001, {"little_endian": True}, hostile):
        pickle.dump(part, out, protocol=2)
    return out.getvalue()


@pytest.mark.parametrize("function", [eval, getattr, __import__, open, np.load, pickle.loads])
def test_other_names_are_refused(read, function):
    with pytest.raises(DataError, match="asks for"):
        read(legacy({"weight": Hostile(function, "1")}))


def test_every_truncation_is_told(read):
    content = legacy(example()[0])
    for length in [*range(0, len(content), 37), len(content) - 1]:
        with pytest.raises(DataError, match=r"net\.pth"):
            read(content[:length])


def tensor(offset, shape, strides):
    return {"w": Tensor("1", "FloatStorage", np.arange(6), offset, shape, strides)}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (tensor(1, (2, 3), (3, 1)), "'w' reaches beyond"),
        (tensor(0, (2, 3), (4, 1)), "'w' reaches beyond"),
        (tensor(6, (), ()), "'w' reaches beyond"),
        (tensor(0, (10**6, 10**6), (0, 0)), "'w' reaches beyond"),
        (tensor(-1, (2,), (1,)), "'w' has no sound shape"),
        (tensor(5, (6,), (-1,)), "'w' has no sound shape"),
        (tensor(0, (6,), (1, 1)), "'w' has no sound shape"),
        (tensor(0, (2.0,), (1,)), "'w' has no sound shape"),
        (tensor(0, 6, 1), "cannot be read"),
        ({"w": 3}, "holds a int under 'w'"),
        ({3: Tensor("1", "FloatStorage", [1], 0, (1,), (1,))}, "holds a .*Tensor under 3"),
        ([1, 2], "holds a list instead of a state dict"),
    ],
)
def test_unsound_tensors(read, state, message):
    content = legacy(state) if isinstance(state, dict) else _with_object(state)
    with pytest.raises(DataError, match=message):
        read(content)


def test_unsound_files(read, tmp_path):
    state, _ = example()
    with pytest.raises(DataError, match="layout"):
        read(legacy(state, magic=7))
    with pytest.raises(DataError, match="little-endian"):
        read(legacy(state, little_endian=False))
    with pytest.raises(DataError, match="lists other storages"):
        read(legacy(state, keys=["1"]))
    with pytest.raises(DataError, match="storage '1' is not whole"):
        read(legacy(state, counts={"1": 2**60}))
    with pytest.raises(DataError, match="storage '1' is not whole"):
        read(legacy(state, counts={"1": -1}))
    with pytest.raises(DataError, match="storage '1' is not whole"):
        read(legacy(state, counts={"1": 23}))
    for content in (b"", b"PK\x03\x04 a zip archive", b"no pickle at all"):
        with pytest.raises(DataError, match=r"net\.pth"):
            read(content)
    with pytest.raises(DataError, match=r"gone\.pth cannot be read"):
        read_state_dict(tmp_path / "gone.pth")
