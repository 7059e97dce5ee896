"""Opening concrete functions as `GraphModel`s."""

import re
import warnings
from dataclasses import replace

import keras
import tensorflow as tf

from kerasviz.errors import KerasvizWarning, ModelError
from kerasviz.network import internals
from kerasviz.network.graph.flattening import flatten
from kerasviz.network.graph.fusing import fused
from kerasviz.network.graph.model import GraphModel
from kerasviz.network.graph.planning import Plan
from kerasviz.network.graph.raw_inputs import first_floats, is_raw
from kerasviz.network.graph.switches import settled
from kerasviz.network.inputs import InputSpec


def graph_model(function, *, name: str | None = None, origin: str = "", whole: bool = False) -> GraphModel:
    """A concrete function as a Keras model.

    Args:
        function: a concrete function.
        name: of the model; None for the name that its ops have in common.
        origin: what the function is from, for readers.
        whole: whether inputs and outputs stay as the function has them, nested and of any dtype. Otherwise float images
            take the place of inputs that no gradient reaches; one output is a tensor, and several are a dict by name,
            without those that hold no floats.

    Raises:
        ModelError: it takes no batch of tensors, or gives no floats.
    """
    flat, taken, bound, variables = captured(function)
    places, inputs = _inputs(function, len(taken))
    arguments = [taken[place] for place in places]
    outputs = _Outputs(function, whole)
    results = [flat.results[place] for place in outputs.kept]
    if not whole:
        arguments, inputs = _needed(flat, arguments, inputs, results)
    raw_arguments, raw_inputs = arguments, inputs
    if not whole:
        arguments, inputs = _float_inputs(replace(flat, results=tuple(results)), arguments, inputs, bound)
    plan = Plan(flat, arguments, results, bound, variables, frozen=not variables)
    _warn_of_surprises(plan)
    names = outputs.names(plan, results)
    model = GraphModel(plan, inputs, outputs.packing(names), name or plan.name.replace("/", "_"), origin)
    if len(names) == 1 and not whole:
        model.output_names = names
    if arguments != raw_arguments:
        before = Plan(flat, raw_arguments, arguments, bound, variables)
        model.set_preparation(GraphModel(before, raw_inputs, lambda tensors: _nested(tensors, inputs), "preparation"))
    return model


def _needed(flat, arguments, inputs, results):
    """The arguments and inputs without strings that none of the results depends on, such as keys that are handed on."""
    if not isinstance(inputs, dict):
        return arguments, inputs
    used = flat.needed(results)
    pairs = zip(keras.tree.flatten(inputs), arguments, strict=True)
    kept = {spec.name: (spec, ref) for spec, ref in pairs if spec.dtype != "string" or ref.node in used}
    specs = {key: spec for key, spec in inputs.items() if spec.name in kept}
    refs = [kept[spec.name][1] for spec in keras.tree.flatten(specs)]
    return refs, next(iter(specs.values())) if len(specs) == 1 else specs


def _nested(parts, structure):
    parts = iter(parts)
    return keras.tree.map_structure(lambda _: next(parts), structure)


def _float_inputs(flat, arguments, inputs, bound):
    """The arguments and inputs with float images in the place of encoded ones and whole numbers."""
    specs = keras.tree.flatten(inputs)
    if not any(map(is_raw, specs)):
        return arguments, inputs
    shapes = _shapes(flat, arguments, specs, bound)
    found = [
        (is_raw(spec) and first_floats(flat, argument, spec, shapes)) or (argument, spec)
        for argument, spec in zip(arguments, specs, strict=True)
    ]
    return [argument for argument, _ in found], _nested([spec for _, spec in found], inputs)


def _shapes(flat, arguments, specs, bound):
    """The shape of each node's first output."""
    plan = Plan(flat, arguments, flat.results, bound, {})
    shapes = {}

    @tf.function(input_signature=[spec.tensor for spec in specs], autograph=False)
    def trace(*tensors):
        values = plan.program.values(tensors, plan.layers)
        shapes.update({number: outputs[0].shape for number, outputs in values.items() if outputs})

    trace.get_concrete_function()
    return shapes


