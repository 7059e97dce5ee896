"""Feature maps of many picture files: the work behind `activations`."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasviz import data, plotting
from kerasviz.cli.folder import Folder, safe
from kerasviz.cli.models import Opened
from kerasviz.cli.pictures import Frame
from kerasviz.cli.preparation import frame_of, with_preprocess
from kerasviz.errors import ImageError, LayerError, SaveError, SettingError
from kerasviz.features.maps.activations import Activations
from kerasviz.features.maps.channels import ChannelStatistics, channel_statistics
from kerasviz.features.maps.feature_maps import FeatureMaps
from kerasviz.plotting.saving import rendered

NAME = "activations"
_TABLES = "statistics"
_RANKED = 5  # channels of a layer that are named


@dataclass(frozen=True)
class Drawing:
    """What of a layer is drawn, as `Activations.montage` takes it.

    Attributes:
        channels: None, "all", how many of the strongest, or a list.
        by: what makes a channel strong.
        scale: "channel" or "shared".
    """

    channels: str | int | list[int] | None = None
    by: str = "max"
    scale: str = "channel"

    def check(self, layers: dict[str, int]):
        """Refuse what the layers do not have.

        Args:
            layers: how many channels each has.

        Raises:
            SettingError: a channel is not there.
        """
        for path, count in layers.items():
            if isinstance(self.channels, list) and max(self.channels) >= count:
                raise SettingError(
                    f"--channels {max(self.channels)} of the layer {path!r}",
                    expected=f"numbers from 0 to {count - 1}",
                    mend="Channels count from 0",
                )


@dataclass
class Drawn:
    """One layer's picture: the file, the strongest channels and their peaks, the strongest first."""

    layer: str
    file: str
    strongest: list[tuple[int, float]]


@dataclass
class Result:
    """One image: the pictures and the folder of values; or why it was skipped."""

    image: Path
    drawn: list[Drawn] = field(default_factory=list)
    arrays: Path | None = None
    reason: str | None = None


@dataclass
class Found:
    """What is known when all images have run: the statistics, and the files of their tables by layer."""

    statistics: ChannelStatistics | None = None
    tables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Activating:
    """All that is settled before the first image is read.

    Attributes:
        images: the picture files.
        opened: the model.
        maps: runs it.
        frame: how pictures are brought to the network's size.
        folder: where results go.
        drawing: what is drawn.
        statistics: whether they are wanted.
        arrays: whether values are saved.
        batch_size: images that run at once.
        found: filled at the end.
    """

    images: list[Path]
    opened: Opened
    maps: FeatureMaps
    frame: Frame
    folder: Folder
    drawing: Drawing
    statistics: bool = False
    arrays: bool = True
    batch_size: int = 16
    found: Found = field(default_factory=Found)

    def run(self, status=lambda text: None) -> Iterator[Result]:
        """Run the images; yields each when it is read, and fills in what was found before the next batch.

        Args:
            status: gets a few words about what goes on.
        """
        size = 1 if self.frame.free else self.batch_size
        numbered, read = iter(enumerate(self.images)), []
        while batch := list(itertools.islice(numbered, size)):
            results, readable = [], []
            for number, image in batch:
                status(f"{number}/{len(self.images)} reading {image.name}")
                result = Result(image)
                try:
                    readable.append((result, self.folder.stems[number], self.frame.read(image)[0]))
                    read.append(image)
                except ImageError as error:
                    result.reason = str(error)
                results.append(result)
            yield from results
            if readable:
                self._draw(readable, status)
        if self.statistics and read:
            status("statistics")
            self._count(read, size)

    def _draw(self, readable, status):
        status("running")
        results, stems, pixels = zip(*readable, strict=True)
        maps = self.maps(data.preprocess(np.stack(pixels), self.opened.preprocess))
        self.folder.open()
        for i, (result, stem) in enumerate(zip(results, stems, strict=True)):
            status(f"drawing {result.image.name}")
            one = Activations({path: values[i : i + 1] for path, values in maps.values.items()})
            for path, values in one.values.items():
                peaks = values.reshape(-1, values.shape[-1]).max(axis=0)
                strongest = one.strongest(min(_RANKED, len(peaks)), path, self.drawing.by)[0]
                file = self.folder.name(stem, NAME, path)
                about = {"Title": f"{path}: {result.image.name}", "Source": str(result.image), "layer": path}
                plotting.save_png(self.folder.path / file, self._picture(one, path), about)
                result.drawn.append(Drawn(path, file, [(int(c), float(peaks[c])) for c in strongest]))
            if self.arrays:
                result.arrays = self.folder.arrays(stem, NAME)
                one.save(result.arrays, pictures=False, overwrite=self.folder.overwrite)

    def _picture(self, one, path):
        drawing = self.drawing
        if one[path].ndim == 2:
            channels = 10 if drawing.channels in (None, "all") else drawing.channels
            return rendered(one.plot(layer=path, channels=channels, by=drawing.by))
        return one.montage(0, path, drawing.channels, by=drawing.by, scale=drawing.scale)

    def _count(self, images, size):
        network, addresses = self.maps.network, list(self.maps.addresses)
        batches = _Batches(images, size, self.frame, self.opened.preprocess)
        self.found.statistics = channel_statistics(network, addresses, batches, batch_size=size)
        taken: set[str] = set()
        for path in self.found.statistics.layers:
            name = _free(f"{_TABLES}-{safe(path)}", taken)
            self.found.statistics.to_csv(self.folder.path / name, path, overwrite=True)
            self.found.tables[path] = name


