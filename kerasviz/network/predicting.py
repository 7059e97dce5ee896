"""What a user's own model says of inputs: always by a fresh `model.predict`, which leaves no trace on it."""

import contextlib

import numpy as np

from kerasviz.network.network import Network
from kerasviz.network.trace import named_outputs

#: What `model.predict` leaves behind on a model.
_TRACES = ("predict_function", "stop_predicting", "_jit_compile", "_called")


def predicted(model, network: Network, arrays: list[np.ndarray], output: str, batch_size: int = 32) -> np.ndarray:
    """What `model.predict` says of each class, `(N, K)` float32; two for a unit under a sigmoid.

    `model.predict` is the model's own method, whatever it is, in the model's own precision. It would keep a compiled
    function on the model, which then answers as the model was at that time; so the model is given none before, and
    gets back afterwards what it had. Nothing else of it is touched.

    Args:
        model: the user's.
        network: the same, opened.
        arrays: the inputs, flat, as the model takes them.
        output: the name of the output.
        batch_size: samples at once.

    Returns:
        Probabilities where the output is such or their logarithm, and else its values.
    """
    with _no_trace_on(model):
        outputs = model.predict(network.inputs.pack(arrays), batch_size=batch_size, verbose=0)
    # By place: a model may call its outputs otherwise than its twin does.
    place = list(network.trace.outputs).index(output)
    found = np.asarray(list(named_outputs(model, outputs).values())[place], np.float32)
    found = found.reshape(len(found), -1)
    head = network.trace.outputs[output].head
    if head == "log_softmax":
        found = np.exp(found)
    return np.concatenate([1 - found, found], axis=1) if found.shape[1] == 1 and head == "sigmoid" else found


@contextlib.contextmanager
def _no_trace_on(model):
    """Let `model.predict` run as if for the first time, and leave no trace of it on the model."""
    kept = {name: vars(model)[name] for name in _TRACES if name in vars(model)}
    vars(model).pop("predict_function", None)
    model.predict_function = None
    try:
        yield
    finally:
        for name in _TRACES:
            vars(model).pop(name, None)
        vars(model).update(kept)
