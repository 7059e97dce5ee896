"""SmoothGrad: another method, averaged over noisy copies of each image."""

from numbers import Real

import numpy as np
import tensorflow as tf

from kerasviz.attribution.base import Attributed, Explainer, register
from kerasviz.attribution.checks import require_floats
from kerasviz.attribution.gradients import Saliency
from kerasviz.attribution.repetition import pieces, tiled
from kerasviz.checks import checked_choice, checked_count, checked_seed
from kerasviz.errors import SettingError

#: Keeps the seeds of the draws of several inputs apart.
_MOST_INPUTS = 64


@register
class SmoothGrad(Explainer):
    """Another method, averaged over noisy copies of each image.

    Smilkov et al. 2017, "SmoothGrad: removing noise by adding noise", section 3. Gaussian noise, its standard
    deviation a share of each image's own range; the same noise for every image of a batch, so that an image's
    map does not depend on its batch mates. The target is settled on the clean image.

    Args:
        explainer: any gradient method, made for a model; or a model, for `SmoothGrad(Saliency(model))`.
        samples: how many noisy copies; the paper finds little gain beyond 50.
        noise: the standard deviation as a share of `max - min` of the image; the paper uses 0.1 to 0.2.
        statistic: "mean" is SmoothGrad; "square" the mean of squares (SmoothGrad² of Hooker et al. 2019),
            "variance" VarGrad (Adebayo et al. 2018), both unsigned.
        seed: of the noise; the same seed gives the same map, bit for bit, on the same machine.
        batch_size: how many noisy copies run at once; None takes the explainer's.
        sample: as for `Explainer`, when a model is given.

    Raises:
        InputError: all inputs of the model are integers, to which no noise can be added.
        SettingError: a setting is out of range, or the explainer is itself a SmoothGrad.

    Example:
        >>> import kerasviz as kv
        >>> explain = kv.SmoothGrad(kv.GuidedBackprop(model), samples=50, seed=0)  # doctest: +SKIP
    """

    name = "smooth_grad"
    title = "SmoothGrad"

    def __init__(
        self,
        explainer,
        *,
        samples: int = 50,
        noise: float = 0.15,
        statistic: str = "mean",
        seed: int = 0,
        batch_size: int | None = None,
        sample=None,
    ):
        checked_choice("statistic", statistic, ("mean", "square", "variance"))
        self.samples, self.seed = checked_count("samples", samples), checked_seed(seed)
        self.noise, self.statistic = _checked_noise(noise), statistic
        self.explainer = explainer if isinstance(explainer, Explainer) else Saliency(explainer, sample=sample)
        self.explainer.require_compilable()
        super().__init__(self.explainer, batch_size=self.explainer.batch_size if batch_size is None else batch_size)
        require_floats(self.network, self.title)
        self.signed = self.explainer.signed and statistic == "mean"
        self.kind, self.layer = self.explainer.kind, self.explainer.layer
        self.passes = self.samples * self.explainer.passes

    @property
    def settings(self):  # noqa: D102
        return {
            "explainer": self.explainer.name,
            **self.explainer.settings,
            "samples": self.samples,
            "noise": self.noise,
            "statistic": self.statistic,
            "seed": self.seed,
        }

    @property
    def explained_inputs(self):  # noqa: D102
        return self.explainer.explained_inputs

    def _open(self, model, sample):
        return model.network

    def _calls(self, arrays):
        return len(pieces(self.samples, len(arrays[0]), self.batch_size))

    def _explain_batch(self, goal, arrays, arguments, companions, advance):
        arrays = [tf.convert_to_tensor(array) for array in arrays]
        score, settled = self._run(goal, self._scores, arrays, arguments)
        seen, kept = 0, None
        for piece in pieces(self.samples, len(arrays[0]), self.batch_size):
            new = self._run(goal, self._noisy, arrays, settled, piece.astype(np.int32))
            kept = new if kept is None else self._merged(kept, new, seen, len(piece))
            seen += len(piece)
            advance()
        means, spreads = kept
        if self.statistic == "variance":
            means = [spread / self.samples for spread in spreads]
        return Attributed(means, score, settled, {})

    def _merged(self, kept, new, seen, count):
        """Means and sums of squared deviations of `seen` and of `count` further draws, as those of all together."""
        # Chan et al. 1979, without cancellation.
        share = count / (seen + count)
        steps = [more - old for old, more in zip(kept[0], new[0], strict=True)]
        means = [old + step * share for old, step in zip(kept[0], steps, strict=True)]
        if self.statistic != "variance":
            return means, kept[1]
        spreads = zip(kept[1], new[1], steps, strict=True)
        return means, [old + more + step**2 * (seen * share) for old, more, step in spreads]

    def _noisy(self, goal, tensors, arguments, draws):
        """Mean of the maps of some draws of noise, and the sum of their squared deviations from it."""
        count, times = tf.shape(tensors[0])[0], tf.shape(draws)[0]
        noisy = []
        for number, (tensor, spec) in enumerate(zip(tensors, self.network.inputs.specs, strict=True)):
            copies = tiled([tensor], times)[0]
            noisy.append(copies + self._noise(tensor, draws, number) if spec.floating else copies)
        done = self.explainer.attribute(goal, noisy, tiled(arguments, times))
        maps = [tf.reshape(v, tf.concat([[times, count], tf.shape(v)[1:]], 0)) for v in done.values]
        if self.statistic == "square":
            maps = [values**2 for values in maps]
        means = [tf.reduce_mean(values, axis=0) for values in maps]
        if self.statistic != "variance":
            return means, [tf.zeros((), mean.dtype) for mean in means]
        return means, [tf.reduce_sum((v - m) ** 2, axis=0) for v, m in zip(maps, means, strict=True)]

    def _noise(self, tensor, draws, number):
        axes = list(range(1, tensor.shape.rank))
        deviation = self.noise * (
            tf.reduce_max(tensor, axes, keepdims=True) - tf.reduce_min(tensor, axes, keepdims=True)
        )
        # Philox gives the same numbers on every device. Each draw has a seed of its own, so that the batch
        # size changes nothing.
        unit = tf.map_fn(
            lambda draw: tf.random.stateless_normal(
                tf.shape(tensor)[1:], [self.seed, draw * _MOST_INPUTS + number], alg="philox"
            ),
            draws,
            fn_output_signature=tf.float32,
        )
        unit = tf.cast(unit, tensor.dtype)
        return tf.reshape(unit[:, None] * deviation[None], tf.concat([[-1], tf.shape(tensor)[1:]], 0))


def _checked_noise(noise):
    if isinstance(noise, bool) or not isinstance(noise, Real) or not 0 <= noise < np.inf:
        raise SettingError(f"noise={noise!r}", expected="a share of the image's range, 0 or more", mend="Try 0.15")
    return float(noise)
