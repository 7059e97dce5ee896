"""`GeneratorMaximization`: the images of a trained generator that a unit answers to most."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from kerasviz.checks import checked_count, checked_number
from kerasviz.network import Network
from kerasviz.network.network import chunks
from kerasviz.synthesis.ascent import Ascent
from kerasviz.synthesis.generator.trained import TrainedGenerator
from kerasviz.synthesis.making import as_objective, described, ground, recorded
from kerasviz.synthesis.parametrizations.generated import ThroughGenerator
from kerasviz.synthesis.record import SynthesizedImages
from kerasviz.synthesis.settings import preparation

#: Of the step size in the end, as in the authors' code.
_LAST_RATE = 1e-10
#: Their first step, 8.0, in means of the upper bounds that they took for fc6 of CaffeNet, 11.85.
_RATE_OF_BOUND = 8.0 / 11.85


class GeneratorMaximization:
    """Makes images that a network answers strongly to, and that look like those a generator was trained on.

    Nguyen et al. 2016, "Synthesizing the preferred inputs for neurons in neural networks via deep generator networks"
    (DGN-AM). Looks among the codes y of a generator G. For the gradient g of the objective on G(y) with respect to y:

        y ← clip(y + s · g / mean |g|, low, high) · decay

    with a step s that falls in a straight line to 1e-10. The gradient goes through both networks, in inference mode,
    and neither is changed. The authors' code also divides the gradient at the image by its mean before it takes it
    on to the code. The second division undoes that, since the way through the generator is linear in it.

    The network that is looked into may be another than the one that the generator was trained with.

    Args:
        model: any built Keras model, or the path of a saved one.
        trained: the generator.
        preprocess: what happens to images before `model` takes them, as for `kv.ActivationMaximization`; by default
            what happened to them in the training of the generator.
        rate: the first step, in units of the codes; by default 0.675 of the mean of the upper bounds: 8.0 is that for
            the authors' bounds, whose mean is 11.85. Steps have this size whatever the objective and the networks.
        deviations: how far above the mean a unit of a code may come, in standard deviations over the training
            images; see `TrainedGenerator.bounds`. With less, images are more like those of the data, and weaker.
        decay: what codes are multiplied by after each step, in (0, 1]; 1 for no L2 decay.
        transforms: as for `kv.ActivationMaximization`; none by default.
        regularizers: likewise.
        encoder: the classifier that the generator was trained with, if `model` is another. Only needed to begin from
            images.
        input: as for `kv.ActivationMaximization`.
        others: likewise.
        batch_size: how many images are made at once; bounds the memory.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        InputError: no input can be made, or several could be meant.
        ModelError: the model cannot be opened.
        SettingError: a setting is wrong, or the generator's images have other channels than the model takes.

    Example:
        >>> import kerasviz as kv
        >>> from kerasviz.synthesis.generator import build_generator
        >>> model = kv.data.shapes.shapes_model()
        >>> generator = build_generator((64,), (64, 64, 3), value_range=(0, 255), width=4)
        >>> one = np.ones(64, "float32")
        >>> trained = TrainedGenerator(generator, "gap", one, one, value_range=(0, 255))
        >>> made = GeneratorMaximization(model, trained)([0, 3], steps=2)
        >>> made.shape, made.names
        ((2, 64, 64, 3), ('class 0', 'class 3'))
    """

    def __init__(
        self,
        model,
        trained: TrainedGenerator,
        *,
        preprocess: str | Callable | None = "trained",
        rate: float | None = None,
        deviations: float = 3.0,
        decay: float = 0.99,
        transforms: Sequence = (),
        regularizers: Sequence = (),
        encoder=None,
        input: str | None = None,
        others: Mapping[str, np.ndarray] | None = None,
        batch_size: int = 16,
        sample=None,
    ):
        low, high = trained.bounds(deviations)
        # Where codes may be negative their size is the distance between the bounds' middle and end, not the end.
        reach = high if trained.lowest >= 0 else (high - low) / 2
        self.rate = float(_RATE_OF_BOUND * reach.mean()) if rate is None else checked_number("rate", rate, _LAST_RATE)
        self.trained, self.batch_size, self.deviations = trained, batch_size, deviations
        self._ground = ground(
            model,
            size=trained.image_shape[:2],
            preprocess=trained.preprocess if isinstance(preprocess, str) and preprocess == "trained" else preprocess,
            value_range=trained.value_range,
            input=input,
            sample=sample,
        )
        self._parametrization = _Codes(
            generator=trained.model,
            value_range=trained.value_range,
            low=low,
            high=high,
            decay=decay,
            encode=lambda images: self._encoded(images, model if encoder is None else encoder),
        )
        self._setting = {"transforms": tuple(transforms), "regularizers": tuple(regularizers)}
        self._others = others
        self._ascent: tuple[int, Ascent] | None = None
        self._ascent_of(1)

    @property
    def network(self):
        """The network, opened."""
        return self._ground.network

    def __call__(
        self,
        objective,
        count: int | None = None,
        *,
        steps: int = 200,
        seed: int = 0,
        images=None,
        look: int = 16,
        keep: str = "last",
        snapshots: Sequence[int] = (),
        callbacks: Sequence[Callable] = (),
    ) -> SynthesizedImages:
        """Make images.

        Args:
            objective: as for `kv.ActivationMaximization`: a target, a class number, a function of the outputs, or a
                list of these with one for each image. The authors take scores before the softmax.
            count: how many images of one objective; each begins elsewhere.
            steps: how many; the step size falls over all of them. The authors take 200.
            seed: of the codes to begin with, N(0, 1), cut off at the bounds, and of the transforms.
            images: to begin with the codes of, `(N, H, W, C)` in the values of the generator's images; None for
                random codes. The authors take 30 steps from an image.
            look: steps between two looks at the images, for the history.
            keep: of each image the "last" look, as the authors do, who saw that the highest score is not the most
                telling image; or the "best".
            snapshots: steps after which the images are kept, for `SynthesizedImages.save_gif`.
            callbacks: as for `kv.ActivationMaximization`.

        Raises:
            InputError: the images to begin with do not fit.
            LayerError: the model has no layer of the generator's codes, and images to begin with are given.
            SettingError: a setting is out of range.
            TargetError: the objective does not fit the network.
        """
        steps = checked_count("steps", steps)
        target, names = as_objective(objective, count)
        climb = self._ascent_of(steps).run(
            target,
            len(names),
            steps=steps,
            seed=seed,
            images=None if images is None else self._ground.start(images, len(names)),
            look=look,
            keep=keep,
            snapshots=snapshots,
            callbacks=callbacks,
            batch_size=self.batch_size,
            title="Images of a generator",
        )
        settings = {
            "method": "generator_maximization",
            "layer": self.trained.layer,
            "rate": self.rate,
            "deviations": float(self.deviations),
            "decay": self._parametrization.decay,
            "transforms": [described(each) for each in self._setting["transforms"]],
            "regularizers": [described(each) for each in self._setting["regularizers"]],
            "generator": dict(self.trained.settings),
            "steps": steps,
            "seed": seed,
            "look": look,
            "keep": keep,
            "from_images": images is not None,
        }
        return recorded(climb, names, self._ground, settings)

    def _ascent_of(self, steps):
        """The optimization over a number of steps, on which the step size depends; the last is kept."""
        if self._ascent is None or self._ascent[0] != steps:
            falling = keras.optimizers.schedules.PolynomialDecay(self.rate, steps, _LAST_RATE)
            made = self._ground.ascent(
                self._others,
                parametrization=self._parametrization,
                optimizer=keras.optimizers.SGD(falling),
                normalize="mean_abs",
                **self._setting,
            )
            self._ascent = steps, made
        return self._ascent[1]

    def _encoded(self, images, model):
        """The codes of images in the classifier that the generator was trained with."""
        network = self.network if model is self._ground.model else Network(model)
        address = network.address(self.trained.layer)
        prepare = preparation(self.trained.preprocess)
        run = network.function(lambda tensors: network.forward([prepare(tensors[0])], [address]).activations[address])
        return np.concatenate([run(part).numpy() for part in chunks([images], self.batch_size)])


@dataclass(frozen=True, eq=False, kw_only=True)
class _Codes(ThroughGenerator):
    """Codes of a generator that can begin from images.

    Args:
        encode: images `(N, H, W, C)` to codes.
    """

    encode: Callable

    def parameters_of(self, images, space):
        return [np.asarray(self.encode(images), np.float32)]
