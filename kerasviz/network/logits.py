"""`to_logits`: a clone of a model without its final softmax."""

import inspect
import warnings

import keras
import tensorflow as tf

from kerasviz.errors import KerasvizWarning
from kerasviz.network import cloning, heads, internals
from kerasviz.network.trace import Trace
from kerasviz.network.twins import refusal_to_save

_FUNCTIONS = frozenset(
    getattr(module, name)
    for module in (keras.activations, keras.ops, tf.nn)
    for name in ("softmax", "log_softmax", "sigmoid")
    if hasattr(module, name)
)
_SOFTMAX = (keras.layers.Softmax, *internals.SOFTMAX_OPS)
#: Layers that only move values, as far as inference goes.
_MOVING = (
    keras.layers.ActivityRegularization,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.Identity,
    keras.layers.Permute,
    keras.layers.Reshape,
)


def to_logits(model, *, sample=None) -> keras.Model:
    """A weight-sharing clone of a model without its final softmax or sigmoid: its outputs are the scores before.

    Finds it wherever it is: in the last layer's `activation=`, as a layer or op of its own, in a nested head, or
    in front of reshapes. A model without one gives a clone with the same outputs. For a graph of layers the clone
    is one too; for a subclassed model the softmax is cut out of the traced call.

    Args:
        model: any built Keras model, of one output or several.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        ModelError: the model is not built, or its inputs are not known. Saving the clone also raises it, where its
            configuration would bring the softmax back; export it then.

    Warns:
        KerasvizWarning: an output is made of probabilities that cannot be taken apart.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
        >>> bool(abs(to_logits(model)(keras.ops.ones((1, 4))).numpy().sum() - 1) > 1e-3)
        True
    """
    graph = internals.graph_of(model)
    own = set() if graph is None or internals.has_own_call(model) else _squashers(graph)

    def swap(value, function, owner):
        if id(owner) in own and cloning.is_one_of(value, _FUNCTIONS, _SOFTMAX):
            return cloning.in_place_of(value, keras.activations.linear)
        return None

    clone = cloning.share(model, swap, sample, gone=lambda value: cloning.is_one_of(value, _FUNCTIONS, _SOFTMAX))
    if clone.replaced:
        return clone.model
    ends = Trace.of(clone.model, cloning.known_inputs(model, sample), {}).outputs.values()
    return _cut(clone.model, model.name) if any(output.head for output in ends) else clone.model


def _squashers(graph) -> set[int]:
    """The `id()` of each layer or op that squashes an output of a graph."""
    found = set()
    for tensor in graph.outputs:
        operation, inputs = internals.producer(tensor)
        while isinstance(operation, _MOVING) and inputs:
            operation, inputs = internals.producer(inputs[0])
        nested = internals.graph_of(operation)
        if nested is not None and not internals.has_own_call(operation):
            found |= _squashers(nested)
        else:
            found.add(id(operation))
    return found


def _cut(clone, name):
    """A clone whose call is traced, and cut off in front of the softmax."""
    call, stuck = clone.call, []
    options = {"training": False} if "training" in inspect.signature(call).parameters else {}

    @tf.function(autograph=False)
    def traced(inputs):
        outputs = call(inputs, **options)
        stripped = [(None, None) if output is None else heads.strip(output) for output in keras.tree.flatten(outputs)]
        stuck.extend(head for _, head in stripped if head == heads.STUCK)
        return keras.tree.pack_sequence_as(outputs, [scores for scores, _ in stripped])

    def cut(inputs, training=None, mask=None):
        # In a graph the ops stand side by side; behind a call it could not be seen that the softmax is gone.
        scores = traced(inputs) if tf.executing_eagerly() else traced.python_function(inputs)
        if stuck:
            stuck.clear()
            warnings.warn(
                f"The softmax of {name!r} cannot be taken off: its outputs stay as they are",
                KerasvizWarning,
                stacklevel=2,
            )
        return scores

    clone.__dict__["call"] = cut
    clone.__dict__["get_config"] = refusal_to_save(clone)
    return clone
