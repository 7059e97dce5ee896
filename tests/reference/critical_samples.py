"""Critical samples the slow way: one image at a time, an eager Keras model, a loop over the steps of Algorithm 1."""

import numpy as np
import tensorflow as tf


def hunt(model, image, radius, *, steps, step, noise, finish, seed):
    """Langevin adversarial sample search around one image.

    Returns:
        The step at which the class changed, or None, and the point of the last step.
    """
    point, predicted = image.astype("float64"), None
    for t in range(steps + 1):
        with tf.GradientTape() as tape:
            tensor = tf.constant(point[None].astype("float32"))
            tape.watch(tensor)
            probabilities = model(tensor, training=False)[0]
            predicted = int(np.argmax(probabilities)) if predicted is None else predicted
            loss = -tf.math.log(probabilities[predicted])
            if t >= steps - finish:
                others = [p for k, p in enumerate(tf.unstack(probabilities)) if k != predicted]
                loss += tf.math.log(tf.reduce_max(others))
        if int(np.argmax(probabilities)) != predicted:
            return t, point
        if t < steps:
            eta = tf.random.stateless_normal(image.shape, [seed, t + 1], alg="philox").numpy()
            gradient = tape.gradient(loss, tensor)[0].numpy()
            point = point + step * radius * np.sign(gradient) + (noise * radius * eta if t < steps - finish else 0)
            for place in np.ndindex(point.shape):
                if abs(point[place] - image[place]) > radius:
                    point[place] = image[place] + radius * np.sign(point[place] - image[place])
    return None, point
