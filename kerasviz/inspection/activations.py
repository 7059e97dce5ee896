"""Which activation a layer applies: by its attributes, by its class, or by the ops that it makes."""

import functools

import keras
import tensorflow as tf

from kerasviz.network import Network, internals
from kerasviz.network.layers import walk

#: The kinds, by every name under which a function, a class of Keras or an op of TensorFlow goes.
_KINDS = {
    **{
        name: name
        for name in (
            *("relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "mish", "glu", "sparsemax"),
            *("sigmoid", "hard_sigmoid", "log_sigmoid", "softmax", "log_softmax", "softplus", "softsign", "squareplus"),
            *("tanh", "hard_tanh", "tanh_shrink", "hard_shrink", "soft_shrink", "threshold", "exponential"),
        )
    },
    **dict.fromkeys(("silu", "swish"), "swish"),
    **dict.fromkeys(("hard_silu", "hard_swish"), "hard_swish"),
}
#: Where classes go by the name of what they compute.
_NAMED_HERE = ("keras.", "kerasviz.network.graph.")
_MODULES = (keras.activations, keras.ops, tf.nn, tf.math)
_FUNCTIONS = {
    function: kind
    for module in _MODULES
    for name, kind in _KINDS.items()
    if callable(function := getattr(module, name, None))
}
_NAMES = {name.replace("_", ""): kind for name, kind in _KINDS.items()}
#: Ops that are an activation by themselves; a sigmoid may be part of a swish.
_OPS = frozenset(
    ("Elu", "LeakyRelu", "LogSoftmax", "Relu", "Relu6", "Selu", "Sigmoid", "Softmax", "Softplus", "Softsign", "Tanh")
)
_LINEAR = frozenset(("Add", "AddV2", "Cast", "Identity", "Mul", "Neg", "RealDiv", "Sub"))
_CURVED = _LINEAR | {"Pow", "Softplus", "Square"}
_CONSTANT = frozenset(("Const", "ReadVariableOp"))
#: Ops that make another activation when what they give is multiplied with what they were made of: `x * sigmoid(x)`.
_GATES = {"Sigmoid": ("swish", _LINEAR), "Relu6": ("hard_swish", _LINEAR), "Tanh": ("gelu", _CURVED)}


def activations(network: Network, model) -> dict[str, list[str]]:
    """The kinds of activations that each layer applies itself, by its path.

    The kinds are named as Keras names the functions: "relu", "relu6", "leaky_relu", "swish" (also for `silu`),
    "hard_swish", "gelu", "softmax", "sigmoid", …. A `linear` one is none. What custom layers do is read off their ops.

    Args:
        network: the model, opened.
        model: the Keras model itself.

    Returns:
        A dict with a list for each path of `network.layers`; empty for layers that apply none.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "silu", name="hidden")])
        >>> activations(Network(model), model)
        {'hidden': ['swish']}
    """
    found, unknown = {}, set()
    for path, layer in walk(model):
        found[path] = _declared(layer)
        if not found[path] and not type(layer).__module__.startswith(_NAMED_HERE):
            unknown.add(path)
    if unknown:
        for path, kinds in _made(network, unknown).items():
            found[path] = kinds
    return {path: found.get(path, []) for path in network.layers}


def activation_kind(value) -> str | None:
    """The kind of an activation function, or of a layer or op that is one; None if it is none that is known.

    Example:
        >>> import functools
        >>> activation_kind(functools.partial(keras.activations.relu, max_value=6)), activation_kind(keras.ops.silu)
        ('relu6', 'swish')
    """
    if isinstance(value, functools.partial):
        kind = activation_kind(value.func)
        return _of_relu(**value.keywords) if kind == "relu" else kind
    if internals.is_operation(value):
        if not type(value).__module__.startswith(_NAMED_HERE):
            return None  # anybody may call a class Threshold
        kind = _NAMES.get(type(value).__name__.lower())
        settings = ("max_value", "negative_slope", "threshold")
        return _of_relu(**{name: getattr(value, name, None) for name in settings}) if kind == "relu" else kind
    try:
        return _FUNCTIONS.get(value)
    except TypeError:  # not hashable
        return None


def _of_relu(max_value=None, negative_slope=None, threshold=None, **_):
    if negative_slope:
        return "leaky_relu"
    if threshold:
        return "threshold"
    return "relu6" if max_value == 6 else "relu"


def _declared(layer):
    """By the layer's class, then by the functions that it holds: `activation` first."""
    own = activation_kind(layer)
    if own is not None:
        return [own]
    held = [getattr(layer, "activation", None)]
    held += [value for name, value in vars(layer).items() if name != "activation" and callable(value)]
    # What sublayers apply is listed with them.
    kinds = (activation_kind(value) for value in held if not isinstance(value, keras.layers.Layer))
    return list(dict.fromkeys(kind for kind in kinds if kind is not None))


def _made(network, wanted):
    """By the ops that the layers make in a traced run."""
    done, owners = network.traced(
        lambda *tensors: network.forward(list(tensors)).outputs, [spec.tensor for spec in network.inputs.specs]
    )
    found: dict[str, list[str]] = {}
    for op in done.graph.get_operations():
        path = owners.get(op.name)
        kind = _of_op(op) if path in wanted else None
        if kind is not None and kind not in found.setdefault(path, []):
            found[path].append(kind)
    return found


def _of_op(op):
    if op.type in ("Erf", "Erfc"):
        return "gelu"
    if op.type not in _OPS:
        return None
    gate, through = _GATES.get(op.type, (None, None))
    if gate is None:
        # Part of a mish.
        within = any(user.type == "Tanh" and _of_op(user) == "mish" for user in op.outputs[0].consumers())
        return None if within else _NAMES[op.type.lower()]
    if not _is_multiplied_with(op, set(map(id, _origins(op.inputs[0], through)))):
        return "hard_sigmoid" if op.type == "Relu6" and _is_scaled(op.outputs[0]) else _NAMES[op.type.lower()]
    return "mish" if op.inputs[0].op.type == "Softplus" else gate


def _is_multiplied_with(op, origins):
    """Whether what an op makes, scaled or shifted, is multiplied with one of some tensors."""
    waiting, seen = list(op.outputs), set()
    while waiting:
        tensor = waiting.pop()
        for user in tensor.consumers():
            if user.name in seen or user.type not in _LINEAR:
                continue
            seen.add(user.name)
            others = [one for one in user.inputs if one is not tensor]
            if user.type == "Mul" and any(id(one) in origins for other in others for one in _origins(other, _LINEAR)):
                return True
            waiting += user.outputs
    return False


def _is_scaled(tensor):
    scales = (user for user in tensor.consumers() if user.type in ("Mul", "RealDiv"))
    return any(one.op.type == "Const" for user in scales for one in user.inputs)


def _origins(tensor, through):
    """A tensor, and those of which it was made by some ops, up to where two that are no constants meet."""
    yield tensor
    if tensor.op.type not in through:
        return
    before = [one for one in tensor.op.inputs if one.op.type not in _CONSTANT]
    if len(before) == 1 or through is _CURVED:
        for one in before:
            yield from _origins(one, through)
