"""A bare graph, of which no Keras object is left, as a Keras model that the rest of kerasviz can open.

`flattening` reads a function into one list of ops, `planning` makes layers and steps of it, `model` runs them.
"""

from kerasviz.network.graph.model import GraphModel
from kerasviz.network.graph.opening import graph_model
from kerasviz.network.graph.saved_model import of_loaded, of_saved, open_saved_model

__all__ = ["GraphModel", "graph_model", "of_loaded", "of_saved", "open_saved_model"]
