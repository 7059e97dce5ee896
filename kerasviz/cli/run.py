"""Explaining many picture files with some methods: the work behind `explain` and `demo`."""

import inspect
import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasviz import data, plotting
from kerasviz.attribution import Explainer, explainer, methods
from kerasviz.cli.classes import Classes, Prediction, strongest
from kerasviz.cli.folder import Folder
from kerasviz.cli.models import Opened
from kerasviz.cli.pictures import Frame, Style, contact_sheet
from kerasviz.errors import ImageError, KerasvizError, KerasvizWarning, SettingError


@dataclass
class Drawn:
    """One map that was drawn: what of, by which method, and the file."""

    method: str
    prediction: Prediction
    file: str


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
        targets: class numbers that are explained for every image.
        top: how many of each image's top classes are explained.
        style: how maps are drawn.
        batch_size: images that run at once.
    """

    images: list[Path]
    opened: Opened
    classes: Classes
    explainers: dict[str, Explainer]
    frame: Frame
    folder: Folder
    targets: tuple[int, ...] = ()
    top: int = 1
    style: Style = Style()
    batch_size: int = 16

    def run(self, status=lambda text: None) -> Iterator[Result]:
        """Explain the images; yields each when its pictures are written.

        Args:
            status: gets a few words about what goes on.
        """
        size = 1 if self.frame.free else self.batch_size
        numbered = iter(enumerate(self.images))
        while batch := list(itertools.islice(numbered, size)):
            results, readable = [], []
            for number, image in batch:
                status(f"{_bar(number, len(self.images))} reading {image.name}")
                result = Result(image)
                try:
                    readable.append((result, self.folder.stems[number], *self.frame.read(image)))
                except ImageError as error:
                    result.reason = str(error)
                results.append(result)
            if readable:
                self._explain(readable, lambda title, done=batch[0][0]: status(
                    f"{_bar(done, len(self.images))} {title}"
                ))
            yield from results

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
        pictures = {}
        for name, explain in self.explainers.items():
            status(explain.title)
            explanation = explain(inputs[rows], target=goal)
            for row, (i, prediction) in enumerate(zip(rows, asked, strict=True)):
                picture = self.style.draw(
                    np.asarray(explanation[row]), shown[i], kind=explanation.kind, signed=explanation.signed
                )
                file = self.folder.name(stems[i], _dashed(name), prediction.name)
                self._save(file, picture, results[i].image, explain, prediction)
                results[i].drawn.append(Drawn(name, prediction, file))
                pictures[i, prediction.index, name] = picture
        for i, result in enumerate(results):
            if len(result.drawn) > 1:
                self._sheet(i, result, stems[i], shown[i], pictures)

    def _sheet(self, i, result, stem, shown, pictures):
        explained = dict.fromkeys(drawn.prediction for drawn in result.drawn)
        lines = [
            (f"{one.name}  {one.strength}", [pictures[i, one.index, name] for name in self.explainers])
            for one in explained
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


def make_explainers(
    opened: Opened, names: list[str], *, drop_unfit: bool = False, **settings
) -> tuple[dict[str, Explainer], dict[str, str]]:
    """Construct the explainers of some methods.

    Args:
        opened: the model.
        names: registered names.
        drop_unfit: leave out, with a warning, methods that the model is not made for; otherwise they raise.
        **settings: of the methods; each gets those that it knows.

    Returns:
        The explainers by name, and why the others were left out.

    Raises:
        SettingError: no method knows one of the settings, or none is left.
        KerasvizError: as the methods themselves do.
    """
    known = {name: inspect.signature(methods()[name]).parameters for name in names}
    for setting in settings:
        if not any(setting in parameters for parameters in known.values()):
            raise SettingError(
                f"{', '.join(names)}: no method has a setting {setting!r}",
                expected="settings such as " + ", ".join(_settings_of(known)),
                mend="See help() of the method's class in kerasviz",
            )
    made, unfit = {}, {}
    for name in names:
        own = {key: value for key, value in settings.items() if key in known[name]}
        try:
            made[name] = explainer(opened.model, name, **own)
        except KerasvizError as error:
            if not drop_unfit or isinstance(error, SettingError):
                raise
            unfit[name] = str(error)
            warnings.warn(f"{name} is left out. {error}", KerasvizWarning, stacklevel=2)
    if not made:
        raise SettingError(
            f"No method fits the model {opened.network.name!r}",
            expected="a network of images with a spatial feature map or a gradient",
            mend="`kerasviz inspect` shows what it is made of",
        )
    return made, unfit


def method_names(given: list[str]) -> tuple[list[str], bool]:
    """Registered names from `--method`, and whether all were asked for.

    Raises:
        SettingError: a name is unknown; the nearest are listed.
    """
    from kerasviz.attribution.one_call import method_name

    words = [word.strip() for entry in given for word in entry.split(",") if word.strip()]
    if any(word.lower() == "all" for word in words):
        return list(methods()), True
    return list(dict.fromkeys(method_name(word) for word in words)), False


def _settings_of(known):
    plain = {"model", "explainer", "layer", "sample", "batch_size"}
    return sorted({key for parameters in known.values() for key in parameters} - plain)


def _dashed(name):
    return name.replace("_", "-")


def _bar(done, total, width=20):
    filled = round(width * done / total)
    return f"{'━' * filled}{'╌' * (width - filled)} {done}/{total}"
