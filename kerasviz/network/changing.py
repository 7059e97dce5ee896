"""The input that is changed, for methods that search or make images: which it is, and what happens to it first."""

from collections.abc import Callable

import tensorflow as tf

from kerasviz.errors import InputError, SettingError
from kerasviz.network.inputs import InputSpec
from kerasviz.network.network import Network


def changed_input(network: Network, name: str | None = None) -> int:
    """The number, among a network's flat inputs, of the one that is changed.

    Args:
        network: of one input or several.
        name: of the input; needed where several take floating point numbers.

    Raises:
        InputError: no input has that name, it takes integers, or several could be meant.
    """
    specs = network.inputs.specs
    floating = [spec.name for spec in specs if spec.floating]
    known = ", ".join(map(repr, floating)) or "none of this model, whose inputs take integers"
    if name is None and len(floating) != 1:
        raise InputError(
            f"The model {network.name!r} has {len(floating)} inputs of floating point numbers",
            expected=f"the name of the one to change: {known}",
            mend="Pass input=",
        )
    name = floating[0] if name is None else name
    if name not in floating:
        raise InputError(
            f"input={name!r} is no input of {network.name!r} that can be changed little by little",
            expected=known,
            mend="Inputs are called as in model.inputs, or by their dict keys",
        )
    return [spec.name for spec in specs].index(name)


def inside_graph(prepare: Callable, spec: InputSpec) -> Callable:
    """A preprocessing, after it has run once on a tensor without values.

    Args:
        prepare: a function of tensors.
        spec: of the input whose images it prepares.

    Raises:
        SettingError: it cannot run as part of a graph, or changes the shape or the type.
    """
    wrong = None
    try:
        traced = tf.function(prepare, input_signature=[spec.tensor], autograph=False).get_concrete_function()
        result = traced.structured_outputs
    except (TypeError, ValueError, NotImplementedError, tf.errors.OpError) as error:
        wrong, cause = f"fails on a tensor of the shape {spec.shape}: {error}", error
    else:
        cause = None
        if not isinstance(result, tf.Tensor | tf.TensorSpec) or result.dtype != spec.dtype:
            wrong = f"returns {result} for a tensor of {spec.dtype}"
        elif not result.shape.is_compatible_with(spec.shape):
            wrong = f"makes the shape {tuple(result.shape)} of {spec.shape}"
    if wrong:
        raise SettingError(
            f"The preprocessing {wrong}",
            expected="a function of tensors that keeps their shape and type, in TensorFlow or keras.ops and not numpy",
            mend="Preprocess the images before, and leave preprocess out: units are then those of the result",
        ) from cause
    return prepare


def without_gradient(spec: InputSpec) -> SettingError:
    """What to raise where a loss has no gradient with respect to an input."""
    return SettingError(
        f"The loss does not depend on the input {spec.name!r}",
        expected="a loss, a network and a preprocessing that have gradients",
        mend="Rounding, comparing and casting to integers have none; or choose another input= or output=",
    )
