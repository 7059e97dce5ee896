"""Which layer's output feeds which layer, read off one traced forward pass.

Keras is not asked for its graph: a subclassed model has none, and nested models and custom layers hide their parts.
Instead each call of a layer marks the tensors that it returns, and ops are walked back to the nearest marks.
"""

import dataclasses
import re

import tensorflow as tf

from kerasviz.checks import checked_count
from kerasviz.network.layers import Address
from kerasviz.network.network import Network
from kerasviz.network.spatial import is_spatial
from kerasviz.network.wires import Edge, Node, Wiring, by_target


def wiring(network: Network, depth: int | None = None) -> Wiring:
    """Which layer's output feeds which layer.

    A tensor feeds a layer if the layer computes with it and no other layer's output stands between: what ops of a
    model's own `call` do to it on the way counts as nothing. Layers that return their input as it is (Dropout) stand
    in line like any other. Layers inside loops (RNN cells) are part of the layer around them, and layers that return
    no tensor are left out.

    Args:
        network: any model, opened.
        depth: how many levels of nested models and layers with parts lie open, see `Wiring.folded`; None for all.

    Raises:
        SettingError: `depth` is no whole number from 1 up.

    Example:
        >>> import keras
        >>> inputs = keras.Input((8, 8, 4), name="image")
        >>> x = keras.layers.Conv2D(4, 3, padding="same", name="conv")(inputs)
        >>> model = keras.Model(inputs, keras.layers.Add(name="sum")([x, inputs]))
        >>> [(edge.source, edge.target) for edge in wiring(Network(model)).edges]
        [('input:image', 'conv'), ('input:image', 'sum'), ('conv', 'sum'), ('sum', 'output:sum')]
    """
    if depth is not None:
        checked_count("depth", depth)
    whole = _Build(network).wiring()
    return whole if depth is None else whole.folded(depth)


class _Build:
    """One traced pass, and what is found in it."""

    def __init__(self, network):
        self.network = network
        inputs, activations, outputs = self._run()
        self.nodes: dict[str, Node] = {}
        self.marks: dict[str, str] = {}  # the node of each marked tensor, by the tensor's name
        self.stands: dict[str, tf.Tensor] = {}  # what stands for a marked tensor: itself, or what a part returned
        self.found: list[tuple[str, list]] = []  # nodes with the marked tensors that feed them
        self.containers: dict[str, Node] = {}
        for spec, tensor in zip(network.inputs.specs, inputs, strict=True):
            spatial = is_spatial(spec.shape, network.inputs)
            node = Node(self._free(f"input:{spec.name}"), "input", spec.dtype, tuple(spec.shape), map=spatial)
            self._add(node, [tensor], [])
        self._add_calls(activations)
        for name, tensor in outputs.items():
            shape = _shape(tensor)
            spatial = is_spatial(shape, network.inputs)
            node = Node(self._free(f"output:{name}"), "output", tensor.dtype.name, shape, map=spatial)
            self._add(node, [], [tensor])

    def wiring(self):
        """The result."""
        numbers: dict[str, int] = {}
        edges = []
        for target, tensors in self.found:
            feeding = {self.stands[tensor.name].name: self.stands[tensor.name] for tensor in tensors}
            for name, tensor in feeding.items():
                number = numbers.setdefault(name, len(numbers))
                edges.append(Edge(self.marks[name], target, _shape(tensor), number))
        nodes = tuple(self.nodes.values())
        return Wiring(self.network.name, nodes, tuple(by_target(edges, self.nodes)), tuple(self.containers.values()))

    def _run(self):
        """The inputs, what each call returned as flat lists, and the outputs, as tensors of one graph."""
        network, kept = self.network, []
        calls = [call for call in network.trace.calls if not network.trace.in_loop(call.path)]
        addresses = [Address(call.path, call.index) for call in calls]

        def body(tensors):
            done = network.forward(tensors, addresses)
            kept.extend((tensors, done.activations, done.outputs))
            return list(done.outputs.values())

        network.traced(body, [[spec.tensor for spec in network.inputs.specs]])
        inputs, returned, outputs = kept
        flat = [
            (call, tf.nest.flatten(returned[a], expand_composites=True))
            for call, a in zip(calls, addresses, strict=True)
        ]
        flat = [(call, [tensor for tensor in tensors if tensor is not None]) for call, tensors in flat]
        return inputs, [(call, tensors) for call, tensors in flat if tensors], outputs

    def _add_calls(self, activations):
        around, inside = _nesting([(call.path, _scope(t[0])) for call, t in activations], self.network.layers)
        ids = [self._id(call) for call, _ in activations]
        for number, (call, tensors) in enumerate(activations):
            outer = around.get(number)
            within = None if outer is None else ids[outer]
            entry, spatial = self.network.entry(call.path), is_spatial(call.shape, self.network.inputs)
            node = Node(ids[number], "layer", entry.kind, call.shape, entry.parameters, spatial, within)
            if number not in inside:
                self._add(node, tensors, [_unmarked(tensor) for tensor in tensors])
                continue
            self.containers[node.id] = node
            parts = {ids[part] for part in inside[number]}
            own = [tensor for tensor in tensors if not self._hands_on(tensor, parts)]
            if own:
                parameters = entry.parameters - self._parameters_of_parts(call.path)
                here = dataclasses.replace(node, parameters=max(0, parameters), within=node.id)
                self._add(here, own, [_unmarked(tensor) for tensor in own])

    def _add(self, node, made, taken):
        self.nodes[node.id] = node
        self.found.append((node.id, _marked_behind(taken, self.marks)))
        for tensor in made:
            self.marks[tensor.name] = node.id
            self.stands[tensor.name] = tensor

    def _hands_on(self, tensor, parts):
        """Whether a container returns just what one of its parts returned; that then stands for it."""
        before = self.stands.get(_unmarked(tensor).name)
        if before is None or self.marks[before.name] not in parts:
            return False
        self.marks[tensor.name] = self.marks[before.name]
        self.stands[tensor.name] = before
        return True

    def _id(self, call):
        return call.path if self.network.trace.calls_of(call.path) == 1 else f"{call.path}@{call.index}"

    def _free(self, name):
        """A name that no layer has, nor another input or output."""
        taken = {*self.nodes, *self.network.layers}
        while name in taken:
            name += "'"
        return name

    def _parameters_of_parts(self, path):
        parts = (part for part in self.network.layers if part.rpartition("/")[0] == path)
        return sum(self.network.entry(part).parameters for part in parts)


