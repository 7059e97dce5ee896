"""The strongest images of channels over a data set, and what of them the channels answer to."""

import math
from dataclasses import dataclass, replace

import numpy as np

from kerasviz import plotting
from kerasviz.checks import checked_count
from kerasviz.errors import InputError, TargetError
from kerasviz.features.units.patches import montage, stretched
from kerasviz.features.units.reconstruction import Reconstruction
from kerasviz.features.units.reconstructions import Reconstructions
from kerasviz.features.units.top_activations import TopActivations, strongest
from kerasviz.network.streaming import Stream
from kerasviz.plotting.counts import drawable


@dataclass(frozen=True, eq=False)
class TopReconstructions:
    """The strongest images of some channels, and what of them activated the channel.

    Attributes:
        top: the activations.
        reconstructions: of all channels, those of the first one first, the strongest first.
        patches: for each of them the image cut at the receptive field, as the network took it.
    """

    top: TopActivations
    reconstructions: Reconstructions
    patches: list[np.ndarray]

    def plot(self, data=None, *, channels=None, cols: int = 2, value_range=None, tile: float = 2.6, dpi: float = 150):
        """Draw each channel's reconstructions in a square, beside it their patches, as the paper's figure 2.

        At most 64 channels are drawn, with a warning if there are more.

        Args:
            data: the samples as they should be shown, as for `TopActivations.patches`; None for those that the
                network took.
            channels: numbers of those that are drawn; None for all.
            cols: channels side by side.
            value_range: the values drawn black and white; see `kerasviz.plotting.display_image`.
            tile: width of a square in inches.
            dpi: dots an inch.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            InputError: the samples are no pictures, or as for `TopActivations.patches`.
            TargetError: a channel is none of those that were looked at.
        """
        from kerasviz.plotting.canvas import Tile, draw_sheet

        if self.reconstructions.values.ndim != 4:
            raise InputError(
                f"The samples have {self.reconstructions.values.ndim - 2} axes of space",
                expected="pictures, which have 2",
                mend="Draw .reconstructions, which can also be signals or volumes",
            )
        known = self.top.channels.tolist()
        asked = known if channels is None else np.atleast_1d(channels).tolist()
        if not set(asked) <= set(known):
            raise TargetError(
                f"channels={channels!r}", expected=f"some of {known}", mend="Reconstruct the others first"
            )
        patches = self.patches
        if data is not None:
            patches = [patch for channel in self.top.patches(data) for patch in channel]
        across = math.ceil(math.sqrt(self.top.values.shape[1]))
        crops, titles = self.reconstructions.crops(), self.top.titles()
        pairs = []
        for channel in asked[: drawable(len(asked))]:
            rows = np.flatnonzero(self.reconstructions.channels == channel)
            drawn = montage([stretched(crops[row]) for row in rows], across)
            shown = [plotting.display_image(patches[row], value_range=value_range) for row in rows]
            pairs.append([Tile(drawn, titles[known.index(channel)]), Tile(montage(shown, across))])
        rows = [[each for pair in pairs[i : i + cols] for each in pair] for i in range(0, len(pairs), cols)]
        return draw_sheet(rows, group=2, tile=tile, dpi=dpi)


def reconstruct_top(
    model,
    layer,
    data,
    channels,
    *,
    k: int = 9,
    rule: str = "deconvnet",
    batch_size: int = 32,
    input: str | None = None,
    sample=None,
) -> TopReconstructions:
    """The strongest images of channels over a data set, and their reconstructions: Zeiler and Fergus 2013, figure 2.

    The data is gone through twice; the images found are held at once, at most `k` a channel.

    Args:
        model: as for `Reconstruction`.
        layer: as for `Reconstruction`.
        data: as for `top_activations`, of one size.
        channels: one or several numbers.
        k: how many images a channel.
        rule: as for `Reconstruction`.
        batch_size: as for `Reconstruction`.
        input: as for `Reconstruction`.
        sample: as for `Reconstruction`.

    Raises:
        KerasvizError: as for `top_activations` and `Reconstruction`.

    Example:
        >>> from kerasviz.data import shapes
        >>> scenes = shapes.scenes(60, seed=1).images
        >>> found = reconstruct_top(shapes.shapes_model(), None, scenes, [0, 5], k=4, rule="guided")
        >>> found.reconstructions.shape[0], len(found.patches)
        (8, 8)
    """
    checked_count("k", k)
    reconstruct = Reconstruction(model, layer, rule=rule, batch_size=batch_size, input=input, sample=sample)
    network = reconstruct.network
    stream = Stream(network.inputs, data, reconstruct.batch_size)
    # The rule changes nothing on the way up: one opened model serves both.
    top = strongest(network, network.address(reconstruct.layer), stream, k=k, channels=channels, input=input)
    held = top.images >= 0
    numbers = top.images[held]
    positions = top.positions[held] if top.positions.shape[-1] else None
    arrays = stream.take(numbers)
    asked = np.broadcast_to(top.channels[:, None], top.images.shape)[held]
    done = reconstruct(network.inputs.pack(arrays), asked, positions)
    name = [spec.name for spec in network.inputs.specs].index(top.input)
    patches = done.patches(arrays[name])
    return TopReconstructions(top, replace(done, extras={**done.extras, "images": numbers}), patches)
