"""What the tests of occlusion share: networks, shared by all tests, that must not change them; and slow scores."""

import functools

import keras
import numpy as np
import tensorflow as tf
import zoo
from keras import layers as L
from reference import keras_eager
from reference import occlusion as slow

#: Sizes and strides, different along each axis, so that some positions are moved back to the edge.
PATCHES = {1: ((6,), (4,)), 2: ((4, 3), (3, 2)), 3: ((2, 3, 4), (1, 3, 2))}


#: A value is the difference of two scores of float32, which lose digits.
TOLERANCE = 2e-5


def assert_close(values, expected, tolerance=TOLERANCE):
    """Relative to the range of each sample's map."""
    assert values.shape == expected.shape
    for one, wanted in zip(values, expected, strict=True):
        assert np.abs(one - wanted).max() <= tolerance * max(np.ptp(wanted), np.abs(wanted).max())


def scores_of(case, i, number, replaced=0, **running):
    """`images -> (P,)`, the scores of a class of sample `i` with other images in the place of one input."""

    def scores(images):
        flat = [np.repeat(np.asarray(array), len(images), 0) for array in keras.tree.flatten(case.samples[i])]
        flat[replaced] = np.asarray(images, flat[replaced].dtype)
        with keras_eager.running(**running):
            outputs = case.plain_model(keras.tree.pack_sequence_as(case.samples[i], flat), training=False)
        rows = [keras.tree.map_structure(lambda out, k=k: out[k : k + 1], outputs) for k in range(len(images))]
        return np.array([float(case.score(number)(row)) for row in rows])

    return scores


def spatial_of(case, i):
    """The numbers and the images of a sample's inputs that have axes of space."""
    arrays = [np.asarray(array)[0] for array in keras.tree.flatten(case.samples[i])]
    return [(number, array) for number, array in enumerate(arrays) if array.ndim > 1]


def linear_model(*shape, classes=3):
    """A score that is linear in the image, and its weights."""
    inputs = keras.Input(shape)
    model = zoo.randomize(keras.Model(inputs, L.Dense(classes)(L.Flatten()(inputs))))
    return model, model.layers[-1].get_weights()[0].reshape(*shape, classes)


def lost_part(weights, image, fill, start, size):
    """What a linear score loses of a patch."""
    parts = (weights * (image - fill)).sum(-1)
    return sum(parts[pixel] for pixel in slow.pixels(start, size))


def logits_of(model, number):
    def scores(images):
        with keras_eager.running():
            return model(np.asarray(images, "float32"), training=False).numpy()[:, number]

    return scores


class Kept(L.Layer):
    """Keeps every batch that it sees."""

    seen: list = []  # noqa: RUF012

    def call(self, x):
        def keep(t):
            self.seen.append(t.numpy())
            return t

        kept = tf.py_function(keep, [x], x.dtype)
        kept.set_shape(x.shape)
        return kept


@functools.cache
def watched(rows=9, columns=7):
    """A network that keeps what it is run on, and images for it."""
    inputs = keras.Input((rows, columns, 2), name="photo")
    x = L.Conv2D(4, 3, activation="relu", name="conv")(Kept()(inputs))
    return zoo.randomize(keras.Model(inputs, L.Dense(3)(L.Flatten()(x)))), zoo.images(rows, columns, 2, count=2)


@functools.cache
def wide():
    """A network so large that boxes pay, and images for it."""
    inputs = keras.Input((40, 28, 3))
    x = L.Conv2D(24, 3, padding="same", activation="relu", name="conv1")(inputs)
    x = L.MaxPooling2D(2)(L.Conv2D(24, 3, padding="same", activation="relu")(x))
    x = L.Conv2D(24, 3, padding="same", activation="relu", name="conv3")(x)
    return zoo.randomize(keras.Model(inputs, zoo.head(x))), zoo.images(40, 28, 3, count=2)
