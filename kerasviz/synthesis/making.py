"""What all makers of images share: a model opened for an input that is an image, and results with their settings."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerasviz.errors import InputError, TargetError
from kerasviz.network import Network
from kerasviz.network.changing import changed_input
from kerasviz.synthesis.ascent import Ascent, Setting
from kerasviz.synthesis.record import SynthesizedImages
from kerasviz.synthesis.settings import preparation, preprocess_name, space_of
from kerasviz.synthesis.spaces import ImageSpace
from kerasviz.synthesis.watching import Climb
from kerasviz.targets import ClassScore, Each, Target, as_target


@dataclass(frozen=True)
class Ground:
    """A network, and the images that are made for it.

    Attributes:
        model: as the user gave it.
        network: the same, opened.
        number: of the input that is made, among the flat ones.
        space: of the images, before preprocessing.
        preprocess: as the user gave it.
        prepare: the same as a function of tensors.
    """

    model: object
    network: Network
    number: int
    space: ImageSpace
    preprocess: str | Callable | None
    prepare: Callable

    @property
    def input(self) -> str:
        """The name of the input that is made."""
        return self.network.inputs.specs[self.number].name

    def ascent(self, others: Mapping | None = None, **setting) -> Ascent:
        """An optimization of these images.

        Args:
            others: as for `Ascent`.
            **setting: of `kerasviz.synthesis.ascent.Setting`, without space and preparation.
        """
        made = Setting(space=self.space, prepare=self.prepare, **setting)
        return Ascent(self.model, self.network, made, input=self.input, others=others)

    def start(self, images, count: int | None = None) -> np.ndarray:
        """Images to begin with, checked: `(N, H, W, C)` float32.

        Args:
            images: `(N, H, W, C)`, in the values of the space.
            count: how many there must be; None for any number.

        Raises:
            InputError: they have another shape, or values outside of the range.
        """
        array = np.asarray(images)
        numeric = array.dtype.kind in "buif"
        wanted = f"({'N' if count is None else count}, {', '.join(map(str, self.space.shape))})"
        if not numeric or array.shape[1:] != self.space.shape or len(array) != (len(array) if count is None else count):
            raise InputError(
                f"The images to begin with have the shape {array.shape} and the type {array.dtype}",
                expected=f"numbers of the shape {wanted}",
                mend="Resize them, or pass size=, and give one for each image that is made",
            )
        outside = not np.isfinite(array).all() or array.min() < self.space.low or array.max() > self.space.high
        if len(array) == 0 or outside:
            raise InputError(
                "The images to begin with are none, or hold values that are not finite or outside of the range",
                expected=f"values from {self.space.low:g} to {self.space.high:g}",
                mend="Give images as they are before preprocessing",
            )
        return array.astype(np.float32)


def ground(
    model,
    *,
    size=None,
    preprocess: str | Callable | None = None,
    value_range: tuple[float, float] | None = None,
    input: str | None = None,
    sample=None,
) -> Ground:
    """Open a model for the making of images.

    Args:
        model: any built Keras model, or the path of a saved one.
        size: as for `kerasviz.synthesis.settings.space_of`.
        preprocess: as for `space_of`.
        value_range: as for `space_of`.
        input: the name of the input that is made, for models with several.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        InputError: no input can be made, or several could be meant.
        ModelError: the model cannot be opened.
        SettingError: as for `space_of`.
    """
    prepare = preparation(preprocess)
    network = Network(model, sample=sample)
    number = changed_input(network, input)
    space = space_of(network, number, size=size, preprocess=preprocess, value_range=value_range)
    return Ground(model, network, number, space, preprocess, prepare)


def as_objective(given, count: int | None = None) -> tuple[Target, list[str]]:
    """The objective that a user means, and the name of each image that is made.

    Args:
        given: a target, a class number, a function of the outputs, or a list of these with one for each image.
        count: how many images; None for as many as the list has, or for one.

    Raises:
        TargetError: it is none of these, or the list has another length.
    """
    if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str | tuple):
        targets = [_one(each) for each in given]
        if count not in (None, len(targets)):
            raise TargetError(
                f"{len(targets)} objectives for {count} images", expected="one an image", mend="Leave count out"
            )
        return Each(targets), [target.describe() for target in targets]
    target = _one(given)
    return target, [target.describe()] * (count or 1)


def _one(given):
    target = as_target(given.item() if isinstance(given, np.integer) else given)
    if isinstance(target, ClassScore) and target.index is None:
        raise TargetError(
            "The objective is the top class, which is another for each image on the way",
            expected="a class number, or another target",
            mend="Say which class, channel or neuron is looked for",
        )
    return target


def recorded(climb: Climb, names: list[str], ground: Ground, settings: Mapping) -> SynthesizedImages:
    """The result of an ascent as a record.

    Args:
        climb: what the ascent gave.
        names: what each image maximizes.
        ground: for what it was made.
        settings: what else it depends on.
    """
    pictures = len(climb.snapshot_steps) > 0
    return SynthesizedImages(
        images=climb.images,
        scores=climb.scores,
        names=names,
        low=ground.space.low,
        high=ground.space.high,
        steps=climb.steps,
        history=climb.history,
        snapshots=climb.snapshots if pictures else None,
        snapshot_steps=climb.snapshot_steps if pictures else None,
        settings={
            "model": ground.network.name,
            "input": ground.input,
            "size": [ground.space.height, ground.space.width],
            "preprocess": preprocess_name(ground.preprocess),
            **settings,
        },
    )


def optimizer_settings(optimizer) -> dict:
    """An optimizer with its settings, for manifests."""
    # Keras counts up the name of each optimizer that it makes.
    return {**optimizer.get_config(), "name": type(optimizer).__name__}


def described(influence) -> dict:
    """An influence or another dataclass with its settings, for manifests."""
    return {"kind": type(influence).__name__, **dataclasses.asdict(influence)}
