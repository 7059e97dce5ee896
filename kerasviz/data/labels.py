"""Class names from files."""

import json
from pathlib import Path

from kerasviz.errors import DataError


def read_labels(path: str | Path) -> list[str]:
    """Read the names of a network's classes.

    Three kinds of file are known: text with one name a line; JSON with a list of names; JSON with an object
    from class index to name, or to a pair of identifier and name as in Keras's `imagenet_class_index.json`.
    JSON files end in `.json`. Names are taken as they are, less the spaces around them.

    Args:
        path: the file, UTF-8.

    Returns:
        The names in the order of the class indices.

    Raises:
        DataError: the file cannot be read, is empty, a name is missing or no text, or the indices of an
            object are not 0, 1, 2, ...; the message names the line, index or keys.

    Example:
        >>> import pathlib, tempfile, kerasviz as kv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "labels.json")
        ...     _ = path.write_text('{"1": ["n01443537", "goldfish"], "0": ["n01440764", "tench"]}')
        ...     kv.data.read_labels(path)
        ['tench', 'goldfish']
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _error(path, f"cannot be read: {error}", "a file of text in UTF-8") from error
    if path.suffix.lower() == ".json":
        entries, place = _from_json(path, text), "class"
    else:
        lines = text.rstrip().split("\n") if text.strip() else []
        entries, place = enumerate(lines, start=1), "line"
    names = []
    for index, name in entries:
        if not isinstance(name, str) or not name.strip():
            raise _error(path, f"has no name for {place} {index}, but {name!r}", "one name for each class")
        names.append(name.strip())
    if not names:
        raise _error(path, "holds no names", "one name for each class")
    return names


def _from_json(path, text):
    expected = "a list of names, or an object from class index to name"
    try:
        content = json.loads(text, object_pairs_hook=_without_repeats)
    except ValueError as error:
        raise _error(path, f"cannot be understood as JSON: {error}", expected) from error
    if isinstance(content, list):
        return list(enumerate(content))
    if not isinstance(content, dict):
        raise _error(path, f"holds a {type(content).__name__}", expected)
    wanted = [str(index) for index in range(len(content))]
    missing = [key for key in wanted if key not in content]
    if missing:
        surplus = sorted(set(content) - set(wanted))
        raise _error(
            path,
            f"has no keys {_few(missing)}, but {_few(surplus)}",
            f'the class indices "0" to "{len(content) - 1}" as keys',
        )
    return [(key, _name_of(content[key])) for key in wanted]


def _without_repeats(pairs):
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return content


def _name_of(entry):
    return entry[1] if isinstance(entry, list) and len(entry) == 2 else entry


def _few(keys):
    return ", ".join(map(repr, keys[:3])) + (", ..." if len(keys) > 3 else "")


def _error(path, fault, expected):
    return DataError(f"{path} {fault}", expected=expected, mend="Correct the file or name another")
