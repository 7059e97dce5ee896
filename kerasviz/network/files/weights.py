"""Weights from a file into an architecture, and the first that does not fit."""

import re
import tempfile
from pathlib import Path

import h5py
import keras

from kerasviz.errors import KerasvizError, LoadError
from kerasviz.network.files import kinds, refusals
from kerasviz.network.files.archives import read_archive
from kerasviz.network.files.checkpoint_weights import restore
from kerasviz.network.files.checkpoints import Checkpoint, read_checkpoint
from kerasviz.network.files.hdf5 import Arrays, arrays_of, read_hdf5


def read_weights(kind: str, path: Path, *, unsafe: bool = False) -> Checkpoint | Arrays:
    """What a file of weights holds; its values stay where they are.

    Args:
        kind: from `kinds.kind_of`.
        path: likewise.
        unsafe: as for `kerasviz.load`.

    Raises:
        LoadError: it is damaged, or keeps no weights that an architecture could take.
    """
    if kind == kinds.CHECKPOINT:
        return read_checkpoint(path)
    if kind == kinds.KERAS:
        return read_archive(path, unsafe=unsafe).arrays
    if kind == kinds.SAVED_MODEL:
        raise refusals.foreign(
            path,
            "is a whole model: it needs no architecture",
            "Leave out architecture=, or name variables/variables in it",
        )
    file = read_hdf5(path)
    wanted = ".weights.h5" if file.layout == "paths" else ".h5"
    if path.name.endswith(".weights.h5") != (file.layout == "paths"):
        raise refusals.foreign(
            path,
            "holds weights as Keras 3 writes them" if file.layout == "paths" else "holds weights as Keras 2 wrote them",
            f"Keras goes by the name: rename it so that it ends in {wanted}"
            + ("" if file.layout == "paths" else ", and not in .weights.h5"),
        )
    return file.arrays


def fill(model: keras.Model, path: Path, held: Checkpoint | Arrays):
    """Give a model the weights of a file.

    Args:
        model: built; its weights are replaced.
        path: the file, checked by `read_weights`.
        held: what that returned.

    Raises:
        LoadError: they do not fit; with the first that does not.
    """
    if isinstance(held, Checkpoint):
        restore(model, path, held)
        return
    try:
        model.load_weights(path)
    except KerasvizError:
        raise
    # Keras raises ValueError for most misfits, and KeyError, IndexError or AttributeError for some.
    except Exception as error:
        raise _misfit(path, model, _first_failure(error)) from error
    if not path.name.endswith(".h5") or path.name.endswith(".weights.h5"):
        _refuse_leftovers(model, path, held)


def _first_failure(error):
    """What Keras says of the first object of the many that it lists."""
    text = " ".join(str(error).split())
    first = re.search(r"Example error message for object <(.+?)>: (.+?) List of objects", text)
    return (f"{first[1]}: {first[2]}" if first else text)[:300]


def _misfit(path, model, what):
    return LoadError(
        f"The weights in {str(path)!r} do not fit the architecture {model.name!r}: {what.rstrip('.')}",
        expected="the architecture that they were saved from",
        mend="Build it with the same layers, in the same order, and the same number of classes",
    )


def _refuse_leftovers(model, path, held):
    """Refuse a file with weights that no layer took, which Keras passes over in silence."""
    if len(held.model) <= len(model.variables) or any("_layer_checkpoint_dependencies" in name for name in held.model):
        return
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "own.weights.h5"
        model.save_weights(own)
        with h5py.File(own) as file:
            known = arrays_of(own, file, own.stat().st_size).shapes
    left = sorted(set(held.model) - known.keys())
    if left:
        name = left[0]
        raise _misfit(path, model, f"{name!r}, of shape {held.shapes[name]}, belongs to none of its layers")
