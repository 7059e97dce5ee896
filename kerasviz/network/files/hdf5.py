"""HDF5 files: whole models of Keras 2 and 3, and weights alone."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import h5py

from kerasviz.errors import KerasvizError
from kerasviz.network.files import refusals
from kerasviz.network.files.sizes import refuse_inflated


@dataclass(frozen=True)
class Arrays:
    """The arrays of a file of weights.

    Attributes:
        shapes: of each, by path.
        sizes: the bytes of each in memory, by path.
    """

    shapes: dict[str, tuple[int, ...]]
    sizes: dict[str, int]

    @property
    def bytes(self) -> int:
        """Of all in memory."""
        return sum(self.sizes.values())

    @property
    def model(self) -> list[str]:
        """The paths of those that are not the optimizer's."""
        return [name for name in self.sizes if not name.startswith("optimizer")]


@dataclass(frozen=True)
class Hdf5:
    """What an HDF5 file says.

    Attributes:
        layout: "model" for a whole model, "layers" for weights by layer as Keras 2 wrote them, "paths" for weights
            as Keras 3 writes them.
        config: the text of the model's configuration, None for weights alone.
        keras_version: of the Keras that wrote it, where it says so.
        backend: what Keras ran on.
        arrays: its weights.
    """

    layout: str
    config: str | None
    keras_version: str | None
    backend: str | None
    arrays: Arrays


def read_hdf5(path) -> Hdf5:
    """Read an HDF5 file but its arrays' values.

    Raises:
        LoadError: it is damaged, something else, or not to be trusted.
    """
    with opened(path, path) as file:
        arrays = arrays_of(path, file, path.stat().st_size)
        weights = file.get("model_weights", file)
        layout = (
            "model"
            if "model_config" in file.attrs
            else "layers"
            if "layer_names" in weights.attrs or "layer_names0" in weights.attrs
            else "paths"
        )
        if layout == "paths" and not any("vars" in name.split("/") for name in arrays.shapes):
            raise refusals.foreign(
                path, "is an HDF5 file of something else", "Save the model: model.save('model.keras')"
            )
        return Hdf5(
            layout,
            _text(file.attrs.get("model_config")),
            _text(file.attrs.get("keras_version", weights.attrs.get("keras_version"))),
            _text(file.attrs.get("backend", weights.attrs.get("backend"))),
            arrays,
        )


@contextlib.contextmanager
def opened(path, source) -> Iterator[h5py.File]:
    """An HDF5 file for reading.

    Args:
        path: for the message.
        source: the path, or an open file.

    Raises:
        LoadError: it is damaged.
    """
    try:
        with h5py.File(source, "r") as file:
            yield file
    except KerasvizError:
        raise
    # What h5py raises on damage depends on where it is.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise refusals.damaged(path) from error


def arrays_of(path, file: h5py.File, stored: int) -> Arrays:
    """The arrays of an open file.

    Args:
        path: for messages.
        file: the file.
        stored: its size in bytes.

    Raises:
        LoadError: it links to other places, or claims more than it stores.
    """
    names = []

    def visit(name, link):
        names.append(name)
        return None if isinstance(link, h5py.HardLink) else name

    leading_out = file.visititems_links(visit)
    if leading_out is not None:
        raise refusals.tricky(path, f"holds {leading_out!r}, a link to another place")
    shapes, sizes = {}, {}
    for name in names:
        array = file[name]
        if not isinstance(array, h5py.Dataset):
            continue
        if array.external or array.is_virtual:
            raise refusals.tricky(path, f"holds {name!r}, whose values are in another file")
        claimed = math.prod(array.shape or ()) * array.dtype.itemsize
        allocated = array.id.get_storage_size()
        if claimed > allocated and not _compressed(array):
            raise refusals.tricky(path, f"claims more than it stores: {name!r} has no values, or not all of them")
        refuse_inflated(path, f"{name!r}", claimed, allocated)
        shapes[name] = tuple(array.shape or ())
        sizes[name] = claimed
    refuse_inflated(path, "its weights", sum(sizes.values()), stored)
    return Arrays(shapes, sizes)


def _compressed(array):
    return array.id.get_create_plist().get_nfilters() > 0 and array.id.get_storage_size() > 0


def _text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else None if value is None else str(value)