def _inputs(function, count):
    """Which arguments a function takes, in the order of its inputs, and these nested as it takes them."""
    args, kwargs = function.structured_input_signature
    structure = list(args) if args else dict(kwargs)
    if len(structure) == 1:
        structure = next(iter(structure.values() if isinstance(structure, dict) else structure))
    specs = keras.tree.flatten(structure)
    placeholders = function.inputs[:count]
    if len(specs) != count or not all(isinstance(spec, tf.TensorSpec) for spec in specs):
        raise ModelError(
            f"The function takes {len(specs)} arguments, of which {count} are tensors",
            expected="tensors only",
            mend="Choose another signature",
        )
    by_name = {tensor.op.name: place for place, tensor in enumerate(placeholders)}
    known = [_op_name(key) for key in kwargs] if kwargs else []
    # Keyword arguments stand in the function's own order, not that of their names.
    places = [by_name[_op_name(spec.name)] for spec in specs] if set(known) == set(by_name) else range(count)
    made = [
        _declared(spec, placeholders[place], f"input_{n}")
        for n, (spec, place) in enumerate(zip(specs, places, strict=True))
    ]
    return list(places), _nested(made, structure)


def _op_name(name):
    return re.sub(r"[^A-Za-z0-9_.\-/]", "_", name or "")


def _declared(spec, placeholder, name):
    shape = placeholder.shape if spec.shape.rank is None else spec.shape
    if not shape.rank:
        raise ModelError(
            f"The input {spec.name or name!r} has the shape {shape}",
            expected="a shape with a batch axis",
            mend="Export it with an input signature, such as tf.TensorSpec((None, 224, 224, 3))",
        )
    if shape.rank == 3 and shape[0] is not None and shape[2] in (1, 3, 4) and spec.dtype != tf.string:
        raise ModelError(
            f"The input {spec.name or name!r} has the shape {shape}: one image without a batch axis",
            expected="a shape with a batch axis",
            mend="Export it with an input signature, such as tf.TensorSpec((None, 224, 224, 3))",
        )
    dtype = tf.float32 if spec.dtype in (tf.float16, tf.bfloat16) else spec.dtype
    return InputSpec(spec.name or name, (None, *shape.as_list()[1:]), dtype.name)


class _Outputs:
    """The outputs of a function that a model gives: their places, their names, and how it nests them."""

    def __init__(self, function, whole):
        self._structure, self._whole = function.structured_outputs, whole
        outputs = tf.nest.flatten(self._structure)
        named = isinstance(self._structure, dict) and len(self._structure) == len(outputs)
        # Keras and TensorFlow name them so where the model gives a list.
        numbered = named and all(re.fullmatch(r"output_\d+", key) for key in self._structure)
        self._keys = sorted(self._structure) if named and not numbered else None
        self.kept = [place for place, output in enumerate(outputs) if output.dtype.is_floating or whole]
        if not self.kept:
            given = ", ".join(output.dtype.name for output in outputs)
            raise ModelError(
                f"The function gives {given or 'nothing'}",
                expected="scores or probabilities: floats",
                mend="Choose another signature",
            )

    def names(self, plan, results) -> list[str]:
        """Their keys, else the layers that make them, else numbers."""
        if self._keys is not None:
            return [self._keys[place] for place in self.kept]
        makers = [plan.maker(ref).split("/")[0] for ref in results]
        return makers if len(set(makers)) == len(makers) else [f"output_{place}" for place in self.kept]

    def packing(self, names):
        """Nests a flat list of tensors: as the function did, or one as it is and several by name."""
        structure = self._structure
        if self._whole:
            return lambda tensors: tf.nest.pack_sequence_as(structure, tensors)
        return (
            (lambda tensors: tensors[0]) if len(names) == 1 else lambda tensors: dict(zip(names, tensors, strict=True))
        )


def _warn_of_surprises(plan):
    drawing = plan.ops_of(lambda op: "Random" in op or op == "Multinomial")
    if drawing:
        warnings.warn(
            f"The graph draws random numbers when it runs, at {drawing[0]!r}: it was exported with augmentation or "
            "dropout switched on, and predicts at random. Export it anew from a function that calls the model with "
            "training=False",
            KerasvizWarning,
            stacklevel=2,
        )
    own = plan.own_gradients()
    if own:
        warnings.warn(
            f"The graph had a gradient of its own at {own[0]!r}, which is not used: "
            "explanations follow what it computes",
            KerasvizWarning,
            stacklevel=2,
        )


def captured(function, *, aside: str | None = None):
    """A concrete function, read: flat, its arguments, and by node what it captures and the variables behind that."""
    library = {one.signature.name: one for one in function.graph.as_graph_def().library.function}
    flat = fused(settled(flatten(function.function_def, library)), aside=aside)
    count = len(flat.arguments) - len(function.captured_inputs)
    bound = {ref.node: tensor for ref, tensor in zip(flat.arguments[count:], function.captured_inputs, strict=True)}
    by_handle = {id(variable.handle): variable for variable in function.graph.variables}
    variables = {
        node: internals.ExistingVariable(by_handle[id(tensor)])
        for node, tensor in bound.items()
        if id(tensor) in by_handle
    }
    return flat, flat.arguments[:count], bound, variables
