"""`CriticalSamples`: which samples are critical, and the points that show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

import kerasviz
from kerasviz import plotting
from kerasviz.errors import InputError
from kerasviz.plotting.counts import drawable
from kerasviz.plotting.naming import class_name
from kerasviz.reading import read_arrays, read_json, reading
from kerasviz.writing import write_csv, write_files, write_json

_ARRAYS, _MANIFEST, _TABLE, _PICTURE = "arrays.npz", "manifest.json", "samples.csv", "found.png"
_FIELDS = ("points", "steps", "classes", "new_classes")
_GREY, _MOST = 128, 127  # no change, and the largest


@dataclass(frozen=True, eq=False)
class CriticalSamples:
    """The samples around which a search found a point of another class.

    Attributes:
        points: float32, like the images: the found points, in their units; the image itself where none was found.
        steps: `(N,)` int32, the step at which it was found; -1 where none was.
        classes: `(N,)` int32, the class predicted at each image.
        new_classes: `(N,)` int32, that at the found point; the same where none was found.
        radius: of the box, in the units of the images.
        settings: of the search.

    Example:
        >>> one = np.zeros((2, 4, 4, 1), "float32")
        >>> found = CriticalSamples(one, np.array([3, -1]), np.array([0, 1]), np.array([2, 1]), radius=0.3)
        >>> found.critical.tolist(), found.ratio
        ([True, False], 0.5)
    """

    points: np.ndarray
    steps: np.ndarray
    classes: np.ndarray
    new_classes: np.ndarray
    radius: float
    settings: Mapping = field(default_factory=dict)

    @property
    def critical(self) -> np.ndarray:
        """`(N,)` bool, whether a sample is critical."""
        return self.steps >= 0

    @property
    def ratio(self) -> float:
        """The critical sample ratio (CSR), 0 to 1: a lower bound of the true one, since a search can miss."""
        return float(self.critical.mean())

    def __len__(self):
        return len(self.steps)

    def __str__(self):
        return (
            f"{int(self.critical.sum())} of {len(self)} samples are critical within {self.radius:g} "
            f"(in the units of the images): ratio {self.ratio:.3f}"
        )

    def rows(self) -> list[dict]:
        """A row for each sample, for a table: `pandas.DataFrame(found.rows())`."""
        columns = (self.critical.tolist(), self.classes.tolist(), self.new_classes.tolist(), self.steps.tolist())
        return [
            {
                "sample": number,
                "critical": critical,
                "class": before,
                "new_class": after if critical else None,
                "step": step if critical else None,
            }
            for number, (critical, before, after, step) in enumerate(zip(*columns, strict=True))
        ]

    def plot(self, images, *, labels=None, value_range: tuple[float, float] | None = None, **style):
        """Draw the critical samples: image, found point, and their difference.

        The difference is magnified so that the radius spans the whole range from grey to black or white; without a
        change it is grey. At most 64 samples are drawn, with a warning if there are more.

        Args:
            images: the batch that was searched.
            labels: names of the classes by their numbers, a list or a dict.
            value_range: the values drawn black and white; see `kerasviz.plotting.display_image`.
            **style: `tile` and `dpi` of `kerasviz.plotting.figure`.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            InputError: the images are not those that were searched, or no sample is critical.
            SettingError: a class has no label.
        """
        images = self._checked(images)
        rows = np.flatnonzero(self.critical)
        if not len(rows):
            raise InputError(
                f"None of {len(self)} samples is critical within {self.radius:g}",
                expected="at least one to draw",
                mend="Search within a larger radius",
            )
        rows = rows[: drawable(len(rows))]
        before, after = images[rows], self.points[rows]
        names = [[class_name(labels, int(kinds[i])) for kinds in (self.classes, self.new_classes)] for i in rows]
        # Both with one range, or stretching would hide what changed.
        value_range = value_range or _range_of(images)
        columns = {
            "found": plotting.display_image(after, value_range=value_range),
            f"difference, ±{self.radius:g}": plotting.display_image(magnified(before, after, self.radius)),
        }
        return plotting.figure(
            before,
            columns,
            row_titles=[f"{old} → {new}" for old, new in names],
            image_title="image",
            value_range=value_range,
            **style,
        )

    def save(self, folder, images=None, *, labels=None, overwrite: bool = False) -> Path:
        """Save the arrays, a table, a manifest, and with the images the picture of `plot`; whole or not at all.

        Args:
            folder: made if it does not exist.
            images: as for `plot`; None for no picture. There is none either where no sample is critical.
            labels: as for `plot`.
            overwrite: replace the files of an earlier `save` there.

        Raises:
            InputError: as for `plot`.
            SaveError: such files are there, or the folder cannot be written.
        """
        manifest = {
            "kerasviz": kerasviz.__version__,
            "radius": self.radius,
            "ratio": self.ratio,
            "samples": len(self),
            "settings": dict(self.settings),
        }
        writers = {
            _ARRAYS: lambda path: np.savez_compressed(path, **{name: getattr(self, name) for name in _FIELDS}),
            _TABLE: partial(write_csv, rows=self.rows()),
        }
        if images is not None and self.critical.any():
            writers[_PICTURE] = self.plot(images, labels=labels).savefig
        # The last of them, so that a folder with a manifest is whole.
        writers[_MANIFEST] = partial(write_json, document=manifest)
        write_files(folder, writers, overwrite=overwrite)
        return Path(folder)

    @classmethod
    def load(cls, folder) -> "CriticalSamples":
        """Read what `save` wrote.

        Raises:
            LoadError: the folder holds no critical samples, or damaged ones.
        """
        folder = Path(folder)
        with reading(folder, "critical samples", "a folder that CriticalSamples.save wrote"):
            manifest, arrays = read_json(folder / _MANIFEST), read_arrays(folder / _ARRAYS)
            kept = {name: arrays[name] for name in _FIELDS}
            return cls(**kept, radius=float(manifest["radius"]), settings=manifest["settings"])

    def _checked(self, images):
        images = np.asarray(images)
        if images.shape != self.points.shape:
            raise InputError(
                f"The images have the shape {images.shape}",
                expected=f"{self.points.shape}, the batch that was searched",
                mend="Pass all of them; those that are critical are picked out",
            )
        return images


def magnified(before: np.ndarray, after: np.ndarray, radius: float) -> np.ndarray:
    """What changed, uint8 like the images: grey for nothing, black and white for the whole radius.

    Args:
        before: images.
        after: the found points.
        radius: within which they were found.
    """
    return np.rint(_GREY + _MOST * (after - before) / radius).clip(0, 255).astype(np.uint8)


def magnification(radius: float) -> float:
    """The factor of `magnified`, for images of 0 to 255."""
    return _MOST / radius


def _range_of(images):
    """What `display_image` would take as black and white for all of the images together."""
    low, high = float(images.min()), float(images.max())
    if low >= 0 and high <= 255:
        return (0.0, 1.0) if high <= 1 else (0.0, 255.0)
    return low, high
