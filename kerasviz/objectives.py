"""What can be asked of an image, by short names: the targets of `kerasviz.targets` that synthesis takes.

| made by | what is raised |
|---|---|
| `channel(layer, n)` | the mean of a channel |
| `neuron(layer, n, position)` | one unit, in the middle by default |
| `direction(layer, vector)` | a direction among the channels |
| `layer(name)` | the mean square of all of a layer: DeepDream |
| `class_score(k)` | a class, before the softmax |
| `probability(k)`, `log_probability(k)` | the same after it |
| `diversity(layer)` | how alike the images of a batch are: subtract it |
| `custom(function)` | any function of the outputs |

They can be added, subtracted, multiplied and divided by numbers, and are never changed by it:
`channel("base/conv5", 12) - 0.5 * neuron("base/conv3", 4)`.
"""

from collections.abc import Callable

from kerasviz.targets import Channel, ClassScore, Custom, Direction, Diversity, Layer, LogProbability, Neuron, Target


def channel(layer, channel: int) -> Target:
    """The mean of a channel over its positions; see `kerasviz.targets.Channel`."""
    return Channel(layer, channel)


def neuron(layer, channel: int, position: tuple[int, ...] | None = None) -> Target:
    """One unit of a feature map, in the middle for None; see `kerasviz.targets.Neuron`."""
    return Neuron(layer, position, channel)


def direction(layer, vector, *, cosine: float = 0.0) -> Target:
    """A direction among a layer's channels; see `kerasviz.targets.Direction`."""
    return Direction(layer, vector, cosine=cosine)


def layer(layer) -> Target:
    """The mean square of all activations of a layer; see `kerasviz.targets.Layer`."""
    return Layer(layer)


def class_score(index: int, *, output: str | None = None) -> Target:
    """A class before softmax or sigmoid; see `kerasviz.targets.ClassScore`."""
    return ClassScore(index, output=output)


def probability(index: int, *, output: str | None = None) -> Target:
    """A class after softmax or sigmoid: it can also be raised by lowering the others."""
    return ClassScore(index, output=output, probability=True)


def log_probability(index: int, *, output: str | None = None) -> Target:
    """The logarithm of a class's probability; see `kerasviz.targets.LogProbability`."""
    return LogProbability(index, output=output)


def diversity(layer) -> Target:
    """How alike the textures of a layer are within a batch: subtract it; see `kerasviz.targets.Diversity`."""
    return Diversity(layer)


def custom(function: Callable, *, softmax: bool = False, name: str = "custom score") -> Target:
    """Any function of the outputs; see `kerasviz.targets.Custom`."""
    return Custom(function, softmax=softmax, name=name)
