"""Walks up VGG16: what channels of five layers answer to in photographs, and what of the photograph that is.

    python scripts/vgg16_walk.py --out walk            # fetches the weights first: see fetch_vgg16.py
    python scripts/vgg16_walk.py --out walk --keep strongest --rule guided

The layers are those at 0, 2, 10, 20 and 28 of torchvision's `vgg16().features` (20 is a rectifier, and the others
are the convolutions in front of one; Keras counts the two as one layer). A sheet for each photograph has a row for
each layer: two channels that are the same for all, then those of the others with the strongest activation in this
photograph, each feature map beside its reconstruction by the deconvnet of Zeiler and Fergus 2014. In a reconstruction
grey is zero, and the contrast of each is its own. With `--keep strongest` only the strongest unit of a channel is
reconstructed, cut at what it sees, with that patch of the photograph before it.

The photographs are scikit-image's: the cat by Stefan van der Walt and the cup by Rachel Michetti, both CC0, and the
astronaut, NASA's. Needs the extra kerasviz[test], which has them.
"""

import argparse
import warnings
from pathlib import Path

import keras
import numpy as np
import skimage.data
from fetch_vgg16 import fetch
from PIL import Image

import kerasviz as kv
from kerasviz.features.units.patches import stretched
from kerasviz.features.units.reconstruction import Reconstruction
from kerasviz.plotting.canvas import Tile, draw_sheet

SIDE = 224
#: The layers, by their index in torchvision, with channels to look at in every photograph.
WALK = {
    "block1_conv1": (0, [5, 46]),
    "block1_conv2": (2, [12, 50]),
    "block3_conv1": (10, [48, 150]),
    "block4_conv2": (20, [92, 488]),
    "block5_conv3": (28, [183, 286]),
}
STRONGEST = 3


def photographs() -> dict[str, np.ndarray]:
    """The middle square of each photograph, `(224, 224, 3)` uint8."""
    found = {}
    for name in ("chelsea", "astronaut", "coffee"):
        image = Image.fromarray(getattr(skimage.data, name)())
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        crop = image.crop((left, top, left + edge, top + edge))
        found[name] = np.asarray(crop.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return found


def row_of(photo, maps, reconstruct, batch, chosen) -> list[Tile]:
    """The feature maps and reconstructions of a layer on one photograph.

    Args:
        photo: the photograph, `(224, 224, 3)`.
        maps: the layer's activations, `(H, W, C)`.
        reconstruct: a `Reconstruction` of the layer.
        batch: the photograph as the network takes it, `(1, 224, 224, 3)`.
        chosen: channels to show beside the strongest.
    """
    order = np.argsort(maps.max(axis=(0, 1)))[::-1].tolist()
    channels = chosen + [number for number in order if number not in chosen][:STRONGEST]
    tiles = []
    with warnings.catch_warnings():
        # A chosen channel may be silent in a photograph: its grey reconstruction says so.
        warnings.simplefilter("ignore", kv.errors.KerasvizWarning)
        found = reconstruct(batch, channels)
        # The network sees blue, green, red.
        pictures = [stretched(values[..., ::-1]) for values in found.crops()]
        if reconstruct.keep == "map":
            beside = [kv.plotting.heatmap(maps[..., n], cmap="gray", percentile=100) for n in channels]
        else:
            beside = found.patches(photo[None])
    for number, left, right in zip(channels, beside, pictures, strict=True):
        tiles += [Tile(left, f"channel {number}, {maps[..., number].max():.0f}"), Tile(right)]
    return tiles


def main():
    """Fetch, reconstruct and draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="a folder for the sheets")
    parser.add_argument("--weights", type=Path, help="the file that fetch_vgg16.py wrote, if not in the cache")
    parser.add_argument("--rule", choices=("deconvnet", "guided", "backprop"), default="deconvnet")
    parser.add_argument("--keep", choices=("map", "strongest"), default="map", help="of each channel")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    model = keras.applications.VGG16(
        weights=str(fetch(options.weights)), include_top=False, input_shape=(SIDE, SIDE, 3)
    )
    network = kv.network.Network(model)
    photos = photographs()
    sheets = {name: [] for name in photos}
    for layer, (_, chosen) in WALK.items():
        reconstruct = Reconstruction(model, layer, rule=options.rule, keep=options.keep, batch_size=8)
        for name, photo in photos.items():
            batch = keras.applications.vgg16.preprocess_input(photo[None].astype("float32"))
            maps = network.activations(batch, layer)[layer][0]
            sheets[name].append([Tile(photo), *row_of(photo, maps, reconstruct, batch, chosen)])
    heads = ["", *(["chosen", ""] * 2), *(["strongest", ""] * STRONGEST)]
    sides = [f"{layer} ({index})" for layer, (index, _) in WALK.items()]
    for name, rows in sheets.items():
        fig = draw_sheet(rows, column_titles=heads, row_titles=sides, tile=1.5, dpi=110)
        fig.savefig(options.out / f"{name}.png")


if __name__ == "__main__":
    main()
