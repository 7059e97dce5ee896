"""Checks of settings that several methods share."""

import numpy as np

from kerasviz.errors import InputError, SettingError


def checked_count(name: str, value) -> int:
    """A positive whole number.

    Raises:
        SettingError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise SettingError(
            f"{name}={value!r}", expected="a whole number from 1 up", mend="Leave it out for the default"
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


def require_floats(network, title):
    """Refuse a model whose inputs are all integers, for methods of the gradient at the input.

    Raises:
        InputError: no input is a float.
    """
    if not any(spec.floating for spec in network.inputs.specs):
        names = ", ".join(f"{spec.name!r} ({spec.dtype})" for spec in network.inputs.specs)
        raise InputError(
            f"The inputs of {network.name!r} are integers: {names}. A score has no gradient there",
            expected=f"a float input for {title}",
            mend="Use GradCAM, which works at a feature map; or explain the part of the model behind the embedding",
        )
