"""`ActivationMaximization`: images that raise a channel, a neuron, a class, or any combination of these."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from kerasviz.synthesis.making import as_objective, ground, recorded
from kerasviz.synthesis.parametrizations.base import Parametrization
from kerasviz.synthesis.presets import Preset, preset_for
from kerasviz.synthesis.record import SynthesizedImages


class ActivationMaximization:
    """Makes images that a network answers strongly to: made once, called often.

    Erhan et al. 2009, "Visualizing Higher-Layer Features of a Deep Network"; with the parametrization, transforms and
    objectives of Olah, Mordvintsev and Schubert 2017, "Feature Visualization", and the regularizers of Yosinski et al.
    2015, "Understanding Neural Networks Through Deep Visualization". The gradient goes to the image, through the
    network in inference mode, which is never changed. What is left out below is taken from the preset.

    Args:
        model: any built Keras model, or the path of a saved one.
        preset: settings that belong together: a name of `kerasviz.synthesis.presets`, a `Preset`, or "auto", which
            chooses by the size and the channels of the images.
        size: height and width of the images, or one number for both; None for those of the network. Images of
            another size than the network's are resized before it sees them.
        preprocess: what happens to images before the network takes them: a mode of `kerasviz.data.preprocess`, whose
            images are 0 to 255, or a differentiable function of tensors that keeps their shape; None if the network
            takes them as they are.
        value_range: the smallest and the largest value of images, before `preprocess`; needed unless that is a mode.
            `(-inf, inf)` for no range.
        parametrization: how images are written, such as `Fourier()` or `Pixels()`.
        transforms: random changes of what the network sees in each step; `()` for none.
        regularizers: penalties, such as `TotalVariation(0.1)`.
        adjustments: changes of the pixels after each step, such as `GaussianBlur(0.5)`; only with `Pixels`.
        optimizer: of Keras; a copy is used.
        normalize: what each image's gradient is divided by: "mean_abs", "rms" or "l2"; None for nothing.
        input: the name of the input that is made, for models with several.
        others: for models with several inputs, a sample of each other one by name, without a batch axis.
        batch_size: how many images are made at once; bounds the memory.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        InputError: no input can be made, or several could be meant.
        ModelError: the model cannot be opened.
        SettingError: a setting is wrong, or the range of values is not known.

    Example:
        >>> import kerasviz as kv
        >>> maximize = kv.ActivationMaximization(kv.data.shapes.shapes_model(), value_range=(0, 255))
        >>> made = maximize([kv.objectives.channel("relu3", 5), kv.objectives.class_score(2)], steps=4)
        >>> made.shape, made.names
        ((2, 64, 64, 3), ('channel 5 of relu3', 'class 2'))
    """

    def __init__(
        self,
        model,
        *,
        preset: str | Preset = "auto",
        size: int | tuple[int, int] | None = None,
        preprocess: str | Callable | None = None,
        value_range: tuple[float, float] | None = None,
        parametrization: Parametrization | None = None,
        transforms: Sequence | None = None,
        regularizers: Sequence | None = None,
        adjustments: Sequence | None = None,
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
        self.preset = preset_for(preset, self._ground.space).replaced(
            parametrization=parametrization,
            transforms=transforms,
            regularizers=regularizers,
            adjustments=adjustments,
            optimizer=optimizer,
            normalize=normalize,
        )
        self.batch_size = batch_size
        self._ascent = self._ground.ascent(others, **self.preset.setting())

    @property
    def network(self):
        """The network, opened."""
        return self._ground.network

    @property
    def space(self):
        """The images that are made: size, channels and range of values."""
        return self._ground.space

    def __call__(
        self,
        objective,
        count: int | None = None,
        *,
        steps: int | None = None,
        seed: int = 0,
        images=None,
        look: int = 16,
        goal: float | None = None,
        patience: int | None = None,
        keep: str = "best",
        snapshots: Sequence[int] = (),
        callbacks: Sequence[Callable] = (),
    ) -> SynthesizedImages:
        """Make images.

        Args:
            objective: a target of `kerasviz.objectives` or `kerasviz.targets`, a class number, or a function of the
                outputs; or a list of these, one for each image: all are made together.
            count: how many images of one objective; each begins elsewhere. Subtract a `diversity` to set them apart.
            steps: at most; None for the preset's.
            seed: of the start and the transforms.
            images: to begin with, `(N, H, W, C)` before preprocessing; None for those of the parametrization.
            look: steps between two looks at the images themselves, without transforms; what is returned was seen in
                one of them.
            goal: stop a batch as soon as all of its images have reached this value.
            patience: stop a batch after so many looks without a better image.
            keep: of each image the "best" look, by objective less penalties, or the "last".
            snapshots: steps after which the images are kept, for `SynthesizedImages.save_gif`.
            callbacks: functions that get each `kerasviz.synthesis.watching.Look`; one that returns True ends the batch.

        Raises:
            InputError: the images to begin with do not fit.
            SettingError: a setting is out of range.
            TargetError: the objective does not fit the network.

        Warns:
            KerasvizWarning: an image has no gradient to begin with, or a score is not finite.
        """
        target, names = as_objective(objective, count)
        steps = self.preset.steps if steps is None else steps
        climb = self._ascent.run(
            target,
            len(names),
            steps=steps,
            seed=seed,
            images=None if images is None else self._ground.start(images, len(names)),
            look=look,
            goal=goal,
            patience=patience,
            keep=keep,
            snapshots=snapshots,
            callbacks=callbacks,
            batch_size=self.batch_size,
            title="Activation maximization",
        )
        settings = {
            "method": "activation_maximization",
            **self.preset.settings(),
            "steps": steps,
            "seed": seed,
            "look": look,
            "keep": keep,
            "from_images": images is not None,
        }
        return recorded(climb, names, self._ground, settings)
