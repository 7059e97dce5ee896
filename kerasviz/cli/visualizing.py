"""Images that a network answers strongly to: the work behind `visualize`."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from kerasviz.cli.asking import Units, parse_numbers
from kerasviz.cli.classes import resolve
from kerasviz.cli.console import printable
from kerasviz.cli.manifest import versions
from kerasviz.cli.models import Opened, require_image_input
from kerasviz.cli.pictures import Frame
from kerasviz.cli.preparation import with_preprocess
from kerasviz.errors import SettingError, TargetError
from kerasviz.predictions import Classes
from kerasviz.synthesis.maximization import ActivationMaximization
from kerasviz.synthesis.record import SynthesizedImages
from kerasviz.targets import Channel, ClassScore, Neuron, Target
from kerasviz.targets.units import map_shape

_PICTURES = (0.0, 255.0)  # the values of pictures


@dataclass(frozen=True)
class Visualizing:
    """All that is settled before the first step.

    Attributes:
        opened: the model.
        targets: what is raised, one for each image.
        names: what each is called.
        maximize: makes the images.
        steps: how many.
        snapshots: steps after which images are kept.
        seed: of the start and the transforms.
        asked: what was asked for, so that it can be asked again.
    """

    opened: Opened
    targets: list[Target]
    names: list[str]
    maximize: ActivationMaximization
    steps: int
    snapshots: tuple[int, ...]
    seed: int
    asked: dict

    def cost(self) -> str:
        """What the work will cost, in words."""
        count, steps = len(self.targets), self.steps
        product = f"{count:,} image{'s' * (count != 1)} x {steps:,} step{'s' * (steps != 1)}"
        return f"{count * steps:,} passes forward and back: {product}"

    def run(self) -> SynthesizedImages:
        """Make the images."""
        made = self.maximize(self.targets, steps=self.steps, seed=self.seed, snapshots=self.snapshots)
        about = {"preprocess": self.opened.preprocess_name, "command": self.asked, "versions": versions()}
        return dataclasses.replace(made, names=self.names, settings={**made.settings, **about})


def prepare_visualizing(
    opened: Opened,
    *,
    channels: list[Units],
    neurons: list[Units],
    classes: list[str],
    count: int,
    output: str | None,
    steps: int | None,
    preset: str,
    size: tuple[int, int] | None,
    value_range: tuple[float, float] | None,
    snapshots: int,
    batch_size: int,
    seed: int,
) -> Visualizing:
    """Check everything, and construct what makes the images.

    Args:
        opened: the model.
        channels: channels of layers.
        neurons: neurons of layers.
        classes: class numbers, ranges of them, labels, or "all".
        count: how many images of each of these.
        output: of a model with several.
        steps: None for the preset's.
        preset: of `kerasviz.synthesis.presets`.
        size: height and width of the images; None for the network's.
        value_range: of the images, before preprocessing; None for 0 to 255.
        snapshots: how many.
        batch_size: images that are made at once.
        seed: of the start and the transforms.

    Raises:
        KerasvizError: something does not fit; the message names the option.
    """
    height, width, depth = _sides(opened)
    if size is None and None in (height, width):
        raise SettingError(
            f"The model {opened.network.name!r} takes images of any size",
            expected="a size for those that are made",
            mend="Add --size 224, or --size 224x320",
        )
    # Values that are no pictures are what the network takes, unless a preprocessing is known.
    plain = value_range is not None and opened.preprocess is None
    if plain:
        opened = dataclasses.replace(opened, preprocess="none", preprocess_name="none")
    opened = with_preprocess(opened, Frame(height, width, depth))
    named = [*_units(opened, channels, neurons), *_classes(opened, classes, output)]
    maximize = ActivationMaximization(
        opened.model,
        preset=preset,
        size=size,
        preprocess=opened.preprocess,
        value_range=value_range or _PICTURES,
        batch_size=batch_size,
    )
    for target, _ in named:
        target.arguments(maximize.network, 1)
    steps = maximize.preset.steps if steps is None else steps
    asked = {
        "name": "visualize",
        "model": printable(opened.given),
        "channel": [units.given.partition(" ")[2] for units in channels],
        "neuron": [units.given.partition(" ")[2] for units in neurons],
        "class": classes,
        "count": count,
        "output": output,
        "steps": steps,
        "preset": preset,
        "size": size,
        "preprocess": opened.preprocess_name,
        "value_range": value_range,
        "snapshots": snapshots,
        "batch_size": batch_size,
        "seed": seed,
    }
    every = tuple(np.unique(np.rint(np.linspace(0, steps, snapshots)).astype(int)).tolist()) if snapshots else ()
    # Images of one thing stand side by side.
    repeated = [pair for pair in named for _ in range(count)]
    targets, names = map(list, zip(*repeated, strict=True))
    return Visualizing(opened, targets, names, maximize, steps, every, seed, asked)


def _sides(opened):
    """Height, width and channels of the images that a network takes, any number of channels."""
    specs = opened.network.inputs.specs
    if len(specs) == 1 and len(specs[0].shape) == 4 and specs[0].shape[3] is not None:
        return specs[0].shape[1:]
    return require_image_input(opened)


def _units(opened, channels, neurons):
    for kind, asked in (("channel", channels), ("neuron", neurons)):
        for units in asked:
            shape = map_shape(opened.network, units.layer)
            numbers = range(shape[-1]) if units.numbers is None else units.numbers
            if max(numbers) >= shape[-1]:
                raise TargetError(
                    f"{units.given}: the layer has {shape[-1]} channels",
                    expected=f"0 to {shape[-1] - 1}",
                    mend="Channels are counted from 0",
                )
            if kind == "neuron":
                _check_position(units, shape)
            for number in numbers:
                channel = Channel(units.layer, number)
                target = channel if kind == "channel" else Neuron(units.layer, units.position, number)
                yield target, target.describe()


def _check_position(units, shape):
    sides = shape[1:-1]
    if not sides:
        raise TargetError(
            f"{units.given}: the layer has no positions",
            expected="a feature map",
            mend="A unit of a dense layer is a --channel",
        )
    place = units.position
    if place is not None and (
        len(place) != len(sides) or any(side is not None and at >= side for at, side in zip(place, sides, strict=True))
    ):
        raise TargetError(
            f"{units.given}: the map is {' x '.join(map(str, sides))}",
            expected="a row and a column of it, counted from 0",
            mend="Without @ the neuron in the middle is meant",
        )


def _classes(opened, given, output):
    if not given:
        return
    classes = Classes(opened.network, opened.labels, output)
    for entry in given:
        numbers = range(classes.count) if entry == "all" else parse_numbers(entry)
        for word in [entry] if numbers is None else map(str, numbers):
            number = resolve(classes, word, option="--class")
            label = classes.label(number)
            name = f"class {number}" if label is None else f"class {number} ({label})"
            yield ClassScore(number, output=output), name
