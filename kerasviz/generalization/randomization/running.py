"""`RandomizationTest`: does a network fit labels and images that mean nothing, and how?"""

import inspect

import tensorflow as tf

from kerasviz import progress
from kerasviz.errors import InputError, ModelError, SettingError
from kerasviz.generalization.critical_search import CriticalSampleSearch
from kerasviz.generalization.critical_training import CriticalSampleTraining
from kerasviz.generalization.randomization.building import (
    build_seeded,
    fingerprint,
    open_checked,
    plain_arguments,
)
from kerasviz.generalization.randomization.data_sets import KINDS, DataSets
from kerasviz.generalization.randomization.keeping import Folder
from kerasviz.generalization.randomization.measuring import Measure
from kerasviz.generalization.randomization.record import RandomizationResult
from kerasviz.generalization.randomization.settings import Settings, as_regularizations
from kerasviz.generalization.randomization.training import Trainee


class RandomizationTest:
    """Trains one architecture, with the same settings, on true data and on data that mean nothing.

    Zhang et al. 2017, "Understanding deep learning requires rethinking generalization": a network that fits random
    labels has the capacity to memorize its training set, and neither its architecture nor its regularization explains
    why it generalizes. What differs is how it gets there: Arpit et al. 2017, "A Closer Look at Memorization in Deep
    Networks", found that fitting noise takes longer and leaves more critical samples.

    The data sets, each defined with its function in `kerasviz.generalization.randomization.corruption`:

    - "true": the data as given;
    - "corrupted": a share of the labels drawn at random, one data set for each share, called "corrupted 0.5";
    - "random labels": all labels drawn at random;
    - "shuffled pixels": one permutation of the pixels for all images;
    - "random pixels": another one for each image;
    - "gaussian": noise with the mean and variance of the training images.

    Validation images are treated as the training images are, with the same permutation in "shuffled pixels" and
    random numbers of their own in "random pixels" and "gaussian". Validation labels stay true: where the training
    labels or images say nothing, validation accuracy is that of guessing.

    All data sets begin with the same weights and see their samples in the same order with the same dropout, all of it
    from the seed. Another regularization has the same seed, but may draw other numbers with it. On a CPU a test
    repeats bit for bit.

    Args:
        build: a function that returns a new compiled Keras classifier with one input and one output. Its loss fits
            the labels; a schedule of learning rates belongs into its optimizer.
        images: `(N, …)`, what the model takes.
        labels: `(N,)` or `(N, 1)` class numbers or `(N, K)` one-hot rows, as the model's loss takes them.
        validation: a pair of images and labels that are not trained on, or None.
        data: which data sets, some of the above.
        corruption: the share of labels that "corrupted" draws, or several; as it counts in `corrupt_labels`.
        regularizations: by name a dict of keyword arguments of `build`, or a `Regularization`.
        epochs: that each network is trained.
        batch_size: samples in a step; the last of an epoch may be smaller.
        radius: of the boxes in which critical samples are searched, in the units of `images`; None not to search.
        search: as for `CriticalSampleSearch`.
        probes: around how many images of each data set, and how many of its validation images, they are searched:
            the same throughout.
        every: epochs between two searches; the last one is always searched.
        fitted: the training accuracy that counts as fitted.
        seed: of initial weights, order, dropout and corruptions.
        folder: keeps finished runs, and after each epoch the state of an unfinished one, so that the same test goes
            on after a kill, to the same result. It may go on with further data sets and regularizations too. None
            to keep nothing.

    Raises:
        InputError: images or labels do not fit each other or the model, or its loss does not take them.
        ModelError: `build` returns no new compiled Keras model, or another one with each call.
        SettingError: a setting is out of range, or `build` does not take the arguments.
        TargetError: the model is no classifier of whole images with one output.

    Example:
        >>> import keras, numpy as np
        >>> def build(units=16):
        ...     model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(),
        ...                               keras.layers.Dense(units, "relu"), keras.layers.Dense(2, "softmax")])
        ...     model.compile("adam", "sparse_categorical_crossentropy")
        ...     return model
        >>> images = np.random.default_rng(0).normal(size=(40, 4, 4, 1)).astype("float32")
        >>> labels = (images.mean((1, 2, 3)) > 0).astype(int)
        >>> found = RandomizationTest(build, images, labels, data=("true", "random labels"), epochs=2).run()
        >>> [row["data"] for row in found.rows()], found["true"].epochs
        (['true', 'random labels'], 2)
    """

    def __init__(
        self,
        build,
        images,
        labels,
        *,
        validation=None,
        data=KINDS,
        corruption=0.5,
        regularizations=None,
        epochs: int = 100,
        batch_size: int = 128,
        radius: float | None = None,
        search="lass",
        probes: int = 500,
        every: int = 1,
        fitted: float = 0.99,
        seed: int = 0,
        folder=None,
    ):
        self._settings = Settings(epochs, batch_size, radius, search, probes, every, fitted, seed)
        self._regularizations = as_regularizations({"none": {}} if regularizations is None else regularizations)
        self._data_sets = DataSets(images, labels, validation, kinds=data, shares=corruption, seed=self._settings.seed)
        self._build, self._folder = build, folder
        for name, each in self._regularizations.items():
            if each.early_stopping is not None and validation is None:
                raise SettingError(
                    f"The regularization {name!r} stops early, and there are no validation data",
                    expected="validation=(images, labels)",
                    mend="Set some of the data aside, or train without early stopping",
                )
        self._fingerprints = self._checked_models()

    def run(self) -> RandomizationResult:
        """Train all networks that are not finished.

        Raises:
            SaveError: the folder cannot be used.
            SettingError: the folder keeps another test.

        Warns:
            KerasvizWarning: a training diverged, or a file in the folder is damaged.
        """
        names, epochs = self._data_sets.names, self._settings.epochs
        folder = self._opened()
        wanted = [(data, name) for name in self._regularizations for data in names]
        runs = {key: folder.finished(*key) for key in wanted}
        done = epochs * sum(run is not None for run in runs.values())
        with progress.bar(epochs * len(runs), "Randomization test", unit="epochs", before=done) as advance:
            for name in self._regularizations:
                left = [data for data in names if runs[data, name] is None]
                trainee = self._trainee(name) if left else None
                for data in left:
                    runs[data, name] = trainee.run(self._data_sets.make(data), folder, advance)
                    folder.finish(runs[data, name])
        return RandomizationResult(
            runs, {**self._settings.plain(), "classes": self._data_sets.classes, "regularizations": self._plain()}
        )

    def _trainee(self, name):
        return Trainee(self._new(name), name, self._regularizations[name], self._data_sets, self._settings)

    def _new(self, name):
        arguments = dict(self._regularizations[name].build)
        return build_seeded(self._build, arguments, self._settings.seed, self._data_sets.images[:1])

    def _checked_models(self) -> dict[str, str]:
        """Build the model of each regularization to see that it can be trained; their fingerprints by name."""
        first = next(iter(self._regularizations))
        before = self._new(first)
        found = {}
        for name in self._regularizations:
            model = self._new(name)
            if model is before:
                raise ModelError(
                    "build returned the same model twice",
                    expected="a new model with each call",
                    mend="Make the model inside the function",
                )
            self._check(model, name)
            found[name] = fingerprint(model)
            if name == first and found[name] != fingerprint(before):
                raise ModelError(
                    "build returned two different models from the same seed",
                    expected="initial weights that follow from Python's random, as those of Keras do",
                    mend="Give other sources of randomness a fixed seed inside the function",
                )
        return found

    def _check(self, model, name):
        sets, settings = self._data_sets, self._settings
        sample = sets.images[:1]
        network, classes = open_checked(model, sample)
        if sets.classes not in (0, classes):
            raise ModelError(
                f"With the regularization {name!r}, build returns a model of {classes} classes, not {sets.classes}",
                expected="the same architecture with each regularization",
                mend="Let its arguments change how the model is trained",
            )
        sets.check(network, classes)
        labels = sets.targets[:2]
        try:
            measure = Measure(model, network.inputs.specs[0].dtype, sample, labels, batch_size=2)
            measure(sets.images[:2], labels, sets.numbers[:2, None].astype("int32"))
        except (ValueError, TypeError, tf.errors.OpError) as error:
            raise InputError(
                f"The loss of {model.name!r} does not take labels of the shape {labels.shape}: {error}",
                expected="labels that fit the loss",
                mend="Class numbers for sparse_categorical_crossentropy, one-hot rows for categorical_crossentropy",
            ) from error
        if settings.radius is not None:
            CriticalSampleSearch(model, search=settings.search, sample=sample)
        critical = self._regularizations[name].critical
        if critical is not None:
            try:
                inspect.signature(CriticalSampleTraining).bind(model, **critical)
            except TypeError as error:
                raise SettingError(
                    f"The regularization {name!r} has critical={critical}: {error}",
                    expected="keyword arguments of CriticalSampleTraining",
                    mend='{"radius": 0.03} is enough, for images of 0 to 1',
                ) from error
            CriticalSampleTraining(model, **{"sample": sample, **critical})

    def _plain(self):
        return {
            name: {
                "build": plain_arguments(each.build),
                "early_stopping": each.early_stopping,
                "critical": None if each.critical is None else plain_arguments(each.critical),
            }
            for name, each in self._regularizations.items()
        }

    def _opened(self):
        if self._folder is None:
            return Folder(None, {}, {})
        shared = {**self._settings.plain(), "data": self._data_sets.fingerprint()}
        known = self._plain()
        return Folder(
            self._folder, shared, {name: {**known[name], "model": self._fingerprints[name]} for name in known}
        )
