"""Paths of layers from names of ops.

TensorFlow makes names unique by numbers at their end. Keras 3 opens each layer's scope twice, so that all that it
exports has one more number than the layer: "net_1/conv_1/Conv2D" is an op of the layer "conv" of the model "net".
"""

import re
from collections.abc import Iterable, Mapping

_NUMBER = re.compile(r"_\d+$")


def paths(names: Mapping[int, str], weights: Mapping[int, Iterable[str]]) -> tuple[str, dict[int, str]]:
    """Where ops stand among layers.

    Args:
        names: of the ops that are layers, by number.
        weights: names of the variables of these, by number.

    Returns:
        The scope that holds them all ("" if there is none), and the path of each op within it. Ops of a layer that is
        called twice have one path.
    """
    parts = {number: name.split("/") for number, name in names.items()}
    if _scopes_are_numbered(parts, weights):
        parts = {number: [*map(_bare, scopes), op] for number, (*scopes, op) in parts.items()}
    tops = {found[0] for found in parts.values()}
    whole = len(tops) == 1 and all(len(found) > 1 for found in parts.values())
    return tops.pop() if whole else "", {
        number: "/".join(found[1:] if whole else found) for number, found in parts.items()
    }


def _bare(scope):
    return _NUMBER.sub("", scope)


def _scopes_are_numbered(parts, weights):
    """Whether scopes are named as their variables' after, rather than before, a number is taken off."""
    votes = 0
    for number, names in weights.items():
        scopes = parts[number][:-1]
        for name in names:
            owner = name.split("/")[-2:-1]
            votes += (owner[0] in map(_bare, scopes)) - (owner[0] in scopes) if owner else 0
    return votes > 0
