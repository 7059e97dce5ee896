"""`dissect`: two passes over a labelled data set."""

import hashlib
import json
import warnings
from functools import cached_property
from pathlib import Path

import numpy as np

from kerasviz import progress
from kerasviz.data.concepts.base import ConceptData
from kerasviz.errors import DataError, KerasvizWarning, LayerError, SaveError
from kerasviz.features.dissection.checkpoints import Checkpoint
from kerasviz.features.dissection.forwarding import Forward
from kerasviz.features.dissection.overlaps import Labels
from kerasviz.features.dissection.passes import FirstPass, SecondPass
from kerasviz.features.dissection.record import Dissection, TopImages
from kerasviz.features.dissection.settings import Settings
from kerasviz.features.dissection.upsampling import Upsampling, even_centres
from kerasviz.network.fingerprints import fingerprint
from kerasviz.network.network import Network
from kerasviz.network.receptive_fields import receptive_field

_FORMAT = 1  # of what is stored; raise it when an old checkpoint or result would mislead


def dissect(
    model,
    layers=None,
    data: ConceptData | None = None,
    *,
    preprocess="none",
    fraction: float = 0.005,
    top: int = 9,
    chance: bool = True,
    basis=None,
    images: int | None = None,
    seed: int = 0,
    batch_size: int = 32,
    folder=None,
    checkpoint_seconds: float = 60,
) -> dict[str, Dissection]:
    """Name what the units of some layers have learned to see (Bau et al. 2017, "Network Dissection").

    A first pass over the data finds for each unit the threshold that `fraction` of all its activations, at all
    positions in all images, exceed. A second one upsamples each feature map to the resolution of the label maps,
    linearly between the centres of the receptive fields, and counts the pixels above the threshold, those of
    each concept, and those of both. Their ratio over the whole data set tells how well unit and concept agree; see
    `Dissection` and `Tallies.iou`.

    All layers are dissected in the same two passes. Memory does not grow with the number of images: beside
    two batches it holds for each unit some 64 kB, the masks of its top images, and two counts for every concept.

    Args:
        model: any Keras model with one image input, or the path of a saved one.
        layers: one layer or a list, each as `Network.address` takes it; None for the last spatial one.
        data: labelled images, such as `kerasviz.data.SceneConcepts`, `Broden` or `ConceptFolder`, whose images have
            the size of the model's input; None for 1000 of the packaged scenes.
        preprocess: from pixels 0..255 to what the model takes; see `kerasviz.data.preprocess`.
        fraction: the share of positions above the threshold; the paper's 0.005.
        top: in how many images a unit is shown.
        chance: also compare each image with the labels of another, to learn what IoU comes by chance.
        basis: `(U, U)`; the units are then `feature map @ basis`, such as a random rotation. Needs one layer.
        images: dissect a random choice of so many; None for all.
        seed: of the order in which images are read, and so of that choice.
        batch_size: images at once.
        folder: where results are kept under a key of weights, layer, data and settings, and found again; and where a
            run that is killed leaves a checkpoint, from which the same call goes on, to the same result. None to
            keep nothing.
        checkpoint_seconds: between two checkpoints.

    Returns:
        A dict from the address of each layer to its `Dissection`, in the order asked.

    Raises:
        ModelError: the model cannot be opened.
        LayerError: a layer is unknown or has no spatial feature map.
        InputError: the model does not take such images, or a feature map holds NaN.
        DataError: no image can be read.
        SettingError: a setting is out of range.
        SaveError: the folder cannot be written.

    Example:
        >>> from kerasviz.data import SceneConcepts, shapes
        >>> found = dissect(shapes.shapes_model(), "relu5", SceneConcepts(100))["relu5"]
        >>> found.thresholds.shape, found.images
        ((64,), 100)
    """
    settings = Settings(preprocess, fraction, top, chance, basis, images, seed, batch_size)
    if data is None:
        from kerasviz.data.concepts.scenes import SceneConcepts

        data = SceneConcepts(1000)
    network = Network(model)
    if folder is None:
        return Dissector(network, layers, data, settings)()
    return _kept(network, _addresses(network, layers), data, settings, Path(folder), checkpoint_seconds)


class Dissector:
    """A dissection that is compiled once, and run as often as the weights change; arguments and errors of `dissect`."""

    def __init__(self, network: Network, layers, data: ConceptData, settings: Settings):
        self.network, self.data, self.settings = network, data, settings
        self.addresses = _addresses(network, layers)
        self.forward = Forward(network, self.addresses, data, settings)
        self.order = np.random.default_rng(settings.seed).permutation(len(data))[: settings.images]

    def __call__(self) -> dict[str, Dissection]:
        """Dissect the network as it is now."""
        return _Run(self).finish(Checkpoint(None, 0))

    def check(self):
        """Run one batch, so that whatever does not fit is told without going through the data.

        Raises:
            DataError: none of its images can be read.
        """
        for batch, _ in self.forward.over(self.order[: self.settings.batch_size], 0):
            _require_images(batch.faults, len(batch.numbers) + len(batch.faults))
        _ = self.upsamplings

    @cached_property
    def upsamplings(self) -> list[Upsampling]:
        """From each layer's feature map to the label maps."""
        return [
            self._upsampling(address, shape) for address, shape in zip(self.addresses, self.forward.shapes, strict=True)
        ]

    def _upsampling(self, address, shape):
        size = self.data.image_size
        try:
            field = receptive_field(self.network, address, size=size)
            centres = [field.centres(axis) for axis in (0, 1)]
        except LayerError as error:
            warnings.warn(
                f"Where the units of {str(address)!r} look is not known ({error.given}): they are taken to share the "
                "image evenly",
                KerasvizWarning,
                stacklevel=2,
            )
            centres = [even_centres(count, length) for count, length in zip(shape[:2], size, strict=True)]
        return Upsampling(centres, size, self.data.map_size)


