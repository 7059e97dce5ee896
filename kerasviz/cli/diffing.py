"""Reading pictures for two models, comparing these and drawing: the work behind `diff`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasviz import data, plotting
from kerasviz.cli.classes import resolve
from kerasviz.cli.console import printable
from kerasviz.cli.folder import Folder
from kerasviz.cli.models import Opened, open_model, require_image_input
from kerasviz.cli.pictures import Frame
from kerasviz.cli.preparation import frame_of, with_preprocess
from kerasviz.cli.reporting import names_of
from kerasviz.comparison import Comparison, compare
from kerasviz.errors import ImageError, SettingError
from kerasviz.plotting.saving import rendered
from kerasviz.predictions import Classes


@dataclass(frozen=True)
class Read:
    """The pictures that could be read, and why others could not.

    Attributes:
        files: of those that were read.
        numbers: of these among all.
        pixels: of each, for the first model and for the second.
        shown: of each, for the eye.
        skipped: reasons.
    """

    files: list[Path] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    pixels: tuple[list, list] = field(default_factory=lambda: ([], []))
    shown: list[np.ndarray] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Diffing:
    """All that is settled before the first image is read; see `prepare_diffing`.

    Attributes:
        opened: both models.
        files: the picture files; there may be none.
        methods: registered names, "all", or None for the default.
        folder: where pictures go, or None.
        frames: how pictures are brought to the size of each model; empty without files.
        target: the class to explain, None for what the first model predicts.
        output: the name of the output, or None.
        labels: names of the classes of each model, or None.
        batch_size: images that run at once.
        seed: for the methods that draw at random.
        settings: of the methods.
    """

    opened: tuple[Opened, Opened]
    files: list[Path]
    methods: list[str] | str | None
    folder: Folder | None
    frames: tuple[Frame, ...]
    target: int | None
    output: str | None
    labels: tuple[Sequence[str] | None, Sequence[str] | None]
    batch_size: int
    seed: int
    settings: dict

    def read(self, status=lambda text: None) -> Read:
        """Read the pictures.

        Args:
            status: gets a few words about what goes on.

        Raises:
            ImageError: there are some, and none can be read.
        """
        found = Read()
        for number, file in enumerate(self.files):
            status(f"{number}/{len(self.files)} reading {file.name}")
            try:
                pixels, shown = self.frames[0].read(file)
                same = self.frames[0] == self.frames[1]
                other = pixels if same else self.frames[1].read(file)[0]
            except ImageError as error:
                found.skipped.append(str(error))
            else:
                found.files.append(file)
                found.numbers.append(number)
                found.shown.append(shown)
                found.pixels[0].append(pixels)
                found.pixels[1].append(other)
        if self.files and not found.files:
            raise ImageError(
                f"None of the {len(self.files)} images could be read; the first reason: {found.skipped[0]}",
                expected="at least one picture",
                mend="Name other files",
            )
        return found

    def compare(self, pictures: Read) -> Comparison:
        """Compare the models.

        Args:
            pictures: of `read`.
        """
        models = [opened.model for opened in self.opened]
        if not self.files:
            return compare(*models)
        inputs = [
            data.preprocess(np.stack(pixels), opened.preprocess)
            for pixels, opened in zip(pictures.pixels, self.opened, strict=True)
        ]
        return compare(
            *models,
            inputs[0],
            images_b=inputs[1],
            methods=self.methods,
            target=self.target,
            output=self.output,
            labels=self.labels[0],
            labels_b=self.labels[1],
            names=names_of(pictures.files),
            settings=self.settings,
            batch_size=self.batch_size,
            seed=self.seed,
        )

    def draw(self, found: Comparison, pictures: Read, status=lambda text: None) -> list[str]:
        """Write a picture for each image; gives their names.

        Args:
            found: of `compare`.
            pictures: of `read`.
            status: gets a few words about what goes on.
        """
        if self.folder is None or not found.maps:
            return []
        self.folder.open()
        names = []
        for row, (number, file) in enumerate(zip(pictures.numbers, pictures.files, strict=True)):
            status(f"{row}/{len(pictures.files)} drawing {file.name}")
            name = self.folder.name(self.folder.stems[number])
            about = {
                "Title": f"{found.a.name} and {found.b.name}: {', '.join(move.title for move in found.maps)}",
                "Source": str(file),
                "models": [printable(opened.given) for opened in self.opened],
                "class": found.images[row].explained.index,
            }
            sheet = rendered(found.plot(pictures.shown, rows=[row]))
            plotting.save_png(self.folder.path / name, sheet, about)
            names.append(name)
        return names


def open_both(
    given: tuple[str, str],
    modes: tuple[str, str],
    status=lambda text: None,
    *,
    architecture: str | None = None,
    signature: str | None = None,
    **settings,
) -> tuple[Opened, Opened]:
    """Open both models.

    Args:
        given: what the user named.
        modes: of preprocessing, for each.
        status: gets a few words about what goes on.
        architecture: as for `open_model`, for those that are files.
        signature: as for `open_model`, for those that are folders.
        **settings: further ones of `open_model`.

    Raises:
        KerasvizError: as for `open_model`.
    """
    opened = []
    folders = [Path(one).is_dir() for one in given]
    names = [one.lower().startswith("keras:") or one in ("imagenet", "shapes") for one in given]
    for one, mode, is_folder, is_name in zip(given, modes, folders, names, strict=True):
        status(f"opening {one}")
        opened.append(
            open_model(
                one,
                # Where neither model is of the kind that it is for, both get it, and it is refused.
                architecture=None if is_name and not all(names) else architecture,
                signature=signature if is_folder or not any(folders) else None,
                preprocess=mode,
                **settings,
            )
        )
    return tuple(opened)


def prepare_diffing(
    opened: tuple[Opened, Opened],
    files: list[Path],
    methods: list[str] | str | None,
    folder: Folder | None,
    *,
    target: str | None = None,
    output: str | None = None,
    labels: Sequence[str] | None = None,
    sides: tuple[int, int] | None = None,
    fit: str = "crop",
    batch_size: int = 16,
    seed: int = 0,
    settings: dict | None = None,
) -> Diffing:
    """Check what can be checked without the images.

    Args:
        opened: both models.
        files: the picture files; there may be none.
        methods: registered names, "all", or None for the default.
        folder: where pictures go, or None.
        target: a class number or label.
        output: of models with several.
        labels: names of the classes of the first model; None for those that are known.
        sides: height and width for networks that take any size.
        fit: as for `kerasviz.data.load_image`.
        batch_size: images, and samples of a method, that run at once.
        seed: for the methods that draw at random.
        settings: settings of the methods, `layer` among them.

    Raises:
        KerasvizError: something does not fit; the message names the option.
    """
    frames, number = (), None
    # Those that are given are the first model's; the second gets them if it has as many classes.
    named = (opened[0].labels, opened[1].labels) if labels is None else (labels, None)
    if files:
        frames = _frames(opened, sides, fit)
        opened = tuple(with_preprocess(one, frame) for one, frame in zip(opened, frames, strict=True))
    if target is not None:
        network = opened[0].network
        classes = Classes(network, named[0], output if len(network.trace.outputs) > 1 else None)
        number = resolve(classes, target)
    return Diffing(
        opened=opened,
        files=files,
        methods=methods,
        folder=folder,
        frames=frames,
        target=number,
        output=output,
        labels=named,
        batch_size=batch_size,
        seed=seed,
        settings=settings or {},
    )


def _frames(opened, sides, fit):
    """A frame for each model; one that takes any size gets that of the other."""
    shapes = [require_image_input(one)[:2] for one in opened]
    free = [None in shape for shape in shapes]
    if all(free) and sides is None:
        raise SettingError(
            "The models take images of any size, and their maps are compared in one",
            expected="a height and a width",
            mend="Name them by --size, for example --size 224",
        )
    # What is asked for is for the free ones, if there are any.
    asked = [sides if is_free or not any(free) else None for is_free in free]
    frames = [
        None if is_free else frame_of(one, own, fit) for one, own, is_free in zip(opened, asked, free, strict=True)
    ]
    known = next(((frame.height, frame.width) for frame in frames if frame is not None), None)
    return tuple(
        frame_of(one, sides or known, fit) if frame is None else frame
        for one, frame in zip(opened, frames, strict=True)
    )
