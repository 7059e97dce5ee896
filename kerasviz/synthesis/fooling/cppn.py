"""The CPPN encoding: a small network, wiring included, that computes each pixel from where it is."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasviz.checks import checked_count, checked_number
from kerasviz.synthesis.fooling import wiring
from kerasviz.synthesis.fooling.encoding import Encoding, joined
from kerasviz.synthesis.fooling.operators import polynomial_mutation, sbx

#: The largest size of a weight.
_STRONGEST = 10.0
#: Values that are computed at once, of one neuron: they stay in the processor's cache.
_PORTION = 1 << 16


@dataclass(frozen=True)
class CPPN(Encoding):
    """A compositional pattern-producing network: images are regular, with symmetries and repetitions.

    Stanley 2007, "Compositional Pattern Producing Networks"; settings from the code of Nguyen, Yosinski and Clune 2015,
    "Deep Neural Networks are Easily Fooled". A feed-forward network is computed for each pixel from its place x and y,
    its distance d from the centre, and a bias of 1. Each neuron takes the sine, a sigmoid from -1 to 1, the Gaussian
    exp(-p²) or a line from -1 to 1 of what it sums up. The sizes of the outputs are the values of the image, or for
    three channels hue, lightness and saturation. It begins without hidden neurons, all inputs joined to all outputs,
    and grows.

    x and y go from -1 to 1 along the longer side, and in proportion along the shorter; in the authors' code they are
    numbers of pixels, of which a weight of 10 makes noise, and a genome another picture for another size.

    Only weights of connections that both parents have are crossed; a child has the wiring of one parent.

    Attributes:
        most_hidden: the largest number of hidden neurons.
        add_connection: the probability of a child to get a connection more, likewise below.
        delete_connection: to lose one.
        change_connection: to have one begin elsewhere.
        add_neuron: to get a neuron in the midst of a connection.
        delete_neuron: to lose one.
        crossover_rate: the probability of a pair to be crossed.
        kind_crossover: the probability of a neuron of a crossed pair to swap its function with the other parent's.
        mutation_eta: of the weights' polynomial mutation.
        crossover_eta: of the weights' simulated binary crossover.

    Raises:
        SettingError: a setting is out of range.
    """

    most_hidden: int = 24
    add_connection: float = 0.5
    delete_connection: float = 0.3
    change_connection: float = 0.5
    add_neuron: float = 0.5
    delete_neuron: float = 0.2
    crossover_rate: float = 0.5
    kind_crossover: float = 0.25
    mutation_eta: float = 15.0
    crossover_eta: float = 10.0

    def __post_init__(self):
        checked_count("most_hidden", self.most_hidden)
        for name in ("mutation_eta", "crossover_eta"):
            checked_number(name, getattr(self, name), 0)
        for name in (*wiring.CHANGES, "crossover_rate", "kind_crossover"):
            checked_number(name, getattr(self, name), 0, 1)

    def first(self, count, space, rng):  # noqa: D102
        return wiring.first(count, self.most_hidden, space.channels, rng)

    def children(self, mothers, fathers, rng, rate):  # noqa: D102
        children = joined(self._crossed(mothers, fathers, rng))
        for change, how in wiring.CHANGES.items():
            children = how(children, np.flatnonzero(rng.random(len(children["hidden"])) < getattr(self, change)), rng)
        other = rng.random(children["kinds"].shape) < rate
        kinds = rng.integers(0, wiring.KINDS, other.shape).astype(np.int8)
        return {
            **children,
            "weights": polynomial_mutation(children["weights"], rng, rate, self.mutation_eta),
            "kinds": np.where(other, kinds, children["kinds"]),
        }

    def _crossed(self, mothers, fathers, rng):
        crossed = rng.random(len(mothers["hidden"])) < self.crossover_rate
        weights = sbx(mothers["weights"], fathers["weights"], rng, 1.0, self.crossover_eta)
        both = mothers["links"] & fathers["links"] & crossed[:, None, None]
        swap = (rng.random(mothers["kinds"].shape) < self.kind_crossover) & crossed[:, None]
        parents = ((mothers, fathers), (fathers, mothers))
        return tuple(
            {
                **own,
                "weights": np.where(both, child, own["weights"]),
                "kinds": np.where(swap, other["kinds"], own["kinds"]),
            }
            for child, (own, other) in zip(weights, parents, strict=True)
        )

    def units(self, genes, space):  # noqa: D102
        places = tf.constant(places_of(space.height, space.width))
        strengths = tf.where(genes["links"], (2 * genes["weights"] - 1) * _STRONGEST, 0.0)
        parts = strengths, tf.cast(genes["kinds"], tf.int32), genes["hidden"]
        count, together = genes["hidden"].shape[0], max(1, _PORTION // (space.height * space.width))
        if together >= count:
            sizes = tf.abs(_computed(*parts, places, self.most_hidden))
        else:
            # Images one after another, so that what is computed for one stays near.
            alone = tf.map_fn(
                lambda part: _computed(*(array[None] for array in part), places, self.most_hidden)[0],
                parts,
                fn_output_signature=tf.float32,
            )
            sizes = tf.abs(alone)
        channels = rgb(sizes) if space.channels == 3 else sizes
        return tf.reshape(tf.transpose(channels, (0, 2, 1)), (-1, *space.shape))


def places_of(height: int, width: int) -> np.ndarray:
    """The inputs of a CPPN, `(4, height * width)` float32: x, y, distance from the centre, 1."""
    longer = max(height, width, 2) - 1
    y, x = np.meshgrid(*((2 * np.arange(side) - (side - 1)) / longer for side in (height, width)), indexing="ij")
    return np.stack([x, y, np.hypot(x, y), np.ones_like(x)]).reshape(4, -1).astype(np.float32)


def activated(sums: tf.Tensor, kinds: tf.Tensor) -> tf.Tensor:
    """What neurons make of their sums.

    Args:
        sums: any shape.
        kinds: int32, 0 for the sine, 1 for the sigmoid, 2 for the Gaussian, 3 for the line; of a shape that fits.

    Returns:
        Numbers from -1 to 1.
    """
    sigmoid = tf.tanh(sums / 2)  # the same as 2 (1 / (1 + exp(-p)) - 1/2)
    curved = tf.where(kinds == 0, tf.sin(sums), sigmoid)
    straight = tf.where(kinds == 2, tf.exp(-(sums**2)), tf.clip_by_value(sums, -3.0, 3.0) / 3)
    return tf.where(kinds < 2, curved, straight)


def rgb(colours: tf.Tensor) -> tf.Tensor:
    """Hue (1 is the whole circle), lightness and saturation, 0 to 1, as red, green and blue.

    Args:
        colours: `(N, 3, places)`.
    """
    hue, lightness, saturation = tf.split(colours, 3, axis=1)
    # A trapezoid around each colour's own place in the circle of twelve.
    place = tf.constant([0.0, 8.0, 4.0])[:, None] + 12 * hue
    place -= 12 * tf.floor(place / 12)
    trapezoid = tf.maximum(-1.0, tf.minimum(tf.minimum(place - 3, 9 - place), 1.0))
    return tf.clip_by_value(lightness - saturation * tf.minimum(lightness, 1 - lightness) * trapezoid, 0.0, 1.0)


def _computed(strengths, kinds, hidden, places, most):
    """The outputs of some networks for all places, `(N, outputs, places)`."""
    count, longest = strengths.shape[0], tf.reduce_max(hidden)
    inputs = wiring.INPUTS
    start = tf.broadcast_to(places, (count, *places.shape))

    def neuron(number, values):
        # Hidden neurons lie in an order in which each needs only those before it.
        sums = strengths[:, number : number + 1, : inputs + number] @ values
        return number + 1, tf.concat([values, activated(sums, kinds[:, number : number + 1, None])], axis=1)

    _, values = tf.while_loop(
        lambda number, _: number < longest,
        neuron,
        (0, start),
        shape_invariants=(tf.TensorShape(()), tf.TensorShape((count, None, places.shape[1]))),
        maximum_iterations=most,
    )
    sums = strengths[:, most:, : inputs + longest] @ values
    return activated(sums, kinds[:, most:, None])
