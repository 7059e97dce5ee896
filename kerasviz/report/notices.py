"""Warnings on their way to the page."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from kerasviz.errors import KerasvizWarning


@contextmanager
def noticed(found: list[str]) -> Iterator[None]:
    """Put what kerasviz warns of inside into a list, each text once; other warnings go their way.

    Args:
        found: gets the texts.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", category=KerasvizWarning)
        yield
    for one in caught:
        if not issubclass(one.category, KerasvizWarning):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        elif str(one.message) not in found:
            found.append(str(one.message))
