"""From a flat graph to the layers and steps of a `GraphModel`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import tensorflow as tf

from kerasviz.network import internals, rules
from kerasviz.network.graph import naming
from kerasviz.network.graph.definitions import output_dtype
from kerasviz.network.graph.flattening import ARGUMENT, Flat, Node, Ref, flatten
from kerasviz.network.graph.fusing import constant, fused
from kerasviz.network.graph.model import Body, BranchPart, LoopPart, Program, Return, Run
from kerasviz.network.graph.ops import run_op
from kerasviz.network.graph.parts import ACTIVATIONS, ActivationPart, GatePart, OpPart, RulePart, Scope, named_after

#: Ops that compute nothing that one would look at.
_PLAIN = frozenset({ARGUMENT, "Identity", "IdentityN", "Cast", "StopGradient", "PreventGradient", "Const", "NoOp"})
_LOOPS = frozenset({"While", "StatelessWhile"})
_BRANCHES = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})


class Plan:
    """The layers and steps of a flat graph.

    Args:
        flat: the graph.
        arguments: the tensors that it takes; they need not be the graph's own arguments.
        results: the tensors that it gives.
        bound: tensors from outside, by node.
        variables: the `keras.Variable` behind a bound handle, by node.
        recorded: for a live model, what its layers returned; see `kerasviz.network.graph.live`.
        rule: the backward rule that the graph has been traced with, where that is the case.
        frozen: whether there are no variables that could be assigned, so that weights are what never changes.

    Attributes:
        name: of the scope around all ops, "" if there is none.
        program: the steps.
        layers: those that the steps name by number.
        scopes: the layers at the top.
        scopes_by_path: all scopes.
    """

    def __init__(
        self, flat: Flat, arguments, results, bound: Mapping, variables: Mapping, recorded=None, rule=None, frozen=False
    ):
        self._flat, self._rule = flat, rule
        self._arguments = tuple(arguments)
        stop = {ref.node for ref in self._arguments}
        self._needed = flat.needed(results, stop)
        self._reached = flat.dependent(stop) & self._needed - stop
        self._constants = self._weights_without_handles(bound) if frozen else {}
        self._weights = _first_readers(flat, self._reached, {**variables, **self._constants}, self._needed)
        listed = {n: flat.nodes[n].name for n in sorted(self._reached) if self._is_layer(n)}
        if recorded is None:
            named = {n: [weight.path for weight in self._weights.get(n, ())] for n in listed}
            self.name, self._paths = naming.paths(listed, named)
            ends = _leaving(flat, self._paths, results)
        else:
            self.name, self._paths, ends = "", {n: recorded.path(n) for n in listed}, recorded.returns
        self.layers: list = []
        self.scopes: list = []
        self.scopes_by_path: dict[str, Scope] = {}
        self._by_key: dict = {}
        self._numbers: dict[int, int] = {}
        steps = self._steps(ends)
        self.program = Program(
            steps,
            self._arguments,
            tuple(results),
            {n: tensor for n, tensor in bound.items() if n in self._needed},
            dict(self._constants),
        )

    def maker(self, ref: Ref) -> str:
        """The path of the layer that made a tensor, the op's name where it is in none."""
        ref = _before_plain(self._flat, ref, self._paths)
        return self._paths.get(ref.node, self._flat.nodes[ref.node].name)

    def ops_of(self, wanted: Callable[[str], bool]) -> list[str]:
        """The names of the ops that run, of some types."""
        nodes = [self._flat.nodes[number] for number in sorted(self._needed)]
        return [node.name for node in nodes if wanted(node.op)]

    def own_gradients(self) -> list[str]:
        """The names of ops that input reaches and whose gradient was replaced, other than by that of what they compute.

        Keras writes the gradient of swish so, to save memory: it is the gradient of x times its sigmoid.
        """
        nodes = self._flat.nodes
        marked = [nodes[n] for n in sorted(self._reached) if "_gradient_op_type" in nodes[n].attributes]
        return [node.name for node in marked if not self._is_swish(node)]

    def _is_swish(self, node):
        made = self._flat.nodes[node.inputs[0].node] if node.inputs else node
        return made.op == "Mul" and any(self._flat.nodes[ref.node].op == "Sigmoid" for ref in made.inputs)

    def _is_rule(self, node):
        """Whether an op is where the rule that the graph was traced with sets its gradient."""
        return self._rule and "_gradient_op_type" in node.attributes and _within(node, rules.GATE_SCOPE)

    def _is_layer(self, number):
        node = self._flat.nodes[number]
        if node.op in _LOOPS | _BRANCHES or self._is_rule(node):
            return True
        return node.op not in _PLAIN and output_dtype(node).is_floating

    def _weights_without_handles(self, bound):
        """The weights of a graph that nothing can assign: constants, captured values, variables of TensorFlow 1."""
        found = {}
        for number in self._needed:
            node, value = self._flat.nodes[number], None
            if node.op == "Const" and node.attributes["dtype"].type in _NUMBERS:
                value = tf.make_ndarray(node.attributes["value"].tensor)
            elif node.op == "VariableV2":
                value = tf.function(lambda node=node: tf.identity(run_op(node, [])[0]), autograph=False)()
            elif number in bound and bound[number].dtype.as_datatype_enum in _NUMBERS:
                value = bound[number]
            if value is not None and len(value.shape):
                name = node.name.replace(":", "_")
                found[number] = internals.ExistingVariable(tf.Variable(value, trainable=False, name=name))
        return found

    def _steps(self, ends):
        nodes = self._flat.nodes
        steps: list = []
        given = {ref.node for ref in self._arguments} | set(self._constants)
        for number in sorted(self._needed):
            node = nodes[number]
            if node.op != ARGUMENT and number not in given:
                if node.op == "StopGradient" and not self._rule and _within(node, rules.RULE_SCOPE):
                    node = replace(node, op="Identity")  # of an exported clone with a rule, which does not outlive it
                steps.append(Run(number, node, self._part(number, node) if number in self._paths else None))
            steps.extend(Return(self._number(self._scope(path)), ref) for path, ref in ends.get(number, ()))
        return tuple(steps)

    def _part(self, number, node):
        path, weights = self._paths[number], self._weights.get(number, ())
        key = (path, node.op, *map(id, weights), _serialized(node))
        if key not in self._by_key:
            part = self._made(path.rpartition("/")[2], node, weights)
            self._place(path.rpartition("/")[0], part)
            self._by_key[key] = self._number(part)
        return self._by_key[key]

    def _made(self, name, node, weights):
        if node.op in _LOOPS:
            condition, body = (self._body(node, role) for role in ("cond", "body"))
            return named_after(LoopPart, node.op)(name, node, condition, body)
        if node.op in _BRANCHES:
            roles = ("then_branch", "else_branch") if "then_branch" in node.attributes else ("branches",)
            return named_after(BranchPart, node.op)(name, node, [self._body(node, role) for role in roles])
        if self._is_rule(node):
            return RulePart(name, node, self._rule)
        kind = OpPart
        if node.op in ACTIVATIONS and not (self._rule and _within(node, rules.RULE_SCOPE, rules.KEPT_SCOPE)):
            kind = GatePart if self._is_gate(node) else ActivationPart
        part = named_after(kind, node.op)(name, node, weights)
        if node.op == "Transpose":
            part.axes = self._integers(node.inputs[1])
        return part

    def _integers(self, ref):
        """The numbers of a constant, None where a tensor is no constant."""
        node = self._flat.nodes[ref.node]
        return tuple(tf.make_ndarray(node.attributes["value"].tensor).tolist()) if node.op == "Const" else None

    def _is_gate(self, node):
        """Whether an activation is the ReLU6 of a hard sigmoid, relu6(x + 3) / 6.

        One that is a layer of its own, as in MobileNetV3, counts as a rectifier, as in the live model.
        """
        if node.op != "Relu6":
            return False
        above = self._flat.nodes[node.inputs[0].node]
        if above.name.rpartition("/")[0] != node.name.rpartition("/")[0]:
            return False
        return above.op in ("Add", "AddV2") and any(constant(self._flat.nodes, ref) == 3 for ref in above.inputs)

    def _body(self, node, role):
        flat = fused(flatten(self._flat.library[node.attributes[role].func.name], self._flat.library))
        plan = Plan(flat, flat.arguments, flat.results, {}, {})
        return Body(role, plan)

    def _number(self, part):
        if id(part) not in self._numbers:
            self._numbers[id(part)] = len(self.layers)
            self.layers.append(part)
        return self._numbers[id(part)]

    def _scope(self, path):
        if path not in self.scopes_by_path:
            self.scopes_by_path[path] = scope = Scope(path.rpartition("/")[2])
            self._place(path.rpartition("/")[0], scope)
        return self.scopes_by_path[path]

    def _place(self, above, part):
        if above:
            self._scope(above).parts.append(part)
        else:
            self.scopes.append(part)


