"""Dissecting layers over a labelled data set: the work behind `dissect`."""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kerasviz.cli.console import printable
from kerasviz.cli.dissections import Dissections
from kerasviz.cli.models import Opened
from kerasviz.data.concepts.base import ConceptData
from kerasviz.errors import DataError, KerasvizWarning, SettingError
from kerasviz.features.dissection.record import Dissection

SCENES, BRODEN, FOLDER = "scenes", "Broden", "folder"
_SCENES = 1000
_SCENE_SIZE = (64, 64)


@dataclass(frozen=True)
class Dissecting:
    """All that is settled before the first image is read.

    Attributes:
        opened: the model.
        layers: the addresses of the layers, each with its number of units.
        data: the images.
        results: where results go.
        request: what was asked for, as JSON can hold it.
        rotation: how far the units are rotated, None for not at all.
        settings: of `kerasviz.features.dissection.running.dissect`.
    """

    opened: Opened
    layers: dict[str, int]
    data: ConceptData
    results: Dissections
    request: dict
    rotation: float | None
    settings: dict

    def run(self) -> Iterator[Dissection]:
        """Dissect; yields the layers in their order."""
        from kerasviz.features.dissection.rotation import random_rotation
        from kerasviz.features.dissection.running import dissect

        settings = {**self.settings, "preprocess": self.opened.preprocess, "folder": self.results.cache}
        with warnings.catch_warnings():
            # They are named one by one.
            warnings.filterwarnings("ignore", ".*images were skipped", KerasvizWarning)
            if self.rotation is None:
                yield from dissect(self.opened.model, list(self.layers), self.data, **settings).values()
                return
            turn = {"power": self.rotation, "seed": settings["seed"]}
            for layer, units in self.layers.items():
                basis = random_rotation(units, **turn)
                (found,) = dissect(self.opened.model, layer, self.data, basis=basis, **settings).values()
                yield replace(found, settings={**found.settings, "rotation": turn})


def kind_of(given: str) -> str:
    """Which data set `--data` names.

    Raises:
        DataError: there is none.
    """
    if given == SCENES:
        return SCENES
    folder = Path(given)
    if (folder / "index.csv").is_file():
        return BRODEN
    if (folder / "labels.csv").is_file():
        return FOLDER
    why = "holds neither index.csv nor labels.csv" if folder.is_dir() else "is no folder"
    raise DataError(
        f"--data {printable(given)!r} {why}",
        expected="'scenes', a folder with index.csv (as Broden has), or one with labels.csv, images and masks",
        mend="kerasviz.data.concepts.Broden and ConceptFolder describe both formats",
    )


def check_settings(fraction: float, rotation: float | None):
    """Refuse what cannot be meant, before any work is done.

    Raises:
        SettingError: one of them is out of range.
    """
    if not 0 < fraction < 1:
        raise SettingError(f"--fraction {fraction:g}", expected="a share between 0 and 1", mend="Use 0.005")
    if rotation is not None and not math.isfinite(rotation):
        raise SettingError(f"--rotation {rotation}", expected="a number, such as 0.5", mend="Use 1 for a whole one")


def prepare_dissecting(
    opened: Opened,
    layers: list[str] | None,
    kind: str,
    given: str,
    out: Path,
    *,
    overwrite: bool,
    images: int | None,
    sides: tuple[int, int] | None,
    map_size: tuple[int, int] | None,
    fraction: float,
    rotation: float | None,
    top: int,
    batch_size: int,
    seed: int,
) -> Dissecting:
    """Check everything that can be checked without the images, and open the data set.

    Args:
        opened: the model.
        layers: their paths; None for the last spatial one.
        kind: of the data set, as `kind_of` tells.
        given: what `--data` names.
        out: the folder for results.
        overwrite: start anew.
        images: how many; None for all.
        sides: the size of the images, for a network that takes any.
        map_size: of the label maps; None for their own.
        fraction: of `dissect`.
        rotation: how far the units are rotated, None for not at all.
        top: of `dissect`.
        batch_size: of `dissect`.
        seed: of `dissect`, and of the rotation.

    Raises:
        KerasvizError: something does not fit; the message names the option.
    """
    from kerasviz.cli.preparation import frame_of, with_preprocess

    frame = frame_of(opened, sides, "crop")
    network = opened.network
    found = dict.fromkeys(str(network.address(layer)) for layer in layers or [None])
    units = {layer: network.trace.shape_of(layer)[-1] for layer in found}
    opened = with_preprocess(opened, frame)
    settings = {"fraction": fraction, "top": top, "seed": seed, "batch_size": batch_size}
    if kind != SCENES:
        settings["images"] = images
    request = {
        "model": printable(opened.given),
        "preprocess": opened.preprocess_name,
        "data": given if kind == SCENES else printable(Path(given).resolve()),
        "images": images,
        "input_size": [frame.height, frame.width],
        "map_size": map_size and list(map_size),
        "fraction": fraction,
        "top": top,
        "seed": seed,
    }
    results = Dissections(out, request, overwrite=overwrite)
    results.check(list(units), rotation)
    data = _open(kind, given, frame, map_size, images)
    return Dissecting(opened, units, data, results, request, rotation, settings)


def _open(kind, given, frame, map_size, images):
    from kerasviz.data import concepts

    size = None if frame.free else (frame.height, frame.width)
    if kind == SCENES:
        if frame.channels != 3:
            raise SettingError(
                "The scenes are in colour, and the network takes grey images",
                expected="a data set that fits",
                mend="Name a folder with --data: it is read in grey",
            )
        return concepts.SceneConcepts(images or _SCENES, size=size or _SCENE_SIZE, map_size=map_size)
    if kind == BRODEN:
        return concepts.Broden(given, image_size=size, map_size=map_size, channels=frame.channels)
    if size is None:
        raise SettingError(
            "The network takes images of any size, and so does the data set",
            expected="a size",
            mend="Name it with --input-size, such as --input-size 224",
        )
    return concepts.ConceptFolder(given, image_size=size, map_size=map_size, channels=frame.channels)
