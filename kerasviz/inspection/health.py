"""The weights of a model and their health."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from kerasviz.inspection import redundancy
from kerasviz.inspection.columns import columns
from kerasviz.inspection.statistics import Statistics, statistics
from kerasviz.inspection.variables import Owned, bytes_of, dtype_of, values, variables

#: Weights of at most this magnitude are zero for every purpose.
_ZERO = 1e-12
#: What a weight holds before training, by its role.
_INITIAL = {
    "bias": 0.0,
    "beta": 0.0,
    "moving_mean": 0.0,
    "slope": 0.0,
    "lora": 0.0,
    "gamma": 1.0,
    "moving_variance": 1.0,
}
#: A channel whose variance is at most this share of what is added to it for safety comes out constant.
_NO_VARIANCE = 1e-4
#: Ways of quantization that put two values or more into one byte.
_PACKED = ("int4", "gptq", "awq")


@dataclass(frozen=True)
class Weight:
    """A weight of a model and its health.

    Attributes:
        path: the layer's path, then the weight's name: "base/conv1/kernel".
        layer: the path of the layer that holds it; "" for the model itself.
        role: what it is for, as `kerasviz.inspection.variables.Owned` says.
        home: what holds all weights of one normalization together.
        shape: of the variable.
        dtype: as it is kept, which may be smaller than what is computed in.
        bytes: in memory.
        trainable: whether training would change it.
        also: the paths of the other layers that share it.
        statistics: of its values; None for those packed several to a byte, and for what is no numbers.
        zero: all values are next to nothing (1e-12).
        constant: all values are equal, and there are several.
        initial: all values are as before training: zero biases, unit scales of a normalization.
        filters: how many filters a kernel has, one for each output channel; else None.
        dead: the numbers of channels that carry nothing: filters that are zero beside the others, normalizations of
            which scale or variance is zero.
        equal: groups of the numbers of filters that are equal, up to 1e-4 of their norm, and look at the same inputs.
            Not looked for in quantized kernels, where it takes scales to tell.
        negative: for variances, how many values are below zero beyond what is added for safety.
    """

    path: str
    layer: str
    role: str
    home: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    trainable: bool
    also: tuple[str, ...] = ()
    statistics: Statistics | None = None
    zero: bool = False
    constant: bool = False
    initial: bool = False
    filters: int | None = None
    dead: tuple[int, ...] = ()
    equal: tuple[tuple[int, ...], ...] = ()
    negative: int = 0

    @property
    def size(self) -> int:
        """How many values the variable has."""
        return math.prod(self.shape)

    def as_dict(self) -> dict:
        """All of it as JSON can hold it; the statistics beside the rest, with the share of zeros."""
        found = dataclasses.asdict(self)
        numbers = found.pop("statistics") or dataclasses.asdict(Statistics())
        numbers["zeros"] = numbers["zeros"] / self.size if self.size else 0.0
        if self.statistics is None:
            numbers = dict.fromkeys(numbers)
        return {
            **found,
            "shape": list(self.shape),
            "also": list(self.also),
            "dead": list(self.dead),
            "equal": [list(group) for group in self.equal],
            **numbers,
        }


def weights(model) -> list[Weight]:
    """Every weight of a model with its health, in one pass over the values; those shared are listed once.

    Args:
        model: a built Keras model. It is only read; NaN is found, not refused.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="hidden")])
        >>> model.layers[0].set_weights([np.array([[1.0, 0, 1], [2, 0, 2]]), np.zeros(3)])
        >>> kernel, bias = weights(model)
        >>> kernel.dead, kernel.equal, bias.initial
        ((1,), ((0, 2),), True)
    """
    return [_weight(owned) for owned in variables(model)]


def look_trained(found: list[Weight]) -> bool:
    """Whether any bias, scale or statistic has left its initial value; True where there are none to tell by."""
    telling = [weight for weight in found if weight.role in _INITIAL and weight.role not in ("slope", "lora")]
    return not telling or any(not weight.initial for weight in telling)


def _weight(owned: Owned) -> Weight:
    variable = owned.variable
    dtype = dtype_of(variable)
    plain = Weight(
        path=owned.path,
        layer=owned.layer,
        role=owned.role,
        home=owned.home,
        shape=tuple(variable.shape),
        dtype=dtype,
        bytes=bytes_of(variable),
        trainable=bool(variable.trainable),
        also=owned.also,
    )
    array = values(variable)
    packed = getattr(owned.holder, "quantization_mode", None) in _PACKED and "int" in dtype
    if array is None or packed or not array.size:
        return plain
    return dataclasses.replace(plain, **_health(owned, array))


def _health(owned, array):
    found = statistics(array)
    whole = not found.nan and not found.infinite
    same = whole and found.minimum == found.maximum
    zero = whole and found.largest <= _ZERO
    of_filters = {}
    if owned.role == "kernel":
        of_filters = _of_filters(owned, array, look=not same and not zero)
    elif owned.role in ("gamma", "moving_variance") and owned.normalizes and not zero:
        of_filters = _of_normalization(owned, array, found)
    return {
        "statistics": found,
        "zero": zero,
        "constant": same and array.size > 1,
        "initial": same and found.minimum == _INITIAL.get(owned.role),
        **of_filters,
    }


def _of_filters(owned, array, look):
    filters = columns(owned.holder, owned.name.partition(":")[0], array)
    count = filters.values.shape[1]
    if not look:
        return {"filters": count}
    lengths = redundancy.norms(filters)
    equal = redundancy.equal(filters, lengths) if array.dtype.kind not in "iu" else []
    return {
        "filters": count,
        "dead": tuple(redundancy.dead(lengths).tolist()),
        "equal": tuple(map(tuple, equal)),
    }


def _of_normalization(owned, array, found):
    numbers = np.asarray(array, np.float64).reshape(-1)
    if owned.role == "gamma":
        return {"dead": tuple(np.flatnonzero(np.abs(numbers) <= redundancy.NOTHING * found.largest).tolist())}
    safety = float(getattr(owned.holder, "epsilon", 1e-3))
    negative = int(np.count_nonzero(numbers < -safety))
    return {
        "dead": tuple(np.flatnonzero((numbers >= -safety) & (numbers <= _NO_VARIANCE * safety)).tolist()),
        "negative": negative,
    }
