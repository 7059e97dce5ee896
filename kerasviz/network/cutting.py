"""A copy of the part of a model up to a feature map, as a flat graph of ordinary layers with weights of its own."""

import inspect

import keras

from kerasviz.errors import LayerError, ModelError
from kerasviz.network import internals
from kerasviz.network.layers import Address, walk
from kerasviz.network.network import Network

_OF_ALL = ("name", "trainable", "dtype")


def trunk(model, address: Address, network: Network) -> keras.Model:
    """Copy a model up to a feature map. Nested models are opened: their layers become layers of the copy.

    Args:
        model: the model.
        address: where to cut.
        network: the same model, opened.

    Returns:
        A functional model with the inputs that the feature map depends on, and the feature map as its output.

    Raises:
        LayerError: the feature map is inside a layer that is no model, and cannot be reached.
        ModelError: a layer cannot be made anew from its configuration, or works on real tensors only.
    """
    layer = next(part for path, part in walk(model) if path == address.path)
    sources = network.trace.sources_of(address)
    specs = network.inputs.specs
    inputs = [keras.Input(spec.shape[1:], dtype=spec.dtype, name=spec.name) for spec in specs]
    call = range(network.trace.calls_of(address.path))[address.call]
    features = _Copying(layer, call, address).of(model, network.inputs.pack(inputs))
    kept = [tensor for tensor, spec in zip(inputs, specs, strict=True) if spec.name in sources]
    return keras.Model(kept[0] if len(kept) == 1 else kept, features, name=model.name)


class _Reached(Exception):
    """The wanted feature map has been made; carries it."""


class _Copying:
    """Runs fresh copies of layers on symbolic tensors, until a layer has been called so often."""

    def __init__(self, layer, call, address):
        self._layer, self._call, self._address = layer, call, address
        self._copies: dict[int, tuple] = {}
        self._names: set[str] = set()

    def of(self, model, inputs):
        try:
            self._run(model)(inputs)
        except _Reached as reached:
            return reached.args[0]
        raise LayerError(
            f"The layer {str(self._address)!r} is inside a layer that cannot be opened",
            expected="a layer of the model or of a model inside it",
            mend="Cut at the layer around it",
        )

    def _run(self, operation):
        """What is called in the place of a layer, op or model."""

        def run(*args, **kwargs):
            graph = internals.graph_of(operation)
            if graph is not None and not internals.has_own_call(operation):
                outputs = internals.run_graph(graph, args[0], self._run)
                outputs = outputs[0] if isinstance(outputs, list | tuple) and len(outputs) == 1 else outputs
            elif isinstance(operation, keras.Model):
                outputs = self._opened(operation, args, kwargs)
            else:
                outputs = self._called(operation, args, kwargs)
            if operation is self._layer and self._count(operation) > self._call:
                raise _Reached(outputs)
            return outputs

        return run

    def _count(self, operation):
        """How often an operation has been called, this call included."""
        self._copies[id(operation)] = copy, count = self._copies.get(id(operation), (None, 0))
        self._copies[id(operation)] = copy, count + 1
        return count + 1

    def _called(self, operation, args, kwargs):
        copy, count = self._copies.get(id(operation), (None, 0))
        if copy is None:
            copy = self._fresh(operation)
            self._copies[id(operation)] = copy, count
            outputs = copy(*args, **kwargs)
            _give_weights(operation, copy)
            return outputs
        return copy(*args, **kwargs)

    def _opened(self, model, args, kwargs):
        """The `call` of a copy of a subclassed model, whose layers then are layers of the graph."""
        copy = self._fresh(model)
        inside = [(part, internals.symbolic_outputs(part)) for _, part in walk(copy)]
        try:
            outputs = copy.call(*args, **kwargs)
        except Exception as error:
            raise ModelError(
                f"The call of {model.name!r} does not run on symbolic tensors: {error}",
                expected="a call made of layers and keras.ops",
                mend="Write it with keras.ops in the place of TensorFlow's functions",
            ) from error
        _give_weights(model, copy)
        for (_, part), (copied, before) in zip(walk(model), inside, strict=True):
            made = internals.symbolic_outputs(copied)[len(before) :]
            if part is self._layer and self._call < len(made):
                raise _Reached(made[self._call][0])
        return outputs

    def _fresh(self, operation):
        try:
            config = dict(operation.get_config())
            name = operation.name
            while name in self._names:
                name += "_again"
            self._names.add(name)
            config = {**config, "name": name} if "name" in config else config
            return type(operation).from_config(_accepted(type(operation), config))
        except Exception as error:
            raise ModelError(
                f"The layer {operation.name!r} cannot be made anew from its configuration: {error}",
                expected="layers with a get_config that gives back their arguments",
                mend=f"Write get_config for {type(operation).__name__}",
            ) from error


def _accepted(kind, config):
    """A configuration without what Keras adds for every layer, where the class does not take it."""
    parameters = inspect.signature(kind.__init__).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return config
    return {key: value for key, value in config.items() if key not in _OF_ALL or key in parameters}


def _give_weights(operation, copy):
    weights = getattr(operation, "weights", None)
    if weights:
        if [weight.shape for weight in weights] != [weight.shape for weight in copy.weights]:
            raise ModelError(
                f"A copy of {operation.name!r} has other weights than the original",
                expected="a layer that its configuration describes whole",
                mend=f"Let get_config of {type(operation).__name__} give back all that its weights depend on",
            )
        copy.set_weights([keras.ops.convert_to_numpy(weight) for weight in weights])
