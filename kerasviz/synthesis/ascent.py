"""`Ascent`: images that are changed step by step until an objective is as high as it gets."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from kerasviz import progress
from kerasviz.checks import checked_choice, checked_count, checked_seed
from kerasviz.errors import SettingError
from kerasviz.network import Network
from kerasviz.network.changing import changed_input, inside_graph
from kerasviz.synthesis.climbing import Climber
from kerasviz.synthesis.influences import Adjustment, Regularizer, Transform
from kerasviz.synthesis.normalizing import NORMALIZATIONS
from kerasviz.synthesis.others import other_inputs
from kerasviz.synthesis.parametrizations.base import Parametrization
from kerasviz.synthesis.spaces import ImageSpace
from kerasviz.synthesis.watching import Climb, Look, Watch, joined
from kerasviz.targets import Target

#: Compiled climbers that are kept, the last used.
_KEPT = 4


@dataclass(frozen=True)
class Setting:
    """What a synthesis is made with, beside the network and the objective.

    Attributes:
        space: of the images.
        parametrization: how the images are written.
        prepare: what happens to images before the network takes them, a function of tensors.
        transforms: random changes of what the network sees, one after the other.
        regularizers: penalties.
        adjustments: changes of the images after each step; only of parametrizations of pixels.
        optimizer: of Keras; a copy of it is used. It should treat each value alone, as Adam and SGD do without
            clipping by a norm: else images of a batch change each other.
        normalize: what each image's gradient is divided by: "mean_abs", "rms" or "l2", or None.
    """

    space: ImageSpace
    parametrization: Parametrization
    prepare: Callable = lambda images: images
    transforms: tuple[Transform, ...] = ()
    regularizers: tuple[Regularizer, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    optimizer: keras.optimizers.Optimizer | None = None
    normalize: str | None = None

    def __post_init__(self):
        checked_choice("normalize", self.normalize, [None, *NORMALIZATIONS])
        for name, kind in (("transforms", Transform), ("regularizers", Regularizer), ("adjustments", Adjustment)):
            for each in getattr(self, name):
                if not isinstance(each, kind):
                    raise SettingError(
                        f"{name} holds {each!r}",
                        expected=f"objects of kerasviz.synthesis that are of the kind {kind.__name__}",
                        mend="Make one, such as TotalVariation(0.1), Decay(0.01) or Jitter(8)",
                    )
        if self.adjustments and not self.parametrization.of_pixels:
            raise SettingError(
                f"adjustments with the parametrization {self.parametrization.name!r}",
                expected="parameters that are the pixels",
                mend="Use parametrization=Pixels(), or regularizers, which work with every parametrization",
            )


class Ascent:
    """An optimization of images for one network: made once, called often, compiled once for each kind of objective.

    In each step the images go through the transforms, are brought to the network's size, prepared and run; the
    gradient of the objective less the penalties, with respect to the parameters, makes the step. Images whose
    gradient is not finite stay as they are in it.

    From time to time, and at the end, the images themselves are looked at, without transforms. Of these looks the
    best of each image is what a run returns, so that a returned score is exactly that of the returned image.

    Where an image's first gradient is zero everywhere because the rectifiers above it are off, the first steps take
    the redirected gradient of `kerasviz.network.rules.redirected`.

    Args:
        model: any built Keras model.
        network: the same, opened.
        setting: all else.
        input: the name of the input that is made, for models with several.
        others: for models with several inputs, a sample of each other one, by name, without a batch axis.

    Raises:
        InputError: no input can be made, several could be meant, or `others` does not fit.
        SettingError: the preparation cannot run as part of a graph.
    """

    def __init__(self, model, network: Network, setting: Setting, *, input=None, others: Mapping | None = None):
        self.network, self.setting = network, setting
        self._model, self._number = model, changed_input(network, input)
        self.input = network.inputs.specs[self._number].name
        self._others = other_inputs(network, self._number, others)
        inside_graph(setting.prepare, network.inputs.specs[self._number])
        self._climbers: OrderedDict = OrderedDict()
        self._redirected: Network | None = None
        self._lock = threading.RLock()

    def run(
        self,
        objective: Target,
        count: int,
        *,
        steps: int,
        seed: int = 0,
        images: np.ndarray | None = None,
        look: int = 16,
        goal: float | None = None,
        patience: int | None = None,
        keep: str = "best",
        snapshots: Sequence[int] = (),
        callbacks: Sequence[Callable[[Look], bool | None]] = (),
        batch_size: int = 16,
        title: str = "Images",
    ) -> Climb:
        """Make images.

        Args:
            objective: what is raised.
            count: how many images.
            steps: at most.
            seed: of the start and the transforms.
            images: to begin with, `(count, H, W, C)` in the values of the space.
            look: steps between two looks.
            goal: stop a batch as soon as all of its images have reached this value, objective less penalties.
            patience: stop a batch after so many looks without a better image; None for never.
            keep: "best" of the looks, or "last".
            snapshots: steps after which the images are kept.
            callbacks: get each `Look`; one that returns True ends the batch.
            batch_size: how many images are made at once.
            title: of the progress bar.

        Raises:
            SettingError: a setting is out of range.
            TargetError: the objective does not fit.
        """
        count, steps = checked_count("count", count), checked_count("steps", steps)
        seed, batch_size = checked_seed(seed), checked_count("batch_size", batch_size)
        watch = Watch(
            steps=steps,
            look=checked_count("look", look),
            snapshots=tuple(sorted({checked_count("snapshots", at, least=0) for at in snapshots})),
            goal=goal,
            patience=patience if patience is None else checked_count("patience", patience),
            keep=keep,
            callbacks=tuple(callbacks),
        )
        if not objective.alone and count > batch_size:
            raise SettingError(
                f"{count} images, {batch_size} at once, and an objective that compares all of them: "
                f"{objective.describe()}",
                expected="as many at once as there are",
                mend=f"Pass batch_size={count}",
            )
        arguments = objective.arguments(self.network, count)
        self.network.warn_of_heads()
        space, way = self.setting.space, self.setting.parametrization
        start = way.start(space, count, seed) if images is None else way.parameters_of(images, space)
        batches = np.array_split(np.arange(count), -(-count // batch_size))
        parts = []
        with self._lock, progress.bar(steps * len(batches), title, unit="steps") as advance:
            for rows in batches:
                climber = self._climber(objective, len(rows))
                climber.begin([array[rows] for array in start], [array[rows] for array in arguments], seed)
                parts.append(watch.follow(climber, rows, advance))
        return joined(parts)

    def _climber(self, objective, count) -> Climber:
        key = (objective.key(), count)
        if key not in self._climbers:
            self._climbers[key] = Climber(
                self.network, self._redirect, self.setting, self._number, self._others, objective, count
            )
        self._climbers.move_to_end(key)
        while len(self._climbers) > _KEPT:
            self._climbers.popitem(last=False)
        return self._climbers[key]

    def _redirect(self) -> Network:
        """The network with the redirected gradient, opened when it is first needed."""
        if self._redirected is None:
            self._redirected = Network(self._model, rule="redirected")
        return self._redirected
