"""Reconstructions from many picture files: the work behind `reconstruct`."""

import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from kerasviz import data, plotting
from kerasviz.cli.folder import Folder
from kerasviz.cli.models import Opened
from kerasviz.cli.pictures import Frame
from kerasviz.cli.preparation import frame_of, with_preprocess
from kerasviz.errors import ImageError, KerasvizWarning, SettingError
from kerasviz.features.maps.feature_maps import FeatureMaps
from kerasviz.features.units.patches import cut
from kerasviz.features.units.reconstruction import Reconstruction
from kerasviz.features.units.reconstructions import Reconstructions
from kerasviz.features.units.top_reconstructions import reconstruct_top
from kerasviz.plotting.saving import rendered
from kerasviz.targets import Channel

NAME = "reconstruction"
_STRONGEST = _TOP = 9  # as in the paper


@dataclass(frozen=True)
class Drawn:
    """A picture: of an image's channels, or of a channel's images.

    Attributes:
        file: its name.
        reconstructions: what it shows, a row for each part.
        images: for each row the picture file.
        arrays: the name of the folder with the arrays.
    """

    file: str
    reconstructions: Reconstructions
    images: list[Path]
    arrays: str


@dataclass
class Reconstructing:
    """All that is settled before the first image is read.

    Attributes:
        images: the picture files.
        opened: the model.
        frame: how pictures are brought to the network's size.
        folder: where results go.
        layer: the layer's address.
        rule: of the rectifiers.
        keep: what of a channel.
        channels: their numbers, or None for each image's strongest.
        strongest: how many.
        top: whether the strongest images of each channel are shown.
        batch_size: images or pairs that run at once.
        faults: why images could not be read; filled while it runs.
    """

    images: list[Path]
    opened: Opened
    frame: Frame
    folder: Folder
    layer: str
    rule: str
    keep: str | tuple
    channels: list[int] | None
    strongest: int
    top: bool
    batch_size: int
    faults: dict[Path, str] = field(default_factory=dict)

    def run(self, skip: Callable[[str], None], status=lambda text: None) -> Iterator[Drawn]:
        """Draw one picture after another.

        Args:
            skip: gets the reason, once for each image that cannot be read.
            status: gets a few words about what goes on.
        """
        pictures = _Pictures(self, skip, status)
        yield from self._by_channel(pictures, status) if self.top else self._by_image(pictures)

    def _by_image(self, pictures):
        reconstruct = Reconstruction(
            self.opened.model, self.layer, rule=self.rule, keep=self.keep, batch_size=self.batch_size
        )
        maps = None if self.channels else FeatureMaps(self.opened.network, self.layer, batch_size=self.batch_size)
        stems = dict(zip(self.images, self.folder.stems, strict=True))
        for files, pixels in pictures.batches():
            inputs = data.preprocess(pixels, self.opened.preprocess)
            chosen = np.array([self.channels]) if maps is None else _strongest(maps(inputs), self.strongest)
            done = _quietly(reconstruct, inputs, chosen)
            for i, file in enumerate(files):
                mine = done.select(done.images == i)
                mine = replace(mine, extras={**mine.extras, "images": np.zeros(len(mine), int)})
                yield self._drawn(mine, mine.plot(pixels[i : i + 1]), [file] * len(mine), stems[file], [file])

    def _by_channel(self, pictures, status):
        settings = {"k": _TOP, "rule": self.rule, "batch_size": self.batch_size}
        found = _quietly(reconstruct_top, self.opened.model, self.layer, pictures, self.channels, **settings)
        status("drawing")
        readable, done = pictures.readable, found.reconstructions
        found = replace(found, patches=self._patches([readable[number] for number in done.images], done.boxes))
        for channel in self.channels:
            rows = done.channels == channel
            files = [readable[number] for number in done.images[rows]]
            figure = found.plot(channels=[channel])
            yield self._drawn(done.select(rows), figure, files, f"channel-{channel}", files)

    def _patches(self, files, boxes):
        """The parts of picture files in boxes, in the colours of the files."""
        patches = {}
        for file in dict.fromkeys(files):
            pixels = self.frame.read(file)[0]
            patches |= {i: cut(pixels, boxes[i]).copy() for i, each in enumerate(files) if each == file}
        return [patches[i] for i in range(len(files))]

    def _drawn(self, reconstructions, figure, files, stem, sources):
        for row, values in enumerate(reconstructions.values):
            if not values.any():
                channel = reconstructions.channels[row]
                warnings.warn(
                    f"{files[row].name}: the reconstruction of channel {channel} is zero, so that there is nothing to "
                    "see: it is not active there, or at the cap of a ReLU6, or no rectifier below lets it pass",
                    KerasvizWarning,
                    stacklevel=2,
                )
        self.folder.open()
        name = self.folder.name(stem, f"{NAME}-{self.layer}")
        about = {"Source": [str(file) for file in sources], "method": NAME, "layer": self.layer, "rule": self.rule}
        plotting.save_png(self.folder.path / name, rendered(figure), about)
        arrays = reconstructions.save(self.folder.arrays(stem, NAME), overwrite=self.folder.overwrite)
        return Drawn(name, reconstructions, files, arrays.name)


