"""`GeneratorTraining`: a Keras model whose `fit` trains a generator to invert a layer of a classifier."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import tensorflow as tf

from kerasviz.errors import SettingError
from kerasviz.network import Network
from kerasviz.network.layers import Address
from kerasviz.synthesis.generator.codes import CodeStatistics

#: The figures of a training, in the order of the history.
FIGURES = ("loss", "image", "feature", "adversarial", "discriminator", "judging")
#: Ratios of the discriminator's loss to the generator's at which the discriminator pauses, and goes on.
_PAUSE, _RESUME = 0.1, 0.5


@dataclass(frozen=True)
class LossWeights:
    """How much each of the three losses of a generator counts.

    All three are means, not sums, so that one choice holds for images and features of any size: over the values of
    images in 0 to 1 for the whole range of values (as they are where there is none), over the values of the
    compared features in units of their mean variance over the data, and over images.

    Dosovitskiy & Brox 2016 weigh sums: 2e-6 over pixels of 0 to 255, 0.01 over AlexNet's pool5, 100 for the
    adversarial loss. In means, for their 256 × 256 × 3 pixels and 9216 features, these are 25600, 92 times the
    variance of a feature, and 100. So the image counts 256 times as much as the adversarial loss, which is kept
    here. What the features count next to the image depends on the network; here they count as much.

    Args:
        image: weight of the mean squared difference of the images.
        feature: weight of that of the features.
        adversarial: weight of −log D, D the probability of being of the data; 0 for no discriminator.

    Raises:
        SettingError: a weight is negative or not finite, or all are zero.
    """

    image: float = 1.0
    feature: float = 1.0
    adversarial: float = 1 / 256

    def __post_init__(self):
        weights = (self.image, self.feature, self.adversarial)
        if not all(0 <= weight < float("inf") for weight in weights) or not any(weights):
            raise SettingError(
                f"weights={weights}", expected="finite numbers from 0 up, one of them over 0", mend="Leave them out"
            )


class GeneratorTraining(keras.Model):
    """Trains a generator to make an image from the activation of a layer when a classifier looks at that image.

    Dosovitskiy & Brox 2016, "Generating Images with Perceptual Similarity Metrics based on Deep Networks": G inverts
    the layer E, helped by the features C and by a discriminator D, with the loss

        λ_image · mean (G(E(x)) − x)² + λ_feature · mean (C(G(E(x))) − C(x))² / variance of C + λ_adv · (−log D),

    see `LossWeights`. Each step trains G, then D on the same images, which knows the codes: D's loss is
    −log D(x) − log(1 − D(G(E(x)))). As in the authors' code D pauses while its loss is below a tenth of −log D(G),
    until it is over half of that.

    `compile(optimizer, discriminator_optimizer)`, then `fit(images)` as with any Keras model, on arrays or a
    `tf.data.Dataset`, with `validation_data`, callbacks and all. Labels are passed over. The history holds
    "loss" (that of G), its three parts before weights "image", "feature", "adversarial", D's "discriminator", and
    "judging", the share of steps in which D was trained. `predict(images)` gives G(E(x)).

    The classifier runs in inference mode, on the user's own weights, and is never changed: its variables are not
    among those of this model.

    Args:
        network: the classifier, with one input, opened.
        code: the layer E.
        comparator: the layer C.
        statistics: of the codes and of the compared features.
        generator: G, from codes to images in values of `unit`.
        discriminator: D, `[images, codes] -> (N, 1)` logits; None where its loss has no weight.
        weights: of the losses.
        prepare: what happens to images before the classifier takes them, a function of tensors.
        unit: images in units of 0 to 1.
    """

    def __init__(
        self,
        network: Network,
        code: Address,
        comparator: Address,
        statistics: CodeStatistics,
        generator: keras.Model,
        discriminator: keras.Model | None,
        *,
        weights: LossWeights,
        prepare: Callable,
        unit: Callable,
    ):
        # Losses are computed in float32, whatever the global policy.
        super().__init__(dtype="float32", name="generator_training")
        self.generator, self.discriminator = generator, discriminator
        self.weights_of_losses = weights
        self._network, self._code, self._comparator = network, code, comparator
        self._feature_variance = statistics.feature_variance
        self._prepare, self._unit = prepare, unit
        self._figures = {name: keras.metrics.Mean(name, dtype="float32") for name in FIGURES}
        self._judging = self.add_weight(name="judging", shape=(), initializer="ones", trainable=False)
        self.discriminator_optimizer = None
        self.built = True

    def compile(self, optimizer, discriminator_optimizer=None, **arguments):
        """Compile, as every Keras model.

        Args:
            optimizer: of the generator.
            discriminator_optimizer: of the discriminator; one like the generator's if None.
            **arguments: `jit_compile`, `run_eagerly` and `steps_per_execution` of `keras.Model.compile`.
        """
        super().compile(optimizer=optimizer, **arguments)
        self.optimizer.build(self.generator.trainable_variables)
        if self.discriminator is not None:
            given = self.optimizer if discriminator_optimizer is None else keras.optimizers.get(discriminator_optimizer)
            self.discriminator_optimizer = type(given).from_config(given.get_config())
            self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    def state(self) -> list:
        """All variables that the next step depends on."""
        optimizers = [each for each in (self.optimizer, self.discriminator_optimizer) if each is not None]
        return [*self.variables, *(variable for each in optimizers for variable in each.variables)]

    @property
    def metrics(self):
        """The figures of a step, as means over an epoch."""
        return [*self._figures.values()]

    def call(self, images):
        """The images that the generator makes of the codes of images."""
        return self.generator(self._look(images, [self._code])[0], training=False)

    def train_step(self, data):
        """Train the generator, then the discriminator, on a batch."""
        images = self._images_of(data)
        codes, features = self._look(images, [self._code, self._comparator])
        weights = self.generator.trainable_variables
        with tf.GradientTape() as tape:
            made = self.generator(codes, training=True)
            parts = self._compared(images, codes, features, made)
        self.optimizer.apply(tape.gradient(parts["loss"], weights), weights)
        if self.discriminator is not None:
            parts |= self._judge(images, codes, made, parts["adversarial"])
        return self._updated(parts, images)

    def test_step(self, data):
        """The figures of a batch, without training."""
        images = self._images_of(data)
        codes, features = self._look(images, [self._code, self._comparator])
        made = self.generator(codes, training=False)
        parts = self._compared(images, codes, features, made)
        if self.discriminator is not None:
            parts |= {"discriminator": self._judged(images, codes, made), "judging": self._judging.value}
        return self._updated(parts, images)

    def _images_of(self, data):
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return tf.cast(images, tf.float32)

    def _look(self, images, taps):
        activations = self._network.forward([self._prepare(images)], taps).activations
        return [tf.cast(activations[address], tf.float32) for address in taps]

    def _compared(self, images, codes, features, made):
        (seen,) = self._look(made, [self._comparator])
        parts = {
            "image": tf.reduce_mean(tf.square(self._unit(made) - self._unit(images))),
            "feature": tf.reduce_mean(tf.square(seen - features)) / self._feature_variance,
            "adversarial": tf.constant(0.0),
        }
        if self.discriminator is not None:
            parts["adversarial"] = tf.reduce_mean(tf.nn.softplus(-self.discriminator([made, codes], training=False)))
        weights = self.weights_of_losses
        terms = [getattr(weights, name) * part for name, part in parts.items()]
        return {"loss": tf.add_n(terms), **parts}

    def _judged(self, images, codes, made):
        real = self.discriminator([images, codes], training=True)
        false = self.discriminator([made, codes], training=True)
        return tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(false))

    def _judge(self, images, codes, made, convincing):
        """Train the discriminator, unless it pauses, and decide whether it does in the next step."""
        weights = self.discriminator.trainable_variables
        with tf.GradientTape() as tape:
            loss = self._judged(images, codes, made)
        gradients = tape.gradient(loss, weights)
        judging = tf.identity(self._judging.value)
        tf.cond(judging > 0, lambda: self._apply(gradients, weights), lambda: tf.constant(0))
        goes_on = tf.where(loss < _PAUSE * convincing, 0.0, tf.where(loss > _RESUME * convincing, 1.0, judging))
        self._judging.assign(goes_on)
        return {"discriminator": loss, "judging": judging}

    def _apply(self, gradients, weights):
        self.discriminator_optimizer.apply(gradients, weights)
        return tf.constant(1)

    def _updated(self, parts, images):
        count = tf.cast(tf.shape(images)[0], tf.float32)
        for name, value in parts.items():
            self._figures[name].update_state(value, sample_weight=count)
        return self.get_metrics_result()
