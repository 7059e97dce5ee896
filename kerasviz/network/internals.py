"""The private names of Keras that opening a model needs, each behind one small function.

Keras 3 offers no public way to do what these do; the reason stands with each. Nothing else in kerasviz
imports `keras.src`.
"""

import keras
from keras.src.activations import activations as _activations
from keras.src.models.functional import Functional as _Functional
from keras.src.ops import core as _core
from keras.src.ops import nn as _nn
from keras.src.ops.operation import Operation as _Operation


def is_operation(value) -> bool:
    """Whether `value` is a node of a Keras graph: a layer, or an op such as `keras.ops.relu` on a symbolic tensor.

    `keras.Operation` exists only in newer versions of Keras 3.
    """
    return isinstance(value, _Operation)


def is_functional(value) -> bool:
    """Whether `value` is a graph of layers. The class has no public name; `keras.Model` is every model."""
    return isinstance(value, _Functional)


def has_own_call(model) -> bool:
    """Whether a graph model overrides `call`, so that its graph alone does not say what it computes."""
    return type(model).call not in (_Functional.call, keras.Sequential.call)


def graph_of(model):
    """The functional graph of a model, or None: a `Sequential` keeps its own behind a private attribute."""
    inner = getattr(model, "_functional", None) if isinstance(model, keras.Sequential) else model
    return inner if is_functional(inner) else None


def graph_structure(graph):
    """The nested inputs and outputs of a graph.

    The public `model.input` unpacks lists of one and is not there on every graph, so that the structure that
    `call` accepts would be lost.
    """
    return graph._inputs_struct, graph._outputs_struct


def graph_operations(graph) -> list:
    """Layers and ops of a graph in their order; the public `layers` leaves out the ops."""
    return list(graph._operations)


def run_graph(graph, inputs, operation_fn):
    """Run a graph with something else called in the place of each of its layers and ops.

    Args:
        graph: the graph.
        inputs: tensors, nested as the graph takes them.
        operation_fn: takes a layer or op and returns what is called instead.

    Public `clone_model` keeps nested models closed, so that no tensor inside them can become an output.
    """
    return graph._run_through_graph(inputs, operation_fn=operation_fn)


def symbolic_outputs(operation) -> list:
    """What a layer or op returned at each of its symbolic calls; public only for layers called once."""
    return [list(node.output_tensors) for node in operation._inbound_nodes]


def producer(tensor):
    """The layer or op that made a symbolic tensor, and the symbolic tensors that it was called on.

    Public Keras knows the inputs of a layer only if it was called once.
    """
    history = tensor._keras_history
    return history.operation, list(history.operation._inbound_nodes[history.node_index].input_tensors)


def sublayers(layer) -> list:
    """The layers that a layer holds directly; public only on models."""
    return list(layer._flatten_layers(include_self=False, recursive=False))


def run_graph_with(graph_model, twin, twins: dict):
    """Make `twin`, a copy of a graph model with a `call` of its own, run the same graph on other operations.

    Such a model calls `super().call()`, which walks nodes that hold the original operations; rebuilding the
    graph would lose the `call`, so the walk itself is handed the replacement of each operation.
    """
    walk = type(graph_model)._run_through_graph

    def run(inputs, operation_fn=lambda operation: operation, call_fn=None):
        return walk(twin, inputs, operation_fn=lambda operation: operation_fn(twins[id(operation)]), call_fn=call_fn)

    twin.__dict__["_run_through_graph"] = run


def precision(operation, compute_dtype: str) -> dict:
    """The attributes with which a copy of a layer or op computes in `compute_dtype`, its variables as they are.

    For "float32" these are needed by layers of half precision alone; for "bfloat16" by all others too. Setting the
    public `dtype_policy` would quantize or rebuild; a copy only needs other values. Keras 3.7 also puts a cast of
    its own in front of half-precision layers in a graph.
    """
    if "graph_precision" in operation.__dict__:
        return {"graph_precision": compute_dtype}  # a part of a bare graph, whose ops name their dtypes
    half = ("float16", "bfloat16")
    others = ("float32", *half) if compute_dtype == "bfloat16" else half
    if isinstance(operation, _core.Cast):
        return {"dtype": compute_dtype} if str(operation.dtype) in half else {}
    policy = operation.__dict__.get("_dtype_policy")
    if (
        getattr(operation, "compute_dtype", None) not in others
        or getattr(policy, "quantization_mode", None) is not None
    ):
        return {}
    wanted = keras.DTypePolicy("mixed_bfloat16" if compute_dtype == "bfloat16" else compute_dtype)
    # No public policy keeps half-precision variables and computes in float32, as for a model that is wholly float16.
    wanted._variable_dtype = operation.variable_dtype
    return {"_dtype_policy": wanted}


# Op classes that Keras makes of a function called on a symbolic tensor. They have no public names.
RELU_OPS = (_nn.Relu, _nn.Relu6, _nn.LeakyRelu, _activations.ReLU)
SMOOTH_OPS = (_nn.Celu, _nn.Elu, _nn.Gelu, _nn.HardSilu, _nn.Selu, _nn.Silu, _activations.Mish)
GATE_OPS = (_nn.HardSigmoid,)
SOFTMAX_OPS = (_nn.Softmax, _nn.LogSoftmax, _nn.Sigmoid)

# State of a layer that belongs to the layer alone: a copy starts with none.
OWN_STATE = ("_inbound_nodes", "_outbound_nodes", "_losses", "_losses_override")
# Attributes that a copy keeps as they are: bookkeeping that holds variables or graphs, not parts of the computation.
BOOKKEEPING = frozenset(
    (
        *OWN_STATE,
        "_auto_config",
        "_build_shapes_dict",
        "_call_signature",
        "_compile_config",
        "_compile_loss",
        "_compile_metrics",
        "_dtype_policy",
        "_inputs",
        "_inputs_struct",
        "_metrics",
        "_nodes",
        "_nodes_by_depth",
        "_non_trainable_variables",
        "_operations",
        "_operations_by_depth",
        "_optimizer",
        "_outputs",
        "_outputs_struct",
        "_run_through_graph",
        "_seed_generators",
        "_tracked",
        "_tracker",
        "_trainable_variables",
        "optimizer",
        "predict_function",
        "test_function",
        "train_function",
    )
)
# Closures over the original that Keras puts on every layer.
CLOSURES = ("build", "quantize")


class ExistingVariable(keras.Variable):
    """A Keras variable around one of TensorFlow's that is there already. The public class copies what it is given."""

    def __init__(self, variable):
        self._existing = variable
        path = variable.name.split(":")[0]
        name = path.rpartition("/")[2]
        super().__init__(
            lambda shape, dtype: None,
            shape=variable.shape,
            dtype=variable.dtype.name,
            trainable=variable.trainable,
            name=name or None,
        )
        self._path = path

    def _initialize_with_initializer(self, initializer):
        self._value = self._existing


def track(layer, variable):
    """Make a variable one of a layer's weights. The public `add_weight` makes a new one."""
    layer._track_variable(variable)