def _nesting(calls, paths):
    """Which call ran inside which.

    Args:
        calls: for each call the layer's path and the name scope in which it returned, in the order of returning.
        paths: of all layers.

    Returns:
        A dict from the number of a call to that of the innermost around it, and one from the number of a call with
        others inside to the numbers of all of them.
    """
    holders = {path.rpartition("/")[0] for path in paths}
    around, inside, waiting = {}, {}, []
    for number, (path, _) in enumerate(calls):
        # Calls return inner before outer: those inside are the last that have returned.
        while path in holders and waiting and _encloses(calls[number], calls[waiting[-1]]):
            part = waiting.pop()
            around[part] = number
            inside.setdefault(number, set()).update({part}, inside.get(part, ()))
        waiting.append(number)
    return around, inside


def _encloses(outer, inner):
    """Whether a call ran inside another that returned later.

    Keras opens a name scope of its own for each call of a layer; a layer whose `call` is called directly, and an op,
    run in the scope around them. There paths decide, which alone would not do: a layer may belong to several.
    """
    (path, scope), (part, part_scope) = outer, inner
    name = re.escape(path.rpartition("/")[2].partition(":")[0])
    if part_scope != scope and not part_scope.startswith(f"{scope}/"):
        return False
    has_scope = re.fullmatch(rf"{name}(_\d+)?", scope.rpartition("/")[2], re.IGNORECASE)
    return part.startswith(f"{path}/") or bool(part_scope != scope and has_scope)


def _marked_behind(tensors, marks):
    """The marked tensors that some tensors are computed from, without those behind others."""
    found, seen, waiting = {}, set(), list(tensors)
    while waiting:
        tensor = waiting.pop()
        if tensor.name in marks:
            found[tensor.name] = tensor
        elif tensor.op.name not in seen:
            seen.add(tensor.op.name)
            waiting.extend(tensor.op.inputs)
    return list(found.values())


def _unmarked(tensor):
    """What a layer returned itself: a tap hands on a copy, which no other call returned."""
    return tensor.op.inputs[0]


def _scope(tensor):
    return tensor.op.name.rpartition("/")[0]


def _shape(tensor):
    return tuple(tensor.shape.as_list()) if tensor.shape.rank is not None else None
