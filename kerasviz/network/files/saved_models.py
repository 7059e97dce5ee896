"""The folders of SavedModels: their graphs, read without TensorFlow's loader, and what is refused before it."""

import math
import re
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from kerasviz.network.files import refusals
from kerasviz.network.files.checkpoints import read_checkpoint
from kerasviz.network.files.operations import refuse_operations
from kerasviz.network.files.sizes import FLOOR, dtype_size, refuse_inflated

_VARIABLES = ("VarHandleOp", "VariableV2", "Variable")


def read_graphs(folder: Path) -> list:
    """The `MetaGraphDef`s of a SavedModel, that for serving first.

    Raises:
        LoadError: it is damaged.
    """
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    except (DecodeError, OSError) as error:
        raise refusals.damaged(folder, "has a saved_model.pb that is truncated or damaged") from error
    graphs = sorted(saved.meta_graphs, key=lambda graph: "serve" not in graph.meta_info_def.tags)
    if not graphs or not any(graph.HasField("graph_def") for graph in graphs):
        raise refusals.damaged(folder, "has a saved_model.pb without a graph")
    return graphs


def check_saved_model(folder: Path, *, unsafe: bool = False) -> list:
    """Refuse a SavedModel that touches the machine, is not whole, or claims more than it holds.

    Args:
        folder: where it is.
        unsafe: accept operations that read and write files, run Python, or use the network.

    Returns:
        Its graphs, as `read_graphs` gives them.

    Raises:
        LoadError: something is wrong with it.
    """
    graphs = read_graphs(folder)
    for graph in graphs:
        for asset in graph.asset_file_def:
            if re.match(r"[/\\]|\w:", asset.filename) or ".." in re.split(r"[/\\]", asset.filename):
                raise refusals.tricky(folder, f"names the asset {asset.filename!r}, a path that leads out of it")
        if not unsafe:
            refuse_operations(folder, graph)
    _refuse_splats(folder, graphs)
    if has_variables(graphs):
        read_checkpoint(folder / "variables" / "variables", named=folder)
    return graphs


def _nodes_of(graph):
    """Every node of a `MetaGraphDef`, of its functions, too."""
    yield from graph.graph_def.node
    for function in graph.graph_def.library.function:
        yield from function.node_def


def has_variables(graphs) -> bool:
    """Whether any of some `MetaGraphDef`s needs a checkpoint: those of TensorFlow 2 always do."""
    return any(
        graph.object_graph_def.nodes or any(node.op in _VARIABLES for node in _nodes_of(graph)) for graph in graphs
    )


def _refuse_splats(folder, graphs):
    """Refuse constants that write one value and claim a shape for it, which TensorFlow fills."""
    claimed = sum(
        _bytes(node.attr["value"].tensor) for graph in graphs for node in _nodes_of(graph) if node.op == "Const"
    )
    if claimed > FLOOR:
        refuse_inflated(folder, "the constants of its graph", claimed, (folder / "saved_model.pb").stat().st_size)


def _bytes(tensor):
    # Deserializing a negative or an unknown size fails in TensorFlow.
    return math.prod(max(0, dim.size) for dim in tensor.tensor_shape.dim) * dtype_size(tensor.dtype or "uint8")
