"""Searching critical samples among many picture files: the work behind `memorization`."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kerasviz import data
from kerasviz.cli.models import Opened
from kerasviz.cli.pictures import Frame
from kerasviz.cli.preparation import frame_of, with_preprocess
from kerasviz.errors import ImageError
from kerasviz.generalization.critical_search import CriticalSampleSearch
from kerasviz.generalization.curve import checked_radii, curve_of_block
from kerasviz.generalization.curve_record import CriticalSampleCurve
from kerasviz.generalization.searches import Search
from kerasviz.predictions import Classes

#: What radii are measured in.
UNIT = "pixel values, 0 to 255"


@dataclass(frozen=True)
class Shown:
    """A found point that is drawn.

    Attributes:
        image: the picture file.
        before: `(H, W, C)` uint8, as the network sees it.
        after: `(H, W, C)` float32, the found point.
        radius: within which it was found.
        classes: the names of the class before and after.
    """

    image: Path
    before: np.ndarray
    after: np.ndarray
    radius: float
    classes: tuple[str, str]


@dataclass
class Memorized:
    """What was found so far; points are kept only where they are drawn.

    Attributes:
        images: the files that could be read.
        skipped: of the others, the file and why.
        curve: of the samples in `images`; None before the first.
        shown: those found within the smallest radii; of equal radii the first.
    """

    images: list[Path]
    skipped: list[tuple[Path, str]]
    curve: CriticalSampleCurve | None
    shown: list[Shown]


@dataclass(frozen=True)
class Memorizing:
    """All that is settled before the first image is read.

    Attributes:
        images: the picture files.
        opened: the model.
        classes: of the output that counts.
        frame: how pictures are brought to the network's size.
        search: compiled.
        radii: ascending, in pixel values of 0..255.
        seed: of the noise.
        pictures: how many found points are drawn at most.
    """

    images: list[Path]
    opened: Opened
    classes: Classes
    frame: Frame
    search: CriticalSampleSearch
    radii: np.ndarray
    seed: int
    pictures: int

    def cost(self) -> str:
        """What the work will cost at most, in words."""
        count, radii, steps = len(self.images), np.count_nonzero(self.radii), self.search.search.steps
        counted = ((count, "image"), (radii, "radius"), (steps, "step"))
        product = " x ".join(f"{number:,} {_many(word, number)}" for number, word in counted)
        return f"up to {count * radii * steps:,} passes forward and back: {product}; none for what was found already"

    def run(self, found: Memorized, status=lambda text: None) -> Iterator[str]:
        """Search batch by batch, and fill in what is found.

        Args:
            found: is filled.
            status: gets a few words about what goes on.

        Yields:
            Why a file is skipped.
        """
        size = 1 if self.frame.free else self.search.batch_size
        each = np.count_nonzero(self.radii) * self.search.search.steps  # steps for an image
        count, numbered, done = len(self.images), iter(enumerate(self.images, 1)), 0

        def advance(steps):
            nonlocal done
            done += steps
            status(f"{done / (count * each or 1):.0%}: searching {batch[0][0]} to {batch[-1][0]} of {count} images")

        while batch := list(itertools.islice(numbered, size)):
            readable, pixels = [], []
            for number, image in batch:
                status(f"{done / (count * each or 1):.0%}: reading {number} of {count}, {image.name}")
                try:
                    shape = self.frame.size_of(image)
                    pixels.append(data.load_image(image, shape, fit=self.frame.fit, channels=self.frame.channels))
                    readable.append(image)
                except ImageError as error:
                    found.skipped.append((image, str(error)))
                    done += each
                    yield str(error)
            if readable:
                self._search(found, readable, np.stack(pixels), advance)

    def _search(self, found, images, pixels, advance):
        arrays = self.search.network.inputs.check(pixels)
        part = curve_of_block(self.search, arrays, self.radii, self.seed, keep_points=True, advance=advance)
        for i in np.flatnonzero(np.isfinite(part.smallest)).tolist():
            names = tuple(self._name(int(numbers[i])) for numbers in (part.classes, part.new_classes))
            # A view would keep its whole batch in memory.
            after = part.points[i].copy()
            found.shown.append(Shown(images[i], pixels[i].copy(), after, float(part.smallest[i]), names))
        found.shown = sorted(found.shown, key=lambda one: one.radius)[: self.pictures]
        part = replace(part, points=None)
        found.images += images
        found.curve = part if found.curve is None else CriticalSampleCurve.joined([found.curve, part])

    def _name(self, number):
        return self.classes.label(number) or f"class {number}"


def prepare_memorizing(
    opened: Opened,
    images: list[Path],
    *,
    output: str | None,
    sides: tuple[int, int] | None,
    fit: str,
    radii: list[float],
    search: Search,
    bounded: bool,
    batch_size: int,
    seed: int,
    pictures: int,
) -> Memorizing:
    """Check everything that can be checked without the images, and construct the search.

    Args:
        opened: the model.
        images: the picture files.
        output: of a model with several.
        sides: height and width for a network that takes any size.
        fit: as for `kerasviz.data.load_image`.
        radii: in pixel values of 0..255.
        search: its settings.
        bounded: whether found points keep within 0..255.
        batch_size: images that run at once.
        seed: of the noise.
        pictures: how many found points are drawn at most.

    Raises:
        KerasvizError: something does not fit; the message names the option.
    """
    frame = frame_of(opened, sides, fit)
    classes = Classes(opened.network, opened.labels, output)
    opened = with_preprocess(opened, frame)
    compiled = CriticalSampleSearch(
        opened.model,
        search=search,
        preprocess=opened.preprocess,
        output=output,
        bounds=(0, 255) if bounded else None,
        batch_size=batch_size,
    )
    return Memorizing(images, opened, classes, frame, compiled, checked_radii(radii), seed, pictures)


def _many(word, count):
    return word if count == 1 else {"radius": "radii"}.get(word, word + "s")
