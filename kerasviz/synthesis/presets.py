"""Settings of a synthesis that belong together, by name.

| name | images | for |
|---|---|---|
| `natural` | Fourier, decorrelated colours, transforms | readable pictures, also of networks with BatchNorm and ReLU6 |
| `small` | the same with small transforms and a penalty of rough images | images of a few pixels, such as digits |
| `keras_vis` | pixels, total variation and L6 | what that tool made |
| `plain` | pixels, nothing else | what is measured: the objective as it is |
| `auto` | `small` where a side is under 32 pixels, else `natural` | |
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import keras

from kerasviz.checks import checked_choice, checked_count
from kerasviz.errors import SettingError
from kerasviz.synthesis.influences import Adjustment, Regularizer, Transform
from kerasviz.synthesis.making import described, optimizer_settings
from kerasviz.synthesis.parametrizations.base import Parametrization
from kerasviz.synthesis.parametrizations.fourier import Fourier
from kerasviz.synthesis.parametrizations.pixels import Pixels
from kerasviz.synthesis.regularizers import Lp, TotalVariation
from kerasviz.synthesis.spaces import ImageSpace
from kerasviz.synthesis.transforms import Jitter, Roll, Rotate, Scale, standard

#: Images with a shorter side than this are "small".
SMALL = 32
_INFLUENCES = ("transforms", "regularizers", "adjustments")
_OF_SETTING = ("parametrization", *_INFLUENCES, "optimizer", "normalize")


@dataclass(frozen=True)
class Preset:
    """All that a synthesis is made with, beside the network, the objective and the images' size and range.

    Attributes:
        parametrization: how images are written.
        transforms: random changes of what the network sees in a step.
        regularizers: penalties.
        adjustments: changes of the images after a step; only of parametrizations of pixels.
        optimizer: of Keras; a copy of it is used. None for Adam with steps of 0.05.
        normalize: what each image's gradient is divided by; see `kerasviz.synthesis.ascent.Setting`.
        steps: how many are made.
        name: for manifests; "" for one that is nobody's.

    Raises:
        SettingError: `steps` is no number of steps.

    Example:
        >>> Preset(Pixels(), steps=20).replaced(regularizers=[Lp(1.0)]).settings()["regularizers"]
        [{'kind': 'Lp', 'weight': 1.0, 'p': 2.0, 'center': 0.0}]
    """

    parametrization: Parametrization
    transforms: tuple[Transform, ...] = ()
    regularizers: tuple[Regularizer, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    optimizer: keras.optimizers.Optimizer | None = None
    normalize: str | None = None
    steps: int = 256
    name: str = ""

    def __post_init__(self):
        checked_count("steps", self.steps)
        for name in _INFLUENCES:
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.optimizer is None:
            object.__setattr__(self, "optimizer", keras.optimizers.Adam(0.05))

    def replaced(self, **given) -> "Preset":
        """The same with other settings in the place of some; those that are None stay.

        Args:
            **given: attributes by name.
        """
        return dataclasses.replace(self, **{name: value for name, value in given.items() if value is not None})

    def setting(self) -> dict:
        """What `kerasviz.synthesis.ascent.Setting` takes, by name."""
        return {name: getattr(self, name) for name in _OF_SETTING}

    def settings(self) -> dict:
        """All of it as JSON can hold it, without the number of steps."""
        influences = {name: [described(each) for each in getattr(self, name)] for name in _INFLUENCES}
        return {
            "preset": self.name,
            **self.parametrization.settings(),
            **influences,
            "optimizer": optimizer_settings(self.optimizer),
            "normalize": self.normalize,
        }


def preset_for(given: str | Preset, space: ImageSpace) -> Preset:
    """The preset that a user means, for images of a size.

    Args:
        given: a preset, or the name of one in `PRESETS`, or "auto".
        space: of the images.

    Raises:
        SettingError: there is no preset of that name.

    Example:
        >>> preset_for("auto", ImageSpace(8, 8, 1, 0.0, 16.0)).name
        'small'
    """
    if isinstance(given, Preset):
        return given
    if not isinstance(given, str):
        raise SettingError(
            f"preset={given!r}", expected=f"a Preset, or one of {_names()}", mend="Leave it out for the default"
        )
    checked_choice("preset", given, ["auto", *PRESETS])
    if given == "auto":
        given = "small" if min(space.height, space.width) < SMALL else "natural"
    return dataclasses.replace(PRESETS[given](space), name=given)


def _natural(space):
    return Preset(Fourier(), transforms=standard(space.height, space.width), steps=512)


def _small(space):
    # No frame: a rim that the network never sees alone would be a large part of such images.
    return Preset(Fourier(), transforms=(Jitter(1), Scale(0.9, 1.1), Rotate(10), Jitter(1)))


def _keras_vis(space):
    return Preset(
        Pixels(),
        transforms=(Roll(max(1, min(space.height, space.width) // 20)),),
        regularizers=(TotalVariation(10.0), Lp(10.0, p=6, center=0.5 if space.bounded else 0.0)),
        optimizer=keras.optimizers.RMSprop(0.01),
        steps=200,
    )


def _plain(space):
    return Preset(Pixels(), optimizer=keras.optimizers.Adam(0.02))


#: The presets by name: functions of the images' space.
PRESETS: dict[str, Callable[[ImageSpace], Preset]] = {
    "natural": _natural,
    "small": _small,
    "keras_vis": _keras_vis,
    "plain": _plain,
}


def _names():
    return ", ".join(map(repr, ["auto", *PRESETS]))
