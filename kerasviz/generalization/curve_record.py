"""`CriticalSampleCurve`: the critical sample ratio over the radius."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

import kerasviz
from kerasviz.errors import InputError, KerasvizWarning
from kerasviz.plotting.counts import check_count
from kerasviz.plotting.naming import class_name
from kerasviz.reading import read_arrays, read_json, reading
from kerasviz.writing import write_csv, write_files, write_json

_ARRAYS, _MANIFEST, _CURVE, _SAMPLES, _PICTURE = "arrays.npz", "manifest.json", "curve.csv", "samples.csv", "curve.png"
_FIELDS = ("radii", "smallest", "classes", "new_classes")
#: Settings of a search in which curves must agree to be compared.
_COMPARED = ("search", "steps", "step", "noise", "random_start", "stop", "bounds")


@dataclass(frozen=True, eq=False)
class CriticalSampleCurve:
    """At which radii samples are critical, and with it the critical sample ratio (CSR) at each radius.

    A ratio is a lower bound, since a search can miss a point. So ratios compare only at the same radius, with the same
    search, and for the same data or data of one kind: then the higher one means that more samples lie close to a
    border between classes, which Arpit et al. 2017 found in networks that memorize.

    Attributes:
        radii: `(R,)` float64, ascending, in the units of the images.
        smallest: `(N,)` float64, the smallest of the radii at which each sample was critical; inf where at none.
        classes: `(N,)` int32, the class predicted at each sample.
        new_classes: `(N,)` int32, that at the point found within the smallest radius; the same where none was found.
        points: `(N, …)` float32, these points; the sample itself where none was found. None if they were not kept.
        settings: of the search.

    Raises:
        InputError: the arrays do not fit together.

    Example:
        >>> classes = np.zeros(4, "int32")
        >>> curve = CriticalSampleCurve(np.array([1.0, 2.0]), np.array([1, 2, 2, np.inf]), classes, classes)
        >>> curve.ratios.tolist()
        [0.25, 0.75]
    """

    radii: np.ndarray
    smallest: np.ndarray
    classes: np.ndarray
    new_classes: np.ndarray
    points: np.ndarray | None = None
    settings: Mapping = field(default_factory=dict)

    def __post_init__(self):
        lengths = {len(part) for part in (self.smallest, self.classes, self.new_classes)}
        lengths |= set() if self.points is None else {len(self.points)}
        unknown = np.isfinite(self.smallest) & ~np.isin(self.smallest, self.radii)
        if len(lengths) > 1 or unknown.any():
            raise InputError(
                "The arrays of a critical sample curve do not fit together",
                expected="a row for each sample, whose smallest radius is one of the radii or inf",
                mend="Take those that critical_sample_curve made",
            )

    def __len__(self):
        return len(self.smallest)

    def __str__(self):
        lines = [
            f"  {row['radius']:<10g}{row['critical']:>8} of {len(self)}  {row['ratio']:.3f}" for row in self.rows()
        ]
        return "\n".join([f"Critical samples within a radius, {self.described()}:", *lines])

    @property
    def ratios(self) -> np.ndarray:
        """`(R,)` float64, 0 to 1: the share of the samples that are critical at each radius. Never falls."""
        return (self.smallest <= self.radii[:, None]).mean(axis=1)

    def described(self) -> str:
        """The search in a few words."""
        name, steps = self.settings.get("search", "unknown search"), self.settings.get("steps")
        return name.upper() if steps in (None, 1) else f"{name.upper()}, {steps} steps"

    def rows(self) -> list[dict]:
        """A row for each radius, for a table: `pandas.DataFrame(curve.rows())`."""
        counts = (self.smallest <= self.radii[:, None]).sum(axis=1)
        return [
            {"radius": radius, "critical": count, "samples": len(self), "ratio": ratio}
            for radius, count, ratio in zip(self.radii.tolist(), counts.tolist(), self.ratios.tolist(), strict=True)
        ]

    def sample_rows(self, names: Sequence[str] | None = None, labels=None) -> list[dict]:
        """A row for each sample; `smallest_radius` and the new class are None where it is critical at no radius.

        Args:
            names: of the samples, for a first column; None for their numbers.
            labels: names of the classes by their numbers, a list or a dict, for a column beside each class.

        Raises:
            InputError: there are not as many names as samples.
            SettingError: a class has no label.
        """
        check_count(names, len(self), "names", "samples")
        names = range(len(self)) if names is None else names
        return [
            {
                "sample": name,
                **_named("class", before, labels),
                "smallest_radius": radius if radius < np.inf else None,
                **_named("new_class", after if radius < np.inf else None, labels),
            }
            for name, before, radius, after in zip(
                names, self.classes.tolist(), self.smallest.tolist(), self.new_classes.tolist(), strict=True
            )
        ]

    def plot(
        self,
        others: Mapping[str, "CriticalSampleCurve"] | None = None,
        *,
        name: str = "this",
        unit: str = "in the units of the images",
        dpi: float = 150,
    ):
        """Draw the ratio over the radius; where radii span more than a factor of 20, on a logarithmic axis.

        Args:
            others: further curves by name, to compare with.
            name: of this curve among them.
            unit: what radii are measured in.
            dpi: dots an inch.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            InputError: `others` holds something else, or two curves have the same name.

        Warns:
            KerasvizWarning: the curves come from different searches, of which the weaker finds less.
        """
        from kerasviz.generalization.curve_figures import draw_curves

        others = dict(others or {})
        if name in others or not all(isinstance(curve, CriticalSampleCurve) for curve in others.values()):
            raise InputError(
                f"{name!r} cannot be drawn with {', '.join(map(repr, others))}",
                expected="a dict of other names, each with a CriticalSampleCurve",
                mend=f"curve.plot({{'random labels': other}}, name='true labels') in place of name={name!r}",
            )
        for other, curve in others.items():
            if [curve.settings.get(key) for key in _COMPARED] != [self.settings.get(key) for key in _COMPARED]:
                warnings.warn(
                    f"The curves {name!r} and {other!r} come from different searches, of which the weaker finds less: "
                    "do not compare their ratios",
                    KerasvizWarning,
                    stacklevel=2,
                )
        return draw_curves({name: self, **others}, unit=unit, named=bool(others), dpi=dpi)

    def save(self, folder, *, overwrite: bool = False) -> Path:
        """Save the arrays, both tables, the picture of `plot` and a manifest; whole or not at all.

        Args:
            folder: made if it does not exist.
            overwrite: replace the files of an earlier `save` there.

        Raises:
            SaveError: such files are there, or the folder cannot be written.
        """
        manifest = {"kerasviz": kerasviz.__version__, "curve": self.rows(), "settings": dict(self.settings)}
        # The manifest last, so that a folder with one is whole.
        writers = {**curve_files(self), _MANIFEST: partial(write_json, document=manifest)}
        write_files(folder, writers, overwrite=overwrite)
        return Path(folder)

    @classmethod
    def load(cls, folder) -> "CriticalSampleCurve":
        """Read what `save` wrote, or the command `kerasviz memorization`.

        Raises:
            LoadError: the folder holds no critical sample curve, or a damaged one.
        """
        folder = Path(folder)
        by = "a folder that CriticalSampleCurve.save or `kerasviz memorization` wrote"
        with reading(folder, "critical sample curve", by):
            manifest, arrays = read_json(folder / _MANIFEST), read_arrays(folder / _ARRAYS)
            kept = {name: arrays[name] for name in _FIELDS}
            return cls(**kept, points=arrays.get("points"), settings=manifest["settings"])

    @classmethod
    def joined(cls, parts: Sequence["CriticalSampleCurve"]) -> "CriticalSampleCurve":
        """The curve of all samples, from those of one part of them after the other.

        Args:
            parts: of the same radii and settings, at least one. Points stay where all parts have them.
        """
        kept = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS[1:]}
        have_points = all(part.points is not None for part in parts)
        points = np.concatenate([part.points for part in parts]) if have_points else None
        return cls(parts[0].radii, **kept, points=points, settings=parts[0].settings)


def curve_files(curve: CriticalSampleCurve, **shown) -> dict[str, Callable[[Path], object]]:
    """What a saved curve consists of beside its manifest, for `kerasviz.writing.write_files`.

    Args:
        curve: of any number of samples.
        **shown: `unit` of `CriticalSampleCurve.plot`, `names` and `labels` of `sample_rows`.
    """
    unit = {"unit": shown.pop("unit")} if "unit" in shown else {}
    arrays = {name: getattr(curve, name) for name in _FIELDS}
    if curve.points is not None:
        arrays["points"] = curve.points
    return {
        _ARRAYS: lambda path: np.savez_compressed(path, **arrays),
        _CURVE: partial(write_csv, rows=curve.rows()),
        _SAMPLES: partial(write_csv, rows=curve.sample_rows(**shown)),
        _PICTURE: lambda path: curve.plot(**unit).savefig(path),
    }


def _named(column, number, labels):
    named = {column: number}
    if labels is not None:
        named[column.replace("class", "label")] = None if number is None else class_name(labels, number)
    return named
