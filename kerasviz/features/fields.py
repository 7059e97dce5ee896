"""How much of the image the units of each layer see, as a table and as boxes on an image."""

from dataclasses import dataclass

import numpy as np

from kerasviz import plotting
from kerasviz.errors import InputError, LayerError
from kerasviz.network.network import Network
from kerasviz.network.receptive_fields import ReceptiveField, short
from kerasviz.network.receptive_fields import receptive_fields as _of_network

_COLUMNS = ("layer", "units", "size", "stride", "start", "centre")


@dataclass(frozen=True)
class FieldTable:
    """The receptive fields of a model's layers.

    Attributes:
        fields: by the layers' addresses, in the order of the model.
    """

    fields: dict[str, ReceptiveField]

    def rows(self) -> list[dict]:
        """A dict for each layer, which `pandas.DataFrame` takes.

        `layer`; for each spatial axis of the image, in pixels as floats, the `size` of a field, the `stride` from one
        unit to the next, the `start` and the `centre` of the first unit's field; the number of `units` along each
        axis; and `whole`, whether units may see the whole image by other paths.
        """
        return [
            {
                "layer": name,
                "size": tuple(map(float, field.size)),
                "stride": tuple(map(float, field.stride)),
                "start": tuple(map(float, field.start)),
                "centre": tuple(float(field.centres(axis)[0]) for axis in range(len(field.count))),
                "units": field.count,
                "whole": field.whole,
            }
            for name, field in self.fields.items()
        ]

    def __str__(self):
        lines = [_COLUMNS]
        for row in self.rows():
            numbers = (" x ".join(map(short, row[column])) for column in _COLUMNS[1:])
            lines.append((row["layer"], *numbers, *(["whole image by other paths"] if row["whole"] else [])))
        widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
        return "\n".join(
            "  ".join(f"{cell:{width}}" for cell, width in _aligned(line, widths)).rstrip() for line in lines
        )

    # What a notebook shows.
    __repr__ = __str__

    def draw(self, layer: str, position, image) -> np.ndarray:
        """Draws the box of pixels that a unit sees onto an image.

        Args:
            layer: its address, as in `fields`.
            position: row and column of the unit.
            image: one image of the size that the fields are of, drawn as `kerasviz.plotting.display_image` does.

        Returns:
            `uint8`, `(H, W, 3)`; as `kerasviz.plotting.draw_boxes` makes it.

        Raises:
            LayerError: the layer has no field here.
            SettingError: there is no such unit.
            InputError: the image has another size, or the model's images are not pictures.
        """
        if layer not in self.fields:
            raise LayerError(
                f"layer={layer!r} is not in the table",
                expected="the address of one of its layers",
                mend=f"Its layers are {', '.join(map(repr, self.fields))}",
            )
        field = self.fields[layer]
        top, left, bottom, right = self._box(field, position)
        picture = plotting.display_image(image)
        if picture.shape[:-1] != field.image:
            raise InputError(
                f"The image has {' x '.join(map(str, picture.shape[:-1]))} pixels",
                expected=f"{' x '.join(map(str, field.image))}, the size that the fields are of",
                mend="Resize the image, or make the table with size=",
            )
        return plotting.draw_boxes(picture, [left, top, right, bottom])

    @staticmethod
    def _box(field, position):
        if len(field.image) != 2:
            raise InputError(
                f"The input {field.input!r} has {len(field.image)} spatial axes",
                expected="a model of images with rows and columns",
                mend="`fields[layer].box(position)` tells the places",
            )
        return field.box(position)


def _aligned(line, widths):
    yield from zip(line, (*widths, 0), strict=False)


def receptive_fields(model, layers=None, *, size=None) -> FieldTable:
    """How much of the image the units of each layer see: size, stride and centre of their receptive fields.

    Found by arithmetic on the traced network, not by trying: see `kerasviz.network.receptive_fields.ReceptiveField`.
    A field is what a unit can see at most; what it makes use of is often much smaller, towards the centre (Luo et al.
    2016, Understanding the effective receptive field).

    Args:
        model: any built Keras model, the path of a saved one, or a `Network`.
        layers: a list, each as `Network.address` takes it; by default all. Those without a feature map over the
            image are left out.
        size: rows and columns of the image where the model leaves them open, or one number for both; by default 224.

    Returns:
        A table; `print` shows it.

    Raises:
        ModelError: not a Keras model, or its inputs are not known.
        LayerError: there is no such layer.
        SettingError: the model takes no images of this size.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3, name="conv"),
        ...                           keras.layers.MaxPooling2D(2, name="pool"), keras.layers.Flatten()])
        >>> table = receptive_fields(model)
        >>> print(table)
        layer  units    size   stride  start  centre
        conv   30 x 30  3 x 3  1 x 1   0 x 0  1 x 1
        pool   15 x 15  4 x 4  2 x 2   0 x 0  1.5 x 1.5
        >>> table.draw("pool", (7, 7), np.zeros((32, 32, 3), np.uint8)).shape
        (32, 32, 3)
    """
    network = model if isinstance(model, Network) else Network(model)
    return FieldTable(_of_network(network, layers, size))
