"""DeepDream as its authors' notebook has it, image by image and step by step, without jitter."""

import numpy as np
import tensorflow as tf


def dream(activation, photograph, sizes, *, steps, step_size, low, high):
    """One photograph, `(H, W, C)`.

    Args:
        activation: a function of one image with a batch axis, whose mean square is raised.
        sizes: of the octaves, the smallest first.
        step_size: mean absolute change of a step, in values.
    """
    detail = np.zeros((*sizes[0], photograph.shape[-1]), np.float32)
    for size in sizes:
        base = _resized(photograph, size)
        image = np.clip(base + _resized(detail, size), low, high)
        for _ in range(steps):
            x = tf.constant(image[None])
            with tf.GradientTape() as tape:
                tape.watch(x)
                height = tf.reduce_mean(activation(x) ** 2)
            gradient = tape.gradient(height, x)[0].numpy()
            image = np.clip(image + step_size * gradient / np.abs(gradient).mean(), low, high)
        detail = image - base
    return image


def _resized(image, size):
    return image if image.shape[:2] == tuple(size) else tf.image.resize(image, size, antialias=True).numpy()
