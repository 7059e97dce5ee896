"""Measuring the boxes of heat maps against annotations: the work behind `localize`."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasviz import data, evaluation, plotting
from kerasviz.attribution import Explainer
from kerasviz.cli.choosing import make_explainers
from kerasviz.cli.classes import Classes, strongest
from kerasviz.cli.folder import Folder
from kerasviz.cli.models import Opened
from kerasviz.cli.pictures import Frame
from kerasviz.cli.preparation import frame_of, with_preprocess
from kerasviz.data.annotations import Annotations
from kerasviz.errors import DataError, ImageError, KerasvizError
from kerasviz.network.gap_head import gap_head

#: Shares of the maximum at which the papers cut: CAM's section 3.2, Grad-CAM's section 4.1.
_THRESHOLDS = {"cam": 0.20}
_THRESHOLD = 0.15
#: How far beside an object a maximum may point, as a share of the longer side: 15 pixels of some 500.
_TOLERANCE = 0.03


@dataclass(frozen=True)
class Case:
    """One annotated class of one image: the file, its place in the list, the class, and its boxes in the file."""

    image: Path
    number: int
    label: int
    boxes: np.ndarray


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
                    readable.append((case, *self.frame.read(case.image), _sides(case.image)))
                except ImageError as error:
                    yield error
            done += len(batch)
            if readable:
                yield from self._measure(readable, lambda text, done=done: status(f"{done}/{len(self.cases)} {text}"))

    def _measure(self, readable, status):
        cases, pixels, shown, sides = zip(*readable, strict=True)
        inputs = data.preprocess(np.stack(pixels), self.opened.preprocess)
        (inputs,) = self.opened.network.inputs.check(inputs)
        results = []
        for case, image, own, predictions in zip(cases, pixels, sides, self.classes.predict(inputs), strict=True):
            height, width = image.shape[:2]
            scale = np.array([own[1] / width, own[0] / height] * 2)
            guesses = [one.index for one in strongest(predictions, self.top)]
            results.append(Measured(case, scale, (height, width), case.boxes / scale, guesses))
        asked = [(i, k) for i, one in enumerate(results) for k in dict.fromkeys([*one.guesses, one.case.label])]
        rows, classes = np.array(asked, np.int32).T
        for name, explain in self.explainers.items():
            status(explain.title)
            maps = self._maps(explain, inputs[rows], self.classes.target(classes))
            boxes = self._boxes(name, maps, [shown[i] for i in rows])
            place = {pair: number for number, pair in enumerate(asked)}
            for i, one in enumerate(results):
                own = place[i, one.case.label]
                region = [_with_pixels(one.true, one.shape)]
                one.found[name] = Found(
                    np.concatenate([_one(boxes[place[i, guess]]) for guess in one.guesses]),
                    boxes[own],
                    bool(evaluation.pointing_game(maps[own : own + 1], region, _TOLERANCE * max(one.shape)).hits[0]),
                    float(evaluation.energy(maps[own : own + 1], region)[0]),
                )
                if self.folder is not None:
                    self._draw(name, one, maps[own], boxes[own], shown[i])
        yield from results

    def _maps(self, explain, inputs, target):
        values = explain(inputs, target=target).values
        return values if explain.kind == "heatmap" else plotting.reduce_channels(values, "max_abs")

    def _boxes(self, name, maps, shown):
        if self.explainers[name].kind == "heatmap":
            return evaluation.boxes(maps, self.thresholds[name])
        # Maps of pixels are too thin for a threshold; the paper of saliency cuts along the colours.
        pictures = [plotting.display_image(_resized(image, maps.shape[1:])) for image in shown]
        return evaluation.graphcut_boxes(pictures, maps)

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
    evaluation.boxes(np.ones((1, 1, 1)), _THRESHOLD if threshold is None else threshold)
    evaluation.localization_error([[0, 0, 1, 1]], [[0]], [[0, 0, 1, 1]], [0], iou=iou)
    cases, faults = _cases(files, truth, classes)
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
        thresholds={name: _THRESHOLDS.get(name, _THRESHOLD) if threshold is None else threshold for name in names},
        frame=frame,
        folder=folder,
        iou=iou,
        top=min(top, classes.count),
        batch_size=batch_size,
    )


def _cases(files, truth, classes):
    """The cases, and the rows and images that make none."""
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
                by_class.setdefault(classes.resolve(label), []).append(box)
            except KerasvizError as error:
                faults.append(f"image {name!r}: {error}")
        cases += [Case(files[found[0]], found[0], k, np.array(boxes, float)) for k, boxes in by_class.items()]
    reason = faults[0] if faults else "the file has no rows"
    faults += [f"{file}: it has no annotation" for n, file in enumerate(files) if n not in annotated]
    if not cases:
        raise DataError(
            f"None of the {len(files)} images has an annotation that can be used; the first reason: {reason}",
            expected="annotations whose file names are those of the images, with labels of the model",
            mend="Compare the names in the file with those of the images",
        )
    return cases, faults


def _sides(file):
    """Height and width of a picture file as it is shown."""
    return data.load_image(file).shape[:2]


def _one(boxes):
    return boxes if len(boxes) else np.zeros((1, 4))


def _with_pixels(boxes, shape):
    """Boxes inside the image that hold a pixel's centre each, however small they have become."""
    height, width = shape
    x0, y0 = np.clip(np.floor(boxes[:, 0]), 0, width - 1), np.clip(np.floor(boxes[:, 1]), 0, height - 1)
    x1, y1 = np.clip(np.ceil(boxes[:, 2]), x0 + 1, width), np.clip(np.ceil(boxes[:, 3]), y0 + 1, height)
    return np.stack([x0, y0, x1, y1], axis=1)


def _resized(image, size):
    import cv2

    resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    return resized.reshape(*size, -1)
