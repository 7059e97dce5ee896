"""What a word of an option such as `--target` means: a class of the network."""

import difflib

from kerasviz.errors import TargetError
from kerasviz.predictions import Classes


def resolve(classes: Classes, given: str, option: str = "--target") -> int:
    """The class that a word of an option means: a number, or a label in any case.

    Args:
        classes: of the network.
        given: the word.
        option: where, for the messages.

    Raises:
        TargetError: no class, or several, fit; the message lists the nearest.
    """
    if given.isdecimal():
        if int(given) >= classes.count:
            raise TargetError(
                f"{option} {given} is not among the {classes.count} classes",
                expected=f"0 to {classes.count - 1}",
                mend="Classes are counted from 0",
            )
        return int(given)
    if classes.labels is None:
        raise TargetError(
            f"{option} {given!r} is a label, and the model's labels are not known",
            expected="a class number",
            mend="Name a file with the labels by --labels",
        )
    plain = [_plain(label) for label in classes.labels]
    fitting = [k for k, label in enumerate(plain) if label == _plain(given)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise TargetError(
            f"{option} {given!r} fits {len(fitting)} classes",
            expected="one class",
            mend=f"Give its number: {' or '.join(map(str, fitting))}",
        )
    inside = [label for label in plain if _plain(given) in label]
    near = dict.fromkeys([*inside, *difflib.get_close_matches(_plain(given), plain, n=4)])
    named = [f"{classes.labels[k]} ({k})" for k in (plain.index(label) for label in list(near)[:5])]
    raise TargetError(
        f"No class is called {given!r}",
        expected="a label of the model, or a class number",
        mend=f"Did you mean {' or '.join(named)}?" if named else f"The labels begin {_few(classes.labels)}",
    )


def _plain(label):
    return " ".join(label.casefold().replace("_", " ").replace("-", " ").split())


def _few(labels, most=6):
    return ", ".join(labels[:most]) + (", …" if len(labels) > most else "")
