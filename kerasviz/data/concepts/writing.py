"""A labelled data set, written as a plain folder."""

import colorsys
import csv
from pathlib import Path

import numpy as np
from PIL import Image

from kerasviz import progress
from kerasviz.data.concepts.base import ConceptData
from kerasviz.data.concepts.folder import LABEL_COLUMNS, LABELS, TAG_COLUMNS, TAGS
from kerasviz.data.concepts.layers import check_category, layer_folder
from kerasviz.data.concepts.numbering import LARGEST
from kerasviz.data.concepts.settings import check_size
from kerasviz.data.concepts.tables import FaultError
from kerasviz.errors import DataError
from kerasviz.writing import write_folder

_COLOURS = 255


def write_concept_folder(data: ConceptData, folder: str | Path, count: int | None = None) -> Path:
    """Write a data set in the format that `ConceptFolder` reads, whole or not at all.

    Images are written as PNG and named by their numbers, so that nothing is lost and no name can do harm. Masks have
    a palette, so that a viewer shows each concept in a colour of its own; those of sets with more than 255 concepts
    are grey with 16 bits. Concept `concepts[k]` has the number `k + 1`. Images without any label are written too, but
    `ConceptFolder` passes them over.

    Args:
        data: what to write; its categories must be good names of folders.
        folder: one that does not exist yet, or is empty.
        count: how many images, from the first on; None means all.

    Returns:
        The folder.

    Raises:
        DataError: an image cannot be read, or the set does not fit the format.
        SaveError: the folder holds something, or cannot be written.
        SettingError: `count` is not at least 1.

    Example:
        >>> import tempfile
        >>> from kerasviz.data.concepts import ConceptFolder, SceneConcepts, write_concept_folder
        >>> with tempfile.TemporaryDirectory() as name:
        ...     folder = write_concept_folder(SceneConcepts(), name, count=4)
        ...     again = ConceptFolder(folder, image_size=(64, 64))
        >>> len(again), again.concepts == SceneConcepts.concepts, again.name_of(3)
        (4, True, 'images/000003.png')
    """
    count = len(data) if count is None else min(len(data), check_size("count", count)[0])
    _check(data)
    return write_folder(folder, lambda made: _write(data, made, count))


def _check(data):
    folded = [category.casefold() for category in data.categories]
    try:
        if len(data.concepts) > LARGEST:
            raise FaultError(f"there are {len(data.concepts)} concepts, and masks count to {LARGEST}")
        if len(set(folded)) < len(folded):
            raise FaultError("two categories differ in capitals alone, which some systems' folders cannot")
        for category in data.categories:
            check_category(category)
    except FaultError as fault:
        raise DataError(
            f"The data set cannot be written as a folder: {fault}",
            expected="categories that can be names of folders",
            mend="Rename them",
        ) from fault


def _write(data, folder, count):
    (folder / "images").mkdir()
    concepts = enumerate(data.concepts, 1)
    _write_table(folder / LABELS, LABEL_COLUMNS, [(number, *concept) for number, concept in concepts])
    tags = []
    # The category of each code; 0, which is nothing, has none.
    kinds = np.array([-1, *(data.categories.index(concept.category) for concept in data.concepts)])
    with progress.bar(count, "Writing images") as advance:
        for number in range(count):
            sample, name = data.read(number), f"{number:06d}.png"
            image = sample.image if sample.image.shape[2] == 3 else sample.image[..., 0]
            Image.fromarray(image).save(folder / "images" / name)
            for kind, category in enumerate(data.categories):
                layers = [np.where(kinds[labels] == kind, labels, 0) for labels in sample.maps]
                for layer, labels in enumerate(filter(np.any, layers), 1):
                    path = folder / "masks" / layer_folder(category, layer) / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    _mask(labels, len(data.concepts)).save(path)
            tags += [(name, *data.concepts[code - 1]) for code in sample.tags]
            advance()
    if tags:
        _write_table(folder / TAGS, TAG_COLUMNS, tags)


def _write_table(path, columns, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def _mask(labels, concepts):
    if concepts > _COLOURS:
        return Image.fromarray(labels.astype(np.uint16))
    picture = Image.fromarray(labels.astype(np.uint8))
    picture.putpalette(_palette())
    return picture


def _palette():
    """Black for nothing, then colours of which neighbours differ most: hues apart by the golden ratio."""
    colours = [colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.75, 1 - number % 3 * 0.2) for number in range(1, 256)]
    return bytes([0, 0, 0, *(round(255 * value) for colour in colours for value in colour)])
