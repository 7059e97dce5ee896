"""`FeatureVisualization`: images that channels, neurons or classes answer to, watched over a training."""

import inspect
from collections.abc import Mapping

from kerasviz import plotting
from kerasviz.callbacks.shots import Picture, Shot
from kerasviz.callbacks.watching import Watch
from kerasviz.checks import checked_count, checked_seed
from kerasviz.errors import SettingError
from kerasviz.synthesis.making import as_objective
from kerasviz.synthesis.maximization import ActivationMaximization

_NAMED = {"model", "objective", "preset", "size", "preprocess", "value_range", "steps", "seed"}


class FeatureVisualization(Watch):
    """Makes an image for each objective over and over while a model is trained, from the same start at each look.

    Numbers are the scores of the images. A look makes `steps` forward and backward passes; `every` makes it rare.

    Args:
        objectives: one or a list, as for `kerasviz.ActivationMaximization`: `kv.objectives.channel("relu3", 5)`, a
            class number.
        preset: as for `kerasviz.ActivationMaximization`.
        size: height and width of the images, or one number for both; None for those of the model.
        preprocess: as for `kerasviz.ActivationMaximization`.
        value_range: the smallest and the largest value of images; needed unless `preprocess` is a mode.
        steps: of each look; fewer than a preset's, which make a better picture.
        seed: of the start and the transforms, the same at each look.
        settings: whatever else `ActivationMaximization` or a call of it takes, by name:
            `{"regularizers": [TotalVariation(0.1)], "keep": "last"}`.
        name: as for `Watch`. Tags are "NAME/channel 5 of relu3/0" for the first image, "NAME/…/0/score" for its score.
        **watching: the other settings of `Watch`: `every`, `unit`, `initial`, `folder`, `log_dir`, `keep`.

    Attributes:
        history: as for `Watch`; results are `kerasviz.synthesis.SynthesizedImages`.

    Raises:
        InputError: no input can be made, or several could be meant.
        LayerError: an objective names no layer of the model.
        SettingError: a setting is unknown or out of range.
        TargetError: an objective does not fit.
        ModelError: as for `Watch`, and so are `PackageError` and `SaveError`.

    Warns:
        KerasvizWarning: as `ActivationMaximization` does.

    Example:
        >>> import keras, numpy as np
        >>> import kerasviz as kv
        >>> layers = [keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3, name="conv"), keras.layers.Flatten()]
        >>> model = keras.Sequential([*layers, keras.layers.Dense(3, "softmax")])
        >>> model.compile("sgd", "sparse_categorical_crossentropy")
        >>> rng = np.random.default_rng(0)
        >>> images, labels = rng.random((20, 8, 8, 1)), rng.integers(3, size=20)
        >>> watch = FeatureVisualization([kv.objectives.channel("conv", 2), 1], value_range=(0, 1), steps=4)
        >>> history = model.fit(images, labels, epochs=2, verbose=0, callbacks=[watch])
        >>> [(epoch, made.shape) for epoch, made in watch.history]
        [(0, (2, 8, 8, 1)), (1, (2, 8, 8, 1))]
    """

    def __init__(
        self,
        objectives,
        *,
        preset="auto",
        size: int | tuple[int, int] | None = None,
        preprocess=None,
        value_range: tuple[float, float] | None = None,
        steps: int = 128,
        seed: int = 0,
        settings: Mapping | None = None,
        name: str = "feature_visualization",
        **watching,
    ):
        super().__init__(name, **watching)
        making, calling = _sorted(settings or {})
        self._objectives = objectives
        self._making = {"preset": preset, "size": size, "preprocess": preprocess, "value_range": value_range, **making}
        self._calling = {"steps": checked_count("steps", steps), "seed": checked_seed(seed), **calling}
        as_objective(objectives, calling.get("count"))
        self._maximize = None

    def open(self):
        """Compile, and make the first steps, so that whatever does not fit is told before the first epoch."""
        self._maximize = ActivationMaximization(self.model, **self._making)
        self._maximize(self._objectives, **{**self._calling, "callbacks": (lambda look: look.step > 0,)})

    def look(self) -> Shot:
        """Make the images."""
        made = self._maximize(self._objectives, **self._calling)
        pictures, numbers = [], {}
        for i, (name, score, pixels) in enumerate(zip(made.names, made.scores.tolist(), made.pictures(), strict=True)):
            tag = f"{name.replace('/', '-')}/{i}"
            pictures.append(Picture(tag, f"{name} {score:.3g}", plotting.display_image(pixels)))
            numbers[f"{tag}/score"] = score
        return Shot(made, tuple(pictures), numbers)


def _sorted(settings):
    """Settings of `ActivationMaximization`, and those of a call of it."""
    of = [
        {name for name in inspect.signature(function).parameters if name != "self"} - _NAMED
        for function in (ActivationMaximization.__init__, ActivationMaximization.__call__)
    ]
    unknown = [name for name in settings if name not in of[0] | of[1]]
    if unknown:
        raise SettingError(
            f"settings has {unknown[0]!r}",
            expected=f"some of {', '.join(map(repr, sorted(of[0] | of[1])))}",
            mend="Give it as an argument of its own" if unknown[0] in _NAMED else "Look at its spelling",
        )
    return [{name: value for name, value in settings.items() if name in known} for known in of]
