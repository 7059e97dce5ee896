"""`Network`: a Keras model, opened. The one face of this floor that every explainer uses."""

import warnings
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from kerasviz.errors import KerasvizWarning, LayerError
from kerasviz.network import cloning, heads, loading, spatial
from kerasviz.network.graph.live import graph_of_twin
from kerasviz.network.layers import Address, Directory, Entry
from kerasviz.network.rules import RULES
from kerasviz.network.tapping import call_with_taps
from kerasviz.network.trace import Trace, named_outputs, owners
from kerasviz.network.twins import Recorder, Twins


@dataclass(frozen=True)
class Pass:
    """What one forward pass gives, as tensors of the graph being traced.

    Attributes:
        outputs: the model's outputs as they are, by name.
        scores: the same before softmax and sigmoid, as float32.
        activations: the tapped feature maps by address.
    """

    outputs: dict[str, tf.Tensor]
    scores: dict[str, tf.Tensor]
    activations: dict[Address, tf.Tensor] = field(default_factory=dict)


class Network:
    """A Keras model, opened: its layers by path, its scores before the softmax, activations and gradients.

    Works on a weight-sharing twin; the model is never modified and its later training is seen. Changes of its
    attributes (`layer.activation = …`) are not seen: open it anew. A model in `mixed_float16` or
    `mixed_bfloat16` is computed in float32 with the same weights, where half precision would round small
    gradients to zero.

    Args:
        model: any built Keras model, or the path of a saved one.
        rule: the backward rule of its rectifiers, a name of `kerasviz.network.rules.RULES`.
        smooth: also apply the rule to smooth activations; see `kerasviz.network.rules`.
        precision: the dtype in which layers compute, whatever the model's own: "float32", or "bfloat16" between
            float32 weights and scores, for what is averaged over many passes on hardware that is fast in it.
        sample: inputs with a batch axis. Needed only by subclassed models that declare no input shape.

    Raises:
        ModelError: not a Keras model, not built, or its inputs are not known.
        RuleError: the rule is unknown, or there is nothing that it could replace.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv"),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5)])
        >>> network = Network(model)
        >>> str(network.address("conv")), network.trace.shape_of("conv")
        ('conv', (None, 6, 6, 4))
    """

    def __init__(self, model, *, rule: str = "backprop", smooth: bool = False, precision: str = "float32", sample=None):
        model = loading.as_model(model)
        self.inputs = cloning.known_inputs(model, sample)
        self.name = model.name
        self.rule = rule
        self._directory = Directory(model)
        twins = Twins(cloning.rule_swap(rule, smooth), compute_dtype=precision)
        self._twin = twins.of(model)
        self._twin_ids = twins.twin_ids()
        self.replaced = tuple(twins.swapped)
        twins.release()
        self.trace = Trace.of(self._twin, self.inputs, self._paths_by_twin())
        if self.trace.missed_rectifiers and rule in RULES and rule != "backprop":
            self._go_through_graph(rule, smooth, precision)
        cloning.check_reach(rule, self.name, self.replaced, self.trace.missed_rectifiers)

    @property
    def layers(self) -> list[str]:
        """The paths of all layers, containers before their parts."""
        return self._directory.paths

    @property
    def weights(self) -> list:
        """The Keras variables, which are the model's own."""
        return self._twin.weights

    def entry(self, path: str) -> Entry:
        """What the layer at a path is."""
        return self._directory.entries[path]

    def address(self, spec=None) -> Address:
        """The address of a layer; for None the last layer with a spatial feature map.

        Args:
            spec: as `kerasviz.network.layers.Directory.find` takes it.

        Raises:
            LayerError: no layer or several fit, or the model has no spatial feature map.
        """
        if spec is None:
            aside = self._directory.inside_attention | self._directory.transposing
            return spatial.last(self.trace, self.inputs, self._directory.kernels, aside)
        address = self._directory.find(spec)
        calls = self.trace.calls_of(address.path)
        if address.call >= calls > 0:
            raise LayerError(
                f"layer={str(address)!r}: the layer is called {calls} times",
                expected=f"@0 to @{calls - 1}",
                mend="Without @ the last call is meant",
            )
        if calls == 0 and not self.trace.in_loop(address.path):
            raise LayerError(
                f"The layer {str(address)!r} is not reached when {self.name!r} runs",
                expected="a layer that takes part in inference",
                mend="Tap the layer around it",
            )
        return address

    def warn_of_heads(self):
        """Warn, once per network, of outputs whose softmax could not be taken off."""
        stuck = [name for name, output in self.trace.outputs.items() if output.head == heads.STUCK]
        if stuck and not getattr(self, "_warned", False):
            self._warned = True
            warnings.warn(
                f"The softmax of {self.name!r} cannot be taken off the output {', '.join(stuck)}: scores are the "
                "outputs as they are, whose gradient vanishes where the model is sure",
                KerasvizWarning,
                stacklevel=2,
            )

    def forward(self, tensors: list, taps=(), tape: tf.GradientTape | None = None, stand_ins=None) -> Pass:
        """One forward pass at inference, inside a `tf.function`.

        Args:
            tensors: the inputs, flat, as `inputs.check` returns them.
            taps: addresses of layers whose activations are wanted.
            tape: watches these activations, if given.
            stand_ins: a dict from addresses to tensors that take the place of the activations there. What lies
                below and feeds nothing else is then not computed.
        """
        ids = {address: self._twin_id(address) for address in taps}
        instead = {
            (self._twin_id(address), range(self.trace.calls_of(address.path))[address.call]): tensor
            for address, tensor in (stand_ins or {}).items()
        }
        outputs, activations = call_with_taps(self._twin, self.inputs.pack(tensors), ids, tape, instead)
        named = named_outputs(self._twin, outputs)
        stripped = {name: heads.strip(output) for name, output in named.items()}
        scores = {name: tf.cast(before, tf.float32) for name, (before, _) in stripped.items()}
        for name, (_, head) in stripped.items():
            # Probabilities near 1 have few digits in half precision; those of the scores have all.
            if named[name].dtype == tf.bfloat16 and head in heads.SQUASH:
                named[name] = heads.SQUASH[head](scores[name])
        return Pass(named, scores, activations)

    def function(self, body, extra=()):
        """Compile `body(tensors, *extra)` once, for any batch size.

        Args:
            body: takes the flat inputs as a list, then the extra arguments, as tensors.
            extra: the `tf.TensorSpec` of each extra argument, or a structure of them.

        Returns:
            A function that takes arrays or tensors of these shapes.
        """
        signature = [[spec.tensor for spec in self.inputs.specs], *extra]
        # The one trace is taken here: nothing that is passed later can retrace it.
        traced = tf.function(body, input_signature=signature, autograph=False).get_concrete_function()
        return lambda *arguments: traced(*tf.nest.map_structure(tf.convert_to_tensor, arguments))

    def traced(self, body, signature):
        """Trace a function that runs the network, and tell which layer each of its ops belongs to.

        Args:
            body: takes tensors of the signature.
            signature: a list of `tf.TensorSpec`, or a structure of them.

        Returns:
            The concrete function, and a dict from names of ops to paths of layers: of the innermost that returned
            what the op led to.
        """
        paths, returned = self._paths_by_twin(), []

        def seen(twin_id, output):
            if twin_id in paths:
                returned.append((paths[twin_id], output))
            return output

        with Recorder(seen):
            done = tf.function(body, input_signature=signature, autograph=False).get_concrete_function()
        return done, owners(done.graph, returned)

    def differentiate(self, tensors: list, score, *, inputs: bool = False, at=(), taps=()):
        """The gradients of a score with respect to inputs and activations, in one pass inside a `tf.function`.

        Args:
            tensors: the inputs, flat.
            score: `Pass -> (N,)` scores; each sample's must depend on that sample alone.
            inputs: whether the gradients of the inputs are wanted; without, the backward pass ends at the layers.
            at: addresses of the layers at whose activations gradients are wanted.
            taps: addresses of further layers that the score needs.

        Returns:
            The `Pass`, the scores `(N,)`, the gradients of the inputs (flat, None for integers or unwanted), and
            a dict of the gradients at the layers. Where the score does not depend on something, they are zero.
        """
        watched = [spec.floating and inputs for spec in self.inputs.specs]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            sources = [tensor for tensor, wanted in zip(tensors, watched, strict=True) if wanted]
            tape.watch(sources)
            done = self.forward(tensors, dict.fromkeys((*at, *taps)), tape)
            scores = score(done)
        found, at_layers = tape.gradient(
            scores,
            (sources, {address: done.activations[address] for address in at}),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        found = iter(found)
        return done, scores, [next(found) if wanted else None for wanted in watched], at_layers

    def activations(self, inputs, layers, batch_size: int = 32) -> dict[str, np.ndarray]:
        """The activations of some layers on a batch of inputs.

        Args:
            inputs: what the model takes.
            layers: one layer or a list, each as `address` takes it.
            batch_size: how many samples run at once.

        Returns:
            A dict from each layer's address to its activations, `(N, …)`, in the order asked.
        """
        asked = layers if isinstance(layers, list | tuple) else [layers]
        addresses = [self.address(layer) for layer in asked]
        arrays = self.inputs.check(inputs)
        run = self.function(lambda tensors: self._single(self.forward(tensors, addresses).activations))
        parts = [run(chunk) for chunk in chunks(arrays, batch_size)]
        return {
            str(address): np.concatenate([part[i].numpy() for part in parts])
            for i, address in enumerate(dict.fromkeys(addresses))
        }

    def _go_through_graph(self, rule, smooth, precision):
        """Put a graph of the twin in its place, in which rectifiers inside custom code can be replaced too."""
        graph, scopes = graph_of_twin(self._twin, self.inputs, self._paths_by_twin(), rule)
        twins = Twins(cloning.rule_swap(rule, smooth), compute_dtype=precision)
        self._twin = twins.of(graph)
        of_scopes = twins.twin_ids()
        # Layers that do nothing at inference have no scope, and nothing to tap.
        self._twin_ids = {
            self._directory.id_of(path): of_scopes[id(scopes[path])] for path in self.layers if path in scopes
        }
        self.replaced += tuple(twins.swapped)
        twins.release()
        self.trace = Trace.of(self._twin, self.inputs, self._paths_by_twin())

    def _twin_id(self, address):
        return self._twin_ids[self._directory.id_of(address.path)]

    def _single(self, activations):
        for address, activation in activations.items():
            if not isinstance(activation, tf.Tensor):
                raise LayerError(
                    f"The layer {str(address)!r} returns several tensors",
                    expected="a layer with one output",
                    mend="Take a layer inside it or behind it",
                )
        return list(activations.values())

    def _paths_by_twin(self):
        paths: dict[int, str] = {}
        for path in self._directory.paths:
            twin = self._twin_ids.get(self._directory.id_of(path))
            if twin is not None:
                paths.setdefault(twin, path)
        return paths


def chunks(arrays: list[np.ndarray], size: int):
    """Yield a flat list of inputs in batches of at most `size` samples."""
    for start in range(0, len(arrays[0]), size):
        yield [array[start : start + size] for array in arrays]
