"""Reading pictures, measuring maps against true boxes and writing the page: the work behind `report`."""

import shlex
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasviz import data
from kerasviz.attribution import Explainer
from kerasviz.cli.boxing import best_iou, boxes_of, maps_of, pointing_and_energy, thresholds_of
from kerasviz.cli.choosing import make_explainers
from kerasviz.cli.classes import resolve
from kerasviz.cli.console import printable
from kerasviz.cli.models import Opened
from kerasviz.cli.pictures import Frame
from kerasviz.cli.preparation import frame_of, with_preprocess
from kerasviz.cli.truth import Case, find_cases, scale_of
from kerasviz.data.annotations import Annotations
from kerasviz.errors import ImageError, KerasvizWarning, SettingError
from kerasviz.predictions import Classes
from kerasviz.report import write_report

#: What is measured where true boxes are known, in the order of `_figures`.
MEASURES = ("IoU of the box", "Pointing game", "Energy inside the boxes")


@dataclass(frozen=True)
class Pictures:
    """The pictures that could be read, and why others could not.

    Attributes:
        files: of those that were read.
        pixels: of each, as `Frame.read` gives them.
        shown: of each, for the eye.
        skipped: reasons.
    """

    files: list[Path] = field(default_factory=list)
    pixels: list[np.ndarray] = field(default_factory=list)
    shown: list[np.ndarray] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reporting:
    """All that is settled before the first image is read; see `prepare_reporting`.

    Attributes:
        files: the picture files.
        opened: the model.
        classes: of the explained output.
        methods: explainers by registered name.
        left_out: methods that do not fit the model, and why.
        frame: how pictures are brought to the network's size.
        out: the page.
        targets: class numbers that are explained for every image.
        cases: the annotated classes of images.
        faults: rows of the annotations that were left out.
        top: how many of each image's top classes are explained.
        title: of the page, None for the model's name.
        batch_size: images that run at once.
        seed: for the methods that draw at random.
    """

    files: list[Path]
    opened: Opened
    classes: Classes
    methods: dict[str, Explainer]
    left_out: dict[str, str]
    frame: Frame
    out: Path
    targets: tuple[int, ...]
    cases: list[Case]
    faults: list[str]
    top: int
    title: str | None
    batch_size: int
    seed: int

    def read(self, status=lambda text: None) -> Pictures:
        """Read the pictures.

        Args:
            status: gets a few words about what goes on.

        Raises:
            ImageError: none can be read.
        """
        found = Pictures()
        for number, file in enumerate(self.files):
            status(f"{number}/{len(self.files)} reading {file.name}")
            try:
                pixels, shown = self.frame.read(file)
            except ImageError as error:
                found.skipped.append(str(error))
            else:
                found.files.append(file)
                found.pixels.append(pixels)
                found.shown.append(shown)
        if not found.files:
            raise ImageError(
                f"None of the {len(self.files)} images could be read; the first reason: {found.skipped[0]}",
                expected="at least one picture",
                mend="Name other files",
            )
        return found

    def measure(self, pictures: Pictures, status=lambda text: None) -> dict[str, dict[str, np.ndarray]]:
        """How well the maps of annotated classes find their true boxes.

        Args:
            pictures: of `read`.
            status: gets a few words about what goes on.

        Returns:
            For each of `MEASURES`, by method, a figure for each picture: the mean over its annotated classes, NaN where
            there is none. Empty if no picture that was read is annotated.
        """
        numbers = {file: number for number, file in enumerate(pictures.files)}
        cases = [case for case in self.cases if case.image in numbers]
        found = {name: [[] for _ in pictures.files] for name in self.methods}
        for start in range(0, len(cases), self.batch_size):
            batch = cases[start : start + self.batch_size]
            rows = [numbers[case.image] for case in batch]
            inputs = self.inputs([pictures.pixels[row] for row in rows])
            true = [case.boxes / scale_of(case.image, inputs.shape[1:3]) for case in batch]
            goal = self.classes.target(np.array([case.label for case in batch], np.int32))
            for name, explain in self.methods.items():
                status(f"{start}/{len(cases)} measuring {explain.title}")
                maps = maps_of(explain, inputs, goal)
                boxes = boxes_of(explain, thresholds_of([name])[name], maps, [pictures.shown[row] for row in rows])
                for row, heat, box, own in zip(rows, maps, boxes, true, strict=True):
                    found[name][row].append((best_iou(box, own), *pointing_and_energy(heat, own)))
        if not cases:
            return {}
        nothing = [np.nan] * len(MEASURES)
        means = {
            name: np.array([np.mean(each, axis=0) if each else nothing for each in figures])
            for name, figures in found.items()
        }
        return {measure: {name: means[name][:, k] for name in means} for k, measure in enumerate(MEASURES)}

    def inputs(self, pixels: list[np.ndarray]) -> np.ndarray:
        """Pictures as the network takes them."""
        (inputs,) = self.opened.network.inputs.check(data.preprocess(np.stack(pixels), self.opened.preprocess))
        return inputs

    def write(self, pictures: Pictures, measures: dict[str, dict[str, np.ndarray]]) -> Path:
        """Write the page.

        Args:
            pictures: of `read`.
            measures: of `measure`.
        """
        return write_report(
            self.opened.model,
            self.inputs(pictures.pixels),
            self.out,
            # By name, those that do not fit are named on the page, too.
            methods=[*self.methods.values(), *self.left_out],
            targets=self.targets,
            top=self.top,
            output=self.classes.output,
            labels=self.classes.labels,
            names=names_of(pictures.files),
            display=pictures.shown,
            measures=measures,
            commands=[command_line()],
            title=self.title,
            batch_size=self.batch_size,
            seed=self.seed,
        )


