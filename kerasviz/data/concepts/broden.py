"""The format of Broden, the data set of network dissection."""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasviz import progress
from kerasviz.data.concepts.base import ConceptData, Labelled
from kerasviz.data.concepts.numbering import Numbering, whole_number
from kerasviz.data.concepts.pictures import fitted_image, fitted_labels, read_image, read_red_green
from kerasviz.data.concepts.settings import check_channels, check_size, choose_categories
from kerasviz.data.concepts.tables import FaultError, Files, Table, check_folder, check_inside
from kerasviz.errors import DataError

_SIZES = ("ih", "iw", "sh", "sw")
_NUMBER = re.compile("[0-9]{1,9}")
_CATEGORY = re.compile(r"\s*([^()]*[^()\s])\s*(?:\([^()]*\))?\s*")


class Broden(ConceptData):
    r"""A data set in the format of Broden (Bau et al. 2017, "Network Dissection", section 2.1).

    It can be had from the authors at three sizes, `broden1_224`, `broden1_227` and `broden1_384`: 63,305 images with
    1,197 concepts. The format, of which a set of one's own may be made:

    - `images/`: the images, in folders as one likes, and beside them the masks. A mask is a colour PNG; red + 256 *
      green of a pixel is the number of the label that it shows, 0 nothing. Blue is not used.
    - `label.csv` with the columns `number` (from 1 to 65535), `name` and `category`, and others that are not read
      (`frequency,coverage,syns`). `category` lists the categories in which the label occurs, each with its number
      of images: `material(36);object(3)`. The numbers in brackets are not read, and may be missing.
    - `index.csv`, a row for each image, with the columns `image` (path within `images/`), `ih` and `iw` (the image's
      height and width), `sh` and `sw` (those of its masks), and one for each category. A category's cell is empty or
      lists, with `;` between, PNG files (paths within `images/`) and numbers of labels that hold for the whole
      image. Other columns, such as `split`, are not read.

    A whole set with one image: `index.csv` is ::

        image,split,ih,iw,sh,sw,object,part,scene
        street/a.jpg,train,224,224,112,112,street/a_object.png,street/a_part_1.png;street/a_part_2.png,3

    and `label.csv` is ::

        number,name,category,frequency,coverage,syns
        1,car,object(1),1,0.2,auto
        2,wheel,part(1);object(1),1,0.02,
        3,street,scene(1),1,1.0,

    A concept is a label in a category: here there are four, "wheel" of objects and "wheel" of parts among them. All CSV
    files are UTF-8; `category.csv` and `c_*.csv` of the published set are not needed.

    Opening reads the two tables and looks whether the files are there: a few seconds for the published set, and some
    20 MB. What is wrong there is told in `faults`, and left out: a row with too few values, with a missing file, an
    unknown label number, a path that leads outside the folder, or other sizes than most rows have. What only the
    pixels tell (a damaged file, another size than the index says, an unknown label number) is a `DataError` of
    `read`. Images without a label in the chosen categories are passed over, as in the original.

    Args:
        folder: the one that holds `index.csv`.
        categories: those to read; None means all. The others' masks are neither looked for nor read.
        image_size: `(height, width)` to stretch the images to (bicubic, as in `kerasviz.data.load_image`); None
            leaves them as they are, and takes those of the most frequent size.
        map_size: the same for the label maps, by nearest neighbour.
        channels: 3 for RGB images, 1 for grey ones.

    Attributes:
        concepts: by category in the order of the index's columns, then in the order of `label.csv`.
        faults: such as `"index.csv line 17: images/street/a_part_1.png is missing"`.

    Raises:
        DataError: `index.csv` or `label.csv` is missing or no such table, or no image can be used.
        SettingError: an argument is out of range.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from PIL import Image
        >>> from kerasviz.data.concepts import Broden
        >>> with tempfile.TemporaryDirectory() as name:
        ...     folder = pathlib.Path(name)
        ...     (folder / "images").mkdir()
        ...     Image.new("RGB", (6, 4), "white").save(folder / "images" / "a.png")
        ...     mask = np.zeros((2, 3, 3), np.uint8)
        ...     mask[0, 1] = 44, 1, 0  # 44 + 256 * 1 = 300
        ...     Image.fromarray(mask).save(folder / "images" / "a_part.png")
        ...     _ = (folder / "label.csv").write_text("number,name,category\n300,wheel,part(1)\n7,street,scene(1)\n")
        ...     _ = (folder / "index.csv").write_text(
        ...         "image,ih,iw,sh,sw,part,scene\na.png,4,6,2,3,a_part.png,7\ngone.png,4,6,2,3,,7\n"
        ...     )
        ...     data = Broden(folder)
        ...     sample = data.read(0)
        >>> data.concepts
        (Concept(name='wheel', category='part'), Concept(name='street', category='scene'))
        >>> sample.maps.tolist(), sample.tags
        ([[[0, 1, 0], [0, 0, 0]]], (2,))
        >>> data.faults
        ('index.csv line 3: images/gone.png is missing',)
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        categories: list[str] | None = None,
        image_size: int | tuple[int, int] | None = None,
        map_size: int | tuple[int, int] | None = None,
        channels: int = 3,
    ):
        image_size = None if image_size is None else check_size("image_size", image_size)
        map_size = None if map_size is None else check_size("map_size", map_size)
        self._channels = check_channels(channels)
        folder = check_folder(folder)
        index = Table(folder, "index.csv", ("image", *_SIZES))
        labels = Table(folder, "label.csv", ("number", "name", "category"))
        known, entries, faults = _read_labels(labels, index.header)
        self._categories = choose_categories(categories, known)
        entries = [entry for category in self._categories for entry in entries if entry[2] == category]
        self._numbering = Numbering(entries, "label.csv")
        self.concepts = self._numbering.concepts

        rows, row_faults = self._read_index(index)
        self.image_size = image_size or _usual([row.sizes[:2] for row in rows])
        self.map_size = map_size or _usual([row.sizes[2:] for row in rows if row.has_masks] or [self.image_size])
        sizes = self.image_size, self.map_size, self._channels
        self._files = Files(folder, "broden", 1, self.concepts, sizes, index.digest, labels.digest)
        kept, file_faults = self._look(rows, index, image_size, map_size)
        self.faults = (*faults, *(text for _, text in sorted(row_faults + file_faults)))
        if not kept:
            raise DataError(
                f"No image of {folder / 'index.csv'} can be used: {len(self.faults)} faults"
                + (f", the first: {self.faults[0]}" if self.faults else ""),
                expected="rows with labels, whose files are there",
                mend="Correct the files, or choose other categories",
            )
        # One text a row, and one array for all sizes: a tenth of what objects would take.
        self._rows = [row.text for row in kept]
        self._sizes = np.array([row.sizes for row in kept], np.int32)

    def __len__(self):
        return len(self._rows)

    @property
    def fingerprint(self) -> str:
        """As the set was when it was opened.

        Depends on the content of both tables, on the arguments, and on the path, size and time of change of every
        file. The files themselves are not read, so that it costs nothing for 63,000 images; a file that is replaced
        counts as changed even by one of the same content.
        """
        return self._files.fingerprint

    def name_of(self, number: int) -> str:
        """The image's path within the folder."""
        return "images/" + self._rows[self.checked(number)].split("\0")[0]

    def read(self, number: int) -> Labelled:
        """An image and its labels; the masks in the order of the categories, then of the index."""
        name, *cells = self._rows[self.checked(number)].split("\0")
        sizes = tuple(self._sizes[number].tolist())
        image = read_image(self._files.path(f"images/{name}"), self._channels)
        if image.shape[:2] != sizes[:2]:
            raise DataError(
                f"images/{name} is {image.shape[0]} x {image.shape[1]} pixels (height x width)",
                expected=f"{sizes[0]} x {sizes[1]}, as index.csv says",
                mend="Correct ih and iw in index.csv, or the image",
            )
        maps, tags = [], []
        for category, cell in zip(self._categories, cells, strict=True):
            for item in _items(cell):
                if isinstance(item, int):
                    tags.append(self._numbering.code(item, category))
                else:
                    maps.append(self._read_mask(f"images/{item}", category, sizes[2:]))
        maps = np.stack(maps) if maps else np.zeros((0, *self.map_size), self._numbering.dtype)
        tags = tuple(dict.fromkeys(code for code in tags if code))
        return Labelled(fitted_image(image, self.image_size, "stretch"), maps, tags)

    def _read_mask(self, name, category, size):
        numbers = read_red_green(self._files.path(name), name, size)
        codes = self._numbering.codes(numbers, category, name)
        return fitted_labels(codes.astype(np.int32), self.map_size, "stretch", self.image_size).astype(codes.dtype)

    def _read_index(self, index):
        """All rows that make sense by themselves, and the faults of the others by line."""
        rows, faults = [], []
        for line, values in index:
            try:
                sizes = tuple(whole_number(name, values[name]) for name in _SIZES)
                items = [(category, item) for category in self._categories for item in _items(values[category])]
                check_inside(values["image"])
                for category, item in items:
                    if isinstance(item, int):
                        self._numbering.code(item, category)
                    else:
                        check_inside(item)
                if not values["image"]:
                    raise FaultError("image is empty")
            except FaultError as fault:
                faults.append((line, index.fault(line, fault)))
            else:
                if any(item for _, item in items):
                    text = "\0".join([values["image"], *(values[category] for category in self._categories)])
                    rows.append(_Row(line, sizes, text, any(isinstance(item, str) for _, item in items)))
        return rows, faults + index.faults

    def _look(self, rows, index, image_size, map_size):
        """Of the rows, those whose files are there and of the right size, and the faults of the others by line."""
        kept, faults = [], []
        with progress.bar(len(rows), "Looking for the files") as advance:
            for row in rows:
                try:
                    if image_size is None:
                        _check("ih x iw", row.sizes[:2], self.image_size, "image_size")
                    if map_size is None and row.has_masks:
                        _check("sh x sw", row.sizes[2:], self.map_size, "map_size")
                    name, *cells = row.text.split("\0")
                    self._files.see(f"images/{name}")
                    for item in (item for cell in cells for item in _items(cell)):
                        if isinstance(item, str):
                            self._files.see(f"images/{item}")
                except FaultError as fault:
                    faults.append((row.line, index.fault(row.line, fault)))
                else:
                    kept.append(row)
                advance()
        return kept, faults


