"""Receptive fields, followed through the ops of a traced network."""

import tensorflow as tf

from kerasviz.network.field_reach import Field, Lost, Reach, places, tells
from kerasviz.network.field_steps import Unknown, step

_SHAPES = ("OnesLike", "Rank", "Shape", "ShapeN", "Size", "ZerosLike")
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def follow(graph, image: tf.Tensor, axes) -> dict[str, Field]:
    """The field of each tensor of a graph that depends on an image.

    Args:
        graph: of a concrete function, in which shapes are known.
        image: one of its inputs.
        axes: of the image, its spatial ones.
    """
    pixels = {axis: Reach.of_image(number, image.shape[axis]) for number, axis in enumerate(axes)}
    start = Field(tuple((pixels.get(axis, size),) for axis, size in enumerate(image.shape)))
    variables = {id(variable.handle): variable.shape for variable in graph.variables}
    shapes = {inside.name: variables[id(outside)] for outside, inside in graph.captures if id(outside) in variables}
    return _Walk(graph.as_graph_def().library).fields(graph, {image.name: start}, shapes)


class _Walk:
    """Goes through graphs, and the functions that they call. Keras puts grouped convolutions into such.

    Args:
        library: of the functions.
    """

    def __init__(self, library):
        self._library = library
        self._functions = {function.signature.name: function for function in library.function}

    def fields(self, graph, given: dict[str, Field], shapes) -> dict[str, Field]:
        """The field of each tensor that depends on an image.

        Args:
            graph: a graph.
            given: the fields of its inputs, by name.
            shapes: of the variables among its inputs, by name.
        """
        fields = dict(given)
        for op in graph.get_operations():
            known = [fields.get(tensor.name) for tensor in op.inputs]
            # A shape is the same whatever the image shows.
            if any(known) and op.type not in _SHAPES:
                made = self._outputs(op, known, shapes)
                fields.update({t.name: field for t, field in zip(op.outputs, made, strict=True) if field is not None})
        return fields

    def _outputs(self, op, given, shapes):
        if op.type == "IdentityN":
            return given
        known = [field for field in given if field is not None]
        axes, whole, unknown = None, False, frozenset()
        try:
            if op.type in _CALLS:
                return self._called(op, given, shapes)
            axes = step(op, given)
            if isinstance(axes, Field):
                axes, whole = axes.axes, axes.whole
        except Lost:
            whole = True
        except Unknown:
            whole, unknown = True, frozenset([op.type])
        whole = whole or any(field.whole for field in known)
        unknown = unknown.union(*(field.unknown for field in known))
        return [_checked(tensor, axes, known, whole, unknown) for tensor in op.outputs]

    def _called(self, op, given, shapes):
        function = self._functions[op.get_attr("f").name]
        names = [argument.name for argument in function.signature.input_arg]
        shapes = {name: shapes.get(tensor.name, tensor.shape) for name, tensor in zip(names, op.inputs, strict=True)}
        graph = _body(function, shapes, self._library)
        start = {f"{name}:0": field for name, field in zip(names, given, strict=True) if field is not None}
        fields = self.fields(graph, start, {f"{name}:0": shape for name, shape in shapes.items()})
        return [fields.get(_reference(function.ret[result.name])) for result in function.signature.output_arg]


def _body(function, shapes, library):
    """The graph of a function, with what it reads of variables as inputs.

    Raises:
        Unknown: it takes an output of an op other than its first.
    """
    definition = tf.compat.v1.GraphDef(library=library)
    for argument in function.signature.input_arg:
        _add_input(definition, argument.name, argument.type, shapes[argument.name])
    for node in function.node_def:
        if node.op == "ReadVariableOp" and node.input[0] in shapes:
            _add_input(definition, node.name, node.attr["dtype"].type, shapes[node.input[0]])
        else:
            copied = definition.node.add()
            copied.CopyFrom(node)
            del copied.input[:]
            copied.input.extend(_reference(name) for name in node.input if not name.startswith("^"))
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(definition, name="")
    for reference in [*function.ret.values(), *(name for node in function.node_def for name in node.input)]:
        name, *output = reference.split(":")
        made = graph.get_operation_by_name(name) if output else None
        # Functions name an op's outputs, graphs count them.
        if made is not None and made.type != "Placeholder" and made.op_def.output_arg[0].name != output[0]:
            raise Unknown
    return graph


def _add_input(definition, name, kind, shape):
    node = definition.node.add(name=name, op="Placeholder")
    node.attr["dtype"].type = kind
    node.attr["shape"].shape.CopyFrom(shape.as_proto())


def _reference(name):
    """`op:output:0` of a function as a graph says it."""
    op, *output = name.split(":")
    return f"{op}:{output[-1] if output else 0}"


def _checked(tensor, axes, given, whole, unknown):
    """The field of an output, in which nothing stands that its shape or the fields given contradict."""
    shape = tensor.shape.as_list() if tensor.shape.rank is not None else []
    plain = tuple((size,) for size in shape)
    fits = axes is not None and len(axes) == len(shape)
    if not fits or any(tells(along) and places(along) != size for along, size in zip(axes, shape, strict=True)):
        return Field(plain, True, unknown)
    told = tuple(tuple(along) if tells(along) else alone for along, alone in zip(axes, plain, strict=True))
    carried = Field(told).carried()
    # Else an axis of the image was summed over, or one place of it taken.
    kept = all(carried[axis] >= count for field in given for axis, count in field.carried().items())
    return Field(told, whole or not kept, unknown)
