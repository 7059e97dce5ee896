"""One network of a randomization test: trained on one data set after another, from the same start."""

import time
import warnings

import keras
import numpy as np

from kerasviz.errors import KerasvizWarning
from kerasviz.generalization.critical_search import CriticalSampleSearch
from kerasviz.generalization.critical_training import CriticalSampleTraining
from kerasviz.generalization.randomization.building import open_checked, variables_of
from kerasviz.generalization.randomization.data_sets import DataSet, DataSets
from kerasviz.generalization.randomization.feeding import Feed, generator
from kerasviz.generalization.randomization.keeping import Folder
from kerasviz.generalization.randomization.measuring import Measure
from kerasviz.generalization.randomization.record import RandomizationRun
from kerasviz.generalization.randomization.settings import Regularization, Settings


class Trainee:
    """A model with one regularization. All of its runs begin with the same weights, and share what was compiled.

    Args:
        model: as `build_seeded` returns it.
        name: of the regularization.
        regularization: which one that is.
        data_sets: what it is trained on.
        settings: of the test.
    """

    def __init__(
        self,
        model: keras.Model,
        name: str,
        regularization: Regularization,
        data_sets: DataSets,
        settings: Settings,
    ):
        self.model, self.name, self.regularization = model, name, regularization
        self.data_sets, self.settings = data_sets, settings
        sample = data_sets.images[:1]
        network, _ = open_checked(model, sample)
        self.dtype = network.inputs.specs[0].dtype
        self.measure = Measure(model, self.dtype, data_sets.images, data_sets.targets, settings.batch_size)
        self.search = None
        if settings.radius is not None:
            self.search = CriticalSampleSearch(
                model, search=settings.search, batch_size=settings.batch_size, sample=sample
            )
        self.fit = model.fit
        if regularization.critical is not None:
            arguments = {"seed": settings.seed, "sample": sample, **regularization.critical}
            self.fit = CriticalSampleTraining(model, **arguments).fit
        self._start = values_of(model)

    def run(self, data: DataSet, folder: Folder, advance) -> RandomizationRun:
        """Train on a data set, from where an earlier call ended.

        Args:
            data: one of the data sets.
            folder: keeps the state after each epoch.
            advance: called with a number of epochs that are done.
        """
        set_values(self.model, self._start)
        course = _Course(self, data, folder)
        advance(course.epoch)
        course.train(advance)
        advance(self.settings.epochs - course.epoch)
        return course.finish()


