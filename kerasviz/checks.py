"""Checks of settings that everything shares."""

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