_NUMBERS = frozenset(kind.as_datatype_enum for kind in (tf.float32, tf.float64, tf.float16, tf.bfloat16, tf.int8))


def _first_readers(flat: Flat, reached, variables: Mapping, needed) -> dict[int, list]:
    """For each op that the input reaches, the variables that come to it first, and along no other such op."""
    carried: dict[int, list] = {}
    readers: dict[int, list] = {}
    given: set[tuple] = set()
    for number in sorted(needed):
        node = flat.nodes[number]
        coming = [variables[number]] if number in variables else []
        for ref in node.inputs:
            coming += [one for one in carried.get(ref.node, ()) if not any(one is other for other in coming)]
        if number not in reached:
            carried[number] = coming
            continue
        scope = node.name.rpartition("/")[0]
        for variable in coming:
            if (scope, id(variable)) not in given:
                given.add((scope, id(variable)))
                readers.setdefault(number, []).append(variable)
    return readers


def _leaving(flat: Flat, paths: Mapping[int, str], results: Sequence[Ref]) -> dict[int, list]:
    """For each node, the scopes that end with it, innermost first: their paths, with the tensor that leaves them.

    A scope ends with the last of its tensors that a layer outside of it takes, or a result.
    """
    within = {number: _scopes(flat.nodes[number].name, path) for number, path in paths.items()}
    last: dict[str, tuple[Ref, str]] = {}

    def leaves(ref, user):
        ref = _before_plain(flat, ref, paths)
        for scope, path in within.get(ref.node, {}).items():
            if scope not in within.get(user, {}) and (scope not in last or last[scope][0].node < ref.node):
                last[scope] = ref, path

    for number in paths:
        for ref in flat.nodes[number].inputs:
            leaves(ref, number)
    for ref in results:
        leaves(ref, None)
    ends: dict[int, list] = {}
    for ref, path in last.values():
        ends.setdefault(ref.node, []).append((path, ref))
    return {number: sorted(found, key=lambda one: -one[0].count("/")) for number, found in ends.items()}


def _scopes(name, path):
    """The scopes around an op, outermost first: the names that they have in the graph, and their paths."""
    names, parts = name.split("/"), path.split("/")
    outside = len(names) - len(parts)
    return {"/".join(names[: outside + n]): "/".join(parts[:n]) for n in range(1, len(parts))}


def _within(node, *scopes):
    return any(part.startswith(scopes) for part in node.name.split("/"))


def _before_plain(flat, ref, paths):
    """The tensor that a layer made, behind ops that only hand it on."""
    while ref.node not in paths and flat.nodes[ref.node].op in _PLAIN and flat.nodes[ref.node].inputs:
        ref = flat.nodes[ref.node].inputs[ref.index if flat.nodes[ref.node].op == "IdentityN" else 0]
    return ref


def _serialized(node: Node):
    return tuple(sorted((name, value.SerializeToString()) for name, value in node.attributes.items() if name[0] != "_"))
