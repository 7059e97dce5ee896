"""Loss sensitivity through training, the slow ways: differences of whole trainings, and one tape over all updates."""

import keras
import numpy as np
import tensorflow as tf

from reference.keras_eager import running, samples_of


def batches(count, size, steps, seed):
    """The numbers of the samples of each update: every epoch a new order, cut into batches."""
    rng, order, drawn = np.random.default_rng(seed), [], []
    for _ in range(steps):
        order = order or rng.permutation(count).tolist()
        drawn.append(order[:size])
        order = order[size:]
    return drawn


def losses_of_trainings(weights, images, labels, drawn, rate):
    """Train a network of a tanh layer under a softmax, in numpy; the mean loss after each update.

    Args:
        weights: the kernel and the bias of each of its two layers.
        images: `(N, …)`.
        labels: `(N,)`, class numbers.
        drawn: the numbers of the samples of each update.
        rate: of learning.
    """
    inputs = images.reshape(len(images), -1).astype(float)
    first, first_bias, second, second_bias = (np.array(weight, float) for weight in weights)
    targets = np.eye(len(second_bias))[labels]
    means = []
    for rows in drawn:
        x, y = inputs[rows], targets[rows]
        hidden = np.tanh(x @ first + first_bias)
        odds = np.exp(hidden @ second + second_bias)
        at_scores = (odds / odds.sum(axis=1, keepdims=True) - y) / len(rows)
        at_hidden = at_scores @ second.T * (1 - hidden**2)
        first, first_bias = first - rate * x.T @ at_hidden, first_bias - rate * at_hidden.sum(axis=0)
        second, second_bias = second - rate * hidden.T @ at_scores, second_bias - rate * at_scores.sum(axis=0)
        scores = np.tanh(inputs @ first + first_bias) @ second + second_bias
        means.append(np.mean(np.log(np.exp(scores).sum(axis=1)) - (scores * targets).sum(axis=1)))
    return np.array(means)


def by_differences(weights, images, labels, drawn, rate, *, every=1, change=1e-4):
    """The sensitivities `(N,)`, from two whole trainings for each pixel, with a little more and less of it."""
    images = images.astype(float)
    slopes = np.zeros((len(drawn), *images.shape))
    for pixel in np.ndindex(images.shape):
        more, less = images.copy(), images.copy()
        more[pixel] += change
        less[pixel] -= change
        up, down = (losses_of_trainings(weights, changed, labels, drawn, rate) for changed in (more, less))
        slopes[:, *pixel] = (up - down) / (2 * change)
    norms = np.abs(slopes).reshape(len(drawn), len(images), -1).sum(axis=2)
    return norms[every - 1 :: every].mean(axis=0)


def by_one_tape(model, inputs, labels, drawn, rate, loss, *, pick=None, input=0, every=1):
    """The sensitivities `(N,)`: the user's own model, trained eagerly under a tape that sees everything.

    Args:
        model: the user's own.
        inputs: as the model takes them.
        labels: one for each sample.
        drawn: the numbers of the samples of each update.
        rate: of learning.
        loss: `(scores of a sample, its label) -> scalar`.
        pick: `outputs -> output`, of several.
        input: the number of the flat input.
        every: how many updates lie between two measurements.
    """
    rest = [variable.value for variable in model.non_trainable_variables]
    samples = [[tf.constant(array) for array in keras.tree.flatten(sample)] for sample in samples_of(inputs)]

    def mean_loss(weights, rows):
        losses = []
        for row in rows:
            flat = [*samples[row]]
            flat[input] = own[row]
            packed = keras.tree.pack_sequence_as(inputs, flat)
            outputs, _ = model.stateless_call(weights, rest, packed, training=False)
            scores = (pick(outputs) if pick else outputs)[0]
            losses.append(loss(tf.cast(scores, tf.float64), labels[row]))
        return tf.add_n(losses) / len(losses)

    own = [tf.cast(sample[input], tf.float32) for sample in samples]
    with running(), tf.GradientTape(persistent=True) as tape:
        tape.watch(own)
        weights = [tf.convert_to_tensor(variable.value) for variable in model.trainable_variables]
        tape.watch(weights)
        means = []
        for rows in drawn:
            with tf.GradientTape() as inner:
                inner.watch(weights)
                value = mean_loss(weights, rows)
            slopes = inner.gradient(value, weights, unconnected_gradients="zero")
            weights = [w - rate * tf.convert_to_tensor(slope) for w, slope in zip(weights, slopes, strict=True)]
            means.append(mean_loss(weights, range(len(own))))
    norms = [
        [np.abs(gradient.numpy().astype(float)).sum() for gradient in tape.gradient(mean, own)]
        for mean in means[every - 1 :: every]
    ]
    return np.mean(norms, axis=0)