def _addresses(network, layers):
    asked = layers if isinstance(layers, list | tuple) else [layers]
    return list(dict.fromkeys(network.address(layer) for layer in asked))


def _require_images(faults, count):
    if len(faults) == count:
        raise DataError(
            f"None of {count} images can be read; the first: {next(iter(faults.values()))}",
            expected="a data set with readable images",
            mend="Look at the files that are named",
        )


def _kept(network, addresses, data, settings, folder, seconds):
    """Results from the folder; those that are not there from a run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(
            f"{str(folder)!r} cannot be made: {error.strerror}", expected="a folder to write to", mend="Choose another"
        ) from error
    shared = [_FORMAT, fingerprint(network), data.fingerprint, settings.plain()]
    kept = {address: folder / _key([*shared, address.path, address.call]) for address in addresses}
    found = {str(address): Dissection.load(path) for address, path in kept.items() if path.exists()}
    rest = [address for address in addresses if str(address) not in found]
    if rest:
        together = _key([kept[address].name for address in rest])
        checkpoint = Checkpoint(folder / f"{together}.checkpoint", seconds)
        found |= _Run(Dissector(network, rest, data, settings)).finish(checkpoint)
        for address in rest:
            found[str(address)].save(kept[address])
        checkpoint.remove()
    return {str(address): found[str(address)] for address in addresses}


def _key(parts):
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


class _Run:
    """One run of a dissection."""

    def __init__(self, dissector: Dissector):
        self._dissector, self._forward, self._order = dissector, dissector.forward, dissector.order
        self._data, self._settings = dissector.data, dissector.settings
        # Places 0 to count are the first pass, count to 2 * count the second.
        self._count, self._place = len(self._order), 0
        self._skipped: dict[int, str] = {}
        self._previous: int | None = None
        self._before: Labels | None = None
        sizes = self._count, self._settings.fraction, self._settings.top
        self._first = [FirstPass(shape, *sizes) for shape in self._forward.shapes]
        self._second: list[SecondPass] = []

    def finish(self, checkpoint: Checkpoint) -> dict[str, Dissection]:
        """Do what is left to do."""
        stored = checkpoint.load()
        if stored is not None:
            self._restore(*stored)
        done = self._place
        with progress.bar(2 * self._count, "dissecting", unit="images", before=done) as advance:
            for place in self._steps():
                advance(place - done)
                done = place
                if checkpoint.due:
                    checkpoint.store(*self._state())
        if self._skipped:
            some = "; ".join(list(self._skipped.values())[:3])
            warnings.warn(
                f"{len(self._skipped)} of {self._count} images were skipped: {some}", KerasvizWarning, stacklevel=4
            )
        return {str(address): self._record(number, address) for number, address in enumerate(self._dissector.addresses)}

    def _steps(self):
        """Run batch after batch; yields the place reached."""
        if self._place < self._count:
            for batch, layers in self._forward.over(self._order, self._place):
                self._skipped.update(batch.faults)
                for gathered, (maps, maxima) in zip(self._first, layers, strict=bool(layers)):
                    gathered.update(maps, maxima, batch.numbers)
                self._place = batch.end
                yield self._place
        _require_images(self._skipped, self._count)
        self._second = self._second or self._begun()
        for batch, layers in self._forward.over(self._order, self._place - self._count, frozenset(self._skipped)):
            self._skipped.update(batch.faults)
            labels = [Labels(sample, len(self._data.concepts)) for sample in batch.samples]
            for gathered, (maps, maxima) in zip(self._second, layers, strict=bool(layers)):
                gathered.update(maps, maxima, batch.numbers, labels, self._before)
            if labels:
                self._previous, self._before = batch.numbers[-1], labels[-1]
            self._place = batch.end + self._count
            yield self._place

    def _begun(self):
        return [
            SecondPass(
                self._data,
                first.sketch.quantile(),
                upsampling,
                first.strongest.numbers,
                self._settings.chance,
            )
            for upsampling, first in zip(self._dissector.upsamplings, self._first, strict=True)
        ]

    def _record(self, number, address):
        first, second = self._first[number], self._second[number]
        return Dissection(
            network=self._dissector.network.name,
            layer=str(address),
            concepts=tuple(self._data.concepts),
            categories=self._data.categories,
            thresholds=first.sketch.quantile(),
            tallies=second.tallies,
            chance=second.chance,
            images=self._count - len(self._skipped),
            skipped=(*self._data.faults, *self._skipped.values()),
            map_size=tuple(self._data.map_size),
            top=TopImages.of(self._data, first.strongest.numbers, first.strongest.values, second.masks),
            settings={**self._settings.plain(), "quantile_error": first.sketch.error_bound},
        )

    def _state(self):
        about = {"place": self._place, "skipped": self._skipped, "previous": self._previous}
        passes = {"first": self._first, "second": self._second}
        arrays = {
            f"{name}/{number}/{part}": array
            for name, layers in passes.items()
            for number, gathered in enumerate(layers)
            for part, array in gathered.state().items()
        }
        return about, arrays

    def _restore(self, about, arrays):
        self._place, self._previous = about["place"], about["previous"]
        self._skipped = {int(number): why for number, why in about["skipped"].items()}
        _restore(self._first, arrays, "first")
        if any(name.startswith("second/") for name in arrays):
            self._second = self._begun()
            _restore(self._second, arrays, "second")
        if self._previous is not None:
            self._before = Labels(self._data.read(self._previous), len(self._data.concepts))


def _restore(layers, arrays, name):
    for number, gathered in enumerate(layers):
        prefix = f"{name}/{number}/"
        gathered.restore({key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)})
