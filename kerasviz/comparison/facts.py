"""What a model is made of, in the form in which two are compared."""

import hashlib
import math
import re
from collections import Counter
from dataclasses import dataclass, replace

import keras
import numpy as np

from kerasviz.comparison.configuration import configuration
from kerasviz.inspection.activations import activations
from kerasviz.inspection.variables import Owned, dtype_of, of_graph, values, variables
from kerasviz.network import Network
from kerasviz.network.layers import walk


@dataclass(frozen=True)
class TensorFacts:
    """An input or output of a model.

    Attributes:
        name: of the input or output.
        shape: None for free axes, the batch first.
        kind: an input's dtype; what an output ends in, such as "softmax", "" for scores.
    """

    name: str
    shape: tuple
    kind: str


@dataclass(frozen=True)
class LayerFacts:
    """A layer, without those inside it.

    Attributes:
        path: in its model.
        kind: the name of its class.
        shape: of its output, None for free axes; None if it returns several tensors.
        parameters: how many values its own weights hold.
        activations: the kinds that it applies, as `kerasviz.inspection.activations` names them.
    """

    path: str
    kind: str
    shape: tuple | None
    parameters: int
    activations: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelFacts:
    """A model.

    Attributes:
        name: of the model.
        layers: how many layers it has, without the containers around them.
        arrays: how many weights.
        parameters: how many values these hold.
        bare: whether it is a bare graph, whose layers are ops.
        head: the path of the last layer with weights; None if no layer has any.
        inputs: in order.
        outputs: in order.
    """

    name: str
    layers: int
    arrays: int
    parameters: int
    bare: bool
    head: str | None
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]


@dataclass(frozen=True, eq=False)
class Weight:
    """A weight, still in its model.

    Attributes:
        name: of the weight in its layer.
        layer: the layer's path.
        owned: where it is.
        shape: of the weight.
        dtype: the name.
        digest: the same for weights of one dtype, one shape and the same bits, and for no others.
        constant: whether all values are one, as in a bias that was never trained.
        scale: what the integers of a quantized kernel are divided by, or None.
    """

    name: str
    layer: str
    owned: Owned
    shape: tuple
    dtype: str
    digest: bytes
    constant: bool
    scale: "Weight | None" = None

    @property
    def size(self) -> int:
        """How many values there are."""
        return math.prod(self.shape)

    @property
    def tail(self) -> str:
        """The end of the variable's own path, which outlives an export: "conv1/kernel"."""
        path = getattr(self.owned.variable, "path", self.owned.path)
        return "/".join(path.split("/")[-2:])

    def values(self) -> np.ndarray:
        """The numbers; of a quantized kernel those that its integers stand for."""
        found = values(self.owned.variable)
        return found if self.scale is None else found / values(self.scale.owned.variable)


