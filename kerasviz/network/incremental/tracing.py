"""A traced run of a network, told apart by what each op depends on, and runs of parts of it in other graphs."""

from dataclasses import dataclass

import tensorflow as tf

from kerasviz.network.incremental.recognizing import Recognizer, Refused, absorbed
from kerasviz.network.incremental.steps import Step


@dataclass(frozen=True)
class Unit:
    """One op that depends on the image, or a few that are one step.

    Attributes:
        ops: the ops, the last one's output being the unit's.
        path: of the layer that they belong to.
        step: how it is computed on boxes, or None.
        why: why it is not.
    """

    ops: tuple[tf.Operation, ...]
    path: str
    step: Step | None
    why: str = ""

    @property
    def op(self) -> tf.Operation:
        """The op that makes the output."""
        return self.ops[-1]


class Traced:
    """A run of a network, traced for images of one shape and any number of them.

    Args:
        network: a `Network`.
        body: `(tensors, arguments) -> tensors`, in which the network runs.
        signature: the specs of the flat inputs and of the arguments, two lists.
        number: of the input whose changes matter.

    Attributes:
        image: the tensor of that input.
        units: the ops that depend on it, in an order in which inputs come first.
        changing: names of the tensors that depend on it.
        outputs: the tensors that `body` returns, flat.
    """

    def __init__(self, network, body, signature, number):
        self._function, owner = network.traced(body, signature)
        self.graph = self._function.graph
        count = len(self._function.captured_inputs)
        given = self._function.inputs[: len(self._function.inputs) - count]
        captured = self._function.inputs[len(given) :]
        self._variables = {
            placeholder.name: held for placeholder, held in zip(captured, self._function.captured_inputs, strict=True)
        }
        self.image, self.given = given[number], given
        self.outputs = self._function.outputs
        self.changing = self._reached([self.image])
        self.beside_names = self._reached([tensor for tensor in given if tensor is not self.image]) - self.changing
        self.units = self._units(owner)

    def pack(self, flat):
        """The outputs, nested as `body` returns them."""
        return tf.nest.pack_sequence_as(self._function.structured_outputs, flat)

    def beside(self, ops) -> list[tf.Tensor]:
        """What some ops take of tensors that depend on the other inputs and the arguments, not on the image."""
        return list({t.name: t for op in ops for t in op.inputs if t.name in self.beside_names}.values())

    def again(self, wanted: list[tf.Tensor], known: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        """Compute tensors of the trace anew in the graph being built, on the same variables.

        Args:
            wanted: tensors of the trace.
            known: what takes the place of some tensors, by name.
        """
        here = tf.compat.v1.get_default_graph()
        held = {t.name: here.capture(self._variables[t.name]) for t in wanted if t.name in self._variables}
        known = {**known, **held}
        rest = [tensor for tensor in wanted if tensor.name not in known]
        if rest:
            known = {**known, **dict(zip((t.name for t in rest), self._imported(rest, known), strict=True))}
        return [known[tensor.name] for tensor in wanted]

    def _imported(self, wanted, known):
        ops, used = self._needed(wanted, known)
        here = tf.compat.v1.get_default_graph()
        mapping = {name: known[name] if name in known else here.capture(self._variables[name]) for name in used}
        whole = self.graph.as_graph_def()
        part = tf.compat.v1.GraphDef(library=whole.library, versions=whole.versions)
        for op in ops:
            node = part.node.add()
            node.CopyFrom(op.node_def)
            node.attr.pop("_class", None)  # Colocation with nodes that may not come along.
            data = [name for name in node.input if not name.startswith("^")]
            del node.input[:]
            node.input.extend(data)
        return tf.graph_util.import_graph_def(part, mapping, [tensor.name for tensor in wanted], name="part")

    def _needed(self, wanted, known):
        """The ops that tensors are made of, in the graph's order, and the names that stand in for others."""
        ops, used, waiting = set(), set(), list(wanted)
        while waiting:
            tensor = waiting.pop()
            if tensor.name in known or tensor.name in self._variables:
                used.add(tensor.name)
            elif tensor.op.name not in ops:
                ops.add(tensor.op.name)
                waiting.extend(tensor.op.inputs)
        return [op for op in self.graph.get_operations() if op.name in ops], used

    def _reached(self, sources):
        names = {tensor.name for tensor in sources}
        for op in self.graph.get_operations():
            if any(tensor.name in names for tensor in op.inputs):
                names.update(tensor.name for tensor in op.outputs)
        return names

    def _units(self, owner):
        recognizer = Recognizer(self.graph, self.changing, self._variables)
        # Layers above the one that a target looks at are traced, and not needed.
        needed, _ = self._needed(self.outputs, ())
        ops = [op for op in needed if any(tensor.name in self.changing for tensor in op.inputs)]
        parts = {part.name: op for op in ops for part in absorbed(op)}
        units = []
        for op in ops:
            if op.name in parts:
                continue
            path = owner.get(op.name, "")
            try:
                units.append(Unit((*absorbed(op), op), path, recognizer.step(op)))
            except Refused as reason:
                units.append(Unit((*absorbed(op), op), path, None, str(reason)))
        return units
