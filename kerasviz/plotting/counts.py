"""How much a figure takes: a text for each thing that is drawn, and no more than can be seen."""

from kerasviz.errors import InputError
from kerasviz.plotting.notices import warn

_MOST = 64  # samples in one figure


def check_count(texts, count: int, what: str, of: str) -> None:
    """Refuses texts that are not as many as what they stand at.

    Args:
        texts: the texts, or None for none at all.
        count: how many there should be.
        what: what they are, for the message: "titles".
        of: what they stand at: "maps".

    Raises:
        InputError: there are more or fewer.
    """
    if texts is not None and (isinstance(texts, str) or len(texts) != count):
        raise InputError(
            f"{1 if isinstance(texts, str) else len(texts)} {what} were given for {count} {of}",
            expected="one for each",
            mend="Use an empty string where there is none",
        )


def drawable(count: int) -> int:
    """How many of the samples one figure shows; warns if that is not all."""
    if count > _MOST:
        warn(f"Of {count} samples the first {_MOST} are drawn")
    return min(count, _MOST)
