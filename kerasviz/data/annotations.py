"""True boxes from files."""

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kerasviz.errors import DataError

COLUMNS = ("image", "label", "x0", "y0", "x1", "y1")
_EXPECTED = f"COCO JSON with images, annotations and categories, or CSV with the header {','.join(COLUMNS)}, in UTF-8"


class Annotation(NamedTuple):
    """One object of an image.

    Attributes:
        label: the name of its class.
        box: `(x0, y0, x1, y1)` in pixels of the image as it was annotated, `x1` and `y1` exclusive; may have
            fractions and reach beyond the image.
    """

    label: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Annotations:
    """What an annotation file says.

    Attributes:
        images: for each image, by its file name as the file gives it, its objects in the file's order. COCO lists
            images without objects, too.
        faults: the entries that were left out, each with its place and the reason: "line 7: x1 is 'wide', ...".
    """

    images: dict[str, list[Annotation]]
    faults: tuple[str, ...]


def read_annotations(path: str | Path) -> Annotations:
    r"""Read the true boxes of a set of images.

    Two kinds of file are known, and told apart by their first character:

    - COCO's JSON: an object with `images` (`id`, `file_name`), `categories` (`id`, `name`) and `annotations`
      (`image_id`, `category_id`, `bbox` as x, y, width, height). Crowds (`iscrowd`) are passed over, for their box is
      not that of an object.
    - CSV with the columns `image,label,x0,y0,x1,y1`, named in the first line, in any order; other columns are passed
      over. `x1` and `y1` are exclusive.

    Entries that make no sense are left out and told in `faults`: one bad line does not cost the others.

    Args:
        path: the file, UTF-8.

    Returns:
        The boxes by image, and the faults.

    Raises:
        DataError: the file cannot be read, or is neither of the two.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "boxes.csv")
        ...     _ = path.write_text("image,label,x0,y0,x1,y1\ncat.jpg,cat,10,20,50,60\ndog.jpg,dog,9,9,2,12\n")
        ...     read = read_annotations(path)
        >>> read.images
        {'cat.jpg': [Annotation(label='cat', box=(10.0, 20.0, 50.0, 60.0))]}
        >>> read.faults
        ('line 3: the box (9.0, 9.0, 2.0, 12.0) has no area',)
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _error(path, f"cannot be read: {error}") from error
    if text.lstrip()[:1] in ("{", "["):
        return _from_coco(path, text)
    return _from_csv(path, text)


class _FaultError(Exception):
    """An entry that makes no sense."""


def _from_csv(path, text):
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    images, faults = {}, []
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        missing = [name for name in COLUMNS if header.count(name) != 1]
        if missing:
            raise _error(path, f"starts with {','.join(header)[:80]!r}, without one column each for {missing}")
        for row in rows:
            if not any(value.strip() for value in row):
                continue
            try:
                image, annotation = _from_row(dict(zip(header, row, strict=False)), len(row), len(header))
            except _FaultError as fault:
                faults.append(f"line {rows.line_num}: {fault}")
            else:
                images.setdefault(image, []).append(annotation)
    except csv.Error as error:
        raise _error(path, f"cannot be understood as CSV: line {rows.line_num}: {error}") from error
    return Annotations(images, tuple(faults))


def _from_row(row, given, columns):
    if given != columns:
        raise _FaultError(f"{given} values stand in {columns} columns")
    image, label = row["image"].strip(), row["label"].strip()
    for name, value in (("image", image), ("label", label)):
        if not value:
            raise _FaultError(f"{name} is empty")
    return image, Annotation(label, _box(*(_number(row[name], name) for name in COLUMNS[2:])))


def _from_coco(path, text):
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _error(path, f"cannot be understood as JSON: {error}") from error
    keys = ("images", "annotations", "categories")
    missing = [key for key in keys if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if missing:
        raise _error(path, f"has no lists {', '.join(missing)}")
    faults = []
    files = _names(content["images"], "images", "file_name", faults)
    labels = _names(content["categories"], "categories", "name", faults)
    images = {file: [] for file in files.values()}
    for index, entry in enumerate(content["annotations"]):
        try:
            if not isinstance(entry, dict):
                raise _FaultError(f"it is {entry!r}, no object")
            if entry.get("iscrowd"):
                continue
            file = _look_up(files, entry, "image_id")
            images[file].append(Annotation(_look_up(labels, entry, "category_id"), _coco_box(entry.get("bbox"))))
        except _FaultError as fault:
            faults.append(f"annotations[{index}]: {fault}")
    return Annotations(images, tuple(faults))


def _names(entries, key, name, faults):
    """Names by their ids."""
    names = {}
    for index, entry in enumerate(entries):
        known = entry.get("id") if isinstance(entry, dict) else None
        text = entry.get(name) if isinstance(entry, dict) else None
        if not isinstance(known, int | str) or not isinstance(text, str) or not text.strip():
            faults.append(f"{key}[{index}]: it has no id or no {name}")
        elif known in names:
            faults.append(f"{key}[{index}]: the id {known!r} is there twice")
        else:
            names[known] = text.strip()
    return names


def _look_up(names, entry, key):
    known = entry.get(key)
    if not isinstance(known, int | str) or known not in names:
        raise _FaultError(f"{key} {known!r} is unknown")
    return names[known]


def _coco_box(bbox):
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise _FaultError(f"bbox is {bbox!r}, not x, y, width, height")
    x, y, width, height = (
        _number(value, name) for value, name in zip(bbox, ("x", "y", "width", "height"), strict=True)
    )
    if width <= 0 or height <= 0:
        raise _FaultError(f"the box {(x, y, width, height)} (x, y, width, height) has no area")
    return _box(x, y, x + width, y + height)


def _number(value, name):
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _FaultError(f"{name} is {value!r}, no number")
    return number


def _box(x0, y0, x1, y1):
    if x1 <= x0 or y1 <= y0:
        raise _FaultError(f"the box {(x0, y0, x1, y1)} has no area")
    return x0, y0, x1, y1


def _error(path, fault):
    return DataError(f"{path} {fault}", expected=_EXPECTED, mend="Correct the file or name another")
