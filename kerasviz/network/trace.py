"""What happens in one forward pass: which layers are called, with what shapes, and what the outputs end in."""

from collections import Counter
from dataclasses import dataclass

import keras
import tensorflow as tf

from kerasviz.network import heads, rules
from kerasviz.network.inputs import Inputs
from kerasviz.network.twins import Recorder


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        path: the layer.
        index: 0 for the layer's first call, and so on.
        shape: of its output, None for free axes; None if it returns no single tensor.
        sources: names of the inputs that it depends on.
        passes_on: whether it returns, unchanged, what a layer before it returned (Dropout, a nested model's end).
        reaches: names of the outputs that depend on it.
    """

    path: str
    index: int
    shape: tuple | None
    sources: frozenset
    passes_on: bool
    reaches: frozenset = frozenset()


@dataclass(frozen=True)
class Output:
    """One output of a model: its shape, and what its scores go through last (see `heads.strip`)."""

    shape: tuple
    head: str | None


@dataclass(frozen=True)
class Trace:
    """The record of a traced forward pass. It holds names and shapes, no tensors.

    Attributes:
        calls: the calls of layers, in the order in which they return.
        outputs: the model's outputs by name.
        missed_rectifiers: names of rectifier ops that no swapped or known activation made.
        looped: paths of layers that run inside a loop.
    """

    calls: tuple[Call, ...]
    outputs: dict[str, Output]
    missed_rectifiers: tuple[str, ...]
    looped: frozenset

    @classmethod
    def of(cls, twin, inputs: Inputs, paths: dict[int, str]) -> "Trace":
        """Trace a twin once.

        Args:
            twin: the twin of a model.
            inputs: what it takes.
            paths: the path of the layer behind each twin, by the twin's `id()`.
        """
        returned: list[tuple[str, object]] = []
        found: dict[str, Output] = {}
        made: dict[str, tf.Tensor] = {}

        def seen(twin_id, output):
            if twin_id in paths:
                returned.append((paths[twin_id], output))
            return output

        def run(tensors):
            with Recorder(seen):
                outputs = twin(inputs.pack(tensors), training=False)
            for name, output in named_outputs(twin, outputs).items():
                found[name] = Output(_shape(output), heads.strip(output)[1])
                made[name] = output
            return outputs

        graph = tf.function(run).get_concrete_function([spec.tensor for spec in inputs.specs]).graph
        names = [spec.name for spec in inputs.specs]
        sources = _sources(graph, names)
        leading = {name: _behind(output) for name, output in made.items()}
        calls, looped = _calls(returned, graph, sources, leading)
        return cls(calls, found, _missed_rectifiers(graph), looped)

    def calls_of(self, path: str) -> int:
        """How often a layer is called."""
        return sum(call.path == path for call in self.calls)

    def in_loop(self, path: str) -> bool:
        """Whether a layer runs inside a loop, where it cannot be tapped."""
        return path in self.looped

    def shape_of(self, path: str) -> tuple | None:
        """The shape of a layer's output at its last call; None if it has none, or returns several tensors."""
        shapes = [call.shape for call in self.calls if call.path == path]
        return shapes[-1] if shapes else None

    def sources_of(self, address) -> frozenset:
        """The names of the inputs that the activation at an address depends on."""
        sources = [call.sources for call in self.calls if call.path == address.path]
        return sources[address.call] if sources else frozenset()


def _behind(output):
    """The names of the ops that an output depends on."""
    found, waiting = set(), [output.op]
    while waiting:
        op = waiting.pop()
        if op.name not in found:
            found.add(op.name)
            waiting.extend(tensor.op for tensor in op.inputs)
    return found


def _calls(returned, graph, sources, leading):
    counts: Counter = Counter()
    seen_before: set[int] = set()
    calls, looped = [], set()
    for path, output in returned:
        # Layers may also return None, variables or constants.
        tensors = [part for part in keras.tree.flatten(output) if isinstance(part, tf.Tensor) and hasattr(part, "op")]
        if any(tensor.graph is not graph for tensor in tensors):
            looped.add(path)
            continue
        calls.append(
            Call(
                path=path,
                index=counts[path],
                shape=_shape(output) if isinstance(output, tf.Tensor) else None,
                sources=frozenset().union(*(sources.get(tensor.op.name, frozenset()) for tensor in tensors)),
                passes_on=bool(tensors) and all(id(tensor) in seen_before for tensor in tensors),
                reaches=frozenset(
                    name for name, ops in leading.items() if any(tensor.op.name in ops for tensor in tensors)
                ),
            )
        )
        counts[path] += 1
        seen_before.update(map(id, tensors))
    return tuple(calls), frozenset(looped)


def _sources(graph, names):
    """The inputs that each op depends on. Ops are listed in an order in which inputs come first."""
    sources: dict[str, frozenset] = {}
    placeholders = iter(names)
    for op in graph.get_operations():
        if op.type == "Placeholder" and not op.name.startswith("unknown"):
            name = next(placeholders, None)
            # Captured variables are placeholders too, behind those of the inputs.
            sources[op.name] = frozenset() if name is None else frozenset([name])
        else:
            sources[op.name] = frozenset().union(*(sources.get(t.op.name, frozenset()) for t in op.inputs))
    return sources


def _missed_rectifiers(graph):
    known = (rules.RULE_SCOPE, rules.KEPT_SCOPE)
    nodes = [(op.name, op.type) for op in graph.get_operations()]
    for function in graph.as_graph_def().library.function:
        nodes += [(node.name, node.op) for node in function.node_def]
    return tuple(
        name
        for name, kind in nodes
        if kind in rules.RECTIFIER_OP_TYPES and not any(part.startswith(known) for part in name.split("/"))
    )


def owners(graph, returned) -> dict[str, str]:
    """The layer that each op of a graph belongs to.

    Args:
        graph: a traced graph.
        returned: paths of layers with what they returned, inner layers before those around them.
    """
    owner: dict[str, str] = {}
    for path, output in returned:
        waiting = [part.op for part in keras.tree.flatten(output) if isinstance(part, tf.Tensor)]
        while waiting:
            op = waiting.pop()
            if op.name not in owner and op.graph is graph and op.type != "Placeholder":
                owner[op.name] = path
                waiting.extend(tensor.op for tensor in op.inputs)
    return owner


def named_outputs(model, outputs) -> dict[str, tf.Tensor]:
    """The outputs of a call of a model by name: their keys, the names of the layers, or numbers."""
    leaves = list(_leaves(outputs))
    if isinstance(outputs, dict):
        return {"/".join(path): tensor for path, tensor in leaves}
    names = getattr(model, "output_names", None)
    if not isinstance(names, list | tuple) or not len(names) == len(leaves) == len(set(names)):
        names = [f"output_{i}" for i in range(len(leaves))] if len(leaves) > 1 else ["output"]
    return {name: tensor for name, (_, tensor) in zip(names, leaves, strict=True)}


def _leaves(outputs, path=()):
    # Not keras.tree, which sorts the keys of some dicts and not of others, and counts None.
    if isinstance(outputs, dict):
        for key in sorted(outputs, key=str):
            yield from _leaves(outputs[key], (*path, str(key)))
    elif isinstance(outputs, list | tuple):
        for i, part in enumerate(outputs):
            yield from _leaves(part, (*path, str(i)))
    elif outputs is not None:
        yield path, outputs


def _shape(tensor):
    return tuple(tensor.shape.as_list()) if tensor.shape.rank is not None else None
