"""`FGSM` and `PGD`: one step along the gradient's sign or direction, and many within a neighbourhood."""

from numbers import Real

import numpy as np
import tensorflow as tf

from kerasviz.checks import checked_choice, checked_count, checked_seed
from kerasviz.errors import SettingError
from kerasviz.network.neighborhood import Neighborhood, checked_radius, per_sample, steepest
from kerasviz.synthesis.perturbation.attack import Attack
from kerasviz.synthesis.perturbation.odds import log_odds, margin
from kerasviz.synthesis.perturbation.record import Perturbed

_LOSSES = {"cross_entropy": log_odds, "margin": margin}


class FGSM(Attack):
    """The fast gradient sign method: Goodfellow, Shlens and Szegedy 2015, section 4; one step to the edge.

    In "linf" every value is changed by the radius, along the sign of the gradient; in "l2" the image is moved by the
    radius along the gradient itself. The gradient is that of the cross-entropy, up to its length; where the network is
    so sure that the cross-entropy's own vanishes, it is still right: see `log_odds`.

    Args:
        model: as for `Attack`, which also states the errors.
        norm: as for `Attack`.
        preprocess: as for `Attack`.
        bounds: as for `Attack`. In "l2", values that are set back to a bound make the step shorter.
        input: as for `Attack`.
        output: as for `Attack`.
        batch_size: as for `Attack`.
        sample: as for `Attack`.

    Example:
        >>> import kerasviz as kv
        >>> attack = FGSM(kv.data.shapes.shapes_model(), bounds=(0, 255))
        >>> found = attack(kv.data.shapes.scenes(4, seed=3).images, radius=4)
        >>> found.points.shape, float(found.distances.max())
        ((4, 64, 64, 3), 4.0)
    """

    method = "fgsm"

    def signature(self):  # noqa: D102
        return (tf.TensorSpec((), tf.float64),)

    def __call__(self, images, radius: float, target=None, *, labels=None) -> Perturbed:
        """Perturb each image.

        Args:
            images: what `model.predict` takes, before `preprocess`; or a batched `tf.data.Dataset` of them. All points
                are kept in memory.
            radius: of the step, in the units of the images and in the norm.
            target: the class to reach, an int or one per image; None to lead away from the predicted class.
            labels: the true classes to lead away from, in the place of the predicted ones.

        Raises:
            InputError: the images do not fit the model, hold NaN, or leave the bounds.
            SettingError: the radius is out of range.
            TargetError: a class does not exist, or target and labels are both given.
        """
        radius = checked_radius(radius)
        return self.attacked(images, target, labels, (np.float64(radius),), radius=radius)

    def points(self, tensors, aims, targeted, radius):  # noqa: D102
        own = self.images_of(tensors)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(own)
            climbed = log_odds(self.scores_at(tensors, own), aims) * _sign(targeted)
        way = steepest(self.gradient(tape, climbed, own), self.norm)
        return Neighborhood(own, radius, self.norm, self.bounds).project(own + way * tf.cast(radius, own.dtype))


class PGD(Attack):
    """Projected gradient descent: Madry et al. 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks".

    Steps as those of `FGSM`, each followed by a projection into the neighbourhood, from a point drawn anywhere in it.
    Of all points on the way the one is returned at which the class that was asked leads the others most (untargeted:
    at which the class to leave trails most), so that a success is never left again.

    Args:
        model: as for `Attack`, which also states the errors.
        norm: as for `Attack`.
        steps: how many, each one pass forward and backward.
        step: the length of a step in parts of the radius. None for 2.5 / steps, with which a value can cross the
            neighbourhood (section B.4 of the paper).
        random_start: begin at a point drawn evenly in the neighbourhood, the same change for all images; False for the
            image itself.
        loss: what is climbed: "cross_entropy" as in the paper, by the logits and up to the length of its gradient (see
            `log_odds`), or the "margin" between the class and the strongest other, the loss of Carlini and Wagner.
        preprocess: as for `Attack`.
        bounds: as for `Attack`.
        input: as for `Attack`.
        output: as for `Attack`.
        batch_size: as for `Attack`.
        sample: as for `Attack`.

    Example:
        >>> import kerasviz as kv
        >>> attack = PGD(kv.data.shapes.shapes_model(), steps=5, bounds=(0, 255))
        >>> found = attack(kv.data.shapes.scenes(4, seed=3).images, radius=4, target=2)
        >>> found.target.tolist(), bool(found.distances.max() <= 4)
        ([2, 2, 2, 2], True)
    """

    method = "pgd"

    def __init__(
        self,
        model,
        *,
        norm: str = "linf",
        steps: int = 20,
        step: float | None = None,
        random_start: bool = True,
        loss: str = "cross_entropy",
        **settings,
    ):
        self.steps, self.random_start, self.loss = checked_count("steps", steps), bool(random_start), loss
        self.step = 2.5 / self.steps if step is None else step
        if isinstance(step, bool) or not isinstance(self.step, Real) or not 0 < self.step < np.inf:
            raise SettingError(
                f"step={step!r}",
                expected="a number over 0, in parts of the radius",
                mend="Leave it out for the default",
            )
        checked_choice("loss", loss, _LOSSES)
        super().__init__(model, norm=norm, **settings)

    def signature(self):  # noqa: D102
        return tf.TensorSpec((), tf.float64), tf.TensorSpec((2,), tf.int32)

    def settings(self):  # noqa: D102
        own = {"steps": self.steps, "step": float(self.step), "random_start": self.random_start, "loss": self.loss}
        return {**super().settings(), **own}

    def __call__(self, images, radius: float, target=None, *, labels=None, seed: int = 0) -> Perturbed:
        """Perturb each image.

        Args:
            images: as for `FGSM`.
            radius: of the neighbourhood, in the units of the images and in the norm. No point leaves it, to the last
                bit.
            target: as for `FGSM`.
            labels: as for `FGSM`.
            seed: of the random start.

        Raises:
            InputError: as for `FGSM`.
            SettingError: the radius or the seed is out of range.
            TargetError: as for `FGSM`.
        """
        radius, seed = checked_radius(radius), checked_seed(seed)
        arguments = np.float64(radius), np.array([seed, 0], np.int32)
        return self.attacked(images, target, labels, arguments, radius=radius, settings={"seed": seed})

    def points(self, tensors, aims, targeted, radius, seed):  # noqa: D102
        own = self.images_of(tensors)
        near = Neighborhood(own, radius, self.norm, self.bounds)
        length = tf.cast(radius * self.step, own.dtype)
        sign = _sign(targeted)

        def looked(points, scores, best, lead):
            """The best points so far, and by how much their class leads."""
            new = margin(scores, aims) * sign
            return tf.where(per_sample(new > lead, points), points, best), tf.maximum(new, lead)

        def moved(t, points, best, lead):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(points)
                scores = self.scores_at(tensors, points)
                climbed = _LOSSES[self.loss](scores, aims) * sign
            way = steepest(self.gradient(tape, climbed, points), self.norm)
            new = near.project(points + length * way, exact=False)
            return t + 1, new, *looked(points, scores, best, lead)

        start = near.drawn(seed) if self.random_start else own
        state = (0, start, start, tf.fill(tf.shape(aims), -np.float32(np.inf)))
        _, points, best, lead = tf.while_loop(lambda t, *_: t < self.steps, moved, state)
        best, _ = looked(points, self.scores_at(tensors, points), best, lead)
        return near.project(best)


def _sign(targeted):
    """What makes the way towards a class one away from it, unless it is a target."""
    return tf.where(targeted, 1.0, -1.0)
