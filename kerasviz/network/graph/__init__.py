"""A bare graph, of which no Keras object is left, as a Keras model that the rest of kerasviz can open.

`flattening` reads a function into one list of ops, `switches` and `fusing` tidy it up, `planning` makes layers and
steps of it, `model` runs them. `saved_model` chooses the function of a SavedModel, `raw_inputs` the tensor that is
explained where it decodes its images itself; `wrapped` opens a `TFSMLayer`, `live` a model whose rectifiers no clone
reaches.
"""

from kerasviz.network.graph.model import GraphModel
from kerasviz.network.graph.opening import graph_model
from kerasviz.network.graph.saved_model import of_loaded, of_saved, open_saved_model

__all__ = ["GraphModel", "graph_model", "of_loaded", "of_saved", "open_saved_model"]
