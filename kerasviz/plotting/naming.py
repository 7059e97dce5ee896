"""What classes are called."""

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
