"""The samples of a data set that activate each channel of a layer the most, and where."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasviz import plotting
from kerasviz.checks import checked_count
from kerasviz.errors import InputError, KerasvizWarning, SaveError
from kerasviz.features.units.patches import boxes_in, collect, field_of, montage, source_of
from kerasviz.features.units.ranking import rank
from kerasviz.network import Network
from kerasviz.network.layers import Address
from kerasviz.network.streaming import Stream
from kerasviz.plotting.counts import drawable
from kerasviz.reading import read_arrays, reading
from kerasviz.writing import write_files

_AXES = {1: ("position",), 2: ("row", "column"), 3: ("depth", "row", "column")}


@dataclass(frozen=True, eq=False)
class TopActivations:
    """The strongest activations of each channel over a data set, the strongest first.

    Where the data holds fewer than `k`, the last places have the value NaN, the image -1, the position -1 and an
    empty box.

    Attributes:
        values: `(C, k)` float32, the activations.
        images: `(C, k)` int, numbers of the samples in the data, from 0.
        positions: `(C, k, axes)` int, places in the layer's map: row and column. Without axes for a layer `(N, C)`.
        boxes: `(C, k, 2 * axes of the image)` int, the receptive field of each unit in pixels of the network's input,
            clipped to it: `y0, x0, y1, x1`, half open. The whole image for units without a place in it, and only the
            local path where a gate (squeeze and excitation) lets a unit see everything.
        channels: `(C,)` int, the numbers of the channels.
        layer: the layer's address.
        input: the name of the network's input that the boxes are in.
        total: how many samples the data holds.
    """

    values: np.ndarray
    images: np.ndarray
    positions: np.ndarray
    boxes: np.ndarray
    channels: np.ndarray
    layer: str
    input: str
    total: int

    def rows(self) -> list[dict]:
        """A row for each activation, as `pandas.DataFrame` takes them: channel, rank from 1, value, image, position."""
        axes = self.positions.shape[-1]
        names = _AXES.get(axes, tuple(f"axis{number}" for number in range(axes)))
        return [
            {
                "channel": int(channel),
                "rank": rank + 1,
                "value": float(self.values[c, rank]),
                "image": int(self.images[c, rank]),
                **dict(zip(names, self.positions[c, rank].tolist(), strict=True)),
            }
            for c, channel in enumerate(self.channels)
            for rank in np.flatnonzero(self.images[c] >= 0).tolist()
        ]

    def patches(self, data, field=None) -> list[list[np.ndarray]]:
        """What each activation saw: the parts of the images in the receptive fields. Goes through the data once.

        Args:
            data: the same samples in the same order, as the network takes them or as they should be shown; of the
                network's input size. Arrays, or batches as for `top_activations`.
            field: a `kerasviz.network.receptive_fields.ReceptiveField` that takes the place of the layer's own.

        Returns:
            For each channel a list of at most `k` arrays `(h, w, C)`, the strongest first; copies.

        Raises:
            InputError: the data holds fewer samples, or they have another size.
        """
        boxes = self.boxes if field is None else self._boxes_in(field)
        asked = [(int(self.images[c, r]), boxes[c, r], (c, r)) for c, r in np.argwhere(self.images >= 0).tolist()]
        found = collect(data, self.input, asked)
        count = self.images.shape[1]
        return [[found[c, r] for r in range(count) if (c, r) in found] for c in range(len(self.channels))]

    def plot(self, data, *, cols: int | None = None, value_range=None, tile: float = 2.2, dpi: float = 150):
        """Draw the patches of each channel in a square, the strongest at its top left.

        At most 64 channels are drawn, with a warning if there are more.

        Args:
            data: as for `patches`: pictures, drawn as `kerasviz.plotting.display_image` does.
            cols: channels side by side; by default about as many as below one another.
            value_range: the values drawn black and white; see `kerasviz.plotting.display_image`.
            tile: width of a channel in inches.
            dpi: dots an inch.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            InputError: as for `patches`, or the samples are no pictures.
        """
        from kerasviz.plotting.canvas import Tile, draw_sheet

        if self.boxes.shape[-1] != 4:
            raise InputError(
                f"The samples have {self.boxes.shape[-1] // 2} axes of space",
                expected="pictures, which have 2",
                mend="Take the patches by patches(data), and draw them as fits the data",
            )
        across = int(np.ceil(np.sqrt(self.values.shape[1])))
        tiles = []
        for patches, title in zip(self.patches(data), self.titles()[: drawable(len(self.channels))], strict=False):
            shown = [plotting.display_image(patch, value_range=value_range) for patch in patches]
            tiles.append(Tile(montage(shown, across), title))
        cols = cols or int(np.ceil(np.sqrt(len(tiles))))
        return draw_sheet([tiles[first : first + cols] for first in range(0, len(tiles), cols)], tile=tile, dpi=dpi)

    def titles(self) -> list[str]:
        """A few words for each channel: its number, and its largest and smallest activation."""
        return [
            f"channel {channel}: {np.nanmax(values):.3g} … {np.nanmin(values):.3g}"
            for channel, values in zip(self.channels, self.values, strict=True)
        ]

    def save(self, path) -> Path:
        """Write everything into one `.npz` file, whole or not at all. A file that is there is replaced.

        Raises:
            SaveError: it cannot be written, or its name does not end in `.npz`.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise SaveError(f"{path.name!r} is no .npz file", expected="a name that ends in .npz", mend="Rename it")
        write = {path.name: lambda draft: np.savez_compressed(draft, **vars(self))}
        write_files(path.parent, write, overwrite=True)
        return path

    @classmethod
    def load(cls, path) -> "TopActivations":
        """Read what `save` wrote.

        Raises:
            LoadError: there is no such file, or a damaged or foreign one.
        """
        with reading(path, "top activations", "a file that TopActivations.save wrote"):
            arrays = read_arrays(Path(path))
            scalars = {name: arrays.pop(name).item() for name in ("layer", "input", "total")}
            return cls(**arrays, **scalars)

    def _boxes_in(self, field):
        held, boxes = self.images >= 0, np.zeros_like(self.boxes)
        boxes[held] = boxes_in(field, self.positions[held], field.image)
        return boxes


