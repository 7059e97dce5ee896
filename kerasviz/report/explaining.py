"""The maps of a report: made batch by batch, drawn at once, and once more in the colour range that all share."""

import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kerasviz.errors import KerasvizWarning
from kerasviz.plotting.images import fit
from kerasviz.plotting.ranges import limits, normalize
from kerasviz.predictions import Prediction, strongest
from kerasviz.report.asking import Asked
from kerasviz.report.choosing import Method
from kerasviz.report.notices import noticed
from kerasviz.report.pictures import bounded, webp

#: Predictions that are listed for each image, at least.
_LISTED = 5


@dataclass
class Cell:
    """The map of one method for one class of one image.

    Attributes:
        method: which one.
        prediction: the class, and what the network says of it.
        score: that was explained.
        lowest: value of the map.
        highest: value.
        top: the end of its own colour range; 0 if it has none.
        note: what is wrong with the map, or None.
        own: its picture in its own colour range; None if it cannot be drawn.
        shared: its picture in the range of all maps of the method.
        place: where its values are kept.
    """

    method: Method
    prediction: Prediction
    score: float
    lowest: float
    highest: float
    top: float = 0.0
    note: str | None = None
    own: str | None = None
    shared: str | None = None
    place: tuple[int, tuple[int, int]] | None = None


@dataclass
class Explained:
    """One image: what the network says of it, and a row of cells for each explained class, a cell a method."""

    number: int
    listed: list[Prediction]
    chosen: list[Prediction]
    cells: list[list[Cell]] = field(default_factory=list)


def explain_images(
    asked: Asked, notices: dict[str, None], advance: Callable[[int], None]
) -> tuple[list[Explained], dict[str, float]]:
    """Make all maps of a report.

    Memory holds one batch of images with its maps, and what goes into the page. The shared colour ranges are known
    only after the last map; until then the values wait in a temporary file.

    Args:
        asked: for what.
        notices: gets the warnings, in order.
        advance: called with the number of images that a method has explained.

    Returns:
        The images, and the end of the shared colour range by the key of each method: that of its strongest map.
    """
    images, tops = [], dict.fromkeys((method.key for method in asked.methods), 0.0)
    with tempfile.TemporaryFile() as kept:
        for start in range(0, len(asked.inputs), asked.batch_size):
            batch = _predict(asked, range(start, min(start + asked.batch_size, len(asked.inputs))))
            for method in asked.methods:
                _explain(asked, method, batch, notices, kept)
                advance(len(batch))
            images += batch
        cells = [cell for image in images for row in image.cells for cell in row]
        for cell in cells:
            tops[cell.method.key] = max(tops[cell.method.key], cell.top)
        for cell in cells:
            _draw_shared(cell, tops[cell.method.key], kept)
    return images, tops


def draw(unit: np.ndarray, method: Method) -> np.ndarray:
    """The picture of a map in units of its range; where regions have a sign, each pixel as opaque as it is strong."""
    size = bounded(unit.shape)
    unit = unit if size == unit.shape else fit(unit, size)
    colors = method.palette.paint(unit)
    if method.group != "signed-regions":
        return colors
    opacity = np.round(255 * np.abs(unit)).astype(np.uint8)
    return np.concatenate([colors, opacity[..., None]], axis=-1)


def _predict(asked, numbers):
    batch = []
    for number, predictions in zip(
        numbers, asked.classes.predict(asked.inputs[numbers.start : numbers.stop]), strict=True
    ):
        wanted = [predictions[target] for target in asked.targets]
        chosen = list(dict.fromkeys([*strongest(predictions, asked.top), *wanted]))
        listed = list(dict.fromkeys([*strongest(predictions, max(_LISTED, asked.top)), *wanted]))
        batch.append(Explained(number, listed, chosen, [[] for _ in chosen]))
    return batch


def _explain(asked, method, batch, notices, kept):
    places = [(image, row) for image in batch for row in range(len(image.chosen))]
    target = asked.classes.target(np.array([image.chosen[row].index for image, row in places], np.int32))
    found = []
    with noticed(found):
        # It counts rows of this batch; each cell says so itself.
        warnings.filterwarnings("ignore", ".*the map is (zero everywhere|not finite)", KerasvizWarning)
        explanation = method.explain(asked.inputs[[image.number for image, _ in places]], target=target)
    first, last = asked.names[batch[0].number], asked.names[batch[-1].number]
    where = f"at {first}" if first == last else f"from {first} to {last}"
    notices.update(dict.fromkeys(f"{method.title}, {where}: {message}" for message in found))
    for (image, row), values, score in zip(places, np.asarray(explanation), explanation.score, strict=True):
        cell = _cell(method, image.chosen[row], float(score), values, kept)
        image.cells[row].append(cell)
        if cell.note:
            where = f"{asked.names[image.number]}: the map of {method.title} for {named(cell.prediction)}"
            notices[f"{where} {cell.note}"] = None


def named(prediction: Prediction) -> str:
    """A class for readers; without probabilities an output is no class."""
    if prediction.label is None and prediction.probability is None:
        return f"output {prediction.index}"
    return prediction.name


def _cell(method, prediction, score, values, kept):
    if values.ndim == 3:
        values = values.sum(axis=-1, dtype=np.float64) if method.signed else np.abs(values).max(axis=-1)
    values = values.astype(np.float32)
    cell = Cell(method, prediction, score, float(values.min()), float(values.max()))
    if not np.isfinite(values).all():
        cell.note = "is not finite: look for NaN in the model's weights"
        return cell
    if cell.lowest == cell.highest:
        cell.note = "is the same everywhere" if values.any() else "is zero everywhere: nothing it looks at matters"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasvizWarning)  # the note says it
        ranges = limits(values[None], signed=method.signed, percentile=method.percentile, scale="image")
    cell.top = float(ranges[0, 1])
    cell.own = webp(draw(normalize(values[None], ranges, signed=method.signed)[0], method))
    cell.place = (kept.seek(0, 2), values.shape)
    kept.write(values.tobytes())
    return cell


def _draw_shared(cell, top, kept):
    if cell.place is None or cell.top == top:
        cell.shared = cell.own
        return
    offset, shape = cell.place
    kept.seek(offset)
    values = np.frombuffer(kept.read(4 * shape[0] * shape[1]), np.float32).reshape(1, *shape)
    ranges = np.array([[-top if cell.method.signed else 0.0, top]])
    cell.shared = webp(draw(normalize(values, ranges, signed=cell.method.signed)[0], cell.method))
