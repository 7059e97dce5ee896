"""From the numbers that stand in masks to concepts."""

import re
from collections.abc import Sequence

import numpy as np

from kerasviz.data.concepts.base import Concept
from kerasviz.data.concepts.tables import FaultError
from kerasviz.errors import DataError

#: The largest label number, for a mask has 16 bits for it.
LARGEST = 65535

_UNKNOWN = -1


class Numbering:
    """Which concept a label number stands for in each category.

    Args:
        entries: `(number, name, category)`, numbers from 1 to `LARGEST`. Two numbers with the same name and category
            are one concept.
        source: the file that lists them, for errors.

    Attributes:
        concepts: in the order of the entries.
        dtype: the smallest that holds the code of every concept.
    """

    def __init__(self, entries: Sequence[tuple[int, str, str]], source: str):
        self.concepts = tuple(dict.fromkeys(Concept(name, category) for _, name, category in entries))
        self.dtype = np.min_scalar_type(len(self.concepts))
        self._source = source
        code_of = {concept: code for code, concept in enumerate(self.concepts, 1)}
        numbers = {}
        for number, name, category in entries:
            numbers.setdefault(category, {})[number] = code_of[Concept(name, category)]
        self._tables = {category: _table(codes) for category, codes in numbers.items()}

    def codes(self, numbers: np.ndarray, category: str, file: str) -> np.ndarray:
        """The codes `k + 1` of the concepts that a mask shows, 0 where it shows nothing.

        Args:
            numbers: the mask's label numbers.
            category: of the mask.
            file: what the error calls the mask.

        Raises:
            DataError: the category has no such number.
        """
        table = self._tables.get(category, _NOTHING)
        codes = table[np.minimum(numbers, len(table) - 1)]
        if codes.min(initial=0) == _UNKNOWN:
            raise DataError(
                f"{file} has the label number {numbers[codes == _UNKNOWN][0]}",
                expected=f"numbers that {self._source} lists for {category!r}",
                mend="List it there, or draw the mask again",
            )
        return codes.astype(self.dtype)

    def code(self, number: int, category: str) -> int:
        """The code of one label number; 0 for number 0, which is nothing.

        Raises:
            FaultError: the category has no such number.
        """
        table = self._tables.get(category, _NOTHING)
        code = int(table[min(number, len(table) - 1)])
        if code == _UNKNOWN:
            raise FaultError(f"{self._source} lists no number {number} for {category!r}")
        return code


def whole_number(name: str, text: str, least: int = 1, most: int = LARGEST) -> int:
    """A number from a table.

    Raises:
        FaultError: it is none, or out of range.
    """
    if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise FaultError(f"{name} is {text!r}, not a whole number from {least} to {most}")
    return int(text)


def _table(codes):
    """The codes by number, and after the last one a place that stands for all numbers beyond."""
    table = np.full(max(codes, default=0) + 2, _UNKNOWN, np.int32)
    table[0] = 0
    table[list(codes)] = list(codes.values())
    return table


_NOTHING = _table({})
