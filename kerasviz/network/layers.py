"""Addressing the layers of a model: paths through any nesting.

A path is the names of the layers on the way down, joined by slashes: `"base/block5_conv3"` is the layer
`block5_conv3` of the model `base` inside the model. Ops that Keras makes of `keras.ops.relu(x)` and the like are
layers here. A layer that a model calls several times has one activation per call: `"tower/conv"` is its last
call, `"tower/conv@0"` its first, in the order in which they run (`Trace.sources_of` tells what each looks at).
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

import keras

from kerasviz.errors import LayerError
from kerasviz.network import internals
from kerasviz.network.graph.wrapped import opened


@dataclass(frozen=True, order=True)  # TensorFlow sorts the keys of the dicts that a traced function takes or returns.
class Address:
    """Where to tap a model: a path, and which of the layer's calls (-1: the last)."""

    path: str
    call: int = -1

    def __str__(self):
        return self.path if self.call == -1 else f"{self.path}@{self.call}"


def walk(model) -> Iterator[tuple[str, object]]:
    """Yield `(path, layer)` for every layer and op of a model, each path once, containers before their parts.

    Args:
        model: any Keras model; it need not be built.
    """
    yield from _walk(model, prefix="", above=())


def _walk(layer, prefix, above):
    taken: dict[str, int] = {}
    for part in _parts(layer):
        if isinstance(part, keras.layers.InputLayer) or any(part is outer for outer in above):
            continue
        taken[part.name] = taken.get(part.name, 0) + 1
        # Subclassed models may give two layers one name.
        name = part.name if taken[part.name] == 1 else f"{part.name}:{taken[part.name]}"
        path = f"{prefix}{name}"
        yield path, part
        yield from _walk(part, f"{path}/", (*above, part))


def _parts(layer):
    layer = opened(layer) or layer
    graph = internals.graph_of(layer)
    if graph is not None:
        inside = internals.graph_operations(graph)
        # A graph model with a call of its own may hold layers beside its graph.
        beside = internals.sublayers(layer) if internals.has_own_call(layer) else []
        return inside + [part for part in beside if not any(part is known for known in inside)]
    return internals.sublayers(layer) if isinstance(layer, keras.layers.Layer) else []


@dataclass(frozen=True)
class Entry:
    """What a layer is.

    Attributes:
        kind: the name of its class.
        parameters: how many it has, with those of its parts.
        kernel: whether it holds a kernel itself.
        transposes: whether it turns the axes of space against each other.
    """

    kind: str
    parameters: int
    kernel: bool
    transposes: bool = False

    @classmethod
    def of(cls, layer):
        """Describe a layer or op."""
        if not isinstance(layer, keras.layers.Layer):
            return cls(type(layer).__name__, 0, False, _transposes(layer))
        of_parts = {id(variable) for part in internals.sublayers(layer) for variable in part.variables}
        own = [variable for variable in layer.variables if id(variable) not in of_parts]
        # A PReLU's slopes have the rank of a kernel, and mix nothing.
        kernel = any(len(v.shape) >= 2 for v in own) and not isinstance(layer, keras.layers.PReLU)
        parameters = layer.count_params() if layer.built else 0
        return cls(type(layer).__name__, parameters, kernel, _transposes(layer))


def _transposes(layer):
    if isinstance(layer, keras.layers.Permute):
        axes = (0, *layer.dims)
    else:
        axes = getattr(layer, "axes", None) if type(layer).__name__ == "Transpose" else None
    space = list(axes[1:-1]) if axes else []
    return space != sorted(space)


