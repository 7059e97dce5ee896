"""Settings that the data sets share, checked before any file is read."""

import operator

from kerasviz.errors import SettingError


def check_size(name: str, value) -> tuple[int, int]:
    """A size as (height, width).

    Raises:
        SettingError: it is neither two whole numbers over 0 nor one for both.
    """
    try:
        height, width = value if hasattr(value, "__len__") else (value, value)
        size = operator.index(height), operator.index(width)
    except (TypeError, ValueError):
        size = (0, 0)
    if min(size) < 1 or isinstance(value, bool):
        raise SettingError(
            f"{name} is {value!r}",
            expected="(height, width), or one number for both",
            mend="Give whole numbers over 0",
        )
    return size


def check_channels(channels: int) -> int:
    """The number of an image's channels.

    Raises:
        SettingError: it is neither 1 nor 3.
    """
    if channels not in (1, 3):
        raise SettingError(
            f"channels={channels!r}", expected="3 (RGB) or 1 (grey)", mend="Take what the network's input has"
        )
    return int(channels)


def choose_categories(wanted, known: list[str]) -> list[str]:
    """The categories to read, in the order in which the data set has them.

    Args:
        wanted: a list of names, one name, or None for all.
        known: what the data set has.

    Raises:
        SettingError: one of them is not there, or none is asked for.
    """
    if wanted is None:
        return known
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    unknown = [category for category in wanted if category not in known]
    if unknown or not wanted:
        raise SettingError(
            f"categories={wanted!r}" + (f": there is no {unknown[0]!r}" if unknown else ""),
            expected=f"some of {', '.join(map(repr, known))}",
            mend="Choose among these, or pass None for all",
        )
    return [category for category in known if category in wanted]