@dataclass(frozen=True, eq=False)
class Part:
    """A layer, still in its model.

    Attributes:
        facts: what is told of it.
        plain: its path, without the numbers that Keras puts behind names that it makes itself.
        weights: its own.
        config: its configuration, None if it does not tell it.
        ambiguous: whether other layers share its plain path.
    """

    facts: LayerFacts
    plain: str
    weights: tuple[Weight, ...] = ()
    config: dict | None = None
    ambiguous: bool = False

    @property
    def signature(self) -> tuple:
        """The shapes of its weights."""
        return tuple(weight.shape for weight in self.weights)

    @property
    def digest(self) -> tuple | None:
        """The same for layers of one class and the same weights; None where constants tell nothing."""
        if all(weight.constant for weight in self.weights):
            return None
        return (self.facts.kind, *(weight.digest for weight in self.weights))


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A model taken apart.

    Attributes:
        network: the model, opened.
        model: the Keras model.
        facts: what is told of it.
        parts: its layers, in its order.
    """

    network: Network
    model: object
    facts: ModelFacts
    parts: tuple[Part, ...]

    @property
    def weights(self) -> list[Weight]:
        """All weights, in the order of the layers."""
        return [weight for part in self.parts for weight in part.weights]


def take_apart(model, sample=None) -> Anatomy:
    """What a model is made of.

    Args:
        model: any built Keras model.
        sample: inputs, for subclassed models that declare no input shape.

    Raises:
        ModelError: as for `Network`.
    """
    network = Network(model, sample=sample)
    owned: dict[str, list[Owned]] = {}
    for one in variables(model):
        # Counters and seeds of random numbers are no weights.
        if one.role != "state" or dtype_of(one.variable).startswith(("float", "bfloat")):
            owned.setdefault(one.layer, []).append(one)
    kinds = activations(network, model)
    layers = dict(walk(model))
    classes = {path: type(layer).__name__ for path, layer in layers.items()}
    parts = []
    for path, layer in [*layers.items(), ("", model)]:
        own = owned.get(path, [])
        if not own and _only_holds(layer):
            continue
        weights = _weights(own)
        shape = network.trace.shape_of(path) if path else None
        facts = LayerFacts(path, type(layer).__name__, shape, sum(w.size for w in weights), tuple(kinds.get(path, ())))
        parts.append(Part(facts, _plain(path, classes), weights, configuration(layer)))
    return Anatomy(network, model, _facts(network, model, parts), _marked(parts))


def _only_holds(layer):
    """Whether a layer is nothing but a container of others, which are compared themselves."""
    is_scope = of_graph(layer) and not hasattr(layer, "node")
    return isinstance(layer, keras.Model) or is_scope


def _weights(owned):
    found = {one.name: _weight(one) for one in owned}
    for name, weight in found.items():
        scale = found.get(f"{name}_scale")
        if scale is not None and weight.dtype == "int8" and _is_scale(weight, scale):
            found[name] = replace(weight, scale=scale)
    return tuple(found.values())


def _is_scale(weight, scale):
    """Whether the scale of an 8-bit kernel goes with it as it is; those of 4 bits, say, are packed."""
    if getattr(weight.owned.holder, "quantization_mode", None) != "int8" or len(scale.shape) > len(weight.shape):
        return False
    pairs = zip(scale.shape[::-1], weight.shape[::-1], strict=False)
    return all(side in (1, wanted) for side, wanted in pairs)


def _weight(one):
    array = values(one.variable)
    if array is None:  # strings
        array = np.array(str(one.variable), dtype="S").view(np.uint8)
    flat = np.ascontiguousarray(array).reshape(-1)
    shape, dtype = tuple(int(side) for side in one.variable.shape), dtype_of(one.variable)
    digest = hashlib.blake2b(f"{dtype}{shape}".encode(), digest_size=16)
    digest.update(flat.view(np.uint8))
    return Weight(one.name, one.layer, one, shape, dtype, digest.digest(), _is_constant(flat))


def _is_constant(flat):
    # Most arrays are found out at their beginning.
    return all(bool((part == flat[:1]).all()) for part in (flat[:100], flat))


def _plain(path, classes):
    names, found = path.split("/"), []
    for depth, name in enumerate(names, 1):
        kind = classes.get("/".join(names[:depth]), "")
        bare = re.sub(r"_\d+$", "", name)
        found.append(bare if bare.replace("_", "") == kind.lower() else name)
    return "/".join(found)


def _marked(parts):
    """The parts, with a note whether others share their plain path."""
    count = Counter(part.plain for part in parts)
    return tuple(replace(part, ambiguous=count[part.plain] > 1) for part in parts)


def _facts(network, model, parts):
    weights = [weight for part in parts for weight in part.weights]
    return ModelFacts(
        name=network.name,
        layers=len(parts),
        arrays=len(weights),
        parameters=sum(weight.size for weight in weights),
        bare=of_graph(model),
        head=weights[-1].layer if weights else None,
        inputs=tuple(TensorFacts(spec.name, tuple(spec.shape), spec.dtype) for spec in network.inputs.specs),
        outputs=tuple(
            TensorFacts(name, tuple(output.shape), output.head or "") for name, output in network.trace.outputs.items()
        ),
    )