class Directory:
    """Finds the layers of one model by path, by name, by index or by object. It does not keep the model alive.

    Args:
        model: any Keras model.

    Attributes:
        entries: what each layer is, by path, in the order of the model.
    """

    def __init__(self, model):
        self._model_name = model.name
        self._ids: dict[str, int] = {}
        self.entries: dict[str, Entry] = {}
        for path, layer in walk(model):
            self._ids[path] = id(layer)
            self.entries[path] = Entry.of(layer)
        self._top = [id(layer) for layer in model.layers]

    @property
    def paths(self) -> list[str]:
        """All paths, in the order of the model."""
        return list(self._ids)

    @property
    def kernels(self) -> frozenset:
        """The paths of the layers that hold kernels themselves: convolutions, dense layers, embeddings."""
        return frozenset(path for path, entry in self.entries.items() if entry.kernel)

    @property
    def transposing(self) -> frozenset:
        """The paths of the layers that turn the axes of space against each other, and lie across the image then."""
        return frozenset(path for path, entry in self.entries.items() if entry.transposes)

    @property
    def inside_attention(self) -> frozenset:
        """The paths of the parts of attention layers, whose axes are heads and tokens where others have space."""
        # The scopes of a bare graph are known by their names alone.
        attention = tuple(
            f"{path}/"
            for path, entry in self.entries.items()
            if "Attention" in entry.kind or (entry.kind == "Scope" and "attention" in path.rpartition("/")[2].lower())
        )
        return frozenset(path for path in self.entries if path.startswith(attention))

    def id_of(self, path: str) -> int:
        """The `id()` of the layer at a path."""
        return self._ids[path]

    def find(self, spec) -> Address:
        """The address that a layer specification means.

        Args:
            spec: a path; the end of a path, down to a bare name, if only one layer ends so; an index into
                `model.layers`; or the layer object. A path may end in `@k` for the layer's k-th call.

        Raises:
            LayerError: no layer or more than one fits; the message lists the nearest names or the candidates.
        """
        if isinstance(spec, Address):
            return spec
        if isinstance(spec, str):
            return self._by_path(spec)
        if isinstance(spec, int) and not isinstance(spec, bool):
            return self._by_index(spec)
        if internals.is_operation(spec):
            return self._by_id(id(spec), f"The layer {spec.name!r} is not part of the model {self._model_name!r}")
        raise LayerError(
            f"layer={spec!r} is a {type(spec).__name__}",
            expected="a path or name, an index into model.layers, or a layer object",
            mend="`kerasviz inspect` and `Network(model).layers` list the paths",
        )

    def _by_path(self, spec):
        path, call = _split_call(spec)
        if path in self._ids:
            return Address(path, call)
        ends = [known for known in self._ids if known.endswith("/" + path)]
        if len({self._ids[end] for end in ends}) == 1:
            return Address(ends[0], call)
        if ends:
            raise LayerError(
                f"layer={spec!r} fits {len(ends)} layers of {self._model_name!r}: {_listing(ends)}",
                expected="a name or path that only one layer has",
                mend="Give the whole path of the one that is meant",
            )
        raise LayerError(
            f"No layer of {self._model_name!r} is called {spec!r}",
            expected="the path of a layer, such as 'base/block5_conv3', or a name that is unique in the model",
            mend=self._advice(path),
        )

    def _by_index(self, index):
        if not -len(self._top) <= index < len(self._top):
            raise LayerError(
                f"layer={index} is outside the model {self._model_name!r}, which has {len(self._top)} layers",
                expected=f"an index from {-len(self._top)} to {len(self._top) - 1}",
                mend="Indices are those of model.layers; layers inside nested models have paths only",
            )
        return self._by_id(
            self._top[index],
            f"layer={index} of the model {self._model_name!r} is an input, which computes nothing",
        )

    def _by_id(self, wanted, problem):
        for path, known in self._ids.items():
            if known == wanted:
                return Address(path)
        raise LayerError(
            problem,
            expected="a layer of the model that is explained",
            mend=f"Its layers are {_listing(self.paths)}",
        )

    def _advice(self, path):
        last_names = {known.rsplit("/", 1)[-1]: known for known in self._ids}
        near = difflib.get_close_matches(path, list(self._ids), n=4, cutoff=0.6)
        near += [
            last_names[name]
            for name in difflib.get_close_matches(path.rsplit("/", 1)[-1], list(last_names), n=4, cutoff=0.6)
        ]
        if near:
            return f"Did you mean {_listing(list(dict.fromkeys(near))[:4], ' or ')}?"
        return f"Its layers are {_listing(self.paths)}"


def _split_call(spec):
    path, at, call = spec.rpartition("@")
    return (path, int(call)) if at and call.isdecimal() else (spec, -1)


def _listing(names, joint=", ", most=12):
    shown = joint.join(map(repr, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
