"""Layers as a tree, and names that are as short as they can be."""

from collections import Counter


def short_names(paths: list[str]) -> dict[str, str]:
    """For each path its shortest end that no other path ends in: what `layer=` takes and finds that layer with.

    Example:
        >>> short_names(["a", "a/conv", "b", "b/conv", "b/bn"])
        {'a': 'a', 'a/conv': 'a/conv', 'b': 'b', 'b/conv': 'b/conv', 'b/bn': 'bn'}
    """
    count = Counter(end for path in paths for end in _ends(path))
    return {path: next((end for end in _ends(path) if count[end] == 1), path) for path in paths}


def folded(layers: list[dict], depth: int | None) -> list[dict]:
    """The layers of the upper levels, each with the number of those "inside" it that are left out.

    Args:
        layers: dicts with a "path", containers before their parts.
        depth: how many levels to keep; None for all.
    """
    kept = [layer for layer in layers if depth is None or layer["path"].count("/") < depth]
    if depth is None:
        return [{**layer, "inside": 0} for layer in kept]
    ends = Counter("/".join(layer["path"].split("/")[:depth]) for layer in layers if layer["path"].count("/") >= depth)
    return [{**layer, "inside": ends[layer["path"]]} for layer in kept]


def joined(layers: list[dict]) -> list[dict]:
    """The layers without the scopes of a bare graph that hold one part alone, which is listed in their place.

    Args:
        layers: dicts with a "path" and a "class", containers before their parts.
    """
    parts = Counter(layer["path"].rpartition("/")[0] for layer in layers)
    return [layer for layer in layers if layer["class"] != "Scope" or parts[layer["path"]] != 1]


def guides(paths: list[str]) -> list[str]:
    """The lines to draw in front of each name of a tree: "├─ ", "│  └─ " and the like; nothing at the top.

    Args:
        paths: containers before their parts. A path whose containers are not listed hangs on the nearest that is.

    Example:
        >>> guides(["a", "a/b", "a/b/c", "a/d", "e"])
        ['', '├─ ', '│  └─ ', '└─ ', '']
    """
    listed, above = set(paths), []
    for path in paths:
        ends = [place for place, letter in enumerate(path) if letter == "/"]
        above.append([path[:end] for end in ends if path[:end] in listed])
    last = {(chain[-1] if chain else ""): path for path, chain in zip(paths, above, strict=True)}
    drawn = []
    for path, chain in zip(paths, above, strict=True):
        # What hangs on a container ends where its last part ends.
        inner = [*chain[1:], path] if chain else []
        bars = [last[container] != part for container, part in zip(chain, inner, strict=True)]
        lines = ["│  " if more else "   " for more in bars[:-1]]
        lines += [("├─ " if bars[-1] else "└─ ")] if bars else []
        drawn.append("".join(lines))
    return drawn


def _ends(path):
    parts = path.split("/")
    return ("/".join(parts[start:]) for start in range(len(parts) - 1, -1, -1))
