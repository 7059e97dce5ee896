"""Backward rules of a rectifier: what the gradient does where the forward pass has rectified.

With `x` the input of the activation, `f` its output and `g` the gradient that arrives from above:

| rule | what goes on below | source |
|---|---|---|
| `backprop` | `g · f'(x)` | the chain rule |
| `deconvnet` | `g · [g > 0]`, whatever `x` was | Zeiler and Fergus 2013, section 2.1 |
| `guided` | `g · [g > 0] · f'(x)` | Springenberg et al. 2014, section 3.4 |

For ReLU `f'(x)` is `[x > 0]`, so `guided` keeps what both others keep. For its kin it is their own derivative:
ReLU6 and `ReLU(max_value=…)` also stop at the cap, `threshold` moves the corner, and a leaky slope lets
`slope · g` through below zero. `deconvnet` ignores all of these, as it ignores `x`.

A fourth rule, `redirected`, explains nothing: it leads an optimization out of a start at which every unit is off.
See there.

Smooth activations (ELU, SELU, SiLU/swish, GELU, hard-swish, Mish, …) rectify nothing, and the papers give
them no rule. They keep their own gradient unless `smooth=True` is asked for, which gates them alike:
`guided` multiplies their derivative by `[g > 0]`, `deconvnet` puts `[g > 0]` in its place.
"""

import functools

import keras
import tensorflow as tf

from kerasviz.errors import RuleError
from kerasviz.network import internals

#: Name scope of a replaced activation, by which a traced graph shows what was replaced.
RULE_SCOPE = "kv_rule"
#: Name scope, within that, of the op that sets the gradient.
GATE_SCOPE = "kv_gate"
#: Name scope of an activation that is left alone on purpose, so that a ReLU6 inside hard-swish is not "missed".
KEPT_SCOPE = "kv_kept"


def backprop(activation):
    """The activation with its own gradient: `activation` itself."""
    return activation


def guided(activation):
    """The activation with the guided rule: same output, gradient `g · [g > 0] · activation'(x)`.

    Args:
        activation: a function of one float tensor, such as `tf.nn.relu` or `keras.activations.relu6`.

    Returns:
        A function with the arguments of `activation`.

    Example:
        >>> import tensorflow as tf
        >>> from kerasviz.network import rules
        >>> x, g = tf.constant([2.0, -1.0, 3.0]), tf.constant([5.0, 5.0, -5.0])
        >>> with tf.GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = rules.guided(tf.nn.relu)(x)
        >>> tape.gradient(y, x, g).numpy().tolist()
        [5.0, 0.0, 0.0]
    """
    return _in_scope(
        RULE_SCOPE, activation, lambda *args, **kwargs: set_gradient("guided", activation(*args, **kwargs))
    )


def deconvnet(activation):
    """The activation with the deconvnet rule: same output, gradient `g · [g > 0]`.

    Arguments and result as for `guided`.
    """

    def run(*args, **kwargs):
        output = tf.stop_gradient(activation(*args, **kwargs))
        x = args[0] if args else next(iter(kwargs.values()))
        return set_gradient("deconvnet", tf.convert_to_tensor(x), output)

    return _in_scope(RULE_SCOPE, activation, run)


def redirected(activation):
    """The activation with a gradient also where it is off for a whole sample: same output.

    Where no gradient of a sample passes, all that arrives goes on, except what would drive units further off: with
    `g` the gradient of a loss that is minimized, `g > 0` below the corner and `g < 0` above a cap are held back.
    Where any of it passes, the gradient is the activation's own. As in the code of Olah, Mordvintsev and Schubert
    2017, "Feature Visualization" (lucid, `redirected_relu_grad`).

    Arguments and result as for `guided`.
    """

    def run(*args, **kwargs):
        x = args[0] if args else next(iter(kwargs.values()))
        x = tf.convert_to_tensor(x)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            again = activation(*args, **kwargs)
        return activation(*args, **kwargs) + _redirect(x, tape.gradient(again, x))

    return _in_scope(RULE_SCOPE, activation, run)


def kept(activation):
    """The activation as it is, marked as seen and left alone."""
    return _in_scope(KEPT_SCOPE, activation, activation)


