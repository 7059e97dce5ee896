"""Weight-sharing copies of layers and models.

A twin of a layer is a new object of its class with a copy of its attributes: it holds the same variables, and
needs no configuration, no building and no memory. A graph of layers is rebuilt by Keras on twins of its layers;
anything else is copied through its attributes, so that the layers and activations that it holds anywhere are
twins too. The originals are never written to.
"""

import copy
import functools
import threading
import types
from collections.abc import Callable
from typing import NamedTuple

import keras

from kerasviz.errors import ModelError
from kerasviz.network import internals
from kerasviz.network.graph.wrapped import opened

_recording = threading.local()


class Swap(NamedTuple):
    """What runs in the place of an activation function, or of the `call` of a layer or op.

    Attributes:
        function: takes what the original takes.
        counts: whether it is listed among `Twins.swapped`.
    """

    function: Callable
    counts: bool = True


class Twins:
    """Makes twins, and knows which twin belongs to which original.

    Args:
        swap: `swap(value, function, owner)` returns a `Swap` or None. `value` is an activation function held by
            the layer `owner`, or a layer or op, which is its own owner; `function` is what runs now.
        compute_dtype: the dtype in which twins of half-precision layers compute; None keeps theirs.
        gone: `gone(value)` says of what `swap` takes whether no twin is to have it. A twin in which something was
            swapped then refuses to be saved where its configuration would bring such a value back. None saves all.

    Attributes:
        swapped: a line for each activation that was swapped, `"base/conv1.activation"`.
    """

    def __init__(self, swap: Callable | None = None, compute_dtype: str | None = None, *, gone: Callable | None = None):
        self._swap = swap
        self._gone = gone
        self._compute_dtype = compute_dtype
        self._twins: dict[int, object] = {}
        self._originals: list = []
        self.swapped: list[str] = []

    def of(self, operation, path: str = ""):
        """The twin of a layer, an op or a model; the same one every time."""
        if id(operation) in self._twins:
            return self._twins[id(operation)]
        if isinstance(operation, keras.Model):
            require_built(operation)
        # Holding the originals keeps their ids their own while twins are made.
        self._originals.append(operation)
        if (inside := opened(operation)) is not None:
            twin = self._twins[id(operation)] = self.of(inside, path)
            return twin
        if internals.graph_of(operation) is not None and not internals.has_own_call(operation):
            twin = self._rebuild(operation, path)
        else:
            twin = self._copy(operation, path)
        if internals.is_operation(twin):
            _record_calls(twin)
        return twin

    def twin_ids(self) -> dict[int, int]:
        """`id(original)` to `id(twin)`, for every twin made."""
        return {original: id(twin) for original, twin in self._twins.items()}

    def release(self):
        """Forget the originals, so that keeping a twin does not keep the user's model alive."""
        self._originals.clear()
        self._twins.clear()

    def _rebuild(self, model, path):
        inputs, outputs = internals.graph_structure(internals.graph_of(model))
        # A model of its own around the same graph: cloning a compiled one would build a second optimizer.
        bare = keras.Model(inputs, outputs, name=model.name)
        twin = keras.models.clone_model(bare, clone_function=lambda part: self.of(part, _join(path, part.name)))
        self._twins[id(model)] = twin
        return twin

    def _copy(self, operation, path):
        twin = object.__new__(type(operation))
        self._twins[id(operation)] = twin
        before = len(self.swapped)
        state = twin.__dict__  # Not setattr: Keras would record the change in the tracker that both share.
        state.update(operation.__dict__)
        for name in internals.CLOSURES:
            state.pop(name, None)
        state.update({name: [] for name in internals.OWN_STATE if name in state})
        if "_loss_ids" in state:
            state["_loss_ids"] = set()
        if internals.is_functional(operation):
            parts = internals.graph_operations(operation)
            internals.run_graph_with(
                operation, twin, {id(part): self.of(part, _join(path, part.name)) for part in parts}
            )
        for name in list(state):
            if name not in internals.BOOKKEEPING and not name.startswith("_self_"):
                state[name] = self._value(state[name], operation, path, name)
        self._inline_traced_methods(operation, twin)
        if self._compute_dtype:
            state.update(internals.precision(operation, self._compute_dtype))
        state["call"] = self._swapped(operation, twin.call, operation, path)
        if self._gone and len(self.swapped) > before:
            state["get_config"] = self._true_config(operation, twin.get_config)
        return twin

    def _true_config(self, operation, get_config):
        gone = self._gone

        def checked():
            config = get_config()
            again = Twins(lambda value, function, owner: Swap(function) if gone(value) else None)
            try:
                again.of(type(operation).from_config(copy.deepcopy(config)))  # some take theirs apart
            except ModelError:  # a subclassed model is not built yet: what is in its code cannot be told
                return refusal_to_save(operation)()
            return refusal_to_save(operation)() if again.swapped else config

        return checked

    def _swapped(self, value, function, owner, where):
        swap = self._swap(value, function, owner) if self._swap else None
        if swap is None:
            return function
        if swap.counts:
            self.swapped.append(where)
        return swap.function

    def _value(self, value, owner, path, name):
        """What the twin of `owner` holds where its original holds `value`."""
        if isinstance(value, keras.Variable):
            return value
        if internals.is_operation(value):
            return self.of(value, _join(path, value.name))
        if isinstance(value, types.MethodType) and internals.is_operation(value.__self__):
            return self._bound(value, self.of(value.__self__, _join(path, value.__self__.name)))
        if isinstance(value, functools.partial):
            function = self._value(value.func, owner, path, name)
            return value if function is value.func else functools.partial(function, *value.args, **value.keywords)
        if callable(value):
            return self._swapped(value, value, owner, f"{path}.{name}")
        return self._container(value, owner, path, name)

    @staticmethod
    def _bound(method, twin):
        name = method.__func__.__name__
        # What stands in for the method on the twin: a swapped or recording `call`, an inlined traced method.
        own = twin.__dict__.get(name) if getattr(type(twin), name, None) is method.__func__ else None
        return own or types.MethodType(method.__func__, twin)

    def _container(self, value, owner, path, name):
        if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
            parts = [self._value(part, owner, path, name) for part in value]
            if any(new is not old for new, old in zip(parts, value, strict=True)):
                return tuple(parts) if isinstance(value, tuple) else parts
        elif isinstance(value, dict):
            parts = {key: self._value(part, owner, path, name) for key, part in value.items()}
            if any(parts[key] is not value[key] for key in parts):
                return parts
        return value

    @staticmethod
    def _inline_traced_methods(operation, twin):
        # A method decorated with tf.function runs in a graph of its own, out of which no tensor can be tapped.
        for kind in type(operation).__mro__:
            if kind.__module__.startswith(("keras.", "tensorflow.")):
                continue
            for name, method in vars(kind).items():
                if hasattr(method, "python_function") and name not in twin.__dict__:
                    twin.__dict__[name] = types.MethodType(method.python_function, twin)


