"""`DeepFool`: the smallest change that crosses a boundary between classes."""

from numbers import Real

import numpy as np
import tensorflow as tf

from kerasviz.checks import checked_count
from kerasviz.errors import SettingError
from kerasviz.network.neighborhood import per_sample, slope, steepest, within
from kerasviz.synthesis.perturbation.attack import Attack
from kerasviz.synthesis.perturbation.odds import strongest_others
from kerasviz.synthesis.perturbation.record import Perturbed


class DeepFool(Attack):
    """A nearly smallest perturbation: Moosavi-Dezfooli, Fawzi and Frossard 2016, algorithm 2, as their code has it.

    In each step the network is taken for linear, and the image is moved to the nearest boundary to another class: by
    |f_k - f_l| / |w_k - w_l| in the dual norm, where f are scores before the softmax and w their gradients. All steps
    together are then lengthened by the overshoot, so that the boundary is crossed and not only touched. An image stays
    where it is as soon as its class has changed. On a linear network the first step is exact.

    Args:
        model: as for `Attack`, which also states the errors.
        norm: as for `Attack`. For "linf" the step of section 3.4 of the paper.
        steps: at most so many.
        overshoot: by what part the change is lengthened. 0 ends on the boundary itself, where rounding decides.
        top: among how many classes the nearest boundary is looked for: those with the highest scores at the image, its
            own class among them. Each costs one pass backward in each step.
        preprocess: as for `Attack`.
        bounds: as for `Attack`. Values that have come to a bound are left there, and the others go the way alone.
        input: as for `Attack`.
        output: as for `Attack`.
        batch_size: as for `Attack`.
        sample: as for `Attack`.

    Example:
        >>> import kerasviz as kv
        >>> attack = DeepFool(kv.data.shapes.shapes_model(), bounds=(0, 255))
        >>> found = attack(kv.data.shapes.scenes(4, seed=3).images)
        >>> found.success.tolist()
        [True, True, True, True]
    """

    method = "deepfool"

    def __init__(self, model, *, norm: str = "l2", steps: int = 50, overshoot: float = 0.02, top: int = 10, **settings):
        self.steps, self.top = checked_count("steps", steps), checked_count("top", top, least=2)
        if isinstance(overshoot, bool) or not isinstance(overshoot, Real) or not 0 <= overshoot < np.inf:
            raise SettingError(
                f"overshoot={overshoot!r}",
                expected="a number from 0 up, such as 0.02 for two percent",
                mend="Leave it out for the paper's",
            )
        self.overshoot = float(overshoot)
        super().__init__(model, norm=norm, **settings)

    def settings(self):  # noqa: D102
        return {**super().settings(), "steps": self.steps, "overshoot": self.overshoot, "top": self.top}

    def __call__(self, images, target=None, *, labels=None) -> Perturbed:
        """Perturb each image as little as can be.

        Args:
            images: as for `FGSM`.
            target: the class to reach, an int or one per image: the only boundary that is then looked at is that
                between it and the class predicted on the way. None for the nearest other class.
            labels: as for `FGSM`.

        Raises:
            InputError: as for `FGSM`.
            TargetError: as for `FGSM`.
        """
        return self.attacked(images, target, labels)

    def points(self, tensors, aims, targeted):  # noqa: D102
        own = self.images_of(tensors)
        scores = self.scores_at(tensors, own)
        others = strongest_others(scores, aims, tf.minimum(self.top, tf.shape(scores)[1]) - 1)
        candidates = tf.where(targeted, aims[:, None], others)
        count = tf.where(targeted, 1, tf.shape(others)[1])

        def moved(t, points, total, done):
            # Persistent, for it is asked once for each candidate.
            with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
                tape.watch(points)
                scores = self.scores_at(tensors, points)
            done |= tf.equal(tf.argmax(scores, axis=1, output_type=tf.int32), aims) == targeted
            left = tf.where(targeted, strongest_others(scores, aims, 1)[:, 0], aims)

            def compared(k, length, way):
                wanted = tf.gather(candidates, k, axis=1)
                weights = tf.one_hot(wanted, tf.shape(scores)[1]) - tf.one_hot(left, tf.shape(scores)[1])
                rise = self._inside(self.gradient(tape, scores, points, weights), points)
                gap, steep = (
                    tf.abs(tf.reduce_sum(weights * scores, axis=1)),
                    tf.cast(slope(rise, self.norm), tf.float32),
                )
                new = tf.where(steep > 0, gap / steep, np.inf)
                nearer = per_sample(new < length, points)
                return k + 1, tf.minimum(new, length), tf.where(nearer, steepest(rise, self.norm), way)

            nowhere = tf.fill(tf.shape(aims), np.float32(np.inf))
            _, length, way = tf.while_loop(lambda k, *_: k < count, compared, (0, nowhere, tf.zeros_like(points)))
            length = tf.where(done | ~tf.math.is_finite(length), 0.0, length)
            total += per_sample(tf.cast(length, own.dtype), points) * way
            return t + 1, within(own + (1 + self.overshoot) * total, self.bounds), total, done

        state = (0, own, tf.zeros_like(own), tf.zeros_like(aims, tf.bool))
        return tf.while_loop(lambda t, *state: (t < self.steps) & ~tf.reduce_all(state[-1]), moved, state)[1]

    def _inside(self, rise, points):
        """Gradients without those that lead out of the bounds, where nothing can be gained."""
        if self.bounds is None:
            return rise
        low, high = self.bounds
        leads_out = ((points <= low) & (rise < 0)) | ((points >= high) & (rise > 0))
        return tf.where(leads_out, tf.zeros_like(rise), rise)
