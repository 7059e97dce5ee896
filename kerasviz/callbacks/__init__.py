"""Keras callbacks: what a network looks at, watched while it is trained.

The names below are imported when they are first used.
"""

from kerasviz.lazy import lazily as _lazily

_HOME = {
    "ActivationMaps": "activation_maps",
    "CriticalSamples": "critical_watch",
    "Dissection": "dissection_watch",
    "Explain": "explaining",
    "FeatureVisualization": "feature_visualization",
    "Filters": "filter_watch",
    "Watch": "watching",
}

__getattr__, __dir__, __all__ = _lazily(__name__, _HOME)
