"""What is being explained: a score for each sample, taken from a network's outputs or activations.

Wherever an explainer takes `target=`, it takes one of these:

| given | what is explained |
|---|---|
| None | each sample's own top class |
| an int | that class, for every sample |
| a list or array of ints | one class per sample |
| `("species", 3)` | a class of the output called "species", for models with several outputs |
| a `Target` of this module | see there |
| a callable | `outputs -> (N,)` scores; wrapped in `Custom` |

Scores are taken before softmax and sigmoid. An output of one unit under a sigmoid has the classes 0 and 1, whose
scores are minus and plus the logit. An output that is a map (segmentation) is summed over its positions.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kerasviz.errors import TargetError
from kerasviz.network import Network, Pass

_TOP = -1


class Target(ABC):
    """A score for each sample. Make your own by writing `score`; it runs inside a `tf.function`."""

    def addresses(self, network: Network) -> tuple:
        """The addresses of the layers whose activations the score is made of."""
        return ()

    def arguments(self, network: Network, count: int) -> list[np.ndarray]:
        """Arrays with one row per sample that `score` gets, checked against the network and the batch.

        Args:
            network: the network that is explained.
            count: the number of samples.

        Raises:
            TargetError: the target does not fit.
        """
        return []

    def settle(self, network: Network, done: Pass, arguments: list[tf.Tensor]) -> list[tf.Tensor]:
        """The arguments with what the outputs decide filled in, such as each sample's top class."""
        return arguments

    @abstractmethod
    def score(self, network: Network, done: Pass, arguments: list[tf.Tensor]) -> tf.Tensor:
        """The scores, `(N,)` float32; each sample's must depend on that sample alone."""

    def key(self):
        """What a traced function that computes this score can be kept under."""
        return self

    def describe(self) -> str:
        """A few words for titles and manifests."""
        return type(self).__name__.lower()


class ClassScore(Target):
    """The score of a class, before softmax or sigmoid.

    Args:
        index: a class number, one per sample, or None for each sample's top class.
        output: the name of the output, needed if the model has several.
        probability: take the output as it is, after softmax or sigmoid. Its gradient vanishes where the network
            is sure, and grows when other classes shrink; the score is nearly always the better question.

    Example:
        >>> import kerasviz as kv
        >>> kv.targets.ClassScore([281, 284]).describe()
        'class'
    """

    def __init__(self, index=None, *, output: str | None = None, probability: bool = False):
        self.index, self.output, self.probability = index, output, probability

    def arguments(self, network, count):  # noqa: D102
        name, width, binary = self._output(network)
        if self.index is None:
            return [np.full(count, _TOP, np.int32)]
        index = _array(self.index, "target")
        if index.dtype.kind not in "ui":
            raise TargetError(
                f"target={self.index!r} is of the type {index.dtype}",
                expected="class numbers: an int, or one int per sample",
                mend="Use class numbers, not labels, probabilities or one-hot rows",
            )
        if index.ndim > 1 or (index.ndim == 1 and len(index) != count):
            raise TargetError(
                f"target has the shape {index.shape} for {count} samples",
                expected=f"one int, or {count} of them",
                mend="Give one class per sample; explain one class after another for several classes of an image",
            )
        classes = 2 if binary else width
        if (index < 0).any() or (classes is not None and (index >= classes).any()):
            raise TargetError(
                f"target={self.index!r} is not among the classes of the output {name!r}",
                expected="class numbers from 0" if classes is None else f"class numbers from 0 to {classes - 1}",
                mend="Class numbers are positions along the last axis of the output",
            )
        return [np.broadcast_to(index, (count,)).astype(np.int32)]

    def settle(self, network, done, arguments):  # noqa: D102
        (index,) = arguments
        scores = self._scores(network, done)
        top = tf.argmax(scores, axis=-1, output_type=tf.int32)
        return [tf.where(index == _TOP, top, index)]

    def score(self, network, done, arguments):  # noqa: D102
        (index,) = self.settle(network, done, arguments)
        return tf.gather(self._scores(network, done), index, axis=1, batch_dims=1)

    def key(self):  # noqa: D102
        return (type(self), self.output, self.probability)

    def describe(self):  # noqa: D102
        return "class" if self.output is None else f"class of {self.output}"

    def _output(self, network):
        outputs = network.trace.outputs
        if self.output is None and len(outputs) > 1:
            raise TargetError(
                f"The model {network.name!r} has {len(outputs)} outputs: {', '.join(map(repr, outputs))}",
                expected="the name of an output with a class of it",
                mend=f"target=({next(iter(outputs))!r}, 0) for class 0 of it, or None in place of 0 for its top class",
            )
        name = next(iter(outputs)) if self.output is None else self.output
        if name not in outputs:
            raise TargetError(
                f"The model {network.name!r} has no output {name!r}",
                expected=f"one of {', '.join(map(repr, outputs))}",
                mend="Outputs are called by their dict keys, or by the layers that make them",
            )
        shape = outputs[name].shape
        width = 1 if len(shape) == 1 else shape[-1]
        return name, width, width == 1 and outputs[name].head == "sigmoid"

    def _scores(self, network, done):
        """The scores of the classes, `(N, K)`."""
        name, width, binary = self._output(network)
        scores = tf.cast(done.outputs[name], tf.float32) if self.probability else done.scores[name]
        scores = tf.reshape(scores, (tf.shape(scores)[0], -1, tf.shape(scores)[-1] if width is None else width))
        if binary:
            scores = tf.concat([1 - scores if self.probability else -scores, scores], axis=-1)
        return tf.reduce_sum(scores, axis=1)


