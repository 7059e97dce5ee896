"""A live model as a graph: for rectifiers inside custom code, which no copy of a layer reaches."""

from collections.abc import Mapping

import keras
import tensorflow as tf

from kerasviz.network import rules
from kerasviz.network.graph.flattening import Ref
from kerasviz.network.graph.model import GraphModel
from kerasviz.network.graph.opening import captured
from kerasviz.network.graph.planning import Plan
from kerasviz.network.inputs import Inputs
from kerasviz.network.trace import owners
from kerasviz.network.twins import Recorder


class Recorded:
    """What the layers of a traced model returned, for `Plan`.

    Attributes:
        returns: by node of the flat graph, the paths of the layers that returned a tensor of it, in order.
    """

    def __init__(self, flat, graph, returned):
        self._flat, self._owners = flat, owners(graph, returned)
        numbers = {node.origin: n for n, node in enumerate(flat.nodes) if node.origin not in flat.called}
        self.returns: dict[int, list[tuple[str, Ref]]] = {}
        for path, output in returned:
            tensors = [part for part in keras.tree.flatten(output) if isinstance(part, tf.Tensor)]
            if len(tensors) == 1 and tensors[0].graph is graph and hasattr(tensors[0], "op"):
                name, index = tensors[0].op.name, tensors[0].value_index
                ref = flat.called[name][index] if name in flat.called else Ref(numbers[name], index)
                self.returns.setdefault(ref.node, []).append((path, ref))

    def path(self, number: int) -> str:
        """Where an op stands: in the innermost layer that it belongs to."""
        node = self._flat.nodes[number]
        owner, name = self._owners.get(node.origin, ""), node.name.rpartition("/")[2]
        return f"{owner}/{name}" if owner else name


def graph_of_twin(
    twin, inputs: Inputs, paths: Mapping[int, str], rule: str
) -> tuple[GraphModel, dict[str, keras.Layer]]:
    """A twin of a live model, as a graph on the same variables.

    What the twin's rule replaced keeps that rule.

    Args:
        twin: a twin of a model, with a rule.
        inputs: what it takes.
        paths: the path of the layer behind each twin, by its `id()`.
        rule: the name of the rule.

    Returns:
        The graph, and the part of it that stands for each layer, by path.
    """
    returned: list[tuple[str, object]] = []

    def seen(twin_id, output):
        if twin_id in paths:
            returned.append((paths[twin_id], output))
        return output

    def run(*tensors):
        return twin(inputs.pack(list(tensors)), training=False)

    with Recorder(seen):
        function = tf.function(run, autograph=False).get_concrete_function(*[spec.tensor for spec in inputs.specs])
    flat, arguments, bound, variables = captured(function, aside=rules.RULE_SCOPE)
    recorded = Recorded(flat, function.graph, returned)
    plan = Plan(flat, arguments, flat.results, bound, variables, recorded=recorded, rule=rule)
    structure = function.structured_outputs
    model = GraphModel(
        plan, inputs.structure, lambda tensors: tf.nest.pack_sequence_as(structure, tensors), name=twin.name
    )
    if getattr(twin, "output_names", None):
        model.output_names = twin.output_names
    return model, plan.scopes_by_path
