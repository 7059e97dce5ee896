"""What a layer keeps of a photograph: images with the same activation, and caricatures of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from kerasviz.checks import checked_number
from kerasviz.network import Network
from kerasviz.network.network import chunks
from kerasviz.synthesis.making import ground, recorded
from kerasviz.synthesis.others import other_inputs
from kerasviz.synthesis.parametrizations.base import Parametrization
from kerasviz.synthesis.parametrizations.fourier import Fourier
from kerasviz.synthesis.presets import Preset
from kerasviz.synthesis.record import SynthesizedImages
from kerasviz.synthesis.regularizers import TotalVariation
from kerasviz.synthesis.transforms import Roll
from kerasviz.targets import AlongActivation, MatchActivation, Target


class _Remaking(ABC):
    """Makes images after the activations that a layer has on photographs. Arguments as for `FeatureInversion`."""

    _method: str
    _title: str
    _smoothness: float

    def __init__(
        self,
        model,
        layer=None,
        *,
        size: int | tuple[int, int] | None = None,
        preprocess: str | Callable | None = None,
        value_range: tuple[float, float] | None = None,
        parametrization: Parametrization | None = None,
        transforms: Sequence | None = None,
        regularizers: Sequence | None = None,
        optimizer: keras.optimizers.Optimizer | None = None,
        normalize: str | None = None,
        input: str | None = None,
        others: Mapping[str, np.ndarray] | None = None,
        batch_size: int = 16,
        sample=None,
    ):
        self._ground = ground(
            model, size=size, preprocess=preprocess, value_range=value_range, input=input, sample=sample
        )
        self.layer = self.network.address(layer)
        self._preset = Preset(
            parametrization or Fourier(),
            self._moves(self._ground.space) if transforms is None else transforms,
            (TotalVariation(self._smoothness),) if regularizers is None else regularizers,
            optimizer=optimizer,
            normalize=normalize,
        )
        self._ascent = self._ground.ascent(others, **self._preset.setting())
        self._others = other_inputs(self.network, self._ground.number, others)
        self.batch_size = batch_size
        self._activations = self.network.function(self._activation)

    @property
    def network(self) -> Network:
        """The network, opened."""
        return self._ground.network

    def __call__(
        self,
        images,
        *,
        steps: int = 512,
        seed: int = 0,
        start=None,
        look: int = 16,
        goal: float | None = None,
        patience: int | None = None,
        keep: str = "best",
        snapshots: Sequence[int] = (),
        callbacks: Sequence[Callable] = (),
    ) -> SynthesizedImages:
        """Make an image after each photograph.

        Args:
            images: the photographs, `(N, H, W, C)` before preprocessing, of the size of the images that are made.
            steps: at most.
            seed: of the start and the transforms.
            start: images to begin with, of the same shape; None for those of the parametrization.
            look: steps between two looks; what is returned was seen in one of them.
            goal: stop a batch as soon as all of its images have reached this value, score less penalties.
            patience: stop a batch after so many looks without a better image.
            keep: of each image the "best" look, by score less penalties, or the "last".
            snapshots: steps after which the images are kept, for `SynthesizedImages.save_gif`.
            callbacks: functions that get each `kerasviz.synthesis.watching.Look`; one that returns True ends the batch.

        Raises:
            InputError: the photographs, or the images to begin with, do not fit.
            SettingError: a setting is out of range.
            TargetError: the layer has no activation on a photograph, or several.
        """
        photographs = self._ground.start(images)
        values = np.concatenate([self._of(chunk) for [chunk] in chunks([photographs], self.batch_size)])
        target = self._target(values)
        climb = self._ascent.run(
            target,
            len(photographs),
            steps=steps,
            seed=seed,
            images=None if start is None else self._ground.start(start, len(photographs)),
            look=look,
            goal=goal,
            patience=patience,
            keep=keep,
            snapshots=snapshots,
            callbacks=callbacks,
            batch_size=self.batch_size,
            title=self._title,
        )
        settings = {
            "method": self._method,
            "layer": str(self.layer),
            **self._preset.settings(),
            **self._more_settings(),
            "steps": steps,
            "seed": seed,
            "look": look,
            "keep": keep,
            "from_images": start is not None,
        }
        return recorded(climb, [target.describe()] * len(photographs), self._ground, settings)

    @abstractmethod
    def _target(self, values) -> Target:
        """What is raised, for the activations of photographs."""

    def _moves(self, space) -> tuple:
        """The transforms by default."""
        return ()

    def _more_settings(self):
        return {}

    def _of(self, photographs):
        """The activations of photographs, through what images go through in a step."""
        spec = self.network.inputs.specs[self._ground.number]
        units = self._ground.space.unit(tf.constant(photographs))
        if None not in spec.shape[1:3] and tuple(units.shape[1:3]) != spec.shape[1:3]:
            units = tf.image.resize(units, spec.shape[1:3])
        tensors = [
            None if other is None else tf.repeat(tf.constant(other), len(photographs), axis=0) for other in self._others
        ]
        tensors[self._ground.number] = self._ground.prepare(self._ground.space.of_unit(units))
        return self._activations(tensors).numpy()

    def _activation(self, tensors):
        return tf.cast(self.network.forward(tensors, (self.layer,)).activations[self.layer], tf.float32)


class FeatureInversion(_Remaking):
    """Finds images that a layer cannot tell from photographs: what both share is what it keeps.

    Mahendran and Vedaldi 2015, "Understanding Deep Image Representations by Inverting Them": minimizes
    `‖Φ(x) - Φ(x₀)‖² / ‖Φ(x₀)‖²` and penalties. Scores are minus this error: 0 for the same activation, -1 for one of
    zero. Made once, called often.

    Args:
        model: any built Keras model, or the path of a saved one.
        layer: the layer, as `Network.address` takes it; None for the last with a spatial feature map.
        size: height and width of the images, or one number for both; None for those of the network. Images of
            another size than the network's are resized before it sees them.
        preprocess: what happens to images before the network takes them: a mode of `kerasviz.data.preprocess`, whose
            images are 0 to 255, or a differentiable function of tensors that keeps their shape; None if the network
            takes them as they are.
        value_range: the smallest and the largest value of images, before `preprocess`; needed unless that is a mode.
            `(-inf, inf)` for no range.
        parametrization: how images are written; None for `Fourier()`.
        transforms: random changes of what the network sees in each step; None for none. The activations of the
            photographs stay where they are, so what moves far blurs.
        regularizers: penalties; None for `TotalVariation(3.0)`.
        optimizer: of Keras; a copy is used. None for Adam with steps of 0.05.
        normalize: what each image's gradient is divided by: "mean_abs", "rms" or "l2"; None for nothing.
        input: the name of the input that is the image, for models with several.
        others: for models with several inputs, a sample of each other one by name, without a batch axis.
        batch_size: how many images are made at once; bounds the memory.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        InputError: no input is an image, or several could be meant.
        LayerError: there is no such layer.
        ModelError: the model cannot be opened.
        SettingError: a setting is wrong, or the range of values is not known.

    Example:
        >>> import kerasviz as kv
        >>> from kerasviz.data import shapes
        >>> invert = kv.FeatureInversion(shapes.shapes_model(), "relu1", value_range=(0, 255))
        >>> made = invert(shapes.scenes(1, seed=0).images, steps=32)
        >>> made.names, bool(made.scores[0] > -0.5)
        (('match at relu1',), True)
    """

    _method = "feature_inversion"
    _title = "Feature inversion"
    _smoothness = 3.0

    def _target(self, values):
        return MatchActivation(self.layer, values)


class Caricature(_Remaking):
    """Exaggerates photographs: makes images that go as far as they can the way of a layer's activation on them.

    Olah, Mordvintsev and Schubert 2017, "Feature Visualization" (lucid, `dot_compare`): raises, over positions, the
    dot product with the activation of the photograph there, times a power of the cosine between both. Scores are in
    shares of what the photograph itself has, which is 1. Made once, called often.

    Args:
        model: as for `FeatureInversion`.
        layer: as for `FeatureInversion`.
        cosine: the power of the cosine. 0 lets single strong units take over; higher ones keep to the photograph.
        **settings: all others of `FeatureInversion`. Left out, `transforms` is a `Roll` by a thirty-second of the
            shorter side, without which deep layers give noise, and `regularizers` is `TotalVariation(10.0)`.

    Raises:
        InputError: no input is an image, or several could be meant.
        LayerError: there is no such layer.
        ModelError: the model cannot be opened.
        SettingError: a setting is wrong, or the range of values is not known.

    Example:
        >>> import kerasviz as kv
        >>> from kerasviz.data import shapes
        >>> exaggerate = kv.Caricature(shapes.shapes_model(), "relu3", value_range=(0, 255))
        >>> made = exaggerate(shapes.scenes(1, seed=0).images, steps=160)
        >>> made.names, bool(made.scores[0] > 1)
        (('along an activation of relu3',), True)
    """

    _method = "caricature"
    _title = "Caricatures"
    _smoothness = 10.0

    def __init__(self, model, layer=None, *, cosine: float = 2.0, **settings):
        self.cosine = checked_number("cosine", cosine, 0)
        super().__init__(model, layer, **settings)

    def _target(self, values):
        return AlongActivation(self.layer, values, cosine=self.cosine)

    def _moves(self, space):
        # A thirty-second of the image: enough to wash noise out, and parts stay where they are.
        return (Roll(max(1, min(space.height, space.width) // 32)),)

    def _more_settings(self):
        return {"cosine": self.cosine}
