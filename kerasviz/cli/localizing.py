"""Measuring the boxes of heat maps against annotations: the work behind `localize`."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasviz import data, evaluation, plotting
from kerasviz.attribution import Explainer
from kerasviz.cli.boxing import boxes_of, maps_of, pointing_and_energy, thresholds_of
from kerasviz.cli.choosing import make_explainers
from kerasviz.cli.folder import Folder
from kerasviz.cli.models import Opened
from kerasviz.cli.pictures import Frame
from kerasviz.cli.preparation import frame_of, with_preprocess
from kerasviz.cli.truth import Case, find_cases, scale_of
from kerasviz.data.annotations import Annotations
from kerasviz.errors import ImageError
from kerasviz.network.gap_head import gap_head
from kerasviz.predictions import Classes, strongest


@dataclass
class Found:
    """What one method found for a case.

    Attributes:
        boxes: `(K, 4)` one for each guess, zeros for none, in pixels of the network's input.
        own: `(1, 4)` or `(0, 4)`, the box of the true class.
        hit: whether the map of the true class points at it.
        energy: its energy inside the true boxes.
    """

    boxes: np.ndarray
    own: np.ndarray
    hit: bool
    energy: float


@dataclass
class Measured:
    """A case that was measured.

    Attributes:
        case: the case.
        scale: `(4,)`, by which boxes in pixels of the input are multiplied for those of the file.
        shape: of the network's input.
        true: its boxes in pixels of the input.
        guesses: the top classes.
        found: by the name of the method.
    """

    case: Case
    scale: np.ndarray
    shape: tuple[int, int]
    true: np.ndarray
    guesses: list[int]
    found: dict[str, Found] = field(default_factory=dict)


@dataclass(frozen=True)
class Localizing:
    """All that is settled before the first image is read; see `prepare`.

    Attributes:
        faults: rows of the annotations that were left out, and images without one, with reasons.
    """

    cases: list[Case]
    faults: list[str]
    opened: Opened
    classes: Classes
    explainers: dict[str, Explainer]
    thresholds: dict[str, float]
    frame: Frame
    folder: Folder | None
    iou: float
    top: int
    batch_size: int

    def run(self, status=lambda text: None) -> Iterator[Measured | ImageError]:
        """Measure the cases; yields each, or why its image could not be read.

        Args:
            status: gets a few words about what goes on.
        """
        size = 1 if self.frame.free else self.batch_size
        cases, done = iter(self.cases), 0
        while batch := list(itertools.islice(cases, size)):
            status(f"{done}/{len(self.cases)} reading {batch[0].image.name}")
            readable = []
            for case in batch:
                try:
                    readable.append(self._read(case))
                except ImageError as error:
                    yield error
            done += len(batch)
            if readable:
                yield from self._measure(readable, lambda text, done=done: status(f"{done}/{len(self.cases)} {text}"))

    def _read(self, case):
        pixels, shown = self.frame.read(case.image)
        return case, pixels, shown, scale_of(case.image, pixels.shape[:2])

    def _measure(self, readable, status):
        cases, pixels, shown, scales = zip(*readable, strict=True)
        inputs = data.preprocess(np.stack(pixels), self.opened.preprocess)
        (inputs,) = self.opened.network.inputs.check(inputs)
        results = []
        for case, scale, predictions in zip(cases, scales, self.classes.predict(inputs), strict=True):
            guesses = [one.index for one in strongest(predictions, self.top)]
            results.append(Measured(case, scale, inputs.shape[1:3], case.boxes / scale, guesses))
        asked = [(i, k) for i, one in enumerate(results) for k in dict.fromkeys([*one.guesses, one.case.label])]
        rows, classes = np.array(asked, np.int32).T
        for name, explain in self.explainers.items():
            status(explain.title)
            maps = maps_of(explain, inputs[rows], self.classes.target(classes))
            boxes = boxes_of(explain, self.thresholds[name], maps, [shown[i] for i in rows])
            place = {pair: number for number, pair in enumerate(asked)}
            for i, one in enumerate(results):
                own = place[i, one.case.label]
                one.found[name] = Found(
                    np.concatenate([_one(boxes[place[i, guess]]) for guess in one.guesses]),
                    boxes[own],
                    *pointing_and_energy(maps[own], one.true),
                )
                if self.folder is not None:
                    self._draw(name, one, maps[own], boxes[own], shown[i])
        yield from results

    def _draw(self, name, one, heat, box, shown):
        self.folder.open()
        larger = np.array([shown.shape[1] / one.shape[1], shown.shape[0] / one.shape[0]] * 2)
        picture = plotting.overlay(shown, heat, signed=bool(heat.min() < 0))
        # The true box is drawn thicker, so that it shows beneath one that fits.
        width = max(3, min(shown.shape[:2]) // 60)
        picture = plotting.draw_boxes(picture, one.true * larger, color="true", width=width)
        picture = plotting.draw_boxes(picture, box * larger)
        label = self.classes.label(one.case.label) or f"class {one.case.label}"
        file = self.folder.name(self.folder.stems[one.case.number], name.replace("_", "-"), label)
        plotting.save_png(self.folder.path / file, picture, {"Source": str(one.case.image), "method": name})


def prepare(
    opened: Opened,
    files: list[Path],
    truth: Annotations,
    names: list[str] | None,
    folder: Folder | None,
    *,
    output: str | None = None,
    sides: tuple[int, int] | None = None,
    threshold: float | None = None,
    iou: float = 0.5,
    top: int = 5,
    batch_size: int = 16,
    seed: int = 0,
    settings: dict | None = None,
) -> Localizing:
    """Check everything that can be checked without the images, and construct the explainers.

    Args:
        opened: the model.
        files: the picture files.
        truth: the annotations.
        names: registered names of methods; None for CAM if the model has its head, or else Grad-CAM.
        folder: where pictures with boxes go, or None.
        output: of a model with several.
        sides: height and width for a network that takes any size.
        threshold: share of the maximum for all methods; None for each paper's.
        iou: the overlap from which on a box is right.
        top: how many guesses count.
        batch_size: images, and samples of a method, that run at once.
        seed: for the methods that draw at random.
        settings: settings of the methods, `layer` among them.

    Raises:
        KerasvizError: something does not fit; the message names the option.
    """
    # Stretched, so that boxes stay boxes.
    frame = frame_of(opened, sides, "stretch")
    classes = Classes(opened.network, opened.labels, output)
    opened = with_preprocess(opened, frame)
    # The functions that use these check them; here before any work is done.
    thresholds_of([], threshold)
    evaluation.localization_error([[0, 0, 1, 1]], [[0]], [[0, 0, 1, 1]], [0], iou=iou)
    cases, faults, bare = find_cases(files, truth, classes)
    faults += [f"{file}: it has no annotation" for file in bare]
    if names is None:
        names = ["grad_cam" if gap_head(opened.network, output) is None else "cam"]
    explainers, _ = make_explainers(
        opened,
        names,
        drop_unfit=False,
        asked=settings or {},
        common={"seed": seed, "batch_size": batch_size, "output": output},
    )
    return Localizing(
        cases=cases,
        faults=faults,
        opened=opened,
        classes=classes,
        explainers=explainers,
        thresholds=thresholds_of(names, threshold),
        frame=frame,
        folder=folder,
        iou=iou,
        top=min(top, classes.count),
        batch_size=batch_size,
    )


def _one(boxes):
    return boxes if len(boxes) else np.zeros((1, 4))
