"""The true boxes of pictures: which rows of an annotation file belong to which picture and class."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasviz import data
from kerasviz.cli.classes import resolve
from kerasviz.data.annotations import Annotations
from kerasviz.errors import DataError, KerasvizError
from kerasviz.predictions import Classes


@dataclass(frozen=True)
class Case:
    """One annotated class of one image: the file, its place in the list, the class, and its boxes in the file."""

    image: Path
    number: int
    label: int
    boxes: np.ndarray


def find_cases(files: list[Path], truth: Annotations, classes: Classes) -> tuple[list[Case], list[str], list[Path]]:
    """The cases, rows that make none with the reasons, and files without an annotation.

    Args:
        files: the picture files.
        truth: the annotations; names fit the ends of the files' paths.
        classes: of the network.

    Raises:
        DataError: there is no case.
    """
    faults, cases, annotated = list(truth.faults), [], set()
    for name, objects in truth.images.items():
        found = [n for n, file in enumerate(files) if file.as_posix() == name or file.as_posix().endswith(f"/{name}")]
        if len(found) != 1:
            many = ", ".join(str(files[n]) for n in found)
            faults.append(
                f"image {name!r}: " + (f"several files fit: {many}" if found else "it is not among the images")
            )
            continue
        annotated.add(found[0])
        by_class: dict[int, list] = {}
        for label, box in objects:
            try:
                by_class.setdefault(resolve(classes, label), []).append(box)
            except KerasvizError as error:
                faults.append(f"image {name!r}: {error}")
        cases += [Case(files[found[0]], found[0], k, np.array(boxes, float)) for k, boxes in by_class.items()]
    if not cases:
        reason = faults[0] if faults else "the file has no rows"
        raise DataError(
            f"None of the {len(files)} images has an annotation that can be used; the first reason: {reason}",
            expected="annotations whose file names are those of the images, with labels of the model",
            mend="Compare the names in the file with those of the images",
        )
    return cases, faults, [file for n, file in enumerate(files) if n not in annotated]


def scale_of(file: Path, shape: tuple[int, int]) -> np.ndarray:
    """`(4,)`, by which boxes in pixels of an input, the stretched picture, are multiplied for those of the file.

    Args:
        file: of the picture.
        shape: height and width of the input.

    Raises:
        ImageError: it cannot be read.
    """
    height, width = data.load_image(file).shape[:2]
    return np.array([width / shape[1], height / shape[0]] * 2)