@dataclass(frozen=True)
class _Batches:
    """Picture files as batches of a network's inputs; can be gone through again."""

    images: list[Path]
    size: int
    frame: Frame
    preprocess: object

    def __iter__(self):
        for start in range(0, len(self.images), self.size):
            pixels = [self.frame.read(image)[0] for image in self.images[start : start + self.size]]
            yield data.preprocess(np.stack(pixels), self.preprocess)


def prepare_activating(
    opened: Opened,
    images: list[Path],
    folder: Folder,
    *,
    layers: list[str] | None,
    drawing: Drawing,
    sides: tuple[int, int] | None,
    fit: str,
    statistics: bool,
    arrays: bool,
    batch_size: int,
) -> Activating:
    """Check everything that can be checked without the images, and compile.

    Args:
        opened: the model.
        images: the picture files.
        folder: where results go.
        layers: paths; None for the last spatial one, ["all"] for every feature map.
        drawing: what is drawn.
        sides: height and width for a network that takes any size.
        fit: as for `kerasviz.data.load_image`.
        statistics: whether they are wanted.
        arrays: whether values are saved.
        batch_size: images that run at once.

    Raises:
        KerasvizError: something does not fit; the message names the option.
    """
    frame = frame_of(opened, sides, fit)
    opened = with_preprocess(opened, frame)
    maps = FeatureMaps(opened.network, "all" if layers == ["all"] else layers, batch_size=batch_size)
    counts = {}
    for address in maps.addresses:
        shape = opened.network.trace.shape_of(address.path)
        if shape is None or len(shape) not in (2, 3, 4, 5) or shape[-1] is None:
            raise LayerError(
                f"--layer {str(address)!r} has the shape {shape}, which cannot be drawn",
                expected="a feature map, or a layer of channels without positions",
                mend="kerasviz inspect --maps lists the feature maps",
            )
        counts[str(address)] = shape[-1]
    drawing.check(counts)
    return Activating(images, opened, maps, frame, folder, drawing, statistics, arrays, batch_size)


def parse_channels(given: str | None):
    """Which channels are drawn, from "all", "16" or "1,5,7", as `Drawing` takes them.

    Raises:
        SettingError: it is something else.
    """
    if given is None or given == "all":
        return given
    words = [word.strip() for word in given.split(",")]
    if len(words) > 1 and not words[-1]:
        words.pop()
    numbers = [int(word) for word in words if word.isdecimal()]
    if len(numbers) < len(words) or ("," not in given and numbers == [0]):
        raise SettingError(
            f"--channels {given!r}",
            expected="how many of the strongest, all, or numbers with commas",
            mend="For example --channels 16, or --channels 1,5,7",
        )
    return numbers if "," in given else numbers[0]


def check_tables(folder: Folder):
    """Refuse to replace tables of an earlier run, unless that is asked for.

    Raises:
        SaveError: there are some.
    """
    there = sorted(folder.path.glob(f"{_TABLES}-*.csv")) if folder.path.is_dir() else []
    if there and not folder.overwrite:
        raise SaveError(
            f"{str(there[0])!r} exists already",
            expected="a folder without earlier results",
            mend="Add --overwrite to replace them, or choose another folder with --out",
        )


def _free(stem, taken):
    number, name = 1, f"{stem}.csv"
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}.csv"
    taken.add(name.casefold())
    return name
