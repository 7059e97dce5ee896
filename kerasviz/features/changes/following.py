"""How far the features of altered images are from those of the images as they were."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kerasviz.features.changes.altered import Subject
from kerasviz.features.changes.warping import leaves_alone, warp


class Start(NamedTuple):
    """A batch of images as they are, and what the network makes of it.

    Attributes:
        inputs: of the model, flat.
        features: of each layer, as tensors.
        norms: of the features, `(layers, N)`.
        settled: the target's arguments.
        scores: `(N,)`.
    """

    inputs: list
    features: list
    norms: np.ndarray
    settled: list
    scores: np.ndarray


class Followed:
    """A network, compiled for images as they are and for the same ones altered.

    Args:
        subject: the network, its layers and its inputs.
        goal: the target whose score is followed.
        given: the target's arguments.
    """

    def __init__(self, subject: Subject, goal, given):
        self._subject, self._goal = subject, goal
        network, addresses = subject.network, subject.addresses
        self._taps = tuple(dict.fromkeys((*addresses, *goal.addresses(network))))
        rows = [tf.TensorSpec((None, *argument.shape[1:]), argument.dtype) for argument in given]
        shapes = [network.trace.shape_of(address.path) for address in addresses]
        features = [tf.TensorSpec((None, *shape[1:]), tf.float32) for shape in shapes]
        images = network.inputs.specs[subject.number].tensor
        self._first = network.function(self._untouched, [rows])
        self._then = network.function(self._altered, [images, features, rows])

    def start(self, arrays) -> Start:
        """What the network makes of a batch: its inputs, flat, followed by the target's arguments."""
        inputs, arguments = arrays[: len(self._subject.arrays)], arrays[len(self._subject.arrays) :]
        features, norms, settled, scores = self._first(inputs, arguments)
        return Start(inputs, features, np.stack(norms), [each.numpy() for each in settled], scores.numpy())

    def along(self, start: Start, transform, amounts, border, advance):
        """The distances `(layers, N, A)` and the scores `(N, A)` along the amounts of a transform."""
        distances, scores = [], []
        for amount in amounts:
            if leaves_alone(transform, amount):
                distances.append(np.zeros_like(start.norms))
                scores.append(start.scores)
            else:
                images = warp(start.inputs[self._subject.number], transform, amount, border)
                altered = self._subject.rounded(images)
                apart, score = self._then(start.inputs, altered, start.features, start.settled)
                distances.append(np.stack(apart))
                scores.append(score.numpy())
            advance(len(start.scores))
        return np.stack(distances, axis=-1), np.stack(scores, axis=-1)

    def _untouched(self, tensors, arguments):
        network = self._subject.network
        done = network.forward(tensors, self._taps)
        settled = self._goal.settle(network, done, arguments)
        features = self._features(done)
        return features, [_norm(each) for each in features], settled, self._goal.score(network, done, settled)

    def _altered(self, tensors, images, features, settled):
        network = self._subject.network
        done = network.forward(self._subject.with_images(tensors, images), self._taps)
        apart = [_norm(now - then) for now, then in zip(self._features(done), features, strict=True)]
        return apart, self._goal.score(network, done, settled)

    def _features(self, done):
        return [tf.cast(done.activations[address], tf.float32) for address in self._subject.addresses]


def _norm(features):
    return tf.norm(tf.reshape(features, (tf.shape(features)[0], -1)), axis=1)
