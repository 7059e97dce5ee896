"""Explaining many picture files with some methods: the work behind `explain` and `demo`."""

import itertools
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from kerasviz import data, plotting
from kerasviz.attribution import Explainer
from kerasviz.cli.choosing import make_explainers
from kerasviz.cli.classes import resolve
from kerasviz.cli.folder import Folder
from kerasviz.cli.models import Opened
from kerasviz.cli.pictures import Frame, Style, contact_sheet
from kerasviz.cli.preparation import frame_of, with_preprocess
from kerasviz.errors import ImageError, KerasvizWarning
from kerasviz.predictions import Classes, Prediction, strongest


@dataclass
class Drawn:
    """One map that was drawn: by which method, of what, the file, and whether it is the same everywhere."""

    method: str
    prediction: Prediction
    file: str
    flat: bool


@dataclass
class Result:
    """One image: what the network says of it, and the maps that were drawn; or why it was skipped."""

    image: Path
    predictions: list[Prediction] = field(default_factory=list)
    drawn: list[Drawn] = field(default_factory=list)
    sheet: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Work:
    """All that is settled before the first image is read.

    Attributes:
        images: the picture files.
        opened: the model.
        classes: of the explained output.
        explainers: by registered name.
        frame: how pictures are brought to the network's size.
        folder: where results go.
        left_out: methods that do not fit the model, and why.
        targets: class numbers that are explained for every image.
        top: how many of each image's top classes are explained.
        style: how maps are drawn.
        batch_size: images that run at once.
    """

    #: How many maps an image has at least that gets a contact sheet.
    sheet_from: ClassVar[int] = 2

    images: list[Path]
    opened: Opened
    classes: Classes
    explainers: dict[str, Explainer]
    frame: Frame
    folder: Folder
    left_out: dict[str, str] = field(default_factory=dict)
    targets: tuple[int, ...] = ()
    top: int = 1
    style: Style = field(default_factory=Style)
    batch_size: int = 16

    def run(self, status=lambda text: None) -> Iterator[Result]:
        """Explain the images; yields each when it is read, and fills in what was found before the next batch.

        Args:
            status: gets a few words about what goes on.
        """
        size = 1 if self.frame.free else self.batch_size
        numbered = iter(enumerate(self.images))
        while batch := list(itertools.islice(numbered, size)):
            results, readable = [], []
            done = _bar(batch[0][0], len(self.images))
            for number, image in batch:
                status(f"{done} reading {image.name}")
                result = Result(image)
                try:
                    readable.append((result, self.folder.stems[number], *self.frame.read(image)))
                except ImageError as error:
                    result.reason = str(error)
                results.append(result)
            yield from results
            if readable:
                self._explain(readable, lambda text, done=done: status(f"{done} {text}"))

    def _explain(self, readable, status):
        status("predicting")
        results, stems, pixels, shown = zip(*readable, strict=True)
        inputs = data.preprocess(np.stack(pixels), self.opened.preprocess)
        (inputs,) = self.opened.network.inputs.check(inputs)
        rows, asked = [], []
        for i, predictions in enumerate(self.classes.predict(inputs)):
            results[i].predictions = strongest(predictions, max(5, self.top))
            chosen = strongest(predictions, self.top) + [predictions[k] for k in self.targets]
            for prediction in dict.fromkeys(chosen):
                rows.append(i)
                asked.append(prediction)
        goal = self.classes.target(np.array([prediction.index for prediction in asked], np.int32))
        self.folder.open()
        for name, explain in self.explainers.items():
            status(explain.title)
            with warnings.catch_warnings():
                # They count the rows of a batch; here the image is named.
                warnings.filterwarnings("ignore", ".*zero (everywhere|or constant)", KerasvizWarning)
                began = time.perf_counter()
                explanation = explain(inputs[rows], target=goal)
                seconds = time.perf_counter() - began
                maps = [
                    self.style.draw(values, shown[i], kind=explanation.kind, signed=explanation.signed)
                    for values, i in zip(np.asarray(explanation), rows, strict=True)
                ]
                self._keep(results, stems, shown, asked, explanation, seconds)
            for i, one, values, picture in zip(rows, asked, np.asarray(explanation), maps, strict=True):
                file = self.folder.name(stems[i], name.replace("_", "-"), one.name)
                self._save(file, picture, results[i].image, explain, one)
                flat = bool(values.max() == values.min())
                results[i].drawn.append(Drawn(name, one, file, flat))
                if flat:
                    state = "the same" if values.any() else "zero"
                    warnings.warn(
                        f"{results[i].image.name}: the map of {explain.title} for {one.name} is {state} everywhere, "
                        "so that there is nothing to see",
                        KerasvizWarning,
                        stacklevel=2,
                    )
        status("contact sheets")
        for result, stem, each in zip(results, stems, shown, strict=True):
            if len(result.drawn) >= self.sheet_from:
                self._sheet(result, stem, each)

    def _keep(self, results, stems, shown, asked, explanation, seconds):
        """What else becomes of the explanation of a batch, for commands that make more of it than pictures."""

    def _sheet(self, result, stem, shown):
        # From the files: all maps of a batch together would fill the memory.
        lines = [
            (
                f"{one.name}  {one.strength}",
                [data.load_image(self.folder.path / drawn.file) for drawn in result.drawn if drawn.prediction == one],
            )
            for one in dict.fromkeys(drawn.prediction for drawn in result.drawn)
        ]
        sheet = contact_sheet(shown, lines, [each.title for each in self.explainers.values()])
        name = self.folder.name(stem)
        plotting.save_png(self.folder.path / name, sheet, {"Source": str(result.image)})
        result.sheet = name

    def _save(self, file, picture, image, explain, prediction):
        about = {
            "Title": f"{explain.title}: {prediction.name}, {prediction.strength}",
            "Source": str(image),
            "method": explain.name,
            "layer": explain.layer or "",
            "settings": explain.settings,
            "class": prediction.index,
        }
        plotting.save_png(self.folder.path / file, picture, about)