def prepare_reporting(
    opened: Opened,
    files: list[Path],
    truth: Annotations | None,
    names: list[str],
    out: Path,
    *,
    drop_unfit: bool = False,
    targets: list[str] = (),
    top: int = 2,
    output: str | None = None,
    sides: tuple[int, int] | None = None,
    fit: str = "crop",
    title: str | None = None,
    batch_size: int = 16,
    seed: int = 0,
    settings: dict | None = None,
) -> Reporting:
    """Check everything that can be checked without the images, and construct the explainers.

    Args:
        opened: the model.
        files: the picture files.
        truth: their true boxes, or None.
        names: registered names of methods.
        out: the page.
        drop_unfit: leave out, with a warning, methods that the model is not made for; otherwise they raise.
        targets: class numbers or labels.
        top: how many top classes.
        output: of a model with several.
        sides: height and width for a network that takes any size.
        fit: as for `kerasviz.data.load_image`.
        title: of the page.
        batch_size: images, and samples of a method, that run at once.
        seed: for the methods that draw at random.
        settings: settings of the methods, `layer` among them.

    Raises:
        KerasvizError: something does not fit; the message names the option.
    """
    frame = frame_of(opened, sides, fit)
    if frame.free:
        raise SettingError(
            f"The model {opened.network.name!r} takes images of any size, and a report shows all in one",
            expected="a height and a width",
            mend="Name them by --size, for example --size 224",
        )
    classes = Classes(opened.network, opened.labels, output)
    numbers = tuple(dict.fromkeys(resolve(classes, target) for target in targets))
    cases, faults = ([], []) if truth is None else find_cases(files, truth, classes)[:2]
    opened = with_preprocess(opened, frame)
    with warnings.catch_warnings():
        # The page is told of them, and warns itself.
        warnings.filterwarnings("ignore", ".* is left out", KerasvizWarning)
        methods, left_out = make_explainers(
            opened,
            names,
            drop_unfit=drop_unfit,
            asked=settings or {},
            common={"seed": seed, "batch_size": batch_size, "output": output},
        )
    return Reporting(
        files=files,
        opened=opened,
        classes=classes,
        methods=methods,
        left_out=left_out,
        frame=frame,
        out=out,
        targets=numbers,
        cases=cases,
        faults=faults,
        top=top,
        title=title,
        batch_size=batch_size,
        seed=seed,
    )


def names_of(files: list[Path]) -> list[str]:
    """What to call pictures: by their files' names, or where two are alike by their paths."""
    names = [file.name for file in files]
    return [printable(name if names.count(name) == 1 else file) for name, file in zip(names, files, strict=True)]


def command_line() -> str:
    """The command as it was typed."""
    return printable(shlex.join(["kerasviz", *sys.argv[1:]]))
