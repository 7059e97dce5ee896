"""What a callback saw at one moment of a training."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np


class Picture(NamedTuple):
    """One picture.

    Attributes:
        tag: what it shows, the same at every moment: "0" for the first image, "filters".
        title: a few words that may change from moment to moment: the class, the score.
        pixels: `(H, W, 3)` uint8; of one size at all moments of a training.
    """

    tag: str
    title: str
    pixels: np.ndarray


@dataclass(frozen=True)
class Shot:
    """What was seen.

    Attributes:
        result: what `history` keeps.
        pictures: what folders and TensorBoard show.
        scalars: numbers by name, for TensorBoard's curves.
    """

    result: Any
    pictures: tuple[Picture, ...] = ()
    scalars: dict[str, float] = field(default_factory=dict)
