"""`RandomizationResult`: what a randomization test found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import kerasviz
from kerasviz.errors import SettingError
from kerasviz.reading import read_arrays, read_json, reading
from kerasviz.writing import write_csv, write_folder, write_json

_ARRAYS, _ABOUT, _TABLE = "curves.npz", "randomization.json", "table.csv"
_PLAIN = ("data", "regularization", "steps_per_epoch", "fitted", "kept_epoch", "seconds")


@dataclass(frozen=True, eq=False)
class RandomizationRun:
    """How one network learned one data set.

    Attributes:
        data: the name of the data set.
        regularization: the name of the regularization.
        curves: by name `(E,)` float64 arrays, measured in inference mode at the end of each epoch: "train_loss" and
            "train_accuracy" on the labels that were trained on, "true_accuracy" of the training images on their true
            labels; with validation data "validation_loss" and "validation_accuracy", on true labels; with a radius
            "train_csr" and "validation_csr", the ratios of critical samples, NaN in epochs in which they were not
            measured.
        steps_per_epoch: batches.
        fitted: the training accuracy that counts as fitted.
        kept_epoch: the one whose weights the training ended with, counted from 1: the last, or with early stopping
            the best.
        seconds: that it took, measurements included.
    """

    data: str
    regularization: str
    curves: Mapping[str, np.ndarray]
    steps_per_epoch: int
    fitted: float
    kept_epoch: int
    seconds: float

    @property
    def epochs(self) -> int:
        """How many were trained."""
        return len(self.curves["train_accuracy"])

    @property
    def fit_epoch(self) -> int | None:
        """After how many epochs the training data were first fitted; None if never."""
        reached = np.flatnonzero(self.curves["train_accuracy"] >= self.fitted)
        return int(reached[0]) + 1 if len(reached) else None

    @property
    def fit_step(self) -> int | None:
        """The same in steps of the optimizer."""
        return None if self.fit_epoch is None else self.fit_epoch * self.steps_per_epoch

    @property
    def final(self) -> dict[str, float]:
        """The value of each curve for the weights that the training ended with."""
        return {name: float(curve[self.kept_epoch - 1]) for name, curve in self.curves.items()}

    @property
    def gap(self) -> float | None:
        """The final training accuracy less the final validation accuracy; None without validation data."""
        final = self.final
        return final["train_accuracy"] - final["validation_accuracy"] if "validation_accuracy" in final else None

    def parts(self) -> tuple[dict, dict[str, np.ndarray]]:
        """All of it, as something for JSON and arrays by name."""
        return {name: getattr(self, name) for name in _PLAIN}, dict(self.curves)

    @classmethod
    def of(cls, about: Mapping, curves: Mapping[str, np.ndarray]) -> "RandomizationRun":
        """What `parts` gave."""
        return cls(curves=dict(curves), **{name: about[name] for name in _PLAIN})


@dataclass(frozen=True, eq=False)
class RandomizationResult:
    """How networks of one architecture learned a data set, true and corrupted (Zhang et al. 2017).

    Attributes:
        runs: `RandomizationRun` by the names of the data set and the regularization.
        settings: of the test; "classes" is how many there are.
    """

    runs: Mapping[tuple[str, str], RandomizationRun]
    settings: Mapping = field(default_factory=dict)

    def __getitem__(self, names) -> RandomizationRun:
        """The run on a data set, with a regularization if there are several: `result["true", "dropout"]`."""
        data, regularization = (names, None) if isinstance(names, str) else names
        fitting = [key for key in self.runs if key[0] == data and regularization in (None, key[1])]
        if len(fitting) != 1:
            raise SettingError(
                f"{names!r} names {len(fitting)} runs",
                expected=f"one of {', '.join(map(repr, self.runs))}",
                mend="Give the name of a data set and that of a regularization",
            )
        return self.runs[fitting[0]]

    def rows(self) -> list[dict]:
        """A table as the paper's Table 1, a row for each run; `pandas.DataFrame(rows)` takes it.

        Returns:
            Dicts of "data", "regularization", "train_accuracy", "validation_accuracy", "gap" (training less
            validation), "true_accuracy" (of the training images, on their true labels), "fit_epoch" and "fit_step"
            (after how many epochs and steps the training data were fitted, None if never), "train_csr",
            "validation_csr" (critical sample ratios), "epochs", "kept_epoch" and "seconds"; accuracies and ratios
            for the weights at the end, None where they were not measured.
        """
        return [_row(run) for run in self.runs.values()]

    def plot(self, *, dpi: float = 150):
        """Draw the curves: a row for each regularization, a line for each data set.

        Dots mark the first epoch in which the training data count as fitted. The dotted line among validation
        accuracies is what guessing gives.

        Args:
            dpi: dots an inch, on the screen and in a file.

        Returns:
            A matplotlib `Figure`, unknown to pyplot.
        """
        from kerasviz.generalization.randomization.figures import draw

        return draw(self, dpi=dpi)

    def __str__(self):
        heads = ("data", "regularization", "train", "test", "gap", "true labels", "epochs to fit", "CSR train", "test")
        names = ("train_accuracy", "validation_accuracy", "gap", "true_accuracy")
        lines = [heads]
        for row in self.rows():
            shares = ["-" if row[name] is None else f"{row[name]:.1%}" for name in names]
            ratios = ["-" if row[name] is None else f"{row[name]:.3f}" for name in ("train_csr", "validation_csr")]
            fitted = "never" if row["fit_epoch"] is None else str(row["fit_epoch"])
            lines.append((row["data"], row["regularization"], *shares, fitted, *ratios))
        shown = [n for n in range(len(heads)) if n < 2 or any(line[n] != "-" for line in lines[1:])]
        width = {n: max(len(line[n]) for line in lines) for n in shown}
        return "\n".join(
            "  ".join(line[n].ljust(width[n]) if n < 2 else line[n].rjust(width[n]) for n in shown).rstrip()
            for line in lines
        )

    def save(self, folder, *, overwrite: bool = False) -> Path:
        """Save all of it, and the table as CSV; whole or not at all.

        Args:
            folder: a folder that does not exist yet, or is empty.
            overwrite: replace a folder that a `save` made before, and that holds nothing else.

        Returns:
            The folder.

        Raises:
            SaveError: the folder holds something, or cannot be written.
        """
        parts = [run.parts() for run in self.runs.values()]
        arrays = {f"{n}/{name}": curve for n, (_, curves) in enumerate(parts) for name, curve in curves.items()}
        about = {"runs": [about for about, _ in parts], "settings": self.settings, "kerasviz": kerasviz.__version__}

        def fill(made):
            np.savez_compressed(made / _ARRAYS, **arrays)
            write_json(made / _ABOUT, about)
            write_csv(made / _TABLE, self.rows())

        return write_folder(
            folder,
            fill,
            ours=_is_saved if overwrite else None,
            mend="Choose another, or pass overwrite=True to replace a result saved there",
        )

    @classmethod
    def load(cls, folder) -> "RandomizationResult":
        """Read what `save` wrote.

        Raises:
            LoadError: the folder holds no saved result, or a damaged one.
        """
        folder = Path(folder)
        with reading(folder, "result of a randomization test", "a folder that RandomizationResult.save wrote"):
            about, arrays = read_json(folder / _ABOUT), read_arrays(folder / _ARRAYS)
            runs = {}
            for number, each in enumerate(about["runs"]):
                start = f"{number}/"
                curves = {name.removeprefix(start): arrays[name] for name in arrays if name.startswith(start)}
                runs[each["data"], each["regularization"]] = RandomizationRun.of(each, curves)
            return cls(runs, about["settings"])


def _row(run):
    final = run.final
    found = {name: final.get(name, np.nan) for name in ("validation_accuracy", "train_csr", "validation_csr")}
    found = {name: None if np.isnan(value) else value for name, value in found.items()}
    return {
        "data": run.data,
        "regularization": run.regularization,
        "train_accuracy": final["train_accuracy"],
        "validation_accuracy": found["validation_accuracy"],
        "gap": run.gap,
        "true_accuracy": final["true_accuracy"],
        "fit_epoch": run.fit_epoch,
        "fit_step": run.fit_step,
        "train_csr": found["train_csr"],
        "validation_csr": found["validation_csr"],
        "epochs": run.epochs,
        "kept_epoch": run.kept_epoch,
        "seconds": run.seconds,
    }


def _is_saved(folder):
    return folder.is_dir() and {part.name for part in folder.iterdir()} == {_ARRAYS, _ABOUT, _TABLE}
