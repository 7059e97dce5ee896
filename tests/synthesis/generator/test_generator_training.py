"""The training step: losses by hand, whose weights move, when the discriminator pauses, what is never touched."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasviz.errors import SettingError
from kerasviz.network import Network
from kerasviz.synthesis.generator import GeneratorTraining, LossWeights
from kerasviz.synthesis.generator.codes import CodeStatistics, code_statistics
from kerasviz.synthesis.spaces import ImageSpace

SPACE = ImageSpace(4, 4, 1, 0.0, 10.0)
WEIGHTS = LossWeights(image=0.7, feature=0.3, adversarial=0.2)


def _prepare(images):
    return images / 5 - 1


def _randomized(model, rng):
    """With other weights; those that begin at 1, among them variances, stay over 0."""
    drawn = [rng.normal(size=weight.shape, scale=0.1).astype("float32") for weight in model.get_weights()]
    ones = [bool((weight == 1).all()) for weight in model.get_weights()]
    model.set_weights([np.abs(new) + 0.5 if one else new for new, one in zip(drawn, ones, strict=True)])
    return model


@pytest.fixture
def classifier(rng):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Conv2D(2, 3, activation="tanh", name="features"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3, "relu", name="code"),
            layers.Dense(2, "softmax"),
        ]
    )
    return _randomized(model, rng)


@pytest.fixture
def images(rng):
    return rng.uniform(0, 10, size=(6, 4, 4, 1)).astype("float32")


@pytest.fixture
def training(classifier, images, rng):
    generator = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(16, "sigmoid"),
            keras.layers.Reshape((4, 4, 1)),
            keras.layers.Rescaling(10.0),
        ]
    )
    image, code = keras.Input((4, 4, 1)), keras.Input((3,))
    both = keras.layers.Concatenate()([keras.layers.Flatten()(image), code])
    discriminator = keras.Model([image, code], keras.layers.Dense(1)(both))
    network = Network(classifier)
    at = network.address("code"), network.address("features")
    statistics = CodeStatistics(np.zeros(3), np.ones(3), 0.0, 1.0, 0.25, 6)
    made = GeneratorTraining(
        network, *at, statistics, _randomized(generator, rng), _randomized(discriminator, rng),
        weights=WEIGHTS, prepare=_prepare, unit=SPACE.unit,
    )  # fmt: skip
    made.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.05))
    return made


def _by_hand(classifier, training, images):
    """The losses of a batch, and a tape that saw them, on the plain Keras models."""
    code = keras.Model(classifier.inputs[0], classifier.get_layer("code").output)
    features = keras.Model(classifier.inputs[0], classifier.get_layer("features").output)
    images = tf.constant(images)
    with tf.GradientTape(persistent=True) as tape:
        codes = code(_prepare(images), training=False)
        made = training.generator(codes)
        probability = tf.sigmoid(training.discriminator([made, codes]))
        image = tf.reduce_mean((made - images) ** 2) / 100
        feature = tf.reduce_mean((features(_prepare(made)) - features(_prepare(images))) ** 2) / 0.25
        adversarial = -tf.reduce_mean(tf.math.log(probability))
        loss = 0.7 * image + 0.3 * feature + 0.2 * adversarial
        real = tf.sigmoid(training.discriminator([images, codes]))
        judge = -tf.reduce_mean(tf.math.log(real)) - tf.reduce_mean(tf.math.log(1 - probability))
    figures = {"loss": loss, "image": image, "feature": feature, "adversarial": adversarial, "discriminator": judge}
    return {name: float(value) for name, value in figures.items()}, loss, judge, tape


@pytest.mark.slow
def test_figures_are_the_losses_by_hand_over_unequal_batches(classifier, training, images):
    expected, *_ = _by_hand(classifier, training, images)
    found = training.evaluate(images, batch_size=4, verbose=0, return_dict=True)
    assert found == pytest.approx({**expected, "judging": 1.0}, rel=1e-4)


@pytest.mark.slow
def test_a_step_moves_each_network_by_its_own_loss_and_nothing_else(classifier, training, images):
    expected, loss, judge, tape = _by_hand(classifier, training, images)
    moved = []
    for model, value, rate in ((training.generator, loss, 0.1), (training.discriminator, judge, 0.05)):
        weights = model.trainable_variables
        gradients = tape.gradient(value, weights)
        moved += [np.array(w) - rate * np.array(g) for w, g in zip(weights, gradients, strict=True)]
    before = [weight.copy() for weight in classifier.get_weights()]
    history = training.fit(images, batch_size=6, epochs=1, verbose=0).history
    after = [*training.generator.get_weights(), *training.discriminator.get_weights()]
    for found, wanted in zip(after, moved, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    assert {name: values[0] for name, values in history.items()} == pytest.approx(
        {**expected, "judging": 1.0}, rel=1e-4
    )
    for old, new in zip(before, classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert all(layer.trainable for layer in classifier.layers)
    own = {id(variable) for variable in training.variables}
    assert not own & {id(variable) for variable in classifier.variables}
    assert len(training.trainable_variables) == 4


@pytest.mark.parametrize(("shift", "paused"), [(20.0, True), pytest.param(0.0, False, marks=pytest.mark.slow)])
def test_the_discriminator_pauses_while_it_is_far_ahead(training, images, shift, paused):
    # A bias against what is dark: real images are white, and the generator makes black ones.
    weights = np.concatenate([np.full(16, 0.05), np.zeros(3)]).astype("float32")[:, None] * shift
    training.discriminator.set_weights([weights, np.float32([-4 * shift / 20])])
    kernel, bias = training.generator.get_weights()
    training.generator.set_weights([0 * kernel, 0 * bias - 8])
    training.generator.trainable = False
    training.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.05))
    white = np.full_like(images, 10)
    first = training.fit(white, batch_size=6, epochs=1, verbose=0).history
    assert first["judging"] == [1.0]
    assert (first["discriminator"][0] < 0.1 * first["adversarial"][0]) == paused
    before = training.discriminator.get_weights()
    second = training.fit(white, batch_size=6, epochs=1, verbose=0).history
    assert second["judging"] == [0.0 if paused else 1.0]
    same = [np.array_equal(old, new) for old, new in zip(before, training.discriminator.get_weights(), strict=True)]
    assert all(same) == paused
    if paused:
        # Once the generator has caught up it is trained again, from the step after.
        training.discriminator.set_weights([0 * weights, np.float32([0])])
        history = training.fit(white, batch_size=6, epochs=2, verbose=0).history
        assert history["judging"] == [0.0, 1.0]


@pytest.mark.slow
def test_predict_gives_the_images_of_the_codes(classifier, training, images):
    code = keras.Model(classifier.inputs[0], classifier.get_layer("code").output)
    expected = training.generator.predict(code.predict(_prepare(images), verbose=0), verbose=0)
    np.testing.assert_allclose(training.predict(images, batch_size=4, verbose=0), expected, rtol=1e-5)


@pytest.mark.slow
def test_statistics_are_those_of_all_codes(classifier, images):
    network = Network(classifier)
    at = network.address("code"), network.address("features")
    found = code_statistics(network, *at, images, prepare=_prepare, space=SPACE, batch_size=4)
    models = [keras.Model(classifier.inputs[0], classifier.get_layer(name).output) for name in ("code", "features")]
    codes, features = (model.predict(_prepare(images), verbose=0).astype("float64") for model in models)
    np.testing.assert_allclose(found.mean, codes.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.deviation, codes.std(0), rtol=1e-4, atol=1e-6)
    assert found.lowest == pytest.approx(codes.min())
    assert found.scale == pytest.approx(np.sqrt((codes**2).mean()), rel=1e-5)
    assert found.feature_variance == pytest.approx(features.var(0).mean(), rel=1e-4)
    assert found.count == 6


@pytest.mark.parametrize("weights", [{"image": -1}, {"feature": np.inf}, {"image": 0, "feature": 0, "adversarial": 0}])
def test_wrong_weights(weights):
    with pytest.raises(SettingError, match="weights"):
        LossWeights(**weights)


def test_the_default_weights_are_in_the_paper_s_proportion():
    # 2e-6 a pixel of 0 to 255 over 256 x 256 x 3 pixels against 100.
    paper = 2e-6 * 255**2 * 256 * 256 * 3 / 100
    assert LossWeights().image / LossWeights().adversarial == pytest.approx(paper, rel=0.01)
