"""Densely labelled images of one's own, in a plain folder."""

import os
import stat
from pathlib import Path

import numpy as np

from kerasviz.data.concepts.base import ConceptData, Labelled
from kerasviz.data.concepts.layers import category_of, check_category, files_below, layer_folders
from kerasviz.data.concepts.numbering import Numbering, whole_number
from kerasviz.data.concepts.pictures import (
    FITS,
    fitted_image,
    fitted_labels,
    read_image,
    read_numbers,
    same_shape,
)
from kerasviz.data.concepts.settings import check_channels, check_size, choose_categories
from kerasviz.data.concepts.tables import FaultError, Files, Table, check_folder, check_inside
from kerasviz.data.finding import find_images
from kerasviz.errors import DataError, ImageError, SettingError

LABELS, TAGS = "labels.csv", "tags.csv"
LABEL_COLUMNS, TAG_COLUMNS = ("number", "name", "category"), ("image", "name", "category")


class ConceptFolder(ConceptData):
    r"""A folder of images, and for each category a folder of masks. `write_concept_folder` makes an example.

    ::

        labels.csv
        images/street/a.jpg
        masks/object/street/a.png
        masks/part/street/a.png
        masks/part.2/street/a.png
        tags.csv

    - `images/`: pictures of any kind that `kerasviz.data.load_image` reads and any size, in folders as one likes. No
      two differ in the suffix alone.
    - `labels.csv` with the columns `number,name,category`: which number in the masks of a category (1 to 65535)
      stands for which concept. Numbers may be used again in another category; two numbers with the same name and
      category are one concept. A category is named as a folder can be, and not like "part.2".
    - `masks/CATEGORY/NAME.png`, for the image `images/NAME.jpg`: PNG with one channel of up to 16 bits, or with a
      palette, whose values (indices) are numbers from `labels.csv`, 0 for nothing. A mask covers its whole image and
      has its aspect ratio, at any resolution. It is upright, even where EXIF data turn the image. A missing mask
      says that the image is not labelled for that category; one that is 0 everywhere counts as the same in
      dissection.
    - `masks/CATEGORY.2/NAME.png`, `masks/CATEGORY.3/...`: more masks of the category, where a pixel shows several of
      its concepts.
    - `tags.csv`, may be missing, with the columns `image,name,category`: a concept of `labels.csv` that the whole of
      an image shows. `image` is its path within `images/`, with its suffix.

    The tables are UTF-8. For example `labels.csv` ::

        number,name,category
        1,car,object
        1,wheel,part
        2,"window, open",part
        1,street,scene

    and `tags.csv` ::

        image,name,category
        street/a.jpg,street,scene

    What is wrong in the tables, masks without an image and unknown folders are told in `faults`, and left out. A
    damaged file, a mask of another aspect ratio and an unknown number are a `DataError` of `read`. Images without
    any label in the chosen categories are passed over. Opening asks each file's state once, and opens none: some ten
    seconds for 63,000 images with two masks each.

    Args:
        folder: the one that holds `labels.csv`.
        image_size: `(height, width)` of the images read, or one number for both.
        map_size: the same for the label maps, which are resized by nearest neighbour; None means `image_size`. Half
            of it makes dissection about four times cheaper.
        fit: how an image meets another aspect ratio: `"crop"` or `"stretch"`, as for `kerasviz.data.load_image`. The
            masks are cut as the image is.
        categories: those to read; None means all.
        channels: 3 for RGB images, 1 for grey ones.

    Attributes:
        concepts: in the order of `labels.csv`.
        faults: such as `"tags.csv line 3: there is no image 'street/b.jpg'"`.

    Raises:
        DataError: `labels.csv` or `images` is missing, or no image can be used.
        SettingError: an argument is out of range.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from PIL import Image
        >>> from kerasviz.data.concepts import ConceptFolder
        >>> with tempfile.TemporaryDirectory() as name:
        ...     folder = pathlib.Path(name)
        ...     (folder / "images").mkdir()
        ...     (folder / "masks" / "part").mkdir(parents=True)
        ...     Image.new("RGB", (6, 4), "white").save(folder / "images" / "a.jpg")
        ...     Image.fromarray(np.array([[0, 2, 0], [2, 0, 0]], np.uint8)).save(folder / "masks" / "part" / "a.png")
        ...     _ = (folder / "labels.csv").write_text("number,name,category\n2,wheel,part\n1,street,scene\n")
        ...     _ = (folder / "tags.csv").write_text("image,name,category\na.jpg,street,scene\n")
        ...     data = ConceptFolder(folder, image_size=(4, 6), map_size=(2, 3))
        ...     sample = data.read(0)
        >>> data.concepts
        (Concept(name='wheel', category='part'), Concept(name='street', category='scene'))
        >>> sample.maps.tolist(), sample.tags
        ([[[0, 1, 0], [1, 0, 0]]], (2,))
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        image_size: int | tuple[int, int],
        map_size: int | tuple[int, int] | None = None,
        fit: str = "crop",
        categories: list[str] | None = None,
        channels: int = 3,
    ):
        self.image_size = check_size("image_size", image_size)
        self.map_size = self.image_size if map_size is None else check_size("map_size", map_size)
        if fit not in FITS:
            raise SettingError(f"fit={fit!r} is unknown", expected="'crop' or 'stretch'", mend="Choose one of these")
        self._fit, self._channels = fit, check_channels(channels)
        folder = check_folder(folder)
        table = Table(folder, LABELS, LABEL_COLUMNS)
        entries, faults = _read_labels(table)
        known = list(dict.fromkeys(category for _, _, category in entries))
        chosen = choose_categories(categories, known)
        self._numbering = Numbering([entry for entry in entries if entry[2] in chosen], LABELS)
        self.concepts = self._numbering.concepts
        tags = Table(folder, TAGS, TAG_COLUMNS) if (folder / TAGS).exists() else None

        sizes = self.image_size, self.map_size, self._channels
        self._files = Files(folder, "folder", 1, self.concepts, sizes, fit, table.digest, tags and tags.digest)
        names = self._find_images(folder, faults)
        self._layers, has_mask = self._find_masks(folder, names, known, chosen, faults)
        tagged = (
            {} if tags is None else self._read_tags(tags, names, {(name, kind) for _, name, kind in entries}, faults)
        )
        self.faults = tuple(faults)
        kept = [i for i in range(len(names)) if has_mask[i].any() or i in tagged]
        if not kept:
            raise DataError(
                f"No image in {folder / 'images'} can be used: none has a label, and there are {len(faults)} faults"
                + (f", the first: {faults[0]}" if faults else ""),
                expected="masks named as the images are, or tags",
                mend="Correct the files, or choose other categories",
            )
        self._names, self._has_mask = [names[i] for i in kept], has_mask[kept]
        self._tags = {place: tuple(tagged[i]) for place, i in enumerate(kept) if i in tagged}

    def __len__(self):
        return len(self._names)

    @property
    def fingerprint(self) -> str:
        """As the set was when it was opened; as for `Broden.fingerprint`."""
        return self._files.fingerprint

    def name_of(self, number: int) -> str:
        """The image's path within the folder."""
        return f"images/{self._names[self.checked(number)]}"

    def read(self, number: int) -> Labelled:
        """An image and its labels, a map for each of its masks."""
        name = self.name_of(number)
        image = read_image(self._files.path(name), self._channels)
        maps = [
            self._read_mask(f"masks/{layer}/{_stem(self._names[number])}.png", category, image)
            for (layer, category), there in zip(self._layers, self._has_mask[number], strict=True)
            if there
        ]
        maps = np.stack(maps) if maps else np.zeros((0, *self.map_size), self._numbering.dtype)
        return Labelled(fitted_image(image, self.image_size, self._fit), maps, self._tags.get(int(number), ()))

    def _read_mask(self, name, category, image):
        numbers = read_numbers(self._files.path(name), name)
        if not same_shape(numbers, image):
            raise DataError(
                f"{name} is {numbers.shape[0]} x {numbers.shape[1]} pixels (height x width), "
                f"and its image {image.shape[0]} x {image.shape[1]}",
                expected="the image's aspect ratio",
                mend="Make the mask again",
            )
        codes = self._numbering.codes(numbers, category, name)
        fitted = fitted_labels(codes.astype(np.int32), self.map_size, self._fit, self.image_size)
        return fitted.astype(codes.dtype)

    def _find_images(self, folder, faults):
        """The images that are there, by their paths within `images/`."""
        try:
            found = find_images(folder / "images") if (folder / "images").is_dir() else []
        except ImageError:
            found = []
        names, stems, prefix = [], {}, (folder / "images").as_posix() + "/"
        for path in found:
            name = path.as_posix().removeprefix(prefix)
            other = stems.setdefault(_stem(name), name)
            try:
                if other != name:
                    raise FaultError(f"images/{name} has the same masks as images/{other}")
                self._files.see(f"images/{name}")
            except FaultError as fault:
                faults.append(str(fault))
            else:
                names.append(name)
        if not names:
            raise DataError(
                f"{folder / 'images'} holds no pictures",
                expected="the images of the data set",
                mend="Put them there, or name the folder above it",
            )
        return names

    def _find_masks(self, folder, names, known, chosen, faults):
        """The folders of masks as `(folder, category)`, and for each image which of them have one."""
        found = layer_folders(folder / "masks")
        for layer in found:
            if category_of(layer) not in known:
                faults.append(f"masks/{layer}: {LABELS} has no category {category_of(layer)!r}")
        layers = [(layer, category) for category in chosen for layer in found if category_of(layer) == category]
        places = {_stem(name): i for i, name in enumerate(names)}
        has_mask = np.zeros((len(names), len(layers)), bool)
        for column, (layer, _) in enumerate(layers):
            for name, status in files_below(folder / "masks" / layer):
                mask = f"masks/{layer}/{name}"
                place = places.get(_stem(name))
                if isinstance(status, OSError):
                    faults.append(f"{mask} cannot be read: {status}")
                elif not name.endswith(".png") or not stat.S_ISREG(status.st_mode):
                    faults.append(f"{mask} is no PNG file")
                elif place is None:
                    faults.append(f"{mask}: there is no image {_stem(name)!r}")
                else:
                    has_mask[place, column] = True
                    self._files.note(mask, status)
        return layers, has_mask

    def _read_tags(self, table, names, labels, faults):
        """The codes of the concepts that whole images show, by the images' places."""
        places = {name: i for i, name in enumerate(names)}
        codes = {concept: code for code, concept in enumerate(self.concepts, 1)}
        tagged, wrong = {}, []
        for line, values in table:
            image, label = values["image"], (values["name"], values["category"])
            try:
                check_inside(image)
                if image not in places:
                    raise FaultError(f"there is no image {image!r}")
                if label not in labels:
                    raise FaultError(f"{LABELS} has no {label[0]!r} of the category {label[1]!r}")
            except FaultError as fault:
                wrong.append((line, table.fault(line, fault)))
            else:
                if label in codes:
                    tagged.setdefault(places[image], {})[codes[label]] = None
        faults += [text for _, text in sorted(wrong + table.faults)]
        return tagged


def _read_labels(table):
    """`(number, name, category)` of the labels that make sense, and the faults of the others."""
    entries, faults, seen = [], [], set()
    for line, values in table:
        try:
            number, name, category = whole_number("number", values["number"]), values["name"], values["category"]
            if not name:
                raise FaultError("name is empty")
            check_category(category)
            if (number, category) in seen:
                raise FaultError(f"{category!r} has the number {number} already")
        except FaultError as fault:
            faults.append((line, table.fault(line, fault)))
        else:
            seen.add((number, category))
            entries.append((number, name, category))
    return entries, [text for _, text in sorted(faults + table.faults)]


def _stem(name):
    return os.path.splitext(name)[0]  # noqa: PTH122 - a path object takes ten times as long
