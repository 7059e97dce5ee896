"""`Explain`: any explainer, watched over a training."""

import inspect

import numpy as np

from kerasviz import attribution
from kerasviz.attribution import Explainer
from kerasviz.attribution.one_call import check_settings, method_name
from kerasviz.callbacks.labelling import require_labels
from kerasviz.callbacks.painting import Painter
from kerasviz.callbacks.probes import probe
from kerasviz.callbacks.shots import Picture, Shot
from kerasviz.callbacks.watching import Watch
from kerasviz.checks import checked_count
from kerasviz.errors import ModelError, SettingError, TargetError
from kerasviz.plotting.colors import Palette
from kerasviz.plotting.compose import check_alpha
from kerasviz.plotting.naming import class_name
from kerasviz.plotting.ranges import check_scale
from kerasviz.targets import ClassScore, as_target


class Explain(Watch):
    """Explains the same few images over and over while a model is trained: any explainer, one callback.

    Args:
        explainer: the name of a method ("grad_cam"), a class (`kv.GradCAM`), a function of the model that returns an
            explainer (`lambda model: kv.SmoothGrad(kv.GuidedBackprop(model))`), or an explainer that was made for the
            model or a part of it.
        data: arrays as `model.predict` takes them; or a `tf.data.Dataset` or `keras.utils.PyDataset` of batches, of
            which the first samples are taken. A data set that shuffles is better given as a batch of it: to look into
            it moves its shuffling on.
        target: what is explained: as for every explainer, None for each sample's top class at each look; or
            "label", the labels of the data set, class numbers or one-hot.
        images: how many samples are looked at, the first of the data.
        display: as many images to draw in place of the inputs, such as those before preprocessing.
        labels: names of the classes by their numbers, a list or a dict, for titles and tags.
        scale: which range of values the colours stand for. "first" gives all looks that of the first one with a range,
            so that they can be compared; "batch" gives each look its own, "image" each map; `(low, high)` fixes it.
            Values that grow far beyond those of a network at its beginning are clipped: then fix the range, or let
            each look have its own.
        cmap: colour map; see `kerasviz.plotting.plot`.
        alpha: opacity of heat maps over the image; see `kerasviz.plotting.overlay`.
        name: as for `Watch`; None for the registered name of the method. As for `Watch` are also the following.
        every: how many epochs or batches lie between two looks.
        unit: "epoch" or "batch".
        initial: look before the first epoch, too.
        folder: where pictures go.
        log_dir: where TensorBoard's events go. Tags are "NAME/0" for the first image, or "NAME/husky/0" where the class
            stays the same; numbers are the mean score, and how alike the maps are to those of the look before, as the
            mean of Pearson's correlation.
        keep: how many explanations `history` holds.
        **settings: of the method, such as `layer=`; only where `explainer` is a name or a class.

    Raises:
        SettingError: the method, a setting of it or of the callback is unknown or out of range; a class has no label.
        InputError: the data, or the images to display, do not fit.
        TargetError: the target does not fit.
        ModelError: the explainer was made for another model.
        LayerError: there is no such layer.
        PackageError: as for `Watch`.
        SaveError: as for `Watch`.

    Warns:
        KerasvizWarning: as the explainer does; as for `Watch`.

    Example:
        >>> import keras, numpy as np
        >>> from pathlib import Path
        >>> layers = [keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten()]
        >>> model = keras.Sequential([*layers, keras.layers.Dense(3, "softmax")])
        >>> model.compile("sgd", "sparse_categorical_crossentropy")
        >>> rng = np.random.default_rng(0)
        >>> images, labels = rng.normal(size=(20, 8, 8, 1)), rng.integers(3, size=20)
        >>> watch = Explain("saliency", images, target=labels[:4], images=4, folder="watched")
        >>> history = model.fit(images, labels, epochs=2, verbose=0, callbacks=[watch])
        >>> [(epoch, explanation.shape) for epoch, explanation in watch.history]
        [(0, (4, 8, 8, 1)), (1, (4, 8, 8, 1))]
        >>> sorted(path.name for path in Path("watched").iterdir())
        ['saliency-epoch-0001.png', 'saliency-epoch-0002.png', 'saliency.gif', 'saliency.png']
    """

    def __init__(
        self,
        explainer,
        data,
        *,
        target=None,
        images: int = 8,
        display=None,
        labels=None,
        scale="first",
        cmap=None,
        alpha: float | str | None = None,
        name: str | None = None,
        every: int = 1,
        unit: str = "epoch",
        initial: bool = False,
        folder=None,
        log_dir=None,
        keep: int | None = None,
        **settings,
    ):
        self._make, known = _maker(explainer, settings)
        super().__init__(
            known if name is None else name,
            every=every,
            unit=unit,
            initial=initial,
            folder=folder,
            log_dir=log_dir,
            keep=keep,
        )
        if scale != "first":
            check_scale(scale)
        if alpha is not None:
            check_alpha(alpha, signed=False)
        if cmap is not None:
            Palette.of(cmap, signed=False)
        self._inputs, of_data = probe(data, checked_count("images", images))
        self._target = _labels(of_data) if isinstance(target, str) and target == "label" else target
        self._display, self._labels = display, labels
        self._scale, self._style = scale, {"cmap": cmap, "alpha": alpha}
        self._explain = self._painter = self._last = None
        self._tagged = False

    def open(self):
        """Make the explainer, and explain once, so that whatever does not fit is told before the first epoch."""
        self._explain = self._make(self.model, self._inputs)
        _require_same_weights(self._explain, self.model)
        specs = self._explain.network.inputs.specs
        arrays = self._explain.network.inputs.check(self._inputs)
        named = {spec.name: array for spec, array in zip(specs, arrays, strict=True)}
        self._painter, self._last = Painter(named, self._display, scale=self._scale, **self._style), None
        self._explain(self._inputs, self._target)
        goal = as_target(self._target)
        self._tagged = isinstance(goal, ClassScore) and goal.index is not None
        if isinstance(goal, ClassScore):
            require_labels(self._labels, self._explain.network, goal)

    def look(self) -> Shot:
        """Explain the images."""
        explanation = self._explain(self._inputs, self._target)
        pictures = tuple(
            Picture(self._tag(explanation, name, i), self._title(explanation, i), pixels)
            for name, drawn in self._painter.paint(explanation).items()
            for i, pixels in enumerate(drawn)
        )
        numbers = {"score": float(np.mean(explanation.score))}
        maps = np.concatenate([values.reshape(len(values), -1) for values in explanation.by_input.values()], axis=1)
        if self._last is not None:
            numbers["similarity"] = float(np.mean(_correlations(self._last, maps)))
        self._last = maps
        return Shot(explanation, pictures, numbers)

    def _tag(self, explanation, name, i):
        """Of an image; with its class where that is the same at each look."""
        label = [class_name(self._labels, int(explanation.target[i])).replace("/", "-")] if self._tagged else []
        return "/".join([*[name] * bool(name), *label, str(i)])

    def _title(self, explanation, i):
        target = explanation.target
        if not isinstance(target, str):
            target = class_name(self._labels, int(target[i]))
        return f"{target} {explanation.score[i]:.3g}"


