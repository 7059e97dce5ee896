"""RISE: the mean score of copies of an image seen through random masks, over the masks that show a pixel."""

from numbers import Real

import numpy as np
import tensorflow as tf

from kerasviz.attribution.base import register
from kerasviz.attribution.fills import described
from kerasviz.attribution.interpolation import upsample
from kerasviz.attribution.perturbation import Perturbation
from kerasviz.checks import checked_count, checked_seed
from kerasviz.errors import SettingError

#: What makes scores that are never negative.
_PROBABILITIES = {"softmax", "sigmoid"}


@register
class RISE(Perturbation):
    """The mean score of copies of an image seen through random masks, over the masks that show a pixel.

    Petsiuk et al. 2018, "RISE: Randomized Input Sampling for Explanation of Black-box Models", section 3: with masks
    mᵢ from 0 to 1, `S = Σ f(x ⊙ mᵢ) mᵢ / (N keep)`. A mask is a grid of `cells` cells along each axis, each 1 with
    the probability `keep` or else 0, enlarged linearly to one cell more than the image and cut at a random place, as
    the authors' code does it. The masks depend on the seed and their number alone: all images see the same ones. No
    gradient is used. The target is settled on the clean image.

    That sum is near the mean score of the copies that show a pixel. So the mean score of all copies, which the extras
    hold, is a constant part of the whole map, often a larger one than its range; the authors draw their maps from the
    smallest value up. By default it is taken off, which leaves the ranking of pixels but for the noise of the masks;
    `centre=False` is the paper's sum. The noise of a map falls with the square root of `samples`.

    In bfloat16, against float32 with the same masks, as shares of the range of the centred map: over EfficientNet-Lite0
    (`kerasviz.data.imagenet_model`, 1000 masks, 3 pictures) at most 0.02 to 0.08, on average 0.005 to 0.014, where
    other masks make 0.18 to 0.33 and 0.05 to 0.08. The mean score itself was off by 0.3 to 4 %: maps that are not
    centred lie as much higher or lower.

    Args:
        model: as for `Perturbation`.
        samples: how many masks. The paper uses 4000 for VGG16 and 8000 for ResNet50.
        cells: of a mask along each axis of space; 7 is the paper's.
        keep: the probability with which a cell is seen; 0.5 is the paper's. Less suits large subjects.
        fill: what a mask of 0 shows; see `kerasviz.attribution.fills.fill_like`. 0 is the paper's, whose images are
            centred there; where 0 is black, "mean" or "grey" come nearer to it. Between 0 and 1 image and fill are
            mixed; for integer inputs the mixture is rounded.
        centre: take the mean score of the copies off each score, `S = Σ (f(x ⊙ mᵢ) - f̄) mᵢ / (N keep)`. The map is
            then signed: negative where copies that show the pixel score below the mean. False for the paper's sum,
            which is nowhere negative where scores are probabilities.
        inputs: as for `Perturbation`.
        probability: as for `Perturbation`; True is the paper's.
        seed: of the masks. The same seed gives the same map, bit for bit, on the same machine.
        precision: as for `Perturbation`.
        batch_size: as for `Perturbation`; sums are taken in float64, so that values change in their last digits.
        sample: as for `Explainer`.

    Returns:
        On calling, an `Explanation` of the kind "heatmap", `(N, *space)`, in units of the score: unsigned where
        the model's outputs are probabilities and not centred. With several perturbed inputs a dict of these. The
        extras hold "mean_score", `(N,)`, over the masked copies.

    Raises:
        SettingError: as for `Perturbation`, or `keep` is not between 0 and 1.

    Example:
        >>> import kerasviz as kv
        >>> explain = kv.RISE(model, samples=1000, fill="mean")  # doctest: +SKIP
        >>> explain(images, target=281).plot(images)  # doctest: +SKIP
    """

    name = "rise"
    title = "RISE"
    slow = True

    def __init__(
        self,
        model,
        *,
        samples: int = 4000,
        cells: int = 7,
        keep: float = 0.5,
        fill=0.0,
        centre: bool = True,
        inputs=None,
        probability: bool = True,
        seed: int = 0,
        precision: str = "float32",
        batch_size: int = 32,
        sample=None,
    ):
        self.samples, self.cells = checked_count("samples", samples), checked_count("cells", cells)
        self.keep, self.seed = _checked_keep(keep), checked_seed(seed)
        self.fill, self.centre = fill, bool(centre)
        super().__init__(
            model, inputs=inputs, probability=probability, precision=precision, batch_size=batch_size, sample=sample
        )
        self.passes = self.samples
        heads = {output.head for output in self.network.trace.outputs.values()}
        self.signed = self.centre or not (self.probability and heads <= _PROBABILITIES)

    @property
    def settings(self):  # noqa: D102
        return {
            "samples": self.samples,
            "cells": self.cells,
            "keep": self.keep,
            "fill": described(self.fill),
            "centre": self.centre,
            "seed": self.seed,
            **super().settings,
        }

    def masks(self, numbers: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
        """The masks of some numbers, from 0 where the fill is seen to 1 where the image is.

        Args:
            numbers: `(n,)` int32, from 0.
            sizes: 1-D int32, the sizes of the image's axes of space.

        Returns:
            `(n, *sizes)` float32.
        """
        axes = sizes.shape[0]
        count = self.cells**axes
        # Philox gives the same numbers on every device. Each mask has a seed of its own, so that the batch size
        # changes none.
        unit = tf.map_fn(
            lambda number: tf.random.stateless_uniform([count + axes], [self.seed, number], alg="philox"),
            numbers,
            fn_output_signature=tf.float32,
        )
        grids = tf.reshape(tf.cast(unit[:, :count] < self.keep, tf.float32), [-1, *[self.cells] * axes])
        cell = -(-sizes // self.cells)
        masks = upsample(grids, (self.cells + 1) * cell)
        starts = tf.cast(unit[:, count:] * tf.cast(cell, tf.float32), tf.int32)
        for axis in range(axes):
            places = starts[:, axis, None] + tf.range(sizes[axis])
            masks = tf.gather(masks, places, axis=1 + axis, batch_dims=1)
        return masks

    def _companions(self, arrays):
        return self.filled(arrays, self.fill, self.seed)

    def _calls(self, arrays):
        return len(self.numbers) * len(arrays[0]) * self.samples

    def _map(self, sample, advance):
        fill = sample.companions[self.numbers.index(sample.number)]
        weighted, plain, total = 0.0, 0.0, 0.0
        for start in range(0, self.samples, self.batch_size):
            some = np.arange(start, min(start + self.batch_size, self.samples), dtype=np.int32)
            sums = self._run(
                sample.goal, self._sums, sample.tensors, sample.arguments, some, fill, number=sample.number
            )
            weighted, plain, total = (
                old + new.numpy() for old, new in zip((weighted, plain, total), sums, strict=True)
            )
            advance(len(some))
        mean = total / self.samples
        found = weighted - mean * plain if self.centre else weighted
        return found / (self.samples * self.keep), {"mean_score": np.float32(mean)}

    def _sums(self, goal, tensors, arguments, numbers, fill, *, number):
        """Of some masks the sum weighted with their scores, their plain sum, and the sum of the scores."""
        image = tensors[number]
        masks = self.masks(numbers, tf.shape(image)[1:-1])
        variants = _mixed(image, fill, masks[..., None])
        scores = tf.cast(self._of_variants(goal, tensors, arguments, variants, number=number), tf.float64)
        masks = tf.cast(masks, tf.float64)
        return tf.tensordot(scores, masks, 1), tf.reduce_sum(masks, 0), tf.reduce_sum(scores)


def _mixed(image, fill, masks):
    """The image where a mask is 1, the fill where it is 0."""
    dtype = tf.float64 if image.dtype == tf.float64 else tf.float32
    below, above = tf.cast(fill, dtype), tf.cast(image, dtype)
    mixed = below + (above - below) * tf.cast(masks, dtype)
    return tf.cast(mixed if image.dtype.is_floating else tf.round(mixed), image.dtype)


def _checked_keep(keep):
    if isinstance(keep, bool) or not isinstance(keep, Real) or not 0 < keep < 1:
        raise SettingError(
            f"keep={keep!r}", expected="a probability between 0 and 1, neither of them", mend="0.5 is the default"
        )
    return float(keep)
