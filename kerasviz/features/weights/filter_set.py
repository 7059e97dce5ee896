"""`Filters`: the weights of a convolution in order, measured and drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasviz.errors import SettingError
from kerasviz.features.weights.similarity import are_zero, duplicates
from kerasviz.plotting import save_png
from kerasviz.plotting.kernels import join, kernel_tiles
from kerasviz.writing import check_free, write_csv, write_files, write_json

SCALES = {"separate": "image", "shared": "batch"}
#: What `Filters.save` writes.
FILES = ("filters.png", "filters-numbered.png", "filters.npz", "filters.csv", "filters.json")


@dataclass(frozen=True, eq=False)
class Filters:
    """The filters of a layer, in the order in which they are shown.

    Attributes:
        weights: float32 `(k, inputs, filters)`, `(kh, kw, inputs, filters)` or `(kd, kh, kw, inputs, filters)`,
            whatever the layer's own layout: `inputs` is how many channels one filter looks at. That is 1 where the
            convolution is depthwise, and the input's channels divided by `groups` where it is grouped. A transposed
            convolution's filters are what it paints into each output channel.
        layer: the path of the layer.
        kind: the name of its class.
        part: which of its kernels: "kernel", or "depthwise" or "pointwise" of a separable convolution.
        order: the numbers of the filters: `weights[..., i]` is filter `order[i]`, which makes the layer's output
            channel of that number. (A separable convolution's depthwise part makes that channel between its kernels.)
        total: how many filters the layer has.
        groups: how many groups they are in. Filter j looks at the inputs of group `j * groups // total`.
        depthwise: whether each looks at one input channel.
        transposed: whether they belong to a transposed convolution.
        sort: "norm", "similarity" or None: by number, or as they were asked for.
    """

    weights: np.ndarray
    layer: str
    kind: str
    part: str
    order: np.ndarray
    total: int
    groups: int = 1
    depthwise: bool = False
    transposed: bool = False
    sort: str | None = None

    def __len__(self):
        return len(self.order)

    def picture(
        self,
        *,
        scale="separate",
        reduce: str | bool | None = None,
        inputs: Sequence[int] | None = None,
        limit: int | None = 64,
        cols: int | None = None,
        pad: int = 1,
        zoom: int | None = None,
    ) -> np.ndarray:
        """Draw the filters as tiles, one flat square a weight; zero is mid-grey (128), positive is brighter.

        Filters that look at three channels are drawn in colour, those that look at one in grey, each as one tile. All
        others are a row of grey tiles each, one for each input channel; see `kerasviz.plotting.filters`.

        Args:
            scale: "separate" gives each filter its own symmetric range, so that weak ones are seen as well; "shared"
                gives all the same, so that strengths can be compared; `(low, high)` fixes it.
            reduce: a reduction of the input channels to one tile a filter, see `kerasviz.plotting.reduce_channels`;
                `False` for grey tiles also where there are three.
            inputs: numbers of the input channels to draw; of a grouped convolution, within the group. None for all.
            limit: filters and input channels drawn at most, each, with a warning if there are more; None for all.
            cols: tiles in a row, where there is one tile a filter. By default as near to a square as holds all.
            pad: white pixels between tiles.
            zoom: pixels a weight. By default tiles of up to 48 pixels in a picture of about 1000.

        Returns:
            `uint8`, `(H, W, 3)`.

        Raises:
            SettingError: an unknown scale or reduction, or a number that is none.

        Example:
            >>> import keras
            >>> model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(8, 7)])
            >>> from kerasviz.features.weights.filters import filters
            >>> filters(model).picture(zoom=1, pad=0).shape  # nine tiles of 7 x 7, the last one empty
            (21, 21, 3)
        """
        return join(self._tiles(scale, reduce, inputs, limit), cols=cols, pad=pad, zoom=zoom)

    def plot(
        self,
        *,
        scale="separate",
        reduce: str | bool | None = None,
        inputs: Sequence[int] | None = None,
        limit: int | None = 64,
        dpi: float = 150,
    ):
        """Draw the same tiles with the numbers of filters and input channels beside them.

        Args:
            scale: as for `picture`, and so are the others.
            reduce: a reduction of the input channels.
            inputs: the input channels to draw.
            limit: filters and input channels drawn at most.
            dpi: dots an inch, on the screen and in a file.

        Returns:
            A matplotlib `Figure`, unknown to pyplot: a notebook shows it, `fig.savefig(path)` writes it.

        Raises:
            SettingError: as for `picture`.
        """
        return self._figure(self._tiles(scale, reduce, inputs, limit), inputs, dpi)

    def statistics(self, *, tolerance: float = 1e-6) -> list[dict]:
        """What each filter's weights are like: one dict a filter, in the order of `order`.

        Keys: `filter` its number; `norm` the Euclidean norm; `mean`, `min` and `max` of its weights; `zero` whether the
        norm is at most a millionth of the largest here, as that of a filter that training has given up; `duplicate_of`
        the lowest number of a filter here that it equals, or None.

        Args:
            tolerance: filters are equal if the norm of their difference is at most this share of the larger's norm.
        """
        flat = self._flat()
        copies = duplicates(flat, self.order, tolerance)
        return [
            {
                "filter": int(number),
                "norm": float(np.linalg.norm(weights)),
                "mean": float(weights.mean()),
                "min": float(weights.min()),
                "max": float(weights.max()),
                "zero": bool(zero),
                "duplicate_of": copy,
            }
            for number, weights, zero, copy in zip(self.order, flat, are_zero(flat), copies, strict=True)
        ]

    def save(
        self,
        folder,
        *,
        scale="separate",
        reduce: str | bool | None = None,
        inputs: Sequence[int] | None = None,
        limit: int | None = 64,
        overwrite: bool = False,
    ) -> Path:
        """Write pictures, weights and statistics; all files or none.

        `filters.png` is the `picture`, `filters-numbered.png` the `plot`, `filters.npz` holds `weights` and `order`,
        `filters.csv` the `statistics`, and `filters.json` these and all else.

        Args:
            folder: made if it is not there.
            scale: as for `picture`, and so are the next three.
            reduce: a reduction of the input channels.
            inputs: the input channels to draw.
            limit: filters and input channels drawn at most.
            overwrite: replace files of these names.

        Returns:
            The folder.

        Raises:
            SettingError: as for `picture`.
            SaveError: a file is there already, or cannot be written.
        """
        folder = check_free(folder, FILES, overwrite=overwrite)
        tiles = self._tiles(scale, reduce, inputs, limit)
        picture, figure, rows = join(tiles), self._figure(tiles, inputs, 150), self.statistics()
        about = self.about()
        writers = [
            lambda path: save_png(path, picture, {**about, "filters": self.order[: len(tiles)].tolist()}),
            figure.savefig,
            lambda path: np.savez_compressed(path, weights=self.weights, order=self.order),
            lambda path: write_csv(path, rows),
            lambda path: write_json(path, {**about, "filters": rows}),
        ]
        write_files(folder, dict(zip(FILES, writers, strict=True)), overwrite=overwrite)
        return folder

    def about(self) -> dict:
        """What these filters are, as JSON can hold it."""
        return {
            "layer": self.layer,
            "class": self.kind,
            "part": self.part,
            "shape": list(self.weights.shape),
            "total": self.total,
            "groups": self.groups,
            "depthwise": self.depthwise,
            "transposed": self.transposed,
            "sort": self.sort,
        }

    def _flat(self):
        return np.moveaxis(self.weights, -1, 0).reshape(len(self), -1).astype(np.float64)

    def _tiles(self, scale, reduce, inputs, limit):
        weights = self.weights
        if inputs is not None:
            weights = weights[..., numbers_of(inputs, weights.shape[-2], "inputs", "input channels"), :]
        # Three channels of a group, or three that were picked out, are no colours.
        if reduce is None and (self.groups > 1 or inputs is not None):
            reduce = False
        return kernel_tiles(weights, channels=reduce, scale=_scale(scale), limit=limit, numbers=self.order)

    def _figure(self, tiles, inputs, dpi):
        from kerasviz.plotting.canvas import Tile, draw_sheet

        count, down, across = tiles.shape[:3]
        if down == across == 1:
            cols = int(np.ceil(np.sqrt(count)))
            cells = [
                Tile(np.broadcast_to(tile, (*tile.shape[:2], 3)), str(number))
                for tile, number in zip(tiles[:, 0, 0], self.order, strict=False)
            ]
            return draw_sheet([cells[i : i + cols] for i in range(0, count, cols)], tile=0.7, dpi=dpi)
        from kerasviz.features.weights.sheets import draw_rows

        volume = self.weights.ndim == 5
        columns = range(across) if volume or inputs is None else inputs
        return draw_rows(tiles, self.order, columns, "slice" if volume else "input channel", dpi)


def numbers_of(given, count, name, what):
    """Numbers of filters or channels as an array, counted from 0."""
    numbers = np.atleast_1d(np.asarray(given))
    if numbers.ndim != 1 or not numbers.size or numbers.dtype.kind not in "iu":
        raise SettingError(
            f"{name}={given!r}", expected="a list of whole numbers", mend=f"For example {name}=[0, 3, 8]"
        )
    outside = numbers[(numbers < -count) | (numbers >= count)]
    positive = numbers % count
    if outside.size or len(set(positive.tolist())) < len(positive):
        wrong = f"there is no {outside[0]}" if outside.size else "one stands there twice"
        raise SettingError(
            f"{name}={numbers.tolist()}: {wrong}",
            expected=f"numbers of the {count} {what}, 0 to {count - 1}, each once",
            mend="Leave it out for all",
        )
    return positive.astype(np.int64)


def _scale(scale):
    if isinstance(scale, str) and scale not in SCALES:
        raise SettingError(
            f"scale={scale!r} is unknown", expected='"separate", "shared" or (low, high)', mend="Choose one of these"
        )
    return SCALES[scale] if isinstance(scale, str) else scale
