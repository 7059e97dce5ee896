"""`Dissection`: what concepts the units of some layers detect, watched over a training."""

import numpy as np

from kerasviz import plotting
from kerasviz.callbacks.shots import Picture, Shot
from kerasviz.callbacks.watching import Watch
from kerasviz.checks import checked_count
from kerasviz.data.concepts.base import ConceptData
from kerasviz.errors import InputError
from kerasviz.features.dissection.counting import THRESHOLD, check_threshold, count_detectors
from kerasviz.features.dissection.running import Dissector
from kerasviz.features.dissection.settings import Settings
from kerasviz.features.dissection.strips import GAP, Strips
from kerasviz.features.dissection.tables import order
from kerasviz.network import Network


class Dissection(Watch):
    """Dissects some layers over and over while a model is trained (Bau et al. 2017, "Network Dissection").

    Numbers of each layer are "detectors", the units whose IoU with a concept is above the threshold, and "unique", the
    different concepts that these units stand for, each unit once; "unique/CATEGORY" are those of one category. The
    picture of a layer shows the units that are the surest of their concepts, each with its top images, lit where it is
    active: at each look other units.

    A look goes twice over the data: `images` and `every` keep it cheap, and so do data with small label maps.

    Args:
        layers: one layer or a list, as for `kerasviz.dissect`; None for the last spatial one.
        data: labelled images, such as `kerasviz.data.SceneConcepts`, of the size of the model's input.
        threshold: 0..1, what a detector's IoU must exceed; 0.04 is the papers'.
        units: how many units a picture shows, at most.
        preprocess: as for `kerasviz.dissect`.
        fraction: as there.
        top: in how many images a unit is shown.
        chance: as there; not counted by default, which is faster.
        images: a random choice of so many, the same at each look; None for all.
        seed: of that choice.
        batch_size: images at once.
        name: as for `Watch`. Tags are "NAME/LAYER" and "NAME/LAYER/unique" and so on.
        **watching: the other settings of `Watch`: `every`, `unit`, `initial`, `folder`, `log_dir`, `keep`.

    Attributes:
        history: as for `Watch`; results are what `kerasviz.dissect` returns, dicts of `kerasviz.features.Dissection`.

    Raises:
        LayerError: a layer is unknown or has no spatial feature map.
        InputError: the data are no labelled images, or the model does not take such images.
        DataError: none of the first batch of images can be read.
        SettingError: a setting is out of range.
        ModelError: as for `Watch`, and so are `PackageError` and `SaveError`.

    Warns:
        KerasvizWarning: as `kerasviz.dissect` does.

    Example:
        >>> import kerasviz as kv
        >>> scenes, model = kv.data.shapes.scenes(16), kv.data.shapes.shapes_model()
        >>> model.compile("sgd", "sparse_categorical_crossentropy")
        >>> watch = Dissection("relu5", kv.data.SceneConcepts(32, map_size=(32, 32)), every=2)
        >>> history = model.fit(scenes.images, scenes.labels, epochs=2, verbose=0, callbacks=[watch])
        >>> [(epoch, found["relu5"].images) for epoch, found in watch.history]
        [(0, 32), (1, 32)]
    """

    def __init__(
        self,
        layers,
        data: ConceptData,
        *,
        threshold: float = THRESHOLD,
        units: int = 8,
        preprocess="none",
        fraction: float = 0.005,
        top: int = 9,
        chance: bool = False,
        images: int | None = None,
        seed: int = 0,
        batch_size: int = 32,
        name: str = "dissection",
        **watching,
    ):
        super().__init__(name, **watching)
        if not isinstance(data, ConceptData):
            raise InputError(
                f"The data are a {type(data).__name__}",
                expected="images whose pixels are labelled with concepts, a kerasviz.data.concepts.base.ConceptData",
                mend="Open them with kerasviz.data.SceneConcepts, Broden or ConceptFolder",
            )
        check_threshold(threshold)
        self._layers, self._data, self._threshold = layers, data, threshold
        self._units, top = checked_count("units", units), checked_count("top", top)
        self._settings = Settings(preprocess, fraction, top, chance, None, images, seed, batch_size)
        self._dissect = None

    def open(self):
        """Compile, and run one batch of the data."""
        self._dissect = Dissector(Network(self.model), self._layers, self._data, self._settings)
        self._dissect.check()

    def look(self) -> Shot:
        """Dissect the layers."""
        found, pictures, numbers = self._dissect(), [], {}
        for layer, dissection in found.items():
            counts = count_detectors(dissection, self._threshold)
            numbers |= {f"{layer}/detectors": counts.detectors, f"{layer}/unique": counts.unique_best}
            numbers |= {f"{layer}/unique/{category}": count.unique for category, count in counts.best.items()}
            title = f"{layer}, {counts.unique_best} unique of {counts.detectors} detectors"
            pictures.append(Picture(layer, title, self._drawn(dissection)))
        return Shot(found, tuple(pictures), numbers)

    def _drawn(self, dissection):
        """The strips of the units that are the surest, one below the other."""
        strips = Strips(dissection, self._data)
        units = order(dissection)[: self._units].tolist()
        count, (height, width) = dissection.top.numbers.shape[1], strips.size
        # Units that are active nowhere have no strip; all looks are of one size.
        none = np.full((height, count * (width + GAP) - GAP, 3), 255, np.uint8)
        drawn = [strips.draw(unit) for unit in units]
        labels = [f"{unit} {_named(dissection.label(unit))} {dissection.best.iou[unit]:.3f}" for unit in units]
        return plotting.grid([none if strip is None else strip for strip in drawn], cols=1, labels=labels)


def _named(concept):
    return "nothing" if concept is None else concept.name
