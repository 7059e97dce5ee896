"""Making fooling images for the classes that were asked: the work behind `fool`."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from kerasviz.cli.classes import resolve
from kerasviz.cli.manifest import versions
from kerasviz.cli.models import Opened
from kerasviz.cli.pictures import Frame
from kerasviz.cli.preparation import frame_of, with_preprocess
from kerasviz.errors import SettingError, TargetError
from kerasviz.predictions import Classes
from kerasviz.synthesis.fooling.confidence import checked_confidence
from kerasviz.synthesis.fooling.one_call import fooling_images
from kerasviz.synthesis.fooling.record import FoolingImages

#: Up to so many classes all are asked, of more so many.
_ALL, _SAMPLE = 20, 10


@dataclass(frozen=True)
class Fooling:
    """All that is settled before the first step.

    Attributes:
        opened: the model.
        classes: of the output that counts.
        frame: the size of the pictures.
        asked: the class numbers.
        sampled: whether they are only some of all, and nobody chose them.
        settings: of `kerasviz.synthesis.fooling.one_call.fooling_images`.
    """

    opened: Opened
    classes: Classes
    frame: Frame
    asked: list[int]
    sampled: bool
    settings: dict

    def run(self) -> FoolingImages:
        """Make the images; what is needed to make them again is among the settings of the record."""
        made = fooling_images(self.opened.model, self.asked, **self.settings)
        told = {
            **made.settings,
            "model": {"given": self.opened.given, "name": self.opened.network.name, "output": self.classes.output},
            "preprocess": self.opened.preprocess_name or "none",
            "versions": versions(),
        }
        return dataclasses.replace(made, settings=told)


def prepare_fooling(
    opened: Opened,
    words: list[str],
    *,
    every: bool,
    method: str,
    confidence: float,
    steps: int | None,
    generations: int | None,
    start: str | None,
    output: str | None,
    sides: tuple[int, int] | None,
    value_range: tuple[float, float] | None,
    batch_size: int,
    seed: int,
) -> Fooling:
    """Check everything that can be checked before any work.

    Args:
        opened: the model.
        words: the classes that were asked, numbers or labels.
        every: ask for all of them.
        method: "gradient", "map-elites" or "cppn".
        confidence: the probability that is asked.
        steps: at most; None for the default.
        generations: as `steps`.
        start: what gradient begins with; None for the default.
        output: of a model with several.
        sides: height and width for a network that takes any.
        value_range: of images as the network takes them; None for pictures of 0 to 255.
        batch_size: images that run at once.
        seed: of what is drawn.

    Raises:
        KerasvizError: something does not fit; the message names the option.
    """
    checked_confidence(confidence)
    frame = frame_of(opened, sides, "crop")
    if frame.free:
        raise SettingError(
            f"The model {opened.network.name!r} takes pictures of any size",
            expected="the size of those to make",
            mend="Add --size, for example --size 64x64",
        )
    classes = Classes(opened.network, opened.labels, output)
    asked, sampled = choose(classes, words, every=every)
    if value_range is None:
        opened, value_range = with_preprocess(opened, frame), (0.0, 255.0)
    settings = {
        "method": "gradient" if method == "gradient" else "map_elites",
        "confidence": confidence,
        "steps": steps,
        "generations": generations,
        "seed": seed,
        "size": (frame.height, frame.width),
        "preprocess": opened.preprocess,
        "value_range": value_range,
        "output": output,
        "batch_size": batch_size,
    }
    if method != "gradient":
        settings["encoding"] = "cppn" if method == "cppn" else "direct"
    elif start is not None:
        settings["start"] = start
    return Fooling(opened, classes, frame, asked, sampled, settings)


def choose(classes: Classes, words: list[str], *, every: bool) -> tuple[list[int], bool]:
    """The class numbers that are asked, and whether they are a sample that nobody chose.

    Args:
        classes: of the network.
        words: numbers or labels.
        every: all of them.

    Raises:
        SettingError: both words and `every`.
        TargetError: a word fits no class, or one is there twice.
    """
    if words and every:
        raise SettingError("--class with --all-classes", expected="one of both", mend="Leave --all-classes out")
    if not words:
        few = every or classes.count <= _ALL
        chosen = np.arange(classes.count) if few else np.linspace(0, classes.count - 1, _SAMPLE).astype(int)
        return chosen.tolist(), not few
    asked = [resolve(classes, word, "--class") for word in words]
    twice = {number for number in asked if asked.count(number) > 1}
    if twice:
        raise TargetError(
            f"--class {min(twice)} is there twice", expected="each class once", mend="Use --seed for another picture"
        )
    return asked, False
