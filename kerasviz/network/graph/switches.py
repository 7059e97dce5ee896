"""Branches of TensorFlow 1, settled as inference settles them.

There a condition is spread over `Switch` and `Merge` ops among the others, nearly always for "are we training?". What
cannot run is left out, so that a plain graph remains.
"""

from dataclasses import replace

import tensorflow as tf

from kerasviz.errors import ModelError
from kerasviz.network.graph.flattening import Flat, Ref

_LOOP = frozenset({"Enter", "RefEnter", "NextIteration", "RefNextIteration", "Exit", "RefExit", "LoopCond"})


def settled(flat: Flat) -> Flat:
    """A graph without `Switch` and `Merge`.

    Raises:
        ModelError: a condition depends on the inputs, or there is a loop of TensorFlow 1, among what the results need.
    """
    if not any(node.op == "Switch" for node in flat.nodes):
        _refuse_loops(flat)
        return flat
    settling = _Settling(flat)
    nodes = tuple(
        replace(node, inputs=tuple(map(settling.followed, node.inputs))) if node.op not in ("Switch", "Merge") else node
        for node in flat.nodes
    )
    done = replace(flat, nodes=nodes, results=tuple(map(settling.followed, flat.results)))
    _refuse_loops(done)
    return done


class _Settling:
    def __init__(self, flat):
        self._flat = flat
        self._dead: dict[int, bool] = {}
        for number, node in enumerate(flat.nodes):  # inputs come first
            if node.op == "Merge":
                self._dead[number] = all(self._is_dead(ref) for ref in node.inputs)
            else:
                self._dead[number] = any(self._is_dead(ref) for ref in node.inputs)

    def _is_dead(self, ref):
        """Whether a tensor is on a branch that is not taken."""
        node = self._flat.nodes[ref.node]
        if self._dead.get(ref.node, False):
            return True
        if node.op != "Switch":
            return False
        taken = self._settled(node.inputs[1])
        return taken is not None and ref.index != taken  # output 1 is for what is true

    def followed(self, ref: Ref) -> Ref:
        """The tensor that comes to the same, before all switches and merges."""
        while (node := self._flat.nodes[ref.node]).op in ("Switch", "Merge"):
            if node.op == "Switch":
                ref = node.inputs[0]
                continue
            alive = [one for one in node.inputs if not self._is_dead(one)]
            if len(alive) != 1 or ref.index == 1:
                raise ModelError(
                    f"The graph branches at {node.name!r} by what comes in",
                    expected="branches that are settled at inference, such as 'are we training?'",
                    mend="Export it with TensorFlow 2, or as a graph for inference",
                )
            [ref] = alive
        return ref

    def _settled(self, ref):
        """The value of a condition, None if it depends on the inputs."""
        node = self._flat.nodes[ref.node]
        if node.op == "Const":
            return bool(tf.make_ndarray(node.attributes["value"].tensor).all())
        values = [self._settled(one) for one in node.inputs]
        if None in values or not values:
            return None
        if node.op in ("Identity", "PlaceholderWithDefault", "Switch"):
            return values[0]
        return {"LogicalNot": not values[0], "LogicalAnd": all(values), "LogicalOr": any(values)}.get(node.op)


def _refuse_loops(flat):
    loops = [flat.nodes[number].name for number in flat.needed() if flat.nodes[number].op in _LOOP]
    if loops:
        raise ModelError(
            f"The graph has a loop of TensorFlow 1, at {loops[0]!r}",
            expected="no loop, or one of TensorFlow 2",
            mend="Export it with TensorFlow 2: tf.compat.v1.enable_control_flow_v2() before it is built",
        )
