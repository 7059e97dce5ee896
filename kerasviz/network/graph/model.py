"""`GraphModel`: a bare graph as a Keras model."""

import weakref
from typing import NamedTuple

import keras
import tensorflow as tf

from kerasviz.errors import ModelError
from kerasviz.network.graph.flattening import Node, Ref
from kerasviz.network.graph.ops import run_op
from kerasviz.network.graph.parts import GraphPart, one_or_all

#: Ops that are not run: what they give is what they take.
HANDING_ON = frozenset({"Identity", "IdentityN"})


class Run(NamedTuple):
    """A step of a program: run an op. `part` is the number of its layer, or None."""

    number: int
    node: Node
    part: int | None


class Return(NamedTuple):
    """A step of a program: a scope, the layer of number `part`, hands on a tensor."""

    part: int
    tensor: Ref


class Program(NamedTuple):
    """What a graph does.

    Attributes:
        steps: in order.
        arguments: the tensors that it takes.
        results: the tensors that it gives.
        bound: tensors from outside, such as handles of variables, by node.
        variables: by node, those that stand where the graph has a constant.
    """

    steps: tuple
    arguments: tuple
    results: tuple
    bound: dict
    variables: dict

    def run(self, inputs, layers, precision=None) -> list:
        """The results, computed inside the graph that is being traced.

        Args:
            inputs: a tensor for each argument.
            layers: the layers that steps name by number.
            precision: as for `run_op`.
        """
        values = self.values(inputs, layers, precision)
        return [values[ref.node][ref.index] for ref in self.results]

    def values(self, inputs, layers, precision=None) -> dict[int, list]:
        """All outputs of all nodes, by number. Arguments as for `run`."""
        values: dict[int, list] = {ref.node: [tensor] for ref, tensor in zip(self.arguments, inputs, strict=True)}
        values |= {number: [tensor] for number, tensor in self.bound.items()}
        values |= {number: [tf.convert_to_tensor(variable.value)] for number, variable in self.variables.items()}

        for step in self.steps:
            if isinstance(step, Run):
                tensors = [values[ref.node][ref.index] for ref in step.node.inputs]
                if step.node.op in HANDING_ON and step.part is None:
                    values[step.number] = tensors
                elif step.part is None:
                    values[step.number] = run_op(step.node, tensors, precision)
                else:
                    output = layers[step.part].call(*tensors)
                    values[step.number] = output if isinstance(output, list) else [output]
            else:
                outputs = values[step.tensor.node]
                handed = layers[step.part].call(outputs[step.tensor.index])
                values[step.tensor.node] = [*outputs[: step.tensor.index], handed, *outputs[step.tensor.index + 1 :]]
        return values


class GraphModel(keras.Model):
    """A graph without Keras objects, as a Keras model: its ops are layers, nested in scopes as their names are.

    Explainers take it like any other model. Its weights are the graph's variables, not copies. It only computes what
    the graph computes at inference; saving it is not possible, since its layers have no configuration: copy the file
    that it came from.

    Attributes:
        declared_inputs: the `InputSpec` of each input, nested as it takes them.
        origin: what it was made of, for readers.
        preparation: where the graph itself takes encoded images or whole numbers, the model that makes of them what
            this one takes; else None. Call it on tensors.
    """

    def __init__(self, plan, inputs, pack, name: str = "", origin: str = ""):
        super().__init__(name=name or "graph")
        _hold(self, plan)
        # As it is: Keras would put a dict of its own in its place, which fits no other.
        self.__dict__["declared_inputs"] = inputs
        self.graph_precision = None
        self.origin = origin
        self.preparation = None
        self._pack = pack
        self.built = True

    def set_preparation(self, model: "GraphModel"):
        """Set what comes before this model, without making it a part of it, as Keras otherwise would."""
        self.__dict__["preparation"] = model

    def call(self, inputs, training=False):
        """Run the graph.

        Args:
            inputs: as `declared_inputs` are nested.
            training: without effect.
        """
        return _compiled(self)(inputs) if tf.executing_eagerly() else self._run_graph(inputs)

    def get_config(self):
        """Refuses: there is none.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            f"The graph {self.name!r} has no configuration, of which Keras would save or rebuild it",
            expected="a model of layers",
            mend="Copy the folder that it came from, or open the .keras file that was exported to it",
        )

    def compile(self, *_, **__):
        """Refuses: a graph computes what it computes at inference, and is not trained.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            f"The graph {self.name!r} cannot be trained: it computes what it computed when it was exported",
            expected="a model of layers",
            mend="Open the .keras file that was exported to it",
        )

    def _run_graph(self, inputs):
        by_spec: dict = {}
        keras.tree.map_structure(
            lambda spec, tensor: by_spec.__setitem__(spec.name, tf.cast(tensor, spec.dtype)),
            self.declared_inputs,
            inputs,
        )
        tensors = [by_spec[spec.name] for spec in keras.tree.flatten(self.declared_inputs)]
        return self._pack(self.program.run(tensors, self.every_part, self.graph_precision))


_functions: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _compiled(model):
    """What runs a model outside of any graph; made here, since a method that is traced would be inlined in twins."""
    if model not in _functions:
        itself = weakref.ref(model)
        _functions[model] = tf.function(
            lambda inputs: itself()._run_graph(inputs), autograph=False, reduce_retracing=True
        )
    return _functions[model]


def _hold(owner, plan):
    owner.parts = list(plan.scopes)
    # Past Keras's tracking, which would list every op as a layer of the model itself.
    owner.__dict__["every_part"] = list(plan.layers)
    # A program is no part of a model to Keras, which would wrap the dicts in it.
    owner.__dict__["program"] = plan.program


class Body(GraphPart):
    """The inside of a loop or a branch."""

    def __init__(self, name, plan):
        super().__init__(name)
        _hold(self, plan)

    def call(self, *inputs):
        """What it gives for what it takes."""
        return self.program.run(inputs, self.every_part, self.graph_precision)


class LoopPart(GraphPart):
    """A while loop, of which condition and body are graphs of their own."""

    def __init__(self, name, node: Node, condition: Body, body: Body):
        super().__init__(name)
        self.node, self.condition, self.body = node, condition, body

    def call(self, *inputs):
        """All that goes round, after the last turn."""
        shapes = [tf.TensorShape(shape) for shape in self.node.attributes["output_shapes"].list.shape]
        invariants = {"shape_invariants": shapes} if len(shapes) == len(inputs) else {}
        return list(
            tf.while_loop(
                lambda *values: self.condition.call(*values)[0],
                lambda *values: list(self.body.call(*values)),
                list(inputs),
                parallel_iterations=int(self.node.attributes["parallel_iterations"].i) or 10,
                **invariants,
            )
        )


class BranchPart(GraphPart):
    """A condition, of which each branch is a graph of its own."""

    def __init__(self, name, node: Node, branches):
        super().__init__(name)
        self.node, self.branches = node, list(branches)

    def call(self, choice, *inputs):
        """What the chosen branch gives."""
        number = tf.cast(choice, tf.int32)
        # The first branch of an If is for what is true.
        number = 1 - number if "then_branch" in self.node.attributes else number
        runs = [lambda branch=branch: list(branch.call(*inputs)) for branch in self.branches]
        return one_or_all(list(tf.switch_case(number, runs)))
