"""The report: one HTML file that shows a model, what it says of some images, and why, by several methods.

The names below are imported when they are first used.
"""

from kerasviz.lazy import lazily as _lazily

_HOME = {"DEFAULT_METHODS": "choosing", "write_report": "making"}

__getattr__, __dir__, __all__ = _lazily(__name__, _HOME)
