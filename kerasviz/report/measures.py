"""Figures that the caller computed, such as localization and faithfulness: checked, shown by image, and their means."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kerasviz.errors import InputError, SettingError


@dataclass(frozen=True)
class Measure:
    """One figure of each image.

    Attributes:
        name: what it is.
        values: `(N,)` floats by the key of a method; by None where it does not depend on the method. NaN: not known.
    """

    name: str
    values: dict[str | None, np.ndarray]

    def at(self, number: int, method: str | None = None) -> float | None:
        """The figure of an image, None if it is not known."""
        values = self.values.get(method)
        return None if values is None or np.isnan(values[number]) else float(values[number])

    def mean(self, method: str | None = None) -> float | None:
        """The mean over the images of which it is known."""
        values = self.values.get(method, np.array([]))
        known = values[~np.isnan(values)]
        return float(known.mean()) if known.size else None

    def count(self, method: str | None = None) -> int:
        """Of how many images it is known."""
        return int((~np.isnan(self.values.get(method, np.array([])))).sum())


def read_measures(given, count: int, keys: list[str]) -> list[Measure]:
    """The measures as they were given, checked.

    Args:
        given: by name `(N,)` numbers, or such by the keys of methods; None for none.
        count: of the images.
        keys: of the methods that were asked for, as they may be written.

    Raises:
        SettingError: it is no such dict, or names a method that was not asked for.
        InputError: there are not as many numbers as images.
    """
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise SettingError(
            f"measures is of the type {type(given).__name__}",
            expected='a dict such as {"IoU": {"grad_cam": numbers}}',
            mend="Give each measure its name",
        )
    found = []
    for name, values in given.items():
        by_method = values if isinstance(values, Mapping) else {None: values}
        read = {}
        for key, numbers in by_method.items():
            if key is not None and (plain := str(key).replace("-", "_")) not in keys:
                raise SettingError(
                    f"The measure {name!r} has figures of {key!r}",
                    expected=f"the methods of the report: {', '.join(keys)}",
                    mend="Name the method in methods= too, or leave its figures out",
                )
            read[None if key is None else plain] = _read(name, numbers, count)
        found.append(Measure(str(name), read))
    return found


def _read(name, numbers, count):
    try:
        array = np.array([np.nan if one is None else one for one in numbers], np.float64)
    except (TypeError, ValueError):
        array = None
    if array is None or array.shape != (count,) or np.isinf(array).any():
        shape = "no numbers" if array is None else f"infinity or numbers of the shape {array.shape}"
        raise InputError(
            f"The measure {name!r} holds {shape} for {count} images",
            expected="one finite number an image, NaN or None where there is none",
            mend="Give them in the order of the images",
        )
    return array
