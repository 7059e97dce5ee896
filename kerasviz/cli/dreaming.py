"""DeepDream on many picture files: the work behind `dream`."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from kerasviz import data
from kerasviz.cli.console import printable
from kerasviz.cli.models import Opened, require_image_input
from kerasviz.cli.pictures import Frame
from kerasviz.cli.preparation import with_preprocess
from kerasviz.errors import ImageError, ModelError
from kerasviz.synthesis.dreaming import DeepDream

_PICTURES = (0.0, 255.0)  # the values of pictures


@dataclass(frozen=True)
class Dreamt:
    """A dream.

    Attributes:
        image: the picture file.
        before: `(H, W, 1 or 3)` uint8, the picture.
        frames: `(S, H, W, 1 or 3)` uint8, what each octave led to, if that is wanted; the last is the dream.
        score: the mean square of the layers.
    """

    image: Path
    before: np.ndarray
    frames: np.ndarray
    score: float


@dataclass
class Dreams:
    """What was dreamt so far.

    Attributes:
        dreams: in the order of the pictures.
        skipped: of the other pictures, the file and why.
        settings: of the dreams.
    """

    dreams: list[Dreamt] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    settings: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Dreaming:
    """All that is settled before the first image is read.

    Attributes:
        images: the picture files.
        opened: the model.
        frame: how pictures are read.
        dream: dreams.
        steps: on each octave.
        gif: whether what each octave led to is kept.
        batch_size: pictures of one size that dream at once.
        seed: of the jitter.
        asked: what was asked for, so that it can be asked again.
    """

    images: list[Path]
    opened: Opened
    frame: Frame
    dream: DeepDream
    steps: int
    gif: bool
    batch_size: int
    seed: int
    asked: dict

    def cost(self) -> str:
        """What the work will cost, in words."""
        count, octaves, steps = len(self.images), self.dream.octaves, self.steps
        counted = ((count, "image"), (octaves, "octave"), (steps, "step"))
        product = " x ".join(f"{number:,} {word}{'s' * (number != 1)}" for number, word in counted)
        return f"{count * octaves * steps:,} passes forward and back: {product}"

    def run(self, found: Dreams, status=lambda text: None) -> Iterator[str]:
        """Dream batch by batch, and fill in what is dreamt.

        Args:
            found: is filled.
            status: gets a few words about what goes on.

        Yields:
            Why a file is skipped.
        """
        batch, count = [], len(self.images)
        for number, image in enumerate(self.images, 1):
            status(f"reading {number} of {count}, {image.name}")
            try:
                size = self.frame.size_of(image)
                pixels = data.load_image(image, size, fit=self.frame.fit, channels=self.frame.channels)
            except ImageError as error:
                found.skipped.append((image, str(error)))
                yield str(error)
                continue
            if batch and (len(batch) == self.batch_size or batch[-1][1].shape != pixels.shape):
                self._dream(found, batch, status)
                batch = []
            batch.append((image, pixels))
        if batch:
            self._dream(found, batch, status)

    def _dream(self, found, batch, status):
        status()
        images, pixels = zip(*batch, strict=True)
        try:
            made = self.dream(np.stack(pixels).astype(np.float32), steps=self.steps, seed=self.seed, snapshots=self.gif)
        except ModelError as error:
            raise ModelError(
                error.given, expected=error.expected, mend=_advice(self.opened.network.inputs.specs[0].shape)
            ) from error
        # The last octave leads to the dreams themselves.
        moments = [*([] if made.snapshots is None else made.snapshots[:-1]), made.images]
        drawn = [replace(made, images=moment, snapshots=None, snapshot_steps=None).pictures() for moment in moments]
        for i, (image, before) in enumerate(zip(images, pixels, strict=True)):
            frames = np.stack([pictures[i] for pictures in drawn])
            found.dreams.append(Dreamt(image, before, frames, float(made.scores[i])))
        found.settings = {key: value for key, value in made.settings.items() if key != "size"}


def prepare_dreaming(
    opened: Opened,
    images: list[Path],
    *,
    layers: dict[str, float] | None,
    steps: int,
    octaves: int,
    octave_scale: float,
    step_size: float,
    jitter: int,
    size: tuple[int, int] | None,
    fit: str,
    gif: bool,
    batch_size: int,
    seed: int,
) -> Dreaming:
    """Check everything that can be checked without the images, and construct what dreams.

    Args:
        opened: the model.
        images: the picture files.
        layers: the weights of layers by their paths; None for the last with a spatial feature map.
        steps: on each octave.
        octaves: how many.
        octave_scale: how much larger each is than the one before.
        step_size: in pixel values of 0..255.
        jitter: in pixels.
        size: height and width of the dreams; None for the pictures' own.
        fit: as for `kerasviz.data.load_image`.
        gif: whether what each octave leads to is kept.
        batch_size: pictures of one size that dream at once.
        seed: of the jitter.

    Raises:
        KerasvizError: something does not fit; the message names the option.
    """
    channels = require_image_input(opened)[2]
    frame = Frame(*(size or (None, None)), channels, fit)
    opened = with_preprocess(opened, frame)
    dream = DeepDream(
        opened.model,
        layers,
        octaves=octaves,
        octave_scale=octave_scale,
        step_size=step_size / 255,
        jitter=jitter,
        preprocess=opened.preprocess,
        value_range=_PICTURES,
        batch_size=batch_size,
    )
    asked = {
        "name": "dream",
        "model": printable(opened.given),
        "layer": layers,
        "steps": steps,
        "octaves": octaves,
        "octave_scale": octave_scale,
        "step_size": step_size,
        "jitter": jitter,
        "size": size,
        "fit": fit,
        "preprocess": opened.preprocess_name,
        "batch_size": batch_size,
        "seed": seed,
    }
    return Dreaming(images, opened, frame, dream, steps, gif, batch_size, seed, asked)


def _advice(shape):
    sides = "x".join(map(str, shape[1:3]))
    return f"Add --octaves 1 --size {sides}, or name an earlier --layer"