#: The rules that explain, by name.
RULES = {"backprop": backprop, "deconvnet": deconvnet, "guided": guided}


def get(rule: str):
    """The function of a rule by its name, one of `RULES` or "redirected".

    Raises:
        RuleError: there is no such rule.
    """
    if rule == "redirected":
        return redirected
    if rule not in RULES:
        raise RuleError(
            f"No backward rule is called {rule!r}",
            expected=f"one of {', '.join(map(repr, RULES))}",
            mend="'backprop' is the plain gradient",
        )
    return RULES[rule]


def set_gradient(rule: str, *tensors):
    """What sets the gradient in an activation with the rule "guided" or "deconvnet".

    A graph that has been traced keeps the tensors of a custom gradient, but not the gradient, and needs it anew.

    Args:
        rule: the name of the rule.
        tensors: the output of the activation; for "deconvnet" its input and its output.
    """
    with tf.name_scope(GATE_SCOPE):
        return {"guided": _gate, "deconvnet": _pass_positive}[rule](*tensors)


def prelu(x, slopes):
    """The PReLU of a tensor, with the negative of its slopes as graphs have them: relu(x) + slopes · relu(-x)."""
    return tf.nn.relu(x) + slopes * tf.nn.relu(-x)


def capped_relu(x, cap):
    """The ReLU of a tensor, not above a cap."""
    return tf.minimum(tf.nn.relu(x), cap)


def capped_prelu(x, cap, slope):
    """The leaky ReLU of a tensor, not above a cap: min(relu(x), cap) - slope · relu(-x)."""
    return tf.minimum(tf.nn.relu(x), cap) - slope * tf.nn.relu(-x)


def thresholded_relu(x, threshold):
    """A tensor where it is above a threshold, else zero."""
    return tf.where(x > threshold, x, tf.zeros_like(x))


@tf.custom_gradient
def _gate(y):
    return tf.identity(y), tf.nn.relu


@tf.custom_gradient
def _pass_positive(x, output):
    return tf.identity(output), lambda g: (tf.nn.relu(g), None)


@tf.custom_gradient
def _redirect(x, derivative):
    """Zeros, whose gradient is what `redirected` adds to the activation's own."""

    def add(g):
        g = tf.convert_to_tensor(g)  # a gather above gives its gradient in slices
        off = tf.reduce_all(g * derivative == 0, axis=list(range(1, x.shape.rank)), keepdims=True)
        further = tf.where(x > 0, g < 0, g > 0)
        return tf.where(off & ~further, g, tf.zeros_like(g)), None

    return tf.zeros_like(x), add


def _in_scope(scope, activation, run):
    @functools.wraps(activation, updated=())
    def scoped(*args, **kwargs):
        if any(isinstance(leaf, keras.KerasTensor) for leaf in keras.tree.flatten((args, kwargs))):
            return activation(*args, **kwargs)  # Keras infers shapes: there is no gradient to change.
        with tf.name_scope(scope):
            return run(*args, **kwargs)

    return scoped


def _public(module, names):
    return {getattr(module, name) for name in names if hasattr(module, name)}


_RELU_NAMES = ("relu", "relu6", "leaky_relu")
_SMOOTH_NAMES = ("celu", "elu", "gelu", "hard_silu", "hard_swish", "mish", "selu", "silu", "swish")
_MODULES = (keras.activations, keras.ops, tf.nn)

#: Functions and classes that rectify, by every name under which a model may hold them.
RECTIFIERS = frozenset({prelu, capped_relu, capped_prelu, thresholded_relu}).union(
    *(_public(module, _RELU_NAMES) for module in _MODULES)
)
RECTIFIER_CLASSES = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU, *internals.RELU_OPS)
#: The same for smooth activations.
SMOOTH = frozenset().union(*(_public(module, _SMOOTH_NAMES) for module in _MODULES))
SMOOTH_CLASSES = (keras.layers.ELU, *internals.SMOOTH_OPS)
#: A gate between 0 and 1 that is computed with a ReLU6: no rule applies to it.
GATES = frozenset().union(*(_public(module, ("hard_sigmoid",)) for module in _MODULES))
#: TensorFlow op types that show a rectifier in a traced graph.
RECTIFIER_OP_TYPES = frozenset({"Relu", "Relu6", "LeakyRelu"})
