"""What a wiring holds: a model as a graph of the calls of its layers, which folds, and which JSON can hold."""

import dataclasses
import functools
from dataclasses import dataclass

from kerasviz.checks import checked_count


@dataclass(frozen=True)
class Node:
    """An input, an output or a call of a layer.

    Attributes:
        id: the layer's path, with `@k` for the k-th call of a layer that is called several times; "input:NAME" and
            "output:NAME" for inputs and outputs.
        role: "input", "layer" or "output".
        kind: the name of the class, or the dtype of an input or output.
        shape: of the output, None for free axes; None if it is not one tensor.
        parameters: of the layer; those of its parts are left out where they are nodes of their own.
        map: whether the output is a spatial feature map.
        within: the id of the innermost open container around it, None at the top.
        holds: how many calls of layers are folded into it.
    """

    id: str
    role: str
    kind: str
    shape: tuple | None
    parameters: int = 0
    map: bool = False
    within: str | None = None
    holds: int = 0


@dataclass(frozen=True)
class Edge:
    """A tensor that one node makes and another takes.

    Attributes:
        source: the id of the node that makes it.
        target: the id of the node that takes it.
        shape: None for free axes; None if the number of axes is free.
        tensor: its number: edges with the same number carry the same tensor.
    """

    source: str
    target: str
    shape: tuple | None
    tensor: int


@dataclass(frozen=True)
class Wiring:
    """A model as a graph without cycles.

    Attributes:
        name: of the model.
        nodes: inputs, calls of layers in the order in which they return, outputs. Each stands behind what feeds it.
        edges: in the order of their targets.
        containers: calls of nested models, and of layers with parts, that lie open; each stands behind its parts.
            One that also computes something itself has a node of the same id, within it.
    """

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    containers: tuple[Node, ...] = ()

    @property
    def depth(self) -> int:
        """How many levels lie open; 1 where there are no open containers."""
        return 1 + max((len(self.around(node.within)) for node in self.nodes), default=0)

    def around(self, name: str | None) -> list[str]:
        """The ids of a container and of those around it, the outermost first; none for None."""
        found = []
        while name is not None:
            found.append(name)
            name = self._outer[name]
        return found[::-1]

    def folded(self, depth: int) -> "Wiring":
        """The same with containers closed: each is one node then, which holds its parts.

        Args:
            depth: how many levels stay open. 1 leaves the layers that the model itself calls.

        Raises:
            SettingError: `depth` is no whole number from 1 up.
        """
        depth = checked_count("depth", depth)
        containers = {container.id: container for container in self.containers}
        nodes, place = {}, {}
        for node in self.nodes:
            around = self.around(node.within)
            if len(around) < depth:
                place[node.id] = node.id
                nodes[node.id] = node
                continue
            closed = place[node.id] = around[depth - 1]
            here = nodes.get(closed, containers[closed])
            # What a container computes itself is no call of another layer.
            nodes[closed] = dataclasses.replace(here, holds=here.holds + (node.holds or node.id not in containers))
        edges = {
            (place[edge.source], place[edge.target], edge.tensor): edge
            for edge in reversed(self.edges)
            if place[edge.source] != place[edge.target]
        }
        return Wiring(
            self.name,
            tuple(nodes.values()),
            tuple(by_target((dataclasses.replace(e, source=s, target=t) for (s, t, _), e in edges.items()), nodes)),
            tuple(one for one in self.containers if len(self.around(one.id)) < depth),
        )

    def as_dict(self) -> dict:
        """The wiring as JSON can hold it; the `kind` of a node is its "class" there."""
        return {
            "name": self.name,
            "nodes": [_plain(node) for node in self.nodes],
            "edges": [_plain(edge) for edge in self.edges],
            "containers": [_plain(container) for container in self.containers],
        }

    @functools.cached_property
    def _outer(self):
        return {container.id: container.within for container in self.containers}


def by_target(edges, nodes) -> list[Edge]:
    """Edges in the order of their targets among the nodes, a dict or list of ids; then in that of their sources."""
    places = {name: place for place, name in enumerate(nodes)}
    return sorted(edges, key=lambda edge: (places[edge.target], places[edge.source], edge.tensor))


def _plain(item):
    values = dataclasses.asdict(item)
    values["shape"] = None if item.shape is None else list(item.shape)
    return {("class" if name == "kind" else name): value for name, value in values.items()}
