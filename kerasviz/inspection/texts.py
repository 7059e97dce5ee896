"""Findings in words."""

_HEADS = {None: "scores", "stuck": "probabilities that cannot be taken apart"}


def head_text(head: str | None) -> str:
    """What an output ends in, for readers."""
    return _HEADS.get(head, f"a {head} of scores")
