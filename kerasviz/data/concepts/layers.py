"""The folders of masks: one for each category, more where a pixel shows several of its concepts."""

import os
import re
from pathlib import Path

from kerasviz.data.concepts.tables import FaultError, check_inside

# "part", "part.2", "part.3".
_LAYER = re.compile(r"(.+?)(?:\.([2-9]|[1-9][0-9]+))?", re.DOTALL)


def layer_folder(category: str, number: int) -> str:
    """The name of a category's folder of masks, counted from 1."""
    return category if number == 1 else f"{category}.{number}"


def category_of(layer: str) -> str:
    """The category that a folder of masks belongs to."""
    return _LAYER.fullmatch(layer)[1]


def check_category(category: str):
    """Refuse what cannot be a category's folder.

    Raises:
        FaultError: it is empty, leads elsewhere, or reads as the second folder of another.
    """
    check_inside(category)
    if not category or category.startswith(".") or re.search(r"[/\\]", category) or category_of(category) != category:
        raise FaultError(
            f"the category {category!r} cannot name a folder of masks: "
            "it is empty, begins with a dot, has a slash, or ends like 'part.2'"
        )


def layer_folders(parent: Path) -> list[str]:
    """The names of all folders of masks, those of a category in the order of their numbers."""
    if not parent.is_dir():
        return []
    names = [path.name for path in parent.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(names, key=lambda name: (category_of(name), int(_LAYER.fullmatch(name)[2] or 1)))


def files_below(folder: Path) -> list[tuple[str, os.stat_result | OSError]]:
    """All files of a folder and the folders in it, by their paths, each with its state, asked once.

    Names that begin with a dot are left out. Linked folders are not entered, since they may lead in a circle.
    """
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        # As text: joining 100,000 paths as objects would take longer than all else.
        prefix = Path(parent).relative_to(folder).as_posix() + "/"
        prefix = "" if prefix == "./" else prefix
        for name in names:
            if not name.startswith("."):
                try:
                    status = os.stat(f"{parent}/{name}")  # noqa: PTH116
                except OSError as error:
                    status = error
                found.append((prefix + name, status))
    return sorted(found, key=lambda entry: entry[0])
