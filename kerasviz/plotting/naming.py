"""What classes are called, and how sure a network is of them."""

import math

from kerasviz.errors import SettingError


def class_name(labels, number: int) -> str:
    """The name of a class.

    Args:
        labels: names of the classes by their numbers, a list or a dict; None for "class 281".
        number: of the class.

    Raises:
        SettingError: it has no name.
    """
    if labels is None:
        return f"class {number}"
    try:
        return str(labels[number])
    except (LookupError, TypeError) as error:
        raise SettingError(
            f"labels has no entry for the class {number}",
            expected="a name for every class, in the order of the outputs",
            mend="Give all labels, or none",
        ) from error


def percent(probability: float) -> str:
    """A probability for readers, never rounded up: 98.996 % is no 99 %; and never 0 % where it is not."""
    shown = math.floor(round(probability * 10_000, 3))  # float32 holds no more digits
    if shown == 0 < probability:
        return "<0.01 %"
    return f"{(shown if probability == 1 else min(shown, 9_999)) / 100:.2f} %"
