"""`train_generator`: from a classifier and images to a generator of such images."""

import json
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from kerasviz import progress
from kerasviz.checks import checked_count, checked_seed
from kerasviz.errors import LayerError, ModelError, SettingError
from kerasviz.network import Network
from kerasviz.network.layers import Address
from kerasviz.synthesis.generator.architecture import build_discriminator, build_generator
from kerasviz.synthesis.generator.codes import code_statistics
from kerasviz.synthesis.generator.keeping import KeepingEpochs, Kept, ShuffledBatches
from kerasviz.synthesis.generator.trained import TrainedGenerator
from kerasviz.synthesis.generator.training import GeneratorTraining, LossWeights
from kerasviz.synthesis.making import Ground, ground
from kerasviz.synthesis.settings import preprocess_name

#: What has a row for each image and is shuffled; all else gives batches.
_ARRAYS = np.ndarray | tf.Tensor | list | tuple


def train_generator(
    model,
    images,
    layer,
    *,
    comparator=None,
    preprocess: str | Callable | None = None,
    value_range: tuple[float, float] | None = None,
    validation=None,
    generator: keras.Model | None = None,
    discriminator: keras.Model | None = None,
    weights: LossWeights = LossWeights(),  # noqa: B008 - frozen
    width: int = 32,
    epochs: int = 30,
    batch_size: int = 64,
    optimizer=None,
    discriminator_optimizer=None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
    seed: int = 0,
    sample=None,
    **fit,
) -> TrainedGenerator:
    """Train a generator to make images from a layer of a classifier, as `GeneratorMaximization` needs one.

    Dosovitskiy & Brox 2016; how Nguyen et al. 2016 made theirs. See `GeneratorTraining` for the losses. The
    classifier runs in inference mode and is never changed.

    A training with the same arguments repeats bit for bit on the same machine's CPU, and so does one that was
    killed and goes on from its checkpoint, as long as a data set gives the same batches in each epoch whenever it is
    gone through, and callbacks keep no state of their own (early stopping begins to count anew).

    Args:
        model: any built Keras classifier with one input, images of a fixed size; or the path of a saved one.
        images: what to train on, without labels: `(N, H, W, C)` before preprocessing; or a batched `tf.data.Dataset`
            or `keras.utils.PyDataset` of such, whose labels are passed over. Arrays are shuffled in each epoch.
        layer: whose activations are the codes, a vector or a map. Nguyen et al. 2016 found the first fully connected
            layer behind the convolutions best. Take it behind its rectifier.
        comparator: the layer whose features are compared; by default the last one before the head that has a
            feature map, or the layer itself if that is not before it.
        preprocess: what happens to images before the classifier takes them: a mode of `kerasviz.data.preprocess`,
            whose images are 0 to 255, or a differentiable function of tensors; None if it takes them as they are.
        value_range: the smallest and largest value of `images`; needed unless `preprocess` is a mode. The generator
            keeps to it. `(-inf, inf)` for no range.
        validation: images like these, for figures at the end of each epoch; None for none.
        generator: your own in place of `build_generator`'s: codes to images in the values of `value_range`. It is
            trained itself, not a copy.
        discriminator: your own in place of `build_discriminator`'s, likewise.
        weights: of the three losses; without an adversarial one there is no discriminator.
        width: channels of both networks at the full size.
        epochs: how many.
        batch_size: images of one step, where `images` is an array.
        optimizer: of the generator; a copy is used. By default Adam at 1e-3. Dosovitskiy & Brox 2016 take 2e-4, for
            very many more steps.
        discriminator_optimizer: the same; by default one like the generator's.
        callbacks: of Keras; `self.model` is the `GeneratorTraining`, `self.model.generator` the generator.
        checkpoint: a folder that keeps the state after each epoch. After an interruption, even a kill, the same call
            goes on from the last whole epoch; once done, it returns the trained generator at once.
        seed: of the initial weights and of the order of arrays.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.
        **fit: further arguments of `model.fit`: `validation_freq`, `verbose`, … With `verbose` Keras draws its bars.

    Raises:
        InputError: the images do not fit the classifier or the range.
        LayerError: no such layer, or it answers to all images alike.
        ModelError: the classifier has several inputs, or a given network does not fit.
        SaveError: the checkpoint cannot be written.
        SettingError: a setting is out of range, or the folder keeps another training.

    Example:
        >>> classifier = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(),
        ...                                keras.layers.Dense(16, "relu", name="code"), keras.layers.Dense(10)])
        >>> images = np.random.default_rng(0).uniform(size=(20, 8, 8, 1))
        >>> trained = train_generator(classifier, images, "code", value_range=(0, 1), width=4, epochs=1)
        >>> trained.image_shape, list(trained.history)[:3]
        ((8, 8, 1), ['adversarial', 'discriminator', 'feature'])
    """
    epochs, seed = checked_count("epochs", epochs), checked_seed(seed)
    batch_size = checked_count("batch_size", batch_size)
    base = ground(model, preprocess=preprocess, value_range=value_range, sample=sample)
    if len(base.network.inputs.specs) > 1:
        raise ModelError(
            f"{base.network.name!r} has {len(base.network.inputs.specs)} inputs",
            expected="a classifier of images alone",
            mend="Make a keras.Model around the part that takes the image",
        )
    code = base.network.address(layer)
    compared = _comparator(base.network, code) if comparator is None else base.network.address(comparator)
    batches, space = None, base.space
    if isinstance(images, _ARRAYS):
        (images,) = base.network.inputs.check(images)
        batches = ShuffledBatches(images, batch_size, seed)
    if isinstance(validation, np.ndarray | tf.Tensor):
        (validation,) = base.network.inputs.check(validation)
    statistics = code_statistics(
        base.network, code, compared, images, prepare=base.prepare, space=space, batch_size=batch_size
    )
    # Copies: a resumed training would find those of the user in use.
    own = [_copied(keras.optimizers.Adam(1e-3) if optimizer is None else optimizer)]
    own.append(_copied(own[0] if discriminator_optimizer is None else discriminator_optimizer))
    asked = {
        "layer": str(code),
        "comparator": str(compared),
        "value_range": [space.low, space.high] if space.bounded else None,
        "preprocess": preprocess_name(preprocess),
        "weights": [weights.image, weights.feature, weights.adversarial],
        "width": width,
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizers": [_described(each) for each in own],
        "seed": seed,
        "images": statistics.count,
        # Of these images and this classifier; the last digits may differ on another machine.
        "code_scale": f"{statistics.scale:.4g}",
    }
    kept = Kept(checkpoint, asked)
    training = _training(base, code, compared, statistics, generator, discriminator, weights, width, seed)
    training.compile(*own)
    kept.restore(training.state())
    if not kept.done:
        _fit(training, images if batches is None else batches, validation, epochs, callbacks, kept, fit)
    return TrainedGenerator(
        training.generator,
        str(code),
        statistics.mean,
        statistics.deviation,
        statistics.lowest,
        value_range=(space.low, space.high),
        preprocess=preprocess,
        settings=asked,
        history=kept.history,
    )


