"""Activations of any layers, on the way through one forward pass."""

import keras
import tensorflow as tf

from kerasviz.errors import LayerError
from kerasviz.network.layers import Address
from kerasviz.network.twins import Recorder


def call_with_taps(twin, inputs, taps: dict[Address, int], tape: tf.GradientTape | None = None, stand_ins=()):
    """Call a twin in inference mode and keep the outputs of some of its layers.

    Runs inside a `tf.function`. The tapped tensors are watched by `tape` at the moment they appear, so that a
    gradient with respect to them costs the part of the network above them only, and exists where none reaches
    the input (integer inputs, embeddings).

    Args:
        twin: a twin of a model, or of a layer.
        inputs: what it is called on.
        taps: where to listen, and the `id()` of the twin of the layer at each address.
        tape: watches the activations, if given.
        stand_ins: a dict from `(id() of a twin, number of its call)` to a tensor that takes its output's place.

    Returns:
        The outputs, and a dict from address to activation (a tensor, or a structure where the layer returns one).

    Raises:
        LayerError: a layer was not called, not so often, or runs inside a loop.
    """
    stand_ins = dict(stand_ins)
    wanted = {*taps.values(), *(twin_id for twin_id, _ in stand_ins)}
    calls: dict[int, list] = {}

    def seen(twin_id, output):
        if twin_id not in wanted:
            return output
        stand_in = stand_ins.get((twin_id, len(calls.get(twin_id, []))))
        if stand_in is not None:
            output = tf.ensure_shape(tf.cast(stand_in, output.dtype), output.shape)
        output = keras.tree.map_structure(lambda part: None if part is None else tf.identity(part), output)
        if tape is not None:
            for tensor in _tensors(output):
                if tensor.dtype.is_floating:
                    tape.watch(tensor)
        calls.setdefault(twin_id, []).append(output)
        return output

    with Recorder(seen):
        outputs = twin(inputs, training=False)
    here = _tensors(outputs)[0].graph
    return outputs, {address: _pick(address, calls.get(twin_id, []), here) for address, twin_id in taps.items()}


def _tensors(structure):
    return [part for part in keras.tree.flatten(structure) if part is not None]


def _pick(address, calls, here):
    if not calls:
        raise LayerError(
            f"The layer {str(address)!r} was not reached in the forward pass",
            expected="a layer that computes something at inference",
            mend="Tap the layer around it",
        )
    if address.call >= len(calls):
        raise LayerError(
            f"layer={str(address)!r}: the layer is called {len(calls)} times",
            expected=f"@0 to @{len(calls) - 1}",
            mend="Without @ the last call is meant",
        )
    activation = calls[address.call]
    if any(tensor.graph is not here for tensor in _tensors(activation)):
        raise LayerError(
            f"The layer {str(address)!r} runs inside a loop, so that it has an activation for each turn",
            expected="a layer outside loops (RNN cells, dynamic TimeDistributed and the like)",
            mend="Tap the layer around it",
        )
    return activation
