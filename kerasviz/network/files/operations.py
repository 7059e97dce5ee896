"""Operations of TensorFlow graphs that reach out of the graph: Python, files, processes, the network."""

import re

from kerasviz.network.files import refusals

#: Names of operations, and what they do. Operations that only compute, draw random numbers, or keep state in memory
#: are not here; nor are those between the cores of a TPU.
_REACH_OUT = {
    "runs Python code": r"PyFunc|PyFuncStateless|EagerPyFunc",
    "calls native code by its name": r"XlaCustomCall(V2)?",
    "ends the process": r"Abort",
    "reads and writes files": (
        r"ReadFile|WriteFile|MatchingFiles|ImmutableConst|DumpTensor|FileSystemSetConfiguration|RecordInput|Skipgram"
        r"|FixedUnigramCandidateSampler|LoadAndRemapMatrix|GenerateVocabRemapping|CalibrationStatisticsSaver"
        r"|(Identity|WholeFile|TextLine|TFRecord|FixedLengthRecord|LMDB)Reader(V2)?"
    ),
    "reads and writes checkpoints": r"(DTensorRestore|Restore|Save)(V2|Slices?)?|MergeV2Checkpoints|DistributedSave",
    "reads data sets": (
        r"(Experimental)?(TextLine|TFRecord|FixedLengthRecord|LMDB|Sql|CSV|MatchingFiles|Save|Load|Cache)Dataset(V\d)?"
        r"|\w*Snapshot\w*Dataset\w*|ListSnapshotChunksDataset|(Experimental)?DatasetToTFRecord|DataServiceDataset(V\d)?"
        r"|RegisterDataset(V2)?"
    ),
    "writes summaries": r"(CreateSummary(File|Db)|Summary|StatsAggregatorSetSummary)Writer|Write\w*Summary|ImportEvent",
    "uses the network": r"Rpc\w+|RemoteCall|Debug(Identity|NanCount|NumericSummary)(V\d)?",
}
_PATTERNS = {does: re.compile(names) for does, names in _REACH_OUT.items()}
_SAVER = "reads and writes checkpoints"
#: Tables that are filled from text files, as they should be: from the assets of the SavedModel.
_TEXT = re.compile(r"InitializeTableFromTextFile(V2)?")
#: Collections whose nodes run when a SavedModel of TensorFlow 1 is loaded.
_RUN_ON_LOADING = ("saved_model_main_op", "legacy_init_op", "table_initializers", "saved_model_initializers")


def reaching_out(node, has_assets: bool = False) -> str | None:
    """What an operation does outside of its graph, None for nothing.

    Args:
        node: a `NodeDef`.
        has_assets: whether the SavedModel brings files, which tables are filled from.
    """
    if node.op == "PrintV2":
        out = node.attr["output_stream"].s
        return "writes files" if out.startswith(b"file:") else None
    if node.op in ("DecodeProtoV2", "EncodeProto"):
        source = node.attr["descriptor_source"].s
        return None if source in (b"", b"local://") or source.startswith(b"bytes://") else "reads files"
    if _TEXT.fullmatch(node.op):
        return None if has_assets else "reads files"
    return next((does for does, names in _PATTERNS.items() if names.fullmatch(node.op)), None)


def refuse_operations(folder, graph):
    """Refuse a SavedModel in which loading, or a signature, runs an operation that reaches out.

    The functions that save and restore the variables are its own, and may do that and no more. Where something else
    calls them, they count as any other.

    Args:
        folder: for the message.
        graph: a `MetaGraphDef`.

    Raises:
        LoadError: with the first such operation.
    """
    has_assets = len(graph.asset_file_def) > 0
    calls = _Calls(graph.graph_def)
    saving, savers = calls.reached(_saver(graph), set())
    # Whatever is not the saver's may run in ways that the graph does not show, as gradients do.
    running, _ = calls.reached(_run(graph), {*graph.object_graph_def.concrete_functions, *calls.functions} - savers)
    for nodes, allowed in ((running, None), (saving, _SAVER)):
        for node in nodes:
            does = reaching_out(node, has_assets)
            if does not in (None, allowed):
                raise refusals.unsafe(folder, f"the operation {node.name!r}, a {node.op}, which {does}")


def _run(graph):
    """Names of the nodes that run on loading, or are the outputs of a signature."""
    yield from (output.name for signature in graph.signature_def.values() for output in signature.outputs.values())
    for name in _RUN_ON_LOADING:
        yield from graph.collection_def[name].node_list.value if name in graph.collection_def else ()


def _saver(graph):
    return (graph.saver_def.save_tensor_name, graph.saver_def.restore_op_name)


class _Calls:
    """What leads to what in a graph: nodes to their inputs, and to the functions that they call."""

    def __init__(self, graph):
        self._nodes = {node.name: node for node in graph.node}
        self.functions = {function.signature.name: function.node_def for function in graph.library.function}

    def reached(self, nodes, functions):
        """All nodes that run when some nodes and functions do, and the names of all functions."""
        found, names, done, called = [], [_node_name(name) for name in nodes], set(), set(functions)
        while names:
            name = names.pop()
            if name in done or name not in self._nodes:
                continue
            done.add(name)
            found.append(self._nodes[name])
            names += map(_node_name, found[-1].input)
            called |= self._called(found[-1])
        waiting = list(called)
        while waiting:
            for node in self.functions.get(waiting.pop(), ()):
                found.append(node)
                new = self._called(node) - called
                waiting += new
                called |= new
        return found, called

    def _called(self, node):
        """Names of the functions that a node calls."""
        called = {node.op} & self.functions.keys()
        for value in node.attr.values():
            if value.HasField("func"):
                called.add(value.func.name)
            elif value.HasField("list"):
                called.update(each.name for each in value.list.func)
        return called


def _node_name(name):
    """The node behind "name:0" and "^name"."""
    return name.removeprefix("^").partition(":")[0]
