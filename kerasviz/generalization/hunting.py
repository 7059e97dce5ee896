"""The search for critical samples as TensorFlow ops: what runs inside a compiled function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kerasviz.generalization.searches import Search
from kerasviz.network import Network
from kerasviz.network.neighborhood import box

#: The first part in so many of the steps that ends with a look.
_LOOKS = 25


class Hunted(NamedTuple):
    """What some steps of a search give, as tensors with a row per sample.

    Attributes:
        points: where each sample's search has come to; where it was found, the found point.
        steps: int32, after how many steps it was found; -1 where it was not.
        classes: int32, predicted at the sample.
        new_classes: int32, predicted at the found point; that of the sample where none was found.
    """

    points: tf.Tensor
    steps: tf.Tensor
    classes: tf.Tensor
    new_classes: tf.Tensor

    @property
    def found(self):
        """Which samples are critical."""
        return self.steps >= 0


@dataclass(frozen=True)
class Hunter:
    """The steps of a search on one network. Radius and points are in the units of the images, before `preprocess`.

    Attributes:
        network: in inference mode.
        search: the settings.
        number: of the input that is changed, among the flat ones.
        scores: the scores of all classes, `(N, K)`, as a function of a `Pass`.
        preprocess: what happens to the images before the network takes them, a function of tensors.
        bounds: the smallest and largest value of images, or None.
    """

    network: Network
    search: Search
    number: int
    scores: Callable
    preprocess: Callable
    bounds: tuple[float, float] | None

    def hunt(self, tensors: list, radius: tf.Tensor, seed: tf.Tensor) -> Hunted:
        """The whole search for one batch, inside a `tf.function`: shapes are static, and XLA can compile it.

        Args:
            tensors: the inputs, flat, as `network.inputs` orders them, before `preprocess`.
            radius: float64, a scalar.
            seed: int32, two numbers; the second rises by one with each step.
        """
        own = tensors[self.number]
        if self.search.random_start:
            state = self.begun(tensors, radius, seed)
        else:
            unknown = tf.fill(tf.shape(own)[:1], -1)
            state = Hunted(own, unknown, unknown, unknown)
        # Leaving samples out makes shapes that are not static.
        done = self._advanced(tensors, state, radius, seed, 0, self.search.steps, compact=False)
        return done._replace(points=tf.where(_rows(done.found, own), done.points, own))

    def objective(self, scores: tf.Tensor, classes: tf.Tensor, finishing: tf.Tensor) -> tf.Tensor:
        """What the search climbs, `(N,)`: how near each sample is to another class than the predicted one.

        The log-sum-exp of the other classes' scores, less the score of the predicted one. The cross-entropy is its
        softplus: their gradients have the same sign everywhere, but this one does not vanish where the network is
        sure. While finishing, the largest of the other classes' scores takes the place of their log-sum-exp.

        Args:
            scores: `(N, K)`, before the softmax.
            classes: `(N,)` int32.
            finishing: bool, a scalar.
        """
        own = tf.one_hot(classes, tf.shape(scores)[1], on_value=True, off_value=False, dtype=tf.bool)
        others = tf.where(own, tf.constant(-np.inf, scores.dtype), scores)
        nearest = tf.where(finishing, tf.reduce_max(others, axis=1), tf.reduce_logsumexp(others, axis=1))
        return nearest - tf.gather(scores, classes, axis=1, batch_dims=1)

    def begun(self, tensors, radius, seed):
        """The state before the first step."""
        own = tensors[self.number]
        classes = tf.argmax(self._scores_at(tensors, own), axis=1, output_type=tf.int32)
        points = own
        if self.search.random_start:
            low, high = box(own, radius, self.bounds)
            points = low + (high - low) * tf.random.stateless_uniform(tf.shape(own)[1:], seed, alg="philox")
            points = tf.clip_by_value(points, low, high)
        return Hunted(points, tf.fill(tf.shape(classes), -1), classes, classes)

    def advanced(self, tensors, state, radius, seed, first, last):
        """The state at step `last`, from that at step `first`.

        Samples that are found are left out of each further step.

        Args:
            tensors: the inputs, flat.
            state: at the first step.
            radius: as for `hunt`.
            seed: as for `hunt`.
            first: int32, a scalar.
            last: int32, a scalar.
        """
        return self._advanced(tensors, state, radius, seed, first, last, compact=True)

    def _advanced(self, tensors, state, radius, seed, first, last, *, compact):
        sides = box(tensors[self.number], radius, self.bounds)
        lengths = tuple(tf.cast(radius * part, sides[0].dtype) for part in (self.search.step, self.search.noise))

        def moved(t, state):
            if not compact:
                return t + 1, self._moved(tensors, sides, lengths, state, seed, t)
            rows = tf.where(state.steps < 0)
            left = tf.nest.map_structure(lambda part: tf.gather_nd(part, rows), (tensors, sides, state))
            new = self._moved(*left[:2], lengths, left[2], seed, t)
            return t + 1, Hunted(
                *(tf.tensor_scatter_nd_update(old, rows, part) for old, part in zip(state, new, strict=True))
            )

        _, state = tf.while_loop(
            lambda t, state: (t < last) & tf.reduce_any(state.steps < 0), moved, (tf.convert_to_tensor(first), state)
        )
        # Early on many are found: a look of its own then spares them a pass backward, and costs the others little.
        looks = tf.equal(last, self.search.steps) | (last <= self.search.steps // _LOOKS)
        return tf.cond(
            looks & tf.reduce_any(state.steps < 0),
            lambda: _looked(state, self._scores_at(tensors, state.points), last),
            lambda: state,
        )

    def _moved(self, tensors, sides, lengths, state, seed, t):
        """The state after one step more; what is found is seen, and stays where it is."""
        (low, high), (step, noise) = sides, lengths
        finishing = t >= self.search.steps - self.search.finish
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(state.points)
            scores = self._scores_at(tensors, state.points)
            state = _looked(state, scores, t)
            climbed = self.objective(scores, state.classes, finishing)
        change = step * tf.sign(tape.gradient(climbed, state.points))
        if self.search.noise:
            # Each step has a seed of its own, so that rounds and batches change nothing.
            step_seed = seed + tf.stack([0, t + 1])
            loud = tf.where(finishing, 0.0, noise)
            change += loud * tf.random.stateless_normal(tf.shape(low)[1:], step_seed, alg="philox")
        points = tf.clip_by_value(state.points + change, low, high)
        return state._replace(points=tf.where(_rows(state.found, low), state.points, points))

    def _scores_at(self, tensors, points):
        tensors = [self.preprocess(points) if i == self.number else tensor for i, tensor in enumerate(tensors)]
        return self.scores(self.network.forward(tensors))


def _looked(state, scores, t):
    """The state with what the scores at its points tell, after `t` steps."""
    top = tf.argmax(scores, axis=1, output_type=tf.int32)
    classes = tf.where(state.classes < 0, top, state.classes)
    new = (top != classes) & (state.steps < 0)
    new_classes = tf.where(new, top, tf.where(state.steps < 0, classes, state.new_classes))
    return Hunted(state.points, tf.where(new, t, state.steps), classes, new_classes)


def _rows(flags, like):
    """Flags for each sample, in the shape that goes with the samples."""
    return tf.reshape(flags, tf.concat([tf.shape(flags), tf.ones(like.shape.rank - 1, tf.int32)], 0))
