"""How near a network is to a class: what attacks climb, `(N,)` of scores `(N, K)` before the softmax."""

import numpy as np
import tensorflow as tf


def log_odds(scores: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """The score of a class less the log-sum-exp of the others': the logarithm of its odds.

    The cross-entropy of the class is the softplus of minus this, so that both have gradients of one direction; but
    that of the cross-entropy vanishes where probabilities are 0 or 1 in single precision, and this one never does.

    Args:
        scores: of at least two classes.
        classes: `(N,)` int32.
    """
    return _own(scores, classes) - tf.reduce_logsumexp(_others(scores, classes), axis=1)


def margin(scores: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """The score of a class less the largest of the others': over 0 where the class is predicted.

    Args:
        scores: as for `log_odds`.
        classes: as for `log_odds`.
    """
    return _own(scores, classes) - tf.reduce_max(_others(scores, classes), axis=1)


def strongest_others(scores: tf.Tensor, classes: tf.Tensor, count) -> tf.Tensor:
    """The classes with the highest scores but one, the highest first, `(N, count)` int32.

    Args:
        scores: as for `log_odds`.
        classes: those left out, as for `log_odds`.
        count: how many, fewer than there are classes.
    """
    return tf.math.top_k(_others(scores, classes), count).indices


def _own(scores, classes):
    return tf.gather(scores, classes, axis=1, batch_dims=1)


def _others(scores, classes):
    own = tf.one_hot(classes, tf.shape(scores)[1], on_value=True, off_value=False, dtype=tf.bool)
    return tf.where(own, tf.constant(-np.inf, scores.dtype), scores)
