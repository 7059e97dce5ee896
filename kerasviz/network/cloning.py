"""Weight-sharing clones of a model: another backward rule, or other activations.

Each shares every variable of the user's model, gives the same outputs bit for bit (where only gradients change),
and leaves the model as it was, its compile state and optimizer included. Clones are for looking, not for keeping:
saving one saves the plain activations, and setting its `trainable` sets that of the shared variables.
"""

import warnings
from typing import NamedTuple

import keras
import tensorflow as tf

from kerasviz.errors import KerasvizWarning, ModelError, RuleError
from kerasviz.network import internals, rules
from kerasviz.network.inputs import Inputs
from kerasviz.network.trace import Trace
from kerasviz.network.twins import Swap, Twins, require_built


class Clone(NamedTuple):
    """A clone and what was done to it.

    Attributes:
        model: a Keras model that shares every variable with the original.
        replaced: the activations that were replaced, `"base/conv1.activation"` or `"base/relu1"`.
        missed: names of rectifier ops in the traced clone that could not be reached.
    """

    model: keras.Model
    replaced: tuple[str, ...]
    missed: tuple[str, ...]


def clone_with_rule(model, rule: str, *, smooth: bool = False, sample=None) -> Clone:
    """A clone of a model whose rectifiers follow a backward rule.

    Finds every spelling: `activation=` of any layer, `Activation`, `ReLU`, `LeakyReLU` and `PReLU` layers,
    `keras.ops.relu` and `keras.activations.relu` on symbolic tensors, `functools.partial`, activations stored as
    attributes of custom layers, in nested and shared layers.

    Args:
        model: any built Keras model.
        rule: "backprop", "deconvnet" or "guided"; see `kerasviz.network.rules`.
        smooth: also replace smooth activations (swish, GELU, …).
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        ModelError: the model is not built, or its inputs are not known.
        RuleError: the rule is unknown, or the model has no rectifier that it could replace.

    Warns:
        KerasvizWarning: some rectifiers are out of reach, such as a `tf.nn.relu` in the `call` of a custom layer.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu", name="hidden")])
        >>> clone_with_rule(model, "guided").replaced
        ('hidden.activation',)
    """
    clone, replaced, missed = share(model, rule_swap(rule, smooth), sample)
    check_reach(rule, model.name, replaced, missed)
    return Clone(clone, replaced, missed)


def swap_activations(model, swaps: dict, *, sample=None) -> Clone:
    """A clone of a model with other activations, on the same variables.

    Args:
        model: any built Keras model.
        swaps: what to put in the place of what. A key is the name of an activation ("relu"), a function, or the
            class of an activation layer; a value is a name or a function of one tensor. "relu" and "relu6" also
            mean the `ReLU` layers and ops that compute them.
        sample: as for `clone_with_rule`.

    Raises:
        ModelError: as for `clone_with_rule`. Saving the clone also raises it, where a configuration would lose the
            swap: that of a `ReLU` layer, of some custom layers, of a subclassed model. Exporting keeps it.
        RuleError: nothing in the model matches.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu")])
        >>> smooth = swap_activations(model, {"relu": "softplus"}).model
    """
    pairs = [(_matcher(old), keras.activations.get(new)) for old, new in swaps.items()]

    def swap(value, function, owner):
        new = next((new for matches, new in pairs if matches(value)), None)
        return None if new is None else in_place_of(value, new)

    clone, replaced, missed = share(model, swap, sample, gone=lambda value: any(matches(value) for matches, _ in pairs))
    if not replaced:
        raise RuleError(
            f"The model {model.name!r} has none of the activations {list(swaps)}",
            expected="an activation that the model has where a clone can reach it",
            mend="`kerasviz inspect` lists the activations of a model",
        )
    return Clone(clone, replaced, missed)


def rule_swap(rule: str, smooth: bool = False):
    """The `swap` of `Twins` that applies a backward rule."""
    apply = rules.get(rule)
    if rule == "backprop":
        return None

    def swap(value, function, owner):
        if is_one_of(value, rules.RECTIFIERS, rules.RECTIFIER_CLASSES):
            return Swap(apply(function))
        if is_one_of(value, rules.SMOOTH, rules.SMOOTH_CLASSES):
            return Swap(apply(function)) if smooth else Swap(rules.kept(function), counts=False)
        if is_one_of(value, rules.GATES, internals.GATE_OPS):
            return Swap(rules.kept(function), counts=False)
        return None

    return swap