def refusal_to_save(operation):
    """A `get_config` that raises: the configuration of a layer or model would not tell what was swapped in it."""
    name, kind = operation.name, type(operation).__name__

    def get_config():
        raise ModelError(
            f"The {kind} {name!r} of a clone has no configuration: a file would hold it as it was before the change",
            expected="a model, or a clone of layers with an `activation` argument alone",
            mend="Export the clone, clone.export(folder), or save the model that it was made of",
        )

    return get_config


def require_built(model):
    """Refuse a model without weights.

    Raises:
        ModelError: it is not a Keras model, or not built.
    """
    if not isinstance(model, keras.Model):
        raise ModelError(
            f"The model is a {type(model).__name__}",
            expected="a Keras 3 model",
            mend="Open a file with kerasviz.load(path); wrap a function or another model in a keras.Model",
        )
    if not model.built:
        raise ModelError(
            f"The model {model.name!r} is not built: it has no weights yet",
            expected="a built model",
            mend="Call it once on a batch, model(images), or build it: model.build((None, height, width, channels))",
        )


class Recorder:
    """While entered, hands each output of a twin to `seen`. Per thread; of nested ones the inner sees it first.

    Args:
        seen: `seen(twin_id, output) -> output`, called in the order in which layers return.
    """

    def __init__(self, seen: Callable):
        self._seen = seen

    def __enter__(self):
        self._outer = outer = getattr(_recording, "seen", None)
        seen = self._seen
        _recording.seen = seen if outer is None else lambda twin_id, output: outer(twin_id, seen(twin_id, output))
        return self

    def __exit__(self, *_):
        _recording.seen = self._outer


def _record_calls(twin):
    # On `call`, not `__call__`: wrappers such as TimeDistributed call `layer.call` themselves.
    call = twin.call

    @functools.wraps(call)
    def recorded(*args, **kwargs):
        output = call(*args, **kwargs)
        seen = getattr(_recording, "seen", None)
        return output if seen is None else seen(id(twin), output)

    twin.__dict__["call"] = recorded


def _join(path, name):
    return f"{path}/{name}" if path else name
