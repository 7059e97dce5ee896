"""`to_gap` and `retrain_gap`: copies cut at a feature map, and trained."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo

import kerasviz as kv
from kerasviz.errors import LayerError, ModelError, SettingError
from kerasviz.network.gap_head import gap_head


def features_of(cut, inputs, head="gap_pool"):
    """What the pooling of a cut model gets."""
    return keras.Model(cut.input, cut.get_layer(head).input)(inputs, training=False).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(zoo.ZOO))
def test_the_trunk_is_that_of_the_model(name):
    specimen = zoo.ZOO[name]()
    network = kv.Network(specimen.model)
    address = network.address(specimen.layer)
    before = [weight.numpy().copy() for weight in specimen.model.weights]
    cut = kv.to_gap(specimen.model, specimen.layer, classes=5)
    sources = network.trace.sources_of(address)
    arrays = zip(network.inputs.check(specimen.inputs), network.inputs.specs, strict=True)
    seen = [array for array, spec in arrays if spec.name in sources]
    mine = features_of(cut, seen[0] if len(seen) == 1 else seen)
    theirs = network.activations(specimen.inputs, [address])[str(address)]
    # Half precision is copied as it is; the network computes it in float32.
    np.testing.assert_allclose(mine, theirs, atol=5e-3 if name == "mixed_float16" else 0)
    head = gap_head(kv.Network(cut))
    assert (head.channels, head.classes) == (theirs.shape[-1], 5)
    originals = {id(weight) for weight in specimen.model.weights}
    assert not originals & {id(weight) for weight in cut.weights}
    cut.set_weights([np.ones_like(weight) for weight in cut.get_weights()])
    for weight, value in zip(specimen.model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def classifier(size=16):
    keras.utils.set_random_seed(3)
    base = keras.Sequential(
        [
            keras.Input((size, size, 3)),
            keras.layers.Conv2D(6, 3, padding="same", name="first"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.ReLU(name="relu"),
            keras.layers.MaxPooling2D(name="pool"),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="last"),
        ],
        name="base",
    )
    inputs = keras.Input((size, size, 3))
    x = keras.layers.Flatten()(base(inputs, training=False))
    x = keras.layers.Dense(16, activation="relu", name="fc")(x)
    return keras.Model(inputs, keras.layers.Dense(4, activation="softmax", name="scores")(x), name="net")


def data(count=48, size=16):
    """Images whose class is the colour channel, or its absence, of a square."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 4, count)
    images = rng.random((count, size, size, 3)).astype("float32") * 0.2
    for image, label in zip(images, labels, strict=True):
        y, x = rng.integers(0, size - 6, 2)
        image[y : y + 6, x : x + 6] = np.eye(4)[label][:3]
    return images, labels


def test_fully_connected_layers_go_and_the_map_is_averaged():
    model, (images, _) = classifier(), data(4)
    cut = kv.to_gap(model, "base/relu", conv=5)
    assert [layer.name for layer in cut.layers[1:]] == ["first", "norm", "relu", "gap_conv", "gap_pool", "gap_scores"]
    assert cut.get_layer("gap_conv").kernel.shape == (3, 3, 6, 5)
    vectors = keras.Model(cut.input, cut.get_layer("gap_pool").output)(images).numpy()
    np.testing.assert_allclose(vectors, features_of(cut, images).mean((1, 2)), rtol=1e-5)
    assert cut.output_shape == (None, 4)
    np.testing.assert_allclose(cut(images).numpy().sum(1), 1, rtol=1e-5)
    with_names = kv.to_gap(cut, conv=2)
    assert [layer.name for layer in with_names.layers[-3:]] == ["gap_conv_again", "gap_pool", "gap_scores"]


def test_vgg16_loses_its_fully_connected_layers():
    model = keras.applications.VGG16(weights=None, input_shape=(32, 32, 3), classes=7)
    cut = kv.to_gap(model, "block5_conv3", conv=64)
    assert [layer.name for layer in cut.layers[-4:]] == ["block5_conv3", "gap_conv", "gap_pool", "gap_scores"]
    assert not {"fc1", "fc2"} & {layer.name for layer in cut.layers}
    assert cut.count_params() == 14_714_688 + (9 * 512 + 1) * 64 + (64 + 1) * 7


def test_it_saves_and_loads(tmp_path):
    cut, (images, _) = kv.to_gap(classifier(), "base/last", activation=None), data(4)
    cut.save(tmp_path / "cut.keras")
    loaded = keras.models.load_model(tmp_path / "cut.keras")
    np.testing.assert_array_equal(loaded(images).numpy(), cut(images).numpy())


def test_what_cannot_be_cut_is_refused():
    model = classifier()
    with pytest.raises(LayerError, match="base/last"):
        kv.to_gap(model, "base/lost")
    with pytest.raises(LayerError, match="spatial feature map"):
        kv.to_gap(model, "fc")
    with pytest.raises(SettingError, match="conv=0"):
        kv.to_gap(model, conv=0)
    with pytest.raises(ModelError, match="classes=10"):
        kv.to_gap(zoo.ZOO["two_outputs"]().model)
    custom = zoo.ZOO["custom_layers"]()
    inside = next(path for path in kv.Network(custom.model).layers if path.count("/") == 1)
    with pytest.raises(LayerError, match="around it"):
        kv.to_gap(custom.model, inside)


