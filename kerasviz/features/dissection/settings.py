"""The settings of a dissection, checked before any work is done."""

import hashlib
from dataclasses import dataclass

import numpy as np

from kerasviz.checks import checked_count
from kerasviz.data.preprocessing import check_mode
from kerasviz.errors import SettingError


@dataclass(frozen=True, eq=False)
class Settings:
    """What `dissect` was asked for, and documents.

    Raises:
        SettingError: a setting is out of range.
    """

    preprocess: object = "none"
    fraction: float = 0.005
    top: int = 9
    chance: bool = True
    basis: np.ndarray | None = None
    images: int | None = None
    seed: int = 0
    batch_size: int = 32

    def __post_init__(self):
        check_mode(self.preprocess)
        if not isinstance(self.fraction, float) or not 0 < self.fraction < 1:
            raise SettingError(
                f"fraction={self.fraction!r}",
                expected="a share between 0 and 1",
                mend="Use 0.005, the paper's, or 0.01",
            )
        checked_count("top", self.top, 0)
        checked_count("seed", self.seed, 0)
        checked_count("batch_size", self.batch_size)
        if self.images is not None:
            checked_count("images", self.images)
        if self.basis is not None:
            shape = np.shape(self.basis)
            if len(shape) != 2 or shape[0] != shape[1] or not np.isfinite(self.basis).all():
                raise SettingError(
                    f"basis has the shape {shape}",
                    expected="a square matrix of finite numbers, a row for each unit",
                    mend="Make one with random_rotation(units, seed=0)",
                )

    def plain(self) -> dict:
        """What a result depends on, as JSON can hold it: a basis by its hash, a function by its name."""
        basis, mode = self.basis, self.preprocess
        named = mode if isinstance(mode, str) or mode is None else f"{mode.__module__}.{mode.__qualname__}"
        return {
            "preprocess": named,
            "fraction": self.fraction,
            "top": self.top,
            "chance": bool(self.chance),
            "basis": None if basis is None else hashlib.sha256(np.float32(basis).tobytes()).hexdigest(),
            "images": self.images,
            "seed": self.seed,
        }
