"""Methods that average a gradient over many points: SmoothGrad and integrated gradients."""

import numpy as np
import tensorflow as tf

from kerasviz.attribution.base import (
    Attributed,
    Explainer,
    checked_choice,
    checked_count,
    checked_seed,
    register,
)
from kerasviz.attribution.gradients import GradientMethod, Saliency
from kerasviz.errors import InputError, SettingError

#: Keeps the seeds of the draws of several inputs apart.
_MOST_INPUTS = 64


def _pieces(count: int, samples: int, batch_size: int):
    """Split `count` points into runs, so that a run of all samples at its points stays within `batch_size`."""
    size = max(1, batch_size // samples)
    return [np.arange(start, min(start + size, count)) for start in range(0, count, size)]


def _tiled(tensors, times):
    """Each tensor's rows, `times` over."""
    return [tf.tile(tensor, tf.concat([[times], tf.ones(tf.rank(tensor) - 1, tf.int32)], 0)) for tensor in tensors]


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
        if not np.isfinite(noise) or noise < 0:
            raise SettingError(f"noise={noise!r}", expected="a share of the image's range, 0 or more", mend="Try 0.15")
        self.noise, self.statistic = float(noise), statistic
        self.explainer = explainer if isinstance(explainer, Explainer) else Saliency(explainer, sample=sample)
        self.explainer.require_compilable()
        super().__init__(self.explainer, batch_size=self.explainer.batch_size if batch_size is None else batch_size)
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

    def _calls(self, samples):
        return len(_pieces(self.samples, samples, self.batch_size))

    def _explain_batch(self, goal, arrays, arguments, companions, advance):
        noisy = self._function(goal, "noisy", self._noisy, [tf.TensorSpec((None,), tf.int32)])
        score, settled = self._function(goal, "scores", self._scores)(arrays, arguments)
        seen, means, spreads = 0, None, None
        for piece in _pieces(self.samples, len(arrays[0]), self.batch_size):
            new_means, new_spreads = noisy(arrays, settled, piece.astype(np.int32))
            if means is None:
                means, spreads = new_means, new_spreads
            else:
                # Chan et al. 1979: merging means and sums of squared deviations without cancellation.
                share = len(piece) / (seen + len(piece))
                steps = [new - old for new, old in zip(new_means, means, strict=True)]
                means = [old + step * share for old, step in zip(means, steps, strict=True)]
                spreads = [
                    old + new + step**2 * (seen * share)
                    for old, new, step in zip(spreads, new_spreads, steps, strict=True)
                ]
            seen += len(piece)
            advance()
        if self.statistic == "variance":
            means = [spread / self.samples for spread in spreads]
        return Attributed(means, score, settled, {})

    def _noisy(self, goal, tensors, arguments, draws):
        """Mean of the maps of some draws of noise, and the sum of their squared deviations from it."""
        count, times = tf.shape(tensors[0])[0], tf.shape(draws)[0]
        noisy = []
        for number, (tensor, spec) in enumerate(zip(tensors, self.network.inputs.specs, strict=True)):
            copies = _tiled([tensor], times)[0]
            noisy.append(copies + self._noise(tensor, draws, number) if spec.floating else copies)
        done = self.explainer.attribute(goal, noisy, _tiled(arguments, times))
        maps = [tf.reshape(v, tf.concat([[times, count], tf.shape(v)[1:]], 0)) for v in done.values]
        if self.statistic == "square":
            maps = [values**2 for values in maps]
        means = [tf.reduce_mean(values, axis=0) for values in maps]
        if self.statistic != "variance":
            return means, [tf.zeros(()) for _ in means]
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
        return tf.reshape(unit[:, None] * deviation[None], tf.concat([[-1], tf.shape(tensor)[1:]], 0))


#: Points in [0, 1] and their weights, by rule.
QUADRATURES = ("gauss_legendre", "trapezoid", "left", "right", "middle")


def quadrature(rule: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Points in [0, 1] and weights that sum to 1.

    Args:
        rule: one of `QUADRATURES`. Gauss–Legendre is exact for polynomials up to degree 2·steps − 1; the others
            are Riemann sums over `steps` intervals ("trapezoid" has `steps + 1` points).
        steps: how many.
    """
    if rule == "gauss_legendre":
        points, weights = np.polynomial.legendre.leggauss(steps)
        return (points + 1) / 2, weights / 2
    if rule == "trapezoid":
        weights = np.full(steps + 1, 1 / steps)
        weights[[0, -1]] /= 2
        return np.linspace(0, 1, steps + 1), weights
    offset = {"left": 0.0, "middle": 0.5, "right": 1.0}[rule]
    return (np.arange(steps) + offset) / steps, np.full(steps, 1 / steps)


@register
class IntegratedGradients(GradientMethod):
    """The gradient integrated along the straight line from a baseline to the input, times the way.

    Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks", section 3. The values sum to the
    score minus the baseline's score; by how much they miss it is in `explanation.extras["completeness_gap"]`
    with `gap=True`. Everything happens in the space of the model's inputs: for a model that takes 0…255 and
    scales inside, the baseline 0 is black.

    Args:
        model: as for `Explainer`.
        baseline: a number; an array shaped like one sample or like the batch; a dict of these by input name; or a
            callable `inputs -> baseline` of the checked array of each input.
        steps: points on the line. Networks of rectifiers have kinks there, so more steps help slowly.
        rule: how the points are chosen, one of "gauss_legendre" (default: the smallest gap for its cost),
            "trapezoid" (the authors'), "left", "right", "middle".
        gap: also compute the completeness gap, `sum of values - (score - baseline's score)` per sample; costs one
            forward pass of the baselines.
        reduce: as for `GradientMethod`; the gap is of the unreduced values.
        batch_size: how many points run at once.
        sample: as for `Explainer`.

    Raises:
        SettingError: a setting is out of range.
        InputError: the baseline does not fit.

    Example:
        >>> import kerasviz as kv
        >>> explanation = kv.IntegratedGradients(model, steps=100, gap=True)(images)  # doctest: +SKIP
    """

    name = "integrated_gradients"
    title = "Integrated gradients"

    def __init__(
        self,
        model,
        *,
        baseline=0.0,
        steps: int = 50,
        rule: str = "gauss_legendre",
        gap: bool = False,
        reduce: str | None = None,
        batch_size: int = 32,
        sample=None,
    ):
        checked_choice("rule", rule, QUADRATURES)
        self.steps, self.rule, self.gap, self.baseline = checked_count("steps", steps), rule, gap, baseline
        super().__init__(model, reduce=reduce, batch_size=batch_size, sample=sample)
        self._points, self._weights = quadrature(rule, self.steps)
        self.passes = len(self._points)

    @property
    def settings(self):  # noqa: D102
        plain = self.baseline if isinstance(self.baseline, int | float) else type(self.baseline).__name__
        return {"baseline": plain, "steps": self.steps, "rule": self.rule, **super().settings}

    def require_compilable(self):  # noqa: D102
        if not isinstance(self.baseline, int | float):
            raise SettingError(
                "The integrated gradients have a baseline of their own for each image",
                expected="a number as the baseline, which fits noisy copies too",
                mend="Use IntegratedGradients alone, or with a number",
            )

    def attribute(self, goal, tensors, arguments):  # noqa: D102
        score, settled = self._scores(goal, tensors, arguments)
        baselines = [tf.fill(tf.shape(tensor), tf.cast(self.baseline, tensor.dtype)) for tensor in tensors]

        def add(totals, step):
            point, weight = step
            return [
                total + new
                for total, new in zip(
                    totals,
                    self._along(goal, tensors, settled, baselines, point[None], weight[None]),
                    strict=True,
                )
            ]

        steps = (tf.constant(self._points, tf.float32), tf.constant(self._weights, tf.float32))
        means = tf.foldl(add, steps, initializer=[tf.zeros_like(tensor) for tensor in self._floats(tensors)])
        values = [self._reduced(unreduced) for unreduced in self._unreduced(tensors, baselines, means)]
        return Attributed(values, score, settled, {})

    def _companions(self, arrays):
        return [
            self._baseline(array, spec) if spec.floating else array
            for array, spec in zip(arrays, self.network.inputs.specs, strict=True)
        ]

    def _baseline(self, array, spec):
        given = self.baseline.get(spec.name, 0.0) if isinstance(self.baseline, dict) else self.baseline
        values = np.asarray(given(array) if callable(given) else given, array.dtype)
        if values.shape not in ((), array.shape[1:], array.shape) or not np.isfinite(values).all():
            raise InputError(
                f"The baseline of the input {spec.name!r} has the shape {values.shape}, or values that are not finite",
                expected=f"a number, or the shape {array.shape[1:]} or {array.shape}",
                mend="Make the baseline of an image as the image itself is made",
            )
        return np.broadcast_to(values, array.shape)

    def _calls(self, samples):
        return len(_pieces(len(self._points), samples, self.batch_size))

    def _explain_batch(self, goal, arrays, arguments, companions, advance):
        specs = [
            [spec.tensor for spec in self.network.inputs.specs],
            *[tf.TensorSpec((None,), tf.float32)] * 2,
        ]
        along = self._function(goal, "along", self._along, specs)
        scores = self._function(goal, "scores", self._scores)
        score, settled = scores(arrays, arguments)
        means = None
        for piece in _pieces(len(self._points), len(arrays[0]), self.batch_size):
            points, weights = (part[piece].astype(np.float32) for part in (self._points, self._weights))
            new = along(arrays, settled, companions, points, weights)
            means = new if means is None else [old + more for old, more in zip(means, new, strict=True)]
            advance()
        unreduced = self._unreduced(arrays, companions, means)
        extras = {}
        if self.gap:
            total = sum(tf.reduce_sum(values, list(range(1, values.shape.rank))) for values in unreduced)
            extras["completeness_gap"] = total - (score - scores(companions, settled)[0])
        return Attributed([self._reduced(values) for values in unreduced], score, settled, extras)

    def _along(self, goal, tensors, arguments, baselines, points, weights):
        """The weighted sum of the gradients at some points between the baselines and the inputs."""
        count, times = tf.shape(tensors[0])[0], tf.shape(points)[0]

        def spread(values, like):
            return tf.reshape(values, tf.concat([[times], tf.ones(tf.rank(like), tf.int32)], 0))

        between = [
            tf.reshape(
                baseline[None] + spread(points, tensor) * (tensor - baseline)[None],
                tf.concat([[-1], tf.shape(tensor)[1:]], 0),
            )
            if spec.floating
            else _tiled([tensor], times)[0]
            for tensor, baseline, spec in zip(tensors, baselines, self.network.inputs.specs, strict=True)
        ]
        _, _, gradients = self.gradient(goal, between, _tiled(arguments, times))
        return [
            tf.reduce_sum(
                spread(weights, gradient)
                * tf.reshape(gradient, tf.concat([[times, count], tf.shape(gradient)[1:]], 0)),
                axis=0,
            )
            for gradient in gradients
            if gradient is not None
        ]

    def _floats(self, tensors):
        return [t for t, spec in zip(tensors, self.network.inputs.specs, strict=True) if spec.floating]

    def _unreduced(self, tensors, baselines, means):
        floats = zip(self._floats(tensors), self._floats(baselines), means, strict=True)
        return [(tensor - baseline) * mean for tensor, baseline, mean in floats]
