"""Following an ascent from look to look: what is kept, and when it ends."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from kerasviz.checks import checked_choice
from kerasviz.errors import KerasvizWarning, SettingError
from kerasviz.synthesis.climbing import Climber


@dataclass(frozen=True)
class Look:
    """What callbacks get.

    Attributes:
        step: how many steps were made.
        samples: `(N,)`, the numbers of these images among all that are made.
        images: `(N, H, W, C)`, in the values of the space.
        scores: `(N,)`, the objective.
        values: `(N,)`, the objective less the penalties.
    """

    step: int
    samples: np.ndarray
    images: np.ndarray
    scores: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Climb:
    """What an ascent gives.

    Attributes:
        images: `(N, H, W, C)` float32, in the values of the space.
        scores: `(N,)` float32, the objective of exactly these images.
        steps: `(N,)` int32, after how many steps each was seen.
        history: "step" `(L,)`, "score" and "penalty" `(L, N)`, at each look; NaN for images whose batch had ended.
        snapshots: `(S, N, H, W, C)` float32; of an image whose batch had ended the last.
        snapshot_steps: `(S,)` int32.
    """

    images: np.ndarray
    scores: np.ndarray
    steps: np.ndarray
    history: Mapping[str, np.ndarray]
    snapshots: np.ndarray
    snapshot_steps: np.ndarray


@dataclass(frozen=True)
class Watch:
    """When images are looked at, which are kept, and when their batch ends; see `Ascent.run`."""

    steps: int
    look: int = 16
    snapshots: tuple[int, ...] = ()
    goal: float | None = None
    patience: int | None = None
    keep: str = "best"
    callbacks: tuple[Callable[[Look], bool | None], ...] = field(default=())

    def __post_init__(self):
        checked_choice("keep", self.keep, ("best", "last"))
        if self.snapshots and self.snapshots[-1] > self.steps:
            raise SettingError(
                f"snapshots after {self.snapshots[-1]} steps of {self.steps}",
                expected="numbers of steps that are made",
                mend="Raise steps, or leave the late ones out",
            )

    def follow(self, climber: Climber, samples: np.ndarray, advance: Callable[[int], None]) -> Climb:
        """Make all steps of a batch.

        Args:
            climber: begun.
            samples: the numbers of its images among all.
            advance: gets the numbers of steps that were made, or will not be.
        """
        best = _Best(len(samples), self.keep)
        seen, pictures, made, idle = [], {}, 0, 0
        for until in self._times():
            if until > made:
                climber.advance(until - made)
                advance(until - made)
            made = until
            view = climber.look()
            values = view.scores - view.penalties
            idle = 0 if best.take(view, values, made) else idle + 1
            seen.append((made, view.scores, view.penalties))
            if made in self.snapshots:
                pictures[made] = view.images
            look = Look(made, samples, view.images, view.scores, values)
            # Every callback is called, also when one before it ends the run.
            ended = [bool(callback(look)) for callback in self.callbacks]
            reached = self.goal is not None and (best.values >= self.goal).all()
            if any(ended) or reached or (self.patience is not None and idle >= self.patience):
                advance(self.steps - made)
                break
        if not np.isfinite(best.scores).all():
            warnings.warn(
                f"The objective is not finite for the images {samples[~np.isfinite(best.scores)][:10].tolist()}. Look "
                "for NaN in the weights, or take smaller steps",
                KerasvizWarning,
                stacklevel=4,
            )
        steps, scores, penalties = (np.array(part) for part in zip(*seen, strict=True))
        late = [pictures.get(at, view.images) for at in self.snapshots]
        return Climb(
            best.images,
            best.scores,
            best.steps,
            {"step": steps.astype(np.int32), "score": scores, "penalty": penalties},
            np.stack(late) if late else np.zeros((0, *best.images.shape), np.float32),
            np.array(self.snapshots, np.int32),
        )

    def _times(self):
        """After how many steps there is a look: at the start, each few, at snapshots and at the end."""
        return sorted({*range(0, self.steps, self.look), *self.snapshots, self.steps})


class _Best:
    """Of each image what is kept of the looks so far."""

    def __init__(self, count, keep):
        self._keep = keep
        self.values = np.full(count, -np.inf)
        self.steps = np.zeros(count, np.int32)

    def take(self, view, values, step):
        """Take what is better, or all where the last is kept; whether anything was better."""
        if step == 0:
            self.images, self.scores = view.images.copy(), view.scores.copy()
        better = values > self.values
        taken = better if self._keep == "best" else np.ones_like(better)
        self.images[taken], self.scores[taken], self.steps[taken] = view.images[taken], view.scores[taken], step
        self.values = np.where(taken, values, self.values)
        return better.any()


def joined(parts: list[Climb]) -> Climb:
    """The climbs of some batches as one; each image's history goes as far as its batch."""
    steps = max((part.history["step"] for part in parts), key=len)

    def whole(name):
        rows = [
            np.pad(p.history[name], ((0, len(steps) - len(p.history[name])), (0, 0)), constant_values=np.nan)
            for p in parts
        ]
        return np.concatenate(rows, axis=1)

    return Climb(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.steps for part in parts]),
        {"step": steps, "score": whole("score"), "penalty": whole("penalty")},
        np.concatenate([part.snapshots for part in parts], axis=1),
        parts[0].snapshot_steps,
    )
