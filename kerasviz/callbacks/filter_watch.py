"""`Filters`: the filters of a convolution, watched over a training."""

import numpy as np

from kerasviz.callbacks.shots import Picture, Shot
from kerasviz.callbacks.watching import Watch
from kerasviz.features.weights.filters import filters
from kerasviz.plotting import reduce_channels


class Filters(Watch):
    """Draws the filters of a convolution over and over while a model is trained.

    Numbers are "norm", the mean of the filters' Euclidean norms, and "change", the largest Euclidean distance of a
    filter from what it was at the look before. The model does not run for it.

    Args:
        layer: as for `kerasviz.filters`; None for the model's first convolution.
        part: which kernel, of a layer with several.
        channels: numbers of the filters wanted; None for all.
        sort: "norm" or "similarity" orders the filters as they are at the first look, and the order then stays.
        scale: which range of weights black and white stand for. "first" gives all looks the largest weight of the first
            look with one that is not zero; "shared" gives each look its own, "separate" each filter; `(low, high)`
            fixes it.
        reduce: as for `kerasviz.features.Filters.picture`.
        limit: filters and input channels drawn at most; as there.
        name: as for `Watch`. Tags are "NAME/LAYER", "NAME/norm" and "NAME/change".
        **watching: the other settings of `Watch`: `every`, `unit`, `initial`, `folder`, `log_dir`, `keep`.

    Attributes:
        history: as for `Watch`; results are `kerasviz.features.Filters`.

    Raises:
        LayerError: no such layer, or it holds no convolution's weights.
        SettingError: a setting is out of range, or there is no such filter.
        InputError: the weights contain NaN.
        ModelError: as for `Watch`, and so are `PackageError` and `SaveError`.

    Warns:
        KerasvizWarning: filters are zero, or there are more than are drawn.

    Example:
        >>> import keras
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv"), keras.layers.Flatten()]
        >>> model = keras.Sequential([*layers, keras.layers.Dense(3, "softmax")])
        >>> model.compile("sgd", "sparse_categorical_crossentropy")
        >>> rng = np.random.default_rng(0)
        >>> images, labels = rng.normal(size=(20, 8, 8, 3)), rng.integers(3, size=20)
        >>> watch = Filters("conv", initial=True)
        >>> history = model.fit(images, labels, epochs=2, verbose=0, callbacks=[watch])
        >>> [(epoch, found.weights.shape) for epoch, found in watch.history]
        [(-1, (3, 3, 3, 4)), (0, (3, 3, 3, 4)), (1, (3, 3, 3, 4))]
    """

    def __init__(
        self,
        layer=None,
        *,
        part: str | None = None,
        channels=None,
        sort: str | None = None,
        scale="first",
        reduce: str | bool | None = None,
        limit: int | None = 64,
        name: str = "filters",
        **watching,
    ):
        super().__init__(name, **watching)
        self._asked = {"layer": layer, "part": part, "channels": channels, "sort": sort}
        self._scale, self._drawing = scale, {"reduce": reduce, "limit": limit}
        self._order = self._range = self._last = None

    def open(self):
        """Look once, so that whatever does not fit is told before the first epoch."""
        self._order = self._range = self._last = None
        self.look()
        self._order = self._range = self._last = None

    def look(self) -> Shot:
        """Read the filters."""
        order = {} if self._order is None else {"channels": self._order, "sort": None}
        found = filters(self.model, **(self._asked | order))
        self._order = found.order
        flat = np.moveaxis(found.weights, -1, 0).reshape(len(found), -1).astype(np.float64)
        numbers = {"norm": float(np.linalg.norm(flat, axis=1).mean())}
        if self._last is not None:
            numbers["change"] = float(np.linalg.norm(flat - self._last, axis=1).max())
        self._last = flat
        pixels = found.picture(scale=self._range_for(found), **self._drawing)
        picture = Picture(found.layer, f"{found.layer}, norm {numbers['norm']:.3g}", pixels)
        return Shot(found, (picture,), numbers)

    def _range_for(self, found):
        if self._scale != "first":
            return self._scale
        if self._range is None:
            weights, reduce = np.moveaxis(found.weights, -2, -1), self._drawing["reduce"]
            drawn = reduce_channels(weights, reduce) if isinstance(reduce, str) else weights
            largest = float(np.abs(drawn).max())
            if not largest:
                return "shared"
            self._range = -largest, largest
        return self._range
