"""Sizes, counts and numbers in words."""

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def size_text(shape) -> str:
    """A shape without its batch axis, for readers; nothing where it is None."""
    return "" if shape is None else " × ".join("?" if side is None else str(side) for side in shape[1:]) or "1"


def bytes_text(count: int) -> str:
    """A number of bytes with three digits, in units of 1000.

    Example:
        >>> bytes_text(999), bytes_text(13_246_976)
        ('999 bytes', '13.2 MB')
    """
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{count} {_UNITS[0]}" if unit == 0 else f"{value:.3g} {_UNITS[unit]}"


def number_text(value: float | None) -> str:
    """A number with three digits; nothing where there is none."""
    return "" if value is None else f"{value:.3g}"


def numbers_text(numbers, most: int = 8) -> str:
    """A list of numbers, cut where it is long."""
    shown = ", ".join(map(str, numbers[:most]))
    return shown if len(numbers) <= most else f"{shown} and {len(numbers) - most} more"


def count_text(count: int, thing: str) -> str:
    """How many things there are.

    Example:
        >>> count_text(1, "weight"), count_text(1200, "weight")
        ('1 weight', '1,200 weights')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