class Channel(Target):
    """The mean of a channel of a feature map over its positions.

    Args:
        layer: the layer, as `Network.address` takes it.
        channel: its number along the last axis, or one per sample.

    Example:
        >>> import kerasviz as kv
        >>> kv.targets.Channel("base/block5_conv3", 12).describe()
        'channel 12 of base/block5_conv3'
    """

    def __init__(self, layer, channel):
        self.layer, self.channel = layer, channel

    def addresses(self, network):  # noqa: D102
        return (network.address(self.layer),)

    def arguments(self, network, count):  # noqa: D102
        return [_numbers(self.channel, _map_shape(network, self.layer)[-1:], count, "channel")]

    def score(self, network, done, arguments):  # noqa: D102
        chosen = _channel(done.activations[network.address(self.layer)], arguments[0])
        return tf.reduce_mean(chosen, axis=list(range(1, chosen.shape.rank))) if chosen.shape.rank > 1 else chosen

    def key(self):  # noqa: D102
        return (type(self), self.layer)

    def describe(self):  # noqa: D102
        return f"channel {self.channel} of {_layer_name(self.layer)}"


class Neuron(Target):
    """One unit of a feature map: a channel at a position.

    Args:
        layer: the layer, as `Network.address` takes it.
        position: its place along the axes between batch and channels, such as `(row, column)`; or one per sample.
        channel: its number along the last axis, or one per sample.
    """

    def __init__(self, layer, position, channel):
        self.layer, self.position, self.channel = layer, position, channel

    def addresses(self, network):  # noqa: D102
        return (network.address(self.layer),)

    def arguments(self, network, count):  # noqa: D102
        shape = _map_shape(network, self.layer)
        if len(shape) == 2:
            raise TargetError(
                f"The layer {_layer_name(self.layer)!r} has the output {shape}, without positions",
                expected="a feature map",
                mend="A unit of a dense layer is a kerasviz.targets.Channel",
            )
        return [
            _numbers(self.position, shape[1:-1], count, "position", row=True),
            _numbers(self.channel, shape[-1:], count, "channel"),
        ]

    def score(self, network, done, arguments):  # noqa: D102
        position, channel = arguments
        chosen = _channel(done.activations[network.address(self.layer)], channel)
        return tf.gather_nd(chosen, position, batch_dims=1)

    def key(self):  # noqa: D102
        return (type(self), self.layer)

    def describe(self):  # noqa: D102
        return f"neuron {self.position}, {self.channel} of {_layer_name(self.layer)}"


