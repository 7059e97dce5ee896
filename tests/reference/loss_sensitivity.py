"""Loss sensitivity the slow way: the user's own model run eagerly by Keras, one sample at a time.

The softmax is taken off by `keras_eager`, and losses are computed in double precision.
"""

import keras
import numpy as np
import tensorflow as tf

from reference.keras_eager import running, samples_of


def cross_entropy(scores, label):
    """−log of the softmax at a class number, averaged over positions."""
    scores, label = tf.reshape(scores, (-1, scores.shape[-1])), np.ravel(label)
    parts = [tf.reduce_logsumexp(row) - row[int(number)] for row, number in zip(scores, label, strict=True)]
    return tf.add_n(parts) / len(parts)


def binary_cross_entropy(scores, label):
    """−y log σ(s) − (1 − y) log σ(−s), averaged over units and positions."""
    parts = [
        y * tf.math.log(1 + tf.exp(-s)) + (1 - y) * tf.math.log(1 + tf.exp(s))
        for s, y in zip(tf.reshape(scores, (-1,)), np.ravel(label).astype(float), strict=True)
    ]
    return tf.add_n(parts) / len(parts)


def sensitivities(model, inputs, labels, loss, *, pick=None, input=0, before=None, probabilities=False):
    """The L1 norms of the gradients, `(N,)`.

    Args:
        model: the user's own.
        inputs: as the model takes them.
        labels: one for each sample.
        loss: `(scores of a sample, its label) -> scalar`.
        pick: `outputs -> output`, of several.
        input: the number of the flat input.
        before: what happens to that input first.
        probabilities: whether the loss takes the outputs as they are.
    """
    norms = []
    for sample, label in zip(samples_of(inputs), labels, strict=True):
        flat = [tf.constant(array) for array in keras.tree.flatten(sample)]
        own = tf.cast(flat[input], tf.float32)
        with running(probabilities=probabilities), tf.GradientTape() as tape:
            tape.watch(own)
            flat[input] = before(own) if before else own
            outputs = model(keras.tree.pack_sequence_as(sample, flat), training=False)
            scores = (pick(outputs) if pick else outputs)[0]
            value = loss(tf.cast(scores, tf.float64), label)
        norms.append(np.abs(tape.gradient(value, own).numpy().astype(np.float64)).sum())
    return np.array(norms)
