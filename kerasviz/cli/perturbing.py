"""Perturbing many picture files: the work behind `perturb`."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasviz import plotting
from kerasviz.cli.classes import resolve
from kerasviz.cli.folder import Folder
from kerasviz.cli.models import Opened
from kerasviz.cli.pictures import Frame
from kerasviz.cli.preparation import frame_of, with_preprocess
from kerasviz.errors import ImageError
from kerasviz.plotting.saving import rendered
from kerasviz.predictions import Classes
from kerasviz.synthesis.perturbation.attack import Attack
from kerasviz.synthesis.perturbation.deep_fool import DeepFool
from kerasviz.synthesis.perturbation.stepping import FGSM, PGD

NAME = "perturbed"
#: What distances are measured in.
UNIT = "pixel values, 0 to 255"
_BOUNDS = (0, 255)


@dataclass(frozen=True)
class Result:
    """One image: what was found near it, and the files; or why it was skipped.

    Attributes:
        image: the picture file.
        row: of `Perturbed.rows`.
        sheet: the name of the picture of the sum.
        picture: the name of the changed picture; None without bounds.
        arrays: the name of the folder with the arrays.
        reason: why it was skipped.
    """

    image: Path
    row: dict | None = None
    sheet: str | None = None
    picture: str | None = None
    arrays: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Perturbing:
    """All that is settled before the first image is read.

    Attributes:
        images: the picture files.
        opened: the model.
        classes: of the output that counts.
        frame: how pictures are brought to the network's size.
        folder: where results go.
        attack: compiled.
        arguments: of its calls, beside the images.
        radius: in pixel values; None for an attack without.
        target: the class to reach, or None.
    """

    images: list[Path]
    opened: Opened
    classes: Classes
    frame: Frame
    folder: Folder
    attack: Attack
    arguments: dict
    radius: float | None
    target: int | None

    def run(self, status=lambda text: None) -> Iterator[Result]:
        """Perturb batch by batch; yields each image when its files are written, or when it is skipped.

        Args:
            status: gets a few words about what goes on.
        """
        size = 1 if self.frame.free else self.attack.batch_size
        numbered = iter(enumerate(self.images))
        while batch := list(itertools.islice(numbered, size)):
            numbers, pixels = [], []
            for number, image in batch:
                status(f"{number}/{len(self.images)} reading {image.name}")
                try:
                    pixels.append(self.frame.read(image)[0])
                    numbers.append(number)
                except ImageError as error:
                    yield Result(image, reason=str(error))
            if numbers:
                status(f"{numbers[0]}/{len(self.images)} perturbing")
                stacked = np.stack(pixels)
                yield from self._kept(numbers, stacked, self.attack(stacked, **self.arguments))

    def _kept(self, numbers, pixels, found):
        self.folder.open()
        labels = self.classes.labels
        for i, (number, row) in enumerate(zip(numbers, found.rows(labels), strict=True)):
            image, stem, one = self.images[number], self.folder.stems[number], found.select(slice(i, i + 1))
            before, after = (self.name(row[key]) for key in ("class", "new_class"))
            about = {"Title": f"{before} perturbed: {after}", "Source": str(image), **found.settings}
            sheet, picture = self.folder.name(stem), None
            figure = one.plot(pixels[i : i + 1], labels=labels, value_range=_BOUNDS)
            plotting.save_png(self.folder.path / sheet, rendered(figure), about)
            if found.bounds is not None:
                picture = self.folder.name(stem, NAME, after)
                plotting.save_png(self.folder.path / picture, one.pictures()[0], about)
            arrays = one.save(self.folder.arrays(stem, NAME), labels=labels, overwrite=self.folder.overwrite)
            yield Result(image, row, sheet, picture, arrays.name)

    def name(self, index: int) -> str:
        """The label of a class, or else its number."""
        return self.classes.label(index) or f"class {index}"


def prepare_perturbing(
    opened: Opened,
    images: list[Path],
    folder: Folder,
    *,
    method: str,
    norm: str,
    radius: float | None,
    steps: int | None,
    target: str | None,
    bounded: bool,
    output: str | None,
    sides: tuple[int, int] | None,
    fit: str,
    batch_size: int,
    seed: int,
) -> Perturbing:
    """Check everything that can be checked without the images, and construct the attack.

    Args:
        opened: the model.
        images: the picture files.
        folder: where results go.
        method: "fgsm", "pgd" or "deepfool".
        norm: "linf" or "l2".
        radius: in pixel values of 0..255; None for "deepfool".
        steps: None for the default, and for "fgsm".
        target: the class to reach, a number or a label; None for any other.
        bounded: whether values keep within 0..255.
        output: of a model with several.
        sides: height and width for a network that takes any size.
        fit: as for `kerasviz.data.load_image`.
        batch_size: images that run at once.
        seed: of the random start of "pgd".

    Raises:
        KerasvizError: something does not fit; the message names the option.
    """
    frame = frame_of(opened, sides, fit)
    classes = Classes(opened.network, opened.labels, output)
    index = None if target is None else resolve(classes, target)
    opened = with_preprocess(opened, frame)
    attack = {"fgsm": FGSM, "pgd": PGD, "deepfool": DeepFool}[method](
        opened.model,
        norm=norm,
        **({} if steps is None else {"steps": steps}),
        preprocess=opened.preprocess,
        output=output,
        bounds=_BOUNDS if bounded else None,
        batch_size=batch_size,
    )
    arguments = {"target": index}
    if radius is not None:
        arguments["radius"] = radius
    if method == "pgd":
        arguments["seed"] = seed
    return Perturbing(images, opened, classes, frame, folder, attack, arguments, radius, index)