class Custom(Target):
    """Any score.

    Args:
        function: `outputs -> (N,)` scores, made of TensorFlow or Keras ops, traced once. It gets the one output,
            or a dict of outputs by name.
        softmax: give it the outputs as they are, after softmax and sigmoid, not the scores before.
        name: for titles.

    Example:
        >>> import kerasviz as kv
        >>> margin = kv.targets.Custom(lambda scores: scores[:, 1] - scores[:, 0], name="dog minus cat")
    """

    def __init__(self, function: Callable, *, softmax: bool = False, name: str = "custom score"):
        self.function, self.softmax, self.name = function, softmax, name

    def score(self, network, done, arguments):  # noqa: D102
        outputs = done.outputs if self.softmax else done.scores
        returned = self.function(next(iter(outputs.values())) if len(outputs) == 1 else outputs)
        try:
            scores = tf.convert_to_tensor(returned)
        except (TypeError, ValueError) as error:
            raise TargetError(
                f"The target returned a {type(returned).__name__}",
                expected="one score per sample, a tensor of the shape (N,)",
                mend="Make the scores of TensorFlow or Keras ops, and return them",
            ) from error
        if scores.shape.rank != 1:
            raise TargetError(
                f"The target returned the shape {tuple(scores.shape)}",
                expected="one score per sample, the shape (N,)",
                mend="Pick or sum over the other axes: scores[:, k]",
            )
        return tf.cast(scores, tf.float32)

    def key(self):  # noqa: D102
        # A callable with an equality of its own may not be hashable: then each target is traced for itself.
        hashable = getattr(type(self.function), "__hash__", None) is not None
        return (type(self), self.function, self.softmax) if hashable else self

    def describe(self):  # noqa: D102
        return self.name


def as_target(target) -> Target:
    """The `Target` that a user's `target=` means; see the head of this module.

    Raises:
        TargetError: it is none of the kinds listed there.
    """
    if isinstance(target, Target):
        return target
    if isinstance(target, tuple) and len(target) == 2 and isinstance(target[0], str):
        return ClassScore(target[1], output=target[0])
    if isinstance(target, str):
        raise TargetError(
            f"target={target!r} is a label",
            expected="a class number",
            mend="Look its number up in the list of labels: labels.index(...)",
        )
    if callable(target):
        return Custom(target)
    return ClassScore(target)


def _map_shape(network, layer):
    address = network.address(layer)
    shape = network.trace.shape_of(address.path)
    if shape is None:
        raise TargetError(
            f"The layer {str(address)!r} returns several tensors, or runs in a loop",
            expected="a layer with one activation",
            mend="Take a layer inside it, or the one around it",
        )
    return shape


def _array(given, what):
    try:
        return np.asarray(given)
    except ValueError as error:
        raise TargetError(
            f"{what}={given!r} has rows of different lengths",
            expected="whole numbers, one or as many for each sample",
            mend="Explain one class after another for several classes of an image",
        ) from error


def _numbers(given, limits, count, what, row=False):
    """Indices along some axes, one (or one row) per sample."""
    numbers = _array(given, what)
    wanted = (count, len(limits)) if row else (count,)
    if numbers.dtype.kind not in "ui" or numbers.shape not in (wanted, wanted[1:]):
        raise TargetError(
            f"{what}={given!r} has the shape {numbers.shape} and the type {numbers.dtype}",
            expected=f"whole numbers of the shape {wanted[1:]}, or {wanted} for one per sample",
            mend="Count along the axes of the layer's output",
        )
    if any(
        size is not None and ((column < 0) | (column >= size)).any()
        for column, size in zip(np.moveaxis(numbers.reshape(-1, len(limits)), 1, 0), limits, strict=True)
    ):
        raise TargetError(
            f"{what}={given!r} is outside the layer's output",
            expected=f"numbers from 0 up to, but not including, {limits}",
            mend="Count along the axes of the layer's output",
        )
    return np.broadcast_to(numbers, wanted).astype(np.int32)


def _channel(activation, channel):
    """One channel per sample of a feature map, `(N, *space)`."""
    moved = tf.transpose(activation, [0, activation.shape.rank - 1, *range(1, activation.shape.rank - 1)])
    return tf.cast(tf.gather(moved, channel, axis=1, batch_dims=1), tf.float32)


def _layer_name(layer):
    return getattr(layer, "name", str(layer))
