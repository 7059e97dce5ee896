"""SavedModels that `tf.saved_model.save` wrote, of the network `plain` in TensorFlow's own functions."""

import io

import keras
import numpy as np
import tensorflow as tf
import zoo
from keras import layers as L
from PIL import Image

from saved_models.origins import TENSORFLOW, Original, arrays_of, beside_plain, origin, pictures, shared_plain


class Plain(tf.Module):
    """The network `plain` in TensorFlow's own functions: functions within functions, two deep."""

    def __init__(self, weights, wrap=tf.Variable):
        super().__init__(name="plain")
        self.weights = {name: wrap(value, name=name) for name, value in weights.items()}

    @tf.function
    def convolve(self, x, layer, padding):
        with tf.name_scope(layer):
            return tf.nn.bias_add(
                tf.nn.conv2d(x, self.weights[f"{layer}/kernel"], 1, padding), self.weights[f"{layer}/bias"]
            )

    def normalize(self, x):
        moments = [self.weights[f"bn1/moving_{name}"] for name in ("mean", "variance")]
        with tf.name_scope("bn1"):
            return tf.nn.batch_normalization(x, *moments, self.weights["bn1/beta"], self.weights["bn1/gamma"], 1e-3)

    @tf.function
    def block1(self, x):
        with tf.name_scope("block1"):
            return tf.nn.max_pool2d(tf.nn.relu(self.normalize(self.convolve(x, "conv1", "SAME"))), 2, 2, "VALID")

    @tf.function
    def block2(self, x):
        with tf.name_scope("block2"):
            return tf.nn.relu(self.convolve(x, "conv2", "VALID"))

    def classify(self, features):
        with tf.name_scope("predictions"):
            pooled = tf.reduce_mean(features, [1, 2])
            return tf.matmul(pooled, self.weights["predictions/kernel"]) + self.weights["predictions/bias"]

    def logits(self, x):
        return self.classify(self.block2(self.block1(x)))

    @tf.function(input_signature=[tf.TensorSpec((None, 12, 10, 3), name="image")])
    def __call__(self, image):
        return tf.nn.softmax(self.logits(image))


@origin(TENSORFLOW)
def module(folder):
    weights, original = beside_plain(at="block2/Relu")
    tf.saved_model.save(Plain(weights), folder)
    return original


@origin(TENSORFLOW)
def keras_saved_by_tensorflow(folder):
    model = shared_plain()
    tf.saved_model.save(model, folder)
    return Original(model, zoo.images(12, 10, 3), layer="conv2")


@origin(TENSORFLOW)
def module_constants(folder):
    """Constants in the place of variables."""
    weights, original = beside_plain(at="block2/Relu")
    tf.saved_model.save(Plain(weights, wrap=tf.constant), folder)
    return original


@origin(TENSORFLOW)
def module_labels(folder):
    """A dict of outputs: numbers, an integer class, and a string from a table."""

    class Labelled(Plain):
        def __init__(self, weights):
            super().__init__(weights)
            names = tf.constant(["cat", "dog", "fox", "owl"])
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(tf.range(4, dtype=tf.int64), names), "?"
            )

        @tf.function(input_signature=[tf.TensorSpec((None, 12, 10, 3), name="image")])
        def __call__(self, image):
            logits = self.logits(image)
            best = tf.argmax(logits, axis=1)
            return {
                "class": best,
                "label": self.table.lookup(best),
                "logits": logits,
                "probabilities": tf.nn.softmax(logits),
            }

    weights, original = beside_plain(at="block2/Relu", output="probabilities")
    tf.saved_model.save(Labelled(weights), folder)
    return original


def _png(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


class Prepared(Plain):
    """Signatures that prepare pictures: numbers of other sizes, whole numbers, and encoded files."""

    def prepared(self, numbers):
        return tf.image.resize(numbers, (12, 10)) / 127.5 - 1.0

    @tf.function(input_signature=[tf.TensorSpec((None, 12, 10, 3), name="image")])
    def floats(self, image):
        return {"probabilities": tf.nn.softmax(self.logits(image))}

    @tf.function(input_signature=[tf.TensorSpec((None, 20, 16, 3), tf.uint8, name="picture")])
    def integers(self, picture):
        return {"probabilities": tf.nn.softmax(self.logits(self.prepared(tf.cast(picture, tf.float32))))}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="files")])
    def encoded(self, files):
        def read(file):
            picture = tf.ensure_shape(tf.io.decode_png(file, channels=3), (20, 16, 3))
            return self.prepared(tf.cast(picture, tf.float32)[None])[0]

        images = tf.map_fn(read, files, fn_output_signature=tf.TensorSpec((12, 10, 3)))
        return {"probabilities": tf.nn.softmax(self.logits(images))}


