"""SavedModels that TensorFlow 1 wrote: a graph, a session and a builder."""

import contextlib
import io
import warnings

import numpy as np
import tensorflow as tf

from saved_models.origins import TENSORFLOW_1, beside_plain, origin


class PlainOne:
    """The network `plain` as TensorFlow 1 wrote it: variables by scope, a placeholder that tells training."""

    def __init__(self, weights, *, resource=False, trains=True):
        self.weights, self.resource, self.trains = weights, resource, trains

    def variable(self, name):
        return tf.compat.v1.get_variable(
            name.rsplit("/", 1)[1], initializer=self.weights[name], use_resource=self.resource
        )

    def convolve(self, x, layer, padding):
        with tf.compat.v1.variable_scope(layer):
            x = tf.nn.conv2d(x, self.variable(f"{layer}/kernel"), 1, padding)
            return tf.nn.bias_add(x, self.variable(f"{layer}/bias"))

    def normalize(self, x):
        with tf.compat.v1.variable_scope("bn1"):
            names = ("moving_mean", "moving_variance", "beta", "gamma")
            mean, variance, beta, gamma = (self.variable(f"bn1/{name}") for name in names)
            if not self.trains:
                return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-3)

            def train():
                now = tf.nn.moments(x, [0, 1, 2])
                moved = [
                    tf.compat.v1.assign(old, old * 0.9 + new * 0.1)
                    for old, new in zip((mean, variance), now, strict=True)
                ]
                with tf.control_dependencies(moved):
                    return [tf.identity(value) for value in now]

            training = tf.compat.v1.placeholder_with_default(False, (), name="is_training")
            moments = tf.cond(training, train, lambda: [tf.identity(mean), tf.identity(variance)])
            return tf.nn.batch_normalization(x, *moments, beta, gamma, 1e-3)

    def logits(self, image):
        with tf.compat.v1.variable_scope("net/stage_1"):
            x = tf.nn.relu(self.normalize(self.convolve(image, "conv1", "SAME")))
            x = tf.compat.v1.nn.max_pool(x, 2, 2, "VALID", name="pool")
        with tf.compat.v1.variable_scope("net/stage_2"):
            x = tf.nn.relu(self.convolve(x, "conv2", "VALID"))
        with tf.compat.v1.variable_scope("head/predictions"):
            pooled = tf.reduce_mean(x, [1, 2])
            product = tf.matmul(pooled, self.variable("predictions/kernel"))
            return tf.nn.bias_add(product, self.variable("predictions/bias"), name="logits")


@contextlib.contextmanager
def _session(*, old_control_flow):
    """A graph and a session of TensorFlow 1; with its control flow too, of `Switch`, `Merge` and `Enter`, if asked."""
    new = tf.compat.v1.control_flow_v2_enabled()
    if old_control_flow:
        tf.compat.v1.disable_control_flow_v2()
    try:
        with warnings.catch_warnings(), tf.Graph().as_default(), tf.compat.v1.Session() as session:
            warnings.simplefilter("ignore")
            yield session
    finally:
        if new:
            tf.compat.v1.enable_control_flow_v2()


def _write_1(session, folder, signatures):
    """Initialize and save, with `{name: (inputs, outputs)}`."""
    v1 = tf.compat.v1.saved_model
    session.run(tf.compat.v1.global_variables_initializer())
    builder = v1.Builder(str(folder))
    definitions = {
        name: v1.build_signature_def(
            *({key: v1.build_tensor_info(tensor) for key, tensor in part.items()} for part in (inputs, outputs)),
            method_name=v1.signature_constants.PREDICT_METHOD_NAME,
        )
        for name, (inputs, outputs) in signatures.items()
    }
    builder.add_meta_graph_and_variables(
        session, ["serve"], signature_def_map=definitions, main_op=tf.compat.v1.tables_initializer()
    )
    with contextlib.redirect_stdout(io.StringIO()):
        builder.save()


def _image_placeholder():
    return tf.compat.v1.placeholder(tf.float32, (None, 12, 10, 3), name="image")


@origin(TENSORFLOW_1)
def session_simple_save(folder):
    """`simple_save` of reference variables, with the control flow of the time."""
    weights, original = beside_plain(at="net/stage_2/Relu")
    with _session(old_control_flow=True) as session:
        image = _image_placeholder()
        probabilities = tf.nn.softmax(PlainOne(weights).logits(image), name="probabilities")
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, str(folder), {"image": image}, {"probabilities": probabilities})
    return original


@origin(TENSORFLOW_1)
def session_predict(folder):
    """As Estimators exported: "predict" beside others, keys that pass through, and a string class."""
    weights, original = beside_plain(at="net/stage_2/Relu", signature="predict", output="probabilities")
    with _session(old_control_flow=False) as session:
        image = _image_placeholder()
        keys = tf.compat.v1.placeholder(tf.string, (None,), name="keys")
        logits = PlainOne(weights, resource=True).logits(image)
        classes = tf.argmax(logits, axis=1, name="classes")
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.range(4, dtype=tf.int64), tf.constant(["cat", "dog", "fox", "owl"])),
            "?",
        )
        outputs = {
            "classes": classes,
            "keys": tf.identity(keys),
            "labels": table.lookup(classes),
            "logits": logits,
            "probabilities": tf.nn.softmax(logits),
        }
        taken = {"pixels": image, "keys": keys}
        _write_1(session, folder, {"predict": (taken, outputs), "classify": ({"pixels": image}, {"classes": classes})})
    raw = {"pixels": original.inputs, "keys": np.array([b"a", b"b", b"c"], object)}
    return original._replace(raw=raw)


@origin(TENSORFLOW_1)
def session_examples(folder):
    """Serialized `tf.train.Example`s in, the numbers of the image among their features."""
    weights, original = beside_plain(at="net/stage_2/Relu")
    with _session(old_control_flow=True) as session:
        examples = tf.compat.v1.placeholder(tf.string, (None,), name="examples")
        features = tf.io.parse_example(examples, {"image": tf.io.FixedLenFeature((12 * 10 * 3,), tf.float32)})
        image = tf.reshape(features["image"], (-1, 12, 10, 3))
        logits = PlainOne(weights).logits(image)
        _write_1(session, folder, {"serving_default": ({"examples": examples}, {"scores": tf.nn.softmax(logits)})})
    return original._replace(raw={"examples": np.array([_example(image) for image in original.inputs], object)})


def _example(image):
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=image.ravel()))
    return tf.train.Example(features=tf.train.Features(feature={"image": feature})).SerializeToString()


@origin(TENSORFLOW_1)
def session_frozen(folder):
    """A frozen graph, imported and saved again: constants, and nothing among the variables."""
    weights, original = beside_plain(at="net/stage_2/Relu")
    with _session(old_control_flow=True) as session:
        probabilities = tf.nn.softmax(PlainOne(weights, trains=False).logits(_image_placeholder()), name="out")
        session.run(tf.compat.v1.global_variables_initializer())
        graph = session.graph.as_graph_def()
        frozen = tf.compat.v1.graph_util.convert_variables_to_constants(session, graph, [probabilities.op.name])
    with _session(old_control_flow=True) as session:
        image, out = tf.import_graph_def(frozen, return_elements=["image:0", "out:0"], name="frozen")
        _write_1(session, folder, {"serving_default": ({"image": image}, {"out": out})})
    return original