class _Row(NamedTuple):
    line: int
    sizes: tuple[int, int, int, int]
    text: str
    has_masks: bool


def _read_labels(table, header):
    """The categories that are columns of the index, `(number, name, category)` of the labels, and the faults."""
    columns = [name for name in header if name not in ("image", "split", *_SIZES)]
    entries, faults, seen = [], [], set()
    for line, values in table:
        try:
            number = whole_number("number", values["number"])
            if number in seen:
                raise FaultError(f"number {number} is there twice")
            if not values["name"]:
                raise FaultError("name is empty")
            named = [_CATEGORY.fullmatch(part) for part in values["category"].split(";") if part.strip()]
            if not named or None in named:
                raise FaultError(f"category is {values['category']!r}, not such as 'object(3);part(1)'")
        except FaultError as fault:
            faults.append((line, table.fault(line, fault)))
            continue
        seen.add(number)
        for category in dict.fromkeys(match[1] for match in named):
            if category in columns:
                entries.append((number, values["name"], category))
            else:
                faults.append((line, table.fault(line, f"index.csv has no column for the category {category!r}")))
    mentioned = {category for _, _, category in entries}
    texts = [text for _, text in sorted(faults + table.faults)]
    return [name for name in columns if name in mentioned], entries, texts


def _items(cell):
    """The entries of a category's cell: label numbers as int, files as str."""
    parts = (part.strip() for part in cell.split(";"))
    return [int(part) if _NUMBER.fullmatch(part) else part for part in parts if part]


def _usual(sizes):
    return Counter(sizes).most_common(1)[0][0] if sizes else (1, 1)


def _check(columns, size, usual, setting):
    if size != usual:
        raise FaultError(
            f"{columns} is {size[0]} x {size[1]}, and {usual[0]} x {usual[1]} in most rows; {setting} would fit them"
        )