def _copied(optimizer):
    optimizer = keras.optimizers.get(optimizer)
    return type(optimizer).from_config(optimizer.get_config())


def _described(optimizer):
    """An optimizer with its settings, as JSON gives them back; without its name, which Keras numbers."""
    config = {name: value for name, value in optimizer.get_config().items() if name != "name" and value is not None}
    return json.loads(json.dumps({"kind": type(optimizer).__name__, **config}, default=str))


def _comparator(network: Network, code: Address) -> Address:
    try:
        last = network.address(None)
    except LayerError:
        return code
    order = [call.path for call in network.trace.calls]
    return last if order.index(last.path) < order.index(code.path) else code


def _training(base: Ground, code, compared, statistics, generator, discriminator, weights, width, seed):
    shapes = statistics.mean.shape, base.space.shape
    own = {"value_range": (base.space.low, base.space.high), "width": width, "code_scale": statistics.scale}
    if generator is None:
        generator = build_generator(*shapes, **own, seed=seed)
    elif (generator.input_shape[1:], generator.output_shape[1:]) != shapes:
        raise ModelError(
            f"The generator makes {generator.output_shape[1:]} of {generator.input_shape[1:]}",
            expected=f"images {shapes[1]} of codes {shapes[0]}",
            mend="build_generator(code_shape, image_shape) makes one that fits",
        )
    if not weights.adversarial:
        if discriminator is not None:
            raise SettingError(
                "A discriminator is given, and its loss has no weight",
                expected="an adversarial weight over 0",
                mend="Pass weights=LossWeights(), or leave the discriminator out",
            )
    elif discriminator is None:
        # Another seed: else equal shapes would begin with the weights of the generator.
        discriminator = build_discriminator(*reversed(shapes), **own, seed=(seed + 1) % 2**31)
    return GeneratorTraining(
        base.network,
        code,
        compared,
        statistics,
        generator,
        discriminator,
        weights=weights,
        prepare=base.prepare,
        unit=base.space.unit,
    )


def _fit(training: GeneratorTraining, images, validation, epochs, callbacks, kept: Kept, fit):
    callbacks = list(callbacks)
    if isinstance(images, ShuffledBatches):
        callbacks, images = [images, *callbacks], images.data_set
    if validation is not None:
        fit = {**fit, "validation_data": validation}
    if isinstance(images, tf.data.Dataset):
        fit = {"shuffle": False, **fit}  # A data set shuffles itself; Keras warns of its own default.
    with progress.bar(epochs, "Training a generator", unit="epochs", before=kept.epochs) as advance:
        # The last of them, so that what others change is kept too.
        callbacks.append(KeepingEpochs(kept, advance))
        training.fit(images, callbacks=callbacks, initial_epoch=kept.epochs, epochs=epochs, **{"verbose": 0, **fit})
    kept.keep(training.state(), kept.epochs, done=True)
