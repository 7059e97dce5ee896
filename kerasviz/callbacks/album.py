"""Pictures of a training in a folder: one for each look, a strip and a GIF of all at the end."""

import contextlib
import re
from pathlib import Path

import numpy as np

from kerasviz import plotting
from kerasviz.callbacks.shots import Shot
from kerasviz.errors import SaveError
from kerasviz.plotting.animation import write_gif
from kerasviz.writing import make_writable

#: Pictures side by side on a sheet, and pixels to which small ones are enlarged.
_COLUMNS, _SMALLEST = 8, 112
#: Of the PNG of a look, for which the training waits.
_COMPRESSION = 3
#: Looks on the strip, and frames of the GIF, at most; evenly chosen, the first and the last among them.
_STRIP, _FRAMES = 12, 100


class Album:
    """A folder of pictures.

    Args:
        folder: made at the beginning of a training if it does not exist.
        name: begins the files' names.
        unit: "epoch" or "batch", what looks are counted by.
    """

    def __init__(self, folder, name: str, unit: str):
        self.folder, self._name, self._unit = Path(folder), name, unit
        self._numbers: list[int] = []

    def open(self):
        """Make the folder.

        Raises:
            SaveError: it cannot be made or written to.
        """
        self._numbers = []
        make_writable(self.folder)

    def begin(self, done: int):
        """Go on with the pictures of the training that this one resumes.

        Args:
            done: how many epochs there were before.
        """
        ours = re.compile(rf"{re.escape(self._name)}-{self._unit}-(\d+)\.png")
        found = (ours.fullmatch(path.name) for path in self.folder.iterdir())
        # Without epochs before, they are of another training.
        self._numbers = sorted(int(match[1]) for match in found if match and int(match[1]) <= done) if done else []

    def write(self, done: int, step: int, shot: Shot):
        """Write the picture of a look.

        Args:
            done: how many epochs or batches there were before.
            step: not used here.
            shot: what was seen.

        Raises:
            SaveError: it cannot be written.
        """
        if not shot.pictures:
            return
        title = f"{self._unit} {done}" if done else "before training"
        picture = sheet(shot.pictures, title)
        try:
            about = {"Title": f"{self._name}, {title}"}
            plotting.save_png(self._path(done), picture, about, compression=_COMPRESSION)
        except SaveError:
            # For the next look; that this one is lost, with those before, is told.
            with contextlib.suppress(OSError):
                self.folder.mkdir(parents=True, exist_ok=True)
            raise
        self._numbers = [number for number in self._numbers if number < done] + [done]

    def finish(self):
        """Write the strip and the GIF, if there is more than one picture.

        Raises:
            SaveError: they cannot be written.
        """
        numbers, self._numbers = self._numbers, []
        if len(numbers) < 2:
            return
        plotting.save_png(self.folder / f"{self._name}.png", np.concatenate(self._read(_evenly(numbers, _STRIP))))
        write_gif(self.folder / f"{self._name}.gif", self._read(_evenly(numbers, _FRAMES)))

    def _path(self, number):
        return self.folder / f"{self._name}-{self._unit}-{number:04d}.png"

    def _read(self, numbers):
        """The pictures of some looks, as large as the last; others are of another training, or damaged."""
        from PIL import Image

        pictures = []
        for number in reversed(numbers):
            try:
                with Image.open(self._path(number)) as file:
                    picture = np.asarray(file.convert("RGB"))
            except OSError:
                continue
            if not pictures or picture.shape == pictures[0].shape:
                pictures.insert(0, picture)
        if not pictures:
            raise SaveError(
                f"The pictures in {str(self.folder)!r} are gone",
                expected="those that the training wrote",
                mend="Train again",
            )
        return pictures


def sheet(pictures, title: str) -> np.ndarray:
    """Pictures side by side, each under its own title, and all under one."""
    sides = max(max(picture.pixels.shape[:2]) for picture in pictures)
    larger = max(1, -(-_SMALLEST // sides))
    # Whole factors: pixels stay square and sharp.
    tiles = [picture.pixels.repeat(larger, axis=0).repeat(larger, axis=1) for picture in pictures]
    titles = [picture.title for picture in pictures]
    rows = plotting.grid(tiles, cols=min(_COLUMNS, len(tiles)), labels=titles if any(titles) else None)
    return plotting.grid([rows], pad=0, labels=[title])


def _evenly(numbers, most):
    if len(numbers) <= most:
        return numbers
    return [numbers[round(k)] for k in np.linspace(0, len(numbers) - 1, most)]
