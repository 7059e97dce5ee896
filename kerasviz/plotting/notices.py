"""Warnings that point at the line of the user's code that caused them."""

import sys
import warnings

from kerasviz.errors import KerasvizWarning


def warn(message: str) -> None:
    """Issues one `KerasvizWarning` located at the first caller outside this package.

    Python shows a warning once per line of code; located inside the package, the second picture of a session
    that deserves it would stay silent.
    """
    level, frame = 1, sys._getframe(0)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == "kerasviz":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, KerasvizWarning, stacklevel=level)