class _Pictures:
    """Picture files as batches, read anew each time; those that cannot be read are left out."""

    def __init__(self, work: Reconstructing, skip, status):
        self._work, self._skip, self._status = work, skip, status

    @property
    def readable(self) -> list[Path]:
        """The files in the order in which they are counted, once all were read."""
        return [image for image in self._work.images if image not in self._work.faults]

    def __iter__(self):
        for _, pixels in self.batches():
            yield data.preprocess(pixels, self._work.opened.preprocess)

    def batches(self):
        """Yield files and their pixels, `(N, H, W, C)` uint8."""
        work = self._work
        size = 1 if work.frame.free else work.batch_size
        read = self._read()
        while batch := list(itertools.islice(read, size)):
            files, pixels = zip(*batch, strict=True)
            yield files, np.stack(pixels)

    def _read(self):
        work = self._work
        for number, image in enumerate(work.images):
            if image in work.faults:
                continue
            self._status(f"{number}/{len(work.images)} {image.name}")
            try:
                yield image, work.frame.read(image)[0]
            except ImageError as error:
                work.faults[image] = str(error)
                self._skip(str(error))
        if len(work.faults) == len(work.images):
            raise ImageError(
                f"None of the {len(work.images)} images could be read",
                expected="at least one picture",
                mend="The reasons stand above",
            )


def prepare_reconstructing(
    opened: Opened, images, folder, *, layer, channels, strongest, top, rule, keep, sides, fit, batch_size
) -> Reconstructing:
    """Check everything that can be checked without the images.

    Raises:
        KerasvizError: something does not fit.
    """
    frame = frame_of(opened, sides, fit)
    if top and frame.free:
        raise SettingError(
            f"--top with {opened.network.name!r}, which takes pictures of any size",
            expected="one size for all, so that their activations can be compared",
            mend="Add --input-size, such as --input-size 224",
        )
    address = opened.network.address(layer)
    channels = list(dict.fromkeys(channels)) if channels else None
    Channel(address, channels or [0]).arguments(opened.network, len(channels or [0]))
    return Reconstructing(
        images=images,
        opened=with_preprocess(opened, frame),
        frame=frame,
        folder=folder,
        layer=str(address),
        rule=rule,
        keep=keep,
        channels=channels,
        strongest=strongest or _STRONGEST,
        top=top,
        batch_size=batch_size,
    )


def check_choice(channels, strongest, keep, *, top: bool):
    """Refuse options that do not go together.

    Raises:
        SettingError: they do not.
    """
    if channels and strongest:
        raise SettingError("--channel with --strongest", expected="one of them", mend="Leave one out")
    if top and not channels:
        raise SettingError(
            "--top without --channel", expected="the channels whose images are looked for", mend="Add --channel 0"
        )
    if top and keep != "strongest":
        raise SettingError(
            "--top with --keep", expected="the strongest unit of each image", mend="Leave one of them out"
        )


def parse_keep(given: str):
    """What of a channel is kept, as `Reconstruction` takes it.

    Raises:
        SettingError: it is something else.
    """
    if given in ("strongest", "map"):
        return given
    numbers = given.split(",")
    if len(numbers) != 2 or not all(number.strip().isdecimal() for number in numbers):
        raise SettingError(
            f"--keep {given!r}",
            expected="strongest, map, or a place in the layer's map as ROW,COLUMN",
            mend="For example --keep 6,7",
        )
    return tuple(map(int, numbers))


def _quietly(function, *args, **settings):
    """Call what warns of zeros by the numbers of a batch; here the images are named."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*zero everywhere", KerasvizWarning)
        return function(*args, **settings)


def _strongest(activations, count):
    """The channels to start from in each image, `(N, K)`; all, where there are fewer."""
    (values,) = activations.values.values()
    return activations.strongest(min(count, values.shape[-1]))
