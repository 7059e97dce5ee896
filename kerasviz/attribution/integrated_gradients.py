"""Integrated gradients: the gradient along the way from a baseline to the input."""

from numbers import Real

import numpy as np
import tensorflow as tf

from kerasviz.attribution.base import Attributed, register
from kerasviz.attribution.baselines import baseline_like
from kerasviz.attribution.gradients import GradientMethod
from kerasviz.attribution.repetition import pieces, tiled
from kerasviz.checks import checked_choice, checked_count
from kerasviz.errors import SettingError

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
        self.steps, self.rule, self.gap = checked_count("steps", steps), rule, gap
        self.baseline = float(baseline) if isinstance(baseline, Real) else baseline
        super().__init__(model, reduce=reduce, batch_size=batch_size, sample=sample)
        self._check_baseline()
        self._points, self._weights = quadrature(rule, self.steps)
        self.passes = len(self._points)

    @property
    def settings(self):  # noqa: D102
        plain = self.baseline if isinstance(self.baseline, float) else type(self.baseline).__name__
        return {"baseline": plain, "steps": self.steps, "rule": self.rule, **super().settings}

    def require_compilable(self):  # noqa: D102
        if not isinstance(self.baseline, float):
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

    def _check_baseline(self):
        names = [spec.name for spec in self.network.inputs.specs if spec.floating]
        if isinstance(self.baseline, float) and not np.isfinite(self.baseline):
            raise SettingError(f"baseline={self.baseline}", expected="a finite number", mend="0 is the default")
        if isinstance(self.baseline, dict) and not set(self.baseline) <= set(names):
            raise SettingError(
                f"The baseline is a dict with the keys {list(self.baseline)}",
                expected=f"names of float inputs among {', '.join(map(repr, names))}",
                mend="Inputs that are left out have the baseline 0",
            )

    def _baseline(self, array, spec):
        given = self.baseline.get(spec.name, 0.0) if isinstance(self.baseline, dict) else self.baseline
        return baseline_like(array, given, spec.name)

    def _calls(self, arrays):
        return len(pieces(len(self._points), len(arrays[0]), self.batch_size))

    def _explain_batch(self, goal, arrays, arguments, companions, advance):
        arrays, companions = ([tf.convert_to_tensor(array) for array in part] for part in (arrays, companions))
        score, settled = self._run(goal, self._scores, arrays, arguments)
        means = None
        for piece in pieces(len(self._points), len(arrays[0]), self.batch_size):
            points, weights = (part[piece].astype(np.float32) for part in (self._points, self._weights))
            new = self._run(goal, self._along, arrays, settled, companions, points, weights)
            means = new if means is None else [old + more for old, more in zip(means, new, strict=True)]
            advance()
        unreduced = self._unreduced(arrays, companions, means)
        extras = {}
        if self.gap:
            sums = [tf.reduce_sum(values, list(range(1, values.shape.rank))) for values in unreduced]
            total = sum(tf.cast(part, tf.float32) for part in sums)
            extras["completeness_gap"] = total - (score - self._run(goal, self._scores, companions, settled)[0])
        return Attributed([self._reduced(values) for values in unreduced], score, settled, extras)

    def _along(self, goal, tensors, arguments, baselines, points, weights):
        """The weighted sum of the gradients at some points between the baselines and the inputs."""
        count, times = tf.shape(tensors[0])[0], tf.shape(points)[0]

        def spread(numbers, like):
            return tf.reshape(tf.cast(numbers, like.dtype), tf.concat([[times], tf.ones(tf.rank(like), tf.int32)], 0))

        between = [
            tf.reshape(
                baseline[None] + spread(points, tensor) * (tensor - baseline)[None],
                tf.concat([[-1], tf.shape(tensor)[1:]], 0),
            )
            if spec.floating
            else tiled([tensor], times)[0]
            for tensor, baseline, spec in zip(tensors, baselines, self.network.inputs.specs, strict=True)
        ]
        _, _, gradients = self.gradient(goal, between, tiled(arguments, times))
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
