"""A SavedModel inside a Keras model: what `keras.layers.TFSMLayer` holds."""

import weakref

import keras

from kerasviz.network.graph.model import GraphModel
from kerasviz.network.graph.opening import graph_model

_opened: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def opened(layer) -> GraphModel | None:
    """The graph inside a `TFSMLayer`, the same one every time; None for any other layer."""
    if not isinstance(layer, keras.layers.TFSMLayer):
        return None
    if layer not in _opened:
        endpoint = layer.call_endpoint_fn
        traced = getattr(endpoint, "concrete_functions", None)
        _opened[layer] = graph_model(traced[0] if traced else endpoint, name=layer.name, whole=True)
    return _opened[layer]
