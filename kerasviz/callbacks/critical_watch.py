"""`CriticalSamples`: around which images another class is near, watched over a training."""

import keras
import numpy as np
import tensorflow as tf

from kerasviz import plotting
from kerasviz.callbacks.labelling import require_labels
from kerasviz.callbacks.probes import probe
from kerasviz.callbacks.shots import Picture, Shot
from kerasviz.callbacks.watching import Watch
from kerasviz.checks import checked_count, checked_seed
from kerasviz.generalization.critical_record import magnified
from kerasviz.generalization.critical_search import CriticalSampleSearch
from kerasviz.generalization.searches import as_search
from kerasviz.network.neighborhood import checked_radius
from kerasviz.plotting.naming import class_name
from kerasviz.plotting.ranges import check_range
from kerasviz.targets import ClassScore

_GREY = 128


class CriticalSamples(Watch):
    """Looks for critical samples among the same images over and over while a model is trained, and draws some.

    The number is the "ratio" of critical samples (Arpit et al. 2017); see `kerasviz.CriticalSampleSearch`. Pictures
    are of the first few critical samples at each look: the image, the point of another class that was found in the box
    around it, and their difference, grey for none and black or white for the radius.

    `kerasviz.CriticalSampleRatio` measures the same ratio. It puts it into the training's logs, where `EarlyStopping`,
    `ModelCheckpoint` and `CSVLogger` see it, and draws and keeps nothing else; this callback leaves the logs alone.

    Args:
        images: as for `CriticalSampleSearch`; a few hundred that the training does not see. A data set is read once,
            when `fit` begins.
        radius: half the side of the box, in the units of the images.
        search: as for `CriticalSampleSearch`, and so are the following.
        preprocess: what happens to the images before the model takes them.
        input: the name of the input that is changed.
        output: the name of the output whose class counts.
        bounds: the smallest and largest value that images can have.
        batch_size: samples that run at once.
        seed: of the search's noise, the same at each look.
        display: how many critical samples are drawn. Images that are no pictures are not drawn.
        labels: names of the classes by their numbers, a list or a dict, for titles.
        value_range: the values drawn black and white; None for the smallest and the largest of the images.
        name: as for `Watch`. Tags are "NAME/0" for the first critical sample, and "NAME/ratio".
        **watching: the other settings of `Watch`: `every`, `unit`, `initial`, `folder`, `log_dir`, `keep`.

    Attributes:
        history: as for `Watch`; results are `kerasviz.generalization.CriticalSamples`, which hold all found points.

    Raises:
        InputError: the images do not fit the model, or leave the bounds.
        SettingError: a setting is out of range, or a class has no label.
        TargetError: the model is no classifier of whole images.
        ModelError: as for `Watch`, and so are `PackageError` and `SaveError`.

    Example:
        >>> import keras
        >>> layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
        >>> model = keras.Sequential(layers)
        >>> model.compile("sgd", "sparse_categorical_crossentropy")
        >>> rng = np.random.default_rng(0)
        >>> images, labels = rng.random((20, 8, 8, 1)), rng.integers(3, size=20)
        >>> watch = CriticalSamples(images[10:], 0.1, search="fgsm")
        >>> history = model.fit(images[:10], labels[:10], epochs=2, verbose=0, callbacks=[watch])
        >>> [(epoch, len(found), 0 <= found.ratio <= 1) for epoch, found in watch.history]
        [(0, 10, True), (1, 10, True)]
    """

    def __init__(
        self,
        images,
        radius: float,
        *,
        search="lass",
        preprocess=None,
        input: str | None = None,
        output: str | None = None,
        bounds: tuple[float, float] | None = None,
        batch_size: int = 32,
        seed: int = 0,
        display: int = 4,
        labels=None,
        value_range: tuple[float, float] | None = None,
        name: str = "critical_samples",
        **watching,
    ):
        super().__init__(name, **watching)
        self._images, self._radius, self._seed = images, checked_radius(radius), checked_seed(seed)
        self._settings = {
            "search": as_search(search),
            "preprocess": preprocess,
            "input": input,
            "output": output,
            "bounds": bounds,
            "batch_size": checked_count("batch_size", batch_size),
        }
        self._display, self._labels = checked_count("display", display, least=0), labels
        self._range = None if value_range is None else check_range(value_range, "value_range")
        self._search = self._inputs = self._shown = None

    def open(self):
        """Compile, check all images, and search around one."""
        data_set = isinstance(self._images, tf.data.Dataset | keras.utils.PyDataset)
        sample = probe(self._images, 1)[0] if data_set else self._images
        self._search = CriticalSampleSearch(self.model, **self._settings, sample=sample)
        network = self._search.network
        parts = zip(*(part for _, part in self._search.stream(self._images)), strict=True)
        arrays = [np.concatenate(part) for part in parts]
        self._inputs = network.inputs.pack(arrays)
        self._shown = arrays[[spec.name for spec in network.inputs.specs].index(self._search.input)]
        require_labels(self._labels, network, ClassScore(output=self._settings["output"]))
        # Around boxes of no size nothing is searched, but the images are checked.
        self._search.ratio(self._inputs, 0.0, self._seed)
        self._search.ratio(network.inputs.pack([array[:1] for array in arrays]), self._radius, self._seed)

    def look(self) -> Shot:
        """Search around all images."""
        found = self._search(self._inputs, self._radius, self._seed)
        pictures = tuple(self._drawn(found)) if self._shown.ndim == 4 else ()
        return Shot(found, pictures, {"ratio": found.ratio})

    def _drawn(self, found):
        """The first critical samples; grey where there are no more, so that all looks are of one size."""
        low, high = self._range or (float(self._shown.min()), float(self._shown.max()))
        shown = {"value_range": (low, high) if low < high else (low, low + 1)}
        numbers = np.flatnonzero(found.critical)[: self._display].tolist()
        none = np.full((*self._shown.shape[1:3], 3), _GREY, np.uint8)
        for place in range(min(self._display, len(found))):
            title, tiles = "no more", [none] * 3
            if place < len(numbers):
                i = numbers[place]
                before, after = self._shown[i], found.points[i]
                old, new = (class_name(self._labels, int(kinds[i])) for kinds in (found.classes, found.new_classes))
                title = f"{i}: {old} → {new}"
                tiles = [plotting.display_image(image, **shown) for image in (before, after)]
                tiles.append(plotting.display_image(magnified(before, after, self._radius)))
            yield Picture(str(place), title, plotting.grid(tiles, rows=1))