def _prepared(folder, signature):
    model = shared_plain()
    served = Prepared(arrays_of(model))
    signatures = {"floats": served.floats, "integers": served.integers, "encoded": served.encoded}
    tf.saved_model.save(served, folder, signatures=signatures)
    return model, signature


@origin(TENSORFLOW)
def signature_of_floats(folder):
    """One of three signatures."""
    model, signature = _prepared(folder, "floats")
    return Original(model, zoo.images(12, 10, 3), layer="conv2", at="block2/Relu", signature=signature)


@origin(TENSORFLOW)
def signature_of_integers(folder):
    """Cast, resized and scaled inside the graph: the picture as float is what is explained."""
    model, signature = _prepared(folder, "integers")
    inputs = keras.Input((20, 16, 3))
    x = L.Rescaling(1 / 127.5, offset=-1)(L.Resizing(12, 10)(inputs))
    shown = pictures(20, 16, 3)
    twin = keras.Model(inputs, model(x), name="prepared")
    return Original(
        twin,
        shown.astype("float32"),
        layer="plain/conv2",
        at="block2/Relu",
        signature=signature,
        raw={"picture": shown},
    )


@origin(TENSORFLOW)
def signature_of_files(folder):
    """Decoded and scaled in a loop over strings: what leaves it is explained."""
    model, signature = _prepared(folder, "encoded")
    shown = pictures(20, 16, 3)
    files = np.array([_png(picture) for picture in shown], object)
    inputs = Prepared.prepared(None, tf.cast(shown, tf.float32)).numpy()
    return Original(model, inputs, layer="conv2", at="block2/Relu", signature=signature, raw={"files": files})


@origin(TENSORFLOW)
def module_branches(folder):
    """`tf.cond` around the second block."""

    class Branching(Plain):
        @tf.function(input_signature=[tf.TensorSpec((None, 12, 10, 3), name="image")])
        def __call__(self, image):
            x = self.block1(image)
            # Never so, which the graph cannot know.
            x = tf.cond(tf.reduce_sum(tf.abs(x)) < 0, lambda: self.block2(x) * 2.0, lambda: self.block2(x))
            return tf.nn.softmax(self.classify(x))

    weights, original = beside_plain(at="block2/Relu")
    tf.saved_model.save(Branching(weights), folder)
    return original._replace(at="cond")


@origin(TENSORFLOW)
def module_loop(folder):
    """`tf.while_loop` around a convolution and its ReLU."""

    class Looping(Plain):
        @tf.function(input_signature=[tf.TensorSpec((None, 12, 10, 3), name="image")])
        def __call__(self, image):
            x = tf.nn.relu(self.convolve(image, "conv1", "SAME"))
            _, x = tf.while_loop(
                lambda i, x: i < 3, lambda i, x: (i + 1, tf.nn.relu(self.convolve(x, "again", "SAME"))), (0, x)
            )
            return tf.nn.softmax(self.classify(x))

    inputs = keras.Input((12, 10, 3))
    x = L.Conv2D(5, 3, padding="same", activation="relu", name="conv1")(inputs)
    again = L.Conv2D(5, 3, padding="same", activation="relu", name="again")
    for _ in range(3):
        x = again(x)
    twin = zoo.randomize(keras.Model(inputs, zoo.head(x)))
    tf.saved_model.save(Looping(arrays_of(twin)), folder)
    return Original(twin, zoo.images(12, 10, 3), layer="conv1", at="Relu")


@origin(TENSORFLOW)
def module_batch_of_one(folder):
    """Saved for one image at a time."""

    class One(Plain):
        @tf.function(input_signature=[tf.TensorSpec((1, 12, 10, 3), name="image")])
        def __call__(self, image):
            return tf.nn.softmax(self.logits(image))

    weights, original = beside_plain(at="block2/Relu")
    tf.saved_model.save(One(weights), folder)
    return original._replace(inputs=original.inputs[:1], target=1)


@origin(TENSORFLOW)
def module_without_batch(folder):
    """Takes one image without a batch axis, which it adds itself, and gives one row without."""

    class Single(Plain):
        @tf.function(input_signature=[tf.TensorSpec((12, 10, 3), name="image")])
        def __call__(self, image):
            return tf.nn.softmax(self.logits(image[None]))[0]

    weights, original = beside_plain(at="block2/Relu")
    tf.saved_model.save(Single(weights), folder)
    return original._replace(inputs=original.inputs[:1], target=1, raw={"image": original.inputs[0]})
