"""The variables of a model, each once, by path."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from kerasviz.network import internals
from kerasviz.network.layers import walk

#: Roles by the last part of a variable's name.
_ROLES = {
    "bias": "bias",
    "biases": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "moving_mean",
    "moving_variance": "moving_variance",
    "embeddings": "embedding",
    "lora_kernel_b": "lora",
    "lora_kernel_a": "lora",
    "lora_embeddings_b": "lora",
    "lora_embeddings_a": "lora",
    "kernel_scale": "scale",
    "kernel_zero": "scale",
    "embeddings_scale": "scale",
    "embeddings_zero": "scale",
    "g_idx": "scale",
}


@dataclass(frozen=True)
class Owned:
    """A variable and where it is.

    Attributes:
        path: the layer's path, then the variable's name: "base/conv1/kernel".
        layer: the path of the layer that holds it; "" for the model itself.
        holder: that layer.
        name: of the variable in its layer.
        role: "kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "embedding", "slope" (of a PReLU),
            "lora", "scale" (of what is quantized), "state" (counters, seeds of random numbers) or "other".
        home: what holds all weights of one normalization together: the path of the layer, of a bare graph the scope.
        variable: the variable.
        also: the paths of the other layers that hold the same variable.
    """

    path: str
    layer: str
    holder: object
    name: str
    role: str
    home: str
    variable: object
    also: tuple[str, ...] = ()

    @property
    def normalizes(self) -> bool:
        """Whether it is part of a normalization, as far as can be told: other layers have a gamma, too."""
        return "Norm" in type(self.holder).__name__ or of_graph(self.holder)


def variables(model) -> list[Owned]:
    """Every variable of a model and of all layers in it, in the order of the layers; those shared are listed once.

    Args:
        model: a built Keras model.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="hidden")])
        >>> [owned.path for owned in variables(model)]
        ['hidden/kernel', 'hidden/bias']
    """
    found: dict[int, Owned] = {}
    for path, layer in [*walk(model), ("", model)]:
        if not isinstance(layer, keras.layers.Layer):
            continue
        for name, variable in _own(layer):
            known = found.get(id(variable))
            if known is None:
                found[id(variable)] = _owned(path, layer, name, variable)
            elif path and path not in (known.layer, *known.also):
                found[id(variable)] = replace(known, also=(*known.also, path))
    return list(found.values())


def values(variable) -> np.ndarray | None:
    """What a variable holds; None where that is no numbers, such as strings."""
    array = np.asarray(keras.ops.convert_to_numpy(variable))
    return None if array.dtype.kind in "OSUM" else array


def bytes_of(variable) -> int:
    """How many bytes a variable takes in memory; 0 for strings."""
    dtype = tf.as_dtype(dtype_of(variable))
    return 0 if dtype == tf.string else dtype.size * math.prod(variable.shape)


def dtype_of(variable) -> str:
    """The name of a variable's dtype, also of one that is not Keras's own."""
    return keras.backend.standardize_dtype(variable.dtype)


def of_graph(layer) -> bool:
    """Whether a layer is an op, or a scope of ops, of a bare graph."""
    return type(layer).__module__.startswith("kerasviz.network.graph.")


def _own(layer) -> Iterator[tuple[str, object]]:
    """The variables that a layer, and none of its parts, holds, by names that differ."""
    of_parts = {id(variable) for part in internals.sublayers(layer) for variable in part.variables}
    taken: dict[str, int] = {}
    for variable in layer.variables:
        if id(variable) in of_parts:
            continue
        name = variable.name.rpartition("/")[2].partition(":")[0]
        taken[name] = taken.get(name, 0) + 1
        yield (name if taken[name] == 1 else f"{name}:{taken[name]}"), variable


def _owned(path, layer, name, variable):
    bare = name.partition(":")[0]
    # The ops of a bare graph that share a scope hold the weights of one normalization.
    scope = getattr(variable, "path", variable.name).rpartition("/")[0]
    return Owned(
        path=f"{path}/{name}" if path else name,
        layer=path,
        holder=layer,
        name=name,
        role=_role(layer, bare, variable),
        home=scope if of_graph(layer) else path,
        variable=variable,
    )


def _role(layer, name, variable):
    axes, dtype = len(variable.shape), dtype_of(variable)
    if isinstance(layer, keras.layers.PReLU):
        return "slope"
    if name in _ROLES:
        return _ROLES[name]
    if name.endswith(("_scale", "_amax_history")):
        return "scale"
    if not dtype.startswith(("float", "bfloat")) and not name.endswith("kernel"):
        return "state"
    if isinstance(layer, keras.layers.Normalization):
        return "state"
    if name.endswith("kernel") or (axes >= 2 and name.endswith("weights")):
        return "kernel" if axes >= 2 else "other"
    # What a custom layer calls "w" and gives two axes, or a convolution's four, mixes its inputs.
    return "kernel" if axes in (2, 4) and all(side > 1 for side in variable.shape[-2:]) else "other"
