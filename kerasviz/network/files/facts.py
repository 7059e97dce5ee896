"""What a file says of itself, without being loaded."""

import dataclasses
import re
from dataclasses import dataclass

import tensorflow as tf

from kerasviz.network.files import kinds
from kerasviz.network.files.archives import read_archive
from kerasviz.network.files.checkpoints import read_checkpoint
from kerasviz.network.files.hdf5 import read_hdf5
from kerasviz.network.files.saved_models import has_variables, read_graphs


@dataclass(frozen=True)
class TensorFacts:
    """An input or output of a signature.

    Attributes:
        name: as the signature's callers write it.
        dtype: such as "float32".
        shape: None for a free axis; None in its place where even the number of axes is free.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class SignatureFacts:
    """A function of a SavedModel that can be called by name."""

    name: str
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]


@dataclass(frozen=True)
class FileFacts:
    """What a file says of itself.

    Attributes:
        path: the file or folder.
        format: for people, such as "HDF5 whole model of Keras 2.0.5".
        kind: "keras", "hdf5", "saved_model" or "checkpoint".
        weights_only: whether it lacks the architecture.
        maker: of a SavedModel: "Keras 2 model", "Keras 3 export" (by `model.export`), "Keras 3 model" (by
            `tf.saved_model.save`), "TensorFlow 1 export" or "tf.Module".
        keras_version: of the Keras that wrote it, where it says so.
        backend: what that Keras ran on.
        tensorflow_version: that wrote a SavedModel.
        saved_on: date and time, as a `.keras` file has them.
        bytes: on disk, of all files.
        weight_bytes: of its weights in memory, without an optimizer's.
        signatures: of a SavedModel.
    """

    path: str
    format: str
    kind: str
    weights_only: bool
    maker: str | None
    keras_version: str | None
    backend: str | None
    tensorflow_version: str | None
    saved_on: str | None
    bytes: int
    weight_bytes: int
    signatures: tuple[SignatureFacts, ...]

    def as_dict(self) -> dict:
        """The same as dictionaries and lists, for JSON."""
        facts = dataclasses.asdict(self)
        facts["signatures"] = [
            {
                "name": signature.name,
                **{
                    side: [
                        {**dataclasses.asdict(each), "shape": None if each.shape is None else list(each.shape)}
                        for each in getattr(signature, side)
                    ]
                    for side in ("inputs", "outputs")
                },
            }
            for signature in self.signatures
        ]
        return facts


def describe(path) -> FileFacts:
    """Say what a file is, from its headers alone: no weights are read, and no graph is built.

    Args:
        path: as for `kerasviz.load`.

    Raises:
        LoadError: there is no such file, or it is damaged or something else; with the way to convert it.

    Example:
        >>> from kerasviz.network.files import describe
        >>> describe("cats.keras").format  # doctest: +SKIP
        'Keras 3 archive (.keras)'
    """
    kind, path = kinds.kind_of(path)
    facts = {
        "path": str(path),
        "kind": kind,
        "weights_only": False,
        "maker": None,
        "keras_version": None,
        "backend": None,
        "tensorflow_version": None,
        "saved_on": None,
        "signatures": (),
    }
    return FileFacts(**{**facts, **_READ[kind](path)})


def _of_archive(path):
    archive = read_archive(path, unsafe=True)  # nothing is unpickled here
    return {
        "format": "Keras 3 archive (.keras)",
        "keras_version": archive.keras_version,
        "saved_on": archive.saved_on,
        "bytes": path.stat().st_size,
        "weight_bytes": _weight_bytes(archive.arrays),
    }


def _of_hdf5(path):
    file = read_hdf5(path)
    by = f" of Keras {file.keras_version}" if file.keras_version else ""
    return {
        "format": f"HDF5 whole model{by}" if file.layout == "model" else f"HDF5 weights only{by}",
        "weights_only": file.layout != "model",
        "keras_version": file.keras_version,
        "backend": file.backend,
        "bytes": path.stat().st_size,
        "weight_bytes": _weight_bytes(file.arrays),
    }


def _weight_bytes(arrays):
    return sum(arrays.sizes[name] for name in arrays.model)


def _of_saved_model(folder):
    graphs = read_graphs(folder)
    held = read_checkpoint(folder / "variables" / "variables", named=folder) if has_variables(graphs) else None
    return {
        "format": "SavedModel",
        "maker": _maker(folder, graphs[0]),
        "keras_version": _keras_version(folder),
        "tensorflow_version": graphs[0].meta_info_def.tensorflow_version or None,
        "bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        "weight_bytes": held.bytes if held else 0,
        "signatures": tuple(
            SignatureFacts(name, _tensors(signature.inputs), _tensors(signature.outputs))
            for name, signature in sorted(graphs[0].signature_def.items())
            if not name.startswith("__saved_model")
        ),
    }


def _maker(folder, graph):
    nodes = graph.object_graph_def.nodes
    if not nodes:
        return "TensorFlow 1 export"
    if (folder / "keras_metadata.pb").exists() or nodes[0].user_object.identifier.startswith("_tf_keras"):
        return "Keras 2 model"
    names = {child.local_name for child in nodes[0].children}
    if "_misc_assets" in names:
        return "Keras 3 export"
    return "Keras 3 model" if "_losses_override" in names else "tf.Module"


def _keras_version(folder):
    """Of a model that Keras 2 saved: it wrote that into a file of its own."""
    metadata = folder / "keras_metadata.pb"
    found = re.search(rb'"keras_version": ?"([\w.+-]+)"', metadata.read_bytes()) if metadata.exists() else None
    return found and found[1].decode()


def _tensors(infos):
    return tuple(
        TensorFacts(
            name,
            tf.dtypes.as_dtype(info.dtype).name,
            None
            if info.tensor_shape.unknown_rank
            else tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim),
        )
        for name, info in sorted(infos.items())
    )


def _of_checkpoint(prefix):
    checkpoint = read_checkpoint(prefix)
    return {
        "format": "TensorFlow checkpoint" if checkpoint.of_objects else "TensorFlow 1 checkpoint",
        "weights_only": True,
        "bytes": sum(file.stat().st_size for file in checkpoint.files),
        "weight_bytes": checkpoint.bytes,
    }


_READ = {
    kinds.KERAS: _of_archive,
    kinds.HDF5: _of_hdf5,
    kinds.SAVED_MODEL: _of_saved_model,
    kinds.CHECKPOINT: _of_checkpoint,
}
