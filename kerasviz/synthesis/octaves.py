"""Octaves: the sizes of an image from coarse to fine, and what is made on each of them."""

import numpy as np
import tensorflow as tf

from kerasviz.errors import SettingError
from kerasviz.synthesis.watching import Climb


def octave_sizes(size: tuple[int, int], octaves: int, scale: float) -> list[tuple[int, int]]:
    """Height and width of each octave, the smallest first.

    Args:
        size: of the largest.
        octaves: how many.
        scale: by how much each is larger than the one before.

    Raises:
        SettingError: the smallest has no pixels.

    Example:
        >>> octave_sizes((100, 50), 3, 2.0)
        [(25, 12), (50, 25), (100, 50)]
    """
    sizes = [tuple(round(side / scale**number) for side in size) for number in reversed(range(octaves))]
    if min(sizes[0]) < 1:
        raise SettingError(
            f"{octaves} octaves of images of {size[0]} × {size[1]}, each {scale:g} times smaller than the next",
            expected="at least one pixel in the smallest",
            mend="Ask for fewer octaves, or larger images",
        )
    return sizes


def resized(images, size: tuple[int, int]) -> np.ndarray:
    """Images of another size: bilinear, and averaged over what a pixel covers where they shrink.

    Args:
        images: `(N, H, W, C)` float32.
        size: height and width.
    """
    return images if images.shape[1:3] == tuple(size) else tf.image.resize(images, size, antialias=True).numpy()


def joined_octaves(climbs: list[Climb], kept: list[np.ndarray], steps: int) -> Climb:
    """The last octave's images, with a look before all steps and one after those of each octave.

    Args:
        climbs: one for each octave.
        kept: what each octave led to, in the size of the last; or nothing.
        steps: on each octave.
    """
    last, count = climbs[-1], len(climbs[-1].images)
    ended = np.arange(1, len(climbs) + 1, dtype=np.int32) * steps
    history = {"step": np.array([0, *ended], np.int32)}
    for key in ("score", "penalty"):
        history[key] = np.stack([climbs[0].history[key][0], *(climb.history[key][-1] for climb in climbs)])
    snapshots = np.stack(kept) if kept else np.zeros((0, *last.images.shape), np.float32)
    return Climb(
        last.images,
        last.scores,
        np.full(count, ended[-1], np.int32),
        history,
        snapshots,
        ended if kept else np.zeros(0, np.int32),
    )