class _Course(keras.callbacks.Callback):
    """One run while it goes on: what is measured at the end of each epoch, and when it ends."""

    def __init__(self, trainee: Trainee, data: DataSet, folder: Folder):
        super().__init__()
        self._trainee, self._data, self._folder = trainee, data, folder
        self.curves: dict[str, list[float]] = {}
        self.epoch = self.best_epoch = 0
        self._best: list[np.ndarray] = []
        self._spent, self._began, self._advance = 0.0, time.monotonic(), None
        settings = trainee.settings
        self._feed = Feed(data.images, data.labels, trainee.dtype, settings.batch_size, settings.seed)
        self._probes = self._chosen_probes()
        stored = folder.state(data.name, trainee.name)
        if stored is not None:
            self._restore(*stored)

    @property
    def over(self) -> bool:
        """Whether no epoch is to follow."""
        patience = self._trainee.regularization.early_stopping
        waited = patience is not None and self.epoch > 0 and self.epoch - self.best_epoch >= patience
        return waited or self.epoch >= self._trainee.settings.epochs

    def train(self, advance):
        """Train all epochs that are left."""
        if self.over:
            return
        trainee, self._advance = self._trainee, advance
        first, last = self.epoch, trainee.settings.epochs
        try:
            trainee.fit(
                self._feed.batches(first, last),
                initial_epoch=first,
                epochs=last,
                steps_per_epoch=self._feed.steps,
                shuffle=False,  # The batches come in an order of their own; Keras warns of its default.
                callbacks=[self],
                verbose=0,
            )
        finally:
            self._feed.close()

    def on_epoch_end(self, epoch, logs=None):
        """Measure, and keep the state."""
        self.epoch = epoch + 1
        for name, value in self._measured().items():
            self.curves.setdefault(name, []).append(value)
        self._note_best()
        self._folder.store(self._data.name, self._trainee.name, self._state)
        self._advance(1)
        if self.over:
            self.model.stop_training = True

    def finish(self) -> RandomizationRun:
        """What the run found."""
        settings, kept = self._trainee.settings, self.epoch
        if self._trainee.regularization.early_stopping is not None:
            kept = self.best_epoch
            for variable, value in zip(self._trainee.model.variables, self._best, strict=True):
                _assign(variable, value)
        curves = {name: np.array(curve) for name, curve in self.curves.items()}
        if any(np.isnan(curves[name][kept - 1]) for name in self._probes):
            for name, ratio in self._ratios().items():
                curves[name][kept - 1] = ratio
        diverged = np.flatnonzero(~np.isfinite(curves["train_loss"]))
        if len(diverged):
            warnings.warn(
                f"The training on {self._data.name!r} with {self._trainee.name!r} diverged: its loss is not finite "
                f"from epoch {diverged[0] + 1} on",
                KerasvizWarning,
                stacklevel=4,
            )
        return RandomizationRun(
            data=self._data.name,
            regularization=self._trainee.name,
            curves=curves,
            steps_per_epoch=self._feed.steps,
            fitted=float(settings.fitted),
            kept_epoch=kept,
            seconds=self._seconds(),
        )

    def _measured(self):
        trainee, data, sets = self._trainee, self._data, self._trainee.data_sets
        loss, (given, true) = trainee.measure(data.images, data.labels, data.classes)
        found = {"train_loss": loss, "train_accuracy": given, "true_accuracy": true}
        if data.validation is not None:
            loss, (accuracy,) = trainee.measure(data.validation, sets.validation_targets, sets.validation_classes)
            found |= {"validation_loss": loss, "validation_accuracy": accuracy}
        due = self.epoch % trainee.settings.every == 0 or self.epoch == trainee.settings.epochs
        ratios = self._ratios() if due else dict.fromkeys(self._probes, np.nan)
        return {name: float(value) for name, value in {**found, **ratios}.items()}

    def _ratios(self):
        """The ratios of critical samples among the probes; none without a radius."""
        settings = self._trainee.settings
        return {
            name: self._trainee.search.ratio(images, settings.radius, settings.seed)
            for name, images in self._probes.items()
        }

    def _chosen_probes(self):
        """The same images, by their numbers, of each data set."""
        settings, found = self._trainee.settings, {}
        if self._trainee.search is not None:
            for name, images in (("train_csr", self._data.images), ("validation_csr", self._data.validation)):
                if images is not None:
                    chosen = generator("probes", settings.seed).permutation(len(images))[: settings.probes]
                    found[name] = images[np.sort(chosen)].astype(self._trainee.dtype, copy=False)
        return found

    def _note_best(self):
        if self._trainee.regularization.early_stopping is None:
            return
        accuracies = self.curves["validation_accuracy"]
        if self.best_epoch == 0 or accuracies[-1] > accuracies[self.best_epoch - 1]:
            self.best_epoch, self._best = self.epoch, [np.array(each) for each in self._trainee.model.variables]

    def _state(self):
        about = {"epoch": self.epoch, "best_epoch": self.best_epoch, "seconds": self._seconds()}
        groups = {"now": values_of(self._trainee.model), "best": self._best}
        arrays = {f"{group}/{n}": value for group, values in groups.items() for n, value in enumerate(values)}
        return about, {**arrays, **{f"curves/{name}": np.array(curve) for name, curve in self.curves.items()}}

    def _restore(self, about, arrays):
        self.epoch, self.best_epoch, self._spent = about["epoch"], about["best_epoch"], about["seconds"]
        self.curves = {
            name.removeprefix("curves/"): curve.tolist() for name, curve in arrays.items() if name.startswith("curves/")
        }
        now, self._best = (
            [arrays[f"{group}/{n}"] for n in range(sum(name.startswith(f"{group}/") for name in arrays))]
            for group in ("now", "best")
        )
        set_values(self._trainee.model, now)

    def _seconds(self):
        return self._spent + time.monotonic() - self._began


def values_of(model: keras.Model) -> list[np.ndarray]:
    """Copies of all that training changes."""
    return [np.array(variable) for variable in variables_of(model)]


def set_values(model: keras.Model, values: list[np.ndarray]):
    """Go back to what `values_of` gave."""
    for variable, value in zip(variables_of(model), values, strict=True):
        _assign(variable, value)


def _assign(variable, value):
    # numpy's own files do not know bfloat16.
    variable.assign(value.view(np.asarray(variable).dtype) if value.dtype.kind == "V" else value)
