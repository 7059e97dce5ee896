"""Checkpoints of TensorFlow, which also hold the variables of SavedModels."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from kerasviz.network.files import refusals
from kerasviz.network.files.sizes import dtype_size, refuse_inflated

#: The tensor in which TensorFlow 2 writes which variable belongs to which object.
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_RENAME = "Rename the file or its folders: TensorFlow takes such a path for a pattern, and finds nothing"


@dataclass(frozen=True)
class Checkpoint:
    """What the index of a checkpoint says.

    Attributes:
        prefix: what its files begin with.
        shapes: of its variables, by key.
        bytes: of its variables, in memory.
        files: all that belong to it.
        of_objects: whether it says which variable belongs to which object, as TensorFlow 2 writes it.
    """

    prefix: Path
    shapes: dict[str, tuple[int, ...]]
    bytes: int
    files: tuple[Path, ...]
    of_objects: bool


def read_checkpoint(prefix: Path, *, named: Path | None = None) -> Checkpoint:
    """Read a checkpoint's index, and compare it with the sizes of the files of values.

    TensorFlow takes memory for a tensor as large as the index says before it looks for the values.

    Args:
        prefix: what the files begin with.
        named: what the user named, for messages.

    Raises:
        LoadError: files are missing, damaged or shorter than the index says.
    """
    path = prefix if named is None else named
    index = prefix.with_name(prefix.name + ".index")
    if not index.is_file():
        raise refusals.damaged(path, f"lacks its variables: there is no {index.name}")
    shards = _shards(path, prefix)
    if set("[]*?") & set(str(prefix)):
        raise refusals.foreign(path, "has a character of [ ] * ? in its path", _RENAME)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        claimed = {key: math.prod(shape) * dtype_size(dtypes[key]) for key, shape in shapes.items()}
        if shapes.get(_OBJECTS) == []:
            claimed[_OBJECTS] = len(reader.get_tensor(_OBJECTS))  # a text: the index does not say how long
    # TensorFlow raises most of its errors, and some of Python's, on damage.
    except Exception as error:
        raise refusals.damaged(
            path, f"has variables that are truncated or damaged, or a damaged {index.name}"
        ) from error
    stored = sum(shard.stat().st_size for shard in shards)
    total = sum(claimed.values())
    if total > stored:
        raise refusals.damaged(
            path, f"is truncated or damaged: its variables take {total} bytes, and its files hold {stored}"
        )
    refuse_inflated(path, "its variables", total, stored)
    variables = {key: tuple(shape) for key, shape in shapes.items() if key != _OBJECTS}
    return Checkpoint(
        prefix, variables, sum(claimed[key] for key in variables), (index, *shards), of_objects=_OBJECTS in shapes
    )


def _shards(path, prefix):
    """The files of values."""
    found = sorted(file for file in prefix.parent.iterdir() if file.name.startswith(f"{prefix.name}.data-"))
    counts = {match[1] for shard in found if (match := re.search(r"-of-(\d{5})$", shard.name))}
    if len(counts) != 1 or len(found) != int(counts.pop()):
        raise refusals.damaged(path, f"lacks its variables: not all of {prefix.name}.data-* are there")
    return found