@keras.saving.register_keras_serializable("test_gap_model")
class Tensorflow(keras.Model):
    """Calls TensorFlow on what may be symbolic."""

    def __init__(self):
        super().__init__()
        self.conv = keras.layers.Conv2D(4, 3, name="conv")
        self.dense = keras.layers.Dense(3)

    def call(self, inputs):
        return self.dense(tf.reduce_mean(self.conv(tf.image.rgb_to_grayscale(inputs)), [1, 2]))


def test_a_call_in_plain_tensorflow_is_refused_with_the_mend():
    model = Tensorflow()
    model(np.zeros((1, 8, 8, 3), "float32"))
    with pytest.raises(ModelError, match=r"keras\.ops"):
        kv.to_gap(model, "conv", sample=np.zeros((1, 8, 8, 3), "float32"))


@pytest.mark.slow
def test_the_head_learns_while_the_trunk_is_frozen():
    model, (images, labels) = classifier(), data()
    before = [weight.copy() for weight in model.get_weights()]
    optimizer = keras.optimizers.Adam(0.02)
    trained = kv.retrain_gap(
        model,
        (images, labels),
        (images, labels),
        layer="base/last",
        conv=8,
        epochs=25,
        compile={"optimizer": optimizer},
    )
    assert "val_loss" in trained.history.history
    assert trained.evaluate(images, labels, verbose=0)[1] > 0.9
    for name in ("first", "last"):
        original, copy = model.get_layer("base").get_layer(name), trained.get_layer(name)
        np.testing.assert_array_equal(copy.kernel.numpy(), original.kernel.numpy())
        assert copy.trainable
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)
    assert optimizer.iterations == 0 and not optimizer.built


@pytest.mark.slow
def test_fine_tuning_moves_all_but_the_statistics():
    model, (images, labels) = classifier(), data()
    rates = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append((epoch, round(float(watch.model.optimizer.learning_rate), 7)))
    )
    trained = kv.retrain_gap(
        model,
        tf.data.Dataset.from_tensor_slices((images, labels)).batch(16),
        layer="base/last",
        epochs=2,
        fine_tune_epochs=2,
        fine_tune_rate=1e-4,
        callbacks=[watch],
    )
    assert rates == [(0, 1e-3), (1, 1e-3), (2, 1e-4), (3, 1e-4)]
    assert np.abs(trained.get_layer("first").kernel - model.get_layer("base").get_layer("first").kernel).max() > 1e-5
    np.testing.assert_array_equal(trained.get_layer("norm").gamma.numpy(), 1)
    assert all(layer.trainable for layer in trained.layers)


@pytest.mark.slow
def test_class_weights_reach_the_training():
    """A class of no weight is not learned."""
    images, labels = data()
    trained = kv.retrain_gap(
        classifier(),
        (images, labels),
        layer="base/last",
        conv=8,
        epochs=25,
        compile={"optimizer": keras.optimizers.Adam(0.02)},
        class_weight={0: 0.0, 1: 1.0, 2: 1.0, 3: 1.0},
    )
    assert not (trained.predict(images, verbose=0).argmax(1) == 0).any()


@pytest.mark.parametrize(
    ("activation", "loss", "kind"),
    [
        ("softmax", "sparse_categorical_crossentropy", "numbers"),
        ("softmax", "categorical_crossentropy", "one-hot"),
        ("sigmoid", "binary_crossentropy", "one-hot"),
        (None, "mse", "one-hot"),
    ],
)
@pytest.mark.slow
def test_the_loss_fits_activation_and_labels(activation, loss, kind):
    images, labels = data(8)
    labels = labels if kind == "numbers" else np.eye(4, dtype="float32")[labels]
    pairs = (images, labels), tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
    for train in pairs:
        trained = kv.retrain_gap(classifier(), train, layer="base/last", activation=activation, epochs=1)
        assert trained.loss == loss


class Interrupt(keras.callbacks.Callback):
    """Stops the program in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch, self.seen = epoch, []

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(epoch)
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("epoch", [2, 4], ids=["head", "whole"])
@pytest.mark.slow
def test_an_interrupted_training_goes_on(tmp_path, epoch):
    images, labels = data()
    settings = {"layer": "base/last", "epochs": 3, "fine_tune_epochs": 3, "checkpoint": tmp_path / "state"}

    def train(callback):
        keras.utils.set_random_seed(1)
        return kv.retrain_gap(classifier(), (images, labels), callbacks=[callback], shuffle=False, **settings)

    with pytest.raises(KeyboardInterrupt):
        train(Interrupt(epoch))
    second = Interrupt(None)
    resumed = train(second)
    assert second.seen == list(range(epoch, 6))
    keras.utils.set_random_seed(1)
    whole = kv.retrain_gap(
        classifier(), (images, labels), shuffle=False, **{**settings, "checkpoint": tmp_path / "other"}
    )
    for mine, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    third = Interrupt(0)
    for mine, theirs in zip(train(third).get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert third.seen == []
    with pytest.raises(SettingError, match="keeps a training"):
        kv.retrain_gap(classifier(), (images, labels), **{**settings, "layer": "base/relu"})


@pytest.mark.parametrize("settings", [{"epochs": 0}, {"fine_tune_epochs": -1}, {"fine_tune_rate": 0}, {"epochs": 1.5}])
def test_numbers_out_of_range(settings):
    with pytest.raises(SettingError, match=next(iter(settings))):
        kv.retrain_gap(classifier(), data(4), **settings)
