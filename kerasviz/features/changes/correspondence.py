"""Whether a network relates the same part in different images: its features' change when the part is hidden.

Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.3 and table 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from kerasviz import progress
from kerasviz.checks import checked_count
from kerasviz.errors import InputError, SettingError
from kerasviz.features.changes.altered import Subject
from kerasviz.features.changes.hiding import RandomPlaces, fill_like, to_masks
from kerasviz.network.network import chunks

#: Units that are compared at once: float32 counts so many exactly, and a block of them fits into memory.
_BLOCK = 1 << 16


@dataclass(frozen=True, eq=False)
class Correspondence:
    """How alike the same part's hiding changes the features of different images.

    Attributes:
        distances: by part and layer, `(N, N)` int64: for each pair of images, at how many units the signs of
            their changes differ.
        random: the same for the random places, `(R, N, N)`.
        units: how many units each layer has.
        settings: what was asked for, as it can be written down.

    Example:
        >>> one = np.array([[0, 2], [2, 0]])
        >>> found = Correspondence({"eye": {"conv": one}}, {"eye": {"conv": one[None] * 2}}, {"conv": 4})
        >>> print(found)
        part  layer  sign change    random places  pairs
        eye   conv   0.500 ± 0.000  1.000 ± 0.000  1
    """

    distances: Mapping[str, Mapping[str, np.ndarray]]
    random: Mapping[str, Mapping[str, np.ndarray]]
    units: Mapping[str, int]
    settings: Mapping = field(default_factory=dict)

    def rows(self) -> list[dict]:
        """The table, a row for each part and layer; `pandas.DataFrame(rows)` takes it.

        Returns:
            Dicts of "part", "layer", "units", "pairs" of images, "delta" (the paper's Δ: the Hamming distances
            summed over all ordered pairs), "mean" and "std" (over the pairs, of the share of the units whose signs
            differ), and "random_mean" and "random_std" (the same over the pairs of all random places; None without
            any).
        """
        return [self._row(part, layer) for part in self.distances for layer in self.units]

    def _row(self, part, layer):
        distances, random = self.distances[part][layer], self.random[part][layer]
        shares = _of_pairs(distances) / self.units[layer]
        by_chance = _of_pairs(random) / self.units[layer]
        return {
            "part": part,
            "layer": layer,
            "units": self.units[layer],
            "pairs": shares.size,
            "delta": int(distances.sum()),
            "mean": float(shares.mean()),
            "std": float(shares.std()),
            "random_mean": float(by_chance.mean()) if by_chance.size else None,
            "random_std": float(by_chance.std()) if by_chance.size else None,
        }

    def __str__(self):
        lines = [("part", "layer", "sign change", "random places", "pairs")]
        for row in self.rows():
            means = (_written(row["mean"], row["std"]), _written(row["random_mean"], row["random_std"]))
            lines.append((row["part"], row["layer"], *means, str(row["pairs"])))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def correspondence(
    model,
    images,
    parts: Mapping,
    *,
    layers,
    fill="grey",
    random: int = 10,
    within=None,
    seed: int = 0,
    tolerance: float = 1e-6,
    batch_size: int = 32,
) -> Correspondence:
    """Compare what hiding the same part does to the features of different images (Zeiler and Fergus 2014, 4.3).

    With ε the features of an image less those of the image whose part is hidden, two images are as far apart as
    there are units at which the signs of their ε differ; -, 0 and + are three signs. A layer where hiding the same
    part gives smaller distances than hiding as much elsewhere treats that part alike wherever it is: it relates
    them, though nothing was built into it that would.

    The share of the units, not their number, is what `Correspondence.rows` averages over pairs. The paper's table
    is normalized, too, but does not say by what: compare parts and random places, not numbers with the paper's.
    Layers behind a rectifier are full of zeros that hiding leaves at zero, so shares are small there. Compare a part
    with the random places of its own size, for a larger patch changes more units.

    Every image takes `1 + random` pairs of passes a part. The signs of all images at all layers lie in memory
    at once, a byte a unit.

    Args:
        model: any built Keras model, or the path of a saved one.
        images: what the model takes, at least two samples; one of the inputs has the shape `(N, H, W, C)`.
        parts: by name, where each image shows the part: `(N, 4)` boxes `x0, y0, x1, y1` in pixels, `x1` and `y1`
            exclusive, a pixel lies in a box that holds its centre; or `(N, H, W)` boolean masks. Each image must
            show each part.
        layers: one layer or several, each as `Network.address` takes it; their features are flattened.
        fill: what hides a part, in units of the model's input: "grey" for the middle of each image's own range,
            "mean" for its mean colour, a number, or a colour of C numbers.
        random: how many random places each part is compared with; the paper's number is not known. Patches of the
            form that the part has in an image are put anywhere in that image, also onto the part itself.
        within: where random patches may have their centres, as for a part: the objects, say, since the paper
            compares with places on the object. None for the whole image.
        seed: of the random places. Image i's depend on the seed and i.
        tolerance: changes up to this share of the largest feature of the sample and layer count as zero, for they
            are rounding of float32. 0 takes every sign as it is.
        batch_size: how many samples run at once; bounds the memory.

    Returns:
        A `Correspondence`; `print` shows its table.

    Raises:
        InputError: images or parts that do not fit, fewer than two images, or a part without a pixel in an image.
        LayerError: a layer is unknown, or does not see the image.
        SettingError: a setting is out of range, or no random patch fits into an image or has room `within` it.

    Example:
        >>> from kerasviz.data import shapes
        >>> scenes, model = shapes.scenes(40, seed=1, classes=["car"]), shapes.shapes_model()
        >>> wheels = scenes.mask("wheel") & scenes.subject_mask()
        >>> seen = wheels.any(axis=(1, 2))
        >>> found = correspondence(model, scenes.images[seen], {"wheel": wheels[seen]}, layers="relu5", random=2)
        >>> found.rows()[0]["units"]
        4096
    """
    subject = Subject.of(model, images, layers)
    count, shape = len(subject.images), subject.images.shape[:3]
    if count < 2:
        raise InputError("There is one image", expected="two or more, to be compared", mend="Give further images")
    random, seed = checked_count("random", random, 0), checked_count("seed", seed, 0)
    pair_size = max(1, checked_count("batch_size", batch_size) // 2)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < 1:
        raise SettingError(f"tolerance={tolerance!r}", expected="a share from 0 to 1", mend="Leave it out for 1e-6")
    if not isinstance(parts, Mapping) or not parts:
        raise InputError("No parts by name were given", expected="a dict of boxes or masks", mend='{"eye": boxes}')
    filling = fill_like(subject.images, fill)
    masks = {str(name): to_masks(given, f"The part {name!r}", shape) for name, given in parts.items()}
    allowed = None if within is None else to_masks(within, "The array within", shape)
    places = {name: RandomPlaces(mask, allowed, name) for name, mask in masks.items()} if random else {}

    run = _signs_of_changes(subject, tolerance)
    layers = [str(address) for address in subject.addresses]
    distances, by_chance, units = {}, {}, {}
    with progress.bar(count * len(masks) * (1 + random), "Correspondence") as advance:
        for name, mask in masks.items():
            found = _distances(subject, run, filling, mask, pair_size, advance, units)
            moved = (places[name].draw(seed, draw) for draw in range(random))
            others = [_distances(subject, run, filling, other, pair_size, advance, units) for other in moved]
            distances[name] = dict(zip(layers, found, strict=True))
            by_chance[name] = {
                layer: np.array([each[n] for each in others], np.int64).reshape(-1, count, count)
                for n, layer in enumerate(layers)
            }
    settings = {
        "fill": fill if isinstance(fill, str) else np.asarray(fill).tolist(),
        "random": random,
        "within": within is not None,
        "seed": seed,
        "tolerance": tolerance,
    }
    return Correspondence(distances, by_chance, units, settings)


def hamming(signs: np.ndarray) -> np.ndarray:
    """At how many places the rows of a matrix of signs differ from each other.

    Args:
        signs: `(N, D)` of -1, 0 and 1.

    Returns:
        `(N, N)` int64.

    Example:
        >>> int(hamming(np.array([[1, -1, 1, 0], [1, 1, 1, -1]]))[0, 1])
        2
    """
    total = np.zeros((len(signs), len(signs)), np.int64)
    for start in range(0, signs.shape[1], _BLOCK):
        block = signs[:, start : start + _BLOCK]
        # A part changes few units of a lower layer, and where all are zero nothing differs.
        block = block[:, block.any(axis=0)].astype(np.float32)
        changed = np.abs(block)
        both = changed @ changed.T
        alike = (block @ block.T + both) / 2
        number = np.diag(both)
        neither = block.shape[1] - number[:, None] - number + both
        total += (block.shape[1] - alike - neither).astype(np.int64)
    return total


def _signs_of_changes(subject, tolerance):
    """A function of flat inputs and hidden images: for each layer the signs of the changes, `(N, D)` int8."""

    def run(tensors, hidden):
        # In one pass, so that both go through the same arithmetic.
        altered = subject.with_images(tensors, hidden)
        both = [tf.concat(pair, 0) for pair in zip(tensors, altered, strict=True)]
        activations = subject.network.forward(both, subject.addresses).activations
        return [signs(activations[address], tf.shape(hidden)[0]) for address in subject.addresses]

    def signs(activation, count):
        flat = tf.reshape(tf.cast(activation, tf.float32), (2 * count, -1))
        largest = tf.reduce_max(tf.abs(flat), axis=1, keepdims=True)
        least = tolerance * tf.maximum(largest[:count], largest[count:])
        change = flat[:count] - flat[count:]
        return tf.cast(tf.where(tf.abs(change) > least, tf.sign(change), 0), tf.int8)

    return subject.network.function(run, [subject.network.inputs.specs[subject.number].tensor])


def _distances(subject, run, filling, mask, size, advance, units):
    """The distances between all images at each layer, `(N, N)`; notes how many units the layers have."""
    parts = []
    for *arrays, fill, place in chunks([*subject.arrays, filling, mask], size):
        hidden = np.where(place[..., None], fill, arrays[subject.number])
        parts.append([signs.numpy() for signs in run(arrays, hidden)])
        advance(len(hidden))
    layers = [np.concatenate(layer) for layer in zip(*parts, strict=True)]
    units.update((str(address), signs.shape[1]) for address, signs in zip(subject.addresses, layers, strict=True))
    return [hamming(signs) for signs in layers]


def _of_pairs(distances):
    """The entries above the diagonal, of one matrix or of several."""
    first, second = np.triu_indices(distances.shape[-1], k=1)
    return distances[..., first, second]


def _written(mean, std):
    return "" if mean is None else f"{mean:.3f} ± {std:.3f}"
