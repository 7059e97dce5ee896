"""SavedModels: which of its functions is the network."""

import contextlib
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

# The format of the file; public only through what has been loaded.
from tensorflow.core.protobuf import saved_model_pb2

from kerasviz.errors import LoadError
from kerasviz.network.graph.model import GraphModel
from kerasviz.network.graph.opening import graph_model


def open_saved_model(folder, signature: str | None = None) -> GraphModel:
    """Open a SavedModel, whoever made it.

    Keras 3 `model.export`, Keras 2 `model.save`, `tf.saved_model.save`, TensorFlow 1. Its files are not checked
    here; `kerasviz.load` does that first.

    Args:
        folder: the folder that holds `saved_model.pb`.
        signature: as for `of_loaded`.

    Raises:
        LoadError: as for `of_loaded`.
        ModelError: its graph is of no kind that can be opened.
    """
    with _without_optimizer(Path(folder)) as readable:
        loaded = tf.saved_model.load(str(readable))
    return of_loaded(loaded, signature, name=Path(folder).name)


@contextlib.contextmanager
def _without_optimizer(folder):
    """A folder with the same model, without the optimizer that Keras 2 stored, which TensorFlow cannot restore now."""
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((folder / "saved_model.pb").read_bytes())
    nodes = [node for graph in model.meta_graphs for node in graph.object_graph_def.nodes]
    if not any(node.slot_variables for node in nodes):
        yield folder
        return
    for node in nodes:
        del node.slot_variables[:]
    with tempfile.TemporaryDirectory() as bare:
        for part in folder.iterdir():
            if part.name != "saved_model.pb":
                (Path(bare) / part.name).symlink_to(part.resolve())
        (Path(bare) / "saved_model.pb").write_bytes(model.SerializeToString())
        yield Path(bare)


def of_loaded(loaded, signature: str | None = None, name: str = "saved model") -> GraphModel:
    """What `tf.saved_model.load` returned, as a Keras model on the same variables.

    Args:
        loaded: the loaded object. It is not changed.
        signature: the name of a signature, or of a traced function that it holds. None for Keras's own "serve", else
            "serving_default", else the only one.
        name: for messages.

    Raises:
        LoadError: it has no such function, or several and none is named.
    """
    functions = _functions(loaded)
    usual = [one for one in ("serve", "serving_default") if one in functions]
    chosen = signature or (usual[0] if usual else next(iter(functions)) if len(functions) == 1 else None)
    if chosen not in functions:
        raise LoadError(
            f"{name!r} has no signature {signature!r}" if signature else f"{name!r} has {_count(functions)}",
            expected=f"one of {', '.join(map(repr, functions))}" if functions else "a SavedModel with a signature",
            mend="Name one: signature=" if functions else "Export it again, with input shapes: model.export(folder)",
        )
    model = graph_model(functions[chosen], origin=f"signature {chosen!r}")
    # Tables and the like live as long as the object that loaded them.
    model.__dict__["loaded"] = loaded
    return model


def of_saved(value) -> GraphModel | None:
    """A loaded SavedModel, or a concrete function, as a Keras model; None for anything else."""
    if isinstance(value, tf.types.experimental.ConcreteFunction):
        return graph_model(value, origin="a concrete function")
    if isinstance(value, tf.Module | keras.layers.Layer) or not hasattr(value, "signatures"):
        return None
    return of_loaded(value)


def _functions(loaded) -> dict:
    """The traced functions by name: signatures first, then methods."""
    found = dict(getattr(loaded, "signatures", {}))
    for name in dir(loaded):
        if name.startswith("_") and name != "__call__":
            continue
        traced = getattr(getattr(loaded, name, None), "concrete_functions", None)
        if traced:
            found.setdefault(name, traced[0])
    return found


def _count(functions):
    return f"{len(functions)} signatures" if functions else "no signature"
