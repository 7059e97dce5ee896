"""Keras callbacks: what a network looks at, watched while it is trained.

The names below are imported when they are first used.
"""

from kerasviz.lazy import lazily as _lazily

_HOME = {
    "Explain": "explaining",
    "Watch": "watching",
}

__getattr__, __dir__, __all__ = _lazily(__name__, _HOME)
