"""`FoolingImages`: images that a network takes for a class, and how sure it is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from kerasviz import plotting
from kerasviz.errors import InputError
from kerasviz.plotting.counts import drawable
from kerasviz.plotting.naming import class_name, percent
from kerasviz.synthesis.fooling import saved
from kerasviz.synthesis.pictures import to_picture
from kerasviz.writing import write_folder

_TYPES = {
    "images": "float32",
    "classes": "int32",
    "confidences": "float32",
    "predicted": "int32",
    "steps": "int32",
    "saved_confidences": "float32",
    "saved_predicted": "int32",
}


@dataclass(frozen=True, eq=False)
class FoolingImages:
    """Images that were made until a network takes each for the class that was asked.

    All confidences are those of a fresh `model.predict` on exactly these images; see `kerasviz.synthesis.fooling.
    confidence`, whose `confirmed` makes this record.

    Attributes:
        images: `(N, H, W, C)` float32, before preprocessing, in the values from `low` to `high`.
        classes: `(N,)` int32, the class asked of each.
        confidences: `(N,)` float32, 0 to 1, the probability of that class.
        predicted: `(N,)` int32, the class that has the highest probability.
        steps: `(N,)` int32, the steps (or generations) until an image was found; -1 where none was.
        wanted: the confidence that was asked, 0 to 1.
        low: the smallest value of an image; minus infinity where images have no range.
        high: the largest.
        saved_confidences: `(N,)` float32, the same after rounding to the 8-bit picture that is saved; None where images
            have no range or their channels fit no picture.
        saved_predicted: `(N,)` int32, likewise.
        history: arrays on the way by name, such as "step" `(L,)` and "confidence" `(L, N)`; {} for none.
        method: "gradient", "map_elites", ...
        settings: what it takes to make the same images again, as JSON can hold it.

    Raises:
        InputError: the arrays do not fit together.

    Example:
        >>> two = np.zeros((2, 8, 8, 1), "float32")
        >>> made = FoolingImages(two, [3, 5], [0.995, 0.4], [3, 8], [12, -1], wanted=0.99, low=0, high=255)
        >>> made.found.tolist(), round(made.median, 4)
        ([True, False], 0.6975)
    """

    images: np.ndarray
    classes: np.ndarray
    confidences: np.ndarray
    predicted: np.ndarray
    steps: np.ndarray
    wanted: float
    low: float = -math.inf
    high: float = math.inf
    saved_confidences: np.ndarray | None = None
    saved_predicted: np.ndarray | None = None
    history: Mapping[str, np.ndarray] = field(default_factory=dict)
    method: str = ""
    settings: Mapping = field(default_factory=dict)

    def __post_init__(self):
        for name, kind in _TYPES.items():
            if getattr(self, name) is not None:
                object.__setattr__(self, name, np.asarray(getattr(self, name), kind))
        rows = [getattr(self, name) for name in _TYPES if name != "images"]
        fits = self.images.ndim == 4 and all(row is None or row.shape == self.images.shape[:1] for row in rows)
        fits &= self.low < self.high and np.isfinite(self.low) == np.isfinite(self.high)
        fits &= (self.saved_confidences is None) == (self.saved_predicted is None)
        if not fits:
            raise InputError(
                f"The parts of a record of images of the shape {self.images.shape} do not fit together",
                expected="a row for each image (N, H, W, C), and low below high",
                mend="See kerasviz.synthesis.fooling.record.FoolingImages",
            )

    @property
    def found(self) -> np.ndarray:
        """`(N,)` bool, whether an image fools: the class asked has the highest probability, at least `wanted`."""
        return (self.predicted == self.classes) & (self.confidences >= self.wanted)

    @property
    def saved_found(self) -> np.ndarray | None:
        """The same of the 8-bit pictures that are saved; None where there are none."""
        if self.saved_confidences is None:
            return None
        return (self.saved_predicted == self.classes) & (self.saved_confidences >= self.wanted)

    @property
    def median(self) -> float:
        """The median of the confidences, 0 to 1: what the paper compares networks by."""
        return float(np.median(self.confidences))

    @property
    def bounded(self) -> bool:
        """Whether the values of images have a range."""
        return bool(np.isfinite(self.high))

    def __len__(self):
        return len(self.images)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.images, dtype=dtype) if copy else np.asarray(self.images, dtype=dtype)

    def __str__(self):
        return (
            f"{int(self.found.sum())} of {len(self)} images fool the network at {percent(self.wanted)} or more: "
            f"median {percent(self.median)}, lowest {percent(float(self.confidences.min()))}"
        )

    def pictures(self) -> np.ndarray:
        """The images as they are saved, uint8 of the same shape: `low` is 0 and `high` 255.

        Where images have no range, each image's own smallest value is 0 and its own largest 255.
        """
        if self.bounded:
            return to_picture(self.images, self.low, self.high)
        return np.stack([_stretched(image) for image in self.images])

    def rows(self, labels=None) -> list[dict]:
        """A row for each image, for a table: `pandas.DataFrame(made.rows())`.

        Args:
            labels: names of the classes by their numbers, a list or a dict; None for no names.

        Raises:
            SettingError: a class has no label.
        """
        steps, saved = self.steps.tolist(), self.saved_confidences
        rows = []
        for number, asked in enumerate(self.classes.tolist()):
            row = {"image": number, "class": asked}
            if labels is not None:
                row["label"] = class_name(labels, asked)
            row |= {
                "confidence": float(self.confidences[number]),
                "predicted": int(self.predicted[number]),
                "found": bool(self.found[number]),
                "step": steps[number] if steps[number] >= 0 else None,
                "saved_confidence": None if saved is None else float(saved[number]),
            }
            rows.append(row)
        return rows

    def plot(self, labels=None, *, columns: int | None = None, **style):
        """Draw all images on one sheet, each with the class asked and the confidence.

        Under an image that does not fool stands what it is taken for. At most 64 are drawn, with a warning if there
        are more.

        Args:
            labels: as for `rows`.
            columns: images side by side; by default as near to a square as holds all.
            **style: `tile`, the width of an image in inches (default 1.6), and `dpi` (default 150).

        Returns:
            A `matplotlib.figure.Figure`, unknown to pyplot.

        Raises:
            SettingError: a class has no label, or `columns` is no number of columns.
        """
        from kerasviz.plotting.canvas import Tile, draw_sheet
        from kerasviz.plotting.montage import layout

        count = drawable(len(self))
        titles = []
        for i in range(count):
            title = f"{class_name(labels, int(self.classes[i]))}: {percent(float(self.confidences[i]))}"
            if not self.found[i]:
                seen = self.predicted[i] != self.classes[i]
                title += f", seen as {class_name(labels, int(self.predicted[i]))}" if seen else ", not reached"
            titles.append(title)
        columns = layout(count, None, columns)[1]
        pictures = plotting.display_image(self.pictures()[:count])
        tiles = [Tile(picture, title) for picture, title in zip(pictures, titles, strict=True)]
        rows = [tiles[first : first + columns] for first in range(0, count, columns)]
        return draw_sheet(rows, **{"tile": 1.6, **style})

    def save(self, folder, *, labels=None, overwrite: bool = False) -> Path:
        """Save everything, whole or not at all.

        Written are a PNG for each image in its own size (as `pictures` gives it; for 1, 3 or 4 channels), sheet.png
        (`plot`), images.csv (`rows`), arrays.npz, and manifest.json with the settings and the confidences, also of the
        8-bit pictures. The same images give the same files.

        Args:
            folder: a folder that does not exist yet, or is empty.
            labels: as for `rows`.
            overwrite: replace a folder that a `save` made before, and that holds nothing else.

        Returns:
            The folder.

        Raises:
            SaveError: the folder holds something, or cannot be written.
            SettingError: a class has no label.
        """
        return write_folder(
            folder,
            lambda drafts: saved.write(self, drafts, labels),
            ours=saved.is_saved if overwrite else None,
            mend="Choose another; images saved there before, and nothing else, are replaced with overwrite=True "
            "(--overwrite on the command line)",
        )

    @classmethod
    def joined(cls, parts: Sequence["FoolingImages"]) -> "FoolingImages":
        """Records of one model and method as one, with the settings of the first and the classes of all.

        Args:
            parts: at least one, of images of one shape and range. Where one has no pictures, the whole has none.
        """
        found = {name: [getattr(part, name) for part in parts] for name in _TYPES}
        whole = {name: rows for name, rows in found.items() if all(row is not None for row in rows)}
        arrays = {name: np.concatenate(whole[name]) if name in whole else None for name in _TYPES}
        return replace(
            parts[0],
            **arrays,
            history={name: _joined([part.history[name] for part in parts]) for name in parts[0].history},
            settings={**parts[0].settings, "classes": arrays["classes"].tolist()},
        )

    @classmethod
    def load(cls, folder) -> "FoolingImages":
        """Read what `save` wrote.

        Raises:
            LoadError: the folder holds no fooling images, or damaged ones.
        """
        return cls(**saved.read(Path(folder)))


def _stretched(image):
    low, high = float(image.min()), float(image.max())
    # A constant image has no range of its own.
    return to_picture(image, low, high if high > low else low + 1)


def _joined(histories):
    """Columns of several images side by side, NaN where one has ended; what is not of images is that of the longest."""
    longest = max(histories, key=len)
    if longest.ndim == 1:
        return longest
    ends = [((0, len(longest) - len(history)), (0, 0)) for history in histories]
    return np.concatenate(
        [np.pad(history, end, constant_values=np.nan) for history, end in zip(histories, ends, strict=True)], axis=1
    )
