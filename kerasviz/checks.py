"""Checks of settings that everything shares."""

from collections.abc import Sequence
from numbers import Real

import numpy as np

from kerasviz.errors import SettingError


def checked_count(name: str, value, least: int = 1) -> int:
    """A whole number of at least `least`.

    Raises:
        SettingError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise SettingError(
            f"{name}={value!r}", expected=f"a whole number from {least} up", mend="Leave it out for the default"
        )
    return int(value)


def checked_choice(name: str, value, choices) -> None:
    """Refuse a value that is not among the choices.

    Raises:
        SettingError: it is not.
    """
    if value not in choices:
        raise SettingError(
            f"{name}={value!r}",
            expected=f"one of {', '.join(map(repr, choices))}",
            mend="Leave it out for the default",
        )


def checked_seed(seed) -> int:
    """A seed: a whole number of 32 bits.

    Raises:
        SettingError: it is something else.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**31:
        raise SettingError(f"seed={seed!r}", expected="a whole number from 0 to 2³¹ − 1", mend="seed=0 is the default")
    return int(seed)


def checked_number(name: str, value, low: float = -np.inf, high: float = np.inf) -> float:
    """A finite number from `low` to `high`.

    Raises:
        SettingError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(value) or not low <= value <= high:
        bounds = [f" from {low:g}"] * (low > -np.inf) + [f" to {high:g}"] * (high < np.inf)
        raise SettingError(
            f"{name}={value!r}", expected=f"a finite number{''.join(bounds)}", mend=f"Give {name} such a number"
        )
    return float(value)


def checked_numbers(name: str, values, low: float = -np.inf, high: float = np.inf) -> tuple[float, ...]:
    """At least one such number, as a tuple.

    Raises:
        SettingError: it is something else.
    """
    if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray) or len(values) == 0:
        raise SettingError(
            f"{name}={values!r}", expected="a tuple of numbers, at least one", mend=f"Write {name}=(1.0, 2.0)"
        )
    return tuple(checked_number(name, value, low, high) for value in values)
