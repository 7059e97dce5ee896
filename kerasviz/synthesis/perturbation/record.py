"""`Perturbed`: points near images, how far they are, and what the model says of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path

import numpy as np

import kerasviz
from kerasviz import plotting
from kerasviz.errors import InputError
from kerasviz.plotting.counts import drawable
from kerasviz.plotting.naming import class_name, percent
from kerasviz.reading import read_arrays, read_json, reading
from kerasviz.synthesis.perturbation.magnifying import magnified, range_of
from kerasviz.synthesis.pictures import to_picture
from kerasviz.writing import plain, write_csv, write_files, write_json

_ARRAYS, _MANIFEST, _TABLE, _PICTURE = "arrays.npz", "manifest.json", "samples.csv", "perturbed.png"
_PLAIN = ("norm", "radius", "bounds", "probable", "method", "settings")


@dataclass(frozen=True, eq=False)
class Perturbed:
    """Points near images, and what the model says of the images and of the points.

    All outputs are those of a fresh `model.predict`. A class is predicted if its output is the highest.

    Attributes:
        points: float32, like the images, in their units: before any preprocessing.
        perturbations: float32, the points less the images.
        outputs: `(N, K)` float32, at the images: a probability for each class, or a score where the model gives none.
        new_outputs: `(N, K)` float32, at the points.
        distances: `(N,)` float64, of the points from their images, in the norm.
        norm: "linf" or "l2".
        target: `(N,)` int32, the class that was to be reached; None if any other was good.
        true_classes: `(N,)` int32, the class to leave, where labels were given; else None, for the predicted one.
        rounded_outputs: `(N, K)` float32, at the points after rounding to the 8-bit picture that a file holds; None
            without bounds, which say what is black and what is white.
        radius: no point was to be further, in the units of the images; None if there was no such limit.
        bounds: the smallest and the largest value of images, or None.
        probable: whether outputs are probabilities.
        method: "fgsm", "pgd" or "deepfool".
        settings: of the attack; with the images, the model, target, labels and radius they make the same points again.

    Raises:
        InputError: the arrays do not fit together.

    Example:
        >>> one, sure = np.zeros((1, 4, 4, 1), "float32"), np.float32([[0.9, 0.1]])
        >>> found = Perturbed(one + 1, one + 1, sure, sure[:, ::-1], np.ones(1), norm="linf", radius=1.0)
        >>> found.success.tolist(), found.new_classes.tolist()
        ([True], [1])
    """

    points: np.ndarray
    perturbations: np.ndarray
    outputs: np.ndarray
    new_outputs: np.ndarray
    distances: np.ndarray
    norm: str
    target: np.ndarray | None = None
    true_classes: np.ndarray | None = None
    rounded_outputs: np.ndarray | None = None
    radius: float | None = None
    bounds: tuple[float, float] | None = None
    probable: bool = True
    method: str = ""
    settings: Mapping = field(default_factory=dict)

    def __post_init__(self):
        arrays = {name: array for name, array in self._arrays().items() if array is not None}
        shapes = {name: np.shape(array) for name, array in arrays.items()}
        per_class = {shapes[name] for name in arrays if name.endswith("outputs")}
        if (
            len({shape[:1] for shape in shapes.values()}) > 1
            or len(per_class) > 1
            or shapes["points"] != shapes["perturbations"]
        ):
            raise InputError(
                f"The parts of a record have the shapes {shapes}",
                expected="a row for each image in all of them",
                mend="Pass what one attack returned",
            )

    @property
    def classes(self) -> np.ndarray:
        """`(N,)` int32, the class predicted at each image."""
        return self.outputs.argmax(axis=1).astype(np.int32)

    @property
    def new_classes(self) -> np.ndarray:
        """`(N,)` int32, the class predicted at each point."""
        return self.new_outputs.argmax(axis=1).astype(np.int32)

    @property
    def success(self) -> np.ndarray:
        """`(N,)` bool, whether the target is predicted at the point; without one, whether the class to leave is not."""
        return self._fooled(self.new_classes)

    @property
    def survives(self) -> np.ndarray | None:
        """`(N,)` bool, whether the same still holds when the point was written to an 8-bit picture file and read again.

        None without bounds.
        """
        return None if self.rounded_outputs is None else self._fooled(self.rounded_outputs.argmax(axis=1))

    @property
    def confidences(self) -> np.ndarray:
        """`(N, 2)` float32, the output of the class predicted at the image: at the image, and at the point."""
        return self._both(self.classes)

    @property
    def new_confidences(self) -> np.ndarray:
        """`(N, 2)` float32, the output of the class predicted at the point: at the image, and at the point."""
        return self._both(self.new_classes)

    def __len__(self):
        return len(self.points)

    def __str__(self):
        within = "" if self.radius is None else f" within {self.radius:g}"
        text = f"{int(self.success.sum())} of {len(self)} images fool the network{within} ({self.norm})"
        if self.survives is not None:
            text += f", {int((self.success & self.survives).sum())} still as 8-bit pictures"
        return text

    def select(self, rows) -> "Perturbed":
        """The record of some images.

        Args:
            rows: their numbers, a slice or a mask.
        """
        chosen = {name: None if array is None else array[rows] for name, array in self._arrays().items()}
        return replace(self, **chosen)

    def pictures(self) -> np.ndarray:
        """The points as an 8-bit file holds them, uint8 of the same shape: the bounds are 0 and 255.

        Raises:
            InputError: there were no bounds.
        """
        if self.bounds is None:
            raise InputError(
                "The points have no bounds, so that nothing says what is black and what is white",
                expected="points of an attack with bounds=",
                mend="Attack with bounds=(0, 255), or whatever values images have",
            )
        return to_picture(self.points, *self.bounds)

    def rows(self, labels=None) -> list[dict]:
        """A row for each image, for a table: `pandas.DataFrame(found.rows())`.

        Args:
            labels: names of the classes by their numbers, a list or a dict; None for no names.

        Raises:
            SettingError: a class has no label.
        """
        aims = {"target": self.target, "true_class": self.true_classes}
        rows = []
        for i, (before, after) in enumerate(zip(self.classes.tolist(), self.new_classes.tolist(), strict=True)):
            row = {"sample": i, "success": bool(self.success[i]), "class": before}
            if labels is not None:
                row["label"] = class_name(labels, before)
            row |= {"confidence": float(self.confidences[i, 0]), "new_class": after}
            if labels is not None:
                row["new_label"] = class_name(labels, after)
            row |= {
                "new_confidence": float(self.new_confidences[i, 1]),
                "new_class_before": float(self.new_confidences[i, 0]),
                "class_after": float(self.confidences[i, 1]),
                **{name: int(aim[i]) for name, aim in aims.items() if aim is not None},
                "distance": float(self.distances[i]),
                "survives": None if self.survives is None else bool(self.survives[i]),
            }
            rows.append(row)
        return rows

    def plot(self, images, *, labels=None, value_range: tuple[float, float] | None = None, **style):
        """Draw what was done as a sum: image + magnified perturbation = point, with classes and confidences.

        The perturbation is magnified until 99 percent of its changes span the whole range, and drawn around grey; the
        factor stands below it. At most 64 images are drawn, with a warning if there are more.

        Args:
            images: the batch that was perturbed.
            labels: names of the classes by their numbers, a list or a dict.
            value_range: the values drawn black and white; the bounds if left out, and without bounds as
                `kerasviz.plotting.display_image` judges all images together.
            **style: `tile`, the width of a picture in inches (default 1.9), and `dpi` (default 150).

        Returns:
            A `matplotlib.figure.Figure`, unknown to pyplot.

        Raises:
            InputError: the images are not those that were perturbed, or no images at all.
            SettingError: a class has no label.
        """
        from kerasviz.synthesis.perturbation.panda import Sum, draw_sums

        images = self._checked(images)
        count = drawable(len(self))
        low, high = value_range or self.bounds or range_of(images)
        sums = []
        for i in range(count):
            change, factor = magnified(self.perturbations[i], low, high)
            names = [class_name(labels, int(kinds[i])) for kinds in (self.classes, self.new_classes)]
            numbers = self.confidences[i, 0], self.new_confidences[i, 1]
            before, after = (f"{name}\n{self._said(number)}" for name, number in zip(names, numbers, strict=True))
            shown = (plotting.display_image(each[i], value_range=(low, high)) for each in (images, self.points))
            picture, point = shown
            sums.append(
                Sum((picture, plotting.display_image(change), point), (before, f"perturbation × {factor}", after))
            )
        return draw_sums(sums, **style)

    def save(self, folder, images=None, *, labels=None, overwrite: bool = False) -> Path:
        """Save the arrays, a table, a manifest, and with the images the picture of `plot`; whole or not at all.

        Args:
            folder: made if it does not exist.
            images: as for `plot`; None for no picture.
            labels: as for `plot`.
            overwrite: replace the files of an earlier `save` there.

        Raises:
            InputError: as for `plot`.
            SaveError: such files are there, or the folder cannot be written.
            SettingError: a class has no label.
        """
        rows = self.rows(labels)
        arrays = {name: array for name, array in self._arrays().items() if array is not None}
        manifest = {
            "kerasviz": kerasviz.__version__,
            **{name: getattr(self, name) for name in _PLAIN},
            "succeeded": int(self.success.sum()),
            "samples": rows,
        }
        writers = {_ARRAYS: lambda path: np.savez_compressed(path, **arrays), _TABLE: partial(write_csv, rows=rows)}
        if images is not None:
            writers[_PICTURE] = self.plot(images, labels=labels).savefig
        # The last of them, so that a folder with a manifest is whole.
        writers[_MANIFEST] = partial(write_json, document=plain(manifest))
        write_files(folder, writers, overwrite=overwrite)
        return Path(folder)

    @classmethod
    def load(cls, folder) -> "Perturbed":
        """Read what `save` wrote.

        Raises:
            LoadError: the folder holds no perturbed images, or damaged ones.
        """
        folder = Path(folder)
        with reading(folder, "perturbed images", "a folder that Perturbed.save wrote"):
            manifest, arrays = read_json(folder / _MANIFEST), read_arrays(folder / _ARRAYS)
            told = {name: manifest[name] for name in _PLAIN}
            told["bounds"] = None if told["bounds"] is None else tuple(told["bounds"])
            return cls(**arrays, **told)

    def _arrays(self):
        names = [each.name for each in fields(self) if each.name not in _PLAIN]
        return {name: getattr(self, name) for name in names}

    def _fooled(self, classes):
        if self.target is not None:
            return classes == self.target
        return classes != (self.classes if self.true_classes is None else self.true_classes)

    def _both(self, classes):
        rows = np.arange(len(self))
        return np.stack([self.outputs[rows, classes], self.new_outputs[rows, classes]], axis=1)

    def _said(self, number):
        return f"{percent(float(number))} confidence" if self.probable else f"score {number:.3g}"

    def _checked(self, images):
        images = np.asarray(images)
        if images.shape != self.points.shape or images.ndim != 4:
            raise InputError(
                f"The images have the shape {images.shape}, and the points {self.points.shape}",
                expected="the batch of images (N, H, W, C) that was perturbed",
                mend="Pass all of them; for other inputs than images look at rows()",
            )
        return images