def check_reach(rule: str, model_name: str, replaced, missed):
    """Refuse a rule that replaced nothing, and warn of rectifiers that it missed.

    Raises:
        RuleError: nothing was replaced.
    """
    if rule == "backprop":
        return
    if not replaced:
        hidden = f" that can be reached; {_listing(missed)} run inside custom code" if missed else ""
        raise RuleError(
            f"The rule {rule!r} would change nothing: the model {model_name!r} has no rectifier{hidden}",
            expected="ReLU, ReLU6, LeakyReLU or PReLU",
            mend="Use Saliency, SmoothGrad or IntegratedGradients, which are the same for every activation; "
            "or smooth=True, which gates swish, GELU and their kin alike, beyond the paper",
        )
    if missed:
        warnings.warn(
            f"The rule {rule!r} replaced {len(replaced)} rectifiers of {model_name!r} and missed {len(missed)} inside "
            f"custom code, which keep their own gradient: {_listing(missed)}. Use keras.layers.ReLU or an "
            "`activation` attribute there; explainers need no clone, and reach them",
            KerasvizWarning,
            stacklevel=3,
        )


def share(model, swap, sample=None, *, gone=None) -> Clone:
    """A clone with some activations swapped, and the trace that shows which rectifiers were missed.

    Args:
        model: any Keras model.
        swap: as `kerasviz.network.twins.Twins` takes it.
        sample: as for `clone_with_rule`.
        gone: as `Twins` takes it.
    """
    inputs = known_inputs(model, sample)
    twins = Twins(swap, gone=gone)
    clone = twins.of(model)
    twins.release()
    return Clone(clone, tuple(twins.swapped), Trace.of(clone, inputs, {}).missed_rectifiers)


def known_inputs(model, sample=None) -> Inputs:
    """The inputs of a built model: those that it declares, else those that a sample fits.

    Raises:
        ModelError: not a Keras model, not built, or it declares none and there is no sample.
    """
    require_built(model)
    inputs = Inputs.of(model) or (None if sample is None else Inputs.like(sample))
    if inputs is None:
        raise ModelError(
            f"The model {model.name!r} does not tell what inputs it takes",
            expected="a model that was built with an input shape, or a sample of its inputs",
            mend="Pass sample=, a batch of what it takes",
        )
    return inputs


def in_place_of(value, function) -> Swap:
    """A function of one tensor in the place of an activation function, or of the `call` of a layer or op."""
    if not internals.is_operation(value):
        return Swap(function)
    # Keras also hands a mask and the like to layers that take them.
    return Swap(lambda *args, **kwargs: function(args[0] if args else next(iter(kwargs.values()))))


def is_one_of(value, functions, classes) -> bool:
    """Whether a function is one of `functions`, or a layer or op is of one of `classes`."""
    if internals.is_operation(value):
        return isinstance(value, classes)
    return _hashable(value) and value in functions


def _matcher(old):
    if isinstance(old, type):
        return lambda value: isinstance(value, old)
    names = {old} if isinstance(old, str) else set()
    functions = {keras.activations.get(old)}
    for name in ("relu", "relu6"):
        known = {getattr(module, name) for module in (keras.activations, keras.ops, tf.nn) if hasattr(module, name)}
        if functions & known:
            functions |= known
            names.add(name)

    def matches(value):
        if internals.is_operation(value):
            return _relu_name(value) in names
        return _hashable(value) and value in functions

    return matches


def _relu_name(operation):
    """Which activation a ReLU layer or op computes: "relu", "relu6" or None."""
    if not isinstance(operation, (keras.layers.ReLU, *internals.RELU_OPS)):
        return None
    cap = 6 if type(operation).__name__ == "Relu6" else getattr(operation, "max_value", None)
    if getattr(operation, "negative_slope", 0) or getattr(operation, "threshold", 0):
        return None
    return {None: "relu", 6: "relu6"}.get(cap)


def _hashable(value):
    return getattr(type(value), "__hash__", None) is not None


def _listing(names, most=5):
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
