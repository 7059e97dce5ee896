"""Hiding parts of many picture files: the work behind `occlude`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasviz import plotting
from kerasviz.attribution.fills import NAMED
from kerasviz.attribution.positions import Grid
from kerasviz.cli.run import Work, prepare
from kerasviz.errors import ImageError, SettingError
from kerasviz.explanation import Explanation
from kerasviz.plotting.saving import rendered
from kerasviz.predictions import Prediction

NAME = "occlusion"


@dataclass(frozen=True)
class Change:
    """Where hiding makes another class the most probable.

    Attributes:
        positions: how many positions of the patch do.
        place: of these the one where the explained score falls most: its row and column in the grid.
        drop: of the explained score there.
        index: the class that is the most probable there.
        label: its name, or None.
    """

    positions: int
    place: tuple[int, int]
    drop: float
    index: int
    label: str | None


@dataclass(frozen=True)
class Swept:
    """What a patch of one size found for one class.

    Attributes:
        grid: its positions.
        drop: the largest drop of the score.
        place: where: row and column in the grid.
        change: where the most probable class changes; None if it never does, or was not looked at.
    """

    grid: Grid
    drop: float
    place: tuple[int, int]
    change: Change | None

    def box(self, place: tuple[int, int]) -> list[int]:
        """The patch at a place, `[x0, y0, x1, y1]` in pixels of the network's input."""
        y, x = (int(axis[at]) for axis, at in zip(self.grid.axes, place, strict=True))
        return [x, y, x + self.grid.size[1], y + self.grid.size[0]]


@dataclass(frozen=True)
class Occluded:
    """One image.

    Attributes:
        classes: the explained classes, each with the score that was explained and what each size found.
        seconds: what hiding took, for all classes and sizes.
        arrays: the folder with all values.
        pictures: files beside those of `Result`: the sheet of the sizes, and for each size the three maps.
    """

    classes: list[tuple[Prediction, float, list[Swept]]]
    seconds: float
    arrays: Path
    pictures: dict[str, str | list[str] | None]


@dataclass(frozen=True)
class Occluding(Work):
    """All that is settled before the first image is read; images are taken one by one.

    Attributes:
        found: by image, filled while it runs.
    """

    sheet_from = 1

    found: dict[Path, Occluded] = field(default_factory=dict)

    @property
    def explain(self):
        """The explainer."""
        return self.explainers[NAME]

    def positions(self) -> list[int]:
        """How many positions the patch takes, in all sizes, over each image that can be read.

        Raises:
            SettingError: a patch does not fit.
        """
        if not self.frame.free:
            return [_positions(self.explain.grids((self.frame.height, self.frame.width)))] * len(self.images)
        counts = []
        for image in self.images:
            try:
                counts.append(_positions(self.explain.grids(self.frame.size_of(image))))
            except ImageError:
                continue  # named when its turn comes
        return counts

    def cost(self) -> str:
        """What the work will cost, in words.

        Raises:
            SettingError: a patch does not fit.
        """
        counts = self.positions()
        classes = min(self.classes.count, self.top + len(self.targets))
        each = (
            f"{counts[0]:,}" if len(set(counts)) == 1 else f"{min(counts, default=0):,} to {max(counts, default=0):,}"
        )
        # A top class may be among those that were named.
        upto = "up to " if self.top and self.targets else ""
        return (
            f"{upto}{sum(counts) * classes:,} forward passes: {_number(len(counts), 'image')} x "
            f"{upto}{_number(classes, 'class', 'classes')} x {each} positions of the patch{self._savings()}"
        )

    def _savings(self):
        """What of that need not be computed, in words; not known where images have any size."""
        if self.frame.free:
            return ""
        channels = self.explain.network.inputs.specs[self.explain.numbers[0]].shape[-1]
        shape = (self.frame.height, self.frame.width, channels)
        saved = [self.explain.plan(shape, number=number).saved for number in range(len(self.explain.pairs))]
        upto = "up to " if len(saved) > 1 else ""
        return f"; {upto}{max(saved):.0%} of the arithmetic is saved" if max(saved) > 0 else ""

    def _keep(self, results, stems, shown, asked, explanation, seconds):
        (result,), (stem,), (photo,) = results, stems, shown
        self.folder.open()
        grids = self.explain.grids(explanation.shape[1:3])
        # One size's arrays have plain names, several sizes' bear them behind the name, in order.
        tags = [name.removeprefix("drop") for name in explanation.extras if name.split()[0] == "drop"]
        top = max(result.predictions, key=lambda one: one.score).index
        swept = [
            [self._swept(explanation, row, grid, tag, top) for grid, tag in zip(grids, tags, strict=True)]
            for row in range(len(asked))
        ]
        pictures = {"sweep": None, "three_maps": []}
        names = [one.name for one in asked] if len(asked) > 1 else None
        photos = [photo] * len(asked)
        if len(grids) > 1:
            maps = [explanation.extras[f"map{tag}"] for tag in tags]
            sheet = plotting.sweep_sheet(
                photos,
                maps,
                [title_of(grid) for grid in grids],
                patches=[grid.size for grid in grids],
                row_titles=names,
                label="drop of the probability" if self.explain.probability else "drop of the score",
            )
            pictures["sweep"] = self._picture(sheet, result, stem, "sweep")
        for grid, tag in zip(grids, tags, strict=True) if self.explain.three_maps else ():
            three = [explanation.extras[name + tag] for name in ("activation", "probability", "top_class")]
            sheet = plotting.three_maps(photos, *three, labels=self.classes.labels, grid=grid, row_titles=names)
            pictures["three_maps"].append(self._picture(sheet, result, stem, "three-maps" + tag.replace("/", "-")))
        arrays = self.folder.arrays(stem, NAME)
        explanation.save(arrays, photos, labels=self.classes.labels, overwrite=self.folder.overwrite)
        scores = map(float, explanation.score)
        self.found[result.image] = Occluded(list(zip(asked, scores, swept, strict=True)), seconds, arrays, pictures)

    def _swept(self, explanation: Explanation, row, grid, tag, top):
        drop, change = explanation.extras[f"drop{tag}"][row], None
        if self.explain.three_maps:
            now = explanation.extras[f"top_class{tag}"][row]
            if (now != top).any():
                place = _largest(np.where(now != top, drop, -np.inf))
                index = int(now[place])
                label = self.classes.label(index)
                change = Change(int((now != top).sum()), place, float(drop[place]), index, label)
        place = _largest(drop)
        return Swept(grid, float(drop[place]), place, change)

    def _picture(self, figure, result, stem, kind):
        name = self.folder.name(stem, f"{NAME}-{kind}")
        about = {"Source": str(result.image), "method": NAME, "settings": self.explain.settings}
        plotting.save_png(self.folder.path / name, rendered(figure), about)
        return name


