"""`SynthesizedImages`: images that a search made, what they were made for, and how they came to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasviz import plotting
from kerasviz.errors import InputError
from kerasviz.plotting.animation import HOLD, sheets, write_gif
from kerasviz.plotting.counts import check_count, drawable
from kerasviz.plotting.notices import warn
from kerasviz.synthesis import saved
from kerasviz.writing import write_folder


@dataclass(frozen=True, eq=False)
class SynthesizedImages:
    """Images that were made to maximize something, with the scores that exactly these images have.

    Behaves as its array of images: `np.asarray(made)`, `len(made)`, `made[0]`, `made.shape`.

    Attributes:
        images: `(N, H, W, C)` float32, before preprocessing, in the values from `low` to `high`.
        scores: `(N,)` float32, the objective at each of them, penalties left out.
        names: N texts, what each maximizes: "channel 12 of conv5".
        low: the smallest value of an image; minus infinity where images have no range.
        high: the largest.
        steps: `(N,)` int32, the step after which each image was seen; None for those not made in steps.
        history: at L looks on the way "step" `(L,)`, and "score" and others such as "penalty" `(L, N)`; NaN for images
            that were done. {} for none.
        snapshots: `(S, N, H, W, C)` float32, the images on the way, in the values of `images`; None for none.
        snapshot_steps: `(S,)`, the steps after which they were taken.
        settings: what it takes to make the same images again: model, method, seed and so on, as JSON can hold it.

    Raises:
        InputError: the arrays do not fit together.

    Example:
        >>> made = SynthesizedImages(np.full((1, 4, 4, 1), 51, "float32"), np.float32([7]), ["class 3"], 0, 255)
        >>> made.shape, int(made.pictures().max()), made.rows()
        ((1, 4, 4, 1), 51, [{'image': 0, 'name': 'class 3', 'score': 7.0, 'step': None}])
    """

    images: np.ndarray
    scores: np.ndarray
    names: Sequence[str]
    low: float = -np.inf
    high: float = np.inf
    steps: np.ndarray | None = None
    history: Mapping[str, np.ndarray] = field(default_factory=dict)
    snapshots: np.ndarray | None = None
    snapshot_steps: np.ndarray | None = None
    settings: Mapping = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "names", tuple(self.names))
        if self.snapshots is not None and not len(self.snapshots):
            object.__setattr__(self, "snapshots", None)
            object.__setattr__(self, "snapshot_steps", None)
        count, shape = len(self.names), np.shape(self.images)
        fits = len(shape) == 4 and shape[0] == count and np.shape(self.scores) == (count,) and self.low < self.high
        fits &= np.isfinite(self.low) == np.isfinite(self.high)
        fits &= self.steps is None or np.shape(self.steps) == (count,)
        fits &= not self.history or (
            {"step", "score"} <= set(self.history)
            and all(
                np.shape(self.history[key]) == (len(self.history["step"]), count)
                for key in set(self.history) - {"step"}
            )
        )
        fits &= (self.snapshots is None) == (self.snapshot_steps is None)
        if fits and self.snapshots is not None:
            fits = np.shape(self.snapshots) == (len(self.snapshot_steps), *shape)
        if not fits:
            raise InputError(
                f"The parts of {count} images of the shape {shape} do not fit together",
                expected="a row for each image, low below high, and snapshots with their steps",
                mend="See kerasviz.synthesis.record.SynthesizedImages",
            )

    def __array__(self, dtype=None, copy=None):
        return np.array(self.images, dtype=dtype) if copy else np.asarray(self.images, dtype=dtype)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, key):
        return self.images[key]

    def __getattr__(self, name):
        # Only what is not found otherwise: shape, max, mean and so on come from the array.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.images, name)

    def __str__(self):
        values = f"values {self.low:g} to {self.high:g}" if self.bounded else "values without a range"
        lines = [f"  {row['score']:<12.5g}{row['name']}" for row in self.rows()]
        size = " x ".join(map(str, self.images.shape[1:]))
        head = f"{len(self)} image{'s' * (len(self) != 1)} of {size}, {values}; scores:"
        return "\n".join([head, *lines])

    @property
    def bounded(self) -> bool:
        """Whether the values of images have a range."""
        return bool(np.isfinite(self.high))

    def pictures(self) -> np.ndarray:
        """The images for the eye, `(N, H, W, 3)` uint8, or `(N, H, W, 1)` for grey ones.

        With a range, `low` is black and `high` white, so that brightness and colours are those of the values. Without,
        each image is drawn as `kerasviz.plotting.display_image` does: where its values are not those of a picture,
        its own smallest value is black and its largest white. Images with 2, 4 or more channels are drawn as the grey
        mean of the channels, with a warning.
        """
        return self._drawn(self._visible(self.images))

    def rows(self) -> list[dict]:
        """A row for each image, for a table: `pandas.DataFrame(made.rows())`."""
        steps = [None] * len(self) if self.steps is None else self.steps.tolist()
        return [
            {"image": number, "name": name, "score": score, "step": step}
            for number, (name, score, step) in enumerate(zip(self.names, self.scores.tolist(), steps, strict=True))
        ]

    def plot(
        self,
        columns: int | None = None,
        titles: Sequence[str] | None = None,
        *,
        tile: float = 1.8,
        dpi: float = 150,
    ):
        """Draw all images on one sheet, each with its name and score.

        At most 64 images are drawn, with a warning if there are more.

        Args:
            columns: images side by side; by default as near to a square as holds all.
            titles: other texts in place of names and scores; an empty one for none.
            tile: width of an image in inches.
            dpi: dots an inch, on the screen and in a file.

        Returns:
            A `matplotlib.figure.Figure`, unknown to pyplot.

        Raises:
            InputError: there are not as many titles as images.
            SettingError: `columns` is no number of columns.
        """
        from kerasviz.synthesis.figures import draw_images

        check_count(titles, len(self), "titles", "images")
        return draw_images(self, columns=columns, titles=titles, tile=tile, dpi=dpi)

    def plot_history(self, *, dpi: float = 150):
        """Draw the scores over the steps, a line for each image, with a dot where the image that was kept was seen.

        At most 64 lines are drawn, with a warning if there are more.

        Args:
            dpi: dots an inch.

        Returns:
            A `matplotlib.figure.Figure`, unknown to pyplot.

        Raises:
            InputError: there is no history.
        """
        from kerasviz.synthesis.figures import draw_history

        if not self.history:
            raise InputError(
                "These images have no history", expected="images made in steps", mend="Draw the images: plot()"
            )
        return draw_history(self, dpi=dpi)

    def save_gif(self, path, *, seconds: float = 4.0, columns: int | None = None) -> Path:
        """Write how the images came to be as a GIF: all of them side by side, a frame for each snapshot.

        The last frame shows the images that were kept, and stands for two seconds. Images without a range are drawn
        in one range each for the whole animation. At most 64 images are drawn, with a warning if there are more.

        Args:
            path: where to write; must end in `.gif`. A file that is there is replaced.
            seconds: how long it takes until the last frame.
            columns: images side by side.

        Raises:
            InputError: there are no snapshots.
            SettingError: the name does not end in `.gif`, or a number is out of range.
            SaveError: it cannot be written.
        """
        if self.snapshots is None:
            raise InputError(
                "These images have no snapshots",
                expected="images with snapshots of the steps on the way",
                mend="Make them again with snapshots=20",
            )
        shown = slice(drawable(len(self)))
        moments = self._visible(np.concatenate([self.snapshots, self.images[None]])[:, shown])
        if np.array_equal(moments[-1], moments[-2]):
            moments = moments[:-1]
        drawn = [self._drawn(moments[:, i], together=True) for i in range(moments.shape[1])]
        return write_gif(path, sheets(np.stack(drawn, axis=1), columns), seconds=seconds, hold=HOLD)

    def save(self, folder, *, overwrite: bool = False) -> Path:
        """Save everything, whole or not at all.

        Written are arrays.npz, a PNG for each image in its own size, sheet.png (`plot`), history.png (`plot_history`)
        where there is a history, animation.gif (`save_gif`) where there are snapshots, and manifest.json with the
        settings. The same images give the same files.

        Args:
            folder: a folder that does not exist yet, or is empty.
            overwrite: replace a folder that a `save` made before, and that holds nothing else.

        Returns:
            The folder.

        Raises:
            SaveError: the folder holds something, or cannot be written.
        """
        return write_folder(
            folder,
            lambda empty: saved.write(self, empty),
            ours=saved.is_saved if overwrite else None,
            mend="Choose another; images saved there before, and nothing else, are replaced with overwrite=True "
            "(--overwrite on the command line)",
        )

    @classmethod
    def load(cls, folder) -> "SynthesizedImages":
        """Read what `save` wrote.

        Raises:
            LoadError: the folder holds no synthesized images, or damaged ones.
        """
        return cls(**saved.read(Path(folder)))

    def _visible(self, images):
        """The images with one channel or three."""
        channels = images.shape[-1]
        if channels in (1, 3):
            return images
        warn(f"Images with {channels} channels are drawn as their mean, in grey")
        return images.mean(axis=-1, keepdims=True)

    def _drawn(self, images, *, together=False):
        """Images `(N, H, W, 1 or 3)` as uint8; those without a range in one range if they are to be compared."""
        limits = (float(self.low), float(self.high)) if self.bounded else None
        if limits is None and together and images.min() < images.max():
            limits = float(images.min()), float(images.max())
        return plotting.display_image(images, value_range=limits)[..., : images.shape[-1]]