def top_activations(
    model,
    layer,
    data,
    *,
    k: int = 9,
    batch_size: int = 32,
    per_image: bool = True,
    channels=None,
    input: str | None = None,
    sample=None,
) -> TopActivations:
    """Find the samples that activate each channel of a layer the most, and where in the map.

    The data is read once, in batches; memory does not grow with it. Zeiler and Fergus 2013, section 4.1, show the
    nine strongest of each channel. Of equal activations those of lower image numbers come first, and within an image
    the first place in reading order. The batch size changes nothing beyond the rounding of the network itself.

    Args:
        model: as for `kerasviz.network.Network`.
        layer: as `Network.address` takes it; None for the last spatial one. Also a layer `(N, C)` without positions.
        data: what `model.predict` takes: arrays; or a batched `tf.data.Dataset`, a `keras.utils.PyDataset`, or
            another collection of batches that can be gone through again. Labels in it are left aside.
        k: how many a channel.
        batch_size: how many samples run at once; bounds the memory.
        per_image: whether a channel takes each image once, at its strongest position, so that one image does not fill
            all places; else each unit counts.
        channels: numbers of the channels that are wanted, in this order; None for all.
        input: the name of the input that boxes are in, for a layer that looks at several.
        sample: as for `kerasviz.network.Network`.

    Raises:
        InputError: the data is empty or does not fit, or an activation is NaN or infinite.
        LayerError: there is no such layer.
        SettingError: `k` or `batch_size` is no whole number from 1 up.
        TargetError: the layer has no such channel, or returns several tensors.

    Warns:
        KerasvizWarning: all found activations of a channel are equal, as under the cap of a ReLU6.

    Example:
        >>> import numpy as np, keras
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5)])
        >>> images = np.random.default_rng(0).random((20, 8, 8, 3), "float32")
        >>> top = top_activations(model, "conv", images, k=3)
        >>> top.values.shape, top.images.shape, top.positions.shape
        ((4, 3), (4, 3), (4, 3, 2))
    """
    checked_count("k", k)
    network = Network(model, sample=sample)
    stream = Stream(network.inputs, data, checked_count("batch_size", batch_size))
    return strongest(network, network.address(layer), stream, k=k, per_image=per_image, channels=channels, input=input)


def strongest(
    network: Network,
    address: Address,
    stream: Stream,
    *,
    k: int,
    per_image=True,
    channels=None,
    input: str | None = None,
) -> TopActivations:
    """`top_activations` on a network that is open already; arguments as there."""
    source = source_of(network, address, input)
    numbers, best = rank(network, address, stream, source, k=k, per_image=per_image, channels=channels)
    axes = best["sizes"].shape[-1]
    boxes = np.zeros((*best["values"].shape, 2 * axes), int)
    for size in np.unique(best["sizes"].reshape(-1, axes), axis=0):
        here = (best["sizes"] == size).all(axis=-1)
        size = tuple(size.tolist())
        boxes[here] = boxes_in(field_of(network, address, source, size), best["positions"][here], size)

    _warn_of_ties(best["values"], numbers, address)

    def padded(array, fill):
        widths = [(0, 0), (0, k - array.shape[1])] + [(0, 0)] * (array.ndim - 2)
        return np.pad(array, widths, constant_values=fill)

    return TopActivations(
        values=padded(best["values"], np.nan),
        images=padded(best["images"], -1),
        positions=padded(best["positions"], -1),
        boxes=padded(boxes, 0),
        channels=numbers,
        layer=str(address),
        input=network.inputs.specs[source].name,
        total=stream.total,
    )


def _warn_of_ties(values, channels, address):
    level = (values == values[:, :1]).all(axis=1) & (values[:, 0] != 0)
    if values.shape[1] > 1 and level.any():
        warnings.warn(
            f"The {values.shape[1]} strongest activations of {str(address)!r} are equal in the channels "
            f"{', '.join(map(str, channels[level][:10]))}: the first samples are given, not the strongest. A capped "
            "activation, such as ReLU6, does this; the layer before it can be ordered",
            KerasvizWarning,
            stacklevel=4,
        )
