"""Two models compared: their layers, their weights, what they say of images and how they explain it.

The names below are imported when they are first used.
"""

from kerasviz.lazy import lazily as _lazily

_HOME = {
    "Comparison": "record",
    "LayerFacts": "facts",
    "LayerPair": "record",
    "MapMove": "moves",
    "WeightChange": "distances",
    "compare": "making",
}

__getattr__, __dir__, __all__ = _lazily(__name__, _HOME)