def _maker(explainer, settings):
    """A function of the model and a sample that makes the explainer, and the name of the method."""
    if isinstance(explainer, str):
        explainer = attribution.methods()[method_name(explainer)]
    if isinstance(explainer, type) and issubclass(explainer, Explainer):
        check_settings(explainer, settings)
        sampled = "sample" in inspect.signature(explainer).parameters and "sample" not in settings

        def make(model, sample):
            return explainer(model, **settings, **({"sample": sample} if sampled else {}))

        return make, explainer.name
    if settings:
        raise SettingError(
            f"{next(iter(settings))!r} is no setting of Explain, and the explainer is no name or class",
            expected="settings of the method only where the callback makes the explainer",
            mend="Give them where the explainer is made",
        )
    if isinstance(explainer, Explainer):
        return lambda model, sample: explainer, explainer.name
    if not callable(explainer):
        raise SettingError(
            f"explainer={explainer!r}",
            expected="the name of a method, an explainer, its class, or a function of the model that returns one",
            mend='For example "grad_cam", or kv.GradCAM',
        )
    return lambda model, sample: explainer(model), "explanation"


def _require_same_weights(explain, model):
    """Refuse an explainer whose network would not change while the model is trained."""
    if not isinstance(explain, Explainer):
        raise SettingError(
            f"The function made a {type(explain).__name__} of the model",
            expected="an explainer",
            mend="Return one: lambda model: kv.GradCAM(model)",
        )
    trained = {id(weight) for weight in model.weights}
    if not any(id(weight) in trained for weight in explain.network.weights):
        raise ModelError(
            f"The explainer was made for {explain.network.name!r}, which shares no weight with {model.name!r}",
            expected="an explainer of the model that is trained, or of a part of it",
            mend="Give the name of the method, so that the callback makes it",
        )


def _labels(labels):
    """Class numbers from the labels of a data set: numbers, or one-hot."""
    shape = np.shape(labels)
    if labels is None or isinstance(labels, dict | list | tuple) or len(shape) not in (1, 2):
        raise TargetError(
            'target="label", and the data have no labels of one output',
            expected="a data set of (inputs, labels), with class numbers or one-hot labels",
            mend="Give the class numbers: target=[3, 5, …]",
        )
    return np.argmax(labels, axis=1) if len(shape) == 2 and shape[1] > 1 else np.reshape(labels, -1).astype(int)


def _correlations(before, now):
    """Pearson's correlation of each map with its forerunner; 0 where one is the same everywhere."""
    before, now = (maps - maps.mean(axis=1, keepdims=True) for maps in (before.astype(float), now.astype(float)))
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(now, axis=1)
    return np.divide((before * now).sum(axis=1), norms, out=np.zeros(len(now)), where=norms > 0)
