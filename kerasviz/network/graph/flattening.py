"""A concrete function as one flat list of ops, all calls of other functions inlined.

Reads the serialized form of a function, which a SavedModel, a `TFSMLayer` and a freshly traced model have in common,
and never changes the function itself.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kerasviz.errors import ModelError
from kerasviz.network.graph import definitions

#: Ops that call a function, by which every layer of an exported model may hide.
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
#: An input of a flat graph. No op of TensorFlow's: nothing runs.
ARGUMENT = "_argument"
#: Calls inside calls; a real model has a handful, a hostile file may have a function that calls itself.
_DEEPEST = 50
#: Ops of one flat graph; functions that call each other twice grow exponentially.
_MOST = 500_000


class Ref(NamedTuple):
    """A tensor: which output of which node of a flat graph."""

    node: int
    index: int = 0


@dataclass(frozen=True)
class Node:
    """One op.

    Attributes:
        name: with its scopes.
        op: the type, such as "Conv2D".
        attributes: serialized, by name.
        inputs: what it takes.
        origin: the node of the outermost function that it is, or that called what it is in.
    """

    name: str
    op: str
    attributes: Mapping
    inputs: tuple[Ref, ...]
    origin: str = ""


@dataclass(frozen=True)
class Flat:
    """Ops in an order in which they can run.

    Attributes:
        nodes: the ops. Those that no result needs may be among them.
        arguments: the inputs, in the function's order.
        results: the outputs, in the function's order.
        library: the functions that loops and branches name.
        called: what each call in the outermost function gave, by the name of its node.
    """

    nodes: tuple[Node, ...]
    arguments: tuple[Ref, ...]
    results: tuple[Ref, ...]
    library: Mapping
    called: Mapping

    def needed(self, results=None, stop=frozenset()) -> set[int]:
        """The nodes that some results depend on; what `stop` names is not followed further."""
        waiting = [ref.node for ref in (self.results if results is None else results)]
        found: set[int] = set()
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                if number not in stop:
                    waiting.extend(ref.node for ref in self.nodes[number].inputs)
        return found

    def dependent(self, sources) -> set[int]:
        """The nodes that depend on some of the nodes, these included."""
        found = set(sources)
        for number, node in enumerate(self.nodes):
            if any(ref.node in found for ref in node.inputs):
                found.add(number)
        return found


def flatten(definition, library: Mapping) -> Flat:
    """Inline all calls in a function.

    Args:
        definition: a `FunctionDef`.
        library: every function that it may call, by name.

    Raises:
        ModelError: the functions call each other without end, or too often.
    """
    flattening = _Flattening(library)
    arguments = tuple(
        flattening.add(Node(argument.name, ARGUMENT, {}, ())) for argument in definition.signature.input_arg
    )
    results = flattening.inline(definition, arguments, scope="", calls=())
    return Flat(tuple(flattening.nodes), arguments, results, library, flattening.called)


class _Flattening:
    def __init__(self, library):
        self.library = library
        self.nodes: list[Node] = []
        self.called: dict[str, tuple[Ref, ...]] = {}

    def add(self, node) -> Ref:
        if len(self.nodes) >= _MOST:
            raise _endless(f"grows beyond {_MOST:,} ops")
        self.nodes.append(node)
        return Ref(len(self.nodes) - 1)

    def inline(self, definition, arguments, scope, calls) -> tuple[Ref, ...]:
        if len(calls) > _DEEPEST:
            raise _endless(f"calls functions {_DEEPEST} deep")
        taken = {arg.name: ref for arg, ref in zip(definition.signature.input_arg, arguments, strict=True)}
        numbers: dict[str, int] = {}
        called = {} if calls else self.called

        def tensor(name):
            if name in taken:
                return taken[name]
            node, output, index = name.rsplit(":", 2)
            if node in called:
                return called[node][int(index)]
            return Ref(numbers[node], definitions.first_of(self.nodes[numbers[node]], output) + int(index))

        for node in _in_order(definition.node_def):
            inputs = tuple(tensor(name) for name in _data_inputs(node))
            inner = self._called(node)
            if inner is None:
                origin = (*calls, node.name)[0]
                numbers[node.name] = self.add(Node(scope + node.name, node.op, node.attr, inputs, origin)).node
            else:
                below = scope + node.name.rpartition("/")[0]
                called[node.name] = self.inline(inner, inputs, f"{below}/" if below else "", (*calls, node.name))
        return tuple(tensor(definition.ret[output.name]) for output in definition.signature.output_arg)

    def _called(self, node):
        name = node.attr["f"].func.name if node.op in _CALLS else node.op
        return self.library.get(name)


def _data_inputs(node):
    return [name for name in node.input if not name.startswith("^")]


def _in_order(nodes):
    """The nodes of a function such that inputs come first, otherwise in their own order."""
    position = {node.name: i for i, node in enumerate(nodes)}
    needs = [{position[name.split(":")[0]] for name in _data_inputs(node) if ":" in name} for node in nodes]
    if all(max(before, default=-1) < i for i, before in enumerate(needs)):
        return nodes
    leads: dict[int, list[int]] = {}
    for i, before in enumerate(needs):
        for j in before:
            leads.setdefault(j, []).append(i)
    ready = [i for i, before in enumerate(needs) if not before]
    ordered = []
    while ready:
        i = heapq.heappop(ready)
        ordered.append(nodes[i])
        for j in leads.get(i, ()):
            needs[j].discard(i)
            if not needs[j]:
                heapq.heappush(ready, j)
    if len(ordered) < len(nodes):
        raise _endless("has ops that wait for each other")
    return ordered


def _endless(what):
    return ModelError(
        f"The graph {what}",
        expected="a graph that ends",
        mend="Save the model again; the file may be damaged",
    )
