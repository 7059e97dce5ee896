"""Which layers take their input from other layers than before."""

from collections.abc import Mapping

from kerasviz.network import Network
from kerasviz.network.wiring import wiring


def rewired(a: Network, b: Network, pairs: Mapping[str, str]) -> tuple[set[str], set[int]]:
    """What is connected otherwise, looking through layers that only one model has.

    Args:
        a: the first model.
        b: the second.
        pairs: the path in the second model of layers of the first.

    Returns:
        The paths, in the first model, of layers that take tensors of other layers; and the numbers of such outputs.
    """
    before, after = _Feeding(a), _Feeding(b)
    # A layer that no pass is seen to reach is looked through, in both.
    pairs = {path: other for path, other in pairs.items() if path in before.sources and other in after.sources}
    known, known_b = set(pairs), set(pairs.values())

    def differ(node, other):
        return {pairs.get(source, source) for source in before.nearest(node, known)} != after.nearest(other, known_b)

    layers = {path for path, other in pairs.items() if differ(path, other)}
    outputs = zip(before.outputs, after.outputs, strict=False)
    return layers, {number for number, both in enumerate(outputs) if differ(*both)}


class _Feeding:
    """What feeds each layer and output of a network.

    Attributes:
        sources: paths of layers, and numbers of inputs, by the paths of layers and the names of outputs.
        outputs: their names.
    """

    def __init__(self, network):
        found, paths = wiring(network), set(network.layers)
        inputs = [node.id for node in found.nodes if node.role == "input"]
        names: dict[str, object] = {one: number for number, one in enumerate(inputs)}
        for node in found.nodes:
            if node.role == "layer":
                # All calls of a layer are taken together.
                names[node.id] = node.id if node.id in paths else node.id.rpartition("@")[0]
        self.sources: dict[object, set] = {names.get(node.id, node.id): set() for node in found.nodes}
        self.outputs = [node.id for node in found.nodes if node.role == "output"]
        for edge in found.edges:
            self.sources[names.get(edge.target, edge.target)].add(names[edge.source])

    def nearest(self, name, known):
        """The inputs and the layers of some that feed one, looking through all others."""
        nearby, seen, waiting = set(), {name}, list(self.sources[name])
        while waiting:
            source = waiting.pop()
            if isinstance(source, int) or (source in known and source != name):
                nearby.add(source)
            elif source not in seen:
                seen.add(source)
                waiting.extend(self.sources[source])
        return nearby