def prepare_occluding(opened, images, folder, **options) -> Occluding:
    """Check everything that can be checked without the images, and construct the explainer.

    Args:
        opened: the model.
        images: the picture files.
        folder: where results go.
        **options: of `kerasviz.cli.run.prepare`.

    Raises:
        KerasvizError: something does not fit; the message names the option.
    """
    work = prepare(opened, images, [NAME], folder, **options)
    return Occluding(**{**vars(work), "batch_size": 1})


def parse_lengths(given: Sequence[str], option: str):
    """Sizes or strides of a patch, from "50", "32x48", and lists of these with commas.

    Returns:
        As `kerasviz.Occlusion` takes them: None, one, or a list of several; each a number or (height, width).

    Raises:
        SettingError: it is something else.
    """
    lengths = []
    for word in (word.strip() for entry in given for word in entry.split(",")):
        sides = word.lower().replace("×", "x").split("x")
        if len(sides) > 2 or not all(side.strip().isdecimal() and int(side) > 0 for side in sides):
            raise SettingError(
                f"{option} {word!r}",
                expected="pixels, as one number or as HEIGHTxWIDTH; several with commas",
                mend=f"For example {option} 50, or {option} 10,50,75",
            )
        lengths.append(int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1])))
    return lengths if len(lengths) > 1 else lengths[0] if lengths else None


def parse_fill(given: str):
    """What hides the part, as `kerasviz.Occlusion` takes it: a name, a number, or a colour of several.

    Raises:
        SettingError: it is none of these.
    """
    if given in NAMED:
        return given
    try:
        numbers = [float(word) for word in given.split(",")]
    except ValueError:
        numbers = [np.nan]
    if not np.isfinite(numbers).all():
        raise SettingError(
            f"--fill {given!r}",
            expected=f"{', '.join(NAMED)}, a number, or a colour as numbers with commas",
            mend="Leave it out for grey",
        )
    return numbers[0] if len(numbers) == 1 else numbers


def title_of(grid: Grid) -> str:
    """A size and a stride for readers."""
    size, stride = (_short(numbers) for numbers in (grid.size, grid.stride))
    return f"{size} px / {stride} px"


def _short(numbers):
    return " x ".join(map(str, numbers if len(set(numbers)) > 1 else numbers[:1]))


def _largest(values):
    return tuple(int(at) for at in np.unravel_index(np.argmax(values), values.shape))


def _positions(grids):
    return sum(len(grid.starts) for grid in grids)


def _number(count, one, many=None):
    return f"{count:,} {one if count == 1 else many or one + 's'}"