def prepare(
    opened: Opened,
    images: list[Path],
    names: list[str],
    folder: Folder,
    *,
    drop_unfit: bool = False,
    output: str | None = None,
    targets: list[str] = (),
    top: int | None = None,
    sides: tuple[int, int] | None = None,
    fit: str = "crop",
    style: Style | None = None,
    batch_size: int = 16,
    seed: int = 0,
    settings: dict | None = None,
) -> Work:
    """Check everything that can be checked without the images, and construct the explainers.

    Args:
        opened: the model.
        images: the picture files.
        names: registered names of methods.
        folder: where results go.
        drop_unfit: leave out, with a warning, methods that the model is not made for; otherwise they raise.
        output: of a model with several.
        targets: class numbers or labels.
        top: how many top classes; None for one if there are no targets.
        sides: height and width for a network that takes any size.
        fit: as for `kerasviz.data.load_image`.
        style: how maps are drawn.
        batch_size: images, and samples of a method, that run at once.
        seed: for the methods that draw at random.
        settings: settings of the methods, `layer` among them.

    Raises:
        KerasvizError: something does not fit; the message names the option.
    """
    frame = frame_of(opened, sides, fit)
    classes = Classes(opened.network, opened.labels, output)
    numbers = tuple(dict.fromkeys(resolve(classes, target) for target in targets))
    opened = with_preprocess(opened, frame)
    explainers, left_out = make_explainers(
        opened,
        names,
        drop_unfit=drop_unfit,
        asked=settings or {},
        common={"seed": seed, "batch_size": batch_size, "output": output},
    )
    return Work(
        images=images,
        opened=opened,
        classes=classes,
        explainers=explainers,
        left_out=left_out,
        frame=frame,
        folder=folder,
        targets=numbers,
        top=min(classes.count, (0 if targets else 1) if top is None else top),
        style=style or Style(),
        batch_size=batch_size,
    )


def _bar(done, total, width=20):
    filled = round(width * done / total)
    return f"{'━' * filled}{'╌' * (width - filled)} {done}/{total}"
