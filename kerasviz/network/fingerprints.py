"""A short text that changes when a network computes something else."""

import hashlib

import tensorflow as tf

from kerasviz.network.network import Network


def fingerprint(network: Network) -> str:
    """The SHA-256 of a network's computation and of its weights, as 64 hexadecimal digits.

    Two models with the same ops, settings and weights have the same, whatever they and their layers are called;
    so has a model that was saved and loaded again by the same versions of Keras and TensorFlow.

    Args:
        network: any.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> before = fingerprint(Network(model))
        >>> model.layers[0].bias.assign([1.0, 0.0]) is not None
        True
        >>> before == fingerprint(Network(model))
        False
    """
    signature = [[spec.tensor for spec in network.inputs.specs]]
    function, _ = network.traced(lambda tensors: list(network.forward(tensors).outputs.values()), signature)
    digest = hashlib.sha256()
    _add_graph(digest, function.graph.as_graph_def())
    # In the order in which the computation takes them, not that of their names.
    by_handle = {id(variable.handle): variable for variable in function.graph.variables}
    for held in function.captured_inputs:
        value = by_handle[id(held)].numpy() if id(held) in by_handle else _value(held)
        if value is not None:
            digest.update(f"{value.dtype}{value.shape}".encode())
            digest.update(value.tobytes())
    return digest.hexdigest()


def _add_graph(digest, graph):
    _add_nodes(digest, graph.node)
    # The names of functions are numbered anew in each process; their bodies are not.
    for function in graph.library.function:
        _add_nodes(digest, function.node_def)


def _add_nodes(digest, nodes):
    places = {node.name: str(place) for place, node in enumerate(nodes)}
    for node in nodes:
        digest.update(node.op.encode())
        for source in node.input:
            # Those with ^ only say what runs first, in no order of their own.
            if not source.startswith("^"):
                name, _, port = source.partition(":")
                digest.update(f"{places.get(name, '')}:{port};".encode())
        for name in sorted(node.attr):
            attribute = node.attr[name]
            if not name.startswith("_") and name not in ("shared_name", "container") and not attribute.HasField("func"):
                digest.update(name.encode())
                digest.update(attribute.SerializeToString(deterministic=True))


def _value(tensor):
    return None if tensor.dtype == tf.resource else tensor.numpy()
